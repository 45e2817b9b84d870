//! Events: native ones, which are a record seen through its paths, and derived ones, which the inventory states.

use crate::deriver::{Wanted, WantedFields};
use crate::dictionary::{FieldId, Kind};
use crate::document::Document;
use crate::fact::Fact;
use crate::path::Path;
use crate::record::{Provenance, Record};
use crate::time::{Span, Time};
use crate::value::{Value, ValueRef};
use smol_str::SmolStr;
use std::sync::Arc;

/// A record with what a decoder read in it. A pure function of the record's bytes and source.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The record itself.
    pub record: Record,
    /// What was read; `None` for a tick.
    pub content: Option<Result<Decoded, Undecodable>>,
    /// The time that whoever reads a call in order gives to a record that says none, or none that is believed. It stands above the record's own.
    pub assigned: Option<Time>,
    /// The record's own time was not believed, and `assigned` stands for it.
    pub time_suspect: bool,
}

impl Prepared {
    /// A record as decoded, with no other time than its own.
    pub fn new(record: Record, content: Option<Result<Decoded, Undecodable>>) -> Prepared {
        Prepared { record, content, assigned: None, time_suspect: false }
    }

    /// The time to be used: the assigned one, else the record's own.
    pub fn time(&self) -> Option<Time> {
        self.assigned.or(match &self.content {
            Some(Ok(decoded)) => decoded.time,
            _ => None,
        })
    }
}

/// What a decoder reads in the bytes of one record.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// Which native event it is.
    pub kind: Kind,
    /// When it happened; `None` when the record does not say (an inspect object).
    pub time: Option<Time>,
    /// Two records of the same host with the same identity are the same statement. `None`: every record stands for itself.
    pub identity: Option<u128>,
    /// What it is about: a container's id, an image's …; empty when about nothing in particular.
    pub subject: SmolStr,
    /// The parsed body; empty for text formats and for stubs.
    pub document: Document,
    /// What it tells the inventory.
    pub fact: Option<Fact>,
    /// The record was too large, and this is a stub of it.
    pub truncated: bool,
    /// Two keys of one object are the same: another parser may read something else.
    pub duplicate_keys: bool,
}

/// A record that no decoder understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecodable {
    /// Why, as a lower-case fragment.
    pub reason: String,
    /// `true`: well-formed, but of no known format. `false`: broken.
    pub unknown: bool,
}

/// Something that happened, placed in time.
#[derive(Clone, Debug)]
pub struct Event {
    /// Which event it is.
    pub kind: Kind,
    /// When the engine acts on it: windows, timers and state use this. Never runs backwards.
    pub at: Time,
    /// When it happened. Address leases and lifetimes use this.
    pub time: Time,
    /// How much later than its order allowed it came; zero for events in order.
    pub late_by: Span,
    /// Its own time was not believed (a jump that nothing confirmed, or the future), and `time` is the previous one.
    pub time_suspect: bool,
    /// The witness's decoder, or the deriver's name.
    pub source: SmolStr,
    /// Host that the witness stands on.
    pub host: SmolStr,
    /// What it is about.
    pub subject: SmolStr,
    /// What it says.
    pub fields: Fields,
    /// The records that it rests on: the one that caused it last, then others, at most twenty.
    pub evidence: Vec<Arc<Provenance>>,
}

/// The body of an event.
#[derive(Clone, Debug)]
pub enum Fields {
    /// A record's own document, with what it tells the inventory.
    Native(Arc<Decoded>),
    /// A small list that the inventory owns, in the order of the dictionary's kind.
    Derived(Vec<(FieldId, Value)>),
}

impl Event {
    /// Calls `f` with every value at a native path. Derived events have no native paths.
    pub fn each_native<'a>(&'a self, path: &Path, f: &mut dyn FnMut(ValueRef<'a>)) {
        if let Fields::Native(decoded) = &self.fields {
            path.each(&decoded.document, f);
        }
    }

    /// The value of a derived field, when the event has it.
    pub fn derived(&self, field: FieldId) -> Option<&Value> {
        match &self.fields {
            Fields::Derived(list) => list.iter().find(|(id, _)| *id == field).map(|(_, value)| value),
            Fields::Native(_) => None,
        }
    }

    /// What a native event tells the inventory.
    pub fn fact(&self) -> Option<&Fact> {
        match &self.fields {
            Fields::Native(decoded) => decoded.fact.as_ref(),
            Fields::Derived(_) => None,
        }
    }

    /// All values under a name, whichever kind of event it is: the slow way, for tests, `show` and `explain`.
    pub fn get(&self, name: &str) -> Vec<Value> {
        let mut found = Vec::new();
        match &self.fields {
            Fields::Derived(list) => {
                for (id, value) in list {
                    if id.name() == name {
                        value.each(&mut |v| found.push(v.to_value()));
                    }
                }
            }
            Fields::Native(_) => self.each_native(&Path::new(name), &mut |v| found.push(v.to_value())),
        }
        found
    }
}

/// Room for the fields of most derived events, in a size that allocators hand out quickly.
const FIELDS_USUAL: usize = 32;

/// Builds a derived event; absent values are left out.
#[derive(Clone, Debug)]
pub struct DerivedBuilder {
    event: Event,
    wanted: Wanted,
}

impl DerivedBuilder {
    /// Starts an event of `kind` that rests on `cause`: host, times and evidence are the cause's.
    pub fn caused_by(kind: Kind, deriver: &'static str, cause: &Event) -> DerivedBuilder {
        DerivedBuilder {
            event: Event {
                kind,
                at: cause.at,
                time: cause.time,
                late_by: cause.late_by,
                time_suspect: cause.time_suspect,
                source: SmolStr::new_static(deriver),
                host: cause.host.clone(),
                subject: cause.subject.clone(),
                fields: Fields::Derived(Vec::with_capacity(FIELDS_USUAL)),
                evidence: cause.evidence.clone(),
            },
            wanted: Wanted::all(),
        }
    }

    /// Starts an event of `kind` that a timer caused.
    pub fn at(kind: Kind, deriver: &'static str, now: Time, host: SmolStr, evidence: Vec<Arc<Provenance>>) -> DerivedBuilder {
        DerivedBuilder {
            event: Event {
                kind,
                at: now,
                time: now,
                late_by: Span::ZERO,
                time_suspect: false,
                source: SmolStr::new_static(deriver),
                host,
                subject: SmolStr::default(),
                fields: Fields::Derived(Vec::with_capacity(FIELDS_USUAL)),
                evidence,
            },
            wanted: Wanted::all(),
        }
    }

    /// Takes from here on only the fields that somebody reads.
    #[must_use]
    pub fn read_by(mut self, wanted: Option<&WantedFields>) -> Self {
        if let Some(wanted) = wanted {
            self.wanted = wanted.of(self.event.kind);
        }
        self
    }

    /// Whether somebody reads the field: what is dear to work out is asked for first.
    pub fn wants(&self, field: FieldId) -> bool {
        self.wanted.has(field)
    }

    /// The fields that somebody reads.
    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// Names what the event is about.
    #[must_use]
    pub fn about(mut self, subject: &SmolStr) -> Self {
        self.event.subject = subject.clone();
        self
    }

    /// Adds a field.
    ///
    /// # Panics
    /// In debug builds, when the dictionary does not list the field for this kind.
    #[must_use]
    pub fn with(mut self, field: FieldId, value: impl Into<Value>) -> Self {
        self.push(field, value);
        self
    }

    /// Adds a field when there is a value.
    #[must_use]
    pub fn maybe(mut self, field: FieldId, value: Option<impl Into<Value>>) -> Self {
        if let Some(value) = value {
            self.push(field, value);
        }
        self
    }

    /// Adds a field in place.
    pub fn push(&mut self, field: FieldId, value: impl Into<Value>) {
        debug_assert!(
            self.event.kind.has_field(field),
            "the dictionary does not list the field {} for {}",
            field.name(),
            self.event.kind.name()
        );
        if !self.wants(field) {
            return;
        }
        if let Fields::Derived(list) = &mut self.event.fields {
            list.push((field, value.into()));
        }
    }

    /// Replaces the evidence.
    #[must_use]
    pub fn evidence(mut self, evidence: Vec<Arc<Provenance>>) -> Self {
        self.event.evidence = evidence;
        self
    }

    /// The finished event, with the fields that every derived event has.
    pub fn build(mut self) -> Event {
        use crate::dictionary::{EVENT_NAME, HOST_NAME};
        if let Fields::Derived(list) = &mut self.event.fields {
            list.push((EVENT_NAME, Value::Text(SmolStr::new_static(self.event.kind.name()))));
            list.push((HOST_NAME, Value::Text(self.event.host.clone())));
        }
        self.event
    }
}

/// A hash of what makes two records the same statement: of each part's length and bytes. Keyed by nothing secret: it guards against chance, and its parts are the engine's own.
pub fn identity_of(parts: &[&[u8]]) -> u128 {
    use siphasher::sip128::{Hasher128, SipHasher13};
    use std::hash::Hasher;
    // Many short writes cost more than the hash itself, so small parts are laid side by side first, each behind its length.
    let mut joined = [0u8; 256];
    let mut length = 0;
    let mut hasher = SipHasher13::new_with_keys(0x6c61_6e64, 0x7761_6974);
    for part in parts {
        if length + 8 + part.len() > joined.len() {
            hasher.write(&joined[..length]);
            length = 0;
        }
        let count = (part.len() as u64).to_le_bytes();
        if 8 + part.len() > joined.len() {
            hasher.write(&count);
            hasher.write(part);
        } else {
            joined[length..length + 8].copy_from_slice(&count);
            joined[length + 8..length + 8 + part.len()].copy_from_slice(part);
            length += 8 + part.len();
        }
    }
    hasher.write(&joined[..length]);
    hasher.finish128().as_u128()
}
