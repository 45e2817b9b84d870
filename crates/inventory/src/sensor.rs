//! `sensor.*`: what the sources say of their own sight, as events that rules can name. Blindness is detectable like anything else.

use crate::fields::container_fields;
use crate::id::Id;
use crate::row::{Row, RowOut};
use crate::step::Step;
use crate::timers::TimerKey;
use crate::world::World;
use event::dictionary as d;
use event::fact::{Fact, SensorNote, Sight};
use event::{DerivedBuilder, Event, Fields, Kind, Provenance, SmolStr, Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A stream that is still cut off after this long is said, before it flows again. Shorter breaks are said when they are over.
pub const GAP_GRACE: Span = Span::seconds(30);

/// Sources that are remembered; there are a handful a host.
const SOURCES_MAX: usize = 4096;

/// What the sources have said.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    lost: BTreeMap<(SmolStr, SmolStr), Lost>,
    undecodable: BTreeMap<(SmolStr, SmolStr), u64>,
    /// Records of each source, and how many came without what they should say.
    records: BTreeMap<(SmolStr, SmolStr), (u64, u64)>,
}

/// A stream that is cut off.
#[derive(Debug, Serialize, Deserialize)]
struct Lost {
    since: Time,
    due: Time,
    reason: SmolStr,
    evidence: Vec<Arc<Provenance>>,
}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        self.counted(step, cause, out);
        let Step::Note = step else { return };
        let Some(Fact::Sensor(SensorNote { of, note })) = cause.fact() else { return };
        let key = (cause.host.clone(), of.clone());
        let begin = |kind: Kind| DerivedBuilder::caused_by(kind, "sensor", cause).about(of).with(d::SENSOR_SOURCE, of);
        match note {
            Sight::Lost { reason } => {
                if self.lost.len() >= SOURCES_MAX {
                    self.lost.pop_first();
                    out.forgot("inventory.sources", 1);
                }
                let due = cause.at + GAP_GRACE;
                out.timer(due, TimerKey::new(&cause.host, &Id::Text(of.clone())));
                let lost = Lost { since: cause.at, due, reason: reason.clone(), evidence: cause.evidence.clone() };
                self.lost.entry(key).or_insert(lost);
            }
            Sight::Resumed { from, to, complete } => {
                let lost = self.lost.remove(&key);
                let from = from.or(lost.as_ref().map(|lost| lost.since));
                let to = to.unwrap_or(cause.time);
                if out.wants(d::SENSOR_GAP_SEEN) {
                    let mut builder = begin(d::SENSOR_GAP_SEEN);
                    if let Some(lost) = lost {
                        let mut evidence = cause.evidence.clone();
                        evidence.extend(lost.evidence);
                        builder = builder.with(d::SENSOR_REASON, lost.reason).evidence(evidence);
                    }
                    if let Some(from) = from {
                        builder.push(d::SENSOR_GAP, (to - from).as_seconds().max(0.0));
                    }
                    let provoked = from.is_some_and(|from| was_provoked(world, &cause.host, from));
                    out.emit(builder.with(d::SENSOR_COMPLETE, *complete).with(d::SENSOR_PROVOKED, provoked).build());
                }
            }
            Sight::Lagging { by } => {
                if out.wants(d::SENSOR_LAGGING) {
                    out.emit(begin(d::SENSOR_LAGGING).with(d::SENSOR_LAG, Span(*by).as_seconds()).build());
                }
            }
            Sight::Dropped { count, reason } => {
                if out.wants(d::SENSOR_DROPPED) {
                    let provoked = was_provoked(world, &cause.host, cause.at);
                    let builder = begin(d::SENSOR_DROPPED).with(d::SENSOR_REASON, reason).with(d::SENSOR_COUNT, *count);
                    out.emit(builder.with(d::SENSOR_PROVOKED, provoked).build());
                }
            }
            Sight::Missed { object, id, reason } => {
                if out.wants(d::SENSOR_MISSED) {
                    let mut builder = begin(d::SENSOR_MISSED).with(d::SENSOR_REASON, format!("{object}: {reason}"));
                    if let Some(host) = world.host(&cause.host)
                        && let Some(container) = host.container(&Id::new(id)).filter(|_| object == "container")
                    {
                        container_fields(&mut builder, world, host, container, cause.time);
                    }
                    out.emit(builder.build());
                }
            }
            Sight::Undecodable { reason } => {
                if !self.undecodable.contains_key(&key) && self.undecodable.len() >= SOURCES_MAX {
                    self.undecodable.pop_first();
                    out.forgot("inventory.sources", 1);
                }
                let count = self.undecodable.entry(key).or_default();
                *count = count.saturating_add(1);
                if is_power_of_ten(*count) && out.wants(d::SENSOR_UNDECODABLE) {
                    let read = self.records.get(&(cause.host.clone(), of.clone())).map_or(0, |(read, _)| *read);
                    let share = *count as f64 / (*count + read) as f64;
                    let builder = begin(d::SENSOR_UNDECODABLE).with(d::SENSOR_REASON, reason).with(d::SENSOR_COUNT, *count);
                    out.emit(builder.with(d::SENSOR_SHARE, share).build());
                }
            }
            Sight::Started | Sight::Reconciled | Sight::Stopped => {}
        }
    }

    fn fire(&mut self, key: &TimerKey, now: Time, world: &World, out: &mut RowOut<'_>) {
        let of = key.id.text();
        let Some(lost) = self.lost.get(&(key.host.clone(), of.clone())).filter(|lost| lost.due <= now) else { return };
        if out.wants(d::SENSOR_GAP_SEEN) {
            let builder = DerivedBuilder::at(d::SENSOR_GAP_SEEN, "sensor", now, key.host.clone(), lost.evidence.clone())
                .about(&of)
                .with(d::SENSOR_SOURCE, &of)
                .with(d::SENSOR_REASON, &lost.reason)
                .with(d::SENSOR_GAP, (now - lost.since).as_seconds())
                .with(d::SENSOR_COMPLETE, false)
                .with(d::SENSOR_PROVOKED, was_provoked(world, &key.host, lost.since));
            out.emit(builder.build());
        }
    }
}

/// Whether something happened on the host just before that may have provoked a source's trouble.
fn was_provoked(world: &World, host: &str, at: Time) -> bool {
    world.host(host).is_some_and(|host| host.heard.was_provoked(at))
}

impl State {
    /// Counts the records of each source, and says of those that came without what they should say: the first, then at each power of ten. What an API server
    /// cut off is said of each request.
    fn counted(&mut self, step: &Step, cause: &Event, out: &mut RowOut<'_>) {
        let Fields::Native(decoded) = &cause.fields else { return };
        if matches!(step, Step::Note | Step::Sighted { .. }) || matches!(decoded.fact, Some(Fact::Request(_))) {
            return;
        }
        let place = (cause.host.clone(), cause.source.clone());
        if !self.records.contains_key(&place) && self.records.len() >= SOURCES_MAX {
            self.records.pop_first();
            out.forgot("inventory.sources", 1);
        }
        let (read, cut) = self.records.entry(place).or_default();
        *read = read.saturating_add(1);
        let reason = match &decoded.fact {
            _ if decoded.truncated => "a record was too large, and only a stub of it was read",
            Some(Fact::Process(said)) if said.command_truncated => "the arguments of a command were cut off",
            _ => return,
        };
        *cut = cut.saturating_add(1);
        if is_power_of_ten(*cut) && out.wants(d::SENSOR_TRUNCATED) {
            let builder =
                DerivedBuilder::caused_by(d::SENSOR_TRUNCATED, "sensor", cause).about(&cause.source).with(d::SENSOR_SOURCE, &cause.source);
            let share = *cut as f64 / *read as f64;
            out.emit(builder.with(d::SENSOR_REASON, reason).with(d::SENSOR_COUNT, *cut).with(d::SENSOR_SHARE, share).build());
        }
    }
}

fn is_power_of_ten(mut n: u64) -> bool {
    while n >= 10 && n.is_multiple_of(10) {
        n /= 10;
    }
    n == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::Play;

    fn note(play: &mut Play, note: Sight) {
        play.tell(d::SENSOR_NOTE, Some(Fact::Sensor(SensorNote { of: "docker_events".into(), note })));
    }

    #[test]
    fn a_break_is_said_when_it_is_over_and_a_long_one_before() {
        let mut play = Play::new();
        note(&mut play, Sight::Lost { reason: "connection refused".into() });
        play.wait(2.0);
        note(&mut play, Sight::Resumed { from: None, to: None, complete: true });
        note(&mut play, Sight::Lost { reason: "no such socket".into() });
        play.wait(40.0);
        assert_eq!(
            play.draw(d::SENSOR_GAP_SEEN, &["sensor.source", "sensor.reason", "sensor.gap_seconds", "sensor.complete"]),
            "docker_events | connection refused | 2 | true\n\
             docker_events | no such socket | 30 | false"
        );
    }

    #[test]
    fn unreadable_records_are_said_at_the_first_and_at_powers_of_ten() {
        let mut play = Play::new();
        for _ in 0..25 {
            note(&mut play, Sight::Undecodable { reason: "not JSON".into() });
        }
        assert_eq!(play.draw(d::SENSOR_UNDECODABLE, &["sensor.count", "sensor.share"]), "1 | 1\n10 | 1");
        assert!(is_power_of_ten(1000) && !is_power_of_ten(0) && !is_power_of_ten(20));
    }

    #[test]
    fn what_was_cut_off_is_said_with_its_share() {
        let mut play = Play::new();
        for n in 0..12 {
            let said = event::system::ProcessEvent { command_truncated: n > 1, ..Default::default() };
            play.from("falco").tell(d::FALCO, Some(Fact::Process(Box::new(said))));
        }
        let fields = ["sensor.source", "sensor.count", "sensor.reason"];
        assert_eq!(
            play.draw(d::SENSOR_TRUNCATED, &fields),
            "falco | 1 | the arguments of a command were cut off\nfalco | 10 | the arguments of a command were cut off"
        );
    }

    #[test]
    fn a_break_right_after_an_exec_is_provoked() {
        use event::fact::ContainerAction;
        let mut play = Play::new();
        note(&mut play, Sight::Lost { reason: "reset".into() });
        note(&mut play, Sight::Resumed { from: None, to: None, complete: false });
        play.container("a", "a", "app:1", ContainerAction::ExecCreate { command: "sh".into(), exec_id: None }).wait(10.0);
        note(&mut play, Sight::Lost { reason: "reset".into() });
        note(&mut play, Sight::Resumed { from: None, to: None, complete: false });
        assert_eq!(play.draw(d::SENSOR_GAP_SEEN, &["sensor.provoked"]), "false\ntrue");
    }
}
