//! Timers, not ticks, decide: one ordered set for all rows.
//!
//! The order is (due, row in the list, key), so that what fires at the same moment fires in the same order wherever the records were cut. A timer that was
//! set twice fires once; one whose matter is settled may simply find nothing to do.

use crate::id::Id;
use event::{SmolStr, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a timer is about, for the row that set it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TimerKey {
    /// Tells several timers of one row apart.
    pub tag: u8,
    /// The host.
    pub host: SmolStr,
    /// The object there.
    pub id: Id,
}

impl TimerKey {
    /// A key for a row that has one sort of timer.
    pub fn new(host: &SmolStr, id: &Id) -> TimerKey {
        TimerKey { tag: 0, host: host.clone(), id: id.clone() }
    }

    /// The same with a tag.
    #[must_use]
    pub fn tagged(mut self, tag: u8) -> TimerKey {
        self.tag = tag;
        self
    }
}

/// All timers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Timers {
    due: BTreeSet<(Time, u8, TimerKey)>,
}

impl Timers {
    /// Registers a timer of a row.
    pub fn set(&mut self, due: Time, row: u8, key: TimerKey) {
        self.due.insert((due, row, key));
    }

    /// Takes a timer back.
    pub fn cancel(&mut self, due: Time, row: u8, key: TimerKey) {
        self.due.remove(&(due, row, key));
    }

    /// The earliest.
    pub fn next_due(&self) -> Option<Time> {
        self.due.first().map(|(due, _, _)| *due)
    }

    /// Takes the first one that is due at `now`. A timer set while others fire, for the same moment, fires with them.
    pub fn pop(&mut self, now: Time) -> Option<(u8, TimerKey)> {
        if self.next_due()? > now {
            return None;
        }
        self.due.pop_first().map(|(_, row, key)| (row, key))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.due.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.due.is_empty()
    }
}
