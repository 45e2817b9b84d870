//! `sensor.skewed`: two witnesses tell the same things at different times, so one of the clocks is wrong.
//!
//! What is compared is a container's start: when its engine says that it started, and when a system witness first saw a program run in it. One difference says
//! little, so the median of several is taken.

use crate::id::Id;
use crate::row::{Row, RowOut};
use crate::step::Step;
use crate::world::World;
use crate::{Container, Host};
use event::dictionary as d;
use event::fact::Fact;
use event::system::ProcessAction;
use event::{DerivedBuilder, Event, SmolStr, Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Clocks of two witnesses may differ by this much: delivery, and the time that a start takes, are within it.
pub const MOST: Span = Span::seconds(2);

/// Matches that are needed, and twice as many are remembered.
const MATCHES: usize = 5;

/// Further apart than this the two are not the same start.
const MATCH_WITHIN: Span = Span::minutes(10);

/// Pairs of witnesses that are remembered.
const PAIRS_MAX: usize = 1024;

/// Starts whose counterpart has not been seen.
const WAITING_MAX: usize = 1024;

/// The differences between witnesses.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    pairs: BTreeMap<(SmolStr, SmolStr, SmolStr), Pair>,
    /// First programs seen in containers that had not been said to have started.
    waiting: VecDeque<(SmolStr, Id, SmolStr, Time)>,
}

/// What two witnesses differ by.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Pair {
    differences: VecDeque<Span>,
    told: bool,
}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        let Some(host) = world.host(&cause.host) else { return };
        match step {
            Step::Sighted { id, first: true } => {
                let Some(Fact::Process(said)) = cause.fact() else { return };
                let Some(container) = host.container(id) else { return };
                if said.action != ProcessAction::Exec || container.preexisting() || container.starts > 1 {
                    return;
                }
                let teller = container.witnesses.sources().next().cloned().unwrap_or_default();
                match container.started.filter(|_| container.starts == 1) {
                    Some(started) if heard_before(host, &cause.source, started) => {
                        self.matched((&cause.source, cause.time), (&teller, started), cause, out);
                    }
                    Some(_) => {}
                    None => {
                        if self.waiting.len() >= WAITING_MAX {
                            self.waiting.pop_front();
                        }
                        self.waiting.push_back((cause.host.clone(), id.clone(), cause.source.clone(), cause.time));
                    }
                }
            }
            Step::Started { id, again: false } => {
                let Some(place) = self.waiting.iter().position(|(on, other, ..)| *on == cause.host && other == id) else { return };
                let Some((_, _, source, time)) = self.waiting.remove(place) else { return };
                if host.container(id).is_some_and(Container::stands) {
                    self.matched((&source, time), (&cause.source, cause.time), cause, out);
                }
            }
            _ => {}
        }
    }
}

/// Whether the witness could have seen that start.
fn heard_before(host: &Host, source: &str, started: Time) -> bool {
    host.heard.source(source).and_then(|heard| heard.first).is_some_and(|first| first < started)
}

impl State {
    fn matched(&mut self, seen: (&SmolStr, Time), told: (&SmolStr, Time), cause: &Event, out: &mut RowOut<'_>) {
        let difference = seen.1 - told.1;
        if difference.0.saturating_abs() > MATCH_WITHIN.0 {
            return;
        }
        let key = (cause.host.clone(), seen.0.clone(), told.0.clone());
        if !self.pairs.contains_key(&key) && self.pairs.len() >= PAIRS_MAX {
            self.pairs.pop_first();
            out.forgot("inventory.sources", 1);
        }
        let pair = self.pairs.entry(key).or_default();
        if pair.differences.len() >= 2 * MATCHES - 1 {
            pair.differences.pop_front();
        }
        pair.differences.push_back(difference);
        if pair.differences.len() < MATCHES {
            return;
        }
        let mut sorted: Vec<Span> = pair.differences.iter().copied().collect();
        sorted.sort();
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
        let skewed = median.0.saturating_abs() > MOST.0;
        if skewed && !pair.told && out.wants(d::SENSOR_SKEWED) {
            let builder = DerivedBuilder::caused_by(d::SENSOR_SKEWED, "sensor", cause)
                .about(seen.0)
                .with(d::SENSOR_SOURCE, seen.0)
                .with(d::SENSOR_AGAINST, told.0)
                .with(d::SENSOR_SKEW, median.as_seconds())
                .with(d::SENSOR_COUNT, sorted.len());
            out.emit(builder.build());
        }
        pair.told = skewed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::{Play, id};
    use event::fact::ContainerAction;
    use event::system::ProcessEvent;

    fn exec(play: &mut Play, word: &str) {
        let said = ProcessEvent { action: ProcessAction::Exec, pid: 7, container_id: id(word), ..ProcessEvent::default() };
        play.from("falco").tell(d::FALCO, Some(Fact::Process(Box::new(said)))).from("docker_events");
    }

    fn starts(play: &mut Play, from: usize, lag: f64) {
        for n in from..from + 5 {
            let word = format!("c{n}");
            play.container(&word, &word, "app:1", ContainerAction::Create);
            if lag < 0.0 {
                exec(play, &word);
                play.wait(-lag).container(&word, &word, "app:1", ContainerAction::Start);
            } else {
                play.container(&word, &word, "app:1", ContainerAction::Start).wait(lag);
                exec(play, &word);
            }
            play.wait(20.0);
        }
    }

    fn skewed(play: &Play) -> String {
        play.draw(d::SENSOR_SKEWED, &["sensor.source", "sensor.against", "sensor.count"])
    }

    #[test]
    fn a_clock_that_is_late_or_early_is_told_once() {
        for lag in [3.0, -3.0] {
            let mut play = Play::new();
            exec(&mut play, "z");
            starts(&mut play, 0, lag);
            assert_eq!(skewed(&play), "falco | docker_events | 5");
            starts(&mut play, 10, lag);
            assert_eq!(skewed(&play), "falco | docker_events | 5");
        }
    }

    #[test]
    fn ordinary_delays_are_not() {
        let mut play = Play::new();
        exec(&mut play, "z");
        starts(&mut play, 0, 1.0);
        starts(&mut play, 10, -0.2);
        assert_eq!(skewed(&play), "");
    }
}
