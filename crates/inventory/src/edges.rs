//! `edge.first_seen` and `edge.forbidden`: the graph of who speaks to whom at which port, and flows that what was declared does not allow.
//!
//! A node is a workload (owner, else image repository), never a container: containers come and go. Outside, a node is the address's network; the name that a
//! client asks for is its own word and makes nothing known.

use crate::address;
use crate::flows::{container_of, flow_fields, subject};
use crate::host::Host;
use crate::party::{Party, Seen, Way, Whereabouts};
use crate::reach_check::policy_denies;
use crate::row::{Row, RowOut};
use crate::step::Step;
use crate::world::World;
use event::dictionary as d;
use event::flow::{Flow, FlowOutcome};
use event::{DerivedBuilder, Event, SmolStr, Span, Time, Value};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A workload has been watched for this long before a first sight means something.
const SETTLED: Span = Span::minutes(60);
/// And has begun so many flows.
const SETTLED_FLOWS: u64 = 3;
/// Edges that are remembered.
const EDGES_MAX: usize = if cfg!(test) { 512 } else { 262_144 };
/// Edges of one source that are remembered: who speaks to everybody has no usual neighbours.
const EDGES_OF_ONE: u32 = if cfg!(test) { 128 } else { 8_192 };
/// Nodes that are remembered.
const NODES_MAX: usize = if cfg!(test) { 512 } else { 65_536 };

/// Host (empty for workloads of clusters, which are the same on every host) and node.
type Node = (SmolStr, SmolStr);

/// The graph.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    sources: BTreeMap<Node, Source>,
    edges: BTreeMap<(Node, Node, u16), Edge>,
    /// How many edges end at a node.
    targets: BTreeMap<Node, u32>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Source {
    first: Time,
    flows: u64,
    edges: u32,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Edge {
    last: Time,
    flows: u64,
    bytes_out: u64,
    bytes_in: u64,
}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        match step {
            Step::FlowSeen { seen } => self.sight(seen, world, cause, out),
            Step::FlowSettled { seen, outcome } => forbidden(seen, *outcome, world, cause, out),
            Step::FlowEnded { seen, flow } => self.count(seen, flow, &cause.host),
            _ => {}
        }
    }
}

/// The node that an end is; `None` where nobody is known.
fn node(host: &SmolStr, party: &Party, is_source: bool) -> Option<Node> {
    let name = match party.place {
        Whereabouts::Unknown => return None,
        // Clients from everywhere are one.
        Whereabouts::Outside if is_source => SmolStr::new_static("outside"),
        Whereabouts::Host => SmolStr::new_static("host"),
        _ => party.workload.clone(),
    };
    // Only what the cluster itself calls a pod is the same everywhere: labels are anybody's to write.
    let scope = if party.pod.is_empty() { host.clone() } else { SmolStr::default() };
    (!name.is_empty()).then_some((scope, name))
}

impl State {
    fn sight(&mut self, seen: &Seen, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        // What goes to many at once is spoken to nobody.
        if address::parse(&seen.destination.address).is_some_and(address::is_shared_out) {
            return;
        }
        let (Some(from), Some(to)) = (node(&cause.host, &seen.source, true), node(&cause.host, &seen.destination, false)) else { return };
        self.make_room(out);
        let source = self.sources.entry(from.clone()).or_insert_with(|| Source { first: cause.at, ..Source::default() });
        source.flows += 1;
        let settled = cause.at - source.first >= SETTLED && source.flows > SETTLED_FLOWS;
        let key = (from.clone(), to.clone(), seen.destination.port);
        if let Some(edge) = self.edges.get_mut(&key) {
            edge.flows += 1;
            edge.last = cause.at;
            return;
        }
        if source.edges >= EDGES_OF_ONE {
            out.forgot("inventory.edges", 1);
            return;
        }
        let before = source.edges;
        source.edges += 1;
        self.edges.insert(key, Edge { last: cause.at, flows: 1, ..Edge::default() });
        let target = self.targets.entry(to.clone()).or_default();
        *target += 1;
        let new = *target == 1;
        if !out.wants(d::EDGE_FIRST_SEEN) {
            return;
        }
        let mut builder = begin(d::EDGE_FIRST_SEEN, world, cause, seen, &seen.flow, &from.1, &to.1);
        builder.push(d::EDGE_SETTLED, settled);
        builder.push(d::EDGE_DESTINATION_NEW, new);
        builder.push(d::EDGE_SEEN, i64::from(before));
        out.emit(builder.build());
    }

    /// Counts what went over an edge.
    fn count(&mut self, seen: &Seen, flow: &Flow, host: &SmolStr) {
        let ends = (node(host, &seen.source, true), node(host, &seen.destination, false));
        if let (Some(from), Some(to)) = ends
            && let Some(edge) = self.edges.get_mut(&(from, to, seen.destination.port))
        {
            edge.bytes_out = edge.bytes_out.saturating_add(flow.bytes_out.unwrap_or_default());
            edge.bytes_in = edge.bytes_in.saturating_add(flow.bytes_in.unwrap_or_default());
        }
    }

    /// Forgets a sixteenth: the edges that were used longest ago.
    fn make_room(&mut self, out: &mut RowOut<'_>) {
        if self.edges.len() >= EDGES_MAX || self.targets.len() >= NODES_MAX {
            let mut order: Vec<(Time, (Node, Node, u16))> = self.edges.iter().map(|(key, edge)| (edge.last, key.clone())).collect();
            order.sort();
            order.truncate((self.edges.len() / 16).max(1));
            out.forgot("inventory.edges", order.len() as u64);
            for (_, key) in order {
                self.edges.remove(&key);
                if let Some(source) = self.sources.get_mut(&key.0) {
                    source.edges = source.edges.saturating_sub(1);
                }
                if let Some(count) = self.targets.get_mut(&key.1) {
                    *count -= 1;
                    if *count == 0 {
                        self.targets.remove(&key.1);
                    }
                }
            }
        }
        if self.sources.len() >= NODES_MAX {
            let before = self.sources.len();
            self.sources.retain(|_, source| source.edges > 0);
            out.forgot("inventory.edges", (before - self.sources.len()) as u64);
            while self.sources.len() >= NODES_MAX {
                self.sources.pop_first();
                out.forgot("inventory.edges", 1);
            }
        }
    }
}

fn begin(kind: event::Kind, world: &World, cause: &Event, seen: &Seen, flow: &Flow, from: &SmolStr, to: &SmolStr) -> DerivedBuilder {
    let mut builder = DerivedBuilder::caused_by(kind, "edges", cause).about(&subject(seen)).read_by(world.reading.as_deref());
    builder.push(d::EDGE_NODE, from);
    builder.push(d::EDGE_TO, to);
    builder.push(d::EDGE_PORT, i64::from(seen.destination.port));
    let explained = container_of(world, &seen.source).map(|(host, container)| world.context.explain(host, container, cause.time));
    builder.push(d::EXPLAINED, explained.as_ref().map_or("unknown", |explained| explained.verdict.as_str()));
    if let Some(by) = explained.and_then(|explained| explained.by) {
        builder.push(d::EXPLAINED_BY, by);
    }
    flow_fields(&mut builder, world, seen, flow);
    builder
}

/// Says a flow that what was declared does not allow: one that was answered all the same, or one that was dropped for it.
fn forbidden(seen: &Seen, outcome: FlowOutcome, world: &World, cause: &Event, out: &mut RowOut<'_>) {
    if !out.wants(d::EDGE_FORBIDDEN) {
        return;
    }
    let (verdict, policies) = match outcome {
        FlowOutcome::Dropped => ("dropped", Vec::new()),
        FlowOutcome::Answered => match contradiction(seen, world) {
            Some(found) => found,
            None => return,
        },
        _ => return,
    };
    let name = |party: &Party| if party.workload.is_empty() { party.address.clone() } else { party.workload.clone() };
    let flow = Flow { outcome, ..seen.flow.clone() };
    let mut builder = begin(d::EDGE_FORBIDDEN, world, cause, seen, &flow, &name(&seen.source), &name(&seen.destination));
    builder.push(d::EDGE_VERDICT, verdict);
    if !policies.is_empty() {
        builder.push(d::EDGE_POLICIES, Value::from(policies));
    }
    out.emit(builder.build());
}

/// What an answered flow contradicts, with the policies concerned.
fn contradiction(seen: &Seen, world: &World) -> Option<(&'static str, Vec<SmolStr>)> {
    if let Some(policies) = policy_denies(world, &seen.source, &seen.destination, seen.destination.port, &seen.flow.protocol) {
        return Some(("policy_denies", policies));
    }
    let host = world.host(&seen.source.host)?;
    let from = Networks::of(host, &seen.source)?;
    match seen.way {
        // By a published port, whoever may reach the host may reach the container.
        Way::EastWest if seen.asked.is_empty() && seen.source.host == seen.destination.host => {
            let to = Networks::of(host, &seen.destination)?;
            if seen.source.namespace_of == seen.destination.namespace_of {
                return None;
            }
            let common: Vec<&SmolStr> = from.all.iter().filter(|network| to.all.contains(network)).collect();
            if common.is_empty() {
                return Some(("no_common_network", Vec::new()));
            }
            let off = |network: &&SmolStr| {
                let known = host.network(network).filter(|network| network.inspected);
                known.is_some_and(|network| {
                    network.spec.options.iter().any(|(key, value)| key == "com.docker.network.bridge.enable_icc" && value == "false")
                })
            };
            common.iter().all(off).then_some(("icc_off", Vec::new()))
        }
        Way::Outbound if from.only_internal => Some(("internal_network", Vec::new())),
        _ => None,
    }
}

/// The networks that an end was on, as far as they are known for certain.
struct Networks {
    all: Vec<SmolStr>,
    only_internal: bool,
}

impl Networks {
    /// `None` where too little is known to accuse anybody.
    fn of(host: &Host, party: &Party) -> Option<Networks> {
        let holder = host.container(party.namespace_of.as_ref()?)?;
        let mut all = party.networks.clone();
        // What it is on now counts too: a connection may have been heard of before its address.
        all.extend(holder.networks.iter().filter(|network| !party.networks.contains(network)).cloned());
        let known = |network: &SmolStr| host.network(network).filter(|network| network.inspected);
        if all.is_empty() || !all.iter().all(|network| known(network).is_some()) {
            return None;
        }
        let only_internal = all.iter().all(|network| known(network).is_some_and(|network| network.spec.internal));
        Some(Networks { all, only_internal })
    }
}
