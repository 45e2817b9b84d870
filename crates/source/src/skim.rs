//! Records too large to parse: one bounded pass finds what names them, so that size alone hides nothing.
//!
//! The pass looks at keys of the root and of `Actor`, keeps the first bytes of each value, never recurses and never allocates with the size of the input.

use crate::docker_events::{Attributes, Said, fact_of};
use crate::{SourceDef, docker_events};
use event::document::{DEPTH_MAX, Document};
use event::{Decoded, SmolStr, Undecodable, dictionary};

/// Bytes kept of one text; a command is recognisable by then.
const TEXT_MAX: usize = 1024;

/// Attributes kept; the reserved ones are few, but labels may stand before them.
const ATTRIBUTES_MAX: usize = 256;

/// A stub of an oversized record, with its id, action and time where they can be found.
pub(crate) fn stub(bytes: &[u8], named: Option<&'static SourceDef>, name: &mut SmolStr) -> Result<Decoded, Undecodable> {
    let mut found = Found::default();
    skim(bytes, &mut |path, key, value| found.take(path, key, value));
    let is_event = match named {
        Some(source) => source.name == docker_events::SOURCE.name,
        None => !found.said.action.is_empty() && found.said.time_nano.or(found.said.time).is_some(),
    };
    let mut decoded = Decoded {
        kind: dictionary::STUB,
        time: None,
        identity: None,
        subject: SmolStr::default(),
        document: Document::default(),
        fact: None,
        truncated: true,
        duplicate_keys: found.duplicate,
    };
    if is_event {
        if name.is_empty() {
            *name = SmolStr::new_static(docker_events::SOURCE.name);
        }
        let mut said = found.said;
        said.fall_back(found.status, found.old_id);
        said.attributes = Attributes::skimmed(&found.attributes);
        decoded.subject = SmolStr::new(said.id);
        decoded.time = said.when();
        // What was cut off cannot tell two events apart, so the identity rests on the nanosecond with what was kept.
        decoded.identity = said.identity();
        if !said.action.is_empty() {
            decoded.fact = fact_of(&said, &decoded.subject);
        }
        return Ok(decoded);
    }
    decoded.subject = SmolStr::new(found.object_id);
    if name.is_empty() {
        // Only one kind of answer has a `HostConfig`; whatever else it is stays unnamed.
        if !found.inspect {
            return Err(Undecodable { reason: format!("{} bytes long and of no known format", bytes.len()), unknown: true });
        }
        *name = SmolStr::new_static("docker_container");
    }
    Ok(decoded)
}

#[derive(Default)]
struct Found<'a> {
    said: Said<'a>,
    status: &'a str,
    old_id: &'a str,
    object_id: &'a str,
    inspect: bool,
    attributes: Vec<(&'a str, &'a str)>,
    duplicate: bool,
}

impl<'a> Found<'a> {
    fn take(&mut self, path: Place, key: &'a str, value: Skimmed<'a>) {
        let place = match (path, key) {
            (Place::Root, "Type") => &mut self.said.kind,
            (Place::Root, "Action") => &mut self.said.action,
            (Place::Root, "from") => &mut self.said.from,
            (Place::Root, "status") => &mut self.status,
            (Place::Root, "id") => &mut self.old_id,
            (Place::Root, "Id" | "ID") => &mut self.object_id,
            (Place::Root, "HostConfig") => {
                self.inspect = true;
                return;
            }
            (Place::Root, "time") => {
                self.said.time = self.said.time.or(value.number());
                return;
            }
            (Place::Root, "timeNano") => {
                self.said.time_nano = self.said.time_nano.or(value.number());
                return;
            }
            (Place::Actor, "ID") => &mut self.said.id,
            (Place::Attributes, _) => {
                if let Skimmed::Text(text) = value {
                    if self.attributes.iter().any(|(name, _)| *name == key) {
                        self.duplicate = true;
                    } else if self.attributes.len() < ATTRIBUTES_MAX {
                        self.attributes.push((key, text));
                    }
                }
                return;
            }
            _ => return,
        };
        if let Skimmed::Text(text) = value {
            if place.is_empty() {
                *place = text;
            } else {
                self.duplicate = true;
            }
        }
    }
}

/// In which object a key stands, as far as it matters here.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Root,
    Actor,
    Attributes,
    Elsewhere,
}

/// A value as it stands in the bytes; escapes are left as they are.
#[derive(Clone, Copy)]
enum Skimmed<'a> {
    Text(&'a str),
    Bare(&'a str),
    Opens,
}

impl Skimmed<'_> {
    fn number(self) -> Option<i64> {
        match self {
            Skimmed::Bare(text) => text.parse().ok(),
            _ => None,
        }
    }
}

/// Calls `f` with each key and value. Not a parser: it needs only strings and brackets to be where they seem, and stops where they are not.
fn skim<'a>(bytes: &'a [u8], f: &mut dyn FnMut(Place, &'a str, Skimmed<'a>)) {
    let mut places = [Place::Elsewhere; DEPTH_MAX];
    let (mut depth, mut at) = (0usize, 0usize);
    let mut key: Option<&str> = None;
    // A text is a key until a colon has followed it.
    let mut last_text: Option<&str> = None;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let Some(end) = string_end(bytes, at + 1) else { return };
                let text = clip(&bytes[at + 1..end]);
                match key.take() {
                    Some(name) => f(places[depth], name, Skimmed::Text(text)),
                    None => last_text = Some(text),
                }
                at = end + 1;
            }
            b':' => {
                key = last_text.take();
                at += 1;
            }
            b'{' | b'[' => {
                let place = match (places[depth], key) {
                    _ if byte == b'[' => Place::Elsewhere,
                    _ if depth == 0 => Place::Root,
                    (Place::Root, Some("Actor")) => Place::Actor,
                    (Place::Actor, Some("Attributes")) => Place::Attributes,
                    _ => Place::Elsewhere,
                };
                if let Some(name) = key.take() {
                    f(places[depth], name, Skimmed::Opens);
                }
                depth += 1;
                if depth == DEPTH_MAX {
                    return;
                }
                places[depth] = place;
                at += 1;
            }
            b'}' | b']' => {
                (key, last_text) = (None, None);
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return;
                }
                at += 1;
            }
            b',' | b' ' | b'\t' | b'\r' | b'\n' => at += 1,
            _ => {
                let rest = &bytes[at..];
                let length = rest.iter().position(|b| b",]} \t\r\n\"".contains(b)).unwrap_or(rest.len()).max(1);
                if let Some(name) = key.take() {
                    f(places[depth], name, Skimmed::Bare(clip(&rest[..length])));
                }
                at += length;
            }
        }
    }
}

/// Where the string that began before `from` ends.
fn string_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// The first bytes of a text, up to what is whole and UTF-8.
fn clip(bytes: &[u8]) -> &str {
    let head = &bytes[..bytes.len().min(TEXT_MAX)];
    match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use crate::prepare;
    use event::fact::{ContainerAction, Fact};
    use event::{Body, Place, Record, Time};
    use std::sync::Arc;

    fn record(text: String) -> Record {
        Record {
            seq: 0,
            source: Default::default(),
            host: "local".into(),
            arrived: Time(0),
            live: false,
            body: Body::Data(Arc::from(text.into_bytes())),
            place: Place::default(),
        }
    }

    #[test]
    fn a_command_too_large_to_parse_is_still_an_exec() {
        let filler = "A".repeat(2 << 20);
        let command = format!("exec_create: /bin/sh -c {filler}");
        let prepared = prepare(record(format!(
            r#"{{"status":"{command}","id":"c1","from":"app:1","Type":"container","Action":"{command}","Actor":{{"ID":"c1","Attributes":{{"timeNano":"5","Action":"die","execID":"e1","image":"app:1","name":"web"}}}},"scope":"local","time":7,"timeNano":7000000001}}"#
        )));
        let decoded = prepared.content.unwrap().unwrap();
        assert!(decoded.truncated);
        assert_eq!(decoded.time, Some(Time(7_000_000_001)));
        assert_eq!(prepared.record.source, "docker_events");
        let Some(Fact::Container(event)) = decoded.fact else { panic!("no fact") };
        assert_eq!((event.id.as_str(), event.name.as_str()), ("c1", "web"));
        let ContainerAction::ExecCreate { command, exec_id } = event.action else { panic!("not an exec") };
        assert!(command.starts_with("/bin/sh -c AAA") && command.len() < 2048);
        assert_eq!(exec_id.as_deref(), Some("e1"));
    }

    #[test]
    fn an_inspect_too_large_to_parse_keeps_its_id() {
        let filler = "A".repeat(2 << 20);
        let prepared = prepare(record(format!(r#"{{"Id":"c1","HostConfig":{{"Id":"no"}},"Config":{{"Labels":{{"x":"{filler}"}}}}}}"#)));
        let decoded = prepared.content.unwrap().unwrap();
        assert!(decoded.truncated && decoded.fact.is_none());
        assert_eq!(decoded.subject, "c1");
        assert_eq!(prepared.record.source, "docker_container");
    }

    #[test]
    fn oversized_rubbish_is_of_no_known_format() {
        for text in ["[".repeat(2 << 20), "\"".repeat(2 << 20), "x".repeat(2 << 20), "\\".repeat(2 << 20)] {
            assert!(prepare(record(text)).content.unwrap().is_err());
        }
    }
}
