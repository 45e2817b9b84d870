//! Knows which statements have been heard, so that a second delivery is not a second happening.
//!
//! A collector that reconnects asks for the last seconds again, and two collectors may watch one engine. Without this a spray seen twice would be twice as large.

use event::event::identity_of;
use event::{SmolStr, Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

/// How long a statement is remembered.
pub const REMEMBER: Span = Span::minutes(10);

/// How many are remembered: 437 a second for ten minutes. Each takes about 64 bytes, 17 MB in all. Beyond it the oldest is forgotten early, and counted.
pub const REMEMBER_MAX: usize = 1 << 18;

/// The statements of the last minutes.
#[derive(Default)]
pub struct Repeats {
    seen: HashSet<u128, BuildHasherDefault<Fold>>,
    order: VecDeque<(Time, u128)>,
    host: (SmolStr, u128),
    /// How many were forgotten early.
    pub forgotten: u64,
}

/// The state to be kept.
#[derive(Serialize, Deserialize)]
pub struct Frozen {
    order: Vec<(Time, u128)>,
    forgotten: u64,
}

impl Repeats {
    /// Whether this host has made this statement in the last ten minutes; from now on it has.
    pub fn is_repeat(&mut self, host: &SmolStr, identity: u128, at: Time) -> bool {
        while let Some(&(then, old)) = self.order.front()
            && at - then > REMEMBER
        {
            self.seen.remove(&old);
            self.order.pop_front();
        }
        // Records of one host come in long runs, so its hash is kept.
        if self.host.0 != *host || self.host.1 == 0 {
            self.host = (host.clone(), identity_of(&[host.as_bytes()]) | 1);
        }
        let statement = identity ^ self.host.1;
        if !self.seen.insert(statement) {
            return true;
        }
        self.order.push_back((at, statement));
        if self.order.len() > REMEMBER_MAX
            && let Some((_, old)) = self.order.pop_front()
        {
            self.seen.remove(&old);
            self.forgotten += 1;
        }
        false
    }

    /// The state to be kept.
    pub fn freeze(&self) -> Frozen {
        Frozen { order: self.order.iter().copied().collect(), forgotten: self.forgotten }
    }

    /// From the state that was kept.
    pub fn thaw(frozen: Frozen) -> Repeats {
        Repeats {
            seen: frozen.order.iter().map(|(_, statement)| *statement).collect(),
            order: frozen.order.into(),
            forgotten: frozen.forgotten,
            ..Repeats::default()
        }
    }
}

/// An identity is a hash already; half of it is as good as hashing it again.
#[derive(Default)]
struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 ^= u64::from_le_bytes(word);
        }
    }

    fn write_u128(&mut self, n: u128) {
        self.0 = (n as u64) ^ ((n >> 64) as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_remembered_for_ten_minutes() {
        let (mut repeats, host) = (Repeats::default(), SmolStr::new("h"));
        let at = |s| Time::from_seconds(s, 0);
        assert!(!repeats.is_repeat(&host, 7, at(0)));
        assert!(repeats.is_repeat(&host, 7, at(600)));
        assert!(!repeats.is_repeat(&SmolStr::new("other"), 7, at(600)));
        assert!(!repeats.is_repeat(&host, 7, at(601)));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_what_is_forgotten_counted() {
        let (mut repeats, host) = (Repeats::default(), SmolStr::default());
        for n in 0..REMEMBER_MAX as u128 + 10 {
            assert!(!repeats.is_repeat(&host, n, Time(0)));
        }
        assert_eq!(repeats.forgotten, 10);
        assert!(repeats.is_repeat(&host, 10, Time(0)));
        assert!(!repeats.is_repeat(&host, 9, Time(0)));
        assert_eq!((repeats.order.len(), repeats.seen.len()), (REMEMBER_MAX, REMEMBER_MAX));
    }

    #[test]
    fn memory_survives_a_freeze() {
        let (mut repeats, host) = (Repeats::default(), SmolStr::new("h"));
        repeats.is_repeat(&host, 7, Time(0));
        let mut thawed = Repeats::thaw(repeats.freeze());
        assert!(thawed.is_repeat(&host, 7, Time(1)));
        assert!(!thawed.is_repeat(&host, 8, Time(1)));
    }
}
