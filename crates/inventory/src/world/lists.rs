//! Complete lists: what stood there at start, and what a later one shows that no event did.

use super::Hands;
use super::containers::{arrive, listed_name, removed};
use super::images;
use crate::container::{Container, Origin, State};
use crate::host::{Host, Network};
use crate::id::Id;
use crate::step::{Listed, SeenBy, Step};
use event::fact::{List, ListedContainer, NetworkSpec};
use event::{Event, SmolStr, Span};
use std::collections::BTreeSet;

/// A container younger than this may be missing from a list that was taken while it was being created.
const YOUNG: Span = Span::seconds(10);

/// A list gives the time of creation in whole seconds.
const PRECISION: Span = Span::seconds(1);

/// Applies a complete list.
pub(super) fn taken(host: &mut Host, event: &Event, list: &List, hands: &mut Hands<'_>) {
    let (what, at_start) = match list {
        List::Containers(list) => {
            // Each engine has a list of its own, and what is not on it may be another's.
            let engine = crate::witnesses::engine_of(&event.source).unwrap_or("docker");
            let at_start = host.listed_by.insert(SmolStr::new_static(engine));
            host.containers_listed = true;
            containers(host, event, list, (engine, at_start), hands);
            (Listed::Containers, at_start)
        }
        List::Images(list) => {
            let at_start = !host.images_listed;
            host.images_listed = true;
            images::listed(host, event, list, at_start, hands);
            (Listed::Images, at_start)
        }
        List::Networks(list) => {
            networks(host, event, list);
            (Listed::Networks, !std::mem::replace(&mut host.networks_listed, true))
        }
        List::Volumes(list) => {
            host.volumes = list.iter().take(crate::host::VOLUMES_MAX).map(|volume| (volume.name.clone(), volume.clone())).collect();
            (Listed::Volumes, !std::mem::replace(&mut host.volumes_listed, true))
        }
    };
    hands.say(Step::Listed { what, at_start });
}

fn containers(host: &mut Host, event: &Event, list: &[ListedContainer], whose: (&str, bool), hands: &mut Hands<'_>) {
    let (engine, at_start) = whose;
    let mut there = BTreeSet::new();
    for entry in list {
        let id = Id::new(&entry.id);
        if !entry.image_id.is_empty() {
            host.learn_reference(&entry.image, &entry.image_id, hands.pressure);
        }
        let labels = hands.share.labels(&entry.labels);
        let (image, image_id) = (hands.share.text(&entry.image), hands.share.text(&entry.image_id));
        if let Some(container) = host.containers.get_mut(&id) {
            listed_name(container, event, &entry.name);
            if container.image_id.is_empty() {
                container.image_id = image_id;
            }
            if container.image.is_empty() {
                container.image = image;
            }
            container.created = container.created.or(entry.created);
            let state = State::named(&entry.status);
            // A list is taken now: where it and the events differ, an event was missed, unless that came while the list was being made.
            let lately =
                [container.created, container.started, container.ended].into_iter().flatten().any(|time| time + YOUNG > event.time);
            let unknown = container.state == State::Unknown;
            if state != State::Unknown && container.exists() && state != container.state && (unknown || !lately) {
                container.state_before = container.state;
                container.state = state;
                container.time_suspect |= !unknown;
            }
            host.judge_role(&id, hands.context);
            host.count_entry(&id, hands.context);
        } else {
            let state = State::named(&entry.status);
            let origin = if at_start { Origin::Preexisting } else { Origin::Missed };
            host.insert(
                Container {
                    name: entry.name.clone(),
                    image,
                    image_id,
                    listed_command: hands.share.text(&entry.command),
                    labels,
                    created: entry.created,
                    state,
                    state_before: state,
                    told_by: super::telling::teller_of(event),
                    ..Container::new(id.clone(), origin)
                },
                hands.pressure,
            );
            host.judge_role(&id, hands.context);
            if at_start {
                arrive(host, event, &id, (entry.created, None), PRECISION, hands);
            } else {
                hands.say(Step::Created { id: id.clone(), by: SeenBy::List, known: false });
            }
        }
        there.insert(id);
    }
    if at_start {
        return;
    }
    let gone: Vec<Id> = host
        .containers
        .values()
        .filter(|container| container.exists() && container.teller() == engine && !there.contains(&container.id))
        .filter(|container| container.created.is_none_or(|created| created + YOUNG < event.time))
        .map(|container| container.id.clone())
        .collect();
    for id in &gone {
        removed(host, event, id, SeenBy::List, hands);
        if let Some(container) = host.containers.get_mut(id) {
            // When it ended and went is not known.
            container.time_suspect = true;
        }
    }
}

fn networks(host: &mut Host, event: &Event, list: &[NetworkSpec]) {
    let there: BTreeSet<&SmolStr> = list.iter().map(|network| &network.id).collect();
    host.networks.retain(|id, network| there.contains(id) || network.seen > event.time);
    for spec in list.iter().take(crate::host::NETWORKS_MAX) {
        let seen = host.networks.get(&spec.id).map_or(event.time, |network| network.seen);
        host.networks.insert(spec.id.clone(), Network { spec: spec.clone(), inspected: true, seen });
    }
}
