//! The second pass of an investigation: what each witness says of the finding's interval and of what it is about.

use crate::render;
use event::{Event, FieldId, Fields, SmolStr, Span, Time, Value, Witness};
use finding::Finding;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How far to either side of a finding is looked.
pub const NEIGHBOURHOOD: Span = Span::minutes(5);
/// Lines kept of one witness.
const LINES_MAX: usize = 400;
/// Names under which the finding's subject is known.
const KEYS_MAX: usize = 64;
/// Processes remembered, among which is looked for who gave an order.
const ORDERS_MAX: usize = 256;
/// An order and what it brings about lie this close together.
const ORDER_NEAR: Span = Span::seconds(3);

/// What one witness says.
#[derive(Default)]
pub struct Words {
    /// Records in the interval.
    pub near: u64,
    /// Records in the interval that name what the finding is about.
    pub about: u64,
    /// What follows from them, one line an event.
    pub lines: Vec<String>,
    /// Lines that were left out.
    pub more: u64,
}

/// Everything that was gathered.
#[derive(Default)]
pub struct Story {
    /// By witness kind and source.
    pub words: BTreeMap<(Witness, SmolStr), Words>,
    /// Sources that speak at all.
    pub heard: BTreeSet<SmolStr>,
    /// What the sources' own notes say of their sight in the interval.
    pub sight: Vec<String>,
    /// Who made or changed it, with when, by what, and which witness knows.
    pub acts: Vec<Act>,
    /// How its image came to be.
    pub origin: Vec<String>,
    /// Programs that ran just before it came or changed, and that give orders to engines.
    pub orders: Vec<String>,
    /// Reasons that remedies answer.
    pub reasons: Vec<String>,
    /// What a context entry needs: image id, command, dangers.
    pub entry: Option<(String, String, Vec<String>)>,
    /// The latest inspect answer about the container.
    pub inspect: Option<Vec<u8>>,
    /// Keys under which it is known: ids, names of pods, addresses.
    pub keys: BTreeSet<String>,
    /// Identity and what it asked for, as a context entry says it: `create networkpolicies`.
    pub may: BTreeMap<String, BTreeSet<String>>,
    recent: VecDeque<(Time, SmolStr, String)>,
    image: Option<String>,
}

/// Something that somebody did to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// When.
    pub time: Time,
    /// What: the event's name, with the property where one changed.
    pub what: String,
    /// Who, as far as a witness knows.
    pub who: String,
    /// Which witness.
    pub by: SmolStr,
}

/// Fields whose values name the finding's subject. A host's or an image's name names too much.
const NAMING: [&str; 7] =
    ["container.id", "k8s.pod.uid", "k8s.pod.name", "source.address", "policy.name", "guard.name", "discrepancy.what"];

/// Kinds that say that somebody did something to it.
const ACTS: [&str; 12] = [
    "container.created",
    "container.changed",
    "container.exec",
    "container.removed",
    "container.copied",
    "container.network_joined",
    "container.renamed",
    "workload.weakened",
    "policy.widened",
    "guard.changed",
    "kubernetes.request",
    "engine.changed",
];

/// Programs by which people and tools give orders to engines.
const TOOLS: [&str; 11] =
    ["docker", "podman", "nerdctl", "ctr", "crictl", "runc", "crun", "kubectl", "docker-compose", "compose", "buildctl"];

impl Story {
    /// A story about a finding; its entity gives the first keys.
    pub fn of(finding: &Finding) -> Story {
        let mut story = Story::default();
        for (field, value) in &finding.entity {
            if NAMING.contains(&field.as_str()) {
                story.keys.insert(value.to_string());
            }
            if field == "container.image.id" {
                story.image = Some(value.to_string());
            }
        }
        story
    }

    /// Takes one event.
    pub fn take(&mut self, finding: &Finding, event: &Event) {
        let near = event.time >= finding.first_seen.minus(NEIGHBOURHOOD) && event.time <= finding.last_seen + NEIGHBOURHOOD;
        match &event.fields {
            Fields::Native(_) => self.native(event, near),
            Fields::Derived(list) => self.derived(event, list, near),
        }
    }

    fn native(&mut self, event: &Event, near: bool) {
        if event.source == "sensor" {
            return;
        }
        self.heard.insert(event.source.clone());
        let raw = event.evidence.last().map_or(&[][..], |provenance| &provenance.raw);
        let text = String::from_utf8_lossy(raw);
        // Other sensors cut ids to twelve digits.
        let named = self.keys.iter().any(|key| text.contains(key.as_str()) || (is_id(key) && text.contains(&key[..12])));
        if event.source == "docker_container" && named && self.keys.contains(event.subject.as_str()) {
            self.inspect = Some(raw.to_vec());
        }
        if !near {
            return;
        }
        let witness = source::source_named(&event.source).map_or(Witness::Own, |source| source.witness);
        let words = self.words.entry((witness, event.source.clone())).or_default();
        words.near += 1;
        words.about += u64::from(named);
    }

    fn derived(&mut self, event: &Event, list: &[(FieldId, Value)], near: bool) {
        let get = |name: &str| list.iter().find(|(id, _)| id.name() == name).map(|(_, value)| value);
        let text = |name: &str| get(name).map(ToString::to_string).filter(|text| !text.is_empty());
        let kind = event.kind.name();
        let by = event.evidence.last().map(|provenance| provenance.source.clone()).unwrap_or_default();
        if kind.starts_with("sensor.") && near {
            let line = crate::show::line(event, list);
            if !self.sight.contains(&line) && self.sight.len() < LINES_MAX {
                self.sight.push(line);
            }
        }
        let ends = [
            "container.id",
            "source.container.id",
            "destination.container.id",
            "k8s.pod.uid",
            "policy.name",
            "guard.name",
            "discrepancy.what",
        ];
        let mut ours = ends.iter().any(|field| text(field).is_some_and(|value| self.keys.contains(&value)));
        // A request is about an object by its name.
        ours = ours || text("request.target").is_some_and(|target| self.keys.iter().any(|key| target.split(' ').any(|part| part == key)));
        if kind == "kubernetes.request"
            && ours
            && let (Some(actor), Some(verb), Some(resource)) = (text("actor"), text("request.verb"), text("request.resource"))
            && !matches!(text("actor.kind").as_deref(), Some("controller" | "node"))
            && text("request.writes").as_deref() == Some("true")
        {
            let what = text("request.subresource").map_or_else(|| resource.clone(), |sub| format!("{resource}/{sub}"));
            self.may.entry(actor).or_default().insert(format!("{verb} {what}"));
        }
        // A spray is about an image: its containers are the subject, as far as they lie in the interval.
        if !ours && near && self.image.is_some() && text("container.image.id") == self.image {
            ours = true;
            if let Some(id) = text("container.id") {
                self.learn(id);
            }
        }
        if kind == "process.started" {
            self.order(event, &text);
        }
        if kind.starts_with("image.") && self.image.is_some() && text("image.id") == self.image {
            self.origin.push(crate::show::line(event, list));
        }
        if !ours {
            return;
        }
        for field in ["container.id", "k8s.pod.uid"] {
            if let Some(value) = text(field) {
                self.learn(value);
            }
        }
        if let Some(image) = text("container.image.id").filter(|image| image != "unknown") {
            self.image.get_or_insert(image);
        }
        self.reasons_of(kind, &text, get);
        if ACTS.contains(&kind) {
            self.act(event, kind, &text, &by);
        }
        if matches!(kind, "container.appeared" | "container.inspected")
            && let (Some(image), Some(command)) = (text("container.image.id"), text("container.command_line"))
        {
            let dangers = get("container.posture.dangerous").map(texts).unwrap_or_default();
            self.entry = Some((image, command, dangers));
        }
        if near && kind != "container.accumulated" {
            let witness = source::source_named(&by).map_or(Witness::Own, |source| source.witness);
            let words = self.words.entry((witness, by)).or_default();
            if words.lines.len() < LINES_MAX {
                words.lines.push(crate::show::line(event, list));
            } else {
                words.more += 1;
            }
        }
    }

    fn learn(&mut self, key: String) {
        if self.keys.len() < KEYS_MAX {
            self.keys.insert(key);
        }
    }

    /// Programs that give orders are remembered for a few seconds.
    fn order(&mut self, event: &Event, text: &dyn Fn(&str) -> Option<String>) {
        let name = text("process.executable.name").unwrap_or_default();
        if !TOOLS.contains(&name.as_str()) {
            return;
        }
        if self.recent.len() >= ORDERS_MAX {
            self.recent.pop_front();
        }
        let user = text("User").map(|user| format!(" by user {user}")).unwrap_or_default();
        let parent = text("process.parent.command_line").map(|parent| format!(", started by `{parent}`")).unwrap_or_default();
        let place = match text("container.name") {
            Some(container) => format!(" inside {container}"),
            None => String::new(),
        };
        let line = format!("`{}`{user}{place}{parent}", text("process.command_line").unwrap_or(name));
        let by = event.evidence.last().map(|provenance| provenance.source.clone()).unwrap_or_default();
        self.recent.push_back((event.time, by, line));
    }

    fn act(&mut self, event: &Event, kind: &str, text: &dyn Fn(&str) -> Option<String>, by: &SmolStr) {
        let mut what = kind.to_owned();
        for field in ["change.property", "exec.command_line", "request.target", "network.name", "guard.property"] {
            if let Some(value) = text(field) {
                what.push_str(&format!(" {value}"));
            }
        }
        let mut who = text("actor").filter(|actor| actor != "unknown").unwrap_or_default();
        for (field, word) in [
            ("actor.impersonator", "really"),
            ("actor.address", "from"),
            ("actor.workload", "of"),
            ("k8s.owner", "for"),
            ("k8s.owner.actor", "which was last written by"),
            ("user_agent.original", "with"),
        ] {
            if let Some(value) = text(field).filter(|_| !who.is_empty()) {
                who.push_str(&format!(" {word} {value}"));
            }
        }
        for (time, source, line) in &self.recent {
            if *time + ORDER_NEAR >= event.time && *time <= event.time + ORDER_NEAR {
                let order = format!("{}  {line} (seen by {source})", render::clock(*time));
                if !self.orders.contains(&order) && self.orders.len() < 20 {
                    self.orders.push(order);
                }
            }
        }
        let act = Act { time: event.time, what, who, by: by.clone() };
        if self.acts.len() < LINES_MAX && !self.acts.iter().any(|known| known.what == act.what && known.time == act.time) {
            self.acts.push(act);
        }
    }

    fn reasons_of<'v>(&mut self, kind: &str, text: &dyn Fn(&str) -> Option<String>, get: impl Fn(&str) -> Option<&'v Value>) {
        let mut found: Vec<String> = get("container.posture.dangerous").map(texts).unwrap_or_default();
        found.extend(text("change.property").filter(|property| property.starts_with("limits.")));
        if kind == "container.exec" {
            found.push("exec".to_owned());
        }
        if text("network.opened").is_some_and(|opened| opened != "none") {
            found.push("network.opened".to_owned());
        }
        if matches!(kind, "policy.widened" | "guard.changed" | "inventory.discrepancy" | "image.masquerade") {
            found.push(kind.to_owned());
        }
        if kind == "monitoring.stopped" {
            found.push("sensor.stopped".to_owned());
        }
        if text("request.powers").is_some() {
            found.push("request.powers".to_owned());
        }
        for reason in found {
            if !self.reasons.contains(&reason) && self.reasons.len() < LINES_MAX {
                self.reasons.push(reason);
            }
        }
    }
}

/// A long id, whose beginning names it too.
fn is_id(key: &str) -> bool {
    key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn texts(value: &Value) -> Vec<String> {
    let mut list = Vec::new();
    value.each(&mut |one| list.push(one.to_value().to_string()));
    list
}
