//! `landwaiter contain`: what to do about a container, in which order, and what each step costs in evidence.

use crate::live::{self, EngineArgs};
use crate::replay::{self, Ledger};
use crate::ui::{Failure, Ui};
use crate::{Exit, last, render};
use event::{Time, Value};
use finding::Finding;
use respond::{Answer, Done, Hands, Outcome, Plan, Step, Target};
use source::collect::{Client, escape};
use std::io::Write;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Plan what to do about a container, with the evidence that each step keeps or destroys.
///
/// Without --apply nothing is touched. With it, the container is asked for again by its full id, evidence is written into a folder of its own, and
/// each step is written into actions.jsonl there. Nothing is ever removed.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  landwaiter contain web                     the plan for a container
  landwaiter contain 3f9c2a71                the plan for the container of a finding of the last replay
  landwaiter contain 8a5eca281e92 --apply    freeze it, keep the evidence, take it off its networks
  landwaiter contain 8a5eca281e92 --apply --kill")]
pub struct Args {
    /// Finding (id, or its beginning) or container (name or id)
    #[arg(value_name = "FINDING|CONTAINER")]
    target: String,
    /// Do it
    #[arg(long)]
    apply: bool,
    /// Also end its processes, when all evidence could be kept
    #[arg(long)]
    kill: bool,
    /// Folder for the evidence and the account of what was done; default: landwaiter-evidence/ID-TIME
    #[arg(long, value_name = "FOLDER")]
    evidence: Option<PathBuf>,
    /// Recordings to find the finding in; default: those of the last replay or watch --record
    #[arg(long = "in", value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    engine: EngineArgs,
}

/// Runs the command.
pub fn run(args: Args, ui: &Ui) -> Result<Exit, Failure> {
    let client = args.engine.connect()?;
    let target = find(&args, &client, ui)?;
    let plan = respond::plan(&target);
    head(&plan, ui);
    if !args.apply {
        for (number, step) in plan.steps.iter().enumerate() {
            show_step(number + 1, step, &args, ui);
        }
        let kill = if args.kill { " --kill" } else { "" };
        ui.out(&format!("\nNothing was done. To do it: landwaiter contain {} --apply{kill}", target.short()));
        return Ok(Exit::Done);
    }
    let folder = args
        .evidence
        .clone()
        .unwrap_or_else(|| PathBuf::from("landwaiter-evidence").join(format!("{}-{}", target.short(), now().0 / 1_000_000_000)));
    let hands = EngineHands(client);
    let done =
        respond::apply(&plan, &hands, &folder, args.kill, &now, &mut |step, done| show_done(step, done, ui)).map_err(Failure::new)?;
    ui.out(&format!("\nEvidence and account: {}", folder.display()));
    let failed = done.iter().filter(|done| done.outcome == Outcome::Failed).count();
    if failed > 0 {
        return Err(
            Failure::new(format!("carry out {failed} of {} steps", done.len())).remedy(format!("see {}/actions.jsonl", folder.display()))
        );
    }
    Ok(Exit::Done)
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map(|d| d.as_nanos()).unwrap_or(0);
    Time(i64::try_from(since).unwrap_or(i64::MAX))
}

struct EngineHands(Client);

impl Hands for EngineHands {
    fn ask(&self, method: &str, path: &str, body: Option<&str>) -> Result<Answer, String> {
        let answer = self.0.ask(method, path, body).map_err(|e| e.to_string())?;
        Ok(Answer { status: answer.status, body: answer.body.to_vec() })
    }

    fn stream(&self, path: &str, sink: &mut dyn Write) -> Result<Answer, String> {
        let (answer, _) = self.0.stream(path, sink).map_err(|e| e.to_string())?;
        Ok(Answer { status: answer.status, body: answer.body.to_vec() })
    }
}

/// The container that is meant: by the engine if it knows it, else by a finding.
fn find(args: &Args, client: &Client, ui: &Ui) -> Result<Target, Failure> {
    if let Some(target) = inspect(client, &args.target)? {
        let by_name = !target.id.starts_with(&args.target);
        if args.apply && by_name {
            let remedy = format!("name it by its id: landwaiter contain {} --apply", target.short());
            return Err(Failure::new(format!("act on a name: {} may be another container by now", args.target)).remedy(remedy));
        }
        return Ok(target);
    }
    let finding = finding(args, ui)?;
    let text = |field: &str| finding.entity.get(field).map(Value::to_string).filter(|text| !text.is_empty());
    let name = text("container.name");
    let Some(id) = text("container.id") else {
        let about: Vec<String> = finding.entity.iter().map(|(field, value)| format!("{field}={}", render::short(field, value))).collect();
        return Err(Failure::new(format!("contain the finding {}: it is about no single container ({})", finding.id, about.join(", ")))
            .remedy("name one of its containers: `landwaiter show` lists them"));
    };
    match inspect(client, &id)? {
        Some(target) if target.id == id => Ok(target),
        _ => Err(gone(client, &id, name.as_deref())),
    }
}

/// Says that the container of a finding is gone, and that one of the same name is another one.
fn gone(client: &Client, id: &str, name: Option<&str>) -> Failure {
    let short = id.get(..12).unwrap_or(id);
    let namesake = name.and_then(|name| inspect(client, name).ok().flatten());
    match namesake {
        Some(other) => {
            Failure::new(format!("act on {short}: it is gone, and {} is now the name of another container, {}", other.name, other.short()))
                .remedy(format!("look at that one first: landwaiter contain {}", other.short()))
        }
        None => Failure::new(format!("find the container {short} any more: it is gone, and its files and logs with it"))
            .remedy("what is known of it is in the recording: `landwaiter show` prints it"),
    }
}

fn inspect(client: &Client, name: &str) -> Result<Option<Target>, Failure> {
    let answer = client.get(&format!("/containers/{}/json", escape(name))).map_err(|e| live::refused(&e))?;
    match answer.status {
        200 => Target::parse(&answer.body).map(Some).map_err(Failure::new),
        404 => Ok(None),
        _ => Err(Failure::new(format!("ask the engine about {name}: {}", answer.message()))),
    }
}

fn finding(args: &Args, ui: &Ui) -> Result<Finding, Failure> {
    let unknown = || {
        Failure::new(format!("find a container or a finding named {}", args.target))
            .remedy("`docker ps -a` lists containers; --in names the recordings that a finding is in")
    };
    let (paths, host, detection) = match last::recall() {
        Some(last) if args.paths.is_empty() => (last.paths.clone(), last.host.clone(), last.detection()),
        _ => (args.paths.clone(), "local".to_owned(), crate::load::Detection::default()),
    };
    if paths.is_empty() {
        return Err(unknown());
    }
    let (findings, _) = replay::play(ui, &paths, &host, detection.load(ui)?, Ledger::default())?;
    let mut matching = findings.into_iter().filter(|finding| finding.id.starts_with(args.target.as_str()));
    match (matching.next(), matching.next()) {
        (Some(finding), None) => Ok(finding),
        (Some(_), Some(_)) => {
            Err(Failure::new(format!("tell which finding {} is: several begin so", args.target)).remedy("write more of its id"))
        }
        (None, _) => Err(unknown()),
    }
}

fn head(plan: &Plan, ui: &Ui) {
    let target = &plan.target;
    let state = if target.paused { "paused" } else { &target.status };
    ui.out(&format!("{} {} ({}, {state})", ui.bold(&render::printable(&target.name)), target.id, render::printable(&target.image)));
    for remark in &plan.remarks {
        for line in render::wrap(remark, ui.width.saturating_sub(4)) {
            ui.out(&format!("  {}", render::printable(&line)));
        }
    }
    ui.out("");
}

fn show_step(number: usize, step: &Step, args: &Args, ui: &Ui) {
    let skipped = step.only_if_asked && !args.kill;
    let title = format!("{number}. {}", render::printable(&step.what));
    ui.out(&if step.impossible.is_some() || skipped { ui.dim(&title) } else { ui.bold(&title) });
    if let Some(reason) = &step.impossible {
        lines(ui, "not possible", reason);
        return;
    }
    if skipped {
        lines(ui, "only with", "--kill");
    }
    lines(ui, "keeps", &step.keeps);
    lines(ui, "destroys", if step.destroys.is_empty() { "nothing" } else { &step.destroys });
    if !step.undo.is_empty() {
        lines(ui, "undo", &step.undo);
    }
}

fn lines(ui: &Ui, label: &str, text: &str) {
    for (number, line) in render::wrap(text, ui.width.saturating_sub(18)).into_iter().enumerate() {
        let label = if number == 0 { label } else { "" };
        ui.out(&format!("   {} {}", ui.dim(&format!("{label:<12}")), render::printable(&line)));
    }
}

fn show_done(step: &Step, done: &Done, ui: &Ui) {
    let word = match done.outcome {
        Outcome::Done => "done",
        Outcome::Failed => "FAILED",
        Outcome::Skipped => "skipped",
    };
    let detail = match (&done.file, done.bytes) {
        (Some(file), Some(bytes)) => format!(" ({file}, {bytes} bytes)"),
        _ if done.reason.is_empty() => String::new(),
        _ => format!(" ({})", render::printable(&done.reason)),
    };
    ui.out(&format!("{word:<8} {}{detail}", render::printable(&step.what)));
}
