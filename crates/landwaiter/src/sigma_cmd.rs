//! `landwaiter sigma`: plain Sigma rules, checked, tried and explained.

use crate::load::Detection;
use crate::replay::Ledger;
use crate::ui::{Failure, Ui};
use crate::{Exit, last, render, replay};
use clap::Subcommand;
use event::{Event, Gravity};
use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use strategy::Pack;

/// Check, try and explain Sigma rules
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  landwaiter sigma check rules/
  landwaiter sigma test rules/odd.yml examples/first-day
  landwaiter sigma explain privileged-created examples/first-day")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Read rules and say everything that is wrong with them
    Check {
        /// Rules or folders
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Replay recordings with these rules alone
    Test {
        /// A rule, a page or a folder of them
        rules: PathBuf,
        /// Recordings
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Say why a rule matched, or which single predicate kept the nearest event from matching
    Explain {
        /// The rule's name
        rule: String,
        /// Recordings; default: those of the last replay
        paths: Vec<PathBuf>,
        #[command(flatten)]
        detection: Detection,
    },
}

/// Runs the command.
pub fn run(args: Args, ui: &Ui) -> Result<Exit, Failure> {
    match args.what {
        What::Check { paths } => check(&paths, ui),
        What::Test { rules, paths } => {
            let detection = Detection { rules: vec![rules], no_shipped: true, ..Detection::default() };
            let (findings, report) = replay::play(ui, &paths, "local", detection.load(ui)?, Ledger::default())?;
            for finding in &findings {
                render::finding(ui, finding).iter().for_each(|line| ui.out(line));
                ui.out("");
            }
            ui.out(&format!("{} in {} records", render::counts(&findings), report.records));
            Ok(Exit::Done)
        }
        What::Explain { rule, paths, detection } => explain(&rule, paths, &detection, ui),
    }
}

fn check(paths: &[PathBuf], ui: &Ui) -> Result<Exit, Failure> {
    let (mut rules, mut errors, mut warnings) = (0, 0, 0);
    for path in paths {
        let (pack, mut problems) = Pack::load(path).map_err(|e| Failure::new(format!("read {}: {e}", path.display())))?;
        rules += pack.rules().len();
        problems.extend(sigma::RuleSet::compile(pack.rules()).1);
        for problem in problems {
            match problem.gravity {
                Gravity::Error => errors += 1,
                Gravity::Warning => warnings += 1,
            }
            ui.out(&render::printable(&problem.to_string()));
        }
    }
    ui.out(&format!("{}, {}, {}", render::number(rules, "rule"), render::number(errors, "error"), render::number(warnings, "warning")));
    Ok(if errors > 0 { Exit::Found } else { Exit::Done })
}

fn explain(name: &str, paths: Vec<PathBuf>, detection: &Detection, ui: &Ui) -> Result<Exit, Failure> {
    let (paths, detection) = if paths.is_empty() {
        let last = last::recall().ok_or_else(|| Failure::new("tell where to look").remedy("name recordings after the rule"))?;
        let detection = last.detection();
        (last.paths, detection)
    } else {
        (paths, detection.clone())
    };
    let loaded = detection.load(ui)?;
    let names: Vec<&str> = loaded.rules.set.rules().iter().map(|rule| rule.name.as_str()).collect();
    let index = names.iter().position(|known| *known == name).ok_or_else(|| {
        let near = event::problem::nearest(name, names.iter().copied());
        let remedy = near.map_or_else(|| "landwaiter strategy list names the strategies".to_owned(), |near| format!("did you mean {near}?"));
        Failure::new(format!("find a rule named {name}")).remedy(remedy)
    })?;
    let set = loaded.rules.set.clone();
    // Of all events only the nearest is kept: the one with the fewest predicates that would have to be otherwise.
    let best: Rc<RefCell<Option<(usize, Event)>>> = Rc::default();
    let ledger = {
        let (best, set) = (Rc::clone(&best), set.clone());
        Ledger::with_events(move |event| {
            let Some(near) = sigma::nearest(&set, index, [event]) else { return };
            let mut best = best.borrow_mut();
            if best.as_ref().is_none_or(|(missing, _)| near.missing < *missing) {
                *best = Some((near.missing, event.clone()));
            }
        })
    };
    replay::play(ui, &paths, "local", loaded, ledger)?;
    let best = best.borrow();
    match best.as_ref() {
        None => ui.out("no event of the rule's logsource was read"),
        Some((missing, event)) => {
            let head = match missing {
                0 => "matched".to_owned(),
                1 => "nearest miss, by one predicate".to_owned(),
                n => format!("nearest miss, by {n} predicates"),
            };
            let place = event.evidence.first().map(|p| format!(", {}:{}", p.place.file, p.place.number)).unwrap_or_default();
            ui.out(&format!("{}: {} at {} UTC{place}", ui.bold(&head), event.kind.name(), render::clock(event.time)));
            ui.out(render::printable_lines(&sigma::explain(&set, event, index).to_string()).trim_end());
        }
    }
    Ok(Exit::Done)
}
