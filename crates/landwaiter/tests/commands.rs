//! The commands beside replay and watch, as a user runs them.

mod common;

use common::*;
use std::path::Path;

/// A host where a privileged container stands already: only its inspect answer is known.
fn standing() -> String {
    let mut host = Host::default();
    host.inspect(1, "runner", "\"Privileged\":true,").inspect(2, "web", "");
    host.text()
}

#[test]
fn what_stands_is_listed_and_what_is_accepted_is_explained_until_it_goes_further() {
    let folder = folder();
    let file = folder.path().join("standing.jsonl");
    std::fs::write(&file, standing()).unwrap();
    let path = file.to_str().unwrap();

    let listed = landwaiter(&["posture", path], None);
    assert!(listed.status.success(), "{}", stderr(&listed));
    assert!(stdout(&listed).contains("runner") && stdout(&listed).contains("privileged"), "{}", stdout(&listed));
    assert!(!stdout(&listed).contains("web"), "what is ordinary is counted, not listed: {}", stdout(&listed));

    let accepted = landwaiter(&["posture", "accept", "--owner", "ci", "--reason", "nested engine", "--from", path], None);
    assert!(accepted.status.success(), "{}", stderr(&accepted));
    let context = folder.path().join("context.toml");
    std::fs::write(&context, stdout(&accepted)).unwrap();
    let context = context.to_str().unwrap();

    let bare = landwaiter(&["replay", "--output", "jsonl", path], None);
    assert_eq!(findings(&bare).len(), 1, "{}", stdout(&bare));
    let explained = landwaiter(&["replay", "--output", "jsonl", "--context", context, path], None);
    assert_eq!(stdout(&explained), "", "accepted");

    // The same image and command with more than was accepted.
    let further = standing().replace("\"Privileged\":true,", "\"Privileged\":true,\"PidMode\":\"host\",");
    let output = landwaiter(&["replay", "--output", "jsonl", "--context", context, "-"], Some(further.as_bytes()));
    assert_eq!(findings(&output).len(), 1, "{}", stdout(&output));
}

#[test]
fn a_context_of_names_is_refused_with_what_to_write_instead() {
    let folder = folder();
    let file = folder.path().join("context.toml");
    std::fs::write(&file, "[[workload]]\nname = \"runner\"\nowner = \"ci\"\nreason = \"because\"\nexpires = 2027-01-01\n").unwrap();
    let output = landwaiter(&["replay", "--context", file.to_str().unwrap(), "-"], Some(standing().as_bytes()));
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(said.contains("context.toml:") && said.contains("image"), "{said}");
}

#[test]
fn a_rule_with_mistakes_is_answered_line_by_line() {
    let folder = folder();
    let file = folder.path().join("odd.yml");
    std::fs::write(
        &file,
        "title: Odd\nstatus: test\nlogsource:\n  category: container\ndetection:\n  selection:\n    event.name: container.appeared\n    contaner.privileged: true\n  condition: selektion\n",
    )
    .unwrap();
    let output = landwaiter(&["sigma", "check", file.to_str().unwrap()], None);
    assert_eq!(output.status.code(), Some(1));
    let said = stdout(&output);
    assert!(said.contains("odd.yml:8") && said.contains("container.privileged"), "{said}");
    assert!(said.contains("selektion"), "all mistakes at once: {said}");
}

#[test]
fn a_miss_is_explained_by_the_predicate_that_failed() {
    let folder = folder();
    let rule = folder.path().join("shared.yml");
    std::fs::write(
        &rule,
        "title: Shares the host's processes\nname: shares-pid\nstatus: test\nlevel: medium\nlogsource:\n  category: container\ndetection:\n  selection:\n    event.name: container.appeared\n    container.namespaces.host: pid\n  condition: selection\n",
    )
    .unwrap();
    let recording = folder.path().join("spray.jsonl");
    std::fs::write(&recording, spray(2, 100).text()).unwrap();
    let output = landwaiter(&["sigma", "explain", "shares-pid", recording.to_str().unwrap(), "--rules", rule.to_str().unwrap()], None);
    assert!(output.status.success(), "{}", stderr(&output));
    let said = stdout(&output);
    assert!(said.contains("nearest miss, by one predicate") && said.contains("container.namespaces.host"), "{said}");
}

#[test]
fn plain_sigma_rules_run_beside_the_shipped_strategies() {
    let folder = folder();
    let rule = folder.path().join("from-app.yml");
    std::fs::write(
        &rule,
        "title: Container of the application\nname: of-app\nstatus: test\nlevel: low\nlogsource:\n  product: docker\n  service: events\ndetection:\n  selection:\n    Type: container\n    Action: create\n    Actor.Attributes.image|startswith: registry.example/app\n  condition: selection\n",
    )
    .unwrap();
    let text = spray(2, 100).text();
    let output = landwaiter(&["replay", "--output", "jsonl", "--rules", rule.to_str().unwrap(), "-"], Some(text.as_bytes()));
    let found = findings(&output);
    assert_eq!(found.len(), 2, "one for each container: {}", stdout(&output));
    assert!(found.iter().all(|finding| finding["rule"] == "of-app"), "{}", stdout(&output));
}

#[test]
fn every_strategy_can_be_listed_shown_and_exported() {
    let listed = stdout(&landwaiter(&["strategy", "list"], None));
    for id in listed.lines().filter_map(|line| line.split_whitespace().next()) {
        let page = stdout(&landwaiter(&["strategy", "show", id], None));
        assert!(page.contains("## Goal"), "{id} has a page");
    }
    assert!(listed.lines().count() >= 16, "{listed}");
    let exported = landwaiter(&["strategy", "export", "container-spray"], None);
    assert!(stdout(&exported).contains("logsource:"), "{}", stdout(&exported));
}

#[test]
fn what_cannot_be_read_is_said_once_and_forgets_no_earlier_replay() {
    let folder = folder();
    let good = folder.path().join("spray.jsonl");
    std::fs::write(&good, spray(25, 100).text()).unwrap();
    assert!(run_in(folder.path(), &["replay", good.to_str().unwrap()], None).status.success());
    let id = findings(&run_in(folder.path(), &["replay", "--output", "jsonl", good.to_str().unwrap()], None))[0]["id"].clone();

    let absent = run_in(folder.path(), &["replay", "no-such-recording"], None);
    assert_eq!(absent.status.code(), Some(2));
    assert!(stderr(&absent).starts_with("landwaiter: could not read no-such-recording: "), "{}", stderr(&absent));
    let empty = folder.path().join("empty.jsonl");
    std::fs::write(&empty, "").unwrap();
    assert_eq!(run_in(folder.path(), &["replay", empty.to_str().unwrap()], None).status.code(), Some(2));

    let shown = run_in(folder.path(), &["show", id.as_str().unwrap()], None);
    assert!(shown.status.success(), "{}", stderr(&shown));
}

#[test]
fn a_full_disk_is_not_taken_for_success() {
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else {
        eprintln!("skipped: there is no /dev/full");
        return;
    };
    let ended = std::process::Command::new(env!("CARGO_BIN_EXE_landwaiter")).args(["strategy", "list"]).stdout(full).output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
    assert!(stderr(&ended).contains("could not write the results"), "{}", stderr(&ended));
}

#[test]
fn a_recording_is_never_overwritten_and_only_its_owner_reads_it() {
    let folder = folder();
    let kept = folder.path().join("kept.jsonl");
    std::fs::write(&kept, "evidence").unwrap();
    let nowhere = "unix:///nowhere/docker.sock";
    let refused = landwaiter(&["watch", "--record", kept.to_str().unwrap(), "--engine", nowhere], None);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("kept.jsonl: it is there already"), "{}", stderr(&refused));
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "evidence");

    let new = folder.path().join("new.jsonl");
    landwaiter(&["watch", "--record", new.to_str().unwrap(), "--engine", nowhere], None);
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&new).unwrap()) & 0o777, 0o600);
}

#[test]
fn a_line_that_speaks_for_the_collector_is_not_believed() {
    let mut lines = spray(25, 100).lines;
    let whole = findings(&landwaiter(&["replay", "--output", "jsonl", "-"], Some((lines.join("\n") + "\n").as_bytes())));
    lines.insert(
        9,
        r#"{"time":4102444800000000000,"of":"docker_events","note":{"Missed":{"object":"container","id":"x","reason":"y"}}}"#.to_owned(),
    );
    let output = landwaiter(&["replay", "--output", "jsonl", "-"], Some((lines.join("\n") + "\n").as_bytes()));
    assert!(stderr(&output).contains("skipped -:10: well-formed, but of no known format"), "{}", stderr(&output));
    let key = |found: &[serde_json::Value]| {
        found.iter().map(|f| (f["rule"].clone(), f["severity"].clone(), f["count"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(key(&findings(&output)), key(&whole));
}

#[test]
fn events_can_be_printed_for_those_who_write_rules() {
    let output = landwaiter(&["replay", "--output", "events", "-"], Some(spray(1, 0).text().as_bytes()));
    let kinds: Vec<String> = findings(&output).iter().filter_map(|event| event["kind"].as_str().map(str::to_owned)).collect();
    for kind in ["docker.event", "docker.container", "container.created", "container.appeared", "container.started"] {
        assert!(kinds.iter().any(|known| known == kind), "{kind} is not among {kinds:?}");
    }
}

#[test]
fn shells_can_complete_it() {
    for shell in ["bash", "zsh", "fish"] {
        let output = landwaiter(&["completions", shell], None);
        assert!(stdout(&output).contains("landwaiter"), "{shell}");
    }
}

#[test]
fn the_reference_pages_are_true() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = landwaiter(&["reference", root.join("docs/reference").to_str().unwrap(), "--check"], None);
    assert!(output.status.success(), "{}", stderr(&output));
}
