//! Whether the sections of a page agree with each other: what the rules show is explained, what the priority and the response name is there.

use crate::front;
use crate::section::Section;
use crate::sources::{self, shown};
use crate::strategy::{Hole, PageKind, Status, Strategy};
use event::problem::nearest;
use event::{Gravity, Level, Problem, SmolStr};
use std::collections::BTreeSet;

/// Everything that can be said of a page without playing it.
pub fn check(strategy: &Strategy, problems: &mut Vec<Problem>) {
    // Where a rule could not be read, what refers to it is not wrong for that.
    let complete = !problems.iter().any(|problem| problem.gravity == Gravity::Error && in_abstract(strategy, problem.line));
    sections(strategy, problems);
    context(strategy, problems);
    scenarios(strategy, problems);
    if complete {
        rules(strategy, problems);
        reads(strategy, problems);
        priority(strategy, problems);
        response(strategy, problems);
        expected(strategy, problems);
    }
}

fn in_abstract(strategy: &Strategy, line: usize) -> bool {
    strategy.sections.iter().any(|part| part.section == Some(Section::StrategyAbstract) && (part.line..part.end).contains(&line))
}

/// Line of a section, for problems about what it lacks.
fn line_of(strategy: &Strategy, section: Section) -> usize {
    strategy.sections.iter().find(|part| part.section == Some(section)).map_or(1, |part| part.line)
}

fn sections(strategy: &Strategy, problems: &mut Vec<Problem>) {
    let file = &strategy.file;
    for section in Section::ALL {
        let found: Vec<_> = strategy.sections.iter().filter(|part| part.section == Some(section)).collect();
        if found.is_empty() {
            let said = format!("has no section {:?}", section.heading());
            let remedy = format!("add `## {}`: all nine are there before production", section.heading());
            problems.push(match strategy.status {
                Status::Production => Problem::error(file, 1, "missing-section", said).remedy(remedy),
                Status::Draft => Problem::warning(file, 1, "missing-section", said).remedy(remedy),
            });
        }
        if let Some(part) = found.first().filter(|part| part.text.trim().is_empty()) {
            problems.push(
                Problem::error(file, part.line, "empty-section", format!("the section {:?} is empty", part.title))
                    .remedy("write it or take it out"),
            );
        }
        for again in found.iter().skip(1) {
            problems.push(
                Problem::error(file, again.line, "section-twice", format!("the section {:?} is there twice", section.heading()))
                    .remedy("join them: the heading decides the verdict, so there is one"),
            );
        }
    }
    if !strategy.section(Section::Categorization).is_empty() && strategy.techniques.is_empty() {
        problems.push(
            Problem::warning(file, line_of(strategy, Section::Categorization), "no-technique", "maps to no live ATT&CK technique")
                .remedy("add a list item such as `T1610 Deploy Container (execution)`"),
        );
    }
}

fn rules(strategy: &Strategy, problems: &mut Vec<Problem>) {
    let file = &strategy.file;
    if strategy.rules.is_empty() && strategy.kind == PageKind::Strategy {
        problems.push(
            Problem::error(file, line_of(strategy, Section::StrategyAbstract), "no-rule", "has no rule")
                .remedy("add a ```yaml sigma fence to the Strategy Abstract"),
        );
    }
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for rule in &strategy.rules {
        if !seen.insert(&rule.name) {
            problems.push(
                Problem::error(file, rule.line, "rule-twice", format!("two rules of the page are called {:?}", rule.name))
                    .remedy("give each rule its own `name`"),
            );
        }
        if rule.speaks && rule.message.is_empty() {
            problems.push(
                Problem::warning(file, rule.line, "no-message", format!("the rule {:?} has no sentence", rule.name))
                    .remedy("add `landwaiter: { message: '{{container.name}} …' }`"),
            );
        }
    }
}

/// Declared sources against those that the rules need.
fn reads(strategy: &Strategy, problems: &mut Vec<Problem>) {
    let file = &strategy.file;
    let all = || strategy.sources.iter().chain(&strategy.enrichment).flat_map(|known| front::alternatives(known));
    let declared = |source: &str| all().any(|known| known == source);
    let mut used: BTreeSet<&str> = BTreeSet::new();
    for rule in &strategy.rules {
        for (what, any) in sources::needed(rule) {
            used.extend(any.iter().copied());
            if !any.iter().any(|source| declared(source)) {
                problems.push(
                    Problem::warning(
                        file,
                        rule.line,
                        "undeclared-source",
                        format!("the rule {:?} reads {what:?}, which no declared source shows", rule.name),
                    )
                    .remedy(format!("add `{}` to `sources`, or to `enrichment` if it works without", any.join("` or `"))),
                );
            }
        }
    }
    // Events about sight, or about what does not tally, rest on whatever there is.
    let rests_on_any = strategy.rules.iter().any(sources::rests_on_any);
    if strategy.kind == PageKind::Strategy && !strategy.rules.is_empty() && !rests_on_any {
        for source in strategy.sources.iter().filter(|source| !front::alternatives(source).any(|source| used.contains(source))) {
            problems.push(
                Problem::warning(file, 2, "unread-source", format!("declares the source {source:?}, which no rule reads"))
                    .remedy("take it out, or move it to `enrichment` if the inventory needs it"),
            );
        }
    }
}

/// A responder without expertise reads the Technical Context: whatever the finding shows stands there.
fn context(strategy: &Strategy, problems: &mut Vec<Problem>) {
    let text = strategy.section(Section::TechnicalContext);
    if text.is_empty() {
        return;
    }
    if !text.contains("```") && strategy.kind == PageKind::Strategy {
        problems.push(
            Problem::warning(
                &strategy.file,
                line_of(strategy, Section::TechnicalContext),
                "no-raw-record",
                "the Technical Context shows no raw record",
            )
            .remedy("add a ```json fence with one, cut to what decides"),
        );
    }
    let words: BTreeSet<&str> =
        text.split(|c: char| !(c.is_ascii_alphanumeric() || "._[]".contains(c))).map(|word| word.trim_end_matches('.')).collect();
    let mut said: BTreeSet<SmolStr> = BTreeSet::new();
    for rule in strategy.rules.iter().filter(|rule| rule.speaks) {
        for field in shown(rule) {
            if !words.contains(field.as_str()) && said.insert(field.clone()) {
                problems.push(
                    Problem::error(
                        &strategy.file,
                        line_of(strategy, Section::TechnicalContext),
                        "unexplained-field",
                        format!("the finding of {:?} shows {field:?}, which the Technical Context does not explain", rule.name),
                    )
                    .remedy(format!("say what `{field}` means")),
                );
            }
        }
    }
}

fn priority(strategy: &Strategy, problems: &mut Vec<Problem>) {
    let file = &strategy.file;
    let names: Vec<&str> = strategy.rules.iter().map(|rule| rule.name.as_str()).collect();
    for row in &strategy.priority {
        // An umbrella's rows name rules of other pages; the pack knows those.
        if strategy.kind == PageKind::Umbrella && row.rule.contains('/') {
            continue;
        }
        let Some(rule) = strategy.rules.iter().find(|rule| rule.name == row.rule) else {
            let problem =
                Problem::error(file, row.line, "priority-rule", format!("the priority names {:?}, which is no rule of the page", row.rule));
            problems.push(match nearest(&row.rule, names.iter().copied()) {
                Some(near) => problem.remedy(format!("did you mean `{near}`?")),
                None => problem.remedy(format!("the page's rules are {}", names.join(", "))),
            });
            continue;
        };
        if rule.level != row.level {
            problems.push(
                Problem::error(
                    file,
                    row.line,
                    "priority-level",
                    format!("the priority says {} for {:?}, its rule says {}", row.level, row.rule, rule.level),
                )
                .remedy("let both say the same"),
            );
        }
    }
    let has_table = !strategy.priority.is_empty();
    for rule in strategy.rules.iter().filter(|rule| has_table && rule.speaks && rule.level > Level::Informational) {
        if !strategy.priority.iter().any(|row| row.rule == rule.name) {
            problems.push(
                Problem::warning(file, rule.line, "no-priority", format!("the priority has no row for the rule {:?}", rule.name))
                    .remedy(format!("add `| {} | when … | `{}` |`", rule.level, rule.name)),
            );
        }
    }
    // An umbrella without rules of its own leaves the levels to the pages that it binds.
    let binds_only = strategy.kind == PageKind::Umbrella && strategy.rules.is_empty();
    if !has_table && !binds_only && !strategy.section(Section::Priority).is_empty() {
        problems.push(
            Problem::error(file, line_of(strategy, Section::Priority), "no-priority-table", "the priority has no table")
                .remedy("add a table with the columns level, when, rule"),
        );
    }
}

fn response(strategy: &Strategy, problems: &mut Vec<Problem>) {
    let of_entity: BTreeSet<SmolStr> = strategy.rules.iter().filter(|rule| rule.speaks).flat_map(shown).collect();
    for hole in &strategy.holes {
        if strategy.kind == PageKind::Umbrella {
            continue;
        }
        if let Some(key) = hole.name.strip_prefix("finding.") {
            if !Hole::OF_FINDING.contains(&key) {
                problems.push(
                    Problem::error(&strategy.file, hole.line, "response-hole", format!("a finding has no {key:?}"))
                        .remedy(format!("it has {}", Hole::OF_FINDING.join(", "))),
                );
            }
            continue;
        }
        let name = hole.name.strip_prefix("entity.").unwrap_or(&hole.name);
        let in_entity = strategy.rules.iter().any(|rule| rule.speaks && rule.entity.iter().any(|field| field == name));
        // Without `entity` a rule's finding is about the container, or its host.
        let by_default =
            ["container.id", "host.name"].contains(&name) && strategy.rules.iter().any(|rule| rule.speaks && rule.entity.is_empty());
        if !in_entity && !by_default {
            let problem = Problem::error(
                &strategy.file,
                hole.line,
                "response-hole",
                format!("the response names {name:?}, which is in no rule's entity"),
            );
            problems.push(match nearest(name, of_entity.iter().map(SmolStr::as_str)) {
                Some(near) if near != name => problem.remedy(format!("did you mean `{near}`?")),
                _ => problem.remedy("add it to `landwaiter.entity` of the rule, or name another field"),
            });
        }
    }
}

fn scenarios(strategy: &Strategy, problems: &mut Vec<Problem>) {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for scenario in &strategy.scenarios {
        if !seen.insert(&scenario.slug) {
            problems.push(
                Problem::error(&strategy.file, scenario.line, "slug-twice", format!("two scenarios are called {:?}", scenario.slug))
                    .remedy("add `{#another-name}` to one heading"),
            );
        }
    }
    for (section, wanted) in [(Section::Validation, "a recording that must fire"), (Section::BlindSpots, "what it does not see")] {
        let has = strategy.scenarios.iter().any(|scenario| scenario.section == section);
        if !has && !strategy.section(section).is_empty() {
            problems.push(
                Problem::warning(
                    &strategy.file,
                    line_of(strategy, section),
                    "no-scenario",
                    format!("{} claims nothing that can be tested", section.heading()),
                )
                .remedy(format!("add a sub-heading with {wanted}")),
            );
        }
    }
}

fn expected(strategy: &Strategy, problems: &mut Vec<Problem>) {
    for expected in strategy.scenarios.iter().filter_map(|scenario| scenario.finding.as_ref()) {
        let rule = expected.rule.rsplit('/').next().unwrap_or_default();
        if strategy.kind == PageKind::Strategy && !strategy.rules.iter().any(|known| known.name == rule) {
            problems.push(
                Problem::error(
                    &strategy.file,
                    expected.line,
                    "finding-rule",
                    format!("the finding names {:?}, which is no rule of the page", expected.rule),
                )
                .remedy("let `landwaiter strategy test --bless` write the fence"),
            );
        }
    }
}
