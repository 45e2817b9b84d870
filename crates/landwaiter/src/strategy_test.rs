//! `landwaiter strategy test`, `dev` and `new`: writing pages with their claims played at each step.

use crate::load::Detection;
use crate::replay::Ledger;
use crate::ui::{Failure, Ui};
use crate::{Exit, render, replay};
use anstyle::{AnsiColor, Style};
use event::{Event, Fields, Gravity};
use proof::{Options, Outcome, Verdict};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};
use strategy::{Pack, Strategy};

/// How often `dev` looks whether the page was saved.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Play every claim and say which hold
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  landwaiter strategy test                                     the shipped pages
  landwaiter strategy test container-spray --only hundred
  landwaiter strategy test --from strategies --bless           write the expected findings anew")]
pub struct Args {
    /// Their ids; default: all
    ids: Vec<String>,
    /// Pages or a folder of them, instead of the shipped ones
    #[arg(long, value_name = "PATH")]
    from: Option<PathBuf>,
    /// Only the scenario of this slug
    #[arg(long, value_name = "SLUG")]
    only: Option<String>,
    /// Leave the mutation check out
    #[arg(long)]
    no_mutations: bool,
    /// Write the `finding` fences as they are found now
    #[arg(long, requires = "from")]
    bless: bool,
    /// Move blind spots that fire to Validation
    #[arg(long, requires = "from")]
    move_closed: bool,
    /// One verdict a line, as JSON
    #[arg(long)]
    json: bool,
    /// Say the claims that held too
    #[arg(long, short)]
    verbose: bool,
}

/// Watch a page and test it on every save
#[derive(clap::Args)]
#[command(after_help = "Example:\n  landwaiter strategy dev strategies/odd-mounts.md")]
pub struct DevArgs {
    /// The page
    page: PathBuf,
    /// Run the mutation check too; slower
    #[arg(long)]
    mutations: bool,
    /// Test once and end
    #[arg(long)]
    once: bool,
}

/// Runs `strategy test`.
pub fn run(args: Args, ui: &Ui) -> Result<Exit, Failure> {
    let pack = match &args.from {
        None => Detection::default().pack(ui)?,
        Some(path) => {
            let (pack, problems) = Pack::load(path).map_err(|e| Failure::new(format!("read {}: {e}", path.display())))?;
            let (errors, warnings): (Vec<_>, Vec<_>) = problems.into_iter().partition(|p| p.gravity == Gravity::Error);
            warnings.iter().for_each(|warning| ui.note(&warning.to_string()));
            // Rewriting mends pages, so it must work on pages that have mistakes.
            if !errors.is_empty() && !args.bless && !args.move_closed {
                return Err(Failure::new("use these strategies").problems(errors));
            }
            pack
        }
    };
    for id in &args.ids {
        if pack.strategy(id).is_none() {
            let near = event::problem::nearest(id, pack.strategies().iter().map(|s| s.id.as_str()));
            let remedy = near.map_or_else(
                || "landwaiter strategy list names the shipped ones; --from PATH takes pages of your own".to_owned(),
                |near| format!("did you mean {near}?"),
            );
            return Err(Failure::new(format!("find a strategy named {id}")).remedy(remedy));
        }
    }
    let wanted = |page: &&Strategy| args.ids.is_empty() || args.ids.iter().any(|id| page.id == id.as_str());
    if args.bless || args.move_closed {
        for page in pack.strategies().iter().filter(wanted) {
            let text = if args.bless { proof::run::bless(&pack, page) } else { proof::run::move_closed(&pack, page) };
            if let Some(text) = text {
                std::fs::write(&page.file, text).map_err(|e| Failure::new(format!("write {}: {e}", page.file)))?;
                ui.out(&format!("wrote {}", page.file));
            }
        }
        return Ok(Exit::Done);
    }
    let started = Instant::now();
    let options =
        Options { strategies: args.ids.clone(), scenario: args.only.clone(), mutations: !args.no_mutations, ..Options::default() };
    let verdicts = proof::test(&pack, &options);
    if args.json {
        for verdict in &verdicts {
            let line = serde_json::to_string(verdict).map_err(|e| Failure::new(format!("write a verdict: {e}")))?;
            ui.out(&line);
        }
    } else {
        verdicts.iter().filter(|v| args.verbose || !matches!(v.outcome, Outcome::Held)).for_each(|verdict| show(ui, verdict));
        for page in pack.strategies().iter().filter(wanted) {
            let of_page: Vec<Verdict> = verdicts.iter().filter(|v| v.strategy == page.id).cloned().collect();
            if of_page.is_empty() {
                continue;
            }
            let summary = proof::summary(page, &of_page);
            let state = if summary.is_production() { "production" } else { "draft" };
            let mut parts = vec![format!("{} held", summary.held)];
            for (n, word) in [(summary.broken, "broken"), (summary.untested, "untested"), (summary.skipped, "skipped")] {
                if n > 0 {
                    parts.push(format!("{n} {word}"));
                }
            }
            if summary.noticed + summary.exempt > 0 {
                parts.push(format!("{} mutations noticed, {} exempt", summary.noticed, summary.exempt));
            }
            ui.out(&format!("{:<28} {state:<10}  {}", page.id, parts.join(", ")));
        }
        ui.note(&ui.dim(&format!("{} claims in {:.1}s", verdicts.len(), started.elapsed().as_secs_f64())));
    }
    let broken = verdicts.iter().any(|verdict| matches!(verdict.outcome, Outcome::Broken(_)));
    Ok(if broken { Exit::Found } else { Exit::Done })
}

fn show(ui: &Ui, verdict: &Verdict) {
    let color = match verdict.outcome {
        Outcome::Held => AnsiColor::Green,
        Outcome::Broken(_) => AnsiColor::Red,
        Outcome::Untested(_) => AnsiColor::Yellow,
        Outcome::Skipped(_) => AnsiColor::BrightBlack,
    };
    let word = ui.paint(Style::new().fg_color(Some(color.into())), &format!("{:<8}", verdict.outcome.word()));
    ui.out(&format!("{word} {} {}", verdict.name, ui.dim(&format!("{}:{}", verdict.file, verdict.line))));
    let indent = " ".repeat(9);
    for text in std::iter::once(verdict.outcome.reason()).chain(verdict.notes.iter().map(String::as_str)).filter(|text| !text.is_empty()) {
        for line in text.lines() {
            ui.out(&format!("{indent}{}", render::printable(line)));
        }
    }
}

/// Runs `strategy dev`.
pub fn dev(args: DevArgs, ui: &Ui) -> Result<Exit, Failure> {
    let mut seen: Option<SystemTime> = None;
    loop {
        let saved = saved(&args.page).map_err(|e| Failure::new(format!("read {}: {e}", args.page.display())))?;
        if seen == Some(saved) {
            std::thread::sleep(LOOK_EVERY);
            continue;
        }
        seen = Some(saved);
        let good = once(&args, ui)?;
        if args.once {
            return Ok(if good { Exit::Done } else { Exit::Found });
        }
        ui.note(&ui.dim("waiting for the page to be saved; Ctrl-C ends"));
    }
}

/// When the page, or a recording beside it, was saved last.
fn saved(page: &Path) -> std::io::Result<SystemTime> {
    let mut latest = std::fs::metadata(page)?.modified()?;
    if let Ok(folder) = std::fs::read_dir(page.with_extension("")) {
        for entry in folder.flatten() {
            latest = latest.max(entry.metadata()?.modified()?);
        }
    }
    Ok(latest)
}

/// Tests the page once, and says whether everything it claims holds.
fn once(args: &DevArgs, ui: &Ui) -> Result<bool, Failure> {
    let started = Instant::now();
    let (pack, problems) = Pack::load(&args.page).map_err(|e| Failure::new(format!("read {}: {e}", args.page.display())))?;
    problems.iter().for_each(|problem| ui.out(&render::printable(&problem.to_string())));
    if problems.iter().any(|p| p.gravity == Gravity::Error) {
        return Ok(false);
    }
    let verdicts = proof::test(&pack, &Options { mutations: args.mutations, ..Options::default() });
    verdicts.iter().for_each(|verdict| show(ui, verdict));
    ui.out(&ui.dim(&format!("{} claims in {:.2}s", verdicts.len(), started.elapsed().as_secs_f64())));
    Ok(verdicts.iter().all(|verdict| !matches!(verdict.outcome, Outcome::Broken(_))))
}

/// Runs `strategy new`.
pub fn new(id: &str, recording: &Path, into: &Path, ui: &Ui) -> Result<Exit, Failure> {
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return Err(Failure::new(format!("name a page {id:?}")).remedy("an id has small letters, digits and hyphens: odd-mounts"));
    }
    let page = into.join(format!("{id}.md"));
    if page.exists() {
        return Err(
            Failure::new(format!("write {}: it is there already", page.display())).remedy("choose another id, or move the page away")
        );
    }
    let events: Rc<RefCell<Vec<Event>>> = Rc::default();
    let ledger = {
        let events = Rc::clone(&events);
        Ledger::with_events(move |event| {
            if matches!(event.fields, Fields::Derived(_)) {
                events.borrow_mut().push(event.clone());
            }
        })
    };
    let none = Detection { no_shipped: true, ..Detection::default() };
    let text = read_text(recording)?;
    replay::play(ui, &[recording.to_owned()], "local", none.load(ui)?, ledger)?;
    let scaffold = strategy::new::scaffold(id, &events.borrow(), &text);
    let write = |path: &Path, text: &str| {
        path.parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::write(path, text))
            .map_err(|e| Failure::new(format!("write {}: {e}", path.display())))
    };
    write(&page, &scaffold.page)?;
    if let Some(recording) = &scaffold.recording {
        write(&into.join(id).join("first.jsonl"), recording)?;
    }
    ui.out(&format!("wrote {}", page.display()));
    ui.note(&format!("next: landwaiter strategy dev {}", page.display()));
    Ok(Exit::Done)
}

/// A recording as text, unpacked.
fn read_text(path: &Path) -> Result<String, Failure> {
    let failed = |e: &dyn std::fmt::Display| Failure::new(format!("read {}: {e}", path.display()));
    let bytes = std::fs::read(path).map_err(|e| failed(&e))?;
    let bytes = proof::tape::unpack(&path.display().to_string(), bytes).map_err(|e| failed(&e))?;
    String::from_utf8(bytes).map_err(|e| failed(&e))
}
