//! `landwaiter doctor`: what can be seen from here, and what each strategy is blind to.

mod logs;
mod sight;

use crate::live::{self, EngineArgs};
use crate::load::Detection;
use crate::ui::{Failure, Ui};
use crate::{Exit, render};
use anstyle::{AnsiColor, Style};
use serde::Serialize;
use sight::{Armament, Engine, Sources};
use source::collect::Client;

/// Say what can be seen from here, and what each strategy is blind to.
///
/// Only reads. Asks the engine for everything that `watch` would ask for, tries to read one line of each running container's logs, and compares the
/// sources that answered with those that each strategy declares.
#[derive(clap::Args)]
pub struct Args {
    /// What to print
    #[arg(long, short, value_enum, default_value = "human", value_name = "FORMAT")]
    output: Output,
    #[command(flatten)]
    engine: EngineArgs,
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
    sources: Sources,
    #[serde(skip_serializing_if = "Option::is_none")]
    logs: Option<logs::Logs>,
    strategies: Vec<Armament>,
    remarks: Vec<String>,
}

/// Runs the command.
pub fn run(args: Args, ui: &Ui) -> Result<Exit, Failure> {
    let pack = args.detection.pack(ui)?;
    let address = args.engine.address()?;
    let connected = Client::connect(address.clone());
    let (client, failure) = match connected {
        Ok(client) => (Some(client), None),
        Err(error) => (None, Some(live::refused(&error))),
    };
    let sources = sight::sources(client.as_ref());
    let engine = client.as_ref().map(sight::engine).transpose().map_err(|e| live::refused(&e))?;
    let report = Report {
        address: address.to_string(),
        unreachable: failure.as_ref().map(|failure| failure.message.clone()),
        remarks: sight::remarks(engine.as_ref(), &|path| std::path::Path::new(path).exists()),
        logs: client.as_ref().map(logs::read).transpose().map_err(|e| live::refused(&e))?,
        strategies: sight::armaments(&pack, &sources),
        engine,
        sources,
    };
    match args.output {
        Output::Json => ui.out(&serde_json::to_string_pretty(&report).unwrap_or_default()),
        Output::Human => print(&report, ui),
    }
    match failure {
        Some(failure) => Err(failure),
        None => Ok(Exit::Done),
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
    ui.out(&format!("\n{}", ui.bold("Sources")));
    let good: Vec<&str> = report.sources.iter().filter(|s| s.missing.is_empty()).map(|s| s.name.as_str()).collect();
    if !good.is_empty() {
        item(ui, Some(true), &good.join(", "), "");
    }
    for source in report.sources.iter().filter(|s| !s.missing.is_empty()) {
        item(ui, Some(false), &format!("{}: {}", source.name, source.missing), &source.remedy);
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
