//! Time as a number: nanoseconds since the epoch, UTC. Nothing here reads a clock.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, Sub};

/// A point in time: nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Time(pub i64);

/// A length of time in nanoseconds; negative when it runs backwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span(pub i64);

impl Time {
    /// The earliest time: before every record.
    pub const MIN: Time = Time(i64::MIN);
    /// The latest time: after every record.
    pub const MAX: Time = Time(i64::MAX);

    /// Whole seconds and the nanoseconds beyond them, as many sources write a time.
    pub fn from_seconds(seconds: i64, nanos: i64) -> Time {
        Time(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
    }

    /// Reads RFC 3339 with up to nine decimals and any offset; `None` when it is not one or is out of range.
    pub fn parse(text: &str) -> Option<Time> {
        let stamp: jiff::Timestamp = text.parse().ok()?;
        i64::try_from(stamp.as_nanosecond()).ok().map(Time)
    }

    /// The time that is `span` earlier, never before [`Time::MIN`].
    pub fn minus(self, span: Span) -> Time {
        Time(self.0.saturating_sub(span.0))
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);

    /// A number of whole seconds.
    pub const fn seconds(n: i64) -> Span {
        Span(n.saturating_mul(1_000_000_000))
    }

    /// A number of milliseconds.
    pub const fn millis(n: i64) -> Span {
        Span(n.saturating_mul(1_000_000))
    }

    /// A number of minutes.
    pub const fn minutes(n: i64) -> Span {
        Span::seconds(n.saturating_mul(60))
    }

    /// The span in seconds, with the fraction.
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl Add<Span> for Time {
    type Output = Time;
    fn add(self, span: Span) -> Time {
        Time(self.0.saturating_add(span.0))
    }
}

impl Sub for Time {
    type Output = Span;
    fn sub(self, other: Time) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}

/// RFC 3339 in UTC with nine decimals, as `2026-11-24T13:41:18.072015498Z`.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(stamp) => write!(f, "{stamp:.9}"),
            Err(_) => write!(f, "{}ns", self.0),
        }
    }
}

/// The largest fitting unit with at most one decimal: `80ms`, `0.8s`, `4.2s`, `12m`, `3h`, `2d`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.as_seconds();
        let (sign, s) = if seconds < 0.0 { ("-", -seconds) } else { ("", seconds) };
        let trim = |x: f64| {
            let text = format!("{x:.1}");
            text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
        };
        match s {
            0.0 => write!(f, "0s"),
            s if s < 0.1 => write!(f, "{sign}{}ms", (s * 1e3).round().max(1.0)),
            s if s < 60.0 => write!(f, "{sign}{}s", trim(s)),
            s if s < 3600.0 => write!(f, "{sign}{}m", trim(s / 60.0)),
            s if s < 86400.0 => write!(f, "{sign}{}h", trim(s / 3600.0)),
            s => write!(f, "{sign}{}d", trim(s / 86400.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_and_print_the_same() {
        let time = Time::parse("2026-11-24T13:41:18.072015498Z").unwrap();
        assert_eq!(time.to_string(), "2026-11-24T13:41:18.072015498Z");
        assert_eq!(Time::parse("2026-11-24T14:41:18.072015498+01:00"), Some(time));
        assert_eq!(Time::parse("yesterday"), None);
    }

    #[test]
    fn spans_read_well() {
        let shown: Vec<String> =
            [0, 1_000, 80_000_000, 800_000_000, 60_000_000_000, 5_400_000_000_000].map(|ns| Span(ns).to_string()).to_vec();
        assert_eq!(shown, ["0s", "1ms", "80ms", "0.8s", "1m", "1.5h"]);
    }

    #[test]
    fn arithmetic_never_wraps() {
        assert_eq!(Time::MAX + Span::seconds(1), Time::MAX);
        assert_eq!(Time::MIN - Time::MAX, Span(i64::MIN));
    }
}
