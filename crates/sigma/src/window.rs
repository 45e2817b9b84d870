//! The state of one correlation: groups of events that slide over (t − w, t].
//!
//! What a group says is a function of the events in its window alone: a signal *continues* when the condition held just before the event came, over the same window. So nothing
//! need be remembered of earlier signals, and stopping and thawing cannot change any.

use crate::link::Linked;
use crate::rule::CorrelationKind;
use event::{Provenance, SmallVec, SmolStr, Time};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Groups of one correlation. A flood of ten thousand names fits; the oldest untouched goes first.
pub const GROUPS_MAX: usize = 16_384;

/// Events kept of one group, about 50 bytes each; no condition may count further.
pub const ENTRIES_PER_GROUP_MAX: usize = 16_384;

/// Events kept of one correlation in all: 7 MB.
pub const ENTRIES_MAX: usize = 131_072;

/// Records kept of one group for evidence: enough for the first ten and the last ten of most windows. Of more, the middle is forgotten first.
pub const EVIDENCE_PER_GROUP_MAX: usize = 64;

/// Bytes of records kept by one correlation for evidence.
pub const EVIDENCE_BYTES_MAX: usize = 32 << 20;

/// Records that a signal cites from each end.
const CITED: usize = 10;

/// What was forgotten because a bound was reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pressure {
    /// Groups that were dropped while their window was still open.
    pub groups: u64,
    /// Events that left a window early.
    pub entries: u64,
    /// Records that no signal can cite any more.
    pub evidence: u64,
}

/// An event as a correlation takes it.
pub(crate) struct Arrival<'a> {
    pub at: Time,
    pub time: Time,
    /// Bit for each member that it matched.
    pub members: u64,
    pub values: SmallVec<[SmolStr; 1]>,
    /// The operator's context explains it.
    pub explained: bool,
    pub evidence: Option<&'a Arc<Provenance>>,
}

/// What a group says after an arrival, when its condition holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Held {
    pub continues: bool,
    pub count: u64,
    pub distinct: u64,
    pub explained: bool,
    pub first: Time,
    pub last: Time,
    pub evidence: Vec<Arc<Provenance>>,
}

/// All groups of a correlation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Window {
    groups: BTreeMap<Vec<SmolStr>, Group>,
    /// Groups by when they were touched last, oldest first.
    touched: BTreeMap<u64, Vec<SmolStr>>,
    touches: u64,
    entries: usize,
    bytes: usize,
    latest: Option<Time>,
    pub pressure: Pressure,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Group {
    touch: u64,
    entries: VecDeque<Entry>,
    evidence: VecDeque<Kept>,
    /// How often each counted value is in the window.
    values: BTreeMap<SmolStr, u32>,
    /// How many events of each member are in the window.
    members: Vec<u32>,
    /// For each member, when the latest run started that ends in it and has all members before it in order.
    runs: Vec<Option<Time>>,
    unexplained: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    at: Time,
    members: u64,
    explained: bool,
    values: SmallVec<[SmolStr; 1]>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    at: Time,
    time: Time,
    record: Arc<Provenance>,
}

impl Group {
    fn new(members: usize) -> Group {
        Group { members: vec![0; members], runs: vec![None; members], ..Group::default() }
    }

    fn add(&mut self, arrival: &Arrival<'_>, at: Time) {
        for member in bits(arrival.members, self.members.len()) {
            self.members[member] = self.members[member].saturating_add(1);
            self.runs[member] = if member == 0 { Some(at) } else { self.runs[member].max(self.runs[member - 1]) };
        }
        for value in &arrival.values {
            let n = self.values.entry(value.clone()).or_default();
            *n = n.saturating_add(1);
        }
        self.unexplained = self.unexplained.saturating_add(u32::from(!arrival.explained));
        self.entries.push_back(Entry { at, members: arrival.members, explained: arrival.explained, values: arrival.values.clone() });
    }

    /// Takes the oldest event out.
    fn remove_first(&mut self) {
        let Some(entry) = self.entries.pop_front() else { return };
        for member in bits(entry.members, self.members.len()) {
            self.members[member] = self.members[member].saturating_sub(1);
        }
        for value in &entry.values {
            if let Some(n) = self.values.get_mut(value) {
                *n = n.saturating_sub(1);
                if *n == 0 {
                    self.values.remove(value);
                }
            }
        }
        self.unexplained = self.unexplained.saturating_sub(u32::from(!entry.explained));
    }

    fn holds(&self, linked: &Linked, start: Time) -> bool {
        let count = match linked.kind {
            CorrelationKind::EventCount => self.entries.len(),
            CorrelationKind::ValueCount => self.values.len(),
            CorrelationKind::Temporal => self.members.iter().filter(|n| **n > 0).count(),
            CorrelationKind::TemporalOrdered => {
                // How far the members have come in their order; the run's start must be inside the window too.
                self.runs.iter().take_while(|run| run.is_some_and(|run| run > start)).count()
            }
        } as u64;
        if linked.conditions.is_empty() {
            count >= linked.members.len() as u64
        } else {
            linked.conditions.iter().all(|(compare, n)| {
                use crate::check::Number;
                compare.holds(Number::Int(count.into()), Number::Int((*n).into()))
            })
        }
    }

    fn bytes(&self) -> usize {
        self.evidence.iter().map(|kept| kept.record.raw.len()).sum()
    }
}

fn bits(set: u64, members: usize) -> impl Iterator<Item = usize> {
    (0..members.min(64)).filter(move |member| set >> member & 1 == 1)
}

impl Window {
    /// Takes an event into its group; says what the group says when its condition then holds.
    pub fn take(&mut self, linked: &Linked, key: Vec<SmolStr>, arrival: &Arrival<'_>) -> Option<Held> {
        // Time never runs backwards; if a caller lets it, the window stays where it is.
        let at = self.latest.map_or(arrival.at, |latest| arrival.at.max(latest));
        self.latest = Some(at);
        // (t − w, t]: what lies exactly w back is out.
        let start = at.minus(linked.span);
        self.expire(start);
        self.touches += 1;
        let touch = self.touches;
        let mut group = match self.groups.remove(&key) {
            Some(group) => {
                self.touched.remove(&group.touch);
                group
            }
            None => Group::new(linked.members.len()),
        };
        self.prune(&mut group, start);
        let continues = !group.entries.is_empty() && group.holds(linked, start);
        group.add(arrival, at);
        self.entries += 1;
        self.keep_evidence(&mut group, arrival, at);
        group.touch = touch;
        self.touched.insert(touch, key.clone());
        self.bound(&mut group, touch);
        let held = group.holds(linked, start).then(|| cite(&group, continues, arrival));
        self.groups.insert(key, group);
        held
    }

    /// Drops groups whose last event has left the window: the oldest touched are the first to be so.
    fn expire(&mut self, start: Time) {
        while let Some((touch, key)) = self.touched.first_key_value() {
            let over = self.groups.get(key).is_none_or(|group| group.entries.back().is_none_or(|entry| entry.at <= start));
            if !over {
                return;
            }
            let touch = *touch;
            self.drop_group(touch);
        }
    }

    /// Returns whether the group still had events.
    fn drop_group(&mut self, touch: u64) -> bool {
        let Some(key) = self.touched.remove(&touch) else { return false };
        let Some(group) = self.groups.remove(&key) else { return false };
        self.entries -= group.entries.len();
        self.bytes -= group.bytes();
        !group.entries.is_empty()
    }

    fn prune(&mut self, group: &mut Group, start: Time) {
        while group.entries.front().is_some_and(|entry| entry.at <= start) {
            group.remove_first();
            self.entries -= 1;
        }
        while group.evidence.front().is_some_and(|kept| kept.at <= start) {
            self.forget(group, 0);
        }
    }

    fn forget(&mut self, group: &mut Group, index: usize) {
        if let Some(kept) = group.evidence.remove(index) {
            self.bytes -= kept.record.raw.len();
        }
    }

    fn keep_evidence(&mut self, group: &mut Group, arrival: &Arrival<'_>, at: Time) {
        let Some(record) = arrival.evidence else { return };
        // Several derived events may rest on one record; it is cited once.
        if group.evidence.back().is_some_and(|kept| kept.record.place == record.place && kept.record.raw == record.raw) {
            return;
        }
        self.bytes += record.raw.len();
        group.evidence.push_back(Kept { at, time: arrival.time, record: record.clone() });
        if group.evidence.len() > EVIDENCE_PER_GROUP_MAX {
            self.forget(group, EVIDENCE_PER_GROUP_MAX / 2);
            self.pressure.evidence += 1;
        }
    }

    /// Holds the bounds; `group` is the one in hand, not in the map, and goes last.
    fn bound(&mut self, group: &mut Group, own: u64) {
        while self.touched.len() > GROUPS_MAX || self.entries > ENTRIES_MAX || self.bytes > EVIDENCE_BYTES_MAX {
            let Some(oldest) = self.touched.keys().next().copied().filter(|touch| *touch != own) else { break };
            let dropped = self.groups.get(&self.touched[&oldest]).map_or(0, |g| g.entries.len() as u64);
            self.pressure.groups += u64::from(self.drop_group(oldest));
            self.pressure.entries += dropped;
        }
        while group.entries.len() > ENTRIES_PER_GROUP_MAX || (self.entries > ENTRIES_MAX && group.entries.len() > 1) {
            group.remove_first();
            self.entries -= 1;
            self.pressure.entries += 1;
        }
        while self.bytes > EVIDENCE_BYTES_MAX && group.evidence.len() > 1 {
            self.forget(group, group.evidence.len() / 2);
            self.pressure.evidence += 1;
        }
    }

    /// Whether this is a state that `linked` can go on with.
    pub fn fits(&self, linked: &Linked) -> bool {
        let members = linked.members.len();
        self.groups.values().all(|group| group.members.len() == members && group.runs.len() == members)
            && self.touches < u64::MAX / 2
            && self.touched.last_key_value().is_none_or(|(touch, _)| *touch <= self.touches)
            && [self.pressure.groups, self.pressure.entries, self.pressure.evidence].iter().all(|n| *n < u64::MAX / 2)
            && self.touched.len() == self.groups.len()
            && self.touched.iter().all(|(touch, key)| self.groups.get(key).is_some_and(|group| group.touch == *touch))
            && self.entries == self.groups.values().map(|group| group.entries.len()).sum::<usize>()
            && self.bytes == self.groups.values().map(Group::bytes).sum::<usize>()
    }
}

/// The first ten and the last ten records, and the times that they span.
fn cite(group: &Group, continues: bool, arrival: &Arrival<'_>) -> Held {
    let n = group.evidence.len();
    let cited = || group.evidence.iter().enumerate().filter(|(i, _)| *i < CITED || *i + CITED >= n).map(|(_, kept)| kept);
    let times = || cited().map(|kept| kept.time).chain([arrival.time]);
    Held {
        continues,
        count: group.entries.len() as u64,
        distinct: group.values.len() as u64,
        explained: group.unexplained == 0,
        first: times().min().unwrap_or(arrival.time),
        last: times().max().unwrap_or(arrival.time),
        evidence: cited().map(|kept| kept.record.clone()).collect(),
    }
}
