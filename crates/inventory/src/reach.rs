//! Who may reach whom: Kubernetes' network policies, evaluated.
//!
//! Policies are additive: a pod that no policy selects in a direction is open in that direction; one that any selects is open to what any of them allows. A
//! connection needs both ends to allow it. Source: the API reference of `networking.k8s.io/v1` NetworkPolicy. Where the reference leaves it to the network
//! plugin, this says *reachable*, since a change that opens something on some plugins is worth a look: address blocks hold pods' addresses too. Pods on the
//! node's network are outside of what policies govern, as ends that are selected and as peers that are named by labels.

pub mod block;
pub mod ports;
pub mod selector;
pub mod state;
pub mod widened;

#[cfg(test)]
mod differential;
#[cfg(any(test, feature = "naive"))]
pub mod naive;

use block::Spot;
use event::SmolStr;
use event::kubernetes::{NetworkPolicySpec, PolicyPeer, PolicyPort, PolicyRule};
use ports::{PortSet, Protocol};
use selector::{Labels, selects};
use std::collections::BTreeMap;

/// A way of traffic, seen from the pod that a policy selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// To the pod.
    Ingress,
    /// From the pod.
    Egress,
}

/// A policy with its place.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// What it says.
    pub spec: &'a NetworkPolicySpec,
}

/// A pod, as far as policies look at it.
#[derive(Clone, Copy, Debug)]
pub struct Pod<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its labels.
    pub labels: &'a Labels,
    /// Its address, when it has one.
    pub address: Option<Spot>,
    /// Named ports of its containers: (name, protocol, port).
    pub ports: &'a [(SmolStr, SmolStr, u16)],
    /// It is on the node's own network.
    pub host_network: bool,
}

/// One end of a connection.
#[derive(Clone, Copy, Debug)]
pub enum End<'a> {
    /// A pod.
    Pod(Pod<'a>),
    /// An address that is no pod's.
    Address(Spot),
}

impl End<'_> {
    fn spot(&self) -> Option<Spot> {
        match self {
            End::Pod(pod) => pod.address,
            End::Address(spot) => Some(*spot),
        }
    }
}

/// What a cluster declares.
#[derive(Clone, Debug, Default)]
pub struct Declared<'a> {
    /// Labels of each namespace. Kubernetes itself puts `kubernetes.io/metadata.name` on each; it is implied here where a record lacks it.
    pub namespaces: BTreeMap<&'a str, &'a Labels>,
    /// Every policy.
    pub policies: Vec<Policy<'a>>,
}

/// The label that the API server puts on every namespace.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

impl<'a> Declared<'a> {
    /// At which ports `from` may reach `to`.
    pub fn allows(&self, from: &End<'_>, to: &End<'_>) -> PortSet {
        let out = match from {
            End::Pod(pod) => self.one_way(Direction::Egress, pod, to, to),
            End::Address(_) => PortSet::all(),
        };
        if out.is_empty() {
            return out;
        }
        match to {
            End::Pod(pod) => out.and(&self.one_way(Direction::Ingress, pod, from, to)),
            End::Address(_) => out,
        }
    }

    /// The policies that select a pod in a direction.
    pub fn selecting<'b>(&'b self, direction: Direction, pod: &'b Pod<'_>) -> impl Iterator<Item = &'b Policy<'a>> + 'b {
        self.policies.iter().filter(move |policy| {
            !pod.host_network
                && policy.namespace == pod.namespace
                && governs(policy.spec, direction)
                && selects(&policy.spec.pods, pod.labels)
        })
    }

    /// What the policies that select `pod` allow between it and `peer`; ports are those of the connection's target.
    fn one_way(&self, direction: Direction, pod: &Pod<'_>, peer: &End<'_>, target: &End<'_>) -> PortSet {
        let mut allowed = PortSet::default();
        let mut selected = false;
        for policy in self.selecting(direction, pod) {
            selected = true;
            let rules = match direction {
                Direction::Ingress => &policy.spec.ingress,
                Direction::Egress => &policy.spec.egress,
            };
            for rule in rules.iter().flatten() {
                if self.peers(rule, policy.namespace, peer) {
                    allowed.join(&ports(&rule.ports, target));
                }
            }
        }
        if selected { allowed } else { PortSet::all() }
    }

    fn peers(&self, rule: &PolicyRule, namespace: &str, peer: &End<'_>) -> bool {
        rule.peers.is_empty()
            || rule.peers.iter().any(|wanted| match wanted {
                PolicyPeer::Block { cidr, except } => peer.spot().is_some_and(|spot| block::holds(cidr, except, spot)),
                PolicyPeer::Pods { namespaces: None, pods: None } => false,
                PolicyPeer::Pods { namespaces, pods } => {
                    let End::Pod(pod) = peer else { return false };
                    let there = match namespaces {
                        None => pod.namespace == namespace,
                        Some(selector) => self.namespace_is(selector, pod.namespace),
                    };
                    there && !pod.host_network && pods.as_ref().is_none_or(|selector| selects(selector, pod.labels))
                }
            })
    }

    fn namespace_is(&self, selector: &event::kubernetes::Selector, name: &str) -> bool {
        let labels = self.namespaces.get(name).copied().unwrap_or_default();
        if labels.iter().any(|(key, _)| key == NAMESPACE_NAME) {
            return selects(selector, labels);
        }
        let mut whole = labels.to_vec();
        whole.push((SmolStr::new_static(NAMESPACE_NAME), SmolStr::new(name)));
        selects(selector, &whole)
    }
}

/// Whether a policy governs a direction. Left out, `policyTypes` means ingress, and egress as well when it has rules for it.
pub fn governs(spec: &NetworkPolicySpec, direction: Direction) -> bool {
    let (word, implied) = match direction {
        Direction::Ingress => ("Ingress", true),
        Direction::Egress => ("Egress", spec.egress.as_ref().is_some_and(|rules| !rules.is_empty())),
    };
    match spec.policy_types.is_empty() {
        true => implied,
        false => spec.policy_types.iter().any(|named| named == word),
    }
}

/// The ports that a rule means at a target. A named port means what each pod of the target calls so.
fn ports(list: &[PolicyPort], target: &End<'_>) -> PortSet {
    if list.is_empty() {
        return PortSet::all();
    }
    let mut set = PortSet::default();
    for wanted in list {
        let Some(protocol) = Protocol::named(&wanted.protocol) else { continue };
        match &wanted.port {
            None => set.add(protocol, 0, u16::MAX),
            Some(text) => match text.parse::<u16>() {
                Ok(port) => set.add(protocol, port, wanted.end_port.unwrap_or(port)),
                Err(_) => {
                    if let End::Pod(pod) = target {
                        for (name, of, port) in pod.ports {
                            if name == text && Protocol::named(of) == Some(protocol) {
                                set.add(protocol, *port, *port);
                            }
                        }
                    }
                }
            },
        }
    }
    set
}
