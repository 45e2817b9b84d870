//! Sources without code: mapping files that say how to recognise a runtime's own records and where in them everything stands.
//!
//! A mapping is compiled once. Its records become the same facts as those of a built-in source, under the kind `custom.record`; rules may name their own paths.
//! It only gets what no built-in source recognises, so that a careless one blinds nobody.

mod compile;
mod fact;
mod find;
mod look;
mod table;
mod yaml;

use crate::Witness;
use crate::process::told;
use event::{Decoded, Document, Gravity, Problem, SmolStr, Undecodable, dictionary};
use fact::Taken;
use find::{Clock, Unit};
use std::collections::BTreeMap;
use std::path::Path;

pub use look::{Look, Seen};

/// The names of everything that a mapping can take out of a record, each with its meaning.
pub fn fields() -> impl Iterator<Item = (&'static str, &'static str)> {
    compile::FIELDS.into_iter()
}

/// The words for what a record can be.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    compile::KINDS.iter().map(|(word, _)| *word)
}

/// One mapped source.
#[derive(Clone, Debug)]
pub struct Mapping {
    name: SmolStr,
    about: SmolStr,
    witness: Witness,
    format: Format,
    recognise: Vec<Condition>,
    time: Option<(String, Clock)>,
    kind: KindRule,
    fields: BTreeMap<&'static str, Leaf>,
    file: SmolStr,
}

/// How its records are written.
#[derive(Clone, Debug, PartialEq)]
enum Format {
    Json,
    Logfmt,
    /// Without columns, the first line that names those of the mapping is the header.
    Table {
        separator: char,
        columns: Vec<String>,
    },
}

/// One of the conditions that all must hold.
#[derive(Clone, Debug)]
struct Condition {
    path: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Value(Vec<String>),
    Prefix(Vec<String>),
    Exists(bool),
}

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Container(&'static str),
    Inspect,
    Flow(&'static str),
    Process(&'static str),
    Nothing,
}

#[derive(Clone, Debug)]
struct KindRule {
    /// Empty: every record is what `otherwise` says.
    path: String,
    values: BTreeMap<String, What>,
    otherwise: What,
}

/// Where a field stands, and how it is written there.
#[derive(Clone, Debug, Default)]
struct Leaf {
    path: String,
    unit: Option<Unit>,
    values: BTreeMap<String, String>,
    split: Option<char>,
    /// Of a mount: source, target, writable, readonly.
    mounts: [Option<String>; 4],
}

impl Mapping {
    /// Reads a mapping file. Everything that is wrong with it is told at once; with errors there is no mapping.
    pub fn parse(text: &str, file: &str) -> (Option<Mapping>, Vec<Problem>) {
        compile::compile(text, file)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it tells, in its author's words.
    pub fn about(&self) -> &str {
        &self.about
    }

    /// What kind of witness speaks.
    pub fn witness(&self) -> Witness {
        self.witness
    }

    /// The file that it was read from.
    pub fn file(&self) -> &str {
        &self.file
    }

    fn recognises(&self, document: &Document) -> bool {
        let root = document.root();
        self.recognise.iter().all(|condition| {
            let values = find::all(root, &condition.path);
            let any = |test: &dyn Fn(&str) -> bool| values.iter().filter_map(|value| find::text(value)).any(|text| test(&text));
            match &condition.test {
                Test::Exists(truth) => values.is_empty() != *truth,
                Test::Value(list) => any(&|text| list.iter().any(|value| value == text)),
                Test::Prefix(list) => any(&|text| list.iter().any(|prefix| text.starts_with(prefix.as_str()))),
            }
        })
    }

    /// The record as a document, when it can be one of this format.
    fn document(&self, bytes: &[u8]) -> Option<Document> {
        let is_json = crate::text::is_json(bytes);
        match &self.format {
            Format::Json => is_json.then(|| Document::parse(bytes).ok()).flatten(),
            _ if is_json => None,
            Format::Logfmt => table::logfmt(std::str::from_utf8(bytes).ok()?),
            Format::Table { separator, columns } => {
                let text = std::str::from_utf8(bytes).ok()?;
                if !columns.is_empty() {
                    return table::document(columns, &table::row(text, *separator)?);
                }
                let (header, row) = text.split_once('\n')?;
                table::document(&table::row(header, *separator)?, &table::row(row, *separator)?)
            }
        }
    }

    /// The word in the record that says what happened.
    fn word(&self, root: &sonic_rs::Value) -> SmolStr {
        find::first(root, &self.kind.path).and_then(find::text).unwrap_or_default()
    }

    fn what(&self, root: &sonic_rs::Value) -> What {
        if self.kind.path.is_empty() {
            return self.kind.otherwise;
        }
        self.kind.values.get(self.word(root).as_str()).copied().unwrap_or(self.kind.otherwise)
    }

    fn decode(&self, document: Document, bytes: &[u8]) -> Result<Decoded, Undecodable> {
        let root = document.root();
        let time = match &self.time {
            None => None,
            Some((path, clock)) => {
                let value = find::first(root, path).ok_or_else(|| crate::prepare::lacks(&format!("its time at {path}")))?;
                let time = clock.read(value).ok_or_else(|| Undecodable {
                    reason: format!("has a time at {path} that is not written as its mapping says"),
                    unknown: false,
                })?;
                Some(time)
            }
        };
        let taken = Taken { mapping: self, root };
        let fact = taken.fact(self.what(root), time).map_err(|field| {
            let path = self.fields.get(field).map_or("", |leaf| &leaf.path);
            crate::prepare::lacks(&format!("{field} at {path}"))
        })?;
        let mut decoded = told(dictionary::CUSTOM, time, bytes, fact);
        if let Some(event::fact::Fact::Container(event)) = &decoded.fact {
            decoded.subject = event.id.clone();
        }
        decoded.duplicate_keys = document.has_duplicate_keys();
        decoded.document = document;
        Ok(decoded)
    }

    /// The names that a header must have to be this mapping's.
    fn named(&self) -> impl Iterator<Item = &str> {
        let conditions =
            self.recognise.iter().filter(|condition| condition.test != Test::Exists(false)).map(|condition| condition.path.as_str());
        let time = self.time.iter().map(|(path, _)| path.as_str());
        conditions.chain(time)
    }

    fn is_header(&self, line: &str) -> bool {
        let Format::Table { separator, columns } = &self.format else { return false };
        let Some(words) = table::row(line, *separator) else { return false };
        if !columns.is_empty() {
            return words == *columns;
        }
        words.len() > 1 && self.named().all(|name| words.iter().any(|word| word == name))
    }
}

/// The mapped sources of an installation.
#[derive(Clone, Debug, Default)]
pub struct Mappings {
    list: Vec<Mapping>,
}

impl Mappings {
    /// Puts a mapping behind the others; one whose name is taken is a problem.
    pub fn add(&mut self, mapping: Mapping) -> Option<Problem> {
        if let Some(known) = self.list.iter().find(|known| known.name == mapping.name) {
            let message = format!("is called `{}`, as is the mapping in {}", mapping.name, known.file);
            return Some(Problem::error(&mapping.file, 1, "name-taken", message).remedy("rename one of the two"));
        }
        self.list.push(mapping);
        None
    }

    /// Reads every mapping file (`.yml`, `.yaml`) of a folder, or one file, in the order of their names.
    ///
    /// # Errors
    /// When the folder or a file cannot be read.
    pub fn load(&mut self, path: &Path) -> std::io::Result<Vec<Problem>> {
        let mut paths = vec![path.to_owned()];
        if path.is_dir() {
            paths = std::fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
            paths.retain(|path| path.extension().is_some_and(|end| end == "yml" || end == "yaml"));
            paths.sort();
        }
        let mut problems = Vec::new();
        for path in paths {
            let text = std::fs::read_to_string(&path)?;
            let (mapping, found) = Mapping::parse(&text, &path.to_string_lossy());
            problems.extend(found);
            problems.extend(mapping.and_then(|mapping| self.add(mapping)));
        }
        problems.sort_by_key(|problem| std::cmp::Reverse(problem.gravity == Gravity::Error));
        Ok(problems)
    }

    /// The mappings, in the order in which a record is offered to them.
    pub fn iter(&self) -> impl Iterator<Item = &Mapping> {
        self.list.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether some read rows under a header.
    pub(crate) fn has_tables(&self) -> bool {
        self.list.iter().any(|mapping| matches!(&mapping.format, Format::Table { columns, .. } if columns.is_empty()))
    }

    /// The mapping whose columns a line names.
    pub(crate) fn header(&self, line: &[u8]) -> Option<usize> {
        if self.list.is_empty() {
            return None;
        }
        let line = std::str::from_utf8(line).ok()?;
        self.list.iter().position(|mapping| mapping.is_header(line))
    }

    /// The name of the mapping at that position, when a row under its header is one of its records.
    pub(crate) fn takes_row(&self, index: usize, whole: &[u8]) -> Option<SmolStr> {
        let mapping =
            self.list.get(index).filter(|mapping| matches!(&mapping.format, Format::Table { columns, .. } if columns.is_empty()))?;
        mapping.document(whole).filter(|document| mapping.recognises(document)).map(|_| mapping.name.clone())
    }

    /// Reads a record that no built-in source recognises; `None` when no mapping does either.
    pub(crate) fn decode(&self, bytes: &[u8], name: &mut SmolStr) -> Option<Result<Decoded, Undecodable>> {
        // Most mappings are of JSON, which is parsed once for all of them.
        let json = if crate::text::is_json(bytes) { Document::parse(bytes).ok() } else { None };
        for mapping in &self.list {
            let (own, document);
            let found = match (&mapping.format, &json) {
                (Format::Json, Some(json)) => {
                    document = json;
                    mapping.recognises(document)
                }
                (Format::Json, None) => false,
                _ => match mapping.document(bytes) {
                    Some(read) => {
                        own = read;
                        mapping.recognises(&own)
                    }
                    None => false,
                },
            };
            if found {
                *name = mapping.name.clone();
                return mapping.document(bytes).map(|document| mapping.decode(document, bytes));
            }
        }
        None
    }

    /// Reads a record that bears the name of a mapping.
    pub(crate) fn decode_named(&self, bytes: &[u8], name: &str) -> Option<Result<Decoded, Undecodable>> {
        let mapping = self.list.iter().find(|mapping| mapping.name == name)?;
        let bytes = bytes.strip_prefix(b"\x1e").unwrap_or(bytes);
        let broken = || Undecodable { reason: format!("is not written as {name} is"), unknown: false };
        Some(mapping.document(bytes).ok_or_else(broken).and_then(|document| mapping.decode(document, bytes)))
    }
}

#[cfg(test)]
mod tests;
