//! Who speaks: a witness of one of four kinds, or our own collectors.

use crate::fact::Fact;
use serde::{Deserialize, Serialize};

/// What a witness can see at all. An adversary who controls one kind must still be seen by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Witness {
    /// What was asked of the cluster or the engine.
    Orchestrator,
    /// What the container runtime did.
    Runtime,
    /// What went over the wire.
    Network,
    /// What the kernel saw.
    System,
    /// What our own collectors say of themselves.
    Own,
}

impl Witness {
    /// The word for it in documents, mappings and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Witness::Orchestrator => "orchestrator",
            Witness::Runtime => "runtime",
            Witness::Network => "network",
            Witness::System => "system",
            Witness::Own => "own",
        }
    }

    /// The kind of that word.
    pub fn named(word: &str) -> Option<Witness> {
        [Witness::Orchestrator, Witness::Runtime, Witness::Network, Witness::System, Witness::Own].into_iter().find(|w| w.as_str() == word)
    }
}

impl Fact {
    /// Which kind of witness can say such a thing.
    pub fn witness(&self) -> Witness {
        match self {
            Fact::Request(_) | Fact::Object(_) | Fact::Objects(_) => Witness::Orchestrator,
            Fact::Flow(_) | Fact::Filter(_) => Witness::Network,
            Fact::Process(_) | Fact::Usage(_) => Witness::System,
            Fact::Sensor(_) => Witness::Own,
            Fact::Container(_)
            | Fact::ContainerSpec(_)
            | Fact::ExecSpec(_)
            | Fact::Image(_)
            | Fact::ImageSpec(_)
            | Fact::Network(_)
            | Fact::NetworkSpec(_)
            | Fact::Volume(_)
            | Fact::VolumeSpec(_)
            | Fact::Engine(_)
            | Fact::EngineEvent(_)
            | Fact::List(_) => Witness::Runtime,
        }
    }
}
