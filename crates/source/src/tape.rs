//! The fast way into a record: one pass over its bytes that checks them and notes where every value stands, copying nothing.
//!
//! Nearly every record of an engine is plain JSON: no escapes, whole numbers, no key twice. Such a record is read from the tape, and its document is only
//! parsed when a rule reads a native field of it. Whatever is not that plain is left to the parser: the tape takes part of what JSON allows, never more, so
//! that both ways read the same.

use event::document::DEPTH_MAX;

/// Hits of the filter for equal keys in one object beyond which the object is left to the parser: somebody shaped its keys.
const HITS_MAX: usize = 32;

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Null,
    True,
    False,
    Int,
    Text,
    Object,
    Array,
}

/// One value, or a key. Members of an object are a key and a value each.
#[derive(Clone, Copy, Debug)]
struct Node {
    kind: Kind,
    /// First byte of a text or number.
    start: u32,
    /// Behind the last byte; of an object or array, the place behind its last member.
    end: u32,
}

/// A record that was passed once.
#[derive(Debug)]
pub(crate) struct Tape<'a> {
    text: &'a str,
    nodes: Vec<Node>,
}

/// A value on a tape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'a> {
    tape: &'a Tape<'a>,
    index: u32,
}

impl<'a> Tape<'a> {
    /// Passes over exactly one object; `None` when it is not as plain as this module wants it.
    pub(crate) fn of(bytes: &'a [u8]) -> Option<Tape<'a>> {
        if bytes.first() != Some(&b'{') || u32::try_from(bytes.len()).is_err() {
            return None;
        }
        let text = std::str::from_utf8(bytes).ok()?;
        // A value takes some twelve bytes of text on average.
        let mut pass = Pass { bytes, at: 0, nodes: Vec::with_capacity(bytes.len() / 10 + 8) };
        pass.value(DEPTH_MAX)?;
        pass.skip_blank();
        (pass.at == bytes.len()).then_some(Tape { text, nodes: pass.nodes })
    }

    /// The object.
    pub(crate) fn root(&'a self) -> At<'a> {
        At { tape: self, index: 0 }
    }
}

impl<'a> At<'a> {
    fn node(self) -> Node {
        self.tape.nodes[self.index as usize]
    }

    fn after(self) -> u32 {
        match self.node() {
            Node { kind: Kind::Object | Kind::Array, end, .. } => end,
            _ => self.index + 1,
        }
    }

    fn slice(self) -> &'a str {
        let node = self.node();
        &self.tape.text[node.start as usize..node.end as usize]
    }

    pub(crate) fn is_null(self) -> bool {
        self.node().kind == Kind::Null
    }

    pub(crate) fn is_object(self) -> bool {
        self.node().kind == Kind::Object
    }

    pub(crate) fn text(self) -> Option<&'a str> {
        (self.node().kind == Kind::Text).then(|| self.slice())
    }

    pub(crate) fn int(self) -> Option<i64> {
        if self.node().kind != Kind::Int { None } else { self.slice().parse().ok() }
    }

    pub(crate) fn bool(self) -> Option<bool> {
        match self.node().kind {
            Kind::True => Some(true),
            Kind::False => Some(false),
            _ => None,
        }
    }

    /// The members of an object; of anything else, none.
    pub(crate) fn members(self) -> Members<'a> {
        let end = if self.is_object() { self.node().end } else { 0 };
        Members { tape: self.tape, next: self.index + 1, end }
    }

    /// The elements of an array; `None` when it is none.
    pub(crate) fn elements(self) -> Option<impl Iterator<Item = At<'a>>> {
        let node = self.node();
        let mut next = self.index + 1;
        (node.kind == Kind::Array).then(|| {
            std::iter::from_fn(move || {
                let at = At { tape: self.tape, index: next };
                (next < node.end).then(|| {
                    next = at.after();
                    at
                })
            })
        })
    }

    /// The value of a key. The search begins where the last one ended, because engines write keys in one order and decoders ask for them in it.
    pub(crate) fn get(self, key: &str, hint: &std::cell::Cell<u32>) -> Option<At<'a>> {
        if !self.is_object() {
            return None;
        }
        let (first, end) = (self.index + 1, self.node().end);
        let begin = if hint.get() > first { hint.get() } else { first };
        for (from, to) in [(begin, end), (first, begin)] {
            let mut members = Members { tape: self.tape, next: from, end: to };
            if let Some((_, value)) = members.find(|(name, _)| *name == key) {
                hint.set(members.next);
                return Some(value);
            }
        }
        None
    }
}

/// The members of an object, in its own order.
pub(crate) struct Members<'a> {
    tape: &'a Tape<'a>,
    next: u32,
    end: u32,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, At<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        let key = At { tape: self.tape, index: self.next };
        let value = At { tape: self.tape, index: self.next + 1 };
        self.next = value.after();
        Some((key.slice(), value))
    }
}

/// The pass: each step is `None` as soon as something is not plain.
struct Pass<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
}

impl Pass<'_> {
    fn skip_blank(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// The next byte that is not blank.
    #[inline]
    fn visible(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        if byte > b' ' {
            return Some(byte);
        }
        self.skip_blank();
        self.bytes.get(self.at).copied()
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize) {
        // The length was seen to fit.
        self.nodes.push(Node { kind, start: start as u32, end: end as u32 });
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        match self.visible()? {
            b'"' => self.string(),
            b'{' => self.object(depth.checked_sub(1)?),
            b'[' => self.array(depth.checked_sub(1)?),
            b't' => self.word(b"true", Kind::True),
            b'f' => self.word(b"false", Kind::False),
            b'n' => self.word(b"null", Kind::Null),
            _ => self.int(),
        }
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Option<()> {
        self.bytes[self.at..].starts_with(word).then(|| {
            self.at += word.len();
            self.push(kind, 0, 0);
        })
    }

    /// A whole number that fits.
    fn int(&mut self) -> Option<()> {
        let start = self.at;
        let minus = usize::from(self.bytes[start] == b'-');
        let digits = self.bytes[start + minus..].iter().take(20).take_while(|byte| byte.is_ascii_digit()).count();
        self.at = start + minus + digits;
        let leading_zero = self.bytes.get(start + minus) == Some(&b'0') && digits + minus > 1;
        let goes_on = matches!(self.bytes.get(self.at), Some(b'.' | b'e' | b'E' | b'0'..=b'9'));
        // Eighteen digits fit whatever they are.
        let fits = || digits < 19 || std::str::from_utf8(&self.bytes[start..self.at]).is_ok_and(|text| text.parse::<i64>().is_ok());
        (digits > 0 && !leading_zero && !goes_on && fits()).then(|| self.push(Kind::Int, start, self.at))
    }

    /// A text without escapes and control characters.
    fn string(&mut self) -> Option<()> {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const HIGHS: u64 = 0x8080_8080_8080_8080;
        let start = self.at + 1;
        let mut at = start;
        // Eight bytes at a time: the lowest marked byte is the first quote, backslash or control character.
        while let Some(eight) = self.bytes.get(at..at + 8) {
            let word = u64::from_le_bytes(eight.try_into().ok()?);
            let (quote, slash) = (word ^ (ONES * 0x22), word ^ (ONES * 0x5c));
            let marks =
                (quote.wrapping_sub(ONES) & !quote | slash.wrapping_sub(ONES) & !slash | word.wrapping_sub(ONES * 0x20) & !word) & HIGHS;
            if marks != 0 {
                at += (marks.trailing_zeros() / 8) as usize;
                break;
            }
            at += 8;
        }
        while *self.bytes.get(at)? != b'"' {
            if self.bytes[at] < 0x20 || self.bytes[at] == b'\\' {
                return None;
            }
            at += 1;
        }
        self.at = at + 1;
        self.push(Kind::Text, start, at);
        Some(())
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        let place = self.nodes.len();
        self.push(Kind::Array, 0, 0);
        self.at += 1;
        if self.visible()? == b']' {
            self.at += 1;
        } else {
            loop {
                self.value(depth)?;
                let byte = self.visible()?;
                self.at += 1;
                match byte {
                    b',' => {}
                    b']' => break,
                    _ => return None,
                }
            }
        }
        self.nodes[place].end = self.nodes.len() as u32;
        Some(())
    }

    fn object(&mut self, depth: usize) -> Option<()> {
        let place = self.nodes.len();
        self.push(Kind::Object, 0, 0);
        self.at += 1;
        if self.visible()? == b'}' {
            self.at += 1;
        } else {
            let (mut seen, mut hits) = ([0u64; 16], 0);
            loop {
                if self.visible()? != b'"' {
                    return None;
                }
                let key = self.nodes.len();
                self.string()?;
                // A small set of key prints tells almost all keys apart; only two with the same print are compared.
                let print = self.print(key);
                let (word, bit) = (usize::from(print >> 6), 1u64 << (print & 63));
                if seen[word] & bit != 0 {
                    hits += 1;
                    if hits > HITS_MAX || self.is_twice(place, key) {
                        return None;
                    }
                }
                seen[word] |= bit;
                if self.visible()? != b':' {
                    return None;
                }
                self.at += 1;
                self.value(depth)?;
                let byte = self.visible()?;
                self.at += 1;
                match byte {
                    b',' => {}
                    b'}' => break,
                    _ => return None,
                }
            }
        }
        self.nodes[place].end = self.nodes.len() as u32;
        Some(())
    }

    fn key(&self, index: usize) -> &[u8] {
        let node = self.nodes[index];
        &self.bytes[node.start as usize..node.end as usize]
    }

    /// Ten bits of a key.
    fn print(&self, index: usize) -> u16 {
        let key = self.key(index);
        let (head, tail) = match (key.first_chunk::<8>(), key.last_chunk::<8>()) {
            (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
            // A short key: the eight bytes from its first one without those behind it. At the very end of the record there are not that many.
            _ => match self.bytes[self.nodes[index].start as usize..].first_chunk::<8>() {
                Some(eight) => (u64::from_le_bytes(*eight) & !(u64::MAX << (8 * key.len())), 0),
                None => (key.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)), 0),
            },
        };
        let mixed = (head ^ tail.rotate_left(23) ^ key.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 54) as u16
    }

    /// Whether the key at `key` is among those before it of the object at `place`.
    fn is_twice(&self, place: usize, key: usize) -> bool {
        let mut other = place + 1;
        while other < key {
            if self.key(other) == self.key(key) {
                return true;
            }
            let value = self.nodes[other + 1];
            other = if matches!(value.kind, Kind::Object | Kind::Array) { value.end as usize } else { other + 2 };
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::Document;
    use proptest::prelude::*;
    use sonic_rs::{JsonContainerTrait, JsonValueTrait, Value};

    /// What both ways must agree on.
    fn assert_same(at: At<'_>, value: &Value) {
        assert_eq!(at.text(), value.as_str());
        assert_eq!(at.int(), value.as_i64());
        assert_eq!(at.bool(), value.as_bool());
        assert_eq!((at.is_null(), at.is_object()), (value.is_null(), value.is_object()));
        match (at.elements(), value.as_array()) {
            (Some(elements), Some(array)) => {
                let elements: Vec<At<'_>> = elements.collect();
                assert_eq!(elements.len(), array.len());
                elements.into_iter().zip(array.iter()).for_each(|(at, value)| assert_same(at, value));
            }
            (elements, array) => assert_eq!(elements.is_some(), array.is_some()),
        }
        if let Some(object) = value.as_object() {
            let members: Vec<_> = at.members().collect();
            assert_eq!(members.len(), object.len());
            let hint = std::cell::Cell::new(0);
            for ((name, at), (key, value)) in members.into_iter().zip(object.iter()) {
                assert_eq!(name, key);
                assert_eq!(at.get("no such key", &hint).is_some(), value.get("no such key").is_some());
                assert_same(at, value);
            }
            // In any order, from any hint.
            for (key, value) in object.iter().collect::<Vec<_>>().into_iter().rev() {
                assert_same(at.get(key, &hint).expect(key), value);
            }
        }
    }

    fn check(text: &str) -> bool {
        let Some(tape) = Tape::of(text.as_bytes()) else { return false };
        let document = Document::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text:?} is refused by the parser: {error}"));
        assert!(!document.has_duplicate_keys(), "{text:?}");
        assert_same(tape.root(), document.root());
        true
    }

    #[test]
    fn plain_records_are_read() {
        // Text with escapes and numbers with a fraction are left to the parser.
        for source in crate::SOURCES.iter().filter(|source| source.sample.starts_with('{') && source.name.starts_with("docker")) {
            assert_eq!(check(source.sample), !source.sample.contains('\\'), "{}", source.name);
        }
        for text in [
            "{}",
            "{ \"a\" : [ 1 , -20 , true,false,null,\"\" ] }\n",
            "{\"é\":{\"\":{}},\"b\":[[],[{}]]}",
            "{\"a\":[9223372036854775807,-9223372036854775808]}",
        ] {
            assert!(check(text), "{text}");
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_parser() {
        for text in [
            "",
            "[]",
            "{",
            "{}}",
            "{} {}",
            "{\"a\":1,\"a\":2}",
            "{\"a\":{\"b\":1,\"c\":[],\"b\":2}}",
            "{\"a\":\"\\n\"}",
            "{\"a\":\"x\ny\"}",
            "{\"a\":1.5}",
            "{\"a\":01}",
            "{\"a\":-0}",
            "{\"a\":-}",
            "{\"a\":1e5}",
            "{\"a\":9223372036854775808}",
            "{\"a\":}",
            "{\"a\"}",
            "{\"a\":1,}",
            "{,}",
            "{\"a\":[1,]}",
            "{\"a\":nul}",
            "{\"a\":truex}",
            "{\"a\":+1}",
            "{\"a\":1x}",
            "{\"a\u{1}\":1}",
        ] {
            assert!(!check(text), "{text}");
        }
        assert!(Tape::of(b"{\"a\":\"\xff\"}").is_none());
        let deep = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
        assert!(check(&deep(DEPTH_MAX - 1)) && !check(&deep(DEPTH_MAX)));
        let many: Vec<String> = (0..100).map(|n| format!("\"k{n}\":{n}")).collect();
        assert!(check(&format!("{{{}}}", many.join(","))));
        assert!(!check(&format!("{{{},\"k7\":1}}", many.join(","))));
    }

    proptest! {
        /// Whatever is done to the bytes of a record, what the tape takes the parser takes too, and reads the same in it.
        #[test]
        fn the_tape_takes_no_more_than_the_parser(
            source in 0..crate::SOURCES.len(),
            edits in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(b"\"\\{}[]:,0195-.eE truefalsn\n\x01\x1f\xc3\xa9Aa".to_vec()), 0..3u8), 0..6),
        ) {
            let mut bytes = crate::SOURCES[source].sample.as_bytes().to_vec();
            for (index, byte, how) in edits {
                let at = index.index(bytes.len());
                match how {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    _ => drop(bytes.remove(at)),
                }
            }
            if let Ok(text) = std::str::from_utf8(&bytes) {
                check(text);
            }
        }
    }
}
