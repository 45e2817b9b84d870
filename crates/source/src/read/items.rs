//! From the frames of one file to decoded records, in the order of the file.

use super::frames::Frames;
use super::lines::{Carry, Line, Lines, under};
use crate::prepare::{Hint, Preparer};
use crate::recording;
use event::{Body, Place, Prepared, Record, SmolStr, Time, Undecodable};
use std::collections::VecDeque;
use std::io::Read;
use std::sync::Arc;

/// One record of a file with where it stands.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) prepared: Prepared,
    pub(super) line: u64,
}

impl Item {
    /// The time that the record says, when it is one whose time has to be believed: plain, decoded and dated.
    pub(super) fn says(&self) -> Option<Time> {
        match &self.prepared.content {
            Some(Ok(decoded)) if !self.prepared.record.live => decoded.time,
            _ => None,
        }
    }

    /// What it costs to hold.
    pub(super) fn weight(&self) -> usize {
        let bytes = match &self.prepared.record.body {
            Body::Data(bytes) => bytes.len(),
            Body::Tick => 0,
        };
        // A parsed document is a few times as large as its text.
        bytes.saturating_mul(4) + size_of::<Item>()
    }
}

/// The records of one file.
pub(super) struct Items {
    frames: Frames<Box<dyn Read + Send>>,
    file: SmolStr,
    host: SmolStr,
    number: u64,
    lines: Lines,
    preparer: Preparer,
    hint: Hint,
    /// Records of an envelope that is being given out, and the line on which it stands.
    batch: VecDeque<Arc<[u8]>>,
    batch_line: u64,
}

impl Items {
    /// The records of what `input` gives; `carry` knows the headers of the files before.
    pub(super) fn new(
        input: Box<dyn Read + Send>,
        file: SmolStr,
        host: SmolStr,
        preparer: Preparer,
        carry: Option<(Arc<Carry>, usize)>,
    ) -> Items {
        let lines = Lines::new(preparer.clone(), carry);
        Items {
            frames: Frames::new(input),
            file,
            host,
            number: 0,
            lines,
            preparer,
            hint: Hint::default(),
            batch: VecDeque::new(),
            batch_line: 0,
        }
    }

    /// Bytes read after unpacking.
    pub(super) fn bytes(&self) -> u64 {
        self.frames.taken
    }

    /// The next record; broken ones included.
    pub(super) fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(piece) = self.batch.pop_front() {
                let line = self.batch_line;
                return Some(self.numbered(self.preparer.prepare(self.plain(piece)), line));
            }
            let frame = self.frames.next()?;
            let bytes = self.frames.bytes(&frame);
            if frame.fault.is_none()
                && let Some(pieces) = crate::kubernetes::split::pieces(bytes)
            {
                self.batch = pieces.into_iter().map(Arc::from).collect();
                self.batch_line = frame.line;
                continue;
            }
            let (record, fault) = match &frame.fault {
                Some(fault) => (self.plain(bytes), Some(fault.reason.clone())),
                None if bytes.starts_with(recording::HEAD) => match recording::parse(bytes) {
                    Some(record) => (record, None),
                    None => (self.plain(bytes), Some("not a readable line of a recording".to_owned())),
                },
                None if frame.bare => match self.lines.look(bytes) {
                    Line::Nothing => continue,
                    Line::Record { header, source } => {
                        let mut record = match header {
                            Some(header) => self.plain(under(&header, bytes)),
                            None => self.plain(bytes),
                        };
                        record.source = source.unwrap_or_default();
                        (record, None)
                    }
                },
                None => (self.plain(bytes), None),
            };
            let prepared = match fault {
                Some(reason) => Prepared::new(record, Some(Err(Undecodable { reason, unknown: false }))),
                None => self.preparer.prepare_next(record, &mut self.hint),
            };
            // A line was taken for one value. When it is not, it is cut again, by the grammar.
            if frame.guessed && matches!(&prepared.content, Some(Err(error)) if !error.unknown) {
                self.frames.reject(&frame);
                continue;
            }
            let line = frame.line;
            return Some(self.numbered(prepared, line));
        }
    }

    /// A record with its place.
    fn numbered(&mut self, mut prepared: Prepared, line: u64) -> Item {
        self.number += 1;
        prepared.record.place = Place { file: self.file.clone(), number: self.number };
        if prepared.record.host.is_empty() {
            prepared.record.host = self.host.clone();
        }
        Item { prepared, line }
    }

    fn plain(&self, bytes: impl Into<Arc<[u8]>>) -> Record {
        Record {
            seq: 0,
            source: SmolStr::default(),
            host: self.host.clone(),
            arrived: Time(0),
            live: false,
            body: Body::Data(bytes.into()),
            place: Place::default(),
        }
    }
}
