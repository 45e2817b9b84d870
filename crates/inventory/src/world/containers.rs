//! Containers: what happens to them, and what inspect says of them.

use super::Hands;
use super::WORLD_ROW;
use super::hold::{Arrival, HELD_MAX, Hold, arrival};
use super::telling::{Word, is_weaker, sighted, take_over, teller_of, whose};
use crate::container::{Container, Origin, State};
use crate::host::Host;
use crate::id::Id;
use crate::posture::Posture;
use crate::share::clone_key;
use crate::step::{SeenBy, Step};
use crate::timers::TimerKey;
use crate::witnesses::Teller;
use event::fact::{ContainerAction, ContainerEvent, ContainerSpec};
use event::{Event, SmolStr, Span, Time};

/// Former names that are remembered of one container.
const NAMES_MAX: usize = 8;

/// How long a container must have stood before another one may be called its clone.
pub const CLONE_AGE: Span = Span::minutes(10);

/// Applies a container's event, and what it says of the container's configuration.
pub(super) fn happened(host: &mut Host, event: &Event, said: &ContainerEvent, hands: &mut Hands<'_>) {
    applied(host, event, said, hands);
    if let Some(spec) = &said.spec {
        let id = if spec.id.is_empty() { said.id.clone() } else { spec.id.clone() };
        if host.containers.contains_key(&Id::new(&id)) {
            inspected(host, event, &ContainerSpec { id, ..ContainerSpec::clone(spec) }, hands);
        }
    }
}

fn applied(host: &mut Host, event: &Event, said: &ContainerEvent, hands: &mut Hands<'_>) {
    let mut id = Id::new(&said.id);
    // What a runtime calls by an id of its own may be a container of a pod.
    if !host.containers.contains_key(&id)
        && let Some(of_pod) = host.pod_container_of(&id, &said.labels)
    {
        id = of_pod.clone();
    }
    match whose(host, event, said, &id) {
        Word::Own => {}
        Word::TakenOver => take_over(host, said, &id),
        Word::Sighting => return sighted(host, event, &id, hands),
    }
    if said.action == ContainerAction::Create {
        return created(host, event, said, id, hands);
    }
    if !host.containers.contains_key(&id) {
        let container = Container { told_by: Teller::of(said), ..Container::new(id.clone(), Origin::Preexisting) };
        host.insert(container, hands.pressure);
        hands.say(Step::Found { id: id.clone() });
    }
    known(host, &id, hands);
    let Some(container) = host.containers.get(&id) else { return };
    let fresh_image = container.image.is_empty();
    // Looked up only where it is needed, which it hardly ever is.
    let image_id = if fresh_image { host.image_id(&said.image).cloned() } else { None };
    let Some(container) = host.containers.get_mut(&id) else { return };
    if fresh_image {
        container.image = hands.share.text(&said.image);
        container.image_id = image_id.map(|image_id| hands.share.text(&image_id)).unwrap_or_default();
    }
    let state = container.state;
    let to = |container: &mut Container, next: State| {
        container.state_before = state;
        container.state = next;
    };
    let mut renamed = fresh_image;
    let step = match &said.action {
        ContainerAction::Start => {
            let again = container.ever_started();
            to(container, State::Running);
            container.started = Some(event.time);
            container.time_suspect = event.time_suspect;
            container.starts = container.starts.saturating_add(1);
            container.signal = None;
            container.oom = false;
            Step::Started { id: id.clone(), again }
        }
        ContainerAction::Die { exit_code } => {
            to(container, State::Exited);
            container.ended = Some(event.time);
            container.time_suspect |= event.time_suspect;
            // A label of that name replaces the engine's own attribute in the event.
            container.exit_code = exit_code.filter(|_| container.label("exitCode").is_none());
            Step::Ended { id: id.clone() }
        }
        ContainerAction::Kill { signal } => {
            container.signal = signal.filter(|_| container.label("signal").is_none());
            Step::Killed { id: id.clone() }
        }
        ContainerAction::Pause => {
            to(container, State::Paused);
            Step::Paused { id: id.clone() }
        }
        ContainerAction::Unpause => {
            to(container, State::Running);
            Step::Unpaused { id: id.clone() }
        }
        ContainerAction::Stop => Step::Stopped { id: id.clone(), restarted: false },
        ContainerAction::Restart => Step::Stopped { id: id.clone(), restarted: true },
        ContainerAction::Oom => {
            container.oom = true;
            Step::Oom { id: id.clone() }
        }
        ContainerAction::Rename { old_name } => {
            let shadowed = container.label("oldName").is_some();
            let before = match (&container.name, old_name) {
                (name, _) if !name.is_empty() && *name != said.name => name.clone(),
                (_, Some(old)) if !shadowed => old.clone(),
                (name, _) => name.clone(),
            };
            rename(container, event, &before, &said.name);
            renamed = true;
            Step::Renamed { id: id.clone(), before }
        }
        ContainerAction::Update => Step::Updated { id: id.clone() },
        ContainerAction::Destroy => return removed(host, event, &id, SeenBy::Event, hands),
        _ => Step::Other { id: id.clone() },
    };
    if !matches!(step, Step::Renamed { .. }) && !said.name.is_empty() && said.name != container.name {
        // Either nothing told the name yet, or a rename was missed.
        let before = container.name.clone();
        rename(container, event, &before, &said.name);
        renamed = true;
    }
    if renamed {
        host.judge_role(&id, hands.context);
    }
    host.count_entry(&id, hands.context);
    hands.say(step);
}

/// Its create event.
fn created(host: &mut Host, event: &Event, said: &ContainerEvent, id: Id, hands: &mut Hands<'_>) {
    let labels = hands.share.labels(&said.labels);
    let image_id = host.image_id(&said.image).cloned().map(|image_id| hands.share.text(&image_id));
    let held = hands.held.remove(&(host.name.clone(), id.clone()));
    if let Some(container) = host.containers.get_mut(&id) {
        if container.origin == Origin::Created && held.is_none() {
            if container.labels.is_empty() {
                container.labels = labels;
            }
            return;
        }
        // It was described, or did something, before the event came that says how it came to be.
        container.origin = Origin::Created;
        if container.name.is_empty() {
            container.name = said.name.clone();
        }
        if container.image.is_empty() {
            container.image = hands.share.text(&said.image);
        }
        if container.labels.is_empty() {
            container.labels = labels;
        }
        if container.created.is_none() {
            container.created = Some(event.time);
        }
        let inspected = container.inspected();
        host.judge_role(&id, hands.context);
        hands.say(Step::Created { id: id.clone(), by: SeenBy::Event, known: held.is_none() });
        if let Some(held) = held {
            hands.moved.evidence = held.evidence;
            if inspected {
                hands.say(Step::Inspected { id, first: true, before: None, regrouped: false });
            }
        }
        return;
    }
    let container = Container {
        name: said.name.clone(),
        image: hands.share.text(&said.image),
        image_id: image_id.unwrap_or_default(),
        labels,
        created: Some(event.time),
        time_suspect: event.time_suspect,
        state: State::Created,
        state_before: State::Created,
        told_by: Teller::of(said),
        ..Container::new(id.clone(), Origin::Created)
    };
    host.insert(container, hands.pressure);
    host.judge_role(&id, hands.context);
    hands.say(Step::Created { id, by: SeenBy::Event, known: false });
}

/// Makes a container known of which something is heard for the first time, without its creation.
pub(super) fn known(host: &mut Host, id: &Id, hands: &mut Hands<'_>) {
    let Some(container) = host.containers.get_mut(id) else {
        host.insert(Container::new(id.clone(), Origin::Preexisting), hands.pressure);
        hands.say(Step::Found { id: id.clone() });
        return;
    };
    // Something happens to a container whose create event was still waited for: it was missed, because events come in their order.
    if let Some(held) = hands.held.remove(&(host.name.clone(), id.clone())) {
        container.origin = held.otherwise;
        hands.moved.evidence.extend(held.evidence.iter().cloned());
        hands.moved.steps.extend(held.steps(id, container.inspected()));
    }
}

/// What inspect says.
pub(super) fn inspected(host: &mut Host, event: &Event, spec: &ContainerSpec, hands: &mut Hands<'_>) {
    let mut id = Id::new(&spec.id);
    if !host.containers.contains_key(&id)
        && let Some(of_pod) = host.pod_container_of(&id, &spec.labels)
    {
        id = of_pod.clone();
    }
    if is_weaker(host, event, &id) {
        return sighted(host, event, &id, hands);
    }
    let fresh = !host.containers.contains_key(&id);
    let mut silent = false;
    if fresh {
        let mut container = Container::new(id.clone(), Origin::Preexisting);
        container.created = spec.created;
        container.told_by = teller_of(event);
        host.insert(container, hands.pressure);
        silent = arrive(host, event, &id, (spec.created, spec.started), Span::ZERO, hands);
    } else if let Some(held) = hands.held.get_mut(&(host.name.clone(), id.clone())) {
        if held.evidence.len() < 2 {
            held.evidence.extend(event.evidence.first().cloned());
        }
        silent = true;
    }

    let engine = host.containers.get(&id).and_then(|container| host.engine_of(container.teller()));
    let posture = hands.share.posture(Posture::of(spec, engine, &*host));
    let kept = hands.share.kept(spec, host.containers.get(&id).and_then(|container| container.kept.as_ref()));
    let labels = hands.share.labels(&spec.labels);
    let in_pod = host.containers.get(&id).is_some_and(|container| container.pod.is_some());
    let key = if in_pod { crate::share::clone_key_in_pod(spec) } else { clone_key(spec) };
    if !spec.image_id.is_empty() {
        host.learn_reference(&spec.image, &spec.image_id, hands.pressure);
    }

    // Before its first start a container's places have names only.
    let networks: Vec<SmolStr> = spec
        .networks
        .iter()
        .map(|place| match host.network(&place.network).filter(|_| place.network_id.is_empty()) {
            Some(network) => &network.spec.id,
            None if place.network_id.is_empty() => &place.network,
            None => &place.network_id,
        })
        .map(|network| hands.share.text(network))
        .collect();

    let Some(container) = host.containers.get_mut(&id) else { return };
    let before = container.shape().cloned();
    let first = before.is_none();
    let image_id = if spec.image_id.is_empty() { container.image_id.clone() } else { hands.share.text(&spec.image_id) };
    let regrouped = container.image_id != image_id || container.kept.as_ref().is_none_or(|old| old.command != kept.command);
    container.image_id = image_id;
    if container.image.is_empty() || first && !spec.image.is_empty() {
        container.image = hands.share.text(&spec.image);
    }
    if container.name.is_empty() {
        container.name = spec.name.clone();
    }
    if let Some(time) = spec.created {
        container.created = Some(time);
    }
    container.labels = labels;
    // What events told is better placed in time than what an undated answer tells; it fills what they did not.
    if container.state == State::Unknown {
        container.state = State::named(&spec.status);
        container.state_before = container.state;
    }
    if container.starts == 0 && container.started.is_none() {
        container.started = spec.started;
    }
    if container.state == State::Exited {
        container.ended = container.ended.or(spec.finished);
        if State::named(&spec.status) == State::Exited {
            container.exit_code = spec.exit_code.or(container.exit_code);
        }
    }
    container.oom |= spec.oom_killed;
    if container.first.is_none() {
        container.first = Some(kept.shape.clone());
    }
    container.networks = networks;
    container.networks.sort();
    container.networks.dedup();
    container.networks.shrink_to_fit();
    container.kept = Some(kept);
    container.posture = Some(posture);
    container.listed_command = SmolStr::default();
    let unchanged = container.clone_key == key;
    if first || !unchanged {
        host.rekey(&id, key);
    }
    if first {
        host.judge_clone(&id, event.at);
    }
    host.judge_role(&id, hands.context);
    host.count_entry(&id, hands.context);
    if !silent {
        hands.say(Step::Inspected { id, first, before, regrouped });
    }
}

/// A container that something described, but nothing announced: found, or held until its creation is due. True when it is held.
pub(super) fn arrive(
    host: &mut Host,
    event: &Event,
    id: &Id,
    times: (Option<Time>, Option<Time>),
    precision: Span,
    hands: &mut Hands<'_>,
) -> bool {
    match arrival(times.0, times.1, precision, host, event) {
        Arrival::Hold(due, otherwise) if hands.held.len() < HELD_MAX => {
            hands.held.insert((host.name.clone(), id.clone()), Hold { due, otherwise, evidence: event.evidence.clone() });
            hands.timers.set(due, WORLD_ROW, TimerKey::new(&host.name, id));
            true
        }
        Arrival::Hold(..) => {
            hands.pressure.add("inventory.held", 1);
            hands.say(Step::Found { id: id.clone() });
            false
        }
        Arrival::Found => {
            hands.say(Step::Found { id: id.clone() });
            false
        }
    }
}

/// It is gone.
pub(super) fn removed(host: &mut Host, event: &Event, id: &Id, by: SeenBy, hands: &mut Hands<'_>) {
    let Some(container) = host.containers.get_mut(id) else { return };
    if container.removed.is_some() {
        return;
    }
    container.state_before = container.state;
    container.state = State::Removed;
    container.removed = Some(event.time);
    container.time_suspect |= event.time_suspect;
    host.rekey(id, 0);
    host.count_entry(id, hands.context);
    host.removed.push_back((event.at, id.clone()));
    hands.say(Step::Removed { id: id.clone(), by });
}

/// Gives it a name, and remembers the one before.
fn rename(container: &mut Container, event: &Event, before: &SmolStr, now: &SmolStr) {
    if !before.is_empty() && before != now {
        if container.names_before.len() >= NAMES_MAX {
            container.names_before.remove(0);
        }
        container.names_before.push((event.time, before.clone()));
    }
    if !now.is_empty() {
        container.name = now.clone();
    }
}

/// What only a list says: its name may be newer than what was known, its image and command older than an inspect.
pub(super) fn listed_name(container: &mut Container, event: &Event, name: &SmolStr) {
    if !name.is_empty() && *name != container.name {
        let before = container.name.clone();
        rename(container, event, &before, name);
    }
}
