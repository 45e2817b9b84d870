//! One container as the world knows it: what it is, when what happened to it, and who showed it.
//!
//! There may be a hundred thousand of them, so what equal containers have in common is kept once and shared (see [`crate::share`]), and the full spec is put
//! together again only when somebody asks for it.

use crate::id::Id;
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
    /// Networks it is on by id, as inspect and connect events say; sorted.
    pub networks: Vec<SmolStr>,
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
    /// Position in the sequence of all containers that became known: who came first.
    pub order: u64,
}

/// What inspect said last, in parts that are shared with equal containers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// What a group of equal containers has in common; the parts below are empty in it.
    pub shape: Arc<ContainerSpec>,
    /// Mounts.
    pub mounts: Arc<[Mount]>,
    /// Networks with addresses.
    pub endpoints: Arc<[Endpoint]>,
    /// First process's id on the host.
    pub pid: i64,
    /// How often the engine restarted it.
    pub restart_count: i64,
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
    /// Whether an inspect answer was seen.
    pub fn inspected(&self) -> bool {
        self.kept.is_some()
    }

    /// Whether it still exists on the host, running or not.
    pub fn exists(&self) -> bool {
        self.removed.is_none()
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

    /// What an inspect last said of it, but without its id, name, labels, mounts, networks, times and state: the cheap way to its configuration.
    pub fn shape(&self) -> Option<&Arc<ContainerSpec>> {
        self.kept.as_ref().map(|kept| &kept.shape)
    }

    /// The mounts that an inspect last said.
    pub fn mounts(&self) -> &[Mount] {
        self.kept.as_ref().map_or(&[], |kept| &kept.mounts)
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
        spec.mounts = kept.mounts.to_vec();
        spec.networks = kept.endpoints.to_vec();
        Some(spec)
    }

    /// Executable and arguments, as one line.
    pub fn command_line(&self) -> Option<SmolStr> {
        match &self.kept {
            Some(kept) => Some(SmolStr::from(kept.shape.command.join(" "))),
            None if !self.listed_command.is_empty() => Some(self.listed_command.clone()),
            None => None,
        }
    }
}
