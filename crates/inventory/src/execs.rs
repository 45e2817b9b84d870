//! `container.exec`: a command is run in a container, said when its inspect is known, when it ends, or two seconds after.
//!
//! Only the exec's inspect tells whether it is privileged, has a terminal, and as whom it runs; the event looks the same for all of them. An inspect that
//! comes after it was said without one says it again, because it tells more.

use crate::fields::{about_container, about_container_at};
use crate::host::Host;
use crate::id::Id;
use crate::row::{Row, RowOut};
use crate::step::Step;
use crate::timers::TimerKey;
use crate::world::World;
use event::dictionary as d;
use event::fact::{ContainerAction, ExecSpec, Fact};
use event::kubernetes::ApiRequest;
use event::{DerivedBuilder, Event, Provenance, SmolStr, Span, Time};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long an exec's inspect is waited for.
const WAIT: Span = Span::seconds(2);
/// Execs waited for at once; beyond it one of them is said without its inspect.
const PENDING_MAX: usize = 16_384;
/// Execs remembered as said, so that a late inspect does not say them again.
const SAID_MAX: usize = 16_384;

/// Execs that were created and not yet said.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    pending: BTreeMap<(SmolStr, Id), Pending>,
    /// Execs that were said, and whether with their inspect.
    said: IndexMap<(SmolStr, Id), bool>,
    /// Stands in for the id of an exec whose own id a label has replaced.
    unnamed: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Pending {
    container: Id,
    command: SmolStr,
    due: Time,
    /// Exec id as the engine gave it; `None` when a label replaced it.
    exec_id: Option<SmolStr>,
    evidence: Vec<Arc<Provenance>>,
}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        let Some(host) = world.host(&cause.host) else { return };
        match (step, cause.fact()) {
            (Step::Other { id }, Some(Fact::Container(said))) => {
                match &said.action {
                    ContainerAction::ExecCreate { command, exec_id } => self.created(id, command, exec_id.as_ref(), world, host, cause, out),
                    ContainerAction::ExecDie { exec_id: Some(exec_id), .. } => {
                        // It has ended, and its inspect may never come: a recording can stop here, and an engine forgets.
                        self.unseen(&(cause.host.clone(), Id::new(exec_id)), cause.at, world, out);
                    }
                    _ => {}
                }
            }
            (Step::Other { id }, Some(Fact::Request(request))) if request.subresource == "exec" => {
                through_server(id, request, world, host, cause, out);
            }
            (Step::ExecInspected { id }, Some(Fact::ExecSpec(spec))) => self.inspected(id, spec, world, host, cause, out),
            (Step::Removed { id, .. }, _) => {
                // What is gone will not be inspected any more.
                let gone: Vec<(SmolStr, Id)> = self
                    .pending
                    .iter()
                    .filter(|((on, _), exec)| *on == cause.host && exec.container == *id)
                    .map(|(key, _)| key.clone())
                    .collect();
                for key in gone {
                    self.unseen(&key, cause.at, world, out);
                }
            }
            _ => {}
        }
    }

    fn fire(&mut self, key: &TimerKey, now: Time, world: &World, out: &mut RowOut<'_>) {
        let key = (key.host.clone(), key.id.clone());
        if self.pending.get(&key).is_some_and(|exec| exec.due <= now) {
            self.unseen(&key, now, world, out);
        }
    }
}

impl State {
    #[allow(clippy::too_many_arguments)]
    fn created(
        &mut self,
        id: &Id,
        command: &SmolStr,
        exec_id: Option<&SmolStr>,
        world: &World,
        host: &Host,
        cause: &Event,
        out: &mut RowOut<'_>,
    ) {
        // A label of that name replaces the exec's own id in every event of the container.
        let shadowed = host.container(id).is_some_and(|container| container.label("execID").is_some());
        let exec_id = exec_id.filter(|exec_id| !shadowed && !exec_id.is_empty()).cloned();
        let key = match &exec_id {
            Some(exec_id) => Id::new(exec_id),
            None => {
                self.unnamed += 1;
                Id::Text(format!("unnamed-{}", self.unnamed).into())
            }
        };
        let key = (cause.host.clone(), key);
        if self.pending.len() >= PENDING_MAX
            && let Some((one, _)) = self.pending.first_key_value()
        {
            let one = one.clone();
            out.forgot("inventory.execs", 1);
            self.unseen(&one, cause.at, world, out);
        }
        let due = cause.at + WAIT;
        out.timer(due, TimerKey::new(&key.0, &key.1));
        self.pending
            .insert(key, Pending { container: id.clone(), command: command.clone(), due, exec_id, evidence: cause.evidence.clone() });
    }

    fn inspected(&mut self, id: &Id, spec: &ExecSpec, world: &World, host: &Host, cause: &Event, out: &mut RowOut<'_>) {
        let key = (cause.host.clone(), Id::new(&spec.id));
        let words = spec.command.join(" ");
        let found = if self.pending.contains_key(&key) {
            Some(key.clone())
        } else {
            // Without a trustworthy id the container and the command have to do.
            let same = |exec: &Pending| {
                let same_command = exec.command.is_empty() || exec.command == words.trim();
                exec.exec_id.is_none() && exec.container == *id && same_command
            };
            self.pending.iter().find(|(other, exec)| other.0 == cause.host && same(exec)).map(|(key, _)| key.clone())
        };
        let pending = found.and_then(|key| {
            let exec = self.pending.remove(&key)?;
            out.cancel(exec.due, TimerKey::new(&key.0, &key.1));
            Some(exec)
        });
        // One that was said with its inspect is said once; one that nobody saw begin is news only while it runs: a session from before watching began.
        let said = self.said.get(&key).copied();
        if said == Some(true) || said.is_none() && pending.is_none() && !spec.running {
            return;
        }
        self.remember(key, true);
        let Some(container) = host.container(id) else { return };
        if !out.wants(d::CONTAINER_EXEC) {
            return;
        }
        let mut evidence = cause.evidence.clone();
        evidence.extend(pending.iter().flat_map(|exec| exec.evidence.iter().cloned()));
        let builder = about_container(d::CONTAINER_EXEC, "execs", cause, world, host, container).evidence(evidence);
        let args: Vec<&str> = spec.command.iter().map(SmolStr::as_str).collect();
        let builder = command_fields(builder, &spec.id, &words, &args)
            .with(d::EXEC_PRIVILEGED, spec.privileged)
            .with(d::EXEC_TTY, spec.tty)
            .with(d::EXEC_USER, &spec.user)
            .with(d::EXEC_INSPECTED, true)
            .maybe(d::EXEC_HEALTHCHECK, container.shape().map(|shape| is_healthcheck(&words, &shape.healthcheck)));
        out.emit(builder.build());
    }

    /// Says an exec whose inspect did not come.
    fn unseen(&mut self, key: &(SmolStr, Id), now: Time, world: &World, out: &mut RowOut<'_>) {
        let Some(exec) = self.pending.remove(key) else { return };
        out.cancel(exec.due, TimerKey::new(&key.0, &key.1));
        self.remember(key.clone(), false);
        let Some(host) = world.host(&key.0) else { return };
        let Some(container) = host.container(&exec.container) else { return };
        if !out.wants(d::CONTAINER_EXEC) {
            return;
        }
        let builder = about_container_at(d::CONTAINER_EXEC, "execs", now, exec.evidence, world, host, container);
        let args: Vec<&str> = exec.command.split_ascii_whitespace().collect();
        let builder = command_fields(builder, exec.exec_id.as_deref().unwrap_or_default(), &exec.command, &args)
            .with(d::EXEC_INSPECTED, false)
            .maybe(d::EXEC_HEALTHCHECK, container.shape().map(|shape| is_healthcheck(&exec.command, &shape.healthcheck)));
        out.emit(builder.build());
    }

    fn remember(&mut self, key: (SmolStr, Id), inspected: bool) {
        if self.said.len() >= SAID_MAX {
            self.said.drain(..SAID_MAX / 16);
        }
        self.said.insert(key, inspected);
    }
}

/// An exec that went through an API server: the request says the command and the terminal, and nobody ever says more.
fn through_server(id: &Id, request: &ApiRequest, world: &World, host: &Host, cause: &Event, out: &mut RowOut<'_>) {
    if !out.wants(d::CONTAINER_EXEC) {
        return;
    }
    let Some(container) = host.container(id) else { return };
    let words = request.command.join(" ");
    let args: Vec<&str> = request.command.iter().map(SmolStr::as_str).collect();
    let builder = about_container(d::CONTAINER_EXEC, "execs", cause, world, host, container);
    let builder = command_fields(builder, &request.audit_id, &words, &args).with(d::EXEC_TTY, request.tty).with(d::EXEC_INSPECTED, false);
    out.emit(builder.build());
}

fn command_fields(builder: DerivedBuilder, exec_id: &str, line: &str, args: &[&str]) -> DerivedBuilder {
    let program = executable(args);
    builder
        .maybe(d::EXEC_ID, (!exec_id.is_empty()).then_some(exec_id))
        .with(d::EXEC_COMMAND_LINE, line.trim())
        .with(d::EXEC_EXECUTABLE, program)
        .with(d::EXEC_SHELL, is_shell(args))
}

fn base(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}

/// File name of what really runs, past `env` and its assignments.
fn executable<'a>(args: &[&'a str]) -> &'a str {
    base(past_env(args).first().copied().unwrap_or_default())
}

fn past_env<'a, 'b>(args: &'b [&'a str]) -> &'b [&'a str] {
    if args.first().is_none_or(|first| base(first) != "env") {
        return args;
    }
    let skip = args[1..].iter().take_while(|arg| arg.starts_with('-') || arg.contains('=')).count();
    if args.len() > skip + 1 { &args[skip + 1..] } else { args }
}

/// Whether a command line starts a shell, under any of the names that shells go by.
pub fn is_shell(args: &[&str]) -> bool {
    let args = past_env(args);
    let shell = |name: &str| {
        matches!(
            name,
            "sh" | "ash"
                | "bash"
                | "csh"
                | "dash"
                | "elvish"
                | "fish"
                | "hush"
                | "ksh"
                | "ksh93"
                | "mksh"
                | "nu"
                | "oksh"
                | "pwsh"
                | "rbash"
                | "tcsh"
                | "yash"
                | "zsh"
        )
    };
    match args.first().map(|first| base(first)) {
        Some("busybox" | "toybox" | "busybox.static") => args.get(1).is_some_and(|applet| shell(base(applet))),
        Some(name) => shell(name),
        None => false,
    }
}

/// Whether a command line is the health check that inspect shows, run directly or through a shell.
fn is_healthcheck(line: &str, check: &[SmolStr]) -> bool {
    let check = check.join(" ");
    let (line, check) = (line.trim(), check.trim());
    if check.is_empty() {
        return false;
    }
    let through_shell = || line.split_once(" -c ").is_some_and(|(shell, rest)| is_shell(&[shell.trim()]) && rest.trim() == check);
    line == check || through_shell()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::{Play, id};
    use event::fact::ContainerSpec;

    fn exec(command: &str, exec: &str) -> ContainerAction {
        ContainerAction::ExecCreate { command: command.into(), exec_id: Some(id(exec)) }
    }

    fn spec(container: &str, exec: &str, command: &[&str], running: bool) -> Option<Fact> {
        Some(Fact::ExecSpec(ExecSpec {
            id: id(exec),
            container_id: id(container),
            privileged: true,
            command: command.iter().map(|s| (*s).into()).collect(),
            running,
            ..ExecSpec::default()
        }))
    }

    fn draw(play: &Play) -> String {
        play.draw(
            d::CONTAINER_EXEC,
            &[
                "container.name",
                "exec.command_line",
                "exec.executable",
                "exec.shell",
                "exec.privileged",
                "exec.inspected",
                "exec.healthcheck",
            ],
        )
    }

    fn web() -> ContainerSpec {
        ContainerSpec {
            name: "web".into(),
            image: "web:1".into(),
            healthcheck: vec!["curl -f localhost".into()],
            ..ContainerSpec::default()
        }
    }

    #[test]
    fn an_exec_is_said_once_with_what_its_inspect_tells() {
        let mut play = Play::new();
        play.run("c1", web()).container("c1", "web", "web:1", exec("/bin/sh", "e1"));
        play.tell(d::DOCKER_EXEC, spec("c1", "e1", &["/bin/sh"], true)).wait(5.0);
        play.tell(d::DOCKER_EXEC, spec("c1", "e1", &["/bin/sh"], true));
        assert_eq!(draw(&play), "web | /bin/sh | sh | true | true | true | false");
    }

    #[test]
    fn an_exec_without_inspect_is_said_after_two_seconds_and_again_when_a_late_inspect_tells_more() {
        let mut play = Play::new();
        play.run("c1", web()).container("c1", "web", "web:1", exec("id", "e1")).wait(1.9);
        assert_eq!(draw(&play), "");
        play.wait(0.2);
        assert_eq!(draw(&play), "web | id | id | false | - | false | false");
        play.tell(d::DOCKER_EXEC, spec("c1", "e1", &["id"], true));
        play.tell(d::DOCKER_EXEC, spec("c1", "e1", &["id"], true));
        assert_eq!(draw(&play), "web | id | id | false | - | false | false\nweb | id | id | false | true | true | false");
    }

    #[test]
    fn an_exec_that_ends_is_said_at_its_end() {
        let mut play = Play::new();
        play.run("c1", web()).container("c1", "web", "web:1", exec("id", "e1"));
        play.container("c1", "web", "web:1", ContainerAction::ExecDie { exec_id: Some(id("e1")), exit_code: Some(0) });
        assert_eq!(draw(&play), "web | id | id | false | - | false | false");
    }

    #[test]
    fn a_container_that_goes_takes_no_exec_with_it() {
        let mut play = Play::new();
        play.run("c1", web()).container("c1", "web", "web:1", exec("id", "e1")).container("c1", "web", "web:1", ContainerAction::Destroy);
        assert_eq!(draw(&play), "web | id | id | false | - | false | false");
    }

    #[test]
    fn the_health_check_is_told_by_its_command() {
        let mut play = Play::new();
        play.run("c1", web());
        play.container("c1", "web", "web:1", exec("/bin/sh -c curl -f localhost", "e1")).wait(3.0);
        play.container("c1", "web", "web:1", exec("/bin/sh -c curl -f localhost; id", "e2")).wait(3.0);
        assert_eq!(
            draw(&play),
            "web | /bin/sh -c curl -f localhost | sh | true | - | false | true\nweb | /bin/sh -c curl -f localhost; id | sh | true | - | false | false"
        );
    }

    #[test]
    fn a_label_that_shadows_the_exec_id_hides_nothing() {
        let mut play = Play::new();
        play.run("c1", ContainerSpec { labels: vec![("execID".into(), "x".into())], ..web() });
        let shadowed = |command: &str| ContainerAction::ExecCreate { command: command.into(), exec_id: Some("x".into()) };
        play.container("c1", "web", "web:1", shadowed("id")).container("c1", "web", "web:1", shadowed("ls"));
        play.tell(d::DOCKER_EXEC, spec("c1", "e1", &["ls"], true)).wait(3.0);
        assert_eq!(draw(&play), "web | ls | ls | false | true | true | false\nweb | id | id | false | - | false | false");
    }

    #[test]
    fn a_session_from_before_watching_is_found() {
        let mut play = Play::new();
        play.run("c1", web());
        play.tell(d::DOCKER_EXEC, spec("c1", "e1", &["sleep", "9"], false)).tell(d::DOCKER_EXEC, spec("c1", "e2", &["bash"], true));
        assert_eq!(draw(&play), "web | bash | bash | true | true | true | false");
    }

    #[test]
    fn shells_are_known_by_their_names() {
        for args in [&["sh"][..], &["/bin/busybox", "sh"], &["env", "-i", "A=1", "bash"], &["/usr/bin/zsh", "-l"]] {
            assert!(is_shell(args), "{args:?}");
        }
        for args in [&["id"][..], &["busybox", "ls"], &["python3", "-c", "x"], &["shred"], &[], &["env"]] {
            assert!(!is_shell(args), "{args:?}");
        }
    }
}
