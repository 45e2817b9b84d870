//! The kernel's connection tracking, as `conntrack -E` and `conntrack -L` print it: text with any of `-o timestamp,id,extended`, or `-o xml`, one flow a line.

use crate::process::told;
use crate::{SourceDef, Text, Witness, text};
use event::document::{Document, SIZE_MAX};
use event::fact::Fact;
use event::flow::{End, Flow, FlowOutcome, FlowStage};
use event::{Decoded, SmolStr, Time, Undecodable, dictionary};
use serde_json::{Map, Value};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "conntrack",
    witness: Witness::Network,
    kind: dictionary::CONNTRACK,
    about: "Flows as the kernel tracks them, with their addresses before and after translation.",
    size_max: SIZE_MAX,
    recognise: |_| false,
    finds_duplicates: false,
    decode: |_: &Document, _| Err(broken("is JSON, which conntrack does not write")),
    text: Some(Text { recognise, decode }),
    sample: "[1795527678.271434]\t    [NEW] tcp      6 120 SYN_SENT src=172.17.0.2 dst=172.17.0.3 sport=41512 dport=6379 [UNREPLIED] src=172.17.0.3 dst=172.17.0.2 sport=6379 dport=41512",
};

/// The protocols by which a line of a list may begin.
const PROTOCOLS: [&str; 10] = ["tcp", "udp", "icmp", "icmpv6", "sctp", "dccp", "gre", "udplite", "unknown", "ipv4"];

fn recognise(bytes: &[u8]) -> bool {
    let line = bytes.trim_ascii();
    if line.starts_with(b"<flow ") || line.starts_with(b"<flow>") {
        return true;
    }
    let line = match line.strip_prefix(b"[") {
        Some(rest) if rest.first().is_some_and(u8::is_ascii_digit) => match memchr::memchr(b']', rest) {
            Some(end) if end < 32 => rest[end + 1..].trim_ascii_start(),
            _ => return false,
        },
        _ => line,
    };
    if [&b"[NEW]"[..], b"[UPDATE]", b"[DESTROY]"].iter().any(|tag| line.starts_with(tag)) {
        return true;
    }
    let word = line.split(|byte| *byte == b' ').next().unwrap_or_default();
    (PROTOCOLS.iter().any(|known| known.as_bytes() == word) || word == b"ipv6") && memchr::memmem::find(line, b" src=").is_some()
}

fn broken(reason: &str) -> Undecodable {
    Undecodable { reason: reason.to_owned(), unknown: false }
}

fn decode(bytes: &[u8]) -> Result<Decoded, Undecodable> {
    let line = std::str::from_utf8(bytes).map_err(|_| broken("is not UTF-8"))?.trim();
    let said = if line.starts_with('<') { from_xml(line)? } else { from_text(line)? };
    let flow = said.flow()?;
    let mut decoded = told(dictionary::CONNTRACK, said.time, bytes, Some(Fact::Flow(Box::new(flow))));
    decoded.document = text::document(said.document());
    Ok(decoded)
}

/// One direction: its fields in the order in which they stand.
type Side = Vec<(SmolStr, SmolStr)>;

/// What a line says.
#[derive(Debug, Default)]
struct Said {
    time: Option<Time>,
    event: SmolStr,
    family: SmolStr,
    protocol: SmolStr,
    number: SmolStr,
    timeout: SmolStr,
    state: SmolStr,
    original: Side,
    reply: Side,
    unreplied: bool,
    assured: bool,
    rest: Side,
}

fn field<'a>(side: &'a Side, name: &str) -> &'a str {
    side.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
}

fn from_text(line: &str) -> Result<Said, Undecodable> {
    let mut said = Said::default();
    let mut rest = line;
    if let Some(inner) = rest.strip_prefix('[')
        && inner.starts_with(|c: char| c.is_ascii_digit())
    {
        let (stamp, after) = inner.split_once(']').ok_or_else(|| broken("has a timestamp that does not end"))?;
        said.time = Some(text::seconds(stamp).ok_or_else(|| broken("has a timestamp that is no time"))?);
        rest = after;
    }
    let mut head: Vec<&str> = Vec::new();
    let mut replied = false;
    for token in rest.split_ascii_whitespace() {
        match token {
            "[NEW]" | "[UPDATE]" | "[DESTROY]" => said.event = SmolStr::new(token.trim_matches(['[', ']'])),
            "[UNREPLIED]" => said.unreplied = true,
            "[ASSURED]" => said.assured = true,
            _ if token.starts_with('[') => said.rest.push((SmolStr::new_static("status"), SmolStr::new(token.trim_matches(['[', ']'])))),
            _ => match token.split_once('=') {
                None => head.push(token),
                Some((key, value)) => {
                    replied |= key == "src" && !said.original.is_empty();
                    let side = if replied { &mut said.reply } else { &mut said.original };
                    let belongs =
                        matches!(key, "src" | "dst" | "sport" | "dport" | "type" | "code" | "packets" | "bytes" | "srckey" | "dstkey")
                            || key == "id" && side.iter().any(|(key, _)| key == "type");
                    let pair = (SmolStr::new(key), SmolStr::new(value));
                    if belongs && !side.iter().any(|(known, _)| *known == pair.0) { side.push(pair) } else { said.rest.push(pair) }
                }
            },
        }
    }
    let mut head = head.into_iter().peekable();
    if let Some(family) = head.next_if(|word| matches!(*word, "ipv4" | "ipv6")) {
        said.family = SmolStr::new(family);
        head.next_if(|word| matches!(*word, "2" | "10"));
    }
    said.protocol = SmolStr::new(head.next().unwrap_or_default());
    let is_number = |word: &&str| word.bytes().all(|byte| byte.is_ascii_digit());
    said.number = SmolStr::new(head.next_if(is_number).unwrap_or_default());
    said.timeout = SmolStr::new(head.next_if(is_number).unwrap_or_default());
    said.state = SmolStr::new(head.next().unwrap_or_default());
    Ok(said)
}

/// The text inside the first element of that name.
fn inside<'a>(xml: &'a str, name: &str) -> &'a str {
    let open = format!("<{name}>");
    let Some(start) = xml.find(&open).map(|at| at + open.len()) else { return "" };
    xml[start..].find('<').map_or("", |length| &xml[start..start + length])
}

/// The value of an attribute of the first element that begins so.
fn attribute<'a>(xml: &'a str, element: &str, name: &str) -> &'a str {
    let Some(at) = xml.find(&format!("<{element} ")) else { return "" };
    let tag = xml[at..].split('>').next().unwrap_or_default();
    tag.split(&format!("{name}=\"")).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default()
}

fn from_xml(line: &str) -> Result<Said, Undecodable> {
    if !line.ends_with("</flow>") {
        return Err(broken("ends in the middle of a flow"));
    }
    let section = |direction: &str| {
        let open = format!("<meta direction=\"{direction}\">");
        line.find(&open).map(|at| line[at + open.len()..].split("</meta>").next().unwrap_or_default()).unwrap_or_default()
    };
    let side = |direction: &str| -> Side {
        let xml = section(direction);
        let names = ["src", "dst", "sport", "dport", "type", "code", "icmpid", "packets", "bytes"];
        let named = |name: &str| SmolStr::new(if name == "icmpid" { "id" } else { name });
        names.iter().map(|name| (named(name), SmolStr::new(inside(xml, name)))).filter(|(_, value)| !value.is_empty()).collect()
    };
    let own = section("independent");
    let mut said = Said {
        event: SmolStr::new(attribute(line, "flow", "type").to_ascii_uppercase()),
        family: SmolStr::new(attribute(line, "layer3", "protoname")),
        protocol: SmolStr::new(attribute(line, "layer4", "protoname")),
        number: SmolStr::new(attribute(line, "layer4", "protonum")),
        timeout: SmolStr::new(inside(own, "timeout")),
        state: SmolStr::new(inside(own, "state")),
        original: side("original"),
        reply: side("reply"),
        unreplied: own.contains("<unreplied"),
        assured: own.contains("<assured"),
        ..Said::default()
    };
    for name in ["id", "mark", "zone", "use"] {
        let value = inside(own, name);
        if !value.is_empty() {
            said.rest.push((SmolStr::new(name), SmolStr::new(value)));
        }
    }
    if let Some(at) = line.find("<when>") {
        let when = &line[at..];
        let part = |name: &str| inside(when, name).parse::<u32>().ok();
        let stamp = || {
            let (year, month, day) = (part("year")?, part("month")?, part("day")?);
            let (hour, minute, second) = (part("hour")?, part("min")?, part("sec")?);
            Time::parse(&format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"))
        };
        // Local time without its zone: read as UTC, which is what servers keep.
        said.time = Some(stamp().ok_or_else(|| broken("has a time that is none"))?);
    }
    Ok(said)
}

impl Said {
    fn flow(&self) -> Result<Flow, Undecodable> {
        let end = |side: &Side, address: &str, port: &str| End {
            address: text::address(field(side, address)),
            port: field(side, port).parse().unwrap_or(0),
            ..End::default()
        };
        let (source, destination) = (end(&self.original, "src", "sport"), end(&self.original, "dst", "dport"));
        let is_address = |end: &End| end.address.parse::<std::net::IpAddr>().is_ok();
        if !is_address(&source) || !is_address(&destination) {
            return Err(broken("lacks the two addresses of a flow"));
        }
        let other = |end: End, than: &End| if is_address(&end) && end != *than { end } else { End::default() };
        let answered_by = other(end(&self.reply, "src", "sport"), &destination);
        let answered_to = other(end(&self.reply, "dst", "dport"), &source);
        let stage = match self.event.as_str() {
            "NEW" => FlowStage::New,
            "DESTROY" => FlowStage::Ended,
            _ => FlowStage::Update,
        };
        let outcome = match stage {
            _ if self.assured || !self.unreplied && self.state != "SYN_SENT" => FlowOutcome::Answered,
            // A reset right behind the first packet is what a closed port answers.
            FlowStage::Update | FlowStage::Ended if self.state == "CLOSE" => FlowOutcome::Refused,
            FlowStage::Ended => FlowOutcome::Unanswered,
            _ => FlowOutcome::Unknown,
        };
        let count = |side: &Side, name: &str| field(side, name).parse().ok();
        let protocol =
            if self.protocol.is_empty() || self.protocol == "unknown" { text::protocol(&self.number) } else { self.protocol.clone() };
        Ok(Flow {
            stage,
            started: self.time.filter(|_| stage == FlowStage::New),
            ended: self.time.filter(|_| stage == FlowStage::Ended),
            source,
            destination,
            answered_by,
            answered_to,
            protocol,
            outcome,
            bytes_out: count(&self.original, "bytes"),
            bytes_in: count(&self.reply, "bytes"),
            packets_out: count(&self.original, "packets"),
            packets_in: count(&self.reply, "packets"),
            sampled: 1,
            ..Flow::default()
        })
    }

    fn document(&self) -> Map<String, Value> {
        let mut map = Map::new();
        let mut put = |name: &str, value: &SmolStr| {
            if !value.is_empty() {
                map.entry(name).or_insert_with(|| text::value(value));
            }
        };
        for (name, value) in [
            ("event", &self.event),
            ("family", &self.family),
            ("protocol", &self.protocol),
            ("protonum", &self.number),
            ("timeout", &self.timeout),
            ("state", &self.state),
        ] {
            put(name, value);
        }
        self.rest.iter().for_each(|(name, value)| put(name, value));
        for (name, side) in [("original", &self.original), ("reply", &self.reply)] {
            if !side.is_empty() {
                map.insert(name.to_owned(), side.iter().map(|(key, value)| (key.to_string(), text::value(value))).collect());
            }
        }
        map.insert("unreplied".to_owned(), Value::from(self.unreplied));
        map.insert("assured".to_owned(), Value::from(self.assured));
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn flow(line: &str) -> Flow {
        assert!(recognise(line.as_bytes()), "{line}");
        match decode(line.as_bytes()).unwrap_or_else(|error| panic!("{line}: {}", error.reason)).fact {
            Some(Fact::Flow(flow)) => *flow,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn translation_and_counters_are_read() {
        let flow = flow(
            "[1795527679.5]\t[DESTROY] ipv4     2 tcp      6 src=192.168.1.9 dst=10.0.0.5 sport=50000 dport=80 packets=6 bytes=427 src=172.17.0.2 dst=10.0.0.5 sport=8080 dport=61000 packets=5 bytes=899 [ASSURED] id=1728469450",
        );
        assert_eq!((flow.source.address.as_str(), flow.source.port), ("192.168.1.9", 50000));
        assert_eq!((flow.answered_by.address.as_str(), flow.answered_by.port), ("172.17.0.2", 8080));
        assert_eq!((flow.answered_to.address.as_str(), flow.answered_to.port), ("10.0.0.5", 61000));
        assert_eq!((flow.bytes_out, flow.bytes_in, flow.packets_out, flow.packets_in), (Some(427), Some(899), Some(6), Some(5)));
        assert_eq!((flow.stage, flow.outcome), (FlowStage::Ended, FlowOutcome::Answered));
        assert_eq!(flow.ended, Some(Time(1_795_527_679_500_000_000)));
    }

    #[test]
    fn what_nobody_answered_is_known_when_it_ends() {
        let ports = "src=172.17.0.2 dst=172.17.0.9 sport=4 dport=22 [UNREPLIED] src=172.17.0.9 dst=172.17.0.2 sport=22 dport=4";
        assert_eq!(flow(&format!("    [NEW] tcp      6 120 SYN_SENT {ports}")).outcome, FlowOutcome::Unknown);
        assert_eq!(flow(&format!(" [DESTROY] tcp      6 {ports}")).outcome, FlowOutcome::Unanswered);
        assert_eq!(flow(&format!("[DESTROY] tcp      6 120 CLOSE {ports}")).outcome, FlowOutcome::Refused);
        assert_eq!(flow(&format!(" [UPDATE] tcp      6 10 CLOSE {ports}")).outcome, FlowOutcome::Refused);
        let icmp = flow(
            "    [NEW] icmp     1 30 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=77 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 type=0 code=0 id=77",
        );
        assert_eq!((icmp.protocol.as_str(), icmp.source.port, icmp.outcome), ("icmp", 0, FlowOutcome::Unknown));
    }

    #[test]
    fn xml_says_the_same_as_text() {
        let meta = |direction: &str, src: &str, dst: &str, sport: u16, dport: u16| {
            format!(
                r#"<meta direction="{direction}"><layer3 protonum="2" protoname="ipv4"><src>{src}</src><dst>{dst}</dst></layer3><layer4 protonum="6" protoname="tcp"><sport>{sport}</sport><dport>{dport}</dport></layer4></meta>"#
            )
        };
        let xml = format!(
            r#"<flow type="new">{}{}<meta direction="independent"><state>SYN_SENT</state><timeout>120</timeout><id>17</id><unreplied/></meta><when><hour>13</hour><min>41</min><sec>18</sec><wday>3</wday><day>24</day><month>11</month><year>2026</year></when></flow>"#,
            meta("original", "172.17.0.2", "172.17.0.3", 41512, 6379),
            meta("reply", "172.17.0.3", "172.17.0.2", 6379, 41512)
        );
        let seconds = SOURCE.sample.replace(".271434", "");
        assert_eq!(flow(&xml), flow(&seconds));
        assert!(decode(&xml.as_bytes()[..xml.len() - 1]).is_err());
    }

    #[test]
    fn fields_have_names_for_rules() {
        let decoded = decode(SOURCE.sample.as_bytes()).unwrap();
        let shown = format!("{:?}", decoded.document);
        assert!(shown.contains(r#""original":{"src":"172.17.0.2","dst":"172.17.0.3","sport":41512,"dport":6379}"#), "{shown}");
        assert!(shown.contains(r#""unreplied":true"#) && shown.contains(r#""state":"SYN_SENT""#), "{shown}");
    }

    proptest! {
        #[test]
        fn any_line_is_survived(line in "(\\[[0-9.]{0,12}\\]\t)?( *\\[(NEW|UPDATE|DESTROY)\\])?[ a-z0-9=\\[\\].:é<>/\"]{0,120}") {
            let _ = recognise(line.as_bytes());
            let _ = decode(line.as_bytes());
            let _ = decode(format!("<flow type=\"new\">{line}</flow>").as_bytes());
        }
    }
}
