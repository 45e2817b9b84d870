//! A record of Google Cloud's VPC flow logs or firewall rules logs: `jsonPayload.connection` and what stands around it.
//!
//! Each end reports its own direction, so of one connection there may be four records. Which end began it, a record does not say.

use crate::loose::Loose;
use crate::prepare::lacks;
use crate::process::told;
use crate::{SourceDef, Witness};
use event::document::{Document, SIZE_MAX};
use event::fact::Fact;
use event::flow::{End, Flow, FlowOutcome, FlowStage};
use event::{Decoded, SmolStr, Undecodable, dictionary};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "gcp_flow",
    witness: Witness::Network,
    kind: dictionary::VPC_FLOW,
    about: "Flows in a Google Cloud network, as its flow logs and firewall logs say them.",
    size_max: SIZE_MAX,
    recognise,
    finds_duplicates: false,
    decode,
    text: None,
    sample: r#"{"insertId":"1xkx2vcg3l0y4n","jsonPayload":{"bytes_sent":"1776","connection":{"dest_ip":"10.8.2.9","dest_port":5432,"protocol":6,"src_ip":"10.8.1.17","src_port":45712},"start_time":"2026-11-24T13:41:08.072015498Z","end_time":"2026-11-24T13:41:17.900000000Z","packets_sent":"12","reporter":"SRC","src_gke_details":{"cluster":{"cluster_name":"shop"},"pod":{"pod_name":"web-56f8fc6988-pb8c7","pod_namespace":"shop"}},"src_instance":{"vm_name":"node1","zone":"europe-west1-b"}},"logName":"projects/example/logs/compute.googleapis.com%2Fvpc_flows","resource":{"type":"gce_subnetwork"},"timestamp":"2026-11-24T13:41:18.072015498Z"}"#,
};

fn recognise(document: &Document) -> bool {
    Loose::root(document).at(&["jsonPayload", "connection"]).has("src_ip")
}

fn decode(document: &Document, bytes: &[u8]) -> Result<Decoded, Undecodable> {
    let root = Loose::root(document);
    let payload = root.get("jsonPayload");
    let connection = payload.get("connection");
    if !connection.is_object() {
        return Err(lacks("a connection in jsonPayload"));
    }
    let end = |side: &str| {
        let part = |key: &str| payload.get(&format!("{side}_{key}"));
        let pod = part("gke_details").get("pod");
        let workload = pod.get("pod_workload").any(&["workload_name"]).text();
        End {
            address: connection.get(&format!("{side}_ip")).text(),
            port: connection.get(&format!("{side}_port")).port(),
            namespace: pod.get("pod_namespace").text(),
            pod: pod.get("pod_name").text(),
            workload,
            identity: part("instance").get("vm_name").text(),
            labels: Vec::new(),
        }
    };
    let ended = payload.get("end_time").time();
    let flow = Flow {
        stage: FlowStage::Ended,
        started: payload.get("start_time").time(),
        ended,
        source: end("src"),
        destination: end("dest"),
        protocol: match connection.get("protocol").int() {
            Some(1) => SmolStr::new_static("icmp"),
            Some(6) => SmolStr::new_static("tcp"),
            Some(17) => SmolStr::new_static("udp"),
            Some(58) => SmolStr::new_static("icmpv6"),
            Some(132) => SmolStr::new_static("sctp"),
            _ => connection.get("protocol").text(),
        },
        outcome: if payload.get("disposition").str() == "DENIED" { FlowOutcome::Dropped } else { FlowOutcome::Unknown },
        bytes_out: payload.get("bytes_sent").count(),
        packets_out: payload.get("packets_sent").count(),
        ..Flow::default()
    };
    let time = ended.or_else(|| root.get("timestamp").time());
    Ok(told(dictionary::VPC_FLOW, time, bytes, Some(Fact::Flow(Box::new(flow)))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_names_its_ends_and_what_the_firewall_did() {
        let read = |text: &str| {
            let document = Document::parse(text.as_bytes()).unwrap();
            assert!(recognise(&document));
            match decode(&document, text.as_bytes()).unwrap().fact {
                Some(Fact::Flow(flow)) => *flow,
                other => panic!("{other:?}"),
            }
        };
        let flow = read(SOURCE.sample);
        assert_eq!(
            (flow.source.pod.as_str(), flow.destination.port, flow.protocol.as_str(), flow.bytes_out),
            ("web-56f8fc6988-pb8c7", 5432, "tcp", Some(1776))
        );
        let denied = read(
            r#"{"jsonPayload":{"connection":{"src_ip":"10.0.0.2","dest_ip":"10.0.0.3","dest_port":22,"protocol":6},"disposition":"DENIED"},"timestamp":"2026-11-24T13:41:18Z"}"#,
        );
        assert_eq!(denied.outcome, FlowOutcome::Dropped);
    }
}
