//! The way out of the collectors: one queue in one order of arrival, that never makes a sender wait.
//!
//! Docker skips a subscriber that blocks for 100 ms without telling anyone, and the kernel drops what a netlink socket does not take. So nothing here may
//! wait for whoever reads the records: each collector has a share of the queue of its own; when it is full, the record is dropped and counted, and the
//! count goes out as a note as soon as there is room again. A collector that floods thus takes no other's place.

use event::fact::{SensorNote, Sight};
use event::{Body, Place, Record, SmolStr, Time};
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Records of one collector that wait at most: a burst of 10,000 containers makes about 60,000.
const RECORDS_MAX: usize = 65_536;
/// Bytes of one collector that wait at most.
const BYTES_MAX: usize = 256 << 20;
/// How often a reader without anything to read looks whether it should end.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What a collector has done so far.
#[derive(Debug, Default)]
pub struct Stats {
    /// Records of the stream itself, such as lines of the engine's events.
    pub events: AtomicU64,
    /// Answers kept as records.
    pub answers: AtomicU64,
    /// Times that the engine no longer knew what was asked for.
    pub missed: AtomicU64,
    /// Records dropped, because nobody took them or because the kernel or the engine says that it dropped them.
    pub dropped: AtomicU64,
    /// Times that the stream broke.
    pub lost: AtomicU64,
    /// Arrival of the last record, in nanoseconds; 0 before the first.
    pub last: AtomicI64,
    /// How late the last record came, in nanoseconds, where the collector knows its time.
    pub lag: AtomicI64,
    waiting: AtomicUsize,
    waiting_bytes: AtomicUsize,
}

/// What all collectors of one call share.
struct Shared {
    /// The machine's name, which all its witnesses bear.
    machine: SmolStr,
    seq: u64,
    last: Time,
    last_emission: Instant,
}

/// The shared sending end, from which each collector gets an outlet.
#[derive(Clone)]
pub(super) struct Queue {
    sender: Sender<(Record, Arc<Stats>)>,
    shared: Arc<Mutex<Shared>>,
}

/// One collector's sending end. Lives on the collector's own thread.
pub(super) struct Outlet {
    queue: Queue,
    stats: Arc<Stats>,
    /// The source that ticks and notes are about.
    source: &'static str,
    host: RefCell<SmolStr>,
    file: SmolStr,
    number: Cell<u64>,
    dropped_unsaid: Cell<u64>,
    gone: Cell<bool>,
}

/// The receiving end.
pub(super) struct Inlet {
    receiver: Receiver<(Record, Arc<Stats>)>,
}

/// A queue for the collectors of a machine of that name.
pub(super) fn queue(machine: &str) -> (Queue, Inlet) {
    let (sender, receiver) = channel();
    let shared = Shared { machine: SmolStr::new(machine), seq: 0, last: Time::MIN, last_emission: Instant::now() };
    (Queue { sender, shared: Arc::new(Mutex::new(shared)) }, Inlet { receiver })
}

impl Queue {
    /// An outlet for a collector whose main source is `source` and which listens at `address`.
    pub fn outlet(&self, source: &'static str, address: &str, stats: Arc<Stats>) -> Outlet {
        Outlet {
            queue: self.clone(),
            stats,
            source,
            host: RefCell::new(SmolStr::default()),
            file: SmolStr::new(address),
            number: Cell::new(0),
            dropped_unsaid: Cell::new(0),
            gone: Cell::new(false),
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// The one place where the wall clock is read. Never runs backwards, even when the clock does.
    fn now(&mut self) -> Time {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map(|d| d.as_nanos()).unwrap_or(0);
        self.last = Time(i64::try_from(since).unwrap_or(i64::MAX)).max(self.last);
        self.last
    }
}

impl Outlet {
    /// From now on all collectors of this machine bear that name: it is what an engine on it calls it.
    pub fn set_machine(&self, name: &str) {
        if !name.is_empty() {
            self.queue.shared().machine = SmolStr::new(name);
        }
    }

    /// This collector speaks of another machine.
    pub fn set_host(&self, host: &str) {
        *self.host.borrow_mut() = SmolStr::new(host);
    }

    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Arrival, as the next record would bear it.
    pub fn now(&self) -> Time {
        self.queue.shared().now()
    }

    /// Nobody reads any more.
    pub fn is_gone(&self) -> bool {
        self.gone.get()
    }

    /// How long nothing went out, of this collector or any other.
    pub fn quiet_for(&self) -> Duration {
        self.queue.shared().last_emission.elapsed()
    }

    /// Whether so many records of so many bytes together would be taken now. For those who can let their sender wait.
    pub fn has_room(&self, records: usize, bytes: usize) -> bool {
        self.stats.waiting.load(Ordering::Relaxed).saturating_add(records) < RECORDS_MAX
            && self.stats.waiting_bytes.load(Ordering::Relaxed).saturating_add(bytes) < BYTES_MAX
    }

    /// Sends the bytes of one record, without the line end that ends every answer.
    pub fn data(&self, source: &'static str, bytes: &[u8]) {
        let bytes = bytes.trim_ascii();
        if !bytes.is_empty() {
            self.emit(source, Body::Data(Arc::from(bytes)));
        }
    }

    /// Sends one record of the stream itself, and counts it.
    pub fn event(&self, source: &'static str, bytes: &[u8]) {
        self.stats.events.fetch_add(1, Ordering::Relaxed);
        self.data(source, bytes);
    }

    /// The passing of time as a record.
    pub fn tick(&self) {
        self.emit(self.source, Body::Tick);
    }

    /// Says something of the collector's own sight.
    pub fn note(&self, sight: Sight) {
        let note = SensorNote { of: SmolStr::new_static(self.source), note: sight };
        let bytes = crate::sensor::write(&note, self.now());
        self.emit("sensor", Body::Data(Arc::from(bytes)));
    }

    /// Says that records were dropped before they came here.
    pub fn note_dropped(&self, count: u64, reason: &str) {
        self.stats.dropped.fetch_add(count, Ordering::Relaxed);
        self.note(Sight::Dropped { count, reason: SmolStr::new(reason) });
    }

    /// Says how many were dropped, if any were and there is room. True when it said so: what was lost should then be looked up.
    pub fn confess(&self) -> bool {
        let count = self.dropped_unsaid.get();
        if count == 0 || self.stats.waiting_bytes.load(Ordering::Relaxed) > BYTES_MAX / 2 {
            return false;
        }
        self.dropped_unsaid.set(0);
        self.note(Sight::Dropped { count, reason: SmolStr::new_static("records were not taken fast enough") });
        // The note itself may have met a full queue; then it was counted again and the next call says both.
        match self.dropped_unsaid.get() {
            0 => true,
            _ => {
                self.dropped_unsaid.set(count);
                false
            }
        }
    }

    fn emit(&self, source: &'static str, body: Body) {
        let size = match &body {
            Body::Data(bytes) => bytes.len(),
            Body::Tick => 0,
        };
        let number = self.number.get() + 1;
        // Stamped and sent under one lock: the queue's order is the order of arrival, whoever sends.
        let mut shared = self.queue.shared();
        let arrived = shared.now();
        shared.last_emission = Instant::now();
        if self.stats.waiting.load(Ordering::Relaxed) >= RECORDS_MAX || self.stats.waiting_bytes.load(Ordering::Relaxed) + size > BYTES_MAX
        {
            drop(shared);
            self.dropped_unsaid.set(self.dropped_unsaid.get() + 1);
            self.stats.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let own = self.host.borrow();
        let host = if own.is_empty() { shared.machine.clone() } else { own.clone() };
        let is_data = size > 0;
        let place = Place { file: self.file.clone(), number };
        let record = Record { seq: shared.seq, source: SmolStr::new_static(source), host, arrived, live: true, body, place };
        self.stats.waiting.fetch_add(1, Ordering::Relaxed);
        self.stats.waiting_bytes.fetch_add(size, Ordering::Relaxed);
        if self.queue.sender.send((record, self.stats.clone())).is_err() {
            self.gone.set(true);
            return;
        }
        shared.seq += 1;
        self.number.set(number);
        if is_data && source != "sensor" {
            self.stats.last.store(arrived.0, Ordering::Relaxed);
        }
    }
}

impl Inlet {
    /// The next record; `None` when all collectors have stopped, or when `over` says so while nothing comes.
    pub fn next(&self, over: impl Fn() -> bool) -> Option<Record> {
        loop {
            match self.receiver.recv_timeout(LOOK_EVERY) {
                Ok((record, stats)) => {
                    stats.waiting.fetch_sub(1, Ordering::Relaxed);
                    if let Body::Data(bytes) = &record.body {
                        stats.waiting_bytes.fetch_sub(bytes.len(), Ordering::Relaxed);
                    }
                    return Some(record);
                }
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) if over() => return None,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(inlet: &Inlet) -> Option<Record> {
        inlet.next(|| true)
    }

    #[test]
    fn a_full_queue_drops_and_says_how_many() {
        let (queue, inlet) = queue("h");
        let outlet = queue.outlet("docker_events", "test", Arc::default());
        for _ in 0..RECORDS_MAX + 7 {
            outlet.data("docker_events", b"{}");
        }
        assert!(!outlet.confess(), "there is no room for the note yet");
        for number in 1..=RECORDS_MAX as u64 {
            assert_eq!(next(&inlet).map(|r| r.place.number), Some(number));
        }
        assert!(outlet.confess());
        let Some(Record { body: Body::Data(bytes), source, .. }) = next(&inlet) else { panic!("no note") };
        assert_eq!(source, "sensor");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(text.contains(r#""note":{"Dropped":{"count":7,"#), "{text}");
        assert!(!outlet.confess(), "it is said once");
    }

    #[test]
    fn one_that_floods_takes_no_others_place() {
        let (queue, inlet) = queue("h");
        let (loud, calm) = (Arc::<Stats>::default(), Arc::<Stats>::default());
        let flood = queue.outlet("system_process", "netlink", loud.clone());
        for _ in 0..RECORDS_MAX + 7 {
            flood.event("system_process", b"{}");
        }
        let outlet = queue.outlet("docker_events", "test", calm.clone());
        outlet.data("docker_events", b"{}");
        assert_eq!((loud.dropped.load(Ordering::Relaxed), calm.dropped.load(Ordering::Relaxed)), (7, 0));
        let last = std::iter::from_fn(|| next(&inlet)).last().expect("records");
        assert_eq!((last.source.as_str(), last.place.number), ("docker_events", 1), "each counts its own records");
        assert_eq!(last.seq, RECORDS_MAX as u64, "and all stand in one sequence");
    }

    #[test]
    fn all_bear_the_name_that_the_engine_gives_the_machine() {
        let (queue, inlet) = queue("hostname");
        let (engine, kernel) = (queue.outlet("docker_events", "a", Arc::default()), queue.outlet("conntrack", "b", Arc::default()));
        engine.set_machine("");
        kernel.data("conntrack", b"x");
        engine.set_machine("node-1");
        kernel.data("conntrack", b"x");
        kernel.set_host("elsewhere");
        kernel.data("conntrack", b"x");
        let hosts: Vec<SmolStr> = std::iter::from_fn(|| next(&inlet)).map(|r| r.host).collect();
        assert_eq!(hosts, ["hostname", "node-1", "elsewhere"]);
    }

    #[test]
    fn line_ends_are_no_part_of_a_record() {
        let (queue, inlet) = queue("h");
        let outlet = queue.outlet("docker_events", "test", Arc::default());
        outlet.data("docker_info", b"{\"a\": 1}\n");
        outlet.data("docker_info", b"\n");
        outlet.tick();
        assert_eq!(next(&inlet).map(|r| r.body), Some(Body::Data(Arc::from(&b"{\"a\": 1}"[..]))));
        assert_eq!(next(&inlet).map(|r| r.body), Some(Body::Tick));
    }
}
