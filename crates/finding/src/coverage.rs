//! What is known of how well an interval was observed.
//!
//! A finding that says *from 13:40 to 13:45* is only as good as the sight of its sources in those minutes. The engine notes here what `sensor.*` events say;
//! a finding whose interval overlaps such a note repeats it.

use crate::finding::Coverage;
use event::{SmolStr, Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How many notes are kept: a source that breaks every minute fills an hour and more, and each note is about 100 bytes.
pub const NOTES_MAX: usize = 256;

/// How many reasons one finding repeats: enough to see a pattern, few enough to read.
pub const REASONS_MAX: usize = 8;

/// How far the sight was impaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Impairment {
    /// Records were dropped, late or unreadable.
    Degraded,
    /// A source was cut off.
    Gap,
}

/// An interval in which the sight was impaired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// How far.
    pub impairment: Impairment,
    /// Host concerned; empty when that is not known.
    pub host: SmolStr,
    /// When it began.
    pub from: Time,
    /// When it ended.
    pub to: Time,
    /// Why, as a short fragment.
    pub text: SmolStr,
}

/// The notes so far, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notes {
    notes: VecDeque<Note>,
    /// How many were forgotten for want of room.
    pub forgotten: u64,
    /// Up to when forgotten notes reached; coverage before it is not known to be complete.
    forgotten_to: Option<Time>,
}

impl Notes {
    /// Takes a note. One that continues the note before it (same text and host, less than a minute later) lengthens that.
    pub fn add(&mut self, note: Note) {
        if let Some(last) =
            self.notes.iter_mut().rev().find(|n| n.text == note.text && n.host == note.host && n.impairment == note.impairment)
            && note.from <= last.to + Span::minutes(1)
            && note.to >= last.from
        {
            last.from = last.from.min(note.from);
            last.to = last.to.max(note.to);
            return;
        }
        self.notes.push_back(note);
        if self.notes.len() > NOTES_MAX
            && let Some(oldest) = self.notes.pop_front()
        {
            self.forgotten += 1;
            self.forgotten_to = self.forgotten_to.max(Some(oldest.to));
        }
    }

    /// How well an interval on a host was observed, as far as the notes say.
    pub fn coverage(&self, host: Option<&str>, from: Time, to: Time) -> Coverage {
        let mut worst = None;
        let mut reasons: Vec<SmolStr> = Vec::new();
        let mut more = 0usize;
        if self.forgotten_to.is_some_and(|end| end >= from) {
            worst = Some(Impairment::Degraded);
            reasons.push(SmolStr::new_static("earlier notes on the sources' sight were forgotten"));
        }
        for note in &self.notes {
            let here = note.host.is_empty() || host.is_none_or(|host| host.is_empty() || host == note.host);
            if here && note.from <= to && note.to >= from {
                worst = worst.max(Some(note.impairment));
                if reasons.contains(&note.text) {
                    continue;
                }
                if reasons.len() < REASONS_MAX { reasons.push(note.text.clone()) } else { more += 1 }
            }
        }
        if more > 0 {
            reasons.push(SmolStr::from(format!("and {more} more")));
        }
        let state = match worst {
            None => "complete",
            Some(Impairment::Degraded) => "degraded",
            Some(Impairment::Gap) => "gap",
        };
        Coverage { state: SmolStr::new_static(state), notes: reasons }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(impairment: Impairment, host: &str, from: i64, to: i64, text: &str) -> Note {
        let at = |s| Time::from_seconds(s, 0);
        Note { impairment, host: host.into(), from: at(from), to: at(to), text: text.into() }
    }

    fn at(notes: &Notes, host: &str, from: i64, to: i64) -> Coverage {
        notes.coverage(Some(host), Time::from_seconds(from, 0), Time::from_seconds(to, 0))
    }

    #[test]
    fn an_overlapping_gap_is_named_and_a_distant_one_is_not() {
        let mut notes = Notes::default();
        notes.add(note(Impairment::Gap, "h", 100, 110, "docker_events was cut off"));
        notes.add(note(Impairment::Degraded, "h", 300, 300, "3 records dropped"));
        assert_eq!(at(&notes, "h", 0, 99).state, "complete");
        assert_eq!(at(&notes, "h", 90, 100).state, "gap");
        assert_eq!(at(&notes, "h", 111, 299).state, "complete");
        assert_eq!(at(&notes, "h", 300, 301), Coverage { state: "degraded".into(), notes: vec!["3 records dropped".into()] });
        assert_eq!(at(&notes, "h", 105, 301).notes.len(), 2);
        assert_eq!(at(&notes, "other", 105, 301).state, "complete");
    }

    #[test]
    fn notes_are_bounded_and_what_is_forgotten_is_said() {
        let mut notes = Notes::default();
        for n in 0..2 * NOTES_MAX as i64 {
            notes.add(note(Impairment::Degraded, "h", n * 1000, n * 1000, "records dropped"));
        }
        assert_eq!(notes.forgotten, NOTES_MAX as u64);
        assert_eq!(at(&notes, "h", 1, 2).state, "degraded");
        assert_eq!(at(&notes, "h", 1_000_000, 1_000_001).state, "complete");
    }
}
