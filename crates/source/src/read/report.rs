//! What a reader says of its work.

use event::{Place, SmolStr, Time};
use std::collections::BTreeMap;

/// So many skipped records are named with their place; the rest is counted.
pub const SKIPPED_NAMED_MAX: usize = 20;

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
        if self.skipped.len() < SKIPPED_NAMED_MAX {
            self.skipped.push(Skipped { place: Place { file, number: line }, reason });
        }
    }
}
