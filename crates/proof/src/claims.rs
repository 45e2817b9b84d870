//! The heading decides the verdict: what each kind of claim asks of the findings.

use crate::evaluated::{Evaluation, Sight, evaluated, missing};
use crate::expect;
use crate::stage::{self, Leg};
use crate::verdict::Outcome;
use engine::Rules;
use event::{Level, SmolStr};
use finding::{Finding, Status};
use inventory::Context;
use strategy::{ClaimKind, Pack, Play, Scenario, Strategy};

/// A scenario with everything that it plays, read once and played as often as rules are changed.
pub struct Staged<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// What it plays, or why it cannot be played.
    pub legs: Result<Legs, Outcome>,
}

/// What a claim plays.
pub enum Legs {
    /// One recording.
    One(Leg),
    /// A false positive: bare, with context, with context and the hostile change.
    Three(Box<[Leg; 3]>),
    /// An assumption: for each validation, with all sources and without one; or a recording of its own.
    Without {
        /// The recording that the assumption has itself.
        own: Option<Leg>,
        /// Each source with the validations that have it: as they are, and without it.
        pairs: Vec<(SmolStr, Vec<(Leg, Leg)>)>,
    },
}

/// What a claim came to.
pub struct Judged {
    /// The verdict.
    pub outcome: Outcome,
    /// What helps to mend it.
    pub notes: Vec<String>,
    /// Findings of all its legs.
    pub findings: Vec<Finding>,
}

/// Reads what a scenario plays.
pub fn stage<'a>(pack: &Pack, page: &Strategy, scenario: &'a Scenario) -> Staged<'a> {
    Staged { scenario, legs: legs(pack, page, scenario) }
}

fn legs(pack: &Pack, page: &Strategy, scenario: &Scenario) -> Result<Legs, Outcome> {
    if let Some(why) = &scenario.play.skip {
        return Err(Outcome::Skipped(why.clone()));
    }
    let broken = Outcome::Broken;
    let lines = stage::lines(pack, page, scenario).map_err(broken)?;
    let leg = |play: &Play, context: Context| -> Result<Leg, Outcome> {
        let lines = lines.as_deref().ok_or_else(|| Outcome::Untested("it has no recording".to_owned()))?;
        let records = stage::records(pack, page, lines, play).map_err(broken)?;
        if records.is_empty() {
            return Err(Outcome::Untested("its recording is empty".to_owned()));
        }
        Ok(Leg { records, context })
    };
    match &scenario.claim {
        ClaimKind::Assumption(sources) => {
            let own = if lines.is_some() { Some(leg(&scenario.play, context(page, scenario)?)?) } else { None };
            let mut pairs = Vec::new();
            for source in sources.iter().filter(|_| own.is_none()) {
                pairs.push((source.clone(), without(pack, page, source)?));
            }
            Ok(Legs::Without { own, pairs })
        }
        ClaimKind::FalsePositive => {
            let bare = leg(&scenario.play, Context::default())?;
            if scenario.context.is_none() {
                return Err(Outcome::Untested("it has no context fence".to_owned()));
            }
            let Some(hostile) = &scenario.hostile else { return Err(Outcome::Untested("it has no [hostile] table".to_owned())) };
            let known = context(page, scenario)?;
            let explained = leg(&scenario.play, known.clone())?;
            Ok(Legs::Three(Box::new([bare, explained, leg(hostile, known)?])))
        }
        _ => Ok(Legs::One(leg(&scenario.play, context(page, scenario)?)?)),
    }
}

fn context(page: &Strategy, scenario: &Scenario) -> Result<Context, Outcome> {
    let Some(fence) = &scenario.context else { return Ok(Context::default()) };
    let (context, problems) = Context::parse(&fence.text, &page.file);
    let error = problems.into_iter().find(|problem| problem.gravity == event::Gravity::Error);
    match error {
        // The context was read as a file of its own; its first line is the fence's.
        Some(mut problem) => {
            problem.line += fence.line.saturating_sub(1);
            Err(Outcome::Broken(format!("its context cannot be used: {problem}")))
        }
        None => Ok(context),
    }
}

/// The page's validations that have records of a source, with and without them.
fn without(pack: &Pack, page: &Strategy, source: &SmolStr) -> Result<Vec<(Leg, Leg)>, Outcome> {
    let mut out = Vec::new();
    for scenario in page.scenarios.iter().filter(|scenario| scenario.claim == ClaimKind::Validation && scenario.play.skip.is_none()) {
        let Some(lines) = stage::lines(pack, page, scenario).map_err(Outcome::Broken)? else { continue };
        if !lines.iter().any(|line| line.source == *source) {
            continue;
        }
        let mut blind = scenario.play.clone();
        blind.without.push(source.clone());
        let context = context(page, scenario)?;
        let all = stage::records(pack, page, &lines, &scenario.play).map_err(Outcome::Broken)?;
        let rest = stage::records(pack, page, &lines, &blind).map_err(Outcome::Broken)?;
        out.push((Leg { records: all, context: context.clone() }, Leg { records: rest, context }));
    }
    Ok(out)
}

/// Plays a staged scenario with these rules and judges it by its heading.
pub fn judge(page: &Strategy, staged: &Staged<'_>, rules: &Rules) -> Judged {
    let legs = match &staged.legs {
        Ok(legs) => legs,
        Err(outcome) => return Judged { outcome: outcome.clone(), notes: Vec::new(), findings: Vec::new() },
    };
    let mut findings = Vec::new();
    let mut notes = Vec::new();
    let outcome = match (&staged.scenario.claim, legs) {
        (ClaimKind::FalsePositive, Legs::Three(legs)) => false_positive(page, legs, rules, &mut findings, &mut notes),
        (ClaimKind::Assumption(_), Legs::Without { own, pairs }) => assumption(page, own.as_ref(), pairs, rules, &mut findings),
        (claim, Legs::One(leg)) => {
            let of_page = ours(page, leg.play(rules).findings);
            findings.extend(of_page.iter().cloned());
            match claim {
                ClaimKind::BlindSpot => blind_spot(&of_page, &mut notes),
                ClaimKind::Quiet => quiet(&of_page, &mut notes),
                _ => validation(page, staged.scenario, leg, &of_page, rules, &mut notes),
            }
        }
        _ => Outcome::Broken("its recordings do not fit its heading".to_owned()),
    };
    Judged { outcome, notes, findings }
}

/// Findings in which a rule of the page takes part.
pub fn ours(page: &Strategy, findings: Vec<Finding>) -> Vec<Finding> {
    let of_page = |finding: &Finding| {
        page.speaks_for(&finding.strategy)
            || finding.rules.keys().any(|rule| rule.split('/').next().is_some_and(|strategy| page.speaks_for(strategy)))
    };
    findings.into_iter().filter(|finding| finding.severity > Level::Informational && of_page(finding)).collect()
}

fn loud(findings: &[Finding]) -> Vec<&Finding> {
    findings.iter().filter(|finding| finding.status != Status::Explained).collect()
}

/// A finding in one line.
pub fn shown(finding: &Finding) -> String {
    format!("{} {}/{}: {}", finding.severity, finding.strategy, finding.rule, finding.message)
}

fn times(n: usize) -> String {
    if n == 1 { "once".to_owned() } else { format!("{n} times") }
}

fn validation(page: &Strategy, scenario: &Scenario, leg: &Leg, findings: &[Finding], rules: &Rules, notes: &mut Vec<String>) -> Outcome {
    let firing = loud(findings);
    let [finding] = firing[..] else {
        if firing.is_empty() {
            notes.extend(findings.iter().map(|finding| format!("explained: {}", shown(finding))));
            notes.extend(nearest(page, leg, rules));
            return Outcome::Broken("it does not fire".to_owned());
        }
        notes.extend(firing.iter().map(|finding| shown(finding)));
        // An umbrella binds several behaviours, and each may have its finding; the fence says which one is meant.
        let wanted = scenario.finding.as_ref().filter(|_| !page.binds.is_empty());
        let met = wanted.is_some_and(|expected| firing.iter().any(|finding| expect::differences(expected, finding).is_empty()));
        return if met { Outcome::Held } else { Outcome::Broken(format!("it fires {}, with a finding each time", times(firing.len()))) };
    };
    let reasons = missing(page, &Sight::of(&leg.records));
    if !reasons.is_empty() {
        return Outcome::Broken(format!("it fires, but the page is not evaluated on this recording: {}", reasons.join("; ")));
    }
    let Some(expected) = &scenario.finding else {
        notes.push(shown(finding));
        return Outcome::Untested("it fires, but no `finding` fence says what must be found (`--bless` writes it)".to_owned());
    };
    let differences = expect::differences(expected, finding);
    if !differences.is_empty() {
        return Outcome::Broken(differences.join("; "));
    }
    if expected.message.is_empty() {
        notes.push(shown(finding));
        return Outcome::Untested("it fires, but its `finding` fence has no sentence (`--bless` writes it)".to_owned());
    }
    Outcome::Held
}

fn blind_spot(findings: &[Finding], notes: &mut Vec<String>) -> Outcome {
    let firing = loud(findings);
    if firing.is_empty() {
        return Outcome::Held;
    }
    notes.extend(firing.iter().map(|finding| shown(finding)));
    Outcome::Broken("it fires, so the page is out of date: `landwaiter strategy test --move-closed` moves it to Validation".to_owned())
}

fn quiet(findings: &[Finding], notes: &mut Vec<String>) -> Outcome {
    let above: Vec<&Finding> = loud(findings).into_iter().filter(|finding| finding.severity > Level::Low).collect();
    if above.is_empty() {
        return Outcome::Held;
    }
    notes.extend(above.iter().map(|finding| shown(finding)));
    Outcome::Broken(format!("ordinary work fires {} above low", times(above.len())))
}

fn false_positive(page: &Strategy, legs: &[Leg; 3], rules: &Rules, all: &mut Vec<Finding>, notes: &mut Vec<String>) -> Outcome {
    let mut played = legs.iter().map(|leg| ours(page, leg.play(rules).findings));
    let [bare, known, hostile] = [(); 3].map(|()| played.next().unwrap_or_default());
    all.extend(bare.iter().chain(&hostile).cloned());
    if loud(&bare).is_empty() {
        notes.extend(nearest(page, &legs[0], rules));
        return Outcome::Broken("bare, it does not fire: it is no false positive (`Quiet: …` claims that)".to_owned());
    }
    let still = loud(&known);
    if !still.is_empty() {
        notes.extend(still.iter().map(|finding| shown(finding)));
        return Outcome::Broken("the context does not explain it".to_owned());
    }
    if !known.iter().any(|finding| finding.status == Status::Explained) {
        return Outcome::Broken("with the context it is silent, not explained".to_owned());
    }
    if loud(&hostile).is_empty() {
        notes.extend(hostile.iter().map(|finding| format!("explained: {}", shown(finding))));
        return Outcome::Broken("the context explains the hostile change as well".to_owned());
    }
    Outcome::Held
}

fn assumption(page: &Strategy, own: Option<&Leg>, pairs: &[(SmolStr, Vec<(Leg, Leg)>)], rules: &Rules, all: &mut Vec<Finding>) -> Outcome {
    if let Some(leg) = own {
        return match evaluated(page, &Sight::of(&leg.records)) {
            Evaluation::NotEvaluated(_) => Outcome::Held,
            Evaluation::Evaluated => Outcome::Broken("the page counts as evaluated on this recording".to_owned()),
        };
    }
    for (source, legs) in pairs {
        if legs.is_empty() {
            return Outcome::Untested(format!("no validation has records of {source}"));
        }
        if legs.iter().any(|(_, blind)| evaluated(page, &Sight::of(&blind.records)) == Evaluation::Evaluated) {
            return Outcome::Broken(format!("without {source} the page counts as evaluated: add it to `sources`"));
        }
        let mut needed = false;
        for (seeing, blind) in legs {
            let fires = |leg: &Leg| ours(page, leg.play(rules).findings);
            let (with, without) = (fires(seeing), fires(blind));
            needed |= loud(&without).len() < loud(&with).len()
                || without.iter().map(|f| f.severity).max() < with.iter().map(|f| f.severity).max();
            all.extend(with);
        }
        if !needed {
            return Outcome::Broken(format!(
                "every validation fires just so without {source}: it is not needed, and belongs into `enrichment`"
            ));
        }
    }
    Outcome::Held
}

/// For what did not fire: the event that came nearest to each rule, and what kept it from matching.
fn nearest(page: &Strategy, leg: &Leg, rules: &Rules) -> Vec<String> {
    let played = leg.play_with_events(rules);
    let of_page = rules.set.rules().iter().enumerate().filter(|(_, rule)| rule.file == page.file && rule.speaks);
    of_page.map(|(index, rule)| format!("{}: {}", rule.name, nearest_to(index, &played.events, rules))).collect()
}

fn nearest_to(rule: usize, events: &[event::Event], rules: &Rules) -> String {
    let Some(nearest) = sigma::nearest(&rules.set, rule, events) else { return "no event of the recording is of its logsource".to_owned() };
    let Some(event) = events.get(nearest.event) else { return nearest.to_string() };
    let about = format!("{} of {} at {}", event.kind.name(), event.subject, event.time);
    if nearest.failed.is_empty() {
        return format!("{about} matches, so what is counted falls short, or the context explains it");
    }
    let failed: Vec<String> = nearest
        .failed
        .iter()
        .map(|(predicate, values)| {
            format!("`{predicate}` failed, the value is {}", if values.is_empty() { "absent".to_owned() } else { values.join(", ") })
        })
        .collect();
    format!("{about} came closest; {}", failed.join("; "))
}
