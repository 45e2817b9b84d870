//! Whether a container is part of monitoring, and what that rests on.
//!
//! A *claim* is what the container says of itself: its name, its labels, its image's name. A *proof* is what it holds: host paths together with the rights
//! that only a sensor needs, or what the operator declared. Claims never prove anything.

use crate::image_ref;
use crate::names;
use crate::posture::Posture;
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, format_smolstr};

/// What a sensor's role rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Basis {
    /// It says so.
    Claimed,
    /// It holds what only a sensor needs, or the operator declared it.
    Proven,
}

impl Basis {
    /// The word that rules use.
    pub fn as_str(self) -> &'static str {
        match self {
            Basis::Claimed => "claimed",
            Basis::Proven => "proven",
        }
    }
}

/// The role of a sensor.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sensor {
    /// What it rests on.
    pub basis: Basis,
    /// The observations, sorted.
    pub evidence: Vec<SmolStr>,
}

/// Judges a container. `declared` names the operator's entry that calls it a sensor, when there is one that matches by digest or configuration.
pub fn sensor(name: &str, image: &str, labels: &[(SmolStr, SmolStr)], posture: Option<&Posture>, declared: Option<&str>) -> Option<Sensor> {
    let mut evidence = claims(name, image, labels);
    let claimed = !evidence.is_empty();
    let proof = posture.map(|posture| proof(posture, claimed)).unwrap_or_default();
    let proven = !proof.is_empty() || declared.is_some();
    if !claimed && !proven {
        return None;
    }
    evidence.extend(proof);
    evidence.extend(declared.map(|entry| format_smolstr!("context:{entry}")));
    evidence.sort();
    evidence.dedup();
    Some(Sensor { basis: if proven { Basis::Proven } else { Basis::Claimed }, evidence })
}

/// What the container says of itself.
fn claims(name: &str, image: &str, labels: &[(SmolStr, SmolStr)]) -> Vec<SmolStr> {
    let mut claims = Vec::new();
    if let Some(known) = names::claims_monitoring(name) {
        claims.push(format_smolstr!("name:{known}"));
    }
    if let Some(known) = image_ref::known(image).and_then(|named| named.monitoring) {
        claims.push(format_smolstr!("image:{known}"));
    }
    for (key, value) in labels {
        let off = matches!(value.to_ascii_lowercase().as_str(), "false" | "no" | "0");
        if key == "landwaiter.sensor" && !off {
            claims.push(SmolStr::new_static("label:landwaiter.sensor"));
        } else if matches!(
            key.as_str(),
            "app" | "app.kubernetes.io/name" | "k8s-app" | "com.docker.compose.service" | "org.opencontainers.image.title"
        ) && let Some(known) = names::claims_monitoring(value)
        {
            claims.push(format_smolstr!("label:{key}={known}"));
        }
    }
    claims
}

/// What the container holds, when it is what only a sensor needs: sight of the host's kernel or engine, together with the right to look into other processes.
fn proof(posture: &Posture, claimed: bool) -> Vec<SmolStr> {
    let mut sight: Vec<SmolStr> = Vec::new();
    for kind in ["proc", "sys", "cgroup"] {
        if posture.mounts_kind(kind) {
            sight.push(format_smolstr!("mount:{kind}"));
        }
    }
    let kernel = !sight.is_empty();
    for kind in ["engine_socket", "logs"] {
        if posture.mounts_kind(kind) {
            sight.push(format_smolstr!("mount:{kind}"));
        }
    }
    // The whole host below one folder is how exporters look at it; an attacker mounts the same, so it proves nothing without a claim.
    if claimed && posture.mounts_kind("root") {
        sight.push(SmolStr::new_static("mount:root"));
    }
    let mut rights: Vec<SmolStr> = Vec::new();
    for cap in ["ALL", "SYS_ADMIN", "BPF", "PERFMON", "SYS_PTRACE"] {
        if posture.cap_added.iter().any(|added| added == cap) {
            rights.push(format_smolstr!("capability:{cap}"));
        }
    }
    if posture.shares_host("pid") {
        rights.push(SmolStr::new_static("namespace:pid"));
    }
    // Builders and updaters are privileged with the engine's socket too: there, being privileged tells a sensor only beside a claim or sight of the kernel.
    if posture.privileged && (kernel || claimed) {
        rights.push(SmolStr::new_static("privileged"));
    }
    if sight.is_empty() || rights.is_empty() {
        return Vec::new();
    }
    sight.append(&mut rights);
    sight
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::Nothing;
    use event::fact::{ContainerSpec, Mount};

    fn posture(mounts: &[&str], caps: &[&str], privileged: bool, pid: &str) -> Posture {
        let spec = ContainerSpec {
            mounts: mounts
                .iter()
                .map(|m| Mount { kind: "bind".into(), source: (*m).into(), target: "/h".into(), ..Mount::default() })
                .collect(),
            cap_add: caps.iter().map(|c| (*c).into()).collect(),
            privileged,
            pid_mode: pid.into(),
            ..ContainerSpec::default()
        };
        Posture::of(&spec, None, &Nothing)
    }

    fn picture(name: &str, image: &str, labels: &[(&str, &str)], posture: &Posture) -> String {
        let labels: Vec<(SmolStr, SmolStr)> = labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        match sensor(name, image, &labels, Some(posture), None) {
            None => "workload".to_owned(),
            Some(sensor) => format!("{}: {}", sensor.basis.as_str(), sensor.evidence.join(" ")),
        }
    }

    #[test]
    fn saying_so_is_a_claim_only() {
        let bare = posture(&[], &[], false, "");
        assert_eq!(picture("falco", "alpine:3.20", &[("landwaiter.sensor", "true")], &bare), "claimed: label:landwaiter.sensor name:falco");
        assert_eq!(picture("x", "docker.io/falcosecurity/falco:0.40", &[], &bare), "claimed: image:falco");
        assert_eq!(picture("web", "nginx", &[("landwaiter.sensor", "false")], &bare), "workload");
    }

    #[test]
    fn holding_what_only_a_sensor_needs_is_a_proof() {
        let tracer = posture(&["/proc", "/sys/kernel/debug"], &["BPF", "PERFMON"], false, "");
        assert_eq!(picture("x", "acme/agent", &[], &tracer), "proven: capability:BPF capability:PERFMON mount:proc mount:sys");
        let agent = posture(&["/var/run/docker.sock"], &[], false, "host");
        assert_eq!(picture("x", "acme/agent", &[], &agent), "proven: mount:engine_socket namespace:pid");
        let shipper = posture(&["/var/log"], &[], false, "");
        assert_eq!(picture("x", "acme/shipper", &[], &shipper), "workload");
    }

    #[test]
    fn builders_and_updaters_with_the_socket_are_no_sensors() {
        assert_eq!(picture("portainer", "portainer/portainer", &[], &posture(&["/var/run/docker.sock"], &[], false, "")), "workload");
        assert_eq!(picture("runner", "docker:dind", &[], &posture(&["/var/run/docker.sock"], &[], true, "")), "workload");
        assert_eq!(picture("x", "alpine", &[], &posture(&["/"], &["SYS_ADMIN"], false, "host")), "workload");
    }

    #[test]
    fn the_operators_word_is_a_proof() {
        let sensor = sensor("x", "acme/agent", &[], None, Some("audit agent")).unwrap();
        assert_eq!((sensor.basis, sensor.evidence), (Basis::Proven, vec!["context:audit agent".into()]));
    }
}
