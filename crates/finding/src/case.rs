//! One finding while signals may still join it.

use crate::card::RuleCard;
use crate::coverage::Notes;
use crate::finding::{Evidence, Finding, Status};
use crate::key;
use crate::message;
use event::dictionary::{SENSOR_HOW, WITNESSES};
use event::{Level, Provenance, Signal, SmolStr, Span, Time, Value, ValueRef};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;

/// The first records and the last ones are kept: how it began and where it stands. What lies between is counted.
pub const EVIDENCE_EACH: usize = 10;

/// A finding stays open at least this long without a signal.
pub const QUIET: Span = Span::minutes(10);

/// Sources named in one finding.
const WITNESSES_MAX: usize = 16;

/// Rules named in one finding: more than a strategy has; a behaviour may gather several strategies.
const RULES_MAX: usize = 64;

/// An open finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Under what signals join.
    pub key: String,
    /// The finding's id.
    pub id: SmolStr,
    /// Behaviour that it is about.
    pub behaviour: SmolStr,
    /// Strategy and rule that opened it.
    pub strategy: SmolStr,
    rule: SmolStr,
    rules: IndexMap<SmolStr, u64>,
    /// Highest level so far, without what other findings add.
    pub level: Level,
    best: Best,
    first: Time,
    last: Time,
    count: u64,
    entity: IndexMap<SmolStr, Value>,
    /// Host of the signals, as the last one said it.
    host: Option<SmolStr>,
    /// Container concerned, when there is one.
    pub container: Option<SmolStr>,
    attack: Vec<SmolStr>,
    /// Sources of all records that joined it, and those that saw its containers.
    witnesses: Vec<SmolStr>,
    head: Vec<Evidence>,
    tail: VecDeque<Evidence>,
    window: Span,
    /// When it closes, unless a signal comes.
    pub due: Time,
    /// When a signal of level high or above last joined it.
    pub high_at: Option<Time>,
    /// It tells what was done *to* the container: then what is wrong with the container itself says nothing of the deed.
    pub suffered: bool,
    /// Who explains it; `None` once something unexplained has joined.
    pub explained: Option<SmolStr>,
    /// Another finding that says of the same container something as grave, from other records.
    pub agrees: Option<Agreement>,
}

/// The rule whose words the finding uses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Best {
    rule: SmolStr,
    title: SmolStr,
    template: SmolStr,
    count: u64,
    span: Option<Span>,
    values: Vec<(SmolStr, Value)>,
}

/// What makes a finding critical: an independent one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// Its id.
    pub id: SmolStr,
    /// Its strategy.
    pub strategy: SmolStr,
    /// Its title.
    pub title: SmolStr,
}

impl Case {
    /// Opens a case with its first signal.
    pub fn open(card: &RuleCard, signal: &Signal, key: String, identity: &str, entity: IndexMap<SmolStr, Value>) -> Case {
        let mut case = Case {
            key,
            id: key::id(&card.strategy, &card.behaviour, identity, signal.last),
            behaviour: card.behaviour.clone(),
            strategy: card.strategy.clone(),
            rule: card.rule.clone(),
            rules: IndexMap::new(),
            level: card.level,
            best: Best::of(card, signal),
            first: signal.first,
            last: signal.last,
            count: 0,
            entity,
            host: None,
            container: None,
            attack: Vec::new(),
            witnesses: Vec::new(),
            head: Vec::new(),
            tail: VecDeque::new(),
            window: Span::ZERO,
            due: signal.at,
            high_at: None,
            suffered: false,
            explained: explanation(card, signal),
            agrees: None,
        };
        case.join(card, signal);
        case
    }

    /// Takes a signal. The first one too: `open` calls this.
    pub fn join(&mut self, card: &RuleCard, signal: &Signal) {
        let name = SmolStr::from(format!("{}/{}", card.strategy, card.rule));
        let signals = if self.rules.len() < RULES_MAX || self.rules.contains_key(&name) {
            let signals = self.rules.entry(name.clone()).or_default();
            *signals += 1;
            *signals
        } else {
            1
        };
        // Several rules that match one event are one occurrence, so the largest count of any rule stands for all.
        self.count = self.count.max(if card.window > Span::ZERO { signal.count } else { signals });
        self.first = self.first.min(signal.first);
        self.last = self.last.max(signal.last);
        if card.level > self.level {
            self.level = card.level;
            self.best = Best::of(card, signal);
        } else if self.best.rule == name && signal.count >= self.best.count {
            self.best = Best::of(card, signal);
        }
        if card.level >= Level::High {
            self.high_at = Some(signal.at);
        }
        self.suffered |= signal.value(SENSOR_HOW.name()).is_some();
        for technique in &card.attack {
            if !self.attack.contains(technique) {
                self.attack.push(technique.clone());
            }
        }
        if let Some(Value::Text(host)) = signal.value("host.name") {
            self.host = Some(host.clone());
        }
        if self.container.is_none() {
            self.container = match signal.value("container.id").or_else(|| self.entity.get("container.id")) {
                Some(Value::Text(id)) if !id.is_empty() && id != "unknown" => Some(id.clone()),
                _ => None,
            };
        }
        // What the opener could not name, a later signal may.
        for (field, value) in &mut self.entity {
            if *value == Value::from("unknown")
                && let Some(known) = signal.value(field)
            {
                *value = known.clone();
            }
        }
        if card.level > Level::Informational {
            self.window = self.window.max(card.window);
            self.due = signal.at + self.window.max(QUIET);
        }
        for provenance in &signal.evidence {
            self.witnessed(&provenance.source);
            self.add_evidence(provenance);
        }
        if let Some(witnesses) = signal.value(WITNESSES.name()) {
            witnesses.each(&mut |witness| {
                if let ValueRef::Text(source) = witness {
                    self.witnessed(&SmolStr::new(source));
                }
            });
        }
    }

    fn witnessed(&mut self, source: &SmolStr) {
        if !source.is_empty() && self.witnesses.len() < WITNESSES_MAX && !self.witnesses.contains(source) {
            self.witnesses.push(source.clone());
        }
    }

    fn add_evidence(&mut self, provenance: &Provenance) {
        let same = |e: &Evidence| e.place == provenance.place && e.time == provenance.time && e.source == provenance.source;
        if self.head.iter().any(same) || self.tail.iter().any(same) {
            return;
        }
        let evidence = Evidence {
            sha256: key::hex(&Sha256::digest(&provenance.raw)),
            time: provenance.time,
            source: provenance.source.clone(),
            place: provenance.place.clone(),
        };
        if self.head.len() < EVIDENCE_EACH {
            self.head.push(evidence);
        } else {
            if self.tail.len() == EVIDENCE_EACH {
                // What only one record of a source bears out is not lost to the many of another.
                let others = |i: usize, source: &SmolStr| {
                    let rest = self.tail.iter().enumerate().filter(|(at, _)| *at != i).map(|(_, e)| e);
                    self.head.iter().chain(rest).any(|e| e.source == *source)
                };
                let oldest = (0..self.tail.len()).find(|i| others(*i, &self.tail[*i].source)).unwrap_or(0);
                self.tail.remove(oldest);
            }
            self.tail.push_back(evidence);
        }
    }

    /// Whether two cases rest on a record that both cite.
    pub fn shares_record_with(&self, other: &Case) -> bool {
        self.evidence().any(|mine| {
            other.evidence().any(|theirs| mine.sha256 == theirs.sha256 || (mine.place == theirs.place && mine.source == theirs.source))
        })
    }

    fn evidence(&self) -> impl Iterator<Item = &Evidence> {
        self.head.iter().chain(&self.tail)
    }

    /// What another case says when it names this one.
    pub fn as_agreement(&self) -> Agreement {
        Agreement { id: self.id.clone(), strategy: self.strategy.clone(), title: self.best.title.clone() }
    }

    /// The severity that it is shown with.
    pub fn severity(&self) -> Level {
        if self.agrees.is_some() { Level::Critical } else { self.level }
    }

    /// The finding as it stands.
    pub fn finding(&self, status: Status, notes: &Notes) -> Finding {
        let best = &self.best;
        let value = |field: &str| best.values.iter().find(|(name, _)| name == field).map(|(_, v)| v).or_else(|| self.entity.get(field));
        let mut sentence = message::fill(&best.template, value, self.count, best.span.unwrap_or(self.last - self.first));
        if sentence.is_empty() {
            sentence = best.title.to_string();
        }
        if let Some(other) = &self.agrees {
            let Agreement { id, strategy, title } = other;
            sentence =
                format!("{}; independently, {strategy} says of the same container: {title} (finding {id})", sentence.trim_end_matches('.'));
        }
        Finding {
            id: self.id.clone(),
            strategy: self.strategy.clone(),
            rule: self.rule.clone(),
            rules: self.rules.clone(),
            severity: self.severity(),
            status: if self.explained.is_some() { Status::Explained } else { status },
            title: best.title.clone(),
            message: sentence,
            first_seen: self.first,
            last_seen: self.last,
            count: self.count,
            entity: self.entity.clone(),
            attack: self.attack.clone(),
            evidence: self.evidence().cloned().collect(),
            witnesses: self.witnesses.clone(),
            explained_by: self.explained.clone(),
            // A gap just before the window may hide what would have belonged in it.
            coverage: notes.coverage(self.host.as_deref(), self.first.minus(self.window), self.last),
        }
    }
}

impl Best {
    fn of(card: &RuleCard, signal: &Signal) -> Best {
        Best {
            rule: SmolStr::from(format!("{}/{}", card.strategy, card.rule)),
            title: card.title.clone(),
            template: card.message.clone(),
            count: signal.count,
            // A correlation's own window says how dense it is; for a plain rule that is how long the finding has lasted.
            span: (card.window > Span::ZERO).then(|| signal.last - signal.first),
            values: signal.values.clone(),
        }
    }
}

/// Who explains a signal, when the operator's context knows it and the rule may be explained.
pub fn explanation(card: &RuleCard, signal: &Signal) -> Option<SmolStr> {
    if !card.explainable || signal.explained.as_deref() != Some("known") {
        return None;
    }
    match signal.value("explained.by") {
        Some(Value::Text(by)) if !by.is_empty() => Some(by.clone()),
        _ => Some(SmolStr::new_static("context")),
    }
}
