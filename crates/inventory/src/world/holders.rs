//! Who holds which address: learned from what engines and API servers say, and from how flows are translated.

use crate::address::{self, Subnet};
use crate::container::{Container, State};
use crate::host::Host;
use crate::id::Id;
use crate::leases::Leases;
use crate::step::Step;
use event::fact::{ContainerAction, ContainerEvent, ContainerSpec, Fact, List, NetworkAction, NetworkEvent, NetworkSpec};
use event::flow::Flow;
use event::{Event, SmolStr, Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Containers of which connections are remembered.
const PLACES_MAX: usize = if cfg!(test) { 256 } else { 65_536 };
/// Networks of one container of which the connection is remembered.
const CONNECTED_MAX: usize = 64;
/// Containers that are looked through for whose an address could be.
const LOOK: usize = 4096;
/// Addresses of the host that are remembered.
const OWN_MAX: usize = 4096;
/// A container joins its networks this long before its start is said, at most.
const BEFORE_START: Span = Span::seconds(10);

/// Addresses of one host.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Addresses {
    /// Containers' addresses; the place is the network's id.
    pub(crate) leases: Leases<Id, SmolStr>,
    /// Ranges of the host's container networks, by the network's id.
    pub(crate) subnets: BTreeMap<SmolStr, Vec<Subnet>>,
    /// Addresses of the host itself.
    pub(crate) own: BTreeSet<IpAddr>,
    /// Containers on the host's network.
    pub(crate) on_host: BTreeSet<Id>,
    /// Containers that use the network of another one.
    pub(crate) sharers: BTreeMap<Id, BTreeSet<Id>>,
    places: BTreeMap<Id, Place>,
}

/// When a container was connected and ran.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Place {
    connected: BTreeMap<SmolStr, Time>,
    ended: Option<Time>,
}

impl Addresses {
    /// Follows one event that the host's state has taken already. Says how much was forgotten; `learned` takes the addresses that have a holder now.
    pub(crate) fn follow(&mut self, host: &Host, event: &Event, fact: &Fact, steps: &[Step], learned: &mut Vec<IpAddr>) -> u64 {
        let mut forgotten = 0;
        match fact {
            Fact::Container(said) => self.happened(said, event.time),
            Fact::ContainerSpec(spec) => {
                forgotten += self.inspected(host, event, spec, learned);
            }
            Fact::Network(said) => self.network_happened(said, event.time),
            Fact::NetworkSpec(spec) => {
                forgotten += self.network_inspected(host, event, spec, learned);
            }
            Fact::List(List::Networks(list)) => {
                self.subnets.clear();
                for spec in list.iter().take(crate::host::NETWORKS_MAX) {
                    forgotten += self.network_inspected(host, event, spec, learned);
                }
            }
            _ => {}
        }
        // What a list no longer shows is gone too.
        for step in steps {
            if let Step::Removed { id, .. } = step {
                self.gone(id, event.time);
            }
        }
        forgotten
    }

    fn happened(&mut self, said: &ContainerEvent, time: Time) {
        let id = Id::new(&said.id);
        match said.action {
            ContainerAction::Die { .. } | ContainerAction::Destroy => self.gone(&id, time),
            _ => {}
        }
    }

    /// Its process has ended: the engine takes its addresses back.
    fn gone(&mut self, id: &Id, time: Time) {
        self.leases.close(id, time);
        if let Some(place) = self.places.get_mut(id) {
            place.ended = Some(place.ended.map_or(time, |before| before.max(time)));
        } else if self.leases.has(id) {
            self.place(id).ended = Some(time);
        }
    }

    fn place(&mut self, id: &Id) -> &mut Place {
        if !self.places.contains_key(id) && self.places.len() >= PLACES_MAX {
            // Those that ended go first; their leases stay.
            self.places.retain(|_, place| place.ended.is_none());
            while self.places.len() >= PLACES_MAX {
                self.places.pop_first();
            }
        }
        self.places.entry(id.clone()).or_default()
    }

    fn network_happened(&mut self, said: &NetworkEvent, time: Time) {
        match &said.action {
            NetworkAction::Connect { container } => {
                let id = Id::new(container);
                let connected = &mut self.place(&id).connected;
                if connected.len() >= CONNECTED_MAX {
                    connected.pop_first();
                }
                connected.insert(said.id.clone(), time);
            }
            NetworkAction::Disconnect { container } => self.leases.close_at(&Id::new(container), &said.id, time),
            NetworkAction::Destroy => drop(self.subnets.remove(&said.id)),
            _ => {}
        }
    }

    /// Since when a container holds its place on a network, in the run that began at `started`.
    fn since(&self, id: &Id, network: &SmolStr, started: Option<Time>, otherwise: Time) -> Time {
        let connected = self.places.get(id).and_then(|place| place.connected.get(network)).copied();
        match (connected, started) {
            (Some(connected), Some(started)) if connected + BEFORE_START >= started => connected,
            (_, Some(started)) => started,
            (Some(connected), None) => connected,
            (None, None) => otherwise,
        }
    }

    fn inspected(&mut self, host: &Host, event: &Event, spec: &ContainerSpec, learned: &mut Vec<IpAddr>) -> u64 {
        let id = Id::new(&spec.id);
        let mut forgotten = 0;
        if spec.network_mode == "host" {
            self.on_host.insert(id.clone());
        } else if let Some(other) = spec.network_mode.strip_prefix("container:") {
            let other = host.find(other).map_or_else(|| Id::new(other), |container| container.id.clone());
            self.sharers.entry(other).or_default().insert(id.clone());
        }
        if self.on_host.len() + self.sharers.len() > PLACES_MAX {
            forgotten += 1;
            self.on_host.retain(|id| host.containers.contains_key(id));
            self.sharers.retain(|id, _| host.containers.contains_key(id));
        }
        if !matches!(State::named(&spec.status), State::Running | State::Paused) {
            return forgotten;
        }
        let started = spec.started.or(host.container(&id).and_then(|container| container.started));
        let ended = self.places.get(&id).and_then(|place| place.ended);
        for endpoint in &spec.networks {
            let network = match host.network(&endpoint.network).filter(|_| endpoint.network_id.is_empty()) {
                Some(network) => network.spec.id.clone(),
                None if endpoint.network_id.is_empty() => endpoint.network.clone(),
                None => endpoint.network_id.clone(),
            };
            let from = self.since(&id, &network, started, event.time);
            for text in [&endpoint.address, &endpoint.address_v6] {
                let Some(address) = address::parse(text) else { continue };
                learned.push(address);
                // An answer that comes after the end of the run that it describes.
                match ended.filter(|ended| *ended >= from) {
                    Some(ended) => forgotten += self.leases.past(address, &id, &network, from, ended),
                    None => {
                        self.leases.close_others(&id, &network, address, from.max(event.time));
                        forgotten += self.leases.open(address, &id, &network, from);
                    }
                }
            }
        }
        forgotten
    }

    fn network_inspected(&mut self, host: &Host, event: &Event, spec: &NetworkSpec, learned: &mut Vec<IpAddr>) -> u64 {
        let mut forgotten = 0;
        self.subnets.insert(spec.id.clone(), spec.subnets.iter().filter_map(|text| Subnet::parse(text)).collect());
        for gateway in spec.gateways.iter().filter_map(|text| address::parse(text)) {
            self.learn_own(gateway);
            learned.push(gateway);
        }
        for (id, text) in &spec.containers {
            let id = Id::new(id);
            let Some(address) = address::parse(text) else { continue };
            let Some(container) = host.container(&id).filter(|container| container.runs()) else { continue };
            let from = self.since(&id, &spec.id, container.started, event.time);
            if self.places.get(&id).and_then(|place| place.ended).is_none_or(|ended| ended < from) {
                learned.push(address);
                self.leases.close_others(&id, &spec.id, address, from.max(event.time));
                forgotten += self.leases.open(address, &id, &spec.id, from);
            }
        }
        forgotten
    }

    fn learn_own(&mut self, address: IpAddr) {
        if self.own.len() < OWN_MAX {
            self.own.insert(address);
        }
    }

    /// Learns from a translation: whose address stands for a container's own on the way out, and which address a published port was asked at.
    pub(crate) fn translated(&mut self, host: &Host, flow: &Flow, time: Time) {
        let holder = |text: &str| match address::parse(text).map(|address| self.leases.at(address, time)) {
            Some(crate::leases::Held::By(id)) => Some(id.clone()),
            _ => None,
        };
        let mut own = Vec::new();
        if !flow.answered_to.address.is_empty() && flow.answered_to.address != flow.source.address && holder(&flow.source.address).is_some()
        {
            own.push(&flow.answered_to.address);
        }
        if !flow.answered_by.address.is_empty()
            && flow.answered_by.address != flow.destination.address
            && let Some(container) = holder(&flow.answered_by.address).and_then(|id| host.container(&id))
            && publishes(container, flow.destination.port)
        {
            own.push(&flow.destination.address);
        }
        let own: Vec<IpAddr> = own.into_iter().filter_map(|text| address::parse(text)).collect();
        for address in own {
            self.learn_own(address);
        }
    }

    /// Containers that were on the network of an address while nobody had said theirs there: whose it could be.
    pub(crate) fn unaddressed(&self, address: IpAddr, time: Time) -> Vec<Id> {
        let contains =
            |network: &SmolStr| self.subnets.get(network).is_some_and(|subnets| subnets.iter().any(|subnet| subnet.contains(address)));
        let could = |(id, place): &(&Id, &Place)| {
            let runs = |since: Time| since <= time && place.ended.is_none_or(|ended| time < ended || ended <= since);
            let there = place.connected.iter().any(|(network, since)| runs(*since) && contains(network));
            there && self.leases.places(id, time).is_empty()
        };
        self.places.iter().take(LOOK).filter(could).map(|(id, _)| id.clone()).collect()
    }

    /// Whether an address lies in a network of containers.
    pub(crate) fn in_container_network(&self, address: IpAddr) -> bool {
        self.subnets.values().flatten().any(|subnet| subnet.contains(address))
    }
}

fn publishes(container: &Container, port: u16) -> bool {
    container.shape().is_some_and(|shape| shape.ports.iter().any(|published| published.host_port == port && port != 0))
}
