//! `landwaiter doctor`: what can be seen from here, and what each strategy is blind to.

mod logs;
mod sight;
mod witnesses;

use crate::live;
use crate::load::Detection;
use crate::ui::{Failure, Ui};
use crate::witnesses::WitnessArgs;
use crate::{Exit, cli, render};
use anstyle::{AnsiColor, Style};
use event::Span;
use serde::Serialize;
use sight::{Armament, Engine, Sources};
use source::collect::Client;
use std::collections::BTreeMap;
use witnesses::{State, Witness};

/// Say what can be seen from here, and what each strategy is blind to.
///
/// Only reads. Looks for every witness and listens a moment to each that is there, asks the engine for everything that `watch` would ask for, tries to read
/// one line of each running container's logs, and compares the sources that answered with those that each strategy declares. Ends with status 2 when nothing
/// can be seen from here, or when an engine that was named does not answer.
#[derive(clap::Args)]
pub struct Args {
    /// What to print
    #[arg(long, short, value_enum, default_value = "human", value_name = "FORMAT")]
    output: Output,
    /// How long to listen to each witness
    #[arg(long = "for", value_name = "SPAN", default_value = "2s", value_parser = cli::span)]
    time: Span,
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
    /// One JSON object.
    Json,
}

/// All that was found out.
#[derive(Serialize)]
struct Report {
    address: String,
    /// Why the engine cannot be reached, when it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    unreachable: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    engine: Option<Engine>,
    witnesses: Vec<Witness>,
    sources: Sources,
    #[serde(skip_serializing_if = "Option::is_none")]
    logs: Option<logs::Logs>,
    strategies: Vec<Armament>,
    remarks: Vec<String>,
}

/// What no source here can show, and which engines nobody is at.
fn remarks(engine: Option<&Engine>, address: &str, witnesses: &[Witness]) -> Vec<String> {
    let users: Vec<_> = std::fs::read_dir("/run/user").into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    let followed = witnesses.iter().filter(|witness| matches!(witness.state, State::Following | State::Impaired));
    let mut addresses: Vec<&str> = followed.map(|witness| witness.address.as_str()).collect();
    if engine.is_some() {
        addresses.push(address);
    }
    let mut remarks = sight::remarks(engine, witnesses);
    remarks.extend(sight::unwatched(&addresses, &users, &|path| std::path::Path::new(path).exists()));
    remarks
}

/// Runs the command.
pub fn run(args: Args, ui: &Ui) -> Result<Exit, Failure> {
    let pack = args.detection.pack(ui)?;
    let address = args.witnesses.engine.address()?;
    let is_asked = args.witnesses.wanted().any(|def| def.name == "docker");
    let (client, failure) = match is_asked.then(|| Client::connect(address.clone())) {
        Some(Ok(client)) => (Some(client), None),
        Some(Err(error)) => (None, Some(live::refused(&error))),
        None => (None, None),
    };
    let witnesses = witnesses::look(&args.witnesses, live::duration(args.time));
    let sources = sight::sources(client.as_ref(), &witnesses);
    let engine = client.as_ref().map(sight::engine).transpose().map_err(|e| live::refused(&e))?;
    let report = Report {
        address: address.to_string(),
        unreachable: failure.as_ref().map(|failure| failure.message.clone()),
        remarks: remarks(engine.as_ref(), &address.to_string(), &witnesses),
        logs: client.as_ref().map(logs::read).transpose().map_err(|e| live::refused(&e))?,
        strategies: sight::armaments(&pack, &sources),
        engine,
        witnesses,
        sources,
    };
    match args.output {
        Output::Json => ui.out(&serde_json::to_string_pretty(&report).unwrap_or_default()),
        Output::Human => print(&report, ui),
    }
    let is_named = args.witnesses.around().host.is_some();
    let sees = report.witnesses.iter().any(|witness| matches!(witness.state, State::Following | State::Impaired));
    match failure {
        Some(failure) if is_named || !sees => Err(failure),
        _ if !sees => Err(Failure::new("no witness can be listened to from here").remedy("each witness above says what it needs")),
        _ => Ok(Exit::Done),
    }
}

fn mark(ui: &Ui, good: Option<bool>) -> String {
    let (color, text) = match good {
        Some(true) => (AnsiColor::Green, "ok"),
        Some(false) => (AnsiColor::Red, "no"),
        None => (AnsiColor::Yellow, "part"),
    };
    ui.paint(Style::new().fg_color(Some(color.into())), &format!("{text:<5}"))
}

fn item(ui: &Ui, good: Option<bool>, text: &str, remedy: &str) {
    let width = ui.width.saturating_sub(8);
    for (number, line) in render::wrap(&render::printable(text), width).into_iter().enumerate() {
        ui.out(&if number == 0 { format!("  {}{line}", mark(ui, good)) } else { format!("       {line}") });
    }
    if !remedy.is_empty() {
        for line in render::wrap(&render::printable(remedy), width) {
            ui.out(&format!("       {}", ui.dim(&line)));
        }
    }
}

fn print(report: &Report, ui: &Ui) {
    ui.out(&ui.bold("Engine"));
    match (&report.engine, &report.unreachable) {
        (Some(engine), _) => item(ui, Some(true), &engine.sentence(&report.address), ""),
        (None, reason) => item(ui, Some(false), reason.as_deref().unwrap_or("not reached"), ""),
    }
    print_witnesses(report, ui);
    ui.out(&format!("\n{}", ui.bold("Sources")));
    let mut good: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for source in report.sources.iter().filter(|source| source.missing.is_empty()) {
        good.entry(source.kind).or_default().push(&source.name);
    }
    for (kind, names) in good {
        item(ui, Some(true), &format!("{kind}: {}", names.join(", ")), "");
    }
    // What is wrong with a witness was said with it.
    let told = |name: &str| report.witnesses.iter().any(|witness| witness.sources.contains(&name) && !witness.reason.is_empty());
    for source in report.sources.iter().filter(|s| !s.missing.is_empty() && !s.from_files && !told(&s.name)) {
        item(ui, Some(false), &format!("{}: {}", source.name, source.missing), &source.remedy);
    }
    let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for source in report.sources.iter().filter(|source| source.from_files) {
        files.entry(source.kind).or_default().push(&source.name);
    }
    for (kind, names) in files {
        item(ui, None, &format!("{kind}, from files only: {}", names.join(", ")), "");
    }
    if let Some(logs) = &report.logs {
        ui.out(&format!("\n{}", ui.bold("Logs of running containers")));
        let all = logs.unreadable.is_empty();
        item(ui, if all { Some(true) } else { None }, &format!("{} of {} can be read", logs.readable, logs.running), "");
        for unreadable in &logs.unreadable {
            item(ui, Some(false), &format!("{}: {}", unreadable.name, unreadable.reason), &unreadable.remedy);
        }
    }
    ui.out(&format!("\n{}", ui.bold("Strategies")));
    let (armed, rest): (Vec<&Armament>, Vec<&Armament>) = report.strategies.iter().partition(|s| s.state == sight::State::Armed);
    if !armed.is_empty() {
        let names: Vec<&str> = armed.iter().map(|s| s.strategy.as_str()).collect();
        item(ui, Some(true), &format!("{} armed: {}", armed.len(), names.join(", ")), "");
    }
    for strategy in rest {
        let good = if strategy.state == sight::State::HalfBlind { None } else { Some(false) };
        item(ui, good, &format!("{} is {}: without {}", strategy.strategy, strategy.state.words(), strategy.missing.join(", ")), "");
    }
    if !report.remarks.is_empty() {
        ui.out(&format!("\n{}", ui.bold("Not seen from here")));
        for remark in &report.remarks {
            item(ui, None, remark, "");
        }
    }
}

fn print_witnesses(report: &Report, ui: &Ui) {
    ui.out(&format!("\n{}", ui.bold("Witnesses")));
    for witness in &report.witnesses {
        let name = format!("{} ({})", witness.name, witness.kind);
        match witness.state {
            State::Following | State::Impaired => {
                let health = witness.health.as_ref().map(witnesses::Health::sentence).unwrap_or_default();
                let good = if witness.state == State::Following { Some(true) } else { None };
                item(ui, good, &format!("{name} at {}: {health}", witness.address), "");
            }
            State::Unasked => item(ui, None, &format!("{name}: not asked for"), ""),
            State::Denied | State::Absent => {
                let word = if witness.state == State::Denied { "denied" } else { "absent" };
                item(ui, Some(false), &format!("{name}: {word}: {}; {}", witness.reason, witness.blind), &witness.remedy);
            }
        }
        for hint in &witness.hints {
            item(ui, None, &format!("{}: {}", witness.name, hint.text), &hint.remedy);
        }
    }
}
