//! The live commands on a real engine. Each test says that it was skipped where there is none.

mod bench;
#[path = "../../source/tests/support/cable.rs"]
mod cable;
mod common;

use bench::{Bench, Beside, wait_until};
use cable::Cable;
use common::{findings, folder, landwaiter, stderr, stdout};
use serde_json::Value;
use source::collect::Address;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A watch that is already listening.
fn watch(tape: &Path, engine: &Address) -> Beside {
    let (tape_name, engine) = (tape.to_str().expect("a path"), engine.to_string());
    let beside = Beside::start(&["watch", "--output", "jsonl", "--record", tape_name, "--engine", &engine]);
    wait_until("the first list", || std::fs::read_to_string(tape).is_ok_and(|text| text.contains(r#""docker_volumes""#)));
    beside
}

/// The last state of each finding, without the places of its evidence, which differ between a socket and a file.
fn table(findings: Vec<Value>) -> BTreeMap<String, Value> {
    let mut table = BTreeMap::new();
    for mut finding in findings {
        for evidence in finding["evidence"].as_array_mut().expect("evidence") {
            evidence.as_object_mut().expect("an object").remove("where");
        }
        table.insert(finding["id"].as_str().expect("an id").to_owned(), finding);
    }
    table
}

fn of<'a>(findings: &'a [Value], strategy: &str, text: &str) -> Option<&'a Value> {
    findings.iter().find(|finding| finding["strategy"] == strategy && finding.to_string().contains(text))
}

#[test]
fn what_was_watched_replays_to_the_same_findings() {
    let Some(bench) = Bench::find("watched") else { return };
    let folder = folder();
    let tape = folder.path().join("tape.jsonl");
    let watch = watch(&tape, bench.client.address());
    for number in 1..=23 {
        bench.create(&format!("spray-{number}"), "{}", "sleep 300");
    }
    bench.create("privileged", r#"{"Privileged":true}"#, "true");
    let service = bench.create("service", r#"{"NanoCpus":500000000,"Memory":67108864}"#, "sleep 60");
    bench.start(&service);
    bench.post(&format!("/containers/{service}/update"), Some(r#"{"NanoCpus":2000000000}"#));
    let brief = bench.create("brief", r#"{"Binds":["/etc:/host"],"AutoRemove":true}"#, "sleep 0.03");
    bench.start(&brief);
    wait_until("the end of the brief one", || bench.inspect(&brief).is_none());
    std::thread::sleep(Duration::from_millis(500));
    watch.signal("-INT");
    let output = watch.end();
    assert!(output.status.success(), "{}", stderr(&output));

    let seen = findings(&output);
    let spray = of(&seen, "container-spray", "spray").or_else(|| of(&seen, "container-spray", "20 containers"));
    assert!(
        spray.is_some_and(|finding| finding["message"].as_str().is_some_and(|m| m.starts_with("20 containers"))),
        "{}",
        stdout(&output)
    );
    assert!(of(&seen, "privileged-container", &bench.run).is_some(), "{}", stdout(&output));
    assert!(of(&seen, "resource-limits-raised", &bench.run).is_some(), "{}", stdout(&output));
    let shipped = stdout(&landwaiter(&["strategy", "list"], None));
    if shipped.contains("sensitive-host-mount") {
        let finding = of(&seen, "sensitive-host-mount", &brief).expect("the brief container is reported after it is gone");
        assert!(finding.to_string().contains("/etc"), "{finding}");
    } else {
        eprintln!("skipped: no shipped strategy tells of host mounts yet");
    }

    let replayed = landwaiter(&["replay", "--output", "jsonl", tape.to_str().expect("a path")], None);
    assert_eq!(table(findings(&replayed)), table(seen));
}

#[test]
fn what_was_created_while_the_watch_was_cut_off_is_found_and_the_gap_is_told() {
    let Some(bench) = Bench::find("gap") else { return };
    let Some(cable) = Cable::lay(bench.client.address()) else { return };
    let folder = folder();
    let tape = folder.path().join("tape.jsonl");
    let watch = watch(&tape, &cable.address());
    let tells = |what: &str| std::fs::read_to_string(&tape).is_ok_and(|text| text.contains(what));
    let before = bench.create("before", "{}", "true");
    wait_until("a container before the break", || tells(&before));
    cable.cut();
    let during = bench.create("during", r#"{"Privileged":true}"#, "true");
    // Docker keeps 256 past events; these push the creation out.
    for number in 0..300 {
        bench.post(&format!("/containers/{before}/rename?name={}-{number}", bench.run), None);
    }
    cable.mend();
    wait_until("the container of the break", || tells(&format!(r#""data":{{"Id":"{during}""#)));
    std::thread::sleep(Duration::from_millis(3500));
    watch.signal("-INT");
    let output = watch.end();
    let seen = findings(&output);
    assert!(of(&seen, "privileged-container", &during).is_some(), "{}", stdout(&output));
    let events = stdout(&landwaiter(&["replay", "--output", "events", tape.to_str().expect("a path")], None));
    assert!(events.lines().any(|line| line.contains("sensor.gap") && line.contains(r#""sensor.complete":false"#)), "the gap is told");
    let created =
        events.lines().find(|line| line.contains(r#""container.created""#) && line.contains(&during)).expect("it is told as created");
    assert!(created.contains(r#""list""#), "{created}");
    let replayed = landwaiter(&["replay", "--output", "jsonl", tape.to_str().expect("a path")], None);
    assert_eq!(table(findings(&replayed)), table(seen));
}

#[test]
fn a_recording_of_one_run_leaves_out_what_others_do() {
    let Some(bench) = Bench::find("recorded") else { return };
    if Command::new("docker").arg("version").output().is_err() {
        eprintln!("skipped: there is no docker command");
        return;
    }
    let other = bench.create("other", "{}", "true");
    let folder = folder();
    let tape = folder.path().join("tape.jsonl");
    let script = "docker run --rm --label landwaiter.run=$RUN $IMAGE true";
    let tape_name = tape.to_str().expect("a path");
    let record = Beside::start(&["record", "--only-run", "-o", tape_name, "--", "sh", "-c", script]);
    std::thread::sleep(Duration::from_millis(600));
    let during = bench.create("during", "{}", "true");
    let output = record.end();
    assert!(output.status.success(), "{}", stderr(&output));
    let text = std::fs::read_to_string(&tape).expect("a recording");
    assert!(!text.contains(&other) && !text.contains(&during));
    for action in ["create", "start", "die", "destroy"] {
        assert!(text.contains(&format!(r#""Action":"{action}""#)), "{action} is missing");
    }
    assert!(text.contains(r#""source":"docker_container""#));
}

#[test]
fn containment_keeps_the_evidence_and_says_what_cannot_be_done() {
    let Some(bench) = Bench::find("contained") else { return };
    let folder = folder();
    let id = bench.create("loud", r#"{"RestartPolicy":{"Name":"always"},"NetworkMode":"host"}"#, "echo words; echo x > /trace; sleep 300");
    bench.start(&id);
    let name = format!("{}-loud", bench.run);

    let plan = landwaiter(&["contain", &name], None);
    let text = stdout(&plan);
    assert!(plan.status.success() && text.contains(&id) && text.contains("Nothing was done"), "{text}");
    assert!(text.contains("the network of the host itself"), "{text}");
    assert!(bench.inspect(&id).is_some_and(|c| c["State"]["Paused"] == false));

    let by_name = landwaiter(&["contain", &name, "--apply"], None);
    assert_eq!(by_name.status.code(), Some(2), "a name can be another container by the time of acting");

    let evidence = folder.path().join("evidence");
    let apply = landwaiter(&["contain", &id[..12], "--apply", "--evidence", evidence.to_str().expect("a path")], None);
    assert!(apply.status.success(), "{}{}", stdout(&apply), stderr(&apply));
    let after = bench.inspect(&id).expect("it is still there");
    assert_eq!(after["State"]["Paused"], true);
    assert_eq!(after["HostConfig"]["RestartPolicy"]["Name"], "no");
    let read = |file: &str| String::from_utf8_lossy(&std::fs::read(evidence.join(file)).expect(file)).into_owned();
    assert!(read("logs.bin").contains("words") && read("changes.json").contains("/trace") && read("files.tar").contains("trace"));
    assert!(read("inspect.json").contains(r#""Name":"always""#), "the policy before the change is kept");
    let actions: Vec<Value> = read("actions.jsonl").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(actions.iter().all(|action| action["container"] == id.as_str()));
    let outcome = |step: &str| actions.iter().find(|action| action["step"] == step).map(|action| action["outcome"].clone());
    assert_eq!(outcome("disconnect"), Some("skipped".into()));
    assert_eq!(outcome("kill"), Some("skipped".into()));

    let kill =
        landwaiter(&["contain", &id, "--apply", "--kill", "--evidence", folder.path().join("again").to_str().expect("a path")], None);
    assert!(kill.status.success(), "{}{}", stdout(&kill), stderr(&kill));
    std::thread::sleep(Duration::from_millis(500));
    assert!(bench.inspect(&id).is_some_and(|c| c["State"]["Running"] == false), "it stays down");
}

#[test]
fn a_name_that_was_taken_over_is_not_contained() {
    let Some(bench) = Bench::find("namesake") else { return };
    let folder = folder();
    let tape = folder.path().join("tape.jsonl");
    let watch = watch(&tape, bench.client.address());
    let first = bench.create("x", r#"{"Privileged":true}"#, "sleep 300");
    wait_until("the event", || std::fs::read_to_string(&tape).is_ok_and(|text| text.matches(&first).count() > 2));
    bench.remove(&first);
    let second = bench.create("x", "{}", "sleep 300");
    bench.start(&second);
    std::thread::sleep(Duration::from_millis(1500));
    watch.signal("-INT");
    let seen = findings(&watch.end());
    let finding = of(&seen, "privileged-container", &first).expect("a finding about the first");
    let id = finding["id"].as_str().expect("an id");
    let refused = landwaiter(&["contain", id, "--in", tape.to_str().expect("a path"), "--apply"], None);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("another container") && stderr(&refused).contains(&second[..12]), "{}", stderr(&refused));
    assert!(bench.inspect(&second).is_some_and(|c| c["State"]["Running"] == true && c["State"]["Paused"] == false));
}

#[test]
fn the_doctor_says_whose_logs_cannot_be_read() {
    let Some(bench) = Bench::find("doctor") else { return };
    for (name, driver) in [("mute", "none"), ("heard", "json-file")] {
        let id = bench.create(name, &format!(r#"{{"LogConfig":{{"Type":"{driver}"}}}}"#), "sleep 60");
        bench.start(&id);
    }
    let output = landwaiter(&["doctor", "--output", "json"], None);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(output.status.success() && report["engine"]["api"].as_str().is_some_and(|api| api.starts_with("1.")));
    let unreadable: Vec<&str> =
        report["logs"]["unreadable"].as_array().expect("a list").iter().filter_map(|c| c["name"].as_str()).collect();
    assert!(unreadable.contains(&format!("{}-mute", bench.run).as_str()), "{unreadable:?}");
    assert!(!unreadable.contains(&format!("{}-heard", bench.run).as_str()), "{unreadable:?}");
    let state = |name: &str| {
        let all = report["strategies"].as_array().expect("a list");
        all.iter().find(|s| s["strategy"] == name).map(|s| s["state"].clone())
    };
    assert_eq!(state("privileged-container"), Some("armed".into()), "{report}");
    let docker = report["witnesses"].as_array().expect("a list").iter().find(|w| w["name"] == "docker").expect("the engine");
    assert!(docker["state"] == "following" && docker["health"]["records"].as_u64().is_some_and(|n| n > 5), "{docker}");
}

#[test]
fn the_doctor_lists_every_witness_with_what_is_lost_without_it() {
    let output = landwaiter(&["doctor", "--output", "json", "--for", "1s"], None);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for def in source::collect::COLLECTORS {
        let witness = report["witnesses"].as_array().expect("a list").iter().find(|w| w["name"] == def.name).expect(def.name);
        let is_followed = witness["state"] == "following" || witness["state"] == "impaired";
        assert!(is_followed == witness["health"].is_object(), "{witness}");
        assert!(is_followed || witness["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{witness}");
        assert!(witness["blind"].as_str().is_some_and(|text| !text.is_empty()), "{witness}");
    }
    for def in source::SOURCES {
        assert!(
            report["sources"].as_array().expect("a list").iter().any(|s| s["name"] == def.name && s["kind"] == def.witness.as_str()),
            "{}",
            def.name
        );
    }
    let left_out = landwaiter(&["doctor", "--output", "json", "--only", "usage", "--for", "1s"], None);
    let report: Value = serde_json::from_slice(&left_out.stdout).expect("JSON");
    let all = report["witnesses"].as_array().expect("a list");
    assert!(all.iter().all(|w| (w["state"] == "unasked") == (w["name"] != "usage")), "{report}");
}

#[test]
fn without_an_engine_the_doctor_says_so_and_every_strategy_is_blind() {
    let output = landwaiter(&["doctor", "--output", "json", "--only", "docker", "--engine", "unix:///nowhere/docker.sock"], None);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("is it running"), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(report["strategies"].as_array().is_some_and(|all| all.iter().all(|s| s["state"] == "blind")), "{report}");
}

/// A page that is not shipped, whose validation creates a privileged container and then waits.
fn page(folder: &Path, wait: &str) -> String {
    let text = format!(
        r#"---
status: draft
sources: [docker_events, docker_container]
---
# A container with all privileges

## Strategy Abstract

```yaml sigma
title: A container with all privileges
name: privileged
status: experimental
level: high
logsource:
  category: container
detection:
  selection:
    event.name: container.appeared
    container.privileged: true
  condition: selection
landwaiter:
  entity: [container.id, container.name]
  message: '{{{{container.name}}}} has all privileges'
```

## Validation

### All privileges

```console
$ docker create --privileged --name $RUN --label landwaiter.run=$RUN $IMAGE true
$ {wait}
```
"#
    );
    let file = folder.join("own-page.md");
    std::fs::write(&file, text).expect("a page");
    file.to_str().expect("a path").to_owned()
}

#[test]
fn a_page_that_is_not_shipped_is_validated_only_when_asked() {
    let Some(bench) = Bench::find("validated") else { return };
    if Command::new("docker").arg("version").output().is_err() {
        eprintln!("skipped: there is no docker command");
        return;
    }
    let folder = folder();
    let page = page(folder.path(), "true");
    let args = ["validate", "own-page", "--no-shipped", "--rules", &page];
    let unasked = landwaiter(&args, None);
    assert!(
        stdout(&unasked).contains("docker create --privileged") && stdout(&unasked).contains("--yes runs its commands"),
        "{}",
        stderr(&unasked)
    );

    let run = bench.run.clone();
    let asked = Command::new(env!("CARGO_BIN_EXE_landwaiter")).args(args).args(["--yes", "--output", "jsonl"]).env("RUN", &run).output();
    let asked = asked.expect("the binary runs");
    let line: Value = serde_json::from_slice(&asked.stdout).unwrap_or_else(|e| panic!("{e}: {}", stderr(&asked)));
    assert_eq!((line["outcome"].as_str(), line["detail"]["containers"].as_u64()), (Some("fired"), Some(1)), "{line}");
    assert_eq!(bench.labelled(&format!("{run}-1")), 0, "what was made is removed");
}

#[test]
fn an_interrupted_validation_cleans_up() {
    let Some(bench) = Bench::find("interrupted") else { return };
    if Command::new("docker").arg("version").output().is_err() {
        eprintln!("skipped: there is no docker command");
        return;
    }
    let folder = folder();
    // Without the rule's field, nothing fires, so that the script goes on.
    let page = page(folder.path(), "sleep 30");
    let text = std::fs::read_to_string(&page).expect("the page").replace("docker create --privileged", "docker create");
    std::fs::write(&page, text).expect("the page");
    let run = bench.run.clone();
    let child = Command::new(env!("CARGO_BIN_EXE_landwaiter"))
        .args(["validate", "own-page", "--no-shipped", "--rules", &page, "--yes"])
        .env("RUN", &run)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let beside = Beside::of(child.expect("the binary runs"));
    let made = format!("{run}-1");
    wait_until("the container of the page", || bench.labelled(&made) == 1);
    beside.signal("-INT");
    let output = beside.end();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert_eq!(bench.labelled(&made), 0, "what was made is removed");
}
