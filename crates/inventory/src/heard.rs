//! Which sources speak of a host, and when each of them could see.
//!
//! A witness's silence about a container means something only where the witness itself was well. A collector says when it begins, when it is cut off and when it
//! is back; between these notes the mere passing of time shows that it is well. A source without a collector, such as a log in a file, is well at a moment
//! only when it has spoken before it and after it.

use event::{SmolStr, Span, Time};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Sources of one host that are remembered; there are a handful.
const SOURCES_MAX: usize = 64;

/// Breaks that are remembered of one source.
const GAPS_MAX: usize = 64;

/// Losses are noticed late: what they concern lies in the minute before.
const NOTICED_WITHIN: Span = Span::minutes(1);

/// How long after an exec, or after a container with control of the host, a source's trouble counts as provoked by it.
pub const PROVOKED_WITHIN: Span = Span::minutes(1);

/// Moments that are remembered at which something could have provoked a source's trouble.
const PROVOCATIONS_MAX: usize = 32;

/// What is known of the sources that speak of one host.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Heard {
    sources: IndexMap<SmolStr, Source>,
    provocations: VecDeque<Time>,
}

/// One source.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Source {
    /// When it was first heard of.
    pub first: Option<Time>,
    /// When its last dated record acted.
    pub last: Option<Time>,
    /// Its collector said that it began: from then on its health is what the collector says.
    pub watched: bool,
    /// Since when it is cut off, if it is.
    pub lost: Option<Time>,
    /// Its collector stopped in good order.
    stopped: Option<Time>,
    gaps: VecDeque<Gap>,
}

/// A break in a source's sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// From when on.
    pub from: Time,
    /// Until when.
    pub to: Time,
}

/// What can be said of a source's sight of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It could see, then and until now.
    Well,
    /// It could not see in between, and can now.
    Broken,
    /// It cannot be said yet: it is cut off, or has not spoken since.
    Open,
}

impl Heard {
    /// A dated or undated record of a source.
    pub(crate) fn record(&mut self, source: &SmolStr, at: Time, dated: bool) {
        let Some(known) = self.source_mut(source) else { return };
        known.first.get_or_insert(at);
        if dated || known.last.is_none() {
            known.last = Some(at);
        }
    }

    fn source_mut(&mut self, source: &SmolStr) -> Option<&mut Source> {
        if !self.sources.contains_key(source) {
            if self.sources.len() >= SOURCES_MAX {
                return None;
            }
            self.sources.insert(source.clone(), Source::default());
        }
        self.sources.get_mut(source)
    }

    /// Its collector began, or an unbroken stream was taken up.
    pub(crate) fn started(&mut self, source: &SmolStr, at: Time) {
        let Some(known) = self.source_mut(source) else { return };
        if let Some(stopped) = known.stopped.take() {
            known.gap(stopped, at);
        }
        known.first.get_or_insert(at);
        known.watched = true;
        known.lost = None;
    }

    /// It was cut off.
    pub(crate) fn lost(&mut self, source: &SmolStr, at: Time) {
        let Some(known) = self.source_mut(source) else { return };
        known.first.get_or_insert(at);
        known.lost.get_or_insert(at);
    }

    /// It is back.
    pub(crate) fn resumed(&mut self, source: &SmolStr, from: Option<Time>, at: Time, complete: bool) {
        let Some(known) = self.source_mut(source) else { return };
        known.first.get_or_insert(at);
        known.watched = true;
        let lost = known.lost.take();
        if !complete {
            let from = from.map_or(lost, |from| Some(lost.map_or(from, |lost| from.min(lost)))).unwrap_or(at);
            known.gap(from, at);
        }
    }

    /// Some of its records were lost.
    pub(crate) fn dropped(&mut self, source: &SmolStr, at: Time) {
        let Some(known) = self.source_mut(source) else { return };
        known.first.get_or_insert(at);
        known.gap(at.minus(NOTICED_WITHIN), at);
    }

    /// Its collector stopped in good order.
    pub(crate) fn stopped(&mut self, source: &SmolStr, at: Time) {
        if let Some(known) = self.sources.get_mut(source) {
            known.stopped = Some(at);
        }
    }

    /// Something happened that may provoke trouble: an exec, or a container with control of the host.
    pub(crate) fn provoked(&mut self, at: Time) {
        if self.provocations.back().is_some_and(|last| *last == at) {
            return;
        }
        if self.provocations.len() >= PROVOCATIONS_MAX {
            self.provocations.pop_front();
        }
        self.provocations.push_back(at);
    }

    /// Whether something that may provoke trouble happened in the minute before.
    pub fn was_provoked(&self, at: Time) -> bool {
        self.provocations.iter().any(|moment| *moment <= at && *moment + PROVOKED_WITHIN >= at)
    }

    /// The sources, in the order in which they were first heard of.
    pub fn sources(&self) -> impl Iterator<Item = (&SmolStr, &Source)> {
        self.sources.iter()
    }

    /// A source.
    pub fn source(&self, name: &str) -> Option<&Source> {
        self.sources.get(name)
    }

    /// Whether anything of that source was ever heard.
    pub fn follows(&self, name: &str) -> bool {
        self.sources.get(name).is_some_and(|source| source.first.is_some())
    }
}

impl Source {
    fn gap(&mut self, from: Time, to: Time) {
        if let Some(last) = self.gaps.back_mut()
            && from <= last.to
        {
            last.from = last.from.min(from);
            last.to = last.to.max(to);
            return;
        }
        if self.gaps.len() >= GAPS_MAX {
            self.gaps.pop_front();
        }
        self.gaps.push_back(Gap { from, to });
    }

    /// What can be said now of its sight from a moment on.
    pub fn health(&self, from: Time) -> Health {
        let began = self.first.is_some_and(|first| first <= from);
        let well = if self.watched { self.stopped.is_none() } else { self.last.is_some_and(|last| last > from) };
        if self.lost.is_some() || !well {
            Health::Open
        } else if !began || self.gaps.iter().any(|gap| gap.to >= from) {
            Health::Broken
        } else {
            Health::Well
        }
    }

    /// Whether it had a break between two moments.
    pub fn blind_between(&self, from: Time, to: Time) -> bool {
        self.lost.is_some_and(|lost| lost <= to) || self.gaps.iter().any(|gap| gap.to >= from && gap.from <= to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_seconds(1_000_000 + seconds, 0)
    }

    fn health(heard: &Heard, seconds: i64) -> Health {
        heard.source("s").map_or(Health::Open, |source| source.health(at(seconds)))
    }

    #[test]
    fn a_log_in_a_file_is_well_between_two_of_its_records() {
        let (mut heard, s) = (Heard::default(), SmolStr::new("s"));
        heard.record(&s, at(0), true);
        assert_eq!(health(&heard, 10), Health::Open);
        heard.record(&s, at(20), true);
        assert_eq!((health(&heard, 10), health(&heard, 20), health(&heard, -1)), (Health::Well, Health::Open, Health::Broken));
    }

    #[test]
    fn a_collector_says_itself_when_it_was_blind() {
        let (mut heard, s) = (Heard::default(), SmolStr::new("s"));
        heard.started(&s, at(0));
        assert_eq!(health(&heard, 10), Health::Well);
        heard.lost(&s, at(20));
        assert_eq!(health(&heard, 10), Health::Open);
        heard.resumed(&s, None, at(30), true);
        assert_eq!(health(&heard, 10), Health::Well);
        heard.lost(&s, at(40));
        heard.resumed(&s, Some(at(35)), at(50), false);
        assert_eq!((health(&heard, 10), health(&heard, 51)), (Health::Broken, Health::Well));
        assert!(heard.source("s").is_some_and(|source| source.blind_between(at(45), at(60)) && !source.blind_between(at(0), at(30))));
        heard.stopped(&s, at(60));
        assert_eq!(health(&heard, 55), Health::Open);
        heard.started(&s, at(90));
        assert_eq!((health(&heard, 55), health(&heard, 91)), (Health::Broken, Health::Well));
    }

    #[test]
    fn the_minute_after_an_exec_is_provoked() {
        let mut heard = Heard::default();
        heard.provoked(at(0));
        assert!(heard.was_provoked(at(59)) && !heard.was_provoked(at(61)) && !heard.was_provoked(at(-1)));
    }
}
