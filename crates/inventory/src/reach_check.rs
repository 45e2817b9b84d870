//! Whether network policies, as far as they are declared and known, deny a flow that took place.

use crate::cluster::{Cluster, Pod, place};
use crate::party::{Party, Whereabouts};
use crate::reach::block::Spot;
use crate::reach::ports::Protocol;
use crate::reach::{Declared, Direction, End, Pod as Ruled, Policy};
use crate::world::World;
use event::SmolStr;

/// The policies that deny a flow; `None` when they allow it, or when too little is known to say. A complete list of policies must have been seen: they are
/// additive, and any that is not known could allow it.
pub(crate) fn policy_denies(world: &World, source: &Party, destination: &Party, port: u16, protocol: &str) -> Option<Vec<SmolStr>> {
    let host = [source, destination].into_iter().find(|party| !party.pod.is_empty())?.host.clone();
    let cluster = world.host(&host)?.cluster.as_ref()?;
    if !cluster.listed.contains("NetworkPolicy") || cluster.policies.values().any(|policy| policy.spec.is_none()) {
        return None;
    }
    let declared = Declared {
        namespaces: cluster.namespaces.iter().map(|(name, namespace)| (name.as_str(), namespace.labels.as_slice())).collect(),
        policies: cluster
            .policies
            .values()
            .filter_map(|policy| Some(Policy { namespace: &policy.namespace, name: &policy.name, spec: policy.spec.as_ref()? }))
            .collect(),
    };
    let (from, to) = (end(cluster, source)?, end(cluster, destination)?);
    let protocol = Protocol::named(protocol)?;
    if declared.allows(&from, &to).has(protocol, port) {
        return None;
    }
    let mut names = Vec::new();
    for (direction, end) in [(Direction::Egress, &from), (Direction::Ingress, &to)] {
        if let End::Pod(pod) = end {
            names.extend(declared.selecting(direction, pod).map(|policy| place(policy.namespace, policy.name)));
        }
    }
    names.sort();
    names.dedup();
    Some(names)
}

/// An end as the evaluator takes it; `None` where it is not known well enough.
fn end<'a>(cluster: &'a Cluster, party: &Party) -> Option<End<'a>> {
    let spot = || party.address.parse().ok().map(Spot::of);
    if party.pod.is_empty() {
        // Nodes reach the pods on them whatever policies say.
        return (party.place == Whereabouts::Outside).then(spot)?.map(End::Address);
    }
    let pod: &Pod = cluster.pods.get(&place(&party.namespace, &party.pod)).filter(|pod| pod.known)?;
    Some(End::Pod(Ruled {
        namespace: &pod.namespace,
        labels: &pod.labels,
        address: spot(),
        ports: &pod.named_ports,
        host_network: pod.host_network,
    }))
}
