//! `container.accumulated`: how many containers of one image have been created lately, and still stand.
//!
//! Standing growth tells a spray from churn: in every spray the twentieth creation stands at twenty; forty jobs in a row never stand above one. Only creation
//! counts, never a start (a reboot starts everything) and never what stood there at start. Groups are by host and image id, never by name or label; while the
//! id of an image is unknown, by its reference. When an inspect shows the id, the container moves to its proper group, and the growth of that is told.

use crate::cluster::{PodPart, place};
use crate::container::Container;
use crate::context::{Explained, Verdict};
use crate::fields::container_fields_explained;
use crate::host::{Host, reference_key};
use crate::id::Id;
use crate::image_ref;
use crate::posture::Danger;
use crate::row::{Row, RowOut};
use crate::step::{SeenBy, Step};
use crate::tally::{Counted, Placed, Tally};
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
const MEMBERS_MAX: usize = if cfg!(test) { 1_000 } else { 200_000 };

/// Creations of one host whose records are all kept as evidence. Of more, only each group's first and last ones are.
const EVIDENCE_ALL: usize = 10_000;

/// Other witnesses that are cited for a group, how many records of each, and from how many members on it is told that one joined.
const WITNESSES_MAX: usize = 8;
const SIGHTINGS_EACH: usize = 2;
const WITNESSED_FROM: u32 = 10;

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
    /// Records of other witnesses that saw its members, some of each.
    sightings: BTreeMap<SmolStr, Vec<Arc<Provenance>>>,
}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        let (Step::Created { id, .. }
        | Step::Inspected { id, .. }
        | Step::Started { id, .. }
        | Step::Ended { id }
        | Step::Removed { id, .. }
        | Step::Sighted { id, first: true }) = step
        else {
            return;
        };
        let Some(host) = world.host(&cause.host) else { return };
        let Some(container) = host.container(id) else { return };
        // A pod counts once, however many containers it has.
        if container.pod.as_ref().is_some_and(|part| !part.counts) {
            return;
        }
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
        if let Step::Sighted { .. } = step {
            window.sighted(world, host, container, cause, out);
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

    /// Another witness saw a member. What a group's size amounts to is the same, and is told again with the first record of each witness only.
    fn sighted(&mut self, world: &World, host: &Host, container: &Container, cause: &Event, out: &mut RowOut<'_>) {
        let Some(member) = self.members.get(&container.id) else { return };
        let Some(group) = self.groups.get_mut(&member.group) else { return };
        if group.sightings.len() >= WITNESSES_MAX && !group.sightings.contains_key(&cause.source) {
            return;
        }
        let records = group.sightings.entry(cause.source.clone()).or_default();
        let first = records.is_empty();
        if records.len() < SIGHTINGS_EACH {
            records.extend(cause.evidence.first().cloned());
        }
        if first && group.tally.standing >= WITNESSED_FROM {
            self.say(world, host, container, cause, out);
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
        if let Some((namespaces, actors, nodes)) = tally.places() {
            builder.push(d::ACC_NAMESPACES, namespaces);
            builder.push(d::ACC_ACTORS, actors);
            builder.push(d::ACC_NODES, nodes);
            builder.push(d::ACC_OWNED, tally.owned);
        }
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
        let most = 2 * CITED + WITNESSES_MAX * SIGHTINGS_EACH;
        let mut cite = |record: &Arc<Provenance>| {
            if cited.len() <= most && !cited.iter().any(|known| Arc::ptr_eq(known, record)) {
                cited.push(record.clone());
            }
        };
        if let Some(record) = cause.evidence.first() {
            cite(record);
        }
        self.sightings.values().flatten().for_each(&mut cite);
        self.records.values().take(CITED).flatten().for_each(&mut cite);
        self.records.values().rev().take(CITED).flatten().for_each(&mut cite);
        cited
    }
}

/// What the context says of the growth as a whole, of what has ended again too. The newest ones are not described yet when they are counted; they pass while no
/// more are so than are known.
fn explained(world: &World, tally: &Tally, holds: &dyn Fn(u32) -> bool) -> Explained {
    let exceeded = tally.named().map(|(entry, _)| entry).find(|entry| !holds(*entry));
    if let Some(entry) = exceeded {
        return Explained { verdict: Verdict::Contradicted, by: world.context.by(entry) };
    }
    let known: u32 = tally.named().map(|(_, count)| count).sum();
    let new = tally.created.saturating_sub(tally.settled()).saturating_sub(known);
    let most = tally.named().max_by_key(|(_, count)| *count);
    match most {
        Some((entry, _)) if new <= tally.undescribed && new <= known => Explained { verdict: Verdict::Known, by: world.context.by(entry) },
        _ => Explained { verdict: Verdict::Unknown, by: None },
    }
}

fn count(world: &World, host: &Host, container: &Container) -> Counted {
    Counted {
        fingerprint: container.fingerprint().unwrap_or_default(),
        repository: image_ref::known(&container.image).map(|named| named.base.clone()).unwrap_or_default(),
        standing: container.stands(),
        started: container.ever_started(),
        inspected: container.inspected(),
        clone: container.clone_of_older == Some(true),
        owned: container.pod.as_ref().is_some_and(|part| part.owned) && container.clone_of_older != Some(true),
        place: container.pod.as_ref().map(|part| Box::new(placed(part))),
        entry: world.context.entry_within(host, container),
        dangerous: dangerous(host, container),
    }
}

/// Whether it, or another container of its pod, has control of the host.
fn dangerous(host: &Host, container: &Container) -> bool {
    let high = |container: &Container| container.posture.as_ref().is_some_and(|posture| posture.level == Danger::High);
    let pod = container.pod.as_ref().and_then(|part| host.cluster.as_ref()?.pods.get(&place(&part.namespace, &part.pod)));
    high(container) || pod.is_some_and(|pod| pod.containers.iter().filter_map(|(_, _, id)| host.container(id)).any(high))
}

fn placed(part: &PodPart) -> Placed {
    Placed { namespace: part.namespace.clone(), actor: part.behind().map(|who| who.shown()).unwrap_or_default(), node: part.node.clone() }
}

/// The image id, else the reference.
fn group_of(container: &Container) -> SmolStr {
    if container.image_id.is_empty() {
        SmolStr::from(format!("reference:{}", reference_key(&container.image)))
    } else {
        container.image_id.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Context;
    use crate::play::{Play, id};
    use event::fact::{ContainerAction, ContainerSpec, Fact, List, ListedContainer};

    const IMAGE: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const FIELDS: &[&str] = &["accumulated.created", "accumulated.standing", "accumulated.standing_new", "accumulated.ended"];

    fn spec(image: &str, command: &str) -> ContainerSpec {
        ContainerSpec { image: image.into(), image_id: IMAGE.into(), command: vec![command.into()], ..ContainerSpec::default() }
    }

    fn last(play: &Play, fields: &[&str]) -> String {
        play.draw(d::CONTAINER_ACCUMULATED, fields).lines().last().unwrap_or_default().to_owned()
    }

    #[test]
    fn the_twentieth_of_a_spray_stands_at_twenty() {
        let mut play = Play::new();
        for n in 0..20 {
            play.run(&format!("c{n}"), spec("alpine:3.20", "sleep"));
        }
        assert_eq!(last(&play, FIELDS), "20 | 20 | 20 | 0");
    }

    #[test]
    fn a_spray_cites_every_witness_and_counts_no_more_for_it() {
        use event::system::ProcessEvent;
        let spray = |seen: bool| {
            let mut play = Play::new();
            play.freezing = false;
            for n in 0..25 {
                let word = format!("c{n}");
                play.run(&word, spec("alpine:3.20", "sleep"));
                for source in ["system_process", "falco"].into_iter().filter(|_| seen) {
                    let said = ProcessEvent { pid: 100 + n, container_id: id(&word), ..ProcessEvent::default() };
                    play.from(source).tell(d::SYSTEM_PROCESS, Some(Fact::Process(Box::new(said)))).from("docker_events");
                }
            }
            play
        };
        let (alone, seen) = (spray(false), spray(true));
        assert_eq!(last(&alone, FIELDS), last(&seen, FIELDS));
        let count = |play: &Play| play.draw(d::CONTAINER_ACCUMULATED, FIELDS).lines().count();
        assert!(count(&seen) <= count(&alone) + 2, "{} {}", count(&alone), count(&seen));
        let event = seen.said.iter().rev().find(|event| event.kind == d::CONTAINER_ACCUMULATED).unwrap();
        for source in ["docker_events", "system_process", "falco"] {
            assert!(event.evidence.iter().any(|record| record.source == source), "{source}");
        }
    }

    #[test]
    fn jobs_that_come_and_go_never_stand_above_one() {
        let mut play = Play::new();
        for n in 0..40 {
            let word = format!("c{n}");
            play.run(&word, spec("alpine:3.20", "make"));
            play.container(&word, "", "alpine:3.20", ContainerAction::Die { exit_code: Some(0) });
            play.container(&word, "", "alpine:3.20", ContainerAction::Destroy);
        }
        assert_eq!(last(&play, FIELDS), "40 | 1 | 1 | 39");
    }

    #[test]
    fn twenty_tags_of_one_image_are_one_image_once_inspect_shows_it() {
        let mut play = Play::new();
        for n in 0..20 {
            play.run(&format!("c{n}"), spec(&format!("registry.example/{n}/app{n}:1"), "sleep"));
        }
        assert_eq!(last(&play, FIELDS), "20 | 20 | 20 | 0");
        assert_eq!(last(&play, &["accumulated.references"]), "20");
    }

    #[test]
    fn the_window_slides() {
        let mut play = Play::new();
        for n in 0..10 {
            play.run(&format!("c{n}"), spec("alpine:3.20", "sleep")).wait(10.0);
        }
        assert_eq!(last(&play, FIELDS), "6 | 6 | 6 | 0");
    }

    #[test]
    fn neither_a_reboot_nor_what_stood_there_counts() {
        let mut play = Play::new();
        let entry = |n: usize| ListedContainer { id: id(&format!("c{n}")), image: "alpine:3.20".into(), ..ListedContainer::default() };
        play.tell(d::DOCKER_LIST, Some(Fact::List(List::Containers((0..30).map(entry).collect()))));
        for n in 0..30 {
            play.container(&format!("c{n}"), "", "alpine:3.20", ContainerAction::Start);
        }
        assert_eq!(play.draw(d::CONTAINER_ACCUMULATED, FIELDS), "");
    }

    #[test]
    fn clones_of_what_has_stood_are_explained() {
        let mut play = Play::new();
        play.run("old", spec("app:1", "serve")).wait(700.0);
        for n in 0..20 {
            play.run(&format!("c{n}"), spec("app:1", "serve"));
        }
        // The last one has not been inspected when it is counted.
        assert_eq!(last(&play, &["accumulated.created", "accumulated.standing_new", "accumulated.clones_of_older"]), "20 | 1 | 19");
        play.run("other", spec("app:1", "mine")).run("more", spec("app:1", "mine"));
        assert_eq!(last(&play, &["accumulated.created", "accumulated.standing_new", "accumulated.clones_of_older"]), "22 | 2 | 20");
    }

    #[test]
    fn dangerous_ones_are_told_when_inspect_shows_them() {
        let mut play = Play::new();
        for n in 0..3 {
            play.run(&format!("c{n}"), ContainerSpec { privileged: true, ..spec("alpine:3.20", "sleep") });
        }
        assert_eq!(last(&play, &["accumulated.created", "accumulated.dangerous"]), "3 | 3");
    }

    #[test]
    fn what_is_declared_explains_until_it_is_exceeded() {
        let text = format!(
            "[[workload]]\nimage = \"{IMAGE}\"\ncommand = \"serve\"\nmax_standing = 25\nowner = \"shop\"\nreason = \"load test\"\nexpires = \"2027-01-01\"\n"
        );
        let (context, problems) = Context::parse(&text, "context.toml");
        assert_eq!(problems, []);
        let mut play = Play::with(context);
        for n in 0..25 {
            play.run(&format!("c{n}"), spec("app:1", "serve"));
        }
        assert_eq!(
            last(&play, &["accumulated.standing", "accumulated.standing_new", "explained", "explained.by"]),
            "25 | 1 | known | shop: load test"
        );
        play.run("one", spec("app:1", "serve")).run("too", spec("app:1", "serve"));
        assert_eq!(last(&play, &["accumulated.standing", "accumulated.standing_new", "explained"]), "27 | 27 | contradicted");
        assert!(play.draw(d::CONTAINER_APPEARED, &["explained"]).ends_with("contradicted\ncontradicted"));
    }

    #[test]
    fn the_first_and_the_last_ten_are_cited() {
        let mut play = Play::new();
        for n in 0..50 {
            play.container(&format!("c{n}"), "", "alpine:3.20", ContainerAction::Create);
        }
        let event = play.said.iter().rfind(|event| event.kind == d::CONTAINER_ACCUMULATED).unwrap();
        let mut cited: Vec<u64> = event.evidence.iter().map(|record| record.place.number).collect();
        cited.sort_unstable();
        assert_eq!(cited, (1..=10).chain(41..=50).collect::<Vec<u64>>());
    }
}
