//! Brings the records of many witnesses into one order of time, with a bounded wait.
//!
//! **The order.** Records act in the order (time, position in the call). Time is the record's own or, where it says none or none that is believed, the one its
//! reader assigned. What arrives later within [`ORDER_WAIT`] is put in its place, so shuffled delivery within that wait changes nothing.
//!
//! **Ties.** Two records of one nanosecond act in the order of [`event::Record::seq`], the position that their reader or collector gave them. It travels with the
//! record, so delivery does not touch it. Content (a hash, a source's name, an action's rank) would be blind to it, and was decided against: some witnesses write
//! whole seconds, and then forty jobs that each live for less than one fill that second with *create, die, destroy, create, …* Ranked by action they would all
//! stand at once, ranked by hash a container would end before it began; only the witness's own sequence tells what happened. It also keeps an undated record
//! (an inspect answer in a file takes the greatest time read before it) behind the event that it followed and before the next one, even if that has the same
//! time. Between witnesses a tie has no truth; the position is as good as any, and the same in every replay.
//!
//! **The watermark** is the greatest arrival so far, less the wait, and never falls. A record older than it is late: it acts at once, at the watermark, behind
//! everything that was waiting for that moment. Whether a record is late depends on arrivals up to and including its own, never on what has been released: a
//! tick between two records has an arrival between theirs, so it releases sooner what the next record would have released first anyway.
//!
//! **Bounds.** Nothing but the end of the input releases a file whose every line has the same time, so the buffer is bounded. Beyond the bound the oldest record
//! is released early and the watermark rises to its time; that is counted.

use event::{Body, Prepared, Record, Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// How long a record waits for earlier ones. Engines deliver within milliseconds, collectors within tens; a second leaves room for a busy host.
pub const ORDER_WAIT: Span = Span::seconds(1);

/// How far ahead of its arrival the time of a live record may be. Clocks of one host agree; those of two differ by less unless one is wrong.
pub const FUTURE_MAX: Span = Span::seconds(5);

/// How many records may wait: ten times what the busiest engine says in a second.
pub const WAITING_MAX: usize = 65_536;

/// How many raw bytes may wait: a parsed record takes three to five times as much.
pub const WAITING_BYTES_MAX: usize = 64 << 20;

/// A record whose turn has come.
#[derive(Debug)]
pub struct Ready {
    /// The record.
    pub prepared: Prepared,
    /// When it happened.
    pub time: Time,
    /// When it acts.
    pub at: Time,
    /// Its own time was not believed.
    pub suspect: bool,
}

/// What becomes of a record that was handed in.
#[derive(Debug)]
pub enum Admission {
    /// It waits for its turn.
    Waits,
    /// It is late, or due at the watermark: it acts now, after all that is due.
    Now(Box<Ready>),
}

type Key = (Time, u64, u64);

struct Waiting {
    key: Key,
    suspect: bool,
    bytes: usize,
    prepared: Prepared,
}

/// Records that wait for their turn.
pub struct Order {
    /// Records that came in their order: pushed at the back, taken from the front.
    run: VecDeque<Waiting>,
    /// Records that came out of it.
    strays: BTreeMap<Key, Waiting>,
    bytes: usize,
    frontier: Time,
    watermark: Time,
    admitted: u64,
    /// How many were released early for want of room.
    pub forced: u64,
}

/// The waiting records as they came, each with its place in the order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frozen {
    waiting: Vec<(Key, bool, Record)>,
    frontier: Time,
    watermark: Time,
    admitted: u64,
    forced: u64,
}

impl Default for Order {
    fn default() -> Self {
        Order { run: VecDeque::new(), strays: BTreeMap::new(), bytes: 0, frontier: Time::MIN, watermark: Time::MIN, admitted: 0, forced: 0 }
    }
}

impl Order {
    /// Takes note that time has passed, before a record or tick that arrived then is handed in. Afterwards [`Order::due`] gives what it releases.
    pub fn advance(&mut self, arrived: Time) {
        self.frontier = self.frontier.max(arrived);
        self.watermark = self.watermark.max(self.frontier.minus(ORDER_WAIT));
    }

    /// Nothing that happened before this can still come in order.
    pub fn watermark(&self) -> Time {
        self.watermark
    }

    /// The latest time that is known to have passed.
    pub fn frontier(&self) -> Time {
        self.frontier
    }

    /// Hands in a record, after [`Order::advance`] and after everything due has been taken.
    pub fn admit(&mut self, prepared: Prepared) -> Admission {
        let record = &prepared.record;
        let (mut time, mut suspect) = (prepared.time().unwrap_or(record.arrived), prepared.time_suspect);
        if record.live && time > record.arrived + FUTURE_MAX {
            time = record.arrived + FUTURE_MAX;
            suspect = true;
        }
        if time <= self.watermark {
            return Admission::Now(Box::new(Ready { time, at: self.watermark, suspect, prepared }));
        }
        let bytes = match &record.body {
            Body::Data(raw) => raw.len(),
            Body::Tick => 0,
        };
        let key = (time, record.seq, self.admitted);
        self.admitted += 1;
        self.insert(Waiting { key, suspect, bytes, prepared });
        Admission::Waits
    }

    fn insert(&mut self, waiting: Waiting) {
        self.bytes += waiting.bytes;
        if self.run.back().is_none_or(|last| last.key < waiting.key) {
            self.run.push_back(waiting);
        } else {
            self.strays.insert(waiting.key, waiting);
        }
    }

    /// The next record whose turn has come.
    pub fn due(&mut self) -> Option<Ready> {
        if self.first_key()?.0 <= self.watermark { self.pop() } else { None }
    }

    /// The next record, when more wait than there is room for.
    pub fn overflow(&mut self) -> Option<Ready> {
        if self.run.len() + self.strays.len() <= WAITING_MAX && self.bytes <= WAITING_BYTES_MAX {
            return None;
        }
        let ready = self.pop()?;
        self.forced += 1;
        self.watermark = self.watermark.max(ready.time);
        Some(ready)
    }

    /// The next record, whatever its time: at the end of the input.
    pub fn drain(&mut self) -> Option<Ready> {
        self.pop()
    }

    fn first_key(&self) -> Option<Key> {
        match (self.run.front(), self.strays.first_key_value()) {
            (Some(a), Some((b, _))) => Some(a.key.min(*b)),
            (Some(a), None) => Some(a.key),
            (None, b) => b.map(|(key, _)| *key),
        }
    }

    fn pop(&mut self) -> Option<Ready> {
        let key = self.first_key()?;
        let waiting = match self.run.front() {
            Some(first) if first.key == key => self.run.pop_front(),
            _ => self.strays.remove(&key),
        }?;
        self.bytes -= waiting.bytes;
        Some(Ready { time: key.0, at: key.0, suspect: waiting.suspect, prepared: waiting.prepared })
    }

    /// How many records wait.
    pub fn len(&self) -> usize {
        self.run.len() + self.strays.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The waiting records in their order.
    pub fn freeze(&self) -> Frozen {
        let mut waiting: Vec<&Waiting> = self.run.iter().chain(self.strays.values()).collect();
        waiting.sort_by_key(|w| w.key);
        Frozen {
            waiting: waiting.into_iter().map(|w| (w.key, w.suspect, w.prepared.record.clone())).collect(),
            frontier: self.frontier,
            watermark: self.watermark,
            admitted: self.admitted,
            forced: self.forced,
        }
    }

    /// The buffer that was frozen. Its records are decoded again, which gives the same by law: decoding is a function of the record alone.
    pub fn thaw(frozen: Frozen, prepare: &dyn Fn(Record) -> Prepared) -> Order {
        let mut order = Order {
            frontier: frozen.frontier,
            watermark: frozen.watermark,
            admitted: frozen.admitted,
            forced: frozen.forced,
            ..Order::default()
        };
        for (key, suspect, record) in frozen.waiting {
            let bytes = match &record.body {
                Body::Data(raw) => raw.len(),
                Body::Tick => 0,
            };
            order.insert(Waiting { key, suspect, bytes, prepared: prepare(record) });
        }
        order
    }
}
