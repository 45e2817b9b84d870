//! Whether a strategy was able to see at all. Silence of a strategy that saw nothing is no finding of innocence, so it is said: *not evaluated*.

use event::fact::{self, Fact};
use event::{Prepared, SmolStr, Time};
use std::collections::{BTreeMap, BTreeSet};
use strategy::{Strategy, front};

/// What could be seen in an interval.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// Sources that said something.
    pub seen: BTreeSet<SmolStr>,
    /// Sources that were cut off or lost records, with why.
    pub impaired: BTreeMap<SmolStr, String>,
    /// Records of each source that were read, and that could not be.
    read: BTreeMap<SmolStr, (u64, u64)>,
}

/// A source of which more than one record in this many could not be read, or came without what it should say, did not see.
const BROKEN_SHARE: u64 = 10;

/// A strategy's verdict on its own sight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evaluation {
    /// Its silence means something.
    Evaluated,
    /// Its silence means nothing, for these reasons.
    NotEvaluated(Vec<String>),
}

impl Sight {
    /// What records show of their sources' sight.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Prepared>) -> Sight {
        let mut sight = Sight::default();
        for prepared in records {
            sight.add(prepared);
        }
        sight
    }

    /// Takes one record more.
    pub fn add(&mut self, prepared: &Prepared) {
        let Some(content) = &prepared.content else { return };
        let (read, broken) = self.read.entry(prepared.record.source.clone()).or_default();
        let Ok(decoded) = content else {
            *broken += 1;
            return;
        };
        *if decoded.truncated { broken } else { read } += 1;
        if !self.seen.contains(&prepared.record.source) {
            self.seen.insert(prepared.record.source.clone());
        }
        let Some(Fact::Sensor(note)) = &decoded.fact else { return };
        // A collector that has begun is there, however quiet its source may be.
        if let fact::Sight::Started | fact::Sight::Resumed { .. } = &note.note {
            self.seen.insert(note.of.clone());
        }
        let at = prepared.time().unwrap_or(Time(0));
        let why = match &note.note {
            fact::Sight::Resumed { complete: true, .. } => {
                // The engine replayed what lay between, so nothing is missing after all.
                self.impaired.remove(&note.of);
                return;
            }
            fact::Sight::Lost { reason } => format!("was cut off at {at}: {reason}"),
            fact::Sight::Resumed { complete: false, .. } => format!("came back at {at} with a gap"),
            fact::Sight::Dropped { count, .. } => format!("lost {count} records at {at}"),
            _ => return,
        };
        self.impaired.entry(note.of.clone()).or_insert(why);
    }
}

impl Sight {
    /// Why a source that said something did not say all.
    fn impaired_by(&self, source: &str) -> Option<String> {
        if let Some(why) = self.impaired.get(source) {
            return Some(format!("{source} {why}"));
        }
        let (read, broken) = self.read.get(source).filter(|(read, broken)| broken * BROKEN_SHARE > read + broken)?;
        Some(format!("{broken} of {} records of {source} could not be read", read + broken))
    }
}

/// Whether a strategy's silence over what was seen means anything.
pub fn evaluated(strategy: &Strategy, sight: &Sight) -> Evaluation {
    let mut reasons = Vec::new();
    for source in &strategy.sources {
        // One of the alternatives, seen whole, is enough.
        let there: Vec<&str> = front::alternatives(source).filter(|name| sight.seen.contains(*name)).collect();
        if there.is_empty() {
            reasons.push(absent(source));
            continue;
        }
        let why: Vec<String> = there.iter().filter_map(|name| sight.impaired_by(name)).collect();
        if why.len() == there.len() {
            reasons.extend(why.into_iter().next());
        }
    }
    if reasons.is_empty() { Evaluation::Evaluated } else { Evaluation::NotEvaluated(reasons) }
}

/// Declared sources that were not there at all. What fires although a source was cut off speaks for itself: only silence needs a whole sight.
pub fn missing(strategy: &Strategy, sight: &Sight) -> Vec<String> {
    let there = |source: &str| front::alternatives(source).any(|name| sight.seen.contains(name));
    strategy.sources.iter().filter(|source| !there(source)).map(|source| absent(source)).collect()
}

fn absent(source: &str) -> String {
    format!("{} was not there", source.replace('|', " or "))
}
