//! What is remembered while one event is matched: the values of its fields, and which predicates hold. Reused from event to event, so that matching allocates
//! nothing once warm.

use crate::check::{Check, with_text};
use crate::set::{RuleSet, Source};
use event::{Event, Fields, ValueRef};
use std::ops::Range;

/// Memory that outlives an event. Entries count only while they carry the present epoch.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    epoch: u64,
    /// For each shared predicate: when it was asked last, and the answer.
    answers: Vec<(u64, bool)>,
    /// For each slot: when it was read last, and where its values stand in the buffer.
    slots: Vec<(u64, u32, u32)>,
    buffer: Vec<ValueRef<'static>>,
}

/// One event as the predicates of a set read it: each field once, each predicate once.
pub(crate) struct Reader<'m, 'e> {
    set: &'m RuleSet,
    event: &'e Event,
    memory: &'m mut Memory,
    values: Vec<ValueRef<'e>>,
}

/// Takes the space of one vector for values of another event, without copying or allocating: nothing is in it.
fn recycle<'a, 'b>(mut values: Vec<ValueRef<'a>>) -> Vec<ValueRef<'b>> {
    values.clear();
    values.into_iter().map(|_| ValueRef::Null).collect()
}

impl<'m, 'e> Reader<'m, 'e> {
    pub fn new(set: &'m RuleSet, event: &'e Event, memory: &'m mut Memory) -> Reader<'m, 'e> {
        memory.epoch += 1;
        memory.answers.resize(set.shared.len(), (0, false));
        memory.slots.resize(set.slots.len(), (0, 0, 0));
        let values = recycle(std::mem::take(&mut memory.buffer));
        let mut reader = Reader { set, event, memory, values };
        if let Fields::Derived(list) = &event.fields {
            // One pass over the event's own list instead of one search for each field.
            for (field, value) in list {
                let Some(slot) = set.slot_of_field.get(field.index()).copied().flatten() else { continue };
                let start = reader.values.len();
                value.each(&mut |v| reader.values.push(v));
                reader.read(slot, start);
            }
        }
        reader
    }

    /// Notes that the values of a slot stand from `start` to the end of the buffer. Of a field given twice the first counts.
    fn read(&mut self, slot: u32, start: usize) {
        let epoch = self.memory.epoch;
        if let Some(entry) = self.memory.slots.get_mut(slot as usize)
            && entry.0 != epoch
        {
            *entry = (epoch, start as u32, self.values.len() as u32);
        }
    }

    fn range(&mut self, slot: u32) -> Range<usize> {
        let Some(&(epoch, start, end)) = self.memory.slots.get(slot as usize) else { return 0..0 };
        if epoch == self.memory.epoch {
            return start as usize..end as usize;
        }
        let start = self.values.len();
        let values = &mut self.values;
        match (&self.set.slots[slot as usize].source, &self.event.fields) {
            (Source::Everything, Fields::Native(decoded)) => decoded.document.each_leaf(&mut |v| values.push(v)),
            (Source::Everything, Fields::Derived(list)) => list.iter().for_each(|(_, value)| value.each(&mut |v| values.push(v))),
            (Source::Named { path, .. }, Fields::Native(_)) => self.event.each_native(path, &mut |v| values.push(v)),
            // All that a derived event has was read at the start.
            (Source::Named { .. }, Fields::Derived(_)) => {}
        }
        self.read(slot, start);
        start..self.values.len()
    }

    /// The values of a slot.
    pub fn slot(&mut self, slot: u32) -> impl Iterator<Item = ValueRef<'e>> + use<'_, 'e> {
        let range = self.range(slot);
        self.values.get(range).unwrap_or_default().iter().copied()
    }

    /// Whether a shared predicate holds.
    pub fn holds(&mut self, predicate: u32) -> bool {
        let epoch = self.memory.epoch;
        if let Some(&(asked, answer)) = self.memory.answers.get(predicate as usize)
            && asked == epoch
        {
            return answer;
        }
        let answer = self.ask(predicate);
        if let Some(entry) = self.memory.answers.get_mut(predicate as usize) {
            *entry = (epoch, answer);
        }
        answer
    }

    fn ask(&mut self, predicate: u32) -> bool {
        let set = self.set;
        let Some(shared) = set.shared.get(predicate as usize) else { return false };
        let range = self.range(shared.slot);
        match &*shared.check {
            Check::Exists(is) => *is != range.is_empty(),
            Check::Values(values) if range.is_empty() => values.takes_absent(),
            Check::Values(values) => self.values.get(range).unwrap_or_default().iter().any(|v| values.matches(*v)),
            Check::Reference { affix, cased, .. } => {
                let Some(other) = shared.other else { return false };
                let other = self.range(other);
                let (left, right) = (self.values.get(range).unwrap_or_default(), self.values.get(other).unwrap_or_default());
                // Two long lists would make a product; no honest record has them.
                let scalar = |v: &&ValueRef<'e>| !matches!(v, ValueRef::Null | ValueRef::Composite);
                left.iter().filter(scalar).take(REFERENCE_VALUES_MAX).any(|a| {
                    right
                        .iter()
                        .filter(scalar)
                        .take(REFERENCE_VALUES_MAX)
                        .any(|b| with_text(*a, |a| with_text(*b, |b| affix.holds(a, b, *cased))))
                })
            }
        }
    }

    /// Gives the memory back.
    pub fn finish(self) {
        self.memory.buffer = recycle(self.values);
    }
}

/// Values of each side that a field reference compares: 64 × 64 comparisons at most.
const REFERENCE_VALUES_MAX: usize = 64;

/// Positions of programs that an event can match.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    epoch: u64,
    seen: Vec<u64>,
    list: Vec<u32>,
}

impl Candidates {
    pub fn start(&mut self, programs: usize) {
        self.epoch += 1;
        self.list.clear();
        if self.seen.len() < programs {
            self.seen.resize(programs, 0);
        }
    }

    pub fn add(&mut self, position: u32) {
        if let Some(seen) = self.seen.get_mut(position as usize)
            && *seen != self.epoch
        {
            *seen = self.epoch;
            self.list.push(position);
        }
    }

    pub fn sort(&mut self) {
        self.list.sort_unstable();
    }

    pub fn list(&self) -> &[u32] {
        &self.list
    }
}
