//! A rule matched: what the matcher hands to the judge.

use crate::record::Provenance;
use crate::time::Time;
use crate::value::Value;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::fmt;
use std::sync::Arc;

/// Severity, in Sigma's words and order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For context only; opens no finding.
    Informational,
    /// Ambiguous, or told apart only by what the workload says of itself.
    Low,
    /// One fact, reported by the engine, that deviates.
    Medium,
    /// Control of the host or of a proven sensor, or a contradiction between witnesses.
    High,
    /// Two independent strategies or witnesses agree.
    Critical,
}

impl Level {
    /// All levels, lowest first.
    pub const ALL: [Level; 5] = [Level::Informational, Level::Low, Level::Medium, Level::High, Level::Critical];

    /// Sigma's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Informational => "informational",
            Level::Low => "low",
            Level::Medium => "medium",
            Level::High => "high",
            Level::Critical => "critical",
        }
    }

    /// Reads Sigma's word.
    pub fn parse(text: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.as_str() == text)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A rule, or a correlation of rules, matched.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// Index in the table of rules that the engine was given.
    pub rule: usize,
    /// When the engine acted on the event that completed the match.
    pub at: Time,
    /// The first event time among the evidence.
    pub first: Time,
    /// The last event time among the evidence.
    pub last: Time,
    /// Events that take part (1 for a plain rule; what the window holds for a correlation).
    pub count: u64,
    /// Values of the fields that the rule's `landwaiter` key names for entity and message, and of `host.name`, as the completing event has them.
    pub values: Vec<(SmolStr, Value)>,
    /// What the operator's context says of the event: `known` explains it, unless the rule opts out.
    pub explained: Option<SmolStr>,
    /// The first ten and the last ten.
    pub evidence: Vec<Arc<Provenance>>,
    /// True when a correlation was true already: the signal continues an earlier one.
    pub continues: bool,
}

impl Signal {
    /// The value of a named field, when the event had it.
    pub fn value(&self, field: &str) -> Option<&Value> {
        self.values.iter().find(|(name, _)| name == field).map(|(_, value)| value)
    }
}
