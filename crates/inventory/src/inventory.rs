//! The deriver: world, rows and timers together.

use crate::Rows;
use crate::context::Context;
use crate::pressure::Pressure;
use crate::row::RowOut;
use crate::timers::Timers;
use crate::world::{Moved, WORLD_ROW, World};
use event::dictionary::{SENSOR_COUNT, SENSOR_PRESSURE, SENSOR_REASON, SENSOR_SOURCE};
use event::{DerivedBuilder, Deriver, Emit, Event, SmolStr, Time};
use serde::{Deserialize, Serialize};

/// What exists and existed, and what follows from it.
#[derive(Default)]
pub struct Inventory {
    state: Whole,
}

/// Everything that is frozen.
#[derive(Default, Serialize, Deserialize)]
struct Whole {
    world: World,
    rows: Rows,
    timers: Timers,
    pressure: Pressure,
}

impl Inventory {
    /// An empty inventory that knows what the operator declared.
    pub fn new(context: Context) -> Inventory {
        let mut inventory = Inventory::default();
        inventory.state.world.context = context;
        inventory
    }

    /// What exists and existed, for those who show it.
    pub fn world(&self) -> &World {
        &self.state.world
    }
}

impl Whole {
    /// Tells every row what moved.
    fn tell(&mut self, moved: Moved, cause: &Event, out: &mut Emit) {
        let Whole { world, rows, timers, pressure } = self;
        if moved.evidence.is_empty() {
            for step in &moved.steps {
                rows.step(step, world, cause, &mut RowOut { emit: out, timers, row: 0, pressure });
            }
        } else {
            let mut cause = cause.clone();
            cause.evidence.extend(moved.evidence);
            for step in &moved.steps {
                rows.step(step, world, &cause, &mut RowOut { emit: out, timers, row: 0, pressure });
            }
        }
    }
}

/// Says that a bound was reached.
fn pressed(builder: DerivedBuilder, bound: &str, count: u64, out: &mut Emit) {
    if out.wants(SENSOR_PRESSURE) {
        let source = SmolStr::new_static("inventory");
        let builder = builder.about(&source).with(SENSOR_SOURCE, &source).with(SENSOR_REASON, bound).with(SENSOR_COUNT, count);
        out.push(builder.build());
    }
}

impl Deriver for Inventory {
    fn apply(&mut self, event: &Event, out: &mut Emit) {
        let state = &mut self.state;
        state.world.reading.clone_from(&out.wanted_fields);
        let moved = state.world.apply(event, &mut state.timers, &mut state.pressure);
        state.tell(moved, event, out);
        for (bound, count) in state.pressure.take() {
            pressed(DerivedBuilder::caused_by(SENSOR_PRESSURE, "sensor", event), &bound, count, out);
        }
    }

    fn next_due(&self) -> Option<Time> {
        self.state.timers.next_due()
    }

    fn fire(&mut self, now: Time, out: &mut Emit) {
        self.state.world.reading.clone_from(&out.wanted_fields);
        while let Some((row, key)) = self.state.timers.pop(now) {
            if row == WORLD_ROW {
                if let Some((cause, moved)) = self.state.world.fire(&key, now, &mut self.state.timers) {
                    self.state.tell(moved, &cause, out);
                }
            } else {
                let Whole { world, rows, timers, pressure } = &mut self.state;
                rows.fire(row, &key, now, world, &mut RowOut { emit: out, timers, row, pressure });
            }
            for (bound, count) in self.state.pressure.take() {
                pressed(DerivedBuilder::at(SENSOR_PRESSURE, "sensor", now, key.host.clone(), Vec::new()), &bound, count, out);
            }
        }
    }

    fn freeze(&self) -> Vec<u8> {
        // Writing to a growing vector cannot fail, and every part of the state can be serialised.
        postcard::to_stdvec(&self.state).unwrap_or_default()
    }

    fn thaw(&mut self, frozen: &[u8]) -> Result<(), String> {
        let mut state: Whole = postcard::from_bytes(frozen).map_err(|error| format!("not a frozen inventory of this version: {error}"))?;
        state.world.take_up(std::mem::take(&mut self.state.world.context));
        self.state = state;
        Ok(())
    }
}
