//! The evaluator against the naive reference, on policies, ends and ports of every kind.

use super::block::Spot;
use super::naive::{self, NaiveEnd, NaivePod, Pairs, Policies};
use super::ports::Protocol;
use super::{Declared, End, Pod, Policy};
use event::SmolStr;
use event::kubernetes::{Expression, NetworkPolicySpec, PolicyPeer, PolicyPort, PolicyRule, Selector};
use proptest::prelude::*;
use std::net::IpAddr;

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
