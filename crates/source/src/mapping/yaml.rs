//! The YAML of a mapping file with its lines and columns kept, bounded while it grows.

use event::Problem;
use granit_parser::{Event, Parser, ScalarStyle};

/// A mapping file of more bytes is not read.
pub(super) const TEXT_MAX: usize = 256 << 10;

/// More levels than any mapping needs.
const DEPTH_MAX: usize = 16;

/// Values of one file.
const NODES_MAX: usize = 10_000;

/// Where something stands.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct At {
    pub line: usize,
    pub column: usize,
}

/// A value with its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub at: At,
    pub value: Yaml,
}

#[derive(Clone, Debug)]
pub(super) enum Yaml {
    /// `plain` when it stands without quotes, and so may be a number, a truth or null.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: String,
    pub at: At,
    pub value: Node,
}

impl Node {
    /// The text of a scalar; null is none.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Yaml::Scalar { text, plain } if !(*plain && matches!(text.as_str(), "" | "~" | "null")) => Some(text),
            _ => None,
        }
    }

    pub fn bool(&self) -> Option<bool> {
        match &self.value {
            Yaml::Scalar { text, plain: true } => text.parse().ok(),
            _ => None,
        }
    }

    pub fn map(&self) -> Option<&[Entry]> {
        match &self.value {
            Yaml::Map(entries) => Some(entries),
            _ => None,
        }
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        self.map()?.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The elements of a list, or the value itself as the only one.
    pub fn each(&self) -> &[Node] {
        match &self.value {
            Yaml::List(list) => list,
            _ => std::slice::from_ref(self),
        }
    }
}

/// Parses one document.
pub(super) fn parse(text: &str, file: &str) -> Result<Node, Problem> {
    let refuse = |at: At, why: &str| {
        Problem::error(file, at.line, "yaml", why).column(at.column).remedy("a mapping has a few dozen lines without anchors")
    };
    if text.len() > TEXT_MAX {
        return Err(refuse(At::default(), &format!("is longer than {} KB", TEXT_MAX >> 10)));
    }
    let mut options = granit_parser::Options::default();
    options.flow_nesting_limit = DEPTH_MAX;
    options.block_nesting_limit = DEPTH_MAX;
    let mut open: Vec<(Node, Option<(String, At)>)> = Vec::new();
    let mut root = None;
    let mut count = 0;
    for next in Parser::new_from_str_with_options(text, options) {
        let (event, span) = next.map_err(|error| {
            Problem::error(file, error.marker().line(), "yaml", format!("is not YAML: {}", error.info()))
                .column(error.marker().col() + 1)
                .remedy("check the indentation and the quotes of this line and the one before")
        })?;
        let at = At { line: span.start.line(), column: span.start.col() + 1 };
        count += 1;
        if count > NODES_MAX {
            return Err(refuse(at, "has too many values"));
        }
        let done = match event {
            Event::Scalar(text, style, _, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                Node { at, value: Yaml::Scalar { text: text.into_owned(), plain } }
            }
            Event::SequenceStart(..) => {
                open.push((Node { at, value: Yaml::List(Vec::new()) }, None));
                continue;
            }
            Event::MappingStart(..) => {
                open.push((Node { at, value: Yaml::Map(Vec::new()) }, None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some((node, _)) => node,
                None => continue,
            },
            Event::Alias(_) => return Err(refuse(at, "has an alias")),
            _ => continue,
        };
        let Some((parent, key)) = open.last_mut() else {
            if root.is_some() {
                return Err(refuse(done.at, "has a second document"));
            }
            root = Some(done);
            continue;
        };
        match &mut parent.value {
            Yaml::List(list) => list.push(done),
            Yaml::Map(entries) => match key.take() {
                Some((key, at)) if entries.iter().any(|entry| entry.key == key) => {
                    return Err(refuse(at, &format!("has the key `{key}` twice")));
                }
                Some((key, at)) => entries.push(Entry { key, at, value: done }),
                None => match done.value {
                    Yaml::Scalar { text, .. } => *key = Some((text, done.at)),
                    _ => return Err(refuse(done.at, "has a key that is not a single value")),
                },
            },
            Yaml::Scalar { .. } => {}
        }
    }
    root.ok_or_else(|| refuse(At { line: 1, column: 1 }, "holds nothing"))
}
