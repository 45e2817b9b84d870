//! What the four complete lists share.

use crate::fields::{Fields, Notes};
use crate::prepare::undated;
use event::document::Document;
use event::fact::{Fact, List};
use event::{Decoded, SmolStr, Undecodable, dictionary};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

/// The entries of an array, or of the array under `key`.
pub(crate) fn entries<'a>(document: &'a Document, key: &str, notes: &'a Notes) -> Option<Vec<Fields<'a>>> {
    let root = document.root();
    // The engine writes `null` for an empty list under a key.
    let under_key = root.get(key).filter(|_| root.is_object());
    if under_key.is_some_and(|value| value.is_null()) {
        return Some(Vec::new());
    }
    let array = root.as_array().or_else(|| under_key?.as_array())?;
    Some(array.iter().filter(|entry| entry.is_object()).map(|entry| Fields::new(entry, notes)).collect())
}

/// Whether a document is an array whose first element has all of these keys and none of those.
pub(crate) fn array_of(document: &Document, with: &[&str], without: &[&str]) -> bool {
    let Some(first) = document.root().as_array().and_then(|array| array.first()) else { return false };
    is_entry(first, with, without)
}

/// Whether a value has all of these keys and none of those.
pub(crate) fn is_entry(value: &sonic_rs::Value, with: &[&str], without: &[&str]) -> bool {
    value.is_object() && with.iter().all(|key| value.get(key).is_some()) && !without.iter().any(|key| value.get(key).is_some())
}

/// A list as an event.
pub(crate) fn decoded(list: List) -> Decoded {
    undated(dictionary::DOCKER_LIST, SmolStr::default(), Fact::List(list))
}

/// What is said when a list was promised.
pub(crate) fn no_list() -> Undecodable {
    Undecodable { reason: "not a list".to_owned(), unknown: false }
}
