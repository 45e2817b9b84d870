//! The finding, as it is shown and written.

use event::{Level, Place, SmolStr, Time, Value};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// What signals amount to: one behaviour of one entity, from its opening to its close.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Hash of (strategy, behaviour, entity, opening): the same in every replay.
    pub id: SmolStr,
    /// Strategy that opened it.
    pub strategy: SmolStr,
    /// Rule that opened it.
    pub rule: SmolStr,
    /// All rules that took part, with their counts, as `strategy/rule`.
    pub rules: IndexMap<SmolStr, u64>,
    /// Highest level so far.
    pub severity: Level,
    /// Where it stands.
    pub status: Status,
    /// Title of the rule with the highest level so far.
    pub title: SmolStr,
    /// Its sentence, filled in.
    pub message: String,
    /// Event time of the first evidence.
    pub first_seen: Time,
    /// Event time of the last evidence.
    pub last_seen: Time,
    /// Signals, or the largest count that a correlation reported.
    pub count: u64,
    /// What it is about: field and value.
    pub entity: IndexMap<SmolStr, Value>,
    /// ATT&CK techniques.
    pub attack: Vec<SmolStr>,
    /// First ten and last ten records.
    pub evidence: Vec<Evidence>,
    /// Sources that bear it out: those of its records, and those that have seen its containers.
    pub witnesses: Vec<SmolStr>,
    /// Who explained it, when it is explained.
    pub explained_by: Option<SmolStr>,
    /// How well its interval was observed.
    pub coverage: Coverage,
}

/// Where a finding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Signals may still join it.
    Open,
    /// No signal joined it for its window.
    Closed,
    /// The operator's context explains it: recorded and counted, not delivered.
    Explained,
}

/// A record that a finding rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// SHA-256 of the raw bytes, hexadecimal.
    pub sha256: String,
    /// Event time as the record says it.
    pub time: Time,
    /// Decoder that read it.
    pub source: SmolStr,
    /// File and record number.
    #[serde(rename = "where")]
    pub place: Place,
}

/// How well a finding's interval was observed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// `complete`, `gap` (a source was cut off in the interval), `degraded` (records dropped, late or unreadable).
    pub state: SmolStr,
    /// Why, one entry a reason.
    pub notes: Vec<SmolStr>,
}

/// What happened to a finding. One with the status [`Status::Explained`] is recorded and counted, but not delivered.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It is new; or it was explained until now, and something that nothing explains joined it.
    Opened(Finding),
    /// Its severity rose.
    Rose(Finding),
    /// It is closed: this is its final state.
    Closed(Finding),
    /// The input ended while it was open: this is its state then.
    Standing(Finding),
}

impl Change {
    /// The finding, whatever happened to it.
    pub fn finding(&self) -> &Finding {
        match self {
            Change::Opened(finding) | Change::Rose(finding) | Change::Closed(finding) | Change::Standing(finding) => finding,
        }
    }

    /// The finding itself.
    pub fn into_finding(self) -> Finding {
        match self {
            Change::Opened(finding) | Change::Rose(finding) | Change::Closed(finding) | Change::Standing(finding) => finding,
        }
    }

    /// Whether nothing more can happen to the finding in this run.
    pub fn is_final(&self) -> bool {
        matches!(self, Change::Closed(_) | Change::Standing(_))
    }
}
