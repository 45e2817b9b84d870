//! Containers that are described before anything says how they came to be.
//!
//! An inspect answer carries no time of its own. In a file it may stand before the create event of the container that it describes, so a container that looks
//! younger than the watch is held until its creation is due: then the event has come, or was missed.

use crate::container::Origin;
use crate::host::Host;
use crate::id::Id;
use crate::step::{SeenBy, Step};
use crate::timers::TimerKey;
use crate::world::{Moved, Steps};
use event::dictionary::DOCKER_CONTAINER;
use event::{Event, Fields, Provenance, Span, Time};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How long a create event may come after what describes the container.
pub(crate) const WAIT: Span = Span::seconds(2);

/// Containers held at once. Beyond it they count as found, at once.
pub(crate) const HELD_MAX: usize = 65_536;

/// One of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Hold {
    /// When the waiting ends.
    pub(crate) due: Time,
    /// How it came to be if no event says it until then.
    pub(crate) otherwise: Origin,
    /// The records that described it.
    pub(crate) evidence: Vec<Arc<Provenance>>,
}

/// What to do with a container that nothing announced.
pub(crate) enum Arrival {
    /// It stood there before.
    Found,
    /// Its create event may still come.
    Hold(Time, Origin),
}

/// Judges a container that was described: created, by the engine's own word (known to within `precision`), and started last when it says.
pub(crate) fn arrival(created: Option<Time>, started: Option<Time>, precision: Span, host: &Host, event: &Event) -> Arrival {
    let Some(created) = created else { return Arrival::Found };
    let due = (if created > event.at { created } else { event.at }) + WAIT;
    match host.watching_since {
        Some(since) if created >= since + precision => Arrival::Hold(due, Origin::Missed),
        Some(_) => Arrival::Found,
        // Nothing dated was read yet. Inspect answers alone are placed at the latest time that one of them says, and tell what stands there: nothing in them
        // lies after it. Before dated records they are placed at the first of those, and what lies after that is still to come.
        None if created > event.time + precision => Arrival::Hold(due, Origin::Missed),
        None if created + WAIT > event.time && started.is_some_and(|started| started > event.time) => {
            Arrival::Hold(due, Origin::Preexisting)
        }
        None => Arrival::Found,
    }
}

impl Hold {
    /// What is said of the container when no create event came.
    pub(crate) fn steps(&self, id: &Id, inspected: bool) -> Steps {
        let mut steps = Steps::new();
        steps.push(match self.otherwise {
            Origin::Preexisting => Step::Found { id: id.clone() },
            _ => Step::Created { id: id.clone(), by: SeenBy::List, known: false },
        });
        if inspected {
            steps.push(Step::Inspected { id: id.clone(), first: true, before: None, regrouped: false });
        }
        steps
    }

    /// What is said when the waiting ends without the event.
    pub(crate) fn run_out(self, host: &mut Host, key: &TimerKey, now: Time) -> (Event, Moved) {
        let mut steps = Steps::new();
        if let Some(container) = host.containers.get_mut(&key.id) {
            container.origin = self.otherwise;
            steps = self.steps(&key.id, container.inspected());
        }
        let cause = Event {
            kind: DOCKER_CONTAINER,
            at: now,
            time: now,
            late_by: Span::ZERO,
            time_suspect: false,
            source: self.evidence.first().map(|record| record.source.clone()).unwrap_or_default(),
            host: key.host.clone(),
            subject: key.id.text(),
            fields: Fields::Derived(Vec::new()),
            evidence: self.evidence,
        };
        (cause, Moved { steps, evidence: Vec::new() })
    }
}
