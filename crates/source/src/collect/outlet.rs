//! The way out of the collector: a bounded queue that never makes the sender wait.
//!
//! Docker skips a subscriber that blocks for 100 ms without telling anyone. So nothing here may wait for whoever reads the records: when the queue is
//! full, the record is dropped and counted, and the count goes out as a note as soon as there is room again.

use event::fact::{SensorNote, Sight};
use event::{Body, Place, Record, SmolStr, Time};
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Records that wait at most: a burst of 10,000 containers makes about 60,000.
const RECORDS_MAX: usize = 65_536;
/// Bytes that wait at most.
const BYTES_MAX: usize = 256 << 20;

/// What a collector has done so far.
#[derive(Debug, Default)]
pub struct Stats {
    /// Lines of the event stream.
    pub events: AtomicU64,
    /// Answers kept as records.
    pub answers: AtomicU64,
    /// Times that the engine no longer knew what was asked for.
    pub missed: AtomicU64,
    /// Records dropped because nobody took them.
    pub dropped: AtomicU64,
    /// Times that the stream broke.
    pub lost: AtomicU64,
    waiting_bytes: AtomicUsize,
}

/// The sending end. Lives on the collector's own thread.
pub(super) struct Outlet {
    sender: SyncSender<Record>,
    stats: Arc<Stats>,
    host: RefCell<SmolStr>,
    file: SmolStr,
    seq: Cell<u64>,
    last: Cell<Time>,
    last_emission: Cell<Instant>,
    dropped_unsaid: Cell<u64>,
    gone: Cell<bool>,
}

/// The receiving end.
pub(super) struct Inlet {
    receiver: Receiver<Record>,
    stats: Arc<Stats>,
}

pub(super) fn outlet(address: &str, stats: Arc<Stats>) -> (Outlet, Inlet) {
    let (sender, receiver) = sync_channel(RECORDS_MAX);
    let outlet = Outlet {
        sender,
        stats: stats.clone(),
        host: RefCell::new(SmolStr::default()),
        file: SmolStr::new(address),
        seq: Cell::new(0),
        last: Cell::new(Time::MIN),
        last_emission: Cell::new(Instant::now()),
        dropped_unsaid: Cell::new(0),
        gone: Cell::new(false),
    };
    (outlet, Inlet { receiver, stats })
}

impl Outlet {
    pub fn set_host(&self, host: &str) {
        *self.host.borrow_mut() = SmolStr::new(host);
    }

    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The one place where the wall clock is read. Never runs backwards, even when the clock does.
    pub fn now(&self) -> Time {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map(|d| d.as_nanos()).unwrap_or(0);
        let now = Time(i64::try_from(since).unwrap_or(i64::MAX)).max(self.last.get());
        self.last.set(now);
        now
    }

    /// Nobody reads any more.
    pub fn is_gone(&self) -> bool {
        self.gone.get()
    }

    /// How long nothing went out.
    pub fn quiet_for(&self) -> std::time::Duration {
        self.last_emission.get().elapsed()
    }

    /// Sends the bytes of one record, without the line end that ends every answer.
    pub fn data(&self, source: &'static str, bytes: &[u8]) {
        let bytes = bytes.trim_ascii();
        if !bytes.is_empty() {
            self.emit(source, Body::Data(Arc::from(bytes)));
        }
    }

    pub fn tick(&self) {
        self.emit("docker_events", Body::Tick);
    }

    pub fn note(&self, sight: Sight) {
        let note = SensorNote { of: SmolStr::new_static("docker_events"), note: sight };
        let bytes = crate::sensor::write(&note, self.now());
        self.emit("sensor", Body::Data(Arc::from(bytes)));
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
        let seq = self.seq.get();
        let record = Record {
            seq,
            source: SmolStr::new_static(source),
            host: self.host.borrow().clone(),
            arrived: self.now(),
            live: true,
            body,
            place: Place { file: self.file.clone(), number: seq + 1 },
        };
        self.last_emission.set(Instant::now());
        let full = self.stats.waiting_bytes.load(Ordering::Relaxed) + size > BYTES_MAX;
        let sent = match full {
            true => false,
            false => match self.sender.try_send(record) {
                Ok(()) => true,
                Err(std::sync::mpsc::TrySendError::Full(_)) => false,
                Err(std::sync::mpsc::TrySendError::Disconnected(_)) => {
                    self.gone.set(true);
                    return;
                }
            },
        };
        if sent {
            self.seq.set(seq + 1);
            self.stats.waiting_bytes.fetch_add(size, Ordering::Relaxed);
        } else {
            self.dropped_unsaid.set(self.dropped_unsaid.get() + 1);
            self.stats.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Inlet {
    /// The next record; `None` when the collector has stopped.
    pub fn next(&self) -> Option<Record> {
        let record = self.receiver.recv().ok()?;
        if let Body::Data(bytes) = &record.body {
            self.stats.waiting_bytes.fetch_sub(bytes.len(), Ordering::Relaxed);
        }
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_drops_and_says_how_many() {
        let (outlet, inlet) = outlet("test", Arc::default());
        for _ in 0..RECORDS_MAX + 7 {
            outlet.data("docker_events", b"{}");
        }
        assert!(!outlet.confess(), "there is no room for the note yet");
        for number in 1..=RECORDS_MAX as u64 {
            assert_eq!(inlet.next().map(|r| r.place.number), Some(number));
        }
        assert!(outlet.confess());
        let Some(Record { body: Body::Data(bytes), source, .. }) = inlet.next() else { panic!("no note") };
        assert_eq!(source, "sensor");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(text.contains(r#""note":{"Dropped":{"count":7,"#), "{text}");
        assert!(!outlet.confess(), "it is said once");
    }

    #[test]
    fn line_ends_are_no_part_of_a_record() {
        let (outlet, inlet) = outlet("test", Arc::default());
        outlet.data("docker_info", b"{\"a\": 1}\n");
        outlet.data("docker_info", b"\n");
        outlet.tick();
        assert_eq!(inlet.next().map(|r| r.body), Some(Body::Data(Arc::from(&b"{\"a\": 1}"[..]))));
        assert_eq!(inlet.next().map(|r| r.body), Some(Body::Tick));
    }
}
