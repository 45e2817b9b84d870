//! Several runtimes tell of one container: whose word moves it, and who is only a witness.

use super::{Hands, Moved};
use crate::container::{Container, State};
use crate::host::Host;
use crate::id::Id;
use crate::posture::Danger;
use crate::step::{SeenBy, Step};
use crate::witnesses::{Teller, engine_of, owner};
use event::fact::{ContainerAction, ContainerEvent, Fact};
use event::{Event, SmallVec, SmolStr, Span};
use indexmap::IndexMap;

/// Within this time an engine and the runtime below it tell the same start.
const TOGETHER: Span = Span::seconds(5);

/// What one runtime's word on a container counts for.
pub(super) enum Word {
    /// It moves the container.
    Own,
    /// It does from now on: the engine itself speaks, where only a runtime below it had.
    TakenOver,
    /// Another's word counts; this one is a witness.
    Sighting,
}

/// Judges whose container it is. The same container may be told by its engine and by the runtime below it.
pub(super) fn whose(host: &Host, event: &Event, said: &ContainerEvent, id: &Id) -> Word {
    let speaker = if said.runtime.is_empty() { "docker" } else { said.runtime.as_str() };
    let engine = owner(speaker, &said.division);
    let Some(container) = host.containers.get(id) else {
        // Of an engine that is followed, the engine's own word is waited for.
        return if engine != speaker && host.follows(engine) { Word::Sighting } else { Word::Own };
    };
    let teller = container.teller();
    if is_namesake(container, said) {
        return Word::Sighting;
    }
    if teller == speaker {
        // A runtime below it had told the same start, before the engine's first word.
        let lately = container.started.is_some_and(|started| started + TOGETHER > event.time);
        let below = || container.witnesses.sources().any(|source| engine_of(source).is_some_and(|engine| engine != speaker));
        let again = said.action == ContainerAction::Start && container.runs() && lately && below();
        return if again { Word::Sighting } else { Word::Own };
    }
    // What only the runtime sees of a pod's container: that its process runs, ended, ran out of memory, was frozen.
    if teller == "kubernetes" && engine == teller {
        let more = match &said.action {
            ContainerAction::Start => !container.runs(),
            ContainerAction::Die { .. } => container.runs() || container.exit_code.is_none(),
            ContainerAction::Oom => !container.oom,
            ContainerAction::Pause | ContainerAction::Unpause => true,
            _ => false,
        };
        return if more { Word::Own } else { Word::Sighting };
    }
    if engine != speaker || owner(teller, container.division()) != speaker {
        return Word::Sighting;
    }
    // The engine tells again what the runtime below it has told.
    let again = match &said.action {
        ContainerAction::Start => container.runs(),
        ContainerAction::Die { .. } => container.state == State::Exited,
        ContainerAction::Destroy => !container.exists(),
        _ => false,
    };
    if again { Word::Sighting } else { Word::TakenOver }
}

/// Whether the event is of another container that bears the same id: containerd's ids are only unique within a namespace, and anybody may take one that an
/// engine uses.
pub(crate) fn is_namesake(container: &Container, said: &ContainerEvent) -> bool {
    let mine = container.told_by.as_ref();
    said.runtime == "containerd"
        && match mine.filter(|teller| teller.runtime == "containerd") {
            Some(teller) => !teller.division.is_empty() && teller.division != said.division,
            None => owner(&said.runtime, &said.division) == "containerd",
        }
}

/// The engine's words replace those of the runtime below it.
pub(super) fn take_over(host: &mut Host, said: &ContainerEvent, id: &Id) {
    let Some(container) = host.containers.get_mut(id) else { return };
    container.told_by = Teller::of(said);
    if !said.name.is_empty() {
        container.name = said.name.clone();
    }
    if !said.image.is_empty() {
        container.image = said.image.clone();
    }
}

/// Another witness than the one whose word counts saw a container: who and when is noted, and nothing else moves.
pub(super) fn sighted(host: &mut Host, event: &Event, id: &Id, hands: &mut Hands<'_>) {
    let first = host.containers.get_mut(id).is_some_and(|container| container.witnesses.note(&event.source, event.time));
    let namesake = match (host.containers.get(id), event.fact()) {
        (Some(container), Some(Fact::Container(said))) => is_namesake(container, said),
        (known, _) => known.is_none(),
    };
    if first || namesake {
        hands.say(Step::Sighted { id: id.clone(), first });
    }
}

/// Whether a description is that of a runtime below the engine whose container it is: it knows less of it, neither name nor networks.
pub(super) fn is_weaker(host: &mut Host, event: &Event, id: &Id) -> bool {
    let Some(container) = host.containers.get_mut(id) else { return false };
    let Some(speaker) = engine_of(&event.source).filter(|speaker| *speaker != container.teller()) else { return false };
    if owner(container.teller(), container.division()) == speaker {
        container.told_by = teller_of(event);
        return false;
    }
    matches!(speaker, "containerd" | "cri-o")
}

/// The runtime whose source speaks; `None` for Docker, which is meant where nothing is said.
pub(super) fn teller_of(event: &Event) -> Option<Box<Teller>> {
    let runtime = engine_of(&event.source).filter(|engine| *engine != "docker")?;
    Some(Box::new(Teller { runtime: SmolStr::new_static(runtime), ..Teller::default() }))
}

/// Notes the source of an event as a witness of every container that it moved.
pub(super) fn witnessed(host: &mut Host, event: &Event, steps: &[Step]) {
    for step in steps {
        let id = match step {
            Step::Created { id, .. }
            | Step::Found { id }
            | Step::Inspected { id, .. }
            | Step::Started { id, .. }
            | Step::Ended { id }
            | Step::Removed { id, by: SeenBy::Event }
            | Step::Other { id } => id,
            _ => continue,
        };
        let Some(container) = host.containers.get_mut(id) else { continue };
        container.witnesses.note(&event.source, event.time);
        let provokes = match step {
            Step::Inspected { first, .. } => {
                *first && !container.preexisting() && container.posture.as_ref().is_some_and(|posture| posture.level == Danger::High)
            }
            Step::Other { .. } => runs_command(container, event),
            _ => false,
        };
        if provokes {
            host.heard.provoked(event.at);
        }
    }
}

/// Notes who told of a flow as a witness of the containers at its ends.
pub(super) fn flows_seen(hosts: &mut IndexMap<SmolStr, Host>, event: &Event, moved: &mut Moved) {
    let mut sighted: SmallVec<[Step; 2]> = SmallVec::new();
    for step in &moved.steps {
        let Step::FlowSeen { seen } = step else { continue };
        for end in [&seen.source, &seen.destination] {
            let Some(id) = end.container.as_ref().filter(|_| end.host == event.host) else { continue };
            let container = hosts.get_mut(&end.host).and_then(|host| host.containers.get_mut(id));
            if container.is_some_and(|container| container.witnesses.note(&event.source, event.time)) {
                sighted.push(Step::Sighted { id: id.clone(), first: true });
            }
        }
    }
    moved.steps.extend(sighted);
}

/// Whether the event is a command run in a container, other than its own health check.
fn runs_command(container: &Container, event: &Event) -> bool {
    let Some(Fact::Container(ContainerEvent { action: ContainerAction::ExecCreate { command, .. }, .. })) = event.fact() else {
        return false;
    };
    let check = container.shape().map_or(&[][..], |shape| &shape.healthcheck);
    check.is_empty() || !command.ends_with(check.join(" ").as_str())
}

#[cfg(test)]
mod tests {
    use crate::play::{Play, id};
    use event::dictionary as d;
    use event::fact::{ContainerAction, ContainerEvent, ContainerSpec, EngineSpec, Fact, List, ListedContainer};

    /// An event of containerd.
    fn below(play: &mut Play, word: &str, division: &str, action: ContainerAction) {
        let said = ContainerEvent {
            id: id(word),
            action,
            name: "".into(),
            image: "app:1".into(),
            labels: Vec::new(),
            runtime: "containerd".into(),
            division: division.into(),
            pod: "".into(),
            spec: None,
        };
        play.from("containerd_events").tell(d::CONTAINERD_EVENT, Some(Fact::Container(said))).from("docker_events");
    }

    fn told(play: &Play) -> String {
        let kinds = [d::CONTAINER_CREATED, d::CONTAINER_STARTED, d::CONTAINER_ENDED, d::CONTAINER_REMOVED, d::CONTAINER_RENAMED];
        let draw = |kind| play.draw(kind, &["event.name", "container.name", "container.runtime.name", "container.exit_code"]);
        kinds.into_iter().map(draw).filter(|lines| !lines.is_empty()).collect::<Vec<_>>().join("\n")
    }

    const WHOLE: &str = "container.created | web | docker | -\ncontainer.started | web | docker | -\n\
                         container.ended | web | docker | 3\ncontainer.removed | web | docker | 3";

    #[test]
    fn what_docker_does_through_containerd_happens_once() {
        let mut play = Play::new();
        play.container("a", "web", "app:1", ContainerAction::Create);
        below(&mut play, "a", "moby", ContainerAction::Create);
        below(&mut play, "a", "moby", ContainerAction::Start);
        play.container("a", "web", "app:1", ContainerAction::Start);
        below(&mut play, "a", "moby", ContainerAction::Die { exit_code: Some(3) });
        play.container("a", "web", "app:1", ContainerAction::Die { exit_code: Some(3) });
        below(&mut play, "a", "moby", ContainerAction::Destroy);
        play.container("a", "web", "app:1", ContainerAction::Destroy);
        assert_eq!(told(&play), WHOLE);
        assert_eq!(play.draw(d::CONTAINER_ENDED, &["witnesses"]), "docker_events,containerd_events");
        assert_eq!(play.draw(d::CONTAINER_ACCUMULATED, &["accumulated.created"]), "1");
    }

    #[test]
    fn without_docker_its_containers_are_containerds_own_until_docker_speaks() {
        let mut play = Play::new();
        below(&mut play, "a", "moby", ContainerAction::Create);
        below(&mut play, "a", "moby", ContainerAction::Start);
        assert_eq!(told(&play), "container.created |  | containerd | -\ncontainer.started |  | containerd | -");
        // Docker speaks of it after all: nothing happens twice, and its name is the one that Docker says.
        play.container("a", "web", "app:1", ContainerAction::Create);
        play.container("a", "web", "app:1", ContainerAction::Start);
        play.container("a", "web", "app:1", ContainerAction::Die { exit_code: Some(3) });
        below(&mut play, "a", "moby", ContainerAction::Die { exit_code: Some(3) });
        assert_eq!(
            told(&play),
            "container.created |  | containerd | -\ncontainer.started |  | containerd | -\ncontainer.ended | web | docker | 3"
        );
    }

    #[test]
    fn a_container_of_another_namespace_is_its_own_story() {
        let mut play = Play::new();
        play.container("a", "web", "app:1", ContainerAction::Create);
        below(&mut play, "b", "lab", ContainerAction::Create);
        // Of one that Docker owns, Docker's own word is waited for.
        below(&mut play, "c", "moby", ContainerAction::Create);
        assert_eq!(told(&play), "container.created | web | docker | -\ncontainer.created |  | containerd | -");
    }

    #[test]
    fn an_engines_defaults_are_not_anothers() {
        let mut play = Play::new();
        let security = Some(vec!["name=seccomp,profile=default".into()]);
        let engine = EngineSpec { product: "docker".into(), security_options: security, ..EngineSpec::default() };
        play.from("docker_info").tell(d::DOCKER_INFO, Some(Fact::Engine(Box::new(engine))));
        let spec = |word: &str| ContainerSpec { id: id(word), name: word.into(), image: "app:1".into(), ..ContainerSpec::default() };
        play.from("podman_container").tell(d::PODMAN_CONTAINER, Some(Fact::ContainerSpec(Box::new(spec("p")))));
        play.from("docker_container").inspect(spec("d"));
        let fields = ["container.name", "container.runtime.name", "container.security.defaults_known"];
        assert_eq!(play.draw(d::CONTAINER_APPEARED, &fields), "p | podman | false\nd | docker | true");
    }

    #[test]
    fn one_engines_list_says_nothing_of_anothers_containers() {
        let mut play = Play::new();
        let list = |play: &mut Play, source: &str, words: &[&str]| {
            let list = words.iter().map(|word| ListedContainer { id: id(word), name: (*word).into(), ..ListedContainer::default() });
            play.from(source).tell(d::DOCKER_LIST, Some(Fact::List(List::Containers(list.collect()))));
        };
        list(&mut play, "docker_containers", &["a"]);
        list(&mut play, "podman_containers", &["b"]);
        play.wait(20.0);
        list(&mut play, "docker_containers", &["a"]);
        list(&mut play, "podman_containers", &[]);
        assert_eq!(play.draw(d::CONTAINER_REMOVED, &["container.name"]), "b");
        assert_eq!(play.draw(d::CONTAINER_CREATED, &["container.name"]), "");
    }
}
