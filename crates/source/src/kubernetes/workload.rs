//! What makes pods: Deployments and their like, and the scale of one.

use super::pod;
use crate::fields::Fields;
use event::kubernetes::{Object, WorkloadSpec};

/// Reads a workload of that kind.
pub(super) fn read(object: &Fields<'_>, kind: &str) -> WorkloadSpec {
    let outer = object.object("spec");
    // A CronJob holds the Job that it makes.
    let spec = if kind == "CronJob" { outer.object("jobTemplate").object("spec") } else { outer.clone() };
    let template = spec.object("template");
    let metadata = template.object("metadata");
    let head = Object { labels: metadata.pairs("labels"), annotations: metadata.pairs("annotations"), ..Object::default() };
    let has_template = template.value("spec").is_some();
    let status = object.object("status");
    let desired_ready = match kind {
        "DaemonSet" => status.int("desiredNumberScheduled").map(|desired| (desired, status.int("numberReady").unwrap_or(0))),
        "Job" => status.parsed().and(spec.int("parallelism")).map(|desired| (desired, status.int("ready").unwrap_or(0))),
        _ => status.int("replicas").map(|desired| (desired, status.int("readyReplicas").unwrap_or(0))),
    };
    WorkloadSpec {
        replicas: if matches!(kind, "Job" | "CronJob") { spec.int("parallelism") } else { spec.int("replicas") },
        node_selector: template.object("spec").pairs("nodeSelector"),
        template: has_template.then(|| Box::new(pod::read(&template, &head))),
        pod_labels: head.labels,
        schedule: if kind == "CronJob" { outer.text("schedule") } else { Default::default() },
        desired_ready,
    }
}
