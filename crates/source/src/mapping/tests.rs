use super::*;
use event::Time;
use event::fact::{ContainerAction, Fact};
use event::flow::FlowOutcome;
use proptest::prelude::*;

const QUAYD: &str = include_str!("../../../../examples/sources.d/quayd.yml");
const SAMPLES: &str = include_str!("../../../../examples/sources.d/quayd.jsonl");

fn mapping(text: &str) -> Mapping {
    let (mapping, problems) = Mapping::parse(text, "m.yml");
    mapping.unwrap_or_else(|| panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))
}

fn read(text: &str, record: &str) -> Decoded {
    let mut mappings = Mappings::default();
    mappings.add(mapping(text));
    let mut name = SmolStr::default();
    let answer = mappings.decode(record.as_bytes(), &mut name).unwrap_or_else(|| panic!("{record} is not recognised"));
    answer.unwrap_or_else(|error| panic!("{record}: {}", error.reason))
}

#[test]
fn the_example_of_the_documents_reads_its_samples() {
    let facts: Vec<Option<Fact>> = SAMPLES.lines().map(|line| read(QUAYD, line).fact).collect();
    let Some(Fact::Container(created)) = &facts[0] else { panic!("{facts:?}") };
    assert_eq!((created.action.clone(), created.name.as_str()), (ContainerAction::Create, "web"));
    let spec = created.spec.as_ref().expect("a creation says what is created");
    assert!(spec.privileged && spec.network_mode == "host");
    assert_eq!((spec.cpu_limit, spec.memory_limit), (Some(0.5), Some(536_870_912)));
    assert_eq!((spec.mounts[0].source.as_str(), spec.mounts[0].writable), ("/etc", false));
    assert!(facts.iter().any(|fact| matches!(fact, Some(Fact::Flow(flow)) if flow.outcome == FlowOutcome::Refused)));
    assert!(facts.iter().any(|fact| matches!(fact, Some(Fact::Process(_)))));
}

#[test]
fn lines_of_words_and_tables_are_read_as_well() {
    let logfmt = "name: boatd\nformat: logfmt\nrecognise: { app: boatd }\ntime: { path: ts, format: ms }\nkind: { path: msg, values: { up: container.start } }\ncontainer: { id: box, name: name }\n";
    let decoded = read(logfmt, r#"app=boatd ts=1795527678072 msg=up box=b1 name="a \"quoted\" one" quiet"#);
    assert_eq!(decoded.time, Some(Time(1_795_527_678_072_000_000)));
    let Some(Fact::Container(event)) = decoded.fact else { panic!("{decoded:?}") };
    assert_eq!((event.id.as_str(), event.name.as_str(), event.runtime.as_str()), ("b1", "a \"quoted\" one", "boatd"));

    let csv = "name: ferryd\nformat: csv\ncolumns: [when, what, from, to, port]\nrecognise: { what: flow }\ntime: { path: when, format: s }\nkind: flow\nflow: { source: { address: from }, destination: { address: to, port: port } }\n";
    let Some(Fact::Flow(flow)) = read(csv, "1795527678,flow,10.0.0.1,\"10.0.0.2\",443").fact else { panic!("no flow") };
    assert_eq!((flow.destination.address.as_str(), flow.destination.port), ("10.0.0.2", 443));
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_place() {
    let text = "name: Bad Name\nwitnes: runtime\nformat: json\nrecognise:\n  a: { exist: true }\ntime: { path: t, format: minutes }\nkind: { path: k, values: { up: container.begin } }\ncontainer:\n  nmae: n\n  limits: { cpu: { path: c, unit: cups } }\n";
    let (mapping, problems) = Mapping::parse(text, "m.yml");
    assert!(mapping.is_none());
    let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    for expected in [
        "m.yml:1:7: error[name]",
        "m.yml:2:1: error[unknown-key]: has the unknown key `witnes` (did you mean `witness`?)",
        "error[unknown-key]: has the unknown key `exist`",
        "error[time-format]",
        "error[unknown-kind]",
        "(did you mean `container.name`?)",
        "error[unit]",
    ] {
        assert!(shown.iter().any(|line| line.contains(expected)), "{expected} is not in {shown:#?}");
    }
    for (text, code) in [
        ("a: [", "yaml"),
        ("[]", "no-mapping"),
        ("name: docker_events\nrecognise: { a: b }\nkind: ignore\n", "name-taken"),
        ("name: x\nrecognise: { a: { exists: false } }\nkind: ignore\n", "recognises-all"),
        ("name: x\nrecognise: { a: b }\nkind: flow\n", "no-field"),
        ("name: x\nformat: csv\nrecognise: { a: b }\nkind: ignore\n", "no-columns"),
        ("name: x\nrecognise: { a: b }\nkind: ignore\ntime: { path: t, format: '%H:%M' }\n", "no-date"),
    ] {
        let (mapping, problems) = Mapping::parse(text, "m.yml");
        assert!(mapping.is_none() && problems.iter().any(|problem| problem.code == code && problem.line > 0), "{code}: {problems:?}");
    }
}

#[test]
fn a_built_in_source_keeps_its_records() {
    let greedy = mapping("name: greedy\nrecognise: { Type: { exists: true } }\nkind: ignore\n");
    let look = greedy.look(crate::docker_events::SOURCE.sample.as_bytes());
    assert_eq!((look.source.as_str(), look.problem.as_str()), ("docker_events", "is taken by the built-in source docker_events"));
}

#[test]
fn a_look_says_what_stands_where_and_what_is_missing() {
    let quayd = mapping(QUAYD);
    let look = quayd.look(SAMPLES.lines().next().unwrap().as_bytes());
    assert_eq!((look.source.as_str(), look.kind, look.problem.as_str()), ("quayd_events", "container.create", ""));
    assert!(
        look.fields.iter().any(|seen| seen.field == "container.image" && seen.value.as_deref() == Some("\"quay.example/web:2\"")),
        "{look:#?}"
    );
    assert!(look.fields.iter().any(|seen| seen.value.is_none()), "{look:#?}");
    let without = quayd.look(br#"{"quayd":"1","event":"box-up","at":"2026-11-24T13:41:18Z","box":{}}"#);
    assert_eq!(without.problem, "lacks container.id at box.id");
}

proptest! {
    #[test]
    fn any_text_is_survived_as_a_mapping(text in "([a-z]{0,9}: ?[\\[{a-z0-9'\":,%}\\]é-]{0,20}\n( ?- ?)?){0,8}") {
        let _ = Mapping::parse(&text, "m.yml");
    }

    /// A mapping spoilt in one place is refused or reads records, and never more than that.
    #[test]
    fn any_spoilt_mapping_is_survived(at in any::<prop::sample::Index>(), with in "[a-z:\\[{} \n'0-9%]{0,6}") {
        let mut text: Vec<char> = QUAYD.chars().collect();
        let at = at.index(text.len());
        text.splice(at..(at + 3).min(text.len()), with.chars());
        let (mapping, problems) = Mapping::parse(&text.into_iter().collect::<String>(), "m.yml");
        prop_assert!(mapping.is_some() || problems.iter().any(|problem| problem.gravity == Gravity::Error));
        if let Some(mapping) = mapping {
            SAMPLES.lines().for_each(|line| drop(mapping.look(line.as_bytes())));
        }
    }

    #[test]
    fn any_line_is_survived_by_tables(line in "[a-z=,\"\\\\ é0-9]{0,60}") {
        let _ = table::logfmt(&line);
        let _ = table::row(&line, ',');
    }
}
