//! `landwaiter watch`: the live engine in, findings out, as they open, rise and close.

use crate::live;
use crate::load::Detection;
use crate::ui::{Failure, Ui};
use crate::witnesses::{self, WitnessArgs};
use crate::{Exit, cli, last, record, render, replay};
use engine::Engine;
use event::{Level, Record, SmolStr, Span};
use finding::{Change, Status, wire};
use inventory::Inventory;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

/// Watch everything that can be seen from here and print findings as they open, rise and close.
///
/// Needs no configuration: all witnesses that are there (the engine that the `docker` command would speak to, other runtimes, the kernel's processes,
/// connections and packet filter), all shipped strategies. `landwaiter doctor` lists the witnesses and says what is missing.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  landwaiter watch
  landwaiter watch --without conntrack             everything but connections
  landwaiter watch --record night.jsonl            keep every record, for replay and for `show`
  landwaiter watch --output jsonl --min-severity medium | logger -t landwaiter")]
pub struct Args {
    /// What to print
    #[arg(long, short, value_enum, default_value = "human", value_name = "FORMAT")]
    output: Output,
    /// Print only findings of this severity and above
    #[arg(long, value_parser = cli::level, default_value = "low", value_name = "SEVERITY")]
    min_severity: Level,
    /// Exit with status 1 when a finding of this severity or above was printed
    #[arg(long, value_parser = cli::level, value_name = "SEVERITY")]
    fail_on: Option<Level>,
    /// Print explained findings too
    #[arg(long)]
    explained: bool,
    /// Keep all records and ticks in this file, as a recording
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Stop after this time
    #[arg(long = "for", value_name = "SPAN", value_parser = cli::span)]
    time: Option<Span>,
    #[command(flatten)]
    witnesses: WitnessArgs,
    #[command(flatten)]
    detection: Detection,
}

/// What to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For a person.
    Human,
    /// One finding a line as JSON, each time that it changes.
    Jsonl,
}

/// Watches until a signal comes or the time is over.
pub fn run(args: Args, ui: &Ui) -> Result<Exit, Failure> {
    let loaded = args.detection.load(ui)?;
    let mut tape = match &args.record {
        Some(path) => Some(record::open(Some(path))?),
        None => None,
    };
    let live = args.witnesses.listen(ui)?;
    let counters = witnesses::counters(&live);
    live::stop_on_signals(live.stopper())?;
    if let Some(time) = args.time {
        live.stopper().stop_in(live::duration(time));
    }
    if args.output == Output::Human {
        ui.note(&format!("watching {} with {} strategies; Ctrl-C ends it", witnesses::sentence(&live), loaded.pack.strategies().len()));
    }
    remember(&args);
    let preparer = loaded.preparer;
    let mut engine = Engine::new(loaded.rules, Inventory::new(loaded.context));
    let mut printer = Printer { ui, args: &args, open: BTreeMap::new(), ended: BTreeMap::new() };
    let records = live.map(|record| {
        keep(&mut tape, &record, &args, ui);
        preparer.prepare(record)
    });
    engine::drive(records, &mut engine, &mut printer);

    let shown = printer.counts();
    ui.note(&format!("{}; {}", render::levels(&shown), witnesses::account(&counters)));
    let fails = args.fail_on.is_some_and(|level| shown.range(level..).next().is_some());
    Ok(if fails { Exit::Found } else { Exit::Done })
}

/// Lets `show` and `contain` find in the recording what is printed here.
fn remember(args: &Args) {
    if let Some(path) = &args.record {
        last::remember(&replay::Args {
            paths: vec![path.clone()],
            output: replay::Output::Human,
            min_severity: args.min_severity,
            fail_on: None,
            explained: args.explained,
            host: "local".to_owned(),
            detection: args.detection.clone(),
        });
    }
}

/// Keeps a record. A full disk must not end the watch: it is said once, and the recording ends there.
fn keep(tape: &mut Option<Box<dyn Write>>, record: &Record, args: &Args, ui: &Ui) {
    if let Some(out) = tape
        && let Err(error) = record::write(out, record)
    {
        ui.note(&format!("the recording ends here, the watch goes on: {}", record::cannot_write(args.record.as_deref(), &error).message));
        *tape = None;
    }
}

/// Prints changes, and counts what was printed. A watch may run for months, so of a finding that is over only its severity is counted.
struct Printer<'a> {
    ui: &'a Ui,
    args: &'a Args,
    /// Severity of each finding that still stands open; the judge bounds how many do.
    open: BTreeMap<SmolStr, Level>,
    /// How many of each severity are over.
    ended: BTreeMap<Level, usize>,
}

impl engine::Out for Printer<'_> {
    fn finding(&mut self, change: Change) {
        let finding = change.finding();
        if finding.severity < self.args.min_severity || (finding.status == Status::Explained && !self.args.explained) {
            return;
        }
        match self.args.output {
            Output::Jsonl => self.ui.out(&wire::to_json(finding)),
            Output::Human => self.print(&change),
        }
        let (id, severity) = (finding.id.clone(), finding.severity);
        if matches!(change, Change::Closed(_)) {
            self.open.remove(&id);
            *self.ended.entry(severity).or_default() += 1;
        } else {
            self.open.insert(id, severity);
        }
    }
}

impl Printer<'_> {
    /// How many findings were printed, by their last severity.
    fn counts(&self) -> BTreeMap<Level, usize> {
        let mut counts = self.ended.clone();
        for severity in self.open.values() {
            *counts.entry(*severity).or_default() += 1;
        }
        counts
    }

    fn print(&self, change: &Change) {
        let ui = self.ui;
        let finding = change.finding();
        match change {
            Change::Opened(_) | Change::Rose(_) => {
                if matches!(change, Change::Rose(_)) {
                    ui.out(&ui.dim(&format!("{} rose to {}:", finding.id, finding.severity)));
                }
                render::finding(ui, finding).iter().for_each(|line| ui.out(line));
                ui.out("");
            }
            Change::Closed(_) => {
                let message = render::printable(&finding.message);
                ui.out(&ui.dim(&format!("{} closed after {}: {message}", finding.id, finding.last_seen - finding.first_seen)));
            }
            // It was printed when it opened, and nothing happened to it since.
            Change::Standing(_) => {}
        }
    }
}
