//! Network policies, as they are written: no default is filled in.

use crate::fields::Fields;
use event::SmolStr;
use event::kubernetes::{Expression, NetworkPolicySpec, PolicyPeer, PolicyPort, PolicyRule, Selector};
use sonic_rs::JsonValueTrait;

/// Reads a NetworkPolicy.
pub(super) fn read(object: &Fields<'_>) -> NetworkPolicySpec {
    let spec = object.object("spec");
    NetworkPolicySpec {
        pods: selector(&spec.object("podSelector")),
        policy_types: spec.texts("policyTypes"),
        ingress: rules(&spec, "ingress", "from"),
        egress: rules(&spec, "egress", "to"),
    }
}

fn rules(spec: &Fields<'_>, key: &'static str, peers: &'static str) -> Option<Vec<PolicyRule>> {
    spec.value(key)?;
    let rule = |rule: &Fields<'_>| PolicyRule {
        peers: rule.objects(peers).iter().map(peer).collect(),
        ports: rule.objects("ports").iter().map(port).collect(),
    };
    Some(spec.objects(key).iter().map(rule).collect())
}

fn peer(peer: &Fields<'_>) -> PolicyPeer {
    if peer.value("ipBlock").is_some() {
        let block = peer.object("ipBlock");
        return PolicyPeer::Block { cidr: block.text("cidr"), except: block.texts("except") };
    }
    let maybe = |key| peer.value(key).map(|_| selector(&peer.object(key)));
    PolicyPeer::Pods { namespaces: maybe("namespaceSelector"), pods: maybe("podSelector") }
}

fn port(port: &Fields<'_>) -> PolicyPort {
    let number = port.value("port");
    PolicyPort {
        protocol: port.text("protocol"),
        // A number, or the name of a container's port.
        port: number.and_then(|value| match value.as_str() {
            Some(name) => Some(SmolStr::new(name)),
            None => port.int("port").map(|number| SmolStr::new(number.to_string())),
        }),
        end_port: port.int("endPort").and_then(|number| u16::try_from(number).ok()),
    }
}

/// A label selector.
pub(super) fn selector(selector: &Fields<'_>) -> Selector {
    Selector {
        labels: selector.pairs("matchLabels"),
        expressions: selector
            .objects("matchExpressions")
            .iter()
            .map(|one| Expression { key: one.text("key"), operator: one.text("operator"), values: one.texts("values") })
            .collect(),
    }
}
