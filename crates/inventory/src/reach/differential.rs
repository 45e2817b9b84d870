//! The evaluator against a naive reference: one that asks, for one packet at a time, exactly what the API reference says, sharing no code with it.

use super::block::Spot;
use super::ports::Protocol;
use super::{Declared, End, Pod, Policy};
use event::SmolStr;
use event::kubernetes::{Expression, NetworkPolicySpec, PolicyPeer, PolicyPort, PolicyRule, Selector};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::IpAddr;

type Pairs = Vec<(SmolStr, SmolStr)>;

#[derive(Clone, Debug)]
struct NaivePod {
    namespace: String,
    labels: Pairs,
    address: IpAddr,
    named: Vec<(SmolStr, SmolStr, u16)>,
    host_network: bool,
}

#[derive(Clone, Debug)]
enum NaiveEnd {
    Pod(NaivePod),
    Outside(IpAddr),
}

type Policies = Vec<(String, NetworkPolicySpec)>;

mod naive {
    use super::*;

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
}

fn labels() -> impl Strategy<Value = Pairs> {
    prop::collection::btree_map(prop::sample::select(vec!["app", "tier"]), prop::sample::select(vec!["a", "b"]), 0..3)
        .prop_map(|map| map.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
}

fn selector() -> impl Strategy<Value = Selector> {
    let expression = (
        prop::sample::select(vec!["app", "tier", "kubernetes.io/metadata.name"]),
        prop::sample::select(vec!["In", "NotIn", "Exists", "DoesNotExist", "Like"]),
        prop::collection::vec(prop::sample::select(vec!["a", "b", "n1", "n2"]), 0..2),
    )
        .prop_map(|(key, operator, values)| Expression {
            key: key.into(),
            operator: operator.into(),
            values: values.into_iter().map(SmolStr::from).collect(),
        });
    (labels(), prop::collection::vec(expression, 0..2)).prop_map(|(labels, expressions)| Selector { labels, expressions })
}

fn cidr() -> impl Strategy<Value = SmolStr> {
    prop::sample::select(vec!["0.0.0.0/0", "0.0.0.0/1", "10.0.0.0/8", "10.0.0.0/30", "10.0.0.2/32", "::/0", "fd00::/8"])
        .prop_map(SmolStr::from)
}

fn peer() -> impl Strategy<Value = PolicyPeer> {
    prop_oneof![
        (cidr(), prop::collection::vec(cidr(), 0..2)).prop_map(|(cidr, except)| PolicyPeer::Block { cidr, except }),
        (prop::option::of(selector()), prop::option::of(selector())).prop_map(|(namespaces, pods)| PolicyPeer::Pods { namespaces, pods }),
    ]
}

fn port() -> impl Strategy<Value = PolicyPort> {
    (
        prop::sample::select(vec!["", "TCP", "UDP", "SCTP"]),
        prop::option::of(prop::sample::select(vec!["80", "1", "65535", "web", "dns"])),
        prop::option::of(prop::sample::select(vec![79u16, 90, 65535])),
    )
        .prop_map(|(protocol, port, end_port)| PolicyPort { protocol: protocol.into(), port: port.map(SmolStr::from), end_port })
}

fn rules() -> impl Strategy<Value = Option<Vec<PolicyRule>>> {
    let rule =
        (prop::collection::vec(peer(), 0..3), prop::collection::vec(port(), 0..3)).prop_map(|(peers, ports)| PolicyRule { peers, ports });
    prop::option::of(prop::collection::vec(rule, 0..3))
}

fn policies() -> impl Strategy<Value = Policies> {
    let spec = (
        prop_oneof![Just(Selector::default()), selector()],
        prop::collection::vec(prop::sample::select(vec!["Ingress", "Egress"]), 0..3),
        rules(),
        rules(),
    )
        .prop_map(|(pods, types, ingress, egress)| NetworkPolicySpec {
            pods,
            policy_types: types.into_iter().map(SmolStr::from).collect(),
            ingress,
            egress,
        });
    prop::collection::vec((prop::sample::select(vec!["n1", "n2"]).prop_map(str::to_owned), spec), 0..4)
}

fn end() -> impl Strategy<Value = NaiveEnd> {
    let address = prop::sample::select(vec!["10.0.0.1", "10.0.0.2", "10.9.0.1", "192.0.2.7", "fd00::1", "2001:db8::1"])
        .prop_map(|text| text.parse::<IpAddr>().unwrap());
    let named = prop::collection::vec(
        (prop::sample::select(vec!["web", "dns"]), prop::sample::select(vec!["TCP", "UDP"]), prop::sample::select(vec![80u16, 53])),
        0..2,
    );
    prop_oneof![
        3 => (prop::sample::select(vec!["n1", "n2", "n3"]), labels(), address.clone(), named, prop::bool::weighted(0.1)).prop_map(
            |(namespace, labels, address, named, host_network)| NaiveEnd::Pod(NaivePod {
                namespace: namespace.into(),
                labels,
                address,
                named: named.into_iter().map(|(n, p, port)| (n.into(), p.into(), port)).collect(),
                host_network,
            })
        ),
        1 => address.prop_map(NaiveEnd::Outside),
    ]
}

fn ours(end: &NaiveEnd) -> End<'_> {
    match end {
        NaiveEnd::Outside(address) => End::Address(Spot::of(*address)),
        NaiveEnd::Pod(pod) => End::Pod(Pod {
            namespace: &pod.namespace,
            labels: &pod.labels,
            address: Some(Spot::of(pod.address)),
            ports: &pod.named,
            host_network: pod.host_network,
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// Port by port and end by end, the evaluator says what the naive reference says.
    #[test]
    fn the_evaluator_agrees_with_a_naive_reference(
        policies in policies(),
        spaces in prop::collection::btree_map(prop::sample::select(vec!["n1", "n2", "n3"]).prop_map(str::to_owned), labels(), 0..4),
        from in end(),
        to in end(),
    ) {
        let declared = Declared {
            namespaces: spaces.iter().map(|(name, labels)| (name.as_str(), labels.as_slice())).collect(),
            policies: policies.iter().map(|(namespace, spec)| Policy { namespace, name: "p", spec }).collect(),
        };
        let allowed = declared.allows(&ours(&from), &ours(&to));
        for (protocol, word) in [(Protocol::Tcp, "TCP"), (Protocol::Udp, "UDP"), (Protocol::Sctp, "SCTP")] {
            for port in [0, 1, 53, 79, 80, 81, 90, 91, 65534, 65535] {
                prop_assert_eq!(allowed.has(protocol, port), naive::allowed(&policies, &spaces, &from, &to, (word, port)), "{} {}", word, port);
            }
        }
    }
}
