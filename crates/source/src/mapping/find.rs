//! Values under a path, and what they are worth.

use event::{SmolStr, Time};
use sonic_rs::{JsonContainerTrait, JsonValueTrait, Value};

/// More values of one path are not read.
const VALUES_MAX: usize = 1024;

/// Every value under a path. At each object the longest key that is a literal part of the path is tried first; the elements of an array are looked into.
pub(super) fn all<'a>(value: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut found = Vec::new();
    walk(value, path, &mut found);
    found
}

/// The first value under a path that is not null.
pub(super) fn first<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    all(value, path).into_iter().find(|value| !value.is_null())
}

fn walk<'a>(value: &'a Value, path: &str, found: &mut Vec<&'a Value>) {
    if found.len() >= VALUES_MAX {
        return;
    }
    if let Some(list) = value.as_array() {
        list.iter().for_each(|element| walk(element, path, found));
        return;
    }
    if path.is_empty() {
        found.push(value);
        return;
    }
    if !value.is_object() {
        return;
    }
    let mut end = path.len();
    loop {
        if let Some(child) = value.get(path[..end].trim_end_matches("[]")) {
            walk(child, path.get(end + 1..).unwrap_or_default(), found);
            return;
        }
        match path[..end].rfind('.') {
            Some(dot) => end = dot,
            None => return,
        }
    }
}

/// A scalar as text.
pub(super) fn text(value: &Value) -> Option<SmolStr> {
    if let Some(text) = value.as_str() {
        return Some(SmolStr::new(text));
    }
    if let Some(number) = value.as_i64() {
        return Some(SmolStr::from(number.to_string()));
    }
    if let Some(number) = value.as_u64() {
        return Some(SmolStr::from(number.to_string()));
    }
    if let Some(number) = value.as_f64() {
        return Some(SmolStr::from(number.to_string()));
    }
    value.as_bool().map(|truth| SmolStr::new_static(if truth { "true" } else { "false" }))
}

/// True or false, however a runtime writes it. A namespace that is `host` is the host's.
pub(super) fn truth(value: &Value) -> Option<bool> {
    match text(value)?.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" | "on" | "host" | "rw" => Some(true),
        "false" | "no" | "0" | "off" | "" | "private" | "container" | "none" | "ro" => Some(false),
        _ => None,
    }
}

/// A whole number, one written as text included.
pub(super) fn int(value: &Value) -> Option<i64> {
    crate::fields::whole(value).or_else(|| value.as_str()?.trim().parse().ok())
}

/// Texts of a list, or the words of one text parted by a separator.
pub(super) fn texts(values: &[&Value], split: Option<char>) -> Vec<SmolStr> {
    let list = values.iter().filter_map(|value| text(value));
    match split {
        None => list.collect(),
        Some(split) => list
            .flat_map(|text| text.split(split).map(|part| SmolStr::new(part.trim())).filter(|part| !part.is_empty()).collect::<Vec<_>>())
            .collect(),
    }
}

/// Pairs: the members of an object, or texts `key=value`.
pub(super) fn pairs(values: &[&Value], split: Option<char>) -> Vec<(SmolStr, SmolStr)> {
    let mut list: Vec<(SmolStr, SmolStr)> = Vec::new();
    let mut put = |key: &str, value: SmolStr| {
        if list.len() < VALUES_MAX && !list.iter().any(|(known, _)| known == key) {
            list.push((SmolStr::new(key), value));
        }
    };
    for value in values {
        if let Some(object) = value.as_object() {
            object.iter().for_each(|(key, value)| put(key, text(value).unwrap_or_default()));
            continue;
        }
        for part in texts(&[value], split) {
            let (key, value) = part.split_once('=').unwrap_or((&part, ""));
            put(key, SmolStr::new(value));
        }
    }
    list
}

/// How a time is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Clock {
    Rfc3339,
    /// A number; so many nanoseconds are one of it.
    Since(i64),
    /// As `strptime` reads it; without a zone it is UTC.
    Pattern(String),
}

impl Clock {
    /// Reads a time.
    pub fn read(&self, value: &Value) -> Option<Time> {
        let text = text(value)?;
        match self {
            Clock::Rfc3339 => Time::parse(&text),
            Clock::Since(unit) => {
                let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
                let whole: i64 = whole.parse().ok()?;
                let digits = fraction.get(..fraction.len().min(9))?;
                let fraction: i64 = if digits.is_empty() { 0 } else { format!("{digits:0<9}").parse().ok()? };
                let below = (i128::from(fraction) * i128::from(*unit) / 1_000_000_000) as i64;
                Some(Time(whole.checked_mul(*unit)?.checked_add(below)?))
            }
            Clock::Pattern(pattern) => {
                let parts = jiff::fmt::strtime::parse(pattern, text.as_bytes()).ok()?;
                let stamp = match parts.to_timestamp() {
                    Ok(stamp) => stamp,
                    Err(_) => jiff::tz::TimeZone::UTC.to_timestamp(parts.to_datetime().ok()?).ok()?,
                };
                i64::try_from(stamp.as_nanosecond()).ok().map(Time)
            }
        }
    }
}

/// How a limit is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Unit {
    Cores,
    Millicores,
    Bytes,
    /// As Kubernetes writes quantities: `250m`, `1.5`, `512Mi`, `2G`.
    Quantity,
}

impl Unit {
    /// Reads an amount; one that is not positive is no limit.
    pub fn read(self, value: &Value) -> Option<f64> {
        let text = text(value)?;
        let amount = match self {
            Unit::Cores | Unit::Bytes => text.parse().ok()?,
            Unit::Millicores => text.trim_end_matches('m').parse::<f64>().ok()? / 1000.0,
            Unit::Quantity => quantity(&text)?,
        };
        (amount.is_finite() && amount > 0.0).then_some(amount)
    }
}

fn quantity(text: &str) -> Option<f64> {
    let end = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let number: f64 = text[..end].trim().parse().ok()?;
    let kibi = 1024f64;
    Some(
        number
            * match text[end..].trim_end_matches(['B', 'b']) {
                "" => 1.0,
                "n" => 1e-9,
                "u" => 1e-6,
                "m" => 1e-3,
                "k" | "K" => 1e3,
                "M" => 1e6,
                "G" => 1e9,
                "T" => 1e12,
                "P" => 1e15,
                "Ki" => kibi,
                "Mi" => kibi.powi(2),
                "Gi" => kibi.powi(3),
                "Ti" => kibi.powi(4),
                "Pi" => kibi.powi(5),
                _ => return None,
            },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        sonic_rs::from_str(text).unwrap()
    }

    #[test]
    fn the_longest_key_counts_and_lists_are_looked_into() {
        let value = json(r#"{"a":{"b":1},"a.b":2,"l":[{"x":3},{"x":4}]}"#);
        assert_eq!(first(&value, "a.b").and_then(int), Some(2));
        assert_eq!(all(&value, "l.x").len(), 2);
        assert_eq!(all(&value, "l[].x").len(), 2);
        assert!(first(&value, "a.b.c").is_none() && first(&value, "").is_some());
    }

    #[test]
    fn times_are_read_as_they_are_written() {
        let at = Some(Time(1_795_527_678_072_000_000));
        for (clock, text) in [
            (Clock::Rfc3339, r#""2026-11-24T13:41:18.072Z""#),
            (Clock::Since(1_000_000_000), "1795527678.072"),
            (Clock::Since(1_000_000_000), r#""1795527678.072""#),
            (Clock::Since(1_000_000), "1795527678072"),
            (Clock::Since(1), "1795527678072000000"),
            (Clock::Pattern("%d/%b/%Y:%H:%M:%S%.f %z".to_owned()), r#""24/Nov/2026:14:41:18.072 +0100""#),
            (Clock::Pattern("%Y-%m-%d %H:%M:%S%.f".to_owned()), r#""2026-11-24 13:41:18.072""#),
        ] {
            assert_eq!(clock.read(&json(text)), at, "{text}");
        }
        assert_eq!(Clock::Since(1_000_000_000).read(&json("99999999999999")), None);
    }

    #[test]
    fn amounts_are_read_in_their_unit() {
        for (unit, text, amount) in [
            (Unit::Cores, "1.5", Some(1.5)),
            (Unit::Millicores, "250", Some(0.25)),
            (Unit::Millicores, "\"250m\"", Some(0.25)),
            (Unit::Quantity, "\"250m\"", Some(0.25)),
            (Unit::Quantity, "\"512Mi\"", Some(536_870_912.0)),
            (Unit::Quantity, "\"2G\"", Some(2e9)),
            (Unit::Bytes, "0", None),
            (Unit::Quantity, "\"2 cups\"", None),
        ] {
            assert_eq!(unit.read(&json(text)), amount, "{text}");
        }
    }
}
