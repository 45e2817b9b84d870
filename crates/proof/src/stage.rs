//! Plays a scenario's recordings through the engine: the same reader, the same loop, the same inventory as everywhere else.

use crate::compose::compose;
use crate::tape::{self, Line};
use engine::{Engine, Out, Rules, drive};
use event::{Document, Event, Prepared, SmolStr};
use finding::{Change, Finding};
use inventory::{Context, Inventory};
use source::read::{ReadOptions, Reader};
use std::collections::BTreeMap;
use std::io::Write;
use strategy::scenario::Recording;
use strategy::{Pack, Play, Scenario, Strategy};

/// Most events that are looked through for the nearest miss.
const EVENTS_MAX: usize = 50_000;

/// What a run gave.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// Each finding in its final state, in the order of first evidence and id.
    pub findings: Vec<Finding>,
    /// Events, when they were asked for.
    pub events: Vec<Event>,
}

/// A recording ready to be played, under one context.
#[derive(Clone, Debug, Default)]
pub struct Leg {
    /// Its records.
    pub records: Vec<Prepared>,
    /// What the operator declared.
    pub context: Context,
}

impl Leg {
    /// Plays it.
    pub fn play(&self, rules: &Rules) -> Played {
        self.run(rules, false)
    }

    /// Plays it and keeps the events.
    pub fn play_with_events(&self, rules: &Rules) -> Played {
        self.run(rules, true)
    }

    fn run(&self, rules: &Rules, keep_events: bool) -> Played {
        let mut engine = Engine::new(rules.clone(), Inventory::new(self.context.clone()));
        let mut out = Collect { keep_events, ..Collect::default() };
        drive(self.records.iter().cloned(), &mut engine, &mut out);
        let mut findings: Vec<Finding> = out.findings.into_values().collect();
        findings.sort_by(|a, b| (a.first_seen, &a.id).cmp(&(b.first_seen, &b.id)));
        Played { findings, events: out.events }
    }
}

#[derive(Default)]
struct Collect {
    findings: BTreeMap<SmolStr, Finding>,
    events: Vec<Event>,
    keep_events: bool,
}

impl Out for Collect {
    fn finding(&mut self, change: Change) {
        let finding = change.into_finding();
        self.findings.insert(finding.id.clone(), finding);
    }

    fn event(&mut self, event: &Event) {
        if self.keep_events && self.events.len() < EVENTS_MAX {
            self.events.push(event.clone());
        }
    }

    fn all_events(&self) -> bool {
        self.keep_events
    }
}

/// The lines of a scenario's recordings, one after the other as their times say; `None` when it has none.
///
/// # Errors
/// When one cannot be read.
pub fn lines(pack: &Pack, strategy: &Strategy, scenario: &Scenario) -> Result<Option<Vec<Line>>, String> {
    let mut all = Vec::new();
    let mut dated = 0;
    for recording in &scenario.recordings {
        let lines = match recording {
            Recording::Inline(inline) => tape::lines(&inline.text),
            Recording::File { name, .. } => read(pack, strategy, name)?,
        };
        dated += 1;
        all.extend(lines);
    }
    if dated > 1 {
        all.sort_by_key(|line| line.arrived);
    }
    Ok((!scenario.recordings.is_empty()).then_some(all))
}

/// A recording by its name.
fn read(pack: &Pack, strategy: &Strategy, name: &str) -> Result<Vec<Line>, String> {
    let bytes = tape::unpack(name, pack.recording(strategy, name)?)?;
    Ok(tape::lines(&String::from_utf8_lossy(&bytes)))
}

/// Lines as they are played by these settings, ready for the engine.
///
/// # Errors
/// When a background cannot be read.
pub fn records(pack: &Pack, strategy: &Strategy, lines: &[Line], play: &Play) -> Result<Vec<Prepared>, String> {
    let mut records = composed(pack, strategy, lines, play)?;
    // Where no rule reads native paths, documents are dead weight, and a leg is played once for each mutant.
    if !reads_native(pack, strategy) {
        for prepared in &mut records {
            if let Some(Ok(decoded)) = &mut prepared.content {
                decoded.document = Document::default();
            }
        }
    }
    Ok(records)
}

fn reads_native(pack: &Pack, strategy: &Strategy) -> bool {
    crate::run::rules_of(pack, strategy).iter().any(|rule| rule.kinds.iter().any(|kind| kind.def().native))
}

fn composed(pack: &Pack, strategy: &Strategy, lines: &[Line], play: &Play) -> Result<Vec<Prepared>, String> {
    let backgrounds = play.background.iter().map(|name| read(pack, strategy, name)).collect::<Result<Vec<_>, _>>()?;
    prepared(compose(lines.to_vec(), play, backgrounds))
}

/// Lines through the reader, which gives raw lines of the engine their times.
fn prepared(lines: Vec<Line>) -> Result<Vec<Prepared>, String> {
    let mut text = String::new();
    for line in lines {
        text.push_str(&line.text);
        text.push('\n');
    }
    // The reader is the one that every replay uses, and it reads files.
    let file = tempfile::NamedTempFile::new().and_then(|mut file| file.write_all(text.as_bytes()).map(|()| file));
    let file = file.map_err(|err| format!("the composed recording cannot be written to the temporary folder: {err}"))?;
    let reader = Reader::open(&[file.path().to_owned()], &ReadOptions::default()).map_err(|err| err.to_string())?;
    Ok(reader.collect())
}
