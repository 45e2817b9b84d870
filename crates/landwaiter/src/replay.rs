//! `landwaiter replay`: recordings in, findings out, each once and in its final state.

use crate::load::Detection;
use crate::ui::{Failure, Ui};
use crate::{Exit, cli, render};
use engine::Engine;
use event::{Event, Level};
use finding::{Change, Finding, Status};
use inventory::Inventory;
use source::read::{ReadOptions, ReadReport, Reader};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

/// Replay recordings and print what they show
///
/// Takes files, folders or standard input (-), of any mix of known formats: Docker events as JSON lines, `docker inspect` answers, recordings of
/// `landwaiter record`; plain, .gz or .zst.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  landwaiter replay examples/first-day
  landwaiter replay --output jsonl --min-severity medium recording.jsonl.zst | jq .message
  docker events --since 24h --until 0s --format '{{json .}}' | landwaiter replay -
  landwaiter replay --fail-on high ci-run.jsonl        exit status 1 when something high is found")]
pub struct Args {
    /// Files or folders; - is standard input
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// What to print
    #[arg(long, short, value_enum, default_value = "human", value_name = "FORMAT")]
    pub output: Output,
    /// Print only findings of this severity and above
    #[arg(long, value_parser = cli::level, default_value = "low", value_name = "SEVERITY")]
    pub min_severity: Level,
    /// Exit with status 1 when a finding of this severity or above is printed
    #[arg(long, value_parser = cli::level, value_name = "SEVERITY")]
    pub fail_on: Option<Level>,
    /// Print explained findings too
    #[arg(long)]
    pub explained: bool,
    /// Host that the records come from, where they do not say it themselves
    #[arg(long, default_value = "local", value_name = "NAME")]
    pub host: String,
    #[command(flatten)]
    pub detection: Detection,
}

/// What to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For a person.
    Human,
    /// One finding a line, as JSON.
    Jsonl,
    /// One event a line, native and derived, as JSON: what rules can read.
    Events,
}

/// Takes every event in turn.
type EachEvent = Box<dyn FnMut(&Event)>;

/// Collects findings in their latest state, by (first seen, id).
#[derive(Default)]
pub struct Ledger {
    by_id: BTreeMap<String, Finding>,
    events: Option<EachEvent>,
}

impl Ledger {
    /// Also hands every event to `f`.
    pub fn with_events(f: impl FnMut(&Event) + 'static) -> Ledger {
        Ledger { by_id: BTreeMap::new(), events: Some(Box::new(f)) }
    }

    /// Findings in the order in which they are printed.
    pub fn findings(self) -> Vec<Finding> {
        let mut all: Vec<Finding> = self.by_id.into_values().collect();
        all.sort_by(|a, b| (a.first_seen, &a.id).cmp(&(b.first_seen, &b.id)));
        all
    }
}

impl engine::Out for Ledger {
    fn finding(&mut self, change: Change) {
        let finding = change.into_finding();
        self.by_id.insert(finding.id.to_string(), finding);
    }

    fn event(&mut self, event: &Event) {
        if let Some(f) = &mut self.events {
            f(event);
        }
    }

    fn all_events(&self) -> bool {
        self.events.is_some()
    }
}

/// Replays `paths` and gives the findings with what was read.
pub fn play(ui: &Ui, paths: &[PathBuf], host: &str, loaded: crate::load::Loaded, mut ledger: Ledger) -> Result<(Vec<Finding>, ReadReport), Failure> {
    let options = ReadOptions { host: host.into(), preparer: loaded.preparer, ..ReadOptions::default() };
    let mut reader =
        Reader::open(paths, &options).map_err(|e| Failure::new(e.to_string()).remedy("name files, folders or - for standard input"))?;
    let mut engine = Engine::new(loaded.rules, Inventory::new(loaded.context));
    let started = Instant::now();
    let mut seen = 0u64;
    {
        let total = reader.bytes_total();
        while let Some(prepared) = reader.next() {
            engine.push(prepared, &mut ledger);
            seen += 1;
            if seen.is_multiple_of(65_536) {
                let share = total.filter(|n| *n > 0).map(|n| format!(" {}%", (reader.bytes_read() * 100 / n).min(100))).unwrap_or_default();
                ui.progress(&format!("replaying{share}, {seen} records, {}s", started.elapsed().as_secs()));
            }
        }
    }
    engine.finish(&mut ledger);
    ui.clear_progress();
    Ok((ledger.findings(), reader.report().clone()))
}

/// Runs the command.
pub fn run(args: Args, ui: &Ui) -> Result<Exit, Failure> {
    let loaded = args.detection.load(ui)?;
    let ledger = match args.output {
        Output::Events => {
            let ui = ui.clone();
            Ledger::with_events(move |event| ui.out(&render::event_line(event)))
        }
        Output::Human | Output::Jsonl => Ledger::default(),
    };
    let (findings, report) = play(ui, &args.paths, &args.host, loaded, ledger)?;
    if report.records > 0 {
        crate::last::remember(&args);
    }

    let shown: Vec<&Finding> = findings
        .iter()
        .filter(|finding| finding.severity >= args.min_severity && (args.explained || finding.status != Status::Explained))
        .collect();
    match args.output {
        Output::Human => {
            for finding in &shown {
                render::finding(ui, finding).iter().for_each(|line| ui.out(line));
                ui.out("");
            }
            summary(ui, &args, &findings, &shown, &report);
        }
        Output::Jsonl => shown.iter().for_each(|finding| ui.out(&finding::wire::to_json(finding))),
        Output::Events => {}
    }
    skipped(ui, &report);

    if report.records == 0 {
        return Err(Failure::new("read a single record in what was given")
            .remedy("landwaiter source list names the formats that are read; a runtime of your own needs a mapping file, see docs/mapping-a-source.md"));
    }
    let fails = args.fail_on.is_some_and(|level| shown.iter().any(|finding| finding.severity >= level));
    Ok(if fails { Exit::Found } else { Exit::Done })
}

/// The last line for a person: how much was found in how much.
fn summary(ui: &Ui, args: &Args, findings: &[Finding], shown: &[&Finding], report: &ReadReport) {
    let span = match (report.first, report.last) {
        (Some(first), Some(last)) if last > first => format!(" over {}", last - first),
        _ => String::new(),
    };
    ui.out(&format!("{} in {} of {}{span}", render::counts(shown.iter().copied()), render::number(report.records, "record"), render::number(report.files, "file")));
    let explained = findings.iter().filter(|finding| finding.status == Status::Explained).count();
    let below = findings.len() - shown.len() - if args.explained { 0 } else { explained };
    let mut rest = Vec::new();
    if explained > 0 && !args.explained {
        rest.push(format!("{explained} explained by context (--explained shows them)"));
    }
    if below > 0 {
        rest.push(format!("{below} below {}", args.min_severity));
    }
    if !rest.is_empty() {
        ui.out(&ui.dim(&format!("not shown: {}", rest.join(", "))));
    }
}

/// Of many that were skipped so many are named.
const SKIPPED_SHOWN: usize = 5;

/// What could not be read, on standard error.
fn skipped(ui: &Ui, report: &ReadReport) {
    let total = report.skipped_total;
    if total == 0 {
        return;
    }
    // One reason is named with each of its places; many are summed up.
    if total > report.skipped.len() as u64 {
        let mut reasons: Vec<(&String, &u64)> = report.reasons.iter().collect();
        reasons.sort_by(|a, b| (b.1, a.0).cmp(&(a.1, b.0)));
        let part = |(reason, count): &(&String, &u64)| format!("{count} {}", if reason.is_empty() { "for other reasons" } else { reason });
        let shown: Vec<String> = reasons.iter().map(part).collect();
        ui.note(&format!("skipped {}: {}", render::number(total, "record"), render::printable(&shown.join(", "))));
        for skip in report.skipped.iter().take(SKIPPED_SHOWN) {
            ui.note(&format!("  such as {}:{}: {}", render::printable(&skip.place.file), skip.place.number, render::printable(&skip.reason)));
        }
        return;
    }
    for skip in &report.skipped {
        ui.note(&format!("skipped {}:{}: {}", render::printable(&skip.place.file), skip.place.number, render::printable(&skip.reason)));
    }
}

