//! `landwaiter investigate`: the five steps of the response, as far as the witnesses carry them.
//!
//! Verify (what every witness and the containers' own logs say of the interval), contain (the plan, and what each step destroys), root cause (who made and
//! changed what), remediate (for the configuration found), and what would quiet the finding if it was benign.

mod gather;

use crate::live::EngineArgs;
use crate::load::Detection;
use crate::replay::{self, Ledger};
use crate::ui::{Failure, Ui};
use crate::{Exit, last, render, show};
use event::{SmolStr, Time, Value, Witness};
use finding::Finding;
use gather::{NEIGHBOURHOOD, Story};
use respond::Target;
use source::collect::{Client, escape};
use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use strategy::{Pack, Section};

/// Lines of one witness, and of a log, that are shown.
const LINES_SHOWN: usize = 8;

/// Go through the response to a finding: verify, contain, root cause, remediate, and what would quiet it
///
/// Reads the records again and gathers what every witness says of the five minutes around the finding. The container engine is asked for the container's own
/// logs when it is there; nothing is changed.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  landwaiter investigate 3f9c2a71                       a finding of the last replay or watch --record
  landwaiter investigate 3f9c2a71 night.jsonl audit/    with these records
  landwaiter investigate 3f9c2a71 --offline             without asking the engine")]
pub struct Args {
    /// Id of the finding, or its beginning
    #[arg(value_name = "FINDING")]
    id: String,
    /// Files or folders with the records of every witness; default: those of the last replay
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Do not ask the container engine
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    detection: Detection,
}

/// Runs the command.
pub fn run(args: Args, ui: &Ui) -> Result<Exit, Failure> {
    let (paths, host, detection) = if args.paths.is_empty() {
        let last =
            last::recall().ok_or_else(|| Failure::new("tell where to look").remedy("name the files or folders after the finding's id"))?;
        let detection = last.detection();
        (last.paths, last.host, detection)
    } else {
        (args.paths.clone(), "local".to_owned(), args.detection.clone())
    };
    let loaded = detection.load(ui)?;
    let (findings, _) = replay::play(ui, &paths, &host, loaded, Ledger::default())?;
    let finding = show::pick(&args.id, &findings)?.clone();
    let story = Rc::new(RefCell::new(Story::of(&finding)));
    let ledger = {
        let (story, finding) = (Rc::clone(&story), finding.clone());
        Ledger::with_events(move |event| story.borrow_mut().take(&finding, event))
    };
    let loaded = detection.load(ui)?;
    let pack = loaded.pack.clone();
    replay::play(ui, &paths, &host, loaded, ledger)?;
    let story = story.borrow();

    render::finding(ui, &finding).iter().for_each(|line| ui.out(line));
    let client = if args.offline { None } else { args.engine.connect().ok() };
    verify(&finding, &story, client.as_ref(), &args, ui);
    contain(&finding, &story, client.as_ref(), &pack, ui);
    root_cause(&story, ui);
    remediate(&story, ui);
    quiet(&finding, &story, ui);
    Ok(Exit::Done)
}

fn heading(ui: &Ui, text: &str) {
    ui.out(&format!("\n{}", ui.bold(text)));
}

fn say(ui: &Ui, indent: usize, text: &str) {
    for line in render::wrap(text, ui.width.saturating_sub(indent)) {
        ui.out(&format!("{:indent$}{}", "", render::printable(&line)));
    }
}

/// The first and last lines of a list, with how many lie between.
fn some(ui: &Ui, indent: usize, lines: &[String], more: u64) {
    let half = LINES_SHOWN / 2;
    for (i, line) in lines.iter().enumerate() {
        if lines.len() > LINES_SHOWN && i == half {
            ui.out(&ui.dim(&format!("{:indent$}… {} more …", "", lines.len() as u64 - LINES_SHOWN as u64 + more)));
        }
        if lines.len() <= LINES_SHOWN || i < half || i >= lines.len() - half {
            ui.out(&format!("{:indent$}{}", "", render::printable(line)));
        }
    }
}

/// Step one: what every witness says.
fn verify(finding: &Finding, story: &Story, client: Option<&Client>, args: &Args, ui: &Ui) {
    let (from, to) = (finding.first_seen.minus(NEIGHBOURHOOD), finding.last_seen + NEIGHBOURHOOD);
    heading(ui, &format!("1. Verify: what each witness says, {}", render::interval(from, to)));
    for ((witness, source), words) in story.words.iter().filter(|((_, source), _)| !source.is_empty()) {
        let head =
            format!("{source} ({}): {} in that time, {} about it", witness.as_str(), render::number(words.near, "record"), words.about);
        ui.out(&format!("   {}", ui.bold(&head)));
        some(ui, 6, &words.lines, words.more);
    }
    let kinds: Vec<Witness> = story.heard.iter().filter_map(|source| source::source_named(source)).map(|source| source.witness).collect();
    for (witness, what) in [
        (Witness::Orchestrator, "who asked for it (a Kubernetes audit log)"),
        (Witness::Runtime, "what the runtime did (Docker, Podman or containerd events)"),
        (Witness::Network, "whom it spoke to (conntrack, Zeek, Hubble, flow logs)"),
        (Witness::System, "what its processes did (process connector, auditd, Falco, Tetragon)"),
    ] {
        if !kinds.contains(&witness) {
            say(ui, 3, &format!("No {} witness is in these records: {what} is not known.", witness.as_str()));
        }
    }
    if finding.coverage.state == "complete" {
        say(ui, 3, "Nothing says that a witness was blind in the finding's interval.");
    } else {
        for note in &finding.coverage.notes {
            say(ui, 3, &format!("Not fully seen: {note}."));
        }
    }
    some(ui, 3, &story.sight, 0);
    logs(finding, client, args, (from, to), ui);
}

/// The containers' own logs.
fn logs(finding: &Finding, client: Option<&Client>, args: &Args, (from, to): (Time, Time), ui: &Ui) {
    let Some(id) = text(finding, "container.id") else { return };
    ui.out(&format!("   {}", ui.bold("its own logs")));
    let Some(client) = client else {
        let why = if args.offline { "not asked for (--offline)" } else { "the container engine does not answer here" };
        return say(ui, 6, why);
    };
    let seconds = |time: Time| time.0.div_euclid(1_000_000_000);
    let path = format!(
        "/containers/{}/logs?stdout=1&stderr=1&timestamps=1&tail=200&since={}&until={}",
        escape(&id),
        seconds(from),
        seconds(to) + 1
    );
    match client.get(&path) {
        Ok(answer) if answer.status == 200 => {
            let lines: Vec<String> = String::from_utf8_lossy(&unframed(&answer.body)).lines().map(str::to_owned).collect();
            if lines.is_empty() { say(ui, 6, "nothing in that time") } else { some(ui, 6, &lines, 0) }
        }
        Ok(answer) if answer.status == 404 => say(ui, 6, "the engine does not know it any more: its logs went with it"),
        Ok(answer) => say(ui, 6, &format!("the engine does not give them: {}", answer.message())),
        Err(error) => say(ui, 6, &format!("the engine does not give them: {error}")),
    }
}

/// Takes the engine's frames apart: eight bytes of head (stream, three zeros, length) before each piece. What has no such heads is a terminal's output.
fn unframed(body: &[u8]) -> Vec<u8> {
    let (mut text, mut rest) = (Vec::new(), body);
    while let [0..=2, 0, 0, 0, a, b, c, d, tail @ ..] = rest {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let Some((piece, after)) = tail.split_at_checked(length) else { break };
        text.extend_from_slice(piece);
        rest = after;
    }
    text.extend_from_slice(rest);
    text
}

/// Step two: the plan.
fn contain(finding: &Finding, story: &Story, client: Option<&Client>, pack: &Pack, ui: &Ui) {
    heading(ui, "2. Contain: the plan, evidence first");
    let id = text(finding, "container.id");
    let live = client.zip(id.as_ref()).and_then(|(client, id)| {
        let answer = client.get(&format!("/containers/{}/json", escape(id))).ok().filter(|answer| answer.status == 200)?;
        Target::parse(&answer.body).ok()
    });
    let there = live.is_some();
    let recorded = || story.inspect.as_deref().and_then(|raw| Target::parse(raw).ok());
    if let Some(target) = live.or_else(recorded) {
        if !there {
            say(ui, 3, "As it stood when it was last inspected; the engine does not show it now.");
        }
        for (number, step) in respond::plan(&target).steps.iter().enumerate() {
            let cost = if step.destroys.is_empty() { "destroys nothing".to_owned() } else { format!("destroys {}", step.destroys) };
            let what = match &step.impossible {
                Some(why) => format!("{}. {} (not possible: {why})", number + 1, step.what),
                None => format!("{}. {} ({cost})", number + 1, step.what),
            };
            say(ui, 3, &what);
        }
        say(ui, 3, &format!("landwaiter contain {} --apply", target.short()));
        return;
    }
    // Pods, policies, nodes: the page of the strategy says what to do.
    let Some(page) = pack.strategies().iter().find(|page| page.id == finding.strategy) else { return };
    for line in page.section(Section::Response).lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        say(ui, 3, &filled(line, finding));
    }
}

/// A line of a page with its holes filled.
fn filled(line: &str, finding: &Finding) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, behind)) = after.split_once("}}") else { break };
        out.push_str(before);
        let name = name.trim();
        let value = match name {
            "finding.id" => Some(finding.id.to_string()),
            "finding.severity" => Some(finding.severity.to_string()),
            "finding.first_seen" => Some(finding.first_seen.to_string()),
            "finding.last_seen" => Some(finding.last_seen.to_string()),
            "finding.count" => Some(finding.count.to_string()),
            "finding.message" => Some(finding.message.clone()),
            _ => text(finding, name),
        };
        out.push_str(&value.unwrap_or_else(|| name.to_owned()));
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// Step three: who made and changed what.
fn root_cause(story: &Story, ui: &Ui) {
    heading(ui, "3. Root cause: who made and changed what, as far as a witness knows");
    let mut lines: Vec<String> = Vec::new();
    let mut unknown = 0;
    for act in &story.acts {
        if act.who.is_empty() {
            unknown += 1;
            lines.push(format!("{}  {}: nobody is named by {}", render::clock(act.time), act.what, act.by));
        } else {
            lines.push(format!("{}  {}: {} ({})", render::clock(act.time), act.what, act.who, act.by));
        }
    }
    if lines.is_empty() {
        say(ui, 3, "No record says how it came to be.");
    }
    some(ui, 3, &lines, 0);
    if !story.orders.is_empty() {
        say(ui, 3, "Orders given to an engine within three seconds of that:");
        some(ui, 6, &story.orders, 0);
    } else if unknown > 0 {
        say(
            ui,
            3,
            "Runtimes' events name nobody. A system witness would show the program that gave the order; a Kubernetes audit log the identity.",
        );
    }
    if !story.origin.is_empty() {
        say(ui, 3, "Its image:");
        some(ui, 6, &story.origin, 0);
    }
}

/// Step four: remedies.
fn remediate(story: &Story, ui: &Ui) {
    heading(ui, "4. Remediate: for what was found");
    let remedies = respond::remedies(story.reasons.iter().map(String::as_str));
    if remedies.is_empty() {
        say(ui, 3, "Nothing in its configuration asks for a change; look at who could do this (step 3).");
    }
    for remedy in remedies {
        say(ui, 3, &format!("{}: {}", remedy.reason, remedy.what));
    }
}

/// Step five: what would quiet it.
fn quiet(finding: &Finding, story: &Story, ui: &Ui) {
    heading(ui, "5. If it was benign: what would quiet it");
    let expires = "a date within the next months, as 2027-03-31";
    if let Some((image, command, dangers)) = story.entry.as_ref().filter(|(image, _, _)| image.starts_with("sha256:")) {
        say(ui, 3, "Declare the workload, by what it cannot choose, in a context file (--context FILE):");
        let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
        let dangers: Vec<String> = dangers.iter().map(|danger| quoted(danger)).collect();
        for line in [
            "[[workload]]".to_owned(),
            format!("image = {}", quoted(image)),
            format!("command = {}", quoted(command)),
            format!("posture = [{}]", dangers.join(", ")),
            "owner = \"\"    # who answers for it".to_owned(),
            "reason = \"\"   # why it may".to_owned(),
            format!("expires = \"\"  # {expires}"),
        ] {
            ui.out(&format!("      {}", render::printable(&line)));
        }
    } else if text(finding, "container.id").is_some() {
        say(
            ui,
            3,
            "Its image is not known by id or digest, and a name explains nothing. Deploy it by digest (image: NAME@sha256:…), then declare image, command and posture as `[[workload]]` in a context file (--context FILE).",
        );
    } else if let Some((name, may)) = story.may.first_key_value() {
        say(ui, 3, "Declare the identity, as the API server authenticated it, in a context file (--context FILE):");
        let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
        for line in [
            "[[identity]]".to_owned(),
            format!("name = {}", quoted(name)),
            format!("may = [{}]", may.iter().map(|what| quoted(what)).collect::<Vec<_>>().join(", ")),
            "namespaces = []   # where; without this key everywhere".to_owned(),
            "owner = \"\"        # who answers for it".to_owned(),
            "reason = \"\"       # why it may".to_owned(),
            format!("expires = \"\"      # {expires}"),
        ] {
            ui.out(&format!("      {}", render::printable(&line)));
        }
    } else {
        say(ui, 3, "Nothing that an attacker does not control tells this one apart, so no context entry can: change the rule.");
    }
    let rule = finding.rules.keys().next().unwrap_or(&finding.rule);
    say(
        ui,
        3,
        &format!(
            "Or change the rule `{rule}` of the page `{}` (landwaiter strategy show {}), and let its claims say what that costs (landwaiter strategy test).",
            finding.strategy, finding.strategy
        ),
    );
}

/// The text of an entity's field.
fn text(finding: &Finding, field: &str) -> Option<String> {
    finding.entity.get(&SmolStr::new(field)).map(Value::to_string).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_apart_and_a_terminals_output_is_left_alone() {
        assert_eq!(unframed(b"\x01\0\0\0\0\0\0\x03one\x02\0\0\0\0\0\0\x03two"), b"onetwo");
        assert_eq!(unframed(b"plain text"), b"plain text");
        assert_eq!(unframed(b"\x01\0\0\0\xff\xff\xff\xffcut"), b"\x01\0\0\0\xff\xff\xff\xffcut");
    }
}
