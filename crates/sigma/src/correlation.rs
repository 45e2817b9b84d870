//! The `correlation` of a rule: takes its YAML; gives what to count, over what, and when it holds.

use crate::check::{Compare, Number};
use crate::detection::errors;
use crate::rule::{Correlation, CorrelationKind};
use crate::window::ENTRIES_PER_GROUP_MAX;
use crate::yaml::{Entry, Node};
use event::problem::nearest;
use event::{Problem, SmolStr, Span};

const KEYS: [&str; 7] = ["type", "rules", "group-by", "timespan", "condition", "aliases", "generate"];
const KINDS: [(&str, CorrelationKind); 4] = [
    ("event_count", CorrelationKind::EventCount),
    ("value_count", CorrelationKind::ValueCount),
    ("temporal", CorrelationKind::Temporal),
    ("temporal_ordered", CorrelationKind::TemporalOrdered),
];

/// Parses the value of `correlation`. `None` when something in it was an error.
pub(crate) fn parse(node: &Node, file: &str, problems: &mut Vec<Problem>) -> Option<Correlation> {
    let Some(entries) = node.map() else {
        problems
            .push(Problem::error(file, node.line, "correlation", format!("has {} as its correlation", node.shape())).remedy("write a map"));
        return None;
    };
    let before = errors(problems);
    let mut c = Correlation {
        kind: CorrelationKind::EventCount,
        rules: Vec::new(),
        group_by: Vec::new(),
        timespan: Span::ZERO,
        fields: Vec::new(),
        conditions: Vec::new(),
        aliases: Vec::new(),
        generate: false,
        line: node.line,
    };
    for Entry { key, line, value } in entries {
        match key.as_str() {
            "type" => match value.text().and_then(|text| KINDS.iter().find(|(name, _)| *name == text)) {
                Some((_, kind)) => c.kind = *kind,
                None => {
                    let names = KINDS.map(|(name, _)| name);
                    let text = value.text().unwrap_or(value.shape());
                    let remedy = match nearest(text, names) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("the types are: {}", names.join(", ")),
                    };
                    problems.push(
                        Problem::error(file, *line, "correlation-type", format!("has the correlation type `{text}`, which is not known"))
                            .remedy(remedy),
                    );
                }
            },
            "rules" => c.rules = texts(value, "rules", file, problems).into_iter().map(String::from).collect(),
            "group-by" => c.group_by = texts(value, "group-by", file, problems),
            "timespan" => match value.text().and_then(timespan) {
                Some(span) => c.timespan = span,
                None => problems.push(
                    Problem::error(
                        file,
                        *line,
                        "timespan",
                        format!("has the time span `{}`, which is not one", value.text().unwrap_or(value.shape())),
                    )
                    .remedy("write a number and a unit: 30s, 10m, 2h, 7d"),
                ),
            },
            "condition" => condition(value, &mut c, file, problems),
            "aliases" => aliases(value, &mut c, file, problems),
            "generate" => match value.bool() {
                Some(generate) => c.generate = generate,
                None => problems.push(Problem::error(file, *line, "value", "has a value of `generate` that is neither true nor false")),
            },
            other => {
                let remedy = match nearest(other, KEYS) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the keys are: {}", KEYS.join(", ")),
                };
                problems.push(
                    Problem::error(file, *line, "unknown-key", format!("has the unknown key `{other}` in its correlation")).remedy(remedy),
                );
            }
        }
    }
    let has = |key: &str| entries.iter().any(|entry| entry.key == key);
    let mut missing = |key: &str, remedy: &str| {
        problems.push(Problem::error(file, node.line, "missing-key", format!("has no `{key}` in its correlation")).remedy(remedy));
    };
    for (key, remedy) in [
        ("type", "add one, for example `type: event_count`"),
        ("rules", "name the rules that it counts"),
        ("timespan", "add one, for example `timespan: 10m`"),
    ] {
        if !has(key) {
            missing(key, remedy);
        }
    }
    let counts = matches!(c.kind, CorrelationKind::EventCount | CorrelationKind::ValueCount);
    if counts && has("type") && !has("condition") {
        missing("condition", "add one, for example `condition: { gte: 10 }`");
    }
    if c.kind == CorrelationKind::ValueCount && has("condition") && c.fields.is_empty() {
        missing("condition.field", "say whose values are counted, for example `condition: { field: container.name, gte: 10 }`");
    }
    if !counts && c.rules.len() == 1 {
        problems.push(
            Problem::warning(file, node.line, "correlation-rules", "waits for several rules, but names only one")
                .remedy("name the others, or use `event_count`"),
        );
    }
    (errors(problems) == before).then_some(c)
}

fn texts(node: &Node, key: &str, file: &str, problems: &mut Vec<Problem>) -> Vec<SmolStr> {
    let mut found: Vec<SmolStr> = Vec::new();
    for value in node.each() {
        match value.text() {
            Some(text) if found.iter().any(|t| t == text) => {
                problems.push(Problem::warning(file, value.line, "repeated", format!("names `{text}` twice in `{key}`")));
            }
            Some(text) => found.push(text.into()),
            None => {
                problems.push(Problem::error(file, value.line, "value", format!("has {} in `{key}`", value.shape())).remedy("write a name"))
            }
        }
    }
    if found.is_empty() && key == "rules" {
        problems.push(Problem::error(file, node.line, "missing-key", "has no rule to correlate").remedy("name rules by `name` or `id`"));
    }
    found
}

fn condition(node: &Node, c: &mut Correlation, file: &str, problems: &mut Vec<Problem>) {
    let Some(entries) = node.map() else {
        problems.push(
            Problem::error(file, node.line, "correlation-condition", format!("has {} as the condition of its correlation", node.shape()))
                .remedy("write a comparison, for example `condition: { gte: 10 }`; for temporal correlations leave it out"),
        );
        return;
    };
    for Entry { key, line, value } in entries {
        if key == "field" {
            c.fields = texts(value, "condition.field", file, problems);
            continue;
        }
        let Some(compare) = Compare::named(key) else {
            problems.push(
                Problem::error(file, *line, "unknown-key", format!("has the unknown comparison `{key}`"))
                    .remedy("the comparisons are: gt, gte, lt, lte, eq, neq"),
            );
            continue;
        };
        match value.text().and_then(Number::parse) {
            Some(Number::Int(n)) if (0..=ENTRIES_PER_GROUP_MAX as i128).contains(&n) => c.conditions.push((compare, n as u64)),
            Some(Number::Int(n)) if n > 0 => problems.push(
                Problem::error(
                    file,
                    *line,
                    "threshold",
                    format!("counts to {n}, more than the {ENTRIES_PER_GROUP_MAX} that are kept of one group"),
                )
                .remedy("lower the number, or group more finely"),
            ),
            _ => problems.push(
                Problem::error(
                    file,
                    *line,
                    "value",
                    format!("compares with `{}`, which is not a whole number", value.text().unwrap_or(value.shape())),
                )
                .remedy("write a number from 0"),
            ),
        }
    }
    if c.conditions.is_empty() && !entries.iter().any(|e| Compare::named(&e.key).is_some()) {
        problems.push(
            Problem::error(file, node.line, "correlation-condition", "has a condition without a comparison in its correlation")
                .remedy("add one, for example `gte: 10`"),
        );
    }
}

/// `aliases: { who: { rule_a: user.name, rule_b: user.target } }`
fn aliases(node: &Node, c: &mut Correlation, file: &str, problems: &mut Vec<Problem>) {
    let wrong = |line, shape: &str| {
        Problem::error(file, line, "aliases", format!("has {shape} in `aliases`")).remedy("write `alias: { rule: field }`")
    };
    let Some(entries) = node.map() else {
        problems.push(wrong(node.line, node.shape()));
        return;
    };
    for entry in entries {
        let Some(fields) = entry.value.map() else {
            problems.push(wrong(entry.line, entry.value.shape()));
            continue;
        };
        let mut of_rules = Vec::new();
        for field in fields {
            match field.value.text() {
                Some(text) => of_rules.push((field.key.clone(), SmolStr::from(text))),
                None => problems.push(wrong(field.line, field.value.shape())),
            }
        }
        c.aliases.push((entry.key.as_str().into(), of_rules));
    }
}

/// Reads `30s`, `10m`, `2h`, `7d`, `1w`, `1M` (30 days) and `1y` (365 days).
fn timespan(text: &str) -> Option<Span> {
    let unit = text.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        'M' => 30 * 86_400,
        'y' => 365 * 86_400,
        _ => return None,
    };
    let number: i64 = text[..text.len() - 1].trim().parse().ok().filter(|n| *n > 0)?;
    number.checked_mul(seconds)?.checked_mul(1_000_000_000).map(Span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_have_units() {
        for (text, seconds) in [
            ("30s", Some(30)),
            ("10m", Some(600)),
            ("2h", Some(7200)),
            ("1d", Some(86_400)),
            ("5", None),
            ("0s", None),
            ("-1m", None),
            ("9999999999y", None),
            ("1µ", None),
        ] {
            assert_eq!(timespan(text), seconds.map(Span::seconds), "{text}");
        }
    }
}
