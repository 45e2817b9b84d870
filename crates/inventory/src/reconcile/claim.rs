//! A claim: something that one witness saw and another should have seen.

use super::GRACE;
use crate::id::Id;
use event::{Event, Provenance, SmolStr, Time};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Records that are cited for a claim.
const CITED_MAX: usize = 4;

/// Sources that are named as having seen it.
const SEEN_BY_MAX: usize = 8;

/// What does not tally, if it comes to that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Sort {
    /// The kernel runs a container that no runtime knows.
    SystemWithoutRuntime,
    /// A runtime has a container that the engine above it does not know, or that no engine owns.
    RuntimeWithoutEngine,
    /// A runtime of a node has a container that the cluster does not know.
    RuntimeWithoutOrchestrator,
    /// The cluster says that a pod's container runs on a node whose runtime does not know it.
    PodWithoutRuntime,
    /// An address of a container network speaks, and no container holds it.
    AddressWithoutContainer,
    /// A list shows a container of which the stream of events said nothing.
    ListWithoutEvent,
}

impl Sort {
    /// The word for it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Sort::SystemWithoutRuntime => "system_without_runtime",
            Sort::RuntimeWithoutEngine => "runtime_without_engine",
            Sort::RuntimeWithoutOrchestrator => "runtime_without_orchestrator",
            Sort::PodWithoutRuntime => "pod_without_runtime",
            Sort::AddressWithoutContainer => "address_without_container",
            Sort::ListWithoutEvent => "list_without_event",
        }
    }
}

/// One claim.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Claim {
    pub(super) sort: Sort,
    /// What it is about, in the longest spelling that a witness gave.
    pub(super) what: SmolStr,
    /// When it was first seen.
    pub(super) first: Time,
    /// When it is judged.
    pub(super) due: Time,
    /// The judgement waits for a witness.
    pub(super) waits: bool,
    /// It is settled as soon as the world knows the container.
    pub(super) awaited: bool,
    /// It is a step of an image build.
    pub(super) build: bool,
    /// The runtime that the control group names.
    pub(super) runtime: SmolStr,
    /// Control group.
    pub(super) cgroup: SmolStr,
    /// The container in the world, where it is there.
    pub(super) container: Option<Id>,
    /// Image that the runtime says.
    pub(super) image: SmolStr,
    /// Mount namespace, when nothing else names it.
    pub(super) mnt: u64,
    /// The first process that showed it.
    pub(super) process: Option<Box<Process>>,
    pub(super) seen_by: Vec<SmolStr>,
    pub(super) evidence: Vec<Arc<Provenance>>,
}

/// What is told of a process.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Process {
    pub(super) pid: i64,
    pub(super) parent_pid: i64,
    pub(super) executable: SmolStr,
    pub(super) command_line: SmolStr,
    pub(super) parent: SmolStr,
}

impl Claim {
    pub(super) fn new(sort: Sort, what: SmolStr, cause: &Event) -> Claim {
        Claim {
            sort,
            what,
            first: cause.at,
            due: cause.at + GRACE,
            waits: false,
            awaited: false,
            build: false,
            runtime: SmolStr::default(),
            cgroup: SmolStr::default(),
            container: None,
            image: SmolStr::default(),
            mnt: 0,
            process: None,
            seen_by: vec![cause.source.clone()],
            evidence: cause.evidence.first().cloned().into_iter().collect(),
        }
    }

    /// Another sight of the same thing.
    pub(super) fn add(&mut self, other: Claim) {
        // Of what both the kernel and a runtime saw, the runtime's word says more.
        if other.sort > self.sort && self.sort == Sort::SystemWithoutRuntime {
            self.sort = other.sort;
            self.awaited = other.awaited;
        }
        if other.what.len() > self.what.len() {
            self.what = other.what;
        }
        self.container = self.container.take().or(other.container);
        self.process = self.process.take().or(other.process);
        self.build |= other.build;
        for (mine, theirs) in [(&mut self.cgroup, other.cgroup), (&mut self.image, other.image), (&mut self.runtime, other.runtime)] {
            if mine.is_empty() {
                *mine = theirs;
            }
        }
        let fresh = !other.seen_by.iter().all(|source| self.seen_by.contains(source));
        for source in other.seen_by {
            if self.seen_by.len() < SEEN_BY_MAX && !self.seen_by.contains(&source) {
                self.seen_by.push(source);
            }
        }
        if fresh {
            for record in other.evidence {
                if self.evidence.len() < CITED_MAX {
                    self.evidence.push(record);
                }
            }
        }
    }
}
