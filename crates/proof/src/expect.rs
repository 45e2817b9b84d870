//! A finding against the page's `finding` fence, and the fence that a finding would have.

use event::{Prepared, Value};
use finding::Finding;
use std::collections::BTreeSet;
use strategy::Expected;

/// Stands for anything.
const ANYTHING: char = '…';

/// What differs between a finding and its fence; empty when it is the one expected.
pub fn differences(expected: &Expected, finding: &Finding) -> Vec<String> {
    let mut out = ranked_otherwise(expected, finding);
    if expected.message.is_empty() {
        return out;
    }
    if !fits(&filled(&expected.message, finding), &finding.message) {
        out.push(format!("the sentence is {:?}, not {:?}", finding.message, expected.message));
    }
    for (field, pattern) in &expected.entity {
        match finding.entity.get(field.as_str()) {
            None => out.push(format!("the entity has no {field}")),
            Some(value) if !fits(&filled(pattern, finding), &value.to_string()) => out.push(format!("{field} is {value}, not {pattern}")),
            Some(_) => {}
        }
    }
    for field in finding.entity.keys().filter(|field| !expected.entity.iter().any(|(known, _)| known == field.as_str())) {
        out.push(format!("the fence does not name the entity's {field}"));
    }
    out
}

/// Whether level or rule differ. They are the author's claim, and blessing never changes them.
pub fn ranked_otherwise(expected: &Expected, finding: &Finding) -> Vec<String> {
    let mut out = Vec::new();
    if finding.severity != expected.level {
        out.push(format!("the level is {}, not {}", finding.severity, expected.level));
    }
    let full = format!("{}/{}", finding.strategy, finding.rule);
    if expected.rule != finding.rule && expected.rule != full {
        out.push(format!("the rule {} opened it, not {}", finding.rule, expected.rule));
    }
    out
}

/// `{{field}}` becomes the entity's value, or anything when it has none.
fn filled(pattern: &str, finding: &Finding) -> String {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, behind)) = after.split_once("}}") else { break };
        out.push_str(before);
        match finding.entity.get(name.trim()) {
            Some(value) => out.push_str(&value.to_string()),
            None => out.push(ANYTHING),
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// Whether a text fits a pattern in which `…` stands for anything, nothing included.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split(ANYTHING);
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some((_, behind)) = rest.split_once(part) else { return false };
        rest = behind;
    }
    rest.ends_with(last)
}

/// The body of the fence that this finding would have: no ids, no times, no names made up for one run.
pub fn fence(finding: &Finding, runs: &BTreeSet<String>) -> String {
    let mut message = finding.message.clone();
    // Longest first, so that a value which is part of another does not cut it.
    let mut values: Vec<(&str, String)> = finding.entity.iter().map(|(field, value)| (field.as_str(), value.to_string())).collect();
    values.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
    for (field, value) in values.iter().filter(|(_, value)| value.chars().count() >= 4 && *value != "unknown") {
        message = message.replace(value.as_str(), &format!("{{{{{field}}}}}"));
    }
    let mut out = format!("{} {}\n{}\n", finding.severity, finding.rule, literal(&message, runs));
    for (field, value) in &finding.entity {
        let shown = match value {
            Value::Text(text) => literal(text, runs),
            other => other.to_string(),
        };
        out.push_str(&format!("{field}: {shown}\n"));
    }
    out
}

/// The text with `…` for what differs from run to run.
fn literal(text: &str, runs: &BTreeSet<String>) -> String {
    let mut text = text.to_owned();
    for run in runs {
        text = text.replace(run.as_str(), "…");
    }
    let is_part = |c: char| c.is_alphanumeric() || ":.-_+{}".contains(c);
    let mut out = String::new();
    let mut word = String::new();
    for c in text.chars().chain([' ']) {
        if is_part(c) {
            word.push(c);
            continue;
        }
        out.push_str(if differs(&word) { "…" } else { &word });
        word.clear();
        out.push(c);
    }
    out.pop();
    out
}

/// Ids, times and lengths of time.
fn differs(word: &str) -> bool {
    let bare = word.trim_end_matches(['.', ':']);
    let hex = bare.strip_prefix("sha256:").unwrap_or(bare);
    let is_id = hex.len() >= 12 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) && hex.bytes().any(|byte| byte.is_ascii_digit());
    let unit_at = bare.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(bare.len());
    let (digits, unit) = bare.split_at(unit_at);
    let is_span = ["ns", "µs", "ms", "s", "m", "h", "d"].contains(&unit) && digits.parse::<f64>().is_ok();
    is_id || is_span || event::Time::parse(bare).is_some()
}

/// Names that one run made up: values of the label `landwaiter.run`.
pub fn runs(records: &[Prepared]) -> BTreeSet<String> {
    const LABEL: &str = "\"landwaiter.run\":\"";
    let mut out = BTreeSet::new();
    for prepared in records {
        let event::Body::Data(bytes) = &prepared.record.body else { continue };
        let text = String::from_utf8_lossy(bytes);
        let mut rest = &*text;
        while let Some((_, after)) = rest.split_once(LABEL) {
            let (value, behind) = after.split_once('"').unwrap_or((after, ""));
            // A run's name of one or two letters would be replaced within other words.
            if value.len() >= 3 {
                out.insert(value.to_owned());
            }
            rest = behind;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_holes() {
        assert!(fits("25 containers of … stand", "25 containers of alpine:3.20 stand"));
        assert!(fits("…", "") && fits("a…", "a") && fits("…b…", "abc"));
        assert!(!fits("a…c", "abd") && !fits("a", "ab") && !fits("a…b…c", "acb"));
    }

    #[test]
    fn what_differs_from_run_to_run_is_a_hole() {
        let runs = BTreeSet::from(["lw-4711".to_owned()]);
        let text = literal("lw-4711-3 (8a5eca281e92) of alpine:3.20 stood 12.5s at 2026-11-24T13:41:18Z, 25 in all, 512m.", &runs);
        assert_eq!(text, "…-3 (…) of alpine:3.20 stood … at …, 25 in all, …");
    }
}
