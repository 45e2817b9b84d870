//! A page's text to a strategy, with everything that is wrong with it.

use crate::page::{Outline, Part, outline};
use crate::play::{Place, Play};
use crate::scenario::{self, Below, Scenario};
use crate::section::Section;
use crate::strategy::{Hole, PageKind, PriorityRow, SectionText, Strategy};
use crate::{attack, check, front, sources};
use event::{Level, Problem, SmolStr};
use sigma::{Rule, RuleSet};

/// Reads a page. Always gives a strategy, however little of it was understood.
pub fn parse(text: &str, file: &str) -> (Strategy, Vec<Problem>) {
    let mut problems = Vec::new();
    let page = outline(text);
    let front = front::read(page.front.as_ref(), file, &mut problems);
    let id = stem(file);
    let title = title(&page, file, &mut problems);
    let spans = sections(&page);
    let mut strategy = Strategy {
        id,
        title,
        file: file.to_owned(),
        status: front.status,
        kind: front.kind,
        sources: front.sources,
        enrichment: front.enrichment,
        binds: front.binds,
        authors: front.authors,
        version: front.version,
        sections: spans.iter().map(|span| span.text(text)).collect(),
        techniques: Vec::new(),
        rules: Vec::new(),
        scenarios: Vec::new(),
        priority: Vec::new(),
        holes: Vec::new(),
        text: text.to_owned(),
    };
    for span in &spans {
        match span.section {
            Some(Section::Categorization) => strategy.techniques.extend(attack::read(span.parts, front.kind, file, &mut problems)),
            Some(Section::StrategyAbstract) => strategy.rules.extend(rules(span.parts, file, &mut problems)),
            Some(section @ (Section::BlindSpots | Section::FalsePositives | Section::Validation)) => {
                strategy.scenarios.extend(scenarios(&strategy.id, section, span.parts, file, &mut problems));
            }
            Some(Section::Priority) => strategy.priority.extend(priority(span.parts, file, &mut problems)),
            Some(Section::Response) => strategy.holes.extend(holes(text, span, file, &mut problems)),
            _ => stray_rules(span, file, &mut problems),
        }
    }
    // Compiling settles what only shows when the rules are together: which of them speak, and of what.
    let (set, found) = RuleSet::compile(std::mem::take(&mut strategy.rules));
    strategy.rules = set.rules().to_vec();
    problems.extend(found);
    check::check(&strategy, &mut problems);
    if strategy.kind == PageKind::Umbrella && strategy.binds.is_empty() {
        problems.push(
            Problem::error(file, 1, "binds-nothing", "is an umbrella that binds no page")
                .remedy("add `binds: [container-spray, …]` to the front matter"),
        );
    }
    problems.sort_by(|a, b| (a.line, a.column, a.code, &a.message).cmp(&(b.line, b.column, b.code, &b.message)));
    problems.dedup();
    (strategy, problems)
}

/// The file's stem.
pub fn stem(file: &str) -> SmolStr {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    SmolStr::new(name.rsplit_once('.').map_or(name, |(stem, _)| stem))
}

fn title(page: &Outline, file: &str, problems: &mut Vec<Problem>) -> String {
    let mut tops = page.parts.iter().filter(|part| part.level == 1 && Section::named(&part.title).is_none());
    let Some(first) = tops.next() else {
        problems.push(Problem::error(file, 1, "no-title", "has no title").remedy("begin the page with `# One singular event`"));
        return String::new();
    };
    first.title.clone()
}

/// A section with the headings below it.
struct SectionSpan<'a> {
    section: Option<Section>,
    parts: &'a [Part],
}

impl SectionSpan<'_> {
    fn line(&self) -> usize {
        self.parts.first().map_or(1, |part| part.line)
    }

    fn end(&self) -> usize {
        self.parts.last().map_or(1, |part| part.end)
    }

    fn text(&self, page: &str) -> SectionText {
        let length = self.end().saturating_sub(self.line() + 1);
        let lines: Vec<&str> = page.lines().skip(self.line()).take(length).collect();
        SectionText {
            section: self.section,
            title: self.parts.first().map(|part| part.title.clone()).unwrap_or_default(),
            line: self.line(),
            end: self.end(),
            text: lines.join("\n"),
        }
    }
}

/// Sections are headings that the framework knows, and others at the same level or above. What follows until the next of them belongs to it.
fn sections(page: &Outline) -> Vec<SectionSpan<'_>> {
    let known = |part: &Part| if part.level == 0 { None } else { Section::named(&part.title) };
    let level = page.parts.iter().filter(|part| known(part).is_some()).map(|part| part.level).min().unwrap_or(2);
    let begins = |part: &Part| part.level > 0 && part.level <= level && !(part.level == 1 && level > 1);
    let starts: Vec<usize> = page.parts.iter().enumerate().filter(|(_, part)| begins(part)).map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([page.parts.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| SectionSpan { section: known(&page.parts[*start]), parts: &page.parts[*start..end] })
        .filter(|span| level > 1 || span.section.is_some() || span.line() > 1)
        .collect()
}

fn is_rule(info: &[String]) -> bool {
    info.first().is_some_and(|word| word == "yaml" || word == "yml" || word == "sigma") && info.iter().any(|word| word == "sigma")
}

fn rules(parts: &[Part], file: &str, problems: &mut Vec<Problem>) -> Vec<Rule> {
    let mut out = Vec::new();
    for fence in parts.iter().flat_map(|part| &part.fences).filter(|fence| is_rule(&fence.info)) {
        let (rules, found) = sigma::parse(&fence.text, file, fence.line + 1);
        out.extend(rules);
        problems.extend(found);
    }
    out
}

fn stray_rules(span: &SectionSpan<'_>, file: &str, problems: &mut Vec<Problem>) {
    for fence in span.parts.iter().flat_map(|part| &part.fences).filter(|fence| is_rule(&fence.info)) {
        problems.push(
            Problem::warning(file, fence.line, "stray-rule", "a sigma fence outside the Strategy Abstract is not read")
                .remedy("move it there, or write ```yaml"),
        );
    }
}

fn scenarios(page: &str, section: Section, parts: &[Part], file: &str, problems: &mut Vec<Problem>) -> Vec<Scenario> {
    let mut out = Vec::new();
    let Some(top) = parts.first() else { return out };
    if parts.len() == 1 {
        if !top.fences.is_empty() {
            let below = Below { page, file, section, groups: Vec::new(), play: Play::default(), hostile: None };
            out.extend(scenario::read(top, &below, problems));
        }
        return out;
    }
    for (at, part) in parts.iter().enumerate().skip(1) {
        let is_group = parts.get(at + 1).is_some_and(|next| next.level > part.level);
        if is_group {
            continue;
        }
        let above = above(parts, at);
        let mut below = Below { page, file, section, groups: Vec::new(), play: Play::default(), hostile: None };
        for group in above {
            inherit(&mut below, group, file);
            if group.line != top.line {
                below.groups.push(group);
            }
        }
        out.extend(scenario::read(part, &below, problems));
    }
    // Each group is inherited by several scenarios; what is wrong with it is said once.
    for (at, part) in parts.iter().enumerate() {
        if parts.get(at + 1).is_some_and(|next| next.level > part.level) {
            let mut below = Below { page, file, section, groups: Vec::new(), play: Play::default(), hostile: None };
            problems.extend(inherit(&mut below, part, file));
        }
    }
    out
}

/// The headings above one, outermost first.
fn above(parts: &[Part], at: usize) -> Vec<&Part> {
    let mut out = Vec::new();
    let mut level = parts[at].level;
    for part in parts[..at].iter().rev() {
        if part.level < level {
            level = part.level;
            out.push(part);
        }
    }
    out.reverse();
    out
}

/// A group's `toml` fences hold for all below.
fn inherit(below: &mut Below<'_>, group: &Part, file: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for fence in group.fences.iter().filter(|fence| fence.language() == "toml") {
        let place = Place { file, line: fence.line + 1, text: &fence.text };
        let table = place.table(&mut problems);
        below.play = below.play.with(&table, &place, &mut problems);
        if let Some(hostile) = table.get("hostile").and_then(toml::Value::as_table) {
            below.hostile = Some(hostile.clone());
        }
    }
    problems
}

fn priority(parts: &[Part], file: &str, problems: &mut Vec<Problem>) -> Vec<PriorityRow> {
    let mut out = Vec::new();
    let mut columns: Option<[usize; 3]> = None;
    for row in parts.iter().flat_map(|part| &part.rows) {
        if row.head {
            let column = |names: &[&str]| row.cells.iter().position(|cell| names.contains(&cell.trim().to_lowercase().as_str()));
            columns = match (
                column(&["level", "priority", "severity"]),
                column(&["when", "condition", "criteria"]),
                column(&["rule", "rules"]),
            ) {
                (Some(level), Some(when), Some(rule)) => Some([level, when, rule]),
                _ => None,
            };
            if columns.is_none() {
                problems.push(
                    Problem::warning(file, row.line, "priority-columns", "this table is not read as the priority")
                        .remedy("name its columns level, when, rule"),
                );
            }
            continue;
        }
        let Some([level, when, rule]) = columns else { continue };
        let cell = |at: usize| row.cells.get(at).map(|cell| cell.trim()).unwrap_or_default();
        let word = cell(level).to_lowercase();
        let Some(level) = Level::parse(&word) else {
            problems.push(
                Problem::error(file, row.line, "priority-level", format!("{word:?} is no level"))
                    .remedy("write low, medium, high or critical"),
            );
            continue;
        };
        for name in cell(rule).split(',').map(str::trim) {
            out.push(PriorityRow { level, when: cell(when).to_owned(), rule: name.to_owned(), line: row.line });
        }
    }
    out
}

/// Holes are read from the raw lines: Markdown may take a `|` or `_` in them apart.
fn holes(page: &str, span: &SectionSpan<'_>, file: &str, problems: &mut Vec<Problem>) -> Vec<Hole> {
    let mut out = Vec::new();
    for (at, line) in page.lines().enumerate().skip(span.line()).take(span.end().saturating_sub(span.line() + 1)) {
        for name in sources::holes(line) {
            // The engine's own templates (`--format '{{.Image}}'`) look alike.
            if name.starts_with('.') || name.contains(char::is_whitespace) {
                continue;
            }
            if name.is_empty() {
                problems.push(Problem::error(file, at + 1, "response-hole", "a hole names nothing").remedy("write `{{container.id}}`"));
            } else {
                out.push(Hole { name: name.to_string(), line: at + 1 });
            }
        }
    }
    out
}
