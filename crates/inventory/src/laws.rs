//! The laws that the inventory keeps, as tests: a container appears exactly once, freezing loses nothing, every bound holds and has a voice.

use crate::play::{Play, id};
use event::dictionary as d;
use event::fact::*;
use event::{Deriver, Span, Time};
use proptest::prelude::*;
use std::collections::BTreeMap;

const APPEARED: &[&str] = &["container.id", "inspected", "preexisting", "seen_by"];

fn appeared(play: &Play) -> String {
    let drawn = play.draw(d::CONTAINER_APPEARED, APPEARED);
    // Ids are words in hexadecimal; their first letter is enough here.
    drawn.lines().map(|line| format!("{} {}", (line.as_bytes()[1] - b'0' + 0x60) as char, &line[67..])).collect::<Vec<_>>().join("\n")
}

fn spec(word: &str, created: Time) -> ContainerSpec {
    ContainerSpec {
        id: id(word),
        name: word.into(),
        image: "app:1".into(),
        image_id: "sha256:1".into(),
        command: vec!["serve".into()],
        created: Some(created),
        status: "running".into(),
        ..ContainerSpec::default()
    }
}

fn listed(word: &str, created: Time) -> ListedContainer {
    ListedContainer {
        id: id(word),
        name: word.into(),
        image: "app:1".into(),
        created: Some(created),
        status: "running".into(),
        ..ListedContainer::default()
    }
}

fn list(play: &mut Play, entries: Vec<ListedContainer>) {
    play.tell(d::DOCKER_LIST, Some(Fact::List(List::Containers(entries))));
}

fn started(play: &mut Play) {
    play.tell(d::SENSOR_NOTE, Some(Fact::Sensor(SensorNote { of: "docker_events".into(), note: Sight::Started })));
}

#[test]
fn at_the_first_inspect_or_at_removal_or_after_two_seconds() {
    let mut play = Play::new();
    play.container("a", "a", "app:1", ContainerAction::Create);
    let now = play.now;
    play.inspect(spec("a", now));
    assert_eq!(appeared(&play), "a true | false | event");
    play.container("b", "b", "app:1", ContainerAction::Create).container("b", "b", "app:1", ContainerAction::Destroy);
    play.container("c", "c", "app:1", ContainerAction::Create).wait(1.9);
    assert_eq!(appeared(&play), "a true | false | event\nb false | false | event");
    play.wait(0.2);
    assert_eq!(appeared(&play), "a true | false | event\nb false | false | event\nc false | false | event");
    let now = play.now;
    play.inspect(spec("c", now)).inspect(spec("c", now));
    assert_eq!(appeared(&play).lines().count(), 3);
    assert_eq!(play.draw(d::CONTAINER_INSPECTED, &["container.name"]), "c");
}

#[test]
fn what_stood_there_is_never_created() {
    let mut play = Play::new();
    started(&mut play);
    let old = play.now.minus(Span::minutes(60));
    list(&mut play, vec![listed("a", old), listed("b", old)]);
    play.inspect(spec("a", old)).wait(6.0);
    assert_eq!(appeared(&play), "a true | true | list\nb false | true | list");
    assert_eq!(play.draw(d::CONTAINER_CREATED, &["container.name"]), "");
    assert_eq!(play.draw(d::HOST_POSTURE_SEEN, &["posture.containers", "posture.dangerous"]), "2 | 0");

    // What a later list shows was created in between, and what it does not show is gone.
    let new = play.now;
    play.wait(20.0);
    list(&mut play, vec![listed("a", old), listed("c", new)]);
    assert_eq!(play.draw(d::CONTAINER_CREATED, &["container.name", "seen_by"]), "c | list");
    assert_eq!(play.draw(d::CONTAINER_REMOVED, &["container.name", "container.lifetime_seconds"]), "b | -");
}

#[test]
fn inspect_answers_alone_tell_what_stands_there() {
    let mut play = Play::new();
    // They are placed at the latest time that one of them says.
    let now = play.now.minus(Span::millis(10));
    play.inspect(ContainerSpec { started: Some(now), ..spec("a", now) });
    play.inspect(ContainerSpec { privileged: true, ..spec("b", now.minus(Span::minutes(5))) });
    assert_eq!(appeared(&play), "a true | true | event\nb true | true | event");
    assert_eq!(
        play.draw(d::HOST_POSTURE_SEEN, &["posture.containers", "posture.dangerous", "posture.summary"]).lines().last(),
        Some("2 | 1 | b (app:1): privileged")
    );
}

#[test]
fn an_inspect_before_its_create_event_does_not_make_it_old() {
    let mut play = Play::new();
    let now = play.now;
    play.inspect(ContainerSpec { started: Some(now + Span::millis(300)), ..spec("a", now) }).container(
        "a",
        "a",
        "app:1",
        ContainerAction::Create,
    );
    // Hours of events in one file, and the inspect answers in another that is read first.
    let later = play.now + Span::minutes(60);
    play.inspect(spec("b", later));
    assert_eq!(appeared(&play), "a true | false | event");
    play.wait(3600.0).container("b", "b", "app:1", ContainerAction::Create);
    assert_eq!(appeared(&play), "a true | false | event\nb true | false | event");
    assert_eq!(play.draw(d::CONTAINER_CREATED, &["container.name", "seen_by", "inspected"]), "a | event | true\nb | event | true");
    // Its event was missed.
    let now = play.now;
    play.inspect(spec("c", now)).wait(3.0);
    assert_eq!(play.draw(d::CONTAINER_CREATED, &["container.name", "seen_by"]).lines().last(), Some("c | list"));
    assert_eq!(appeared(&play).lines().count(), 3);
}

#[test]
fn unknown_containers_in_any_event_stood_there_before() {
    let mut play = Play::new();
    play.container("a", "web", "app:1", ContainerAction::Start).wait(3.0);
    play.container("b", "db", "app:1", ContainerAction::Destroy);
    assert_eq!(appeared(&play), "a false | true | event\nb false | true | event");
    // Its create event comes late: it is told, but it has appeared already.
    play.container("a", "web", "app:1", ContainerAction::Create);
    assert_eq!(play.draw(d::CONTAINER_CREATED, &["container.name"]), "web");
    play.wait(10.0);
    assert_eq!(appeared(&play).lines().count(), 2);
}

#[test]
fn a_list_before_the_inspects_waits_for_them() {
    let mut play = Play::new();
    started(&mut play);
    let old = play.now.minus(Span::minutes(60));
    list(&mut play, vec![listed("a", old)]);
    play.wait(4.0).inspect(ContainerSpec { privileged: true, ..spec("a", old) }).wait(2.0);
    assert_eq!(appeared(&play), "a true | true | list");
    assert_eq!(play.draw(d::HOST_POSTURE_SEEN, &["posture.summary"]), "a (app:1): privileged");
}

/// What may happen in any order to one of a few containers.
#[derive(Clone, Debug)]
enum Step {
    Event(usize, ContainerAction),
    Inspect(usize, i64, bool, f64),
    List(Vec<usize>),
    Missed(usize),
    Connect(usize),
    Wait(f64),
}

const WORDS: [&str; 4] = ["a", "b", "c", "d"];

fn any_step() -> impl Strategy<Value = Step> {
    let action = prop_oneof![
        3 => Just(ContainerAction::Create),
        2 => Just(ContainerAction::Start),
        1 => Just(ContainerAction::Die { exit_code: Some(1) }),
        1 => Just(ContainerAction::Destroy),
        1 => Just(ContainerAction::Update),
        1 => Just(ContainerAction::Pause),
        1 => Just(ContainerAction::Kill { signal: Some(9) }),
        1 => Just(ContainerAction::Attach),
        1 => Just(ContainerAction::Rename { old_name: Some("x".into()) }),
    ];
    let who = 0..WORDS.len();
    prop_oneof![
        6 => (who.clone(), action).prop_map(|(who, action)| Step::Event(who, action)),
        4 => (who.clone(), -5000i64..5000, any::<bool>(), 1.0..9.0).prop_map(|(who, age, privileged, cpu)| Step::Inspect(who, age, privileged, cpu)),
        1 => proptest::collection::vec(who.clone(), 0..4).prop_map(Step::List),
        1 => who.clone().prop_map(Step::Missed),
        1 => who.prop_map(Step::Connect),
        2 => (0.1..15.0).prop_map(Step::Wait),
    ]
}

fn perform(play: &mut Play, step: &Step) {
    match step {
        Step::Event(who, action) => {
            play.container(WORDS[*who], WORDS[*who], "app:1", action.clone());
        }
        Step::Inspect(who, age, privileged, cpu) => {
            let created = play.now + Span::millis(*age);
            play.inspect(ContainerSpec { privileged: *privileged, cpu_limit: Some(*cpu), ..spec(WORDS[*who], created) });
        }
        Step::List(who) => {
            let created = play.now.minus(Span::minutes(2));
            list(play, who.iter().map(|who| listed(WORDS[*who], created)).collect());
        }
        Step::Missed(who) => {
            let note = Sight::Missed { object: "container".into(), id: id(WORDS[*who]), reason: "no such container".into() };
            play.tell(d::SENSOR_NOTE, Some(Fact::Sensor(SensorNote { of: "docker_container".into(), note })));
        }
        Step::Connect(who) => {
            play.network("net", NetworkAction::Connect { container: id(WORDS[*who]) });
        }
        Step::Wait(seconds) => {
            play.wait(*seconds);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_each_container_appears_exactly_once(steps in proptest::collection::vec(any_step(), 1..40)) {
        let mut play = Play::new();
        play.freezing = false;
        for step in &steps {
            perform(&mut play, step);
        }
        play.wait(30.0);
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for line in play.draw(d::CONTAINER_APPEARED, &["container.id"]).lines() {
            *counts.entry(line.to_owned()).or_default() += 1;
        }
        // Every container that was heard of has appeared, and none twice.
        let known: Vec<String> = play.inventory.containers("h", play.now).map(|view| view.id.to_string()).collect();
        for id in &known {
            prop_assert_eq!(counts.get(id).copied(), Some(1), "{} of {:?}", id, counts);
        }
        prop_assert_eq!(counts.len(), known.len());
        // What stood there is never created by an event that nobody sent.
        let creates = steps.iter().filter(|step| matches!(step, Step::Event(_, ContainerAction::Create))).count();
        let told = play.draw(d::CONTAINER_CREATED, &["seen_by"]).lines().filter(|line| *line == "event").count();
        prop_assert!(told <= creates);
    }

    #[test]
    fn freezing_at_every_record_changes_nothing(steps in proptest::collection::vec(any_step(), 1..30)) {
        let (mut straight, mut frozen) = (Play::new(), Play::new());
        straight.freezing = false;
        for step in &steps {
            perform(&mut straight, step);
            perform(&mut frozen, step);
        }
        straight.wait(30.0);
        frozen.wait(30.0);
        let draw = |play: &Play| play.said.iter().map(|event| format!("{:?}", event)).collect::<Vec<_>>();
        prop_assert_eq!(draw(&straight), draw(&frozen));
        prop_assert_eq!(straight.inventory.freeze(), frozen.inventory.freeze());
    }
}

#[test]
fn other_bytes_than_a_frozen_state_are_refused() {
    let mut play = Play::new();
    play.container("a", "a", "app:1", ContainerAction::Create);
    let before = play.inventory.freeze();
    assert!(play.inventory.thaw(b"something else").is_err());
    assert_eq!(play.inventory.freeze(), before);
}

/// What was forgotten, as it was said: the bound and the highest count.
fn pressed(play: &Play) -> BTreeMap<String, u64> {
    let drawn = play.draw(d::SENSOR_PRESSURE, &["sensor.reason", "sensor.count"]);
    let pairs = drawn.lines().filter_map(|line| line.split_once(" | "));
    pairs.map(|(bound, count)| (bound.to_owned(), count.parse().unwrap_or_default())).collect()
}

#[test]
fn a_flood_of_containers_is_bounded_and_said() {
    let mut play = Play::new();
    play.freezing = false;
    play.container("stays", "stays", "app:1", ContainerAction::Create).container("stays", "stays", "app:1", ContainerAction::Start);
    for n in 0..3000 {
        let word = format!("{n:x}");
        play.container(&word, &word, &format!("app{n}:1"), ContainerAction::Create);
        if n % 2 == 0 {
            play.container(&word, &word, "", ContainerAction::Die { exit_code: None });
        }
    }
    let host = play.inventory.hosts().next().unwrap();
    assert!(host.containers.len() <= crate::host::CONTAINERS_MAX);
    // Those that ended go first: what runs is still known.
    assert!(play.inventory.containers("h", play.now).any(|view| view.name == "stays"));
    assert!(pressed(&play)["inventory.containers"] >= 100, "{:?}", pressed(&play));
    assert!(pressed(&play)["inventory.accumulated"] >= 1000, "{:?}", pressed(&play));
}

#[test]
fn removed_containers_are_kept_for_a_while_and_no_more_than_some() {
    let mut play = Play::new();
    play.freezing = false;
    let count = |play: &Play| play.inventory.hosts().next().map_or(0, |host| host.containers.len());
    for n in 0..500 {
        let word = format!("{n:x}");
        play.container(&word, &word, "app:1", ContainerAction::Create).container(&word, &word, "app:1", ContainerAction::Destroy);
    }
    assert!(count(&play) <= crate::host::REMOVED_MAX + 2);
    play.wait(700.0).container("last", "last", "app:1", ContainerAction::Create);
    assert_eq!(count(&play), 1);
}

#[test]
fn ten_thousand_names_tags_and_hosts_are_bounded() {
    let mut play = Play::new();
    play.freezing = false;
    play.container("a", "a", "app:1", ContainerAction::Create);
    for n in 0..10_000 {
        play.container("a", &format!("name{n}"), "app:1", ContainerAction::Rename { old_name: None });
        play.image("sha256:1", &format!("tag{n}:1"), ImageAction::Tag);
    }
    let view = play.inventory.containers("h", play.now).next().unwrap();
    assert_eq!(view.name, "name9999");
    assert!(view.names_before.len() <= 8);
    let host = play.inventory.hosts().next().unwrap();
    assert!(host.image("sha256:1").unwrap().references.len() <= 32);
    assert!(host.image_id("tag9999:1").is_some());
    assert!(pressed(&play)["inventory.references"] >= 1000);
    for n in 0..3000 {
        play.host = format!("h{n}").into();
        play.container("a", "a", "app:1", ContainerAction::Create);
    }
    assert!(play.inventory.hosts().count() <= crate::world::HOSTS_MAX);
    assert!(pressed(&play)["inventory.hosts"] >= 1000);
}

#[test]
fn a_reference_names_what_was_said_last() {
    let mut play = Play::new();
    let id_of = |play: &Play| play.inventory.hosts().next().and_then(|host| host.image_id("docker.io/library/app").cloned());
    play.image("sha256:1", "app:latest", ImageAction::Tag);
    assert_eq!(id_of(&play).as_deref(), Some("sha256:1"));
    play.image("sha256:2", "app", ImageAction::Tag);
    assert_eq!(id_of(&play).as_deref(), Some("sha256:2"));
    // A pull says no id: until something does, the reference names nothing that is known.
    play.image("app:latest", "app", ImageAction::Pull);
    assert_eq!(id_of(&play), None);
    let now = play.now;
    play.inspect(ContainerSpec { image: "app".into(), image_id: "sha256:3".into(), ..spec("a", now) });
    assert_eq!(id_of(&play).as_deref(), Some("sha256:3"));
    play.image("sha256:3", "", ImageAction::Delete);
    assert_eq!(id_of(&play), None);
}
