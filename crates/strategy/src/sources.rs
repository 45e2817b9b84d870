//! Which sources can show what a rule reads. Derived fields come from records in the end; this is the table of whence.

use event::dictionary as d;
use event::{FieldId, SmolStr};
use sigma::Rule;

/// Sources of which one is needed to show something.
pub type AnyOf = &'static [&'static str];

const EVENTS: AnyOf = &["docker_events"];
const INSPECT: AnyOf = &["docker_container"];
const EXEC: AnyOf = &["docker_exec"];
const INFO: AnyOf = &["docker_info"];
const IMAGES: AnyOf = &["docker_images", "docker_image"];
const IMAGES_AT_START: AnyOf = &["docker_images"];
const NETWORKS: AnyOf = &["docker_network", "docker_networks"];
const SENSOR: AnyOf = &["sensor"];
const STANDING: AnyOf = &["docker_containers", "docker_container"];

/// Fields that need a source of their own, beside that of the event that carries them.
const FIELDS: &[(&[FieldId], AnyOf)] = &[
    (d::POSTURE, INSPECT),
    (d::LIMITS, INSPECT),
    (&[d::CONTAINER_ROLE_BASIS, d::INTEGRITY_FACT], INSPECT),
    (&[d::SECURITY_DISABLED, d::SECURITY_KNOWN], INFO),
    (&[d::CONTAINER_IMAGE_NOVEL], IMAGES_AT_START),
    (&[d::CONTAINER_IMAGE_DIGESTS], IMAGES),
    (&[d::NET_INTERNAL, d::NET_PERMISSIVE, d::NET_OPENED, d::NETWORK_PERMISSIVE, d::NS_JOINED_INTERNAL], NETWORKS),
    (&[d::EXEC_PRIVILEGED, d::EXEC_TTY, d::EXEC_USER], EXEC),
    (&[d::CHANGE_FACTOR, d::CHANGE_STEP_FACTOR, d::CHANGE_BEFORE, d::CHANGE_TO_MINIMUM], INSPECT),
];

/// Kinds of event, by the beginning of their names, and what shows that they happen.
const KINDS: &[(&str, AnyOf)] = &[
    ("docker.event", EVENTS),
    ("docker.container", INSPECT),
    ("docker.exec", EXEC),
    ("docker.image", &["docker_image"]),
    ("docker.network", &["docker_network"]),
    ("docker.volume", &["docker_volume"]),
    ("docker.info", INFO),
    ("docker.list", &["docker_containers", "docker_images", "docker_networks", "docker_volumes"]),
    ("container.inspected", INSPECT),
    ("workload.weakened", INSPECT),
    ("engine.changed", &["docker_info", "docker_events"]),
    ("host.posture", STANDING),
    ("sensor.note", SENSOR),
    ("record.stub", &[]),
    ("sensor.", &[]),
    ("event.integrity", EVENTS),
    ("container.", EVENTS),
    ("image.masquerade", &["docker_container", "docker_events"]),
    ("image.", EVENTS),
    ("network.", EVENTS),
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
