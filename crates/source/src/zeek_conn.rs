//! Zeek's `conn.log`: its own tables with a header, and JSON.
//!
//! A record of a table is the lines of its header that matter and one row. Without a header the columns are those that Zeek writes by default, told apart by
//! their number.

use crate::loose::Loose;
use crate::prepare::lacks;
use crate::process::told;
use crate::{SourceDef, Text, Witness, text};
use event::document::{Document, SIZE_MAX};
use event::fact::Fact;
use event::flow::{End, Flow, FlowOutcome, FlowStage};
use event::{Decoded, SmolStr, Span, Time, Undecodable, dictionary};
use serde_json::{Map, Value};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "zeek_conn",
    witness: Witness::Network,
    kind: dictionary::ZEEK_CONN,
    about: "Connections as Zeek saw them on the wire, with their bytes, their duration and how they ended.",
    size_max: SIZE_MAX,
    recognise: |document| {
        let root = Loose::root(document);
        root.has("id.orig_h")
            && root.has("id.resp_h")
            && (root.has("conn_state") || root.has("uid") && root.has("proto") && root.has("orig_pkts"))
    },
    finds_duplicates: false,
    decode: decode_json,
    text: Some(Text { recognise, decode }),
    sample: r#"{"ts":1795527678.271434,"uid":"CMdzit1AMNsmfAIiQc","id.orig_h":"172.17.0.2","id.orig_p":41512,"id.resp_h":"172.17.0.3","id.resp_p":6379,"proto":"tcp","service":"redis","duration":0.154,"orig_bytes":31,"resp_bytes":77,"conn_state":"SF","missed_bytes":0,"history":"ShADadFf","orig_pkts":6,"orig_ip_bytes":351,"resp_pkts":5,"resp_ip_bytes":345}"#,
};

/// The columns by default; older versions end sooner.
const COLUMNS: [&str; 22] = [
    "ts",
    "uid",
    "id.orig_h",
    "id.orig_p",
    "id.resp_h",
    "id.resp_p",
    "proto",
    "service",
    "duration",
    "orig_bytes",
    "resp_bytes",
    "conn_state",
    "local_orig",
    "local_resp",
    "missed_bytes",
    "history",
    "orig_pkts",
    "orig_ip_bytes",
    "resp_pkts",
    "resp_ip_bytes",
    "tunnel_parents",
    "ip_proto",
];

/// The number of columns without `ip_proto` and, older still, without `local_resp`.
const COLUMNS_KNOWN: [usize; 3] = [22, 21, 20];

const STATES: [&str; 13] = ["S0", "S1", "SF", "REJ", "S2", "S3", "RSTO", "RSTR", "RSTOS0", "RSTRH", "SH", "SHR", "OTH"];

/// The word of a header's line when it matters for reading rows.
pub(crate) fn header_word(line: &[u8]) -> Option<&'static str> {
    // In the order in which they stand in a header, which is also that of the alphabet for all but the first.
    let word = line.split(|byte| byte.is_ascii_whitespace() || *byte == b',').next().unwrap_or_default();
    ["#separator", "#empty_field", "#fields", "#path", "#set_separator", "#unset_field"].into_iter().find(|known| known.as_bytes() == word)
}

/// Whether a line may be a row of some log of Zeek: a time and a tab.
pub(crate) fn may_be_row(line: &[u8]) -> bool {
    line.first().is_some_and(u8::is_ascii_digit) && line.contains(&b'\t')
}

/// Whether a row has as many columns as the header names.
pub(crate) fn fits(header: &[u8], line: &[u8]) -> bool {
    let Some(header) = Header::of(header) else { return false };
    let columns = memchr::memchr_iter(header.separator, line).count() + 1;
    columns > 1 && columns == header.columns.len()
}

/// What a header says.
struct Header<'a> {
    separator: u8,
    unset: &'a str,
    empty: &'a str,
    path: &'a str,
    columns: Vec<&'a str>,
}

impl<'a> Header<'a> {
    fn of(bytes: &'a [u8]) -> Option<Header<'a>> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut header = Header { separator: b'\t', unset: "-", empty: "(empty)", path: "conn", columns: Vec::new() };
        if let Some(code) = text.lines().find_map(|line| line.strip_prefix("#separator ")) {
            header.separator = match code.trim() {
                hex if hex.starts_with("\\x") => u8::from_str_radix(&hex[2..], 16).ok()?,
                plain => *plain.as_bytes().first()?,
            };
        }
        let separator = char::from(header.separator);
        for line in text.lines() {
            let mut words = line.split(separator);
            let word = words.next().unwrap_or_default();
            let value = line.get(word.len() + 1..).unwrap_or_default();
            match word {
                "#unset_field" => header.unset = value,
                "#empty_field" => header.empty = value,
                "#path" => header.path = value,
                "#fields" => header.columns = words.collect(),
                _ => {}
            }
        }
        Some(header)
    }

    fn standard(count: usize) -> Option<Header<'static>> {
        let mut columns: Vec<&'static str> = COLUMNS.to_vec();
        match count {
            22 => {}
            21 => columns.truncate(21),
            20 => {
                columns.truncate(21);
                columns.retain(|name| *name != "local_resp");
            }
            _ => return None,
        }
        Some(Header { separator: b'\t', unset: "-", empty: "(empty)", path: "conn", columns })
    }
}

/// A record apart: its header's lines, when it has some, and its row.
fn apart(bytes: &[u8]) -> (Option<&[u8]>, &[u8]) {
    if bytes.first() != Some(&b'#') {
        return (None, bytes);
    }
    match memchr::memrchr(b'\n', bytes) {
        Some(at) => (Some(&bytes[..at]), &bytes[at + 1..]),
        None => (Some(bytes), &[]),
    }
}

fn recognise(bytes: &[u8]) -> bool {
    let (header, row) = apart(bytes);
    match header {
        Some(header) => {
            row.first().is_some_and(|byte| *byte != b'#')
                && Header::of(header).is_some_and(|header| {
                    header.path == "conn" && ["ts", "id.orig_h", "id.resp_h"].iter().all(|name| header.columns.contains(name))
                })
        }
        None => {
            if !row.first().is_some_and(u8::is_ascii_digit) || !COLUMNS_KNOWN.contains(&(memchr::memchr_iter(b'\t', row).count() + 1)) {
                return false;
            }
            let columns: Vec<&[u8]> = row.split(|byte| *byte == b'\t').take(12).collect();
            let is_uid = columns[1].len() > 8 && columns[1].iter().all(u8::is_ascii_alphanumeric);
            is_uid && columns[0].contains(&b'.') && (columns[11] == b"-" || STATES.iter().any(|state| state.as_bytes() == columns[11]))
        }
    }
}

fn broken(reason: &str) -> Undecodable {
    Undecodable { reason: reason.to_owned(), unknown: false }
}

fn decode(bytes: &[u8]) -> Result<Decoded, Undecodable> {
    let (header, row) = apart(bytes);
    let row = std::str::from_utf8(row).map_err(|_| broken("is not UTF-8"))?;
    let header = match header {
        Some(header) => Header::of(header),
        None => Header::standard(row.matches('\t').count() + 1),
    };
    let header = header.ok_or_else(|| broken("has a number of columns that no conn.log has; keep its header"))?;
    let values: Vec<&str> = row.split(char::from(header.separator)).collect();
    if values.len() != header.columns.len() {
        return Err(broken("has another number of columns than its header"));
    }
    let mut fields = Map::new();
    let said = |name: &str| {
        let at = header.columns.iter().position(|column| *column == name)?;
        Some(values[at]).filter(|value| *value != header.unset && *value != header.empty)
    };
    let flow = flow(&mut |name| said(name).map(SmolStr::new))?;
    for (name, value) in header.columns.iter().zip(&values) {
        let value = match *value {
            unset if unset == header.unset => continue,
            empty if empty == header.empty => Value::from(""),
            "T" if name.starts_with("local_") => Value::Bool(true),
            "F" if name.starts_with("local_") => Value::Bool(false),
            // Sums of a duration are made by rules, texts such as a uid are never numbers.
            value if *name == "duration" || *name == "ts" => value.parse::<f64>().ok().map_or_else(|| Value::from(value), Value::from),
            value => text::value(value),
        };
        fields.entry((*name).to_owned()).or_insert(value);
    }
    let mut decoded = told(dictionary::ZEEK_CONN, flow.1, bytes, Some(Fact::Flow(Box::new(flow.0))));
    decoded.document = text::document(fields);
    Ok(decoded)
}

fn decode_json(document: &Document, bytes: &[u8]) -> Result<Decoded, Undecodable> {
    let root = Loose::root(document);
    let (flow, time) = flow(&mut |name| {
        let value = root.get(name);
        Some(value.text()).filter(|text| !text.is_empty())
    })?;
    Ok(told(dictionary::ZEEK_CONN, time, bytes, Some(Fact::Flow(Box::new(flow)))))
}

/// The flow that the fields tell, and when it was written down: at its end.
fn flow(said: &mut dyn FnMut(&str) -> Option<SmolStr>) -> Result<(Flow, Option<Time>), Undecodable> {
    let text = said("ts").ok_or_else(|| lacks("a time"))?;
    let started = text::seconds(&text).or_else(|| Time::parse(&text)).ok_or_else(|| broken("has a time that is none"))?;
    let length = said("duration").and_then(|text| text::span(&text)).unwrap_or(Span::ZERO);
    let ended = started + length;
    let mut end = |address: &str, port: &str| End {
        address: said(address).map(|text| text::address(&text)).unwrap_or_default(),
        port: said(port).and_then(|text| text.parse().ok()).unwrap_or(0),
        ..End::default()
    };
    let (mut source, mut destination) = (end("id.orig_h", "id.orig_p"), end("id.resp_h", "id.resp_p"));
    if source.address.is_empty() || destination.address.is_empty() {
        return Err(lacks("the two addresses of a connection"));
    }
    let protocol = said("proto").unwrap_or_default();
    let is_v6 = source.address.contains(':');
    if protocol == "icmp" {
        // Zeek writes type and code where ports stand.
        (source.port, destination.port) = (0, 0);
    }
    let state = said("conn_state").unwrap_or_default();
    let mut count = |name: &str| said(name).and_then(|text| text.parse::<u64>().ok());
    let outcome = match state.as_str() {
        "S0" | "SH" | "RSTOS0" => FlowOutcome::Unanswered,
        "REJ" => FlowOutcome::Refused,
        // A reset without a SYN-ACK seen before is a refusal as well as it is a stray.
        "SF" | "S1" | "S2" | "S3" | "RSTO" | "RSTR" | "RSTRH" | "SHR" => FlowOutcome::Answered,
        _ => FlowOutcome::Unknown,
    };
    let (bytes_out, bytes_in) = (count("orig_bytes"), count("resp_bytes"));
    let (packets_out, packets_in) = (count("orig_pkts"), count("resp_pkts"));
    Ok((
        Flow {
            stage: FlowStage::Ended,
            started: Some(started),
            ended: Some(ended),
            source,
            destination,
            protocol: if protocol == "icmp" && is_v6 { SmolStr::new_static("icmpv6") } else { protocol },
            outcome,
            bytes_out,
            bytes_in,
            packets_out,
            packets_in,
            service: said("service").unwrap_or_default(),
            sampled: 1,
            ..Flow::default()
        },
        Some(ended),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROW: &str = "1795527678.271434\tCMdzit1AMNsmfAIiQc\t172.17.0.2\t41512\t172.17.0.3\t6379\ttcp\t-\t0.5\t31\t77\tREJ\tT\tF\t0\tShADadFf\t6\t351\t5\t345\t-";
    const HEADER: &str = "#separator \\x09\n#fields\tts\tuid\tid.orig_h\tid.resp_h\tid.resp_p\tconn_state\textra\n#path\tconn";

    fn flow_of(text: &str) -> Flow {
        assert!(recognise(text.as_bytes()), "{text}");
        match decode(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {}", error.reason)).fact {
            Some(Fact::Flow(flow)) => *flow,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_row_without_a_header_is_read_by_its_number_of_columns() {
        let flow = flow_of(ROW);
        assert_eq!((flow.source.address.as_str(), flow.source.port, flow.destination.port), ("172.17.0.2", 41512, 6379));
        assert_eq!((flow.outcome, flow.bytes_out, flow.packets_in), (FlowOutcome::Refused, Some(31), Some(5)));
        assert_eq!((flow.ended.unwrap() - flow.started.unwrap()), Span::millis(500));
        assert_eq!(flow_of(&format!("{ROW}\t6")), flow);
        let old = ROW.replacen("\tF\t", "\t", 1);
        assert_eq!(flow_of(&old).packets_in, Some(5));
        assert!(!recognise(ROW.rsplit_once("\t345").unwrap().0.as_bytes()));
    }

    #[test]
    fn a_header_names_the_columns() {
        let flow = flow_of(&format!("{HEADER}\n1795527678.5\tC1\t10.0.0.1\t10.0.0.2\t443\tS0\tx"));
        assert_eq!((flow.destination.port, flow.outcome, flow.source.port), (443, FlowOutcome::Unanswered, 0));
        let dns = HEADER.replace("#path\tconn", "#path\tdns");
        assert!(!recognise(format!("{dns}\n1\tC1\t10.0.0.1\t10.0.0.2\t443\tS0\tx").as_bytes()));
        assert!(decode(format!("{HEADER}\n1795527678.5\tC1").as_bytes()).is_err());
    }

    #[test]
    fn json_and_table_tell_the_same() {
        let document = Document::parse(SOURCE.sample.as_bytes()).unwrap();
        let Some(Fact::Flow(json)) = decode_json(&document, SOURCE.sample.as_bytes()).unwrap().fact else { panic!("no flow") };
        let row = ROW.replace("\t-\t0.5\t", "\tredis\t0.154\t").replace("REJ", "SF");
        assert_eq!(*json, flow_of(&row));
        let text = SOURCE.sample.replace("1795527678.271434", "\"2026-11-24T13:41:18.271434Z\"");
        let Some(Fact::Flow(written)) = decode_json(&Document::parse(text.as_bytes()).unwrap(), text.as_bytes()).unwrap().fact else {
            panic!("no flow")
        };
        assert_eq!(written, json);
    }

    proptest! {
        #[test]
        fn any_row_is_survived(row in "([0-9.a-zCé-]{0,6}\t){0,23}", header in any::<bool>()) {
            let text = if header { format!("{HEADER}\n{row}") } else { row };
            let _ = recognise(text.as_bytes());
            let _ = decode(text.as_bytes());
            let _ = fits(text.as_bytes(), text.as_bytes());
        }
    }
}
