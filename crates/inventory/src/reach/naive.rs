//! A naive reference for the evaluator: it asks, for one packet at a time, exactly what the API reference says, and shares no code with it. For tests and the
//! fuzzer only; it trusts that its blocks are well-formed.

use event::SmolStr;
use event::kubernetes::{NetworkPolicySpec, PolicyPeer, PolicyPort, Selector};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Labels.
pub type Pairs = Vec<(SmolStr, SmolStr)>;

/// A pod.
#[derive(Clone, Debug)]
pub struct NaivePod {
    /// Namespace.
    pub namespace: String,
    /// Labels.
    pub labels: Pairs,
    /// Address.
    pub address: IpAddr,
    /// Named ports.
    pub named: Vec<(SmolStr, SmolStr, u16)>,
    /// On the node's network.
    pub host_network: bool,
}

/// One end.
#[derive(Clone, Debug)]
pub enum NaiveEnd {
    /// A pod.
    Pod(NaivePod),
    /// Anything else.
    Outside(IpAddr),
}

/// Policies with their namespaces.
pub type Policies = Vec<(String, NetworkPolicySpec)>;

fn selector(selector: &Selector, labels: &BTreeMap<&str, &str>) -> bool {
    for (key, value) in &selector.labels {
        if labels.get(key.as_str()) != Some(&value.as_str()) {
            return false;
        }
    }
    for e in &selector.expressions {
        let has = labels.contains_key(e.key.as_str());
        let one_of = has && e.values.iter().any(|value| value == labels[e.key.as_str()]);
        let holds = match &*e.operator {
            "In" => one_of,
            "NotIn" => !one_of,
            "Exists" => has,
            "DoesNotExist" => !has,
            _ => false,
        };
        if !holds {
            return false;
        }
    }
    true
}

fn map(labels: &Pairs) -> BTreeMap<&str, &str> {
    labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect()
}

fn bits(address: IpAddr) -> Vec<bool> {
    let octets = match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    };
    octets.iter().flat_map(|byte| (0..8).rev().map(move |i| byte >> i & 1 == 1)).collect()
}

fn in_block(cidr: &str, address: IpAddr) -> bool {
    let (net, length) = cidr.split_once('/').unwrap();
    let (net, address) = (bits(net.parse().unwrap()), bits(address));
    let length: usize = length.parse().unwrap();
    net.len() == address.len() && net[..length] == address[..length]
}

fn port(ports: &[PolicyPort], target: &NaiveEnd, protocol: &str, port: u16) -> bool {
    if ports.is_empty() {
        return true;
    }
    for p in ports {
        let wanted = if p.protocol.is_empty() { "TCP" } else { p.protocol.as_str() };
        if wanted != protocol {
            continue;
        }
        let Some(text) = &p.port else { return true };
        if let Ok(number) = text.parse::<u32>() {
            if u32::from(port) >= number && u32::from(port) <= p.end_port.map_or(number, u32::from) {
                return true;
            }
        } else if let NaiveEnd::Pod(pod) = target
            && pod.named.iter().any(|(name, of, at)| name == text && of == protocol && *at == port)
        {
            return true;
        }
    }
    false
}

fn peer(peers: &[PolicyPeer], policy_namespace: &str, namespaces: &BTreeMap<String, Pairs>, end: &NaiveEnd) -> bool {
    if peers.is_empty() {
        return true;
    }
    for p in peers {
        match (p, end) {
            (PolicyPeer::Block { cidr, except }, end) => {
                let address = match end {
                    NaiveEnd::Pod(pod) => pod.address,
                    NaiveEnd::Outside(address) => *address,
                };
                if in_block(cidr, address) && !except.iter().any(|e| in_block(e, address)) {
                    return true;
                }
            }
            (PolicyPeer::Pods { namespaces: n, pods }, NaiveEnd::Pod(pod)) => {
                if pod.host_network || (n.is_none() && pods.is_none()) {
                    continue;
                }
                let in_namespace = match n {
                    None => pod.namespace == policy_namespace,
                    Some(wanted) => {
                        let empty = Vec::new();
                        let mut labels = map(namespaces.get(&pod.namespace).unwrap_or(&empty));
                        labels.entry("kubernetes.io/metadata.name").or_insert(&pod.namespace);
                        selector(wanted, &labels)
                    }
                };
                if in_namespace && pods.as_ref().is_none_or(|wanted| selector(wanted, &map(&pod.labels))) {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

fn side(
    policies: &Policies,
    namespaces: &BTreeMap<String, Pairs>,
    ingress: bool,
    pod: &NaivePod,
    other: &NaiveEnd,
    target: &NaiveEnd,
    at: (&str, u16),
) -> bool {
    let mut isolated = false;
    for (namespace, spec) in policies {
        let types: Vec<&str> = if !spec.policy_types.is_empty() {
            spec.policy_types.iter().map(SmolStr::as_str).collect()
        } else if spec.egress.as_ref().is_some_and(|rules| !rules.is_empty()) {
            vec!["Ingress", "Egress"]
        } else {
            vec!["Ingress"]
        };
        let applies = !pod.host_network
            && *namespace == pod.namespace
            && selector(&spec.pods, &map(&pod.labels))
            && types.contains(&if ingress { "Ingress" } else { "Egress" });
        if !applies {
            continue;
        }
        isolated = true;
        let rules = if ingress { &spec.ingress } else { &spec.egress };
        for rule in rules.as_deref().unwrap_or_default() {
            if peer(&rule.peers, namespace, namespaces, other) && port(&rule.ports, target, at.0, at.1) {
                return true;
            }
        }
    }
    !isolated
}

/// Whether a packet from `from` to `to` at a protocol and port is allowed.
pub fn allowed(policies: &Policies, namespaces: &BTreeMap<String, Pairs>, from: &NaiveEnd, to: &NaiveEnd, at: (&str, u16)) -> bool {
    let out = match from {
        NaiveEnd::Pod(pod) => side(policies, namespaces, false, pod, to, to, at),
        NaiveEnd::Outside(_) => true,
    };
    let into = match to {
        NaiveEnd::Pod(pod) => side(policies, namespaces, true, pod, from, to, at),
        NaiveEnd::Outside(_) => true,
    };
    out && into
}
