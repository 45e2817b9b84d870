//! How a container's life goes: started, ended, removed, paused, killed, renamed, copied from, attached to.

use crate::container::{Container, State as Doing};
use crate::fields::{about_container, posture_fields};
use crate::id::Id;
use crate::names;
use crate::row::{Row, RowOut};
use crate::step::Step;
use crate::windows::Windows;
use crate::world::World;
use event::dictionary as d;
use event::fact::{ContainerAction, Fact};
use event::{DerivedBuilder, Event, Kind, SmolStr, Span};
use serde::{Deserialize, Serialize};

/// The window in which ends of equal containers, and restarts of one, are counted.
pub const REPEAT_WINDOW: Span = Span::minutes(10);

/// A container removed so soon after its end was disposed of.
pub const DISPOSED_WITHIN: Span = Span::seconds(5);

/// Restarts within the window that make a container flap.
pub const FLAPPING_AT: usize = 5;

/// Groups of equal containers whose ends are counted.
const GROUPS_MAX: usize = 8192;

/// Containers whose restarts are counted.
const RESTARTING_MAX: usize = 16_384;

/// What is counted beyond the world.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    ends: Windows<(SmolStr, u64)>,
    restarts: Windows<(SmolStr, Id)>,
}

impl Default for State {
    fn default() -> Self {
        State { ends: Windows::new(REPEAT_WINDOW, GROUPS_MAX), restarts: Windows::new(REPEAT_WINDOW, RESTARTING_MAX) }
    }
}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        let (kind, id) = match step {
            Step::Started { id, .. } => (d::CONTAINER_STARTED, id),
            Step::Ended { id } => (d::CONTAINER_ENDED, id),
            Step::Removed { id, .. } => (d::CONTAINER_REMOVED, id),
            Step::Paused { id } => (d::CONTAINER_PAUSED, id),
            Step::Unpaused { id } => (d::CONTAINER_UNPAUSED, id),
            Step::Killed { id } => (d::CONTAINER_KILLED, id),
            Step::Renamed { id, .. } => (d::CONTAINER_RENAMED, id),
            Step::Other { id } => match other(cause) {
                Some(kind) => (kind, id),
                None => return,
            },
            _ => return,
        };
        let Some(host) = world.host(&cause.host) else { return };
        let Some(container) = host.container(id) else { return };
        let key = (cause.host.clone(), id.clone());

        // Counting goes on whether or not anyone reads the event now.
        let mut flapping = false;
        if let Step::Started { again: true, .. } = step {
            let (count, forgotten) = self.restarts.add(&key, cause.at);
            out.forgot("inventory.restarting", forgotten);
            flapping = count == FLAPPING_AT;
        }
        let group = (cause.host.clone(), repeat_key(container));
        let mut repeats = 0;
        match step {
            Step::Ended { .. } => {
                let (count, forgotten) = self.ends.add(&group, cause.at);
                out.forgot("inventory.ended", forgotten);
                repeats = count;
            }
            Step::Removed { .. } => {
                repeats = self.ends.count(&group, cause.at);
                self.restarts.forget(&key);
            }
            _ => {}
        }
        let restarts = self.restarts.count(&key, cause.at);

        if kind == d::CONTAINER_ATTACHED && matches!(container.state, Doing::Created | Doing::Exited) {
            // `docker run` and `docker start -a` attach before they start.
            return;
        }
        if out.wants(kind) {
            let mut builder = about_container(kind, "life", cause, world, host, container);
            if matches!(step, Step::Ended { .. } | Step::Removed { .. }) {
                posture_fields(&mut builder, container);
            }
            life_fields(&mut builder, kind, step, container, cause, restarts, repeats);
            out.emit(builder.build());
        }
        if flapping && out.wants(d::CONTAINER_FLAPPING) {
            let mut builder = about_container(d::CONTAINER_FLAPPING, "life", cause, world, host, container);
            builder.push(d::RESTARTS, restarts);
            if let Some(code) = container.exit_code {
                builder.push(d::EXIT_CODE, code);
            }
            out.emit(builder.build());
        }
    }
}

fn life_fields(builder: &mut DerivedBuilder, kind: Kind, step: &Step, container: &Container, cause: &Event, restarts: usize, repeats: usize) {
    match step {
        Step::Ended { .. } | Step::Removed { .. } => {
            if let Some(lifetime) = lifetime(container) {
                builder.push(d::LIFETIME, lifetime.as_seconds());
            }
            if let Some(code) = container.exit_code {
                builder.push(d::EXIT_CODE, code);
            }
            if let Some(signal) = container.signal {
                builder.push(d::EXIT_SIGNAL, signal);
            }
            builder.push(d::OOM_KILLED, container.oom);
            builder.push(d::RESTARTS, restarts);
            builder.push(d::IMAGE_ENDED_REPEAT, repeats);
            if let Step::Removed { .. } = step {
                if let Some(never) = never_started(container) {
                    builder.push(d::NEVER_STARTED, never);
                }
                if let (Some(ended), Some(removed), false) = (container.ended, container.removed, container.time_suspect) {
                    builder.push(d::DISPOSED, removed - ended <= DISPOSED_WITHIN);
                }
            }
        }
        Step::Started { .. } => builder.push(d::RESTARTS, restarts),
        Step::Killed { .. } => {
            if let Some(signal) = container.signal {
                builder.push(d::SIGNAL, signal);
            }
        }
        Step::Renamed { before, .. } => {
            builder.push(d::NAME_BEFORE, before);
            if let Some((known, _)) = names::resembles(&container.name) {
                builder.push(d::NAME_RESEMBLES, known);
            }
        }
        _ => {}
    }
    if kind == d::CONTAINER_COPIED {
        let how = match cause.fact() {
            Some(Fact::Container(said)) => match said.action {
                ContainerAction::CopyIn => "in",
                ContainerAction::Export => "export",
                _ => "out",
            },
            _ => "out",
        };
        builder.push(d::CHANGE_PROPERTY, how);
    }
    let before = match step {
        Step::Killed { .. } | Step::Renamed { .. } | Step::Other { .. } => container.state,
        _ => container.state_before,
    };
    if before != Doing::Unknown {
        builder.push(d::STATE_BEFORE, before.as_str());
    }
}

/// What of the other container events is told here.
fn other(cause: &Event) -> Option<Kind> {
    match cause.fact() {
        Some(Fact::Container(said)) => match said.action {
            ContainerAction::CopyIn | ContainerAction::CopyOut | ContainerAction::Export => Some(d::CONTAINER_COPIED),
            ContainerAction::Attach => Some(d::CONTAINER_ATTACHED),
            _ => None,
        },
        _ => None,
    }
}

/// From start to end; `None` when either is unknown, or not believed.
pub fn lifetime(container: &Container) -> Option<Span> {
    let (started, ended) = (container.started?, container.ended?);
    (!container.time_suspect && ended >= started).then(|| ended - started)
}

/// Whether it never ran; `None` when nobody watched long enough to know.
pub fn never_started(container: &Container) -> Option<bool> {
    if container.ever_started() {
        return Some(false);
    }
    (!container.preexisting() || container.inspected()).then_some(true)
}

/// What makes two containers equal for counting their ends: image and command, or the image alone while the command is unknown.
fn repeat_key(container: &Container) -> u64 {
    container.fingerprint().unwrap_or_else(|| {
        let image = if container.image_id.is_empty() { &container.image } else { &container.image_id };
        crate::share::fingerprint(image, &[])
    })
}
