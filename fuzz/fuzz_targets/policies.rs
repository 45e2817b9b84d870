//! The evaluator of network policies against its naive reference, on whatever the bytes make of policies, ends and ports.

#![no_main]

use event::SmolStr;
use event::kubernetes::{Expression, NetworkPolicySpec, PolicyPeer, PolicyPort, PolicyRule, Selector};
use inventory::reach::block::Spot;
use inventory::reach::naive::{self, NaiveEnd, NaivePod, Pairs, Policies};
use inventory::reach::ports::Protocol;
use inventory::reach::{Declared, End, Pod, Policy};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Makes choices of bytes.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn below(&mut self, count: usize) -> usize {
        match self.0.split_first() {
            Some((byte, rest)) => {
                self.0 = rest;
                usize::from(*byte) % count
            }
            None => 0,
        }
    }

    fn pick<'t>(&mut self, list: &[&'t str]) -> &'t str {
        list[self.below(list.len())]
    }

    fn some<T>(&mut self, most: usize, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| one(self)).collect()
    }

    fn maybe<T>(&mut self, one: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(2) == 1).then(|| one(self))
    }

    fn labels(&mut self) -> Pairs {
        let map: BTreeMap<&str, &str> = self.some(2, |c| (c.pick(&["app", "tier"]), c.pick(&["a", "b"]))).into_iter().collect();
        map.into_iter().map(|(key, value)| (key.into(), value.into())).collect()
    }

    fn selector(&mut self) -> Selector {
        let labels = self.labels();
        let expressions = self.some(2, |c| Expression {
            key: c.pick(&["app", "tier", "kubernetes.io/metadata.name"]).into(),
            operator: c.pick(&["In", "NotIn", "Exists", "DoesNotExist", "Like"]).into(),
            values: c.some(2, |c| c.pick(&["a", "b", "n1", "n2"]).into()),
        });
        Selector { labels, expressions }
    }

    fn cidr(&mut self) -> SmolStr {
        let length = self.below(33);
        let address = self.pick(&["0.0.0.0", "10.0.0.0", "10.0.0.2", "128.0.0.0", "192.0.2.0"]);
        match self.below(3) {
            0 => self.pick(&["::/0", "fd00::/8", "2001:db8::/32", "::1/128"]).into(),
            _ => SmolStr::from(format!("{address}/{length}")),
        }
    }

    fn peer(&mut self) -> PolicyPeer {
        match self.below(2) {
            0 => PolicyPeer::Block { cidr: self.cidr(), except: self.some(2, Self::cidr) },
            _ => PolicyPeer::Pods { namespaces: self.maybe(Self::selector), pods: self.maybe(Self::selector) },
        }
    }

    fn port(&mut self) -> PolicyPort {
        PolicyPort {
            protocol: self.pick(&["", "TCP", "UDP", "SCTP"]).into(),
            port: self.maybe(|c| c.pick(&["80", "1", "65535", "0", "web", "dns"]).into()),
            end_port: self.maybe(|c| [79, 90, 65535][c.below(3)]),
        }
    }

    fn rules(&mut self) -> Option<Vec<PolicyRule>> {
        self.maybe(|c| c.some(2, |c| PolicyRule { peers: c.some(2, Self::peer), ports: c.some(2, Self::port) }))
    }

    fn policies(&mut self) -> Policies {
        self.some(4, |c| {
            let spec = NetworkPolicySpec {
                pods: c.selector(),
                policy_types: c.some(2, |c| c.pick(&["Ingress", "Egress"]).into()),
                ingress: c.rules(),
                egress: c.rules(),
            };
            (c.pick(&["n1", "n2"]).to_owned(), spec)
        })
    }

    fn end(&mut self) -> NaiveEnd {
        let address = self.pick(&["10.0.0.1", "10.0.0.2", "10.9.0.1", "192.0.2.7", "fd00::1", "2001:db8::1"]);
        let address: IpAddr = address.parse().expect("an address of the list");
        if self.below(4) == 0 {
            return NaiveEnd::Outside(address);
        }
        NaiveEnd::Pod(NaivePod {
            namespace: self.pick(&["n1", "n2", "n3"]).into(),
            labels: self.labels(),
            address,
            named: self.some(2, |c| (c.pick(&["web", "dns"]).into(), c.pick(&["TCP", "UDP"]).into(), [80, 53][c.below(2)])),
            host_network: self.below(8) == 0,
        })
    }
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

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices(bytes);
    let (from, to) = (choices.end(), choices.end());
    let spaces: BTreeMap<String, Pairs> = choices.some(3, |c| (c.pick(&["n1", "n2", "n3"]).to_owned(), c.labels())).into_iter().collect();
    let policies = choices.policies();
    let declared = Declared {
        namespaces: spaces.iter().map(|(name, labels)| (name.as_str(), labels.as_slice())).collect(),
        policies: policies.iter().map(|(namespace, spec)| Policy { namespace, name: "p", spec }).collect(),
    };
    let allowed = declared.allows(&ours(&from), &ours(&to));
    for (protocol, word) in [(Protocol::Tcp, "TCP"), (Protocol::Udp, "UDP"), (Protocol::Sctp, "SCTP")] {
        for port in [0, 1, 53, 79, 80, 81, 90, 91, 65534, 65535] {
            assert_eq!(allowed.has(protocol, port), naive::allowed(&policies, &spaces, &from, &to, (word, port)), "{word} {port}");
        }
    }
});
