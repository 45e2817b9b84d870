//! Pods: how they come, change and go, told in the same steps as an engine's containers.

use super::cluster::Site;
use super::cluster_parts::{self as parts, Making};
use crate::cluster::{Pod, UNNAMED_MAX, place};
use crate::id::Id;
use crate::step::{SeenBy, Step};
use crate::who::{Who, object_key};
use event::kubernetes::{ApiRequest, Body, ContainerSort, Object, PodContainer, PodSpec};
use event::{SmolStr, Span};
use smol_str::format_smolstr;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A creation without a name is recognised when its pod is heard of within this time.
const RECOGNISED: Span = Span::minutes(5);

/// A pod younger than this may be missing from a list that was taken while it was being made.
const YOUNG: Span = Span::seconds(10);

/// A request about pods that was done.
pub(super) fn asked(site: &mut Site<'_, '_>, request: &ApiRequest, who: &Arc<Who>) {
    // What a patch alone says is a part of the object, when the record does not hold the outcome.
    let object = request.object.as_deref().or(request.asked.as_deref());
    match (request.subresource.as_str(), request.verb.as_str()) {
        ("", "create") => created(site, request, who),
        ("", "update" | "patch") | ("resize", _) if request.object_final || request.verb != "patch" => {
            if let Some(object) = object.filter(|object| holds_pod(object)) {
                shown_by(site, object, Some(who), Seen::Standing);
            }
        }
        ("", "delete") | ("eviction", "create") => {
            let named =
                Object { namespace: request.namespace.clone(), name: request.name.clone(), uid: request.uid.clone(), ..Object::default() };
            let object = object.filter(|object| holds_pod(object)).unwrap_or(&named);
            deleted(site, object, Some(who));
        }
        ("", "deletecollection") => {
            for object in &request.items {
                deleted(site, object, Some(who));
            }
        }
        ("binding", "create") => {
            if let Some(Object { body: Body::Target(node), .. }) = object {
                bound(site, &request.namespace, &request.name, node);
            }
        }
        ("status", "update" | "patch") => {
            if let Some(Object { body: Body::Pod(spec), .. }) = object {
                let uid = object.map(|object| object.uid.clone()).filter(|uid| !uid.is_empty()).unwrap_or_else(|| request.uid.clone());
                status(site, &request.namespace, &request.name, &uid, spec);
            }
        }
        ("ephemeralcontainers", "update" | "patch") => ephemeral(site, request, who),
        ("exec" | "attach", _) => reached(site, request),
        _ => {}
    }
}

fn holds_pod(object: &Object) -> bool {
    matches!(&object.body, Body::Pod(spec) if !spec.status_only && !spec.containers.is_empty())
}

/// A pod is made.
fn created(site: &mut Site<'_, '_>, request: &ApiRequest, who: &Arc<Who>) {
    let empty = Object::default();
    let object = request.object.as_deref().unwrap_or(&empty);
    let name = if object.name.is_empty() { &request.name } else { &object.name };
    let uid = if object.uid.is_empty() { &request.uid } else { &object.uid };
    let making = Making::by(who);
    if name.is_empty() {
        // A name that the server chose, in a record without the answer: that something was made is known, and its name is heard later.
        let key = format_smolstr!("{}/?{}", request.namespace, request.audit_id);
        let pod = new_pod(site, &request.namespace, &SmolStr::default(), uid, object, Some(who));
        let spec = pod_spec(object);
        site.cluster.pods.insert(key.clone(), pod);
        let ids = parts::make(site, &key, &request.audit_id, spec, &making);
        if let Some(id) = ids.into_iter().next() {
            if site.cluster.unnamed.len() >= UNNAMED_MAX {
                site.cluster.unnamed.pop_front();
            }
            site.cluster.unnamed.push_back((request.namespace.clone(), id, site.event.time));
        }
        return;
    }
    let key = place(&request.namespace, name);
    if let Some(known) = site.cluster.pods.get(&key).filter(|pod| same(pod, uid) && pod.gone.is_none()) {
        // Another witness has told of it before; only the audit log says who made it.
        let ids: Vec<Id> = known.containers.iter().map(|(_, _, id)| id.clone()).collect();
        let fresh = new_pod(site, &request.namespace, name, uid, object, Some(who));
        parts::attribute(site, &ids, &fresh, who);
        return;
    }
    let pod = new_pod(site, &request.namespace, name, uid, object, Some(who));
    replace(site, &key, pod);
    parts::make(site, &key, "", pod_spec(object), &making);
}

fn pod_spec(object: &Object) -> Option<&PodSpec> {
    match &object.body {
        Body::Pod(spec) => Some(spec),
        _ => None,
    }
}

/// Whether a unique id may be this pod's.
fn same(pod: &Pod, uid: &str) -> bool {
    pod.uid.is_empty() || uid.is_empty() || pod.uid == uid
}

/// A pod's record from what an object says. What it says of its owner counts when that kind's controller wrote it.
fn new_pod(site: &Site<'_, '_>, namespace: &SmolStr, name: &SmolStr, uid: &SmolStr, object: &Object, who: Option<&Arc<Who>>) -> Pod {
    let mut pod = Pod { namespace: namespace.clone(), name: name.clone(), uid: uid.clone(), ..Pod::default() };
    describe(&mut pod, object);
    let owner = object.owner.as_ref().filter(|owner| owner.kind != "Node" && who.is_none_or(|who| who.makes_for(&owner.kind)));
    if let Some(owner) = owner {
        let key = object_key(&owner.kind, namespace, &owner.name);
        pod.owner = site.cluster.top(&key).clone();
        pod.maker = key;
    }
    pod
}

/// Takes in what an object says of a pod.
fn describe(pod: &mut Pod, object: &Object) {
    let Body::Pod(spec) = &object.body else { return };
    pod.mirror |= spec.mirror;
    if !spec.status_only {
        pod.labels.clone_from(&object.labels);
        pod.known = true;
        pod.host_network = spec.host_network;
        pod.named_ports = spec.containers.iter().flat_map(|part| part.named_ports.iter().cloned()).take(PORTS_MAX).collect();
        if !spec.service_account.is_empty() {
            pod.service_account = spec.service_account.clone();
        }
        if !spec.node.is_empty() {
            pod.node = spec.node.clone();
        }
    }
    if !spec.phase.is_empty() {
        pod.phase = spec.phase.clone();
    }
}

/// Named ports that are kept of one pod.
const PORTS_MAX: usize = 256;

/// Puts a pod's record in place of one that had the same name.
fn replace(site: &mut Site<'_, '_>, key: &SmolStr, pod: Pod) {
    if let Some(before) = site.cluster.pods.get(key).cloned() {
        // Its like was removed without our hearing of it, or has just been.
        for (_, _, id) in &before.containers {
            parts::remove(site, id, SeenBy::List, false);
        }
        site.cluster.release_addresses(key, &before);
        site.cluster.by_uid.remove(&before.uid);
    }
    if !pod.uid.is_empty() {
        site.cluster.by_uid.insert(pod.uid.clone(), key.clone());
    }
    if !site.cluster.namespaces.contains_key(&pod.namespace) {
        crate::cluster::bounded(&mut site.cluster.namespaces);
        site.cluster.namespaces.entry(pod.namespace.clone()).or_default();
    }
    site.cluster.pods.insert(key.clone(), pod);
}

/// How a pod that a record shows came to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// It stood there.
    Standing,
    /// It was made after watching began.
    Made,
}

/// A pod as list or watch shows it.
pub(super) fn shown(site: &mut Site<'_, '_>, object: &Object, fresh: bool) {
    let lately = match (object.created, site.host.watching_since) {
        (Some(created), Some(since)) => created.0 >= since.0,
        _ => false,
    };
    shown_by(site, object, None, if fresh && lately { Seen::Made } else { Seen::Standing });
}

fn shown_by(site: &mut Site<'_, '_>, object: &Object, who: Option<&Arc<Who>>, seen: Seen) {
    let Body::Pod(spec) = &object.body else { return };
    let key = site.recognise(&object.namespace, &object.name, &object.uid);
    let known = site.cluster.pods.get(&key).is_some_and(|pod| same(pod, &object.uid) && pod.gone.is_none());
    let gone = site.cluster.pods.get(&key).is_some_and(|pod| same(pod, &object.uid) && pod.gone.is_some());
    if gone {
        return;
    }
    if !known {
        let pod = new_pod(site, &object.namespace, &object.name, &object.uid, object, None);
        replace(site, &key, pod);
        let making = if seen == Seen::Made { Making::seen() } else { Making::standing(object.created) };
        parts::make(site, &key, "", Some(spec), &making);
    } else {
        if let Some(pod) = site.cluster.pods.get_mut(&key) {
            describe(pod, object);
        }
        parts::refresh(site, &key, spec, who, &BTreeSet::new());
    }
    place_of(site, &key, &object.uid, spec);
    parts::states(site, &key, spec);
}

/// Notes uid, node and addresses.
fn place_of(site: &mut Site<'_, '_>, key: &SmolStr, uid: &SmolStr, spec: &PodSpec) {
    let Some(pod) = site.cluster.pods.get(key).cloned() else { return };
    let mut now = pod.clone();
    if now.uid.is_empty() && !uid.is_empty() {
        now.uid = uid.clone();
        site.cluster.by_uid.insert(uid.clone(), key.clone());
    }
    let mut addresses = spec.addresses.clone();
    if !spec.address.is_empty() && !addresses.contains(&spec.address) {
        addresses.insert(0, spec.address.clone());
    }
    if !addresses.is_empty() && addresses != pod.addresses {
        site.cluster.release_addresses(key, &pod);
        addresses.truncate(ADDRESSES_MAX);
        now.addresses = addresses;
        if !now.host_network {
            for address in &now.addresses {
                site.cluster.by_address.insert(address.clone(), key.clone());
            }
        }
    }
    if !spec.node.is_empty() {
        now.node = spec.node.clone();
    }
    if !spec.phase.is_empty() {
        now.phase = spec.phase.clone();
    }
    site.cluster.pods.insert(key.clone(), now);
    parts::placed(site, key);
}

/// Addresses that are kept of one pod.
const ADDRESSES_MAX: usize = 16;

/// A pod is bound to a node.
fn bound(site: &mut Site<'_, '_>, namespace: &SmolStr, name: &SmolStr, node: &SmolStr) {
    let key = site.recognise(namespace, name, "");
    if let Some(pod) = site.cluster.pods.get_mut(&key) {
        pod.node = node.clone();
        parts::placed(site, &key);
    }
}

/// A kubelet says how a pod is.
fn status(site: &mut Site<'_, '_>, namespace: &SmolStr, name: &SmolStr, uid: &SmolStr, spec: &PodSpec) {
    let key = site.recognise(namespace, name, uid);
    match site.cluster.pods.get(&key) {
        Some(pod) if same(pod, uid) && pod.gone.is_some() => return,
        Some(pod) if same(pod, uid) => {}
        _ => {
            let mut pod = Pod { namespace: namespace.clone(), name: name.clone(), uid: uid.clone(), ..Pod::default() };
            pod.mirror = spec.mirror;
            replace(site, &key, pod);
            let unknown = PodSpec { status_only: true, ..spec.clone() };
            parts::make(site, &key, "", Some(&unknown), &Making::standing(None));
        }
    }
    parts::refresh(site, &key, &PodSpec { status_only: true, ..spec.clone() }, None, &BTreeSet::new());
    place_of(site, &key, uid, spec);
    parts::states(site, &key, spec);
}

/// A container is added to a pod that runs.
fn ephemeral(site: &mut Site<'_, '_>, request: &ApiRequest, who: &Arc<Who>) {
    let Some(object) = request.object.as_deref().or(request.asked.as_deref()) else { return };
    let Body::Pod(spec) = &object.body else { return };
    let key = site.recognise(&request.namespace, &request.name, &object.uid);
    let asked = request.asked.as_deref().and_then(pod_spec).map(|spec| &spec.containers);
    let named = |part: &PodContainer| asked.is_none_or(|asked| asked.iter().any(|asked| asked.spec.name == part.spec.name));
    let fresh: BTreeSet<SmolStr> = spec
        .containers
        .iter()
        .filter(|part| part.sort == ContainerSort::Ephemeral && part.state.is_empty() && named(part))
        .map(|part| part.spec.name.clone())
        .collect();
    if !site.cluster.pods.get(&key).is_some_and(|pod| same(pod, &object.uid) && pod.gone.is_none()) {
        let pod = new_pod(site, &request.namespace, &request.name, &object.uid, object, None);
        replace(site, &key, pod);
        let mut before = PodSpec::clone(spec);
        before.containers.retain(|part| !fresh.contains(&part.spec.name));
        if request.object_final {
            parts::make(site, &key, "", Some(&before), &Making::standing(object.created));
        }
    }
    parts::refresh(site, &key, spec, Some(who), &fresh);
    place_of(site, &key, &object.uid, spec);
    parts::states(site, &key, spec);
}

/// Somebody reached into a container: exec or attach.
fn reached(site: &mut Site<'_, '_>, request: &ApiRequest) {
    let key = site.recognise(&request.namespace, &request.name, "");
    if !site.cluster.pods.contains_key(&key) {
        let pod = Pod { namespace: request.namespace.clone(), name: request.name.clone(), ..Pod::default() };
        replace(site, &key, pod);
        let mut spec = PodSpec { status_only: true, ..PodSpec::default() };
        if !request.container.is_empty() {
            let mut part = PodContainer::default();
            part.spec.name = request.container.clone();
            spec.containers.push(part);
        }
        parts::make(site, &key, "", Some(&spec), &Making::standing(None));
    }
    let Some(pod) = site.cluster.pods.get(&key) else { return };
    // Without a name the first one is meant.
    let meant = pod.containers.iter().find(|(name, _, _)| *name == request.container && !name.is_empty());
    let first = || pod.containers.iter().find(|(_, sort, _)| *sort == ContainerSort::Regular).or(pod.containers.first());
    if let Some((_, _, id)) = meant.or_else(first) {
        let id = id.clone();
        site.hands.say(Step::Other { id });
    }
}

/// A pod is gone, or is being deleted: what runs in it ends.
pub(super) fn deleted(site: &mut Site<'_, '_>, object: &Object, who: Option<&Arc<Who>>) {
    let key = site.recognise(&object.namespace, &object.name, &object.uid);
    let known = site.cluster.pods.get(&key).is_some_and(|pod| same(pod, &object.uid));
    if !known && holds_pod(object) {
        // What it was is learned as it goes.
        shown_by(site, object, None, Seen::Standing);
    } else if !known {
        return;
    }
    // A controller that takes a pod away for another, or a kubelet that cleans up, disposes of nothing: when the process ended nobody says.
    gone(site, &key, who.is_some_and(|who| !who.is_machinery()));
}

/// It is gone; `ends` when whoever took it away ended what ran in it.
fn gone(site: &mut Site<'_, '_>, key: &SmolStr, ends: bool) {
    let (now, at) = (site.event.time, site.event.at);
    let Some(pod) = site.cluster.pods.get_mut(key).filter(|pod| pod.gone.is_none()) else { return };
    pod.gone = Some(now);
    let before = pod.clone();
    site.cluster.release_addresses(key, &before);
    site.cluster.gone.push_back((at, key.clone()));
    for (_, _, id) in &before.containers {
        parts::remove(site, id, SeenBy::Event, ends);
    }
}

/// A complete list of pods.
pub(super) fn listed(site: &mut Site<'_, '_>, items: &[Object], at_start: bool) {
    let now = site.event.time;
    for object in items {
        shown_by(site, object, None, if at_start { Seen::Standing } else { Seen::Made });
    }
    if at_start {
        return;
    }
    let there: BTreeSet<SmolStr> = items.iter().map(|object| place(&object.namespace, &object.name)).collect();
    let young = |site: &Site<'_, '_>, pod: &Pod| {
        pod.containers.iter().filter_map(|(_, _, id)| site.host.container(id)?.created).any(|created| created + YOUNG > now)
    };
    let missing: Vec<SmolStr> = site
        .cluster
        .pods
        .iter()
        .filter(|(key, pod)| pod.gone.is_none() && !pod.name.is_empty() && !there.contains(*key) && !young(site, pod))
        .map(|(key, _)| key.clone())
        .collect();
    for key in missing {
        gone(site, &key, false);
    }
}

impl Site<'_, '_> {
    /// The key of a pod that is named. One that was made without a name is recognised by the first that is heard of it.
    fn recognise(&mut self, namespace: &SmolStr, name: &SmolStr, uid: &str) -> SmolStr {
        let key = place(namespace, name);
        if self.cluster.pods.contains_key(&key) || self.cluster.unnamed.is_empty() || name.is_empty() {
            return key;
        }
        let now = self.event.time;
        self.cluster.unnamed.retain(|(_, _, at)| *at + RECOGNISED > now);
        let Some(position) = self.cluster.unnamed.iter().position(|(at, _, _)| at == namespace) else { return key };
        let Some((_, id, _)) = self.cluster.unnamed.remove(position) else { return key };
        let holds = |pod: &Pod| pod.containers.iter().any(|(_, _, known)| *known == id);
        let Some(old) = self.cluster.pods.iter().find(|(_, pod)| holds(pod)).map(|(key, _)| key.clone()) else { return key };
        if let Some(mut pod) = self.cluster.pods.shift_remove(&old) {
            pod.name = name.clone();
            if pod.uid.is_empty() && !uid.is_empty() {
                pod.uid = uid.into();
                self.cluster.by_uid.insert(pod.uid.clone(), key.clone());
            }
            self.cluster.pods.insert(key.clone(), pod);
            parts::named(self, &key);
        }
        key
    }
}
