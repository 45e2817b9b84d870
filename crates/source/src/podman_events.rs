//! One event of Podman, in the three shapes that it has: a line of `podman events --format json`, an event of its socket, and a field set in the journal.
//!
//! The socket speaks Docker's shape with words of Podman's own. What Podman 4 leaves out stays unsaid: the command and the id of an exec, the signal of a
//! kill, the name before a rename; `podman update` makes no event at all.

use crate::docker_events::{Attributes, Known, container_action, has_shape, image_action, said};
use crate::fields::{Fields, Notes, bare_name};
use crate::prepare::lacks;
use crate::{SourceDef, Witness};
use event::document::{Document, SIZE_MAX};
use event::event::identity_of;
use event::fact::{ContainerAction, ContainerEvent, EngineEvent, Fact, ImageAction, ImageEvent, NetworkAction, NetworkEvent, VolumeEvent};
use event::{Decoded, SmolStr, Time, Undecodable, dictionary};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "podman_events",
    witness: Witness::Runtime,
    kind: dictionary::PODMAN_EVENT,
    about: "What happens under Podman, as `podman events --format json`, its socket or the journal gives it.",
    size_max: SIZE_MAX,
    recognise,
    finds_duplicates: false,
    decode,
    text: None,
    sample: r#"{"ContainerExitCode":7,"ID":"aa0160efb507ee61f8965ee7261f40e5ae1983d6f29eeab7d70b6d7fabd7079e","Image":"registry.example/busy:1","Name":"a2","Status":"died","Time":"2026-11-24T17:29:49.946172689Z","Type":"container","Attributes":{"team":"payments"}}"#,
};

/// What Podman itself puts beside a container's labels.
const NO_LABELS: &[&str] = &["image", "name", "podId", "containerExitCode"];

/// The three shapes.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    /// `podman events --format json`.
    Line,
    /// The socket: Docker's shape.
    Socket,
    /// The journal: one field set.
    Journal,
}

fn recognise(document: &Document) -> bool {
    shape(document).is_some()
}

fn shape(document: &Document) -> Option<Shape> {
    let root = document.root().as_object()?;
    if root.contains_key(&"PODMAN_EVENT") && root.contains_key(&"PODMAN_TYPE") {
        return Some(Shape::Journal);
    }
    if root.contains_key(&"Action") || root.contains_key(&"Actor") {
        // A label of Docker's could bear one of these names; then the same event is read, only under another runtime's name. A collector names its source.
        let attributes = document.root().get("Actor")?.get("Attributes")?;
        let own = attributes.get("podId").or_else(|| attributes.get("containerExitCode"));
        return (own.is_some() && has_shape(root.iter().map(|(key, _)| key))).then_some(Shape::Socket);
    }
    let dated = ["Time", "timeNano", "time"].iter().any(|key| root.contains_key(key));
    (dated && root.contains_key(&"Status") && root.contains_key(&"Type") && !root.contains_key(&"HostConfig")).then_some(Shape::Line)
}

/// What an event says, whatever its shape.
#[derive(Default)]
struct Told<'a> {
    kind: &'a str,
    action: &'a str,
    id: &'a str,
    name: &'a str,
    image: &'a str,
    network: &'a str,
    /// The container that joins or leaves a network.
    joining: &'a str,
    pod: &'a str,
    health: &'a str,
    exit_code: Option<i64>,
    labels: Vec<(SmolStr, SmolStr)>,
    attributes: Attributes<'a>,
    time: Option<Time>,
    /// The time is exact, so that it tells two events apart.
    exact: bool,
}

fn decode(document: &Document, _: &[u8]) -> Result<Decoded, Undecodable> {
    let notes = Notes::default();
    let root = Fields::new(document.root(), &notes);
    let told = match shape(document) {
        Some(Shape::Journal) => from_journal(&root),
        Some(Shape::Socket) => from_socket(document)?,
        Some(Shape::Line) => from_line(&root),
        // Named as Podman's, but without what tells its socket from Docker's: an older version.
        None if root.has("Action") || root.has("Actor") => from_socket(document)?,
        None => return Err(lacks("a status and a type")),
    };
    if told.action.is_empty() {
        return Err(lacks("a status"));
    }
    let word = plain_word(told.kind, told.action);
    // A volume and an image that was pulled have a name only.
    let subject = if told.id.is_empty() { SmolStr::new(told.name) } else { full_id(told.kind, told.id) };
    let identity = told.time.filter(|_| told.exact).map(|time| {
        let parts = [told.kind, word, told.id, told.name].map(str::as_bytes);
        identity_of(&[parts[0], parts[1], parts[2], parts[3], &time.0.to_le_bytes()])
    });
    Ok(Decoded {
        kind: dictionary::PODMAN_EVENT,
        time: told.time,
        identity,
        fact: fact_of(&told, word, &subject),
        subject,
        document: Document::default(),
        truncated: false,
        duplicate_keys: false,
    })
}

fn from_line<'a>(root: &Fields<'a>) -> Told<'a> {
    let (action, kind) = (root.str("Status"), root.str("Type"));
    let exit_code = root.int("ContainerExitCode").or(
        // Podman 4 leaves a zero out, and of what ended it always knows the code.
        (["died", "exec_died"].contains(&action) && !root.has("ContainerExitCode")).then_some(0),
    );
    let nano = root.int("timeNano").filter(|nano| *nano > 0).map(Time).or_else(|| root.time("Time"));
    Told {
        kind,
        action,
        id: root.str("ID"),
        name: root.str("Name"),
        image: root.str("Image"),
        network: either(root.str("network"), root.str("Network")),
        joining: if kind == "network" { root.str("ID") } else { "" },
        pod: root.str("PodID"),
        health: either(root.str("health_status"), root.str("HealthStatus")),
        exit_code,
        labels: root.pairs("Attributes"),
        time: nano.or_else(|| root.int("time").filter(|seconds| *seconds > 0).map(|seconds| Time::from_seconds(seconds, 0))),
        exact: nano.is_some(),
        attributes: Attributes::default(),
    }
}

fn from_socket(document: &Document) -> Result<Told<'_>, Undecodable> {
    let (said, _) = said(document)?;
    let attributes = said.attributes;
    let get = |known| attributes.get(known).unwrap_or_default();
    // Podman 4 gives the container where a network is meant, and keeps the network to itself; later ones name both, as Docker does.
    let joining = get(Known::Container);
    let (id, network) = match said.kind {
        "network" if joining.is_empty() && ["connect", "disconnect"].contains(&said.action) => (said.id, ""),
        "network" => (said.id, either(get(Known::Name), said.id)),
        _ => (said.id, ""),
    };
    Ok(Told {
        kind: said.kind,
        action: said.action,
        id,
        name: get(Known::Name),
        image: either(get(Known::Image), said.from),
        network,
        joining,
        pod: get(Known::PodId),
        health: said.action.strip_prefix("health_status").map(|rest| rest.trim_start_matches(':').trim()).unwrap_or_default(),
        exit_code: attributes.number(Known::ContainerExitCode).or_else(|| attributes.number(Known::ExitCode)),
        labels: attributes.others(NO_LABELS),
        time: said.when(),
        exact: said.time_nano.is_some_and(|nano| nano > 0),
        attributes,
    })
}

fn from_journal<'a>(root: &Fields<'a>) -> Told<'a> {
    let (kind, action) = (root.str("PODMAN_TYPE"), root.str("PODMAN_EVENT"));
    let exact = root.time("PODMAN_TIME");
    // The journal counts microseconds, as text.
    let stamp = ["_SOURCE_REALTIME_TIMESTAMP", "__REALTIME_TIMESTAMP"].iter().find_map(|key| root.str(key).parse::<i64>().ok());
    let labels = Document::parse(root.str("PODMAN_LABELS").as_bytes()).map(|document| {
        let pairs = document.root().as_object().map(|object| {
            object.iter().filter_map(|(key, value)| Some((SmolStr::new(key), SmolStr::new(value.as_str()?)))).collect::<Vec<_>>()
        });
        pairs.unwrap_or_default()
    });
    Told {
        kind,
        action,
        id: root.str("PODMAN_ID"),
        name: root.str("PODMAN_NAME"),
        image: root.str("PODMAN_IMAGE"),
        network: root.str("PODMAN_NETWORK_NAME"),
        joining: if kind == "network" { root.str("PODMAN_ID") } else { "" },
        pod: root.str("PODMAN_POD_ID"),
        health: root.str("PODMAN_HEALTH_STATUS"),
        exit_code: root.str("PODMAN_EXIT_CODE").parse().ok(),
        labels: labels.unwrap_or_default(),
        time: exact.or_else(|| stamp.filter(|micros| *micros > 0).map(|micros| Time(micros.saturating_mul(1000)))),
        exact: exact.is_some(),
        attributes: Attributes::default(),
    }
}

fn either<'a>(first: &'a str, second: &'a str) -> &'a str {
    if first.is_empty() { second } else { first }
}

/// Docker's word for what Podman calls otherwise: the same event comes in both words, by which socket was asked.
fn plain_word<'a>(kind: &str, action: &'a str) -> &'a str {
    match (kind, action) {
        ("container", "died") => "die",
        ("container" | "network" | "volume" | "pod", "remove") | ("container", "evict") => "destroy",
        // It is told when it starts, and only once.
        ("container", "exec") => "exec_create",
        ("container", "exec_died") => "exec_die",
        ("image", "remove") => "delete",
        ("image", "loadFromArchive" | "loadfromarchive") => "load",
        ("image", "build") => "create",
        (_, action) => action,
    }
}

/// Podman writes an image's id bare; everywhere else it says by which digest.
fn full_id(kind: &str, id: &str) -> SmolStr {
    if kind == "image" { with_digest(id) } else { SmolStr::new(id) }
}

/// An image's id as other engines write it.
pub(crate) fn with_digest(id: &str) -> SmolStr {
    let bare = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if bare { SmolStr::new(format!("sha256:{id}")) } else { SmolStr::new(id) }
}

fn fact_of(told: &Told<'_>, word: &str, subject: &SmolStr) -> Option<Fact> {
    match told.kind {
        "container" if told.id.is_empty() => None,
        "container" => {
            let action = match word {
                "die" => ContainerAction::Die { exit_code: told.exit_code },
                "exec_die" => {
                    ContainerAction::ExecDie { exec_id: told.attributes.get(Known::ExecId).map(SmolStr::new), exit_code: told.exit_code }
                }
                _ if word.starts_with("health_status") => ContainerAction::Health { status: SmolStr::new(told.health) },
                _ => container_action(word, &told.attributes),
            };
            let labels = if action == ContainerAction::Create { told.labels.clone() } else { Vec::new() };
            Some(Fact::Container(ContainerEvent {
                id: subject.clone(),
                action,
                name: bare_name(told.name),
                image: SmolStr::new(told.image),
                labels,
                runtime: SmolStr::new_static("podman"),
                division: SmolStr::default(),
                pod: SmolStr::new(told.pod),
                spec: None,
            }))
        }
        "image" => {
            // Each run looks for its image, and Podman 4 calls that a pull whether or not anything was fetched; only one that names an id has fetched it.
            // Otherwise any image would bear out its name by being run.
            let action = match word {
                "pull" if told.id.is_empty() => ImageAction::Other(SmolStr::new_static("pull")),
                word => image_action(word),
            };
            Some(Fact::Image(ImageEvent { id: subject.clone(), action, name: SmolStr::new(told.name) }))
        }
        "network" => network_event(told, word),
        "volume" => Some(Fact::Volume(VolumeEvent {
            name: subject.clone(),
            action: SmolStr::new(word),
            container: SmolStr::new(told.joining),
            destination: SmolStr::default(),
            writable: None,
        })),
        "system" => {
            let attributes = told.labels.clone();
            Some(Fact::EngineEvent(EngineEvent { action: SmolStr::new(format!("system {word}")), attributes }))
        }
        // Pods, secrets, machines and the farm are not held by the inventory; their native fields are there for rules.
        _ => None,
    }
}

/// A network; nothing where the event does not say which one a container joined.
fn network_event(told: &Told<'_>, word: &str) -> Option<Fact> {
    let container = SmolStr::new(told.joining);
    let action = match word {
        "create" => NetworkAction::Create,
        "destroy" => NetworkAction::Destroy,
        "connect" if !container.is_empty() && !told.network.is_empty() => NetworkAction::Connect { container },
        "disconnect" if !container.is_empty() && !told.network.is_empty() => NetworkAction::Disconnect { container },
        "connect" | "disconnect" => return None,
        other => NetworkAction::Other(SmolStr::new(other)),
    };
    let joins = matches!(action, NetworkAction::Connect { .. } | NetworkAction::Disconnect { .. });
    let name = either(told.network, told.name);
    // A line names the container where the network's id would be.
    let id = if joins && told.joining == told.id { name } else { either(told.id, name) };
    Some(Fact::Network(NetworkEvent { id: SmolStr::new(id), name: SmolStr::new(name), driver: SmolStr::default(), action }))
}

#[cfg(test)]
#[path = "podman_events_tests.rs"]
mod tests;
