//! `landwaiter validate`: runs the strategies' own validation commands against the live engine and says which fired.

mod leftovers;
mod script;
mod trial;

use crate::live::{self, Interrupted};
use crate::load::{self, Detection};
use crate::ui::{Failure, Ui};
use crate::witnesses::WitnessArgs;
use crate::{Exit, cli, render};
use anstyle::{AnsiColor, Style};
use event::Span;
use serde::Serialize;
use std::collections::BTreeSet;
use strategy::{ClaimKind, Pack, Scenario, Strategy};
use trial::{Outcome, Trial};

/// Run the strategies' own validation commands against the live engine and say which fired.
///
/// Only shipped pages run unasked; for others the commands are printed, and --yes runs them. Everything that a command makes bears the label
/// landwaiter.run=$RUN and is removed afterwards, also after Ctrl-C. The image is $IMAGE (default alpine:3.20) and must be there.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  landwaiter validate --print                      what would be run
  landwaiter validate container-spray
  landwaiter validate --rules my-page.md my-page --yes")]
pub struct Args {
    /// Strategies to validate; default: all
    #[arg(value_name = "STRATEGY")]
    strategies: Vec<String>,
    /// Run the commands of pages that are not shipped, too
    #[arg(long)]
    yes: bool,
    /// Print the commands and run nothing
    #[arg(long)]
    print: bool,
    /// Longest time for one scenario
    #[arg(long, value_parser = cli::span, default_value = "5m", value_name = "SPAN")]
    timeout: Span,
    /// What to print
    #[arg(long, short, value_enum, default_value = "human", value_name = "FORMAT")]
    output: Output,
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
    /// One scenario a line, as JSON.
    Jsonl,
}

/// Runs the command.
pub fn run(args: Args, ui: &Ui) -> Result<Exit, Failure> {
    let load::Loaded { pack, rules, context, .. } = args.detection.load(ui)?;
    let shipped: BTreeSet<String> = shipped_files();
    let scenarios = choose(&args, &pack)?;
    if args.print {
        scenarios.iter().for_each(|(_, scenario)| print_commands(scenario, ui));
        return Ok(Exit::Done);
    }
    let interrupted = live::remember_signals()?;
    let client = args.witnesses.engine.connect()?;
    let image = live::image_name();
    if !client.get(&format!("/images/{image}/json")).map_err(|e| live::refused(&e))?.is_good() {
        return Err(Failure::new(format!("find the image {image} on this engine"))
            .remedy(format!("docker pull {image}, or set IMAGE to one that is there")));
    }
    let stage = trial::Stage {
        client: &client,
        witnesses: &args.witnesses,
        rules: &rules,
        context: &context,
        image: &image,
        timeout: live::duration(args.timeout),
        interrupted,
    };
    let mut tally = Tally::default();
    for (number, (page, scenario)) in scenarios.iter().enumerate() {
        if stage.interrupted.yes() {
            break;
        }
        if !shipped.contains(&page.file) && !args.yes {
            print_commands(scenario, ui);
            report(
                &args,
                ui,
                page,
                scenario,
                &Outcome::Skipped("this page is not shipped: --yes runs its commands".to_owned()),
                &mut tally,
            );
            continue;
        }
        ui.progress(&format!("{}/{} {}", number + 1, scenarios.len(), scenario.name));
        let outcome = Trial { stage: &stage, page, scenario, run: format!("{}-{}", live::run_name(), number + 1) }.run(ui);
        ui.clear_progress();
        report(&args, ui, page, scenario, &outcome?, &mut tally);
    }
    tally.end(&stage.interrupted, ui)
}

/// Files of the pages in the program itself. A page of the user's that replaces one of them has another file.
fn shipped_files() -> BTreeSet<String> {
    Pack::shipped().0.strategies().iter().map(|page| page.file.clone()).collect()
}

fn choose<'a>(args: &Args, pack: &'a Pack) -> Result<Vec<(&'a Strategy, &'a Scenario)>, Failure> {
    for id in &args.strategies {
        if pack.strategy(id).is_none() {
            let known: Vec<&str> = pack.strategies().iter().map(|page| page.id.as_str()).collect();
            let remedy = match event::problem::nearest(id, known.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("known: {}", known.join(", ")),
            };
            return Err(Failure::new(format!("find a strategy named {id}")).remedy(remedy));
        }
    }
    let wanted = |page: &&Strategy| args.strategies.is_empty() || args.strategies.iter().any(|id| page.id == id.as_str());
    let pages = pack.strategies().iter().filter(wanted);
    let runnable = |scenario: &&Scenario| scenario.claim == ClaimKind::Validation && !scenario.console.is_empty();
    let all: Vec<_> = pages.flat_map(|page| page.scenarios.iter().filter(runnable).map(move |scenario| (page, scenario))).collect();
    if all.is_empty() {
        return Err(Failure::new("find a validation with commands in these strategies")
            .remedy("a validation's commands stand in a ```console fence"));
    }
    Ok(all)
}

fn print_commands(scenario: &Scenario, ui: &Ui) {
    ui.out(&ui.bold(&scenario.name));
    for command in &scenario.console {
        for line in command.text.lines() {
            ui.out(&format!("  {}", render::printable(line)));
        }
    }
}

#[derive(Default)]
struct Tally {
    fired: usize,
    silent: usize,
    skipped: usize,
}

impl Tally {
    fn end(&self, interrupted: &Interrupted, ui: &Ui) -> Result<Exit, Failure> {
        ui.note(&format!("{} fired, {} did not, {} skipped", self.fired, self.silent, self.skipped));
        if interrupted.yes() {
            return Err(Failure::new("validate everything: interrupted").remedy("what was made is removed"));
        }
        Ok(if self.silent > 0 { Exit::Found } else { Exit::Done })
    }
}

/// One line for a machine.
#[derive(Serialize)]
struct Line<'a> {
    strategy: &'a str,
    scenario: &'a str,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

fn report(args: &Args, ui: &Ui, page: &Strategy, scenario: &Scenario, outcome: &Outcome, tally: &mut Tally) {
    let (color, word, text) = match outcome {
        Outcome::Fired(fired) => {
            tally.fired += 1;
            (AnsiColor::Green, "fired", fired.sentence())
        }
        Outcome::Silent(silent) => {
            tally.silent += 1;
            (AnsiColor::Red, "silent", silent.sentence())
        }
        Outcome::Skipped(reason) => {
            tally.skipped += 1;
            (AnsiColor::Yellow, "skipped", reason.clone())
        }
    };
    if args.output == Output::Jsonl {
        let line = Line { strategy: page.id.as_str(), scenario: &scenario.slug, outcome };
        ui.out(&serde_json::to_string(&line).unwrap_or_default());
        return;
    }
    let word = ui.paint(Style::new().fg_color(Some(color.into())).bold(), &format!("{word:<8}"));
    ui.out(&format!("{word} {}", scenario.name));
    for line in render::wrap(&render::printable(&text), ui.width.saturating_sub(9)) {
        ui.out(&format!("         {}", ui.dim(&line)));
    }
}
