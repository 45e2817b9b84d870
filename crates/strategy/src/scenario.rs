//! One sub-heading that is a claim: what it says must happen, and the fences that let it happen.

use crate::page::{Fence, Part};
use crate::play::{Place, Play};
use crate::section::Section;
use event::{Level, Problem, SmolStr};

/// Most lines of a recording that stand in the page itself; longer ones make it unreadable.
pub const INLINE_MAX: usize = 20;

/// A claim with what it needs to be tested.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Which verdict its heading asks for.
    pub claim: ClaimKind,
    /// Its section.
    pub section: Section,
    /// Its heading.
    pub title: String,
    /// Its short name.
    pub slug: String,
    /// `page > Section > heading`.
    pub name: String,
    /// Line of its heading.
    pub line: usize,
    /// Line after its last one.
    pub end: usize,
    /// Its prose.
    pub prose: String,
    /// The commands that make it happen.
    pub console: Vec<Command>,
    /// Recordings in the page, and in files, in the order of the page.
    pub recordings: Vec<Recording>,
    /// How they are played.
    pub play: Play,
    /// How they are played with the hostile change.
    pub hostile: Option<Play>,
    /// Operator's context.
    pub context: Option<Inline>,
    /// What must be found.
    pub finding: Option<Expected>,
}

/// What a sub-heading claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimKind {
    /// It fires, once.
    Validation,
    /// It stays silent.
    BlindSpot,
    /// Without this source it is not evaluated.
    Assumption(Vec<SmolStr>),
    /// It fires, is explained, and fires again when the attacker changes one thing.
    FalsePositive,
    /// It raises nothing above low.
    Quiet,
}

/// A command of a `console` fence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// For a shell.
    pub text: String,
    /// Its line.
    pub line: usize,
}

/// Text that stands in the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inline {
    /// The text.
    pub text: String,
    /// Its first line.
    pub line: usize,
}

/// A recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recording {
    /// In the page.
    Inline(Inline),
    /// In a file: from the page's folder, or from `strategies/` when the name has a slash.
    File {
        /// Its name.
        name: String,
        /// Where the page names it.
        line: usize,
    },
}

/// What must be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Severity of the finding.
    pub level: Level,
    /// Rule that opened it.
    pub rule: String,
    /// Its sentence, with holes; empty when only level and rule are written so far.
    pub message: String,
    /// Its entity, with holes.
    pub entity: Vec<(String, String)>,
    /// Line of the opening fence.
    pub line: usize,
    /// Line of the closing fence.
    pub end: usize,
}

/// A part with what its parents hand down.
pub struct Below<'a> {
    /// The page's id.
    pub page: &'a str,
    /// The file.
    pub file: &'a str,
    /// The section.
    pub section: Section,
    /// Headings between section and scenario, outermost first.
    pub groups: Vec<&'a Part>,
    /// Play settings of the section and the groups.
    pub play: Play,
    /// The hostile table that they hand down.
    pub hostile: Option<toml::Table>,
}

/// Reads one scenario; `None` when the heading is neither a claim nor has anything to be tested.
pub fn read(part: &Part, below: &Below<'_>, problems: &mut Vec<Problem>) -> Option<Scenario> {
    let file = below.file;
    let claim = claim(part, below, problems)?;
    let mut play = below.play.clone();
    let mut hostile_table = below.hostile.clone();
    let mut hostile_place = None;
    if let Some(fence) = fence(part, "toml") {
        let place = Place { file, line: fence.line, text: &fence.text };
        let table = place.table(problems);
        play = play.with(&table, &place, problems);
        if let Some(own) = table.get("hostile") {
            match own.as_table() {
                Some(own) => hostile_table = Some(own.clone()),
                None => problems
                    .push(Problem::error(file, fence.line, "scenario-value", "`hostile` must be a table").remedy("write `[hostile]`")),
            }
        }
        hostile_place = Some(fence);
    }
    let hostile = hostile_table.map(|table| {
        let text = hostile_place.as_ref().map_or("", |fence| fence.text.as_str());
        let line = hostile_place.as_ref().map_or(part.line, |fence| fence.line);
        play.with(&table, &Place { file, line, text }, problems)
    });
    let mut recordings = recordings(part, file, problems);
    recordings.extend(play.recordings.iter().map(|name| Recording::File { name: name.clone(), line: part.line }));
    let context = fence(part, "context");
    if claim == ClaimKind::FalsePositive && play.skip.is_none() {
        if context.is_none() {
            problems.push(
                Problem::warning(
                    file,
                    part.line,
                    "no-context",
                    format!("the false positive {:?} has no context that explains it", part.title),
                )
                .remedy("add a ```context fence, or call it `Quiet: …` if the rule leaves it alone by itself"),
            );
        }
        if hostile.is_none() {
            problems.push(
                Problem::warning(file, part.line, "no-hostile", format!("the false positive {:?} has no hostile change", part.title))
                    .remedy("add `[hostile]` with a `patch` to its ```toml fence: what an attacker would change"),
            );
        }
    }
    let finding = part.fences.iter().find(|fence| fence.language() == "finding").and_then(|fence| expected(fence, file, problems));
    let path: Vec<&str> =
        [below.page, below.section.heading()].into_iter().chain(below.groups.iter().map(|group| group.title.as_str())).collect();
    let is_section = below.groups.is_empty() && Section::named(&part.title) == Some(below.section);
    let name = if is_section { path.join(" > ") } else { format!("{} > {}", path.join(" > "), part.title) };
    Some(Scenario {
        claim,
        section: below.section,
        slug: part.slug.clone().unwrap_or_else(|| slug(&part.title)),
        title: part.title.clone(),
        name,
        line: part.line,
        end: part.end,
        prose: part.prose.trim().to_owned(),
        console: part.fences.iter().filter(|fence| fence.language() == "console").flat_map(commands).collect(),
        recordings,
        play,
        hostile,
        context: context.map(|fence| Inline { text: fence.text, line: fence.line }),
        finding,
    })
}

/// The claim that a heading makes; prefixes of its own or of a group above decide.
fn claim(part: &Part, below: &Below<'_>, problems: &mut Vec<Problem>) -> Option<ClaimKind> {
    let titles = || below.groups.iter().map(|group| group.title.as_str()).chain([part.title.as_str()]);
    let begins = |word: &str| titles().any(|title| title.to_lowercase().starts_with(word));
    match below.section {
        Section::Validation => Some(ClaimKind::Validation),
        Section::FalsePositives if begins("quiet") => Some(ClaimKind::Quiet),
        Section::FalsePositives => Some(ClaimKind::FalsePositive),
        Section::BlindSpots if begins("assumption") => {
            let text = format!("{} {}", part.title, part.prose);
            let words: Vec<&str> = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
            let mut sources: Vec<SmolStr> = Vec::new();
            for word in words.into_iter().filter(|word| crate::front::SOURCES.contains(word)) {
                // "sensor" and "conntrack" are ordinary words as well: they name the source in backticks, or where the title begins with them.
                let first = part.title.split_once(':').is_some_and(|(_, rest)| rest.split_whitespace().next() == Some(word));
                let meant = word.contains('_') || first || part.prose.contains(&format!("`{word}`"));
                if meant && !sources.iter().any(|source| source == word) {
                    sources.push(word.into());
                }
            }
            if sources.is_empty() {
                problems.push(
                    Problem::error(below.file, part.line, "assumption-without-source", format!("{:?} names no source", part.title)).remedy(
                        "name in backticks the source that it rests on, such as `docker_container`; what is no source is a blind spot",
                    ),
                );
            }
            Some(ClaimKind::Assumption(sources))
        }
        Section::BlindSpots if begins("blind spot") || begins("blindspot") || !part.fences.is_empty() => Some(ClaimKind::BlindSpot),
        _ => None,
    }
}

/// Fences of one language as one; a gap between them is kept as empty lines, so that lines of problems stay right.
fn fence(part: &Part, language: &str) -> Option<Inline> {
    let mut joined: Option<Inline> = None;
    for fence in part.fences.iter().filter(|fence| fence.language() == language) {
        match &mut joined {
            None => joined = Some(Inline { text: fence.text.clone(), line: fence.line + 1 }),
            Some(joined) => {
                let lines_so_far = joined.text.matches('\n').count();
                let gap = (fence.line + 1).saturating_sub(joined.line + lines_so_far);
                joined.text.push_str(&"\n".repeat(gap));
                joined.text.push_str(&fence.text);
            }
        }
    }
    joined
}

fn recordings(part: &Part, file: &str, problems: &mut Vec<Problem>) -> Vec<Recording> {
    let mut out = Vec::new();
    for fence in part.fences.iter().filter(|fence| fence.language() == "jsonl") {
        if let Some(name) = fence.option("file") {
            out.push((fence.line, Recording::File { name: name.to_owned(), line: fence.line }));
            continue;
        }
        let lines = fence.text.lines().filter(|line| !line.trim().is_empty()).count();
        if lines > INLINE_MAX {
            problems.push(
                Problem::error(
                    file,
                    fence.line,
                    "long-recording",
                    format!("the recording has {lines} lines, at most {INLINE_MAX} stand in a page"),
                )
                .remedy("put it beside the page: ```jsonl file=NAME.jsonl.zst"),
            );
        }
        if lines > 0 {
            out.push((fence.line, Recording::Inline(Inline { text: fence.text.clone(), line: fence.line + 1 })));
        }
    }
    for row in part.rows.iter().filter(|row| !row.head) {
        for cell in &row.cells {
            let name = cell.trim();
            if [".jsonl.zst", ".jsonl", ".jsonl.gz"].iter().any(|end| name.ends_with(end)) && !name.contains(char::is_whitespace) {
                out.push((row.line, Recording::File { name: name.to_owned(), line: row.line }));
            }
        }
    }
    out.sort_by_key(|(line, _)| *line);
    out.into_iter().map(|(_, recording)| recording).collect()
}

/// `$ ` begins a command, `> ` continues it, the rest is output; without any `$ ` every line is a command.
fn commands(fence: &Fence) -> Vec<Command> {
    let marked = fence.text.lines().any(|line| line.starts_with("$ "));
    let mut out: Vec<Command> = Vec::new();
    for (at, line) in fence.text.lines().enumerate() {
        let number = fence.line + 1 + at;
        match (marked, line.strip_prefix("$ "), line.strip_prefix("> ")) {
            (true, Some(text), _) => out.push(Command { text: text.to_owned(), line: number }),
            (true, None, Some(more)) => {
                if let Some(last) = out.last_mut() {
                    last.text.push('\n');
                    last.text.push_str(more);
                }
            }
            (false, ..) if !line.trim().is_empty() && !line.trim_start().starts_with('#') => {
                out.push(Command { text: line.to_owned(), line: number });
            }
            _ => {}
        }
    }
    out
}

fn expected(fence: &Fence, file: &str, problems: &mut Vec<Problem>) -> Option<Expected> {
    let lines: Vec<&str> = fence.text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let remedy =
        "write the level and the rule, then the sentence, then `field: value` lines; or let `landwaiter strategy test --bless` write it";
    // An empty fence, or one with only its first line, asks for blessing: it is untested rather than wrong.
    let (head, rest) = lines.split_first()?;
    let (message, entity) = rest.split_first().map_or((&"", rest), |(message, entity)| (message, entity));
    let (word, rule) = head.split_once(char::is_whitespace).unwrap_or((head, ""));
    let Some(level) = Level::parse(word) else {
        problems.push(Problem::error(file, fence.line + 1, "finding-fence", format!("{word:?} is no level")).remedy(remedy));
        return None;
    };
    let mut fields = Vec::new();
    for line in entity {
        match line.split_once(':') {
            Some((field, value)) => fields.push((field.trim().to_owned(), value.trim().to_owned())),
            None => {
                problems.push(Problem::error(file, fence.line, "finding-fence", format!("{line:?} is no `field: value`")).remedy(remedy))
            }
        }
    }
    Some(Expected { level, rule: rule.trim().to_owned(), message: (*message).to_owned(), entity: fields, line: fence.line, end: fence.end })
}

/// Lower case, words joined by hyphens.
pub fn slug(title: &str) -> String {
    let words: Vec<String> = title.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
    words.join("-")
}
