//! Which kinds of event a rule can match, and which fields it may then name.
//!
//! What the name of an event decides is decided here once, so that no event is ever asked for it. An answer may only err towards "perhaps".

use crate::check::Check;
use crate::condition::Condition;
use crate::detection::{Detection, Expr, Predicate};
use crate::rule::Logsource;
use event::dictionary::KINDS;
use event::problem::nearest;
use event::{FieldId, Kind, Problem, ValueRef};

/// What is known of a condition before any value is seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Known {
    True,
    False,
    Perhaps,
}

/// How a kind is looked at.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum View {
    /// Only the name of the event is known.
    Name,
    /// The name, and that fields which the dictionary does not list for it are absent.
    Fields,
}

/// Kinds whose logsource has every part that the rule's sets.
pub(crate) fn of_logsource(logsource: &Logsource) -> Vec<Kind> {
    let fits = |part: &str, own: &str| part.is_empty() || part.eq_ignore_ascii_case(own);
    Kind::all()
        .filter(|kind| {
            let (category, product, service) = kind.def().logsource;
            fits(&logsource.category, category) && fits(&logsource.product, product) && fits(&logsource.service, service)
        })
        .collect()
}

/// Whether a rule can match an event of this kind.
pub(crate) fn may_match(detection: &Detection, kind: Kind, view: View) -> bool {
    condition(detection, &detection.condition, kind, view) != Known::False
}

fn condition(detection: &Detection, c: &Condition, kind: Kind, view: View) -> Known {
    let each = |list: &'_ [Condition]| -> Vec<Known> { list.iter().map(|c| condition(detection, c, kind, view)).collect() };
    match c {
        Condition::Selection(index) => match detection.selections.get(*index) {
            Some(selection) => expr(detection, &selection.expr, kind, view),
            None => Known::Perhaps,
        },
        Condition::All(list) => all(&each(list)),
        Condition::Any(list) => at_least(1, &each(list)),
        Condition::AtLeast(n, list) => at_least(*n, &each(list)),
        Condition::Not(inner) => not(condition(detection, inner, kind, view)),
    }
}

fn expr(detection: &Detection, e: &Expr, kind: Kind, view: View) -> Known {
    let each = |list: &'_ [Expr]| -> Vec<Known> { list.iter().map(|e| expr(detection, e, kind, view)).collect() };
    match e {
        Expr::All(list) => all(&each(list)),
        Expr::Any(list) => at_least(1, &each(list)),
        Expr::Not(inner) => not(expr(detection, inner, kind, view)),
        Expr::Predicate(index) => detection.predicates.get(*index).map_or(Known::Perhaps, |p| predicate(p, kind, view)),
    }
}

/// What the kind alone says of a predicate.
pub(crate) fn predicate(predicate: &Predicate, kind: Kind, view: View) -> Known {
    let known = |holds| if holds { Known::True } else { Known::False };
    if kind.def().native || predicate.field.is_empty() {
        return Known::Perhaps;
    }
    if predicate.field == "event.name" {
        return match &*predicate.check {
            Check::Exists(is) => known(*is),
            Check::Values(values) => known(values.matches(ValueRef::Text(kind.name()))),
            Check::Reference { .. } => Known::Perhaps,
        };
    }
    if view == View::Fields && !FieldId::named(&predicate.field).is_some_and(|field| kind.has_field(field)) {
        return match &*predicate.check {
            Check::Exists(is) => known(!*is),
            Check::Values(values) => known(values.takes_absent()),
            Check::Reference { .. } => Known::False,
        };
    }
    Known::Perhaps
}

fn all(list: &[Known]) -> Known {
    if list.contains(&Known::False) {
        Known::False
    } else if list.iter().all(|k| *k == Known::True) {
        Known::True
    } else {
        Known::Perhaps
    }
}

fn at_least(n: usize, list: &[Known]) -> Known {
    let sure = list.iter().filter(|k| **k == Known::True).count();
    let possible = list.iter().filter(|k| **k != Known::False).count();
    if sure >= n {
        Known::True
    } else if possible < n {
        Known::False
    } else {
        Known::Perhaps
    }
}

fn not(known: Known) -> Known {
    match known {
        Known::True => Known::False,
        Known::False => Known::True,
        Known::Perhaps => Known::Perhaps,
    }
}

/// The kinds that a rule of this logsource may read, and the problems of its fields.
pub(crate) fn check(logsource: &Logsource, detection: &Detection, file: &str, line: usize, problems: &mut Vec<Problem>) -> Vec<Kind> {
    let mut sourced = of_logsource(logsource);
    if sourced.is_empty() {
        problems.push(unknown_logsource(logsource, file, line));
        // Ours in all but spelling: the fields can still be checked against every derived event.
        if !logsource.category.eq_ignore_ascii_case("container") && !logsource.product.eq_ignore_ascii_case("landwaiter") {
            return sourced;
        }
        sourced = Kind::all().filter(|kind| !kind.def().native).collect();
    }
    let names_wrong = check_names(&sourced, detection, file, problems);
    let kinds: Vec<Kind> = sourced.iter().copied().filter(|kind| may_match(detection, *kind, View::Name)).collect();
    if kinds.is_empty() && !names_wrong {
        problems.push(
            Problem::warning(file, line, "never-matches", "asks for an `event.name` that no event of its logsource has")
                .remedy("see docs/reference/fields.md for the events of each logsource"),
        );
    }
    let scope = if kinds.is_empty() { &sourced } else { &kinds };
    for predicate in &detection.predicates {
        problems.extend(check_field(&predicate.field, scope, file, predicate.line));
        if let Check::Reference { field, .. } = &*predicate.check {
            problems.extend(check_field(field, scope, file, predicate.line));
        }
    }
    kinds
}

/// Whether rules of this logsource are written for any product: their fields are a public taxonomy's, not our own.
pub(crate) fn is_public(logsource: &Logsource) -> bool {
    ["process_creation", "network_connection"].iter().any(|category| logsource.category.eq_ignore_ascii_case(category))
}

/// What is wrong with naming `field` in events of these kinds; native events have any path.
pub(crate) fn check_field(field: &str, kinds: &[Kind], file: &str, line: usize) -> Option<Problem> {
    if field.is_empty() || kinds.is_empty() || kinds.iter().any(|kind| kind.def().native) {
        return None;
    }
    let here =
        || event::dictionary::FIELDS.iter().filter_map(|def| FieldId::named(def.name)).filter(|f| kinds.iter().any(|k| k.has_field(*f)));
    match FieldId::named(field) {
        Some(id) if kinds.iter().any(|kind| kind.has_field(id)) => None,
        Some(id) => {
            let having: Vec<&str> = Kind::all().filter(|kind| kind.has_field(id)).map(Kind::name).take(4).collect();
            let these: Vec<&str> = kinds.iter().map(|kind| kind.name()).take(4).collect();
            Some(
                Problem::error(file, line, "field-not-here", format!("names the field `{field}`, which is not on {}", these.join(", ")))
                    .remedy(format!("it is on {}", having.join(", "))),
            )
        }
        None => {
            let remedy = match nearest(field, here().map(FieldId::name)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "docs/reference/fields.md lists the fields of each event".to_owned(),
            };
            Some(Problem::error(file, line, "unknown-field", format!("names the unknown field `{field}`")).remedy(remedy))
        }
    }
}

/// Checks the values of `event.name`; returns whether any is wrong.
fn check_names(sourced: &[Kind], detection: &Detection, file: &str, problems: &mut Vec<Problem>) -> bool {
    let before = problems.len();
    for predicate in detection.predicates.iter().filter(|p| p.field == "event.name") {
        let Check::Values(values) = &*predicate.check else { continue };
        let literals = values.texts.as_ref().and_then(|texts| texts.required()).unwrap_or_default();
        for name in literals {
            let problem = match Kind::named(name) {
                Some(kind) if sourced.contains(&kind) || sourced.iter().any(|kind| kind.def().native) => continue,
                Some(kind) => {
                    let (category, product, service) = kind.def().logsource;
                    let parts = [("category", category), ("product", product), ("service", service)];
                    let parts: Vec<String> = parts.iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| format!("{k}: {v}")).collect();
                    Problem::error(file, predicate.line, "unknown-event", format!("asks for `{name}`, which its logsource does not have"))
                        .remedy(format!("its logsource is `{}`", parts.join(", ")))
                }
                None => {
                    let remedy = match nearest(name, sourced.iter().map(|kind| kind.name())) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("the events are: {}", sourced.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")),
                    };
                    Problem::error(file, predicate.line, "unknown-event", format!("asks for the unknown event `{name}`")).remedy(remedy)
                }
            };
            problems.push(problem);
        }
    }
    problems.len() > before
}

fn unknown_logsource(logsource: &Logsource, file: &str, line: usize) -> Problem {
    let shown = |(category, product, service): (&str, &str, &str)| {
        let parts = [("category", category), ("product", product), ("service", service)];
        parts.iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| format!("{k}: {v}")).collect::<Vec<_>>().join(", ")
    };
    let own = shown((&logsource.category, &logsource.product, &logsource.service));
    let mut known: Vec<String> = KINDS.iter().map(|def| shown(def.logsource)).collect();
    known.dedup();
    let remedy = match nearest(&own, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "it is loaded, and waits for a source that gives such events".to_owned(),
    };
    Problem::warning(file, line, "no-source", format!("has the logsource `{own}`, which no ingested source gives")).remedy(remedy)
}
