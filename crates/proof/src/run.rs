//! All claims of all pages, pages side by side, verdicts in the order of the pages.

use crate::claims::{self, Judged, Staged};
use crate::mutate;
use crate::verdict::{Outcome, Verdict, summary};
use crate::{expect, stage};
use engine::Rules;
use event::SmolStr;
use finding::Finding;
use sigma::{Rule, RuleSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use strategy::strategy::PageKind;
use strategy::{ClaimKind, Pack, Status, Strategy, edit};

/// What to test.
#[derive(Clone, Debug)]
pub struct Options {
    /// Only these pages; empty: all.
    pub strategies: Vec<String>,
    /// Only the scenario of this slug or name.
    pub scenario: Option<String>,
    /// Whether rules are changed to see that some claim notices.
    pub mutations: bool,
    /// Pages tested at the same time; 0: as many as there are processors.
    pub threads: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { strategies: Vec::new(), scenario: None, mutations: true, threads: 0 }
    }
}

/// Tests every claim. The verdicts are in the order of the pages, and within a page in the order of the claims, however many threads there are.
pub fn test(pack: &Pack, options: &Options) -> Vec<Verdict> {
    let wanted = |page: &&Strategy| options.strategies.is_empty() || options.strategies.iter().any(|id| page.id == *id);
    let pages: Vec<&Strategy> = pack.strategies().iter().filter(wanted).filter(|page| page.kind != PageKind::Plain).collect();
    let threads = match options.threads {
        0 => std::thread::available_parallelism().map_or(1, |n| n.get()),
        n => n,
    };
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Vec<Verdict>)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.min(pages.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(page) = pages.get(at) else { break };
                    let verdicts = test_page(pack, page, options);
                    done.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push((at, verdicts));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().flat_map(|(_, verdicts)| verdicts).collect()
}

/// The rules that a page is played with: its own, and those of the pages that it binds.
pub fn rules_of(pack: &Pack, page: &Strategy) -> Vec<Rule> {
    let bound = page.binds.iter().filter_map(|id| pack.known(id));
    page.rules.iter().cloned().chain(bound.flat_map(|other| other.rules.iter().cloned())).collect()
}

/// Rules as the engine takes them.
pub fn compiled(pack: &Pack, rules: Vec<Rule>) -> Rules {
    let (set, _) = RuleSet::compile(rules);
    let cards = pack.cards(&set);
    Rules { set: Arc::new(set), cards: Arc::new(cards) }
}

fn test_page(pack: &Pack, page: &Strategy, options: &Options) -> Vec<Verdict> {
    let rules = rules_of(pack, page);
    let table = compiled(pack, rules.clone());
    let wanted = |name: &str, slug: &str| options.scenario.as_deref().is_none_or(|only| only == slug || only == name);
    let staged: Vec<Staged<'_>> = page
        .scenarios
        .iter()
        .filter(|scenario| wanted(&scenario.name, &scenario.slug))
        .map(|scenario| claims::stage(pack, page, scenario))
        .collect();
    let judged: Vec<Judged> = staged.iter().map(|staged| claims::judge(page, staged, &table)).collect();
    let mut out: Vec<Verdict> = staged
        .iter()
        .zip(&judged)
        .map(|(staged, judged)| {
            let scenario = staged.scenario;
            Verdict {
                strategy: page.id.clone(),
                name: scenario.name.clone(),
                slug: scenario.slug.clone(),
                claim: scenario.claim.word(),
                file: page.file.clone(),
                line: scenario.line,
                outcome: judged.outcome.clone(),
                notes: judged.notes.clone(),
                composed: scenario.play.composed(),
            }
        })
        .collect();
    if options.scenario.is_some() {
        return out;
    }
    let findings: Vec<&Finding> = judged.iter().flat_map(|judged| &judged.findings).collect();
    out.extend(priority(page, &findings));
    let validations = staged.iter().zip(&judged).filter(|(staged, _)| staged.scenario.claim == ClaimKind::Validation);
    out.extend(response(page, &validations.flat_map(|(_, judged)| &judged.findings).collect::<Vec<_>>()));
    if options.mutations && !page.rules.is_empty() {
        out.extend(mutate::test(pack, page, &rules, &staged, &judged));
    }
    out.extend(status(page, &out));
    out
}

fn claim(page: &Strategy, claim: &'static str, name: String, line: usize, outcome: Outcome) -> Verdict {
    Verdict {
        strategy: page.id.clone(),
        slug: strategy::scenario::slug(&name),
        name: format!("{} > {name}", page.id),
        claim,
        file: page.file.clone(),
        line,
        outcome,
        notes: Vec::new(),
        composed: String::new(),
    }
}

/// Rows whose rule no finding of the scenarios has.
pub fn unreached<'a>(page: &'a Strategy, findings: &[&Finding]) -> Vec<&'a strategy::PriorityRow> {
    let reached = |row: &strategy::PriorityRow| {
        let full = if row.rule.contains('/') { SmolStr::new(&row.rule) } else { SmolStr::new(format!("{}/{}", page.id, row.rule)) };
        findings.iter().any(|finding| finding.rules.contains_key(&full) && finding.severity >= row.level)
    };
    page.priority.iter().filter(|row| !reached(row)).collect()
}

fn priority(page: &Strategy, findings: &[&Finding]) -> Vec<Verdict> {
    let missing = unreached(page, findings);
    page.priority
        .iter()
        .map(|row| {
            let outcome = if missing.contains(&row) {
                Outcome::Untested(format!("no scenario reaches {} through the rule {}", row.level, row.rule))
            } else {
                Outcome::Held
            };
            claim(page, "priority", format!("Priority > {}: {}", row.level, row.rule), row.line, outcome)
        })
        .collect()
}

fn response(page: &Strategy, findings: &[&Finding]) -> Option<Verdict> {
    let first = page.holes.first()?;
    if findings.is_empty() {
        return Some(claim(page, "response", "Response".to_owned(), first.line, Outcome::Untested("no validation fires".to_owned())));
    }
    let filled = |name: &str| {
        let name = name.strip_prefix("entity.").unwrap_or(name);
        name.starts_with("finding.")
            || findings
                .iter()
                .any(|finding| finding.entity.get(name).is_some_and(|value| !["", "unknown"].contains(&value.to_string().as_str())))
    };
    let empty: Vec<String> =
        page.holes.iter().filter(|hole| !filled(&hole.name)).map(|hole| format!("{} (line {})", hole.name, hole.line)).collect();
    let outcome =
        if empty.is_empty() { Outcome::Held } else { Outcome::Broken(format!("no finding of the validations fills {}", empty.join(", "))) };
    Some(claim(page, "response", "Response".to_owned(), first.line, outcome))
}

/// A page that says "production" must be one.
fn status(page: &Strategy, verdicts: &[Verdict]) -> Option<Verdict> {
    if page.status != Status::Production {
        return None;
    }
    let untested = summary(page, verdicts).untested;
    let outcome = match untested {
        0 => Outcome::Held,
        n => Outcome::Broken(format!("says production, but {n} of its claims are untested: it is a draft")),
    };
    Some(claim(page, "status", "status".to_owned(), 1, outcome))
}

/// The page with the `finding` fences of its validations as they are found now; `None` when nothing is to be changed. A validation
/// that does not fire once is left alone, and so is one that fires at another level or by another rule: those are the author's claim.
pub fn bless(pack: &Pack, page: &Strategy) -> Option<String> {
    let table = compiled(pack, rules_of(pack, page));
    let mut text = page.text.clone();
    let mut changed = false;
    // From the end, so that lines above stay where they are.
    for scenario in page.scenarios.iter().rev().filter(|scenario| scenario.claim == ClaimKind::Validation) {
        let Ok(claims::Legs::One(leg)) = claims::stage(pack, page, scenario).legs else { continue };
        let findings = claims::ours(page, leg.play(&table).findings);
        let [finding] = &findings[..] else { continue };
        if let Some(expected) = &scenario.finding {
            let is_there = !expected.message.is_empty() && expect::differences(expected, finding).is_empty();
            if is_there || !expect::ranked_otherwise(expected, finding).is_empty() {
                continue;
            }
        }
        text = edit::bless(&text, scenario, &expect::fence(finding, &expect::runs(&leg.records)));
        changed = true;
    }
    changed.then_some(text)
}

/// The page with every blind spot that fires now moved to Validation; `None` when there is none.
pub fn move_closed(pack: &Pack, page: &Strategy) -> Option<String> {
    let mut page = page.clone();
    let mut changed = false;
    loop {
        let table = compiled(pack, rules_of(pack, &page));
        let closed = page.scenarios.iter().filter(|scenario| scenario.claim == ClaimKind::BlindSpot).find(|scenario| {
            let Ok(claims::Legs::One(leg)) = claims::stage(pack, &page, scenario).legs else { return false };
            !claims::ours(&page, leg.play(&table).findings).is_empty()
        });
        let Some(text) = closed.and_then(|scenario| edit::move_closed(&page, scenario)) else { break };
        page = strategy::parse(&text, &page.file).0;
        changed = true;
    }
    changed.then_some(page.text)
}

/// The recordings of a page as records, for other programs that play them: each scenario's slug with its records.
pub fn recordings(pack: &Pack, page: &Strategy) -> Vec<(String, Vec<event::Prepared>)> {
    let of = |scenario: &strategy::Scenario| {
        let lines = stage::lines(pack, page, scenario).ok()??;
        Some((scenario.slug.clone(), stage::records(pack, page, &lines, &scenario.play).ok()?))
    };
    page.scenarios.iter().filter_map(of).collect()
}
