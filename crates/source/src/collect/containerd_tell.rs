//! containerd's messages as the JSON that is kept of them: one field of the message, one key.
//!
//! The wire has no names, so what is kept cannot be the bytes that came. Nothing is judged or left out here but what the message's own kind does not name;
//! a message of an unknown kind is kept whole.

use super::containerd_wire::{Fields, Value};
use base64::Engine;
use event::Time;
use serde_json::{Map, Value as Json, json};

/// How a field is written.
#[derive(Clone, Copy)]
enum As {
    Text,
    Number,
    Flag,
    Time,
    Pairs,
    Message(&'static [(u32, &'static str, As)]),
}

type Shape = &'static [(u32, &'static str, As)];

/// What an event's kind is made of, by the end of its type's name.
fn shape(kind: &str) -> Option<Shape> {
    use As::{Flag, Message, Number, Pairs, Text};
    const RUNTIME: Shape = &[(1, "name", Text)];
    const IO: Shape = &[(1, "stdin", Text), (2, "stdout", Text), (3, "stderr", Text), (4, "terminal", Flag)];
    const NAMED: Shape = &[(1, "name", Text), (2, "labels", Pairs)];
    Some(match kind {
        "ContainerCreate" => &[(1, "id", Text), (2, "image", Text), (3, "runtime", Message(RUNTIME))],
        "ContainerUpdate" => &[(1, "id", Text), (2, "image", Text), (3, "labels", Pairs), (4, "snapshot_key", Text)],
        "ContainerDelete" => &[(1, "id", Text)],
        "TaskCreate" => {
            &[(1, "container_id", Text), (2, "bundle", Text), (4, "io", Message(IO)), (5, "checkpoint", Text), (6, "pid", Number)]
        }
        "TaskStart" => &[(1, "container_id", Text), (2, "pid", Number)],
        "TaskDelete" => {
            &[(1, "container_id", Text), (5, "id", Text), (2, "pid", Number), (3, "exit_status", Number), (4, "exited_at", As::Time)]
        }
        "TaskExit" => {
            &[(1, "container_id", Text), (2, "id", Text), (3, "pid", Number), (4, "exit_status", Number), (5, "exited_at", As::Time)]
        }
        "TaskOOM" | "TaskPaused" | "TaskResumed" => &[(1, "container_id", Text)],
        "TaskExecAdded" => &[(1, "container_id", Text), (2, "exec_id", Text)],
        "TaskExecStarted" => &[(1, "container_id", Text), (2, "exec_id", Text), (3, "pid", Number)],
        "TaskCheckpointed" => &[(1, "container_id", Text), (2, "checkpoint", Text)],
        "ImageCreate" | "ImageUpdate" | "NamespaceCreate" | "NamespaceUpdate" => NAMED,
        "ImageDelete" | "NamespaceDelete" => &[(1, "name", Text)],
        "SnapshotPrepare" => &[(1, "key", Text), (2, "parent", Text), (5, "snapshotter", Text)],
        "SnapshotCommit" => &[(1, "key", Text), (2, "name", Text), (5, "snapshotter", Text)],
        "SnapshotRemove" => &[(1, "key", Text), (5, "snapshotter", Text)],
        _ => return None,
    })
}

/// What the collector itself reads of an event.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Heard {
    pub namespace: String,
    pub topic: String,
    /// The container's id, where the event is about one.
    pub container: String,
    /// The task's process id, where the event says it.
    pub pid: u64,
    /// When it happened, in nanoseconds; 0 when not said.
    pub time: i64,
}

/// An event as it is kept, and what of it raises questions.
pub(super) fn envelope(message: &[u8]) -> (Vec<u8>, Heard) {
    let fields = Fields(message);
    let (namespace, topic) = (fields.text(2), fields.text(3));
    let any = Fields(fields.bytes(4));
    let (url, value) = (any.text(1), any.bytes(2));
    let kind = url.rsplit(['.', '/']).next().unwrap_or_default();
    let event = match shape(kind) {
        Some(shape) => Json::Object(object(value, shape)),
        // Some kinds are sent as JSON already.
        None => match serde_json::from_slice::<Json>(value) {
            Ok(json) if json.is_object() => json,
            _ => json!({"type_url": url, "value": base64::engine::general_purpose::STANDARD.encode(value)}),
        },
    };
    let text = |key: &str| event.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
    let container = if topic.starts_with("/containers/") { text("id") } else { text("container_id") };
    let time = stamp(fields.bytes(1));
    let heard = Heard {
        container,
        pid: event.get("pid").and_then(Json::as_u64).unwrap_or(0),
        time: time.map_or(0, |time| time.0),
        namespace: namespace.clone(),
        topic: topic.clone(),
    };
    let timestamp = time.map(|time| time.to_string());
    let json = json!({"timestamp": timestamp, "namespace": namespace, "topic": topic, "event": event});
    (json.to_string().into_bytes(), heard)
}

/// A container as the store keeps it; its spec is JSON already.
pub(super) fn container(message: &[u8]) -> Map<String, Json> {
    const SHAPE: Shape = &[
        (1, "id", As::Text),
        (2, "labels", As::Pairs),
        (3, "image", As::Text),
        (6, "snapshotter", As::Text),
        (7, "snapshot_key", As::Text),
        (8, "created_at", As::Time),
        (9, "updated_at", As::Time),
        (11, "sandbox", As::Text),
    ];
    let mut out = object(message, SHAPE);
    let fields = Fields(message);
    out.insert("runtime".into(), Fields(fields.bytes(4)).text(1).into());
    if let Ok(spec) = serde_json::from_slice::<Json>(Fields(fields.bytes(5)).bytes(2)) {
        out.insert("spec".into(), spec);
    }
    out
}

/// A task's container, process id and state.
pub(super) fn task(message: &[u8]) -> (String, u64, &'static str) {
    let fields = Fields(message);
    // The task bears its container's id; the field for that came later.
    let id = Some(fields.text(1)).filter(|id| !id.is_empty()).unwrap_or_else(|| fields.text(2));
    let status = match fields.number(4) {
        1 => "created",
        2 => "running",
        3 => "stopped",
        4 => "paused",
        5 => "pausing",
        _ => "",
    };
    (id, fields.number(3), status)
}

fn object(message: &[u8], shape: Shape) -> Map<String, Json> {
    let mut out = Map::new();
    let mut pairs: Map<String, Json> = Map::new();
    let mut pairs_name = "";
    for (number, value) in Fields(message) {
        let Some((_, name, how)) = shape.iter().find(|(other, _, _)| *other == number) else { continue };
        let json = match (how, value) {
            (As::Text, Value::Bytes(bytes)) => String::from_utf8_lossy(bytes).into(),
            (As::Number, Value::Number(number)) => number.into(),
            (As::Flag, Value::Number(number)) => (number != 0).into(),
            (As::Time, Value::Bytes(bytes)) => stamp(bytes).map(|time| time.to_string()).into(),
            (As::Message(shape), Value::Bytes(bytes)) => Json::Object(object(bytes, shape)),
            (As::Pairs, Value::Bytes(bytes)) => {
                pairs_name = name;
                pairs.insert(Fields(bytes).text(1), Fields(bytes).text(2).into());
                continue;
            }
            _ => continue,
        };
        out.insert((*name).into(), json);
    }
    if !pairs_name.is_empty() {
        out.insert(pairs_name.into(), Json::Object(pairs));
    }
    out
}

/// Seconds and nanoseconds since the epoch.
fn stamp(message: &[u8]) -> Option<Time> {
    let fields = Fields(message);
    let seconds = i64::try_from(fields.number(1)).ok().filter(|seconds| *seconds > 0)?;
    Some(Time::from_seconds(seconds, i64::try_from(fields.number(2)).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::containerd_wire::message;

    fn within(number: u8, inner: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, u8::try_from(inner.len()).unwrap()];
        out.extend_from_slice(inner);
        out
    }

    fn event(topic: &str, kind: &str, value: &[u8]) -> (String, Heard) {
        let any = [message(1, &format!("containerd.events.{kind}")), within(2, value)].concat();
        // 1795541813 s and 832783877 ns
        let time = b"\x08\xb5\xe6\x96\xd8\x06\x10\x85\xb4\x8d\x8d\x03";
        let bytes = [within(1, time), message(2, "lab"), message(3, topic), within(4, &any)].concat();
        let (json, heard) = envelope(&bytes);
        (String::from_utf8(json).unwrap(), heard)
    }

    #[test]
    fn an_event_reads_as_ctr_prints_it() {
        let exit = [message(1, "c1"), message(2, "e1"), b"\x18\x96\x01\x20\x89\x01".to_vec()].concat();
        let (json, heard) = event("/tasks/exit", "TaskExit", &exit);
        let read: Json = serde_json::from_str(&json).unwrap();
        assert_eq!(read["event"], json!({"container_id": "c1", "id": "e1", "pid": 150, "exit_status": 137}));
        assert_eq!((read["namespace"].as_str(), read["topic"].as_str()), (Some("lab"), Some("/tasks/exit")));
        assert_eq!((heard.container.as_str(), heard.pid, heard.topic.as_str()), ("c1", 150, "/tasks/exit"));
        assert_eq!(Time::parse(read["timestamp"].as_str().unwrap()), Some(Time(heard.time)));
        let (json, _) =
            event("/images/create", "ImageCreate", &[message(1, "a:1"), within(2, &[message(1, "k"), message(2, "v")].concat())].concat());
        assert!(json.contains(r#""event":{"name":"a:1","labels":{"k":"v"}}"#), "{json}");
    }

    #[test]
    fn what_is_unknown_is_kept_whole() {
        let (json, _) = event("/moon/rise", "Moonrise", b"\xff\x00");
        assert!(json.contains(r#""value":"/wA=""#), "{json}");
        let (json, _) = event("/moon/rise", "Moonrise", br#"{"full":true}"#);
        assert!(json.contains(r#""event":{"full":true}"#), "{json}");
    }
}
