//! What the clouds wrap around an audit event, taken off: rules then find the event's own paths, as if the API server had written it itself.

use super::audit;
use event::document::Document;
use event::{Decoded, Undecodable};
use sonic_rs::{JsonContainerTrait, JsonValueTrait, Value};

/// The audit event that a value holds: as an object, or as the text of one.
pub(crate) fn inner(value: &Value) -> Result<Document, Undecodable> {
    let text = match value.as_str() {
        Some(text) => text.to_owned(),
        // Written out and not copied: a copy would lose which of equal keys came first.
        None => sonic_rs::to_string(value).map_err(|error| broken(&error.to_string()))?,
    };
    Document::parse_within(text.as_bytes(), super::EVENT_SIZE_MAX).map_err(|error| broken(&error.to_string()))
}

/// Decodes the audit event inside an envelope.
pub(crate) fn decode(envelope: &Document, inner: Document) -> Result<Decoded, Undecodable> {
    let mut decoded = audit::decode(inner.root())?;
    decoded.duplicate_keys = envelope.has_duplicate_keys() || inner.has_duplicate_keys();
    decoded.document = inner;
    Ok(decoded)
}

/// Whether a value is an audit event, or the text of one.
pub(crate) fn holds_event(value: &Value) -> bool {
    match value.as_str() {
        Some(text) => {
            let head = text.trim_ascii_start().as_bytes();
            head.starts_with(b"{") && memchr::memmem::find(head, b"\"auditID\"").is_some()
        }
        None => value.is_object() && audit::is_event(value),
    }
}

/// The value under a path of keys.
pub(crate) fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| if value.is_object() { value.get(*key) } else { None })
}

/// The first of several places that is there.
pub(crate) fn first<'a>(value: &'a Value, paths: &[&[&str]]) -> Option<&'a Value> {
    paths.iter().find_map(|path| at(value, path)).filter(|_| value.as_object().is_some())
}

fn broken(why: &str) -> Undecodable {
    let why = why.lines().next().unwrap_or_default();
    Undecodable { reason: format!("holds an audit event that cannot be read: {why}"), unknown: false }
}
