//! One event of containerd: its envelope as JSON, or a line of `ctr events`.
//!
//! containerd knows containers and the tasks that run in them apart; here a container begins with its record and runs with its task. Docker, Kubernetes and
//! builders each use it in a namespace of their own, which is kept as the division. Ids are any names, unique only within one.

use crate::prepare::lacks;
use crate::{SourceDef, Text, Witness};
use event::document::{Document, SIZE_MAX};
use event::event::identity_of;
use event::fact::{ContainerAction, ContainerEvent, EngineEvent, Fact, ImageAction, ImageEvent};
use event::{Decoded, SmolStr, Time, Undecodable, dictionary};

use crate::fields::{Fields, Notes};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "containerd_events",
    witness: Witness::Runtime,
    kind: dictionary::CONTAINERD_EVENT,
    about: "What happens in containerd, in all its namespaces, as its event API or `ctr events` gives it.",
    size_max: SIZE_MAX,
    recognise,
    finds_duplicates: false,
    decode,
    text: Some(Text { recognise: is_line, decode: decode_line }),
    sample: r#"{"timestamp":"2026-11-24T17:36:53.832783877Z","namespace":"lab","topic":"/tasks/exit","event":{"container_id":"c1","id":"c1","pid":18410,"exit_status":137,"exited_at":"2026-11-24T17:36:53.832763106Z"}}"#,
};

fn recognise(document: &Document) -> bool {
    let notes = Notes::default();
    let root = Fields::new(document.root(), &notes);
    ["timestamp", "namespace", "topic", "event"].iter().all(|key| root.has(key))
}

fn decode(document: &Document, _: &[u8]) -> Result<Decoded, Undecodable> {
    let notes = Notes::default();
    let root = Fields::new(document.root(), &notes);
    let (namespace, topic) = (root.str("namespace"), root.str("topic"));
    if topic.is_empty() {
        return Err(lacks("a topic"));
    }
    let event = root.object("event");
    let told = Told::of(&event);
    let time = root.time("timestamp");
    let identity = time.map(|time| {
        let parts = [topic, namespace, told.container, told.id];
        identity_of(&[parts[0].as_bytes(), parts[1].as_bytes(), parts[2].as_bytes(), parts[3].as_bytes(), &time.0.to_le_bytes()])
    });
    let subject = SmolStr::new(match (told.container, told.id) {
        ("", "") => event.str("name"),
        ("", id) => id,
        (container, _) => container,
    });
    Ok(Decoded {
        kind: dictionary::CONTAINERD_EVENT,
        time,
        identity,
        fact: fact_of(topic, namespace, &told, &event),
        subject,
        document: Document::default(),
        truncated: false,
        duplicate_keys: false,
    })
}

/// The ids in an event. A task names its container, and itself or one of its execs beside it.
struct Told<'a> {
    container: &'a str,
    id: &'a str,
}

impl<'a> Told<'a> {
    fn of(event: &Fields<'a>) -> Told<'a> {
        let either = |a: &'static str, b: &'static str| Some(event.str(a)).filter(|text| !text.is_empty()).unwrap_or_else(|| event.str(b));
        Told { container: either("container_id", "containerID"), id: either("id", "ID") }
    }
}

fn fact_of(topic: &str, namespace: &str, told: &Told<'_>, event: &Fields<'_>) -> Option<Fact> {
    let exec = || {
        let id = event.text("exec_id");
        Some(if id.is_empty() { SmolStr::new(told.id) } else { id }).filter(|id| !id.is_empty())
    };
    // An exec's end is told by the same topic as the container's own, with another id.
    let of_exec = !told.id.is_empty() && told.id != told.container;
    // The wire leaves a zero out.
    let status = || Some(event.int("exit_status").unwrap_or(0));
    let nothing = SmolStr::default;
    let (id, action) = match topic {
        "/containers/create" => (told.id, ContainerAction::Create),
        "/containers/update" => (told.id, ContainerAction::Update),
        "/containers/delete" => (told.id, ContainerAction::Destroy),
        "/tasks/start" => (told.container, ContainerAction::Start),
        "/tasks/exit" if of_exec => (told.container, ContainerAction::ExecDie { exec_id: exec(), exit_code: status() }),
        "/tasks/exit" => (told.container, ContainerAction::Die { exit_code: status() }),
        "/tasks/oom" => (told.container, ContainerAction::Oom),
        "/tasks/paused" => (told.container, ContainerAction::Pause),
        "/tasks/resumed" => (told.container, ContainerAction::Unpause),
        "/tasks/checkpointed" => (told.container, ContainerAction::Checkpoint),
        "/tasks/exec-added" => (told.container, ContainerAction::ExecCreate { command: nothing(), exec_id: exec() }),
        "/tasks/exec-started" => (told.container, ContainerAction::ExecStart { command: nothing(), exec_id: exec() }),
        "/images/create" | "/images/update" => return image(event, ImageAction::Tag),
        "/images/delete" => return image(event, ImageAction::Untag),
        "/namespaces/create" | "/namespaces/update" | "/namespaces/delete" => {
            let action = SmolStr::new(topic.trim_start_matches('/').replace("namespaces/", "namespace "));
            let attributes = vec![(SmolStr::new_static("name"), event.text("name"))];
            return Some(Fact::EngineEvent(EngineEvent { action, attributes }));
        }
        _ if topic.starts_with("/tasks/") => {
            (told.container, ContainerAction::Other(SmolStr::new(topic.trim_start_matches('/').replace('/', " "))))
        }
        // Snapshots and content are the engine's own housekeeping; their native fields are there for rules.
        _ => return None,
    };
    if id.is_empty() {
        return None;
    }
    Some(Fact::Container(ContainerEvent {
        id: SmolStr::new(id),
        action,
        name: own_name(id),
        image: event.text("image"),
        labels: Vec::new(),
        runtime: SmolStr::new_static("containerd"),
        division: SmolStr::new(namespace),
        pod: nothing(),
        spec: None,
    }))
}

/// Containers have no name but their id; one that somebody chose reads as a name, one of 64 digits does not.
pub(crate) fn own_name(id: &str) -> SmolStr {
    let made = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if made { SmolStr::default() } else { SmolStr::new(id) }
}

/// An image of containerd's is a name that points at content: it is given and taken like a tag.
fn image(event: &Fields<'_>, action: ImageAction) -> Option<Fact> {
    let name = event.text("name");
    (!name.is_empty()).then(|| Fact::Image(ImageEvent { id: name.clone(), action, name }))
}

/// `2026-11-24 17:36:53.832783877 +0000 UTC lab /tasks/exit {…}`, by its shape.
fn is_line(bytes: &[u8]) -> bool {
    let shape = |range: std::ops::Range<usize>| bytes.get(range).unwrap_or_default();
    shape(4..5) == b"-"
        && shape(7..8) == b"-"
        && shape(10..11) == b" "
        && shape(13..14) == b":"
        && bytes.first().is_some_and(u8::is_ascii_digit)
        && bytes.trim_ascii_end().last() == Some(&b'}')
        && memchr::memmem::find(&bytes[..bytes.len().min(512)], b" /")
            .is_some_and(|at| parts(&bytes[..bytes.len().min(at + 256)]).is_some())
}

/// A line's parts: date, time, offset, namespace, topic, and where the event begins.
fn parts(bytes: &[u8]) -> Option<(&str, &str, &str, &str, &str, usize)> {
    let brace = memchr::memchr(b'{', bytes)?;
    let head = std::str::from_utf8(&bytes[..brace]).ok()?;
    let mut words = head.split(' ').filter(|word| !word.is_empty());
    let (date, time, offset, _zone) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let (namespace, topic) = (words.next()?, words.next()?);
    let whole =
        words.next().is_none() && topic.starts_with('/') && offset.len() == 5 && offset.starts_with(['+', '-']) && offset.is_ascii();
    whole.then_some((date, time, offset, namespace, topic, brace))
}

fn decode_line(bytes: &[u8]) -> Result<Decoded, Undecodable> {
    let bytes = bytes.trim_ascii();
    if bytes.len() > SIZE_MAX {
        return Err(Undecodable { reason: format!("{} bytes long, more than an event of containerd has", bytes.len()), unknown: false });
    }
    let (date, time, offset, namespace, topic, brace) = parts(bytes).ok_or_else(|| lacks("the parts of a line of `ctr events`"))?;
    let event = std::str::from_utf8(&bytes[brace..]).map_err(|_| Undecodable { reason: "not UTF-8".to_owned(), unknown: false })?;
    let stamp = Time::parse(&format!("{date}T{time}{}:{}", &offset[..3], &offset[3..])).ok_or_else(|| lacks("a readable time"))?;
    // The line becomes the envelope that the API would have given, so that rules read the same fields in both.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let envelope =
        format!("{{\"timestamp\":\"{stamp}\",\"namespace\":{},\"topic\":{},\"event\":{event}}}", quoted(namespace), quoted(topic));
    let document = Document::parse(envelope.as_bytes()).map_err(|error| Undecodable { reason: error.to_string(), unknown: false })?;
    let mut decoded = decode(&document, bytes)?;
    decoded.duplicate_keys = document.has_duplicate_keys();
    decoded.document = document;
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `ctr events` printed them.
    const LINES: &str = r#"2026-11-24 17:36:53.659107518 +0000 UTC default /namespaces/create {"name":"lab"}
2026-11-24 17:36:53.672328066 +0000 UTC lab /containers/create {"id":"c1","image":"docker.io/library/busy:1","runtime":{"name":"io.containerd.runc.v2","options":{"type_url":"containerd.runc.v1.Options"}}}
2026-11-24 17:36:53.723609124 +0000 UTC lab /tasks/create {"container_id":"c1","bundle":"/run/containerd/io.containerd.runtime.v2.task/lab/c1","io":{"stdin":"/run/containerd/fifo/3590164318/c1-stdin"},"pid":18410}
2026-11-24 17:36:53.730262787 +0000 UTC lab /tasks/start {"container_id":"c1","pid":18410}
2026-11-24 17:36:53.742192466 +0000 UTC lab /tasks/exec-added {"container_id":"c1","exec_id":"e1"}
2026-11-24 17:36:53.775203025 +0000 UTC lab /tasks/exec-started {"container_id":"c1","exec_id":"e1","pid":18440}
2026-11-24 17:36:53.775689461 +0000 UTC lab /tasks/exit {"container_id":"c1","id":"e1","pid":18440,"exited_at":"2026-11-24T17:36:53.775173371Z"}
2026-11-24 17:36:53.800571045 +0000 UTC lab /tasks/paused {"container_id":"c1"}
2026-11-24 17:36:53.81508513 +0000 UTC lab /tasks/resumed {"container_id":"c1"}
2026-11-24 17:36:53.832783877 +0000 UTC lab /tasks/exit {"container_id":"c1","id":"c1","pid":18410,"exit_status":137,"exited_at":"2026-11-24T17:36:53.832763106Z"}
2026-11-24 17:36:54.851840142 +0000 UTC lab /tasks/delete {"container_id":"c1","pid":18410,"exit_status":137,"exited_at":"2026-11-24T17:36:53.832763106Z"}
2026-11-24 17:36:54.877198803 +0000 UTC lab /containers/delete {"id":"c1"}"#;

    fn actions() -> Vec<ContainerAction> {
        LINES
            .lines()
            .filter_map(|line| match decode_line(line.as_bytes()).unwrap().fact {
                Some(Fact::Container(event)) => {
                    assert_eq!((event.id.as_str(), event.name.as_str()), ("c1", "c1"), "{line}");
                    assert_eq!((event.runtime.as_str(), event.division.as_str()), ("containerd", "lab"), "{line}");
                    Some(event.action)
                }
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_containers_life_is_read_from_lines() {
        let exec = || Some("e1".into());
        assert_eq!(
            actions(),
            [
                ContainerAction::Create,
                ContainerAction::Other("tasks create".into()),
                ContainerAction::Start,
                ContainerAction::ExecCreate { command: "".into(), exec_id: exec() },
                ContainerAction::ExecStart { command: "".into(), exec_id: exec() },
                ContainerAction::ExecDie { exec_id: exec(), exit_code: Some(0) },
                ContainerAction::Pause,
                ContainerAction::Unpause,
                ContainerAction::Die { exit_code: Some(137) },
                ContainerAction::Other("tasks delete".into()),
                ContainerAction::Destroy,
            ]
        );
    }

    #[test]
    fn a_line_reads_as_its_envelope() {
        let line = LINES.lines().nth(9).unwrap();
        assert!(is_line(line.as_bytes()));
        let text = decode_line(line.as_bytes()).unwrap();
        let document = Document::parse(SOURCE.sample.as_bytes()).unwrap();
        let json = decode(&document, b"").unwrap();
        assert_eq!((&text.fact, text.time, text.identity, &text.subject), (&json.fact, json.time, json.identity, &json.subject));
        assert_eq!(text.document, document, "rules read the same fields in both");
    }

    #[test]
    fn every_line_has_the_shape_and_other_text_has_not() {
        for line in LINES.lines() {
            assert!(is_line(line.as_bytes()), "{line}");
            assert!(decode_line(line.as_bytes()).unwrap().identity.is_some());
        }
        for other in [
            "2026-11-24 17:36:53 host kernel: /x {}",
            "2026-11-24 17:36:53.1 +0000 UTC container create 3d4d (image=a, name=b)",
            "2 123456789010 eni-1 10.0.0.1 10.0.0.2 1 2 6 3 4 5 6 ACCEPT OK",
            "{\"a\":1}",
            "",
            "2026-11-24 ",
        ] {
            assert!(!is_line(other.as_bytes()), "{other}");
        }
        assert!(decode_line(b"2026-11-24 17:36:53.1 +0000 UTC lab /tasks/start {\"container_id\":").is_err());
        assert!(decode_line(b"2026-11-24 17:36:53.1 +00\xc3\xa9 UTC lab /tasks/start {}").is_err());
    }

    #[test]
    fn namespaces_and_images_are_told() {
        let fact = |text: &str| decode_line(text.as_bytes()).unwrap().fact;
        let Some(Fact::EngineEvent(event)) = fact(LINES.lines().next().unwrap()) else { panic!("no engine") };
        assert_eq!((event.action.as_str(), event.attributes[0].1.as_str()), ("namespace create", "lab"));
        let Some(Fact::Image(image)) = fact(r#"2026-11-24 17:36:53.1 +0100 CET lab /images/create {"name":"docker.io/library/a:1"}"#)
        else {
            panic!("no image")
        };
        assert_eq!((image.name.as_str(), image.action), ("docker.io/library/a:1", ImageAction::Tag));
        assert_eq!(fact(r#"2026-11-24 17:36:53.1 +0000 UTC lab /snapshot/prepare {"key":"a"}"#), None);
    }
}
