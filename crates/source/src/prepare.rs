//! From a record's bytes to what they say: recognise, parse, decode.

use crate::mapping::Mappings;
use crate::tape::Tape;
use crate::{LIST_SIZE_MAX, SOURCES, SourceDef, docker_container, docker_events, kubernetes, shape, skim, text};
use event::document::{Document, DocumentError, SIZE_MAX};
use event::fact::Fact;
use event::{Body, Decoded, Kind, Prepared, Record, SmolStr, Undecodable};
use sonic_rs::JsonValueTrait;
use std::sync::Arc;

/// The source of that name.
pub fn source_named(name: &str) -> Option<&'static SourceDef> {
    SOURCES.iter().find(|source| source.name == name)
}

/// The source that takes a parsed record: the first of the list that recognises it.
pub fn source_of(document: &Document) -> Option<&'static SourceDef> {
    let candidates = shape::candidates(document);
    let asked = SOURCES.iter().enumerate().filter(|(at, _)| candidates >> (at & 63) & 1 == 1);
    asked.map(|(_, source)| source).find(|source| (source.recognise)(document))
}

/// Decodes a record: a pure function of its bytes, with its source's name as a hint. A record without one is offered to each source in the order of the list,
/// and leaves with the name of the one that recognised it.
pub fn prepare(record: Record) -> Prepared {
    Preparer::default().prepare(record)
}

/// Decodes records, those of mapped sources included. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Preparer {
    mappings: Arc<Mappings>,
}

/// What the last record of a file was. It says only what is tried first, never what a record is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hint {
    /// It did not go the fast way.
    other: bool,
}

impl Preparer {
    /// One that knows these mapped sources. A record that a built-in source recognises is never theirs.
    pub fn new(mappings: Mappings) -> Preparer {
        Preparer { mappings: Arc::new(mappings) }
    }

    /// The mapped sources.
    pub fn mappings(&self) -> &Mappings {
        &self.mappings
    }

    /// Decodes a record, as [`prepare`] does.
    pub fn prepare(&self, record: Record) -> Prepared {
        self.prepare_next(record, &mut Hint::default())
    }

    /// Decodes a record; `hint` tells of the one before it in the same file.
    pub(crate) fn prepare_next(&self, mut record: Record, hint: &mut Hint) -> Prepared {
        let content = match &record.body {
            Body::Tick => None,
            Body::Data(bytes) => Some(self.content(bytes, &mut record.source, hint)),
        };
        Prepared::new(record, content)
    }

    fn content(&self, bytes: &Arc<[u8]>, name: &mut SmolStr, hint: &mut Hint) -> Result<Decoded, Undecodable> {
        // Both ways read the same, so the one that was right for the last record is tried first.
        if !hint.other
            && let Some((decoded, source)) = plain(bytes, name)
        {
            if name.is_empty() {
                *name = SmolStr::new_static(source);
            }
            return Ok(decoded);
        }
        let answer = self.mapped(bytes, name).unwrap_or_else(|| decode(bytes, name));
        hint.other = name != docker_events::SOURCE.name && name != docker_container::SOURCE.name;
        match answer {
            Err(error) if name.is_empty() && !self.mappings.is_empty() => self.mappings.decode(bytes, name).unwrap_or(Err(error)),
            answer => answer,
        }
    }

    /// A record that bears the name of a mapped source.
    fn mapped(&self, bytes: &[u8], name: &mut SmolStr) -> Option<Result<Decoded, Undecodable>> {
        if name.is_empty() || self.mappings.is_empty() || source_named(name).is_some() {
            return None;
        }
        self.mappings.decode_named(bytes, name)
    }
}

/// The fast way for what makes up nearly all of a recording, events and inspect answers in plain JSON. `None` leaves a record to the parser, which reads the
/// same in it.
fn plain(bytes: &Arc<[u8]>, name: &str) -> Option<(Decoded, &'static str)> {
    let (event, container) = (docker_events::SOURCE.name, docker_container::SOURCE.name);
    if bytes.len() > SIZE_MAX || !(name.is_empty() || name == event || name == container) {
        return None;
    }
    let tape = Tape::of(bytes)?;
    let read = || {
        let decoded = if name == container { None } else { docker_events::read_tape(&tape) };
        match decoded {
            Some(decoded) => Some((decoded, event)),
            None if name == event => None,
            None => Some((docker_container::read_tape(&tape)?, container)),
        }
    };
    let (mut decoded, source) = read()?;
    decoded.document = Document::later(Arc::clone(bytes));
    Some((decoded, source))
}

fn decode(bytes: &[u8], name: &mut SmolStr) -> Result<Decoded, Undecodable> {
    // A json-seq record begins with its separator.
    let bytes = bytes.strip_prefix(b"\x1e").unwrap_or(bytes);
    let named = if name.is_empty() {
        None
    } else {
        let source = source_named(name);
        Some(source.ok_or_else(|| Undecodable { reason: format!("no decoder is called {name}"), unknown: true })?)
    };
    if let Some(answer) = text(bytes, named, name) {
        return answer;
    }
    // Only complete lists are arrays, and they may be larger than any one record.
    let unnamed_max = if bytes.trim_ascii_start().starts_with(b"[") {
        LIST_SIZE_MAX
    } else if bytes.len() > SIZE_MAX {
        kubernetes::size_max(bytes).unwrap_or(SIZE_MAX)
    } else {
        SIZE_MAX
    };
    let limit = named.map_or(unnamed_max, |source| source.size_max);
    let document = match Document::parse_within(bytes, limit) {
        Ok(document) => document,
        Err(DocumentError::TooLarge(_)) => return skim::stub(bytes, named, name),
        // Only a row of a table begins so: the reader puts the header before it.
        Err(_) if bytes.starts_with(b"#") => return Err(unknown()),
        Err(_) if !bytes.trim_ascii_start().starts_with(b"{") && !bytes.trim_ascii_start().starts_with(b"[") => {
            return Err(Undecodable { reason: "neither JSON nor a line of a known format".to_owned(), unknown: false });
        }
        Err(error) => return Err(Undecodable { reason: error.to_string(), unknown: false }),
    };
    let source = match named {
        Some(source) => source,
        None => source_of(&document).ok_or_else(unknown)?,
    };
    if name.is_empty() {
        *name = SmolStr::new_static(source.name);
    }
    let mut answer = (source.decode)(&document, bytes);
    if let Ok(decoded) = &mut answer {
        if !source.finds_duplicates {
            decoded.duplicate_keys = document.has_duplicate_keys();
        }
        // Moved and never cloned: a clone is parsed anew. A decoder that takes an envelope off gives its own.
        if decoded.document.root().is_null() {
            decoded.document = document;
        }
    }
    answer
}

fn unknown() -> Undecodable {
    Undecodable { reason: "well-formed, but of no known format".to_owned(), unknown: true }
}

/// A record of a format that is not JSON; `None` leaves it to the parser.
fn text(bytes: &[u8], named: Option<&'static SourceDef>, name: &mut SmolStr) -> Option<Result<Decoded, Undecodable>> {
    let is_json = text::is_json(bytes);
    let (source, text) = match named {
        Some(source) => (source, source.text.filter(|_| !is_json)?),
        None if is_json => return None,
        None => {
            let source = text::source_of(bytes, None)?;
            (source, source.text?)
        }
    };
    if name.is_empty() {
        *name = SmolStr::new_static(source.name);
    }
    Some((text.decode)(bytes))
}

/// A decoder's usual answer: what something is, without a time.
pub(crate) fn undated(kind: Kind, subject: SmolStr, fact: Fact) -> Decoded {
    Decoded {
        kind,
        time: None,
        identity: None,
        subject,
        document: Document::default(),
        fact: Some(fact),
        truncated: false,
        duplicate_keys: false,
    }
}

/// A decoder's usual answer for a record without the fields that make it one.
pub(crate) fn lacks(what: &str) -> Undecodable {
    Undecodable { reason: format!("lacks {what}"), unknown: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All that a decoder says, as it prints.
    fn picture(decoded: &Decoded) -> String {
        format!("{decoded:?}")
    }

    fn check(text: &str, name: &str) -> bool {
        let bytes: Arc<[u8]> = Arc::from(text.as_bytes());
        let Some((fast, source)) = plain(&bytes, name) else { return false };
        let mut named = SmolStr::new(name);
        let slow = decode(&bytes, &mut named).unwrap_or_else(|error| panic!("{text}: {}", error.reason));
        assert_eq!((picture(&fast), source), (picture(&slow), named.as_str()));
        true
    }

    #[test]
    fn events_and_inspect_answers_go_the_fast_way() {
        for source in [&docker_events::SOURCE, &docker_container::SOURCE] {
            assert!(check(source.sample, "") && check(source.sample, source.name));
        }
        assert!(!check(docker_container::SOURCE.sample, docker_events::SOURCE.name));
    }

    proptest! {
        /// Both ways read the same in a record, whatever values stand at whatever keys.
        #[test]
        fn both_ways_read_the_same(
            inspect in any::<bool>(),
            edits in prop::collection::vec(
                (any::<prop::sample::Index>(), prop::sample::select(vec!["null", "1", "-5", "\"x\"", "\"\"", "true", "[]", "{}", "[null,\"a\",7,{\"Type\":\"bind\"}]", "{\"a\":\"b\",\"c\":null}"])),
                0..8,
            ),
        ) {
            let sample = if inspect { docker_container::SOURCE.sample } else { docker_events::SOURCE.sample };
            let mut value: serde_json::Value = serde_json::from_str(sample).unwrap();
            for (index, with) in edits {
                let count = count(&value);
                replace(&mut value, &mut index.index(count), &serde_json::from_str(with).unwrap());
            }
            check(&value.to_string(), "");
        }
    }

    fn count(value: &serde_json::Value) -> usize {
        1 + match value {
            serde_json::Value::Object(map) => map.values().map(count).sum(),
            serde_json::Value::Array(list) => list.iter().map(count).sum(),
            _ => 0usize,
        }
    }

    /// Replaces the value at a position in the order of the text; the root stays.
    fn replace(value: &mut serde_json::Value, left: &mut usize, with: &serde_json::Value) -> bool {
        let children: Vec<&mut serde_json::Value> = match value {
            serde_json::Value::Object(map) => map.values_mut().collect(),
            serde_json::Value::Array(list) => list.iter_mut().collect(),
            _ => Vec::new(),
        };
        for child in children {
            if *left == 0 {
                *child = with.clone();
                return true;
            }
            *left -= 1;
            if replace(child, left, with) {
                return true;
            }
        }
        false
    }
}
