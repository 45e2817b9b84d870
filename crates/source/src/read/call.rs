//! What one file must know of the others: who comes before it and who comes after, for each source.
//!
//! Asked only where a jump stands at a file's edge; the answer is found by reading the neighbour, and kept. What cannot be read twice (standard input, a
//! pipe) answers nothing.

use super::ReadOptions;
use super::items::Items;
use super::lines::Carry;
use super::open::Input;
use super::stream::Stream;
use crate::Preparer;
use event::{SmolStr, Time};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// The files of a call.
pub(super) struct Call {
    pub(super) inputs: Vec<Input>,
    pub(super) host: SmolStr,
    /// Bytes held at most while looking ahead in one file.
    pub(super) look_ahead: usize,
    /// Bytes of files read so far; the reading done here is not counted.
    pub(super) bytes_read: Arc<AtomicU64>,
    preparer: Preparer,
    carry: Arc<Carry>,
    firsts: BTreeMap<(usize, SmolStr), Option<Time>>,
    lasts: BTreeMap<usize, BTreeMap<SmolStr, Time>>,
}

impl Call {
    pub(super) fn new(inputs: Vec<Input>, options: &ReadOptions) -> Call {
        let carry = Arc::new(Carry::new(inputs.clone(), options.preparer.clone()));
        let (host, preparer) = (options.host.clone(), options.preparer.clone());
        Call {
            inputs,
            host,
            look_ahead: options.look_ahead,
            bytes_read: Arc::default(),
            preparer,
            carry,
            firsts: BTreeMap::new(),
            lasts: BTreeMap::new(),
        }
    }

    /// The records of a file, from its start.
    pub(super) fn items(&self, index: usize, count: bool) -> std::io::Result<Items> {
        let input = &self.inputs[index];
        let counter = if count { self.bytes_read.clone() } else { Arc::default() };
        let name = SmolStr::new(input.path.to_string_lossy());
        Ok(Items::new(input.open(counter)?, name, self.host.clone(), self.preparer.clone(), Some((self.carry.clone(), index))))
    }

    /// What the first dated record of a source behind the file says.
    pub(super) fn first_after(&mut self, index: usize, source: &SmolStr) -> Option<Time> {
        (index + 1..self.inputs.len()).find_map(|later| self.first(later, source))
    }

    fn first(&mut self, index: usize, source: &SmolStr) -> Option<Time> {
        let key = (index, source.clone());
        if let Some(known) = self.firsts.get(&key) {
            return *known;
        }
        let mut found = None;
        if self.inputs[index].reopens()
            && let Ok(mut items) = self.items(index, false)
        {
            while found.is_none() && items.bytes() < self.look_ahead as u64 {
                let Some(item) = items.next() else { break };
                found = item.says().filter(|_| item.prepared.record.source == *source);
            }
        }
        self.firsts.insert(key, found);
        found
    }

    /// The last believed time of a source before the file.
    pub(super) fn last_before(&mut self, index: usize, source: &SmolStr) -> Option<Time> {
        // From the first on, so that each has its answer before the next one asks.
        for earlier in 0..index {
            if !self.lasts.contains_key(&earlier) {
                let mut lasts = BTreeMap::new();
                if self.inputs[earlier].reopens()
                    && let Ok(items) = self.items(earlier, false)
                {
                    let mut stream = Stream::new(earlier, items);
                    while stream.pop(self).is_some() {}
                    lasts = stream.into_lasts();
                }
                self.lasts.insert(earlier, lasts);
            }
        }
        (0..index).rev().find_map(|earlier| self.lasts.get(&earlier)?.get(source).copied())
    }

    /// Keeps what a file that has been read to its end would answer.
    pub(super) fn finished(&mut self, index: usize, lasts: BTreeMap<SmolStr, Time>) {
        self.lasts.entry(index).or_insert(lasts);
    }
}
