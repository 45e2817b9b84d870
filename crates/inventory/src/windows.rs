//! How often something has happened lately, for each of many keys; bounded in keys and in times.

use event::{Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Times kept for one key; a count above it stays there until the window has moved on.
const TIMES_MAX: usize = 4096;

/// Times by key, within a sliding window.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Windows<K: Ord> {
    keys: BTreeMap<K, VecDeque<Time>>,
    window: Span,
    keys_max: usize,
}

impl<K: Ord + Clone> Windows<K> {
    pub(crate) fn new(window: Span, keys_max: usize) -> Windows<K> {
        Windows { keys: BTreeMap::new(), window, keys_max }
    }

    /// Notes that it happened now, and says how often it has within the window, this time included. The second number is how many keys were forgotten for it.
    pub(crate) fn add(&mut self, key: &K, now: Time) -> (usize, u64) {
        let mut forgotten = 0;
        if !self.keys.contains_key(key) && self.keys.len() >= self.keys_max {
            forgotten = self.make_room(now);
        }
        let since = now.minus(self.window);
        let times = self.keys.entry(key.clone()).or_default();
        while times.front().is_some_and(|time| *time <= since) || times.len() >= TIMES_MAX {
            times.pop_front();
        }
        times.push_back(now);
        (times.len(), forgotten)
    }

    /// How often it has happened within the window.
    pub(crate) fn count(&self, key: &K, now: Time) -> usize {
        let since = now.minus(self.window);
        self.keys.get(key).map_or(0, |times| times.iter().rev().take_while(|time| **time > since).count())
    }

    /// Forgets a key.
    pub(crate) fn forget(&mut self, key: &K) {
        self.keys.remove(key);
    }

    /// Drops what is over; when that is not enough, the sixteenth whose last time is longest ago.
    fn make_room(&mut self, now: Time) -> u64 {
        let since = now.minus(self.window);
        self.keys.retain(|_, times| times.back().is_some_and(|time| *time > since));
        let room = self.keys_max - self.keys_max / 16;
        if self.keys.len() <= room {
            return 0;
        }
        let mut order: Vec<(Option<Time>, K)> = self.keys.iter().map(|(key, times)| (times.back().copied(), key.clone())).collect();
        order.sort();
        let many = self.keys.len() - room;
        order.iter().take(many).for_each(|(_, key)| drop(self.keys.remove(key)));
        many as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_slide_and_keys_are_bounded() {
        let mut windows = Windows::new(Span::seconds(10), 32);
        for second in 0..20 {
            windows.add(&"a".to_owned(), Time::from_seconds(second, 0));
        }
        assert_eq!(windows.count(&"a".to_owned(), Time::from_seconds(19, 0)), 10);
        assert_eq!(windows.count(&"a".to_owned(), Time::from_seconds(28, 0)), 1);
        let forgotten: u64 = (0..1000).map(|n| windows.add(&format!("k{n}"), Time::from_seconds(20, n)).1).sum();
        assert!(windows.keys.len() <= 32 && forgotten >= 900);
        assert_eq!(windows.count(&"k999".to_owned(), Time::from_seconds(20, 1000)), 1);
    }
}
