//! The two ends of a flow, as far as it is known whose they are.

use crate::id::Id;
use event::flow::{Flow, FlowOutcome, FlowStage};
use event::{SmolStr, Time};
use serde::{Deserialize, Serialize};

/// Where an end of a flow is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Whereabouts {
    /// In one container.
    Container,
    /// On the host itself.
    Host,
    /// In a network namespace that several containers share.
    Shared,
    /// Beyond every host and container that is known.
    Outside,
    /// Nobody's, or claimed by more than one.
    #[default]
    Unknown,
}

impl Whereabouts {
    /// The word that rules use.
    pub fn as_str(self) -> &'static str {
        match self {
            Whereabouts::Container => "container",
            Whereabouts::Host => "host",
            Whereabouts::Shared => "shared",
            Whereabouts::Outside => "outside",
            Whereabouts::Unknown => "unknown",
        }
    }

    /// Whether it is a workload's end.
    pub fn is_workload(self) -> bool {
        matches!(self, Whereabouts::Container | Whereabouts::Shared)
    }
}

/// One end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// Address, as it is spelt usually.
    pub address: SmolStr,
    /// Port; 0 when there is none.
    pub port: u16,
    /// Where it is.
    pub place: Whereabouts,
    /// Host on which its container is known.
    pub host: SmolStr,
    /// The one container that it is.
    pub container: Option<Id>,
    /// The container whose network namespace it is: `container`, or that of the sharers.
    pub namespace_of: Option<Id>,
    /// Name of the container, or the pod.
    pub name: SmolStr,
    /// Its workload: the node of the graph. Empty where there is none.
    pub workload: SmolStr,
    /// Namespace of its pod.
    pub namespace: SmolStr,
    /// Its pod's name.
    pub pod: SmolStr,
    /// Who could be meant, where it is not one container.
    pub candidates: Vec<SmolStr>,
    /// Ids of the networks that it was on then.
    pub networks: Vec<SmolStr>,
}

/// Which way a flow goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Way {
    /// Between workloads.
    EastWest,
    /// From a workload to the outside.
    Outbound,
    /// From the outside to a workload.
    Inbound,
    /// One end is the host.
    Host,
    /// It is not known.
    #[default]
    Unknown,
}

impl Way {
    /// The word that rules use.
    pub fn as_str(self) -> &'static str {
        match self {
            Way::EastWest => "east_west",
            Way::Outbound => "outbound",
            Way::Inbound => "inbound",
            Way::Host => "host",
            Way::Unknown => "unknown",
        }
    }

    /// The way between two ends.
    pub fn between(source: Whereabouts, destination: Whereabouts) -> Way {
        match (source, destination) {
            (Whereabouts::Host, _) | (_, Whereabouts::Host) => Way::Host,
            (from, to) if from.is_workload() && to.is_workload() => Way::EastWest,
            (from, Whereabouts::Outside) if from.is_workload() => Way::Outbound,
            (Whereabouts::Outside, to) if to.is_workload() => Way::Inbound,
            _ => Way::Unknown,
        }
    }
}

/// A flow with both ends attributed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// What was said of it when it was told.
    pub flow: Flow,
    /// When it began, as far as it is known; else when it was first heard of.
    pub began: Time,
    /// When it was first heard of.
    pub heard: Time,
    /// Who began it.
    pub source: Party,
    /// Whom it reached, after translation where that is known.
    pub destination: Party,
    /// The address that was asked for, when another one answers.
    pub asked: SmolStr,
    /// What the destination is for control; empty when for none.
    pub role: SmolStr,
    /// Which way it goes.
    pub way: Way,
}

/// The word for an outcome.
pub fn outcome_word(outcome: FlowOutcome) -> &'static str {
    match outcome {
        FlowOutcome::Unknown => "unknown",
        FlowOutcome::Answered => "answered",
        FlowOutcome::Unanswered => "unanswered",
        FlowOutcome::Refused => "refused",
        FlowOutcome::Dropped => "dropped",
    }
}

/// The word for a stage.
pub fn stage_word(stage: FlowStage) -> &'static str {
    match stage {
        FlowStage::New => "new",
        FlowStage::Update => "update",
        FlowStage::Ended => "ended",
    }
}
