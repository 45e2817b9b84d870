//! Rules and events for tests, made from a few words.
#![allow(dead_code)]

use event::dictionary::{self, FieldId, Kind};
use event::{Decoded, DerivedBuilder, Document, Event, Fields, Place, Provenance, SmolStr, Span, Time, Value};
use sigma::{Matcher, RuleSet};
use std::sync::Arc;

/// Compiles rules that must be free of errors.
pub fn rules(yaml: &str) -> Arc<RuleSet> {
    let (rules, problems) = sigma::parse(yaml, "test.yml", 1);
    assert!(!problems.iter().any(|p| p.gravity == event::Gravity::Error), "{}", shown(&problems));
    let (set, problems) = RuleSet::compile(rules);
    assert!(!problems.iter().any(|p| p.gravity == event::Gravity::Error), "{}", shown(&problems));
    Arc::new(set)
}

pub fn shown(problems: &[event::Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A derived event at so many milliseconds, with one record of its own as evidence.
pub fn derived(kind: &str, at_millis: i64, fields: &[(&str, Value)]) -> Event {
    let kind = Kind::named(kind).unwrap_or_else(|| panic!("there is no event {kind}"));
    let at = Time(0) + Span::millis(at_millis);
    let mut builder = DerivedBuilder::at(kind, "test", at, "host-1".into(), vec![record(at)]);
    for (name, value) in fields {
        builder = builder.with(FieldId::named(name).unwrap_or_else(|| panic!("there is no field {name}")), value.clone());
    }
    builder.build()
}

pub fn record(time: Time) -> Arc<Provenance> {
    let number = time.0.unsigned_abs() / 1_000_000 + 1;
    Arc::new(Provenance {
        time,
        source: "docker_events".into(),
        place: Place { file: "test".into(), number },
        raw: Arc::from(number.to_string().as_bytes()),
    })
}

/// A Docker event of the given JSON.
pub fn native(json: &str) -> Event {
    let decoded = Decoded {
        kind: dictionary::DOCKER_EVENT,
        time: Some(Time(0)),
        identity: None,
        subject: SmolStr::default(),
        document: Document::parse(json.as_bytes()).unwrap(),
        fact: None,
        truncated: false,
        duplicate_keys: false,
    };
    let at = Time(0);
    Event {
        kind: dictionary::DOCKER_EVENT,
        at,
        time: at,
        late_by: Span::ZERO,
        time_suspect: false,
        source: "docker_events".into(),
        host: "host-1".into(),
        subject: SmolStr::default(),
        fields: Fields::Native(Arc::new(decoded)),
        evidence: vec![record(at)],
    }
}

/// Names of the rules that match an event by themselves.
pub fn matching(set: &Arc<RuleSet>, event: &Event) -> Vec<String> {
    let mut matcher = Matcher::new(set.clone());
    matcher.matches(event).into_iter().map(|rule| set.rules()[rule].name.clone()).collect()
}
