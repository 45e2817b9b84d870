//! `sensor.silent`: a source has been silent for much longer than it ever is, while another of the same host speaks.
//!
//! Each source is judged against its own pauses, and only once it has shown enough of them. Records within one second are one utterance, because most witnesses
//! speak in bursts: what counts is how long they pause between these. Answers to our own questions are not judged, they come when we ask.

use crate::heard::Heard;
use crate::id::Id;
use crate::row::{Row, RowOut};
use crate::step::Step;
use crate::timers::TimerKey;
use crate::world::World;
use event::dictionary as d;
use event::{DerivedBuilder, Event, Fields, Provenance, SmolStr, Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// No silence shorter than this is told.
pub const LEAST: Span = Span::seconds(60);

/// A silence must be this many times the 99th percentile of the source's own pauses.
const TIMES: i64 = 10;

/// Pauses that must have been seen before a silence means anything.
const LEARNED: u32 = 50;

/// Sources that are remembered.
const SOURCES_MAX: usize = 4096;

/// Classes of pauses: each half as long again as the one before, the first up to a second, the last from a day and a half on.
const CLASSES: usize = 30;

/// What the sources of all hosts usually do.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    sources: BTreeMap<(SmolStr, SmolStr), Usual>,
    /// Hosts on which a source is silent, and no other has spoken since.
    quiet: BTreeMap<SmolStr, u32>,
}

/// One source's pauses.
#[derive(Debug, Serialize, Deserialize)]
struct Usual {
    last: Time,
    due: Time,
    pauses: [u32; CLASSES],
    /// It is silent for longer than usual, but so is everybody else so far.
    waits: bool,
    /// The silence has been told.
    told: bool,
    evidence: Option<Arc<Provenance>>,
}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        // Notes are the collector's own words. Of one record only the first step counts, since the second is of the same moment.
        let Fields::Native(decoded) = &cause.fields else { return };
        if matches!(step, Step::Note) || decoded.time.is_none() || cause.time_suspect || cause.source.is_empty() {
            return;
        }
        self.spoke(cause, out);
        if self.quiet.contains_key(&cause.host) {
            self.another_speaks(world, cause, out);
        }
    }

    fn fire(&mut self, key: &TimerKey, now: Time, world: &World, out: &mut RowOut<'_>) {
        let place = (key.host.clone(), key.id.text());
        let Some(usual) = self.sources.get_mut(&place).filter(|usual| usual.due <= now && !usual.told) else { return };
        let longest = usual.longest();
        if usual.last + longest > now {
            // It has spoken since the timer was set.
            usual.due = usual.last + longest;
            out.timer(usual.due, key.clone());
            return;
        }
        let Some(host) = world.host(&key.host) else { return };
        let others =
            host.heard.sources().any(|(source, heard)| *source != place.1 && heard.last.is_some_and(|last| last > usual.last + LEAST));
        if others {
            say(&place, usual, &host.heard, now, out);
        } else if !usual.waits {
            usual.waits = true;
            *self.quiet.entry(place.0).or_default() += 1;
        }
    }
}

impl State {
    fn spoke(&mut self, cause: &Event, out: &mut RowOut<'_>) {
        let place = (cause.host.clone(), cause.source.clone());
        if let Some(usual) = self.sources.get_mut(&place) {
            if cause.at <= usual.last + Span::seconds(1) && !usual.told && !usual.waits {
                usual.last = usual.last.max(cause.at);
                return;
            }
            let pause = cause.at - usual.last;
            // What was told as a silence must not make the next one usual.
            if !usual.told
                && let Some(count) = usual.pauses.get_mut(class(pause))
            {
                *count = count.saturating_add(1);
            }
            usual.last = cause.at;
            usual.evidence = cause.evidence.first().cloned();
            let waited = std::mem::take(&mut usual.waits);
            // One timer follows each source: it is set again when it fires, not at each record.
            if usual.learned() && (usual.due == Time::MAX || usual.told || waited) {
                usual.due = cause.at + usual.longest();
                out.timer(usual.due, TimerKey::new(&place.0, &Id::Text(place.1)));
            }
            usual.told = false;
            if waited {
                self.no_longer_quiet(&cause.host);
            }
            return;
        }
        if self.sources.len() >= SOURCES_MAX {
            if let Some((place, usual)) = self.sources.pop_first()
                && usual.waits
            {
                self.no_longer_quiet(&place.0);
            }
            out.forgot("inventory.sources", 1);
        }
        let evidence = cause.evidence.first().cloned();
        let usual = Usual { last: cause.at, due: Time::MAX, pauses: [0; CLASSES], waits: false, told: false, evidence };
        self.sources.insert(place, usual);
    }

    fn no_longer_quiet(&mut self, host: &SmolStr) {
        if let Some(count) = self.quiet.get_mut(host) {
            *count -= 1;
            if *count == 0 {
                self.quiet.remove(host);
            }
        }
    }

    /// Another source of the host speaks: those that have been silent for too long are told.
    fn another_speaks(&mut self, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        let Some(host) = world.host(&cause.host) else { return };
        let mut settled = 0;
        for (place, usual) in self.sources.range_mut((cause.host.clone(), SmolStr::default())..) {
            if place.0 != cause.host {
                break;
            }
            if usual.waits && place.1 != cause.source && cause.at > usual.last + LEAST {
                usual.waits = false;
                settled += 1;
                say(place, usual, &host.heard, cause.at, out);
            }
        }
        for _ in 0..settled {
            self.no_longer_quiet(&cause.host);
        }
    }
}

fn say(place: &(SmolStr, SmolStr), usual: &mut Usual, heard: &Heard, now: Time, out: &mut RowOut<'_>) {
    usual.told = true;
    if out.wants(d::SENSOR_SILENT) {
        let evidence = usual.evidence.clone().into_iter().collect();
        let builder = DerivedBuilder::at(d::SENSOR_SILENT, "sensor", now, place.0.clone(), evidence)
            .about(&place.1)
            .with(d::SENSOR_SOURCE, &place.1)
            .with(d::SENSOR_SILENT_FOR, (now - usual.last).as_seconds())
            .with(d::SENSOR_USUAL, usual.longest().as_seconds())
            .with(d::SENSOR_PROVOKED, heard.was_provoked(usual.last) || heard.was_provoked(usual.last + crate::heard::PROVOKED_WITHIN));
        out.emit(builder.build());
    }
}

impl Usual {
    fn learned(&self) -> bool {
        self.pauses.iter().sum::<u32>() >= LEARNED
    }

    /// The longest that it is usually silent.
    fn longest(&self) -> Span {
        let all: u64 = self.pauses.iter().map(|count| u64::from(*count)).sum();
        // The 99th percentile: the first class below which all but a hundredth lie.
        let mut left = all.saturating_mul(99).div_ceil(100);
        let mut at = CLASSES - 1;
        for (class, count) in self.pauses.iter().enumerate() {
            left = left.saturating_sub(u64::from(*count));
            if left == 0 {
                at = class;
                break;
            }
        }
        LEAST.max(Span(upper(at).saturating_mul(TIMES)))
    }
}

/// The class of a pause.
fn class(pause: Span) -> usize {
    (0..CLASSES).find(|class| pause.0 <= upper(*class)).unwrap_or(CLASSES - 1)
}

/// The longest pause of a class, in nanoseconds.
fn upper(class: usize) -> i64 {
    let mut length: i64 = 1_000_000_000;
    for _ in 0..class {
        length += length / 2;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::Play;
    use event::fact::ContainerAction;

    fn silent(play: &Play) -> String {
        play.draw(d::SENSOR_SILENT, &["sensor.source", "sensor.silent_seconds", "sensor.usual_seconds", "sensor.provoked"])
    }

    fn speak(play: &mut Play, source: &str) {
        play.from(source).container("a", "a", "app:1", ContainerAction::Other("x".into()));
    }

    /// Two sources that speak every five seconds, for as long as it takes to know them.
    fn known() -> Play {
        let mut play = Play::new();
        play.freezing = false;
        for _ in 0..60 {
            play.wait(5.0);
            speak(&mut play, "docker_events");
            speak(&mut play, "auditd");
        }
        play
    }

    #[test]
    fn a_source_that_falls_silent_while_another_speaks_is_told_once() {
        let mut play = known();
        for _ in 0..60 {
            play.wait(5.0);
            speak(&mut play, "docker_events");
        }
        let said = silent(&play);
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.starts_with("auditd | "), "{said}");
        // It speaks again, and falls silent again.
        speak(&mut play, "auditd");
        for _ in 0..60 {
            play.wait(5.0);
            speak(&mut play, "docker_events");
        }
        assert_eq!(silent(&play).lines().count(), 2);
    }

    #[test]
    fn a_quiet_night_is_told_of_nobody() {
        let mut play = known();
        play.wait(36_000.0);
        assert_eq!(silent(&play), "");
        // The first that speaks in the morning shows that the other does not.
        speak(&mut play, "docker_events");
        assert!(silent(&play).starts_with("auditd | "), "{}", silent(&play));
        speak(&mut play, "auditd");
        assert_eq!(silent(&play).lines().count(), 1);
    }

    #[test]
    fn a_source_is_judged_by_its_own_pauses() {
        let mut play = Play::new();
        play.freezing = false;
        for n in 0..1400 {
            play.wait(5.0);
            speak(&mut play, "auditd");
            // Bursts of many, every two minutes.
            if n % 24 == 0 {
                for _ in 0..20 {
                    speak(&mut play, "docker_events");
                }
            }
        }
        for _ in 0..120 {
            play.wait(5.0);
            speak(&mut play, "auditd");
        }
        assert_eq!(silent(&play), "");
        for _ in 0..400 {
            play.wait(5.0);
            speak(&mut play, "auditd");
        }
        assert!(silent(&play).starts_with("docker_events | "), "{}", silent(&play));
    }

    #[test]
    fn an_exec_just_before_is_a_provocation() {
        let mut play = known();
        let exec = ContainerAction::ExecCreate { command: "sh".into(), exec_id: None };
        play.from("docker_events").container("a", "a", "app:1", exec);
        for _ in 0..60 {
            play.wait(5.0);
            speak(&mut play, "docker_events");
        }
        assert!(silent(&play).ends_with("| true"), "{}", silent(&play));
    }
}
