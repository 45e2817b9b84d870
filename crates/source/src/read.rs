//! Files, folders and standard input, read as one sequence.
//!
//! Takes paths; gives [`Prepared`] records in the order in which the engine wants them, each with its arrival and, where it says none or none that is
//! believed, an assigned time. Never stops at a bad record: it is handed on as undecodable, counted, and the first ones are named in the [`ReadReport`].
//!
//! The way through: paths → `open` (walk, unpack) → `frames` (cut) → `items` (decode) → `stream` (which times are believed) → the merge below.
//!
//! **Order.** Files are merged by the time of their next record; ties go by path, then by the record's number.
//! - A plain record arrives at the greatest time read so far. A recorded line keeps the arrival that its collector wrote, and is merged by it.
//! - An undated record (an inspect answer) comes at once behind its predecessor in its file; only what files before it in the order of paths still hold of
//!   the next second ([`ORDER_WAIT`]) comes first. Leading a file, it waits until all files before it are read, or until the merge is that second past the
//!   first time in its own file. It takes the greatest time read so far in the
//!   call; before anything dated, the first dated time; in a call where nothing is dated, the latest creation, start or end of a container that the leading
//!   records tell; and if they tell none, 0.
//! - A time that is not believed (see `belief`) is treated as none, and said to be suspect.
//!
//! Together these make the places where a recording is cut into files irrelevant, as long as its records are no more than [`ORDER_WAIT`] out of order.

mod belief;
mod call;
mod frames;
mod items;
mod lines;
mod open;
mod report;
mod scan;
mod stream;

pub use frames::RECORD_MAX;
pub use report::{REASONS_MAX, ReadReport, SKIPPED_NAMED_MAX, Skipped};

use crate::Preparer;
use call::Call;
use event::{Prepared, SmolStr, Span, Time};
use open::Input;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use stream::{Stand, Stream};

/// How long the engine waits for what may still have to be put in order.
pub const ORDER_WAIT: Span = Span::seconds(1);

/// With more files than this, those whose turn has not come are closed again after a first look.
const OPEN_MAX: usize = 64;

/// How to read.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// Host of records that do not say theirs.
    pub host: SmolStr,
    /// Bytes held at most while looking ahead in one file, for the next dated record. Beyond it there is none.
    pub look_ahead: usize,
    /// What decodes the records: it knows the mapped sources.
    pub preparer: Preparer,
}

impl Default for ReadOptions {
    fn default() -> ReadOptions {
        ReadOptions { host: SmolStr::new_static("local"), look_ahead: 64 << 20, preparer: Preparer::default() }
    }
}

/// A path that was named and cannot be read; says so as a fragment that fits after "could not".
#[derive(Debug)]
pub struct ReadError {
    path: PathBuf,
    error: std::io::Error,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "read {}: {}", self.path.display(), self.error)
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// The records of a call, in order.
pub struct Reader {
    call: Call,
    slots: Vec<Slot>,
    /// Files whose next record has a time, by it, then by path.
    dated: BTreeSet<(Time, usize)>,
    /// The first of them, kept apart: with one file there is no other.
    head: Option<(Time, usize)>,
    /// Files whose next record has none and comes behind its predecessor.
    ready: BTreeSet<usize>,
    /// Files that begin with records without a time, with the first time in them.
    waiting: BTreeMap<usize, Option<Time>>,
    /// The first file that is not read to its end.
    first_open: usize,
    /// The greatest time read so far.
    latest: Option<Time>,
    seq: u64,
    bytes_total: Option<u64>,
    report: ReadReport,
}

#[derive(Default)]
struct Slot {
    /// `None` before its turn and after its end.
    stream: Option<Stream>,
    /// Something of it has been given out, or may be: what has no time no longer waits.
    begun: bool,
    done: bool,
    /// By which time the latest record out of it was merged.
    merged: Option<Time>,
    /// The first time in it, and the latest that its leading records tell.
    first_time: Option<Time>,
    told: Option<Time>,
}

impl Reader {
    /// Opens everything that `paths` name. Folders are walked; hidden files and plain documents in them are passed over.
    ///
    /// # Errors
    /// When a path that was named cannot be read.
    pub fn open(paths: &[PathBuf], options: &ReadOptions) -> Result<Reader, ReadError> {
        let found = open::find(paths).map_err(|(path, error)| ReadError { path, error })?;
        let mut reader = Reader::of(found.inputs, options);
        reader.report.passed_over = found.passed_over;
        for (path, why) in found.unreadable {
            reader.report.skip(SmolStr::new(path.to_string_lossy()), 0, why, false);
        }
        Ok(reader)
    }

    /// Reads what is in memory as if it were files of these names.
    pub fn over(files: impl IntoIterator<Item = (PathBuf, Arc<[u8]>)>, options: &ReadOptions) -> Reader {
        let input = |(path, bytes): (PathBuf, Arc<[u8]>)| Input { path, size: Some(bytes.len() as u64), bytes: Some(bytes) };
        let mut inputs: Vec<Input> = files.into_iter().map(input).collect();
        inputs.sort_by(|a, b| a.path.cmp(&b.path));
        Reader::of(inputs, options)
    }

    fn of(inputs: Vec<Input>, options: &ReadOptions) -> Reader {
        let mut slots = Vec::new();
        slots.resize_with(inputs.len(), Slot::default);
        let mut reader = Reader {
            bytes_total: inputs.iter().map(|input| input.size).sum(),
            call: Call::new(inputs, options),
            slots,
            dated: BTreeSet::new(),
            head: None,
            ready: BTreeSet::new(),
            waiting: BTreeMap::new(),
            first_open: 0,
            latest: None,
            seq: 0,
            report: ReadReport::default(),
        };
        for index in 0..reader.slots.len() {
            reader.begin(index);
        }
        reader
    }

    /// Bytes of the files read so far, packed as they are.
    pub fn bytes_read(&self) -> u64 {
        self.call.bytes_read.load(Ordering::Relaxed)
    }

    /// Bytes of all files; `None` when one is a pipe.
    pub fn bytes_total(&self) -> Option<u64> {
        self.bytes_total
    }

    /// What has been read and what has not.
    pub fn report(&self) -> &ReadReport {
        &self.report
    }

    /// Takes a first look at a file and gives it its place in the merge.
    fn begin(&mut self, index: usize) {
        // With many files none is held open before its turn; a pipe cannot be opened twice.
        let parks = self.slots.len() > OPEN_MAX && self.call.inputs[index].reopens();
        if !self.open_stream(index, !parks) {
            return;
        }
        self.report.files += 1;
        let Some(stream) = &mut self.slots[index].stream else { return };
        let first_time = match stream.peek(&mut self.call) {
            Some(stand) if stand.time().is_some() => stand.time(),
            Some(_) => stream.first_time(&mut self.call),
            None => None,
        };
        let told = if first_time.is_none() { stream.told() } else { None };
        let slot = &mut self.slots[index];
        (slot.first_time, slot.told) = (first_time, told);
        self.place(index);
        if parks && !self.slots[index].done {
            self.slots[index].stream = None;
        }
    }

    /// Opens the file if it is not; false when that fails, and then it is done.
    fn open_stream(&mut self, index: usize, count: bool) -> bool {
        if self.slots[index].stream.is_some() {
            return true;
        }
        match self.call.items(index, count) {
            Ok(items) => {
                self.slots[index].stream = Some(Stream::new(index, items));
                true
            }
            Err(error) => {
                let file = SmolStr::new(self.call.inputs[index].path.to_string_lossy());
                self.report.skip(file, 0, format!("could not be opened: {error}"), false);
                self.finish(index);
                false
            }
        }
    }

    /// Puts a file where its next record belongs.
    fn place(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        let Some(stream) = &mut slot.stream else { return };
        match stream.peek(&mut self.call) {
            Some(Stand::Dated(time) | Stand::Arrived(time)) => {
                let new = (time, index);
                match self.head {
                    Some(head) if head < new => drop(self.dated.insert(new)),
                    Some(head) => {
                        self.dated.insert(head);
                        self.head = Some(new);
                    }
                    None => self.head = Some(new),
                }
            }
            Some(Stand::Undated | Stand::Suspect) if slot.begun || index == self.first_open => {
                self.ready.insert(index);
            }
            Some(Stand::Undated | Stand::Suspect) => {
                self.waiting.insert(index, slot.first_time);
            }
            None => self.finish(index),
        }
    }

    fn finish(&mut self, index: usize) {
        self.slots[index].done = true;
        if let Some(stream) = self.slots[index].stream.take() {
            self.report.bytes += stream.bytes();
            self.call.finished(index, stream.into_lasts());
        }
        while self.slots.get(self.first_open).is_some_and(|slot| slot.done) {
            self.first_open += 1;
        }
        if self.waiting.remove(&self.first_open).is_some() {
            self.ready.insert(self.first_open);
        }
    }

    /// The file whose record comes next.
    fn choose(&mut self) -> Option<usize> {
        let head = match self.ready.first().copied() {
            Some(index) => match self.before(index) {
                Some(head) => head,
                None => return self.ready.pop_first(),
            },
            None => match self.head {
                Some(head) => head,
                None => return self.waiting.pop_first().map(|(index, _)| index),
            },
        };
        if !self.waiting.is_empty() {
            let due =
                self.waiting.iter().filter_map(|(index, first)| first.filter(|first| head.0 >= *first + ORDER_WAIT).map(|t| (t, *index)));
            if let Some((_, index)) = due.min() {
                self.waiting.remove(&index);
                return Some(index);
            }
        }
        if self.head == Some(head) {
            self.head = self.dated.pop_first();
        } else {
            self.dated.remove(&head);
        }
        Some(head.1)
    }

    /// What still comes before a record without a time: the next of the files before its own, within the wait. If the files are pieces of one, those were
    /// written before it, and it takes its time from them.
    fn before(&self, index: usize) -> Option<(Time, usize)> {
        let until = self.slots[index].merged? + ORDER_WAIT;
        self.head.iter().chain(&self.dated).take_while(|(time, _)| *time < until).find(|(_, other)| *other < index).copied()
    }

    /// The time of what comes before anything dated.
    fn time_before_all(&self) -> Time {
        let Some(earliest) = self.slots.iter().filter_map(|slot| slot.first_time).min() else {
            return self.slots.iter().filter_map(|slot| slot.told).max().unwrap_or_default();
        };
        // The first in the order of paths, unless another file begins so much earlier that it would come late.
        let mut firsts = self.slots.iter().filter_map(|slot| slot.first_time);
        firsts.find(|time| *time <= earliest + ORDER_WAIT).unwrap_or(earliest)
    }
}

impl Iterator for Reader {
    type Item = Prepared;

    fn next(&mut self) -> Option<Prepared> {
        let (index, item, stand) = loop {
            let index = self.choose()?;
            if !self.open_stream(index, true) {
                continue;
            }
            let slot = &mut self.slots[index];
            slot.begun = true;
            match slot.stream.as_mut().and_then(|stream| stream.pop(&mut self.call)) {
                Some((item, stand)) => break (index, item, stand),
                None => self.finish(index),
            }
        };
        let (mut prepared, line) = (item.prepared, item.line);
        self.slots[index].merged = stand.time().or(self.slots[index].merged);
        let latest = self.latest.unwrap_or_else(|| stand.time().unwrap_or_else(|| self.time_before_all()));
        let latest = stand.time().map_or(latest, |time| latest.max(time));
        self.latest = Some(latest);
        if !matches!(stand, Stand::Arrived(_)) {
            prepared.record.arrived = latest;
        }
        if matches!(stand, Stand::Undated | Stand::Suspect) {
            prepared.assigned = Some(latest);
            prepared.time_suspect = stand == Stand::Suspect;
            self.report.suspect += u64::from(prepared.time_suspect);
        }
        self.report.saw(stand.time().unwrap_or(latest));
        prepared.record.seq = self.seq;
        self.seq += 1;
        match &prepared.content {
            Some(Err(why)) => self.report.skip(prepared.record.place.file.clone(), line, why.reason.clone(), why.unknown),
            _ => {
                self.report.records += 1;
                match self.report.by_source.get_mut(&prepared.record.source) {
                    Some(count) => *count += 1,
                    None => drop(self.report.by_source.insert(prepared.record.source.clone(), 1)),
                }
            }
        }
        self.place(index);
        Some(prepared)
    }
}
