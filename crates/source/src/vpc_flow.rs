//! Flow logs of Amazon's virtual networks: the fourteen columns of version 2, or any others under a header, up to version 5 and later.

use crate::process::told;
use crate::{SourceDef, Text, Witness, text};
use event::document::{Document, SIZE_MAX};
use event::fact::{Fact, SensorNote, Sight};
use event::flow::{End, Flow, FlowOutcome, FlowStage};
use event::{Decoded, SmolStr, Time, Undecodable, dictionary};
use serde_json::{Map, Value};
use std::net::IpAddr;

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "vpc_flow",
    witness: Witness::Network,
    kind: dictionary::VPC_FLOW,
    about: "Flows of a cloud network (AWS flow logs): accepted and rejected ones, and where the log itself lost some.",
    size_max: SIZE_MAX,
    recognise: |_| false,
    finds_duplicates: false,
    decode: |_: &Document, _| Err(broken("is JSON, which flow logs are not")),
    text: Some(Text { recognise, decode }),
    sample: "2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1795527678 1795527738 ACCEPT OK",
};

/// The columns of version 2, in their order.
const COLUMNS: [&str; 14] = [
    "version",
    "account-id",
    "interface-id",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "log-status",
];

/// What later versions added.
const LATER: [&str; 30] = [
    "vpc-id",
    "subnet-id",
    "instance-id",
    "tcp-flags",
    "type",
    "pkt-srcaddr",
    "pkt-dstaddr",
    "region",
    "az-id",
    "sublocation-type",
    "sublocation-id",
    "pkt-src-aws-service",
    "pkt-dst-aws-service",
    "flow-direction",
    "traffic-path",
    "ecs-cluster-arn",
    "ecs-cluster-name",
    "ecs-container-instance-arn",
    "ecs-container-instance-id",
    "ecs-container-id",
    "ecs-second-container-id",
    "ecs-service-name",
    "ecs-task-definition-arn",
    "ecs-task-arn",
    "ecs-task-id",
    "reject-reason",
    "resource-id",
    "encryption-status",
    "next-hop-interface-id",
    "next-hop-id",
];

fn broken(reason: &str) -> Undecodable {
    Undecodable { reason: reason.to_owned(), unknown: false }
}

/// A column's name as a header writes it: some exports put `${…}` around it, or underscores in it.
fn column(word: &str) -> Option<&'static str> {
    let word = word.strip_prefix("${").and_then(|word| word.strip_suffix('}')).unwrap_or(word);
    let same = |known: &&str| known.len() == word.len() && known.bytes().zip(word.bytes()).all(|(a, b)| a == b || a == b'-' && b == b'_');
    COLUMNS.into_iter().chain(LATER).find(same)
}

/// Whether a line names the columns of a flow log.
pub(crate) fn is_header(line: &[u8]) -> bool {
    let Ok(line) = std::str::from_utf8(line) else { return false };
    let mut words = line.split_ascii_whitespace();
    let starts = words.next().is_some_and(|word| column(word).is_some());
    starts && line.split_ascii_whitespace().count() >= 4 && words.all(|word| column(word).is_some())
}

/// Whether a line may be a row of a flow log, in whatever order its columns are: short words, most of them numbers, addresses or absent.
pub(crate) fn may_be_row(line: &[u8]) -> bool {
    let (mut all, mut numbers) = (0, 0);
    for word in line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).take(64) {
        all += 1;
        numbers += usize::from(word.iter().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':' | b'-')));
        if word.contains(&b'=') {
            return false;
        }
    }
    all >= 4 && numbers >= 2
}

/// A record apart: its columns by name and its values, both in order.
fn apart(bytes: &[u8]) -> Option<(Vec<&'static str>, Vec<&str>)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (header, row) = match text.split_once('\n') {
        Some((header, row)) => (Some(header), row),
        None => (None, text),
    };
    let mut values: Vec<&str> = row.split_ascii_whitespace().collect();
    let columns: Vec<&'static str> = match header {
        Some(header) => header.split_ascii_whitespace().map(column).collect::<Option<_>>()?,
        None => COLUMNS.to_vec(),
    };
    // A log group's export puts the time of delivery before each row.
    if values.len() == columns.len() + 1 && values[0].contains('T') && values[0].ends_with('Z') {
        values.remove(0);
    }
    (values.len() == columns.len()).then_some((columns, values))
}

fn recognise(bytes: &[u8]) -> bool {
    let Some((columns, values)) = apart(bytes) else { return false };
    columns.iter().zip(values).all(|(column, value)| fits(column, value))
}

/// Whether a value can stand in a column.
fn fits(column: &str, value: &str) -> bool {
    if value == "-" {
        return column != "log-status" && column != "version";
    }
    match column {
        "srcaddr" | "dstaddr" | "pkt-srcaddr" | "pkt-dstaddr" => value.parse::<IpAddr>().is_ok(),
        "version" => value.len() <= 2 && value.bytes().all(|byte| byte.is_ascii_digit()),
        "srcport" | "dstport" | "protocol" | "packets" | "bytes" | "start" | "end" | "tcp-flags" => {
            value.bytes().all(|byte| byte.is_ascii_digit())
        }
        "action" => matches!(value, "ACCEPT" | "REJECT" | "NODATA" | "SKIPDATA"),
        "log-status" => matches!(value, "OK" | "NODATA" | "SKIPDATA"),
        "interface-id" => value.starts_with("eni-"),
        _ => true,
    }
}

fn decode(bytes: &[u8]) -> Result<Decoded, Undecodable> {
    let (columns, values) = apart(bytes).ok_or_else(|| broken("has another number of columns than its header, or than version 2 has"))?;
    let said = |name: &str| columns.iter().position(|column| *column == name).map(|at| values[at]).filter(|value| *value != "-");
    let number = |name: &str| said(name).and_then(|text| text.parse::<u64>().ok());
    let when = |name: &str| said(name).and_then(|text| text.parse().ok()).map(|seconds: i64| Time::from_seconds(seconds, 0));
    let mut fields = Map::new();
    for (name, value) in columns.iter().zip(&values).filter(|(_, value)| **value != "-") {
        // An account's number is a name: it may begin with zeros.
        let value = if *name == "account-id" { Value::from(*value) } else { text::value(value) };
        fields.entry((*name).to_owned()).or_insert(value);
    }
    let (started, ended) = (when("start"), when("end"));
    let fact = match said("log-status").or_else(|| said("action")) {
        // No traffic in the interval: nothing happened, and nothing was missed.
        Some("NODATA") => None,
        Some("SKIPDATA") => Some(Fact::Sensor(SensorNote {
            of: SmolStr::new_static("vpc_flow"),
            note: Sight::Dropped {
                count: 1,
                reason: SmolStr::new(format!("the flow log skipped records of {}", said("interface-id").unwrap_or("an interface"))),
            },
        })),
        _ => Some(Fact::Flow(Box::new(flow(&said, &number, started, ended)?))),
    };
    let mut decoded = told(dictionary::VPC_FLOW, ended.or(started), bytes, fact);
    decoded.document = text::document(fields);
    Ok(decoded)
}

type Said<'a> = dyn Fn(&str) -> Option<&'a str> + 'a;

fn flow<'a>(
    said: &Said<'a>,
    number: &dyn Fn(&str) -> Option<u64>,
    started: Option<Time>,
    ended: Option<Time>,
) -> Result<Flow, Undecodable> {
    let end = |packet: &str, address: &str, port: &str| End {
        // Behind a gateway or a load balancer the packet's own address is the other one.
        address: said(packet).or_else(|| said(address)).map(text::address).unwrap_or_default(),
        port: number(port).and_then(|port| u16::try_from(port).ok()).unwrap_or(0),
        ..End::default()
    };
    let (source, destination) = (end("pkt-srcaddr", "srcaddr", "srcport"), end("pkt-dstaddr", "dstaddr", "dstport"));
    if source.address.is_empty() || destination.address.is_empty() {
        return Err(broken("lacks the two addresses of a flow"));
    }
    let rejected = said("action") == Some("REJECT");
    Ok(Flow {
        stage: FlowStage::Ended,
        started,
        ended,
        source,
        destination,
        protocol: said("protocol").map(text::protocol).unwrap_or_default(),
        // An accepted flow was let through; whether anybody answered is another record's to say.
        outcome: if rejected { FlowOutcome::Dropped } else { FlowOutcome::Unknown },
        bytes_out: number("bytes"),
        packets_out: number("packets"),
        ..Flow::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fact(text: &str) -> Option<Fact> {
        assert!(recognise(text.as_bytes()), "{text}");
        decode(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {}", error.reason)).fact
    }

    fn flow_of(text: &str) -> Flow {
        match fact(text) {
            Some(Fact::Flow(flow)) => *flow,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn the_default_columns_need_no_header() {
        let flow = flow_of(SOURCE.sample);
        assert_eq!((flow.source.address.as_str(), flow.destination.port, flow.protocol.as_str()), ("172.31.16.139", 22, "tcp"));
        assert_eq!((flow.outcome, flow.bytes_out), (FlowOutcome::Unknown, Some(4249)));
        assert_eq!(flow_of(&SOURCE.sample.replace("ACCEPT", "REJECT")).outcome, FlowOutcome::Dropped);
        assert_eq!(flow_of(&format!("2026-11-24T13:42:18.000Z {}", SOURCE.sample)), flow);
    }

    #[test]
    fn a_header_names_other_columns() {
        let header = "version vpc-id subnet-id srcaddr dstaddr pkt-srcaddr pkt-dstaddr dstport protocol start end action log-status";
        assert!(
            is_header(header.as_bytes()) && is_header(b"${version} ${account-id} ${srcaddr} ${dst_addr}") != is_header(header.as_bytes())
        );
        let flow = flow_of(&format!(
            "{header}\n5 vpc-1 subnet-2 10.0.0.1 10.0.0.220 10.40.2.236 10.20.33.164 443 17 1795527678 1795527738 REJECT OK"
        ));
        assert_eq!((flow.source.address.as_str(), flow.destination.address.as_str()), ("10.40.2.236", "10.20.33.164"));
        assert_eq!((flow.protocol.as_str(), flow.outcome), ("udp", FlowOutcome::Dropped));
        assert!(!is_header(b"version control systems"));
    }

    #[test]
    fn an_interval_without_flows_is_none_and_a_loss_is_said() {
        assert_eq!(fact("2 123456789010 eni-1235b8ca - - - - - - - 1795527678 1795527738 - NODATA"), None);
        let lost = fact("2 123456789010 eni-1235b8ca - - - - - - - 1795527678 1795527738 - SKIPDATA");
        assert!(matches!(lost, Some(Fact::Sensor(SensorNote { note: Sight::Dropped { .. }, .. }))), "{lost:?}");
    }

    proptest! {
        #[test]
        fn any_row_is_survived(row in "([0-9a-z.:é$-]{0,9} ){0,16}(ACCEPT|REJECT)? ?(OK|NODATA|SKIPDATA)?", header in any::<bool>()) {
            let text = if header { format!("srcaddr dstaddr start end\n{row}") } else { row };
            let _ = (recognise(text.as_bytes()), is_header(text.as_bytes()));
            let _ = decode(text.as_bytes());
        }
    }
}
