//! A flow of Cilium's Hubble, as `hubble observe -o json` and its exporter write it: with the wrapper `{"flow":…,"node_name":…}` and without.

use crate::loose::Loose;
use crate::process::told;
use crate::{SourceDef, Witness};
use event::document::{Document, SIZE_MAX};
use event::fact::{Fact, SensorNote, Sight};
use event::flow::{End, Flow, FlowOutcome, FlowStage};
use event::{Decoded, SmolStr, Undecodable, dictionary};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "hubble",
    witness: Witness::Network,
    kind: dictionary::HUBBLE_FLOW,
    about: "Flows between pods with the verdict of the network policies, as Cilium's Hubble says them; and its own notice of flows that it lost.",
    size_max: SIZE_MAX,
    recognise,
    finds_duplicates: false,
    decode,
    text: None,
    sample: r#"{"flow":{"time":"2026-11-24T13:41:18.072015498Z","uuid":"7e2f3b0a-2f65-4e0f-a7c7-8d0b1c2d3e4f","verdict":"DROPPED","drop_reason":133,"drop_reason_desc":"POLICY_DENIED","ethernet":{"source":"02:00:00:00:00:01","destination":"02:00:00:00:00:02"},"IP":{"source":"10.244.1.17","destination":"10.244.2.9","ipVersion":"IPv4"},"l4":{"TCP":{"source_port":45712,"destination_port":5432,"flags":{"SYN":true}}},"source":{"ID":1717,"identity":8571,"namespace":"shop","labels":["k8s:app=web","k8s:io.kubernetes.pod.namespace=shop"],"pod_name":"web-56f8fc6988-pb8c7","workloads":[{"name":"web","kind":"Deployment"}]},"destination":{"ID":909,"identity":9120,"namespace":"shop","labels":["k8s:app=db"],"pod_name":"db-0","workloads":[{"name":"db","kind":"StatefulSet"}]},"Type":"L3_L4","node_name":"node1","event_type":{"type":1,"sub_type":133},"traffic_direction":"INGRESS","is_reply":null,"Summary":"TCP Flags: SYN"},"node_name":"node1","time":"2026-11-24T13:41:18.072015498Z"}"#,
};

fn recognise(document: &Document) -> bool {
    let root = Loose::root(document);
    let is_flow = |flow: Loose<'_>| flow.has("verdict") && (flow.has("IP") || flow.has("l4") || flow.has("traffic_direction"));
    is_flow(root.get("flow")) || root.has("lost_events") || is_flow(root)
}

fn decode(document: &Document, bytes: &[u8]) -> Result<Decoded, Undecodable> {
    let root = Loose::root(document);
    let lost = root.get("lost_events");
    if lost.is_there() {
        let note = Sight::Dropped {
            count: lost.get("num_events_lost").count().unwrap_or(1),
            reason: format!("Hubble lost flows: {}", lost.get("source").str()).into(),
        };
        let note = SensorNote { of: SmolStr::new_static(SOURCE.name), note };
        return Ok(told(dictionary::HUBBLE_FLOW, root.get("time").time(), bytes, Some(Fact::Sensor(note))));
    }
    let said = if root.get("flow").is_there() { root.get("flow") } else { root };
    let time = said.get("time").time().or_else(|| root.get("time").time());
    // Agent events and flows without addresses (lower layers) say nothing of who speaks with whom.
    let fact = said.get("IP").is_there().then(|| Fact::Flow(Box::new(flow(said))));
    Ok(told(dictionary::HUBBLE_FLOW, time, bytes, fact))
}

fn flow(said: Loose<'_>) -> Flow {
    let (protocol, ports) = match said.get("l4").first_member() {
        Some((name, ports)) => (name.to_ascii_lowercase(), ports),
        None => (String::new(), said.get("l4")),
    };
    let end = |side: &str, port: &str| {
        let place = said.get(side);
        let labels = place.get("labels").texts();
        let reserved = labels.iter().find_map(|label| label.strip_prefix("reserved:").map(SmolStr::new));
        let names = said.get(if side == "source" { "source_names" } else { "destination_names" }).texts();
        End {
            address: said.at(&["IP", side]).text(),
            port: ports.get(port).port(),
            namespace: place.get("namespace").text(),
            pod: place.get("pod_name").text(),
            workload: place.get("workloads").list().first().map(|workload| workload.get("name").text()).unwrap_or_default(),
            identity: reserved.or_else(|| names.first().cloned()).unwrap_or_default(),
            labels: labels.iter().map(|label| SmolStr::new(label.strip_prefix("k8s:").unwrap_or(label))).collect(),
        }
    };
    let (mut source, mut destination) = (end("source", "source_port"), end("destination", "destination_port"));
    let reply = said.get("is_reply").bool().unwrap_or(false);
    if reply {
        std::mem::swap(&mut source, &mut destination);
    }
    let flags = ports.get("flags");
    let has = |flag: &str| flags.get(flag).bool().unwrap_or(false);
    let l7 = said.get("l7");
    let service = ["http", "dns", "kafka"].into_iter().find(|name| l7.get(name).is_there()).unwrap_or_default();
    let host = l7
        .at(&["http", "url"])
        .str()
        .split_once("://")
        .map(|(_, rest)| rest.split(['/', ':']).next().unwrap_or_default())
        .unwrap_or_default();
    let query = l7.at(&["dns", "query"]).str().trim_end_matches('.');
    Flow {
        stage: match (has("FIN") || has("RST"), has("SYN") && !has("ACK")) {
            (true, _) => FlowStage::Ended,
            (_, true) => FlowStage::New,
            _ => FlowStage::Update,
        },
        source,
        destination,
        protocol: match protocol.as_str() {
            "icmpv4" => SmolStr::new_static("icmp"),
            other => SmolStr::new(other),
        },
        outcome: match said.get("verdict").str() {
            "DROPPED" | "ERROR" => FlowOutcome::Dropped,
            _ if reply && has("RST") => FlowOutcome::Refused,
            _ if reply => FlowOutcome::Answered,
            _ => FlowOutcome::Unknown,
        },
        service: SmolStr::new(service),
        server_name: SmolStr::new(if query.is_empty() { host } else { query }),
        sampled: 1,
        ..Flow::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Fact> {
        let document = Document::parse(text.as_bytes()).unwrap();
        assert!(recognise(&document), "{text}");
        decode(&document, text.as_bytes()).unwrap().fact
    }

    #[test]
    fn a_dropped_flow_names_both_pods_with_and_without_the_wrapper() {
        let Some(Fact::Flow(flow)) = read(SOURCE.sample) else { panic!("a flow") };
        assert_eq!(
            (flow.source.pod.as_str(), flow.destination.workload.as_str(), flow.outcome),
            ("web-56f8fc6988-pb8c7", "db", FlowOutcome::Dropped)
        );
        assert_eq!((flow.destination.port, flow.protocol.as_str(), flow.stage), (5432, "tcp", FlowStage::New));
        assert!(flow.source.labels.contains(&"app=web".into()));
        let value: serde_json::Value = serde_json::from_str(SOURCE.sample).unwrap();
        let Some(Fact::Flow(bare)) = read(&value["flow"].to_string()) else { panic!("a flow") };
        assert_eq!(bare, flow);
    }

    #[test]
    fn an_answer_is_told_from_its_initiator_s_side() {
        let text = r#"{"flow":{"time":"2026-11-24T13:41:18Z","verdict":"FORWARDED","IP":{"source":"1.1.1.1","destination":"10.0.0.2"},"l4":{"UDP":{"source_port":53,"destination_port":4000}},"source":{"labels":["reserved:world"]},"is_reply":true}}"#;
        let Some(Fact::Flow(flow)) = read(text) else { panic!("a flow") };
        assert_eq!(
            (flow.source.address.as_str(), flow.destination.port, flow.destination.identity.as_str(), flow.outcome),
            ("10.0.0.2", 53, "world", FlowOutcome::Answered)
        );
    }

    #[test]
    fn lost_flows_are_a_note_of_its_sight() {
        let text =
            r#"{"lost_events":{"source":"HUBBLE_RING_BUFFER","num_events_lost":"12"},"node_name":"n","time":"2026-11-24T13:41:18Z"}"#;
        let Some(Fact::Sensor(note)) = read(text) else { panic!("a note") };
        assert!(matches!(note.note, Sight::Dropped { count: 12, .. }));
    }
}
