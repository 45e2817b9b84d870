//! Objects of a cluster that are no pods: namespaces, workloads, policies, roles, nodes, tokens; and lists and watches of any.

use super::cluster::Site;
use super::cluster_pods as pods;
use crate::cluster::{Minted, Policy, Workload, bounded, place};
use crate::step::{Listed, Step};
use crate::who::{Who, object_key};
use event::SmolStr;
use event::event::identity_of;
use event::kubernetes::{ApiRequest, Body, NetworkPolicySpec, Object, ObjectList, PodSpec, WorkloadSpec};
use smol_str::format_smolstr;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The kind of a resource that is remembered; `None` for any other.
fn kind_of(group: &str, resource: &str) -> Option<&'static str> {
    Some(match (group, resource) {
        ("", "namespaces") => "Namespace",
        ("", "replicationcontrollers") => "ReplicationController",
        ("apps" | "extensions", "deployments") => "Deployment",
        ("apps" | "extensions", "replicasets") => "ReplicaSet",
        ("apps" | "extensions", "daemonsets") => "DaemonSet",
        ("apps", "statefulsets") => "StatefulSet",
        ("batch", "jobs") => "Job",
        ("batch", "cronjobs") => "CronJob",
        ("networking.k8s.io" | "extensions", "networkpolicies") => "NetworkPolicy",
        ("rbac.authorization.k8s.io", "roles") => "Role",
        ("rbac.authorization.k8s.io", "clusterroles") => "ClusterRole",
        _ => return None,
    })
}

const WORKLOADS: [&str; 7] = ["Deployment", "ReplicaSet", "DaemonSet", "StatefulSet", "Job", "CronJob", "ReplicationController"];

/// A request that was done, about something else than pods.
pub(super) fn asked(site: &mut Site<'_, '_>, request: &ApiRequest, who: &Arc<Who>) {
    let Some(kind) = kind_of(&request.group, &request.resource) else { return };
    match request.verb.as_str() {
        "create" | "update" | "patch" => {}
        "delete" if request.subresource.is_empty() => {
            let object =
                Object { kind: kind.into(), namespace: request.namespace.clone(), name: request.name.clone(), ..Object::default() };
            return deleted(site, &object, Some(who));
        }
        "deletecollection" => {
            for object in &request.items {
                let object = Object { kind: kind.into(), ..object.clone() };
                deleted(site, &object, Some(who));
            }
            return;
        }
        _ => return,
    }
    let scale = request.subresource == "scale";
    if !matches!(request.subresource.as_str(), "" | "status" | "scale") {
        return;
    }
    // The object of `scale` is a Scale, whose name and number are those of the workload; its kind is not.
    let said = request.object.as_deref().or(request.asked.as_deref());
    let mut object = said.cloned().unwrap_or_default();
    object.kind = kind.into();
    if object.name.is_empty() {
        object.name = request.name.clone();
    }
    if object.namespace.is_empty() && kind != "Namespace" && kind != "ClusterRole" {
        object.namespace = request.namespace.clone();
    }
    if object.name.is_empty() {
        return;
    }
    if WORKLOADS.contains(&kind) {
        let made = request.verb == "create" && !scale || request.verb == "patch" && request.code == Some(201);
        let counts = request.subresource != "status";
        return workload(site, &object, Some((who, counts)), made, request.object_final || request.verb != "patch");
    }
    if request.subresource == "status" || request.verb == "patch" && !request.object_final {
        // A patch whose outcome the record does not hold: that it exists is all that is known.
        if kind == "Namespace" {
            site.cluster.namespaces.entry(object.name.clone()).or_default();
        }
        return;
    }
    other(site, &object, said.is_some());
}

/// An object as list or watch shows it. `fresh` when the watch says that it was added.
pub(super) fn shown(site: &mut Site<'_, '_>, object: &Object, who: Option<&Arc<Who>>, fresh: bool) {
    match object.kind.as_str() {
        "Pod" => pods::shown(site, object, fresh),
        "Node" => {
            bounded(&mut site.cluster.nodes);
            site.cluster.nodes.insert(object.name.clone(), site.event.time);
        }
        kind if WORKLOADS.contains(&kind) => workload(site, object, who.map(|who| (who, false)), false, true),
        _ => other(site, object, true),
    }
}

/// Takes in a namespace, a policy or a role. `said` is false when the record names it only.
fn other(site: &mut Site<'_, '_>, object: &Object, said: bool) {
    let cluster = &mut *site.cluster;
    let forgotten = match object.kind.as_str() {
        "Namespace" => {
            let forgotten = bounded(&mut cluster.namespaces);
            let namespace = cluster.namespaces.entry(object.name.clone()).or_default();
            if said {
                namespace.labels.clone_from(&object.labels);
                namespace.known = true;
            }
            namespace.deleted = object.deleted;
            forgotten
        }
        "NetworkPolicy" => {
            let forgotten = bounded(&mut cluster.policies);
            let spec = match &object.body {
                Body::NetworkPolicy(spec) => Some(NetworkPolicySpec::clone(spec)),
                _ => None,
            };
            let policy = Policy { namespace: object.namespace.clone(), name: object.name.clone(), spec };
            cluster.policies.insert(place(&object.namespace, &object.name), policy);
            forgotten
        }
        kind @ ("Role" | "ClusterRole") => {
            let forgotten = bounded(&mut cluster.roles);
            if let Body::Role(rules) = &object.body {
                cluster.roles.insert(object_key(kind, &object.namespace, &object.name), rules.clone());
            }
            forgotten
        }
        _ => 0,
    };
    if forgotten > 0 {
        site.hands.pressure.add("inventory.objects", forgotten);
    }
}

/// Takes in a workload. `by` is who wrote it, and whether that makes him its writer.
fn workload(site: &mut Site<'_, '_>, object: &Object, by: Option<(&Arc<Who>, bool)>, made: bool, whole: bool) {
    let now = site.event.time;
    let key = object_key(&object.kind, &object.namespace, &object.name);
    let fresh = !site.cluster.workloads.contains_key(&key);
    // Only the word of the controller that makes such things counts for who owns it; a list is the server's own.
    let owner = object.owner.as_ref().filter(|owner| by.is_none_or(|(who, _)| who.makes_for(&owner.kind)));
    let owner = owner.map(|owner| object_key(&owner.kind, &object.namespace, &owner.name));
    let known = site.cluster.workload_mut(&key);
    if made && known.gone.is_some() {
        *known = Workload::default();
    }
    known.gone = None;
    if let Some(created) = object.created {
        known.created = Some(created);
    } else if made && known.created.is_none() {
        known.created = Some(now);
    }
    if fresh && !made {
        known.stood = true;
    }
    if let Some(owner) = owner.filter(|owner| *owner != key) {
        known.owner = owner;
    }
    if let Some((who, true)) = by
        && !who.is_machinery()
    {
        if made {
            known.creator = Some(who.clone());
        }
        known.writer = Some(who.clone());
    }
    let settled = fresh && !made && known.created.is_some();
    if let Body::Workload(spec) = &object.body {
        described(known, spec, (made, whole, by.is_some_and(|(who, counts)| counts && !who.is_machinery())), now);
    }
    if settled {
        super::cluster_parts::resettle(site, &key);
    }
}

/// Takes in what a workload's record says of its pods: whether it is new, holds the whole template, and is a writer's.
fn described(known: &mut Workload, spec: &WorkloadSpec, (made, whole, written): (bool, bool, bool), now: event::Time) {
    if let Some(replicas) = spec.replicas {
        if let Some(before) = known.replicas.filter(|before| replicas > *before && !made) {
            known.raised = Some((now, before));
        }
        known.replicas = Some(replicas);
    }
    if let Some(template) = &spec.template
        && whole
    {
        let hash = template_hash(spec, template);
        if known.template != 0 && known.template != hash {
            known.changed = Some(now);
        } else if known.template == 0 && !made && written && known.stood {
            // What it was before is not known; a writer wrote it now.
            known.changed = Some(now);
        }
        known.template = hash;
    }
}

/// What makes one template another: the containers and what they may do.
fn template_hash(spec: &WorkloadSpec, template: &PodSpec) -> u64 {
    let text = format!("{:?} {:?}", template, spec.node_selector);
    identity_of(&[text.as_bytes()]) as u64 | 1
}

/// An object is gone.
pub(super) fn deleted(site: &mut Site<'_, '_>, object: &Object, who: Option<&Arc<Who>>) {
    let cluster = &mut *site.cluster;
    match object.kind.as_str() {
        "Pod" => pods::deleted(site, object, who),
        "Namespace" => {
            let namespace = cluster.namespaces.entry(object.name.clone()).or_default();
            namespace.deleted = true;
        }
        "NetworkPolicy" => drop(cluster.policies.shift_remove(&place(&object.namespace, &object.name))),
        "Node" => drop(cluster.nodes.shift_remove(&object.name)),
        kind @ ("Role" | "ClusterRole") => drop(cluster.roles.shift_remove(&object_key(kind, &object.namespace, &object.name))),
        kind if WORKLOADS.contains(&kind) => {
            let now = site.event.time;
            if let Some(workload) = cluster.workloads.get_mut(&object_key(kind, &object.namespace, &object.name)) {
                workload.gone = Some(now);
            }
        }
        _ => {}
    }
}

/// A complete list of one kind.
pub(super) fn listed(site: &mut Site<'_, '_>, list: &ObjectList) {
    let at_start = site.cluster.listed.len() < KINDS_MAX && site.cluster.listed.insert(list.kind.clone());
    if list.kind == "Pod" {
        pods::listed(site, &list.items, at_start);
        site.host.containers_listed = true;
        site.hands.say(Step::Listed { what: Listed::Containers, at_start });
        return;
    }
    let there: BTreeSet<SmolStr> = list.items.iter().map(|object| key_of(&list.kind, object)).collect();
    for object in &list.items {
        let object = Object { kind: list.kind.clone(), ..object.clone() };
        shown(site, &object, None, false);
    }
    let cluster = &mut *site.cluster;
    match list.kind.as_str() {
        "Namespace" => cluster.namespaces.retain(|name, _| there.contains(name)),
        "NetworkPolicy" => cluster.policies.retain(|name, _| there.contains(name)),
        "Node" => cluster.nodes.retain(|name, _| there.contains(name)),
        "Role" | "ClusterRole" => {
            let prefix = format_smolstr!("{}:", list.kind);
            cluster.roles.retain(|key, _| !key.starts_with(prefix.as_str()) || there.contains(key));
        }
        _ => {}
    }
}

/// Kinds whose first list is remembered.
const KINDS_MAX: usize = 64;

fn key_of(kind: &str, object: &Object) -> SmolStr {
    match kind {
        "Namespace" | "Node" => object.name.clone(),
        "NetworkPolicy" => place(&object.namespace, &object.name),
        _ => object_key(kind, &object.namespace, &object.name),
    }
}

/// A node came or went.
pub(super) fn node(site: &mut Site<'_, '_>, request: &ApiRequest) {
    match request.verb.as_str() {
        "create" | "update" | "patch" if !request.name.is_empty() => {
            bounded(&mut site.cluster.nodes);
            site.cluster.nodes.insert(request.name.clone(), site.event.time);
        }
        "delete" => drop(site.cluster.nodes.shift_remove(&request.name)),
        _ => {}
    }
}

/// A token was minted.
pub(super) fn minted(site: &mut Site<'_, '_>, request: &ApiRequest, who: &Arc<Who>) {
    if request.verb != "create" || request.issued_credential.is_empty() {
        return;
    }
    bounded(&mut site.cluster.tokens);
    let minted = Minted { by: who.clone(), account: place(&request.namespace, &request.name), at: site.event.time };
    site.cluster.tokens.insert(request.issued_credential.clone(), minted);
}
