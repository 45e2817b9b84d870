//! Finds where a JSON value ends, byte by byte and across any number of reads.
//!
//! Stricter than counting brackets: the grammar between tokens is held, so that a value cut short is noticed at the next line and does not swallow the good
//! ones behind it. What stands inside a string or a number is left to the parser.

use event::document::DEPTH_MAX;

/// How far the scan has come.
#[derive(Debug, PartialEq)]
pub(super) enum Scanned {
    /// The value ends before this position.
    Done(usize),
    /// More bytes are needed.
    More,
    /// The byte at this position cannot stand there.
    Wrong(usize, &'static str),
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Expect {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    CommaOrEnd,
    String { key: bool, escaped: bool },
    Scalar,
}

/// The state between two reads.
#[derive(Debug)]
pub(super) struct Scan {
    expect: Expect,
    /// The open brackets, innermost last: true for an object.
    open: Vec<bool>,
    /// Bytes looked at so far, from the value's first.
    seen: usize,
}

impl Scan {
    /// A scan that begins at a value's first byte.
    pub(super) fn new() -> Scan {
        Scan { expect: Expect::Value, open: Vec::new(), seen: 0 }
    }

    /// Looks at what it has not seen of `bytes`, which begin where the value begins.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Scanned {
        while let Some(&byte) = bytes.get(self.seen) {
            match self.step(byte) {
                Step::On => self.seen += 1,
                Step::Again => {}
                Step::End => {
                    self.seen += 1;
                    return Scanned::Done(self.seen);
                }
                Step::EndBefore => return Scanned::Done(self.seen),
                Step::Wrong(why) => return Scanned::Wrong(self.seen, why),
            }
        }
        Scanned::More
    }

    /// Forgets that `count` bytes were there: the caller drops them.
    pub(super) fn drop_front(&mut self, count: usize) {
        self.seen = self.seen.saturating_sub(count);
    }

    fn step(&mut self, byte: u8) -> Step {
        match self.expect {
            Expect::String { key, escaped } => {
                self.expect = match byte {
                    b'\n' => return Step::Wrong("a line ends inside a text"),
                    0x1e => return Step::Wrong("a new record begins inside a text"),
                    _ if escaped => Expect::String { key, escaped: false },
                    b'\\' => Expect::String { key, escaped: true },
                    b'"' if key => Expect::Colon,
                    b'"' => return self.value_ended(),
                    _ => return Step::On,
                };
                Step::On
            }
            Expect::Scalar => match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'+' | b'-' | b'.' => Step::On,
                _ if self.open.is_empty() => Step::EndBefore,
                _ => {
                    self.expect = Expect::CommaOrEnd;
                    Step::Again
                }
            },
            _ if byte.is_ascii_whitespace() => Step::On,
            Expect::Value | Expect::ValueOrEnd => match byte {
                b'{' => self.opened(true),
                b'[' => self.opened(false),
                b'"' => {
                    self.expect = Expect::String { key: false, escaped: false };
                    Step::On
                }
                b']' if self.expect == Expect::ValueOrEnd => self.closed(false),
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => {
                    self.expect = Expect::Scalar;
                    Step::On
                }
                _ => Step::Wrong("a value was expected"),
            },
            Expect::Key | Expect::KeyOrEnd => match byte {
                b'"' => {
                    self.expect = Expect::String { key: true, escaped: false };
                    Step::On
                }
                b'}' if self.expect == Expect::KeyOrEnd => self.closed(true),
                _ => Step::Wrong("a key was expected"),
            },
            Expect::Colon if byte == b':' => {
                self.expect = Expect::Value;
                Step::On
            }
            Expect::Colon => Step::Wrong("a colon was expected"),
            Expect::CommaOrEnd => match byte {
                b',' => {
                    self.expect = if self.open.last() == Some(&true) { Expect::Key } else { Expect::Value };
                    Step::On
                }
                b'}' => self.closed(true),
                b']' => self.closed(false),
                _ => Step::Wrong("a comma or a closing bracket was expected"),
            },
        }
    }

    fn opened(&mut self, object: bool) -> Step {
        if self.open.len() == DEPTH_MAX {
            return Step::Wrong("nested too deeply");
        }
        self.open.push(object);
        self.expect = if object { Expect::KeyOrEnd } else { Expect::ValueOrEnd };
        Step::On
    }

    fn closed(&mut self, object: bool) -> Step {
        if self.open.pop() != Some(object) {
            return Step::Wrong("the closing bracket is of another kind than the opening one");
        }
        self.value_ended()
    }

    fn value_ended(&mut self) -> Step {
        self.expect = Expect::CommaOrEnd;
        if self.open.is_empty() { Step::End } else { Step::On }
    }
}

enum Step {
    On,
    Again,
    End,
    EndBefore,
    Wrong(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> Scanned {
        let whole = Scan::new().advance(text.as_bytes());
        // Where the reads fall must not matter.
        let mut scan = Scan::new();
        let pieces = (0..=text.len()).map(|end| scan.advance(&text.as_bytes()[..end])).find(|scanned| *scanned != Scanned::More);
        assert_eq!(pieces.unwrap_or(Scanned::More), whole, "{text}");
        whole
    }

    #[test]
    fn a_value_ends_where_it_ends() {
        assert_eq!(scan(r#"{"a":[1,{"b":"}]\"x"}],"c":null} {"#), Scanned::Done(32));
        assert_eq!(scan("[]\n"), Scanned::Done(2));
        assert_eq!(scan("\"a\" "), Scanned::Done(3));
        assert_eq!(scan("12,"), Scanned::Done(2));
        assert_eq!(scan("{\n  \"a\": 1"), Scanned::More);
    }

    #[test]
    fn a_value_cut_short_is_noticed_at_the_next_line() {
        for (text, at) in
            [("{\"a\":[1,2\n{\"b\":1}", 10), ("{\"a\":\"x\n", 7), ("{\"a\":\n}", 6), ("{\"a\":1]", 6), ("{\"a\":1,\n{\"b\"", 8)]
        {
            assert!(matches!(scan(text), Scanned::Wrong(place, _) if place == at), "{text}: {:?}", scan(text));
        }
        assert!(matches!(scan(&"[".repeat(200)), Scanned::Wrong(128, _)));
    }
}
