//! What the engine asks of detection. The matcher of `sigma` is the one in use; tests bring smaller ones.

use event::{Event, Signal, Time};

/// Sees every event in order; says which rules matched.
pub trait Detect: Send {
    /// Takes one event.
    fn step(&mut self, event: &Event, out: &mut Vec<Signal>);

    /// The earliest time for which a timer is registered.
    fn next_due(&self) -> Option<Time> {
        None
    }

    /// Fires every timer due at `now`.
    fn fire(&mut self, _now: Time, _out: &mut Vec<Signal>) {}

    /// How much was forgotten so far because a bound was reached.
    fn forgotten(&self) -> u64 {
        0
    }

    /// All state.
    fn freeze(&self) -> Vec<u8>;

    /// Takes the state of `freeze`.
    ///
    /// # Errors
    /// When the bytes are not such a state; the detector is then unchanged.
    fn thaw(&mut self, frozen: &[u8]) -> Result<(), String>;
}
