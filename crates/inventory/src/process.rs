//! `process.started`, `process.acted`: what processes do, with the container that they do it in.
//!
//! A program that is run is said once, whoever saw it: the kernel's process connector, auditd and a sensor all tell of the same exec within a moment. A later
//! witness of it is noted with the container, and only a sensor's own alert about it is said besides.

use crate::fields::container_fields;
use crate::host::Host;
use crate::kernel::{Placed, Where};
use crate::names;
use crate::row::{Row, RowOut};
use crate::step::Step;
use crate::world::World;
use event::dictionary as d;
use event::fact::Fact;
use event::system::{ProcessAction, ProcessEvent};
use event::{DerivedBuilder, Event, Kind, SmolStr, Span, Time};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// Within this time the same program run by the same process is one exec, seen by several.
const TOGETHER: Span = Span::seconds(2);
/// Execs remembered for that.
const SAID_MAX: usize = if cfg!(test) { 256 } else { 32_768 };

/// The execs that were said lately.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    said: IndexMap<(SmolStr, i64), Said>,
}

/// One of them.
#[derive(Debug, Serialize, Deserialize)]
struct Said {
    time: Time,
    executable: SmolStr,
    command: SmolStr,
    source: SmolStr,
}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        let (Step::Kernel, Some(Fact::Process(said))) = (step, cause.fact()) else { return };
        let Some(host) = world.host(&cause.host) else { return };
        match said.action {
            ProcessAction::Exec => {
                if self.is_new(said, cause) {
                    if out.wants(d::PROCESS_STARTED) {
                        out.emit(told(d::PROCESS_STARTED, said, world, host, cause).build());
                    }
                } else if !said.rule.is_empty() && out.wants(d::PROCESS_ACTED) {
                    out.emit(told(d::PROCESS_ACTED, said, world, host, cause).with(d::PROC_ACTION, "exec").build());
                }
            }
            _ => {
                let Some(word) = word(said) else { return };
                if out.wants(d::PROCESS_ACTED) {
                    let mut builder = told(d::PROCESS_ACTED, said, world, host, cause).with(d::PROC_ACTION, word);
                    done(&mut builder, said, host);
                    out.emit(builder.build());
                }
            }
        }
    }
}

/// The word for what a process did, where that is said at all.
fn word(said: &ProcessEvent) -> Option<&'static str> {
    Some(match said.action {
        ProcessAction::Connect => "connect",
        ProcessAction::Listen => "listen",
        ProcessAction::File => "file",
        ProcessAction::Mount => "mount",
        ProcessAction::Signal => "signal",
        ProcessAction::Namespace => "namespace",
        ProcessAction::Bpf => "bpf",
        // What is of no interest by itself is said when a sensor's rule found it worth an alert.
        _ if !said.rule.is_empty() => "other",
        _ => return None,
    })
}

impl State {
    /// Whether nobody has told of this exec yet.
    fn is_new(&mut self, said: &ProcessEvent, cause: &Event) -> bool {
        // Without its process nothing tells two execs apart.
        if said.pid <= 0 {
            return true;
        }
        let key = (cause.host.clone(), said.pid);
        let command = SmolStr::from(said.command.join(" "));
        if let Some(known) = self.said.get(&key) {
            let apart = cause.time.0.abs_diff(known.time.0) > TOGETHER.0.unsigned_abs();
            let same = known.executable == said.executable
                // One witness says the path that was asked for, another the file that a link led to.
                || known.source != cause.source && (known.command == command || last_part(&known.executable) == last_part(&said.executable));
            if !apart && same {
                return false;
            }
        }
        if self.said.len() >= SAID_MAX {
            self.said.drain(..SAID_MAX / 16);
        }
        self.said.insert(key, Said { time: cause.time, executable: said.executable.clone(), command, source: cause.source.clone() });
        true
    }
}

/// Begins an event about a process, with its container.
fn told(kind: Kind, said: &ProcessEvent, world: &World, host: &Host, cause: &Event) -> DerivedBuilder {
    let placed = host.kernel.now.clone().unwrap_or_default();
    let mut builder = DerivedBuilder::caused_by(kind, "process", cause).read_by(world.reading.as_deref());
    described(&mut builder, said, host);
    builder.push(d::PROC_PLACE, placed.place.as_str());
    builder.push(d::PROC_BUILD, matches!(placed.place, Where::Build(_)));
    let shared = of_the_host(&placed, said, host);
    if !shared.is_empty() {
        builder.push(d::PROC_HOST_NS, shared);
    }
    contained(builder, &placed, said, world, host, cause)
}

/// Namespaces of the host that a container's process is in.
fn of_the_host(placed: &Placed, said: &ProcessEvent, host: &Host) -> Vec<SmolStr> {
    if !matches!(placed.place, Where::Container(_)) {
        return Vec::new();
    }
    // A runtime moves its helper into the container's control group before it unshares: that helper's parent is outside.
    let parent = host.kernel.process(said.parent_pid).map(|parent| &parent.place);
    let helper = RUNTIMES.contains(&last_part(&said.executable)) || said.executable.contains("/fd/") || said.executable.contains("memfd:");
    match parent {
        Some(Where::Container(_)) => {}
        Some(_) => return Vec::new(),
        None if helper => return Vec::new(),
        None => {}
    }
    let (own, first) = (said.namespaces, said.host_namespaces);
    let pairs = [("mnt", own.mnt, first.mnt), ("pid", own.pid, first.pid), ("net", own.net, first.net), ("user", own.user, first.user)];
    pairs.into_iter().filter(|(_, own, first)| *own != 0 && own == first).map(|(name, ..)| SmolStr::new_static(name)).collect()
}

/// Runtimes' own programs, by which a container is started.
const RUNTIMES: [&str; 8] = ["runc", "crun", "youki", "runsc", "conmon", "containerd-shim", "containerd-shim-runc-v2", "exe"];

/// What is said of the process itself, by our names and by those of Sigma's public rules.
fn described(builder: &mut DerivedBuilder, said: &ProcessEvent, host: &Host) {
    let known = host.kernel.process(said.pid);
    let parent = host.kernel.process(said.parent_pid);
    let or = |said: &SmolStr, known: Option<&SmolStr>| if said.is_empty() { known.cloned().unwrap_or_default() } else { said.clone() };
    let executable = or(&said.executable, known.map(|known| &known.executable));
    let command = or(&SmolStr::from(said.command.join(" ")), known.map(|known| &known.command));
    let parent_executable = or(&said.parent_executable, parent.map(|parent| &parent.executable));
    let parent_command = or(&said.parent_command, parent.map(|parent| &parent.command));
    let user = match (said.user.as_str(), said.uid) {
        ("", Some(0)) => SmolStr::new_static("root"),
        ("", Some(uid)) => SmolStr::from(uid.to_string()),
        (name, _) => SmolStr::new(name),
    };
    for (field, value) in [
        (d::PROC_EXECUTABLE, &executable),
        (d::SIGMA_IMAGE, &executable),
        (d::PROC_COMMAND_LINE, &command),
        (d::SIGMA_COMMAND_LINE, &command),
        (d::SIGMA_PARENT_IMAGE, &parent_executable),
        (d::PROC_PARENT_COMMAND, &parent_command),
        (d::SIGMA_PARENT_COMMAND_LINE, &parent_command),
        (d::SIGMA_DIRECTORY, &said.directory),
        (d::SIGMA_USER, &user),
        (d::PROC_RULE, &said.rule),
    ] {
        if !value.is_empty() {
            builder.push(field, value);
        }
    }
    if !executable.is_empty() {
        builder.push(d::PROC_NAME, last_part(&executable));
    }
    if said.pid > 0 {
        builder.push(d::PROC_PID, said.pid);
        builder.push(d::SIGMA_PID, said.pid);
    }
    if said.parent_pid > 0 {
        builder.push(d::PROC_PPID, said.parent_pid);
    }
    if let Some(login) = said.login_uid {
        builder.push(d::SIGMA_LOGON_ID, login);
    }
    builder.push(d::PROC_TRUNCATED, said.command_truncated);
}

/// The container: all that is known of it, else what the witness says.
fn contained(
    mut builder: DerivedBuilder,
    placed: &Placed,
    said: &ProcessEvent,
    world: &World,
    host: &Host,
    cause: &Event,
) -> DerivedBuilder {
    if let Where::Container(id) = &placed.place {
        let text = id.text();
        if let Some(container) = host.container(id) {
            container_fields(&mut builder, world, host, container, cause.time);
            return builder.about(&text);
        }
        builder.push(d::CONTAINER_ID, &text);
        builder = builder.about(&text);
    }
    for (field, value) in [
        (d::CONTAINER_NAME, &said.container_name),
        (d::CONTAINER_IMAGE_NAME, &said.container_image),
        (d::K8S_NAMESPACE, &said.pod_namespace),
        (d::K8S_POD, &said.pod_name),
    ] {
        if !value.is_empty() {
            builder.push(field, value);
        }
    }
    builder
}

/// What else it did.
fn done(builder: &mut DerivedBuilder, said: &ProcessEvent, host: &Host) {
    match said.action {
        ProcessAction::Connect | ProcessAction::Listen => {
            if !said.address.is_empty() {
                let address = if said.address.contains(':') {
                    format!("[{}]:{}", said.address, said.port)
                } else {
                    format!("{}:{}", said.address, said.port)
                };
                builder.push(d::PROC_FILE, address);
            } else if !said.path.is_empty() {
                builder.push(d::PROC_FILE, &said.path);
            }
        }
        ProcessAction::Signal => {
            let Some((signal, _)) = said.signal else { return };
            builder.push(d::PROC_SIGNAL, signal);
            let Some((place, executable)) = host.kernel.now.as_ref().and_then(|now| now.target.clone()) else { return };
            let container = match &place {
                Where::Container(id) => host.container(id),
                _ => None,
            };
            let name = container.map_or_else(|| executable.clone(), |container| container.name.clone());
            let is_sensor = container.is_some_and(|container| container.role.is_some())
                || container.is_none() && names::claims_monitoring(last_part(&executable)).is_some();
            if !name.is_empty() {
                builder.push(d::PROC_TARGET, name);
            }
            builder.push(d::PROC_TARGET_ROLE, if is_sensor { "sensor" } else { "workload" });
        }
        _ => {
            if !said.path.is_empty() {
                builder.push(d::PROC_FILE, &said.path);
            }
            if said.action == ProcessAction::File {
                builder.push(d::PROC_FILE_WRITES, said.writes);
            }
        }
    }
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::{Play, id};
    use event::fact::{ContainerAction, ContainerSpec};
    use event::system::Namespaces;

    const HOST: Namespaces = Namespaces { mnt: 1, pid: 2, net: 3, user: 4 };
    const OWN: Namespaces = Namespaces { mnt: 11, pid: 12, net: 13, user: 4 };

    fn web() -> ContainerSpec {
        ContainerSpec { name: "web".into(), image: "web:1".into(), pid: 500, ..ContainerSpec::default() }
    }

    fn process(action: ProcessAction, pid: i64, executable: &str) -> ProcessEvent {
        let command = vec![last_part(executable).into(), "-x".into()];
        ProcessEvent { action, pid, executable: executable.into(), command, ..ProcessEvent::default() }
    }

    fn exec(pid: i64, cgroup: &str) -> ProcessEvent {
        ProcessEvent { cgroup: cgroup.into(), host_namespaces: HOST, ..process(ProcessAction::Exec, pid, "/bin/sh") }
    }

    fn tell(play: &mut Play, source: &str, event: ProcessEvent) {
        play.from(source).tell(d::SYSTEM_PROCESS, Some(Fact::Process(Box::new(event)))).from("docker_events");
    }

    fn docker(word: &str) -> String {
        format!("/docker/{}", id(word))
    }

    fn started(play: &Play) -> String {
        play.draw(d::PROCESS_STARTED, &["process.pid", "process.place", "container.name"])
    }

    #[test]
    fn a_program_is_told_once_whoever_saw_it() {
        let mut play = Play::new();
        play.run("a", web());
        tell(&mut play, "system_process", exec(600, &docker("a")));
        // The sensor knows the beginning of the id, and a file that a link led to.
        let alert =
            ProcessEvent { container_id: id("a")[..12].into(), executable: "/bin/busybox".into(), rule: "Shell".into(), ..exec(600, "") };
        tell(&mut play, "falco", alert);
        assert_eq!(started(&play), "600 | container | web");
        assert_eq!(
            play.draw(d::PROCESS_ACTED, &["process.action", "process.rule", "container.name", "witnesses"]),
            "exec | Shell | web | docker_events,docker_container,system_process,falco".replace("docker_container,", "")
        );
        // The same program again, later, and another one at once, are told.
        play.wait(3.0);
        tell(&mut play, "system_process", exec(600, &docker("a")));
        tell(
            &mut play,
            "system_process",
            ProcessEvent { executable: "/bin/id".into(), command: vec!["id".into()], ..exec(600, &docker("a")) },
        );
        assert_eq!(started(&play).lines().count(), 3);
    }

    #[test]
    fn sigma_s_names_stand_beside_ours() {
        let mut play = Play::new();
        tell(
            &mut play,
            "system_process",
            ProcessEvent {
                uid: Some(0),
                parent_executable: "/usr/sbin/sshd".into(),
                directory: "/root".into(),
                ..exec(7, "/user.slice/session-1.scope")
            },
        );
        assert_eq!(
            play.draw(
                d::PROCESS_STARTED,
                &[
                    "Image",
                    "CommandLine",
                    "ParentImage",
                    "CurrentDirectory",
                    "User",
                    "ProcessId",
                    "process.executable.name",
                    "process.place"
                ]
            ),
            "/bin/sh | sh -x | /usr/sbin/sshd | /root | root | 7 | sh | host"
        );
    }

    #[test]
    fn children_and_sharers_of_a_namespace_are_in_the_same_container() {
        let mut play = Play::new();
        play.run("a", web());
        tell(&mut play, "system_process", ProcessEvent { namespaces: OWN, ..exec(600, &docker("a")) });
        // By its parent, by its namespaces, by the first process that the engine named, and a host's process by its own.
        tell(&mut play, "auditd", ProcessEvent { parent_pid: 600, ..exec(601, "") });
        tell(&mut play, "kunai", ProcessEvent { namespaces: OWN, ..exec(602, "") });
        tell(&mut play, "auditd", ProcessEvent { parent_pid: 500, ..exec(603, "") });
        tell(&mut play, "kunai", ProcessEvent { namespaces: HOST, ..exec(604, "") });
        tell(&mut play, "auditd", exec(605, ""));
        assert_eq!(
            started(&play),
            "600 | container | web\n601 | container | web\n602 | container | web\n603 | container | web\n604 | host | -\n605 | unknown | -"
        );
    }

    #[test]
    fn what_only_the_kernel_knows_is_told_apart() {
        let mut play = Play::new();
        play.run("a", web());
        let foreign = Namespaces { mnt: 21, pid: 22, ..OWN };
        tell(&mut play, "system_process", ProcessEvent { namespaces: foreign, ..exec(700, &docker("ghost")) });
        tell(&mut play, "system_process", ProcessEvent { namespaces: foreign, ..exec(701, "/lab/byhand") });
        tell(&mut play, "system_process", ProcessEvent { namespaces: Namespaces { mnt: 31, pid: 32, ..OWN }, ..exec(702, "/") });
        // A group of that shape without namespaces of its own is the host's.
        tell(&mut play, "system_process", ProcessEvent { namespaces: HOST, ..exec(703, "/lab/tidy") });
        tell(&mut play, "system_process", exec(704, "/buildkit/k0pkd3xtz8v9qk2mgs7q8ozhj"));
        assert_eq!(
            play.draw(d::PROCESS_STARTED, &["process.pid", "process.place", "process.build"]),
            "700 | container | false\n701 | container | false\n702 | unknown_namespaces | false\n703 | host | false\n704 | container | true"
        );
        let host = play.inventory.world().host("h").unwrap();
        let keys: Vec<_> = host.kernel.strangers().map(|stranger| (stranger.key.as_str(), stranger.certain, stranger.build)).collect();
        let ghost = id("ghost");
        assert_eq!(
            keys,
            [(ghost.as_str(), true, false), ("byhand", false, false), ("k0pkd3xtz8v9qk2mgs7q8ozhj", true, true), ("mnt:31", false, false)]
        );
        assert!(!host.admits(&ghost));
        // Its last process ends; then its runtime speaks of it after all.
        tell(&mut play, "system_process", process(ProcessAction::Exit, 700, ""));
        play.container("ghost", "ghost", "web:1", ContainerAction::Start);
        let host = play.inventory.world().host("h").unwrap();
        assert!(host.admits(&ghost) && !host.kernel.stranger(&ghost).unwrap().stands());
    }

    #[test]
    fn a_signal_names_the_sensor_that_it_went_to() {
        let mut play = Play::new();
        play.run("a", ContainerSpec { name: "falco".into(), image: "falcosecurity/falco:0.40".into(), ..web() });
        tell(&mut play, "system_process", ProcessEvent { executable: "/usr/bin/falco".into(), ..exec(600, &docker("a")) });
        tell(
            &mut play,
            "system_process",
            ProcessEvent { executable: "/usr/sbin/auditd".into(), ..exec(50, "/system.slice/auditd.service") },
        );
        for target in [600, 50] {
            tell(&mut play, "auditd", ProcessEvent { signal: Some((19, target)), ..process(ProcessAction::Signal, 900, "/bin/kill") });
        }
        assert_eq!(
            play.draw(d::PROCESS_ACTED, &["process.action", "process.signal", "process.target", "process.target.role"]),
            "signal | 19 | falco | sensor\nsignal | 19 | /usr/sbin/auditd | sensor"
        );
    }

    #[test]
    fn a_flood_of_processes_is_bounded_and_said() {
        let mut play = Play::new();
        play.freezing = false;
        for pid in 1..=1_000 {
            tell(&mut play, "system_process", exec(pid, &format!("/docker/{pid:064x}")));
        }
        let host = play.inventory.world().host("h").unwrap();
        assert!(host.kernel.processes.len() <= crate::kernel::PROCESSES_MAX && host.kernel.strangers.len() <= crate::kernel::STRANGERS_MAX);
        let pressed = play.draw(d::SENSOR_PRESSURE, &["sensor.reason"]);
        assert!(pressed.contains("inventory.processes") && pressed.contains("inventory.strangers"));
    }
}
