//! One container as the world knows it: what it is, when what happened to it, and who showed it.
//!
//! There may be a hundred thousand of them, so what equal containers have in common is kept once and shared (see [`crate::share`]), and the full spec is put
//! together again only when somebody asks for it.

use crate::id::Id;
use crate::posture::Posture;
use crate::role::Sensor;
use crate::witnesses::{Teller, Witnesses};
use event::fact::{ContainerSpec, Endpoint, Mount};
use event::{SmolStr, Time};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Labels, shared between containers that have the same.
pub type Labels = Arc<[(SmolStr, SmolStr)]>;

/// A container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Container {
    /// Full id.
    pub id: Id,
    /// Present name, without a leading slash.
    pub name: SmolStr,
    /// Names it had before, oldest first, with the time until which it had them; bounded.
    pub names_before: Vec<(Time, SmolStr)>,
    /// Image reference as it was asked for.
    pub image: SmolStr,
    /// Image id; empty while unknown.
    pub image_id: SmolStr,
    /// Command line as a list gave it, while no inspect has said it better.
    pub listed_command: SmolStr,
    /// Labels.
    pub labels: Labels,
    /// What inspect said last, in shared parts; `None` while no inspect was seen.
    pub kept: Option<Kept>,
    /// What the first inspect said: the value at creation for limits.
    pub first: Option<Arc<ContainerSpec>>,
    /// How it is confined, judged at the last inspect.
    pub posture: Option<Arc<Posture>>,
    /// The part that it plays in monitoring, if any.
    pub role: Option<Box<Sensor>>,
    /// What its clones have in common with it; 0 while unknown.
    pub(crate) clone_key: u64,
    /// The time of creation under which the index of clones has it.
    pub(crate) clone_since: Time,
    /// It equalled, when it was first inspected, a container that had stood for ten minutes.
    pub clone_of_older: Option<bool>,
    /// Networks it is on by id, as inspect and connect events say; sorted.
    pub networks: Vec<SmolStr>,
    /// Sources that have seen it.
    pub witnesses: Witnesses,
    /// Whose word on it counts; `None` is the host's engine, which is Docker until it says another name.
    pub told_by: Option<Box<Teller>>,
    /// How it became known.
    pub origin: Origin,
    /// When it was created, as the event, the inspect or the list says.
    pub created: Option<Time>,
    /// When it started last, in event time.
    pub started: Option<Time>,
    /// When it ended last.
    pub ended: Option<Time>,
    /// When it was removed.
    pub removed: Option<Time>,
    /// Some of these times was not believed, so nothing is computed from them.
    pub time_suspect: bool,
    /// What it does now.
    pub state: State,
    /// What it did before the last step that moved its state.
    pub state_before: State,
    /// How often its start was seen.
    pub starts: u32,
    /// Exit code of the last end.
    pub exit_code: Option<i64>,
    /// Last signal sent to it since it started.
    pub signal: Option<i64>,
    /// The kernel ran out of its memory since it started.
    pub oom: bool,
    /// The context's entry under which it is counted as standing now.
    #[serde(skip)]
    pub(crate) counted_for: Option<u32>,
    /// Position in the sequence of all containers that became known: who came first.
    pub order: u64,
    /// Its place in a pod of a cluster.
    pub pod: Option<Box<crate::cluster::PodPart>>,
}

/// What inspect said last, in parts that are shared with equal containers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// What a group of equal containers has in common; the parts below are empty in it.
    pub shape: Arc<ContainerSpec>,
    /// Executable and arguments.
    pub command: Arc<[SmolStr]>,
    /// Mounts, packed.
    pub(crate) mounts: Arc<[Mount]>,
    /// Networks with addresses.
    pub endpoints: Arc<[Endpoint]>,
    /// What it shares with other containers; `None` when nothing.
    pub joins: Option<Box<Joins>>,
    /// First process's id on the host.
    pub pid: i64,
    /// How often the engine restarted it.
    pub restart_count: i64,
}

/// What a container shares with other containers, as inspect says it; empty where it does not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joins {
    /// `container:<id>` when it shares the network of another container.
    pub network_mode: SmolStr,
    /// Likewise for processes.
    pub pid_mode: SmolStr,
    /// Likewise for shared memory.
    pub ipc_mode: SmolStr,
    /// `VolumesFrom`.
    pub volumes_from: Vec<SmolStr>,
}

/// How a container became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// Its create event.
    Created,
    /// A later list, or an inspect answer, showed that it was created after watching began; its event was missed.
    Missed,
    /// It stood there when watching began.
    Preexisting,
}

/// What a container does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Nothing told it.
    Unknown,
    /// Created, never started.
    Created,
    /// It runs.
    Running,
    /// Frozen.
    Paused,
    /// It ended.
    Exited,
    /// It is gone.
    Removed,
}

impl State {
    /// The word for it, in the engine's sense.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Unknown => "unknown",
            State::Created => "created",
            State::Running => "running",
            State::Paused => "paused",
            State::Exited => "exited",
            State::Removed => "removed",
        }
    }

    /// Reads the engine's word.
    pub fn named(word: &str) -> State {
        match word {
            "created" => State::Created,
            "running" | "restarting" => State::Running,
            "paused" => State::Paused,
            "exited" | "dead" => State::Exited,
            "removing" => State::Exited,
            _ => State::Unknown,
        }
    }
}

impl Container {
    /// A container of which nothing but its id is known.
    pub(crate) fn new(id: Id, origin: Origin) -> Container {
        Container {
            id,
            name: SmolStr::default(),
            names_before: Vec::new(),
            image: SmolStr::default(),
            image_id: SmolStr::default(),
            listed_command: SmolStr::default(),
            labels: Arc::new([]),
            kept: None,
            first: None,
            posture: None,
            role: None,
            clone_key: 0,
            clone_since: Time::MAX,
            clone_of_older: None,
            networks: Vec::new(),
            witnesses: Witnesses::default(),
            told_by: None,
            origin,
            created: None,
            started: None,
            ended: None,
            removed: None,
            time_suspect: false,
            state: State::Unknown,
            state_before: State::Unknown,
            starts: 0,
            exit_code: None,
            signal: None,
            oom: false,
            counted_for: None,
            order: 0,
            pod: None,
        }
    }

    /// The engine or runtime whose word on it counts.
    pub fn teller(&self) -> &str {
        self.told_by.as_ref().map_or("docker", |teller| teller.runtime.as_str())
    }

    /// That runtime's own division of it: containerd's namespace; empty where there is none.
    pub fn division(&self) -> &str {
        self.told_by.as_ref().map_or("", |teller| teller.division.as_str())
    }

    /// Whether another source than those of its own engine has seen it.
    pub fn seen_by_others(&self) -> bool {
        self.witnesses.sources().any(|source| crate::witnesses::engine_of(source) != Some(self.teller()))
    }

    /// Whether an inspect answer was seen.
    pub fn inspected(&self) -> bool {
        self.kept.is_some()
    }

    /// Whether it still exists on the host, running or not.
    pub fn exists(&self) -> bool {
        self.removed.is_none()
    }

    /// Whether it stands: neither ended nor removed.
    pub fn stands(&self) -> bool {
        self.exists() && self.state != State::Exited
    }

    /// Whether its process runs (frozen ones included).
    pub fn runs(&self) -> bool {
        matches!(self.state, State::Running | State::Paused)
    }

    /// Whether it has ever run, as far as it is known.
    pub fn ever_started(&self) -> bool {
        self.started.is_some() || self.starts > 0
    }

    /// Whether it stood there before watching began.
    pub fn preexisting(&self) -> bool {
        self.origin == Origin::Preexisting
    }

    /// A label's value.
    pub fn label(&self, key: &str) -> Option<&SmolStr> {
        self.labels.iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }

    /// What an inspect last said of it, but without what is kept apart (id, name, labels, command, mounts, networks, times, state,
    /// what it joins of other containers): the cheap way to its configuration.
    pub fn shape(&self) -> Option<&Arc<ContainerSpec>> {
        self.kept.as_ref().map(|kept| &kept.shape)
    }

    /// The networks with addresses that an inspect last said.
    pub fn endpoints(&self) -> &[Endpoint] {
        self.kept.as_ref().map_or(&[], |kept| &kept.endpoints)
    }

    /// What inspect last said of it, whole; `None` while no inspect was seen. Puts a large value together: not for each event.
    pub fn spec(&self) -> Option<ContainerSpec> {
        let kept = self.kept.as_ref()?;
        let mut spec = ContainerSpec::clone(&kept.shape);
        spec.id = self.id.text();
        spec.name = self.name.clone();
        spec.created = self.created;
        spec.status = SmolStr::new_static(self.state.as_str());
        spec.pid = kept.pid;
        spec.exit_code = self.exit_code;
        spec.oom_killed = self.oom;
        spec.started = self.started;
        spec.finished = self.ended;
        spec.restart_count = kept.restart_count;
        spec.labels = self.labels.to_vec();
        spec.command = kept.command.to_vec();
        spec.mounts = kept.mounts.iter().map(crate::share::unpacked).collect();
        spec.networks = kept.endpoints.to_vec();
        if let Some(joins) = &kept.joins {
            let joined = |mode: &SmolStr, to: &mut SmolStr| {
                if !mode.is_empty() {
                    *to = mode.clone();
                }
            };
            joined(&joins.network_mode, &mut spec.network_mode);
            joined(&joins.pid_mode, &mut spec.pid_mode);
            joined(&joins.ipc_mode, &mut spec.ipc_mode);
            spec.volumes_from = joins.volumes_from.clone();
        }
        Some(spec)
    }

    /// A number that stands for image id and command together; `None` while either is unknown.
    pub fn fingerprint(&self) -> Option<u64> {
        let kept = self.kept.as_ref()?;
        if self.image_id.is_empty() {
            // No API server says which image a reference means; of pods, the reference has to do.
            let reference = self.pod.as_ref().map(|_| crate::host::reference_key(&self.image)).filter(|reference| !reference.is_empty())?;
            return Some(crate::share::fingerprint(&reference, &kept.command));
        }
        Some(crate::share::fingerprint(&self.image_id, &kept.command))
    }

    /// Executable and arguments, as one line.
    pub fn command_line(&self) -> Option<SmolStr> {
        match &self.kept {
            Some(kept) => Some(SmolStr::from(kept.command.join(" "))),
            None if !self.listed_command.is_empty() => Some(self.listed_command.clone()),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_small() {
        assert!(std::mem::size_of::<Container>() <= 496, "{}", std::mem::size_of::<Container>());
    }
}
