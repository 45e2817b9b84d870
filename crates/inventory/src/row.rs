//! What a row of the list is: it is told each step of the world, and says derived events.
//!
//! A new derived event is one file with a `pub struct State` that implements [`Row`], and one word in the list in `lib.rs`. The state is all that it knows
//! beyond the world; it must be bounded, and walked in a fixed order.

use crate::step::Step;
use crate::timers::{TimerKey, Timers};
use crate::world::World;
use event::{Emit, Event, Kind, Time};

/// One row of the list. Its whole state is serialised with serde.
pub trait Row: Default + serde::Serialize + serde::de::DeserializeOwned {
    /// Takes one step of the world, which `cause` moved. The world is already as it is after it.
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>);

    /// A timer of this row is due.
    fn fire(&mut self, key: &TimerKey, now: Time, world: &World, out: &mut RowOut<'_>) {
        let _ = (key, now, world, out);
    }
}

/// Where a row puts what it has to say.
pub struct RowOut<'a> {
    pub(crate) emit: &'a mut Emit,
    pub(crate) timers: &'a mut Timers,
    pub(crate) row: u8,
    pub(crate) pressure: &'a mut crate::pressure::Pressure,
}

impl RowOut<'_> {
    /// Says a derived event.
    pub fn emit(&mut self, event: Event) {
        self.emit.push(event);
    }

    /// Whether anyone reads events of this kind; what nobody reads need not be built.
    pub fn wants(&self, kind: Kind) -> bool {
        self.emit.wants(kind)
    }

    /// Asks to be called at `due`.
    pub fn timer(&mut self, due: Time, key: TimerKey) {
        self.timers.set(due, self.row, key);
    }

    /// Takes back a timer that was set for exactly `due`.
    pub fn cancel(&mut self, due: Time, key: TimerKey) {
        self.timers.cancel(due, self.row, key);
    }

    /// Says that a bound was reached and something was forgotten; `bound` names it, such as `inventory.names`. It becomes `sensor.pressure`.
    pub fn forgot(&mut self, bound: &'static str, count: u64) {
        self.pressure.add(bound, count);
    }
}
