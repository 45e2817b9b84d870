//! Whether the claims pin the rules: each term is taken away and each threshold moved by one, and some claim must notice.
//!
//! A rule is changed as text, line by line, so that a survivor is reported at the author's own line. `event.name` is left alone: like the logsource it says which
//! events the rule is about, not what about them is wrong.

use crate::claims::{self, Judged, Staged};
use crate::condition;
use crate::run::{compiled, unreached};
use crate::verdict::{Outcome, Verdict};
use finding::Finding;
use sigma::Rule;
use strategy::{Pack, Strategy};

/// Marks a line whose mutations change nothing that a claim could see: `# equivalent: reason`, or `# equivalent WORD: reason` for those whose name has that word.
const EXEMPT: &str = "# equivalent";

/// A changed rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// The rule's text.
    pub text: String,
    /// Line of the change within the text, from 0.
    pub line: usize,
    /// What was changed.
    pub what: String,
    /// Why it is exempt.
    pub exempt: Option<String>,
}

/// Changes each of the page's rules, one term at a time.
pub fn test(pack: &Pack, page: &Strategy, rules: &[Rule], staged: &[Staged<'_>], judged: &[Judged]) -> Vec<Verdict> {
    let mut out = Vec::new();
    for (index, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.file == page.file) {
        for mutant in mutants(&rule.text) {
            let outcome = match &mutant.exempt {
                Some(why) => Outcome::Skipped(why.clone()),
                None => play(pack, page, rules, index, &mutant, staged, judged),
            };
            out.push(Verdict {
                strategy: page.id.clone(),
                name: format!("{} > Strategy Abstract > {} > {}", page.id, rule.name, mutant.what),
                slug: strategy::scenario::slug(&format!("{} {}", rule.name, mutant.what)),
                claim: "mutation",
                file: page.file.clone(),
                line: rule.line + mutant.line,
                outcome,
                notes: Vec::new(),
                composed: String::new(),
            });
        }
    }
    out
}

fn play(pack: &Pack, page: &Strategy, rules: &[Rule], index: usize, mutant: &Mutant, staged: &[Staged<'_>], judged: &[Judged]) -> Outcome {
    let original = &rules[index];
    let (parsed, _) = sigma::parse(&mutant.text, &original.file, original.line);
    let Some(mut changed) = parsed.into_iter().next() else {
        return Outcome::Skipped("the rule cannot be read without it".to_owned());
    };
    let mut rules = rules.to_vec();
    changed.speaks = original.speaks;
    rules[index] = changed;
    let table = compiled(pack, rules);
    let mut findings: Vec<Finding> = Vec::new();
    // A claim that is only untested (its fence is still to be written) can notice a change all the same; one that is broken cannot.
    let steady = |before: &Judged| matches!(before.outcome, Outcome::Held | Outcome::Untested(_));
    let full = format!("{}/{}", page.id, original.name);
    let concerns = |before: &Judged| before.findings.iter().any(|finding| finding.rules.contains_key(full.as_str()));
    let mut claims: Vec<(&Staged<'_>, &Judged)> = staged.iter().zip(judged).filter(|(_, before)| steady(before)).collect();
    // Claims in which the rule takes part notice first, so the others need not be played.
    claims.sort_by_key(|(_, before)| !concerns(before));
    for (staged, before) in claims {
        let after = claims::judge(page, staged, &table);
        if after.outcome != before.outcome {
            return Outcome::Held;
        }
        findings.extend(after.findings);
    }
    let reached_before: Vec<&Finding> = judged.iter().filter(|before| steady(before)).flat_map(|judged| &judged.findings).collect();
    let after: Vec<&Finding> = findings.iter().collect();
    if unreached(page, &after).len() > unreached(page, &reached_before).len() {
        return Outcome::Held;
    }
    Outcome::Broken(format!("no claim notices {}: add a scenario that does, or `{EXEMPT}: reason` to the line", mutant.what))
}

/// Every mutant of a rule's text, in the order of its lines.
pub fn mutants(text: &str) -> Vec<Mutant> {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = Vec::new();
    let mut path: Vec<(usize, String)> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some((indent, key, value)) = entry(line) else { continue };
        path.retain(|(above, _)| *above < indent);
        let within: Vec<&str> = path.iter().map(|(_, key)| key.as_str()).collect();
        let mut add = |text: Vec<String>, what: String| {
            out.push(Mutant { text: text.join("\n") + "\n", line: at, exempt: exempt(line, &what), what });
        };
        match within[..] {
            ["detection"] if key == "condition" && !value.is_empty() => {
                for (condition, dropped) in condition::drops(&value) {
                    add(
                        replaced(&lines, at, &format!("{}condition: {condition}", " ".repeat(indent))),
                        format!("without {dropped:?} in the condition"),
                    );
                }
            }
            ["detection", selection] if selection != "condition" => {
                let end = block_end(&lines, at, indent);
                // The last field of a selection cannot be taken away; the condition's own mutants take the whole selection.
                if key != "event.name" && siblings(&lines, at, indent) > 1 && !line.trim_start().starts_with("- ") {
                    let shown = if value.is_empty() { key.clone() } else { format!("{key}: {value}") };
                    add(without(&lines, at, end), format!("without `{shown}`"));
                }
                if is_bound(&key) {
                    for (moved, number) in moves(&value) {
                        add(replaced(&lines, at, &line.replacen(&value, &number, 1)), format!("with `{key}: {number}`, moved {moved}"));
                    }
                }
            }
            ["correlation", "condition"] if ["gt", "gte", "lt", "lte"].contains(&key.as_str()) => {
                for (moved, number) in moves(&value) {
                    add(replaced(&lines, at, &line.replacen(&value, &number, 1)), format!("with `{key}: {number}`, moved {moved}"));
                }
            }
            _ => {}
        }
        path.push((indent, key));
    }
    out
}

/// Indentation, key and value of a `key: value` line, a dash before it counted as indentation; the comment is not part of the value.
fn entry(line: &str) -> Option<(usize, String, String)> {
    let bare = line.trim_start_matches([' ', '-']);
    if bare.starts_with('#') {
        return None;
    }
    let indent = line.len() - bare.len();
    let (key, value) = bare.split_once(':')?;
    if !(value.is_empty() || value.starts_with(char::is_whitespace)) {
        return None;
    }
    let value = value.split(" #").next().unwrap_or_default().trim();
    Some((indent, key.trim().trim_matches(['\'', '"']).to_owned(), value.to_owned()))
}

fn exempt(line: &str, what: &str) -> Option<String> {
    let (words, why) = line.split_once(EXEMPT)?.1.split_once(':')?;
    let mut words = words.split(',').map(str::trim).filter(|word| !word.is_empty()).peekable();
    let concerns = words.peek().is_none() || words.any(|word| what.contains(word));
    concerns.then(|| why.trim().to_owned())
}

fn is_bound(key: &str) -> bool {
    key.split('|').skip(1).any(|modifier| ["gt", "gte", "lt", "lte"].contains(&modifier))
}

/// A number, one up and one down.
fn moves(value: &str) -> Vec<(&'static str, String)> {
    if let Ok(n) = value.parse::<i64>() {
        return vec![("up", n.saturating_add(1).to_string()), ("down", n.saturating_sub(1).to_string())];
    }
    match value.parse::<f64>() {
        Ok(n) => vec![("up", (n + 1.0).to_string()), ("down", (n - 1.0).to_string())],
        Err(_) => Vec::new(),
    }
}

/// Line after the last one that belongs to the entry at `at`: deeper ones, and the items of its list.
fn block_end(lines: &[&str], at: usize, indent: usize) -> usize {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let belongs = |line: &&str| {
        let bare = line.trim_start();
        bare.is_empty() || depth(line) > indent || (depth(line) == indent && bare.starts_with("- ") && lines[at].trim_end().ends_with(':'))
    };
    at + 1 + lines[at + 1..].iter().take_while(|line| belongs(line)).count()
}

/// How many entries the mapping of the entry at `at` has.
fn siblings(lines: &[&str], at: usize, indent: usize) -> usize {
    let same = |line: &&str| match entry(line) {
        Some((other, ..)) if other == indent => Some(1),
        Some((other, ..)) if other < indent => None,
        _ => Some(0),
    };
    let dash = |line: &str| line.trim_start().starts_with("- ");
    let mut count = 1;
    if !dash(lines[at]) {
        for line in lines[..at].iter().rev() {
            let Some(n) = same(line) else { break };
            count += n;
            if n == 1 && dash(line) {
                break;
            }
        }
    }
    for line in &lines[at + 1..] {
        let Some(n) = same(line) else { break };
        if n == 1 && dash(line) {
            break;
        }
        count += n;
    }
    count
}

fn replaced(lines: &[&str], at: usize, line: &str) -> Vec<String> {
    lines.iter().enumerate().map(|(n, old)| if n == at { line.to_owned() } else { (*old).to_owned() }).collect()
}

/// The text without the lines; what is taken out becomes empty lines, so that line numbers stay.
fn without(lines: &[&str], at: usize, end: usize) -> Vec<String> {
    lines.iter().enumerate().map(|(n, old)| if (at..end).contains(&n) { String::new() } else { (*old).to_owned() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "\
title: x
level: medium
detection:
  selection:
    event.name: container.accumulated
    accumulated.standing|gte: 20
    container.networks:
      - a
      - b
  other:
    x: 1 # equivalent: cannot be otherwise
    y|lt: 2.5
  condition: selection and not other
";

    #[test]
    fn every_term_and_bound_is_changed() {
        let what: Vec<String> = mutants(RULE).into_iter().map(|mutant| format!("{} {}", mutant.line, mutant.what)).collect();
        assert_eq!(
            what,
            [
                "5 without `accumulated.standing|gte: 20`",
                "5 with `accumulated.standing|gte: 21`, moved up",
                "5 with `accumulated.standing|gte: 19`, moved down",
                "6 without `container.networks`",
                "10 without `x: 1`",
                "11 without `y|lt: 2.5`",
                "11 with `y|lt: 3.5`, moved up",
                "11 with `y|lt: 1.5`, moved down",
                "12 without \"selection\" in the condition",
                "12 without \"not other\" in the condition",
            ]
        );
    }

    #[test]
    fn a_mutant_differs_in_its_line_only() {
        for mutant in mutants(RULE) {
            let (before, after): (Vec<&str>, Vec<&str>) = (RULE.lines().collect(), mutant.text.lines().collect());
            assert_eq!(before.len(), after.len());
            let first = before.iter().zip(&after).position(|(a, b)| a != b);
            assert_eq!(first, Some(mutant.line), "{mutant:?}");
        }
        assert_eq!(mutants(RULE)[4].exempt.as_deref(), Some("cannot be otherwise"));
    }

    #[test]
    fn one_change_of_a_line_can_be_exempt() {
        let text = "detection:\n  a:\n    x|gte: 20 # equivalent up: the next is never reached\n  b:\n    y: 1\n  condition: a and b # equivalent \"b\": it goes with a\n";
        let found: Vec<(String, bool)> = mutants(text).into_iter().map(|mutant| (mutant.what, mutant.exempt.is_some())).collect();
        let exempt: Vec<&str> = found.iter().filter(|(_, exempt)| *exempt).map(|(what, _)| what.as_str()).collect();
        assert_eq!(exempt, ["with `x|gte: 21`, moved up", "without \"b\" in the condition"], "{found:?}");
    }

    #[test]
    fn the_bound_of_a_correlation_is_moved() {
        let text = "correlation:\n  type: event_count\n  rules: [a]\n  timespan: 60s\n  condition:\n    gte: 5\n";
        assert_eq!(mutants(text).len(), 2);
        assert!(mutants(text)[0].text.contains("gte: 6"));
    }
}
