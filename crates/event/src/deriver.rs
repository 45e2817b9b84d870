//! What turns events into further events: the inventory now, tempo later.

use crate::dictionary::{FIELDS, FieldId, KINDS, Kind};
use crate::event::Event;
use crate::time::Time;
use std::sync::Arc;

/// For each kind of event, the derived fields that somebody reads in it. What nobody reads need not be worked out.
#[derive(Clone, Debug)]
pub struct WantedFields {
    kinds: Vec<Wanted>,
}

/// The fields of one kind that somebody reads, by [`FieldId::index`]; `None` wants all.
#[derive(Clone, Debug, Default)]
pub struct Wanted(Option<Arc<[bool]>>);

impl WantedFields {
    /// Nothing is read of any kind.
    pub fn none() -> WantedFields {
        WantedFields { kinds: vec![Wanted(Some(vec![false; FIELDS.len()].into())); KINDS.len()] }
    }

    /// These fields are read of a kind.
    pub fn set(&mut self, kind: Kind, wanted: Wanted) {
        if let Some(slot) = self.kinds.get_mut(kind.index()) {
            *slot = wanted;
        }
    }

    /// What is read of a kind.
    pub fn of(&self, kind: Kind) -> Wanted {
        self.kinds.get(kind.index()).cloned().unwrap_or_default()
    }
}

impl Wanted {
    /// Every field.
    pub fn all() -> Wanted {
        Wanted(None)
    }

    /// These fields, by [`FieldId::index`].
    pub fn these(fields: Vec<bool>) -> Wanted {
        Wanted(Some(fields.into()))
    }

    /// Whether somebody reads the field.
    pub fn has(&self, field: FieldId) -> bool {
        self.0.as_ref().is_none_or(|fields| fields.get(field.index()).copied().unwrap_or(true))
    }

    /// How many fields somebody reads; `None` when all.
    pub fn count(&self) -> Option<usize> {
        self.0.as_ref().map(|fields| fields.iter().filter(|wanted| **wanted).count())
    }
}

/// Where a deriver puts its events. They are applied in this order, after the event that caused them.
#[derive(Default)]
pub struct Emit {
    /// Events so far.
    pub events: Vec<Event>,
    /// Kinds that some rule reads; `None` wants all. What nobody reads need not be built.
    pub wanted: Option<Vec<bool>>,
    /// Fields that some rule reads, kind by kind; `None` wants all.
    pub wanted_fields: Option<Arc<WantedFields>>,
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
