//! `container.created`: at once, from the event or from the list that shows it.

use crate::fields::about_container;
use crate::row::{Row, RowOut};
use crate::step::{SeenBy, Step};
use crate::world::World;
use event::Event;
use event::dictionary::{CONTAINER_CREATED, SEEN_BY};
use serde::{Deserialize, Serialize};

/// Nothing beyond the world.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        let Step::Created { id, by, .. } = step else { return };
        if !out.wants(CONTAINER_CREATED) {
            return;
        }
        let Some(host) = world.host(&cause.host) else { return };
        let Some(container) = host.container(id) else { return };
        let by = match by {
            SeenBy::Event => "event",
            SeenBy::List => "list",
        };
        out.emit(about_container(CONTAINER_CREATED, "created", cause, world, host, container).with(SEEN_BY, by).build());
    }
}
