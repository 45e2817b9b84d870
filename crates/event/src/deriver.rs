//! What turns events into further events: the inventory now, tempo later.

use crate::dictionary::Kind;
use crate::event::Event;
use crate::time::Time;

/// Where a deriver puts its events. They are applied in this order, after the event that caused them.
#[derive(Default)]
pub struct Emit {
    /// Events so far.
    pub events: Vec<Event>,
    /// Kinds that some rule reads; `None` wants all. What nobody reads need not be built.
    pub wanted: Option<Vec<bool>>,
}

impl Emit {
    /// Whether an event of this kind would be read by anyone.
    pub fn wants(&self, kind: Kind) -> bool {
        self.wanted.as_ref().is_none_or(|kinds| kinds.get(kind.index()).copied().unwrap_or(true))
    }

    /// Adds an event.
    pub fn push(&mut self, event: Event) {
        self.events.push(event);
    }
}

/// A stateful part of the engine. Its state moves only in `apply` and `fire`, in the engine's order.
pub trait Deriver: Send {
    /// Takes one event.
    fn apply(&mut self, event: &Event, out: &mut Emit);

    /// The earliest time for which a timer is registered.
    fn next_due(&self) -> Option<Time>;

    /// Fires every timer whose due time is exactly `now`, in the order (row in the list, key).
    fn fire(&mut self, now: Time, out: &mut Emit);

    /// All state, to be thawed by the same version.
    fn freeze(&self) -> Vec<u8>;

    /// Takes the state of `freeze`.
    ///
    /// # Errors
    /// When the bytes are not such a state; the deriver is then unchanged.
    fn thaw(&mut self, frozen: &[u8]) -> Result<(), String>;
}
