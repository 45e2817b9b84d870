//! What only several witnesses together can show, live: containers beside the engine, containers behind a break, and one spray that all of them see.
//! Each test says that it was skipped where this machine does not permit it.

mod bench;
#[path = "../../source/tests/support/cable.rs"]
mod cable;
mod common;

use bench::{Bench, Beside, wait_until};
use cable::Cable;
use common::{findings, folder, landwaiter, stderr, stdout};
use serde_json::Value;
use source::collect::{Presence, Surroundings, collector_named};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Sprays and orphans of one test are no news to another: one at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// `None` where a witness or a tool is missing: that is said, and is a failure where it is required.
fn alone(test: &str, witnesses: &[&str], tools: &[&str]) -> Option<MutexGuard<'static, ()>> {
    let around = Surroundings::of_this_process();
    let is_there = |name: &&&str| collector_named(name).is_some_and(|def| matches!((def.find)(&around), Presence::Present(_)));
    let missing: Vec<&str> =
        witnesses.iter().filter(|name| !is_there(name)).chain(tools.iter().filter(|tool| !can_run(tool))).copied().collect();
    if missing.is_empty() {
        return Some(ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner));
    }
    assert!(std::env::var("LANDWAITER_TEST_ENGINE").as_deref() != Ok("required"), "{test} needs {missing:?}");
    eprintln!("skipped: {test}: {missing:?} cannot be used here");
    None
}

fn can_run(tool: &str) -> bool {
    shell(&format!("command -v {tool}")).status.success()
}

fn shell(script: &str) -> Output {
    Command::new("sh").args(["-c", script]).output().expect("a shell")
}

fn sh(script: &str) {
    let output = shell(script);
    assert!(output.status.success(), "{script}: {}", stderr(&output));
}

/// Removes what a test made, whatever became of it.
struct Finally(String);

impl Drop for Finally {
    fn drop(&mut self) {
        let _ = shell(&self.0);
    }
}

/// A watch that listens to all witnesses.
fn watch(tape: &Path, more: &[&str]) -> Beside {
    let mut args = vec!["watch", "--output", "jsonl", "--record", tape.to_str().expect("a path")];
    args.extend(more);
    let mut watch = Beside::start(&args);
    let text = || std::fs::read_to_string(tape).unwrap_or_default();
    wait_until("the first list", || {
        watch.still_runs();
        text().contains(r#""docker_volumes""#) && text().contains(r#""of":"system_process","note":"Started""#)
    });
    watch
}

fn ended(watch: Beside) -> Vec<Value> {
    watch.signal("-INT");
    let output = watch.end();
    assert!(output.status.success(), "{}", stderr(&output));
    findings(&output)
}

/// A container's files and the configuration that `runc` reads.
fn bundle(folder: &Path, image: &str, command: &str) {
    let rootfs = folder.join("rootfs");
    let (rootfs, folder) = (rootfs.to_str().expect("a path"), folder.to_str().expect("a path"));
    sh(&format!(
        "mkdir -p {rootfs} && id=$(docker create {image} true) && docker export $id | tar -C {rootfs} -x && docker rm $id >/dev/null"
    ));
    sh(&format!("cd {folder} && runc spec"));
    let file = Path::new(folder).join("config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&file).expect("a configuration")).expect("JSON");
    config["process"]["terminal"] = false.into();
    config["process"]["args"] = serde_json::json!(["sh", "-c", command]);
    std::fs::write(&file, config.to_string()).expect("it is written");
}

const CONTAINERD: &[&str] =
    &["/run/containerd/containerd.sock", "/var/run/docker/containerd/containerd.sock", "/run/docker/containerd/containerd.sock"];

#[test]
fn what_runs_beside_the_engine_is_found_and_a_deployment_storm_is_not() {
    let Some(_alone) = alone("beside_the_engine", &["docker", "processes"], &["docker", "runc", "ctr"]) else { return };
    let Some(bench) = Bench::find("beside") else { return };
    let containerd = CONTAINERD.iter().find(|path| Path::new(path).exists()).expect("the engine's containerd");
    let (run, folder) = (bench.run.clone(), folder());
    let (by_runc, by_ctr) = (format!("{run}-runc"), format!("{run}-ctr"));
    bundle(folder.path(), bench::IMAGE, "sleep 297");
    let rootfs = folder.path().join("rootfs").display().to_string();
    let ctr = format!("ctr -a {containerd} -n lab");
    let _finally = Finally(format!(
        "runc delete -f {by_runc}; {ctr} task kill -s 9 {by_ctr}; sleep 0.5; {ctr} task rm -f {by_ctr}; {ctr} container rm {by_ctr}; \
         docker ps -aq --filter label=landwaiter.run={run} | xargs -r docker rm -f"
    ));
    let tape = folder.path().join("tape.jsonl");
    let watch = watch(&tape, &[]);
    sh(&format!("cd {} && runc run -d {by_runc} </dev/null >/dev/null 2>&1", folder.path().display()));
    sh(&format!("{ctr} run -d --rootfs {rootfs} {by_ctr} /bin/sh -c 'sleep 298' </dev/null"));
    // Meanwhile an ordinary deployment of sixty, eight at a time, of which half end soon.
    sh(&format!(
        "seq 1 60 | xargs -P 8 -I N sh -c 'docker run -d --label landwaiter.run={run} --name {run}-N {} sleep $((N % 2 * 100 + 1)) >/dev/null'",
        bench::IMAGE
    ));
    let text = || std::fs::read_to_string(&tape).unwrap_or_default();
    wait_until("the last of the storm", || text().contains(&format!("{run}-60")));
    // Thirty seconds are the time in which the other witnesses may speak.
    std::thread::sleep(Duration::from_secs(38));
    let seen = ended(watch);
    let orphans: Vec<&Value> = seen.iter().filter(|finding| finding["strategy"] == "runtime-orphan").collect();
    for name in [&by_runc, &by_ctr] {
        let finding = orphans.iter().find(|finding| finding["entity"].to_string().contains(name.as_str()));
        assert!(finding.is_some_and(|finding| finding["severity"] == "high"), "{name}: {orphans:?}");
    }
    let of_storm: Vec<String> = shell(&format!("docker ps -aq --no-trunc --filter label=landwaiter.run={run}"))
        .stdout
        .split(|b| *b == b'\n')
        .map(|id| String::from_utf8_lossy(id).into_owned())
        .collect();
    assert!(of_storm.len() > 60);
    let wrong: Vec<&&Value> = orphans
        .iter()
        .filter(|finding| of_storm.iter().any(|id| !id.is_empty() && finding["entity"].to_string().contains(id.as_str())))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn what_was_made_while_the_engine_was_cut_off_is_one_thing_with_the_break() {
    let Some(_alone) = alone("cut_off", &["docker", "processes"], &["docker"]) else { return };
    // Whether the engine still tells of the creation when it can be heard again depends on how busy it is; what holds is tried a second time.
    if std::panic::catch_unwind(cut_off).is_err() {
        eprintln!("tried a second time");
        cut_off();
    }
}

fn cut_off() {
    let Some(bench) = Bench::find("cut") else { return };
    let Some(cable) = Cable::lay(bench.client.address()) else { return };
    let folder = folder();
    let tape = folder.path().join("tape.jsonl");
    let watch = watch(&tape, &["--engine", &cable.address().to_string()]);
    let tells = |what: &str| std::fs::read_to_string(&tape).is_ok_and(|text| text.contains(what));
    let before = bench.create("before", "{}", "true");
    wait_until("a container before the break", || tells(&before));
    // What the first list shows stood there before: it must have been taken before the break.
    wait_until("the lists at start", || tells("docker_volumes"));
    cable.cut();
    let during = bench.create("during", "{}", "sleep 99");
    bench.start(&during);
    wait_until("its process", || tells(&format!("/docker/{during}")));
    // Docker keeps 256 past events; these push the creation out.
    for number in 0..300 {
        bench.post(&format!("/containers/{before}/rename?name={}-{number}", bench.run), None);
    }
    std::thread::sleep(Duration::from_secs(2));
    cable.mend();
    wait_until("the container of the break", || tells(&format!(r#""data":{{"Id":"{during}""#)));
    std::thread::sleep(Duration::from_secs(36));
    let seen = ended(watch);
    let events = stdout(&landwaiter(&["replay", "--output", "events", tape.to_str().expect("a path")], None));
    let of = |kind: &str| {
        events
            .lines()
            .filter(|line| line.contains(&format!("\"{kind}\"")))
            .filter(|line| line.contains(&during))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let created = of("container.created");
    assert!(
        created.len() == 1 && created[0].contains(r#""list""#),
        "it is found by the list, once: {created:?}; else {:?}",
        of("container.appeared")
    );
    // The break says that the engine could not tell: what does not tally is laid to it, and to nobody who works beside the engine.
    let of_kernel = |finding: &&Value| finding["strategy"] == "runtime-orphan" && finding["entity"].to_string().contains(&during);
    let discrepancies = of("inventory.discrepancy");
    for line in &discrepancies {
        assert!(line.contains(r#""discrepancy.after_gap":true"#), "{line}");
    }
    assert!(
        seen.iter().filter(of_kernel).all(|finding| finding.to_string().contains("cut off") || finding.to_string().contains("gap")),
        "{seen:?}"
    );
    assert!(events.lines().any(|line| line.contains("sensor.gap") && line.contains(r#""sensor.complete":false"#)), "the gap is told");
    let gap = seen.iter().find(|finding| finding["strategy"] == "telemetry-gap");
    if stdout(&landwaiter(&["strategy", "list"], None)).contains("telemetry-gap") {
        assert!(gap.is_some(), "{seen:?}");
    }
}

#[test]
fn one_spray_that_three_witnesses_see_is_one_finding_that_names_them() {
    let Some(_alone) = alone("three_witnesses", &["docker", "processes", "conntrack"], &["docker", "busybox"]) else { return };
    let Some(bench) = Bench::find("three") else { return };
    let run = bench.run.clone();
    let _finally = Finally(format!("docker ps -aq --filter label=landwaiter.run={run} | xargs -r docker rm -f"));
    let folder = folder();
    let tape = folder.path().join("tape.jsonl");
    let watch = watch(&tape, &[]);
    // Each asks its host for something, so that the kernel tracks a connection of it.
    sh(&format!(
        "host=$(docker network inspect bridge -f '{{{{(index .IPAM.Config 0).Gateway}}}}'); \
         for i in $(seq 1 24); do docker run -d --label landwaiter.run={run} --name {run}-$i {} sh -c \"echo | busybox nc -w 1 $host 9; sleep 300\" >/dev/null; done",
        bench::IMAGE
    ));
    let text = || std::fs::read_to_string(&tape).unwrap_or_default();
    wait_until("the last of the spray", || text().contains(&format!("{run}-24")));
    std::thread::sleep(Duration::from_secs(4));
    let seen = ended(watch);
    let mut ids: Vec<&str> =
        seen.iter().filter(|finding| finding["strategy"] == "container-spray").filter_map(|finding| finding["id"].as_str()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 1, "{seen:?}");
    let last = seen.iter().rfind(|finding| finding["strategy"] == "container-spray").expect("a finding");
    let witnesses: Vec<&str> = last["witnesses"].as_array().expect("witnesses").iter().filter_map(Value::as_str).collect();
    for source in ["docker_events", "system_process", "conntrack"] {
        assert!(witnesses.contains(&source), "{source} is not among {witnesses:?}: {last}");
    }
}
