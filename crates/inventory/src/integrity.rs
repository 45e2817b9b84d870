//! `event.integrity`: a record contradicts itself, or another witness.
//!
//! The engine copies a container's labels over the attributes of its events, so a label can replace what the engine itself says. Whoever sets such a label
//! wants somebody to read something else than what happened.

use crate::fields::container_fields;
use crate::host::Host;
use crate::id::Id;
use crate::row::{Row, RowOut};
use crate::step::{SeenBy, Step};
use crate::timers::TimerKey;
use crate::world::World;
use event::dictionary as d;
use event::fact::{ContainerAction, ContainerSpec, Fact};
use event::{DerivedBuilder, Event, Fields, Place, Provenance, SmolStr, Span, Time};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Attributes that the engine sets and a label may replace. `name` and `image` are set again behind the labels, so those are ordinary.
const RESERVED: &[&str] = &["execDuration", "execID", "exitCode", "oldName", "signal"];
/// How long an event may lie behind its order before its time is worth a word.
const LATE: Span = Span::minutes(10);
/// One word about what is too large for each source and object, and about a clock for each source, in this time.
const OVERSIZED_EVERY: Span = Span::minutes(10);
const CLOCK_EVERY: Span = Span::minutes(1);
/// How long a name may differ between event and inspect: a rename can stand between them.
const SETTLE: Span = Span::seconds(2);
/// An exit is compared with an inspect that tells of an end this near to it.
const SAME_END: Span = Span::seconds(2);
const SAID_MAX: usize = 8192;
/// Longer references are not remembered; no engine takes them.
const IMAGE_MAX: usize = 1024;
const SOURCES_MAX: usize = 1024;

/// What events said that an inspect may contradict.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// Image by the create event, until the first inspect.
    created: IndexMap<(SmolStr, Id), SmolStr>,
    /// Exit codes by the die event, until the next inspect.
    exits: IndexMap<(SmolStr, Id), Exit>,
    /// Names by inspect that the events have not confirmed yet.
    names: IndexMap<(SmolStr, Id), Named>,
    clocks: IndexMap<(SmolStr, SmolStr), Time>,
    /// When something too large was last said, by host, source and what it is about.
    oversized: IndexMap<(SmolStr, SmolStr, SmolStr), Time>,
    /// The last record about which something was said that concerns the record itself: one record may cause several steps.
    record: Option<Place>,
}

/// A name by inspect, with the record that says it.
type Named = (SmolStr, Vec<Arc<Provenance>>);

#[derive(Debug, Serialize, Deserialize)]
struct Exit {
    code: i64,
    time: Time,
    evidence: Vec<Arc<Provenance>>,
}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        let Some(host) = world.host(&cause.host) else { return };
        self.record_itself(world, host, cause, out);
        match step {
            Step::Created { id, by, .. } => {
                if let (SeenBy::Event, Some(Fact::Container(said))) = (by, cause.fact())
                    && said.image.len() <= IMAGE_MAX
                {
                    put(&mut self.created, (cause.host.clone(), id.clone()), said.image.clone(), out);
                }
                shadowed(world, host, id, cause, out);
            }
            Step::Inspected { id, first, .. } => {
                let found = *first && host.container(id).is_some_and(|container| container.preexisting());
                if found {
                    shadowed(world, host, id, cause, out);
                }
                if let Some(Fact::ContainerSpec(spec)) = cause.fact() {
                    self.compare(id, spec, *first, world, host, cause, out);
                }
            }
            Step::Ended { id } => {
                if let Some(Fact::Container(said)) = cause.fact()
                    && let ContainerAction::Die { exit_code: Some(code) } = said.action
                {
                    let exit = Exit { code, time: cause.time, evidence: cause.evidence.clone() };
                    put(&mut self.exits, (cause.host.clone(), id.clone()), exit, out);
                }
            }
            Step::Started { id, .. } => drop(self.exits.swap_remove(&(cause.host.clone(), id.clone()))),
            Step::Removed { id, .. } => {
                let key = (cause.host.clone(), id.clone());
                self.exits.swap_remove(&key);
                self.created.swap_remove(&key);
            }
            _ => {}
        }
    }

    fn fire(&mut self, key: &TimerKey, now: Time, world: &World, out: &mut RowOut<'_>) {
        let Some((said, evidence)) = self.names.swap_remove(&(key.host.clone(), key.id.clone())) else { return };
        let Some(host) = world.host(&key.host) else { return };
        let Some(container) = host.container(&key.id) else { return };
        if container.name == said || container.names_before.iter().any(|(_, name)| *name == said) {
            return;
        }
        let builder = DerivedBuilder::at(d::INTEGRITY_BROKEN, "integrity", now, host.name.clone(), evidence);
        say(builder, "contradicts_inspect", "name", &container.name, &said, Some(&key.id), world, host, now, out);
    }
}

impl State {
    /// What concerns the record, whatever it is about.
    fn record_itself(&mut self, world: &World, host: &Host, cause: &Event, out: &mut RowOut<'_>) {
        let Fields::Native(decoded) = &cause.fields else { return };
        let unreadable: &[SmolStr] = match &decoded.fact {
            Some(Fact::ContainerSpec(spec)) => &spec.unreadable,
            _ => &[],
        };
        let late = cause.late_by > LATE;
        if !(decoded.duplicate_keys || decoded.truncated || !unreadable.is_empty() || cause.time_suspect || late) {
            return;
        }
        let place = cause.evidence.first().map(|provenance| provenance.place.clone());
        if place.is_some() && place == self.record {
            return;
        }
        self.record = place;
        let about = match &decoded.fact {
            Some(Fact::Container(said)) => Some(Id::new(&said.id)),
            Some(Fact::ContainerSpec(spec)) => Some(Id::new(&spec.id)),
            // Of an answer that is too large, only what it is about is known.
            _ if decoded.truncated && !decoded.subject.is_empty() => Some(Id::new(&decoded.subject)),
            _ => None,
        };
        let mut tell = |kind: &str, field: &str, said: &str, fact: &str| {
            say(start(cause), kind, field, said, fact, about.as_ref(), world, host, cause.time, out);
        };
        if decoded.duplicate_keys {
            tell("duplicate_key", "", "", "");
        }
        let key = (cause.host.clone(), cause.source.clone(), decoded.subject.clone());
        if decoded.truncated && self.oversized.get(&key).is_none_or(|last| *last + OVERSIZED_EVERY <= cause.at) {
            if self.oversized.len() >= SOURCES_MAX {
                self.oversized.shift_remove_index(0);
            }
            self.oversized.insert(key, cause.at);
            tell("oversized", "", &decoded.subject, "");
        }
        // An answer full of nonsense is one fact, with its first examples.
        for key in unreadable.iter().take(4) {
            tell("unreadable_field", key, "", "");
        }
        if cause.time_suspect || late {
            let key = (cause.host.clone(), cause.source.clone());
            if self.clocks.get(&key).is_none_or(|last| *last + CLOCK_EVERY <= cause.at) {
                if self.clocks.len() >= SOURCES_MAX {
                    self.clocks.shift_remove_index(0);
                }
                self.clocks.insert(key, cause.at);
                let said = decoded.time.map(|time| time.to_string()).unwrap_or_default();
                tell("clock", "time", &said, &cause.at.to_string());
            }
        }
    }

    /// Holds what inspect says against what the events said.
    #[allow(clippy::too_many_arguments)]
    fn compare(&mut self, id: &Id, spec: &ContainerSpec, first: bool, world: &World, host: &Host, cause: &Event, out: &mut RowOut<'_>) {
        let key = (cause.host.clone(), id.clone());
        if let Some(image) = self.created.swap_remove(&key)
            && image != spec.image
            && !image.is_empty()
            && !spec.image.is_empty()
        {
            say(start(cause), "contradicts_inspect", "image", &image, &spec.image, Some(id), world, host, cause.time, out);
        }
        if let Some(container) = host.container(id)
            && !spec.name.is_empty()
            && spec.name != container.name
            && !container.names_before.iter().any(|(_, name)| *name == spec.name)
        {
            out.timer(cause.at + SETTLE, TimerKey::new(&key.0, id));
            put(&mut self.names, key.clone(), (spec.name.clone(), cause.evidence.clone()), out);
        }
        let ended = matches!(spec.status.as_str(), "exited" | "dead");
        if let (Some(code), Some(finished), true) = (spec.exit_code, spec.finished, ended)
            && let Some(exit) = self.exits.get(&key)
            && (finished - exit.time).0.abs() <= SAME_END.0
        {
            if code != exit.code {
                let mut evidence = cause.evidence.clone();
                evidence.extend(exit.evidence.iter().cloned());
                let (said, fact) = (exit.code.to_string(), code.to_string());
                say(
                    start(cause).evidence(evidence),
                    "contradicts_inspect",
                    "exitCode",
                    &said,
                    &fact,
                    Some(id),
                    world,
                    host,
                    cause.time,
                    out,
                );
            }
            self.exits.swap_remove(&key);
        }
        // The engine refuses a size that it cannot read, so one that we cannot read is read differently by the two of us.
        if let Some((field, value)) =
            host.container(id).and_then(|container| container.posture.as_deref()).and_then(|posture| posture.log.unreadable.as_ref())
            && first
        {
            let field = format!("HostConfig.LogConfig.Config.{field}");
            say(start(cause), "unreadable_field", &field, value, "", Some(id), world, host, cause.time, out);
        }
    }
}

/// Labels that replace what the engine says, once for each container.
fn shadowed(world: &World, host: &Host, id: &Id, cause: &Event, out: &mut RowOut<'_>) {
    let Some(container) = host.container(id) else { return };
    for field in RESERVED {
        if let Some(value) = container.label(field) {
            say(start(cause), "shadowed_attribute", field, value, "", Some(id), world, host, cause.time, out);
        }
    }
}

fn start(cause: &Event) -> DerivedBuilder {
    DerivedBuilder::caused_by(d::INTEGRITY_BROKEN, "integrity", cause)
}

#[allow(clippy::too_many_arguments)]
fn say(
    builder: DerivedBuilder,
    kind: &str,
    field: &str,
    said: &str,
    fact: &str,
    id: Option<&Id>,
    world: &World,
    host: &Host,
    time: Time,
    out: &mut RowOut<'_>,
) {
    if !out.wants(d::INTEGRITY_BROKEN) {
        return;
    }
    let text = |value: &str| (!value.is_empty()).then(|| SmolStr::new(value));
    let mut builder = builder
        .with(d::INTEGRITY_KIND, kind)
        .maybe(d::INTEGRITY_FIELD, text(field))
        .maybe(d::INTEGRITY_SAID, text(said))
        .maybe(d::INTEGRITY_FACT, text(fact));
    if let Some(container) = id.and_then(|id| host.container(id)) {
        builder = builder.about(&container.id.text());
        container_fields(&mut builder, world, host, container, time);
    }
    out.emit(builder.build());
}

/// Remembers within a bound; about the oldest go first. What is forgotten here is only not compared, so it is counted and nothing more.
fn put<V>(map: &mut IndexMap<(SmolStr, Id), V>, key: (SmolStr, Id), value: V, out: &mut RowOut<'_>) {
    if map.len() >= SAID_MAX && !map.contains_key(&key) {
        map.drain(..SAID_MAX / 16);
        out.forgot("inventory.uncompared", SAID_MAX as u64 / 16);
    }
    map.insert(key, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::{Play, id};

    fn draw(play: &Play) -> String {
        play.draw(d::INTEGRITY_BROKEN, &["container.name", "integrity.kind", "integrity.field", "integrity.said", "integrity.fact"])
    }

    fn ended(play: &Play, word: &str, code: i64) -> ContainerSpec {
        let _ = play;
        ContainerSpec {
            id: id(word),
            name: "web".into(),
            image: "web:1".into(),
            status: "exited".into(),
            exit_code: Some(code),
            finished: Some(Time::from_seconds(1_000_000, 500_000_000)),
            ..ContainerSpec::default()
        }
    }

    #[test]
    fn a_label_that_replaces_the_engines_word_is_told_once_and_proven_by_inspect() {
        let mut play = Play::new();
        play.labelled("c1", "web", "web:1", ContainerAction::Create, &[("exitCode", "0"), ("name", "x"), ("signal", "15")]);
        play.container("c1", "web", "web:1", ContainerAction::Start);
        play.container("c1", "web", "web:1", ContainerAction::Die { exit_code: Some(0) });
        let spec = ContainerSpec { labels: vec![("exitCode".into(), "0".into())], ..ended(&play, "c1", 137) };
        play.inspect(spec.clone()).inspect(spec).wait(3.0);
        assert_eq!(
            draw(&play),
            "web | shadowed_attribute | exitCode | 0 | -\nweb | shadowed_attribute | signal | 15 | -\nweb | contradicts_inspect | exitCode | 0 | 137"
        );
    }

    #[test]
    fn agreeing_witnesses_are_silent() {
        let mut play = Play::new();
        play.container("c1", "web", "web:1", ContainerAction::Create).container("c1", "web", "web:1", ContainerAction::Start);
        play.container("c1", "web", "web:1", ContainerAction::Die { exit_code: Some(3) });
        let spec = ended(&play, "c1", 3);
        play.inspect(spec).wait(3.0);
        // It restarted and ended otherwise since: another end, not a contradiction.
        play.container("c1", "web", "web:1", ContainerAction::Start).container(
            "c1",
            "web",
            "web:1",
            ContainerAction::Die { exit_code: Some(1) },
        );
        let spec = ended(&play, "c1", 3);
        play.wait(60.0).inspect(spec);
        assert_eq!(draw(&play), "");
    }

    #[test]
    fn names_and_images_are_held_against_inspect_after_renames_have_settled() {
        let mut play = Play::new();
        play.container("c1", "web", "web:1", ContainerAction::Create);
        play.inspect(ContainerSpec { id: id("c1"), name: "web".into(), image: "other:1".into(), ..ContainerSpec::default() });
        play.container("c2", "old", "web:1", ContainerAction::Create);
        play.inspect(ContainerSpec { id: id("c2"), name: "new".into(), image: "web:1".into(), ..ContainerSpec::default() });
        play.container("c2", "new", "web:1", ContainerAction::Rename { old_name: Some("old".into()) });
        play.container("c3", "said", "web:1", ContainerAction::Create);
        play.inspect(ContainerSpec { id: id("c3"), name: "real".into(), image: "web:1".into(), ..ContainerSpec::default() });
        play.wait(3.0);
        assert_eq!(draw(&play), "web | contradicts_inspect | image | web:1 | other:1\nsaid | contradicts_inspect | name | said | real");
    }

    #[test]
    fn what_is_wrong_with_the_record_itself_is_told() {
        let mut play = Play::new();
        play.duplicate_keys = true;
        play.container("c1", "web", "web:1", ContainerAction::Create);
        play.duplicate_keys = false;
        play.tell(d::STUB, None);
        let log = vec![("max-size".into(), "1q".into())];
        let spec = ContainerSpec {
            id: id("c1"),
            name: "web".into(),
            image: "web:1".into(),
            log_driver: "json-file".into(),
            log_options: log,
            unreadable: vec!["HostConfig.Memory".into()],
            ..ContainerSpec::default()
        };
        play.inspect(spec);
        play.suspect = true;
        play.container("c1", "web", "web:1", ContainerAction::Start).container("c1", "web", "web:1", ContainerAction::Pause);
        assert_eq!(
            play.draw(d::INTEGRITY_BROKEN, &["container.name", "integrity.kind", "integrity.field", "integrity.said"])
                .replace("1970-01-12T13:46:40.004000000Z", "T"),
            "web | duplicate_key | - | -\n- | oversized | - | -\nweb | unreadable_field | HostConfig.Memory | -\n\
             web | unreadable_field | HostConfig.LogConfig.Config.max-size | 1q\nweb | clock | time | T"
        );
    }
}
