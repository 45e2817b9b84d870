//! Reading the records of other people's sensors, which change their minds between versions: a number may be text, an object `null`, a list one value.
//!
//! Whatever is missing or of another type reads as absent. Unlike an engine's inspect answer, nothing here is judged by its type.

use crate::fields::whole;
use event::document::Document;
use event::{SmolStr, Time};
use sonic_rs::{JsonContainerTrait, JsonValueTrait, Value};

/// More elements of one list are not read.
const ELEMENTS_MAX: usize = 4096;

/// A value, or its absence.
#[derive(Clone, Copy)]
pub(crate) struct Loose<'a>(Option<&'a Value>);

impl<'a> Loose<'a> {
    /// The root of a record.
    pub(crate) fn root(document: &'a Document) -> Loose<'a> {
        Loose(Some(document.root()))
    }

    /// The value of a key.
    pub(crate) fn get(self, key: &str) -> Loose<'a> {
        Loose(self.0.filter(|value| value.is_object()).and_then(|value| value.get(key)).filter(|value| !value.is_null()))
    }

    /// The value below several keys.
    pub(crate) fn at(self, keys: &[&str]) -> Loose<'a> {
        keys.iter().fold(self, |value, key| value.get(key))
    }

    /// The value of the first of these keys that is there.
    pub(crate) fn any(self, keys: &[&str]) -> Loose<'a> {
        keys.iter().map(|key| self.get(key)).find(|value| value.is_there()).unwrap_or(Loose(None))
    }

    /// Whether it is there, and not `null`.
    pub(crate) fn is_there(self) -> bool {
        self.0.is_some()
    }

    /// Whether it is an object.
    pub(crate) fn is_object(self) -> bool {
        self.0.is_some_and(|value| value.is_object())
    }

    /// Whether the key is there, `null` included.
    pub(crate) fn has(self, key: &str) -> bool {
        self.0.filter(|value| value.is_object()).is_some_and(|value| value.get(key).is_some())
    }

    /// Text; empty when it is none.
    pub(crate) fn str(self) -> &'a str {
        self.0.and_then(|value| value.as_str()).unwrap_or_default()
    }

    /// Text, numbers and truths included; empty when it is none.
    pub(crate) fn text(self) -> SmolStr {
        let Some(value) = self.0 else { return SmolStr::default() };
        if let Some(text) = value.as_str() {
            return SmolStr::new(text);
        }
        if let Some(number) = value.as_i64() {
            return SmolStr::from(number.to_string());
        }
        match (value.as_u64(), value.as_f64(), value.as_bool()) {
            (Some(number), _, _) => SmolStr::from(number.to_string()),
            (_, Some(number), _) => SmolStr::from(number.to_string()),
            (_, _, Some(truth)) => SmolStr::new_static(if truth { "true" } else { "false" }),
            _ => SmolStr::default(),
        }
    }

    /// A whole number, one written as text included.
    pub(crate) fn int(self) -> Option<i64> {
        let value = self.0?;
        whole(value).or_else(|| value.as_str()?.parse().ok())
    }

    /// A count: a whole number that is not negative.
    pub(crate) fn count(self) -> Option<u64> {
        let value = self.0?;
        value.as_u64().or_else(|| whole(value).and_then(|n| u64::try_from(n).ok())).or_else(|| value.as_str()?.parse().ok())
    }

    /// A port; 0 when it is none.
    pub(crate) fn port(self) -> u16 {
        self.int().and_then(|n| u16::try_from(n).ok()).unwrap_or(0)
    }

    /// Any number.
    pub(crate) fn float(self) -> Option<f64> {
        let value = self.0?;
        value.as_f64().or_else(|| value.as_str()?.parse().ok()).filter(|number: &f64| number.is_finite())
    }

    /// True or false.
    pub(crate) fn bool(self) -> Option<bool> {
        let value = self.0?;
        value.as_bool().or_else(|| match value.as_str()? {
            "true" | "yes" => Some(true),
            "false" | "no" => Some(false),
            _ => None,
        })
    }

    /// The elements of a list; empty when it is none.
    pub(crate) fn list(self) -> Vec<Loose<'a>> {
        let Some(array) = self.0.and_then(|value| value.as_array()) else { return Vec::new() };
        array.iter().take(ELEMENTS_MAX).map(|element| Loose(Some(element))).collect()
    }

    /// The first member of an object: its name and value.
    pub(crate) fn first_member(self) -> Option<(&'a str, Loose<'a>)> {
        let (name, value) = self.0?.as_object()?.iter().next()?;
        Some((name, Loose(Some(value))))
    }

    /// The texts of a list, or of one text.
    pub(crate) fn texts(self) -> Vec<SmolStr> {
        match self.0.and_then(|value| value.as_str()) {
            Some(text) => vec![SmolStr::new(text)],
            None => self.list().into_iter().map(Loose::text).collect(),
        }
    }

    /// A time in RFC 3339, with the offset also as `+0000`.
    pub(crate) fn time(self) -> Option<Time> {
        Time::parse(self.str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_as_numbers_and_as_text() {
        let document =
            Document::parse(br#"{"a":"78","b":78,"c":78.0,"d":null,"e":{"f":"x"},"g":["a",1],"t":"2026-11-24T13:41:18.000001+0000"}"#)
                .unwrap();
        let root = Loose::root(&document);
        for key in ["a", "b", "c"] {
            assert_eq!((root.get(key).int(), root.get(key).count(), root.get(key).float()), (Some(78), Some(78), Some(78.0)), "{key}");
        }
        assert!(root.has("d") && !root.get("d").is_there());
        assert_eq!(root.at(&["e", "f"]).str(), "x");
        assert_eq!(root.at(&["a", "f", "g"]).int(), None);
        assert_eq!(root.get("g").texts(), ["a", "1"]);
        assert_eq!(root.get("t").time().map(|time| time.to_string()).as_deref(), Some("2026-11-24T13:41:18.000001000Z"));
    }
}
