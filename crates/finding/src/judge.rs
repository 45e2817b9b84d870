//! Signals in, findings out.
//!
//! A finding is one behaviour of one entity from its opening to its close. Of the signals of one event the strongest opens (the first in the table among
//! equals); all others of the same behaviour and entity join as evidence, then and later, until nothing has joined for the larger of ten minutes and the
//! longest window among its rules. State moves in `apply` and `fire` only, and is walked in the order of opening.

use crate::card::RuleCard;
use crate::case::{Case, explanation};
use crate::coverage::{Note, Notes};
use crate::finding::{Change, Finding, Status};
use crate::key;
use event::{Level, Signal, SmolStr, Span, Time};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How many findings may be open at once. Each takes up to about 6 KB (twenty records of evidence, values, sentence): 50 MB in all. Beyond it the one untouched
/// for longest is closed early, counted, and says so.
pub const OPEN_MAX: usize = 8192;

/// Two findings agree when they concern the same container within this time.
pub const AGREE: Span = Span::minutes(10);

/// Said by a finding that had to make room.
const EVICTED: &str = "closed early: more findings were open than are kept";

/// What the judge has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgeReport {
    /// Signals taken.
    pub signals: u64,
    /// Findings opened, explained ones included.
    pub opened: u64,
    /// Findings that opened explained.
    pub explained: u64,
    /// Findings closed early for want of room.
    pub evicted: u64,
}

/// Holds the open findings.
pub struct Judge {
    cards: Arc<Vec<RuleCard>>,
    state: State,
}

/// All that changes. Cases are numbered in the order in which they opened.
#[derive(Clone, Default, Serialize, Deserialize)]
struct State {
    next: u64,
    cases: BTreeMap<u64, Case>,
    by_key: BTreeMap<String, u64>,
    by_container: BTreeMap<SmolStr, BTreeSet<u64>>,
    timers: BTreeSet<(Time, u64)>,
    notes: Notes,
    report: JudgeReport,
}

/// What one batch did to one case.
struct Touched {
    number: u64,
    /// Severity that was last delivered; `None` when it was not delivered at all.
    delivered: Option<Level>,
    /// It was there before this batch.
    known: bool,
}

impl Judge {
    /// A judge for a table of rules; `Signal::rule` is an index into it.
    pub fn new(cards: Arc<Vec<RuleCard>>) -> Judge {
        Judge { cards, state: State::default() }
    }

    /// Takes the signals of one event.
    pub fn apply(&mut self, mut signals: Vec<Signal>, now: Time, out: &mut Vec<Change>) {
        let cards = self.cards.clone();
        signals.retain(|signal| signal.rule < cards.len());
        signals.sort_by_key(|signal| (Reverse(cards[signal.rule].level), signal.rule));
        let mut touched: Vec<Touched> = Vec::new();
        for signal in &signals {
            self.take(&cards[signal.rule], signal, &mut touched);
        }
        for case in &touched {
            self.agree(case.number, now);
            self.tell(case, out);
        }
        while self.state.cases.len() > OPEN_MAX {
            self.evict(out);
        }
    }

    fn take(&mut self, card: &RuleCard, signal: &Signal, touched: &mut Vec<Touched>) {
        let state = &mut self.state;
        state.report.signals += 1;
        let entity = key::entity(card, signal);
        let identity = key::identity(&entity);
        let key = key::joining(&card.behaviour, &identity);
        if let Some(&number) = state.by_key.get(&key) {
            let Some(case) = state.cases.get_mut(&number) else { return };
            if !touched.iter().any(|t| t.number == number) {
                let delivered = case.explained.is_none().then(|| case.severity());
                touched.push(Touched { number, delivered, known: true });
            }
            let due = case.due;
            case.join(card, signal);
            if case.explained.is_some() && card.level > Level::Informational && explanation(card, signal).is_none() {
                // Something goes beyond what the context explains: then it explains nothing.
                case.explained = None;
            }
            let moved = case.due;
            if moved != due {
                state.timers.remove(&(due, number));
                state.timers.insert((moved, number));
            }
            state.index(number);
            return;
        }
        if card.level == Level::Informational {
            return;
        }
        let case = Case::open(card, signal, key.clone(), &identity, entity);
        let number = state.next;
        state.next += 1;
        state.report.opened += 1;
        state.report.explained += u64::from(case.explained.is_some());
        state.timers.insert((case.due, number));
        state.by_key.insert(key, number);
        state.cases.insert(number, case);
        state.index(number);
        touched.push(Touched { number, delivered: None, known: false });
    }

    /// Raises a case to critical when another behaviour of another strategy, as grave and resting on other records, was seen of the same container. What was done to
    /// a sensor does not count: that it was stopped and that it sees its host are no two witnesses of one thing.
    fn agree(&mut self, number: u64, now: Time) {
        let state = &mut self.state;
        let Some(case) = state.cases.get(&number) else { return };
        let grave = |c: &Case| c.explained.is_none() && !c.suffered && c.high_at.is_some_and(|at| now - at <= AGREE);
        let Some(container) = &case.container else { return };
        if case.agrees.is_some() || !grave(case) {
            return;
        }
        let other = state.by_container.get(container).into_iter().flatten().filter_map(|n| state.cases.get(n)).find(|other| {
            other.behaviour != case.behaviour && other.strategy != case.strategy && grave(other) && !other.shares_record_with(case)
                // Of the two the later one is raised; the earlier keeps what was said of it.
                && other.agrees.as_ref().is_none_or(|agreement| agreement.id != case.id)
        });
        let agreement = other.map(Case::as_agreement);
        if let Some(case) = state.cases.get_mut(&number) {
            case.agrees = agreement;
        }
    }

    fn tell(&self, touched: &Touched, out: &mut Vec<Change>) {
        let Some(case) = self.state.cases.get(&touched.number) else { return };
        let finding = || case.finding(Status::Open, &self.state.notes);
        match (touched.delivered, case.explained.is_some()) {
            (Some(before), _) if case.severity() > before => out.push(Change::Rose(finding())),
            (Some(_), _) => {}
            // It was explained before and still is: nothing new to record.
            (None, true) if touched.known => {}
            (None, _) => out.push(Change::Opened(finding())),
        }
    }

    fn evict(&mut self, out: &mut Vec<Change>) {
        let Some(&(_, number)) = self.state.timers.first() else { return };
        self.state.report.evicted += 1;
        if let Some(mut finding) = self.close(number) {
            if finding.coverage.state == "complete" {
                finding.coverage.state = SmolStr::new_static("degraded");
            }
            finding.coverage.notes.push(SmolStr::new_static(EVICTED));
            out.push(Change::Closed(finding));
        }
    }

    fn close(&mut self, number: u64) -> Option<Finding> {
        let state = &mut self.state;
        let case = state.cases.remove(&number)?;
        state.timers.remove(&(case.due, number));
        state.by_key.remove(&case.key);
        if let Some(container) = &case.container
            && let Some(numbers) = state.by_container.get_mut(container)
        {
            numbers.remove(&number);
            if numbers.is_empty() {
                state.by_container.remove(container);
            }
        }
        Some(case.finding(Status::Closed, &state.notes))
    }

    /// The earliest time at which a finding closes.
    pub fn next_due(&self) -> Option<Time> {
        self.state.timers.first().map(|(due, _)| *due)
    }

    /// Closes every finding that is due at `now`, the first opened first.
    pub fn fire(&mut self, now: Time, out: &mut Vec<Change>) {
        while let Some(&(due, number)) = self.state.timers.first()
            && due <= now
        {
            match self.close(number) {
                Some(finding) => out.push(Change::Closed(finding)),
                None => drop(self.state.timers.pop_first()),
            }
        }
    }

    /// Takes what is known of a source's sight.
    pub fn note_coverage(&mut self, note: Note) {
        self.state.notes.add(note);
    }

    /// The findings that are still open, ordered by first evidence and id.
    pub fn finish(&self) -> Vec<Finding> {
        let mut open: Vec<Finding> = self.state.cases.values().map(|case| case.finding(Status::Open, &self.state.notes)).collect();
        open.sort_by(|a, b| (a.first_seen, &a.id).cmp(&(b.first_seen, &b.id)));
        open
    }

    /// What has been counted.
    pub fn report(&self) -> JudgeReport {
        self.state.report
    }

    /// All state. It names rules, not their places in a table, so another table may thaw it.
    pub fn freeze(&self) -> Vec<u8> {
        // Serialising to memory fails only for types that postcard cannot hold, and the state has none.
        postcard::to_stdvec(&self.state).unwrap_or_default()
    }

    /// Takes the state of `freeze`.
    ///
    /// # Errors
    /// When the bytes are not such a state; the judge is then unchanged.
    pub fn thaw(&mut self, frozen: &[u8]) -> Result<(), String> {
        self.state = postcard::from_bytes(frozen).map_err(|e| format!("the state of open findings is unreadable: {e}"))?;
        Ok(())
    }
}

impl State {
    fn index(&mut self, number: u64) {
        if let Some(container) = self.cases.get(&number).and_then(|case| case.container.clone()) {
            self.by_container.entry(container).or_default().insert(number);
        }
    }
}
