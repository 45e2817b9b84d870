//! A page as an outline: headings with the fences, tables, list items and prose that stand below each. Knows Markdown, and nothing of strategies.

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, MetadataBlockKind, Options, Parser, Tag, TagEnd};
use std::ops::Range;

/// The outline of one page.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    /// Front matter.
    pub front: Option<Front>,
    /// Headings in the order of the page, each knowing its level; the first is what stands before any heading.
    pub parts: Vec<Part>,
    /// Number of lines of the page.
    pub lines: usize,
}

/// Front matter, as text.
#[derive(Clone, Debug)]
pub struct Front {
    /// Its text, without the delimiters.
    pub text: String,
    /// Line at which the text begins.
    pub line: usize,
    /// `+++` instead of `---`.
    pub toml: bool,
}

/// A heading and what stands directly below it, up to the next heading of any level.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// 1 to 6; 0 for what stands before the first heading.
    pub level: u8,
    /// The heading's text, without markup.
    pub title: String,
    /// `{#slug}`, when it has one.
    pub slug: Option<String>,
    /// Line of the heading.
    pub line: usize,
    /// Line after its last one.
    pub end: usize,
    /// Fences.
    pub fences: Vec<Fence>,
    /// Rows of tables, heads included, in order.
    pub rows: Vec<Row>,
    /// List items.
    pub items: Vec<Item>,
    /// Prose without fences and tables, its code spans in backticks.
    pub prose: String,
}

/// A fenced block.
#[derive(Clone, Debug)]
pub struct Fence {
    /// Words after the backticks.
    pub info: Vec<String>,
    /// Its text.
    pub text: String,
    /// Line of the opening fence; the text begins on the next.
    pub line: usize,
    /// Line of the closing fence.
    pub end: usize,
}

impl Fence {
    /// The first word after the backticks.
    pub fn language(&self) -> &str {
        self.info.first().map_or("", String::as_str)
    }

    /// The value of a word `key=value` after the backticks.
    pub fn option(&self, key: &str) -> Option<&str> {
        self.info.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    }
}

/// A row of a table.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// The first row of its table.
    pub head: bool,
    /// Its line.
    pub line: usize,
    /// Cells without markup.
    pub cells: Vec<String>,
}

/// A list item.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its line.
    pub line: usize,
    /// Its text, without markup.
    pub text: String,
}

/// Reads a page. Never fails: whatever is not understood is prose.
pub fn outline(text: &str) -> Outline {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS;
    let mut reader = Reader { lines: Lines::new(text), outline: Outline::default(), into: Into::Prose, item_depth: 0 };
    reader.outline.lines = reader.lines.count(text);
    reader.outline.parts.push(Part { line: 1, ..Part::default() });
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        reader.take(event, range);
    }
    let end = reader.outline.lines + 1;
    let starts: Vec<usize> = reader.outline.parts.iter().skip(1).map(|part| part.line).chain([end]).collect();
    for (part, next) in reader.outline.parts.iter_mut().zip(starts) {
        part.end = next;
    }
    reader.outline
}

/// Where text goes at present.
enum Into {
    Prose,
    Heading,
    Fence,
    Front,
    Cell,
}

struct Reader {
    lines: Lines,
    outline: Outline,
    into: Into,
    item_depth: usize,
}

impl Reader {
    fn part(&mut self) -> &mut Part {
        if self.outline.parts.is_empty() {
            self.outline.parts.push(Part::default());
        }
        let last = self.outline.parts.len() - 1;
        &mut self.outline.parts[last]
    }

    fn take(&mut self, event: Event<'_>, range: Range<usize>) {
        let line = self.lines.at(range.start);
        match event {
            Event::Start(Tag::Heading { level, id, .. }) => {
                self.outline.parts.push(Part { level: depth(level), slug: id.map(|id| id.to_string()), line, ..Part::default() });
                self.into = Into::Heading;
            }
            Event::Start(Tag::CodeBlock(kind)) => {
                let info = match kind {
                    CodeBlockKind::Fenced(info) => info.split_whitespace().map(str::to_owned).collect(),
                    CodeBlockKind::Indented => Vec::new(),
                };
                let end = self.lines.at(range.end.saturating_sub(1).max(range.start));
                self.part().fences.push(Fence { info, text: String::new(), line, end });
                self.into = Into::Fence;
            }
            Event::Start(Tag::MetadataBlock(kind)) => {
                let toml = matches!(kind, MetadataBlockKind::PlusesStyle);
                self.outline.front = Some(Front { text: String::new(), line: line + 1, toml });
                self.into = Into::Front;
            }
            Event::Start(Tag::TableHead) => self.part().rows.push(Row { head: true, line, cells: Vec::new() }),
            Event::Start(Tag::TableRow) => self.part().rows.push(Row { head: false, line, cells: Vec::new() }),
            Event::Start(Tag::TableCell) => {
                if let Some(row) = self.part().rows.last_mut() {
                    row.cells.push(String::new());
                }
                self.into = Into::Cell;
            }
            Event::Start(Tag::Item) => {
                self.item_depth += 1;
                self.part().items.push(Item { line, text: String::new() });
            }
            Event::End(TagEnd::Item) => self.item_depth = self.item_depth.saturating_sub(1),
            Event::End(TagEnd::Heading(_) | TagEnd::CodeBlock | TagEnd::MetadataBlock(_) | TagEnd::TableCell) => self.into = Into::Prose,
            Event::End(TagEnd::Paragraph) => self.text("\n", false),
            Event::Text(text) => self.text(&text, false),
            Event::Code(text) => self.text(&text, true),
            Event::Html(text) | Event::InlineHtml(text) => self.text(&text, false),
            Event::SoftBreak | Event::HardBreak => self.text("\n", false),
            _ => {}
        }
    }

    fn text(&mut self, text: &str, code: bool) {
        let in_item = self.item_depth > 0;
        match self.into {
            Into::Front => {
                if let Some(front) = &mut self.outline.front {
                    front.text.push_str(text);
                }
            }
            Into::Heading => self.part().title.push_str(text),
            Into::Fence => {
                if let Some(fence) = self.part().fences.last_mut() {
                    fence.text.push_str(text);
                }
            }
            Into::Cell => {
                if let Some(cell) = self.part().rows.last_mut().and_then(|row| row.cells.last_mut()) {
                    cell.push_str(text);
                }
            }
            Into::Prose => {
                let part = self.part();
                let quote = if code { "`" } else { "" };
                part.prose.push_str(quote);
                part.prose.push_str(text);
                part.prose.push_str(quote);
                if in_item && let Some(item) = part.items.last_mut() {
                    item.text.push_str(text);
                }
            }
        }
    }
}

fn depth(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

/// Byte offsets of line starts.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Lines {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Lines(std::iter::once(0).chain(ends).collect())
    }

    fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset)
    }

    fn count(&self, text: &str) -> usize {
        if text.ends_with('\n') { self.0.len() - 1 } else { self.0.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_fences_are_where_the_author_sees_them() {
        let page = outline(
            "---\nstatus: draft\n---\n# A `b` c\n\ntext\n\n## Sub {#s}\n\n```yaml sigma\na: 1\nb: 2\n```\n\n| x | y |\n|---|---|\n| `one` | two |\n",
        );
        let front = page.front.unwrap();
        assert_eq!((front.text.trim(), front.line, front.toml), ("status: draft", 2, false));
        assert_eq!((page.parts[1].title.as_str(), page.parts[1].line, page.parts[1].end), ("A b c", 4, 8));
        let sub = &page.parts[2];
        assert_eq!((sub.slug.as_deref(), sub.level, sub.end), (Some("s"), 2, 18));
        assert_eq!((sub.fences[0].line, sub.fences[0].end, sub.fences[0].language()), (10, 13, "yaml"));
        assert_eq!(sub.rows[1].cells, ["one", "two"]);
        assert_eq!(sub.rows[1].line, 17);
    }

    #[test]
    fn anything_is_a_page() {
        for text in ["", "```", "---\n", "# ", "|\n|-", "\u{0}\n> ```\n"] {
            let _ = outline(text);
        }
    }
}
