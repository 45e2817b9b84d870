//! One line of the Docker events stream, from API 1.24 to 1.56.
//!
//! API 1.52 dropped the top-level `status`, `id` and `from`, so everything is keyed on `Type`, `Action` and `Actor`, and the old keys are only fallen back on.
//! Container labels are copied into `Actor.Attributes` and may shadow what the engine put there, so a fact says what the *event* says; only an inspect says
//! what is true.

use crate::fields::whole;
use crate::prepare::lacks;
use crate::tape::{At, Tape};
use crate::{SourceDef, Witness};
use event::document::{Document, KeyWatch, SIZE_MAX, has_duplicates};
use event::event::identity_of;
use event::fact::{ContainerAction, ContainerEvent, EngineEvent, Fact, ImageAction, ImageEvent, NetworkAction, NetworkEvent, VolumeEvent};
use event::{Decoded, SmolStr, Time, Undecodable, dictionary};
use sonic_rs::{JsonContainerTrait, JsonValueTrait, Object};
use std::collections::BTreeSet;

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "docker_events",
    witness: Witness::Runtime,
    kind: dictionary::DOCKER_EVENT,
    about: "What happens on a Docker engine, as `docker events --format '{{json .}}'` or `GET /events` gives it.",
    size_max: SIZE_MAX,
    recognise,
    finds_duplicates: true,
    decode,
    text: None,
    sample: r#"{"status":"start","id":"8a5eca281e92d259f3f2789ba3bc9873d8a5c4c4951b883549486e61d76c0483","from":"alpine:3.20","Type":"container","Action":"start","Actor":{"ID":"8a5eca281e92d259f3f2789ba3bc9873d8a5c4c4951b883549486e61d76c0483","Attributes":{"image":"alpine:3.20","name":"lab1","team":"payments"}},"scope":"local","time":1795527678,"timeNano":1795527678271434051}"#,
};

/// Labels of an ordinary container.
const LABELS_FEW: usize = 24;

fn recognise(document: &Document) -> bool {
    document.root().as_object().is_some_and(|object| has_shape(object.iter().map(|(key, _)| key)))
}

pub(crate) fn has_shape<'a>(keys: impl Iterator<Item = &'a str>) -> bool {
    let (mut new, mut old) = (0u8, 0u8);
    // Nearly every record of a call comes by here first, so the keys are passed once and no further than needed.
    for key in keys {
        match key {
            "Type" => new |= 1,
            "Action" => new |= 2,
            "Actor" => new |= 4,
            "status" => old |= 1,
            "id" => old |= 2,
            "time" | "timeNano" => old |= 4,
            // An inspect answer says so long before its end.
            "HostConfig" | "Config" | "RootFS" => return false,
            _ => continue,
        }
        if new == 7 || old == 7 {
            return true;
        }
    }
    false
}

/// What one event says, still borrowed. [`fact_of`] makes a fact of it, whether the event was parsed or only skimmed.
#[derive(Default)]
pub(crate) struct Said<'a> {
    pub(crate) kind: &'a str,
    pub(crate) action: &'a str,
    pub(crate) id: &'a str,
    pub(crate) from: &'a str,
    pub(crate) time: Option<i64>,
    pub(crate) time_nano: Option<i64>,
    pub(crate) attributes: Attributes<'a>,
}

/// The attributes of the actor.
#[derive(Clone, Copy, Default)]
pub(crate) struct Attributes<'a> {
    /// Those that facts are made of, by [`Known`].
    known: [Option<&'a str>; KNOWN],
    all: All<'a>,
}

#[derive(Clone, Copy, Default)]
enum All<'a> {
    /// None were found.
    #[default]
    None,
    /// As they were parsed.
    Parsed(&'a Object),
    /// As they stand on a tape.
    Taped(At<'a>),
    /// As they were skimmed from a record too large to parse.
    Skimmed(&'a [(&'a str, &'a str)]),
}

/// Attributes that facts are made of.
#[derive(Clone, Copy)]
pub(crate) enum Known {
    Image,
    Name,
    ExecId,
    ExitCode,
    Signal,
    Container,
    Type,
    OldName,
    Destination,
    ReadWrite,
    ImageRef,
    ImageId,
    Comment,
    PodId,
    ContainerExitCode,
}

/// How many of them there are.
const KNOWN: usize = Known::ContainerExitCode as usize + 1;

impl Known {
    fn named(name: &str) -> Option<Known> {
        Some(match name {
            "image" => Known::Image,
            "name" => Known::Name,
            "execID" => Known::ExecId,
            "exitCode" => Known::ExitCode,
            "signal" => Known::Signal,
            "container" => Known::Container,
            "type" => Known::Type,
            "oldName" => Known::OldName,
            "destination" => Known::Destination,
            "read/write" => Known::ReadWrite,
            "imageRef" => Known::ImageRef,
            "imageID" => Known::ImageId,
            "comment" => Known::Comment,
            "podId" => Known::PodId,
            "containerExitCode" => Known::ContainerExitCode,
            _ => return None,
        })
    }
}

impl<'a> Attributes<'a> {
    /// Those of a parsed event, in one pass; `twice` is set when one of them is there twice.
    fn parsed(object: &'a Object, twice: &mut bool) -> Attributes<'a> {
        let mut attributes = Attributes { all: All::Parsed(object), ..Attributes::default() };
        let mut keys = KeyWatch::default();
        for (key, value) in object.iter() {
            *twice |= keys.is_twice(object, key) || has_duplicates(value);
            attributes.note(key, value.as_str().unwrap_or_default());
        }
        attributes
    }

    /// Whether they are those that Podman writes beside what Docker does.
    pub(crate) fn of_podman(&self) -> bool {
        [Known::PodId, Known::ContainerExitCode].into_iter().any(|known| self.known[known as usize].is_some())
    }

    /// Those on a tape.
    fn taped(object: At<'a>) -> Attributes<'a> {
        let mut attributes = Attributes { all: All::Taped(object), ..Attributes::default() };
        object.members().for_each(|(key, value)| attributes.note(key, value.text().unwrap_or_default()));
        attributes
    }

    /// Those of an event that was only skimmed.
    pub(crate) fn skimmed(list: &'a [(&'a str, &'a str)]) -> Attributes<'a> {
        let mut attributes = Attributes { all: All::Skimmed(list), ..Attributes::default() };
        list.iter().for_each(|(key, value)| attributes.note(key, value));
        attributes
    }

    fn note(&mut self, key: &str, value: &'a str) {
        if let Some(known) = Known::named(key) {
            self.known[known as usize].get_or_insert(value);
        }
    }

    /// The value of one, when it is there and not empty.
    pub(crate) fn get(&self, known: Known) -> Option<&'a str> {
        self.known[known as usize].filter(|value| !value.is_empty())
    }

    fn text(&self, known: Known) -> SmolStr {
        self.get(known).map(SmolStr::new).unwrap_or_default()
    }

    pub(crate) fn number(&self, known: Known) -> Option<i64> {
        self.get(known)?.trim().parse().ok()
    }

    /// All of them but the named ones; of equal keys the first.
    pub(crate) fn others(&self, without: &[&str]) -> Vec<(SmolStr, SmolStr)> {
        let mut list: Vec<(SmolStr, SmolStr)> = Vec::new();
        // Few labels are compared one by one; a flood of them must not cost the square of its size.
        let is_flood = match self.all {
            // On a tape no two names are equal.
            All::None | All::Taped(_) => false,
            All::Parsed(object) => object.len() > LABELS_FEW,
            All::Skimmed(skimmed) => skimmed.len() > LABELS_FEW,
        };
        let mut seen = BTreeSet::new();
        let taped = matches!(self.all, All::Taped(_));
        let mut add = |name: &'a str, value: &'a str| {
            let is_new = taped || if is_flood { seen.insert(name) } else { list.iter().all(|(other, _)| other != name) };
            if is_new && !without.contains(&name) {
                list.push((SmolStr::new(name), SmolStr::new(value)));
            }
        };
        match self.all {
            All::None => {}
            All::Parsed(object) => {
                object.iter().filter_map(|(name, value)| Some((name, value.as_str()?))).for_each(|(n, v)| add(n, v));
            }
            All::Taped(object) => object.members().filter_map(|(name, value)| Some((name, value.text()?))).for_each(|(n, v)| add(n, v)),
            All::Skimmed(skimmed) => skimmed.iter().for_each(|(n, v)| add(n, v)),
        }
        list
    }
}

fn decode(document: &Document, _: &[u8]) -> Result<Decoded, Undecodable> {
    let (said, twice) = said(document)?;
    finish(said, twice)
}

/// What a parsed event says, and whether a key is there twice.
pub(crate) fn said(document: &Document) -> Result<(Said<'_>, bool), Undecodable> {
    let Some(root) = document.root().as_object() else { return Err(lacks("the braces of an event")) };
    // The hottest loop of the house: one pass over all keys reads the event and notices keys that are there twice. Of equal ones the first counts, even
    // when it is of another type.
    let (mut kind, mut action, mut from, mut status, mut old_id, mut id) = (None, None, None, None, None, None);
    let (mut time, mut time_nano, mut attributes) = (None, None, None);
    let (mut twice, mut actor_passed) = (false, false);
    let mut keys = KeyWatch::default();
    for (key, value) in root.iter() {
        twice |= keys.is_twice(root, key);
        let place = match key {
            "Type" => &mut kind,
            "Action" => &mut action,
            "from" => &mut from,
            "status" => &mut status,
            "id" => &mut old_id,
            "time" => {
                time.get_or_insert_with(|| whole(value));
                continue;
            }
            "timeNano" => {
                time_nano.get_or_insert_with(|| whole(value));
                continue;
            }
            "Actor" => {
                let Some(actor) = value.as_object().filter(|_| !actor_passed) else {
                    actor_passed = true;
                    continue;
                };
                actor_passed = true;
                let mut keys = KeyWatch::default();
                for (key, value) in actor.iter() {
                    twice |= keys.is_twice(actor, key);
                    match (key, value.as_object()) {
                        ("ID", _) => *id.get_or_insert(value.as_str().unwrap_or_default()),
                        ("Attributes", Some(object)) if attributes.is_none() => {
                            attributes = Some(Attributes::parsed(object, &mut twice));
                            continue;
                        }
                        _ => {
                            twice |= has_duplicates(value);
                            continue;
                        }
                    };
                }
                continue;
            }
            _ => {
                twice |= has_duplicates(value);
                continue;
            }
        };
        place.get_or_insert(value.as_str().unwrap_or_default());
    }
    let mut said = Said {
        kind: kind.unwrap_or_default(),
        action: action.unwrap_or_default(),
        id: id.unwrap_or_default(),
        from: from.unwrap_or_default(),
        time: time.flatten(),
        time_nano: time_nano.flatten(),
        attributes: attributes.unwrap_or_default(),
    };
    said.fall_back(status.unwrap_or_default(), old_id.unwrap_or_default());
    Ok((said, twice))
}

/// The same from a tape, on which every key stands once; `None` when it is no event, or one that is left to the parser.
pub(crate) fn read_tape(tape: &Tape<'_>) -> Option<Decoded> {
    if !has_shape(tape.root().members().map(|(key, _)| key)) {
        return None;
    }
    let (mut said, mut status, mut old_id) = (Said::default(), "", "");
    for (key, value) in tape.root().members() {
        let text = value.text().unwrap_or_default();
        match key {
            "Type" => said.kind = text,
            "Action" => said.action = text,
            "from" => said.from = text,
            "status" => status = text,
            "id" => old_id = text,
            "time" => said.time = value.int(),
            "timeNano" => said.time_nano = value.int(),
            "Actor" => {
                for (key, value) in value.members() {
                    match key {
                        "ID" => said.id = value.text().unwrap_or_default(),
                        "Attributes" if value.is_object() => said.attributes = Attributes::taped(value),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    // Podman speaks nearly the same; who it is, the parser's way tells apart.
    if said.attributes.of_podman() {
        return None;
    }
    said.fall_back(status, old_id);
    finish(said, false).ok()
}

fn finish(said: Said<'_>, twice: bool) -> Result<Decoded, Undecodable> {
    if said.action.is_empty() {
        return Err(lacks("an action"));
    }
    let subject = SmolStr::new(said.id);
    Ok(Decoded {
        kind: dictionary::DOCKER_EVENT,
        time: said.when(),
        identity: said.identity(),
        fact: fact_of(&said, &subject),
        subject,
        truncated: false,
        duplicate_keys: twice,
        document: Document::default(),
    })
}

impl<'a> Said<'a> {
    /// Fills from the keys of API 1.51 and earlier what the newer ones do not say.
    pub(crate) fn fall_back(&mut self, status: &'a str, old_id: &'a str) {
        if self.action.is_empty() {
            self.action = status;
        }
        if self.id.is_empty() {
            self.id = old_id;
        }
        if self.kind.is_empty() {
            // Before types were written there were only containers and images, and only containers came from an image.
            let of_images = ["pull", "push", "tag", "untag", "delete", "import", "load", "save"].contains(&self.action);
            self.kind = if self.from.is_empty() && of_images { "image" } else { "container" };
        }
    }

    /// Nanoseconds where they are given, else whole seconds.
    pub(crate) fn when(&self) -> Option<Time> {
        let nano = self.time_nano.filter(|t| *t > 0).map(Time);
        nano.or_else(|| self.time.filter(|t| *t > 0).map(|seconds| Time::from_seconds(seconds, 0)))
    }

    /// Without nanoseconds two different events may look the same, and then neither may be dropped.
    pub(crate) fn identity(&self) -> Option<u128> {
        let nano = self.time_nano.filter(|t| *t > 0)?;
        Some(identity_of(&[self.kind.as_bytes(), self.action.as_bytes(), self.id.as_bytes(), &nano.to_le_bytes()]))
    }
}

/// What the event tells the inventory; nothing when it concerns none of what the inventory holds.
pub(crate) fn fact_of(said: &Said<'_>, id: &SmolStr) -> Option<Fact> {
    let attributes = &said.attributes;
    let engine = |action: String, attributes: &Attributes<'_>| {
        Some(Fact::EngineEvent(EngineEvent { action: SmolStr::new(action), attributes: attributes.others(&[]) }))
    };
    match said.kind {
        // A prune names no container: it says that somebody cleaned up, and how much.
        "container" if id.is_empty() && said.action != "prune" => None,
        "container" if id.is_empty() => engine(format!("container {}", said.action), attributes),
        "container" => {
            let action = container_action(said.action, attributes);
            let labels = if action == ContainerAction::Create { attributes.others(&["image", "name"]) } else { Vec::new() };
            let image = attributes.get(Known::Image).unwrap_or(said.from);
            Some(Fact::Container(ContainerEvent {
                id: id.clone(),
                action,
                name: crate::fields::bare_name(attributes.get(Known::Name).unwrap_or_default()),
                image: SmolStr::new(image),
                labels,
                runtime: SmolStr::new_static("docker"),
                division: SmolStr::default(),
                pod: SmolStr::default(),
                spec: None,
            }))
        }
        "image" => Some(Fact::Image(ImageEvent { id: id.clone(), action: image_action(said.action), name: attributes.text(Known::Name) })),
        "network" => Some(Fact::Network(NetworkEvent {
            id: id.clone(),
            name: attributes.text(Known::Name),
            driver: attributes.text(Known::Type),
            action: match said.action {
                "create" => NetworkAction::Create,
                "destroy" => NetworkAction::Destroy,
                "connect" => NetworkAction::Connect { container: attributes.text(Known::Container) },
                "disconnect" => NetworkAction::Disconnect { container: attributes.text(Known::Container) },
                other => NetworkAction::Other(SmolStr::new(other)),
            },
        })),
        "volume" => Some(Fact::Volume(VolumeEvent {
            name: id.clone(),
            action: SmolStr::new(said.action),
            container: attributes.text(Known::Container),
            destination: attributes.text(Known::Destination),
            writable: attributes.get(Known::ReadWrite).and_then(|text| text.parse().ok()),
        })),
        "daemon" => engine(said.action.to_owned(), attributes),
        "plugin" | "builder" => engine(format!("{} {}", said.kind, said.action), attributes),
        // Swarm's services, nodes, secrets and configs are not held by the inventory; their native fields are there for rules.
        _ => None,
    }
}

pub(crate) fn container_action(action: &str, attributes: &Attributes<'_>) -> ContainerAction {
    // `exec_create: CMD` and the like carry their payload in the action itself.
    let (verb, payload) = match action.split_once(':') {
        Some((verb, payload)) => (verb, payload.trim()),
        None => (action, ""),
    };
    let exec_id = || attributes.get(Known::ExecId).map(SmolStr::new);
    match verb {
        "create" => ContainerAction::Create,
        "start" => ContainerAction::Start,
        "restart" => ContainerAction::Restart,
        "die" => ContainerAction::Die { exit_code: attributes.number(Known::ExitCode) },
        "kill" => ContainerAction::Kill { signal: attributes.number(Known::Signal) },
        "stop" => ContainerAction::Stop,
        "oom" => ContainerAction::Oom,
        "pause" => ContainerAction::Pause,
        "unpause" => ContainerAction::Unpause,
        "rename" => ContainerAction::Rename { old_name: attributes.get(Known::OldName).map(crate::fields::bare_name) },
        "update" => ContainerAction::Update,
        "destroy" => ContainerAction::Destroy,
        "attach" => ContainerAction::Attach,
        "exec_create" => ContainerAction::ExecCreate { command: SmolStr::new(payload), exec_id: exec_id() },
        "exec_start" => ContainerAction::ExecStart { command: SmolStr::new(payload), exec_id: exec_id() },
        "exec_die" => ContainerAction::ExecDie { exec_id: exec_id(), exit_code: attributes.number(Known::ExitCode) },
        "health_status" => ContainerAction::Health { status: SmolStr::new(payload) },
        // Named by the route that did it; `copy` is what engines before 1.8 called it.
        "archive-path" | "copy" => ContainerAction::CopyOut,
        "extract-to-dir" => ContainerAction::CopyIn,
        "export" => ContainerAction::Export,
        "commit" => ContainerAction::Commit {
            reference: attributes
                .get(Known::ImageRef)
                .or_else(|| attributes.get(Known::Comment))
                .filter(|r| !r.is_empty())
                .map(SmolStr::new),
            image_id: attributes.get(Known::ImageId).map(SmolStr::new),
        },
        "checkpoint" => ContainerAction::Checkpoint,
        _ => ContainerAction::Other(SmolStr::new(action)),
    }
}

pub(crate) fn image_action(action: &str) -> ImageAction {
    match action {
        "pull" => ImageAction::Pull,
        "push" => ImageAction::Push,
        "tag" => ImageAction::Tag,
        "untag" => ImageAction::Untag,
        "delete" => ImageAction::Delete,
        "load" => ImageAction::Load,
        "import" => ImageAction::Import,
        "save" => ImageAction::Save,
        "create" => ImageAction::Create,
        "prune" => ImageAction::Prune,
        other => ImageAction::Other(SmolStr::new(other)),
    }
}
