//! Whose the two ends of a flow are. What is not known is said so; nothing is guessed.

use super::tracks::Track;
use super::wire::{PodKey, Wire};
use crate::address;
use crate::container::Container;
use crate::host::Host;
use crate::id::Id;
use crate::leases::{Held, Leases};
use crate::owner;
use crate::party::{Party, Seen, Way, Whereabouts};
use event::flow::End;
use event::{SmolStr, Time};
use indexmap::IndexMap;
use smol_str::{ToSmolStr, format_smolstr};
use std::net::IpAddr;

/// Candidates that are named.
const CANDIDATES_MAX: usize = 20;

/// Whether waiting may tell more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grasp {
    /// Both ends are known for good.
    Known,
    /// An answer that is under way may tell more.
    Open,
}

/// One question: whose an address was.
struct Question<'a> {
    wire: &'a Wire,
    hosts: &'a IndexMap<SmolStr, Host>,
    host: &'a str,
    time: Time,
    /// The time is the flow's beginning; else it began at some time before.
    exact: bool,
}

/// Attributes a flow.
pub(super) fn of(wire: &Wire, hosts: &IndexMap<SmolStr, Host>, track: &Track) -> (Seen, Grasp) {
    let flow = &track.flow;
    let question = Question { wire, hosts, host: &track.host, time: track.began, exact: track.began_known };
    let translated = !flow.answered_by.address.is_empty() && flow.answered_by.address != flow.destination.address;
    let reached = if translated { &flow.answered_by } else { &flow.destination };
    let (source, source_known) = question.party(&flow.source);
    let (mut destination, destination_known) = question.party(reached);
    if destination.port == 0 {
        destination.port = flow.destination.port;
    }
    let role = role(&destination, &flow.destination, &flow.protocol);
    let way = Way::between(source.place, destination.place);
    let asked = if translated { spelt(&flow.destination) } else { SmolStr::default() };
    let seen = Seen { flow: flow.clone(), began: track.began, heard: track.heard, source, destination, asked, role: role.into(), way };
    (seen, if source_known && destination_known { Grasp::Known } else { Grasp::Open })
}

/// An address in its usual spelling.
fn spelt(end: &End) -> SmolStr {
    address::parse(&end.address).map_or_else(|| end.address.clone(), |address| address.to_smolstr())
}

/// What an end is for control. By its port and address: what answers there is another question.
fn role(destination: &Party, asked: &End, protocol: &str) -> &'static str {
    let tcp = protocol.is_empty() || protocol == "tcp";
    let meta = |text: &str| address::parse(text).is_some_and(address::is_metadata);
    match destination.port {
        53 => "dns",
        _ if meta(&destination.address) || meta(&asked.address) => "metadata",
        10250 | 10255 if tcp => "kubelet",
        2379 | 2380 if tcp => "etcd",
        2375 | 2376 if tcp => "docker_api",
        6443 if tcp => "apiserver",
        _ if asked.identity == "kube-apiserver" => "apiserver",
        _ => "",
    }
}

impl Question<'_> {
    fn ask<'b, H: Ord + Clone, P: Ord + Clone>(&self, leases: &'b Leases<H, P>, address: IpAddr) -> Held<'b, H> {
        if self.exact { leases.at(address, self.time) } else { leases.until(address, self.time) }
    }

    /// Whose an end is, and whether that is for good.
    fn party(&self, end: &End) -> (Party, bool) {
        let mut party = Party { address: spelt(end), port: end.port, ..Party::default() };
        if !end.pod.is_empty() {
            self.named_pod(end, &mut party);
            return (party, true);
        }
        match end.identity.as_str() {
            "world" => party.place = Whereabouts::Outside,
            "host" | "remote-node" | "kube-apiserver" => party.place = Whereabouts::Host,
            _ => {}
        }
        let Some(address) = address::parse(&end.address) else { return (party, true) };
        let addresses = self.wire.hosts.get(self.host);
        match addresses.map_or(Held::Nobody, |addresses| self.ask(&addresses.leases, address)) {
            Held::By(id) => {
                self.container(id, &mut party);
                return (party, true);
            }
            Held::Disputed(ids) => {
                party.place = Whereabouts::Unknown;
                party.candidates = self.hosts.get(self.host).map(|host| names(ids.into_iter().cloned(), host)).unwrap_or_default();
                return (party, false);
            }
            Held::Nobody => {}
        }
        match self.ask(&self.wire.pods, address) {
            // A pod that went without a word of its own, with its namespace, holds nothing any more.
            Held::By(key) if !self.pod(key, &mut party) => return (party, false),
            Held::By(_) => return (party, true),
            Held::Disputed(keys) => {
                party.place = Whereabouts::Unknown;
                party.candidates = keys.into_iter().take(CANDIDATES_MAX).map(|(_, place, _)| place.clone()).collect();
                return (party, false);
            }
            Held::Nobody => {}
        }
        if let Some(pods) = self.wire.nodes.get(&address) {
            party.place = Whereabouts::Host;
            party.workload = SmolStr::new_static("host");
            party.candidates = pods.iter().take(CANDIDATES_MAX).map(|(_, place, _)| place.clone()).collect();
            return (party, true);
        }
        if address.is_loopback() || addresses.is_some_and(|addresses| addresses.own.contains(&address)) {
            party.place = Whereabouts::Host;
            party.workload = SmolStr::new_static("host");
            if let (Some(addresses), Some(host)) = (addresses, self.hosts.get(self.host)) {
                let ran = |id: &&Id| host.container(id).is_some_and(|container| ran_at(container, self.time));
                party.candidates = names(addresses.on_host.iter().filter(ran).cloned(), host);
            }
            return (party, true);
        }
        if party.place != Whereabouts::Unknown {
            return (party, true);
        }
        // An address of a container network that nobody holds is nobody's; any other inner address may still turn out to be somebody's.
        let inside = addresses.is_some_and(|addresses| addresses.in_container_network(address));
        let networks_known = addresses.is_some_and(|addresses| !addresses.subnets.is_empty());
        let pods_near = address.is_ipv4() && self.wire.pods.any_near(address);
        if inside && let (Some(addresses), Some(host)) = (addresses, self.hosts.get(self.host)) {
            party.candidates = names(addresses.unaddressed(address, self.time).into_iter(), host);
        }
        if inside || pods_near {
            return (party, false);
        }
        if !address::is_inner(address) || address::is_metadata(address) || networks_known {
            party.place = Whereabouts::Outside;
            party.workload = address::place_of(address);
            return (party, !address::is_inner(address) || address::is_metadata(address));
        }
        (party, false)
    }

    fn container(&self, id: &Id, party: &mut Party) {
        party.host = SmolStr::new(self.host);
        party.namespace_of = Some(id.clone());
        let Some(host) = self.hosts.get(self.host) else { return };
        let addresses = self.wire.hosts.get(self.host);
        party.networks = addresses.map(|addresses| addresses.leases.places(id, self.time).into_iter().collect()).unwrap_or_default();
        let holder = host.container(id);
        party.workload = holder.map(node).unwrap_or_default();
        if let Some(pod) = holder.and_then(|container| container.pod.as_ref()) {
            party.namespace = pod.namespace.clone();
            party.pod = pod.pod.clone();
        }
        let ran = |id: &&Id| host.container(id).is_some_and(|container| ran_at(container, self.time));
        let sharers: Vec<Id> =
            addresses.and_then(|addresses| addresses.sharers.get(id)).into_iter().flatten().filter(ran).cloned().collect();
        if sharers.is_empty() {
            party.place = Whereabouts::Container;
            party.container = Some(id.clone());
            party.name = holder.map(|container| container.name.clone()).unwrap_or_default();
        } else {
            party.place = Whereabouts::Shared;
            party.candidates = names(std::iter::once(id.clone()).chain(sharers), host);
        }
    }

    /// A pod that the witness itself names.
    fn named_pod(&self, end: &End, party: &mut Party) {
        let place = crate::cluster::place(&end.namespace, &end.pod);
        let known = self.hosts.values().find(|host| host.cluster.as_ref().is_some_and(|cluster| cluster.pods.contains_key(&place)));
        let known = known.is_some_and(|host| self.pod(&(host.name.clone(), place.clone(), SmolStr::default()), party));
        if !known {
            party.place = Whereabouts::Shared;
            let stem = if end.workload.is_empty() { owner::pod_stem(&end.pod) } else { end.workload.as_str() };
            party.workload = format_smolstr!("k8s:{}/{stem}", end.namespace);
            party.name = end.pod.clone();
            party.candidates = vec![place];
        }
        party.namespace = end.namespace.clone();
        party.pod = end.pod.clone();
    }

    /// Describes a pod; an empty unique id means whichever has that name. Says whether it was there at the time.
    fn pod(&self, key: &PodKey, party: &mut Party) -> bool {
        let (on, place, uid) = key;
        let Some(host) = self.hosts.get(on) else { return false };
        let Some(pod) = host.cluster.as_ref().and_then(|cluster| cluster.pods.get(place)) else { return false };
        if pod.gone.is_some_and(|gone| gone <= self.time) || !uid.is_empty() && *uid != pod.uid {
            return false;
        }
        party.host = on.clone();
        party.namespace = pod.namespace.clone();
        party.pod = pod.name.clone();
        party.workload = match pod.owner.split_once(':') {
            Some((_, place)) => format_smolstr!("k8s:{place}"),
            None => format_smolstr!("k8s:{}/{}", pod.namespace, owner::pod_stem(&pod.name)),
        };
        let mut running =
            pod.containers.iter().filter(|(_, _, id)| host.container(id).is_some_and(|container| ran_at(container, self.time)));
        match (running.next(), running.next()) {
            (Some((_, _, id)), None) => {
                party.place = Whereabouts::Container;
                party.container = Some(id.clone());
                party.name = host.container(id).map(|container| container.name.clone()).unwrap_or_default();
            }
            _ => {
                party.place = Whereabouts::Shared;
                party.name = pod.name.clone();
                party.candidates = names(pod.containers.iter().map(|(_, _, id)| id.clone()), host);
            }
        }
        true
    }
}

/// The node of the graph that a container is: owner, else image repository. Its chosen name is no part of it, since names are free to choose.
fn node(container: &Container) -> SmolStr {
    if container.pod.is_some() || container.label("io.kubernetes.pod.name").is_some() {
        let workload = owner::workload(container).unwrap_or_default();
        return workload.rsplit_once('/').map_or_else(|| workload.clone(), |(pod, _)| SmolStr::new(pod));
    }
    let owner = owner::owner(&container.labels);
    let image = || crate::image_ref::known(&container.image).map(|image| format_smolstr!("image:{}", image.repository));
    owner.or_else(image).unwrap_or_default()
}

/// Whether a container's process ran at a time, as far as it is known.
fn ran_at(container: &Container, time: Time) -> bool {
    let started = container.started.or(container.created);
    let ended = container.ended.filter(|ended| started.is_none_or(|started| *ended >= started)).or(container.removed);
    started.is_none_or(|started| started <= time)
        && ended.is_none_or(|ended| time < ended)
        && (container.ever_started() || container.runs())
}

fn names(ids: impl Iterator<Item = Id>, host: &Host) -> Vec<SmolStr> {
    let name = |id: Id| match host.container(&id) {
        Some(container) if !container.name.is_empty() => container.name.clone(),
        _ => id.text(),
    };
    let mut names: Vec<SmolStr> = ids.take(CANDIDATES_MAX).map(name).collect();
    names.sort();
    names
}
