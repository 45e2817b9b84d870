//! What is known of a host's processes: which container each runs in, and which containers only the kernel knows.
//!
//! A system witness names a process and, more or less well, its container. The table joins what several of them say: the control group (the best), a sensor's own
//! word, the pod, the parent, the namespaces. What none of them ties to a container that a runtime has told of is a *stranger*.

use crate::id::Id;
use event::system::Namespaces;
use event::{SmolStr, Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Processes remembered on one host.
pub const PROCESSES_MAX: usize = if cfg!(test) { 512 } else { 65_536 };
/// Strangers remembered on one host.
pub const STRANGERS_MAX: usize = if cfg!(test) { 64 } else { 4_096 };
/// How long a stranger without processes is remembered.
pub const STRANGER_KEEP: Span = Span::minutes(10);
/// Command lines are kept up to this many bytes: enough to know them again.
const COMMAND_MAX: usize = 512;
/// Processes of one stranger that are counted.
const MEMBERS_MAX: usize = 1_024;
/// Beginnings of ids that are remembered together with the container that they mean.
pub(crate) const BEGINNINGS_MAX: usize = 4_096;

/// The processes of a host.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Kernel {
    pub(crate) processes: BTreeMap<i64, Process>,
    /// Containers that only the kernel knows, by key.
    pub(crate) strangers: BTreeMap<SmolStr, Stranger>,
    /// Namespaces of the host's first process.
    pub host_namespaces: Namespaces,
    /// Which container a mount namespace belongs to; `None` when more than one could be meant.
    pub(crate) mounts: BTreeMap<u64, Option<Id>>,
    /// Which container the beginning of an id means.
    pub(crate) beginnings: BTreeMap<SmolStr, Id>,
    /// The event that is being applied: where its process runs.
    #[serde(skip)]
    pub(crate) now: Option<Placed>,
}

/// Where a process runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Where {
    /// In a container. The world may not know it.
    Container(Id),
    /// In a step of an image build.
    Build(SmolStr),
    /// On the host.
    Host,
    /// In mount and process namespaces of its own that belong to no known container.
    Foreign,
    /// It was not said.
    #[default]
    Unknown,
}

impl Where {
    /// The word that rules use.
    pub fn as_str(&self) -> &'static str {
        match self {
            Where::Container(_) | Where::Build(_) => "container",
            Where::Host => "host",
            Where::Foreign => "unknown_namespaces",
            Where::Unknown => "unknown",
        }
    }
}

/// A process.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Process {
    /// Its parent; 0 when not known.
    pub parent: i64,
    /// Where it runs.
    pub place: Where,
    /// Path of its executable.
    pub executable: SmolStr,
    /// Its command line, cut.
    pub command: SmolStr,
    /// Its namespaces.
    pub namespaces: Namespaces,
    /// The stranger that it belongs to.
    pub stranger: Option<SmolStr>,
    /// When it was last heard of.
    pub(crate) at: Time,
}

/// Where the process of one event runs, and what else was found of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Placed {
    pub(crate) place: Where,
    /// For a signal: where the target runs, and its executable.
    pub(crate) target: Option<(Where, SmolStr)>,
}

/// A container that only the kernel knows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Stranger {
    /// What it goes by: the container id that its control group names, else `mnt:<inode>`.
    pub key: SmolStr,
    /// Control group, when one was read.
    pub cgroup: SmolStr,
    /// Runtime that the control group's shape speaks of; empty when unknown.
    pub runtime: SmolStr,
    /// Pod's unique id in the control group; empty when there is none.
    pub pod_uid: SmolStr,
    /// It is a step of an image build.
    pub build: bool,
    /// The control group has a runtime's own shape. Else what makes it a container are its namespaces.
    pub certain: bool,
    /// Its first process.
    pub pid: i64,
    /// That process's executable.
    pub executable: SmolStr,
    /// That process's command line.
    pub command: SmolStr,
    /// Namespaces of that process.
    pub namespaces: Namespaces,
    /// Who saw it.
    pub seen_by: BTreeSet<SmolStr>,
    /// When it was first seen.
    pub first: Time,
    /// When it was last seen.
    pub last: Time,
    /// When its last known process ended.
    pub ended: Option<Time>,
    pub(crate) members: BTreeSet<i64>,
}

impl Kernel {
    /// A process.
    pub fn process(&self, pid: i64) -> Option<&Process> {
        self.processes.get(&pid)
    }

    /// A container that only the kernel knows.
    pub fn stranger(&self, key: &str) -> Option<&Stranger> {
        self.strangers.get(key)
    }

    /// The containers that only the kernel knows, by key; those whose processes ended lately included.
    pub fn strangers(&self) -> impl Iterator<Item = &Stranger> {
        self.strangers.values()
    }

    /// The processes of a container that are known, by pid.
    pub fn of<'a>(&'a self, id: &'a Id) -> impl Iterator<Item = (i64, &'a Process)> {
        self.processes
            .iter()
            .filter(move |(_, process)| process.place == Where::Container(id.clone()))
            .map(|(pid, process)| (*pid, process))
    }

    /// Learns the host's own namespaces from a witness that read them.
    pub(crate) fn learn_host(&mut self, said: &Namespaces) {
        let learn = |known: &mut u64, said: u64| {
            if said != 0 {
                *known = said;
            }
        };
        learn(&mut self.host_namespaces.mnt, said.mnt);
        learn(&mut self.host_namespaces.pid, said.pid);
        learn(&mut self.host_namespaces.net, said.net);
        learn(&mut self.host_namespaces.user, said.user);
    }

    /// Whether namespaces are the host's own; `None` when that is not known.
    pub(crate) fn is_host(&self, of: &Namespaces) -> Option<bool> {
        let host = &self.host_namespaces;
        (of.mnt != 0 && host.mnt != 0).then_some(of.mnt == host.mnt)
    }

    /// Whether both the mount and the process namespace are another's than the host's.
    pub(crate) fn is_foreign(&self, of: &Namespaces) -> bool {
        let host = &self.host_namespaces;
        let differs = |own: u64, host: u64| own != 0 && host != 0 && own != host;
        differs(of.mnt, host.mnt) && differs(of.pid, host.pid)
    }

    /// Remembers which container a mount namespace belongs to. The kernel uses a number again once nobody has it any more, so an older container that does
    /// not stand gives way; of two that stand, none is meant.
    pub(crate) fn learn_mount(&mut self, inode: u64, id: &Id, stands: impl Fn(&Id) -> bool) {
        if inode == 0 || inode == self.host_namespaces.mnt {
            return;
        }
        let known = match self.mounts.get(&inode) {
            Some(Some(known)) if known != id && stands(known) => None,
            Some(None) => None,
            _ => Some(id.clone()),
        };
        if self.mounts.len() >= PROCESSES_MAX {
            self.mounts.pop_first();
        }
        self.mounts.insert(inode, known);
    }

    /// Makes room for a process: a sixteenth at once, those that were longest not heard of first. Returns how many were forgotten.
    pub(crate) fn bound(&mut self) -> u64 {
        if self.processes.len() < PROCESSES_MAX {
            return 0;
        }
        let mut order: Vec<(Time, i64)> = self.processes.iter().map(|(pid, process)| (process.at, *pid)).collect();
        order.sort_unstable();
        order.truncate(PROCESSES_MAX / 16);
        for (at, pid) in &order {
            self.end(*pid, *at);
        }
        order.len() as u64
    }

    /// A process is gone.
    pub(crate) fn end(&mut self, pid: i64, at: Time) {
        let Some(process) = self.processes.remove(&pid) else { return };
        if let Some(stranger) = process.stranger.and_then(|key| self.strangers.get_mut(&key)) {
            stranger.members.remove(&pid);
            if stranger.members.is_empty() {
                stranger.ended = Some(at);
            }
        }
    }

    /// Forgets strangers that have been gone for long, and makes room. Returns how many were forgotten for want of room.
    pub(crate) fn forget_strangers(&mut self, now: Time) -> u64 {
        if self.strangers.len() < STRANGERS_MAX {
            return 0;
        }
        self.strangers.retain(|_, stranger| stranger.ended.is_none_or(|ended| ended + STRANGER_KEEP >= now));
        let mut forgotten = 0;
        while self.strangers.len() >= STRANGERS_MAX {
            let oldest =
                self.strangers.values().min_by_key(|stranger| (stranger.last, stranger.key.clone())).map(|stranger| stranger.key.clone());
            let Some(key) = oldest else { break };
            self.strangers.remove(&key);
            forgotten += 1;
        }
        forgotten
    }
}

impl Stranger {
    /// Whether a process of it is still there, as far as it is known.
    pub fn stands(&self) -> bool {
        self.ended.is_none()
    }

    /// Takes in a process.
    pub(crate) fn joined(&mut self, pid: i64, at: Time, source: &SmolStr) {
        if pid > 0 && self.members.len() < MEMBERS_MAX {
            self.members.insert(pid);
        }
        self.ended = None;
        self.last = at;
        if self.seen_by.len() < 16 {
            self.seen_by.insert(source.clone());
        }
    }
}

/// A command line as the table keeps it.
pub(crate) fn command_line(words: &[SmolStr]) -> SmolStr {
    let mut line = words.join(" ");
    if line.len() > COMMAND_MAX {
        let end = (0..=COMMAND_MAX).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
        line.truncate(end);
    }
    SmolStr::from(line)
}
