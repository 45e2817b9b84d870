//! `container.changed`: one event for each property of a standing container that an update changed.
//!
//! An `update` event does not say what changed; the inspect after it does. Where it cannot (no difference shows, several updates came before it, or it never
//! came), that something changed unseen is said itself.

use crate::fields::{about_container, about_container_at, limits_fields, posture_fields};
use crate::id::Id;
use crate::limits::{Direction, Limits, PropertyChange, diff};
use crate::row::{Row, RowOut};
use crate::step::Step;
use crate::timers::TimerKey;
use crate::world::World;
use event::dictionary::{CHANGE_STEPS, CHANGE_UNSEEN, CONTAINER_CHANGED};
use event::fact::ContainerSpec;
use event::{DerivedBuilder, Event, Provenance, SmolStr, Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long an update waits for the inspect that shows it.
pub const WAIT: Span = Span::seconds(5);

/// How long before its event an update may have shown in an inspect: the answer to an earlier question is taken a moment after the question.
const AHEAD: Span = Span::seconds(1);

/// Updated containers that are remembered, for counting steps.
const UPDATED_MAX: usize = 16_384;

/// What has been updated.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    updated: BTreeMap<(SmolStr, Id), Updated>,
}

/// One updated container.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Updated {
    /// Updates that no inspect has followed yet.
    waiting: u32,
    /// Until when it waits.
    due: Time,
    evidence: Vec<Arc<Provenance>>,
    /// How often each property has changed.
    steps: Vec<(SmolStr, u32)>,
    /// When an inspect last showed a change.
    shown: Option<Time>,
    /// The updates that wait came so soon after it that it shows them too.
    ahead: bool,
    touched: Time,
}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        match step {
            Step::Updated { id } => {
                let key = (cause.host.clone(), id.clone());
                if !self.updated.contains_key(&key) {
                    self.make_room(out);
                }
                let updated = self.updated.entry(key).or_default();
                if updated.waiting > 0 {
                    out.cancel(updated.due, TimerKey::new(&cause.host, id));
                }
                updated.waiting = updated.waiting.saturating_add(1);
                updated.ahead = updated.shown.is_some_and(|shown| shown + AHEAD >= cause.at);
                updated.due = cause.at + WAIT;
                updated.touched = cause.at;
                if updated.evidence.len() < 10 {
                    updated.evidence.extend(cause.evidence.first().cloned());
                }
                out.timer(updated.due, TimerKey::new(&cause.host, id));
            }
            Step::Inspected { id, before, .. } => self.inspected(id, before.as_deref(), world, cause, out),
            Step::Removed { id, .. } => {
                if let Some(updated) = self.updated.remove(&(cause.host.clone(), id.clone()))
                    && updated.waiting > 0
                {
                    out.cancel(updated.due, TimerKey::new(&cause.host, id));
                    unseen(updated.evidence, id, &cause.host, cause.at, world, out);
                }
            }
            _ => {}
        }
    }

    fn fire(&mut self, key: &TimerKey, now: Time, world: &World, out: &mut RowOut<'_>) {
        let Some(updated) = self.updated.get_mut(&(key.host.clone(), key.id.clone())) else { return };
        if updated.waiting > 0 && updated.due <= now {
            updated.waiting = 0;
            let evidence = std::mem::take(&mut updated.evidence);
            unseen(evidence, &key.id, &key.host, now, world, out);
        }
    }
}

impl State {
    fn inspected(&mut self, id: &Id, before: Option<&ContainerSpec>, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        let Some(host) = world.host(&cause.host) else { return };
        let Some(container) = host.container(id) else { return };
        let key = (cause.host.clone(), id.clone());
        let (Some(now), Some(first)) = (container.shape(), &container.first) else { return };
        let mut changes = before.map(|before| changes(first, before, now)).unwrap_or_default();
        if changes.is_empty() && !self.updated.contains_key(&key) {
            return;
        }
        if !self.updated.contains_key(&key) {
            self.make_room(out);
        }
        let updated = self.updated.entry(key).or_default();
        updated.touched = cause.at;
        let waiting = std::mem::take(&mut updated.waiting);
        let ahead = std::mem::take(&mut updated.ahead);
        if !changes.is_empty() {
            updated.shown = Some(cause.at);
        }
        let earlier = std::mem::take(&mut updated.evidence);
        if waiting > 0 {
            out.cancel(updated.due, TimerKey::new(&cause.host, id));
        }
        let mut evidence = cause.evidence.clone();
        evidence.extend(earlier);
        for change in &mut changes {
            let steps = match updated.steps.iter_mut().find(|(property, _)| property == change.property) {
                Some((_, steps)) => {
                    *steps = steps.saturating_add(1);
                    *steps
                }
                None => {
                    updated.steps.push((SmolStr::new_static(change.property), 1));
                    1
                }
            };
            if out.wants(CONTAINER_CHANGED) {
                let mut builder =
                    about_container(CONTAINER_CHANGED, "changed", cause, world, host, container).evidence(evidence.clone());
                posture_fields(&mut builder, container);
                limits_fields(&mut builder, container);
                change.fields(&mut |field, value| builder.push(field, value));
                builder.push(CHANGE_STEPS, steps);
                builder.push(CHANGE_UNSEEN, false);
                out.emit(builder.build());
            }
        }
        if waiting > 1 || waiting == 1 && changes.is_empty() && !ahead {
            let builder = about_container(CONTAINER_CHANGED, "changed", cause, world, host, container).evidence(evidence);
            say_unseen(builder, container, out);
        }
    }

    /// Forgets the sixteenth that was touched longest ago, sparing those that wait.
    fn make_room(&mut self, out: &mut RowOut<'_>) {
        if self.updated.len() < UPDATED_MAX {
            return;
        }
        let mut order: Vec<(bool, Time, (SmolStr, Id))> =
            self.updated.iter().map(|(key, updated)| (updated.waiting > 0, updated.touched, key.clone())).collect();
        order.sort();
        for (_, _, key) in order.iter().take(UPDATED_MAX / 16) {
            self.updated.remove(key);
        }
        out.forgot("inventory.updated", UPDATED_MAX as u64 / 16);
    }
}

/// What an update can change, told one property at a time.
fn changes(creation: &ContainerSpec, before: &ContainerSpec, now: &ContainerSpec) -> Vec<PropertyChange> {
    let mut changes = diff(&Limits::of(creation), &Limits::of(before), &Limits::of(now));
    let policy = |spec: &ContainerSpec| if spec.restart_policy.is_empty() { SmolStr::new_static("no") } else { spec.restart_policy.clone() };
    if policy(before) != policy(now) {
        changes.push(PropertyChange::plain("restart_policy", policy(before), policy(now), Direction::Changed));
    }
    changes
}

fn unseen(evidence: Vec<Arc<Provenance>>, id: &Id, host: &SmolStr, now: Time, world: &World, out: &mut RowOut<'_>) {
    let Some(host) = world.host(host) else { return };
    let Some(container) = host.container(id) else { return };
    if out.wants(CONTAINER_CHANGED) {
        say_unseen(about_container_at(CONTAINER_CHANGED, "changed", now, evidence, world, host, container), container, out);
    }
}

fn say_unseen(mut builder: DerivedBuilder, container: &crate::Container, out: &mut RowOut<'_>) {
    if !out.wants(CONTAINER_CHANGED) {
        return;
    }
    posture_fields(&mut builder, container);
    limits_fields(&mut builder, container);
    builder.push(CHANGE_UNSEEN, true);
    out.emit(builder.build());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::{Play, id};
    use event::dictionary as d;
    use event::fact::ContainerAction;

    const FIELDS: &[&str] = &["change.property", "change.before", "change.after", "change.direction", "change.factor", "change.steps", "change.unseen"];

    fn spec(cpu: f64, policy: &str) -> ContainerSpec {
        ContainerSpec { id: id("a"), name: "a".into(), cpu_limit: Some(cpu), restart_policy: policy.into(), ..ContainerSpec::default() }
    }

    fn update(play: &mut Play) -> &mut Play {
        play.container("a", "a", "app:1", ContainerAction::Update)
    }

    #[test]
    fn a_ladder_counts_from_the_start_value() {
        let mut play = Play::new();
        play.run("a", spec(0.5, ""));
        for cpu in [1.0, 2.0, 4.0] {
            update(&mut play).inspect(spec(cpu, ""));
        }
        assert_eq!(
            play.draw(CONTAINER_CHANGED, FIELDS),
            "limits.cpu | 0.5 | 1 | raised | 2 | 1 | false\n\
             limits.cpu | 0.5 | 2 | raised | 4 | 2 | false\n\
             limits.cpu | 0.5 | 4 | raised | 8 | 3 | false"
        );
    }

    #[test]
    fn one_event_for_each_property() {
        let mut play = Play::new();
        play.run("a", spec(0.5, ""));
        update(&mut play).inspect(ContainerSpec { memory_limit: Some(512 << 20), ..spec(0.5, "always") });
        assert_eq!(
            play.draw(CONTAINER_CHANGED, &["change.property", "change.before", "change.direction"]),
            "limits.memory | unlimited | set\nrestart_policy | no | changed"
        );
    }

    #[test]
    fn what_no_inspect_shows_is_said_to_be_unseen() {
        let mut play = Play::new();
        play.run("a", spec(0.5, ""));
        // No difference; two updates before one inspect; never inspected; gone before.
        update(&mut play).inspect(spec(0.5, ""));
        assert_eq!(play.draw(CONTAINER_CHANGED, FIELDS), "- | - | - | - | - | - | true");
        update(update(&mut play)).inspect(spec(0.5, ""));
        assert_eq!(play.draw(CONTAINER_CHANGED, FIELDS).lines().count(), 2);
        update(&mut play).wait(6.0);
        assert_eq!(play.draw(CONTAINER_CHANGED, FIELDS).lines().count(), 3);
        update(&mut play).container("a", "a", "app:1", ContainerAction::Destroy);
        assert_eq!(play.draw(CONTAINER_CHANGED, &["change.unseen"]), "true\ntrue\ntrue\ntrue");
        play.wait(20.0);
        assert_eq!(play.draw(CONTAINER_CHANGED, FIELDS).lines().count(), 4);
    }

    #[test]
    fn an_update_that_an_earlier_inspect_shows_already_is_not_unseen() {
        let mut play = Play::new();
        play.run("a", spec(0.5, ""));
        // The answer to an older question was taken after the update, and stands before it.
        play.inspect(spec(2.0, "")).wait(0.1);
        update(&mut play).inspect(spec(2.0, ""));
        assert_eq!(play.draw(CONTAINER_CHANGED, &["change.property", "change.unseen"]), "limits.cpu | false");
        play.wait(3.0);
        update(&mut play).inspect(spec(2.0, ""));
        assert_eq!(play.draw(CONTAINER_CHANGED, &["change.property", "change.unseen"]), "limits.cpu | false\n- | true");
    }

    #[test]
    fn the_update_and_the_inspect_are_cited() {
        let mut play = Play::new();
        play.run("a", spec(0.5, ""));
        update(&mut play).inspect(spec(4.0, ""));
        let event = play.said.iter().rfind(|event| event.kind == d::CONTAINER_CHANGED).unwrap();
        assert_eq!(event.evidence.iter().map(|record| record.place.number).collect::<Vec<_>>(), [5, 4]);
    }
}
