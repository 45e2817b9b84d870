//! What network witnesses say: flows, each told once whoever saw it and however often, with both ends attributed by who held the addresses when it began.
//!
//! A flow may be heard of before the inspect answer that tells whose its addresses are. It waits for that, two seconds at most; so the order in which the two
//! come does not matter.

use super::attribution::{self, Grasp};
use super::holders::Addresses;
use super::tracks::{Heard, Track, Tracks};
use super::{Hands, Moved, WORLD_ROW};
use crate::address;
use crate::host::Host;
use crate::id::Id;
use crate::leases::Leases;
use crate::party::Seen;
use crate::pressure::Pressure;
use crate::step::Step;
use crate::timers::{TimerKey, Timers};
use event::fact::Fact;
use event::flow::{Flow, FlowOutcome, FlowStage};
use event::kubernetes::Object;
use event::{Event, Fields, SmolStr, Span, Time, dictionary};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// How long a flow waits until both its ends are known.
pub(crate) const WAIT: Span = Span::seconds(2);
/// A flow that nobody answered for this long has failed.
pub(crate) const ANSWER: Span = Span::seconds(5);
/// How long one that is over is remembered, for witnesses who tell late.
const LINGER: Span = Span::seconds(30);
/// Records of one flow that are kept as evidence before it is told.
const EVIDENCE_MAX: usize = 4;

/// The world's timers for flows; holds of containers have tag 0.
pub(crate) const TIMERS: std::ops::RangeInclusive<u8> = RESOLVE..=FORGET;
const RESOLVE: u8 = 16;
const SETTLE: u8 = 17;
const FORGET: u8 = 18;

/// A pod as a holder of addresses: the host whose records tell of its cluster, `namespace/name`, unique id.
pub(crate) type PodKey = (SmolStr, SmolStr, SmolStr);

/// Everything that is known for the sake of flows.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Wire {
    /// By host.
    pub(crate) hosts: BTreeMap<SmolStr, Addresses>,
    /// Pods' addresses; they are the same on every host of a cluster.
    pub(crate) pods: Leases<PodKey, ()>,
    /// Addresses of nodes, with the pods on the node's own network.
    pub(crate) nodes: BTreeMap<IpAddr, BTreeSet<PodKey>>,
    tracks: Tracks,
}

/// Nodes' addresses that are remembered.
const NODES_MAX: usize = 16_384;

/// Applies what such a witness says: the flow itself is followed when the host has been let go.
pub(super) fn applied(_host: &mut Host, _event: &Event, _fact: &Fact, hands: &mut Hands<'_>) {
    hands.say(Step::Wire);
}

impl Wire {
    /// Follows one event that the world has taken already.
    pub(super) fn follow(
        &mut self,
        hosts: &IndexMap<SmolStr, Host>,
        event: &Event,
        moved: &mut Moved,
        timers: &mut Timers,
        pressure: &mut Pressure,
    ) {
        let Fields::Native(decoded) = &event.fields else { return };
        let (Some(fact), Some(host)) = (&decoded.fact, hosts.get(&event.host)) else { return };
        let mut learned = Vec::new();
        match fact {
            Fact::Flow(flow) => self.heard(hosts, host, event, &oriented(event, flow), moved, timers, pressure),
            Fact::Container(_) | Fact::ContainerSpec(_) | Fact::Network(_) | Fact::NetworkSpec(_) | Fact::List(_) => {
                self.bound_hosts(hosts);
                let addresses = self.hosts.entry(event.host.clone()).or_default();
                pressure.add("inventory.leases", addresses.follow(host, event, fact, &moved.steps, &mut learned));
            }
            Fact::Request(request) => {
                if let Some(object) = &request.object {
                    self.pod(host, event, object, &mut learned, pressure);
                }
                if request.resource == "pods" && request.verb == "delete" {
                    self.pod_named(host, event, &request.namespace, &request.name, &mut learned, pressure);
                }
            }
            Fact::Object(said) => self.pod(host, event, &said.object, &mut learned, pressure),
            Fact::Objects(list) if list.kind == "Pod" => {
                // What is no longer on the list is gone.
                let known: Vec<PodKey> = self.pods.holders().filter(|(on, _, _)| *on == host.name).cloned().collect();
                for (_, place, _) in known {
                    let (namespace, name) = place.split_once('/').unwrap_or_default();
                    self.pod_named(host, event, namespace, name, &mut learned, pressure);
                }
                list.items.iter().for_each(|object| self.pod(host, event, object, &mut learned, pressure));
            }
            _ => {}
        }
        learned.sort_unstable();
        learned.dedup();
        self.wake(hosts, &learned, event.at, timers);
    }

    fn bound_hosts(&mut self, hosts: &IndexMap<SmolStr, Host>) {
        if self.hosts.len() > super::HOSTS_MAX {
            self.hosts.retain(|name, _| hosts.contains_key(name));
        }
    }

    /// Follows a pod's addresses.
    fn pod(&mut self, host: &Host, event: &Event, object: &Object, learned: &mut Vec<IpAddr>, pressure: &mut Pressure) {
        if object.kind == "Pod" {
            self.pod_named(host, event, &object.namespace, &object.name, learned, pressure);
        }
    }

    fn pod_named(&mut self, host: &Host, event: &Event, namespace: &str, name: &str, learned: &mut Vec<IpAddr>, pressure: &mut Pressure) {
        let place = crate::cluster::place(namespace, name);
        let Some(pod) = host.cluster.as_ref().and_then(|cluster| cluster.pods.get(&place)) else { return };
        let key = (host.name.clone(), place, pod.uid.clone());
        // One of that name that was there before, or was heard of before its unique id.
        let first = (key.0.clone(), key.1.clone(), SmolStr::default());
        let same_name = self.pods.holders_from(&first).take_while(|(on, place, _)| *on == key.0 && *place == key.1);
        for before in same_name.filter(|holder| **holder != key).cloned().collect::<Vec<_>>() {
            self.pods.close(&before, event.time);
        }
        let over = matches!(pod.phase.as_str(), "Succeeded" | "Failed").then_some(event.time);
        if let Some(gone) = pod.gone.or(over) {
            self.pods.close(&key, gone);
            for address in pod.addresses.iter().filter_map(|text| address::parse(text)) {
                if let Some(pods) = self.nodes.get_mut(&address) {
                    pods.remove(&key);
                }
            }
            return;
        }
        let created = pod.containers.first().and_then(|(_, _, id)| host.container(id)).and_then(|container| container.created);
        for address in pod.addresses.iter().filter_map(|text| address::parse(text)) {
            if !pod.host_network {
                pressure.add("inventory.leases", self.pods.open_after(address, &key, &(), created.unwrap_or(event.time)));
            } else if self.nodes.contains_key(&address) || self.nodes.len() < NODES_MAX {
                self.nodes.entry(address).or_default().insert(key.clone());
            }
            learned.push(address);
        }
    }

    /// Flows that waited and now know both their ends are told at once.
    fn wake(&self, hosts: &IndexMap<SmolStr, Host>, learned: &[IpAddr], now: Time, timers: &mut Timers) {
        for number in learned.iter().flat_map(|address| self.tracks.waiting(*address)) {
            let Some(track) = self.tracks.get(number) else { continue };
            if attribution::of(self, hosts, track).1 == Grasp::Known {
                timers.set(now, WORLD_ROW, key(&track.host, number, RESOLVE));
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn heard(
        &mut self,
        hosts: &IndexMap<SmolStr, Host>,
        host: &Host,
        event: &Event,
        flow: &Flow,
        moved: &mut Moved,
        timers: &mut Timers,
        pressure: &mut Pressure,
    ) {
        if let Some(addresses) = self.hosts.get_mut(&event.host) {
            addresses.translated(host, flow, flow.started.unwrap_or(event.time));
        }
        let (heard, forgotten) = self.tracks.heard(event, flow);
        pressure.add("inventory.flows", forgotten);
        let (number, fresh) = match heard {
            Heard::New(number) => (number, true),
            Heard::Again(number) => (number, false),
            Heard::Nothing => return,
        };
        let Some(track) = self.tracks.get(number) else { return };
        if track.told.is_none() {
            let (seen, grasp) = attribution::of(self, hosts, track);
            if grasp == Grasp::Known {
                // The record at hand is the cause; what was heard before it is evidence too.
                let own = event.evidence.first();
                moved.evidence.extend(track.evidence.iter().filter(|record| own.is_none_or(|own| !Arc::ptr_eq(own, record))).cloned());
                self.tell(number, seen, event.at, moved, timers);
            } else if fresh {
                timers.set(event.at + WAIT, WORLD_ROW, key(&event.host, number, RESOLVE));
            }
        } else {
            self.go_on(number, moved);
        }
        if flow.stage == FlowStage::Ended {
            timers.set(event.at + LINGER, WORLD_ROW, key(&event.host, number, FORGET));
        }
    }

    /// Tells a flow, and what is known of its outcome already.
    fn tell(&mut self, number: u64, seen: Seen, now: Time, moved: &mut Moved, timers: &mut Timers) {
        let Some(track) = self.tracks.get_mut(number) else { return };
        let seen = Arc::new(seen);
        track.told = Some(seen.clone());
        moved.steps.push(Step::FlowSeen { seen });
        let unanswered = track.flow.outcome == FlowOutcome::Unknown;
        let (host, due) = (track.host.clone(), track.heard + ANSWER);
        self.tracks.told(number);
        if unanswered {
            timers.set(if due > now { due } else { now }, WORLD_ROW, key(&host, number, SETTLE));
        }
        self.go_on(number, moved);
    }

    /// Tells what became of a flow that was told.
    fn go_on(&mut self, number: u64, moved: &mut Moved) {
        let Some(track) = self.tracks.get_mut(number) else { return };
        let Some(seen) = track.told.clone() else { return };
        let over = track.flow.stage == FlowStage::Ended;
        if !track.settled && track.flow.outcome != FlowOutcome::Unknown {
            track.settled = true;
            moved.steps.push(Step::FlowSettled { seen: seen.clone(), outcome: track.flow.outcome });
        }
        if over && !track.over {
            track.over = true;
            moved.steps.push(Step::FlowEnded { seen, flow: Box::new(track.flow.clone()) });
        }
    }

    /// A timer of a flow is due.
    pub(super) fn fire(
        &mut self,
        hosts: &IndexMap<SmolStr, Host>,
        fired: &TimerKey,
        now: Time,
        timers: &mut Timers,
    ) -> Option<(Event, Moved)> {
        let number = u64::from_str_radix(&fired.id.text(), 16).ok()?;
        let mut moved = Moved::default();
        let track = self.tracks.get(number)?;
        let evidence = track.evidence.clone();
        match fired.tag {
            RESOLVE if track.told.is_none() => {
                let (seen, _) = attribution::of(self, hosts, track);
                self.tell(number, seen, now, &mut moved, timers);
            }
            SETTLE if !track.settled => {
                let seen = track.told.clone()?;
                let track = self.tracks.get_mut(number)?;
                track.settled = true;
                // A summary that does not say whether there was an answer never will.
                if track.flow.stage != FlowStage::Ended {
                    track.flow.outcome = FlowOutcome::Unanswered;
                }
                moved.steps.push(Step::FlowSettled { seen, outcome: track.flow.outcome });
            }
            FORGET if track.ended.is_some_and(|ended| ended + LINGER <= now) => self.tracks.forget(number),
            _ => {}
        }
        if moved.steps.is_empty() {
            return None;
        }
        let cause = Event {
            kind: dictionary::CONNTRACK,
            at: now,
            time: now,
            late_by: Span::ZERO,
            time_suspect: false,
            source: evidence.first().map(|record| record.source.clone()).unwrap_or_default(),
            host: fired.host.clone(),
            subject: SmolStr::default(),
            fields: Fields::Derived(Vec::new()),
            evidence,
        };
        Some((cause, moved))
    }
}

/// The first port that systems give to who begins a connection.
const EPHEMERAL: u16 = 32_768;

/// A cloud's flow log tells each direction for itself and does not say who began: the one at a port that systems choose did.
fn oriented<'a>(event: &Event, flow: &'a Flow) -> Cow<'a, Flow> {
    let answers = flow.source.port != 0 && flow.source.port < EPHEMERAL && flow.destination.port >= EPHEMERAL;
    if event.kind != dictionary::VPC_FLOW || !answers {
        return Cow::Borrowed(flow);
    }
    Cow::Owned(Flow {
        source: flow.destination.clone(),
        destination: flow.source.clone(),
        bytes_out: flow.bytes_in,
        bytes_in: flow.bytes_out,
        packets_out: flow.packets_in,
        packets_in: flow.packets_out,
        ..flow.clone()
    })
}

fn key(host: &SmolStr, number: u64, tag: u8) -> TimerKey {
    TimerKey::new(host, &Id::Text(smol_str::format_smolstr!("{number:016x}"))).tagged(tag)
}

impl Track {
    /// Remembers the record that told of it.
    pub(super) fn note(&mut self, event: &Event) {
        if let Some(record) = event.evidence.first()
            && self.evidence.len() < EVIDENCE_MAX
            && !self.evidence.iter().any(|known| known.source == record.source)
        {
            self.evidence.push(record.clone());
        }
    }
}
