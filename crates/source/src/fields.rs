//! Tolerant reading of fields: absent, `null`, `[]` and `{}` are the same to a reader, and a value of another type counts as absent and is noted.
//!
//! Engines differ in which of the first three they write, and none of them is an error. A value of the wrong type is: somebody may have shaped it so that one
//! reader sees it and another does not.

use crate::tape::At;
use event::{SmolStr, Time};
use sonic_rs::{JsonContainerTrait, JsonValueTrait, Value};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

/// More wrong types than this in one record are not named: the record is hostile either way.
const NOTES_MAX: usize = 16;

/// The paths at which a value of another type stood.
#[derive(Default)]
pub(crate) struct Notes(RefCell<Vec<SmolStr>>);

impl Notes {
    /// The paths noted.
    pub(crate) fn into_list(self) -> Vec<SmolStr> {
        self.0.into_inner()
    }

    fn add(&self, place: &[&'static str], key: &str) {
        let mut list = self.0.borrow_mut();
        if list.len() < NOTES_MAX {
            let mut path = place.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>();
            path.push(key);
            list.push(SmolStr::new(path.join(".")));
        }
    }
}

/// A value, as it was parsed or as it stands on a tape. The two read the same.
#[derive(Clone, Copy)]
enum Json<'a> {
    Parsed(&'a Value),
    Taped(At<'a>),
}

impl<'a> Json<'a> {
    fn get(self, key: &str, hint: &Cell<u32>) -> Option<Json<'a>> {
        match self {
            Json::Parsed(value) => value.get(key).map(Json::Parsed),
            Json::Taped(at) => at.get(key, hint).map(Json::Taped),
        }
    }

    fn is_null(self) -> bool {
        match self {
            Json::Parsed(value) => value.is_null(),
            Json::Taped(at) => at.is_null(),
        }
    }

    fn is_object(self) -> bool {
        match self {
            Json::Parsed(value) => value.is_object(),
            Json::Taped(at) => at.is_object(),
        }
    }

    fn as_str(self) -> Option<&'a str> {
        match self {
            Json::Parsed(value) => value.as_str(),
            Json::Taped(at) => at.text(),
        }
    }

    fn as_bool(self) -> Option<bool> {
        match self {
            Json::Parsed(value) => value.as_bool(),
            Json::Taped(at) => at.bool(),
        }
    }

    fn whole(self) -> Option<i64> {
        match self {
            Json::Parsed(value) => whole(value),
            Json::Taped(at) => at.int(),
        }
    }

    /// Calls `f` with each element; `None` when it is no array.
    fn each(self, mut f: impl FnMut(Json<'a>)) -> Option<()> {
        match self {
            Json::Parsed(value) => value.as_array()?.iter().for_each(|element| f(Json::Parsed(element))),
            Json::Taped(at) => at.elements()?.for_each(|element| f(Json::Taped(element))),
        }
        Some(())
    }

    /// The members of an object, of equal names the first; `None` when it is no object.
    fn members(self) -> Option<Vec<(&'a str, Json<'a>)>> {
        match self {
            Json::Parsed(value) => {
                let mut list: Vec<_> = value.as_object()?.iter().map(|(name, value)| (name, Json::Parsed(value))).collect();
                let mut seen = BTreeSet::new();
                list.retain(|(name, _)| seen.insert(*name));
                Some(list)
            }
            // On a tape no two names are equal.
            Json::Taped(at) => at.is_object().then(|| at.members().map(|(name, value)| (name, Json::Taped(value))).collect()),
        }
    }
}

/// An object, or its absence, with where it stands.
#[derive(Clone)]
pub(crate) struct Fields<'a> {
    value: Option<Json<'a>>,
    /// Where the last key was found.
    hint: Cell<u32>,
    place: [&'static str; 3],
    notes: &'a Notes,
}

impl<'a> Fields<'a> {
    /// The fields of a record's root.
    pub(crate) fn new(value: &'a Value, notes: &'a Notes) -> Fields<'a> {
        Fields::at(Json::Parsed(value), [""; 3], notes)
    }

    /// The fields of the root of a tape.
    pub(crate) fn taped(root: At<'a>, notes: &'a Notes) -> Fields<'a> {
        Fields::at(Json::Taped(root), [""; 3], notes)
    }

    fn at(value: Json<'a>, place: [&'static str; 3], notes: &'a Notes) -> Fields<'a> {
        Fields { value: value.is_object().then_some(value), hint: Cell::new(0), place, notes }
    }

    /// The value itself, when it was parsed and is an object.
    pub(crate) fn parsed(&self) -> Option<&'a Value> {
        match self.value? {
            Json::Parsed(value) => Some(value),
            Json::Taped(_) => None,
        }
    }

    /// The parsed value of a key, of whatever type but `null`.
    pub(crate) fn value(&self, key: &str) -> Option<&'a Value> {
        self.parsed()?.get(key).filter(|value| !value.is_null())
    }

    /// The names of the members, in their order, of equal ones the first.
    pub(crate) fn names(&self) -> Vec<&'a str> {
        self.value.and_then(Json::members).unwrap_or_default().into_iter().map(|(name, _)| name).collect()
    }

    /// How many values of a wrong type have been noted so far in the whole record.
    pub(crate) fn noted(&self) -> usize {
        self.notes.0.borrow().len()
    }

    /// The paths noted since there were that many.
    pub(crate) fn noted_since(&self, count: usize) -> Vec<SmolStr> {
        self.notes.0.borrow().get(count..).unwrap_or_default().to_vec()
    }

    /// An array of whole numbers; other elements are noted.
    pub(crate) fn ints(&self, key: &'static str) -> Vec<i64> {
        let mut list = Vec::new();
        self.take(key, |v| {
            v.each(|element| match element.whole() {
                Some(number) => list.push(number),
                None => self.notes.add(&self.place, key),
            })
        });
        list
    }

    /// The members of an object as (name, its first text), for maps of lists of texts.
    pub(crate) fn member_texts(&self, key: &'static str) -> Vec<(&'a str, SmolStr)> {
        let mut list = Vec::new();
        for (name, value) in self.entries(key) {
            let mut first = value.as_str();
            let array = value.each(|element| first = first.or(element.as_str()));
            if array.is_none() && first.is_none() && !value.is_null() {
                self.notes.add(&self.place, key);
            }
            list.push((name, SmolStr::new(first.unwrap_or_default())));
        }
        list
    }

    /// Notes that what stands at a key cannot be what it should.
    pub(crate) fn note(&self, key: &str) {
        self.notes.add(&self.place, key);
    }

    /// Whether the key is there at all, with whatever value.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.value.is_some_and(|v| v.get(key, &self.hint).is_some())
    }

    /// The value of a key; `null` counts as absent.
    fn get(&self, key: &str) -> Option<Json<'a>> {
        self.value?.get(key, &self.hint).filter(|v| !v.is_null())
    }

    /// Takes a value apart; notes it when that fails.
    fn take<T>(&self, key: &'static str, read: impl FnOnce(Json<'a>) -> Option<T>) -> Option<T> {
        let value = self.get(key)?;
        let taken = read(value);
        if taken.is_none() {
            self.notes.add(&self.place, key);
        }
        taken
    }

    /// Text; `None` when absent.
    pub(crate) fn text_maybe(&self, key: &'static str) -> Option<SmolStr> {
        self.take(key, |v| v.as_str()).map(SmolStr::new)
    }

    /// Text; empty when absent.
    pub(crate) fn text(&self, key: &'static str) -> SmolStr {
        self.text_maybe(key).unwrap_or_default()
    }

    /// Borrowed text; empty when absent.
    pub(crate) fn str(&self, key: &'static str) -> &'a str {
        self.take(key, |v| v.as_str()).unwrap_or_default()
    }

    /// A whole number; one that a writer printed with an empty fraction included.
    pub(crate) fn int(&self, key: &'static str) -> Option<i64> {
        self.take(key, |v| v.whole())
    }

    /// True or false; false when absent.
    pub(crate) fn bool(&self, key: &'static str) -> bool {
        self.bool_maybe(key).unwrap_or(false)
    }

    /// True or false; `None` when absent.
    pub(crate) fn bool_maybe(&self, key: &'static str) -> Option<bool> {
        self.take(key, |v| v.as_bool())
    }

    /// An object below; its fields are all absent when it is.
    pub(crate) fn object(&self, key: &'static str) -> Fields<'a> {
        let value = self.take(key, |v| v.is_object().then_some(v));
        Fields { value, hint: Cell::new(0), place: self.below(key), notes: self.notes }
    }

    /// The objects of an array; other elements are noted.
    pub(crate) fn objects(&self, key: &'static str) -> Vec<Fields<'a>> {
        let place = self.below(key);
        let mut list = Vec::new();
        self.take(key, |v| {
            v.each(|element| {
                if element.is_object() {
                    list.push(Fields::at(element, place, self.notes));
                } else if !element.is_null() {
                    self.notes.add(&self.place, key);
                }
            })
        });
        list
    }

    /// An array of texts, and whether it was there. A lone text is a list of one: old engines write commands so.
    pub(crate) fn texts_maybe(&self, key: &'static str) -> Option<Vec<SmolStr>> {
        let value = self.get(key)?;
        if let Some(text) = value.as_str() {
            return Some(vec![SmolStr::new(text)]);
        }
        let mut list = Vec::new();
        let array = value.each(|element| match element.as_str() {
            Some(text) => list.push(SmolStr::new(text)),
            None if element.is_null() => {}
            None => self.notes.add(&self.place, key),
        });
        if array.is_none() {
            self.notes.add(&self.place, key);
            return None;
        }
        Some(list)
    }

    /// An array of texts; empty when absent.
    pub(crate) fn texts(&self, key: &'static str) -> Vec<SmolStr> {
        self.texts_maybe(key).unwrap_or_default()
    }

    /// The members of an object under a key, in its own order. Of equal names the first counts.
    fn entries(&self, key: &'static str) -> Vec<(&'a str, Json<'a>)> {
        self.take(key, |v| v.members()).unwrap_or_default()
    }

    /// An object whose values are texts.
    pub(crate) fn pairs(&self, key: &'static str) -> Vec<(SmolStr, SmolStr)> {
        let mut list = Vec::new();
        for (name, value) in self.entries(key) {
            match value.as_str() {
                Some(text) => list.push((SmolStr::new(name), SmolStr::new(text))),
                None if value.is_null() => list.push((SmolStr::new(name), SmolStr::default())),
                None => self.notes.add(&self.place, key),
            }
        }
        list
    }

    /// The members of an object as (name, fields); members that are not objects have no fields.
    pub(crate) fn members(&self, key: &'static str) -> Vec<(&'a str, Fields<'a>)> {
        let place = self.below(key);
        let mut list = Vec::new();
        for (name, value) in self.entries(key) {
            if !value.is_object() && !value.is_null() {
                self.notes.add(&self.place, key);
            }
            list.push((name, Fields::at(value, place, self.notes)));
        }
        list
    }

    /// The members of an object as (name, its objects), for maps of arrays such as published ports.
    pub(crate) fn member_lists(&self, key: &'static str) -> Vec<(&'a str, Vec<Fields<'a>>)> {
        let place = self.below(key);
        let mut list = Vec::new();
        for (name, value) in self.entries(key) {
            let mut elements = Vec::new();
            let array = value.each(|element| {
                if element.is_object() {
                    elements.push(Fields::at(element, place, self.notes));
                }
            });
            if array.is_none() && !value.is_null() && !value.is_object() {
                self.notes.add(&self.place, key);
            }
            list.push((name, elements));
        }
        list
    }

    /// A time in RFC 3339; the year 1, by which the engine says *never*, is out of range and therefore absent.
    pub(crate) fn time(&self, key: &'static str) -> Option<Time> {
        Time::parse(self.take(key, |v| v.as_str())?)
    }

    /// A time in RFC 3339 or in seconds since the epoch: inspect answers use the one, lists the other.
    pub(crate) fn time_or_seconds(&self, key: &'static str) -> Option<Time> {
        let value = self.get(key)?;
        match value.as_str() {
            Some(text) => Time::parse(text),
            None => self.int(key).filter(|seconds| *seconds > 0).map(|seconds| Time::from_seconds(seconds, 0)),
        }
    }

    fn below(&self, key: &'static str) -> [&'static str; 3] {
        let mut place = self.place;
        match place.iter_mut().find(|part| part.is_empty()) {
            Some(free) => *free = key,
            None => place = [place[0], "…", key],
        }
        place
    }
}

/// A whole number that fits.
pub(crate) fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| {
        let number = value.as_f64()?;
        // Some exporters print every number as a float; within 2^53 nothing is lost by reading it back.
        (value.as_u64().is_none() && number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0).then_some(number as i64)
    })
}

/// A container's name without the slash that the engine's own storage puts before it.
pub(crate) fn bare_name(name: &str) -> SmolStr {
    SmolStr::new(name.strip_prefix('/').unwrap_or(name))
}
