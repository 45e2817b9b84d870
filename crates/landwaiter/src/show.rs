//! `landwaiter show`: one finding with its raw records, the container's timeline, and what its neighbours did.

use crate::load::Detection;
use crate::replay::{self, Ledger};
use crate::ui::{Failure, Ui};
use crate::{Exit, last, render};
use event::{Event, Fields, Place, Span, Value};
use finding::Finding;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

/// How far to either side of a finding its neighbours are shown.
const NEIGHBOURHOOD: Span = Span::minutes(5);

/// Lines shown of the timeline and of the neighbours at most; the middle is left out and counted.
const LINES_MAX: usize = 40;

/// Show one finding: its raw records, the container's timeline, its neighbours five minutes either side
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  landwaiter show 3f9c2a71                          a finding of the last replay
  landwaiter show 3f9c2a71 recordings/monday        a finding of these recordings")]
pub struct Args {
    /// Id of the finding, or its beginning
    #[arg(value_name = "FINDING")]
    id: String,
    /// Files or folders to find it in; default: those of the last replay
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    detection: Detection,
}

/// What the second pass looks for.
#[derive(Default)]
struct Story {
    raw: BTreeMap<Place, String>,
    timeline: Vec<String>,
    neighbours: Vec<String>,
}

/// Runs the command.
pub fn run(args: Args, ui: &Ui) -> Result<Exit, Failure> {
    let (paths, host, detection) = if args.paths.is_empty() {
        let last = last::recall().ok_or_else(|| Failure::new("tell where to look").remedy("name the files or folders after the finding's id"))?;
        let detection = last.detection();
        (last.paths, last.host, detection)
    } else {
        (args.paths, "local".to_owned(), args.detection)
    };
    let (findings, _) = replay::play(ui, &paths, &host, detection.load(ui)?, Ledger::default())?;
    let finding = pick(&args.id, &findings)?.clone();

    let story = Rc::new(RefCell::new(Story::default()));
    let ledger = {
        let (story, finding) = (Rc::clone(&story), finding.clone());
        Ledger::with_events(move |event| story.borrow_mut().take(&finding, event))
    };
    replay::play(ui, &paths, &host, detection.load(ui)?, ledger)?;

    render::finding(ui, &finding).iter().for_each(|line| ui.out(line));
    ui.out(&format!("\n{}", ui.bold("Rules")));
    for (rule, count) in &finding.rules {
        ui.out(&format!("  {rule} ×{count}"));
    }
    let story = story.borrow();
    ui.out(&format!("\n{}", ui.bold("Raw records")));
    for evidence in &finding.evidence {
        ui.out(&ui.dim(&format!("  {}:{}  {}  sha256 {}", evidence.place.file, evidence.place.number, evidence.time, evidence.sha256)));
        if let Some(raw) = story.raw.get(&evidence.place) {
            ui.out(&format!("  {raw}"));
        }
    }
    section(ui, "Timeline", &story.timeline);
    section(ui, "Neighbours, five minutes either side", &story.neighbours);
    Ok(Exit::Done)
}

/// The finding whose id begins with `id`.
pub(crate) fn pick<'a>(id: &str, findings: &'a [Finding]) -> Result<&'a Finding, Failure> {
    let mut matching = findings.iter().filter(|finding| finding.id.starts_with(id));
    match (matching.next(), matching.next()) {
        (Some(finding), None) => Ok(finding),
        (Some(_), Some(_)) => Err(Failure::new(format!("tell which finding {id} is: several begin so")).remedy("write more of its id")),
        (None, _) => Err(Failure::new(format!("find {id:?} among {}", render::number(findings.len(), "finding"))).remedy("landwaiter replay lists their ids")),
    }
}

fn section(ui: &Ui, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    ui.out(&format!("\n{}", ui.bold(title)));
    let half = LINES_MAX / 2;
    for (i, line) in lines.iter().enumerate() {
        if lines.len() > LINES_MAX && i == half {
            ui.out(&ui.dim(&format!("  … {} more …", lines.len() - LINES_MAX)));
        }
        if lines.len() <= LINES_MAX || i < half || i >= lines.len() - half {
            ui.out(&format!("  {line}"));
        }
    }
}

impl Story {
    fn take(&mut self, finding: &Finding, event: &Event) {
        match &event.fields {
            Fields::Native(_) => {
                for provenance in &event.evidence {
                    if finding.evidence.iter().any(|evidence| evidence.place == provenance.place) {
                        self.raw.insert(provenance.place.clone(), render::printable(&String::from_utf8_lossy(&provenance.raw)));
                    }
                }
            }
            Fields::Derived(list) => {
                let about = |field: &str| list.iter().find(|(id, _)| id.name() == field).map(|(_, value)| value.to_string());
                let subject = about("container.id");
                let ours = subject.is_some() && subject == finding.entity.get("container.id").map(Value::to_string);
                let near = event.at >= finding.first_seen.minus(NEIGHBOURHOOD) && event.at <= finding.last_seen + NEIGHBOURHOOD;
                if ours {
                    self.timeline.push(line(event, list));
                } else if near && event.kind.name() != "container.accumulated" {
                    self.neighbours.push(line(event, list));
                }
            }
        }
    }
}

/// One event in one line: time, kind, name, and the fields that tell most.
pub(crate) fn line(event: &Event, list: &[(event::FieldId, Value)]) -> String {
    const TELLING: [&str; 36] = [
        "container.name",
        "container.image.name",
        "container.command_line",
        "change.property",
        "change.before",
        "change.after",
        "container.lifetime_seconds",
        "container.exit_code",
        "exec.command_line",
        "network.name",
        "network.opened",
        "container.posture.dangerous",
        "integrity.kind",
        "sensor.how",
        "sensor.reason",
        "image.name",
        "actor",
        "k8s.owner",
        "request.target",
        "request.command_line",
        "process.command_line",
        "process.action",
        "process.file.path",
        "source.address",
        "destination.address",
        "destination.port",
        "destination.workload",
        "flow.outcome",
        "fan_out.targets",
        "policy.sentence",
        "guard.name",
        "guard.property",
        "discrepancy.kind",
        "discrepancy.what",
        "sensor.source",
        "usage.cpu.share",
    ];
    let mut text = format!("{}  {:<26}", render::clock(event.time), event.kind.name());
    for name in TELLING {
        if let Some((_, value)) = list.iter().find(|(id, _)| id.name() == name) {
            let value = render::short(name, value);
            if !value.is_empty() {
                let label = name.rsplit('.').next().unwrap_or(name);
                text.push_str(&format!(" {label}={value}"));
            }
        }
    }
    text
}
