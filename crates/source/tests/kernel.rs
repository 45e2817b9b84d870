//! The kernel's witnesses on the machine that runs the tests. Each test makes what it looks for, in namespaces of its own, over the loopback only.

use event::fact::{SensorNote, Sight};
use event::{Body, Record};
use source::collect::{Live, Presence, Surroundings, collector_named};
use std::process::Command;
use std::time::{Duration, Instant};

/// A collector that flows, or `None` where this machine does not permit it: that is said, and is a failure where it is required.
fn listen(name: &str, test: &str) -> Option<Live> {
    let def = collector_named(name).expect("a collector");
    let reason = match (def.find)(&Surroundings::of_this_process()) {
        Presence::Present(found) => {
            let live = Live::gather(vec![(def, found)]);
            match &live.started()[0].failure {
                None => return Some(live),
                Some(error) => error.to_string(),
            }
        }
        Presence::Absent { reason, .. } | Presence::Denied { reason, .. } => reason,
    };
    assert!(std::env::var("LANDWAITER_TEST_ENGINE").as_deref() != Ok("required"), "{test}: {name}: {reason}");
    eprintln!("skipped: {test}: {name}: {reason}");
    None
}

/// Whether the tools that a test needs are there; where they are required, they must be.
fn has(test: &str, tools: &[&str]) -> bool {
    let is_missing =
        |tool: &&&str| !Command::new("sh").args(["-c", &format!("command -v {tool}")]).output().is_ok_and(|o| o.status.success());
    let missing: Vec<_> = tools.iter().filter(is_missing).collect();
    if missing.is_empty() {
        return true;
    }
    assert!(std::env::var("LANDWAITER_TEST_ENGINE").as_deref() != Ok("required"), "{test} needs {missing:?}");
    eprintln!("skipped: {test}: {missing:?} are not installed");
    false
}

fn text(record: &Record) -> String {
    match &record.body {
        Body::Data(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Body::Tick => String::new(),
    }
}

fn sight(record: &Record) -> Option<Sight> {
    (record.source == "sensor").then(|| serde_json::from_str::<SensorNote>(&text(record)).ok()).flatten().map(|note| note.note)
}

fn sh(script: &str) -> String {
    let output = Command::new("sh").args(["-c", script]).output().expect("a shell");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The first records for each of which one of the questions is answered with yes, in the order of the questions.
fn hear(live: &mut Live, wanted: &[&dyn Fn(&Record) -> bool]) -> Vec<Record> {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut found: Vec<Option<Record>> = wanted.iter().map(|_| None).collect();
    while found.iter().any(Option::is_none) {
        assert!(Instant::now() < deadline, "heard only {found:?}");
        let record = live.next().expect("the collector goes on");
        for (place, wanted) in found.iter_mut().zip(wanted) {
            if place.is_none() && wanted(&record) {
                *place = Some(record.clone());
            }
        }
    }
    found.into_iter().flatten().collect()
}

fn json(record: &Record) -> serde_json::Value {
    serde_json::from_str(&text(record)).expect("JSON")
}

#[test]
fn a_program_is_told_with_its_parent_and_its_end() {
    let Some(mut live) = listen("processes", "a_program_is_told") else { return };
    // The second shell ends with a number that the first one passes on; `exec` of the name makes it unmistakable.
    let marker = format!("landwaiter-kernel-{}", std::process::id());
    let script = format!("sh -c 'sleep 0.2; exit 7' {marker} || true");
    sh(&script);
    let is = |what: &'static str| move |record: &Record| text(record).starts_with(&format!(r#"{{"landwaiter_process":"{what}""#));
    let is_exec =
        |record: &Record| is("exec")(record) && text(record).contains(&format!(r#""args":["sh","-c","sleep 0.2; exit 7","{marker}"]"#));
    let exec = hear(&mut live, &[&is_exec]).remove(0);
    let line = json(&exec);
    assert_eq!(line["parent_args"][2].as_str(), Some(script.as_str()));
    assert!(line["exe"].as_str().is_some_and(|exe| exe.starts_with('/')) && line["cgroup"].is_string() && line["uid"].is_number());
    assert_eq!(line["ns"], line["host_ns"], "it runs on the host");
    let pid = line["pid"].as_i64();
    let exit = hear(&mut live, &[&|record: &Record| is("exit")(record) && json(record)["pid"].as_i64() == pid]).remove(0);
    assert_eq!(json(&exit)["exit_code"].as_i64(), Some(7));
    let (began, ended) = (line["time"].as_i64().unwrap_or(0), json(&exit)["time"].as_i64().unwrap_or(0));
    assert!(ended - began > 150_000_000, "times are the kernel's: {began} {ended}");
    let late = exec.arrived.0 - began;
    assert!((0..2_000_000_000).contains(&late), "the kernel's clock is put on the wall's: {late} ns");
}

#[test]
fn a_process_in_namespaces_of_its_own_shows_them() {
    if !has("a_process_in_namespaces", &["unshare"]) {
        return;
    }
    let Some(mut live) = listen("processes", "a_process_in_namespaces") else { return };
    let marker = format!("0.3{}", std::process::id());
    sh(&format!("unshare --mount --pid --net --fork sleep {marker}"));
    let is_it = |record: &Record| text(record).contains(&format!(r#""args":["sleep","{marker}"]"#)) && text(record).contains(r#""exec""#);
    let line = json(&hear(&mut live, &[&is_it]).remove(0));
    for name in ["mnt", "pid", "net"] {
        assert!(line["ns"][name].is_u64() && line["ns"][name] != line["host_ns"][name], "{name}: {line}");
    }
    assert_eq!(line["ns"]["user"], line["host_ns"]["user"]);
}

#[test]
fn what_stood_in_namespaces_of_its_own_before_is_told_as_standing() {
    let marker = format!("27.{}", std::process::id());
    if !has("what_stood", &["unshare"]) {
        return;
    }
    let mut before =
        Command::new("unshare").args(["--mount", "--pid", "--fork", "--kill-child", "sleep", &marker]).spawn().expect("unshare runs");
    std::thread::sleep(Duration::from_millis(300));
    if let Some(mut live) = listen("processes", "what_stood") {
        let is_it = |record: &Record| text(record).starts_with(r#"{"landwaiter_process":"standing""#) && text(record).contains(&marker);
        let heard = hear(&mut live, &[&|record: &Record| sight(record) == Some(Sight::Started), &is_it]);
        assert!(heard[0].seq < heard[1].seq);
    }
    let _ = before.kill();
    let _ = before.wait();
}

#[test]
fn a_connection_is_told_from_its_first_packet_to_its_last() {
    if !has("a_connection_is_told", &["conntrack", "busybox", "iptables"]) {
        return;
    }
    let Some(mut live) = listen("conntrack", "a_connection_is_told") else { return };
    // The kernel tracks connections only where a rule asks for it.
    let port = 20_000 + std::process::id() % 10_000;
    let rule = "OUTPUT -o lo -m conntrack --ctstate INVALID -j RETURN";
    sh(&format!("iptables -A {rule}"));
    let say = format!(
        "(echo hello | timeout 5 busybox nc -l -p {port} >/dev/null) & sleep 0.3; echo hi | timeout 2 busybox nc 127.0.0.1 {port}; conntrack -D -p tcp --dport {port} >/dev/null 2>&1; wait"
    );
    let said = Command::new("sh").args(["-c", &say]).output();
    sh(&format!("iptables -D {rule}"));
    assert!(said.is_ok());
    let about = format!("dport={port} ");
    let is = |what: &'static str, more: &'static str| {
        let about = about.clone();
        move |record: &Record| {
            record.source == "conntrack" && text(record).contains(what) && text(record).contains(&about) && text(record).contains(more)
        }
    };
    let heard = hear(&mut live, &[&is("[NEW]", "[UNREPLIED]"), &is("[UPDATE]", "[ASSURED]"), &is("[DESTROY]", "")]);
    let line = text(&heard[0]);
    assert!(line.starts_with('[') && line.contains("]\t    [NEW] tcp      6 120 SYN_SENT src=127.0.0.1 dst=127.0.0.1 sport="), "{line}");
    // The decoder of files reads what is written live.
    for record in heard {
        let prepared = source::prepare(record);
        assert!(prepared.content.as_ref().is_some_and(Result::is_ok), "{prepared:?}");
    }
}

#[test]
fn a_change_of_the_packet_filter_names_who_made_it() {
    if !has("a_change_of_the_packet_filter", &["nft"]) {
        return;
    }
    let Some(mut live) = listen("netfilter", "a_change_of_the_packet_filter") else { return };
    let table = format!("landwaiter_{}", std::process::id());
    sh(&format!(
        "nft 'add table ip {table}; add chain ip {table} c; add rule ip {table} c ip saddr 10.0.0.0/8 tcp dport 80 accept'; nft delete table ip {table}"
    ));
    let is = |object: &'static str, what: &'static str| {
        let table = table.clone();
        move |record: &Record| {
            record.source == "netfilter" && {
                let line = json(record);
                line["table"] == table.as_str() && line["object"] == object && line["landwaiter_netfilter"] == what
            }
        }
    };
    let heard = hear(&mut live, &[&is("rule", "add"), &is("table", "delete")]);
    let rule = json(&heard[0]);
    assert_eq!((rule["process"].as_str(), rule["chain"].as_str()), (Some("nft"), Some("c")));
    assert_eq!(rule["rule"].as_str(), Some("ip saddr 10.0.0.0/8 l4proto tcp dport 80 accept"));
}

#[test]
fn many_collectors_stand_in_one_order() {
    let around = Surroundings::of_this_process();
    let found: Vec<_> = ["processes", "conntrack", "netfilter", "usage"]
        .into_iter()
        .filter_map(collector_named)
        .filter_map(|def| match (def.find)(&around) {
            Presence::Present(found) => Some((def, found)),
            _ => None,
        })
        .collect();
    if found.len() < 2 {
        eprintln!("skipped: many_collectors: {} of them are permitted here", found.len());
        return;
    }
    let live = Live::gather(found);
    let many = live.started().len();
    live.stopper().stop_in(Duration::from_millis(900));
    let records: Vec<Record> = live.collect();
    assert!(records.windows(2).all(|pair| pair[0].arrived <= pair[1].arrived && pair[0].seq < pair[1].seq));
    assert!(records.iter().all(|record| record.host == records[0].host && !record.host.is_empty()));
    for note in [Sight::Started, Sight::Stopped] {
        assert_eq!(records.iter().filter(|record| sight(record).as_ref() == Some(&note)).count(), many, "{note:?}");
    }
}
