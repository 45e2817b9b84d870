//! What a mapping sees in a sample, for those who write one.

use super::fact::Taken;
use super::{Mapping, What, find};
use crate::{Preparer, source_named};
use event::{Body, Place, Record, SmolStr, Time};
use std::sync::Arc;

/// What was seen in one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Who takes the record: this mapping, a built-in source, another mapping, or nobody.
    pub source: SmolStr,
    /// What it is, by the word of the mapping file; empty when it was not recognised.
    pub kind: &'static str,
    /// Why it could not be read.
    pub problem: String,
    /// Each field that the mapping names, with what stands there.
    pub fields: Vec<Seen>,
}

/// One field of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its name in the mapping file.
    pub field: SmolStr,
    /// Where it was looked for.
    pub path: SmolStr,
    /// What stands there; `None` when nothing does.
    pub value: Option<String>,
}

impl Mapping {
    /// Looks at a record as a reader would that knows this mapping and the built-in sources.
    pub fn look(&self, bytes: &[u8]) -> Look {
        let mut mappings = super::Mappings::default();
        mappings.add(self.clone());
        let body = Body::Data(Arc::from(bytes));
        let record = Record {
            seq: 0,
            source: SmolStr::default(),
            host: SmolStr::default(),
            arrived: Time(0),
            live: false,
            body,
            place: Place::default(),
        };
        let prepared = Preparer::new(mappings).prepare(record);
        let problem = match &prepared.content {
            Some(Err(error)) => error.reason.clone(),
            _ => String::new(),
        };
        let mut look = Look { source: prepared.record.source, kind: "", problem, fields: Vec::new() };
        if look.source != self.name {
            if source_named(&look.source).is_some() {
                look.problem = format!("is taken by the built-in source {}", look.source);
            }
            return look;
        }
        let Some(document) = self.document(bytes) else { return look };
        let root = document.root();
        let what = self.what(root);
        look.kind = super::compile::KINDS.iter().find(|(_, known)| *known == what).map_or("", |(word, _)| word);
        if let Some((path, clock)) = &self.time {
            let value = find::first(root, path).and_then(|value| clock.read(value)).map(|time| time.to_string());
            look.fields.push(Seen { field: SmolStr::new_static("time"), path: SmolStr::new(path), value });
        }
        let taken = Taken { mapping: self, root };
        let section = match what {
            What::Container(_) | What::Inspect => "container.",
            What::Flow(_) => "flow.",
            What::Process(_) => "process.",
            What::Nothing => "-",
        };
        for (field, leaf) in &self.fields {
            if !field.starts_with(section) && *field != "actor" {
                continue;
            }
            let values: Vec<String> = taken.values(field).iter().map(|value| sonic_rs::to_string(value).unwrap_or_default()).collect();
            let value = (!values.is_empty()).then(|| values.join(" "));
            look.fields.push(Seen { field: SmolStr::new_static(field), path: SmolStr::new(&leaf.path), value });
        }
        look
    }
}
