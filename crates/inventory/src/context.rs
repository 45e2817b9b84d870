//! What the operator declared to be expected.

use crate::container::Container;
use crate::host::Host;
use event::{SmolStr, Time};

/// The declared workloads.
#[derive(Clone, Debug, Default)]
pub struct Context {}

/// What the context says of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The verdict.
    pub verdict: Verdict,
    /// Owner and reason of the entry.
    pub by: Option<SmolStr>,
}

/// The verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// An entry names it, and it keeps within the entry's bounds.
    Known,
    /// No entry names it.
    Unknown,
    /// An entry names it, but it goes beyond the entry's bounds.
    Contradicted,
}

impl Verdict {
    /// The word that rules use.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Known => "known",
            Verdict::Unknown => "unknown",
            Verdict::Contradicted => "contradicted",
        }
    }
}

impl Context {
    /// What it says of a container at a time.
    pub fn explain(&self, host: &Host, container: &Container, time: Time) -> Explained {
        let _ = (host, container, time);
        Explained { verdict: Verdict::Unknown, by: None }
    }

    /// The entry that declares it to be a sensor, by its line of owner and reason.
    pub fn sensor(&self, host: &Host, container: &Container) -> Option<SmolStr> {
        let _ = (host, container);
        None
    }
}
