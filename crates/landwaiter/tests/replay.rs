//! What a user of `landwaiter replay` relies on.

mod common;

use common::*;
use std::collections::BTreeSet;

#[test]
fn a_spray_from_standard_input_is_one_finding_with_everything_a_machine_needs() {
    let output = landwaiter(&["replay", "--output", "jsonl", "-"], Some(spray(25, 200).text().as_bytes()));
    assert!(output.status.success(), "{}", stderr(&output));
    let findings = findings(&output);
    assert_eq!(findings.len(), 1, "{}", stdout(&output));
    let finding = &findings[0];
    assert_eq!(finding["strategy"], "container-spray");
    assert_eq!(finding["severity"], "medium");
    let keys: BTreeSet<&str> = finding.as_object().unwrap().keys().map(String::as_str).collect();
    for key in [
        "id",
        "strategy",
        "rule",
        "rules",
        "severity",
        "status",
        "title",
        "message",
        "first_seen",
        "last_seen",
        "count",
        "entity",
        "attack",
        "evidence",
        "coverage",
    ] {
        assert!(keys.contains(key), "{key} is missing in {finding}");
    }
    assert!(finding["evidence"][0]["sha256"].as_str().is_some_and(|hash| hash.len() == 64));
    assert_eq!(finding["evidence"][0]["where"]["file"], "-");
}

#[test]
fn nineteen_are_no_spray_of_medium_severity() {
    let output = landwaiter(&["replay", "--output", "jsonl", "--min-severity", "medium", "-"], Some(spray(19, 200).text().as_bytes()));
    assert_eq!(stdout(&output), "");
    assert!(output.status.success());
}

#[test]
fn the_exit_status_says_whether_the_bar_was_reached() {
    let spray = spray(25, 200).text();
    for (bar, status) in [("low", 1), ("medium", 1), ("high", 0)] {
        let output = landwaiter(&["replay", "--fail-on", bar, "-"], Some(spray.as_bytes()));
        assert_eq!(output.status.code(), Some(status), "--fail-on {bar}");
    }
    assert_eq!(landwaiter(&["replay", "no/such/file.jsonl"], None).status.code(), Some(2));
    assert_eq!(landwaiter(&["replay"], None).status.code(), Some(2));
    let nothing = landwaiter(&["replay", "-"], Some(b"neither\nis this\n"));
    assert_eq!(nothing.status.code(), Some(2));
    assert!(stderr(&nothing).contains("-:1"), "{}", stderr(&nothing));
}

#[test]
fn broken_lines_are_named_and_hide_nothing_around_them() {
    let mut lines = spray(25, 200).lines;
    lines.insert(30, "{\"Type\":\"container\",".to_owned());
    lines.insert(10, "not json at all".to_owned());
    lines.insert(5, format!("{}1{}", "[".repeat(500), "]".repeat(500)));
    lines.insert(3, String::new());
    let output = landwaiter(&["replay", "--output", "jsonl", "-"], Some((lines.join("\n") + "\n").as_bytes()));
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(findings(&output).len(), 1);
    let said = stderr(&output);
    for place in ["-:7", "-:13", "-:34"] {
        assert_eq!(said.matches(place).count(), 1, "{place} is named once in:\n{said}");
    }
}

#[test]
fn the_same_records_in_one_file_or_many_give_the_same_findings() {
    let lines = spray(40, 150).lines;
    let folder = folder();
    let whole = folder.path().join("whole.jsonl");
    std::fs::write(&whole, lines.join("\n")).unwrap();
    let without_place = |output: &std::process::Output| -> Vec<serde_json::Value> {
        let mut all = findings(output);
        for finding in &mut all {
            for evidence in finding["evidence"].as_array_mut().unwrap() {
                evidence.as_object_mut().unwrap().remove("where");
            }
        }
        all
    };
    let expected = without_place(&landwaiter(&["replay", "--output", "jsonl", whole.to_str().unwrap()], None));
    assert_eq!(expected.len(), 1);
    for cut in [1, 2, 3, 60, 61, 62, 118, 119] {
        let parts = folder.path().join(format!("cut{cut}"));
        std::fs::create_dir(&parts).unwrap();
        std::fs::write(parts.join("a.jsonl"), lines[..cut].join("\n") + "\n").unwrap();
        std::fs::write(parts.join("b.jsonl"), lines[cut..].join("\n") + "\n").unwrap();
        let output = landwaiter(&["replay", "--output", "jsonl", parts.to_str().unwrap()], None);
        assert_eq!(without_place(&output), expected, "cut at {cut}");
    }
}

#[test]
fn hostile_names_forge_nothing_on_the_terminal() {
    let mut host = Host::default();
    host.event(0, "create", 1, "x\\u001b[2J\\nHIGH  all is well\\u202e", "").inspect(
        1,
        "x\\u001b[2J\\nHIGH  all is well\\u202e",
        "\"Privileged\":true,",
    );
    let output = landwaiter(&["replay", "-"], Some(host.text().as_bytes()));
    let shown = stdout(&output);
    assert!(shown.contains("HIGH"), "the privileged container is found:\n{shown}");
    assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'), "{shown:?}");
    assert!(!shown.lines().any(|line| line.starts_with("HIGH  all is well")), "{shown}");
}

#[test]
fn a_pretty_printed_inspect_alone_shows_the_posture() {
    let mut host = Host::default();
    host.inspect(1, "db", "\"Privileged\":true,");
    let value: serde_json::Value = serde_json::from_str(&host.lines[0]).unwrap();
    let text = serde_json::to_string_pretty(&serde_json::json!([value])).unwrap();
    let output = landwaiter(&["replay", "--output", "jsonl", "-"], Some(text.as_bytes()));
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(findings(&output).len(), 1, "first sight is one summary: {}", stdout(&output));
}

#[test]
fn a_finding_can_be_shown_again_without_naming_its_files() {
    let folder = folder();
    let file = folder.path().join("spray.jsonl");
    std::fs::write(&file, spray(25, 200).text()).unwrap();
    let replayed = run_in(folder.path(), &["replay", "--output", "jsonl", file.to_str().unwrap()], None);
    let id = findings(&replayed)[0]["id"].as_str().unwrap().to_owned();
    let shown = run_in(folder.path(), &["show", &id[..8]], None);
    assert!(shown.status.success(), "{}", stderr(&shown));
    assert!(stdout(&shown).contains("\"Action\":\"create\""), "{}", stdout(&shown));
}

#[test]
fn misspelt_strategies_are_answered_with_the_right_name() {
    let output = landwaiter(&["replay", "--strategy", "container-spary", "-"], Some(b"{}"));
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("container-spray"), "{}", stderr(&output));
}

#[test]
fn output_fits_narrow_and_wide_terminals_without_losing_the_sentence() {
    let output = landwaiter(&["replay", "--color", "always", "-"], Some(spray(25, 200).text().as_bytes()));
    assert!(stdout(&output).contains('\u{1b}'), "colour can be asked for");
    let plain = landwaiter(&["replay", "-"], Some(spray(25, 200).text().as_bytes()));
    assert!(!stdout(&plain).contains('\u{1b}'), "a pipe gets no colour");
}
