//! What a cluster declares, kept: policies, labels of namespaces, and pods in groups that policies cannot tell apart.

use super::block::Spot;
use super::{Declared, Pod, Policy};
use event::SmolStr;
use event::kubernetes::{Body, NetworkPolicySpec, Object, PodSpec};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Labels, in order of their keys.
pub type Pairs = Vec<(SmolStr, SmolStr)>;

/// Policies that are kept.
const POLICIES_MAX: usize = 16_384;
/// Namespaces that are kept.
const NAMESPACES_MAX: usize = 65_536;
/// Pods that are kept.
const PODS_MAX: usize = 200_000;

/// Labels by which controllers number what they make. They would make each pod a group of its own, and no policy that people write names them.
const NUMBERING: [&str; 7] = [
    "pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "controller-uid",
    "batch.kubernetes.io/controller-uid",
];

/// A pod, as far as policies look at it; the same for all pods of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Member {
    /// Namespace.
    pub namespace: SmolStr,
    /// Labels without those that only number.
    pub labels: Pairs,
    /// Named ports.
    pub ports: Vec<(SmolStr, SmolStr, u16)>,
    /// On the node's network.
    pub host_network: bool,
    /// What a reader calls it: `namespace/workload`.
    pub label: SmolStr,
}

impl Member {
    /// As the evaluator takes it.
    pub fn pod(&self) -> Pod<'_> {
        Pod { namespace: &self.namespace, labels: &self.labels, address: None, ports: &self.ports, host_network: self.host_network }
    }
}

/// Everything that is declared in one cluster.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Kept {
    /// Labels of namespaces.
    pub namespaces: BTreeMap<SmolStr, Pairs>,
    /// Policies by (namespace, name).
    pub policies: BTreeMap<(SmolStr, SmolStr), Arc<NetworkPolicySpec>>,
    /// Pods by (namespace, name).
    pods: BTreeMap<(SmolStr, SmolStr), Held>,
    /// How many pods each group has.
    groups: BTreeMap<Arc<Member>, usize>,
    /// A complete list of policies has been seen, so what is declared is known.
    pub policies_listed: bool,
}

/// One pod.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Held {
    member: Arc<Member>,
    address: Option<SmolStr>,
}

impl Kept {
    /// As the evaluator takes it.
    pub fn declared(&self) -> Declared<'_> {
        Declared {
            namespaces: self.namespaces.iter().map(|(name, labels)| (name.as_str(), labels.as_slice())).collect(),
            policies: self.policies.iter().map(|((namespace, name), spec)| Policy { namespace, name, spec }).collect(),
        }
    }

    /// The groups, with how many pods each has.
    pub fn groups(&self) -> impl Iterator<Item = (&Arc<Member>, usize)> {
        self.groups.iter().map(|(member, count)| (member, *count))
    }

    /// A pod, with its address.
    pub fn pod(&self, namespace: &str, name: &str) -> Option<(&Arc<Member>, Option<Spot>)> {
        let held = self.pods.get(&(SmolStr::new(namespace), SmolStr::new(name)))?;
        Some((&held.member, held.address.as_ref().and_then(|text| text.parse().ok()).map(Spot::of)))
    }

    /// Takes a namespace's labels; gives those before.
    pub fn namespace(&mut self, name: &SmolStr, labels: &Pairs) -> Option<Pairs> {
        if !self.namespaces.contains_key(name) && self.namespaces.len() >= NAMESPACES_MAX {
            self.namespaces.pop_first();
        }
        self.namespaces.insert(name.clone(), sorted(labels))
    }

    /// Takes a policy; gives the one before.
    pub fn policy(&mut self, namespace: &SmolStr, name: &SmolStr, spec: &NetworkPolicySpec) -> Option<Arc<NetworkPolicySpec>> {
        if self.policies.len() >= POLICIES_MAX {
            self.policies.pop_first();
        }
        self.policies.insert((namespace.clone(), name.clone()), Arc::new(spec.clone()))
    }

    /// Takes a pod's object; gives what it was and is, when it was there already and policies now see it otherwise. A status alone tells only the address.
    pub fn pod_seen(&mut self, object: &Object, spec: &PodSpec) -> Option<(Arc<Member>, Arc<Member>)> {
        if object.name.is_empty() {
            return None;
        }
        let key = (object.namespace.clone(), object.name.clone());
        if matches!(spec.phase.as_str(), "Succeeded" | "Failed") {
            self.pod_gone(&key.0, &key.1);
            return None;
        }
        if spec.status_only {
            if let Some(held) = self.pods.get_mut(&key).filter(|_| !spec.address.is_empty()) {
                held.address = Some(spec.address.clone());
            }
            return None;
        }
        if !self.pods.contains_key(&key)
            && self.pods.len() >= PODS_MAX
            && let Some((old, _)) = self.pods.pop_first()
        {
            self.pod_gone(&old.0, &old.1);
        }
        let mut labels = object.labels.clone();
        labels.retain(|(name, _)| !NUMBERING.contains(&name.as_str()));
        let mut ports: Vec<_> = spec.containers.iter().flat_map(|container| container.named_ports.iter().cloned()).collect();
        ports.sort();
        let member = Member {
            namespace: object.namespace.clone(),
            labels: sorted(&labels),
            ports,
            host_network: spec.host_network,
            label: label(object),
        };
        let member = match self.groups.get_key_value(&member) {
            Some((known, _)) => known.clone(),
            None => Arc::new(member),
        };
        *self.groups.entry(member.clone()).or_default() += 1;
        let address = Some(spec.address.clone()).filter(|text| !text.is_empty());
        let held = Held { member: member.clone(), address };
        let before = self.pods.insert(key, held)?;
        self.leave(&before.member);
        (before.member != member).then_some((before.member, member))
    }

    /// A pod is gone.
    pub fn pod_gone(&mut self, namespace: &SmolStr, name: &SmolStr) {
        if let Some(held) = self.pods.remove(&(namespace.clone(), name.clone())) {
            self.leave(&held.member);
        }
    }

    /// A namespace is gone, with all that is in it.
    pub fn namespace_gone(&mut self, name: &SmolStr) {
        self.namespaces.remove(name);
        self.policies.retain(|(namespace, _), _| namespace != name);
        let gone: Vec<_> = self.pods.keys().filter(|(namespace, _)| namespace == name).cloned().collect();
        for (namespace, name) in gone {
            self.pod_gone(&namespace, &name);
        }
    }

    /// A complete list of one kind: what is not on it is gone.
    pub fn listed(&mut self, kind: &str, items: &[Object]) {
        let there: std::collections::BTreeSet<(&SmolStr, &SmolStr)> = items.iter().map(|item| (&item.namespace, &item.name)).collect();
        match kind {
            "NetworkPolicy" => self.policies.retain(|(namespace, name), _| there.contains(&(namespace, name))),
            "Namespace" => self.namespaces.retain(|name, _| items.iter().any(|item| item.name == *name)),
            "Pod" => {
                let gone: Vec<_> = self.pods.keys().filter(|(namespace, name)| !there.contains(&(namespace, name))).cloned().collect();
                for (namespace, name) in gone {
                    self.pod_gone(&namespace, &name);
                }
            }
            _ => return,
        }
        self.policies_listed |= kind == "NetworkPolicy";
        for item in items {
            match &item.body {
                Body::NetworkPolicy(spec) => drop(self.policy(&item.namespace, &item.name, spec)),
                Body::Pod(spec) => drop(self.pod_seen(item, spec)),
                _ if kind == "Namespace" => drop(self.namespace(&item.name, &item.labels)),
                _ => {}
            }
        }
    }

    fn leave(&mut self, member: &Arc<Member>) {
        if let Some(count) = self.groups.get_mut(member) {
            *count -= 1;
            if *count == 0 {
                self.groups.remove(member);
            }
        }
    }
}

fn sorted(labels: &Pairs) -> Pairs {
    let mut labels = labels.clone();
    labels.sort();
    labels
}

/// What a reader calls a pod's group: its namespace and workload. A replica set's name ends in a number of its Deployment's template.
fn label(object: &Object) -> SmolStr {
    let name = match &object.owner {
        Some(owner) => {
            let hash = object.labels.iter().find(|(key, _)| key == "pod-template-hash").map(|(_, value)| value.as_str());
            let cut = hash.and_then(|hash| owner.name.strip_suffix(hash)).and_then(|name| name.strip_suffix('-'));
            cut.unwrap_or(&owner.name)
        }
        None => object.name.as_str(),
    };
    SmolStr::from(format!("{}/{name}", object.namespace))
}
