//! Which questions an event raises. A pure function of one line.

use super::client::escape;
use serde::Deserialize;
use std::borrow::Cow;

/// A kind of thing that the engine can be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Object {
    Container,
    Exec,
    Image,
    Network,
    Volume,
    Info,
}

impl Object {
    /// The decoder that understands the answer.
    pub fn source(self) -> &'static str {
        match self {
            Object::Container => "docker_container",
            Object::Exec => "docker_exec",
            Object::Image => "docker_image",
            Object::Network => "docker_network",
            Object::Volume => "docker_volume",
            Object::Info => "docker_info",
        }
    }

    /// As a note names it.
    pub fn name(self) -> &'static str {
        match self {
            Object::Container => "container",
            Object::Exec => "exec",
            Object::Image => "image",
            Object::Network => "network",
            Object::Volume => "volume",
            Object::Info => "info",
        }
    }

    /// Where to ask for `id`; `None` when that could reach something else.
    pub fn path(self, id: &str) -> Option<String> {
        if self == Object::Info {
            return Some("/info".into());
        }
        if id.is_empty() || id.len() > 1024 || id.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return None;
        }
        Some(match self {
            Object::Container => format!("/containers/{}/json", escape(id)),
            Object::Exec => format!("/exec/{}/json", escape(id)),
            Object::Image => format!("/images/{}/json", id.split('/').map(escape).collect::<Vec<_>>().join("/")),
            Object::Network => format!("/networks/{}", escape(id)),
            Object::Volume => format!("/volumes/{}", escape(id)),
            Object::Info => "/info".into(),
        })
    }
}

/// How long an answer may wait. A container may be gone in milliseconds; an image stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    /// Just created: nobody has ever looked at it.
    Fresh,
    /// May end soon.
    Fleeting,
    /// Changed, and will stand a while.
    Changed,
    /// Was there before, or stays.
    Standing,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub object: Object,
    pub id: String,
    pub urgency: Urgency,
    /// For an exec: the container to ask instead, when the event's exec id leads nowhere.
    pub near: String,
    /// The thing has just ended: that it is gone is no news.
    pub after_end: bool,
}

impl Ask {
    pub fn new(object: Object, id: impl Into<String>, urgency: Urgency) -> Ask {
        Ask { object, id: id.into(), urgency, near: String::new(), after_end: false }
    }
}

/// What the collector itself reads of a line of the event stream.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Line<'a> {
    #[serde(rename = "Type", default, borrow)]
    pub kind: Cow<'a, str>,
    #[serde(rename = "Action", default, borrow)]
    pub action: Cow<'a, str>,
    #[serde(rename = "Actor", default, borrow)]
    pub actor: Actor<'a>,
    #[serde(rename = "timeNano", default)]
    pub time_nano: i64,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Actor<'a> {
    #[serde(rename = "ID", default, borrow)]
    pub id: Cow<'a, str>,
    #[serde(rename = "Attributes", default, borrow)]
    pub attributes: Attributes<'a>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Attributes<'a> {
    #[serde(rename = "execID", default, borrow)]
    pub exec: Cow<'a, str>,
    #[serde(default, borrow)]
    pub container: Cow<'a, str>,
    #[serde(rename = "imageID", default, borrow)]
    pub image: Cow<'a, str>,
}

impl Line<'_> {
    pub fn parse(line: &[u8]) -> Option<Line<'_>> {
        sonic_rs::from_slice(line).ok()
    }

    /// The first word of the action: `exec_create: sh -c id` carries the command, `health_status: healthy` the result.
    pub fn verb(&self) -> &str {
        self.action.split(':').next().unwrap_or_default()
    }

    pub fn is_container(&self, verb: &str) -> bool {
        self.kind == "container" && self.action == verb
    }

    /// The questions that this event raises.
    pub fn asks(&self) -> Vec<Ask> {
        let id = || self.actor.id.to_string();
        let attributes = &self.actor.attributes;
        match (&*self.kind, self.verb()) {
            ("container", "create") => vec![Ask::new(Object::Container, id(), Urgency::Fresh)],
            ("container", "start" | "restart") => vec![Ask::new(Object::Container, id(), Urgency::Fleeting)],
            ("container", "die") => vec![Ask { after_end: true, ..Ask::new(Object::Container, id(), Urgency::Changed) }],
            ("container", "update" | "rename" | "pause" | "unpause" | "oom") => {
                vec![Ask::new(Object::Container, id(), Urgency::Changed)]
            }
            // `exec_start` is asked again: only a running exec has a process id.
            ("container", "exec_create" | "exec_start") => {
                vec![Ask { near: id(), ..Ask::new(Object::Exec, &*attributes.exec, Urgency::Fleeting) }]
            }
            ("container", "commit") if !attributes.image.is_empty() => {
                vec![Ask::new(Object::Image, &*attributes.image, Urgency::Changed)]
            }
            ("image", "pull" | "tag" | "load" | "import" | "create" | "push") => vec![Ask::new(Object::Image, id(), Urgency::Changed)],
            ("network", "create" | "update") => vec![Ask::new(Object::Network, id(), Urgency::Changed)],
            ("network", "connect") => vec![
                Ask::new(Object::Container, &*attributes.container, Urgency::Changed),
                Ask::new(Object::Network, id(), Urgency::Standing),
            ],
            ("volume", "create" | "mount") => vec![Ask::new(Object::Volume, id(), Urgency::Changed)],
            ("daemon", "reload") => vec![Ask::new(Object::Info, "", Urgency::Changed)],
            _ => Vec::new(),
        }
    }
}

/// What the collector itself reads of a container's inspect answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Container {
    pub id: String,
    pub image: String,
    #[serde(rename = "ExecIDs")]
    pub execs: Option<Vec<String>>,
    pub host_config: HostConfig,
    pub mounts: Option<Vec<Mount>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct HostConfig {
    pub auto_remove: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Mount {
    #[serde(rename = "Type")]
    pub kind: String,
    pub name: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(line: &str) -> Vec<(Object, String)> {
        let line = Line::parse(line.as_bytes()).expect("a line");
        line.asks().into_iter().map(|ask| (ask.object, ask.id)).collect()
    }

    #[test]
    fn a_creation_is_the_most_urgent_question() {
        let line = r#"{"Type":"container","Action":"create","Actor":{"ID":"c1","Attributes":{"image":"a"}},"timeNano":5}"#;
        let line = Line::parse(line.as_bytes()).expect("a line");
        assert_eq!(line.asks(), [Ask::new(Object::Container, "c1", Urgency::Fresh)]);
        assert!(Urgency::Fresh < Urgency::Fleeting && Urgency::Changed < Urgency::Standing);
    }

    #[test]
    fn commands_in_an_action_do_not_hide_what_it_is() {
        let line = r#"{"Type":"container","Action":"exec_create: sh -c \"a: b\"","Actor":{"ID":"c1","Attributes":{"execID":"e1"}}}"#;
        assert_eq!(asks(line), [(Object::Exec, "e1".into())]);
    }

    #[test]
    fn a_connection_concerns_both_ends() {
        let line = r#"{"Type":"network","Action":"connect","Actor":{"ID":"n1","Attributes":{"container":"c1","name":"bridge"}}}"#;
        assert_eq!(asks(line), [(Object::Container, "c1".into()), (Object::Network, "n1".into())]);
    }

    #[test]
    fn odd_lines_raise_no_question_and_no_panic() {
        assert!(asks(r#"{"Type":"moon","Action":"rise"}"#).is_empty());
        assert!(Line::parse(b"not json").is_none());
        assert_eq!(Object::Container.path("../info"), None);
        assert_eq!(Object::Container.path(""), None);
        assert_eq!(Object::Image.path("a/b:1").as_deref(), Some("/images/a/b:1/json"));
        assert_eq!(Object::Volume.path("a?b").as_deref(), Some("/volumes/a%3Fb"));
    }
}
