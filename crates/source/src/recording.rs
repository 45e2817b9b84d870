//! The line format of recordings: one JSON object a line, with the raw bytes of the record exactly as they came.
//!
//! `{"landwaiter":1,"source":"docker_events","host":"h","arrived":<ns>,"data":<the raw JSON>}`. Bytes that are not one line of JSON stand as `text` (UTF-8) or
//! `base64`. `"tick":true` says only that time has passed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event::{Body, Place, Record, SmolStr, Time};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;

/// How every line of a recording begins; [`parse`] reads no other.
pub const HEAD: &[u8] = br#"{"landwaiter":1,"#;

/// One record as a line, without the line end.
pub fn write(record: &Record) -> String {
    let quote = |text: &str| serde_json::to_string(text).unwrap_or_default();
    let body = match &record.body {
        Body::Tick => r#""tick":true"#.to_owned(),
        Body::Data(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if is_one_line_of_json(text) => format!(r#""data":{text}"#),
            Ok(text) => format!(r#""text":{}"#, quote(text)),
            Err(_) => format!(r#""base64":"{}""#, STANDARD.encode(bytes)),
        },
    };
    format!(r#"{{"landwaiter":1,"source":{},"host":{},"arrived":{},{body}}}"#, quote(&record.source), quote(&record.host), record.arrived.0)
}

/// Whether the bytes come back exactly when they stand inside a line as they are.
fn is_one_line_of_json(text: &str) -> bool {
    // White space around a value would be lost, and what is nested too deep for a parser would not come back at all.
    text.trim() == text
        && !text.contains(['\n', '\r'])
        && text.starts_with(['{', '['])
        && event::document::Document::parse_within(text.as_bytes(), usize::MAX).is_ok()
        && serde_json::from_str::<&RawValue>(text).is_ok_and(|raw| raw.get() == text)
}

#[derive(Deserialize)]
struct Line<'a> {
    source: SmolStr,
    #[serde(default)]
    host: SmolStr,
    arrived: i64,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    base64: Option<String>,
    #[serde(default)]
    tick: bool,
}

/// The order in which [`write`] puts the keys, read without parsing the data: whoever decodes it will.
fn parse_own_order(line: &[u8]) -> Option<Record> {
    let text = std::str::from_utf8(line).ok()?;
    let rest = text.strip_prefix(r#"{"landwaiter":1,"source":""#)?;
    let (source, rest) = rest.split_once('"')?;
    let (host, rest) = rest.strip_prefix(r#","host":""#)?.split_once('"')?;
    let (arrived, rest) = rest.strip_prefix(r#","arrived":"#)?.split_once(',')?;
    let data = rest.strip_prefix(r#""data":"#)?.strip_suffix('}')?;
    if source.contains('\\') || host.contains('\\') || !data.starts_with(['{', '[']) {
        return None;
    }
    Some(Record {
        seq: 0,
        source: SmolStr::new(source),
        host: SmolStr::new(host),
        arrived: Time(arrived.parse().ok()?),
        live: true,
        body: Body::Data(Arc::from(data.as_bytes())),
        place: Place::default(),
    })
}

/// Reads one line. `None` when it is not a line of a recording; number, place and sequence are for the reader to set.
pub fn parse(line: &[u8]) -> Option<Record> {
    if !line.starts_with(HEAD) {
        return None;
    }
    if let Some(record) = parse_own_order(line) {
        return Some(record);
    }
    let line: Line<'_> = serde_json::from_slice(line).ok()?;
    let body = match (line.data, line.text, line.base64, line.tick) {
        (Some(raw), None, None, false) => Body::Data(Arc::from(raw.get().as_bytes())),
        (None, Some(text), None, false) => Body::Data(Arc::from(text.into_bytes())),
        (None, None, Some(text), false) => Body::Data(Arc::from(STANDARD.decode(text).ok()?)),
        (None, None, None, true) => Body::Tick,
        _ => return None,
    };
    Some(Record { seq: 0, source: line.source, host: line.host, arrived: Time(line.arrived), live: true, body, place: Place::default() })
}
