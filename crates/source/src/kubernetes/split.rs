//! Bodies that hold many records, taken apart: an `EventList`, a `List` of objects, and what clouds batch.
//!
//! Each piece is the exact bytes that stood in the body, so that evidence is what was sent.

use sonic_rs::{JsonValueTrait, LazyValue};

/// How far from both ends of a body the words are looked for that say what it is.
const ENDS: usize = 512;

/// Pieces of one body; a body with more of them is left whole and refused.
const PIECES_MAX: usize = 200_000;

/// The records in a body; `None` when it is one record itself.
pub(crate) fn pieces(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let key = key_of(bytes)?;
    let text = std::str::from_utf8(bytes).ok()?;
    let mut pieces = Vec::new();
    let mut kind = None;
    // Reading all of it first finds a second value behind the first, which would be lost.
    let whole: LazyValue<'_> = sonic_rs::from_str(text).ok()?;
    for member in whole.into_object_iter()? {
        let (name, value) = member.ok()?;
        match &*name {
            "kind" if kind.is_none() => kind = value.as_str().map(str::to_owned),
            name if name == key && pieces.is_empty() => pieces = elements(text, &value)?,
            _ => {}
        }
    }
    let is_whole = match key {
        "items" => !matches!(kind.as_deref(), Some("EventList" | "List")),
        _ => false,
    };
    // An empty batch is a record that says nothing, and is refused as one.
    (!is_whole && !pieces.is_empty()).then_some(pieces)
}

/// Under which key a body holds its records, by what stands at its ends. Nearly every record is none and leaves here.
fn key_of(bytes: &[u8]) -> Option<&'static str> {
    let head = &bytes[..bytes.len().min(ENDS)];
    let tail = &bytes[bytes.len().saturating_sub(ENDS)..];
    let either = |what: &[u8]| memchr::memmem::find(head, what).is_some() || memchr::memmem::find(tail, what).is_some();
    // The API server writes an `EventList`; `kubectl get -o json` a `List`, with its kind behind the items.
    if either(b"\"EventList\"") || either(b"\"List\"") {
        return Some("items");
    }
    // What a subscription to CloudWatch Logs delivers.
    if memchr::memmem::find(head, b"\"logEvents\"").is_some() {
        return Some("logEvents");
    }
    // What Azure Monitor writes to an event hub or an account of storage.
    let starts = head.trim_ascii_start().strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    starts.is_some_and(|rest| rest.starts_with(b"\"records\"")).then_some("records")
}

/// The objects of an array, each as its bytes in the text.
fn elements<'a>(text: &'a str, array: &LazyValue<'_>) -> Option<Vec<&'a [u8]>> {
    let raw = array.as_raw_str();
    let start = (raw.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    let raw = text.get(start..start.checked_add(raw.len())?)?;
    let mut list = Vec::new();
    for element in sonic_rs::to_array_iter(raw) {
        let element = element.ok()?;
        let piece = element.as_raw_str();
        let from = (piece.as_ptr() as usize).checked_sub(raw.as_ptr() as usize)?;
        let piece = raw.get(from..from.checked_add(piece.len())?)?;
        if !piece.starts_with('{') || list.len() == PIECES_MAX {
            return None;
        }
        list.push(piece.as_bytes());
    }
    Some(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Option<Vec<String>> {
        pieces(text.as_bytes()).map(|pieces| pieces.iter().map(|piece| String::from_utf8(piece.to_vec()).unwrap()).collect())
    }

    #[test]
    fn a_batch_is_cut_into_its_own_bytes() {
        let two = vec![r#"{"auditID": "1","x":"\u0026]}"}"#.to_owned(), r#"{"auditID":"2","items":[{}]}"#.to_owned()];
        let line = format!(r#"{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{{}},"items":[{},{}]}}"#, two[0], two[1]);
        assert_eq!(split(&line), Some(two.clone()));
        let pretty = format!("{{\n  \"items\" : [\n    {} ,\n    {}\n  ],\n  \"kind\": \"EventList\"\n}}\n", two[0], two[1]);
        assert_eq!(split(&pretty), Some(two.clone()));
        assert_eq!(split(&format!(r#"{{"messageType":"DATA_MESSAGE","logEvents":[{},{}]}}"#, two[0], two[1])), Some(two.clone()));
        assert_eq!(split(&format!(r#"{{"records": [{},{}]}}"#, two[0], two[1])), Some(two));
    }

    #[test]
    fn what_is_one_record_stays_one() {
        for text in [
            r#"{"kind":"PodList","apiVersion":"v1","items":[{"metadata":{}}]}"#,
            r#"{"kind":"Event","x":"\"EventList\"","items":[{}]}"#,
            r#"{"note":"\"EventList\"","items":[{"a":1}]}"#,
            r#"{"kind":"EventList","items":[]}"#,
            r#"{"kind":"EventList","items":[1,{}]}"#,
            r#"{"kind":"EventList","items":{}}"#,
            r#"{"kind":"EventList","items":[{"#,
            r#"{"kind":"EventList","items":[{"a":1}]} {"kind":"EventList","items":[{"a":1}]}"#,
            r#"["EventList"]"#,
            "\"EventList\"",
            "{}",
            "",
        ] {
            assert_eq!(split(text), None, "{text}");
        }
    }
}
