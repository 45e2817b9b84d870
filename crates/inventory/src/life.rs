//! How a container's life goes: started, ended, removed, paused, killed, renamed, copied from, attached to.

use crate::container::{Container, State as Doing};
use crate::fields::{about_container, posture_fields};
use crate::id::Id;
use crate::names;
use crate::row::{Row, RowOut};
use crate::step::Step;
use crate::windows::Windows;
use crate::world::World;
use event::dictionary as d;
use event::fact::{ContainerAction, Fact};
use event::{DerivedBuilder, Event, Kind, SmolStr, Span};
use serde::{Deserialize, Serialize};

/// The window in which ends of equal containers, and restarts of one, are counted.
pub const REPEAT_WINDOW: Span = Span::minutes(10);

/// A container removed so soon after its end was disposed of.
pub const DISPOSED_WITHIN: Span = Span::seconds(5);

/// Restarts within the window that make a container flap.
pub const FLAPPING_AT: usize = 5;

/// Groups of equal containers whose ends are counted.
const GROUPS_MAX: usize = 8192;

/// Containers whose restarts are counted.
const RESTARTING_MAX: usize = 16_384;

/// What is counted beyond the world.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    ends: Windows<(SmolStr, u64)>,
    restarts: Windows<(SmolStr, Id)>,
}

impl Default for State {
    fn default() -> Self {
        State { ends: Windows::new(REPEAT_WINDOW, GROUPS_MAX), restarts: Windows::new(REPEAT_WINDOW, RESTARTING_MAX) }
    }
}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        let (kind, id) = match step {
            Step::Started { id, .. } => (d::CONTAINER_STARTED, id),
            Step::Ended { id } => (d::CONTAINER_ENDED, id),
            Step::Removed { id, .. } => (d::CONTAINER_REMOVED, id),
            Step::Paused { id } => (d::CONTAINER_PAUSED, id),
            Step::Unpaused { id } => (d::CONTAINER_UNPAUSED, id),
            Step::Killed { id } => (d::CONTAINER_KILLED, id),
            Step::Renamed { id, .. } => (d::CONTAINER_RENAMED, id),
            Step::Other { id } => match other(cause) {
                Some(kind) => (kind, id),
                None => return,
            },
            _ => return,
        };
        let Some(host) = world.host(&cause.host) else { return };
        let Some(container) = host.container(id) else { return };
        let key = (cause.host.clone(), id.clone());

        // Counting goes on whether or not anyone reads the event now.
        let mut flapping = false;
        if let Step::Started { again: true, .. } = step {
            let (count, forgotten) = self.restarts.add(&key, cause.at);
            out.forgot("inventory.restarting", forgotten);
            flapping = count == FLAPPING_AT;
        }
        let group = || (cause.host.clone(), repeat_key(container));
        let mut repeats = 0;
        match step {
            Step::Ended { .. } => {
                let (count, forgotten) = self.ends.add(&group(), cause.at);
                out.forgot("inventory.ended", forgotten);
                repeats = count;
            }
            Step::Removed { .. } => {
                repeats = self.ends.count(&group(), cause.at);
                self.restarts.forget(&key);
            }
            _ => {}
        }
        let restarts = self.restarts.count(&key, cause.at);

        // `docker run` and `docker start -a` attach before they start.
        let of_a_run = || matches!(container.state, Doing::Created | Doing::Exited) || of_its_own_run(cause, container);
        if kind == d::CONTAINER_ATTACHED && of_a_run() {
            return;
        }
        if out.wants(kind) {
            let mut builder = about_container(kind, "life", cause, world, host, container);
            if matches!(step, Step::Ended { .. } | Step::Removed { .. }) {
                posture_fields(&mut builder, container);
            }
            life_fields(&mut builder, kind, step, container, cause, restarts, repeats);
            out.emit(builder.build());
        }
        if flapping && out.wants(d::CONTAINER_FLAPPING) {
            let mut builder = about_container(d::CONTAINER_FLAPPING, "life", cause, world, host, container);
            builder.push(d::RESTARTS, restarts);
            if let Some(code) = container.exit_code {
                builder.push(d::EXIT_CODE, code);
            }
            out.emit(builder.build());
        }
    }
}

fn life_fields(builder: &mut DerivedBuilder, kind: Kind, step: &Step, container: &Container, cause: &Event, restarts: usize, repeats: usize) {
    match step {
        Step::Ended { .. } | Step::Removed { .. } => {
            if let Some(lifetime) = lifetime(container) {
                builder.push(d::LIFETIME, lifetime.as_seconds());
            }
            if let Some(code) = container.exit_code {
                builder.push(d::EXIT_CODE, code);
            }
            if let Some(signal) = container.signal {
                builder.push(d::EXIT_SIGNAL, signal);
            }
            builder.push(d::OOM_KILLED, container.oom);
            builder.push(d::RESTARTS, restarts);
            builder.push(d::IMAGE_ENDED_REPEAT, repeats);
            if let Step::Removed { .. } = step {
                if let Some(never) = never_started(container) {
                    builder.push(d::NEVER_STARTED, never);
                }
                if let (Some(ended), Some(removed), false) = (container.ended, container.removed, container.time_suspect) {
                    builder.push(d::DISPOSED, removed - ended <= DISPOSED_WITHIN);
                }
            }
        }
        Step::Started { .. } => builder.push(d::RESTARTS, restarts),
        Step::Killed { .. } => {
            if let Some(signal) = container.signal {
                builder.push(d::SIGNAL, signal);
            }
        }
        Step::Renamed { before, .. } => {
            builder.push(d::NAME_BEFORE, before);
            if let Some((known, _)) = names::resembles(&container.name) {
                builder.push(d::NAME_RESEMBLES, known);
            }
        }
        _ => {}
    }
    if kind == d::CONTAINER_COPIED {
        let how = match cause.fact() {
            Some(Fact::Container(said)) => match said.action {
                ContainerAction::CopyIn => "in",
                ContainerAction::Export => "export",
                _ => "out",
            },
            _ => "out",
        };
        builder.push(d::CHANGE_PROPERTY, how);
    }
    let before = match step {
        Step::Killed { .. } | Step::Renamed { .. } | Step::Other { .. } => container.state,
        _ => container.state_before,
    };
    if before != Doing::Unknown {
        builder.push(d::STATE_BEFORE, before.as_str());
    }
}

/// What of the other container events is told here.
fn other(cause: &Event) -> Option<Kind> {
    match cause.fact() {
        Some(Fact::Container(said)) => match said.action {
            ContainerAction::CopyIn | ContainerAction::CopyOut | ContainerAction::Export => Some(d::CONTAINER_COPIED),
            ContainerAction::Attach => Some(d::CONTAINER_ATTACHED),
            _ => None,
        },
        Some(Fact::Request(request)) if request.subresource == "attach" => Some(d::CONTAINER_ATTACHED),
        _ => None,
    }
}

/// `podman run` attaches right after the start that it made, where `docker run` does before it.
const OWN_ATTACH: Span = Span::millis(100);

fn of_its_own_run(cause: &Event, container: &Container) -> bool {
    let podmans = matches!(cause.fact(), Some(Fact::Container(said)) if said.runtime == "podman");
    podmans && container.started.is_some_and(|started| started + OWN_ATTACH > cause.time)
}

/// From start to end; `None` when either is unknown, or not believed.
pub fn lifetime(container: &Container) -> Option<Span> {
    let (started, ended) = (container.started?, container.ended?);
    (!container.time_suspect && ended >= started).then(|| ended - started)
}

/// Whether it never ran; `None` when nobody watched long enough to know.
pub fn never_started(container: &Container) -> Option<bool> {
    if container.ever_started() {
        return Some(false);
    }
    (!container.preexisting() || container.inspected()).then_some(true)
}

/// What makes two containers equal for counting their ends: image and command, or the image alone while the command is unknown.
fn repeat_key(container: &Container) -> u64 {
    container.fingerprint().unwrap_or_else(|| {
        let image = if container.image_id.is_empty() { &container.image } else { &container.image_id };
        crate::share::fingerprint(image, &[])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::{Play, id};
    use event::fact::{ContainerEvent, ContainerSpec, Fact};

    fn die(code: i64) -> ContainerAction {
        ContainerAction::Die { exit_code: Some(code) }
    }

    fn spec(name: &str) -> ContainerSpec {
        ContainerSpec { name: name.into(), image: "app:1".into(), image_id: "sha256:1".into(), command: vec!["serve".into()], ..ContainerSpec::default() }
    }

    #[test]
    fn a_life_is_told_with_its_length_and_end() {
        let mut play = Play::new();
        play.run("a", spec("web")).wait(3.0);
        play.container("a", "web", "app:1", ContainerAction::Kill { signal: Some(15) }).container("a", "web", "app:1", die(143));
        play.wait(2.0).container("a", "web", "app:1", ContainerAction::Destroy);
        play.container("b", "never", "app:1", ContainerAction::Create).container("b", "never", "app:1", ContainerAction::Destroy);
        let fields = ["container.name", "container.exit_code", "container.exit.signal", "container.never_started", "container.disposed", "container.state.before"];
        assert_eq!(play.draw(d::CONTAINER_REMOVED, &fields), "web | 143 | 15 | false | true | exited\nnever | - | - | true | - | created");
        let lifetime: f64 = play.draw(d::CONTAINER_ENDED, &["container.lifetime_seconds"]).parse().unwrap();
        assert!((3.0..3.1).contains(&lifetime), "{lifetime}");
    }

    #[test]
    fn a_label_neither_hides_an_exit_code_nor_a_signal() {
        let mut play = Play::new();
        let labels = [("exitCode", "0"), ("signal", "0")];
        play.labelled("a", "a", "app:1", ContainerAction::Create, &labels).container("a", "a", "app:1", ContainerAction::Start);
        play.container("a", "a", "app:1", ContainerAction::Kill { signal: Some(0) }).container("a", "a", "app:1", die(0));
        assert_eq!(play.draw(d::CONTAINER_ENDED, &["container.exit_code", "container.exit.signal"]), "- | -");
        let now = play.now;
        play.inspect(ContainerSpec { id: id("a"), status: "exited".into(), exit_code: Some(3), created: Some(now), ..spec("a") });
        play.container("a", "a", "app:1", ContainerAction::Destroy);
        assert_eq!(play.draw(d::CONTAINER_REMOVED, &["container.exit_code"]), "3");
    }

    #[test]
    fn a_suspect_time_gives_no_lifetime() {
        let mut play = Play::new();
        play.run("a", spec("a"));
        play.suspect = true;
        play.container("a", "a", "app:1", die(0));
        assert_eq!(play.draw(d::CONTAINER_ENDED, &["container.exit_code", "container.lifetime_seconds"]), "0 | -");
    }

    #[test]
    fn ends_of_equal_containers_are_counted_for_ten_minutes() {
        let mut play = Play::new();
        for n in 0..3 {
            play.run(&format!("c{n}"), spec("a")).container(&format!("c{n}"), "a", "app:1", die(0)).wait(240.0);
        }
        play.run("other", ContainerSpec { command: vec!["else".into()], ..spec("b") }).container("other", "b", "app:1", die(0));
        play.wait(300.0).run("late", spec("a")).container("late", "a", "app:1", die(0));
        assert_eq!(play.draw(d::CONTAINER_ENDED, &["container.ended_repeats"]), "1\n2\n3\n1\n2");
    }

    #[test]
    fn five_restarts_in_ten_minutes_are_flapping_once() {
        let mut play = Play::new();
        play.run("a", spec("a"));
        for _ in 0..7 {
            play.container("a", "a", "app:1", die(1)).container("a", "a", "app:1", ContainerAction::Start);
        }
        assert_eq!(play.draw(d::CONTAINER_FLAPPING, &["container.restarts", "container.exit_code"]), "5 | 1");
    }

    #[test]
    fn an_attach_before_the_start_is_how_docker_run_works() {
        let mut play = Play::new();
        play.container("a", "a", "app:1", ContainerAction::Create).container("a", "a", "app:1", ContainerAction::Attach);
        play.container("a", "a", "app:1", ContainerAction::Start);
        assert_eq!(play.draw(d::CONTAINER_ATTACHED, &["container.name"]), "");
        play.container("a", "a", "app:1", ContainerAction::Attach);
        assert_eq!(play.draw(d::CONTAINER_ATTACHED, &["container.name"]), "a");
    }

    #[test]
    fn an_attach_right_after_the_start_is_how_podman_run_works() {
        let mut play = Play::new();
        let mut say = |action, wait| {
            let said = ContainerEvent {
                id: crate::play::id("a"),
                action,
                name: "a".into(),
                image: "app:1".into(),
                labels: Vec::new(),
                runtime: "podman".into(),
                division: "".into(),
                pod: "".into(),
                spec: None,
            };
            play.tell(d::PODMAN_EVENT, Some(Fact::Container(said))).wait(wait);
        };
        say(ContainerAction::Create, 0.5);
        say(ContainerAction::Start, 0.001);
        say(ContainerAction::Attach, 0.5);
        say(ContainerAction::Attach, 0.5);
        assert_eq!(play.draw(d::CONTAINER_ATTACHED, &["container.name"]), "a", "the second only");
    }

    #[test]
    fn pauses_renames_and_copies_are_told() {
        let mut play = Play::new();
        play.run("a", spec("web"));
        play.container("a", "web", "app:1", ContainerAction::Pause).container("a", "web", "app:1", ContainerAction::Unpause);
        assert_eq!(play.draw(d::CONTAINER_PAUSED, &["container.state.before"]), "running");
        assert_eq!(play.draw(d::CONTAINER_UNPAUSED, &["container.state.before"]), "paused");
        // The label `oldName` cannot lie about a name that is known.
        play.container("a", "falco", "app:1", ContainerAction::Rename { old_name: Some("innocent".into()) });
        let fields = ["container.name", "container.name.before", "container.name.resembles"];
        assert_eq!(play.draw(d::CONTAINER_RENAMED, &fields), "falco | web | falco");
        for action in [ContainerAction::CopyOut, ContainerAction::CopyIn, ContainerAction::Export] {
            play.container("a", "falco", "app:1", action);
        }
        assert_eq!(play.draw(d::CONTAINER_COPIED, &["change.property"]), "out\nin\nexport");
    }

    #[test]
    fn what_only_a_list_misses_has_no_lifetime() {
        let mut play = Play::new();
        let list = |play: &mut Play| {
            play.tell(d::DOCKER_LIST, Some(Fact::List(event::fact::List::Containers(Vec::new()))));
        };
        list(&mut play);
        play.run("a", spec("a")).wait(60.0);
        list(&mut play);
        assert_eq!(play.draw(d::CONTAINER_REMOVED, &["container.name", "container.lifetime_seconds", "container.disposed"]), "a | - | -");
    }
}
