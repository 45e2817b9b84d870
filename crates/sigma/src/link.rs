//! Correlations and the rules that they name: takes rules; finds each reference, orders correlations so that one comes after those it counts, and settles which rules speak.

use crate::check::Compare;
use crate::kinds::check_field;
use crate::message::message_fields;
use crate::parse::hash;
use crate::rule::{Correlation, CorrelationKind, Rule};
use crate::set::Source;
use event::problem::nearest;
use event::{Problem, SmolStr, Span};
use std::collections::{BTreeMap, BTreeSet};

/// Rules that one correlation names; their presence is a bit each.
pub(crate) const MEMBERS_MAX: usize = 64;

/// Names that are looked through for a suggestion.
const SUGGESTIONS_MAX: usize = 200;

/// A correlation with its references found.
#[derive(Clone, Debug)]
pub(crate) struct Linked {
    pub rule: usize,
    pub kind: CorrelationKind,
    pub span: Span,
    pub conditions: Vec<(Compare, u64)>,
    pub members: Vec<Member>,
    /// State is kept under it: it changes when the correlation or any rule below it does.
    pub key: u64,
}

/// A rule that a correlation counts, and where its events hold what the correlation asks for.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub rule: usize,
    pub group: Vec<Source>,
    pub counted: Vec<Source>,
    pub carried: Vec<(SmolStr, Source)>,
}

/// Links all correlations of `rules`, and sets what depends on the links: who speaks, kinds, entity and content hash.
pub(crate) fn link(rules: &mut [Rule], problems: &mut Vec<Problem>) -> Vec<Linked> {
    warn_of_repeats(rules, problems);
    let names = Names::new(rules);
    // For each correlation, the rules that it names; absent when a reference is wrong.
    let mut references: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, rule) in rules.iter().enumerate() {
        if let Some(correlation) = &rule.correlation
            && let Some(members) = resolve(rules, &names, index, correlation, problems)
        {
            references.insert(index, members);
        }
    }
    silence(rules, &references);
    let mut linked: Vec<Linked> = Vec::new();
    let mut copies: BTreeMap<u64, u32> = BTreeMap::new();
    for index in order(&references, rules, problems) {
        let Some(members) = references.get(&index) else { continue };
        let mut kinds: Vec<_> = members.iter().flat_map(|m| rules[*m].kinds.iter().copied()).collect();
        kinds.sort();
        kinds.dedup();
        let below: Vec<String> = members.iter().map(|m| rules[*m].content_hash.to_string()).collect();
        let rule = &mut rules[index];
        rule.content_hash = hash(&format!("{} {}", rule.content_hash, below.join(" ")));
        if rule.entity.is_empty() {
            let container = kinds.iter().any(|kind| kind.has_field(event::dictionary::CONTAINER_ID));
            rule.entity = vec![SmolStr::new_static(if container { "container.id" } else { "host.name" })];
        }
        rule.kinds = kinds;
        let rule = &rules[index];
        let Some(correlation) = &rule.correlation else { continue };
        let wrong = check_fields(rules, rule, correlation, members);
        if !wrong.is_empty() {
            problems.extend(wrong);
            continue;
        }
        // The same correlation may stand twice; each keeps its own state.
        let twins = copies.entry(rule.content_hash).or_insert(0u32);
        *twins += 1;
        linked.push(Linked {
            rule: index,
            kind: correlation.kind,
            span: correlation.timespan,
            conditions: correlation.conditions.clone(),
            members: members.iter().map(|m| member(rules, rule, correlation, *m)).collect(),
            key: hash(&format!("{} {twins}", rule.content_hash)),
        });
    }
    linked
}

/// The fields that a rule's signals carry.
pub(crate) fn carried_names(rule: &Rule) -> Vec<SmolStr> {
    let mut names: Vec<SmolStr> = Vec::new();
    let group_by = rule.correlation.iter().flat_map(|c| c.group_by.iter().cloned());
    let message = message_fields(&rule.message).into_iter().map(SmolStr::from);
    let always = ["host.name", "container.id", "container.name", "explained.by", "witnesses"].map(SmolStr::new_static);
    for name in rule.entity.iter().cloned().chain(message).chain(group_by).chain(always) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn member(rules: &[Rule], rule: &Rule, correlation: &Correlation, index: usize) -> Member {
    let source = |name: &SmolStr| Source::named(field_for(rules, correlation, name, index));
    Member {
        rule: index,
        group: correlation.group_by.iter().map(source).collect(),
        counted: correlation.fields.iter().map(source).collect(),
        carried: carried_names(rule).into_iter().map(|name| (name.clone(), source(&name))).collect(),
    }
}

/// The field that a name stands for in events of a member: by its alias, else itself.
fn field_for<'a>(rules: &[Rule], correlation: &'a Correlation, name: &'a SmolStr, member: usize) -> &'a str {
    let alias = correlation.aliases.iter().find(|(alias, _)| alias == name);
    let field = alias.and_then(|(_, of_rules)| of_rules.iter().find(|(rule, _)| rules[member].is_called(rule)));
    field.map_or(name, |(_, field)| field)
}

impl Rule {
    /// Whether a reference means this rule.
    fn is_called(&self, reference: &str) -> bool {
        self.name == reference || (!self.id.is_empty() && self.id.eq_ignore_ascii_case(reference))
    }
}

/// Which rules have a name or an id.
struct Names(BTreeMap<String, Vec<usize>>);

impl Names {
    fn new(rules: &[Rule]) -> Names {
        let mut names: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, rule) in rules.iter().enumerate() {
            names.entry(rule.name.clone()).or_default().push(index);
            if !rule.id.is_empty() && rule.id.to_lowercase() != rule.name {
                names.entry(rule.id.to_lowercase()).or_default().push(index);
            }
        }
        Names(names)
    }

    fn find(&self, reference: &str) -> &[usize] {
        self.0.get(reference).or_else(|| self.0.get(&reference.to_lowercase())).map_or(&[], Vec::as_slice)
    }
}

/// Finds the rules that a correlation names: those of its own file first, as names are unique only there.
fn resolve(rules: &[Rule], names: &Names, index: usize, correlation: &Correlation, problems: &mut Vec<Problem>) -> Option<Vec<usize>> {
    let rule = &rules[index];
    let mut members = Vec::new();
    let mut fine = true;
    let mut wrong = |problem: Problem| {
        problems.push(problem);
        fine = false;
    };
    for reference in &correlation.rules {
        let all = names.find(reference);
        let own: Vec<usize> = all.iter().copied().filter(|m| rules[*m].file == rule.file).collect();
        let found = if own.is_empty() { all } else { own.as_slice() };
        match found {
            [one] => members.push(*one),
            [] => {
                let near = nearest(
                    reference,
                    rules.iter().filter(|r| r.file == rule.file && r.name != rule.name).map(|r| r.name.as_str()).take(SUGGESTIONS_MAX),
                );
                let remedy = near.map_or_else(
                    || "give that rule a `name`, and refer to it by that".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                wrong(
                    Problem::error(
                        &rule.file,
                        correlation.line,
                        "unknown-rule",
                        format!("refers to the rule `{reference}`, which does not exist or could not be read"),
                    )
                    .remedy(remedy),
                );
            }
            [first, second, ..] => wrong(
                Problem::error(
                    &rule.file,
                    correlation.line,
                    "ambiguous-rule",
                    format!("refers to the rule `{reference}`, which exists more than once"),
                )
                .remedy(format!(
                    "refer to it by id; it stands at {}:{} and {}:{}",
                    rules[*first].file, rules[*first].line, rules[*second].file, rules[*second].line
                )),
            ),
        }
    }
    if members.len() > MEMBERS_MAX {
        wrong(
            Problem::error(&rule.file, correlation.line, "correlation-rules", format!("refers to more than {MEMBERS_MAX} rules"))
                .remedy("write a rule that joins some of them"),
        );
    }
    for (alias, of_rules) in &correlation.aliases {
        for (reference, _) in of_rules {
            if !members.iter().any(|m| rules[*m].is_called(reference)) {
                wrong(
                    Problem::error(
                        &rule.file,
                        correlation.line,
                        "aliases",
                        format!("has the alias `{alias}` for the rule `{reference}`, to which it does not refer"),
                    )
                    .remedy(format!("its rules are: {}", correlation.rules.join(", "))),
                );
            }
        }
    }
    fine.then_some(members)
}

/// A rule that only correlations without `generate` use gives no signals of its own.
fn silence(rules: &mut [Rule], references: &BTreeMap<usize, Vec<usize>>) {
    let mut heard: BTreeMap<usize, bool> = BTreeMap::new();
    for (index, members) in references {
        let generate = rules[*index].correlation.as_ref().is_some_and(|c| c.generate);
        for member in members {
            *heard.entry(*member).or_default() |= generate;
        }
    }
    for (member, speaks) in heard {
        rules[member].speaks &= speaks;
    }
}

/// Correlations, each after those that it names; the ones that go round in a circle are told and left out.
fn order(references: &BTreeMap<usize, Vec<usize>>, rules: &[Rule], problems: &mut Vec<Problem>) -> Vec<usize> {
    let mut waiting: BTreeMap<usize, usize> = BTreeMap::new();
    let mut waited_for: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, members) in references {
        let below: BTreeSet<usize> = members.iter().copied().filter(|m| rules[*m].correlation.is_some()).collect();
        // A reference to a correlation that could not be linked never comes about, and holds nothing up.
        let below: Vec<usize> = below.into_iter().filter(|m| references.contains_key(m)).collect();
        waiting.insert(*index, below.len());
        below.iter().for_each(|m| waited_for.entry(*m).or_default().push(*index));
    }
    let mut ready: BTreeSet<usize> = waiting.iter().filter(|(_, n)| **n == 0).map(|(index, _)| *index).collect();
    let mut ordered = Vec::new();
    while let Some(index) = ready.pop_first() {
        ordered.push(index);
        waiting.remove(&index);
        for above in waited_for.remove(&index).unwrap_or_default() {
            if let Some(n) = waiting.get_mut(&above) {
                *n -= 1;
                if *n == 0 {
                    ready.insert(above);
                }
            }
        }
    }
    for index in waiting.into_keys() {
        let rule = &rules[index];
        let line = rule.correlation.as_ref().map_or(rule.line, |c| c.line);
        problems.push(
            Problem::error(
                &rule.file,
                line,
                "circular-correlation",
                format!("refers to itself, by way of {}", rule.correlation.as_ref().map_or(String::new(), |c| c.rules.join(", "))),
            )
            .remedy("let it refer to the rules below"),
        );
    }
    ordered
}

fn check_fields(rules: &[Rule], rule: &Rule, correlation: &Correlation, members: &[usize]) -> Vec<Problem> {
    let mut wrong: Vec<Problem> = Vec::new();
    for (name, line) in &rule.fields {
        let of_members =
            members.iter().filter_map(|m| check_field(field_for(rules, correlation, name, *m), &rules[*m].kinds, &rule.file, *line));
        wrong.extend(of_members.take(1));
    }
    for (name, line) in &rule.named {
        // An alias is known, and was checked where it groups; other names must be on some event that can complete the correlation.
        if !correlation.aliases.iter().any(|(alias, _)| alias == name) {
            wrong.extend(check_field(name, &rule.kinds, &rule.file, *line));
        }
    }
    wrong
}

fn warn_of_repeats(rules: &[Rule], problems: &mut Vec<Problem>) {
    let mut seen: BTreeMap<(&str, &str), &Rule> = BTreeMap::new();
    for rule in rules {
        if let Some(first) = seen.insert((&rule.file, &rule.name), rule) {
            problems.push(
                Problem::warning(
                    &rule.file,
                    rule.line,
                    "duplicate-name",
                    format!("has the name `{}`, as the rule in line {} has", rule.name, first.line),
                )
                .remedy("give each rule of a file a `name` of its own"),
            );
        }
    }
}
