//! What a reader says of its work.

use event::{Place, SmolStr, Time};
use std::collections::BTreeMap;

/// So many skipped records are named with their place; the rest is counted.
pub const SKIPPED_NAMED_MAX: usize = 20;

/// So many different reasons are told apart.
pub const REASONS_MAX: usize = 64;

/// What was read and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadReport {
    /// Files opened.
    pub files: u64,
    /// Files in folders that were passed over as documents (`.md`, `.toml`, …).
    pub passed_over: u64,
    /// Records read and understood, ticks included.
    pub records: u64,
    /// Of those, how many of each source.
    pub by_source: BTreeMap<SmolStr, u64>,
    /// Bytes read, after unpacking.
    pub bytes: u64,
    /// The earliest time of what was read.
    pub first: Option<Time>,
    /// The latest time of what was read.
    pub last: Option<Time>,
    /// Records whose own time was not believed.
    pub suspect: u64,
    /// Records that were not understood, broken and unknown ones together.
    pub skipped_total: u64,
    /// Records that are broken: no JSON, cut short, too long, or without what their format needs.
    pub broken: u64,
    /// Well-formed records of no known format.
    pub unknown: u64,
    /// Of those, how many for which reason: the places that a parser names are left out of it. At most [`REASONS_MAX`]; what comes after stands under an empty one.
    pub reasons: BTreeMap<String, u64>,
    /// The first of the skipped ones, in the order in which they were met.
    pub skipped: Vec<Skipped>,
}

/// A record that was not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// File as it was given, and the *line* in it, from 1; 0 for the file as a whole.
    pub place: Place,
    /// Why, as a lower-case fragment.
    pub reason: String,
}

impl ReadReport {
    pub(super) fn saw(&mut self, time: Time) {
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
    }

    pub(super) fn skip(&mut self, file: SmolStr, line: u64, reason: String, unknown: bool) {
        *(if unknown { &mut self.unknown } else { &mut self.broken }) += 1;
        self.skipped_total += 1;
        let group = group_of(&reason);
        let is_known = self.reasons.contains_key(group) || self.reasons.len() < REASONS_MAX;
        *self.reasons.entry(if is_known { group.to_owned() } else { String::new() }).or_default() += 1;
        if self.skipped.len() < SKIPPED_NAMED_MAX {
            self.skipped.push(Skipped { place: Place { file, number: line }, reason });
        }
    }
}

/// A reason without what is different each time: where in the record it stands, and the record's own size.
fn group_of(reason: &str) -> &str {
    let reason = reason.split_once(" at line ").map_or(reason, |(what, _)| what);
    let number = reason.bytes().take_while(u8::is_ascii_digit).count();
    reason[number..].trim_start()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_without_their_places() {
        let mut report = ReadReport::default();
        for (line, reason) in
            ["Invalid JSON value at line 1 column 1", "Invalid JSON value at line 1 column 9", "lacks an id"].iter().enumerate()
        {
            report.skip(SmolStr::new_static("f"), line as u64, (*reason).to_owned(), false);
        }
        assert_eq!(report.reasons, BTreeMap::from([("Invalid JSON value".to_owned(), 2), ("lacks an id".to_owned(), 1)]));
        for n in 0..1000 {
            report.skip(SmolStr::new_static("f"), 1, format!("no decoder is called x{n}"), true);
        }
        assert_eq!(report.reasons.len(), REASONS_MAX + 1);
        assert_eq!(report.reasons.values().sum::<u64>(), report.skipped_total);
    }
}
