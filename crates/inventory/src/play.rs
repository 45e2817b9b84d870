//! For tests: plays facts into an inventory and draws what it says, one line an event.

use crate::context::Context;
use crate::inventory::Inventory;
use event::fact::*;
use event::{Decoded, Deriver, Document, Emit, Event, Fields, Kind, Place, Provenance, SmolStr, Span, Time, dictionary as d};
use std::sync::Arc;

/// A host's day, as it is told.
pub(crate) struct Play {
    pub(crate) inventory: Inventory,
    context: Context,
    pub(crate) host: SmolStr,
    pub(crate) now: Time,
    number: u64,
    pub(crate) said: Vec<Event>,
    /// Freezes and thaws at every record.
    pub(crate) freezing: bool,
    pub(crate) duplicate_keys: bool,
    pub(crate) suspect: bool,
    /// The source that speaks.
    pub(crate) source: SmolStr,
}

/// A full id from a short word.
pub(crate) fn id(word: &str) -> SmolStr {
    let hex: String = word.bytes().map(|b| format!("{b:02x}")).collect();
    SmolStr::from(format!("{hex:0<64}"))
}

impl Play {
    pub(crate) fn new() -> Play {
        Play::with(Context::default())
    }

    /// The same for an operator who declared something.
    pub(crate) fn with(context: Context) -> Play {
        let now = Time::from_seconds(1_000_000, 0);
        let inventory = Inventory::new(context.clone());
        Play {
            inventory,
            context,
            host: "h".into(),
            now,
            number: 0,
            said: Vec::new(),
            freezing: true,
            duplicate_keys: false,
            suspect: false,
            source: "docker_events".into(),
        }
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, seconds: f64) -> &mut Play {
        let until = self.now + Span((seconds * 1e9) as i64);
        while let Some(due) = self.inventory.next_due().filter(|due| *due <= until) {
            let mut emit = Emit::default();
            self.inventory.fire(due, &mut emit);
            self.said.extend(emit.events);
        }
        self.now = until;
        self
    }

    /// Lets another source speak from here on.
    pub(crate) fn from(&mut self, source: &str) -> &mut Play {
        self.source = source.into();
        self
    }

    /// Tells a fact, a millisecond after the one before.
    pub(crate) fn tell(&mut self, kind: Kind, fact: Option<Fact>) -> &mut Play {
        self.wait(0.001);
        self.number += 1;
        let provenance = Provenance {
            time: self.now,
            source: self.source.clone(),
            place: Place { file: "play".into(), number: self.number },
            raw: Arc::from(&b"{}"[..]),
        };
        let dated =
            !matches!(kind, d::DOCKER_CONTAINER | d::DOCKER_IMAGE | d::DOCKER_NETWORK | d::DOCKER_EXEC | d::DOCKER_INFO | d::DOCKER_LIST);
        let decoded = Decoded {
            kind,
            time: dated.then_some(self.now),
            identity: None,
            subject: SmolStr::default(),
            document: Document::default(),
            fact,
            truncated: kind == d::STUB,
            duplicate_keys: self.duplicate_keys,
        };
        let event = Event {
            kind,
            at: self.now,
            time: self.now,
            late_by: Span::ZERO,
            time_suspect: self.suspect,
            source: self.source.clone(),
            host: self.host.clone(),
            subject: SmolStr::default(),
            fields: Fields::Native(Arc::new(decoded)),
            evidence: vec![Arc::new(provenance)],
        };
        let mut emit = Emit::default();
        self.inventory.apply(&event, &mut emit);
        self.said.extend(emit.events);
        // Every play also shows that freezing at any record loses nothing.
        if self.freezing {
            let frozen = self.inventory.freeze();
            let mut thawed = Inventory::new(self.context.clone());
            thawed.thaw(&frozen).expect("what was frozen thaws");
            self.inventory = thawed;
        }
        self
    }

    /// A container's event.
    pub(crate) fn container(&mut self, word: &str, name: &str, image: &str, action: ContainerAction) -> &mut Play {
        self.labelled(word, name, image, action, &[])
    }

    /// A container's event with labels.
    pub(crate) fn labelled(&mut self, word: &str, name: &str, image: &str, action: ContainerAction, labels: &[(&str, &str)]) -> &mut Play {
        let labels = labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        self.tell(
            d::DOCKER_EVENT,
            Some(Fact::Container(ContainerEvent {
                id: id(word),
                action,
                name: name.into(),
                image: image.into(),
                labels,
                runtime: "docker".into(),
                division: "".into(),
                pod: "".into(),
                spec: None,
            })),
        )
    }

    /// An inspect answer.
    pub(crate) fn inspect(&mut self, spec: ContainerSpec) -> &mut Play {
        self.tell(d::DOCKER_CONTAINER, Some(Fact::ContainerSpec(Box::new(spec))))
    }

    /// Created, inspected and started.
    pub(crate) fn run(&mut self, word: &str, spec: ContainerSpec) -> &mut Play {
        let spec = ContainerSpec { id: id(word), status: "running".into(), created: Some(self.now), ..spec };
        let (name, image) = (spec.name.clone(), spec.image.clone());
        let labels: Vec<(&str, &str)> = spec.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        self.labelled(word, &name, &image, ContainerAction::Create, &labels);
        self.container(word, &name, &image, ContainerAction::Start);
        self.inspect(spec)
    }

    /// An image's event.
    pub(crate) fn image(&mut self, id: &str, name: &str, action: ImageAction) -> &mut Play {
        self.tell(d::DOCKER_EVENT, Some(Fact::Image(ImageEvent { id: id.into(), action, name: name.into() })))
    }

    /// A network's event.
    pub(crate) fn network(&mut self, word: &str, action: NetworkAction) -> &mut Play {
        let event = NetworkEvent { id: id(word), name: word.into(), driver: "bridge".into(), action };
        self.tell(d::DOCKER_EVENT, Some(Fact::Network(event)))
    }

    /// A network's inspect answer.
    pub(crate) fn inspect_network(&mut self, word: &str, internal: bool) -> &mut Play {
        let spec = NetworkSpec { id: id(word), name: word.into(), driver: "bridge".into(), internal, ..NetworkSpec::default() };
        self.tell(d::DOCKER_NETWORK, Some(Fact::NetworkSpec(Box::new(spec))))
    }

    /// The whole state, as it is frozen.
    pub(crate) fn inventory_bytes(&self) -> Vec<u8> {
        self.inventory.freeze()
    }

    /// Draws the events of one kind: the named fields of each, absent ones as `-`.
    pub(crate) fn draw(&self, kind: Kind, fields: &[&str]) -> String {
        let line = |event: &Event| {
            let part = |field: &&str| {
                let values = event.get(field);
                let text: Vec<String> = values.iter().map(ToString::to_string).collect();
                if text.is_empty() { "-".to_owned() } else { text.join(",") }
            };
            fields.iter().map(part).collect::<Vec<_>>().join(" | ")
        };
        self.said.iter().filter(|event| event.kind == kind).map(line).collect::<Vec<_>>().join("\n")
    }
}
