//! Which sources have seen a container, and whose word on it counts.
//!
//! One container may be told by several runtimes under one id: Docker makes its containers through containerd, the kubelet through containerd or CRI-O. The one
//! that owns it is its *teller*: what it says moves the container. What others say of it is a *sighting*: the witness and the time are kept, and nothing
//! happens twice.

use event::fact::ContainerEvent;
use event::{SmolStr, Time};
use serde::{Deserialize, Serialize};

/// Witnesses that are remembered of one container.
const WITNESSES_MAX: usize = 16;

/// The sources that have seen one container, each with the time at which it first did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witnesses(Vec<(SmolStr, Time)>);

impl Witnesses {
    /// Notes a source. Says whether it is a new one.
    pub(crate) fn note(&mut self, source: &SmolStr, time: Time) -> bool {
        if source.is_empty() || self.0.len() >= WITNESSES_MAX || self.0.iter().any(|(known, _)| known == source) {
            return false;
        }
        // Most containers have one or two, and there may be a hundred thousand of them.
        self.0.reserve_exact(1);
        self.0.push((source.clone(), time));
        true
    }

    /// The sources, in the order in which they first saw it.
    pub fn sources(&self) -> impl Iterator<Item = &SmolStr> {
        self.0.iter().map(|(source, _)| source)
    }

    /// When a source first saw it.
    pub fn first_seen(&self, source: &str) -> Option<Time> {
        self.0.iter().find(|(known, _)| known == source).map(|(_, time)| *time)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whose word on a container counts, when that is not the host's own engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Teller {
    /// `podman`, `containerd`, `cri-o`, `kubernetes`, or what a mapping calls it.
    pub runtime: SmolStr,
    /// Its own division, where it has one: containerd's namespace.
    pub division: SmolStr,
    /// Pod or sandbox, where the event says it.
    pub pod: SmolStr,
}

/// Containerd's namespace of Docker.
pub const MOBY: &str = "moby";
/// Containerd's namespace of the kubelet.
pub const K8S: &str = "k8s.io";
/// Containerd's namespace of BuildKit.
pub const BUILDKIT: &str = "buildkit";

/// Who owns a container of a runtime and its division: the engine above the runtime, or the runtime itself.
pub fn owner<'a>(runtime: &'a str, division: &str) -> &'a str {
    match (runtime, division) {
        ("containerd", MOBY) => "docker",
        ("containerd", K8S) | ("cri-o", _) => "kubernetes",
        _ => runtime,
    }
}

/// The runtime or engine that a source belongs to; `None` for a source of another kind.
pub fn engine_of(source: &str) -> Option<&'static str> {
    const ENGINES: [(&str, &str); 5] =
        [("docker_", "docker"), ("podman_", "podman"), ("containerd_", "containerd"), ("crio_", "cri-o"), ("kubernetes_", "kubernetes")];
    ENGINES.iter().find(|(prefix, _)| source.starts_with(prefix)).map(|(_, engine)| *engine)
}

/// The source of an engine that tells of each container as it comes and goes.
pub fn stream_of(engine: &str) -> Option<&'static [&'static str]> {
    Some(match engine {
        "docker" => &["docker_events"],
        "podman" => &["podman_events"],
        "containerd" => &["containerd_events"],
        "cri-o" => &["crio_journal"],
        "kubernetes" => &["kubernetes_objects", "kubernetes_audit"],
        _ => return None,
    })
}

impl Teller {
    /// The speaker of an event; `None` when that is Docker, which is what is meant where nothing is said.
    pub(crate) fn of(said: &ContainerEvent) -> Option<Box<Teller>> {
        let docker = said.runtime.is_empty() || said.runtime == "docker";
        (!docker).then(|| Box::new(Teller { runtime: said.runtime.clone(), division: said.division.clone(), pod: said.pod.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_noted_once_with_its_first_time() {
        let mut witnesses = Witnesses::default();
        assert!(witnesses.note(&"docker_events".into(), Time(5)) && !witnesses.note(&"docker_events".into(), Time(6)));
        assert!(witnesses.note(&"conntrack".into(), Time(7)) && !witnesses.note(&"".into(), Time(8)));
        assert_eq!(witnesses.first_seen("docker_events"), Some(Time(5)));
        for n in 0..100 {
            witnesses.note(&SmolStr::from(format!("s{n}")), Time(9));
        }
        assert_eq!(witnesses.len(), WITNESSES_MAX);
    }

    #[test]
    fn the_engine_above_a_runtime_owns_its_containers() {
        assert_eq!(
            [owner("containerd", MOBY), owner("containerd", K8S), owner("containerd", "lab")],
            ["docker", "kubernetes", "containerd"]
        );
        assert_eq!([owner("cri-o", ""), owner("podman", ""), owner("docker", "")], ["kubernetes", "podman", "docker"]);
        assert_eq!(
            [engine_of("docker_container"), engine_of("crio_journal"), engine_of("conntrack")],
            [Some("docker"), Some("cri-o"), None]
        );
    }
}
