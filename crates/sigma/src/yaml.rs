//! YAML with its lines kept: takes text; gives a small tree, or what is wrong and where. Knows nothing of Sigma.
//!
//! Bounds are enforced while the tree grows, so neither deep nesting nor aliases that multiply can take memory before they are refused.

use event::Problem;
use granit_parser::{Event, Parser, ScalarStyle};
use std::collections::BTreeMap;

/// A rule file of more bytes is not read: the largest public rule has 30 KB.
pub(crate) const TEXT_MAX: usize = 4 << 20;

/// More levels than any rule needs (five), few enough for every walk to recurse.
pub(crate) const DEPTH_MAX: usize = 32;

/// Nodes of one document, copies made by aliases included. The largest public rule has 2,000.
pub(crate) const NODES_MAX: usize = 50_000;

/// A value with the place where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Line from 1, in the text that was parsed.
    pub line: usize,
    pub value: Yaml,
}

#[derive(Clone, Debug)]
pub(crate) enum Yaml {
    /// Text; `plain` when it stands without quotes, and so may be a number, a truth value or null.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub key: String,
    /// Line of the key.
    pub line: usize,
    pub value: Node,
}

/// A document of a stream.
pub(crate) struct Document<'a> {
    /// Line of the stream at which its text starts, from 1.
    pub line: usize,
    pub text: &'a str,
}

impl Node {
    /// The text of a scalar, null excepted.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Yaml::Scalar { text, .. } if !self.is_null() => Some(text),
            _ => None,
        }
    }

    /// An absent value: `null`, `~` or nothing.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Yaml::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// A truth value.
    pub fn bool(&self) -> Option<bool> {
        match &self.value {
            Yaml::Scalar { text, plain: true } => match text.as_str() {
                "true" | "True" | "TRUE" => Some(true),
                "false" | "False" | "FALSE" => Some(false),
                _ => None,
            },
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

    /// What kind of value it is, for messages.
    pub fn shape(&self) -> &'static str {
        match &self.value {
            Yaml::Map(_) => "a map",
            Yaml::List(_) => "a list",
            Yaml::Scalar { .. } if self.is_null() => "nothing",
            Yaml::Scalar { .. } => "a single value",
        }
    }

    /// The elements of a list, or the value itself as the only one.
    pub fn each(&self) -> &[Node] {
        match &self.value {
            Yaml::List(list) => list,
            _ => std::slice::from_ref(self),
        }
    }

    /// Everything but lines, comments and layout, for a hash of the content.
    pub fn canonical(&self, out: &mut String) {
        match &self.value {
            Yaml::Scalar { text, plain } => {
                out.push(if *plain { 'p' } else { 'q' });
                out.push_str(&text.len().to_string());
                out.push(':');
                out.push_str(text);
            }
            Yaml::List(list) => {
                out.push('[');
                list.iter().for_each(|node| node.canonical(out));
                out.push(']');
            }
            Yaml::Map(entries) => {
                out.push('{');
                for entry in entries {
                    out.push_str(&entry.key.len().to_string());
                    out.push(':');
                    out.push_str(&entry.key);
                    entry.value.canonical(out);
                }
                out.push('}');
            }
        }
    }
}

/// Splits a stream at its `---` lines. A line that starts so is a document marker wherever it stands, even inside a block of text,
/// so one broken document does not hide the others.
pub(crate) fn documents(text: &str) -> Vec<Document<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut documents = Vec::new();
    let (mut start, mut start_line, mut at) = (0, 1, 0);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let marker = line.trim_end();
        if marker == "---" || line.starts_with("--- ") {
            documents.push(Document { line: start_line, text: &text[start..at] });
            (start, start_line) = (at, index + 1);
        }
        at += line.len();
    }
    documents.push(Document { line: start_line, text: &text[start..] });
    documents.retain(|d| d.text.lines().any(|line| !matches!(line.trim(), "" | "---" | "...") && !line.trim_start().starts_with('#')));
    documents
}

/// Parses one document. `first_line` is the line of `file` at which `text` starts; nodes get lines of that file.
pub(crate) fn parse(text: &str, file: &str, first_line: usize) -> Result<Node, Problem> {
    let mut builder =
        Builder { file, offset: first_line.saturating_sub(1), open: Vec::new(), anchors: BTreeMap::new(), nodes: 0, root: None };
    let mut options = granit_parser::Options::default();
    options.flow_nesting_limit = DEPTH_MAX;
    options.block_nesting_limit = DEPTH_MAX;
    for next in Parser::new_from_str_with_options(text, options) {
        match next {
            Ok((event, span)) => builder.take(event, span.start.line())?,
            Err(error) => {
                let line = builder.offset + error.marker().line();
                return Err(Problem::error(file, line, "yaml", format!("is not YAML: {}", error.info()))
                    .column(error.marker().col() + 1)
                    .remedy("check the indentation and the quotes of this line and the one before"));
            }
        }
    }
    builder.root.ok_or_else(|| Problem::error(file, first_line, "yaml", "holds no document"))
}

/// Tells every key that stands twice in one map: readers disagree on which of the two counts.
pub(crate) fn duplicate_keys(node: &Node, file: &str, problems: &mut Vec<Problem>) {
    match &node.value {
        Yaml::Scalar { .. } => {}
        Yaml::List(list) => list.iter().for_each(|node| duplicate_keys(node, file, problems)),
        Yaml::Map(entries) => {
            let mut seen = BTreeMap::new();
            for entry in entries {
                if let Some(first) = seen.insert(entry.key.as_str(), entry.line) {
                    problems.push(
                        Problem::error(
                            file,
                            entry.line,
                            "duplicate-key",
                            format!("has the key `{}` twice, first in line {first}", entry.key),
                        )
                        .remedy("join the two, or rename one"),
                    );
                }
                duplicate_keys(&entry.value, file, problems);
            }
        }
    }
}

/// A list or a map that is not complete yet.
struct Open {
    node: Node,
    key: Option<(String, usize)>,
    anchor: usize,
}

struct Builder<'f> {
    file: &'f str,
    offset: usize,
    open: Vec<Open>,
    /// Finished nodes that have an anchor, with the number of nodes that a copy costs.
    anchors: BTreeMap<usize, (Node, usize)>,
    nodes: usize,
    root: Option<Node>,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), Problem> {
        let line = self.offset + line;
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                self.count(1, line)?;
                self.add(Node { line, value: Yaml::Scalar { text: text.into_owned(), plain } }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => self.start(Node { line, value: Yaml::List(Vec::new()) }, anchor),
            Event::MappingStart(_, anchor, _) => self.start(Node { line, value: Yaml::Map(Vec::new()) }, anchor),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => self.add(open.node, open.anchor),
                None => Ok(()),
            },
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor) else {
                    return Err(Problem::error(self.file, line, "yaml-alias", "has an alias inside the value that it stands for"));
                };
                let (node, size) = (node.clone(), *size);
                self.count(size, line)?;
                self.add(node, 0)
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, nodes: usize, line: usize) -> Result<(), Problem> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > NODES_MAX {
            return Err(Problem::error(
                self.file,
                line,
                "yaml-too-large",
                format!("has more than {NODES_MAX} values, aliases written out"),
            )
            .remedy("split the rule, or write the values that an alias multiplies only once"));
        }
        Ok(())
    }

    fn start(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        self.count(1, node.line)?;
        if self.open.len() >= DEPTH_MAX {
            return Err(Problem::error(self.file, node.line, "yaml-too-deep", format!("is nested deeper than {DEPTH_MAX} levels")));
        }
        self.open.push(Open { node, key: None, anchor });
        Ok(())
    }

    /// Puts a finished node where it belongs.
    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        if anchor != 0 {
            let size = size(&node);
            // The kept copy counts too: it is memory that a hostile text can ask for.
            self.count(size, node.line)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let depth = self.open.len() + depth(&node);
        if depth > DEPTH_MAX {
            return Err(Problem::error(self.file, node.line, "yaml-too-deep", format!("is nested deeper than {DEPTH_MAX} levels")));
        }
        let Some(parent) = self.open.last_mut() else {
            self.root.get_or_insert(node);
            return Ok(());
        };
        match &mut parent.node.value {
            Yaml::List(list) => list.push(node),
            Yaml::Map(entries) => match parent.key.take() {
                Some((key, line)) => entries.push(Entry { key, line, value: node }),
                None => match node.value {
                    Yaml::Scalar { text, .. } => parent.key = Some((text, node.line)),
                    _ => return Err(Problem::error(self.file, node.line, "yaml-key", "has a key that is not a single value")),
                },
            },
            Yaml::Scalar { .. } => {}
        }
        Ok(())
    }
}

fn size(node: &Node) -> usize {
    1 + match &node.value {
        Yaml::Scalar { .. } => 0,
        Yaml::List(list) => list.iter().map(size).sum(),
        Yaml::Map(entries) => entries.iter().map(|entry| 1 + size(&entry.value)).sum(),
    }
}

fn depth(node: &Node) -> usize {
    match &node.value {
        Yaml::Scalar { .. } => 0,
        Yaml::List(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        Yaml::Map(entries) => 1 + entries.iter().map(|entry| depth(&entry.value)).max().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_the_line_of_the_file() {
        let node = parse("a: 1\nb:\n  - x\n  - y: z\n", "f", 41).unwrap();
        let b = node.get("b").unwrap();
        assert_eq!(b.each()[1].get("y").unwrap().line, 44);
        assert_eq!(node.map().unwrap()[1].line, 42);
    }

    #[test]
    fn a_stream_is_split_at_its_markers() {
        let text = "# head\n---\na: 1\n--- # second\nb: |\n  text --- text\n---\n\n";
        let found: Vec<(usize, &str)> = documents(text).iter().map(|d| (d.line, d.text)).collect();
        assert_eq!(found, [(2, "---\na: 1\n"), (4, "--- # second\nb: |\n  text --- text\n")]);
        assert!(documents("# nothing\n\n").is_empty());
    }

    #[test]
    fn aliases_work_until_they_multiply() {
        let node = parse("a: &x [1, 2]\nb: *x\n", "f", 1).unwrap();
        assert_eq!(node.get("b").unwrap().each().len(), 2);
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..12 {
            let inner = vec![format!("*a{}", i - 1); 10].join(", ");
            bomb.push_str(&format!("a{i}: &a{i} [{inner}]\n"));
        }
        assert_eq!(parse(&bomb, "f", 1).unwrap_err().code, "yaml-too-large");
        assert_eq!(parse("a: &a [*a]\n", "f", 1).unwrap_err().code, "yaml-alias");
    }

    #[test]
    fn deep_nesting_is_refused() {
        for text in ["[".repeat(100_000), "- ".repeat(5_000), format!("{}1{}", "{a: ".repeat(60), "}".repeat(60))] {
            assert!(parse(&text, "f", 1).is_err());
        }
    }

    #[test]
    fn plain_words_have_their_meaning_and_quoted_ones_do_not() {
        let node = parse("[null, ~, 'null', true, 'true', !!str true]", "f", 1).unwrap();
        let read: Vec<(bool, Option<bool>)> = node.each().iter().map(|n| (n.is_null(), n.bool())).collect();
        assert_eq!(read, [(true, None), (true, None), (false, None), (false, Some(true)), (false, None), (false, None)]);
    }
}
