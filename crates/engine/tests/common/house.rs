//! The real house: Docker's records as its engine writes them, the source's decoders, the inventory, and one rule for every kind of derived event, so that any
//! difference in what was derived is a difference in what was found.

use super::{Journal, MS, START};
use engine::{Engine, Out, Rules};
use event::dictionary::KINDS;
use event::{Body, Event, Fields, Place, Prepared, Record, Span};
use finding::{Change, RuleCard, wire};
use inventory::{Context, Inventory};
use proptest::prelude::*;
use serde_json::json;
use std::fmt::Write;
use std::sync::Arc;

/// What one record of these tests says, before it is written out.
#[derive(Clone, Debug)]
pub struct Said {
    /// When, in milliseconds; for an undated record, when it was said.
    pub ms: i64,
    /// Whether the record says its own time.
    pub dated: bool,
    /// Its text.
    pub text: String,
}

const ACTIONS: [&str; 16] = [
    "create",
    "start",
    "die",
    "destroy",
    "create",
    "start",
    "update",
    "rename",
    "pause",
    "unpause",
    "kill",
    "exec_create: sh -c id",
    "exec_start: sh -c id",
    "oom",
    "restart",
    "stop",
];

fn id(container: u8) -> String {
    format!("{:02x}", container + 0xa0).repeat(32)
}

/// A line of the event stream. The number makes its nanosecond its own.
fn event(ms: i64, number: usize, container: u8, action: &str) -> String {
    let nano = START + ms * MS + number as i64;
    let (kind, actor, action) = match action {
        "connect" => ("network", "f".repeat(64), "connect"),
        other => ("container", id(container), other),
    };
    let attributes = json!({
        "container": id(container), "image": "alpine:3.20", "name": format!("web{container}"), "exitCode": "137", "signal": "9", "oldName": "/old",
        "execID": "e".repeat(64), "type": "bridge", "com.docker.compose.service": "web",
    });
    json!({"status": action, "id": actor, "from": "alpine:3.20", "Type": kind, "Action": action, "Actor": {"ID": actor, "Attributes": attributes},
        "scope": "local", "time": nano / 1_000_000_000, "timeNano": nano})
    .to_string()
}

/// An inspect answer; the variation says how the container is confined and limited.
fn inspect(container: u8, variation: u8) -> String {
    json!([{
        "Id": id(container), "Created": "2026-11-24T13:41:18.06424563Z", "Path": "sleep", "Args": ["60"], "Name": format!("/web{container}"),
        "State": {"Status": "running", "Running": true, "Pid": 33, "ExitCode": 0, "StartedAt": "2026-11-24T13:41:18.269292065Z", "FinishedAt": "0001-01-01T00:00:00Z"},
        "Image": format!("sha256:{}", "1".repeat(64)), "RestartCount": 0, "AppArmorProfile": "",
        "Mounts": if variation & 1 == 1 { json!([{"Type": "bind", "Source": "/var/run/docker.sock", "Destination": "/s", "RW": true, "Propagation": "rprivate"}]) } else { json!([]) },
        "HostConfig": {"Privileged": variation & 2 == 2, "NetworkMode": "default", "PidMode": if variation & 4 == 4 { "host" } else { "" }, "IpcMode": "private",
            "CapAdd": null, "CapDrop": null, "SecurityOpt": null, "Memory": 1_048_576 * i64::from(variation), "NanoCpus": 0, "PidsLimit": null,
            "LogConfig": {"Type": if variation & 8 == 8 { "none" } else { "json-file" }, "Config": {}}, "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}},
        "Config": {"Hostname": "h", "User": "", "Env": ["A=b"], "Cmd": ["sleep", "60"], "Image": "alpine:3.20", "Labels": {}},
        "NetworkSettings": {"Networks": {"bridge": {"NetworkID": "f".repeat(64), "IPAddress": "172.17.0.2"}}, "Ports": {}}, "ExecIDs": null,
    }])[0]
        .to_string()
}

/// Something on a host: growing times, mostly close together, with inspect answers and rubbish in between.
pub fn happenings(most: usize) -> impl Strategy<Value = Vec<Said>> {
    let gap = prop_oneof![4 => 0..300i64, 4 => 300..4000i64, 1 => 4000..700_000i64];
    prop::collection::vec((gap, 0..4u8, 0..20usize, any::<u8>()), 1..most).prop_map(|steps| {
        let mut now = 0;
        steps
            .into_iter()
            .enumerate()
            .map(|(n, (gap, container, action, variation))| {
                now += gap;
                let (dated, text) = match action {
                    16 => (true, event(now, n, container, "connect")),
                    17 | 18 => (false, inspect(container, variation & 15)),
                    // Broken, but with an end: a record that is cut short ends differently before a file's end than before another record.
                    19 => (false, format!("{{\"broken\" {n}}}")),
                    n_action => (true, event(now, n, container, ACTIONS[n_action])),
                };
                Said { ms: now, dated, text }
            })
            .collect()
    })
}

/// The record of a live collector, which arrived so much later.
pub fn live(seq: usize, said: &Said, delay_ms: i64) -> Prepared {
    source::prepare(Record {
        seq: seq as u64,
        source: Default::default(),
        host: "h".into(),
        arrived: event::Time(START + (said.ms + delay_ms) * MS),
        live: true,
        body: Body::Data(said.text.as_bytes().into()),
        place: Place { file: "unix:///var/run/docker.sock".into(), number: seq as u64 + 1 },
    })
}

/// One rule for each kind of derived event, and a correlation of each type.
fn rules_text() -> String {
    let levels = ["low", "medium", "high", "informational"];
    let mut text = String::new();
    for (n, kind) in KINDS.iter().filter(|kind| !kind.native).enumerate() {
        let (category, product, service) = kind.logsource;
        let mut logsource = String::new();
        for (key, value) in [("category", category), ("product", product), ("service", service)] {
            if !value.is_empty() {
                let _ = write!(logsource, "\n  {key}: {value}");
            }
        }
        let slug = kind.name.replace(['.', '_'], "-");
        let _ = write!(
            text,
            "---\ntitle: {0}\nname: {slug}\nlevel: {1}\nlogsource:{logsource}\ndetection:\n  s:\n    event.name: {0}\n  condition: s\nlandwaiter:\n  message: 'x {{{{count}}}} {{{{span}}}}'\n  behaviour: b{2}\n",
            kind.name,
            levels[n % 4],
            n % 3
        );
    }
    for (name, kind, rules, condition) in [
        ("many", "event_count", "[container-created]", "\n    gte: 3"),
        ("values", "value_count", "[container-created, container-ended]", "\n    gte: 2\n    field: container.id"),
        ("both", "temporal", "[container-created, container-ended]", ""),
        ("then", "temporal_ordered", "[container-started, container-ended]", ""),
    ] {
        let condition = if condition.is_empty() { String::new() } else { format!("\n  condition:{condition}") };
        let _ = write!(
            text,
            "---\ntitle: {name}\nname: {name}\nlevel: medium\ncorrelation:\n  type: {kind}\n  rules: {rules}\n  group-by: [host.name]\n  timespan: 30s\n  generate: true{condition}\n"
        );
    }
    text
}

/// The rules, compiled, with their cards.
pub fn rules() -> Rules {
    let (parsed, problems) = sigma::parse(&rules_text(), "rules.yml", 1);
    assert!(problems.iter().all(|p| p.gravity < event::Gravity::Error), "{problems:#?}\n{}", rules_text());
    let (set, problems) = sigma::RuleSet::compile(parsed);
    assert!(problems.iter().all(|p| p.gravity < event::Gravity::Error), "{problems:#?}");
    let cards = set.rules().iter().map(card).collect();
    Rules { set: Arc::new(set), cards: Arc::new(cards) }
}

fn card(rule: &sigma::Rule) -> RuleCard {
    RuleCard {
        strategy: "all".into(),
        strategy_title: "Everything".into(),
        rule: rule.name.as_str().into(),
        title: rule.title.as_str().into(),
        level: rule.level,
        entity: rule.entity.clone(),
        message: rule.message.as_str().into(),
        behaviour: rule.behaviour.clone().unwrap_or_else(|| "all".into()),
        explainable: rule.explainable,
        attack: vec![],
        window: rule.correlation.as_ref().map_or(Span::ZERO, |c| c.timespan),
    }
}

/// An engine over those rules.
pub fn engine_over(rules: &Rules) -> Engine {
    Engine::new(rules.clone(), Inventory::new(Context::default()))
}

/// A journal of everything, without the places where records stand.
#[derive(Clone, Default, Debug, PartialEq)]
pub struct Placeless(pub Journal);

impl Out for Placeless {
    fn finding(&mut self, change: Change) {
        let mut finding = change.finding().clone();
        finding.evidence.iter_mut().for_each(|e| e.place = Place::default());
        let word = if change.is_final() { "final" } else { "change" };
        self.0.lines.push(format!("{word} {}", wire::to_json(&finding)));
    }

    fn event(&mut self, event: &Event) {
        let fields = match &event.fields {
            Fields::Native(decoded) => format!("{:?} {:?}", decoded.fact, decoded.time),
            Fields::Derived(list) => format!("{list:?}"),
        };
        let raws: Vec<&str> = event.evidence.iter().map(|p| std::str::from_utf8(&p.raw).unwrap_or("?")).collect();
        self.0.lines.push(format!(
            "{:?} {} at {} time {} {} {:?} {} {fields} {raws:?}",
            event.kind, event.subject, event.at, event.time, event.time_suspect, event.late_by, event.source
        ));
    }

    fn all_events(&self) -> bool {
        true
    }
}

/// Everything that comes out of these records.
pub fn live_through(rules: &Rules, records: impl IntoIterator<Item = Prepared>) -> Placeless {
    let mut journal = Placeless::default();
    engine::drive(records, &mut engine_over(rules), &mut journal);
    journal
}
