//! One line of CRI-O's log: its own text, or as the journal gives it (`journalctl -u crio`, in short form or as JSON).
//!
//! CRI-O has no event stream; what it does, it logs. A container's name is its pod's namespace and name and its own, as the kubelet asked for it.

use crate::fields::{Fields, Notes};
use crate::prepare::lacks;
use crate::{SourceDef, Text, Witness};
use event::document::{Document, SIZE_MAX};
use event::event::identity_of;
use event::fact::{ContainerAction, ContainerEvent, Fact};
use event::{Decoded, SmolStr, Time, Undecodable, dictionary};
use std::borrow::Cow;

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "crio_journal",
    witness: Witness::Runtime,
    kind: dictionary::CRIO_EVENT,
    about: "What CRI-O logs of containers and sandboxes, as text or as its journal gives it.",
    size_max: SIZE_MAX,
    recognise,
    finds_duplicates: false,
    decode,
    text: Some(Text { recognise: is_line, decode: decode_line }),
    sample: r#"{"__REALTIME_TIMESTAMP":"1795541389650400","_HOSTNAME":"node1","SYSLOG_IDENTIFIER":"crio","_SYSTEMD_UNIT":"crio.service","MESSAGE":"time='2026-11-24 17:29:49.650308979Z' level=info msg='Created container 35fc612c9592356cde113b882feb2fd8e45c412b4a539c47ff530c1c9d616c6a: shop/web-7d4b9c/app' id=853ba069-d5d1-4e3a-901e-a23b7da1a4d2 name=/runtime.v1.RuntimeService/CreateContainer"}"#,
};

/// Longer lines than this are not CRI-O's own messages.
const LINE_MAX: usize = 64 << 10;

/// Pairs of one line that are read.
const PAIRS_MAX: usize = 32;

fn recognise(document: &Document) -> bool {
    let notes = Notes::default();
    let root = Fields::new(document.root(), &notes);
    root.has("MESSAGE")
        && (root.str("SYSLOG_IDENTIFIER") == "crio" || ["crio.service", "cri-o.service"].contains(&root.str("_SYSTEMD_UNIT")))
}

fn decode(document: &Document, _: &[u8]) -> Result<Decoded, Undecodable> {
    let notes = Notes::default();
    let root = Fields::new(document.root(), &notes);
    let message = root.str("MESSAGE");
    if message.is_empty() {
        return Err(lacks("a MESSAGE"));
    }
    let stamp = ["_SOURCE_REALTIME_TIMESTAMP", "__REALTIME_TIMESTAMP"].iter().find_map(|key| root.str(key).parse::<i64>().ok());
    let journal = stamp.filter(|micros| *micros > 0).map(|micros| Time(micros.saturating_mul(1000)));
    Ok(told(&pairs(message), journal))
}

/// `time="…" level=… msg="…"`, alone or after the journal's own head.
fn is_line(bytes: &[u8]) -> bool {
    if bytes.len() > LINE_MAX {
        return false;
    }
    let head = &bytes[..bytes.len().min(256)];
    let Some(at) = memchr::memmem::find(head, b"time=\"") else { return false };
    // Others log in this form too: the journal's head says who it is; without one, the name of the interface does.
    let by_head = memchr::memmem::find(&head[..at], b" crio[").is_some();
    let by_name = at == 0 && memchr::memmem::find(bytes, b" name=/runtime.v1").is_some();
    (by_head || by_name) && memchr::memmem::find(bytes, b" msg=\"").is_some()
}

fn decode_line(bytes: &[u8]) -> Result<Decoded, Undecodable> {
    if bytes.len() > LINE_MAX {
        return Err(Undecodable { reason: format!("{} bytes long, more than a line of CRI-O has", bytes.len()), unknown: false });
    }
    let text = std::str::from_utf8(bytes.trim_ascii()).map_err(|_| Undecodable { reason: "not UTF-8".to_owned(), unknown: false })?;
    let at = text.find("time=\"").ok_or_else(|| lacks("a time"))?;
    let list = pairs(&text[at..]);
    if !list.iter().any(|(key, _)| *key == "msg") {
        return Err(lacks("a message"));
    }
    let mut decoded = told(&list, None);
    let mut object = serde_json::Map::new();
    for (key, value) in &list {
        // Of equal keys the first counts.
        decoded.duplicate_keys |= object.contains_key(*key);
        object.entry((*key).to_owned()).or_insert_with(|| serde_json::Value::from(value.as_ref()));
    }
    let text = serde_json::Value::Object(object).to_string();
    decoded.document = Document::parse(text.as_bytes()).map_err(|error| Undecodable { reason: error.to_string(), unknown: false })?;
    Ok(decoded)
}

/// The pairs of a line: `key=word` or `key="quoted"`; what is neither is passed over.
fn pairs(text: &str) -> Vec<(&str, Cow<'_, str>)> {
    let mut list = Vec::new();
    let mut rest = text.trim_start();
    while let Some((key, after)) = rest.split_once('=') {
        // A key is one word; what stands before it without a sign belongs to nothing.
        let key = key.rsplit(' ').next().unwrap_or(key);
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (value, next) = match quote {
            Some(quote) => quoted(&after[1..], quote),
            None => {
                let (word, next) = after.split_once(' ').unwrap_or((after, ""));
                (Cow::Borrowed(word), next)
            }
        };
        if list.len() < PAIRS_MAX {
            list.push((key, value));
        }
        rest = next.trim_start();
    }
    list
}

/// The text up to its closing quote, and what follows.
fn quoted(text: &str, quote: char) -> (Cow<'_, str>, &str) {
    let mut escaped = false;
    let mut plain = true;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => (escaped, plain) = (true, false),
            c if c == quote => {
                let inner = &text[..at];
                let value = if plain { Cow::Borrowed(inner) } else { Cow::Owned(unescaped(inner)) };
                return (value, &text[at + c.len_utf8()..]);
            }
            _ => {}
        }
    }
    (Cow::Borrowed(text), "")
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(other) => out.push(other),
                None => {}
            },
            c => out.push(c),
        }
    }
    out
}

/// What a line says, with the journal's time where it says none itself.
fn told(list: &[(&str, Cow<'_, str>)], journal: Option<Time>) -> Decoded {
    let get = |key: &str| list.iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_ref()).unwrap_or_default();
    // CRI-O writes a blank where RFC 3339 has a T.
    let own = Time::parse(&get("time").replacen(' ', "T", 1));
    let (subject, fact) = container(get).map_or((SmolStr::default(), None), |event| (event.id.clone(), Some(Fact::Container(event))));
    let identity =
        own.map(|time| identity_of(&[get("msg").as_bytes(), get("id").as_bytes(), get("containerID").as_bytes(), &time.0.to_le_bytes()]));
    Decoded {
        kind: dictionary::CRIO_EVENT,
        time: own.or(journal),
        identity,
        subject,
        document: Document::default(),
        fact,
        truncated: false,
        duplicate_keys: false,
    }
}

/// The container that a message is about. Only what has been done counts, never what is about to be.
fn container<'a>(get: impl Fn(&str) -> &'a str) -> Option<ContainerEvent> {
    let message = get("msg");
    let (id, place, action) = if message == "Started container" {
        (get("containerID"), get("description"), ContainerAction::Start)
    } else if let Some(rest) = message.strip_prefix("Ran pod sandbox ") {
        let (id, place) = rest.split_once(" with infra container: ")?;
        // The sandbox's own first container has its id.
        (id, place, ContainerAction::Create)
    } else {
        let words = [
            ("Created container ", ContainerAction::Create),
            ("Stopped container ", ContainerAction::Stop),
            ("Removed container ", ContainerAction::Destroy),
            ("Stopped pod sandbox: ", ContainerAction::Stop),
            ("Removed pod sandbox: ", ContainerAction::Destroy),
        ];
        let (rest, action) = words.into_iter().find_map(|(word, action)| Some((message.strip_prefix(word)?, action)))?;
        let (id, place) = rest.split_once(": ").unwrap_or((rest, ""));
        (id.trim_start_matches(':').trim(), place, action)
    };
    let is_id = id.len() >= 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_id {
        return None;
    }
    // `namespace/pod/container`; an empty pod is one that the kubelet did not name.
    let mut parts = place.splitn(3, '/');
    let (namespace, pod, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let pod = if pod.is_empty() { SmolStr::default() } else { SmolStr::new(format!("{namespace}/{pod}")) };
    Some(ContainerEvent {
        id: SmolStr::new(id),
        action,
        name: SmolStr::new(name),
        image: SmolStr::default(),
        labels: Vec::new(),
        runtime: SmolStr::new_static("cri-o"),
        division: SmolStr::default(),
        pod,
        spec: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "35fc612c9592356cde113b882feb2fd8e45c412b4a539c47ff530c1c9d616c6a";

    fn line(message: &str, more: &str) -> String {
        format!(r#"time="2026-11-24 17:29:49.650308979Z" level=info msg="{message}" {more}id=853ba069 name=/runtime.v1.RuntimeService/X"#)
    }

    fn event(message: &str, more: &str) -> Option<ContainerEvent> {
        let text = line(message, more);
        assert!(is_line(text.as_bytes()), "{text}");
        let decoded = decode_line(text.as_bytes()).unwrap();
        assert_eq!(decoded.time, Time::parse("2026-11-24T17:29:49.650308979Z"));
        match decoded.fact {
            Some(Fact::Container(event)) => Some(event),
            _ => None,
        }
    }

    #[test]
    fn a_containers_life_is_read_from_messages() {
        let said = |message: &str, more: &str| event(message, more).map(|event| (event.id, event.action, event.name, event.pod)).unwrap();
        let (id, name, pod) = (SmolStr::new(ID), SmolStr::new("app"), SmolStr::new("shop/web-7d4b9c"));
        assert_eq!(
            said(&format!("Created container {ID}: shop/web-7d4b9c/app"), ""),
            (id.clone(), ContainerAction::Create, name.clone(), pod.clone())
        );
        assert_eq!(
            said("Started container", &format!("PID=94218 containerID={ID} description=shop/web-7d4b9c/app sandboxID=d404 ")),
            (id.clone(), ContainerAction::Start, name.clone(), pod.clone())
        );
        assert_eq!(
            said(&format!("Stopped container {ID}: shop/web-7d4b9c/app"), ""),
            (id.clone(), ContainerAction::Stop, name.clone(), pod.clone())
        );
        assert_eq!(
            said(&format!("Removed container {ID}: shop/web-7d4b9c/app"), ""),
            (id.clone(), ContainerAction::Destroy, name, pod.clone())
        );
        assert_eq!(
            said(&format!("Ran pod sandbox {ID} with infra container: shop/web-7d4b9c/POD"), ""),
            (id.clone(), ContainerAction::Create, "POD".into(), pod)
        );
        assert_eq!(said(&format!("Removed pod sandbox: {ID}"), ""), (id, ContainerAction::Destroy, "".into(), "".into()));
    }

    #[test]
    fn what_is_about_to_be_is_nothing_yet() {
        for message in [
            "Creating container: shop/web/app",
            "Stopping container: 35fc612c9592 (timeout: 30s)",
            "Running pod sandbox: shop/web/POD",
            "Created container x: y",
        ] {
            assert_eq!(event(message, ""), None, "{message}");
        }
    }

    #[test]
    fn the_journals_forms_read_the_same() {
        let text = line(&format!("Created container {ID}: shop/web/app"), "");
        let plain = decode_line(text.as_bytes()).unwrap();
        let short = format!("Nov 24 17:29:49 node1 crio[812]: {text}");
        assert!(is_line(short.as_bytes()));
        let short = decode_line(short.as_bytes()).unwrap();
        assert_eq!((&short.fact, short.time, short.identity, &short.document), (&plain.fact, plain.time, plain.identity, &plain.document));
        let json =
            serde_json::json!({"__REALTIME_TIMESTAMP": "1795541389650400", "SYSLOG_IDENTIFIER": "crio", "MESSAGE": text}).to_string();
        let document = Document::parse(json.as_bytes()).unwrap();
        assert!(recognise(&document));
        let json = decode(&document, b"").unwrap();
        assert_eq!((&json.fact, json.time, json.identity), (&plain.fact, plain.time, plain.identity));
    }

    #[test]
    fn another_programs_lines_are_not_taken() {
        for other in [
            r#"time="2026-11-24T17:36:54Z" level=warning msg="task c1 exit with non-zero exit code 137""#,
            r#"Nov 24 17:29:49 node1 dockerd[812]: time="2026-11-24T17:36:54Z" level=info msg="API listen""#,
            "type=SYSCALL msg=audit(1.2:3): x",
            "",
        ] {
            assert!(!is_line(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn quotes_within_a_message_end_nothing() {
        let decoded = decode_line(
            format!(r#"time="2026-11-24 17:29:49Z" level=info msg="a \"b\" c=d" id=1 id=2 name=/runtime.v1.X {ID}"#).as_bytes(),
        )
        .unwrap();
        assert!(decoded.duplicate_keys && decoded.fact.is_none());
        let text = format!("{:?}", decoded.document);
        assert!(text.contains(r#""msg":"a \"b\" c=d""#) && text.contains(r#""id":"1""#), "{text}");
    }
}
