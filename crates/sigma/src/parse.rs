//! Rules from text: takes YAML documents; gives rules and everything that is wrong with the others, with its line.

use crate::detection::errors;
use crate::rule::{Logsource, Rule};
use crate::text::Budget;
use crate::yaml::{self, Entry, Node};
use crate::{correlation, detection, kinds, message};
use event::problem::nearest;
use event::{Gravity, Level, Problem, SmolStr};

/// Keys of the specification, and those that public rules carry beside them.
const KEYS: [&str; 23] = [
    "title",
    "id",
    "name",
    "related",
    "status",
    "description",
    "references",
    "author",
    "date",
    "modified",
    "logsource",
    "detection",
    "correlation",
    "falsepositives",
    "level",
    "tags",
    "fields",
    "generate",
    "license",
    "scope",
    "taxonomy",
    "landwaiter",
    "regression_tests_path",
];
const LOGSOURCE_KEYS: [&str; 4] = ["category", "product", "service", "definition"];
const OWN_KEYS: [&str; 4] = ["entity", "message", "behaviour", "explainable"];
const STATUSES: [&str; 5] = ["stable", "test", "experimental", "deprecated", "unsupported"];

/// Reads every rule and correlation of a text, which may hold many documents. `first_line` is the line of `file` at which it starts.
///
/// A rule with an error is not returned; all its mistakes are told at once, and the other documents are read all the same.
pub fn parse(text: &str, file: &str, first_line: usize) -> (Vec<Rule>, Vec<Problem>) {
    let (mut rules, mut problems, mut budget) = (Vec::new(), Vec::new(), Budget::new());
    if text.len() > yaml::TEXT_MAX {
        problems.push(Problem::error(
            file,
            first_line,
            "too-large",
            format!("is {} bytes long, more than the {} that are read", text.len(), yaml::TEXT_MAX),
        ));
        return (rules, problems);
    }
    for document in yaml::documents(text) {
        let first = first_line + document.line - 1;
        match yaml::parse(document.text, file, first) {
            Ok(node) => rules.extend(rule(&node, (document.text, first), file, &mut budget, &mut problems)),
            Err(problem) => problems.push(problem),
        }
    }
    (rules, problems)
}

fn rule(node: &Node, (text, first_line): (&str, usize), file: &str, budget: &mut Budget, problems: &mut Vec<Problem>) -> Option<Rule> {
    let before = errors(problems);
    let line = node.line;
    // The text of a rule starts with its first line that says anything, a comment too, so that reading it again from there finds the same lines.
    let blank = |line: &str| matches!(line.trim(), "" | "---") || line.starts_with("--- #");
    let skipped = text.lines().take_while(|line| blank(line)).count();
    let own_text: String = text.split_inclusive('\n').skip(skipped).collect();
    let Some(entries) = node.map() else {
        problems.push(
            Problem::error(file, line, "not-a-rule", format!("is {}, not a rule", node.shape()))
                .remedy("write `title:`, `logsource:` and `detection:`"),
        );
        return None;
    };
    yaml::duplicate_keys(node, file, problems);
    for Entry { key, line, .. } in entries {
        if key == "action" {
            problems.push(
                Problem::error(file, *line, "rule-collection", "is part of a rule collection (`action`), which Sigma has removed")
                    .remedy("write each rule in full"),
            );
        } else if !KEYS.contains(&key.as_str())
            && let Some(near) = nearest(key, KEYS)
        {
            problems.push(
                Problem::warning(file, *line, "unknown-key", format!("has the unknown key `{key}`, which is ignored"))
                    .remedy(format!("did you mean `{near}`?")),
            );
        }
    }
    let reader = Reader { node, file };
    let title = reader.text("title", problems);
    if title.is_empty() {
        problems.push(Problem::error(file, line, "missing-key", "has no title").remedy("add `title:`"));
    }
    reader.dates(problems);
    let id = reader.text("id", problems);
    if !id.is_empty() && !is_uuid(&id) {
        problems.push(
            Problem::warning(file, reader.line("id"), "id", format!("has the id `{id}`, which is not a UUID"))
                .remedy("make one with uuidgen"),
        );
    }
    let name = match reader.text("name", problems) {
        name if name.is_empty() => slug(&title),
        name => name,
    };
    let status = reader.one_of("status", &STATUSES, problems);
    let level_text = reader.one_of("level", &Level::ALL.map(Level::as_str), problems);
    let mut canonical = String::new();
    node.canonical(&mut canonical);
    let mut rule = Rule {
        name,
        title,
        description: reader.text("description", problems),
        status,
        level: Level::parse(&level_text).unwrap_or(Level::Medium),
        tags: reader.texts("tags", problems),
        falsepositives: reader.texts("falsepositives", problems),
        id,
        logsource: Logsource::default(),
        entity: Vec::new(),
        message: String::new(),
        behaviour: None,
        explainable: true,
        correlation: None,
        speaks: true,
        fields: Vec::new(),
        file: file.to_owned(),
        line: first_line + skipped,
        content_hash: hash(&canonical),
        text: own_text.trim_end().to_owned(),
        kinds: Vec::new(),
        named: Vec::new(),
        detection: None,
    };
    let named = own_keys(&reader, &mut rule, problems);
    rule.named = named;
    match (node.get("detection"), node.get("correlation")) {
        (Some(_), Some(value)) => problems.push(
            Problem::error(file, value.line, "not-a-rule", "has both a detection and a correlation")
                .remedy("write the correlation as a document of its own, behind `---`"),
        ),
        (None, None) => {
            problems.push(Problem::error(file, line, "not-a-rule", "has neither a detection nor a correlation").remedy("add `detection:`"))
        }
        (None, Some(value)) => {
            if let Some(entry) = entries.iter().find(|entry| entry.key == "logsource") {
                problems.push(Problem::warning(
                    file,
                    entry.line,
                    "logsource",
                    "has a logsource beside a correlation, which takes it from its rules; it is ignored",
                ));
            }
            rule.correlation = correlation::parse(value, file, problems);
            if let Some(correlation) = &rule.correlation {
                let own_fields = correlation.group_by.iter().chain(&correlation.fields).map(|field| (field.clone(), correlation.line));
                rule.fields = own_fields.collect();
            }
            // `generate` stood at the top level in earlier versions of the specification.
            if let (Some(correlation), Some(generate)) = (&mut rule.correlation, node.get("generate").and_then(Node::bool)) {
                correlation.generate = generate;
            }
        }
        (Some(value), None) => {
            rule.logsource = logsource(&reader, problems);
            rule.detection = detection::parse(value, file, budget, problems);
            if let Some(detection) = &rule.detection {
                let line = node.get("logsource").map_or(line, |n| n.line);
                let from = problems.len();
                rule.kinds = kinds::check(&rule.logsource, detection, file, line, problems);
                // Public rules name fields that only other products have. There they never match; the rest of the rule may.
                if kinds::is_public(&rule.logsource) && node.get("landwaiter").is_none() {
                    let wrong = problems[from..].iter_mut().filter(|problem| matches!(problem.code, "unknown-field" | "field-not-here"));
                    wrong.for_each(|problem| problem.gravity = Gravity::Warning);
                }
                for (field, line) in &rule.named {
                    problems.extend(kinds::check_field(field, &rule.kinds, file, *line));
                }
                for predicate in &detection.predicates {
                    if !predicate.field.is_empty() && !rule.fields.iter().any(|(f, _)| *f == predicate.field) {
                        rule.fields.push((predicate.field.clone(), predicate.line));
                    }
                }
            }
        }
    }
    if rule.entity.is_empty() {
        rule.entity = default_entity(&rule);
    }
    (errors(problems) == before).then_some(rule)
}

/// What a rule is about when it does not say: its groups, else the container, else the host.
fn default_entity(rule: &Rule) -> Vec<SmolStr> {
    if let Some(correlation) = &rule.correlation {
        return correlation.group_by.clone();
    }
    let field = match rule.kinds.as_slice() {
        kinds if kinds.iter().any(|kind| kind.has_field(event::dictionary::CONTAINER_ID)) => "container.id",
        [kind] if *kind == event::dictionary::DOCKER_EVENT => "Actor.ID",
        [kind] if *kind == event::dictionary::DOCKER_CONTAINER => "Id",
        _ => "host.name",
    };
    vec![SmolStr::new_static(field)]
}

/// Reads `landwaiter:`; returns the fields that it names, with their lines.
fn own_keys(reader: &Reader<'_>, rule: &mut Rule, problems: &mut Vec<Problem>) -> Vec<(SmolStr, usize)> {
    let mut fields = Vec::new();
    let file = reader.file;
    let Some(node) = reader.node.get("landwaiter") else { return fields };
    let Some(entries) = node.map() else {
        problems.push(
            Problem::error(file, node.line, "value", format!("has {} as `landwaiter`", node.shape()))
                .remedy("write a map, as `landwaiter: { entity: [container.id] }`"),
        );
        return fields;
    };
    for Entry { key, line, value } in entries {
        match key.as_str() {
            "entity" => {
                for element in value.each() {
                    match element.text() {
                        Some(field) => {
                            rule.entity.push(field.into());
                            fields.push((field.into(), element.line));
                        }
                        None => problems.push(
                            Problem::error(file, element.line, "value", format!("has {} as an entity", element.shape()))
                                .remedy("write a field's name"),
                        ),
                    }
                }
            }
            "message" => match value.text() {
                Some(text) => {
                    problems.extend(
                        message::wrong(text)
                            .into_iter()
                            .map(|(what, remedy)| Problem::error(file, value.line, "message", what).remedy(remedy)),
                    );
                    fields.extend(message::message_fields(text).into_iter().map(|field| (field.into(), value.line)));
                    rule.message = text.trim().to_owned();
                }
                None => problems.push(
                    Problem::error(file, value.line, "value", format!("has {} as its message", value.shape())).remedy("write a sentence"),
                ),
            },
            "behaviour" => match value.text() {
                Some(text) => rule.behaviour = Some(text.into()),
                None => problems.push(
                    Problem::error(file, value.line, "value", format!("has {} as its behaviour", value.shape())).remedy("write a name"),
                ),
            },
            "explainable" => match value.bool() {
                Some(is) => rule.explainable = is,
                None => {
                    problems.push(Problem::error(file, value.line, "value", "has a value of `explainable` that is neither true nor false"))
                }
            },
            other => {
                let remedy = match nearest(other, OWN_KEYS) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the keys are: {}", OWN_KEYS.join(", ")),
                };
                problems.push(
                    Problem::error(file, *line, "unknown-key", format!("has the unknown key `{other}` under `landwaiter`")).remedy(remedy),
                );
            }
        }
    }
    fields
}

fn logsource(reader: &Reader<'_>, problems: &mut Vec<Problem>) -> Logsource {
    let file = reader.file;
    let mut logsource = Logsource::default();
    let Some(node) = reader.node.get("logsource") else {
        problems.push(
            Problem::error(file, reader.node.line, "missing-key", "has no logsource")
                .remedy("add one, for example `logsource: { category: container }`"),
        );
        return logsource;
    };
    let Some(entries) = node.map() else {
        problems.push(
            Problem::error(file, node.line, "logsource", format!("has {} as its logsource", node.shape()))
                .remedy("write `category: container`"),
        );
        return logsource;
    };
    for Entry { key, line, value } in entries {
        let part = match key.as_str() {
            "category" => &mut logsource.category,
            "product" => &mut logsource.product,
            "service" => &mut logsource.service,
            "definition" => continue,
            other => {
                // Other keys are allowed and mean nothing to us, but a slip would widen the rule to every source.
                if let Some(near) = nearest(other, LOGSOURCE_KEYS) {
                    problems.push(
                        Problem::error(file, *line, "unknown-key", format!("has the unknown key `{other}` in its logsource"))
                            .remedy(format!("did you mean `{near}`?")),
                    );
                }
                continue;
            }
        };
        match value.text() {
            Some(text) => *part = text.into(),
            None => problems.push(
                Problem::error(file, value.line, "value", format!("has {} as `{key}` of its logsource", value.shape()))
                    .remedy("write a name or remove the line"),
            ),
        }
    }
    logsource
}

/// Reads plain values of a rule.
struct Reader<'a> {
    node: &'a Node,
    file: &'a str,
}

impl Reader<'_> {
    fn line(&self, key: &str) -> usize {
        self.node.get(key).map_or(self.node.line, |node| node.line)
    }

    fn text(&self, key: &str, problems: &mut Vec<Problem>) -> String {
        match self.node.get(key) {
            Some(node) if node.text().is_none() && !node.is_null() => {
                problems.push(
                    Problem::error(self.file, node.line, "value", format!("has {} as `{key}`", node.shape()))
                        .remedy("write a single value"),
                );
                String::new()
            }
            Some(node) => node.text().unwrap_or_default().trim().to_owned(),
            None => String::new(),
        }
    }

    fn texts(&self, key: &str, problems: &mut Vec<Problem>) -> Vec<String> {
        let Some(node) = self.node.get(key) else { return Vec::new() };
        let mut found = Vec::new();
        for value in node.each() {
            match value.text() {
                Some(text) => found.push(text.to_owned()),
                None if value.is_null() => {}
                None => problems.push(Problem::warning(
                    self.file,
                    value.line,
                    "value",
                    format!("has {} in `{key}`, which is ignored", value.shape()),
                )),
            }
        }
        found
    }

    fn one_of(&self, key: &str, words: &[&str], problems: &mut Vec<Problem>) -> String {
        let text = self.text(key, problems);
        if !text.is_empty() && !words.contains(&text.as_str()) {
            let remedy = match nearest(&text.to_lowercase(), words.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the words are: {}", words.join(", ")),
            };
            problems.push(
                Problem::warning(
                    self.file,
                    self.line(key),
                    if key == "level" { "level" } else { "status" },
                    format!("has the {key} `{text}`, which is not one"),
                )
                .remedy(remedy),
            );
        }
        text
    }

    fn dates(&self, problems: &mut Vec<Problem>) {
        for key in ["date", "modified"] {
            let text = self.text(key, problems);
            if !text.is_empty() && text.replace('/', "-").parse::<jiff::civil::Date>().is_err() {
                problems.push(
                    Problem::warning(self.file, self.line(key), "date", format!("has the {key} `{text}`, which is not one"))
                        .remedy("write it as 2026-11-24"),
                );
            }
        }
    }
}

fn is_uuid(text: &str) -> bool {
    let mut parts = text.split('-');
    let lengths = [8, 4, 4, 4, 12];
    lengths.iter().all(|length| parts.next().is_some_and(|p| p.len() == *length && p.bytes().all(|b| b.is_ascii_hexdigit())))
        && parts.next().is_none()
}

/// A name from a title: lower case, words joined by hyphens.
fn slug(title: &str) -> String {
    let words: Vec<String> = title.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_lowercase).collect();
    words.join("-")
}

/// A hash of text that is the same on every machine.
pub(crate) fn hash(text: &str) -> u64 {
    (event::event::identity_of(&[text.as_bytes()]) & u128::from(u64::MAX)) as u64
}
