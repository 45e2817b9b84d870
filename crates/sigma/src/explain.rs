//! Why a rule did or did not match an event: takes both; gives a tree to read. Slow and thorough, for people.

use crate::check::{Check, with_text};
use crate::condition::Condition;
use crate::detection::{Detection, Expr, Predicate};
use crate::kinds::of_logsource;
use crate::set::{RuleSet, Source};
use event::{Event, Fields, Value, ValueRef};
use std::collections::BTreeSet;
use std::fmt;

/// Values shown of one field.
const SHOWN_MAX: usize = 5;

/// Correlations that are written out with their rules below one another.
const CORRELATIONS_SHOWN_MAX: usize = 20;

/// Characters shown of one value.
const SHOWN_CHARS_MAX: usize = 120;

/// A part of a rule with what an event made of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Whether it held.
    pub held: bool,
    /// What it is: a rule's title, `all of`, a selection's name, or a predicate as it is written.
    pub what: String,
    /// For a predicate, the values that the event has; `None` for parts with parts of their own.
    pub actual: Option<Vec<String>>,
    /// Its parts.
    pub parts: Vec<Explanation>,
}

/// The event that came closest to a match.
#[derive(Clone, Debug, PartialEq)]
pub struct Nearest {
    /// Its position among the events.
    pub event: usize,
    /// How many predicates would have to be otherwise; 0 when it matched.
    pub missing: usize,
    /// Those predicates, as they are written, with the values that the event has.
    pub failed: Vec<(String, Vec<String>)>,
}

/// Explains what one event made of one rule. For a correlation: what it made of each rule that is counted.
pub fn explain(set: &RuleSet, event: &Event, rule: usize) -> Explanation {
    explain_rule(set, event, rule, &mut BTreeSet::new())
}

/// `written` holds the correlations above and beside that are written out already; a rule below several of them is written once.
fn explain_rule(set: &RuleSet, event: &Event, index: usize, written: &mut BTreeSet<usize>) -> Explanation {
    let bare = |held, what| Explanation { held, what, actual: None, parts: Vec::new() };
    let Some(rule) = set.rules.get(index) else { return bare(false, format!("no rule has the number {index}")) };
    if let Some(members) = members(set, index) {
        let held = plain_rules(set, index).into_iter().any(|rule| matches(set, event, rule));
        if !written.insert(index) || written.len() > CORRELATIONS_SHOWN_MAX {
            return bare(held, rule.title.clone());
        }
        let parts: Vec<Explanation> = members.map(|member| explain_rule(set, event, member, written)).collect();
        return Explanation {
            held,
            what: format!("{} (a correlation: an event counts when any of its rules holds)", rule.title),
            actual: None,
            parts,
        };
    }
    let Some(detection) = &rule.detection else { return bare(false, format!("{} (not in use: it has an error)", rule.title)) };
    let sourced = of_logsource(&rule.logsource).contains(&event.kind);
    let source =
        Explanation { held: sourced, what: "logsource".to_owned(), actual: Some(vec![event.kind.name().to_owned()]), parts: Vec::new() };
    let condition = explain_condition(detection, &detection.condition, event);
    Explanation { held: sourced && condition.held, what: rule.title.clone(), actual: None, parts: vec![source, condition] }
}

/// The rules that a correlation counts; `None` for a plain rule.
fn members(set: &RuleSet, rule: usize) -> Option<impl Iterator<Item = usize>> {
    set.correlations.iter().find(|linked| linked.rule == rule).map(|linked| linked.members.iter().map(|member| member.rule))
}

fn matches(set: &RuleSet, event: &Event, rule: usize) -> bool {
    set.rules.get(rule).is_some_and(|rule| {
        let detection = rule.detection.as_ref().filter(|_| of_logsource(&rule.logsource).contains(&event.kind));
        detection.is_some_and(|detection| explain_condition(detection, &detection.condition, event).held)
    })
}

/// Which of some events came closest to matching a rule, and what failed. `None` when no event is of a kind that the rule can match, by its
/// logsource and the event names that it asks for. A correlation is asked through its rules.
pub fn nearest<'e>(set: &RuleSet, rule: usize, events: impl IntoIterator<Item = &'e Event>) -> Option<Nearest> {
    let mut best: Option<Nearest> = None;
    let rules = plain_rules(set, rule);
    for (position, event) in events.into_iter().enumerate() {
        for rule in &rules {
            let Some(rule) = set.rules.get(*rule) else { continue };
            let Some(detection) = rule.detection.as_ref().filter(|_| rule.kinds.contains(&event.kind)) else { continue };
            let cost = Costs { detection, event }.condition(&detection.condition);
            if best.as_ref().is_none_or(|b| cost.to_hold.len() < b.missing) {
                let failed =
                    cost.to_hold.iter().map(|index| &detection.predicates[*index]).map(|p| (p.shown.clone(), actual(p, event))).collect();
                best = Some(Nearest { event: position, missing: cost.to_hold.len(), failed });
            }
        }
    }
    best
}

/// The plain rules at the bottom of a correlation, each once; of a plain rule itself.
fn plain_rules(set: &RuleSet, rule: usize) -> BTreeSet<usize> {
    let (mut plain, mut seen, mut open) = (BTreeSet::new(), BTreeSet::new(), vec![rule]);
    while let Some(rule) = open.pop() {
        if !seen.insert(rule) {
            continue;
        }
        match members(set, rule) {
            Some(members) => open.extend(members),
            None => {
                plain.insert(rule);
            }
        }
    }
    plain
}

/// The predicates that would have to be otherwise for a part to hold, and for it not to.
struct Cost {
    to_hold: Vec<usize>,
    to_fail: Vec<usize>,
}

struct Costs<'a> {
    detection: &'a Detection,
    event: &'a Event,
}

impl Costs<'_> {
    fn condition(&self, condition: &Condition) -> Cost {
        let each = |list: &[Condition]| list.iter().map(|c| self.condition(c)).collect::<Vec<_>>();
        match condition {
            Condition::Selection(index) => self.expr(&self.detection.selections[*index].expr),
            Condition::All(list) => Self::at_least(list.len(), each(list)),
            Condition::Any(list) => Self::at_least(1, each(list)),
            Condition::AtLeast(n, list) => Self::at_least(*n, each(list)),
            Condition::Not(inner) => Self::not(self.condition(inner)),
        }
    }

    fn expr(&self, expr: &Expr) -> Cost {
        let each = |list: &[Expr]| list.iter().map(|e| self.expr(e)).collect::<Vec<_>>();
        match expr {
            Expr::All(list) => Self::at_least(list.len(), each(list)),
            Expr::Any(list) => Self::at_least(1, each(list)),
            Expr::Not(inner) => Self::not(self.expr(inner)),
            Expr::Predicate(index) => {
                let held = holds(&self.detection.predicates[*index], self.event);
                let change = vec![*index];
                if held { Cost { to_hold: Vec::new(), to_fail: change } } else { Cost { to_hold: change, to_fail: Vec::new() } }
            }
        }
    }

    fn not(cost: Cost) -> Cost {
        Cost { to_hold: cost.to_fail, to_fail: cost.to_hold }
    }

    /// The cheapest way to make `n` hold, and to make fewer than `n` hold.
    fn at_least(n: usize, costs: Vec<Cost>) -> Cost {
        let join = |mut lists: Vec<Vec<usize>>, n: usize| {
            lists.sort_by_key(Vec::len);
            let mut joined: Vec<usize> = lists.into_iter().take(n).flatten().collect();
            joined.sort_unstable();
            joined.dedup();
            joined
        };
        let total = costs.len();
        let (hold, fail): (Vec<_>, Vec<_>) = costs.into_iter().map(|c| (c.to_hold, c.to_fail)).unzip();
        Cost { to_hold: join(hold, n), to_fail: join(fail, (total + 1).saturating_sub(n)) }
    }
}

fn explain_condition(detection: &Detection, condition: &Condition, event: &Event) -> Explanation {
    let each = |list: &[Condition]| list.iter().map(|c| explain_condition(detection, c, event)).collect::<Vec<_>>();
    match condition {
        Condition::Selection(index) => {
            let selection = &detection.selections[*index];
            let inner = explain_expr(detection, &selection.expr, event);
            let parts = if inner.actual.is_none() && inner.what == "all of" { inner.parts } else { vec![inner] };
            Explanation { held: parts.iter().all(|p| p.held), what: selection.name.clone(), actual: None, parts }
        }
        Condition::All(list) => group(usize::MAX, each(list)),
        Condition::Any(list) => group(1, each(list)),
        Condition::AtLeast(n, list) => group(*n, each(list)),
        Condition::Not(inner) => deny(explain_condition(detection, inner, event)),
    }
}

fn explain_expr(detection: &Detection, expr: &Expr, event: &Event) -> Explanation {
    let each = |list: &[Expr]| list.iter().map(|e| explain_expr(detection, e, event)).collect::<Vec<_>>();
    match expr {
        Expr::All(list) => group(usize::MAX, each(list)),
        Expr::Any(list) => group(1, each(list)),
        Expr::Not(inner) => deny(explain_expr(detection, inner, event)),
        Expr::Predicate(index) => {
            let predicate = &detection.predicates[*index];
            Explanation {
                held: holds(predicate, event),
                what: predicate.shown.clone(),
                actual: Some(actual(predicate, event)),
                parts: Vec::new(),
            }
        }
    }
}

/// `usize::MAX` stands for all.
fn group(n: usize, parts: Vec<Explanation>) -> Explanation {
    let held = parts.iter().filter(|p| p.held).count();
    let what = match n {
        usize::MAX => "all of".to_owned(),
        1 => "any of".to_owned(),
        n => format!("{n} of"),
    };
    Explanation { held: held >= n.min(parts.len()), what, actual: None, parts }
}

fn deny(inner: Explanation) -> Explanation {
    Explanation { held: !inner.held, what: "not".to_owned(), actual: None, parts: vec![inner] }
}

fn each_value<'e>(source: &Source, event: &'e Event, f: &mut dyn FnMut(ValueRef<'e>)) {
    match (source, &event.fields) {
        (Source::Everything, Fields::Native(decoded)) => decoded.document.each_leaf(f),
        (Source::Everything, Fields::Derived(list)) => list.iter().for_each(|(_, value)| value.each(f)),
        (Source::Named { field, .. }, Fields::Derived(_)) => {
            if let Some(value) = field.and_then(|field| event.derived(field)) {
                Value::each(value, f);
            }
        }
        (Source::Named { path, .. }, Fields::Native(_)) => event.each_native(path, f),
    }
}

fn holds(predicate: &Predicate, event: &Event) -> bool {
    let mut values = Vec::new();
    each_value(&Source::named(&predicate.field), event, &mut |v| values.push(v));
    match &*predicate.check {
        Check::Exists(is) => *is != values.is_empty(),
        Check::Values(check) if values.is_empty() => check.takes_absent(),
        Check::Values(check) => values.iter().any(|v| check.matches(*v)),
        Check::Reference { field, affix, cased } => {
            let mut others = Vec::new();
            each_value(&Source::named(field), event, &mut |v| others.push(v));
            let scalar = |v: &&ValueRef<'_>| !matches!(v, ValueRef::Null | ValueRef::Composite);
            values
                .iter()
                .filter(scalar)
                .any(|a| others.iter().filter(scalar).any(|b| with_text(*a, |a| with_text(*b, |b| affix.holds(a, b, *cased)))))
        }
    }
}

fn actual(predicate: &Predicate, event: &Event) -> Vec<String> {
    if predicate.field.is_empty() {
        return Vec::new();
    }
    let mut shown = Vec::new();
    let mut count = 0usize;
    let mut note = |field: &str| {
        each_value(&Source::named(field), event, &mut |value| {
            count += 1;
            if shown.len() < SHOWN_MAX {
                shown.push(show(value));
            }
        })
    };
    note(&predicate.field);
    if let Check::Reference { field, .. } = &*predicate.check {
        note(field);
    }
    if count > shown.len() {
        shown.push(format!("{} more", count - shown.len()));
    }
    shown
}

fn show(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Text(text) => {
            let short: String = text.chars().take(SHOWN_CHARS_MAX).collect();
            let rest = if short.len() < text.len() { "…" } else { "" };
            format!("'{}{rest}'", short.escape_debug())
        }
        ValueRef::Null => "null".to_owned(),
        ValueRef::Composite => "(an object or an empty list)".to_owned(),
        other => with_text(other, str::to_owned),
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

impl Explanation {
    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        write!(f, "{:width$}{} {}", "", if self.held { "✓" } else { "✗" }, self.what, width = depth * 2)?;
        match self.actual.as_deref() {
            None => {}
            Some([]) => f.write_str("   — is absent")?,
            Some(values) => write!(f, "   — is {}", values.join(", "))?,
        }
        writeln!(f)?;
        self.parts.iter().try_for_each(|part| part.write(f, depth + 1))
    }
}

impl fmt::Display for Nearest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.failed.as_slice() {
            [] => write!(f, "event {} matches", self.event + 1),
            [(what, values)] => write!(f, "event {} came closest; `{what}` failed, the value is {}", self.event + 1, values_text(values)),
            several => {
                write!(f, "event {} came closest; {} predicates failed:", self.event + 1, several.len())?;
                several.iter().try_for_each(|(what, values)| write!(f, "\n  `{what}`, the value is {}", values_text(values)))
            }
        }
    }
}

fn values_text(values: &[String]) -> String {
    if values.is_empty() { "absent".to_owned() } else { values.join(", ") }
}
