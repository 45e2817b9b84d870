//! Correlations in event time: windows, groups, episodes, evidence; and a naive reference that they must agree with.

mod common;

use common::{derived, rules};
use event::{Event, Signal, Value};
use proptest::prelude::*;
use sigma::{Matcher, RuleSet};
use std::sync::Arc;

const BASE: &str = r#"
title: Created
name: created
logsource: { category: container }
detection: { s: { event.name: container.created }, condition: s }
---
title: Started
name: started
logsource: { category: container }
detection: { s: { event.name: container.started }, condition: s }
---
title: Ended
name: ended
logsource: { category: container }
detection: { s: { event.name: container.ended }, condition: s }
---
"#;

fn set(correlation: &str) -> Arc<RuleSet> {
    rules(&format!("{BASE}title: C\nname: c\n{correlation}\n"))
}

fn event(kind: &str, seconds: i64, group: &str, id: &str) -> Event {
    derived(kind, seconds * 1000, &[("container.image.name", group.into()), ("container.id", id.into())])
}

/// Each signal as `name@seconds count`, with `+` when it continues.
fn run(set: &Arc<RuleSet>, events: &[Event]) -> Vec<String> {
    let mut matcher = Matcher::new(set.clone());
    let mut signals = Vec::new();
    events.iter().for_each(|event| matcher.step(event, &mut signals));
    signals.iter().map(|s| show(set, s)).collect()
}

fn show(set: &RuleSet, signal: &Signal) -> String {
    let more = if signal.continues { "+" } else { "" };
    format!("{}@{} {}{more}", set.rules()[signal.rule].name, signal.at.0 / 1_000_000_000, signal.count)
}

#[test]
fn the_window_is_open_behind_and_closed_in_front() {
    let set = set("correlation: { type: event_count, rules: created, timespan: 10s, condition: { gte: 3 } }");
    let at = |times: &[i64]| times.iter().map(|t| event("container.created", *t, "g", "i")).collect::<Vec<_>>();
    assert_eq!(run(&set, &at(&[0, 5, 9])), ["c@9 3"]);
    assert_eq!(run(&set, &at(&[0, 5, 10])), Vec::<String>::new());
    assert_eq!(run(&set, &at(&[0, 0, 0, 10, 10])), ["c@0 3"]);
    assert_eq!(run(&set, &at(&[0, 1, 2, 3, 20, 21, 22])), ["c@2 3", "c@3 4+", "c@22 3"]);
    // Just before 11 only 2 and 9 are left, so the third is a new episode although the last event still held.
    assert_eq!(run(&set, &at(&[0, 1, 2, 9, 11])), ["c@2 3", "c@9 4+", "c@11 3"]);
}

#[test]
fn groups_count_apart_and_an_absent_field_is_a_group() {
    let set =
        set("correlation: { type: event_count, rules: created, group-by: [container.image.name], timespan: 10s, condition: { gte: 2 } }");
    let absent = |t: i64| derived("container.created", t * 1000, &[]);
    let events = [
        event("container.created", 0, "a", ""),
        event("container.created", 1, "b", ""),
        absent(2),
        event("container.created", 3, "", ""),
        absent(4),
        event("container.created", 5, "a", ""),
    ];
    assert_eq!(run(&set, &events), ["c@4 2", "c@5 2"]);
    assert_eq!(set.rules()[3].entity, ["container.image.name"]);
    assert!(!set.rules()[0].speaks && set.rules()[1].speaks && set.rules()[3].speaks);
}

#[test]
fn different_values_are_counted_once_each() {
    let set = set(
        "correlation: { type: value_count, rules: created, group-by: [container.image.name], timespan: 10s, condition: { field: container.id, gte: 3 } }",
    );
    let at = |t, id: &str| event("container.created", t, "g", id);
    let events = [
        at(0, "1"),
        at(1, "1"),
        at(2, "2"),
        at(3, "1"),
        at(4, "3"),
        derived("container.created", 5_000, &[("container.image.name", "g".into())]),
        at(11, "2"),
    ];
    // At 11 only 2, 1, 3 and 2 are left: three values still; the event without the field is not counted.
    assert_eq!(run(&set, &events), ["c@4 5", "c@11 4+"]);
    let mut signals = Vec::new();
    let mut matcher = Matcher::new(set);
    events.iter().for_each(|event| matcher.step(event, &mut signals));
    assert_eq!(signals[0].value("value_count"), Some(&Value::Int(3)));
}

#[test]
fn temporal_wants_all_and_ordered_wants_them_in_order() {
    let text = "correlation: { type: KIND, rules: [created, started, ended], group-by: container.image.name, timespan: 10s }";
    let any = set(&text.replace("KIND", "temporal"));
    let ordered = set(&text.replace("KIND", "temporal_ordered"));
    let at = |kind: &str, t| event(&format!("container.{kind}"), t, "g", "");
    let forwards = [at("created", 0), at("started", 1), at("ended", 2), at("ended", 3)];
    let backwards = [at("ended", 0), at("started", 1), at("created", 2)];
    let late = [at("created", 0), at("started", 1), at("ended", 10)];
    assert_eq!(run(&any, &forwards), ["c@2 3", "c@3 4+"]);
    assert_eq!(run(&any, &backwards), ["c@2 3"]);
    assert_eq!(run(&any, &late), Vec::<String>::new());
    assert_eq!(run(&ordered, &forwards), ["c@2 3", "c@3 4+"]);
    assert_eq!(run(&ordered, &backwards), Vec::<String>::new());
    assert_eq!(run(&ordered, &late), Vec::<String>::new());
    // The first `created` has left the window, but a later one has come before `started`.
    assert_eq!(run(&ordered, &[at("created", 0), at("created", 5), at("started", 6), at("ended", 12)]), ["c@12 3"]);
    // … and here it came after `started`.
    assert_eq!(run(&ordered, &[at("created", 0), at("started", 4), at("created", 5), at("ended", 12)]), Vec::<String>::new());
}

#[test]
fn aliases_join_fields_of_different_names() {
    let set = rules(
        r#"
title: Made
name: made
logsource: { product: landwaiter, service: inventory }
detection: { s: { event.name: image.appeared }, condition: s }
---
title: Used
name: used
logsource: { category: container }
detection: { s: { event.name: container.created }, condition: s }
---
title: Made and used
name: c
correlation:
  type: temporal_ordered
  rules: [made, used]
  group-by: [image]
  timespan: 1h
  aliases: { image: { made: image.name, used: container.image.name } }
landwaiter: { message: '{{image}} by {{container.name}}' }
"#,
    );
    let made = derived("image.appeared", 0, &[("image.name", "x:1".into())]);
    let used = |t, image: &str| derived("container.created", t, &[("container.image.name", image.into()), ("container.name", "w".into())]);
    let mut signals = Vec::new();
    let mut matcher = Matcher::new(set.clone());
    [made, used(1000, "y:1"), used(2000, "x:1")].iter().for_each(|event| matcher.step(event, &mut signals));
    assert_eq!(signals.iter().map(|s| show(&set, s)).collect::<Vec<_>>(), ["c@2 2"]);
    assert_eq!(signals[0].value("image"), Some(&"x:1".into()));
    assert_eq!(signals[0].value("container.name"), Some(&"w".into()));
}

#[test]
fn rules_speak_beside_a_correlation_that_generates() {
    let text = "correlation: { type: event_count, rules: created, timespan: 10s, condition: { gte: 2 }GEN }";
    let events = [event("container.created", 0, "", ""), event("container.created", 1, "", "")];
    assert_eq!(run(&set(&text.replace("GEN", ", generate: true")), &events), ["created@0 1", "created@1 1", "c@1 2"]);
    assert_eq!(run(&set(&text.replace("GEN", "")), &events), ["c@1 2"]);
}

#[test]
fn correlations_count_correlations() {
    let set =
        set(r#"correlation: { type: event_count, rules: created, group-by: container.image.name, timespan: 10s, condition: { gte: 2 } }
---
title: D
name: d
correlation: { type: event_count, rules: c, timespan: 100s, condition: { gte: 2 } }
---
title: E
name: e
correlation: { type: temporal_ordered, rules: [c, ended], group-by: container.image.name, timespan: 5s }"#);
    let at = |t, group: &str| event("container.created", t, group, "");
    // Two episodes of `c` make `d`; an episode that continues is still one.
    let events = [at(0, "a"), at(1, "a"), at(2, "a"), at(20, "b"), at(21, "b")];
    assert_eq!(run(&set, &events), ["d@21 2"]);
    // `e` asks whether `c` held within five seconds, and it still did at 9.
    let events = [at(0, "a"), at(1, "a"), at(9, "a"), event("container.ended", 12, "a", "")];
    assert_eq!(run(&set, &events), ["e@12 2"]);
}

#[test]
fn a_signal_cites_the_first_ten_and_the_last_ten() {
    let set = set("correlation: { type: event_count, rules: created, timespan: 1000s, condition: { gte: 50 } }");
    let mut matcher = Matcher::new(set);
    let mut signals = Vec::new();
    (0..500).for_each(|t| matcher.step(&event("container.created", t, "", ""), &mut signals));
    let seconds = |signal: &Signal| signal.evidence.iter().map(|r| r.time.0 / 1_000_000_000).collect::<Vec<_>>();
    assert_eq!(seconds(&signals[0]), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49]);
    let last = signals.last().unwrap();
    assert_eq!(seconds(last), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 490, 491, 492, 493, 494, 495, 496, 497, 498, 499]);
    assert_eq!((last.count, last.first.0 / 1_000_000_000, last.last.0 / 1_000_000_000), (500, 0, 499));
}

#[test]
fn one_unexplained_event_leaves_the_whole_unexplained() {
    let set = set("correlation: { type: event_count, rules: created, timespan: 10s, condition: { gte: 2 } }");
    let at = |t: i64, explained: &str| derived("container.created", t * 1000, &[("explained", explained.into())]);
    let explained = |events: &[Event]| {
        let (mut matcher, mut signals) = (Matcher::new(set.clone()), Vec::new());
        events.iter().for_each(|event| matcher.step(event, &mut signals));
        signals.last().unwrap().explained.clone()
    };
    assert_eq!(explained(&[at(0, "known"), at(1, "known")]).as_deref(), Some("known"));
    assert_eq!(explained(&[at(0, "unknown"), at(1, "known")]), None);
    assert_eq!(explained(&[at(0, "known"), at(1, "contradicted")]).as_deref(), Some("contradicted"));
    assert_eq!(explained(&[at(0, "unknown"), at(9, "known"), at(11, "known")]).as_deref(), Some("known"));
}

#[test]
fn a_flood_of_groups_is_bounded_and_counted() {
    let set = set("correlation: { type: event_count, rules: created, group-by: container.id, timespan: 1d, condition: { gte: 2 } }");
    let mut matcher = Matcher::new(set.clone());
    let mut signals = Vec::new();
    let flood = 20_000;
    (0..flood).for_each(|n| matcher.step(&event("container.created", 1, "", &n.to_string()), &mut signals));
    let pressure = matcher.pressure();
    assert!(signals.is_empty());
    assert!(pressure.groups > 0 && pressure.groups < flood, "{pressure:?}");
    // The newest are still there, the oldest are gone.
    matcher.step(&event("container.created", 2, "", "0"), &mut signals);
    assert!(signals.is_empty());
    matcher.step(&event("container.created", 2, "", &(flood - 1).to_string()), &mut signals);
    assert_eq!(signals.len(), 1);
    // When the window is over nothing is left to forget.
    matcher.step(&event("container.created", 200_000, "", "x"), &mut signals);
    assert!(matcher.freeze().len() < 1000);
}

#[test]
fn state_of_a_changed_rule_is_not_taken_back() {
    let text = "correlation: { type: event_count, rules: created, timespan: 10s, condition: { gte: 2 } }";
    let changed = [text.replace("10s", "11s"), format!("{text}\n# only a comment")];
    let mut before = Matcher::new(set(text));
    before.step(&event("container.created", 0, "", ""), &mut Vec::new());
    let frozen = before.freeze();
    for (text, expected) in changed.iter().zip([0, 1]) {
        let mut after = Matcher::new(set(text));
        after.thaw(&frozen).unwrap();
        let mut signals = Vec::new();
        after.step(&event("container.created", 1, "", ""), &mut signals);
        assert_eq!(signals.len(), expected, "{text}");
    }
    assert!(before.thaw(b"not a state").is_err());
    assert_eq!(before.freeze(), frozen);
}

/// An event of the property tests: which rule, seconds since the last event, group, value.
type Step = (usize, i64, u8, u8);

const KINDS: [&str; 3] = ["container.created", "container.started", "container.ended"];

fn events(steps: &[Step]) -> Vec<Event> {
    let mut at = 0;
    steps
        .iter()
        .map(|(kind, wait, group, value)| {
            at += wait;
            event(KINDS[*kind], at, &format!("g{group}"), &format!("v{value}"))
        })
        .collect()
}

/// What the specification says, without any state: looks at the whole past for every event. Gives (position, count, continues).
fn reference(steps: &[Step], span: i64, holds: &dyn Fn(&[Step]) -> bool) -> Vec<(usize, u64, bool)> {
    let mut times = Vec::new();
    let mut at = 0;
    steps.iter().for_each(|step| {
        at += step.1;
        times.push(at);
    });
    let mut found = Vec::new();
    for now in 0..steps.len() {
        let window: Vec<Step> =
            (0..=now).filter(|i| times[*i] > times[now] - span && steps[*i].2 == steps[now].2).map(|i| steps[i]).collect();
        if holds(&window) {
            let before = &window[..window.len() - 1];
            found.push((now, window.len() as u64, !before.is_empty() && holds(before)));
        }
    }
    found
}

fn actual(set: &Arc<RuleSet>, events: &[Event], thaw_each: bool) -> Vec<(usize, u64, bool)> {
    let mut matcher = Matcher::new(set.clone());
    let mut found = Vec::new();
    for (index, event) in events.iter().enumerate() {
        let mut signals = Vec::new();
        matcher.step(event, &mut signals);
        found.extend(signals.iter().map(|s| (index, s.count, s.continues)));
        if thaw_each {
            let frozen = matcher.freeze();
            matcher = Matcher::new(set.clone());
            matcher.thaw(&frozen).unwrap();
            assert_eq!(matcher.freeze(), frozen, "thawing changed the state");
        }
    }
    found
}

/// Whether the kinds 0, 1, 2 occur in this order.
fn in_order(window: &[Step]) -> bool {
    let mut next = 0;
    window.iter().for_each(|step| next += usize::from(step.0 == next));
    next == 3
}

fn distinct(window: &[Step], of: impl Fn(&Step) -> usize) -> usize {
    window.iter().map(of).collect::<std::collections::BTreeSet<_>>().len()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn windows_agree_with_the_specification(steps in prop::collection::vec((0..3usize, 0..6i64, 0..2u8, 0..4u8), 0..60), n in 1..5usize) {
        let events = events(&steps);
        type Comparison = (&'static str, fn(usize, usize) -> bool);
        let comparisons: [Comparison; 6] =
            [("gte", |a, b| a >= b), ("gt", |a, b| a > b), ("lte", |a, b| a <= b), ("lt", |a, b| a < b), ("eq", |a, b| a == b), ("neq", |a, b| a != b)];
        for (word, compare) in comparisons {
            for (condition, kind, count) in [
                (format!("{{ {word}: {n} }}"), "event_count", (|w: &[Step]| w.len()) as fn(&[Step]) -> usize),
                (format!("{{ field: container.id, {word}: {n} }}"), "value_count", |w| distinct(w, |s| s.3.into())),
                (format!("{{ {word}: {n} }}"), "temporal", |w| distinct(w, |s| s.0)),
            ] {
                let set = set(&format!("correlation: {{ type: {kind}, rules: [created, started, ended], group-by: container.image.name, timespan: 10s, condition: {condition} }}"));
                prop_assert_eq!(actual(&set, &events, false), reference(&steps, 10, &|w| compare(count(w), n)), "{} {} {}", kind, word, n);
            }
        }
        let ordered = set("correlation: { type: temporal_ordered, rules: [created, started, ended], group-by: container.image.name, timespan: 10s }");
        prop_assert_eq!(actual(&ordered, &events, false), reference(&steps, 10, &in_order));
    }

    #[test]
    fn stopping_at_any_event_changes_nothing(steps in prop::collection::vec((0..3usize, 0..6i64, 0..2u8, 0..4u8), 0..40)) {
        let set = set(r#"correlation: { type: value_count, rules: [created, started], group-by: container.image.name, timespan: 10s, condition: { field: container.id, gte: 2 } }
---
title: D
correlation: { type: temporal_ordered, rules: [created, c, ended], timespan: 20s }"#);
        let events = events(&steps);
        let full = |thaw_each| {
            let mut matcher = Matcher::new(set.clone());
            let mut signals = Vec::new();
            for event in &events {
                matcher.step(event, &mut signals);
                if thaw_each {
                    let frozen = matcher.freeze();
                    matcher = Matcher::new(set.clone());
                    matcher.thaw(&frozen).unwrap();
                }
            }
            signals
        };
        prop_assert_eq!(full(true), full(false));
        actual(&set, &events, true);
    }

    #[test]
    fn thawing_garbage_is_an_error_or_a_state(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let set = set("correlation: { type: event_count, rules: created, timespan: 10s, condition: { gte: 2 } }");
        let mut matcher = Matcher::new(set);
        let _ = matcher.thaw(&bytes);
        matcher.step(&event("container.created", 0, "", ""), &mut Vec::new());
    }
}
