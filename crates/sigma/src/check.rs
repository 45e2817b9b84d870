//! What one predicate asks of one field: takes values; says yes or no.

use crate::text::TextSet;
use event::{SmolStr, ValueRef};
use ipnet::IpNet;
use regex::Regex;
use smol_str::format_smolstr;
use std::cmp::Ordering;
use std::net::IpAddr;

/// A question to the values of a field.
#[derive(Clone, Debug)]
pub(crate) enum Check {
    /// Whether the field is there at all.
    Exists(bool),
    /// Whether any of its values is one of these.
    Values(Box<Values>),
    /// Whether any of its values equals, or holds, any value of another field.
    Reference { field: SmolStr, affix: Affix, cased: bool },
}

/// Where a text must stand in another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Affix {
    #[default]
    Whole,
    Contains,
    Starts,
    Ends,
}

/// Alternatives of which one must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    pub null: bool,
    pub bools: Vec<bool>,
    pub numbers: Vec<Number>,
    pub compare: Vec<(Compare, Number)>,
    /// Compare this part of a time instead of the value itself.
    pub part: Option<TimePart>,
    pub texts: Option<TextSet>,
    pub regexes: Vec<Regex>,
    pub networks: Vec<IpNet>,
}

/// A number, exact as long as it is whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Int(i128),
    Float(f64),
}

/// An order between numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

/// A part of a time in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimePart {
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Values {
    /// Whether an absent field or a `null` is asked for.
    pub fn takes_absent(&self) -> bool {
        self.null
    }

    /// Whether this value is one of them.
    pub fn matches(&self, value: ValueRef<'_>) -> bool {
        if matches!(value, ValueRef::Null) {
            return self.null;
        }
        if self.texts.as_ref().is_some_and(TextSet::takes_anything) {
            return true;
        }
        if matches!(value, ValueRef::Composite) {
            return false;
        }
        (!self.bools.is_empty() && truth(value).is_some_and(|b| self.bools.contains(&b)))
            || (!(self.numbers.is_empty() && self.compare.is_empty()) && self.number(value).is_some_and(|n| self.matches_number(n)))
            || (self.texts.is_some() || !self.regexes.is_empty() || !self.networks.is_empty())
                && with_text(value, |text| self.matches_text(text))
    }

    fn number(&self, value: ValueRef<'_>) -> Option<Number> {
        match self.part {
            None => number(value),
            Some(part) => match value {
                ValueRef::Text(text) => part.of(text),
                _ => None,
            },
        }
    }

    fn matches_number(&self, n: Number) -> bool {
        self.numbers.iter().any(|other| n.order(*other) == Some(Ordering::Equal))
            || self.compare.iter().any(|(op, other)| op.holds(n, *other))
    }

    fn matches_text(&self, text: &str) -> bool {
        self.texts.as_ref().is_some_and(|texts| texts.matches(text))
            || self.regexes.iter().any(|regex| regex.is_match(text))
            || (!self.networks.is_empty() && address(text).is_some_and(|ip| self.networks.iter().any(|net| net.contains(&ip))))
    }
}

/// An address, with an IPv4 address written as IPv6 taken for what it is.
fn address(text: &str) -> Option<IpAddr> {
    text.trim().parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

impl Number {
    /// Reads a number as a person or JSON writes it; no words, no hexadecimal.
    pub fn parse(text: &str) -> Option<Number> {
        let text = text.trim();
        if text.is_empty() || text.len() > 64 || !text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'))
        {
            return None;
        }
        match text.parse::<i128>() {
            Ok(n) => Some(Number::Int(n)),
            Err(_) => text.parse::<f64>().ok().filter(|n| n.is_finite()).map(Number::Float),
        }
    }

    fn as_float(self) -> f64 {
        match self {
            Number::Int(n) => n as f64,
            Number::Float(n) => n,
        }
    }

    pub fn order(self, other: Number) -> Option<Ordering> {
        match (self, other) {
            (Number::Int(a), Number::Int(b)) => Some(a.cmp(&b)),
            (a, b) => a.as_float().partial_cmp(&b.as_float()),
        }
    }
}

impl Compare {
    pub fn holds(self, a: Number, b: Number) -> bool {
        a.order(b).is_some_and(|order| match self {
            Compare::Less => order.is_lt(),
            Compare::LessOrEqual => order.is_le(),
            Compare::Greater => order.is_gt(),
            Compare::GreaterOrEqual => order.is_ge(),
            Compare::Equal => order.is_eq(),
            Compare::NotEqual => order.is_ne(),
        })
    }

    /// By Sigma's word: `lt`, `lte`, `gt`, `gte`, `eq`, `neq`.
    pub fn named(word: &str) -> Option<Compare> {
        Some(match word {
            "lt" => Compare::Less,
            "lte" => Compare::LessOrEqual,
            "gt" => Compare::Greater,
            "gte" => Compare::GreaterOrEqual,
            "eq" => Compare::Equal,
            "neq" => Compare::NotEqual,
            _ => return None,
        })
    }
}

impl TimePart {
    fn of(self, text: &str) -> Option<Number> {
        let stamp: jiff::Timestamp = text.trim().parse().ok()?;
        let time = jiff::tz::Offset::UTC.to_datetime(stamp);
        Some(Number::Int(match self {
            TimePart::Minute => time.minute().into(),
            TimePart::Hour => time.hour().into(),
            TimePart::Day => time.day().into(),
            TimePart::Week => time.date().iso_week_date().week().into(),
            TimePart::Month => time.month().into(),
            TimePart::Year => time.year().into(),
        }))
    }
}

impl Affix {
    /// Whether `text` has `part` there.
    pub fn holds(self, text: &str, part: &str, cased: bool) -> bool {
        let (folded_text, folded_part);
        let (text, part) = if cased {
            (text, part)
        } else {
            (folded_text, folded_part) = (text.to_lowercase(), part.to_lowercase());
            (folded_text.as_str(), folded_part.as_str())
        };
        match self {
            Affix::Whole => text == part,
            Affix::Contains => text.contains(part),
            Affix::Starts => text.starts_with(part),
            Affix::Ends => text.ends_with(part),
        }
    }
}

/// A truth value, or the word for it.
fn truth(value: ValueRef<'_>) -> Option<bool> {
    match value {
        ValueRef::Bool(b) => Some(b),
        ValueRef::Text(t) if t.eq_ignore_ascii_case("true") => Some(true),
        ValueRef::Text(t) if t.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// A number, or the text of one.
pub(crate) fn number(value: ValueRef<'_>) -> Option<Number> {
    match value {
        ValueRef::Int(n) => Some(Number::Int(n.into())),
        ValueRef::Uint(n) => Some(Number::Int(n.into())),
        ValueRef::Float(n) => Some(Number::Float(n)),
        ValueRef::Text(text) => Number::parse(text),
        ValueRef::Bool(_) | ValueRef::Null | ValueRef::Composite => None,
    }
}

/// Calls `f` with a scalar as text; numbers and truth values as JSON writes them.
pub(crate) fn with_text<T>(value: ValueRef<'_>, f: impl FnOnce(&str) -> T) -> T {
    match value {
        ValueRef::Text(text) => f(text),
        ValueRef::Bool(true) => f("true"),
        ValueRef::Bool(false) => f("false"),
        ValueRef::Int(n) => f(&format_smolstr!("{n}")),
        ValueRef::Uint(n) => f(&format_smolstr!("{n}")),
        ValueRef::Float(n) => f(&format_smolstr!("{n}")),
        ValueRef::Null | ValueRef::Composite => f(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_exactly_while_whole() {
        let big = Number::Int(i128::from(u64::MAX));
        assert_eq!(big.order(Number::Int(i128::from(u64::MAX) - 1)), Some(Ordering::Greater));
        assert_eq!(Number::parse("1.50").and_then(|n| n.order(Number::Float(1.5))), Some(Ordering::Equal));
        for text in ["", "inf", "NaN", "0x10", "1e999", "twelve", "1.2.3", &"9".repeat(100)] {
            assert_eq!(Number::parse(text), None, "{text}");
        }
    }

    #[test]
    fn parts_of_a_time() {
        let parts = [TimePart::Minute, TimePart::Hour, TimePart::Day, TimePart::Week, TimePart::Month, TimePart::Year];
        let read = parts.map(|part| part.of("2026-11-24T13:41:18.5Z"));
        assert_eq!(read, [41, 13, 24, 48, 11, 2026].map(|n| Some(Number::Int(n))));
        assert_eq!(TimePart::Hour.of("noon"), None);
    }
}
