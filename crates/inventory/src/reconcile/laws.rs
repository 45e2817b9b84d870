//! What is held of the reconciliation, whatever the order of what happens.

use crate::play::{Play, id};
use event::dictionary as d;
use event::fact::{ContainerAction, ContainerEvent, Fact, List, ListedContainer, SensorNote, Sight};
use event::system::{Namespaces, ProcessAction, ProcessEvent};
use proptest::prelude::*;

const HOST: Namespaces = Namespaces { mnt: 1, pid: 2, net: 3, user: 4 };

fn note(play: &mut Play, of: &str, note: Sight) {
    play.tell(d::SENSOR_NOTE, Some(Fact::Sensor(SensorNote { of: of.into(), note })));
}

fn list(play: &mut Play, words: &[&str]) {
    let created = Some(play.now.minus(event::Span::minutes(5)));
    let entry =
        |word: &&str| ListedContainer { id: id(word), name: (*word).into(), image: "app:1".into(), created, ..ListedContainer::default() };
    play.from("docker_containers").tell(d::DOCKER_LIST, Some(Fact::List(List::Containers(words.iter().map(entry).collect()))));
    play.from("docker_events");
}

/// Docker is followed, with its list, and so is the process connector.
fn watched() -> Play {
    let mut play = Play::new();
    note(&mut play, "docker_events", Sight::Started);
    note(&mut play, "system_process", Sight::Started);
    list(&mut play, &[]);
    play
}

fn process(play: &mut Play, cgroup: &str, mnt: u64, command: &[&str]) {
    let said = ProcessEvent {
        action: ProcessAction::Exec,
        pid: 77,
        executable: "/bin/sh".into(),
        command: command.iter().map(|word| (*word).into()).collect(),
        cgroup: cgroup.into(),
        namespaces: Namespaces { mnt, pid: if mnt == 1 { 2 } else { mnt + 1 }, ..HOST },
        host_namespaces: HOST,
        ..ProcessEvent::default()
    };
    play.from("system_process").tell(d::SYSTEM_PROCESS, Some(Fact::Process(Box::new(said)))).from("docker_events");
}

fn in_docker(play: &mut Play, word: &str) {
    process(play, &format!("/docker/{}", id(word)), 500 + u64::from(word.as_bytes()[0]), &["sh"]);
}

fn containerd(play: &mut Play, name: &str, division: &str, action: ContainerAction) {
    let said = ContainerEvent {
        id: name.into(),
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
    play.draw(d::DISCREPANCY_SEEN, &["discrepancy.kind", "discrepancy.healthy", "discrepancy.after_gap"])
}

#[test]
fn a_container_that_no_runtime_admits_to_is_told_when_the_grace_is_over() {
    let mut play = watched();
    in_docker(&mut play, "a");
    play.wait(29.0);
    assert_eq!(told(&play), "");
    play.wait(2.0);
    assert_eq!(told(&play), "system_without_runtime | true | false");
    let fields = ["discrepancy.what", "discrepancy.seen_by", "discrepancy.not_seen_by", "process.command_line", "container.id"];
    assert_eq!(play.draw(d::DISCREPANCY_SEEN, &fields), format!("{0} | system_process | docker_events | sh | {0}", id("a")));
    // Its further processes are no news.
    in_docker(&mut play, "a");
    play.wait(60.0);
    assert_eq!(told(&play).lines().count(), 1);
}

#[test]
fn what_runc_or_unshare_made_by_hand_is_told_by_its_namespaces() {
    let mut play = watched();
    process(&mut play, "/by-hand", 600, &["sh"]);
    process(&mut play, "/user.slice/user-0.slice/session-1.scope", 700, &["sh"]);
    // A service with private mounts, and a shell of the host.
    process(&mut play, "/system.slice/nice.service", 1, &["sh"]);
    play.wait(31.0);
    assert_eq!(play.draw(d::DISCREPANCY_SEEN, &["discrepancy.what"]), "by-hand\nmount namespace 700");
}

#[test]
fn the_runtimes_own_first_step_is_no_container() {
    let mut play = watched();
    process(&mut play, "/system.slice/docker.service", 501 + 96, &["runc", "init"]);
    // Its namespaces are the container's, as the next process shows; and somebody enters them from outside.
    process(&mut play, "/user.slice/user-0.slice/session-1.scope", 597, &["sh"]);
    play.container("a", "a", "app:1", ContainerAction::Create);
    in_docker(&mut play, "a");
    play.wait(60.0);
    assert_eq!(told(&play), "");
}

#[test]
fn what_stood_there_and_what_is_on_the_list_is_known() {
    let mut play = Play::new();
    in_docker(&mut play, "a");
    note(&mut play, "docker_events", Sight::Started);
    list(&mut play, &["a"]);
    play.wait(60.0);
    assert_eq!(told(&play), "");
}

#[test]
fn a_deployment_storm_seen_by_three_witnesses_raises_nothing() {
    let mut play = watched();
    play.freezing = false;
    for n in 0..200 {
        let word = format!("{n:03}");
        play.container(&word, &word, "app:1", ContainerAction::Create);
        containerd(&mut play, &id(&word), "moby", ContainerAction::Create);
        process(&mut play, &format!("/docker/{}", id(&word)), 1000 + n, &["serve"]);
        play.container(&word, &word, "app:1", ContainerAction::Start);
    }
    play.wait(60.0);
    assert_eq!(told(&play), "");
}

#[test]
fn a_container_of_no_engine_is_told_where_docker_is_followed() {
    let mut play = watched();
    containerd(&mut play, "lab1", "lab", ContainerAction::Create);
    containerd(&mut play, &id("b"), "moby", ContainerAction::Create);
    play.wait(31.0);
    assert_eq!(told(&play), "runtime_without_engine | true | false\nruntime_without_engine | true | false");
    // Where Docker is not followed, containerd's word is all there is.
    let mut play = Play::new();
    note(&mut play, "containerd_events", Sight::Started);
    containerd(&mut play, "lab1", "lab", ContainerAction::Create);
    play.wait(60.0);
    assert_eq!(told(&play), "");
}

#[test]
fn what_only_a_later_list_shows_is_told() {
    let mut play = watched();
    play.wait(600.0);
    list(&mut play, &["a"]);
    play.wait(31.0);
    assert_eq!(told(&play), "list_without_event | true | false");
    note(&mut play, "docker_events", Sight::Lost { reason: "reset".into() });
    play.wait(40.0);
    note(&mut play, "docker_events", Sight::Resumed { from: None, to: None, complete: false });
    list(&mut play, &["a", "b"]);
    play.wait(31.0);
    assert_eq!(told(&play), "list_without_event | true | false\nlist_without_event | false | true");
}

#[test]
fn without_a_witness_that_is_well_nothing_is_told_and_nothing_is_dropped() {
    let mut play = Play::new();
    // A log in a file: it spoke before, but not since.
    play.container("z", "z", "app:1", ContainerAction::Create);
    list(&mut play, &["z"]);
    in_docker(&mut play, "a");
    play.wait(600.0);
    assert_eq!(told(&play), "");
    play.container("z", "z", "app:1", ContainerAction::Start).wait(0.1);
    assert_eq!(told(&play), "system_without_runtime | true | false");
}

#[test]
fn a_stream_that_breaks_again_and_again_puts_nothing_off_for_good() {
    let mut play = watched();
    in_docker(&mut play, "a");
    for _ in 0..20 {
        note(&mut play, "docker_events", Sight::Lost { reason: "reset".into() });
        play.wait(1.0);
        note(&mut play, "docker_events", Sight::Resumed { from: None, to: None, complete: true });
        play.wait(19.0);
    }
    assert_eq!(told(&play), "system_without_runtime | true | false");
}

#[test]
fn a_runtime_that_nobody_listens_to_may_know_it() {
    let mut play = watched();
    process(&mut play, &format!("/machine.slice/libpod-{}.scope", id("p")), 900, &["sh"]);
    play.wait(31.0);
    let fields = ["discrepancy.healthy", "discrepancy.not_seen_by"];
    assert_eq!(play.draw(d::DISCREPANCY_SEEN, &fields), "false | docker_events,podman (not followed)");
}

fn flow(play: &mut Play, from: &str) {
    use event::flow::{End, Flow, FlowStage};
    let end = |address: &str, port| End { address: address.into(), port, ..End::default() };
    let flow = Flow {
        stage: FlowStage::New,
        started: Some(play.now),
        source: end(from, 40_000),
        destination: end("192.0.2.7", 443),
        protocol: "tcp".into(),
        ..Flow::default()
    };
    play.from("conntrack").tell(d::CONNTRACK, Some(Fact::Flow(Box::new(flow)))).from("docker_events");
}

#[test]
fn an_address_of_a_container_network_that_nobody_holds_is_told() {
    use event::fact::{ContainerSpec, Endpoint, NetworkSpec};
    let mut play = watched();
    let network = NetworkSpec {
        id: id("net"),
        name: "back".into(),
        driver: "bridge".into(),
        subnets: vec!["172.30.0.0/16".into()],
        ..NetworkSpec::default()
    };
    play.from("docker_network").tell(d::DOCKER_NETWORK, Some(Fact::NetworkSpec(Box::new(network)))).from("docker_events");
    let place = Endpoint { network: "back".into(), network_id: id("net"), address: "172.30.0.2".into(), ..Endpoint::default() };
    play.run("web", ContainerSpec { name: "web".into(), image: "web:1".into(), networks: vec![place], ..ContainerSpec::default() });
    flow(&mut play, "172.30.0.2");
    flow(&mut play, "172.30.0.99");
    flow(&mut play, "198.51.100.4");
    play.wait(60.0);
    assert_eq!(
        play.draw(d::DISCREPANCY_SEEN, &["discrepancy.kind", "discrepancy.what", "discrepancy.seen_by"]),
        "address_without_container | 172.30.0.99 | conntrack"
    );
    // Who told of the flow is a witness of the container at its end.
    play.container("web", "web", "web:1", ContainerAction::Die { exit_code: Some(0) });
    assert!(play.draw(d::CONTAINER_ENDED, &["witnesses"]).contains("conntrack"));
}

#[test]
fn who_takes_the_id_of_a_known_container_is_told_all_the_same() {
    let mut play = watched();
    play.container("a", "web", "app:1", ContainerAction::Create).container("a", "web", "app:1", ContainerAction::Start);
    containerd(&mut play, &id("a"), "moby", ContainerAction::Create);
    containerd(&mut play, &id("a"), "evil", ContainerAction::Create);
    containerd(&mut play, &id("a"), "evil", ContainerAction::Start);
    containerd(&mut play, &id("a"), "evil", ContainerAction::Destroy);
    containerd(&mut play, "c1", "lab", ContainerAction::Create);
    containerd(&mut play, "c1", "lab2", ContainerAction::Create);
    play.wait(60.0);
    assert_eq!(play.draw(d::DISCREPANCY_SEEN, &["discrepancy.what"]), format!("evil/{}\nc1\nlab2/c1", id("a")));
    // And it does nothing to the one whose id it took.
    assert_eq!(play.draw(d::CONTAINER_STARTED, &["container.name"]), "web");
    assert_eq!(play.draw(d::CONTAINER_REMOVED, &["container.name"]), "");
}

/// A cluster that is followed, and one of its nodes whose containerd is.
fn cluster() -> Play {
    use event::kubernetes::{Object, ObjectEvent};
    let mut play = Play::new();
    play.freezing = false;
    play.host = "cluster".into();
    note(&mut play, "kubernetes_objects", Sight::Started);
    let node = Object { kind: "Node".into(), name: "node-1".into(), ..Object::default() };
    let said = ObjectEvent { object: node, ..ObjectEvent::default() };
    play.from("kubernetes_objects").tell(d::KUBERNETES_OBJECT, Some(Fact::Object(Box::new(said))));
    play.host = "node-1".into();
    note(&mut play, "containerd_events", Sight::Started);
    play
}

fn pod(play: &mut Play, runtime_id: &str) {
    use event::fact::ContainerSpec;
    use event::kubernetes::{Body, Object, ObjectEvent, PodContainer, PodSpec};
    let spec = ContainerSpec { id: runtime_id.into(), name: "app".into(), image: "app:1".into(), ..ContainerSpec::default() };
    let containers = vec![PodContainer { spec, state: "running".into(), ..PodContainer::default() }];
    let body = Body::Pod(Box::new(PodSpec { node: "node-1".into(), phase: "Running".into(), containers, ..PodSpec::default() }));
    let object = Object { kind: "Pod".into(), namespace: "shop".into(), name: "web".into(), uid: "u1".into(), body, ..Object::default() };
    play.host = "cluster".into();
    let said = ObjectEvent { object, ..ObjectEvent::default() };
    play.from("kubernetes_objects").tell(d::KUBERNETES_OBJECT, Some(Fact::Object(Box::new(said))));
    play.host = "node-1".into();
}

#[test]
fn what_a_nodes_runtime_has_the_cluster_knows() {
    let mut play = cluster();
    containerd(&mut play, &id("pods"), "k8s.io", ContainerAction::Create);
    containerd(&mut play, &id("own"), "k8s.io", ContainerAction::Create);
    let sandbox = ContainerEvent {
        id: id("sandbox"),
        action: ContainerAction::Create,
        name: "".into(),
        image: "registry.k8s.io/pause:3.9".into(),
        labels: Vec::new(),
        runtime: "containerd".into(),
        division: "k8s.io".into(),
        pod: "".into(),
        spec: None,
    };
    play.from("containerd_events").tell(d::CONTAINERD_EVENT, Some(Fact::Container(sandbox)));
    pod(&mut play, &id("pods"));
    play.wait(60.0);
    let fields = ["discrepancy.kind", "discrepancy.what", "discrepancy.not_seen_by", "host.name"];
    assert_eq!(
        play.draw(d::DISCREPANCY_SEEN, &fields),
        format!("runtime_without_orchestrator | {} | kubernetes_objects | node-1", id("own"))
    );
}

#[test]
fn what_the_cluster_says_that_it_runs_the_nodes_runtime_knows() {
    let mut play = cluster();
    pod(&mut play, &id("ghost"));
    play.wait(60.0);
    let fields = ["discrepancy.kind", "discrepancy.not_seen_by", "k8s.pod.name"];
    let drawn = play.draw(d::DISCREPANCY_SEEN, &fields);
    assert!(drawn.starts_with("pod_without_runtime | containerd_events | "), "{drawn}");
    assert_eq!(drawn.lines().count(), 1);
}

/// What may happen beside an orphan.
#[derive(Clone, Debug)]
enum Beside {
    Docker(u8),
    Storm(u8),
    Orphan,
    Wait(u16),
    Gap { seconds: u16, complete: bool },
}

fn any_beside() -> impl Strategy<Value = Beside> {
    prop_oneof![
        3 => (0u8..6).prop_map(Beside::Docker),
        2 => (0u8..6).prop_map(Beside::Storm),
        3 => Just(Beside::Orphan),
        2 => (1u16..9000).prop_map(Beside::Wait),
        1 => (1u16..90, any::<bool>()).prop_map(|(seconds, complete)| Beside::Gap { seconds, complete }),
    ]
}

fn perform(play: &mut Play, beside: &Beside) {
    match beside {
        Beside::Docker(n) => {
            play.container(&format!("{n}"), "web", "app:1", ContainerAction::Create);
        }
        Beside::Storm(n) => in_docker(play, &format!("{n}")),
        Beside::Orphan => in_docker(play, "orphan"),
        Beside::Wait(millis) => {
            play.wait(f64::from(*millis) / 1000.0);
        }
        Beside::Gap { seconds, complete } => {
            note(play, "docker_events", Sight::Lost { reason: "reset".into() });
            let before = told(play).lines().count();
            play.wait(f64::from(*seconds));
            assert_eq!(told(play).lines().count(), before, "nothing is told inside a gap");
            note(play, "docker_events", Sight::Resumed { from: None, to: None, complete: *complete });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// An orphan is told once, after the grace, whatever else happens and in whatever order; and of what Docker knows by then nothing is told.
    #[test]
    fn an_orphan_is_always_told_and_nobody_else(mut steps in proptest::collection::vec(any_beside(), 0..30), place in any::<prop::sample::Index>()) {
        let at = place.index(steps.len() + 1);
        steps.insert(at, Beside::Orphan);
        let mut play = watched();
        play.freezing = false;
        for step in &steps {
            perform(&mut play, step);
        }
        // Whatever ran in a container that Docker had not told of is told of now.
        for n in 0..6 {
            play.container(&format!("{n}"), "web", "app:1", ContainerAction::Create);
        }
        let early = steps.iter().any(|step| matches!(step, Beside::Storm(_)));
        play.wait(120.0);
        let what = play.draw(d::DISCREPANCY_SEEN, &["discrepancy.what"]);
        prop_assert_eq!(what.lines().filter(|line| *line == id("orphan").as_str()).count(), 1);
        if !early {
            prop_assert_eq!(what.lines().count(), 1);
        }
    }

    /// What others than the engine say of its containers changes neither counts nor what happened.
    #[test]
    fn sightings_change_no_counts(count in 1usize..30, seen in proptest::collection::vec((0usize..30, 0u8..4), 0..60)) {
        let run = |sighted: bool| {
            let mut play = watched();
            play.freezing = false;
            for n in 0..count {
                let word = format!("c{n:02}");
                play.container(&word, &word, "app:1", ContainerAction::Create).container(&word, &word, "app:1", ContainerAction::Start);
                for (_, action) in seen.iter().filter(|(whom, _)| sighted && *whom == n) {
                    let action = match action {
                        0 => ContainerAction::Create,
                        1 => ContainerAction::Start,
                        2 => ContainerAction::Die { exit_code: Some(1) },
                        _ => ContainerAction::Destroy,
                    };
                    containerd(&mut play, &id(&word), "moby", action);
                }
            }
            play.wait(60.0);
            let kinds = [d::CONTAINER_CREATED, d::CONTAINER_STARTED, d::CONTAINER_ENDED, d::CONTAINER_REMOVED, d::DISCREPANCY_SEEN];
            let lines: Vec<String> = kinds.iter().map(|kind| play.draw(*kind, &["event.name", "container.id"])).collect();
            // The first record of each witness tells a group's size again, so that it is cited; the size is the same.
            let sizes = play.draw(d::CONTAINER_ACCUMULATED, &["accumulated.created", "accumulated.standing"]);
            let mut sizes: Vec<String> = sizes.lines().map(ToOwned::to_owned).collect();
            sizes.dedup();
            (lines, sizes)
        };
        prop_assert_eq!(run(true), run(false));
    }

    /// Freezing at every record changes nothing.
    #[test]
    fn frozen_claims_thaw(steps in proptest::collection::vec(any_beside(), 0..15)) {
        let run = |freezing: bool| {
            let mut play = watched();
            play.freezing = freezing;
            for step in &steps {
                perform(&mut play, step);
            }
            play.wait(120.0);
            (told(&play), play.inventory_bytes())
        };
        prop_assert_eq!(run(true), run(false));
    }
}
