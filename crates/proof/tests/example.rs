//! The example page of the documentation: every claim held, and each kind of lie found out.

use proof::{Options, Outcome, Verdict, test};
use std::path::{Path, PathBuf};
use strategy::Pack;

const PAGE: &str = include_str!("../../strategy/tests/pages/privileged-example.md");

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../strategy/tests/pages")
}

fn pack(text: &str) -> Pack {
    let (page, problems) = strategy::parse(text, "privileged-example.md");
    assert_eq!(problems, Vec::new());
    Pack::of(vec![page], &folder())
}

fn verdicts(text: &str) -> Vec<Verdict> {
    test(&pack(text), &Options::default())
}

/// The page with one change has this one claim that did not hold, for this reason.
fn check(from: &str, to: &str, slug: &str, reason: &str) -> Verdict {
    assert!(PAGE.contains(from), "the page holds {from:?}");
    let failed: Vec<Verdict> = verdicts(&PAGE.replacen(from, to, 1))
        .into_iter()
        .filter(|verdict| verdict.slug == slug && verdict.outcome != Outcome::Held)
        .collect();
    assert_eq!(failed.len(), 1, "{failed:#?}");
    assert!(failed[0].outcome.reason().contains(reason), "{}", failed[0]);
    failed[0].clone()
}

#[test]
fn every_claim_of_the_example_holds() {
    for verdict in verdicts(PAGE) {
        assert_eq!(verdict.outcome, Outcome::Held, "{verdict}");
    }
}

#[test]
fn a_validation_must_fire_once_as_the_fence_says() {
    check("{{container.name}} runs with all privileges\ncontainer.id", "{{container.name}} runs\ncontainer.id", "run", "the sentence is");
    check("high runs-privileged\n{{container.name}}", "medium runs-privileged\n{{container.name}}", "run", "the level is high");
    let verdict = check("| `one.jsonl` | 2 |", "| `none.jsonl` | 2 |", "run", "there is no recording");
    assert!(verdict.to_string().starts_with("privileged-example.md:"));
    let twice = "```toml\nrepeat = 2\n```\n\n```console\n$ docker create";
    check("```console\n$ docker create", twice, "run", "it fires 2 times");
}

#[test]
fn a_miss_names_the_nearest_event_and_what_failed() {
    let verdict =
        check("```console\n", "```toml\npatch = { \"HostConfig.Privileged\" = false }\n```\n\n```console\n", "run", "does not fire");
    assert!(verdict.notes.iter().any(|note| note.contains("container.privileged")), "{verdict}");
    assert!(verdict.composed.contains("HostConfig.Privileged = false"), "{verdict}");
}

#[test]
fn a_blind_spot_that_fires_is_out_of_date_and_can_be_moved() {
    let text = PAGE.replacen("patch = { \"HostConfig.Privileged\" = false }", "patch = { \"HostConfig.Privileged\" = true }", 1);
    let verdicts = verdicts(&text);
    let broken: Vec<&Verdict> = verdicts.iter().filter(|v| v.slug == "device" && v.claim == "blind spot").collect();
    assert!(broken[0].outcome.reason().contains("--move-closed"), "{}", broken[0]);
    let pack = pack(&text);
    let moved = proof::run::move_closed(&pack, &pack.strategies()[0]).unwrap();
    let (page, _) = strategy::parse(&moved, "privileged-example.md");
    assert_eq!(page.scenario("device").unwrap().claim, strategy::ClaimKind::Validation);
    let pack = Pack::of(vec![page], &folder());
    let blessed = proof::run::bless(&pack, &pack.strategies()[0]).unwrap();
    assert_eq!(blessed.matches("```finding\nhigh runs-privileged\n{{container.name}} runs with all privileges\n").count(), 2, "{blessed}");
}

#[test]
fn an_assumption_is_not_evaluated_and_needed() {
    let slug = "assumption-docker-container-is-read";
    let text = PAGE.replacen("sources: [docker_events, docker_container]", "sources: [docker_events]\nenrichment: [docker_container]", 1);
    let (page, _) = strategy::parse(&text, "privileged-example.md");
    let verdicts = test(&Pack::of(vec![page], &folder()), &Options::default());
    let verdict = verdicts.iter().find(|verdict| verdict.slug == slug).unwrap();
    assert!(verdict.outcome.reason().contains("add it to `sources`"), "{verdict}");
}

#[test]
fn a_false_positive_has_three_legs() {
    check("command = \"sleep 60\"", "command = \"sleep 61\"", "runner", "the context does not explain it");
    check(
        "\"Config.Cmd\" = [\"sh\"], \"Path\" = \"sh\", \"Args\" = []",
        "\"Config.Domainname\" = \"x\"",
        "runner",
        "explains the hostile change as well",
    );
    check(
        "```jsonl file=one.jsonl\n```\n",
        "```jsonl file=one.jsonl\n```\n\n```toml\npatch = { \"HostConfig.Privileged\" = false }\n```\n",
        "runner",
        "bare, it does not fire",
    );
}

#[test]
fn what_nothing_tests_is_untested_and_keeps_the_page_a_draft() {
    let text = PAGE.replacen("```jsonl file=one.jsonl\n```\n", "", 1);
    let verdicts = verdicts(&text);
    let runner = verdicts.iter().find(|verdict| verdict.slug == "runner").unwrap();
    assert!(matches!(runner.outcome, Outcome::Untested(_)), "{runner}");
    let status = verdicts.iter().find(|verdict| verdict.claim == "status").unwrap();
    assert!(status.outcome.reason().contains("it is a draft"), "{status}");
}

#[test]
fn a_term_that_no_claim_pins_survives_and_is_told_at_its_line() {
    let text = PAGE.replacen("    container.privileged: true\n", "    container.privileged: true\n    inspected: true\n", 1);
    let survivors: Vec<Verdict> = verdicts(&text).into_iter().filter(|v| v.claim == "mutation" && v.outcome != Outcome::Held).collect();
    assert_eq!(survivors.len(), 1, "{survivors:#?}");
    let line = text.lines().position(|line| line.contains("inspected: true")).unwrap() + 1;
    assert_eq!(survivors[0].line, line);
    let exempt =
        text.replacen("    inspected: true\n", "    inspected: true # equivalent: privileged is only known once it was inspected\n", 1);
    let exempt: Vec<Verdict> = verdicts(&exempt).into_iter().filter(|v| v.claim == "mutation" && v.outcome != Outcome::Held).collect();
    assert!(matches!(exempt[0].outcome, Outcome::Skipped(_)), "{exempt:#?}");
}

#[test]
fn the_order_of_verdicts_does_not_depend_on_threads() {
    let pages = (0..5)
        .map(|n| strategy::parse(PAGE, &format!("p{n}.md")).0)
        .map(|page| strategy::Strategy { id: "privileged-example".into(), ..page });
    let pack = Pack::of(pages.collect(), &folder());
    let run = |threads| test(&pack, &Options { threads, ..Options::default() });
    assert_eq!(run(1), run(4));
}

#[test]
fn an_assumption_may_bring_a_recording_of_its_own() {
    let lost = format!(
        r#"{{"landwaiter":1,"source":"sensor","host":"h","arrived":1795530320000000000,"data":{}}}"#,
        String::from_utf8_lossy(&source::write_note(
            &event::fact::SensorNote { of: "docker_events".into(), note: event::fact::Sight::Lost { reason: "broken pipe".into() } },
            event::Time(1795530320000000000)
        ))
    );
    let own = format!("Events do not carry the configuration.\n\n```jsonl file=one.jsonl\n```\n\n```jsonl\n{lost}\n```\n");
    let text = PAGE.replacen("Events do not carry the configuration.\n", &own, 1);
    let verdicts = verdicts(&text);
    let verdict = verdicts.iter().find(|verdict| verdict.claim == "assumption").unwrap();
    assert_eq!(verdict.outcome, Outcome::Held, "{verdict}");
    check(
        "Events do not carry the configuration.\n",
        "Events.\n\n```jsonl file=one.jsonl\n```\n",
        "assumption-docker-container-is-read",
        "counts as evaluated",
    );
}

#[test]
fn an_umbrella_is_judged_by_what_it_binds() {
    let umbrella = "---\nkind: umbrella\nstatus: draft\nbinds: [privileged-example]\n---\n\n# All\n\n## Validation\n\n### Privileged\n\n\
```jsonl file=privileged-example/one.jsonl\n```\n\n```finding\nhigh privileged-example/runs-privileged\n{{container.name}} runs with all privileges\n\
container.id: …\ncontainer.name: …\n```\n\n## Priority\n\n| level | when | rule |\n|---|---|---|\n| high | always | `privileged-example/runs-privileged` |\n";
    let pages = vec![strategy::parse(PAGE, "privileged-example.md").0, strategy::parse(umbrella, "all.md").0];
    let pack = Pack::of(pages, &folder());
    let verdicts = test(&pack, &Options { strategies: vec!["all".to_owned()], ..Options::default() });
    assert_eq!(verdicts.len(), 2);
    assert!(verdicts.iter().all(|verdict| verdict.outcome == Outcome::Held), "{verdicts:#?}");
}

#[test]
fn moving_a_recording_in_time_changes_no_verdict() {
    let settings = ["shift = \"3d\"", "shift = -3600", "stretch = 7", "stretch = 0.5\nshift = \"2h\""];
    for setting in settings {
        let text = PAGE.replacen("```console\n", &format!("```toml\n{setting}\n```\n\n```console\n"), 1);
        let verdicts = verdicts(&text);
        let run = verdicts.iter().find(|verdict| verdict.slug == "run").unwrap();
        assert_eq!(run.outcome, Outcome::Held, "{setting}: {run}");
    }
}

#[test]
fn verdicts_are_one_json_object_each() {
    let verdict = check("{{container.name}} runs with all privileges\ncontainer.id", "nonsense\ncontainer.id", "run", "the sentence is");
    let json = serde_json::to_value(&verdict).unwrap();
    assert_eq!((json["outcome"].as_str(), json["claim"].as_str()), (Some("broken"), Some("validation")));
    assert!(json["reason"].as_str().is_some_and(|reason| reason.contains("nonsense")));
}
