//! What users rely on of flows: whose they are, that each is told once, and what is said of many together.

use crate::play::{Play, id};
use event::dictionary as d;
use event::fact::{ContainerAction, ContainerSpec, Endpoint, Fact, NetworkAction, NetworkSpec, Port};
use event::flow::{End, Flow, FlowOutcome, FlowStage};
use event::kubernetes::{Body, NetworkPolicySpec, Object, ObjectChange, ObjectEvent, ObjectList, PodContainer, PodSpec, PolicyRule};
use event::{Deriver, Kind, Span, Time};
use proptest::prelude::*;

fn end(address: &str, port: u16) -> End {
    End { address: address.into(), port, ..End::default() }
}

fn flow(from: &str, from_port: u16, to: &str, port: u16, stage: FlowStage) -> Flow {
    Flow { stage, source: end(from, from_port), destination: end(to, port), protocol: "tcp".into(), ..Flow::default() }
}

fn hear(play: &mut Play, kind: Kind, flow: Flow) {
    play.tell(kind, Some(Fact::Flow(Box::new(flow))));
}

/// One connection as connection tracking tells it.
fn connect(play: &mut Play, from: &str, from_port: u16, to: &str, port: u16) {
    hear(play, d::CONNTRACK, flow(from, from_port, to, port, FlowStage::New));
}

fn answer(play: &mut Play, from: &str, from_port: u16, to: &str, port: u16) {
    hear(play, d::CONNTRACK, Flow { outcome: FlowOutcome::Answered, ..flow(from, from_port, to, port, FlowStage::Update) });
}

fn refuse(play: &mut Play, from: &str, from_port: u16, to: &str, port: u16) {
    hear(play, d::CONNTRACK, Flow { outcome: FlowOutcome::Refused, ..flow(from, from_port, to, port, FlowStage::Ended) });
}

fn network(play: &mut Play, word: &str, subnet: &str, internal: bool, options: &[(&str, &str)]) {
    let gateway = subnet.replace(".0/24", ".1");
    let spec = NetworkSpec {
        id: id(word),
        name: word.into(),
        driver: "bridge".into(),
        internal,
        subnets: vec![subnet.into()],
        gateways: vec![gateway.into()],
        options: options.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
        ..NetworkSpec::default()
    };
    play.tell(d::DOCKER_NETWORK, Some(Fact::NetworkSpec(Box::new(spec))));
}

fn spec(word: &str, image: &str, places: &[(&str, &str)], started: Time) -> ContainerSpec {
    let networks = places
        .iter()
        .map(|(network, address)| Endpoint {
            network: (*network).into(),
            network_id: id(network),
            address: (*address).into(),
            ..Endpoint::default()
        })
        .collect();
    ContainerSpec {
        id: id(word),
        name: word.into(),
        image: image.into(),
        status: "running".into(),
        created: Some(started),
        started: Some(started),
        networks,
        ..ContainerSpec::default()
    }
}

/// Created, connected and started; the inspect comes later.
fn start(play: &mut Play, word: &str, image: &str, networks: &[&str]) -> Time {
    play.container(word, word, image, ContainerAction::Create);
    for network in networks {
        play.network(network, NetworkAction::Connect { container: id(word) });
    }
    play.container(word, word, image, ContainerAction::Start);
    play.now
}

fn run(play: &mut Play, word: &str, image: &str, places: &[(&str, &str)]) {
    let networks: Vec<&str> = places.iter().map(|(network, _)| *network).collect();
    let started = start(play, word, image, &networks);
    play.inspect(spec(word, image, places, started));
}

fn flows(play: &Play) -> String {
    play.draw(
        d::NETWORK_FLOW,
        &["source.container.name", "source.place", "destination.container.name", "destination.place", "destination.port", "flow.direction"],
    )
}

#[test]
fn both_ends_are_attributed_and_the_flow_is_told_once() {
    let mut play = Play::new();
    network(&mut play, "net", "172.20.0.0/24", false, &[]);
    run(&mut play, "web", "web:1", &[("net", "172.20.0.2")]);
    run(&mut play, "db", "db:1", &[("net", "172.20.0.3")]);
    connect(&mut play, "172.20.0.2", 4000, "172.20.0.3", 5432);
    answer(&mut play, "172.20.0.2", 4000, "172.20.0.3", 5432);
    // Another witness of the same flow, and its end.
    let zeek = Flow { started: Some(play.now), ended: Some(play.now), ..flow("172.20.0.2", 4000, "172.20.0.3", 5432, FlowStage::Ended) };
    hear(&mut play, d::ZEEK_CONN, zeek);
    hear(&mut play, d::CONNTRACK, flow("172.20.0.2", 4000, "172.20.0.3", 5432, FlowStage::Ended));
    play.wait(10.0);
    assert_eq!(flows(&play), "web | container | db | container | 5432 | east_west");
    // The same port again is another flow.
    connect(&mut play, "172.20.0.2", 4000, "172.20.0.3", 5432);
    connect(&mut play, "172.20.0.2", 4001, "203.0.113.9", 443);
    connect(&mut play, "172.20.0.1", 4001, "172.20.0.2", 80);
    connect(&mut play, "203.0.113.9", 4001, "172.20.0.2", 80);
    play.wait(10.0);
    assert_eq!(
        flows(&play).lines().skip(1).collect::<Vec<_>>(),
        [
            "web | container | db | container | 5432 | east_west",
            "web | container | - | outside | 443 | outbound",
            "- | host | web | container | 80 | host",
            "- | outside | web | container | 80 | inbound",
        ]
    );
    let names = play.draw(d::NETWORK_FLOW, &["SourceIp", "DestinationIp", "DestinationPort", "Initiated", "Protocol"]);
    assert_eq!(names.lines().nth(2), Some("172.20.0.2 | 203.0.113.9 | 443 | true | tcp"));
}

#[test]
fn an_address_that_was_given_to_another_is_whoever_had_it_then() {
    let mut play = Play::new();
    network(&mut play, "net", "10.0.0.0/24", false, &[]);
    run(&mut play, "a", "app:1", &[("net", "10.0.0.5")]);
    let early = play.now;
    play.wait(10.0).container("a", "a", "app:1", ContainerAction::Die { exit_code: Some(0) });
    let died = play.now;
    play.network("net", NetworkAction::Disconnect { container: id("a") }).container("a", "a", "app:1", ContainerAction::Destroy);
    play.wait(0.2);
    run(&mut play, "b", "app:1", &[("net", "10.0.0.5")]);
    play.wait(1.0);
    let exported = |began: Time, port| Flow {
        started: Some(began),
        outcome: FlowOutcome::Answered,
        ..flow("10.0.0.5", port, "203.0.113.9", 443, FlowStage::Ended)
    };
    // In between it was nobody's; then it is the new one's; and a long flow of the old one that is exported only now is the old one's.
    hear(&mut play, d::VPC_FLOW, exported(died + Span::millis(100), 1));
    let now = play.now;
    hear(&mut play, d::VPC_FLOW, exported(now, 2));
    hear(&mut play, d::VPC_FLOW, exported(early + Span::seconds(2), 3));
    // Connection tracking does not say when a flow began of which it tells only the end: then it may be either's.
    hear(&mut play, d::CONNTRACK, flow("10.0.0.5", 4, "203.0.113.9", 443, FlowStage::Ended));
    play.wait(5.0);
    let mut drawn: Vec<String> = play
        .draw(d::NETWORK_FLOW, &["source.port", "source.container.name", "source.place", "source.candidates"])
        .lines()
        .map(str::to_owned)
        .collect();
    drawn.sort();
    assert_eq!(drawn, ["1 | - | unknown | -", "2 | b | container | -", "3 | a | container | -", "4 | - | unknown | a,b"]);
}

#[test]
fn the_answer_that_tells_the_address_may_come_after_the_flow() {
    let mut play = Play::new();
    network(&mut play, "net", "10.0.0.0/24", false, &[]);
    let started = start(&mut play, "a", "app:1", &["net"]);
    connect(&mut play, "10.0.0.5", 1, "203.0.113.9", 443);
    play.wait(1.0);
    assert_eq!(flows(&play), "");
    play.inspect(spec("a", "app:1", &[("net", "10.0.0.5")], started)).wait(0.1);
    assert_eq!(flows(&play), "a | container | - | outside | 443 | outbound");
    // One that is gone before it could be inspected is named, and not accused.
    start(&mut play, "short", "app:1", &["net"]);
    connect(&mut play, "10.0.0.9", 1, "203.0.113.9", 80);
    play.container("short", "short", "app:1", ContainerAction::Die { exit_code: Some(0) }).wait(2.1);
    assert_eq!(play.draw(d::NETWORK_FLOW, &["source.place", "source.candidates"]).lines().last(), Some("unknown | short"));
    // After two seconds it is told without.
    connect(&mut play, "10.0.0.77", 1, "203.0.113.9", 443);
    play.wait(1.9);
    assert_eq!(flows(&play).lines().count(), 2);
    play.wait(0.2);
    assert_eq!(flows(&play).lines().last(), Some("- | unknown | - | outside | 443 | unknown"));
}

#[test]
fn who_shares_a_network_is_a_candidate() {
    let mut play = Play::new();
    network(&mut play, "net", "10.0.0.0/24", false, &[]);
    run(&mut play, "db", "db:1", &[("net", "10.0.0.5")]);
    let started = start(&mut play, "guest", "app:1", &[]);
    play.inspect(ContainerSpec { network_mode: format!("container:{}", id("db")).into(), ..spec("guest", "app:1", &[], started) });
    for word in ["proxy", "agent"] {
        let started = start(&mut play, word, "agent:1", &[]);
        play.inspect(ContainerSpec { network_mode: "host".into(), ..spec(word, "agent:1", &[], started) });
    }
    play.container("agent", "agent", "agent:1", ContainerAction::Die { exit_code: None });
    connect(&mut play, "10.0.0.5", 1, "203.0.113.9", 443);
    connect(&mut play, "10.0.0.1", 1, "10.0.0.5", 5432);
    let who = play.draw(d::NETWORK_FLOW, &["source.place", "source.container.id", "source.candidates", "source.workload"]);
    assert_eq!(who, "shared | - | db,guest | image:db\nhost | - | proxy | -");
}

#[test]
fn translation_is_followed_to_whom_a_flow_really_reached() {
    let mut play = Play::new();
    network(&mut play, "net", "10.0.0.0/24", false, &[]);
    let started = start(&mut play, "web", "web:1", &["net"]);
    let ports = vec![Port { container_port: 80, protocol: "tcp".into(), host_address: "0.0.0.0".into(), host_port: 8080 }];
    play.inspect(ContainerSpec { ports, ..spec("web", "web:1", &[("net", "10.0.0.5")], started) });
    let published = Flow { answered_by: end("10.0.0.5", 80), ..flow("203.0.113.9", 1, "198.51.100.4", 8080, FlowStage::New) };
    hear(&mut play, d::CONNTRACK, published);
    // What the host is called outside is known from then on.
    connect(&mut play, "203.0.113.9", 2, "198.51.100.4", 22);
    let drawn = play.draw(
        d::NETWORK_FLOW,
        &["destination.container.name", "destination.address", "destination.address_asked", "destination.port", "destination.place"],
    );
    assert_eq!(drawn, "web | 10.0.0.5 | 198.51.100.4 | 80 | container\n- | 198.51.100.4 | - | 22 | host");
}

#[test]
fn ends_that_hand_out_control_are_named() {
    let mut play = Play::new();
    network(&mut play, "net", "10.0.0.0/24", false, &[]);
    run(&mut play, "a", "app:1", &[("net", "10.0.0.5")]);
    let targets = [
        ("192.0.2.2", 10250),
        ("192.0.2.2", 2379),
        ("192.0.2.2", 2375),
        ("192.0.2.2", 6443),
        ("169.254.169.254", 80),
        ("fd00:ec2::254", 80),
        ("192.0.2.3", 53),
        ("192.0.2.3", 80),
    ];
    for (n, (to, port)) in targets.iter().enumerate() {
        let from = if to.contains(':') { "fd00::5" } else { "10.0.0.5" };
        connect(&mut play, from, 1000 + n as u16, to, *port);
    }
    // A service's address is translated to where the API server is.
    let service = Flow { answered_by: end("192.0.2.2", 6443), ..flow("10.0.0.5", 1, "10.96.0.1", 443, FlowStage::New) };
    hear(&mut play, d::CONNTRACK, service);
    play.wait(3.0);
    let mut roles: Vec<String> = play.draw(d::NETWORK_FLOW, &["destination.role"]).lines().map(str::to_owned).collect();
    roles.sort();
    assert_eq!(roles, ["", "apiserver", "apiserver", "dns", "docker_api", "etcd", "kubelet", "metadata", "metadata"]);
}

#[test]
fn a_long_flow_is_told_again_at_its_end_with_what_went_over_it() {
    let mut play = Play::new();
    network(&mut play, "net", "10.0.0.0/24", false, &[]);
    run(&mut play, "a", "app:1", &[("net", "10.0.0.5")]);
    connect(&mut play, "10.0.0.5", 1, "203.0.113.9", 443);
    play.wait(400.0);
    let ended = Flow { bytes_out: Some(5000), bytes_in: Some(70), ..flow("10.0.0.5", 1, "203.0.113.9", 443, FlowStage::Ended) };
    hear(&mut play, d::CONNTRACK, ended);
    assert_eq!(play.draw(d::NETWORK_FLOW, &["flow.stage", "flow.bytes_out", "flow.seconds"]), "new | - | -\nended | 5000 | 400");
}

#[test]
fn the_graph_knows_workloads_and_says_what_is_new() {
    let mut play = Play::new();
    network(&mut play, "net", "10.0.0.0/24", false, &[]);
    run(&mut play, "w1", "web:1", &[("net", "10.0.0.5")]);
    run(&mut play, "d1", "db:1", &[("net", "10.0.0.6")]);
    for n in 0..3 {
        connect(&mut play, "10.0.0.5", 100 + n, "10.0.0.6", 5432);
    }
    play.wait(4000.0);
    // The same workload in another container, elsewhere.
    run(&mut play, "w2", "web:2", &[("net", "10.0.0.7")]);
    connect(&mut play, "10.0.0.7", 1, "10.0.0.6", 5432);
    connect(&mut play, "10.0.0.7", 2, "10.0.0.6", 22);
    connect(&mut play, "10.0.0.7", 3, "203.0.113.9", 443);
    connect(&mut play, "10.0.0.7", 4, "203.0.113.77", 443);
    let drawn = play.draw(
        d::EDGE_FIRST_SEEN,
        &["edge.source", "edge.destination", "edge.port", "edge.source.settled", "edge.destination.new", "edge.source.edges"],
    );
    assert_eq!(
        drawn.replace("image:", ""),
        "web | db | 5432 | false | true | 0\nweb | db | 22 | true | false | 1\nweb | 203.0.113.0/24 | 443 | true | true | 2"
    );
}

#[test]
fn an_answered_flow_between_containers_without_a_common_network_is_forbidden() {
    let mut play = Play::new();
    network(&mut play, "front", "10.0.0.0/24", false, &[]);
    network(&mut play, "back", "10.0.1.0/24", true, &[]);
    network(&mut play, "apart", "10.0.2.0/24", false, &[("com.docker.network.bridge.enable_icc", "false")]);
    run(&mut play, "web", "web:1", &[("front", "10.0.0.5")]);
    run(&mut play, "api", "api:1", &[("front", "10.0.0.6")]);
    run(&mut play, "db", "db:1", &[("back", "10.0.1.5")]);
    run(&mut play, "x", "x:1", &[("apart", "10.0.2.5")]);
    run(&mut play, "y", "y:1", &[("apart", "10.0.2.6")]);
    let mut number = 0;
    let mut speak = |play: &mut Play, from: &str, to: &str, port: u16, answered: bool| {
        number += 1;
        connect(play, from, number, to, port);
        if answered {
            answer(play, from, number, to, port);
        }
        play.wait(6.0);
    };
    speak(&mut play, "10.0.0.5", "10.0.0.6", 80, true);
    speak(&mut play, "10.0.0.5", "10.0.1.5", 5432, false);
    assert_eq!(play.draw(d::EDGE_FORBIDDEN, &["edge.verdict"]), "");
    speak(&mut play, "10.0.0.5", "10.0.1.5", 5432, true);
    speak(&mut play, "10.0.1.5", "203.0.113.9", 443, true);
    speak(&mut play, "10.0.2.5", "10.0.2.6", 80, true);
    // By a published port.
    let published = Flow {
        answered_by: end("10.0.1.5", 5432),
        outcome: FlowOutcome::Answered,
        ..flow("10.0.0.5", 99, "10.0.0.1", 5432, FlowStage::New)
    };
    hear(&mut play, d::CONNTRACK, published);
    let dropped = Flow { outcome: FlowOutcome::Dropped, ..flow("10.0.0.5", 98, "10.0.0.6", 22, FlowStage::Ended) };
    hear(&mut play, d::HUBBLE_FLOW, dropped);
    assert_eq!(
        play.draw(d::EDGE_FORBIDDEN, &["source.container.name", "destination.container.name", "edge.verdict"]),
        "web | db | no_common_network\ndb | - | internal_network\nx | y | icc_off\nweb | api | dropped"
    );
    // Once they share a network it is allowed.
    play.network("front", NetworkAction::Connect { container: id("db") });
    speak(&mut play, "10.0.0.5", "10.0.1.5", 5432, true);
    assert_eq!(play.draw(d::EDGE_FORBIDDEN, &["edge.verdict"]).lines().count(), 4);
}

fn told(play: &Play) -> String {
    play.draw(d::NETWORK_FAN_OUT, &["container.name", "fan_out.targets", "fan_out.failed_share", "fan_out.answered", "fan_out.usual"])
}

#[test]
fn distinct_targets_are_counted_once_their_outcome_is_known() {
    let mut play = Play::new();
    network(&mut play, "net", "10.0.0.0/24", false, &[]);
    run(&mut play, "a", "app:1", &[("net", "10.0.0.5")]);
    run(&mut play, "b", "db:1", &[("net", "10.0.0.6")]);
    for n in 0..20u16 {
        connect(&mut play, "10.0.0.5", 1000 + n, "10.0.0.6", 8000 + n);
        match n {
            0..2 => answer(&mut play, "10.0.0.5", 1000 + n, "10.0.0.6", 8000 + n),
            2..12 => refuse(&mut play, "10.0.0.5", 1000 + n, "10.0.0.6", 8000 + n),
            _ => {}
        }
        // Trying the same again, name servers, and the internet do not count.
        connect(&mut play, "10.0.0.5", 2000 + n, "203.0.113.9", 8000 + n);
        connect(&mut play, "10.0.0.5", 3000 + n, "10.0.0.6", 53);
        answer(&mut play, "10.0.0.5", 3000 + n, "10.0.0.6", 53);
    }
    assert_eq!(told(&play), "a | 10 | 0.8 | 2 | 0");
    play.wait(6.0);
    assert_eq!(told(&play).lines().collect::<Vec<_>>(), ["a | 10 | 0.8 | 2 | 0", "a | 20 | 0.9 | 2 | 0"]);
    // Later, the same is usual.
    play.wait(300.0);
    for n in 0..10u16 {
        connect(&mut play, "10.0.0.5", 5000 + n, "10.0.0.6", 9000 + n);
        refuse(&mut play, "10.0.0.5", 5000 + n, "10.0.0.6", 9000 + n);
    }
    assert_eq!(told(&play).lines().last(), Some("a | 10 | 1 | 0 | 20"));
}

#[test]
fn nineteen_in_a_minute_and_one_in_the_next_are_not_twenty() {
    let mut play = Play::new();
    network(&mut play, "net", "10.0.0.0/24", false, &[]);
    run(&mut play, "a", "app:1", &[("net", "10.0.0.5")]);
    let reach = |play: &mut Play, n: u16| {
        connect(play, "10.0.0.5", 1000 + n, "10.0.0.6", 8000 + n);
        refuse(play, "10.0.0.5", 1000 + n, "10.0.0.6", 8000 + n);
    };
    (0..19).for_each(|n| reach(&mut play, n));
    play.wait(61.0);
    (19..28).for_each(|n| reach(&mut play, n));
    assert_eq!(told(&play).lines().count(), 1);
}

#[test]
fn everything_is_bounded_and_said() {
    let mut play = Play::new();
    play.freezing = false;
    network(&mut play, "net", "10.0.0.0/24", false, &[]);
    run(&mut play, "a", "a:1", &[("net", "10.0.0.5")]);
    for n in 0..3000u32 {
        connect(&mut play, "10.0.0.5", 9, "203.0.113.9", n as u16);
        let from = format!("10.{}.{}.9", n >> 8, n & 255);
        hear(&mut play, d::CONNTRACK, Flow { outcome: FlowOutcome::Refused, ..flow(&from, 7, "203.0.113.9", n as u16, FlowStage::New) });
        hear(&mut play, d::CONNTRACK, Flow { outcome: FlowOutcome::Refused, ..flow("198.51.100.1", 7, &from, 80, FlowStage::New) });
    }
    let pressed = play.draw(d::SENSOR_PRESSURE, &["sensor.reason"]);
    assert!(["inventory.flows", "inventory.edges"].iter().all(|bound| pressed.contains(bound)), "{pressed}");
    assert!(play.inventory.freeze().len() < 4_000_000, "{}", play.inventory.freeze().len());
}

fn pod(name: &str, uid: &str, address: &str, labels: &[(&str, &str)]) -> Object {
    let part = ContainerSpec { name: "app".into(), image: "app:1".into(), ..ContainerSpec::default() };
    let spec = PodSpec {
        address: address.into(),
        addresses: vec![address.into()],
        phase: "Running".into(),
        containers: vec![PodContainer { spec: part, state: "running".into(), ..PodContainer::default() }],
        ..PodSpec::default()
    };
    Object {
        kind: "Pod".into(),
        namespace: "shop".into(),
        name: name.into(),
        uid: uid.into(),
        labels: labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
        body: Body::Pod(Box::new(spec)),
        ..Object::default()
    }
}

fn object(play: &mut Play, change: ObjectChange, object: Object) {
    play.tell(d::KUBERNETES_OBJECT, Some(Fact::Object(Box::new(ObjectEvent { change, object }))));
}

#[test]
fn pods_hold_addresses_on_every_host_of_their_cluster() {
    let mut play = Play::new();
    object(&mut play, ObjectChange::Added, pod("api-7d4b9c6f58-x2v9k", "u1", "10.244.1.5", &[]));
    object(&mut play, ObjectChange::Added, pod("db-0", "u2", "10.244.1.6", &[]));
    // What nodes see, and a service's address that is translated to a pod's.
    play.host = "node-1".into();
    connect(&mut play, "10.244.1.5", 1, "10.244.1.6", 5432);
    hear(
        &mut play,
        d::CONNTRACK,
        Flow { answered_by: end("10.244.1.6", 5432), ..flow("10.244.1.5", 2, "10.96.0.7", 5432, FlowStage::New) },
    );
    play.host = "h".into();
    object(&mut play, ObjectChange::Deleted, pod("db-0", "u2", "10.244.1.6", &[]));
    play.wait(1.0);
    object(&mut play, ObjectChange::Added, pod("cache-0", "u3", "10.244.1.6", &[]));
    connect(&mut play, "10.244.1.5", 3, "10.244.1.6", 6379);
    play.wait(5.0);
    let drawn = play.draw(
        d::NETWORK_FLOW,
        &["source.workload", "destination.workload", "destination.address_asked", "flow.direction", "source.k8s.namespace.name"],
    );
    assert_eq!(
        drawn,
        "k8s:shop/api | k8s:shop/db-0 | - | east_west | shop\nk8s:shop/api | k8s:shop/db-0 | 10.96.0.7 | east_west | shop\nk8s:shop/api | k8s:shop/cache-0 | - | east_west | shop"
    );
}

#[test]
fn an_answer_that_every_known_policy_denies_is_said() {
    let mut play = Play::new();
    object(&mut play, ObjectChange::Added, pod("api", "u1", "10.244.1.5", &[("app", "api")]));
    object(&mut play, ObjectChange::Added, pod("db", "u2", "10.244.1.6", &[("app", "db")]));
    let deny = Object {
        kind: "NetworkPolicy".into(),
        namespace: "shop".into(),
        name: "deny".into(),
        body: Body::NetworkPolicy(Box::new(NetworkPolicySpec { policy_types: vec!["Ingress".into()], ..NetworkPolicySpec::default() })),
        ..Object::default()
    };
    let speak = |play: &mut Play, port: u16| {
        connect(play, "10.244.1.5", port, "10.244.1.6", port);
        answer(play, "10.244.1.5", port, "10.244.1.6", port);
        play.draw(d::EDGE_FORBIDDEN, &["edge.verdict", "edge.policies", "edge.port"])
    };
    // One policy is known, but others may be there that allow it.
    object(&mut play, ObjectChange::Added, deny.clone());
    assert_eq!(speak(&mut play, 1), "");
    play.tell(d::KUBERNETES_OBJECT, Some(Fact::Objects(Box::new(ObjectList { kind: "NetworkPolicy".into(), items: vec![deny.clone()] }))));
    assert_eq!(speak(&mut play, 2), "policy_denies | shop/deny | 2");
    let allow = NetworkPolicySpec {
        ingress: Some(vec![PolicyRule::default()]),
        policy_types: vec!["Ingress".into()],
        ..NetworkPolicySpec::default()
    };
    object(&mut play, ObjectChange::Added, Object { name: "allow".into(), body: Body::NetworkPolicy(Box::new(allow)), ..deny });
    assert_eq!(speak(&mut play, 3), "policy_denies | shop/deny | 2");
}

#[test]
fn a_log_of_each_direction_tells_one_flow() {
    let mut play = Play::new();
    network(&mut play, "net", "10.0.0.0/24", false, &[]);
    run(&mut play, "web", "web:1", &[("net", "10.0.0.5")]);
    run(&mut play, "db", "db:1", &[("net", "10.0.0.6")]);
    let now = play.now;
    let record = |from: &str, from_port, to: &str, to_port| Flow {
        started: Some(now),
        ended: Some(now),
        packets_out: Some(4),
        ..flow(from, from_port, to, to_port, FlowStage::Ended)
    };
    // The answers come first.
    hear(&mut play, d::VPC_FLOW, record("10.0.0.6", 5432, "10.0.0.5", 40_000));
    hear(&mut play, d::VPC_FLOW, record("10.0.0.5", 40_000, "10.0.0.6", 5432));
    play.wait(10.0);
    assert_eq!(flows(&play), "web | container | db | container | 5432 | east_west");
    assert_eq!(play.draw(d::EDGE_FIRST_SEEN, &["edge.source", "edge.port"]), "image:web | 5432");
}

#[test]
fn datagrams_that_nobody_answers_have_failed() {
    let mut play = Play::new();
    network(&mut play, "net", "10.0.0.0/24", false, &[]);
    run(&mut play, "a", "app:1", &[("net", "10.0.0.5")]);
    for n in 0..10u16 {
        hear(&mut play, d::CONNTRACK, Flow { protocol: "udp".into(), ..flow("10.0.0.5", 1000 + n, "10.0.0.6", 8000 + n, FlowStage::New) });
    }
    play.wait(4.9);
    assert_eq!(told(&play), "");
    play.wait(0.2);
    assert_eq!(told(&play), "a | 10 | 1 | 0 | 0");
}

/// What may come in any order within the wait.
fn any_order() -> impl Strategy<Value = Vec<usize>> {
    Just((0..5).collect::<Vec<usize>>()).prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Inspect answers carry no time: whether they come before or after the flows that they explain changes nothing.
    #[test]
    fn answers_and_flows_in_any_order_tell_the_same(order in any_order()) {
        let draw = |order: &[usize]| {
            let mut play = Play::new();
            network(&mut play, "net", "10.0.0.0/24", false, &[]);
            let first = start(&mut play, "a", "a:1", &["net"]);
            let second = start(&mut play, "b", "b:1", &["net"]);
            for what in order {
                match what {
                    0 => connect(&mut play, "10.0.0.5", 1, "10.0.0.6", 80),
                    1 => connect(&mut play, "10.0.0.6", 2, "203.0.113.9", 443),
                    2 => connect(&mut play, "10.0.0.7", 3, "10.0.0.5", 80),
                    3 => drop(play.inspect(spec("a", "a:1", &[("net", "10.0.0.5")], first))),
                    _ => drop(play.inspect(spec("b", "b:1", &[("net", "10.0.0.6")], second))),
                }
            }
            play.wait(30.0);
            let mut lines: Vec<String> = [d::NETWORK_FLOW, d::EDGE_FIRST_SEEN]
                .iter()
                .flat_map(|kind| play.draw(*kind, &["source.container.name", "source.place", "destination.container.name", "flow.direction", "edge.source", "edge.destination"]).lines().map(str::to_owned).collect::<Vec<_>>())
                .collect();
            lines.sort();
            lines
        };
        prop_assert_eq!(draw(&order), draw(&[3, 4, 0, 1, 2]));
    }

    /// Freezing at any record loses nothing.
    #[test]
    fn flows_survive_freezing(steps in proptest::collection::vec((0u8..6, 0u16..4, 0u16..3), 1..30)) {
        let tell = |freezing: bool| {
            let mut play = Play::new();
            play.freezing = freezing;
            network(&mut play, "net", "10.0.0.0/24", false, &[]);
            run(&mut play, "a", "a:1", &[("net", "10.0.0.5")]);
            for (what, from_port, port) in &steps {
                match what {
                    0 => connect(&mut play, "10.0.0.5", *from_port, "10.0.0.6", *port),
                    1 => answer(&mut play, "10.0.0.5", *from_port, "10.0.0.6", *port),
                    2 => refuse(&mut play, "10.0.0.5", *from_port, "10.0.0.6", *port),
                    3 => drop(play.wait(f64::from(*port) * 3.0)),
                    4 => drop(play.container("a", "a", "a:1", ContainerAction::Die { exit_code: None })),
                    _ => run(&mut play, "b", "b:1", &[("net", "10.0.0.6")]),
                }
            }
            play.wait(60.0);
            (play.said.iter().map(|event| format!("{event:?}")).collect::<Vec<_>>(), play.inventory.freeze())
        };
        prop_assert_eq!(tell(true), tell(false));
    }
}
