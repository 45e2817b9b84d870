//! Cuts a stream of bytes into records, whatever their layout: one JSON a line, values over many lines, arrays, json-seq, values one after the other.
//!
//! The layout is found record by record. A line that is one value is the ordinary case and costs one search for the line's end; everything else goes through
//! [`Scan`]. What cannot be read is a fault with its line, and the search goes on at the next line: a fault hides nothing but itself.

use super::scan::{Scan, Scanned};
use crate::docker_list::is_entry;
use crate::{auditd, docker_containers, docker_images, text};
use event::Document;
use std::io::{self, Read};
use std::ops::Range;

/// A record longer than this is skipped and counted. Holding it would take memory that a sender chooses.
pub const RECORD_MAX: usize = 16 << 20;

/// Of a faulty record this much is kept as evidence.
const FAULT_BYTES_MAX: usize = 64 << 10;

/// An event that is told on several lines is cut behind so many bytes, or so many lines.
const GROUP_MAX: usize = 512 << 10;
const GROUP_LINES_MAX: u64 = 1024;

/// Bytes asked of the input at once.
const CHUNK: usize = 256 << 10;

/// Bytes at the start in which a NUL says that this is no text.
const SNIFF: usize = 1024;

/// One record, or what stands in its place.
#[derive(Debug)]
pub(super) struct Frame {
    /// Its bytes, see [`Frames::bytes`].
    range: Range<usize>,
    /// Line on which it begins, from 1.
    pub(super) line: u64,
    /// Why it is none, and what stood there.
    pub(super) fault: Option<Fault>,
    /// It was taken for one value because it is one line; not yet known to be. See [`Frames::reject`].
    pub(super) guessed: bool,
    /// It is a line, or several that belong together, of something else than JSON.
    pub(super) bare: bool,
}

/// What stands in a record's place.
#[derive(Debug)]
pub(super) struct Fault {
    /// Why, as a lower-case fragment.
    pub(super) reason: String,
    /// Its first bytes.
    pub(super) bytes: Vec<u8>,
}

/// The cutter.
pub(super) struct Frames<R> {
    input: R,
    buffer: Vec<u8>,
    /// First byte not given out yet.
    start: usize,
    /// The input has no more.
    ended: bool,
    /// It ended with this error.
    failed: Option<io::Error>,
    /// Line of `start`, from 1.
    line: u64,
    /// The start of the input has been looked at.
    begun: bool,
    /// Inside an array whose elements are given out one by one.
    in_array: bool,
    /// Line on which that array began.
    array_line: u64,
    /// The next value is to be scanned: its line turned out not to be one value.
    scan_next: bool,
    /// After a fault over several lines: the column of the value that failed.
    lost: Option<usize>,
    /// Bytes given out, faults included.
    pub(super) taken: u64,
}

impl<R: Read> Frames<R> {
    /// Cuts what `input` gives.
    pub(super) fn new(input: R) -> Frames<R> {
        Frames {
            input,
            buffer: Vec::new(),
            start: 0,
            ended: false,
            failed: None,
            line: 1,
            begun: false,
            in_array: false,
            array_line: 0,
            scan_next: false,
            lost: None,
            taken: 0,
        }
    }

    /// The bytes of the latest frame.
    pub(super) fn bytes<'a>(&'a self, frame: &'a Frame) -> &'a [u8] {
        match &frame.fault {
            Some(fault) => &fault.bytes,
            None => &self.buffer[frame.range.clone()],
        }
    }

    /// The next record or fault; `None` at the end. An error of the input is its last fault.
    pub(super) fn next(&mut self) -> Option<Frame> {
        self.next_held().or_else(|| {
            let error = self.failed.take()?;
            Some(self.fault(self.start..self.start, self.line, format!("could not be read further: {error}")))
        })
    }

    /// Takes a guessed frame back: its line is not one value after all.
    pub(super) fn reject(&mut self, frame: &Frame) {
        self.taken -= (self.start - frame.range.start) as u64;
        self.start = frame.range.start;
        self.line = frame.line;
        self.scan_next = true;
    }

    fn next_held(&mut self) -> Option<Frame> {
        if !self.begun {
            self.begun = true;
            self.fill_to(SNIFF);
            let head = &self.buffer[..self.buffer.len().min(SNIFF)];
            if head.contains(&0) && !has_record(head) {
                self.ended = true;
                self.start = self.buffer.len();
                return Some(self.fault(self.start..self.start, 1, "not text, and in no known compression".to_owned()));
            }
            if self.buffer.starts_with(b"\xef\xbb\xbf") {
                self.start = 3;
            }
        }
        loop {
            let first = self.skip_to_visible()?;
            if let Some(column) = self.lost {
                if !self.is_landmark(column) {
                    self.skip_line();
                    continue;
                }
                self.lost = None;
            }
            match first {
                b',' | b']' | b'}' if self.in_array || self.is_leftover() => {
                    self.in_array &= first != b']';
                    self.take(1);
                }
                b'[' if !self.in_array && self.is_text() => return Some(self.bare_line()),
                b'[' if !self.in_array => {
                    if let Some(frame) = self.array() {
                        return Some(frame);
                    }
                }
                b'{' if self.scan_next => {
                    self.scan_next = false;
                    return Some(self.scanned());
                }
                b'{' => return Some(self.line_or_value()),
                _ if self.in_array => return Some(self.scanned()),
                _ => {
                    self.scan_next = false;
                    return Some(self.bare_line());
                }
            }
        }
    }

    /// The ordinary case: a line that begins and ends with the braces of an object.
    fn line_or_value(&mut self) -> Frame {
        let Some(end) = self.line_end() else { return self.scanned() };
        let mut line = self.buffer[self.start..end].trim_ascii_end();
        if self.in_array {
            line = line.strip_suffix(b",").unwrap_or(line).trim_ascii_end();
        }
        if !line.ends_with(b"}") || line.len() > RECORD_MAX {
            return self.scanned();
        }
        let range = self.start..self.start + line.len();
        let frame = Frame { range, line: self.line, fault: None, guessed: true, bare: false };
        self.take_line(end);
        frame
    }

    /// A line that is no JSON, with those behind it that belong to the same event.
    fn bare_line(&mut self) -> Frame {
        let Some(end) = self.line_end() else {
            let frame = self.fault(self.start..self.buffer.len(), self.line, too_long());
            self.skip_line();
            return frame;
        };
        let line = self.line;
        let first = self.buffer[self.start..end].trim_ascii_end();
        if first.len() > RECORD_MAX {
            let frame = self.fault(self.start..self.start + first.len(), line, too_long());
            self.take_line(end);
            return frame;
        }
        let mut length = end - self.start;
        let mut lines = 1;
        if let Some(event) = auditd::event_of(first) {
            // What is held moves when more is read, so that only lengths are kept meanwhile.
            let event = event.to_vec();
            while lines < GROUP_LINES_MAX && length < GROUP_MAX {
                let Some(more) = self.end_behind(length + 1) else { break };
                if auditd::event_of(&self.buffer[self.start + length + 1..self.start + more]) != Some(&event[..]) {
                    break;
                }
                (length, lines) = (more, lines + 1);
            }
        }
        let end = self.start + length;
        let range = self.start..self.start + self.buffer[self.start..end].trim_ascii_end().len();
        self.take_line(end);
        self.line += lines - 1;
        Frame { range, line, fault: None, guessed: false, bare: true }
    }

    /// Whether the line, which begins with a bracket, is of a text format.
    fn is_text(&mut self) -> bool {
        if self.buffer.get(self.start + 1).is_some_and(|byte| matches!(byte, b'{' | b']' | b'"' | b'[')) {
            return false;
        }
        let Some(end) = self.line_end() else { return false };
        let line = self.buffer[self.start..end].trim_ascii_end();
        !text::is_json(line) && text::source_of(line, None).is_some()
    }

    /// One value, wherever it ends.
    fn scanned(&mut self) -> Frame {
        let line = self.line;
        let column = self.indent();
        let mut scan = Scan::new();
        // What is kept of a value too long to be kept: a fault.
        let mut dropped: Option<Frame> = None;
        loop {
            match scan.advance(&self.buffer[self.start..]) {
                Scanned::Done(length) if dropped.is_some() || length > RECORD_MAX => {
                    let frame = dropped.unwrap_or_else(|| self.fault(self.start..self.start + length, line, too_long()));
                    self.take(length);
                    return frame;
                }
                Scanned::Done(length) => {
                    let range = self.start..self.start + length;
                    self.take(length);
                    return Frame { range, line, fault: None, guessed: false, bare: false };
                }
                Scanned::Wrong(at, why) => return self.broken(line, column, at, why, dropped),
                Scanned::More if self.ended => {
                    let at = self.buffer.len() - self.start;
                    return self.broken(line, column, at, "ends in the middle of a value", dropped);
                }
                Scanned::More => {
                    let held = self.buffer.len() - self.start;
                    if held > RECORD_MAX {
                        // Only its end is still looked for.
                        dropped.get_or_insert_with(|| self.fault(self.start..self.buffer.len(), line, too_long()));
                        scan.drop_front(held);
                        self.take(held);
                    }
                    self.fill();
                }
            }
        }
    }

    /// A value that is broken at `at`: the search goes on behind its first line, or where the next json-seq record begins.
    fn broken(&mut self, line: u64, column: usize, at: usize, why: &str, dropped: Option<Frame>) -> Frame {
        self.scan_next = false;
        let held = &self.buffer[self.start..];
        let at = at.min(held.len());
        if held.get(at) == Some(&0x1e) {
            let frame = dropped.unwrap_or_else(|| self.fault(self.start..self.start + at, line, why.to_owned()));
            self.take(at);
            return frame;
        }
        let over_lines = dropped.is_some() || held[..at].contains(&b'\n');
        let length = if over_lines { at } else { memchr::memchr(b'\n', held).unwrap_or(held.len()) };
        if over_lines {
            self.lost = Some(column);
        } else if self.array_line == line {
            // The array began on this line and goes with it: what follows are lines again.
            self.in_array = false;
        }
        let frame = dropped.unwrap_or_else(|| self.fault(self.start..self.start + length, line, why.to_owned()));
        self.skip_line();
        frame
    }

    /// An array at the root: a complete list is one record; anything else is given out element by element, beginning with the next call.
    fn array(&mut self) -> Option<Frame> {
        let mut scan = Scan::new();
        let (mut inside, mut element) = (1, None);
        // The first element decides.
        while element.is_none() {
            let held = &self.buffer[self.start..];
            inside += held.get(inside..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            match held.get(inside) {
                Some(b'{') => match scan.advance(&held[inside..]) {
                    Scanned::Done(length) => element = Some(inside..inside + length),
                    Scanned::Wrong(..) => break,
                    Scanned::More if self.ended || held.len() > RECORD_MAX => break,
                    Scanned::More => self.fill(),
                },
                Some(_) => break,
                None if self.ended => break,
                None => self.fill(),
            }
        }
        let is_list = element.is_some_and(|range| {
            let bytes = &self.buffer[self.start..][range];
            Document::parse(bytes).is_ok_and(|document| {
                is_entry(document.root(), docker_containers::ENTRY_KEYS, &[])
                    || is_entry(document.root(), docker_images::ENTRY_KEYS, docker_images::INSPECT_KEYS)
            })
        });
        if is_list {
            return Some(self.scanned());
        }
        self.in_array = true;
        self.array_line = self.line;
        self.take(1);
        None
    }

    /// After a fault over several lines: whether a record can begin on this line. The inner lines of a printed value cannot: they stand further in, and
    /// none of them is an object by itself.
    fn is_landmark(&mut self, column: usize) -> bool {
        let indent = self.indent();
        let end = self.line_end();
        let line = self.buffer[self.start..end.unwrap_or(self.buffer.len())].trim_ascii_end();
        let whole = line.strip_suffix(b",").unwrap_or(line);
        let opens = line.starts_with(b"{") || line.starts_with(b"[") || text::source_of(line, None).is_some();
        indent <= column && (opens || (self.in_array && indent < column && line.starts_with(b"]")))
            || (whole.len() > 2 && whole.starts_with(b"{") && whole.ends_with(b"}"))
    }

    /// Whether this line is nothing but the rest of a value that was given up, or the commas between values.
    fn is_leftover(&mut self) -> bool {
        let end = self.line_end().unwrap_or(self.buffer.len());
        self.buffer[self.start..end].iter().all(|byte| b"]}, \t\r".contains(byte)) || self.buffer[self.start] == b','
    }

    /// Columns between the start of the line and `start`.
    fn indent(&self) -> usize {
        self.buffer[..self.start].iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t' | 0x1e)).count()
    }

    /// Moves `start` to the next byte that is not white space or a separator of json-seq.
    fn skip_to_visible(&mut self) -> Option<u8> {
        loop {
            while let Some(&byte) = self.buffer.get(self.start) {
                match byte {
                    b'\n' => self.line += 1,
                    0x1e => self.lost = None,
                    // Zeros are what a crash leaves where it kept a file's length and lost its bytes; the next record follows on the same line.
                    b' ' | b'\t' | b'\r' | 0 => {}
                    _ => return Some(byte),
                }
                self.start += 1;
                self.taken += 1;
            }
            if self.ended {
                return None;
            }
            self.fill();
        }
    }

    /// Where the line of `start` ends; `None` when that is further than a record may be long.
    fn line_end(&mut self) -> Option<usize> {
        let length = self.end_of(0)?;
        Some(self.start + length)
    }

    /// Where the line ends that begins `offset` bytes behind `start`, likewise as a distance; `None` when there is none or it is too long.
    fn end_behind(&mut self, offset: usize) -> Option<usize> {
        self.end_of(offset).filter(|end| *end > offset)
    }

    /// Where a line ends that begins `offset` bytes behind `start`, counted from there.
    fn end_of(&mut self, offset: usize) -> Option<usize> {
        let mut searched = offset;
        loop {
            let held = self.buffer.len() - self.start;
            if searched <= held {
                if let Some(found) = memchr::memchr(b'\n', &self.buffer[self.start + searched..]) {
                    return Some(searched + found);
                }
                searched = held;
            }
            if self.ended {
                return Some(held);
            }
            if held > RECORD_MAX {
                return None;
            }
            self.fill();
        }
    }

    /// Drops the rest of the line.
    fn skip_line(&mut self) {
        loop {
            if let Some(found) = memchr::memchr(b'\n', &self.buffer[self.start..]) {
                self.take_line(self.start + found);
                return;
            }
            self.take(self.buffer.len() - self.start);
            if self.ended {
                return;
            }
            self.fill();
        }
    }

    /// Gives out a line that ends at `end`, with its line end.
    fn take_line(&mut self, end: usize) {
        let next = (end + 1).min(self.buffer.len());
        self.taken += (next - self.start) as u64;
        self.start = next;
        self.line += 1;
    }

    /// Gives out `length` bytes.
    fn take(&mut self, length: usize) {
        let range = self.start..self.start + length;
        self.line += memchr::memchr_iter(b'\n', &self.buffer[range]).count() as u64;
        self.start += length;
        self.taken += length as u64;
    }

    fn fault(&self, range: Range<usize>, line: u64, reason: String) -> Frame {
        let end = range.end.min(range.start + FAULT_BYTES_MAX);
        let bytes = self.buffer[range.start..end].trim_ascii_end().to_vec();
        Frame { range: 0..0, line, fault: Some(Fault { reason, bytes }), guessed: false, bare: false }
    }

    /// Reads until at least `length` bytes are held, or the end.
    fn fill_to(&mut self, length: usize) {
        while !self.ended && self.buffer.len() - self.start < length {
            self.fill();
        }
    }

    /// Reads once more; moves what is held to the front when that frees much.
    fn fill(&mut self) {
        // The indentation of the present line is still looked at, so it stays.
        let keep = self.start - self.indent();
        if keep > self.buffer.len() / 2 {
            self.buffer.drain(..keep);
            self.start -= keep;
        }
        let held = self.buffer.len();
        self.buffer.resize(held + CHUNK, 0);
        let read = loop {
            match self.input.read(&mut self.buffer[held..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let count = *read.as_ref().unwrap_or(&0);
        self.buffer.truncate(held + count);
        self.ended = count == 0;
        self.failed = read.err();
    }
}

/// Whether a line of `head` begins as a record does: zeros beside records are damage, and no reason to leave a file alone.
fn has_record(head: &[u8]) -> bool {
    head.split(|byte| *byte == b'\n').any(|line| {
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        let visible = line.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | 0)).map_or(&[][..], |at| &line[at..]);
        matches!(visible, [b'{', b'"' | b'\n' | b'\r', ..] | [b'{'] | [b'[', b'{', ..])
    })
}

fn too_long() -> String {
    format!("longer than {} MB", RECORD_MAX >> 20)
}
