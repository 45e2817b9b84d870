//! The records of one run among those of a busy engine.

use event::{Body, Record};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Keeps what concerns the things that bear the label `landwaiter.run=run`, what the engine says of itself, images, and the passing of time.
///
/// An event of a network does not carry the network's labels, only its inspect answer does, and that comes later: so all records are needed at once.
/// Lists are left out, because an answer is kept whole or not at all.
pub fn only_run(records: Vec<Record>, run: &str) -> Vec<Record> {
    let label = label(run);
    let ids = ids(&records, run);
    let addresses = addresses(&records, &ids);
    records.into_iter().filter(|record| concerns(record, &label, &ids, &addresses)).collect()
}

/// Ids of the things that bear the label of the run.
pub fn ids(records: &[Record], run: &str) -> BTreeSet<String> {
    let label = label(run);
    let labelled = records.iter().filter(|record| !is_list(record)).filter_map(text).filter(|text| text.contains(&label));
    labelled.filter_map(id_of).collect()
}

/// Addresses that the run's containers held, as connections name them.
fn addresses(records: &[Record], ids: &BTreeSet<String>) -> BTreeSet<String> {
    let inspected = records.iter().filter(|record| record.source == "docker_container").filter_map(text);
    let ours = inspected.filter(|text| id_of(text).is_some_and(|id| ids.contains(&id)));
    let address = |part: &str| part.split('"').next().filter(|address| !address.is_empty()).map(|address| format!("={address} "));
    ours.flat_map(|text| text.split(r#""IPAddress":""#).skip(1).filter_map(address).collect::<Vec<_>>()).collect()
}

/// A run's label, as it stands in events and answers.
pub fn label(run: &str) -> String {
    format!(r#""landwaiter.run":{}"#, serde_json::to_string(run).unwrap_or_default())
}

/// Whether a record speaks of the engine or its images rather than of what a run made.
pub fn is_of_the_engine(record: &Record) -> bool {
    matches!(record.source.as_str(), "docker_info" | "sensor") || record.body == Body::Tick
}

fn concerns(record: &Record, label: &str, ids: &BTreeSet<String>, addresses: &BTreeSet<String>) -> bool {
    let Some(text) = text(record) else { return true };
    let ours = text.contains(label) || ids.iter().any(|id| text.contains(id.as_str()));
    match record.source.as_str() {
        _ if is_list(record) => false,
        "docker_info" | "docker_image" | "netfilter" => true,
        "conntrack" => addresses.iter().any(|address| text.contains(address.as_str())),
        "docker_events" => ours || text.contains(r#""Type":"image""#) || text.contains(r#""Type":"daemon""#),
        "sensor" => ours || !text.contains(r#""Missed""#),
        // The networks of the engine itself name every container that is on them.
        "docker_network" => id_of(text).is_some_and(|id| ids.contains(&id)),
        _ => ours,
    }
}

fn is_list(record: &Record) -> bool {
    matches!(record.source.as_str(), "docker_containers" | "docker_images" | "docker_networks" | "docker_volumes")
        || matches!(record.source.as_str(), "podman_containers" | "containerd_containers")
}

/// A record's text.
pub fn text(record: &Record) -> Option<&str> {
    match &record.body {
        Body::Data(bytes) => std::str::from_utf8(bytes).ok(),
        Body::Tick => None,
    }
}

/// The id of the thing that a record is about: an event's actor, an answer's own id, a volume's name.
fn id_of(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct About {
        #[serde(rename = "Actor")]
        actor: Option<Actor>,
        #[serde(rename = "Id")]
        id: Option<String>,
        #[serde(rename = "Name")]
        name: Option<String>,
    }
    #[derive(Deserialize)]
    struct Actor {
        #[serde(rename = "ID")]
        id: String,
    }
    let about: About = serde_json::from_str(text).ok()?;
    about.actor.map(|actor| actor.id).or(about.id).or(about.name).filter(|id| id.len() > 3)
}

/// Counts a record under its source; ticks are no records of anything.
pub fn count(counts: &mut BTreeMap<String, u64>, record: &Record) {
    if record.body != Body::Tick {
        *counts.entry(record.source.to_string()).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::{Place, Time};

    fn record(source: &str, text: &str) -> Record {
        Record {
            seq: 0,
            source: source.into(),
            host: "h".into(),
            arrived: Time(0),
            live: true,
            body: Body::Data(text.as_bytes().into()),
            place: Place::default(),
        }
    }

    #[test]
    fn what_others_do_on_the_same_engine_is_left_out() {
        let records = vec![
            record("docker_containers", r#"[{"Id":"mine01","Labels":{"landwaiter.run":"r1"}},{"Id":"other1"}]"#),
            record("docker_events", r#"{"Type":"network","Action":"create","Actor":{"ID":"net001","Attributes":{"name":"n"}}}"#),
            record("docker_network", r#"{"Name":"n","Id":"net001","Labels":{"landwaiter.run":"r1"}}"#),
            record(
                "docker_events",
                r#"{"Type":"container","Action":"create","Actor":{"ID":"mine01","Attributes":{"landwaiter.run":"r1"}}}"#,
            ),
            record(
                "docker_events",
                r#"{"Type":"container","Action":"create","Actor":{"ID":"other1","Attributes":{"landwaiter.run":"r12"}}}"#,
            ),
            record("docker_container", r#"{"Id":"other1","Config":{"Labels":{"landwaiter.run":"r12"}}}"#),
            record("docker_exec", r#"{"ID":"e1","ContainerID":"mine01"}"#),
            record("docker_network", r#"{"Name":"bridge","Id":"bridge0","Containers":{"mine01":{}}}"#),
            record("system_process", r#"{"landwaiter_process":"exec","pid":7,"cgroup":"/docker/mine01"}"#),
            record("system_process", r#"{"landwaiter_process":"exec","pid":8,"cgroup":"/docker/other1"}"#),
            record("docker_container", r#"{"Id":"mine01","NetworkSettings":{"Networks":{"bridge":{"IPAddress":"172.17.0.2"}}}}"#),
            record("conntrack", "[1.0]\t    [NEW] tcp      6 src=172.17.0.2 dst=10.0.0.1 sport=1 dport=2"),
            record("conntrack", "[1.0]\t    [NEW] tcp      6 src=172.17.0.22 dst=10.0.0.1 sport=1 dport=2"),
            record("sensor", r#"{"of":"docker_events","note":"Started"}"#),
            record("sensor", r#"{"of":"docker_events","note":{"Missed":{"object":"container","id":"other1"}}}"#),
        ];
        let kept: Vec<String> = only_run(records, "r1").iter().filter_map(|r| text(r).map(|t| t.chars().take(46).collect())).collect();
        assert_eq!(
            kept,
            [
                r#"{"Type":"network","Action":"create","Actor":{""#,
                r#"{"Name":"n","Id":"net001","Labels":{"landwaite"#,
                r#"{"Type":"container","Action":"create","Actor":"#,
                r#"{"ID":"e1","ContainerID":"mine01"}"#,
                r#"{"landwaiter_process":"exec","pid":7,"cgroup":"#,
                r#"{"Id":"mine01","NetworkSettings":{"Networks":{"#,
                "[1.0]\t    [NEW] tcp      6 src=172.17.0.2 dst=",
                r#"{"of":"docker_events","note":"Started"}"#,
            ]
        );
    }
}
