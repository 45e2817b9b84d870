//! The records of one file, each with the time by which it is merged.

use super::belief::{believed, is_near};
use super::call::Call;
use super::items::{Item, Items};
use event::fact::{Fact, List};
use event::{SmolStr, Time};
use std::collections::{BTreeMap, VecDeque};

/// By which time a record is merged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stand {
    /// It says so itself and is believed.
    Dated(Time),
    /// A clock said so when it was recorded.
    Arrived(Time),
    /// It says none.
    Undated,
    /// It says one that is not believed.
    Suspect,
}

impl Stand {
    /// The time, when there is one.
    pub(super) fn time(self) -> Option<Time> {
        match self {
            Stand::Dated(time) | Stand::Arrived(time) => Some(time),
            Stand::Undated | Stand::Suspect => None,
        }
    }
}

/// One file being read.
pub(super) struct Stream {
    index: usize,
    items: Items,
    /// Read, but not given out: the next one, and more while something ahead decides over it.
    held: VecDeque<Item>,
    held_weight: usize,
    stand: Option<Stand>,
    /// The last believed time of each source in this file.
    lasts: BTreeMap<SmolStr, Time>,
}

impl Stream {
    pub(super) fn new(index: usize, items: Items) -> Stream {
        Stream { index, items, held: VecDeque::new(), held_weight: 0, stand: None, lasts: BTreeMap::new() }
    }

    /// How the next record stands; `None` at the end.
    pub(super) fn peek(&mut self, call: &mut Call) -> Option<Stand> {
        if self.stand.is_none() && self.hold(0, call) {
            self.stand = Some(self.stand_of(0, call));
        }
        self.stand
    }

    /// The next record.
    pub(super) fn pop(&mut self, call: &mut Call) -> Option<(Item, Stand)> {
        let stand = self.peek(call)?;
        let item = self.held.pop_front()?;
        self.held_weight = self.held_weight.saturating_sub(item.weight());
        self.stand = None;
        if let Stand::Dated(time) = stand {
            let source = &item.prepared.record.source;
            match self.lasts.get_mut(source) {
                Some(last) => *last = time,
                None => drop(self.lasts.insert(source.clone(), time)),
            }
        }
        Some((item, stand))
    }

    /// The first time in this file by which something is merged, as far as looking ahead is allowed.
    pub(super) fn first_time(&mut self, call: &mut Call) -> Option<Time> {
        let mut i = 0;
        while self.hold(i, call) {
            // What comes before is not believed, so nothing that this verdict rests on changes until then.
            if let Some(time) = self.stand_of(i, call).time() {
                return Some(time);
            }
            i += 1;
        }
        None
    }

    /// The latest time that held records tell of a container's life, for calls in which nothing is dated.
    pub(super) fn told(&self) -> Option<Time> {
        self.held.iter().filter_map(told_by).max()
    }

    /// The last believed time of each source.
    pub(super) fn into_lasts(self) -> BTreeMap<SmolStr, Time> {
        self.lasts
    }

    /// Bytes read after unpacking.
    pub(super) fn bytes(&self) -> u64 {
        self.items.bytes()
    }

    /// Reads until record `i` is held; false when there is none, or when too much would have to be held for it.
    fn hold(&mut self, i: usize, call: &Call) -> bool {
        while self.held.len() <= i {
            if !self.held.is_empty() && self.held_weight > call.look_ahead {
                return false;
            }
            let Some(item) = self.items.next() else { return false };
            self.held_weight += item.weight();
            self.held.push_back(item);
        }
        true
    }

    fn stand_of(&mut self, i: usize, call: &mut Call) -> Stand {
        let item = &self.held[i];
        if item.prepared.record.live {
            return Stand::Arrived(item.prepared.record.arrived);
        }
        let Some(time) = item.says() else { return Stand::Undated };
        let source = &item.prepared.record.source;
        let previous = self.lasts.get(source).copied();
        if previous.is_some_and(|previous| is_near(time, previous)) {
            return Stand::Dated(time);
        }
        let source = source.clone();
        let next = self.next_of(i, &source, call);
        let is_first = previous.is_none() && self.index > 0;
        // Where the next one is near, it makes no difference what came before.
        let believes = match next {
            Some(next) if is_first && is_near(time, next) => true,
            _ if is_first => believed(time, call.last_before(self.index, &source), next),
            _ => believed(time, previous, next),
        };
        if believes { Stand::Dated(time) } else { Stand::Suspect }
    }

    /// What the next dated record of a source behind record `i` says, in this file or a later one.
    fn next_of(&mut self, i: usize, source: &SmolStr, call: &mut Call) -> Option<Time> {
        let mut j = i + 1;
        while self.hold(j, call) {
            let item = &self.held[j];
            if let Some(time) = item.says().filter(|_| item.prepared.record.source == *source) {
                return Some(time);
            }
            j += 1;
        }
        call.first_after(self.index, source)
    }
}

/// When a container, as a record shows it, was created, started or ended last.
fn told_by(item: &Item) -> Option<Time> {
    let Some(Ok(decoded)) = &item.prepared.content else { return None };
    match decoded.fact.as_ref()? {
        Fact::ContainerSpec(spec) => [spec.created, spec.started, spec.finished].into_iter().flatten().max(),
        Fact::List(List::Containers(list)) => list.iter().filter_map(|container| container.created).max(),
        _ => None,
    }
}
