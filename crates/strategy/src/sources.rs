//! Which sources can show what a rule reads. Derived fields come from records in the end; this is the table of whence.

use event::dictionary as d;
use event::{FieldId, SmolStr};
use sigma::Rule;

/// Sources of which one is needed to show something.
pub type AnyOf = &'static [&'static str];

/// Whoever tells that containers come and go.
const EVENTS: AnyOf = &[
    "docker_events",
    "podman_events",
    "containerd_events",
    "crio_journal",
    "kubernetes_audit",
    "kubernetes_objects",
    "eks_audit",
    "gke_audit",
    "aks_audit",
];
const DOCKER_EVENTS: AnyOf = &["docker_events"];
/// Whoever tells how a container is configured.
const INSPECT: AnyOf = &[
    "docker_container",
    "podman_container",
    "containerd_container",
    "kubernetes_audit",
    "kubernetes_objects",
    "eks_audit",
    "gke_audit",
    "aks_audit",
];
const EXEC: AnyOf = &["docker_exec", "podman_exec"];
const INFO: AnyOf = &["docker_info", "kubernetes_audit"];
const IMAGES: AnyOf = &["docker_images", "docker_image"];
const IMAGES_AT_START: AnyOf = &["docker_images"];
const NETWORKS: AnyOf = &["docker_network", "docker_networks"];
const SENSOR: AnyOf = &["sensor"];
const STANDING: AnyOf = &["docker_containers", "docker_container", "podman_containers", "containerd_containers", "kubernetes_objects"];
const AUDIT: AnyOf = &["kubernetes_audit", "eks_audit", "gke_audit", "aks_audit"];
const CLUSTER: AnyOf = &["kubernetes_audit", "eks_audit", "gke_audit", "aks_audit", "kubernetes_objects"];
const FLOWS: AnyOf = &["conntrack", "zeek_conn", "suricata", "hubble", "vpc_flow", "gcp_flow"];
/// Whoever tells who holds an address.
const HOLDERS: AnyOf =
    &["docker_container", "docker_network", "docker_networks", "podman_container", "kubernetes_audit", "kubernetes_objects", "hubble"];
const PROCESSES: AnyOf = &["system_process", "auditd", "auditd_json", "falco", "tetragon", "tracee", "kunai"];
const USAGE: AnyOf = &["system_usage"];
const FILTER: AnyOf = &["netfilter", "auditd", "auditd_json"];

/// Fields that need a source of their own, beside that of the event that carries them.
const FIELDS: &[(&[FieldId], AnyOf)] = &[
    (d::POSTURE, INSPECT),
    (d::LIMITS, INSPECT),
    (&[d::CONTAINER_ROLE_BASIS, d::INTEGRITY_FACT], INSPECT),
    (&[d::SECURITY_DISABLED, d::SECURITY_KNOWN], INFO),
    (&[d::CONTAINER_IMAGE_NOVEL], IMAGES_AT_START),
    (&[d::CONTAINER_IMAGE_DIGESTS], IMAGES),
    (&[d::NET_INTERNAL, d::NET_PERMISSIVE, d::NET_OPENED, d::NETWORK_PERMISSIVE, d::NS_JOINED_INTERNAL], NETWORKS),
    (
        &[
            d::SRC_CONTAINER_ID,
            d::SRC_CONTAINER_NAME,
            d::SRC_WORKLOAD,
            d::SRC_LABEL,
            d::DST_CONTAINER_ID,
            d::DST_CONTAINER_NAME,
            d::DST_WORKLOAD,
        ],
        HOLDERS,
    ),
    (&[d::EDGE_VERDICT], &["docker_network", "docker_networks", "kubernetes_objects", "hubble"]),
    (&[d::EXEC_PRIVILEGED, d::EXEC_TTY, d::EXEC_USER], EXEC),
    (&[d::CHANGE_FACTOR, d::CHANGE_STEP_FACTOR, d::CHANGE_BEFORE, d::CHANGE_TO_MINIMUM], INSPECT),
];

/// Kinds of event, by the beginning of their names, and what shows that they happen.
const KINDS: &[(&str, AnyOf)] = &[
    ("docker.event", DOCKER_EVENTS),
    ("docker.container", &["docker_container"]),
    ("docker.exec", EXEC),
    ("docker.image", &["docker_image"]),
    ("docker.network", &["docker_network"]),
    ("docker.volume", &["docker_volume"]),
    ("docker.info", &["docker_info"]),
    ("docker.list", &["docker_containers", "docker_images", "docker_networks", "docker_volumes"]),
    ("kubernetes.audit", AUDIT),
    ("kubernetes.object", &["kubernetes_objects"]),
    ("kubernetes.request", AUDIT),
    ("guard.changed", CLUSTER),
    ("podman.exec", &["podman_exec"]),
    ("podman.", &["podman_events", "podman_container", "podman_containers"]),
    ("containerd.", &["containerd_events", "containerd_container", "containerd_containers"]),
    ("crio.", &["crio_journal"]),
    ("conntrack", &["conntrack"]),
    ("zeek.", &["zeek_conn"]),
    ("suricata.", &["suricata"]),
    ("hubble.", &["hubble"]),
    ("vpc.", &["vpc_flow", "gcp_flow"]),
    ("netfilter", &["netfilter"]),
    ("system.process", &["system_process"]),
    ("system.usage", USAGE),
    ("auditd", &["auditd", "auditd_json"]),
    ("falco.", &["falco"]),
    ("tetragon.", &["tetragon"]),
    ("tracee.", &["tracee"]),
    ("kunai.", &["kunai"]),
    ("custom.", &[]),
    ("process.", PROCESSES),
    ("container.usage", USAGE),
    ("network.flow", FLOWS),
    ("network.fan_out", FLOWS),
    ("edge.", FLOWS),
    ("policy.widened", &["kubernetes_audit", "kubernetes_objects", "eks_audit", "gke_audit", "aks_audit", "docker_events"]),
    ("filter.changed", FILTER),
    // What contradicts what is open: any two witnesses.
    ("inventory.discrepancy", &[]),
    ("activity.off_tempo", &[]),
    ("container.inspected", INSPECT),
    ("workload.weakened", INSPECT),
    ("engine.changed", &["docker_info", "docker_events"]),
    ("host.posture", STANDING),
    ("sensor.note", SENSOR),
    ("record.stub", &[]),
    ("sensor.", &[]),
    ("event.integrity", DOCKER_EVENTS),
    ("container.", EVENTS),
    ("image.masquerade", &["docker_container", "docker_events"]),
    ("image.", DOCKER_EVENTS),
    ("network.", DOCKER_EVENTS),
    ("monitoring.", EVENTS),
];

/// Fields that a rule shows: its entity, and the holes of its message.
pub fn shown(rule: &Rule) -> Vec<SmolStr> {
    let mut out: Vec<SmolStr> = rule.entity.clone();
    for hole in holes(&rule.message) {
        if !["count", "span"].contains(&hole.as_str()) && !out.contains(&hole) {
            out.push(hole);
        }
    }
    out
}

/// Names between double braces, without filters.
pub fn holes(text: &str) -> Vec<SmolStr> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("{{") {
        let Some((inside, behind)) = after.split_once("}}") else { break };
        let name = inside.split('|').next().unwrap_or_default().trim();
        out.push(SmolStr::new(name));
        rest = behind;
    }
    out
}

/// Whether a rule reads an event that any source may give rise to.
pub fn rests_on_any(rule: &Rule) -> bool {
    rule.kinds.iter().any(|kind| KINDS.iter().find(|(begin, _)| kind.name().starts_with(begin)).is_some_and(|(_, any)| any.is_empty()))
}

/// What a rule needs, each with the field or event that needs it.
pub fn needed(rule: &Rule) -> Vec<(SmolStr, AnyOf)> {
    let mut out: Vec<(SmolStr, AnyOf)> = Vec::new();
    let mut need = |what: &str, any: AnyOf| {
        if !any.is_empty() && !out.iter().any(|(_, known)| *known == any) {
            out.push((what.into(), any));
        }
    };
    for kind in &rule.kinds {
        if let Some((_, any)) = KINDS.iter().find(|(begin, _)| kind.name().starts_with(begin)) {
            need(kind.name(), any);
        }
    }
    let read = rule.fields.iter().map(|(name, _)| name.clone());
    for name in read.chain(shown(rule)) {
        let Some(field) = FieldId::named(&name) else { continue };
        for (fields, any) in FIELDS {
            if fields.contains(&field) {
                need(&name, any);
            }
        }
    }
    out
}
