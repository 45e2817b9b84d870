//! Gives the engine's own bounds a voice: the first time one is met, and then at each power of ten, it is said as `sensor.pressure`.

use crate::report::Report;
use event::dictionary::{SENSOR_COUNT, SENSOR_PRESSURE, SENSOR_REASON, SENSOR_SOURCE};
use event::{DerivedBuilder, Event, SmolStr, Time};
use serde::{Deserialize, Serialize};

type Count = fn(&Report) -> u64;

/// The bounds, in the order in which they are said: what was counted and what it means.
const BOUNDS: [(Count, &str); 4] = [
    (|report| report.forced, "records acted before their wait was over"),
    (|report| report.repeats_forgotten, "statements were forgotten, their repeats would count again"),
    (|report| report.correlations_forgotten, "correlations forgot groups or events"),
    (|report| report.judge.evicted, "findings were closed early"),
];

/// At which count each bound speaks next; zero stands for one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voice {
    next: [u64; BOUNDS.len()],
}

impl Voice {
    /// What is to be said of these counts now.
    pub fn say(&mut self, report: &Report, now: Time) -> Vec<Event> {
        let mut said = Vec::new();
        for ((count, reason), next) in BOUNDS.iter().zip(&mut self.next) {
            let count = count(report);
            if count >= (*next).max(1) {
                while *next <= count && *next < u64::MAX {
                    *next = (*next).max(1).saturating_mul(10);
                }
                said.push(
                    DerivedBuilder::at(SENSOR_PRESSURE, "engine", now, SmolStr::default(), Vec::new())
                        .with(SENSOR_SOURCE, "engine")
                        .with(SENSOR_REASON, *reason)
                        .with(SENSOR_COUNT, count)
                        .build(),
                );
            }
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_speaks_first_and_at_each_power_of_ten() {
        let mut voice = Voice::default();
        let spoke: Vec<u64> = (0..=1234).filter(|n| !voice.say(&Report { forced: *n, ..Report::default() }, Time(0)).is_empty()).collect();
        assert_eq!(spoke, [1, 10, 100, 1000]);
        assert_eq!(voice.say(&Report { forced: u64::MAX, ..Report::default() }, Time(0)).len(), 1);
    }
}
