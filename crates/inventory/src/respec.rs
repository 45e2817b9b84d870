//! `container.changed` for workloads of a cluster: their containers are never changed in place but made anew, so a limit that was raised or taken away shows
//! only between the old ones and the new ones of the same workload.
//!
//! Of the old ones it may be heard only as they go, after the new ones have come; versions are therefore ordered by when their pods were created.

use crate::fields::{about_container, limits_fields, posture_fields};
use crate::id::Id;
use crate::limits::{Limits, diff};
use crate::row::{Row, RowOut};
use crate::step::Step;
use crate::world::World;
use event::dictionary as d;
use event::fact::ContainerSpec;
use event::kubernetes::ContainerSort;
use event::{Event, SmolStr, Time};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Workloads that are remembered.
const WORKLOADS_MAX: usize = 8_192;

/// Versions that are remembered of one.
const VERSIONS_MAX: usize = 4;

/// What the containers of each workload may use, version by version.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    workloads: IndexMap<(SmolStr, SmolStr), Vec<Version>>,
}

/// Containers of one workload that may use the same.
#[derive(Debug, Serialize, Deserialize)]
struct Version {
    /// When the first of them was created.
    since: Time,
    /// The one that was seen first.
    id: Id,
    shape: Arc<ContainerSpec>,
    /// How it differs from the version before has been told.
    told: bool,
}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        let Step::Inspected { id, first: true, .. } = step else { return };
        let Some(host) = world.host(&cause.host) else { return };
        let Some(container) = host.container(id) else { return };
        let (Some(part), Some(shape)) = (&container.pod, container.shape()) else { return };
        let Some(created) = container.created.filter(|_| part.sort != ContainerSort::Ephemeral) else { return };
        let key = (cause.host.clone(), part.workload());
        if !self.workloads.contains_key(&key) && self.workloads.len() >= WORKLOADS_MAX {
            self.workloads.drain(..WORKLOADS_MAX / 16);
            out.forgot("inventory.versions", WORKLOADS_MAX as u64 / 16);
        }
        let versions = self.workloads.entry(key).or_default();
        let now = Limits::of(shape);
        let latest = versions.last().map_or(created, |version| version.since);
        let known = versions.iter().position(|version| Limits::of(&version.shape) == now);
        let last = versions.len().saturating_sub(1);
        match known.and_then(|at| versions.get_mut(at).map(|version| (at, version))) {
            // A version that comes back is the newest again, and is told again against the one before it.
            Some((at, version)) if at < last && created > latest && !container.preexisting() => {
                *version = Version { since: created, id: id.clone(), shape: shape.clone(), told: false };
            }
            Some((_, version)) => version.since = version.since.min(created),
            None => versions.push(Version { since: created, id: id.clone(), shape: shape.clone(), told: false }),
        }
        versions.sort_by_key(|version| version.since);
        if versions.len() > VERSIONS_MAX {
            versions.remove(0);
        }
        let [.., before, newest] = versions.as_mut_slice() else { return };
        if std::mem::replace(&mut newest.told, true) || !out.wants(d::CONTAINER_CHANGED) {
            return;
        }
        // Two versions that stood there side by side are no change that was seen.
        let Some(container) = host.container(&newest.id).filter(|container| !container.preexisting()) else { return };
        let old = Limits::of(&before.shape);
        for change in diff(&old, &old, &Limits::of(&newest.shape)) {
            let mut builder = about_container(d::CONTAINER_CHANGED, "respec", cause, world, host, container);
            posture_fields(&mut builder, container);
            limits_fields(&mut builder, container);
            change.fields(&mut |field, value| builder.push(field, value));
            builder.push(d::CHANGE_STEPS, 1u32);
            builder.push(d::CHANGE_UNSEEN, false);
            out.emit(builder.build());
        }
    }
}
