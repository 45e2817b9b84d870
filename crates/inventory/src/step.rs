//! What one native event moved in the world: the words in which rows are told of it.
//!
//! A step names the object only; its state, already moved on, is in the world, and what else the event says in the fact of the event that caused it. An
//! `Inspected` may be told with the create event, or a timer, as its cause, when the answer came before them: read the spec from the world.

use crate::id::Id;
use crate::party::Seen;
use event::SmolStr;
use event::fact::{ContainerSpec, EngineSpec, NetworkSpec};
use event::flow::{Flow, FlowOutcome};
use std::sync::Arc;

/// One movement of the world.
#[derive(Clone, Debug)]
pub enum Step {
    /// A container came to be after watching began.
    Created {
        /// Which.
        id: Id,
        /// Who showed it.
        by: SeenBy,
        /// It was known, and steps about it were told, before its create event came.
        known: bool,
    },
    /// A container became known that nobody saw being created: it stood there before, or its creation was missed.
    Found {
        /// Which.
        id: Id,
    },
    /// An inspect answer for a container. Its spec, posture and limits in the world are the new ones.
    Inspected {
        /// Which.
        id: Id,
        /// No inspect of it had been seen before.
        first: bool,
        /// The shape of what the inspect before this one said (see [`crate::Container::shape`]).
        before: Option<Arc<ContainerSpec>>,
        /// Its image id or command became known, or is another than before: what groups by them must regroup.
        regrouped: bool,
    },
    /// The engine no longer knew the container when it was to be inspected.
    InspectMissed {
        /// Which; it may be unknown to the world.
        id: Id,
    },
    /// Another witness than the one whose word counts saw it. Nothing moved but what is known of who saw it.
    Sighted {
        /// Which; the world may not know it.
        id: Id,
        /// This source had not seen it before.
        first: bool,
    },
    /// Its process runs.
    Started {
        /// Which.
        id: Id,
        /// It had run before.
        again: bool,
    },
    /// Its process ended.
    Ended {
        /// Which.
        id: Id,
    },
    /// It is gone.
    Removed {
        /// Which; its state is kept for a while.
        id: Id,
        /// By an event, or because a complete list did not show it.
        by: SeenBy,
    },
    /// It was frozen.
    Paused {
        /// Which.
        id: Id,
    },
    /// It was thawed.
    Unpaused {
        /// Which.
        id: Id,
    },
    /// A signal was sent to it.
    Killed {
        /// Which.
        id: Id,
    },
    /// It was stopped or restarted on request (after it ended).
    Stopped {
        /// Which.
        id: Id,
        /// It was restarted.
        restarted: bool,
    },
    /// The kernel ran out of its memory.
    Oom {
        /// Which.
        id: Id,
    },
    /// It has a new name.
    Renamed {
        /// Which.
        id: Id,
        /// The name before: what the world knew, else what the event says. A label may shadow the latter.
        before: SmolStr,
    },
    /// Its resources or restart policy were changed; an inspect may show what.
    Updated {
        /// Which.
        id: Id,
    },
    /// Any other container event: attach, exec, copy, export, commit, health, checkpoint. The fact says which.
    Other {
        /// Which.
        id: Id,
    },
    /// An exec was inspected.
    ExecInspected {
        /// Container it runs in.
        id: Id,
    },
    /// Something happened to an image; the fact says what.
    Image {
        /// Image id, when the world knows which the event means.
        id: Option<SmolStr>,
        /// The image id that the reference of the event named before, when it is another one now.
        moved_from: Option<SmolStr>,
    },
    /// An image inspect answer. The world has it.
    ImageInspected {
        /// Image id.
        id: SmolStr,
        /// No answer about it had been seen before.
        first: bool,
    },
    /// A network was made.
    NetworkCreated {
        /// Network id.
        id: SmolStr,
    },
    /// A network inspect answer. The world has it.
    NetworkInspected {
        /// Network id.
        id: SmolStr,
        /// What the inspect before this one said.
        before: Option<Box<NetworkSpec>>,
    },
    /// A network is gone. The world does not have it any more; the fact names it.
    NetworkRemoved {
        /// Network id.
        id: SmolStr,
        /// What was known of it.
        before: Option<Box<NetworkSpec>>,
    },
    /// A container was connected to a network. `Container::networks` has it already.
    NetworkConnected {
        /// Which container.
        id: Id,
        /// Network id.
        network: SmolStr,
    },
    /// A container was disconnected from a network.
    NetworkDisconnected {
        /// Which container.
        id: Id,
        /// Network id.
        network: SmolStr,
    },
    /// Something happened to a volume; the fact says what.
    Volume {
        /// Its name.
        name: SmolStr,
    },
    /// A volume inspect answer. The world has it.
    VolumeInspected {
        /// Its name.
        name: SmolStr,
    },
    /// The engine said its settings. The world has them.
    EngineSeen {
        /// What it had said before.
        before: Option<Box<EngineSpec>>,
    },
    /// Something happened to the engine itself; the fact says what.
    EngineEvent,
    /// A complete list was taken. Steps about its entries come before this one.
    Listed {
        /// Of what.
        what: Listed,
        /// It is the first one of the host: what it shows was there when watching began.
        at_start: bool,
    },
    /// An API server said something; the fact says what. What follows for containers is told by steps of their own before this one.
    Cluster,
    /// A network witness said something; the fact says what.
    Wire,
    /// A flow, once, with both its ends.
    FlowSeen {
        /// What is known of it.
        seen: Arc<Seen>,
    },
    /// Whether a flow that was told came to something is known now, or will never be.
    FlowSettled {
        /// The flow, as it was told.
        seen: Arc<Seen>,
        /// What became of it.
        outcome: FlowOutcome,
    },
    /// A flow that was told is over.
    FlowEnded {
        /// The flow, as it was told.
        seen: Arc<Seen>,
        /// What is known of it at its end.
        flow: Box<Flow>,
    },
    /// A system witness said something; the fact says what.
    Kernel,
    /// A process was seen in a container that no runtime has told of, for the first time or again after its last process had ended. `Host::kernel` has it.
    KernelContainer {
        /// Its key there.
        key: SmolStr,
    },
    /// A collector says something of its own sight; the fact says what.
    Note,
    /// Any other native event: a stub for a record that was too large, or one without a fact.
    Unread,
}

/// Who showed a container's coming or going.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum SeenBy {
    /// An event.
    Event,
    /// Only a list, or an inspect answer, later.
    List,
}

/// What a list is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// Containers.
    Containers,
    /// Images.
    Images,
    /// Networks.
    Networks,
    /// Volumes.
    Volumes,
}
