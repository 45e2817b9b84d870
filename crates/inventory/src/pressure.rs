//! Every bound has a voice: counts of what was forgotten, said at the first and at each power of ten.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Counts by the name of the bound.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Pressure {
    counts: BTreeMap<String, Count>,
    /// Something was added since the last look.
    stirred: bool,
}

/// One bound's count.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Count {
    forgotten: u64,
    /// The next count that is worth saying.
    next: u64,
}

impl Pressure {
    /// Something was forgotten at this bound.
    pub fn add(&mut self, bound: &str, count: u64) {
        if count == 0 {
            return;
        }
        self.stirred = true;
        match self.counts.get_mut(bound) {
            Some(entry) => entry.forgotten = entry.forgotten.saturating_add(count),
            None => drop(self.counts.insert(bound.to_owned(), Count { forgotten: count, next: 1 })),
        }
    }

    /// What is worth saying now: bound and count.
    pub fn take(&mut self) -> Vec<(String, u64)> {
        let mut due = Vec::new();
        if !std::mem::take(&mut self.stirred) {
            return due;
        }
        for (bound, count) in &mut self.counts {
            if count.forgotten >= count.next {
                due.push((bound.clone(), count.forgotten));
                while count.next <= count.forgotten {
                    count.next = count.next.saturating_mul(10);
                    if count.next == u64::MAX {
                        break;
                    }
                }
            }
        }
        due
    }
}
