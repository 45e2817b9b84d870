//! What system witnesses say: processes, and what control groups use.

use super::{Hands, telling};
use crate::container::Container;
use crate::host::Host;
use crate::id::Id;
use crate::kernel::{BEGINNINGS_MAX, Kernel, Placed, Stranger, Where, command_line};
use crate::step::Step;
use event::cgroup::{CgroupContainer, container_of};
use event::fact::Fact;
use event::system::{ProcessAction, ProcessEvent};
use event::{Event, SmolStr};

/// Containers that are looked through for the beginning of an id; the latest are the likeliest.
const LOOK: usize = 4_096;

/// Length of the beginning of an id that engines show to people, and set as a container's host name.
const SHORT: usize = 12;

/// Applies what such a witness says.
pub(super) fn applied(host: &mut Host, event: &Event, fact: &Fact, hands: &mut Hands<'_>) {
    if let Fact::Process(said) = fact {
        let mut kernel = std::mem::take(&mut host.kernel);
        let told = acted(host, &mut kernel, event, said, hands);
        host.kernel = kernel;
        if let Some(id) = told {
            telling::sighted(host, event, &id, hands);
        }
    }
    if let Fact::Usage(said) = fact {
        measured(host, event, &said.cgroup, hands);
    }
    hands.say(Step::Kernel);
}

/// A control group with a runtime's own shape exists, and something is measured in it: that alone shows a container, where no process was seen.
fn measured(host: &mut Host, event: &Event, cgroup: &SmolStr, hands: &mut Hands<'_>) {
    let Some(found) = container_of(cgroup).filter(|found| found.certain) else { return };
    let id = resolved(host, &Id::new(&found.id));
    if host.container(&id).is_some() {
        telling::sighted(host, event, &id, hands);
        return;
    }
    if belongs_to_known_pod(host, Some(&found)) {
        return;
    }
    let stranger = Stranger {
        key: found.id,
        cgroup: cgroup.clone(),
        runtime: SmolStr::new_static(found.runtime),
        pod_uid: found.pod_uid,
        build: found.build,
        certain: true,
        ..Stranger::default()
    };
    meet(&mut host.kernel, event, 0, stranger, hands);
}

/// Applies what a process did. Returns the container that was seen, when the world knows it.
fn acted(host: &Host, kernel: &mut Kernel, event: &Event, said: &ProcessEvent, hands: &mut Hands<'_>) -> Option<Id> {
    kernel.learn_host(&said.host_namespaces);
    let cgroup = container_of(&said.cgroup);
    let place = place_of(host, kernel, said, cgroup.as_ref());
    let target = said.signal.and_then(|(_, pid)| kernel.process(pid)).map(|target| (target.place.clone(), target.executable.clone()));
    kernel.now = Some(Placed { place: place.clone(), target });
    if said.action == ProcessAction::Exit {
        kernel.end(said.pid, event.at);
        return None;
    }
    let known = match &place {
        Where::Container(id) if host.container(id).is_some() => Some(id.clone()),
        _ => None,
    };
    // A beginning of twelve digits may be no more than a host name, which the workload chooses: it teaches nothing about others.
    let proven = cgroup.is_some() || said.container_id.len() > SHORT;
    if let Some(id) = known.as_ref().filter(|_| proven) {
        kernel.learn_mount(said.namespaces.mnt, id, |id| host.container(id).is_some_and(Container::stands));
    }
    if said.pid <= 0 {
        return known;
    }
    let stranger = stranger_of(host, kernel, said, &place, cgroup.as_ref());
    let forgotten = kernel.bound();
    if forgotten > 0 {
        hands.pressure.add("inventory.processes", forgotten);
    }
    remember(kernel, event, said, place, stranger.as_ref().map(|stranger| stranger.key.clone()));
    if let Some(stranger) = stranger {
        meet(kernel, event, said.pid, stranger, hands);
    }
    known
}

/// Where a process runs: the control group knows best, then the namespaces, the sensor, the pod and last the parent.
fn place_of(host: &Host, kernel: &mut Kernel, said: &ProcessEvent, cgroup: Option<&CgroupContainer>) -> Where {
    let own = kernel.is_host(&said.namespaces);
    if let Some(found) = cgroup {
        if found.build {
            return Where::Build(found.id.clone());
        }
        let id = resolved(host, &Id::new(&found.id));
        if found.certain || host.container(&id).is_some() || kernel.is_foreign(&said.namespaces) {
            return Where::Container(id);
        }
    }
    if let Some(Some(id)) = kernel.mounts.get(&said.namespaces.mnt)
        && host.container(id).is_some_and(Container::stands)
    {
        return Where::Container(id.clone());
    }
    match said.container_id.as_str() {
        "" => {}
        "host" => return Where::Host,
        begins => {
            let id = Id::new(begins);
            return Where::Container(if matches!(id, Id::Hex(_)) {
                resolved(host, &id)
            } else {
                by_beginning(host, kernel, begins).unwrap_or(id)
            });
        }
    }
    if let Some(id) = in_pod(host, said) {
        return Where::Container(id);
    }
    if own == Some(true) {
        return Where::Host;
    }
    if kernel.is_foreign(&said.namespaces) {
        return Where::Foreign;
    }
    // A control group that was read and names no container is the host's.
    if !said.cgroup.is_empty() && cgroup.is_none() && own.is_none() {
        return Where::Host;
    }
    // A later event of the same process may say less than an earlier one.
    if let Some(process) = kernel.process(said.pid).filter(|process| process.place != Where::Unknown && said.action != ProcessAction::Fork)
    {
        return process.place.clone();
    }
    if let Some(id) = host.first_process(said.pid).or_else(|| host.first_process(said.parent_pid)) {
        return Where::Container(id);
    }
    match kernel.process(said.parent_pid).map(|parent| &parent.place) {
        Some(place @ (Where::Container(_) | Where::Build(_))) => place.clone(),
        _ => Where::Unknown,
    }
}

/// The id under which the world has a container: a pod's containers have names of the cluster's there.
fn resolved(host: &Host, id: &Id) -> Id {
    if host.containers.contains_key(id) {
        return id.clone();
    }
    host.cluster.as_ref().and_then(|cluster| cluster.container_of(id)).unwrap_or(id).clone()
}

/// The container whose id begins so, when there is exactly one.
fn by_beginning(host: &Host, kernel: &mut Kernel, begins: &str) -> Option<Id> {
    if begins.len() < 12 {
        return None;
    }
    if let Some(id) = kernel.beginnings.get(begins) {
        return Some(id.clone());
    }
    let mut found = host.containers.values().rev().take(LOOK).filter(|container| container.id.starts_with(begins));
    let id = found.next()?.id.clone();
    if found.next().is_some() {
        return None;
    }
    if kernel.beginnings.len() >= BEGINNINGS_MAX {
        kernel.beginnings.clear();
    }
    kernel.beginnings.insert(SmolStr::new(begins), id.clone());
    Some(id)
}

/// The container of a pod by its name there.
fn in_pod(host: &Host, said: &ProcessEvent) -> Option<Id> {
    if said.pod_name.is_empty() || said.container_name.is_empty() {
        return None;
    }
    let pod = host.cluster.as_ref()?.pod(&said.pod_namespace, &said.pod_name)?;
    pod.containers.iter().find(|(name, _, _)| *name == said.container_name).map(|(_, _, id)| id.clone())
}

/// The stranger that a process belongs to, when its place is a container that the world does not know.
fn stranger_of(host: &Host, kernel: &Kernel, said: &ProcessEvent, place: &Where, cgroup: Option<&CgroupContainer>) -> Option<Stranger> {
    let key = match place {
        Where::Container(id) if host.container(id).is_none() && !belongs_to_known_pod(host, cgroup) => id.text(),
        Where::Build(id) => id.clone(),
        Where::Foreign => SmolStr::from(format!("mnt:{}", said.namespaces.mnt)),
        _ => return None,
    };
    // What was known without its control group may now be known by it.
    let cgroup = cgroup.filter(|_| !matches!(place, Where::Foreign));
    if kernel.strangers.contains_key(&key) {
        return Some(Stranger { key, ..Stranger::default() });
    }
    Some(Stranger {
        key,
        cgroup: said.cgroup.clone(),
        runtime: SmolStr::new_static(cgroup.map_or("", |found| found.runtime)),
        pod_uid: cgroup.map(|found| found.pod_uid.clone()).unwrap_or_default(),
        build: cgroup.is_some_and(|found| found.build),
        certain: cgroup.is_some_and(|found| found.certain),
        pid: said.pid,
        executable: said.executable.clone(),
        command: command_line(&said.command),
        namespaces: said.namespaces,
        ..Stranger::default()
    })
}

/// A pod's own group holds a container beside those that the API names: the one that keeps its network.
fn belongs_to_known_pod(host: &Host, cgroup: Option<&CgroupContainer>) -> bool {
    let uid = cgroup.map(|found| &found.pod_uid).filter(|uid| !uid.is_empty());
    let known = uid.and_then(|uid| host.cluster.as_ref()?.pod_by_uid(uid)).is_some();
    known && !["containerd", "cri-o"].iter().any(|runtime| host.follows(runtime))
}

/// Keeps what is now known of a process.
fn remember(kernel: &mut Kernel, event: &Event, said: &ProcessEvent, place: Where, stranger: Option<SmolStr>) {
    if said.action == ProcessAction::Fork {
        // The number is another process's now, and nobody told of the end of the one before.
        kernel.end(said.pid, event.at);
    }
    let process = kernel.processes.entry(said.pid).or_default();
    let left = process.stranger.clone().filter(|before| stranger.as_ref() != Some(before) && place != Where::Unknown);
    if place != Where::Unknown {
        process.place = place;
        process.stranger = stranger;
    }
    if said.parent_pid > 0 {
        process.parent = said.parent_pid;
    }
    if !said.executable.is_empty() {
        process.executable = said.executable.clone();
    }
    if !said.command.is_empty() {
        process.command = command_line(&said.command);
    }
    if said.namespaces.mnt != 0 {
        process.namespaces = said.namespaces;
    }
    process.at = event.at;
    if let Some(before) = left.and_then(|key| kernel.strangers.get_mut(&key)) {
        before.members.remove(&said.pid);
        if before.members.is_empty() {
            before.ended = Some(event.at);
        }
    }
}

/// A process was seen in a container that only the kernel knows.
fn meet(kernel: &mut Kernel, event: &Event, pid: i64, stranger: Stranger, hands: &mut Hands<'_>) {
    let key = stranger.key.clone();
    let fresh = !kernel.strangers.contains_key(&key);
    if fresh {
        let forgotten = kernel.forget_strangers(event.at);
        if forgotten > 0 {
            hands.pressure.add("inventory.strangers", forgotten);
        }
        kernel.strangers.insert(key.clone(), Stranger { first: event.time, ..stranger });
    }
    if let Some(known) = kernel.strangers.get_mut(&key) {
        let back = known.ended.is_some();
        known.joined(pid, event.at, &event.source);
        if fresh || back {
            hands.say(Step::KernelContainer { key });
        }
    }
}

impl Host {
    /// The container whose first process has that id, as its runtime said.
    pub(crate) fn first_process(&self, pid: i64) -> Option<Id> {
        if pid <= 1 {
            return None;
        }
        let is_first = |container: &&Container| container.runs() && container.kept.as_ref().is_some_and(|kept| kept.pid == pid);
        self.containers.values().rev().take(LOOK).map(|container| &**container).find(is_first).map(|container| container.id.clone())
    }

    /// Whether a runtime or the cluster has told of a container that the kernel knew first; by the stranger's key.
    pub fn admits(&self, key: &str) -> bool {
        match key.strip_prefix("mnt:").map(str::parse) {
            Some(Ok(inode)) => self.kernel.mounts.contains_key(&inode),
            _ => self.container(&resolved(self, &Id::new(key))).is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::{Play, id};
    use event::dictionary as d;
    use event::fact::{ContainerAction, ContainerSpec};
    use event::system::Namespaces;
    use proptest::prelude::*;

    const HOST: Namespaces = Namespaces { mnt: 1, pid: 2, net: 3, user: 4 };

    fn tell(play: &mut Play, event: ProcessEvent) {
        play.from("system_process").tell(d::SYSTEM_PROCESS, Some(Fact::Process(Box::new(event)))).from("docker_events");
    }

    fn kernel(play: &Play) -> &Kernel {
        &play.inventory.world().host("h").unwrap().kernel
    }

    #[test]
    fn a_host_name_that_a_workload_chose_shifts_no_blame() {
        let mut play = Play::new();
        for word in ["victim", "thief"] {
            play.run(word, ContainerSpec { name: word.into(), image: "app:1".into(), ..ContainerSpec::default() });
        }
        let own = Namespaces { mnt: 11, pid: 12, net: 13, user: 4 };
        let cgroup = SmolStr::from(format!("/docker/{}", id("thief")));
        tell(&mut play, ProcessEvent { pid: 50, cgroup, namespaces: own, host_namespaces: HOST, ..ProcessEvent::default() });
        // Another sensor names the container by its host name, which is the victim's short id.
        tell(&mut play, ProcessEvent { pid: 51, container_id: id("victim")[..12].into(), namespaces: own, ..ProcessEvent::default() });
        assert_eq!(kernel(&play).process(51).unwrap().place, Where::Container(Id::new(&id("thief"))));
    }

    #[test]
    fn a_measured_group_alone_shows_a_container() {
        let mut play = Play::new();
        let usage = event::system::Usage { cgroup: format!("/docker/{}", id("ghost")).into(), ..Default::default() };
        play.from("system_usage").tell(d::SYSTEM_USAGE, Some(Fact::Usage(Box::new(usage)))).from("docker_events");
        assert!(kernel(&play).stranger(&id("ghost")).is_some_and(Stranger::stands));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever comes, each stranger's members are its living processes, and it stands while it has one.
        #[test]
        fn strangers_are_counted_by_their_processes(steps in prop::collection::vec((0..6u8, 1..8i64, 0..4usize, 0..3u64), 1..40)) {
            let mut play = Play::new();
            play.freezing = false;
            let groups = [format!("/docker/{}", id("a")), format!("/docker/{}", id("b")), "/lab/c".to_owned(), String::new()];
            for (what, pid, group, ns) in steps {
                if what == 5 {
                    play.container("a", "a", "app:1", ContainerAction::Start);
                    continue;
                }
                let action = [ProcessAction::Exec, ProcessAction::Fork, ProcessAction::Exit, ProcessAction::Connect, ProcessAction::Standing][usize::from(what)];
                let namespaces = if ns == 0 { HOST } else { Namespaces { mnt: 10 + ns, pid: 20 + ns, net: 3, user: 4 } };
                let cgroup = SmolStr::from(groups[group].as_str());
                tell(&mut play, ProcessEvent { action, pid, cgroup, namespaces, host_namespaces: HOST, ..ProcessEvent::default() });
                let Some(host) = play.inventory.world().host("h") else { continue };
                for stranger in host.kernel.strangers() {
                    prop_assert_eq!(stranger.stands(), !stranger.members.is_empty(), "{}", stranger.key);
                    for member in &stranger.members {
                        let its = host.kernel.process(*member).and_then(|process| process.stranger.clone());
                        prop_assert_eq!(its, Some(stranger.key.clone()));
                    }
                }
            }
        }
    }
}
