//! `inventory.discrepancy`: what one witness saw of a container and another, that should have seen it too, did not.
//!
//! Each sight that is not borne out is a *claim*. It is judged when the grace is over, whatever came first in the meantime. A witness's silence counts only
//! where it was well: while one is cut off the judgement waits, and is made once it is back; it is never dropped, and what was seen once stays seen although it
//! may be gone by then.

mod claim;
mod judge;
mod system;

use crate::address;
use crate::cluster::Cluster;
use crate::host::Host;
use crate::id::Id;
use crate::party::{Seen, Whereabouts};
use crate::row::{Row, RowOut};
use crate::step::{SeenBy, Step};
use crate::timers::TimerKey;
use crate::witnesses::{BUILDKIT, owner};
use crate::world::{World, telling};
use claim::{Claim, Sort};
use event::fact::{Fact, SensorNote, Sight};
use event::{Event, SmolStr, Span, Time};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How long the other witnesses have to say the same.
pub const GRACE: Span = Span::seconds(30);

/// Blindness that ended no longer ago than this belongs to what is seen after it.
pub const BLIND_BEFORE: Span = Span::minutes(10);

/// Breaks put a judgement off no further than this after the first sight.
const PUT_OFF_MAX: Span = Span::minutes(5);

/// Claims that wait to be judged.
const CLAIMS_MAX: usize = if cfg!(test) { 512 } else { 16_384 };

/// Claims that are remembered as settled, so that each further process of the same container is not judged anew.
const SETTLED_MAX: usize = if cfg!(test) { 1_024 } else { 65_536 };

/// The claims of all hosts.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    claims: BTreeMap<(SmolStr, SmolStr), Claim>,
    settled: IndexMap<(SmolStr, SmolStr), Time>,
    /// Mount namespaces of processes whose control group names a container, and which.
    namespaces: IndexMap<(SmolStr, u64), SmolStr>,
    /// Hosts where a judgement waits for a witness, with how many do.
    waiting: BTreeMap<SmolStr, u32>,
}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        let Some(host) = world.host(&cause.host) else { return };
        match step {
            Step::Created { id, by: SeenBy::List, .. } => {
                if let Some(container) = host.container(id) {
                    let mut claim = Claim::new(Sort::ListWithoutEvent, id.text(), cause);
                    // What the stream should have said, it should have said then.
                    claim.first = container.created.filter(|created| *created < claim.first).unwrap_or(claim.first);
                    claim.container = Some(id.clone());
                    self.claim(key('l', &id.text()), claim, cause, out);
                }
                self.own_story(id, host, world, cause, out);
            }
            Step::Created { id, .. } | Step::Found { id } => {
                self.own_story(id, host, world, cause, out);
                self.pod_runs(id, host, cause, out);
            }
            Step::Started { id, .. } => self.pod_runs(id, host, cause, out),
            Step::Sighted { id, .. } => self.unknown_sighting(id, host, cause, out),
            Step::Kernel => {
                if let Some(Fact::Process(said)) = cause.fact() {
                    self.process(said, host, cause, out);
                }
            }
            Step::FlowSeen { seen } => self.spoken(seen, host, world, cause, out),
            Step::Note => self.noted(cause, out),
            _ => {}
        }
        if self.waiting.contains_key(&cause.host) {
            self.look_again(host, world, cause, out);
        }
    }

    fn fire(&mut self, key: &TimerKey, now: Time, world: &World, out: &mut RowOut<'_>) {
        let place = (key.host.clone(), key.id.text());
        if self.claims.get(&place).is_none_or(|claim| claim.due > now) {
            return;
        }
        let Some(host) = world.host(&key.host) else { return };
        let Some(claim) = self.claims.get(&place) else { return };
        match judge::judge(claim, host, world) {
            judge::Verdict::Wait => {
                let Some(claim) = self.claims.get_mut(&place) else { return };
                if !claim.waits {
                    claim.waits = true;
                    *self.waiting.entry(key.host.clone()).or_default() += 1;
                }
                claim.due = Time::MAX;
            }
            judge::Verdict::Settled => self.settle(&place, now, out),
            judge::Verdict::Broken(found) => {
                judge::say(claim, &found, host, world, now, out);
                self.settle(&place, now, out);
            }
        }
    }
}

/// Under what a claim is kept: witnesses may write an id in full or only its beginning.
fn key(sort: char, id: &str) -> SmolStr {
    let hex = id.len() >= 12 && id.is_char_boundary(12) && id.bytes().all(|b| b.is_ascii_hexdigit());
    SmolStr::from(format!("{sort}:{}", if hex { &id[..12] } else { id }))
}

/// The cluster that has this host as a node, if any does.
fn cluster_of<'a>(host: &'a Host, world: &'a World) -> Option<&'a Cluster> {
    if let Some(cluster) = &host.cluster {
        return Some(cluster);
    }
    world.hosts.values().filter_map(|other| other.cluster.as_deref()).find(|cluster| cluster.nodes.contains_key(&host.name))
}

impl State {
    /// Takes a claim, or adds to the one that is there.
    fn claim(&mut self, key: SmolStr, claim: Claim, cause: &Event, out: &mut RowOut<'_>) {
        let place = (cause.host.clone(), key);
        if self.settled.contains_key(&place) {
            return;
        }
        if let Some(known) = self.claims.get_mut(&place) {
            known.add(claim);
            return;
        }
        if self.claims.len() >= CLAIMS_MAX {
            if let Some((place, oldest)) = self.claims.pop_first() {
                self.no_longer_waits(&place.0, oldest.waits);
            }
            out.forgot("inventory.claims", 1);
        }
        out.timer(claim.due, TimerKey::new(&place.0, &Id::Text(place.1.clone())));
        self.claims.insert(place, claim);
    }

    fn settle(&mut self, place: &(SmolStr, SmolStr), now: Time, out: &mut RowOut<'_>) {
        if let Some(claim) = self.claims.remove(place) {
            self.no_longer_waits(&place.0, claim.waits);
        }
        if self.settled.len() >= SETTLED_MAX {
            self.settled.drain(..SETTLED_MAX / 16);
            out.forgot("inventory.settled", SETTLED_MAX as u64 / 16);
        }
        self.settled.insert(place.clone(), now);
    }

    fn no_longer_waits(&mut self, host: &SmolStr, waited: bool) {
        if waited && let Some(count) = self.waiting.get_mut(host) {
            *count -= 1;
            if *count == 0 {
                self.waiting.remove(host);
            }
        }
    }

    /// A container told by a runtime below, in a division that no engine owns, or that of an engine or an orchestrator which is followed elsewhere.
    fn own_story(&mut self, id: &Id, host: &Host, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        let Some(container) = host.container(id).filter(|container| container.told_by.is_some()) else { return };
        let (runtime, division) = (container.teller(), container.division());
        let engine = owner(runtime, division);
        let sort = if engine == "kubernetes" && runtime != engine {
            if cluster_of(host, world).is_none() {
                return;
            }
            Sort::RuntimeWithoutOrchestrator
        } else if runtime == "containerd" && host.follows("docker") {
            Sort::RuntimeWithoutEngine
        } else {
            return;
        };
        let mut claim = Claim::new(sort, id.text(), cause);
        claim.container = Some(id.clone());
        claim.build = division == BUILDKIT;
        self.claim(key('c', &id.text()), claim, cause, out);
    }

    /// A runtime below an engine tells of a container that the engine has not told.
    fn unknown_sighting(&mut self, id: &Id, host: &Host, cause: &Event, out: &mut RowOut<'_>) {
        let Some(Fact::Container(said)) = cause.fact() else { return };
        if let Some(container) = host.container(id) {
            if telling::is_namesake(container, said) {
                let what = SmolStr::from(format!("{}/{}", said.division, said.id));
                let mut claim = Claim::new(Sort::RuntimeWithoutEngine, what.clone(), cause);
                claim.image = said.image.clone();
                claim.build = said.division == BUILDKIT;
                self.claim(SmolStr::from(format!("d:{what}")), claim, cause, out);
            }
            return;
        }
        let orchestrated = owner(&said.runtime, &said.division) == "kubernetes";
        let sort = if orchestrated { Sort::RuntimeWithoutOrchestrator } else { Sort::RuntimeWithoutEngine };
        let mut claim = Claim::new(sort, said.id.clone(), cause);
        claim.image = said.image.clone();
        claim.awaited = true;
        self.claim(key('c', &said.id), claim, cause, out);
    }

    /// An orchestrator says that a pod's container runs.
    fn pod_runs(&mut self, id: &Id, host: &Host, cause: &Event, out: &mut RowOut<'_>) {
        let told = matches!(cause.fact(), Some(Fact::Object(_) | Fact::Objects(_) | Fact::Request(_)));
        if !told || host.container(id).is_none_or(|container| container.teller() != "kubernetes" || !container.runs()) {
            return;
        }
        let mut claim = Claim::new(Sort::PodWithoutRuntime, id.text(), cause);
        claim.container = Some(id.clone());
        self.claim(SmolStr::from(format!("p:{}", id.text())), claim, cause, out);
    }

    /// An address of a container network speaks that nobody holds.
    fn spoken(&mut self, seen: &Seen, host: &Host, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        let source = &seen.source;
        if source.place != Whereabouts::Unknown || !source.candidates.is_empty() {
            return;
        }
        let Some(address) = address::parse(&source.address) else { return };
        if world.wire.hosts.get(&host.name).is_some_and(|addresses| addresses.in_container_network(address)) {
            let claim = Claim::new(Sort::AddressWithoutContainer, source.address.clone(), cause);
            self.claim(SmolStr::from(format!("a:{address}")), claim, cause, out);
        }
    }

    /// A witness is back: what waited for it is judged when it has had its time to catch up.
    fn noted(&mut self, cause: &Event, out: &mut RowOut<'_>) {
        let Some(Fact::Sensor(SensorNote { note: Sight::Resumed { .. } | Sight::Started, .. })) = cause.fact() else { return };
        let due = cause.at + GRACE;
        let mut took_up = 0;
        for ((host, key), claim) in self.claims.range_mut((cause.host.clone(), SmolStr::default())..) {
            if *host != cause.host {
                break;
            }
            // Those that are not due yet get the same time, because the lists that follow a break may name them; but a stream that breaks again and again
            // must not put them off for good.
            let due = if claim.waits { due } else { due.min(claim.first + PUT_OFF_MAX) };
            if claim.waits || claim.due < due {
                out.timer(due, TimerKey::new(host, &Id::Text(key.clone())));
                claim.due = due;
                took_up += u32::from(std::mem::take(&mut claim.waits));
            }
        }
        for _ in 0..took_up {
            self.no_longer_waits(&cause.host, true);
        }
    }

    /// A witness without a collector of its own is well once it has spoken again; then what waited for it can be judged.
    fn look_again(&mut self, host: &Host, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        for ((on, key), claim) in self.claims.range_mut((cause.host.clone(), SmolStr::default())..) {
            if *on != cause.host {
                break;
            }
            if claim.waits && claim.due == Time::MAX && !matches!(judge::judge(claim, host, world), judge::Verdict::Wait) {
                out.timer(cause.at, TimerKey::new(on, &Id::Text(key.clone())));
                claim.due = cause.at;
            }
        }
    }
}

#[cfg(test)]
mod laws;
