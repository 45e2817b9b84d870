//! `landwaiter strategy`: the documents that are tests and detectors at once.

use crate::load::Detection;
use crate::ui::{Failure, Ui};
use crate::{Exit, render};
use clap::Subcommand;
use event::Gravity;
use std::path::PathBuf;
use strategy::Pack;

/// List, show, check, test and write strategies
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  landwaiter strategy list
  landwaiter strategy check strategies
  landwaiter strategy test container-spray
  landwaiter strategy new odd-mounts --from-recording recording.jsonl
  landwaiter strategy dev strategies/odd-mounts.md")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// List the strategies
    List {
        #[command(flatten)]
        detection: Detection,
    },
    /// Print one strategy's page
    Show {
        /// Its id
        id: String,
        #[command(flatten)]
        detection: Detection,
    },
    /// Read pages and say everything that is wrong with them
    Check {
        /// Pages or folders; default: the shipped ones
        paths: Vec<PathBuf>,
    },
    /// Play every claim and say which hold
    Test(crate::strategy_test::Args),
    /// Watch a page and test it on every save
    Dev(crate::strategy_test::DevArgs),
    /// Write a new page
    New {
        /// Its id, which is also its file's name
        id: String,
        /// Recording that it should detect
        #[arg(long, value_name = "FILE")]
        from_recording: PathBuf,
        /// Where to write it
        #[arg(long, default_value = ".", value_name = "FOLDER")]
        into: PathBuf,
    },
    /// Print a page's rules as plain Sigma
    Export {
        /// Its id
        id: String,
        #[command(flatten)]
        detection: Detection,
    },
}

/// Runs the command.
pub fn run(args: Args, ui: &Ui) -> Result<Exit, Failure> {
    match args.what {
        What::List { detection } => list(&detection.pack(ui)?, ui),
        What::Show { id, detection } => {
            let detection = Detection { strategy: vec![id], ..detection };
            for strategy in detection.pack(ui)?.strategies() {
                ui.out(strategy.text.trim_end());
            }
            Ok(Exit::Done)
        }
        What::Check { paths } => check(&paths, ui),
        What::Test(args) => crate::strategy_test::run(args, ui),
        What::Dev(args) => crate::strategy_test::dev(args, ui),
        What::New { id, from_recording, into } => crate::strategy_test::new(&id, &from_recording, &into, ui),
        What::Export { id, detection } => {
            let detection = Detection { strategy: vec![id], ..detection };
            for strategy in detection.pack(ui)?.strategies() {
                ui.out(strategy.export_sigma().trim_end());
            }
            Ok(Exit::Done)
        }
    }
}

fn list(pack: &Pack, ui: &Ui) -> Result<Exit, Failure> {
    let widest = pack.strategies().iter().map(|strategy| strategy.id.len()).max().unwrap_or(0);
    for strategy in pack.strategies() {
        let techniques: Vec<String> = strategy.techniques().map(|id| id.to_string()).collect();
        ui.out(&format!("{:<widest$}  {}  {}", strategy.id, strategy.title, ui.dim(&techniques.join(" "))));
    }
    Ok(Exit::Done)
}

fn check(paths: &[PathBuf], ui: &Ui) -> Result<Exit, Failure> {
    let mut problems = Vec::new();
    let mut pages = 0;
    if paths.is_empty() {
        let (pack, found) = Pack::shipped();
        pages += pack.strategies().len();
        problems.extend(found);
        problems.extend(sigma::RuleSet::compile(pack.rules()).1);
    }
    for path in paths {
        let (pack, found) = Pack::load(path).map_err(|e| Failure::new(format!("read {}: {e}", path.display())))?;
        pages += pack.strategies().len();
        problems.extend(found);
        problems.extend(sigma::RuleSet::compile(pack.rules()).1);
    }
    let errors = problems.iter().filter(|p| p.gravity == Gravity::Error).count();
    for problem in &problems {
        ui.out(&render::printable(&problem.to_string()));
    }
    ui.out(&format!(
        "{}, {}, {}",
        render::number(pages, "page"),
        render::number(errors, "error"),
        render::number(problems.len() - errors, "warning")
    ));
    Ok(if errors > 0 { Exit::Found } else { Exit::Done })
}
