//! Formats that are not JSON: which source takes a line, and the words in it.
//!
//! Looks at the shape of the bytes alone. The shapes of two sources never overlap, so it makes no difference which of them is asked first.

use crate::{SOURCES, SourceDef};
use event::{Document, SmolStr, Time};
use serde_json::{Map, Value};

/// Whether bytes are to be read as JSON. A bracket alone does not say so: the kernel's own logs begin with a time in brackets.
pub(crate) fn is_json(bytes: &[u8]) -> bool {
    match bytes.trim_ascii_start() {
        [b'{', ..] => true,
        [b'[', rest @ ..] => {
            !matches!(rest.first(), Some(b'0'..=b'9' | b'A'..=b'Z' | b' '))
                || matches!(rest.trim_ascii_start().first(), Some(b'{' | b'[' | b'"' | b']'))
        }
        _ => false,
    }
}

/// The source that takes a record that is not JSON; `first` is asked first.
pub(crate) fn source_of(bytes: &[u8], first: Option<&'static SourceDef>) -> Option<&'static SourceDef> {
    let takes = |source: &&'static SourceDef| source.text.is_some_and(|text| (text.recognise)(bytes));
    first.filter(takes).or_else(|| SOURCES.iter().find(takes))
}

/// A document made of a text record's fields, so that rules can name them.
pub(crate) fn document(fields: Map<String, Value>) -> Document {
    let bytes = serde_json::to_vec(&Value::Object(fields)).unwrap_or_default();
    Document::parse_within(&bytes, usize::MAX).unwrap_or_default()
}

/// Seconds since the epoch with a fraction of any length, as `1795527678.271434`; nothing is lost on the way.
pub(crate) fn seconds(text: &str) -> Option<Time> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 12 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let nanos: i64 = format!("{:0<9}", &fraction[..fraction.len().min(9)]).parse().ok()?;
    Some(Time::from_seconds(whole.parse().ok()?, nanos))
}

/// A length of time in seconds with a fraction, in nanoseconds.
pub(crate) fn span(text: &str) -> Option<event::Span> {
    seconds(text).map(|time| event::Span(time.0))
}

/// A number as JSON has it when the text is one and is written as JSON would write it; else the text.
pub(crate) fn value(text: &str) -> Value {
    let plain = text == "0" || !text.trim_start_matches('-').starts_with('0');
    match text.parse::<i64>() {
        Ok(number) if plain && !text.starts_with('+') => Value::from(number),
        _ => Value::from(text),
    }
}

/// An address in its usual spelling: the shortest one for version 6. Whatever is none stays as it is written.
pub(crate) fn address(text: &str) -> SmolStr {
    match text.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V6(address)) => SmolStr::new(address.to_string()),
        _ => SmolStr::new(text),
    }
}

/// A protocol's number by its name, for those that have one in the vocabulary.
pub(crate) fn protocol(number: &str) -> SmolStr {
    SmolStr::new(match number {
        "1" => "icmp",
        "6" => "tcp",
        "17" => "udp",
        "58" => "icmpv6",
        "132" => "sctp",
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bracket_alone_is_no_json() {
        for text in ["{", "  {\"a\":1}", "[", "[{", "[]", "[ {", "[\n{", "[\"a\"]"] {
            assert!(is_json(text.as_bytes()), "{text}");
        }
        for text in ["", "[1795527678.1]\t[NEW]", "[NEW] tcp", "[ 12.5] audit: x", "type=EXECVE", "# x"] {
            assert!(!is_json(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn no_digit_of_a_time_is_lost() {
        assert_eq!(seconds("1795527678.271434"), Some(Time(1_795_527_678_271_434_000)));
        assert_eq!(seconds("1795527678"), Some(Time(1_795_527_678_000_000_000)));
        assert_eq!(seconds("1795527678.1234567899"), Some(Time(1_795_527_678_123_456_789)));
        for text in ["", ".5", "-1", "1e9", "1.2.3", "9999999999999"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn only_what_json_would_write_the_same_becomes_a_number() {
        assert_eq!(value("42").to_string(), "42");
        assert_eq!(value("-7").to_string(), "-7");
        for text in ["007", "+1", "", "1.0", "-01", "99999999999999999999"] {
            assert_eq!(value(text), Value::from(text), "{text}");
        }
    }
}
