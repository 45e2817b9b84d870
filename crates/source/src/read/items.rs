//! From the frames of one file to decoded records, in the order of the file.

use super::frames::Frames;
use crate::{prepare, recording};
use event::{Body, Place, Prepared, Record, SmolStr, Time, Undecodable};
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
}

impl Items {
    pub(super) fn new(input: Box<dyn Read + Send>, file: SmolStr, host: SmolStr) -> Items {
        Items { frames: Frames::new(input), file, host, number: 0 }
    }

    /// Bytes read after unpacking.
    pub(super) fn bytes(&self) -> u64 {
        self.frames.taken
    }

    /// The next record; broken ones included.
    pub(super) fn next(&mut self) -> Option<Item> {
        loop {
            let frame = self.frames.next()?;
            let bytes = self.frames.bytes(&frame);
            let (record, fault) = match &frame.fault {
                Some(fault) => (self.plain(bytes), Some(fault.reason.clone())),
                None if bytes.starts_with(recording::HEAD) => match recording::parse(bytes) {
                    Some(record) => (record, None),
                    None => (self.plain(bytes), Some("not a readable line of a recording".to_owned())),
                },
                None => (self.plain(bytes), None),
            };
            let mut prepared = match fault {
                Some(reason) => Prepared::new(record, Some(Err(Undecodable { reason, unknown: false }))),
                None => prepare(record),
            };
            // A line was taken for one value. When it is not, it is cut again, by the grammar.
            if frame.guessed && matches!(&prepared.content, Some(Err(error)) if !error.unknown) {
                self.frames.reject(&frame);
                continue;
            }
            self.number += 1;
            prepared.record.place = Place { file: self.file.clone(), number: self.number };
            if prepared.record.host.is_empty() {
                prepared.record.host = self.host.clone();
            }
            return Some(Item { prepared, line: frame.line });
        }
    }

    fn plain(&self, bytes: &[u8]) -> Record {
        Record {
            seq: 0,
            source: SmolStr::default(),
            host: self.host.clone(),
            arrived: Time(0),
            live: false,
            body: Body::Data(Arc::from(bytes)),
            place: Place::default(),
        }
    }
}
