//! A cluster: what its API server holds, as far as anything is judged by it.
//!
//! It is learned from requests (audit) and from objects (list and watch). A pod's containers are ordinary containers of the host; here is what binds them
//! together, who made them, and which policies, labels and roles stand around them.

use crate::id::Id;
use crate::who::Who;
use event::kubernetes::{ContainerSort, NetworkPolicySpec, RoleRule};
use event::{SmolStr, Span, Time};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use smol_str::format_smolstr;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Pods that are remembered, those gone lately included.
pub const PODS_MAX: usize = if cfg!(test) { 800 } else { 100_000 };
/// How long one that is gone is remembered.
pub const GONE_KEEP: Span = Span::minutes(10);
/// Workloads, namespaces, policies, roles, nodes and tokens that are remembered, of each.
pub const OBJECTS_MAX: usize = if cfg!(test) { 800 } else { 50_000 };
/// Requests that are remembered as done, so that a later stage does not act again.
pub(crate) const ACTED_MAX: usize = 16_384;
/// Creations of pods without a name that wait to be recognised.
pub(crate) const UNNAMED_MAX: usize = 1_024;
/// Runtimes' ids that are remembered of one pod.
const RUNTIME_IDS_MAX: usize = 64;
/// How long a workload must have stood before what its controller makes counts as owned: the window in which creations are counted.
pub const STOOD: Span = Span::seconds(60);
/// A number of pods that is raised by as much as this, with another template, is no ordinary growth.
const MANY_TIMES: i64 = 4;
const MANY_MORE: i64 = 16;
/// Within this time a raised number of pods and a new template are one act.
pub const REPLICAS_LATELY: Span = Span::minutes(10);

/// A cluster.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Cluster {
    /// Namespaces by name.
    pub namespaces: IndexMap<SmolStr, Namespace>,
    /// Pods by `namespace/name`.
    pub pods: IndexMap<SmolStr, Pod>,
    /// What makes pods, by `Kind:namespace/name`.
    pub workloads: IndexMap<SmolStr, Workload>,
    /// Network policies by `namespace/name`.
    pub policies: IndexMap<SmolStr, Policy>,
    /// Roles by `Role:namespace/name` and `ClusterRole:name`.
    pub roles: IndexMap<SmolStr, Vec<RoleRule>>,
    /// Nodes that were heard of.
    pub nodes: IndexMap<SmolStr, Time>,
    /// Tokens by the credential that a request says; who had them minted.
    pub tokens: IndexMap<SmolStr, Minted>,
    pub(crate) by_uid: BTreeMap<SmolStr, SmolStr>,
    pub(crate) by_address: BTreeMap<SmolStr, SmolStr>,
    /// A runtime's own id → the pod's container; `None` when two pods claim it.
    pub(crate) aliases: BTreeMap<Id, Option<Id>>,
    /// Pods that are gone, in the order in which they are forgotten.
    pub(crate) gone: VecDeque<(Time, SmolStr)>,
    /// Creations whose name the record does not say: namespace, container that stands for them, time, who.
    pub(crate) unnamed: VecDeque<(SmolStr, Id, Time)>,
    /// Requests that have acted.
    pub(crate) acted: IndexMap<u128, ()>,
    /// Long ones among them, whose last stage may come hours later.
    pub(crate) acted_long: IndexMap<u128, ()>,
    /// Kinds whose complete list has been seen.
    pub(crate) listed: BTreeSet<SmolStr>,
}

/// A namespace.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Namespace {
    /// Labels, as far as they are known.
    pub labels: Vec<(SmolStr, SmolStr)>,
    /// A record said its labels.
    pub known: bool,
    /// It is being deleted.
    pub deleted: bool,
}

/// A network policy.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Policy {
    /// Namespace.
    pub namespace: SmolStr,
    /// Name.
    pub name: SmolStr,
    /// What it says; `None` when the record that told of it did not hold it.
    pub spec: Option<NetworkPolicySpec>,
}

/// A pod.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Pod {
    /// Namespace.
    pub namespace: SmolStr,
    /// Name.
    pub name: SmolStr,
    /// Unique id; empty while unknown.
    pub uid: SmolStr,
    /// Labels.
    pub labels: Vec<(SmolStr, SmolStr)>,
    /// A record said its labels and containers.
    pub known: bool,
    /// Addresses.
    pub addresses: Vec<SmolStr>,
    /// It is on the node's own network.
    pub host_network: bool,
    /// Named ports of its containers: (name, protocol, port).
    pub named_ports: Vec<(SmolStr, SmolStr, u16)>,
    /// Node that it is bound to.
    pub node: SmolStr,
    /// Service account.
    pub service_account: SmolStr,
    /// Phase.
    pub phase: SmolStr,
    /// It is the API's picture of a static pod.
    pub mirror: bool,
    /// The workload it belongs to, as `Kind:namespace/name`, where its controller said so.
    pub owner: SmolStr,
    /// What made it, where that said so itself: the ReplicaSet or Job below that workload.
    pub(crate) maker: SmolStr,
    /// Its containers: name in the pod, sort, and id in the host.
    pub containers: Vec<(SmolStr, ContainerSort, Id)>,
    /// What runtimes call them.
    pub(crate) runtime_ids: Vec<Id>,
    /// When it was deleted, or ended for good.
    pub gone: Option<Time>,
}

/// What makes pods.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Workload {
    /// Since when it stands, as the server says; `None` while unknown.
    pub created: Option<Time>,
    /// It was there when a record first told of it.
    pub stood: bool,
    /// Who wrote it first, where that was seen.
    pub creator: Option<Arc<Who>>,
    /// Who wrote it last, controllers of the control plane aside.
    pub writer: Option<Arc<Who>>,
    /// The workload above it, where its controller said so.
    pub owner: SmolStr,
    /// Wanted number of pods.
    pub replicas: Option<i64>,
    /// When that number was last raised by a writer: time, and the number before.
    pub raised: Option<(Time, i64)>,
    /// A hash of its pods' template, and since when it is that.
    pub template: u64,
    /// When the template became another.
    pub changed: Option<Time>,
    /// It is gone.
    pub gone: Option<Time>,
}

/// A token that was minted on request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Minted {
    /// Who asked for it.
    pub by: Arc<Who>,
    /// Of which service account, as `namespace/name`.
    pub account: SmolStr,
    /// When.
    pub at: Time,
}

/// What a pod's container has beyond any container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PodPart {
    /// Namespace.
    pub namespace: SmolStr,
    /// Pod's name.
    pub pod: SmolStr,
    /// Pod's unique id; empty while unknown.
    pub uid: SmolStr,
    /// Container's name in the pod; empty while unknown.
    pub name: SmolStr,
    /// Its sort.
    pub sort: ContainerSort,
    /// Node.
    pub node: SmolStr,
    /// The pod's service account.
    pub service_account: SmolStr,
    /// Workload, as `Kind:namespace/name`, where its controller said so; else empty.
    pub owner: SmolStr,
    /// Who last wrote that workload.
    pub owner_writer: Option<Arc<Who>>,
    /// Who asked for it to be made.
    pub creator: Option<Arc<Who>>,
    /// A controller made it for a workload that had stood before, and that was not made larger and other at once.
    pub owned: bool,
    /// It is in the API's picture of a static pod.
    pub mirror: bool,
    /// Registry digest of its image (`sha256:…`), where the reference or the status says it.
    pub digest: SmolStr,
    /// It stands for its pod where pods are counted.
    pub counts: bool,
}

impl PodPart {
    /// Who is behind it: the writer of its workload, where its controller said whose it is; else who asked for it.
    pub fn behind(&self) -> Option<&Arc<Who>> {
        self.owner_writer.as_ref().or(self.creator.as_ref())
    }

    /// What stays when it is made anew.
    pub fn workload(&self) -> SmolStr {
        match self.owner.split_once(':') {
            // What a Deployment or CronJob makes in between has an ending of its own, as its pods do.
            Some((kind, place)) if !matches!(kind, "ReplicaSet" | "Job") => format_smolstr!("k8s:{place}/{}", self.name),
            _ => format_smolstr!("k8s:{}/{}/{}", self.namespace, crate::owner::pod_stem(&self.pod), self.name),
        }
    }
}

/// `namespace/name`.
pub fn place(namespace: &str, name: &str) -> SmolStr {
    format_smolstr!("{namespace}/{name}")
}

impl Cluster {
    /// A pod that exists.
    pub fn pod(&self, namespace: &str, name: &str) -> Option<&Pod> {
        self.pods.get(&place(namespace, name)).filter(|pod| pod.gone.is_none())
    }

    /// A pod by its unique id.
    pub fn pod_by_uid(&self, uid: &str) -> Option<&Pod> {
        self.pods.get(self.by_uid.get(uid)?)
    }

    /// The pod that holds an address now.
    pub fn pod_at(&self, address: &str) -> Option<&Pod> {
        self.pods.get(self.by_address.get(address)?).filter(|pod| pod.gone.is_none())
    }

    /// Pods that exist.
    pub fn standing(&self) -> impl Iterator<Item = &Pod> {
        self.pods.values().filter(|pod| pod.gone.is_none())
    }

    /// A pod's container by what the runtime calls it.
    pub fn container_of(&self, runtime: &Id) -> Option<&Id> {
        self.aliases.get(runtime)?.as_ref()
    }

    /// A pod's container by the pod's unique id and the name in it.
    pub fn container_in(&self, uid: &str, name: &str) -> Option<&Id> {
        self.pod_by_uid(uid)?.containers.iter().find(|(known, _, _)| known == name).map(|(_, _, id)| id)
    }

    /// The topmost workload above one, as far as controllers said; bounded, since records may lie in circles.
    pub fn top<'a>(&'a self, key: &'a SmolStr) -> &'a SmolStr {
        let mut key = key;
        for _ in 0..4 {
            match self.workloads.get(key) {
                Some(workload) if !workload.owner.is_empty() => key = &workload.owner,
                _ => break,
            }
        }
        key
    }

    /// Whether what a controller makes for a workload now is ordinary: it, or one above it, had stood for a while, and was not lately made larger and other.
    pub fn is_settled(&self, key: &SmolStr, now: Time) -> bool {
        // A DaemonSet makes one for each node: however new it is, it is no crowd.
        if key.starts_with("DaemonSet:") {
            return true;
        }
        let mut key = key;
        let mut stood = false;
        for _ in 0..4 {
            let Some(workload) = self.workloads.get(key) else { break };
            let old = match workload.created {
                Some(created) => created + STOOD <= now,
                None => workload.stood,
            };
            stood |= old;
            let lately = |time: Time| time + REPLICAS_LATELY > now;
            let many = |before: i64| workload.replicas.is_some_and(|now| now >= before.max(1) * MANY_TIMES && now - before >= MANY_MORE);
            if workload.raised.is_some_and(|(time, before)| lately(time) && many(before)) && workload.changed.is_some_and(lately) {
                return false;
            }
            if workload.owner.is_empty() {
                break;
            }
            key = &workload.owner;
        }
        stood
    }

    /// The workload behind a request: of the pod that the token is bound to, else of the pod that holds the address.
    pub(crate) fn workload_behind(&self, pod: &str, address: &str) -> SmolStr {
        let pod = if pod.is_empty() { self.pod_at(address) } else { self.pods.get(pod) };
        match pod {
            Some(pod) if !pod.owner.is_empty() => pod.owner.clone(),
            Some(pod) => crate::who::object_key("Pod", &pod.namespace, &pod.name),
            None => SmolStr::default(),
        }
    }

    /// Notes a runtime's id of a container. Two pods that claim the same one have it both for nothing.
    pub(crate) fn alias(&mut self, key: &SmolStr, runtime: &SmolStr, id: &Id) {
        if runtime.is_empty() {
            return;
        }
        let runtime = Id::new(runtime);
        let known = self.aliases.entry(runtime.clone()).or_insert_with(|| Some(id.clone()));
        if known.as_ref() != Some(id) {
            *known = None;
        }
        if let Some(pod) = self.pods.get_mut(key).filter(|pod| !pod.runtime_ids.contains(&runtime)) {
            // A container that restarts has another one each time.
            if pod.runtime_ids.len() >= RUNTIME_IDS_MAX {
                let oldest = pod.runtime_ids.remove(0);
                self.aliases.remove(&oldest);
            }
            pod.runtime_ids.push(runtime);
        }
    }

    /// A workload's record, made when it is new.
    pub(crate) fn workload_mut(&mut self, key: &SmolStr) -> &mut Workload {
        if !self.workloads.contains_key(key) && self.workloads.len() >= OBJECTS_MAX {
            self.workloads.drain(..OBJECTS_MAX / 16);
        }
        self.workloads.entry(key.clone()).or_default()
    }

    /// Forgets pods that are gone, and the oldest when there are too many. Says how many of those that are not gone.
    pub(crate) fn bound(&mut self, now: Time) -> u64 {
        while self.gone.front().is_some_and(|(at, _)| *at + GONE_KEEP < now) {
            if let Some((_, key)) = self.gone.pop_front()
                && self.pods.get(&key).is_some_and(|pod| pod.gone.is_some_and(|gone| gone + GONE_KEEP < now))
            {
                self.forget_pod(&key);
            }
        }
        if self.pods.len() < PODS_MAX {
            return 0;
        }
        let oldest: Vec<SmolStr> = self.pods.keys().take(PODS_MAX / 16).cloned().collect();
        for key in &oldest {
            self.forget_pod(key);
        }
        oldest.len() as u64
    }

    fn forget_pod(&mut self, key: &SmolStr) {
        let Some(pod) = self.pods.shift_remove(key) else { return };
        if self.by_uid.get(&pod.uid) == Some(key) {
            self.by_uid.remove(&pod.uid);
        }
        self.release_addresses(key, &pod);
        for runtime in &pod.runtime_ids {
            self.aliases.remove(runtime);
        }
    }

    /// Lets go of a pod's addresses.
    pub(crate) fn release_addresses(&mut self, key: &SmolStr, pod: &Pod) {
        for address in &pod.addresses {
            if self.by_address.get(address) == Some(key) {
                self.by_address.remove(address);
            }
        }
    }
}

/// Keeps a map within its bound: the oldest sixteenth goes. Says how many went.
pub(crate) fn bounded<V>(map: &mut IndexMap<SmolStr, V>) -> u64 {
    if map.len() < OBJECTS_MAX {
        return 0;
    }
    map.drain(..OBJECTS_MAX / 16);
    (OBJECTS_MAX / 16) as u64
}
