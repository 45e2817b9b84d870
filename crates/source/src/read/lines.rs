//! Lines that are no JSON: which source takes each, and the header that names its columns.
//!
//! A record of a format with a header (Zeek's logs, flow logs of a cloud, a mapped table) is made of the header's lines and its own, so that reading it stays a function of its
//! bytes. Where a file begins without a header, the last one of the files before it in path order stands for it: that is how a file looks that was cut in two.

use super::open::Input;
use crate::{Preparer, SourceDef, text, vpc_flow, zeek_conn};
use event::SmolStr;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};

/// A header longer than this is none.
const HEADER_MAX: usize = 16 << 10;

/// What a line is.
#[derive(Debug)]
pub(super) enum Line {
    /// A comment, a header, or what stands around records.
    Nothing,
    /// A record, with the header to be put before it, and the source that takes it where one does.
    Record { header: Option<Arc<[u8]>>, source: Option<SmolStr> },
}

/// Headers in force.
#[derive(Clone, Debug, Default)]
pub(super) struct Headers {
    /// The lines of Zeek's header, by their first word.
    zeek: BTreeMap<&'static str, Arc<[u8]>>,
    zeek_whole: Option<Arc<[u8]>>,
    flow: Option<Arc<[u8]>>,
    /// Header of each mapped table, by the mapping's position.
    mapped: BTreeMap<usize, Arc<[u8]>>,
}

impl Headers {
    /// Takes a line that is a header, a comment or mere frame; false leaves it to be a record.
    fn take(&mut self, line: &[u8], preparer: &Preparer) -> bool {
        match line.first() {
            Some(b'#') => {
                self.take_zeek(line);
                true
            }
            Some(b'<') => line.starts_with(b"<?xml") || line == b"<conntrack>" || line == b"</conntrack>",
            // What ausearch writes between events.
            Some(b'-') => line.iter().all(|byte| *byte == b'-'),
            Some(b't') if line.starts_with(b"time->") => true,
            _ if line.len() > HEADER_MAX => false,
            Some(b'a'..=b'z' | b'$') if vpc_flow::is_header(line) => {
                self.flow = Some(Arc::from(line));
                true
            }
            _ => match preparer.mappings().header(line) {
                Some(index) => {
                    self.mapped.insert(index, Arc::from(line));
                    true
                }
                None => false,
            },
        }
    }

    fn take_zeek(&mut self, line: &[u8]) {
        let Some(word) = zeek_conn::header_word(line).filter(|_| line.len() <= HEADER_MAX) else { return };
        if word == "#separator" {
            self.zeek.clear();
        }
        self.zeek.insert(word, Arc::from(line));
        let lines: Vec<&[u8]> = self.zeek.values().map(|line| &**line).collect();
        self.zeek_whole = self.zeek.contains_key("#fields").then(|| Arc::from(lines.join(&b'\n')));
    }

    /// Puts what comes later over it.
    fn update(&mut self, later: &Headers) {
        if later.zeek.contains_key("#separator") {
            self.zeek.clear();
        }
        self.zeek.extend(later.zeek.iter().map(|(word, line)| (*word, line.clone())));
        let lines: Vec<&[u8]> = self.zeek.values().map(|line| &**line).collect();
        self.zeek_whole = self.zeek.contains_key("#fields").then(|| Arc::from(lines.join(&b'\n')));
        self.flow = later.flow.clone().or(self.flow.take());
        self.mapped.extend(later.mapped.iter().map(|(index, line)| (*index, line.clone())));
    }
}

/// The headers at the end of each file of a call, found when somebody asks.
#[derive(Debug, Default)]
pub(super) struct Carry {
    inputs: Vec<Input>,
    preparer: Preparer,
    ends: Mutex<BTreeMap<usize, Headers>>,
}

impl Carry {
    pub(super) fn new(inputs: Vec<Input>, preparer: Preparer) -> Carry {
        Carry { inputs, preparer, ends: Mutex::default() }
    }

    /// The headers in force where file `index` begins.
    fn before(&self, index: usize) -> Headers {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let mut headers = Headers::default();
        for (earlier, input) in self.inputs.iter().enumerate().take(index) {
            headers.update(ends.entry(earlier).or_insert_with(|| self.of(input)));
        }
        headers
    }

    /// The last headers in one file. What cannot be read twice has none.
    fn of(&self, input: &Input) -> Headers {
        let mut headers = Headers::default();
        let Some(input) = input.reopens().then(|| input.open(Arc::default()).ok()).flatten() else { return headers };
        let mut input = BufReader::with_capacity(256 << 10, input);
        let mut line = Vec::new();
        loop {
            line.clear();
            match (&mut input).take(HEADER_MAX as u64 + 1).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return headers,
                Ok(_) => {}
            }
            if !line.ends_with(b"\n") {
                // The rest of a line that is too long to be a header, or the last one.
                let _ = input.skip_until(b'\n');
            }
            let trimmed = line.trim_ascii();
            if !matches!(trimmed.first(), None | Some(b'{' | b'[' | b'<' | b'-')) {
                headers.take(trimmed, &self.preparer);
            }
        }
    }
}

/// What a file's lines have told so far.
pub(super) struct Lines {
    preparer: Preparer,
    own: Headers,
    /// Headers of the files before, once asked for.
    carried: Option<Headers>,
    carry: Option<(Arc<Carry>, usize)>,
    last: Option<&'static SourceDef>,
}

impl Lines {
    pub(super) fn new(preparer: Preparer, carry: Option<(Arc<Carry>, usize)>) -> Lines {
        Lines { preparer, own: Headers::default(), carried: None, carry, last: None }
    }

    /// What a line is.
    pub(super) fn look(&mut self, line: &[u8]) -> Line {
        if self.last.is_some_and(|last| !has_header(last) && last.text.is_some_and(|text| (text.recognise)(line))) {
            return self.taken(None);
        }
        if self.own.take(line, &self.preparer) {
            self.carried = None;
            return Line::Nothing;
        }
        let found = self.under_header(line);
        if let Some((header, source)) = found {
            self.last = source;
            return Line::Record { header: Some(header), source: source.map(|source| SmolStr::new_static(source.name)) };
        }
        if let Some(source) = text::source_of(line, self.last) {
            self.last = Some(source);
            return self.taken(None);
        }
        if self.preparer.mappings().has_tables() {
            for (index, header) in self.headers().mapped.clone() {
                let whole = under(&header, line);
                if let Some(name) = self.preparer.mappings().takes_row(index, &whole) {
                    return Line::Record { header: Some(header), source: Some(name) };
                }
            }
        }
        Line::Record { header: None, source: None }
    }

    fn taken(&self, header: Option<Arc<[u8]>>) -> Line {
        Line::Record { header, source: self.last.map(|source| SmolStr::new_static(source.name)) }
    }

    /// The header that names this row's columns: as many as the row has, and of the kinds that it holds.
    fn under_header(&mut self, line: &[u8]) -> Option<(Arc<[u8]>, Option<&'static SourceDef>)> {
        let (zeek, flow) = (&zeek_conn::SOURCE, &vpc_flow::SOURCE);
        // The files before are looked through only for what may be a row, and only where this file says no header itself.
        if zeek_conn::may_be_row(line) || self.own.zeek_whole.is_some() {
            let own = self.own.zeek_whole.clone().filter(|_| self.own.zeek.contains_key("#separator"));
            if let Some(header) = own.or_else(|| self.headers().zeek_whole.clone())
                && zeek_conn::fits(&header, line)
            {
                let source = zeek.text.is_some_and(|text| (text.recognise)(&under(&header, line)));
                // A row of another log of Zeek is known for what it is by its header alone.
                return Some((header, source.then_some(zeek)));
            }
        }
        if vpc_flow::may_be_row(line) {
            let own = self.own.flow.clone();
            if let Some(header) = own.or_else(|| self.headers().flow.clone())
                && flow.text.is_some_and(|text| (text.recognise)(&under(&header, line)))
            {
                return Some((header, Some(flow)));
            }
        }
        None
    }

    fn headers(&mut self) -> &Headers {
        let (carry, own) = (&self.carry, &self.own);
        self.carried.get_or_insert_with(|| {
            let mut headers = carry.as_ref().map(|(carry, index)| carry.before(*index)).unwrap_or_default();
            headers.update(own);
            headers
        })
    }
}

/// A row under its header, as its record is.
pub(super) fn under(header: &[u8], line: &[u8]) -> Vec<u8> {
    [header, line].join(&b'\n')
}

fn has_header(source: &SourceDef) -> bool {
    source.name == zeek_conn::SOURCE.name || source.name == vpc_flow::SOURCE.name
}
