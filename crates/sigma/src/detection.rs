//! The `detection` of a rule: takes its YAML; gives predicates, selections over them and a condition over those.

use crate::check::Check;
use crate::condition::{self, Condition};
use crate::modifier;
use crate::text::Budget;
use crate::yaml::{Node, Yaml};
use event::{Problem, SmolStr};
use std::sync::Arc;

/// What a rule looks for.
#[derive(Clone, Debug)]
pub(crate) struct Detection {
    pub predicates: Vec<Predicate>,
    pub selections: Vec<Selection>,
    /// Several conditions are alternatives.
    pub condition: Condition,
}

/// A named group of predicates.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    pub name: String,
    pub expr: Expr,
}

/// A selection's structure over predicates, by their index.
#[derive(Clone, Debug)]
pub(crate) enum Expr {
    All(Vec<Expr>),
    Any(Vec<Expr>),
    Not(Box<Expr>),
    Predicate(usize),
}

/// One question about one field.
#[derive(Clone, Debug)]
pub(crate) struct Predicate {
    /// Field's name; empty for keywords, which ask every value.
    pub field: SmolStr,
    pub line: usize,
    pub check: Arc<Check>,
    /// As a person would write it: `container.privileged: true`. Equal texts are equal questions.
    pub shown: String,
}

/// Selections of one rule; the largest public rule has 40.
const SELECTIONS_MAX: usize = 1_000;

/// Conditions of one rule.
const CONDITIONS_MAX: usize = 100;

/// Predicates of a rule, each counted as often as its condition comes by it: the rule is written out for every kind of event. The largest public rule has 2,000.
const PROGRAM_MAX: usize = 20_000;

/// A list inside a list of a selection is refused; this bounds the walk.
const NESTING_MAX: usize = 8;

/// Parses the value of `detection`. `None` when something in it was an error.
pub(crate) fn parse(node: &Node, file: &str, budget: &mut Budget, problems: &mut Vec<Problem>) -> Option<Detection> {
    let Some(entries) = node.map() else {
        problems.push(
            Problem::error(file, node.line, "detection", format!("has {} as its detection", node.shape()))
                .remedy("write selections by name and a `condition`"),
        );
        return None;
    };
    let before = errors(problems);
    if entries.len() > SELECTIONS_MAX {
        problems.push(
            Problem::error(file, node.line, "too-large", format!("has more than {SELECTIONS_MAX} selections")).remedy("split the rule"),
        );
        return None;
    }
    let mut builder = Builder { file, predicates: Vec::new(), budget, problems };
    let mut selections: Vec<Selection> = Vec::new();
    let mut conditions: Vec<&Node> = Vec::new();
    for entry in entries {
        match entry.key.as_str() {
            "condition" => conditions.extend(entry.value.each()),
            "timeframe" => builder.problems.push(
                Problem::warning(file, entry.line, "timeframe", "has a `timeframe`, which plain rules no longer have; it is ignored")
                    .remedy("write a second document with `correlation:` and `timespan`"),
            ),
            name => {
                if let Some(expr) = builder.selection(name, &entry.value) {
                    selections.push(Selection { name: name.to_owned(), expr });
                }
            }
        }
    }
    if conditions.is_empty() {
        builder.problems.push(
            Problem::error(file, node.line, "condition", "has no `condition` in its detection")
                .remedy("add one, for example `condition: selection`"),
        );
    }
    let predicates = builder.predicates;
    let names: Vec<&str> = entries.iter().map(|e| e.key.as_str()).filter(|key| !matches!(*key, "condition" | "timeframe")).collect();
    let mut parsed = Vec::new();
    if conditions.len() > CONDITIONS_MAX {
        problems.push(
            Problem::error(file, node.line, "too-large", format!("has more than {CONDITIONS_MAX} conditions")).remedy("split the rule"),
        );
        return None;
    }
    for condition in conditions {
        let Some(text) = condition.text() else {
            problems.push(Problem::error(file, condition.line, "condition", format!("has {} as its condition", condition.shape())));
            continue;
        };
        match condition::parse(text, &names) {
            Ok(condition) => parsed.push(condition),
            Err(wrong) => problems.push(Problem::error(file, condition.line, wrong.code, wrong.message).remedy(wrong.remedy)),
        }
    }
    if parsed.is_empty() && !selections.is_empty() {
        // The rule is refused, but its fields can still be checked: all its mistakes are told at once.
        parsed.push(Condition::All((0..selections.len()).map(Condition::Selection).collect()));
    } else if errors(problems) > before {
        return None;
    }
    let sizes: Vec<usize> = selections.iter().map(|selection| size(&selection.expr)).collect();
    if parsed.iter().map(|condition| written_out(condition, &sizes)).sum::<usize>() > PROGRAM_MAX {
        problems.push(
            Problem::error(
                file,
                node.line,
                "too-large",
                format!("asks more than {PROGRAM_MAX} questions, those of a selection named twice counted twice"),
            )
            .remedy("split the rule"),
        );
        return None;
    }
    for (index, selection) in selections.iter().enumerate() {
        if !selection.name.starts_with('_') && !parsed.iter().any(|condition| names_selection(condition, index)) {
            let line = entries.iter().find(|e| e.key == selection.name).map_or(node.line, |e| e.line);
            problems.push(
                Problem::warning(
                    file,
                    line,
                    "unused-selection",
                    format!("has the selection `{}`, which its condition does not name", selection.name),
                )
                .remedy("name it in the condition or remove it"),
            );
        }
    }
    let condition = if parsed.len() == 1 { parsed.remove(0) } else { Condition::Any(parsed) };
    Some(Detection { predicates, selections, condition })
}

pub(crate) fn errors(problems: &[Problem]) -> usize {
    problems.iter().filter(|p| p.gravity == event::Gravity::Error).count()
}

fn size(expr: &Expr) -> usize {
    match expr {
        Expr::All(list) | Expr::Any(list) => list.iter().map(size).sum(),
        Expr::Not(inner) => size(inner),
        Expr::Predicate(_) => 1,
    }
}

fn written_out(condition: &Condition, sizes: &[usize]) -> usize {
    match condition {
        Condition::Selection(index) => sizes.get(*index).copied().unwrap_or(0),
        Condition::All(list) | Condition::Any(list) | Condition::AtLeast(_, list) => list.iter().map(|c| written_out(c, sizes)).sum(),
        Condition::Not(inner) => written_out(inner, sizes),
    }
}

fn names_selection(condition: &Condition, index: usize) -> bool {
    match condition {
        Condition::Selection(i) => *i == index,
        Condition::All(list) | Condition::Any(list) | Condition::AtLeast(_, list) => list.iter().any(|c| names_selection(c, index)),
        Condition::Not(inner) => names_selection(inner, index),
    }
}

struct Builder<'a> {
    file: &'a str,
    predicates: Vec<Predicate>,
    budget: &'a mut Budget,
    problems: &'a mut Vec<Problem>,
}

impl Builder<'_> {
    /// A map is a conjunction, a list a disjunction of its elements; single values are keywords.
    fn selection(&mut self, name: &str, node: &Node) -> Option<Expr> {
        self.group(name, node, 0)
    }

    fn group(&mut self, name: &str, node: &Node, depth: usize) -> Option<Expr> {
        let empty = |shape| {
            Problem::error(self.file, node.line, "empty-selection", format!("has {shape} as the selection `{name}`"))
                .remedy("give it a field and a value, or remove it")
        };
        match &node.value {
            Yaml::Map(entries) if entries.is_empty() => self.problems.push(empty("an empty map")),
            Yaml::List(list) if list.is_empty() => self.problems.push(empty("an empty list")),
            Yaml::List(_) if depth >= NESTING_MAX => self.problems.push(empty("lists nested too deep")),
            Yaml::Scalar { .. } if node.is_null() => self.problems.push(empty("nothing")),
            Yaml::Scalar { .. } => return self.item("", node.line, node),
            Yaml::Map(entries) => {
                let parts: Vec<Option<Expr>> = entries.iter().map(|e| self.item(&e.key, e.line, &e.value)).collect();
                return parts
                    .into_iter()
                    .collect::<Option<Vec<_>>>()
                    .map(|mut parts| if parts.len() == 1 { parts.remove(0) } else { Expr::All(parts) });
            }
            Yaml::List(list) => {
                // Single values next to each other are one question, so that one pass looks for all of them.
                if list.iter().all(|n| matches!(n.value, Yaml::Scalar { .. })) {
                    return self.item("", node.line, node);
                }
                let parts: Vec<Option<Expr>> = list.iter().map(|n| self.group(name, n, depth + 1)).collect();
                return parts.into_iter().collect::<Option<Vec<_>>>().map(Expr::Any);
            }
        }
        None
    }

    fn item(&mut self, key: &str, line: usize, node: &Node) -> Option<Expr> {
        match modifier::item(key, line, node, self.budget) {
            Ok(item) => {
                let field = SmolStr::from(item.field.as_str());
                let parts: Vec<Expr> = item
                    .checks
                    .into_iter()
                    .map(|(check, shown)| {
                        self.predicates.push(Predicate { field: field.clone(), line, check: Arc::new(check), shown });
                        Expr::Predicate(self.predicates.len() - 1)
                    })
                    .collect();
                let expr = match parts.len() {
                    1 => parts.into_iter().next()?,
                    _ if item.all => Expr::All(parts),
                    _ => Expr::Any(parts),
                };
                Some(if item.negate { Expr::Not(Box::new(expr)) } else { expr })
            }
            Err(wrongs) => {
                let file = self.file;
                self.problems.extend(
                    wrongs.into_iter().map(|(line, code, message, remedy)| Problem::error(file, line, code, message).remedy(remedy)),
                );
                None
            }
        }
    }
}
