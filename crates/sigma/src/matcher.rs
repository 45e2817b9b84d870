//! Events in, signals out: evaluates the rules that an event can match, and hands what matched to the correlations that count it.

use crate::check::with_text;
use crate::link::Linked;
use crate::rule::CorrelationKind;
use crate::scratch::{Candidates, Memory, Reader};
use crate::set::{RuleSet, Source};
use crate::window::{Arrival, Held, Pressure, Window};
use event::{Event, Signal, SmallVec, SmolStr, Time, Value, ValueRef};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Texts longer than this are kept as their hash in groups and counts.
const KEY_BYTES_MAX: usize = 128;

/// Values of one event that a `value_count` takes.
const COUNTED_VALUES_MAX: usize = 256;

/// A set of rules with the state of its correlations.
pub struct Matcher {
    set: Arc<RuleSet>,
    memory: Memory,
    candidates: Candidates,
    /// By the order of the set's correlations.
    windows: Vec<Window>,
    matched: Vec<u32>,
    /// Correlations that still have to look at this event, each with the members that matched.
    pending: BTreeMap<u32, u64>,
}

impl Matcher {
    /// Starts with no state.
    pub fn new(set: Arc<RuleSet>) -> Matcher {
        let windows = set.correlations.iter().map(|_| Window::default()).collect();
        Matcher {
            set,
            memory: Memory::default(),
            candidates: Candidates::default(),
            windows,
            matched: Vec::new(),
            pending: BTreeMap::new(),
        }
    }

    /// The rules.
    pub fn set(&self) -> &Arc<RuleSet> {
        &self.set
    }

    /// Takes one event and adds its signals: those of plain rules in their order, then those of correlations, each after the ones it counts.
    pub fn step(&mut self, event: &Event, out: &mut Vec<Signal>) {
        self.find(event);
        if self.matched.is_empty() {
            return;
        }
        let set = self.set.clone();
        let matched = std::mem::take(&mut self.matched);
        for rule in &matched {
            let index = *rule as usize;
            if set.rules[index].speaks {
                out.push(plain_signal(&set, index, event));
            }
            self.tell(&set, index, None);
        }
        self.matched = matched;
        while let Some((order, members)) = self.pending.pop_first() {
            self.correlate(&set, order as usize, members, event, out);
        }
    }

    /// The rules that match an event by themselves, in their order.
    pub fn matches(&mut self, event: &Event) -> Vec<usize> {
        self.find(event);
        self.matched.iter().map(|rule| *rule as usize).collect()
    }

    fn find(&mut self, event: &Event) {
        self.matched.clear();
        let Some(plan) = self.set.plans.get(event.kind.index()).filter(|plan| !plan.programs.is_empty()) else { return };
        let mut reader = Reader::new(&self.set, event, &mut self.memory);
        plan.candidates(&mut reader, &mut self.candidates);
        for position in self.candidates.list() {
            if let Some((rule, program)) = plan.programs.get(*position as usize)
                && program.eval(&mut |predicate| reader.holds(predicate))
            {
                self.matched.push(*rule);
            }
        }
        reader.finish();
    }

    /// Notes a match for the correlations that count the rule. `continues` is set when a correlation matched.
    ///
    /// A correlation that goes on being true is one episode: counts take it once, while temporal ones, which ask whether it holds within their span, take every signal of it.
    fn tell(&mut self, set: &RuleSet, rule: usize, continues: Option<bool>) {
        for (order, member) in &set.listeners[rule] {
            let temporal = matches!(set.correlations[*order as usize].kind, CorrelationKind::Temporal | CorrelationKind::TemporalOrdered);
            if continues != Some(true) || temporal {
                *self.pending.entry(*order).or_default() |= 1 << member;
            }
        }
    }

    fn correlate(&mut self, set: &RuleSet, order: usize, members: u64, event: &Event, out: &mut Vec<Signal>) {
        let linked = &set.correlations[order];
        let explained = explained(event).as_deref() == Some("known");
        // An event that several members match counts once in each group that it belongs to.
        let mut groups: BTreeMap<Vec<SmolStr>, (u64, SmallVec<[SmolStr; 1]>)> = BTreeMap::new();
        for (position, member) in linked.members.iter().enumerate().filter(|(position, _)| members >> position & 1 == 1) {
            let values = counted(&member.counted, event);
            if linked.kind == CorrelationKind::ValueCount && values.is_empty() {
                continue;
            }
            let key = member.group.iter().map(|source| group_part(source, event)).collect();
            let group = groups.entry(key).or_default();
            group.0 |= 1 << position;
            for value in values {
                if !group.1.contains(&value) {
                    group.1.push(value);
                }
            }
        }
        let mut continuing = true;
        let mut held_any = false;
        for (key, (members, values)) in groups {
            let arrival = Arrival { at: event.at, time: event.time, members, values, explained, evidence: event.evidence.last() };
            if let Some(held) = self.windows[order].take(linked, key, &arrival) {
                held_any = true;
                continuing &= held.continues;
                if set.rules[linked.rule].speaks {
                    out.push(correlation_signal(set, linked, members, held, event));
                }
            }
        }
        if held_any {
            self.tell(set, linked.rule, Some(continuing));
        }
    }

    /// What was forgotten so far because a bound was reached, over all correlations.
    pub fn pressure(&self) -> Pressure {
        self.windows.iter().fold(Pressure::default(), |sum, window| Pressure {
            groups: sum.groups + window.pressure.groups,
            entries: sum.entries + window.pressure.entries,
            evidence: sum.evidence + window.pressure.evidence,
        })
    }

    /// The state of all correlations, each under the hash of its content.
    pub fn freeze(&self) -> Vec<u8> {
        let windows: Vec<(u64, &Window)> = self.set.correlations.iter().map(|linked| linked.key).zip(&self.windows).collect();
        // Nothing in a window can fail to be written; an empty state would be refused by `thaw`.
        postcard::to_allocvec(&(STATE_VERSION, windows)).unwrap_or_default()
    }

    /// Takes a state back. A correlation whose text, or whose rules' text, has changed starts anew.
    ///
    /// # Errors
    /// When the bytes are not such a state; nothing is then changed.
    pub fn thaw(&mut self, frozen: &[u8]) -> Result<(), String> {
        let (version, windows): (u32, Vec<(u64, Window)>) =
            postcard::from_bytes(frozen).map_err(|e| format!("the state of the correlations cannot be read: {e}"))?;
        if version != STATE_VERSION {
            return Err(format!("the state of the correlations is of version {version}, not {STATE_VERSION}; start without it"));
        }
        let mut kept: BTreeMap<u64, Window> = windows.into_iter().collect();
        for (linked, window) in self.set.correlations.iter().zip(&mut self.windows) {
            *window = kept.remove(&linked.key).filter(|window| window.fits(linked)).unwrap_or_default();
        }
        Ok(())
    }
}

/// Changes when the layout of the state does.
const STATE_VERSION: u32 = 1;

fn plain_signal(set: &RuleSet, rule: usize, event: &Event) -> Signal {
    // A record whose time was not believed says nothing of when things began.
    let earliest = event.evidence.iter().map(|record| record.time).filter(|time| !event.time_suspect && *time > Time::MIN).min();
    Signal {
        rule,
        at: event.at,
        first: earliest.map_or(event.time, |time| time.min(event.time)),
        last: event.time,
        count: 1,
        values: carried(&set.carried[rule], event),
        explained: explained(event),
        evidence: event.evidence.clone(),
        continues: false,
    }
}

fn correlation_signal(set: &RuleSet, linked: &Linked, members: u64, held: Held, event: &Event) -> Signal {
    let member = linked.members.get(members.trailing_zeros() as usize);
    let sources = member.map_or(set.carried[linked.rule].as_slice(), |member| member.carried.as_slice());
    let mut values = carried(sources, event);
    if linked.kind == CorrelationKind::ValueCount {
        values.push((SmolStr::new_static("value_count"), held.distinct.into()));
    }
    Signal {
        rule: linked.rule,
        at: event.at,
        first: held.first,
        last: held.last,
        count: held.count,
        values,
        // One event that nothing explains leaves the whole unexplained.
        explained: if held.explained { Some(SmolStr::new_static("known")) } else { explained(event).filter(|word| word != "known") },
        evidence: held.evidence,
        continues: held.continues,
    }
}

fn carried(sources: &[(SmolStr, Source)], event: &Event) -> Vec<(SmolStr, Value)> {
    sources.iter().filter_map(|(name, source)| source.value(event).map(|value| (name.clone(), value))).collect()
}

fn explained(event: &Event) -> Option<SmolStr> {
    match event.derived(event::dictionary::EXPLAINED) {
        Some(Value::Text(word)) => Some(word.clone()),
        _ => None,
    }
}

/// A value as a key: short texts as they are, long ones by their hash.
fn key_text(text: &str) -> SmolStr {
    if text.len() <= KEY_BYTES_MAX { text.into() } else { format!("#{:032x}", event::event::identity_of(&[text.as_bytes()])).into() }
}

/// One part of a group's key. An absent field is a group of its own, told from an empty text.
fn group_part(source: &Source, event: &Event) -> SmolStr {
    match source.value(event) {
        None => SmolStr::new_static("\0"),
        Some(Value::Text(text)) => key_text(&text),
        Some(other) => key_text(&other.to_string()),
    }
}

/// What a `value_count` counts: each value of a single field, or the values of several fields as one.
fn counted(sources: &[Source], event: &Event) -> SmallVec<[SmolStr; 1]> {
    let mut found = SmallVec::new();
    match sources {
        [] => {}
        [source] => {
            if let Some(value) = source.value(event) {
                value.each(&mut |v: ValueRef<'_>| {
                    if found.len() < COUNTED_VALUES_MAX {
                        found.push(with_text(v, key_text));
                    }
                });
            }
        }
        several => {
            let parts: Option<Vec<SmolStr>> = several.iter().map(|s| s.value(event).map(|v| key_text(&v.to_string()))).collect();
            found.extend(parts.map(|parts| key_text(&parts.join("\0"))));
        }
    }
    found
}
