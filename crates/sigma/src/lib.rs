//! Takes rules as text and events in order; gives signals. Never reads a clock and never ranks what it found.

pub mod rule;
pub use rule::{Correlation, CorrelationKind, Logsource, Rule};
