//! A line of Suricata's eve.json: flows, what was recognised in them, alerts, and its own counters.

use crate::loose::Loose;
use crate::prepare::lacks;
use crate::process::told;
use crate::{SourceDef, Witness};
use event::document::{Document, SIZE_MAX};
use event::event::identity_of;
use event::fact::{Fact, SensorNote, Sight};
use event::flow::{End, Flow, FlowOutcome, FlowStage};
use event::{Decoded, SmolStr, Undecodable, dictionary};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "suricata",
    witness: Witness::Network,
    kind: dictionary::SURICATA,
    about: "Flows, names asked for and alerts, as Suricata says them; and its own count of packets that it lost.",
    size_max: SIZE_MAX,
    recognise,
    finds_duplicates: false,
    decode,
    text: None,
    sample: r#"{"timestamp":"2026-11-24T13:41:18.072015+0000","flow_id":1093120338262432,"in_iface":"docker0","event_type":"flow","src_ip":"172.17.0.2","src_port":45712,"dest_ip":"172.17.0.3","dest_port":6379,"proto":"TCP","app_proto":"redis","flow":{"pkts_toserver":8,"pkts_toclient":6,"bytes_toserver":612,"bytes_toclient":540,"start":"2026-11-24T13:41:08.000001+0000","end":"2026-11-24T13:41:17.900000+0000","age":9,"state":"closed","reason":"timeout","alerted":false},"tcp":{"tcp_flags":"1b","syn":true,"fin":true,"psh":true,"ack":true,"state":"closed"}}"#,
};

fn recognise(document: &Document) -> bool {
    let root = Loose::root(document);
    root.has("event_type") && root.has("timestamp") && (root.has("src_ip") || root.has("stats") || root.has("flow_id"))
}

fn decode(document: &Document, bytes: &[u8]) -> Result<Decoded, Undecodable> {
    let root = Loose::root(document);
    let time = root.get("timestamp").time();
    let sort = root.get("event_type").str();
    if sort.is_empty() {
        return Err(lacks("an event_type"));
    }
    if sort == "stats" {
        return Ok(counted(root, time, bytes));
    }
    let fact = root.get("src_ip").is_there().then(|| Fact::Flow(Box::new(flow(sort, root))));
    Ok(told(dictionary::SURICATA, time, bytes, fact))
}

/// Its counters run from its start, unless it was told to write differences. The total is the statement's identity, so that the same total is not said over and over.
fn counted(root: Loose<'_>, time: Option<event::Time>, bytes: &[u8]) -> Decoded {
    let capture = root.at(&["stats", "capture"]);
    let drops = capture.any(&["kernel_drops_delta", "kernel_drops"]).count().unwrap_or(0);
    let note = SensorNote {
        of: SmolStr::new_static(SOURCE.name),
        note: Sight::Dropped { count: drops, reason: SmolStr::new_static("the kernel dropped packets before Suricata saw them") },
    };
    let mut decoded = told(dictionary::SURICATA, time, bytes, (drops > 0).then_some(Fact::Sensor(note)));
    if drops > 0 && !capture.has("kernel_drops_delta") {
        decoded.identity = Some(identity_of(&[b"suricata kernel_drops", &drops.to_le_bytes()]));
    }
    decoded
}

fn flow(sort: &str, root: Loose<'_>) -> Flow {
    let end = |value: Loose<'_>, address: &str, port: &str| End {
        address: value.get(address).text(),
        port: value.get(port).port(),
        ..End::default()
    };
    let counts = root.get("flow");
    // An alert is about one packet, which may be an answer; newer versions say the flow's own ends beside it.
    let ends = if counts.has("src_ip") { counts } else { root };
    let (mut source, mut destination) = (end(ends, "src_ip", "src_port"), end(ends, "dest_ip", "dest_port"));
    let answers = sort == "dns" && matches!(root.at(&["dns", "type"]).str(), "answer" | "response") && source.port == 53;
    if answers || !counts.has("src_ip") && root.get("direction").str() == "to_client" {
        std::mem::swap(&mut source, &mut destination);
    }
    let netflow = root.get("netflow");
    let is_summary = matches!(sort, "flow" | "netflow");
    let counted = |key: &str| counts.get(key).count();
    let blocked = root.at(&["alert", "action"]).str() == "blocked" || sort == "drop" || counts.get("action").str() == "drop";
    let dns = root.get("dns");
    let query = dns.get("queries").list().first().map(|query| query.get("rrname").text()).unwrap_or_default();
    let names = [root.at(&["tls", "sni"]).text(), dns.get("rrname").text(), query, root.at(&["http", "hostname"]).text()];
    Flow {
        stage: if is_summary { FlowStage::Ended } else { FlowStage::Update },
        started: counts.get("start").time().or_else(|| netflow.get("start").time()),
        ended: is_summary.then(|| counts.get("end").time().or_else(|| netflow.get("end").time())).flatten(),
        source,
        destination,
        protocol: protocol(root.get("proto").str()),
        outcome: match (blocked, counted("pkts_toclient")) {
            (true, _) => FlowOutcome::Dropped,
            // A refusal is an answer of one reset packet.
            (_, Some(1)) if root.at(&["tcp", "rst"]).bool() == Some(true) && counted("pkts_toserver") == Some(1) => FlowOutcome::Refused,
            (_, Some(0)) if is_summary => FlowOutcome::Unanswered,
            (_, Some(n)) if n > 0 => FlowOutcome::Answered,
            _ => FlowOutcome::Unknown,
        },
        // A netflow record counts one direction only.
        bytes_out: counted("bytes_toserver").or_else(|| netflow.get("bytes").count()),
        bytes_in: counted("bytes_toclient"),
        packets_out: counted("pkts_toserver").or_else(|| netflow.get("pkts").count()),
        packets_in: counted("pkts_toclient"),
        service: match root.get("app_proto").str() {
            "" if matches!(sort, "dns" | "tls" | "http" | "ssh" | "smb" | "ftp") => SmolStr::new(sort),
            "failed" | "" => SmolStr::default(),
            known => SmolStr::new(known),
        },
        server_name: names.into_iter().find(|name| !name.is_empty()).unwrap_or_default(),
        sampled: 1,
        alert: root.at(&["alert", "signature"]).text(),
        ..Flow::default()
    }
}

fn protocol(name: &str) -> SmolStr {
    match name.to_ascii_lowercase().as_str() {
        "ipv6-icmp" => SmolStr::new_static("icmpv6"),
        name => SmolStr::new(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Decoded {
        let document = Document::parse(text.as_bytes()).unwrap();
        assert!(recognise(&document), "{text}");
        decode(&document, text.as_bytes()).unwrap()
    }

    fn flow_of(text: &str) -> Flow {
        match read(text).fact {
            Some(Fact::Flow(flow)) => *flow,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_flow_s_summary_says_when_it_began_and_whether_it_was_answered() {
        let flow = flow_of(SOURCE.sample);
        assert_eq!((flow.source.address.as_str(), flow.destination.port, flow.protocol.as_str()), ("172.17.0.2", 6379, "tcp"));
        assert_eq!((flow.stage, flow.outcome, flow.bytes_in), (FlowStage::Ended, FlowOutcome::Answered, Some(540)));
        assert!(flow.started < flow.ended && flow.started.is_some());
    }

    #[test]
    fn names_and_alerts_are_kept() {
        let base = r#""timestamp":"2026-11-24T13:41:18.072015+0000","src_ip":"10.0.0.2","src_port":4000,"dest_ip":"10.0.0.53","dest_port":53,"proto":"UDP""#;
        let query = flow_of(&format!(r#"{{{base},"event_type":"dns","dns":{{"type":"request","queries":[{{"rrname":"db.shop"}}]}}}}"#));
        assert_eq!((query.server_name.as_str(), query.service.as_str()), ("db.shop", "dns"));
        let alert = flow_of(&format!(
            r#"{{{base},"event_type":"alert","direction":"to_client","alert":{{"action":"blocked","signature":"ET SCAN"}}}}"#
        ));
        assert_eq!((alert.alert.as_str(), alert.outcome, alert.source.address.as_str()), ("ET SCAN", FlowOutcome::Dropped, "10.0.0.53"));
    }

    #[test]
    fn lost_packets_are_a_note_and_the_same_total_is_one_statement() {
        let stats = |second: u8, drops: u64| {
            read(&format!(
                r#"{{"timestamp":"2026-11-24T13:41:{second:02}.000000+0000","event_type":"stats","stats":{{"uptime":8,"capture":{{"kernel_packets":100,"kernel_drops":{drops}}}}}}}"#
            ))
        };
        assert!(matches!(stats(1, 5).fact, Some(Fact::Sensor(SensorNote { note: Sight::Dropped { count: 5, .. }, .. }))));
        assert_eq!(stats(1, 5).identity, stats(9, 5).identity);
        assert_ne!(stats(1, 5).identity, stats(9, 6).identity);
        assert_eq!(stats(1, 0).fact, None);
    }
}
