//! A pod's containers: each is an ordinary container of the host, with the place that it has in its pod.

use super::cluster::Site;
use super::cluster_words::{digest, full_name, labels};
use super::containers;
use crate::cluster::{Pod, PodPart, STOOD};
use crate::container::{Container, Origin, State};
use crate::id::Id;
use crate::share::same_shape;
use crate::step::{SeenBy, Step};
use crate::who::Who;
use crate::witnesses::Teller;
use event::fact::{ContainerAction, ContainerEvent, ContainerSpec};
use event::kubernetes::{ContainerSort, PodContainer, PodSpec};
use event::{SmolStr, Time};
use smol_str::format_smolstr;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the runtime of a pod's containers is called, whatever the node's own is.
pub(crate) const RUNTIME: &str = "kubernetes";

/// Containers of one pod.
const PARTS_MAX: usize = 256;

/// How containers of a pod come to be.
pub(super) struct Making {
    /// They are new; else they stood there.
    fresh: bool,
    /// Who asked for them.
    who: Option<Arc<Who>>,
    /// When they were created, where they stood.
    created: Option<Time>,
}

impl Making {
    pub(super) fn by(who: &Arc<Who>) -> Making {
        Making { fresh: true, who: Some(who.clone()), created: None }
    }

    pub(super) fn seen() -> Making {
        Making { fresh: true, who: None, created: None }
    }

    pub(super) fn standing(created: Option<Time>) -> Making {
        Making { fresh: false, who: None, created }
    }
}

/// Makes the containers of a pod: one for each that the record shows, else one that stands for them.
pub(super) fn make(site: &mut Site<'_, '_>, key: &SmolStr, prefix: &str, spec: Option<&PodSpec>, making: &Making) -> Vec<Id> {
    let unknown = [PodContainer::default()];
    let shown = spec.map_or(&[][..], |spec| &spec.containers);
    let shown = if shown.is_empty() { &unknown[..] } else { shown };
    let described = spec.is_some_and(|spec| !spec.status_only);
    // Of a pod that is counted, one container is: the first that is neither a helper at the start nor a guest.
    let first = shown.iter().position(|part| part.sort == ContainerSort::Regular).unwrap_or(0);
    let mut ids = Vec::new();
    for (index, part) in shown.iter().take(PARTS_MAX).enumerate() {
        ids.push(one(site, key, prefix, part, described, index == first, making));
    }
    if first > 0 && first < ids.len() {
        ids.swap(0, first);
    }
    ids
}

#[allow(clippy::too_many_arguments)]
fn one(site: &mut Site<'_, '_>, key: &SmolStr, prefix: &str, part: &PodContainer, described: bool, counts: bool, making: &Making) -> Id {
    let Some(pod) = site.cluster.pods.get(key).cloned() else { return Id::new("") };
    let prefix = if !pod.uid.is_empty() {
        pod.uid.as_str()
    } else if prefix.is_empty() {
        key.as_str()
    } else {
        prefix
    };
    let name = if part.spec.name.is_empty() { "?" } else { part.spec.name.as_str() };
    let id = Id::Text(format_smolstr!("{prefix}/{name}"));
    if site.host.containers.contains_key(&id) {
        note(site, key, part, &id);
        return id;
    }
    let said = ContainerEvent {
        id: id.text(),
        action: ContainerAction::Create,
        name: full_name(&pod, &part.spec.name),
        image: part.spec.image.clone(),
        labels: labels(&pod, &part.spec.name),
        runtime: SmolStr::new_static(RUNTIME),
        division: SmolStr::default(),
        pod: pod.uid.clone(),
        spec: None,
    };
    if making.fresh {
        containers::happened(site.host, site.event, &said, site.hands);
    } else {
        let labels = site.hands.share.labels(&said.labels);
        let container = Container {
            name: said.name.clone(),
            image: site.hands.share.text(&said.image),
            labels,
            created: making.created,
            told_by: Teller::of(&said),
            ..Container::new(id.clone(), Origin::Preexisting)
        };
        site.host.insert(container, site.hands.pressure);
        site.host.judge_role(&id, site.hands.context);
        site.hands.say(Step::Found { id: id.clone() });
    }
    let settled = !pod.maker.is_empty()
        && if site.cluster.workloads.contains_key(&pod.maker) {
            site.cluster.is_settled(&pod.maker, site.event.time)
        } else {
            // Its own creation would have been seen, had it come since watching began.
            pod.maker.starts_with("DaemonSet:") || site.host.watching_since.is_some_and(|since| since + STOOD <= site.event.time)
        };
    let place = PodPart {
        namespace: pod.namespace.clone(),
        pod: pod.name.clone(),
        uid: pod.uid.clone(),
        name: part.spec.name.clone(),
        sort: part.sort,
        node: pod.node.clone(),
        service_account: pod.service_account.clone(),
        owner: pod.owner.clone(),
        owner_writer: writer_of(site, &pod),
        creator: making.who.clone(),
        owned: settled && part.sort != ContainerSort::Ephemeral,
        mirror: pod.mirror,
        digest: digest(&part.spec),
        counts: counts || part.sort == ContainerSort::Ephemeral,
    };
    if let Some(container) = site.host.containers.get_mut(&id) {
        container.pod = Some(Box::new(place));
    }
    note(site, key, part, &id);
    if described && !part.spec.name.is_empty() {
        inspect(site, &pod, part, &id);
    }
    id
}

/// Who last wrote the workload that a pod belongs to.
fn writer_of(site: &Site<'_, '_>, pod: &Pod) -> Option<Arc<Who>> {
    site.cluster.workloads.get(&pod.owner)?.writer.clone()
}

/// Binds a container to its pod's record, and its runtime's id to it.
fn note(site: &mut Site<'_, '_>, key: &SmolStr, part: &PodContainer, id: &Id) {
    if let Some(pod) = site.cluster.pods.get_mut(key)
        && !pod.containers.iter().any(|(_, _, known)| known == id)
        && pod.containers.len() < PARTS_MAX
    {
        pod.containers.push((part.spec.name.clone(), part.sort, id.clone()));
    }
    site.cluster.alias(key, &part.spec.id, id);
}

/// What a container is, from the pod's spec. Image ids are of one node's runtime, and mostly registry digests: those are kept apart.
fn inspect(site: &mut Site<'_, '_>, pod: &Pod, part: &PodContainer, id: &Id) {
    let mut spec = part.spec.clone();
    spec.id = id.text();
    spec.name = full_name(pod, &part.spec.name);
    spec.labels = labels(pod, &part.spec.name);
    spec.image_id = SmolStr::default();
    spec.created = None;
    spec.restart_count = part.spec.restart_count;
    if spec.status.is_empty() {
        spec.status = SmolStr::new_static(match part.state.as_str() {
            "running" => "running",
            "terminated" => "exited",
            "waiting" => "created",
            _ => "",
        });
    }
    let known = site.host.container(id).and_then(Container::shape);
    if known.is_some_and(|shape| same_shape(shape, &spec)) {
        return;
    }
    containers::inspected(site.host, site.event, &spec, site.hands);
}

/// Takes in what a record shows of the containers of a known pod: new ones are made, known ones looked at again. Those in `fresh` are new for certain.
pub(super) fn refresh(site: &mut Site<'_, '_>, key: &SmolStr, spec: &PodSpec, who: Option<&Arc<Who>>, fresh: &BTreeSet<SmolStr>) {
    adopt(site, key, spec);
    for part in spec.containers.iter().take(PARTS_MAX) {
        let Some(pod) = site.cluster.pods.get(key) else { return };
        let known = pod.containers.iter().find(|(name, _, _)| *name == part.spec.name).map(|(_, _, id)| id.clone());
        match known {
            Some(id) => {
                let pod = pod.clone();
                site.cluster.alias(key, &part.spec.id, &id);
                let digest = digest(&part.spec);
                if let Some(place) = site.host.containers.get_mut(&id).and_then(|container| container.pod.as_mut())
                    && !digest.is_empty()
                {
                    place.digest = digest;
                }
                if !spec.status_only {
                    inspect(site, &pod, part, &id);
                }
            }
            None => {
                let new = fresh.contains(&part.spec.name) || part.sort == ContainerSort::Ephemeral && part.state.is_empty();
                let counts = part.sort == ContainerSort::Ephemeral;
                let making = Making { fresh: new, who: who.filter(|_| new).cloned(), created: None };
                one(site, key, "", part, !spec.status_only, counts, &making);
            }
        }
    }
}

/// The container that stood for a pod whose containers were unknown turns out to be its first.
fn adopt(site: &mut Site<'_, '_>, key: &SmolStr, spec: &PodSpec) {
    let Some(first) = spec.containers.iter().find(|part| part.sort == ContainerSort::Regular && !part.spec.name.is_empty()) else { return };
    let Some(pod) = site.cluster.pods.get_mut(key) else { return };
    let Some(slot) = pod.containers.iter_mut().find(|(name, _, _)| name.is_empty()) else { return };
    slot.0 = first.spec.name.clone();
    slot.1 = first.sort;
    let id = slot.2.clone();
    let name = full_name(pod, &first.spec.name);
    let image = site.hands.share.text(&first.spec.image);
    if let Some(container) = site.host.containers.get_mut(&id) {
        container.name = name;
        if container.image.is_empty() {
            container.image = image;
        }
        if let Some(place) = &mut container.pod {
            place.name = first.spec.name.clone();
        }
    }
}

/// What the status says of each container's state moves it.
pub(super) fn states(site: &mut Site<'_, '_>, key: &SmolStr, spec: &PodSpec) {
    let Some(pod) = site.cluster.pods.get(key).filter(|pod| pod.gone.is_none()) else { return };
    let known: Vec<(SmolStr, Id)> = pod.containers.iter().map(|(name, _, id)| (name.clone(), id.clone())).collect();
    let over = matches!(spec.phase.as_str(), "Succeeded" | "Failed");
    for (name, id) in &known {
        let part = spec.containers.iter().find(|part| part.spec.name == *name);
        let state = match part.map(|part| part.state.as_str()) {
            None | Some("") if over => "terminated",
            Some(state) => state,
            None => continue,
        };
        let said = part.map(|part| &part.spec);
        match state {
            "running" => running(site, id, said),
            "terminated" => ended(site, id, said),
            _ => {}
        }
    }
}

fn running(site: &mut Site<'_, '_>, id: &Id, said: Option<&ContainerSpec>) {
    let Some(container) = site.host.container(id).filter(|container| container.exists()) else { return };
    let started = said.and_then(|spec| spec.started);
    // A restart shows in the count, or in another time of start.
    let again =
        container.runs() && started.is_some_and(|now| container.started.is_some_and(|before| now.0 > before.0.saturating_add(NEWER)));
    if container.runs() && !again {
        return;
    }
    happen(site, id, ContainerAction::Start);
    if let (Some(started), Some(container)) = (started, site.host.containers.get_mut(id)) {
        container.started = Some(started);
    }
}

/// The status has whole seconds: a start that is later by more than that is another one.
const NEWER: i64 = 1_000_000_000;

fn ended(site: &mut Site<'_, '_>, id: &Id, said: Option<&ContainerSpec>) {
    let Some(container) = site.host.container(id).filter(|container| container.exists()) else { return };
    if container.state == State::Exited {
        return;
    }
    let (started, finished) = (said.and_then(|spec| spec.started), said.and_then(|spec| spec.finished));
    if !container.ever_started() && started.is_some() {
        // It ran and ended between two looks of the kubelet.
        happen(site, id, ContainerAction::Start);
        if let Some(container) = site.host.containers.get_mut(id) {
            container.started = started;
        }
    }
    if said.is_some_and(|spec| spec.oom_killed) {
        happen(site, id, ContainerAction::Oom);
    }
    happen(site, id, ContainerAction::Die { exit_code: said.and_then(|spec| spec.exit_code) });
    if let (Some(finished), Some(container)) = (finished, site.host.containers.get_mut(id)) {
        container.ended = Some(finished);
        container.started = container.started.map(|before| before.min(finished));
    }
}

/// Tells what happened to a container in the words of an engine.
fn happen(site: &mut Site<'_, '_>, id: &Id, action: ContainerAction) {
    let said = ContainerEvent {
        id: id.text(),
        action,
        name: SmolStr::default(),
        image: SmolStr::default(),
        labels: Vec::new(),
        runtime: SmolStr::new_static(RUNTIME),
        division: SmolStr::default(),
        pod: SmolStr::default(),
        spec: None,
    };
    containers::happened(site.host, site.event, &said, site.hands);
}

/// It is gone with its pod. With `ends` its process has ended with it, though nobody says how.
pub(super) fn remove(site: &mut Site<'_, '_>, id: &Id, by: SeenBy, ends: bool) {
    let Some(container) = site.host.container(id).filter(|container| container.exists()) else { return };
    if container.runs() && ends {
        happen(site, id, ContainerAction::Die { exit_code: None });
    }
    containers::removed(site.host, site.event, id, by, site.hands);
}

/// The pod's node, uid and phase became known.
pub(super) fn placed(site: &mut Site<'_, '_>, key: &SmolStr) {
    let Some(pod) = site.cluster.pods.get(key) else { return };
    for (_, _, id) in &pod.containers {
        if let Some(place) = site.host.containers.get_mut(id).and_then(|container| container.pod.as_mut()) {
            place.node = pod.node.clone();
            place.mirror |= pod.mirror;
            if place.uid.is_empty() {
                place.uid = pod.uid.clone();
            }
        }
    }
}

/// The pod's name became known.
pub(super) fn named(site: &mut Site<'_, '_>, key: &SmolStr) {
    let Some(pod) = site.cluster.pods.get(key) else { return };
    for (name, _, id) in &pod.containers {
        let Some(container) = site.host.containers.get_mut(id) else { continue };
        container.name = full_name(pod, name);
        if let Some(place) = &mut container.pod {
            place.pod = pod.name.clone();
        }
    }
}

/// A workload became known, and since when it stands: what its controller had made for it before that was known is owned too.
pub(super) fn resettle(site: &mut Site<'_, '_>, key: &SmolStr) {
    let Some(since) = site.cluster.workloads.get(key).and_then(|workload| workload.created) else { return };
    if site.cluster.pods.len() > RESETTLE_MAX {
        return;
    }
    for pod in site.cluster.pods.values().filter(|pod| pod.maker == *key && pod.gone.is_none()) {
        for (_, sort, id) in &pod.containers {
            let Some(container) = site.host.containers.get_mut(id) else { continue };
            let after = container.created.is_some_and(|created| since + STOOD <= created);
            if let Some(place) = container.pod.as_mut().filter(|_| after && *sort != ContainerSort::Ephemeral) {
                place.owned = true;
            }
        }
    }
}

/// Pods of a cluster in which those of one workload are still looked for one by one.
const RESETTLE_MAX: usize = 5_000;

/// Says who made containers that another witness has told of before.
pub(super) fn attribute(site: &mut Site<'_, '_>, ids: &[Id], pod: &Pod, who: &Arc<Who>) {
    let writer = writer_of(site, pod);
    for id in ids {
        if let Some(place) = site.host.containers.get_mut(id).and_then(|container| container.pod.as_mut()) {
            place.creator.get_or_insert_with(|| who.clone());
            if place.owner.is_empty() {
                place.owner = pod.owner.clone();
            }
            if place.owner_writer.is_none() {
                place.owner_writer = writer.clone();
            }
        }
    }
}
