//! `landwaiter source`: what is read, and mapping files for what is not.

use crate::ui::{Failure, Ui};
use crate::{Exit, load, render};
use clap::Subcommand;
use event::{Body, Gravity};
use source::mapping::{Look, Mapping, Mappings};
use source::read::{ReadOptions, Reader};
use source::{Preparer, SOURCES};
use std::path::{Path, PathBuf};

/// List the formats that are read, and check mapping files of further ones
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  landwaiter source list
  landwaiter source check examples/sources.d/quayd.yml examples/sources.d/quayd.jsonl
  landwaiter replay --sources examples/sources.d examples/sources.d/quayd.jsonl

docs/mapping-a-source.md describes a mapping file line by line.")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// List the sources, built-in and mapped ones
    List {
        /// Mapping files, files or folders, beside ./sources.d and /etc/landwaiter/sources.d
        #[arg(long, value_name = "DIR")]
        sources: Vec<PathBuf>,
    },
    /// Read a mapping file, say everything that is wrong with it, and show what it sees in samples
    ///
    /// Exit status 1 when a sample was not read by it, 2 when the mapping has errors.
    Check {
        /// The mapping file
        file: PathBuf,
        /// Records of the source, files or - for standard input
        samples: Vec<PathBuf>,
        /// Show at most this many records
        #[arg(long, default_value_t = 20, value_name = "COUNT")]
        most: usize,
    },
}

/// Runs the command.
pub fn run(args: Args, ui: &Ui) -> Result<Exit, Failure> {
    match args.what {
        What::List { sources } => list(&sources, ui),
        What::Check { file, samples, most } => check(&file, &samples, most, ui),
    }
}

fn list(named: &[PathBuf], ui: &Ui) -> Result<Exit, Failure> {
    let mappings = load::mappings(named, ui)?;
    let built_in = SOURCES.iter().map(|source| (source.name, source.witness, source.about.to_owned()));
    let mapped = mappings.iter().map(|mapping| {
        let about = if mapping.about().is_empty() { "A mapped source.".to_owned() } else { render::printable(mapping.about()).to_string() };
        (mapping.name(), mapping.witness(), format!("{about} ({})", render::printable(mapping.file())))
    });
    for (name, witness, about) in built_in.chain(mapped) {
        ui.out(&format!("{name:<22} {:<12} {about}", witness.as_str()));
    }
    Ok(Exit::Done)
}

fn check(file: &Path, samples: &[PathBuf], most: usize, ui: &Ui) -> Result<Exit, Failure> {
    let failed = |e: &dyn std::fmt::Display| Failure::new(format!("read {}: {e}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|e| failed(&e))?;
    let (mapping, problems) = Mapping::parse(&text, &file.display().to_string());
    let Some(mapping) = mapping else {
        return Err(Failure::new(format!("use {}", file.display())).problems(problems));
    };
    let warnings = problems.iter().filter(|problem| problem.gravity == Gravity::Warning);
    warnings.for_each(|problem| ui.note(&problem.to_string()));
    if samples.is_empty() {
        ui.out(&format!("{} is a mapping without errors; name records after it to see what it reads in them", render::printable(mapping.name())));
        return Ok(Exit::Done);
    }
    let mut mappings = Mappings::default();
    mappings.add(mapping.clone());
    let options = ReadOptions { preparer: Preparer::new(mappings), ..ReadOptions::default() };
    let reader = Reader::open(samples, &options).map_err(|e| Failure::new(e.to_string()))?;
    let (mut total, mut taken) = (0, 0);
    for prepared in reader {
        let Body::Data(bytes) = &prepared.record.body else { continue };
        let look = mapping.look(bytes);
        let is_read = look.source == mapping.name() && look.problem.is_empty();
        total += 1;
        taken += usize::from(is_read);
        if total <= most {
            let place = format!("{}:{}", render::printable(&prepared.record.place.file), prepared.record.place.number);
            show(&place, &look, mapping.name(), ui);
        }
    }
    if total == 0 {
        return Err(Failure::new("find a record in the samples").remedy("name files with records of the source"));
    }
    ui.out(&format!("{taken} of {} read", render::number(total as u64, "record")));
    Ok(if taken == total { Exit::Done } else { Exit::Found })
}

/// What was seen in one record.
fn show(place: &str, look: &Look, name: &str, ui: &Ui) {
    let head = match (look.source.as_str(), look.problem.as_str()) {
        (source, "") if source == name => look.kind.to_owned(),
        (source, problem) if source == name => format!("{} could not be read: {problem}", look.kind),
        ("", "") => "not recognised".to_owned(),
        ("", problem) => format!("not recognised: {problem}"),
        (_, problem) => problem.to_owned(),
    };
    ui.out(&format!("{} {}", ui.bold(place), render::printable(&head)));
    for seen in &look.fields {
        let value = match &seen.value {
            Some(value) => render::printable(value).to_string(),
            None => ui.dim("nothing there"),
        };
        ui.out(&format!("  {:<30} {value}  {}", seen.field, ui.dim(&format!("({})", render::printable(&seen.path)))));
    }
}
