//! The serial step: records in order, each through inventory, detection and judgement, with the timers that are due before it.

use crate::detect::Detect;
use crate::order::{self, Admission, Order, Ready};
use crate::pressure::Voice;
use crate::repeats::{self, Repeats};
use crate::report::Report;
use crate::sight;
use event::deriver::{Wanted, WantedFields};
use event::dictionary::SENSOR_NOTE;
use event::fact::{Fact, SensorNote, Sight};
use event::{
    Body, Decoded, Deriver, Document, Emit, Event, Fields, Prepared, Provenance, Record, Signal, SmolStr, Span, Time, Undecodable,
};
use finding::{Change, Judge, RuleCard};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;

/// Opens a frozen state, so that other bytes are refused by name.
const STATE_HEAD: &[u8] = b"landwaiter state\n";

/// Version of the frozen state: to be raised whenever the shape of any state changes.
const STATE_VERSION: u32 = 3;

/// What the engine's results go to.
pub trait Out {
    /// Something happened to a finding.
    fn finding(&mut self, change: Change);

    /// An event acts: each native one, then the derived ones that follow from it.
    fn event(&mut self, _event: &Event) {}

    /// Whether [`Out::event`] is to see derived events that no rule reads.
    fn all_events(&self) -> bool {
        false
    }
}

/// Detection over one partition: a replay, or a host or cluster watched live.
pub struct Engine {
    order: Order,
    repeats: Repeats,
    derivers: Vec<Box<dyn Deriver>>,
    detector: Box<dyn Detect>,
    judge: Judge,
    wanted: Vec<bool>,
    /// The fields that rules read; `None` when they were not told.
    wanted_fields: Option<Arc<WantedFields>>,
    /// The earliest timer of any part.
    due: Option<Time>,
    now: Time,
    report: Report,
    voice: Voice,
    emit: Emit,
    queue: VecDeque<(Event, usize)>,
    signals: Vec<Signal>,
    changes: Vec<Change>,
}

#[derive(Serialize, Deserialize)]
struct Frozen {
    order: order::Frozen,
    repeats: repeats::Frozen,
    derivers: Vec<Vec<u8>>,
    detector: Vec<u8>,
    judge: Vec<u8>,
    now: Time,
    report: Report,
    voice: Voice,
}

impl Engine {
    /// An engine of these parts. Derivers see what those before them in the list derive. `wanted` says, by the kind's index, which derived events some rule reads.
    pub fn of_parts(
        derivers: Vec<Box<dyn Deriver>>,
        detector: Box<dyn Detect>,
        cards: Arc<Vec<RuleCard>>,
        mut wanted: Vec<bool>,
    ) -> Engine {
        for kind in sight::READ {
            if let Some(slot) = wanted.get_mut(kind.index()) {
                *slot = true;
            }
        }
        let emit = Emit { events: Vec::new(), wanted: Some(wanted.clone()), wanted_fields: None };
        Engine {
            order: Order::default(),
            repeats: Repeats::default(),
            derivers,
            detector,
            judge: Judge::new(cards),
            wanted,
            wanted_fields: None,
            due: None,
            now: Time::MIN,
            report: Report::default(),
            voice: Voice::default(),
            emit,
            queue: VecDeque::new(),
            signals: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// Lets derivers leave out fields that nobody reads, unless [`Out::all_events`] wants to see them. What is read here of the sources' sight stays.
    #[must_use]
    pub fn reading(mut self, mut fields: WantedFields) -> Engine {
        for kind in sight::READ {
            fields.set(kind, Wanted::all());
        }
        self.wanted_fields = Some(Arc::new(fields));
        self.emit.wanted_fields = self.wanted_fields.clone();
        self
    }

    /// Takes the next record or tick of the call.
    pub fn push(&mut self, prepared: Prepared, out: &mut impl Out) {
        self.heed(out);
        self.order.advance(prepared.record.arrived);
        while let Some(ready) = self.order.due() {
            self.act(ready, out);
        }
        if matches!(prepared.record.body, Body::Tick) {
            self.report.ticks += 1;
        } else {
            self.report.records += 1;
            match self.order.admit(prepared) {
                Admission::Now(ready) => self.act(*ready, out),
                Admission::Waits => {
                    while let Some(ready) = self.order.overflow() {
                        self.act(ready, out);
                    }
                }
            }
        }
        // Nothing can act before the watermark any more, so what is due by then may fire now rather than with the next record.
        self.fire_until(self.order.watermark(), out);
    }

    /// The input has ended: what waits acts, timers fire up to the last time that is known to have passed, and open findings are said as they stand.
    pub fn finish(&mut self, out: &mut impl Out) {
        self.heed(out);
        while let Some(ready) = self.order.drain() {
            self.act(ready, out);
        }
        self.fire_until(self.order.frontier().max(self.now), out);
        for finding in self.judge.finish() {
            out.finding(Change::Standing(finding));
        }
    }

    /// What has been counted.
    pub fn report(&self) -> Report {
        Report {
            forced: self.order.forced,
            repeats_forgotten: self.repeats.forgotten,
            correlations_forgotten: self.detector.forgotten(),
            judge: self.judge.report(),
            ..self.report
        }
    }

    /// When the engine acted last.
    pub fn now(&self) -> Time {
        self.now
    }

    fn heed(&mut self, out: &impl Out) {
        if out.all_events() == self.emit.wanted.is_some() {
            self.emit.wanted = if out.all_events() { None } else { Some(self.wanted.clone()) };
            self.emit.wanted_fields = if out.all_events() { None } else { self.wanted_fields.clone() };
        }
    }

    /// A record acts.
    fn act(&mut self, ready: Ready, out: &mut impl Out) {
        self.fire_until(ready.at, out);
        let Ready { prepared, time, at, suspect } = ready;
        let Record { source, host, body, place, .. } = prepared.record;
        let Body::Data(raw) = body else { return };
        let decoded = match prepared.content {
            Some(Ok(decoded)) => decoded,
            Some(Err(why)) => self.unreadable(&source, why),
            None => return,
        };
        if let Some(identity) = decoded.identity
            && self.repeats.is_repeat(&host, identity, at)
        {
            self.report.repeats += 1;
            return;
        }
        self.now = self.now.max(at);
        let provenance = Provenance { time: decoded.time.unwrap_or(time), source: source.clone(), place, raw };
        let event = Event {
            kind: decoded.kind,
            at,
            time,
            late_by: at - time,
            time_suspect: suspect,
            source,
            host,
            subject: decoded.subject.clone(),
            fields: Fields::Native(Arc::new(decoded)),
            evidence: vec![Arc::new(provenance)],
        };
        self.report.suspect += u64::from(suspect);
        if event.late_by > Span::ZERO {
            self.report.late += 1;
            self.report.late_max = self.report.late_max.max(event.late_by);
            self.judge.note_coverage(sight::late(&event));
        }
        self.queue.push_back((event, 0));
        self.run(out);
        if self.bounded() {
            let row = self.derivers.len() + 1;
            let said = self.voice.say(&self.report(), self.now);
            self.queue.extend(said.into_iter().map(|event| (event, row)));
            self.run(out);
        }
    }

    /// Whether a bound has been met at all, which it hardly ever is.
    fn bounded(&self) -> bool {
        self.order.forced + self.repeats.forgotten + self.judge.report().evicted + self.detector.forgotten() > 0
    }

    /// What stands for a record that could not be read: a note of its source's sight, so that the inventory says it as it says all else.
    fn unreadable(&mut self, source: &SmolStr, why: Undecodable) -> Decoded {
        self.report.undecodable += 1;
        self.report.unknown += u64::from(why.unknown);
        let of = if source.is_empty() { SmolStr::new_static("unknown") } else { source.clone() };
        Decoded {
            kind: SENSOR_NOTE,
            time: None,
            identity: None,
            subject: of.clone(),
            document: Document::default(),
            fact: Some(Fact::Sensor(SensorNote { of, note: Sight::Undecodable { reason: why.reason.into() } })),
            truncated: false,
            duplicate_keys: false,
        }
    }

    /// Works off the queue: each event passes the derivers that come after the one that made it, then detection, then judgement.
    fn run(&mut self, out: &mut impl Out) {
        while let Some((event, from)) = self.queue.pop_front() {
            for row in from..self.derivers.len() {
                self.derivers[row].apply(&event, &mut self.emit);
                self.queue.extend(self.emit.events.drain(..).map(|derived| (derived, row + 1)));
            }
            if from > 0 {
                self.report.derived += 1;
                if let Some(note) = sight::note(&event) {
                    self.judge.note_coverage(note);
                }
            }
            out.event(&event);
            self.detector.step(&event, &mut self.signals);
            self.judged(event.at, out);
        }
        self.due = self.next_due();
    }

    fn judged(&mut self, now: Time, out: &mut impl Out) {
        if !self.signals.is_empty() {
            self.judge.apply(std::mem::take(&mut self.signals), now, &mut self.changes);
        }
        for change in self.changes.drain(..) {
            out.finding(change);
        }
    }

    /// Fires every timer due by `until`, in the order (due, part), a part firing its own in the order of its keys.
    fn fire_until(&mut self, until: Time, out: &mut impl Out) {
        while let Some(due) = self.due
            && due <= until
        {
            self.now = self.now.max(due);
            let row = self.derivers.iter().position(|deriver| deriver.next_due() == Some(due));
            if let Some(row) = row {
                self.derivers[row].fire(due, &mut self.emit);
                self.queue.extend(self.emit.events.drain(..).map(|derived| (derived, row + 1)));
                self.run(out);
            } else if self.detector.next_due() == Some(due) {
                self.detector.fire(due, &mut self.signals);
                self.judged(due, out);
            } else {
                self.judge.fire(due, &mut self.changes);
                self.judged(due, out);
            }
            self.due = self.next_due();
        }
    }

    fn next_due(&self) -> Option<Time> {
        let derivers = self.derivers.iter().filter_map(|deriver| deriver.next_due()).min();
        [derivers, self.detector.next_due(), self.judge.next_due()].into_iter().flatten().min()
    }

    /// All state, to be thawed by the same version.
    pub fn freeze(&self) -> Vec<u8> {
        let frozen = Frozen {
            order: self.order.freeze(),
            repeats: self.repeats.freeze(),
            derivers: self.derivers.iter().map(|deriver| deriver.freeze()).collect(),
            detector: self.detector.freeze(),
            judge: self.judge.freeze(),
            now: self.now,
            report: self.report,
            voice: self.voice.clone(),
        };
        let mut bytes = STATE_HEAD.to_vec();
        bytes.extend(STATE_VERSION.to_le_bytes());
        // Serialising to memory fails only for types that postcard cannot hold, and the state has none.
        bytes.extend(postcard::to_stdvec(&frozen).unwrap_or_default());
        bytes
    }

    /// Takes the state of `freeze`. `prepare` decodes the records that were waiting.
    ///
    /// # Errors
    /// When the bytes are not a state of this version. The engine is then as it was.
    pub fn thaw(&mut self, bytes: &[u8], prepare: &dyn Fn(Record) -> Prepared) -> Result<(), String> {
        let bytes = bytes.strip_prefix(STATE_HEAD).ok_or("these bytes are not a saved state of landwaiter")?;
        let (version, bytes) = bytes.split_first_chunk::<4>().ok_or("the saved state ends after its first line")?;
        let version = u32::from_le_bytes(*version);
        if version != STATE_VERSION {
            return Err(format!("the saved state has version {version}, this program reads {STATE_VERSION}; start anew from the records"));
        }
        let frozen: Frozen = postcard::from_bytes(bytes).map_err(|e| format!("the saved state is damaged: {e}"))?;
        if frozen.derivers.len() != self.derivers.len() {
            return Err("the saved state is of an engine with other parts".to_owned());
        }
        let before = self.freeze_parts();
        let result = self.thaw_parts(&frozen.derivers, &frozen.detector, &frozen.judge);
        if let Err(why) = result {
            // What was just frozen thaws again.
            let _ = self.thaw_parts(&before.0, &before.1, &before.2);
            return Err(why);
        }
        self.order = Order::thaw(frozen.order, prepare);
        self.repeats = Repeats::thaw(frozen.repeats);
        self.now = frozen.now;
        self.report = frozen.report;
        self.voice = frozen.voice;
        self.due = self.next_due();
        Ok(())
    }

    fn freeze_parts(&self) -> (Vec<Vec<u8>>, Vec<u8>, Vec<u8>) {
        (self.derivers.iter().map(|d| d.freeze()).collect(), self.detector.freeze(), self.judge.freeze())
    }

    fn thaw_parts(&mut self, derivers: &[Vec<u8>], detector: &[u8], judge: &[u8]) -> Result<(), String> {
        for (deriver, state) in self.derivers.iter_mut().zip(derivers) {
            deriver.thaw(state)?;
        }
        self.detector.thaw(detector)?;
        self.judge.thaw(judge)
    }
}

/// The one loop: takes every record to its end.
pub fn drive(records: impl IntoIterator<Item = Prepared>, engine: &mut Engine, out: &mut impl Out) {
    for record in records {
        engine.push(record, out);
    }
    engine.finish(out);
}
