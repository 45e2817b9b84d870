//! `container.appeared`: a container and its configuration, exactly once; `container.inspected` when the configuration comes only later.
//!
//! The law: at the first inspect, or at removal, or two seconds after creation, whichever is first. What stood there at start waits for its inspect a little
//! longer, because a thousand of them are inspected one after the other.

use crate::fields::{about_container, about_container_at, limits_fields, posture_fields};
use crate::id::Id;
use crate::row::{Row, RowOut};
use crate::step::{SeenBy, Step};
use crate::timers::TimerKey;
use crate::world::World;
use event::dictionary::{CONTAINER_APPEARED, CONTAINER_INSPECTED, DOCKER_LIST, SEEN_BY};
use event::{Event, Provenance, SmolStr, Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long a new container may stay without an inspect before it appears without one.
pub const WAIT: Span = Span::seconds(2);

/// The same for what a list showed.
pub const WAIT_LISTED: Span = Span::seconds(5);

/// Containers that wait at once. Beyond it they appear at once, uninspected.
const PENDING_MAX: usize = 50_000;

/// Containers that have not appeared yet.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    pending: BTreeMap<(SmolStr, Id), Pending>,
}

/// One of them.
#[derive(Debug, Serialize, Deserialize)]
struct Pending {
    due: Time,
    listed: bool,
    evidence: Vec<Arc<Provenance>>,
}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        match step {
            Step::Created { id, by, known } => {
                let key = (cause.host.clone(), id.clone());
                if let Some(pending) = self.pending.get_mut(&key) {
                    // It was heard of before its create event, which is told now.
                    pending.listed = false;
                    pending.evidence.extend(cause.evidence.first().cloned());
                } else if !known {
                    self.wait(key, cause, *by == SeenBy::List, world, out);
                }
            }
            Step::Found { id } => self.wait((cause.host.clone(), id.clone()), cause, cause.kind == DOCKER_LIST, world, out),
            Step::Inspected { id, first, .. } => {
                if let Some(pending) = self.take(cause, id, out) {
                    appear(Some(&pending), id, world, cause, out);
                } else if *first && out.wants(CONTAINER_INSPECTED) {
                    say(CONTAINER_INSPECTED, None, id, world, cause, out);
                }
            }
            Step::Removed { id, .. } => {
                if let Some(pending) = self.take(cause, id, out) {
                    appear(Some(&pending), id, world, cause, out);
                }
            }
            Step::InspectMissed { id } => {
                // The engine no longer knew it: that it came and went so fast is a fact about it, not a fault.
                if let Some(pending) = self.pending.get_mut(&(cause.host.clone(), id.clone())) {
                    pending.evidence.extend(cause.evidence.first().cloned());
                }
            }
            _ => {}
        }
    }

    fn fire(&mut self, key: &TimerKey, now: Time, world: &World, out: &mut RowOut<'_>) {
        let place = (key.host.clone(), key.id.clone());
        if self.pending.get(&place).is_none_or(|pending| pending.due > now) {
            return;
        }
        let Some(pending) = self.pending.remove(&place) else { return };
        if !out.wants(CONTAINER_APPEARED) {
            return;
        }
        let Some(host) = world.host(&key.host) else { return };
        let Some(container) = host.container(&key.id) else { return };
        let mut builder = about_container_at(CONTAINER_APPEARED, "appeared", now, pending.evidence, world, host, container);
        builder.push(SEEN_BY, if pending.listed { "list" } else { "event" });
        posture_fields(&mut builder, container);
        limits_fields(&mut builder, container);
        out.emit(builder.build());
    }
}

impl State {
    /// How many have not appeared yet.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether all have appeared.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    fn wait(&mut self, key: (SmolStr, Id), cause: &Event, listed: bool, world: &World, out: &mut RowOut<'_>) {
        let due = cause.at + if listed { WAIT_LISTED } else { WAIT };
        // An answer that follows at once brings its record with it.
        let evidence = cause.evidence.first().cloned().into_iter().collect();
        let pending = Pending { due, listed, evidence };
        if self.pending.len() >= PENDING_MAX {
            out.forgot("inventory.appearing", 1);
            appear(Some(&pending), &key.1, world, cause, out);
            return;
        }
        out.timer(due, TimerKey::new(&key.0, &key.1));
        self.pending.insert(key, pending);
    }

    fn take(&mut self, cause: &Event, id: &Id, out: &mut RowOut<'_>) -> Option<Pending> {
        let pending = self.pending.remove(&(cause.host.clone(), id.clone()))?;
        out.cancel(pending.due, TimerKey::new(&cause.host, id));
        Some(pending)
    }
}

fn appear(pending: Option<&Pending>, id: &Id, world: &World, cause: &Event, out: &mut RowOut<'_>) {
    if out.wants(CONTAINER_APPEARED) {
        say(CONTAINER_APPEARED, pending, id, world, cause, out);
    }
}

fn say(kind: event::Kind, pending: Option<&Pending>, id: &Id, world: &World, cause: &Event, out: &mut RowOut<'_>) {
    let Some(host) = world.host(&cause.host) else { return };
    let Some(container) = host.container(id) else { return };
    let mut builder = about_container(kind, "appeared", cause, world, host, container);
    if let Some(pending) = pending {
        builder.push(SEEN_BY, if pending.listed { "list" } else { "event" });
        let mut evidence = cause.evidence.clone();
        for record in &pending.evidence {
            if !evidence.iter().any(|known| Arc::ptr_eq(known, record)) {
                evidence.push(record.clone());
            }
        }
        builder = builder.evidence(evidence);
    }
    posture_fields(&mut builder, container);
    limits_fields(&mut builder, container);
    out.emit(builder.build());
}
