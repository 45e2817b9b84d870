//! `network.fan_out`: how many others one source has tried within a minute, and how many of them did not answer.
//!
//! Counted are pairs of address and port whose outcome is known, among inner addresses: neighbours, hosts and what else is not the internet. Each source has its
//! own count; the host and addresses that are nobody's are sources like any other.

use crate::fields::container_fields;
use crate::flows::{container_of, flow_fields, subject};
use crate::party::{Seen, Whereabouts};
use crate::row::{Row, RowOut};
use crate::step::Step;
use crate::world::World;
use crate::{address, party::Party};
use event::dictionary as d;
use event::flow::{Flow, FlowOutcome};
use event::{DerivedBuilder, Event, Provenance, SmolStr, Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The window.
const WINDOW: Span = Span::seconds(60);
/// The first count that is told; then each double of it.
const FIRST: usize = 10;
/// Sources that are counted at once.
const SOURCES_MAX: usize = if cfg!(test) { 64 } else { 16_384 };
/// Targets of one source in the window.
const TARGETS_MAX: usize = if cfg!(test) { 512 } else { 4_096 };
/// Workloads whose usual count is remembered.
const USUAL_MAX: usize = if cfg!(test) { 64 } else { 65_536 };
/// A source asks this many name servers; beyond it, port 53 is a target like any other.
const NAME_SERVERS: usize = 3;
/// Records kept as evidence of one telling: the first ones and the last one.
const EVIDENCE: usize = 9;

/// Host and source: a container's id, a pod, `host`, or an address.
type Key = (SmolStr, SmolStr);
/// Address and port.
type Target = (SmolStr, u16);

/// What sources have tried lately.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    sources: BTreeMap<Key, Source>,
    /// By host and workload.
    usual: BTreeMap<Key, Usual>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Source {
    targets: BTreeMap<Target, Tried>,
    /// The targets by the time at which they were tried last.
    order: BTreeSet<(Time, Target)>,
    servers: BTreeSet<SmolStr>,
    /// The highest count that was told and has not gone under since.
    told: usize,
    evidence: Vec<Arc<Provenance>>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Tried {
    at: Time,
    outcome: FlowOutcome,
}

/// What a workload does in a minute at most.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Usual {
    before: usize,
    now: usize,
    /// When the present highest count was begun to be counted.
    since: Time,
}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        let Step::FlowSettled { seen, outcome } = step else { return };
        if out.wants(d::NETWORK_FAN_OUT) && counts(seen) {
            self.tried(seen, *outcome, world, cause, out);
        }
    }
}

/// Whether a flow goes from somebody here to an inner address.
fn counts(seen: &Seen) -> bool {
    let Some(to) = address::parse(&seen.destination.address) else { return false };
    let from_here = seen.source.place != Whereabouts::Outside;
    let inner = seen.destination.place != Whereabouts::Outside || address::is_inner(to);
    from_here && inner && !address::is_shared_out(to) && !to.is_loopback()
}

fn source_key(host: &SmolStr, party: &Party) -> Key {
    let who = match (&party.container, party.place) {
        (Some(id), _) => id.text(),
        (None, Whereabouts::Host) => SmolStr::new_static("host"),
        (None, Whereabouts::Shared) if !party.pod.is_empty() => crate::cluster::place(&party.namespace, &party.pod),
        (None, Whereabouts::Shared) => party.namespace_of.as_ref().map_or_else(|| party.address.clone(), |id| id.text()),
        _ => party.address.clone(),
    };
    (host.clone(), who)
}

impl State {
    fn tried(&mut self, seen: &Seen, outcome: FlowOutcome, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        let key = source_key(&cause.host, &seen.source);
        if !self.sources.contains_key(&key) && self.sources.len() >= SOURCES_MAX {
            self.make_room(cause.at, out);
        }
        let source = self.sources.entry(key.clone()).or_default();
        source.slide(cause.at);
        let target = (seen.destination.address.clone(), seen.destination.port);
        if target.1 == 53 && (source.servers.contains(&target.0) || source.servers.len() < NAME_SERVERS) {
            source.servers.insert(target.0);
            return;
        }
        if source.targets.len() >= TARGETS_MAX && !source.targets.contains_key(&target) {
            out.forgot("inventory.fan_out_targets", 1);
            source.drop_first();
        }
        // Tried when it was first heard of: that the failed ones are known five seconds later must not move them.
        source.add(target, Tried { at: seen.heard, outcome });
        if source.evidence.len() < EVIDENCE {
            source.evidence.extend(cause.evidence.first().cloned());
        }
        let count = source.targets.len();
        let usual = self.usual_of(&cause.host, seen, count, cause.at, out);
        let Some(source) = self.sources.get_mut(&key) else { return };
        let next = if source.told == 0 { FIRST } else { source.told * 2 };
        if count < next {
            return;
        }
        while source.told == 0 || source.told * 2 <= count {
            source.told = if source.told == 0 { FIRST } else { source.told * 2 };
        }
        tell(source, usual, seen, outcome, world, cause, out);
    }

    /// The most that the source's workload had in a minute before this burst.
    fn usual_of(&mut self, host: &SmolStr, seen: &Seen, count: usize, now: Time, out: &mut RowOut<'_>) -> usize {
        let name = if seen.source.workload.is_empty() { &seen.source.address } else { &seen.source.workload };
        let key = (host.clone(), name.clone());
        if !self.usual.contains_key(&key) && self.usual.len() >= USUAL_MAX {
            let oldest = self.usual.iter().min_by_key(|(_, usual)| usual.since).map(|(key, _)| key.clone());
            oldest.map(|key| self.usual.remove(&key));
            out.forgot("inventory.fan_out_usual", 1);
        }
        let usual = self.usual.entry(key).or_insert(Usual { since: now, ..Usual::default() });
        // What lies further back than two windows is over: then it was usual.
        if now - usual.since >= Span::seconds(120) {
            usual.before = usual.before.max(usual.now);
            usual.now = 0;
            usual.since = now;
        }
        usual.now = usual.now.max(count);
        usual.before
    }

    /// Forgets sources whose window is empty, and if that is not enough the one that tried last longest ago.
    fn make_room(&mut self, now: Time, out: &mut RowOut<'_>) {
        self.sources.retain(|_, source| {
            source.slide(now);
            !source.targets.is_empty()
        });
        if self.sources.len() >= SOURCES_MAX {
            let last = |source: &Source| source.order.last().map(|(at, _)| *at);
            let oldest = self.sources.iter().min_by_key(|(_, source)| last(source)).map(|(key, _)| key.clone());
            oldest.map(|key| self.sources.remove(&key));
            out.forgot("inventory.fan_out", 1);
        }
    }
}

impl Source {
    /// Forgets what was tried before the window.
    fn slide(&mut self, now: Time) {
        let since = now.minus(WINDOW);
        while self.order.first().is_some_and(|(at, _)| *at <= since) {
            self.drop_first();
        }
        if self.targets.is_empty() {
            self.servers.clear();
            self.evidence.clear();
        }
        if self.targets.len() < FIRST {
            self.told = 0;
        }
        while self.told > FIRST && self.targets.len() < self.told / 2 {
            self.told /= 2;
        }
    }

    fn drop_first(&mut self) {
        if let Some((_, target)) = self.order.pop_first() {
            self.targets.remove(&target);
        }
    }

    /// Notes a target. One that answered once in the window has answered.
    fn add(&mut self, target: Target, mut tried: Tried) {
        if let Some(before) = self.targets.get(&target) {
            self.order.remove(&(before.at, target.clone()));
            tried.at = tried.at.max(before.at);
            if before.outcome == FlowOutcome::Answered {
                tried.outcome = FlowOutcome::Answered;
            }
        }
        self.order.insert((tried.at, target.clone()));
        self.targets.insert(target, tried);
    }
}

fn tell(source: &Source, usual: usize, seen: &Seen, outcome: FlowOutcome, world: &World, cause: &Event, out: &mut RowOut<'_>) {
    let mut evidence = cause.evidence.clone();
    evidence.extend(source.evidence.iter().filter(|record| !cause.evidence.iter().any(|own| Arc::ptr_eq(own, record))).cloned());
    let mut builder = DerivedBuilder::caused_by(d::NETWORK_FAN_OUT, "fan_out", cause)
        .about(&subject(seen))
        .evidence(evidence)
        .read_by(world.reading.as_deref());
    let count = source.targets.len();
    let of = |wanted: fn(FlowOutcome) -> bool| source.targets.values().filter(|tried| wanted(tried.outcome)).count();
    let failed = of(|outcome| matches!(outcome, FlowOutcome::Unanswered | FlowOutcome::Refused | FlowOutcome::Dropped));
    let answered = of(|outcome| outcome == FlowOutcome::Answered);
    let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    builder.push(d::FAN_TARGETS, number(count));
    builder.push(d::FAN_ADDRESSES, number(source.targets.keys().map(|(address, _)| address).collect::<BTreeSet<_>>().len()));
    builder.push(d::FAN_PORTS, number(source.targets.keys().map(|(_, port)| port).collect::<BTreeSet<_>>().len()));
    builder.push(d::FAN_FAILED, failed as f64 / count.max(1) as f64);
    builder.push(d::FAN_ANSWERED, number(answered));
    builder.push(d::FAN_SECONDS, 60u32);
    builder.push(d::FAN_USUAL, number(usual));
    builder.push(d::FAN_FACTOR, count as f64 / usual.max(1) as f64);
    flow_fields(&mut builder, world, seen, &Flow { outcome, ..seen.flow.clone() });
    match container_of(world, &seen.source).filter(|_| seen.source.container.is_some()) {
        Some((host, container)) => container_fields(&mut builder, world, host, container, cause.time),
        None => builder.push(d::EXPLAINED, "unknown"),
    }
    out.emit(builder.build());
}
