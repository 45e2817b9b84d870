//! What a rule author relies on: which rules match which events, and what their signals carry.

mod common;

use common::{derived, matching, native, rules};
use event::Value;
use sigma::Matcher;

const CONTAINER_RULES: &str = r#"
title: Privileged container
name: privileged
logsource: { category: container }
detection:
  selection: { event.name: container.appeared, container.privileged: true }
  filter_known: { explained: known }
  condition: selection and not 1 of filter_*
landwaiter: { entity: [container.id, container.name], message: '{{container.name}} from {{container.image.name}}' }
---
title: Any capability of the host
name: capability
logsource: { category: container }
detection:
  selection:
    event.name: [container.appeared, container.changed]
    container.capabilities.dangerous: [SYS_ADMIN, SYS_PTRACE]
  condition: selection
---
title: No memory limit
name: unlimited
logsource: { category: container }
detection:
  selection: { event.name: container.appeared, container.limits.memory: null }
  condition: selection
---
title: Memory raised
name: raised
logsource: { category: container }
detection:
  selection: { event.name: container.changed, change.property|startswith: limits., change.factor|gte: 4 }
  condition: selection
---
title: Ended with its own name
name: own-name
logsource: { category: container }
detection:
  selection: { event.name: container.ended, container.name|fieldref: container.image.repository }
  condition: selection
---
title: Everything with a word in it
name: word
logsource: { category: container }
detection:
  keywords: [xmrig, 'crypto*miner']
  condition: keywords
"#;

#[test]
fn derived_events_match_by_their_fields() {
    let set = rules(CONTAINER_RULES);
    let appeared = |fields: &[(&str, Value)]| {
        let mut all = vec![("container.id", "c1".into()), ("container.limits.memory", Value::Int(1))];
        all.extend(fields.iter().cloned());
        derived("container.appeared", 0, &all)
    };
    for (event, expected) in [
        (appeared(&[("container.privileged", true.into())]), vec!["privileged"]),
        (appeared(&[("container.privileged", "TRUE".into())]), vec!["privileged"]),
        (appeared(&[("container.privileged", false.into())]), vec![]),
        (appeared(&[("container.privileged", true.into()), ("explained", "known".into())]), vec![]),
        (appeared(&[("container.privileged", true.into()), ("explained", "unknown".into())]), vec!["privileged"]),
        (appeared(&[("container.capabilities.dangerous", vec!["NET_RAW", "sys_admin"].into())]), vec!["capability"]),
        (appeared(&[("container.capabilities.dangerous", Vec::<&str>::new().into())]), vec![]),
        (derived("container.appeared", 0, &[("container.id", "c1".into())]), vec!["unlimited"]),
        (derived("container.inspected", 0, &[("container.privileged", true.into())]), vec![]),
        (derived("container.changed", 0, &[("change.property", "limits.memory".into()), ("change.factor", 4.0.into())]), vec!["raised"]),
        (derived("container.changed", 0, &[("change.property", "limits.memory".into()), ("change.factor", 3.9.into())]), vec![]),
        (
            derived("container.ended", 0, &[("container.name", "Redis".into()), ("container.image.repository", "redis".into())]),
            vec!["own-name"],
        ),
        (derived("container.ended", 0, &[("container.name", "web".into()), ("container.image.repository", "redis".into())]), vec![]),
        (derived("container.exec", 0, &[("exec.command_line", "/tmp/XMRig -o pool".into())]), vec!["word"]),
        (derived("container.exec", 0, &[("exec.command_line", "a Crypto-Coin-Miner here".into())]), vec!["word"]),
        (derived("container.exec", 0, &[("exec.command_line", "ls".into())]), vec![]),
    ] {
        assert_eq!(matching(&set, &event), expected, "{event:?}");
    }
}

#[test]
fn native_events_match_by_their_paths() {
    let set = rules(
        r#"
title: Create
logsource: { product: docker, service: events }
detection:
  selection: { Type: container, Action: create, Actor.Attributes.com.example.team|exists: false }
  condition: selection
---
title: Exit
logsource: { product: docker, service: events }
detection:
  selection: { Action: die }
  filter: { Actor.Attributes.exitCode: 0 }
  condition: selection and not filter
---
title: Listed
logsource: { product: docker }
detection:
  selection: { 'Items[].Name|endswith': '-x' }
  condition: selection
"#,
    );
    for (json, expected) in [
        (r#"{"Type":"container","Action":"create","Actor":{"ID":"1","Attributes":{"image":"a"}}}"#, vec!["create"]),
        (r#"{"Type":"container","Action":"create","Actor":{"ID":"1","Attributes":{"com.example.team":"x"}}}"#, vec![]),
        (r#"{"Action":"die","Actor":{"Attributes":{"exitCode":"137"}}}"#, vec!["exit"]),
        (r#"{"Action":"die","Actor":{"Attributes":{"exitCode":"0"}}}"#, vec![]),
        (r#"{"Items":[{"Name":"a"},{"Name":"b-x"}]}"#, vec!["listed"]),
        ("7", vec![]),
    ] {
        assert_eq!(matching(&set, &native(json)), expected, "{json}");
    }
}

#[test]
fn signals_carry_what_a_finding_needs() {
    let set = rules(CONTAINER_RULES);
    let mut matcher = Matcher::new(set.clone());
    let event = derived(
        "container.appeared",
        5_000,
        &[
            ("container.id", "c1".into()),
            ("container.name", "web".into()),
            ("container.image.name", "app:1".into()),
            ("container.privileged", true.into()),
            ("container.limits.memory", Value::Int(1)),
            ("explained", "unknown".into()),
        ],
    );
    let mut signals = Vec::new();
    matcher.step(&event, &mut signals);
    assert_eq!(signals.len(), 1);
    let signal = &signals[0];
    let values: Vec<String> = signal.values.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(values, ["container.id=c1", "container.name=web", "container.image.name=app:1", "host.name=host-1"]);
    assert_eq!(set.rules()[signal.rule].name, "privileged");
    assert_eq!((signal.count, signal.at, signal.continues), (1, event.at, false));
    assert_eq!(signal.explained.as_deref(), Some("unknown"));
    assert_eq!(signal.evidence, event.evidence);
}

#[test]
fn native_signals_name_the_actor_and_the_host() {
    let set = rules(
        "title: T\nlogsource: { product: docker, service: events }\ndetection: { s: { Action: kill }, condition: s }\nlandwaiter: { message: 'signal {{Actor.Attributes.signal}}' }\n",
    );
    let mut signals = Vec::new();
    Matcher::new(set.clone()).step(&native(r#"{"Action":"kill","Actor":{"ID":"c9","Attributes":{"signal":"9"}}}"#), &mut signals);
    let values: Vec<String> = signals[0].values.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(values, ["Actor.ID=c9", "Actor.Attributes.signal=9", "host.name=host-1"]);
    assert_eq!(set.rules()[0].entity, ["Actor.ID"]);
}

#[test]
fn only_kinds_that_some_rule_can_match_are_wanted() {
    let set = rules(
        r#"
title: A
logsource: { category: container }
detection: { s: { event.name: container.created }, condition: s }
---
title: B
logsource: { category: container }
detection: { s: { event.name|endswith: paused }, t: { container.name: x }, condition: s and not t }
---
title: C
logsource: { category: container }
detection: { s: { exec.shell: true }, condition: s }
"#,
    );
    let wanted = set.wanted();
    let names: Vec<&str> = event::Kind::all().filter(|kind| wanted[kind.index()]).map(|kind| kind.name()).collect();
    assert_eq!(names, ["container.created", "container.paused", "container.unpaused", "container.exec"]);
}

#[test]
fn only_fields_that_somebody_reads_are_wanted() {
    let set = rules(
        r#"
title: A
name: a
logsource: { category: container }
detection: { s: { event.name: container.created, container.role: sensor }, t: { container.owner|fieldref: container.name }, condition: s and not t }
landwaiter: { entity: [container.id], message: 'made of {{container.image.name}}' }
---
title: B
correlation: { type: value_count, rules: [a], group-by: [workload.id], timespan: 5m, condition: { field: container.command_line, gte: 3 } }
landwaiter: { message: 'of {{container.image.tag}}' }
---
title: C
logsource: { category: container }
detection: { s: { event.name: container.paused, container.fingerprint: x }, condition: s }
---
title: D
logsource: { category: container }
detection: { named: { event.name: container.killed }, words: [miner], condition: named and words }
"#,
    );
    let wanted = set.wanted_fields();
    let read = |kind: event::Kind, name: &str| wanted.of(kind).has(event::FieldId::named(name).unwrap());
    use event::dictionary::{CONTAINER_CREATED, CONTAINER_KILLED, CONTAINER_PAUSED};
    let created = [
        "container.role",
        "container.owner",
        "container.name",
        "container.id",
        "container.image.name",
        "container.image.tag",
        "workload.id",
    ];
    for name in created.into_iter().chain(["container.command_line", "explained", "explained.by"]) {
        assert!(read(CONTAINER_CREATED, name), "{name} is read");
    }
    assert!(!read(CONTAINER_CREATED, "container.fingerprint") && !read(CONTAINER_CREATED, "container.image.repo_digests"));
    assert!(read(CONTAINER_PAUSED, "container.fingerprint") && !read(CONTAINER_PAUSED, "container.role"));
    // A rule that looks for words anywhere reads everything.
    assert!(read(CONTAINER_KILLED, "container.image.repo_digests"));
}

#[test]
fn equal_questions_are_asked_once() {
    let one = "title: A\nlogsource: { category: container }\ndetection: { s: { event.name: container.exec, exec.shell: true, exec.user: root }, condition: s }\n";
    let set =
        rules(&[one, &one.replace("title: A", "title: B"), &one.replace("title: A", "title: C").replace("root", "'0'")].join("---\n"));
    assert_eq!(set.predicates(), 4);
}
