//! What exists and existed, host by host; the only place where that state moves.

mod attribution;
mod cluster;
mod cluster_objects;
mod cluster_parts;
mod cluster_pods;
#[cfg(test)]
mod cluster_tests;
mod cluster_words;
mod containers;
mod hold;
mod holders;
mod images;
mod kernel;
mod lists;
mod rest;
pub(crate) mod telling;
mod tracks;
mod wire;

pub(crate) use cluster::was_done;
pub use containers::CLONE_AGE;

use crate::container::Container;
use crate::context::Context;
use crate::host::Host;
use crate::id::Id;
use crate::pressure::Pressure;
use crate::share::Share;
use crate::step::Step;
use crate::timers::{TimerKey, Timers};
use event::deriver::WantedFields;
use event::fact::Fact;
use event::{Event, Fields, Provenance, SmallVec, SmolStr, Time};
use hold::Hold;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Hosts that are remembered: one engine each. The host of a record is set by its collector, but a forged file may name many.
pub const HOSTS_MAX: usize = 1024;

/// The row number under which the world itself has timers; rows follow it.
pub(crate) const WORLD_ROW: u8 = 0;

/// What exists and existed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct World {
    /// Hosts in the order in which they became known.
    pub hosts: IndexMap<SmolStr, Host>,
    /// Containers that were described before anything said how they came to be.
    pub(crate) held: BTreeMap<(SmolStr, Id), Hold>,
    /// Addresses, and flows that are followed.
    pub(crate) wire: wire::Wire,
    /// What the operator declared; given anew at each start, so not part of the state.
    #[serde(skip)]
    pub context: Context,
    #[serde(skip)]
    pub(crate) share: Share,
    /// The fields that somebody reads, as the engine last said; `None` is all.
    #[serde(skip)]
    pub(crate) reading: Option<Arc<WantedFields>>,
}

/// The steps of one event: mostly one.
pub type Steps = SmallVec<[Step; 2]>;

/// What one event moved.
#[derive(Debug, Default)]
pub(crate) struct Moved {
    /// The steps, in order.
    pub(crate) steps: Steps,
    /// Records beside the event's own that the steps rest on.
    pub(crate) evidence: Vec<Arc<Provenance>>,
}

/// What the parts of the world need beside the host.
pub(crate) struct Hands<'a> {
    pub(crate) held: &'a mut BTreeMap<(SmolStr, Id), Hold>,
    pub(crate) share: &'a mut Share,
    pub(crate) timers: &'a mut Timers,
    pub(crate) pressure: &'a mut Pressure,
    pub(crate) context: &'a Context,
    pub(crate) moved: Moved,
}

impl Hands<'_> {
    pub(crate) fn say(&mut self, step: Step) {
        self.moved.steps.push(step);
    }
}

impl World {
    /// A host.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.get(name)
    }

    /// A container on a host.
    pub fn container(&self, host: &str, id: &Id) -> Option<&Container> {
        self.hosts.get(host)?.container(id)
    }

    /// Applies what one native event says, and tells what moved.
    pub(crate) fn apply(&mut self, event: &Event, timers: &mut Timers, pressure: &mut Pressure) -> Moved {
        let Fields::Native(decoded) = &event.fields else { return Moved::default() };
        let World { hosts, held, context, share, wire, .. } = self;
        if !hosts.contains_key(&event.host) {
            if hosts.len() >= HOSTS_MAX {
                let many = HOSTS_MAX / 16;
                hosts.drain(..many);
                pressure.add("inventory.hosts", many as u64);
            }
            hosts.insert(event.host.clone(), Host { name: event.host.clone(), ..Host::default() });
        }
        let Some(host) = hosts.get_mut(&event.host) else { return Moved::default() };
        let mut hands = Hands { held, share, timers, pressure, context, moved: Moved::default() };
        host.forget_removed(event.at);
        if !matches!(decoded.fact, Some(Fact::Sensor(_))) {
            host.heard.record(&event.source, event.at, decoded.time.is_some() && !event.time_suspect);
        }
        match &decoded.fact {
            Some(Fact::Container(said)) => containers::happened(host, event, said, &mut hands),
            Some(Fact::ContainerSpec(spec)) => containers::inspected(host, event, spec, &mut hands),
            Some(Fact::ExecSpec(spec)) => {
                let id = Id::new(&spec.container_id);
                containers::known(host, &id, &mut hands);
                hands.say(Step::ExecInspected { id });
            }
            Some(Fact::Image(said)) => images::happened(host, event, said, &mut hands),
            Some(Fact::ImageSpec(spec)) => images::inspected(host, event, spec, &mut hands),
            Some(Fact::Network(said)) => rest::network_happened(host, event, said, &mut hands),
            Some(Fact::NetworkSpec(spec)) => rest::network_inspected(host, event, spec, &mut hands),
            Some(Fact::Volume(said)) => rest::volume_happened(host, said, &mut hands),
            Some(Fact::VolumeSpec(spec)) => rest::volume_inspected(host, spec, &mut hands),
            Some(Fact::Engine(spec)) => rest::engine_seen(host, spec, &mut hands),
            Some(Fact::EngineEvent(_)) => hands.say(Step::EngineEvent),
            Some(Fact::List(list)) => lists::taken(host, event, list, &mut hands),
            Some(Fact::Sensor(note)) => rest::noted(host, event, note, &mut hands),
            Some(fact @ (Fact::Request(_) | Fact::Object(_) | Fact::Objects(_))) => cluster::applied(host, event, fact, &mut hands),
            Some(fact @ (Fact::Flow(_) | Fact::Filter(_))) => wire::applied(host, event, fact, &mut hands),
            Some(fact @ (Fact::Process(_) | Fact::Usage(_))) => kernel::applied(host, event, fact, &mut hands),
            None => hands.say(Step::Unread),
        }
        telling::witnessed(host, event, &hands.moved.steps);
        // Only a record that says its own time tells when watching began; set last, so that the record itself is judged by what was known before it.
        if decoded.time.is_some() && !event.time_suspect {
            host.watching_since.get_or_insert(event.time);
        }
        let mut moved = hands.moved;
        wire.follow(hosts, event, &mut moved, timers, pressure);
        telling::flows_seen(hosts, event, &mut moved);
        moved
    }

    /// A hold has run out: what was waited for did not come. Or a flow has waited long enough.
    pub(crate) fn fire(&mut self, key: &TimerKey, now: Time, timers: &mut Timers) -> Option<(Event, Moved)> {
        if wire::TIMERS.contains(&key.tag) {
            let (cause, mut moved) = self.wire.fire(&self.hosts, key, now, timers)?;
            telling::flows_seen(&mut self.hosts, &cause, &mut moved);
            return Some((cause, moved));
        }
        let held = self.held.get(&(key.host.clone(), key.id.clone()))?;
        if held.due > now {
            return None;
        }
        let held = self.held.remove(&(key.host.clone(), key.id.clone()))?;
        let host = self.hosts.get_mut(&key.host)?;
        Some(held.run_out(host, key, now))
    }

    /// Takes up, after thawing, what is not part of the frozen state: the operator's context, and what equal containers share.
    pub(crate) fn take_up(&mut self, context: Context) {
        self.context = context;
        let World { hosts, share, context, .. } = self;
        for host in hosts.values_mut() {
            for index in 0..host.containers.len() {
                let Some((_, container)) = host.containers.get_index_mut(index) else { continue };
                share.again(container);
                let id = container.id.clone();
                host.count_entry(&id, context);
            }
        }
    }
}
