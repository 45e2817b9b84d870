//! Laws: many rules at once say what each says alone; nothing that a stranger writes makes the engine panic.

mod common;

use common::{derived, native, rules, shown};
use event::{Event, Gravity, Value};
use proptest::prelude::*;
use sigma::{Matcher, RuleSet, explain, nearest};
use std::sync::Arc;

const NAMES: [&str; 4] = ["container.created", "container.appeared", "container.exec", "container.changed"];
const FIELDS: [&str; 5] =
    ["container.name", "container.privileged", "container.capabilities.added", "container.limits.memory", "exec.command_line"];
const MODIFIERS: [&str; 10] =
    ["", "|contains", "|startswith", "|endswith", "|contains|all", "|re", "|cased", "|neq", "|contains|cased", "|gte"];
const VALUES: [&str; 10] = ["a", "'A'", "ab", "'*'", "'a*b'", "true", "1", "'?b'", "'é'", "'1'"];

/// One detection item; some come out as mistakes, and their rules are left out.
fn item() -> impl Strategy<Value = String> {
    let plain =
        (0..FIELDS.len(), 0..MODIFIERS.len(), prop::collection::vec(0..VALUES.len(), 1..4)).prop_map(|(field, modifier, values)| {
            format!("{}{}: [{}]", FIELDS[field], MODIFIERS[modifier], values.iter().map(|v| VALUES[*v]).collect::<Vec<_>>().join(", "))
        });
    let name = prop::collection::vec(0..NAMES.len(), 1..3)
        .prop_map(|names| format!("event.name: [{}]", names.iter().map(|n| NAMES[*n]).collect::<Vec<_>>().join(", ")));
    let absent = (0..FIELDS.len(), any::<bool>())
        .prop_map(|(field, is)| if is { format!("{}: null", FIELDS[field]) } else { format!("{}|exists: true", FIELDS[field]) });
    prop_oneof![4 => plain, 2 => name, 1 => absent]
}

fn selection() -> impl Strategy<Value = String> {
    let map = prop::collection::vec(item(), 1..3).prop_map(|items| format!("{{ {} }}", items.join(", ")));
    let list = prop::collection::vec(item(), 1..3)
        .prop_map(|items| format!("[{}]", items.iter().map(|i| format!("{{ {i} }}")).collect::<Vec<_>>().join(", ")));
    let words = prop::collection::vec(prop_oneof![Just("a"), Just("b*"), Just("é"), Just("true")], 1..3)
        .prop_map(|words| format!("[{}]", words.iter().map(|w| format!("'{w}'")).collect::<Vec<_>>().join(", ")));
    prop_oneof![4 => map, 2 => list, 1 => words]
}

fn condition() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("s0".to_owned()),
        Just("s1".to_owned()),
        Just("s2".to_owned()),
        Just("1 of s*".to_owned()),
        Just("2 of them".to_owned()),
        Just("all of s*".to_owned())
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} and {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} or {b})")),
            inner.prop_map(|a| format!("not {a}")),
        ]
    })
}

fn rule() -> impl Strategy<Value = String> {
    (selection(), selection(), selection(), condition()).prop_map(|(a, b, c, condition)| {
        format!("title: T\nlogsource: {{ category: container }}\ndetection:\n  s0: {a}\n  s1: {b}\n  s2: {c}\n  condition: {condition}\n")
    })
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        prop::sample::select(vec!["a", "A", "ab", "AxB", "b", "1", "TRUE", "", "É", "\u{212a}"]).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        prop::sample::select(vec![0i64, 1, 5]).prop_map(Value::from),
        Just(Value::Float(1.0)),
        prop::collection::vec(prop::sample::select(vec!["a", "ab", "é"]), 0..3).prop_map(Value::from),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    (0..NAMES.len(), prop::collection::vec(prop::option::of(value()), FIELDS.len())).prop_map(|(name, values)| {
        let kind = event::Kind::named(NAMES[name]).unwrap();
        let fields: Vec<(&str, Value)> = FIELDS
            .iter()
            .zip(values)
            .filter(|(field, _)| event::FieldId::named(field).is_some_and(|id| kind.has_field(id)))
            .filter_map(|(field, value)| value.map(|v| (*field, v)))
            .collect();
        derived(NAMES[name], 0, &fields)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn many_rules_at_once_say_what_each_says_alone(texts in prop::collection::vec(rule(), 1..12), events in prop::collection::vec(event(), 1..12)) {
        let (rules, _) = sigma::parse(&texts.join("---\n"), "t", 1);
        let set = Arc::new(RuleSet::compile(rules).0);
        let wanted = set.wanted();
        let mut matcher = Matcher::new(set.clone());
        for event in &events {
            let alone: Vec<usize> = (0..set.rules().len()).filter(|rule| explain(&set, event, *rule).held).collect();
            prop_assert!(alone.is_empty() || wanted[event.kind.index()]);
            prop_assert_eq!(matcher.matches(event), alone.clone());
            for rule in 0..set.rules().len() {
                let missing = nearest(&set, rule, [event]).map(|near| near.missing);
                prop_assert_eq!(missing == Some(0), alone.contains(&rule));
            }
        }
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in "(title: T\n|logsource: \\{ category: container \\}\n|detection:\n|correlation:\n|  s:\n|  condition: |s|not |\\(|\\)|1 of |them|---\n|- |\\{|\\}|\\[|a: |&a |\\*a |'|\"|\\||\n|:|  |null|container.name|re|cidr|base64offset|windash|\\\\|é|timespan: 1s\n|type: temporal\n|rules: ){0,60}") {
        let (rules, problems) = sigma::parse(&text, "t", 1);
        prop_assert!(!rules.is_empty() || problems.iter().any(|p| p.gravity == Gravity::Error) || text.trim().is_empty() || problems.is_empty());
        let set = Arc::new(RuleSet::compile(rules).0);
        let mut matcher = Matcher::new(set.clone());
        let event = native(r#"{"a":["x",{"b":null}]}"#);
        matcher.step(&event, &mut Vec::new());
        for rule in 0..set.rules().len() {
            let _ = explain(&set, &event, rule).to_string();
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(text in "\\PC{0,200}") {
        let _ = sigma::parse(&text, "t", 1);
    }
}

#[test]
fn an_explanation_reads_well() {
    let set = rules(
        r#"
title: Shell by a stranger
logsource: { category: container }
detection:
  selection:
    event.name: container.exec
    exec.shell: true
    exec.command_line|contains: [wget, curl]
  filter_user: { exec.user: ['0', root] }
  condition: selection and not filter_user
"#,
    );
    let event = derived("container.exec", 0, &[("exec.shell", true.into()), ("exec.command_line", "sh -c id".into())]);
    assert_eq!(
        explain(&set, &event, 0).to_string(),
        "\
✗ Shell by a stranger
  ✓ logsource   — is 'container.exec'
  ✗ all of
    ✗ selection
      ✓ event.name: 'container.exec'   — is 'container.exec'
      ✓ exec.shell: true   — is true
      ✗ exec.command_line|contains: ['wget', 'curl']   — is 'sh -c id'
    ✓ not
      ✗ filter_user
        ✗ exec.user: ['0', 'root']   — is absent
"
        .replace("logsource   — is 'container.exec'", "logsource   — is container.exec")
    );
    let far = derived("container.exec", 0, &[("exec.user", "root".into())]);
    let near = nearest(&set, 0, [&far, &event]).unwrap();
    assert_eq!((near.event, near.missing), (1, 1));
    assert_eq!(near.to_string(), "event 2 came closest; `exec.command_line|contains: ['wget', 'curl']` failed, the value is 'sh -c id'");
    assert!(nearest(&set, 0, [&native("{}"), &derived("container.created", 0, &[])]).is_none());
}

#[test]
fn hostile_rules_are_refused_in_bounded_time() {
    let deep = format!("title: T\nlogsource: {{}}\ndetection:\n  s: {}a{}\n  condition: s\n", "[".repeat(5000), "]".repeat(5000));
    let long = format!("title: T\nlogsource: {{}}\ndetection:\n  s: {{ a: b }}\n  condition: {}s\n", "not ".repeat(100_000));
    let many =
        format!("title: T\nlogsource: {{}}\ndetection:\n  s:\n    a|re:\n{}  condition: s\n", "    - '\\w{60}\\w{60}'\n".repeat(2000));
    let huge = "x".repeat(5 << 20);
    for text in [deep, long, many, huge] {
        let (rules, problems) = sigma::parse(&text, "t", 1);
        assert!(rules.is_empty() && problems.iter().any(|p| p.gravity == Gravity::Error), "{}", shown(&problems[..1]));
    }
    let chain: String = (0..2000)
        .map(|n| format!("title: C{n}\nname: c{n}\ncorrelation: {{ type: temporal, rules: [c{}], timespan: 1s }}\n---\n", n + 1))
        .collect();
    let (rules, _) = sigma::parse(&chain, "t", 1);
    let (set, _) = RuleSet::compile(rules);
    let _ = explain(&set, &native("{}"), 0).to_string();
}
