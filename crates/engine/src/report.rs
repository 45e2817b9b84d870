//! What the engine has counted: bounds that were met and records that were not what they should be.

use event::Span;
use finding::JudgeReport;
use serde::{Deserialize, Serialize};

/// Counters of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Records taken, ticks not counted.
    pub records: u64,
    /// Ticks taken.
    pub ticks: u64,
    /// Derived events.
    pub derived: u64,
    /// Records dropped because the same statement had come in the ten minutes before.
    pub repeats: u64,
    /// Statements forgotten before their ten minutes were over, for want of room: their repeats would count again.
    pub repeats_forgotten: u64,
    /// Records that came later than their order allowed.
    pub late: u64,
    /// The most by which one was late.
    pub late_max: Span,
    /// Records whose own time was not believed.
    pub suspect: u64,
    /// Records that could not be read.
    pub undecodable: u64,
    /// Of those, records of no known format.
    pub unknown: u64,
    /// Records that acted before their wait was over, for want of room.
    pub forced: u64,
    /// Groups and events that correlations forgot for want of room.
    pub correlations_forgotten: u64,
    /// What the judge has counted.
    pub judge: JudgeReport,
}
