//! An object of the API: its metadata, and what it is.

use super::{access, pod, policy, workload};
use crate::fields::Fields;
use event::SmolStr;
use event::kubernetes::{Body, Object, Owner};

/// Longer values of annotations are left out: only their keys are kept.
const ANNOTATION_MAX: usize = 1024;

/// Objects of a list that are read.
pub(crate) const ITEMS_MAX: usize = 20_000;

/// Where the whole object is written once more; for a Secret that is its secret.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Reads an object. Patches and the items of lists do not say what they are, so the reader of the record says it.
pub(crate) fn read(object: &Fields<'_>, kind: &str, api_version: &str) -> Object {
    let said = |key, hint: &str| {
        let own = object.text(key);
        if own.is_empty() { SmolStr::new(hint) } else { own }
    };
    let (kind, api_version) = (said("kind", kind), said("apiVersion", api_version));
    let metadata = object.object("metadata");
    let annotations: Vec<(SmolStr, SmolStr)> = metadata
        .pairs("annotations")
        .into_iter()
        .map(|(key, value)| if value.len() > ANNOTATION_MAX || key == LAST_APPLIED { (key, SmolStr::default()) } else { (key, value) })
        .collect();
    let mut read = Object {
        namespace: metadata.text("namespace"),
        name: metadata.text("name"),
        generate_name: metadata.text("generateName"),
        uid: metadata.text("uid"),
        resource_version: metadata.text("resourceVersion"),
        generation: metadata.int("generation").unwrap_or(0),
        created: metadata.time("creationTimestamp"),
        deleted: metadata.value("deletionTimestamp").is_some(),
        labels: metadata.pairs("labels"),
        owner: owner(&metadata),
        annotations,
        kind,
        api_version,
        body: Body::Other,
    };
    read.body = body(object, &read);
    read
}

/// The items of a list, with the kind that the list's own kind says (`PodList`).
pub(crate) fn items(list: &Fields<'_>) -> (SmolStr, Vec<Object>) {
    let own = list.text("kind");
    let kind = own.strip_suffix("List").unwrap_or_default();
    let api_version = list.text("apiVersion");
    let items = list.objects("items").iter().take(ITEMS_MAX).map(|item| read(item, kind, &api_version)).collect();
    (SmolStr::new(kind), items)
}

/// The kind of the objects of a resource, for those of which more is read than their metadata; empty for the others.
pub(super) fn kind_of(resource: &str, subresource: &str) -> &'static str {
    match (resource, subresource) {
        (_, "scale") => "Scale",
        ("pods", "" | "status" | "ephemeralcontainers" | "resize") => "Pod",
        ("pods", "binding") | ("bindings", "") => "Binding",
        (_, subresource) if subresource != "status" && !subresource.is_empty() => "",
        ("deployments", _) => "Deployment",
        ("replicasets", _) => "ReplicaSet",
        ("daemonsets", _) => "DaemonSet",
        ("statefulsets", _) => "StatefulSet",
        ("jobs", _) => "Job",
        ("cronjobs", _) => "CronJob",
        ("replicationcontrollers", _) => "ReplicationController",
        ("networkpolicies", _) => "NetworkPolicy",
        ("namespaces", _) => "Namespace",
        ("roles", _) => "Role",
        ("clusterroles", _) => "ClusterRole",
        ("rolebindings", _) => "RoleBinding",
        ("clusterrolebindings", _) => "ClusterRoleBinding",
        ("validatingwebhookconfigurations", _) => "ValidatingWebhookConfiguration",
        ("mutatingwebhookconfigurations", _) => "MutatingWebhookConfiguration",
        ("validatingadmissionpolicies", _) => "ValidatingAdmissionPolicy",
        ("validatingadmissionpolicybindings", _) => "ValidatingAdmissionPolicyBinding",
        ("mutatingadmissionpolicies", _) => "MutatingAdmissionPolicy",
        ("mutatingadmissionpolicybindings", _) => "MutatingAdmissionPolicyBinding",
        ("configmaps", _) => "ConfigMap",
        ("secrets", _) => "Secret",
        ("limitranges", _) => "LimitRange",
        ("resourcequotas", _) => "ResourceQuota",
        _ => "",
    }
}

fn body(object: &Fields<'_>, head: &Object) -> Body {
    match head.kind.as_str() {
        "Pod" => Body::Pod(Box::new(pod::read(object, head))),
        "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet" | "Job" | "CronJob" | "ReplicationController" | "Scale" => {
            Body::Workload(Box::new(workload::read(object, &head.kind)))
        }
        "NetworkPolicy" => Body::NetworkPolicy(Box::new(policy::read(object))),
        "RoleBinding" | "ClusterRoleBinding" => Body::Binding(access::binding(object)),
        "Role" | "ClusterRole" => Body::Role(access::rules(object)),
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => Body::Webhooks(access::webhooks(object)),
        "Binding" => Body::Target(object.object("target").text("name")),
        "ConfigMap" | "Secret" => Body::Keys(access::keys(object)),
        "LimitRange" | "ResourceQuota" => Body::Limits(access::limits(object, &head.kind)),
        _ if access::is_guard(&head.kind, &head.api_version) => Body::Guard(access::guard(object)),
        _ => Body::Other,
    }
}

/// The owner that is the controller, else the first.
fn owner(metadata: &Fields<'_>) -> Option<Owner> {
    let owners = metadata.objects("ownerReferences");
    let owner = owners.iter().find(|owner| owner.bool("controller")).or(owners.first())?;
    Some(Owner { kind: owner.text("kind"), name: owner.text("name"), uid: owner.text("uid") })
}
