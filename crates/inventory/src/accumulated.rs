//! `container.accumulated`: how many containers of one image have been created lately, and still stand.
//!
//! Standing growth tells a spray from churn: in every spray the twentieth creation stands at twenty; forty jobs in a row never stand above one. Only creation
//! counts, never a start (a reboot starts everything) and never what stood there at start. Groups are by host and image id, never by name or label; while the
//! id of an image is unknown, by its reference. When an inspect shows the id, the container moves to its proper group, and the growth of that is told.

use crate::container::Container;
use crate::context::{Explained, Verdict};
use crate::fields::container_fields_explained;
use crate::host::{Host, reference_key};
use crate::id::Id;
use crate::image_ref::ImageRef;
use crate::posture::Danger;
use crate::row::{Row, RowOut};
use crate::step::{SeenBy, Step};
use crate::tally::{Counted, Tally};
use crate::world::World;
use event::dictionary as d;
use event::{DerivedBuilder, Event, Provenance, SmolStr, Span, Time};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Length of the sliding window.
pub const WINDOW: Span = Span::seconds(60);

/// Creations in the window that are remembered of one host.
const MEMBERS_MAX: usize = 200_000;

/// Creations of one host whose records are all kept as evidence. Of more, only each group's first and last ones are.
const EVIDENCE_ALL: usize = 10_000;

/// How many of a group's first, and how many of its last creations are cited.
const CITED: usize = 10;

/// The windows of all hosts.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    hosts: IndexMap<SmolStr, HostWindow>,
}

/// What was created on one host within the window.
#[derive(Debug, Default, Serialize, Deserialize)]
struct HostWindow {
    members: IndexMap<Id, Member>,
    /// In the order of creation.
    queue: VecDeque<(Time, Id)>,
    groups: IndexMap<SmolStr, Group>,
    tally: Tally,
    next: u64,
}

/// One creation.
#[derive(Debug, Serialize, Deserialize)]
struct Member {
    at: Time,
    seq: u64,
    group: SmolStr,
    counted: Counted,
}

/// The creations of one image.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Group {
    tally: Tally,
    /// The create records, in order.
    records: BTreeMap<u64, Option<Arc<Provenance>>>,
}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        let (Step::Created { id, .. }
        | Step::Inspected { id, .. }
        | Step::Started { id, .. }
        | Step::Ended { id }
        | Step::Removed { id, .. }) = step
        else {
            return;
        };
        let Some(host) = world.host(&cause.host) else { return };
        let Some(container) = host.container(id) else { return };
        if let Step::Created { by, .. } = step {
            // What a later list shows may have been created long ago, in a gap: then it did not grow now.
            let lately = container.created.is_some_and(|created| created + WINDOW > cause.at);
            if *by == SeenBy::Event || lately {
                self.created(world, host, container, cause, out);
            }
            return;
        }
        let Some(window) = self.hosts.get_mut(&cause.host) else { return };
        if !window.members.contains_key(id) {
            return;
        }
        let (grown, dangerous) = window.recount(world, host, container);
        if let Step::Inspected { .. } = step
            && (grown || dangerous)
        {
            window.expire(cause.at);
            window.say(world, host, container, cause, out);
        }
    }
}

impl State {
    fn created(&mut self, world: &World, host: &Host, container: &Container, cause: &Event, out: &mut RowOut<'_>) {
        let window = self.hosts.entry(cause.host.clone()).or_default();
        window.expire(cause.at);
        if window.members.contains_key(&container.id) {
            return;
        }
        if window.members.len() >= MEMBERS_MAX {
            window.drop_first();
            out.forgot("inventory.accumulated", 1);
        }
        let group = group_of(container);
        let counted = count(world, host, container);
        let seq = window.next;
        window.next += 1;
        let thin = window.members.len() > EVIDENCE_ALL;
        let place = window.groups.entry(group.clone()).or_default();
        place.tally.add(&counted);
        place.put(seq, cause.evidence.first().cloned(), thin);
        window.tally.add(&counted);
        window.queue.push_back((cause.at, container.id.clone()));
        window.members.insert(container.id.clone(), Member { at: cause.at, seq, group, counted });
        window.say(world, host, container, cause, out);
        if self.hosts.len() > crate::world::HOSTS_MAX {
            self.hosts.shift_remove_index(0);
        }
    }
}

impl HostWindow {
    /// Lets go of what was created before the window.
    fn expire(&mut self, now: Time) {
        let since = now.minus(WINDOW);
        while self.queue.front().is_some_and(|(at, _)| *at <= since) {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        let Some((_, id)) = self.queue.pop_front() else { return };
        let Some(member) = self.members.swap_remove(&id) else { return };
        self.tally.sub(&member.counted);
        self.leave(&member.group, member.seq, &member.counted);
    }

    fn leave(&mut self, group: &SmolStr, seq: u64, counted: &Counted) -> Option<Arc<Provenance>> {
        let place = self.groups.get_mut(group)?;
        place.tally.sub(counted);
        let record = place.records.remove(&seq).flatten();
        if place.records.is_empty() {
            self.groups.swap_remove(group);
        }
        record
    }

    /// Counts a member anew after something about it moved. Says whether its group grew by it, and whether it now proves dangerous.
    fn recount(&mut self, world: &World, host: &Host, container: &Container) -> (bool, bool) {
        let counted = count(world, host, container);
        let group = group_of(container);
        let Some(member) = self.members.get_mut(&container.id) else { return (false, false) };
        let moved = member.group != group;
        if !moved && member.counted == counted {
            return (false, false);
        }
        let before = std::mem::replace(&mut member.counted, counted.clone());
        let from = std::mem::replace(&mut member.group, group.clone());
        let seq = member.seq;
        self.tally.sub(&before);
        self.tally.add(&counted);
        let dangerous = counted.dangerous && !before.dangerous;
        if moved {
            let record = self.leave(&from, seq, &before);
            let place = self.groups.entry(group).or_default();
            place.tally.add(&counted);
            place.records.insert(seq, record);
        } else if let Some(place) = self.groups.get_mut(&from) {
            place.tally.sub(&before);
            place.tally.add(&counted);
        }
        (moved, dangerous)
    }

    fn say(&self, world: &World, host: &Host, container: &Container, cause: &Event, out: &mut RowOut<'_>) {
        if !out.wants(d::CONTAINER_ACCUMULATED) {
            return;
        }
        let Some(member) = self.members.get(&container.id) else { return };
        let Some(group) = self.groups.get(&member.group) else { return };
        let holds = |entry: u32| world.context.holds(entry, host, cause.time);
        let tally = &group.tally;
        let mut builder = DerivedBuilder::caused_by(d::CONTAINER_ACCUMULATED, "accumulated", cause).about(&container.id.text());
        container_fields_explained(&mut builder, explained(world, tally, &holds), host, container, cause.time);
        builder.push(d::ACC_WINDOW, WINDOW.0 / 1_000_000_000);
        builder.push(d::ACC_CREATED, tally.created);
        builder.push(d::ACC_ENDED, tally.created - tally.standing);
        builder.push(d::ACC_STANDING, tally.standing);
        builder.push(d::ACC_STANDING_NEW, tally.standing_new(&holds));
        builder.push(d::ACC_NEVER_STARTED, tally.never_started);
        builder.push(d::ACC_TOP_SHARE, f64::from(tally.top()) / f64::from(tally.created.max(1)));
        builder.push(d::ACC_TOP_COUNT, tally.top());
        builder.push(d::ACC_DISTINCT, tally.distinct());
        builder.push(d::ACC_CLONES, tally.clones);
        builder.push(d::ACC_DANGEROUS, tally.dangerous);
        builder.push(d::ACC_REFERENCES, tally.repositories());
        builder.push(d::ACC_HOST_CREATED, self.tally.created);
        builder.push(d::ACC_HOST_STANDING, self.tally.standing_new(&holds));
        out.emit(builder.evidence(group.cited(cause)).build());
    }
}

impl Group {
    fn put(&mut self, seq: u64, record: Option<Arc<Provenance>>, thin: bool) {
        self.records.insert(seq, record);
        if thin && self.records.len() > 3 * CITED {
            // The one that has just left the last ones, unless it is among the first.
            if let Some((_, record)) = self.records.iter_mut().rev().nth(CITED) {
                *record = None;
            }
        }
    }

    /// The record at hand, then the first and the last creations.
    fn cited(&self, cause: &Event) -> Vec<Arc<Provenance>> {
        let mut cited: Vec<Arc<Provenance>> = Vec::with_capacity(2 * CITED + 1);
        let mut cite = |record: &Arc<Provenance>| {
            if cited.len() <= 2 * CITED && !cited.iter().any(|known| Arc::ptr_eq(known, record)) {
                cited.push(record.clone());
            }
        };
        if let Some(record) = cause.evidence.first() {
            cite(record);
        }
        self.records.values().take(CITED).flatten().for_each(&mut cite);
        self.records.values().rev().take(CITED).flatten().for_each(&mut cite);
        cited
    }
}

/// What the context says of the growth as a whole. The newest ones are not described yet when they are counted; they pass while no more are so than are known.
fn explained(world: &World, tally: &Tally, holds: &dyn Fn(u32) -> bool) -> Explained {
    let exceeded = tally.entries().map(|(entry, _)| entry).find(|entry| !holds(*entry));
    if let Some(entry) = exceeded {
        return Explained { verdict: Verdict::Contradicted, by: world.context.by(entry) };
    }
    let known: u32 = tally.entries().map(|(_, count)| count).sum();
    let new = tally.standing_new(holds);
    let most = tally.entries().max_by_key(|(_, count)| *count);
    match most {
        Some((entry, _)) if new <= tally.undescribed && new <= known => Explained { verdict: Verdict::Known, by: world.context.by(entry) },
        _ => Explained { verdict: Verdict::Unknown, by: None },
    }
}

fn count(world: &World, host: &Host, container: &Container) -> Counted {
    Counted {
        fingerprint: container.fingerprint().unwrap_or_default(),
        repository: ImageRef::parse(&container.image).map(|reference| SmolStr::new(reference.base())).unwrap_or_default(),
        standing: container.stands(),
        started: container.ever_started(),
        inspected: container.inspected(),
        clone: container.clone_of_older == Some(true),
        entry: world.context.entry(host, container),
        dangerous: container.posture.as_ref().is_some_and(|posture| posture.level == Danger::High),
    }
}

/// The image id, else the reference.
fn group_of(container: &Container) -> SmolStr {
    if container.image_id.is_empty() { SmolStr::from(format!("reference:{}", reference_key(&container.image))) } else { container.image_id.clone() }
}
