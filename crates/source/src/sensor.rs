//! What our own collectors say of their sight. They are written as records, so that a recording tells them again.

use crate::{SourceDef, Witness};
use event::document::{Document, SIZE_MAX};
use event::fact::{Fact, SensorNote, Sight};
use event::{Decoded, SmolStr, Time, Undecodable, dictionary};
use serde::{Deserialize, Serialize};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "sensor",
    witness: Witness::Own,
    kind: dictionary::SENSOR_NOTE,
    about: "Gaps, lag and losses that a collector has noticed in its own sight.",
    size_max: SIZE_MAX,
    recognise,
    finds_duplicates: false,
    decode,
    text: None,
    sample: r#"{"time":1795527678072015498,"of":"docker_events","note":{"Lost":{"reason":"connection reset by peer"}}}"#,
};

/// A note as it stands in a record.
#[derive(Serialize, Deserialize)]
struct Line {
    time: i64,
    of: SmolStr,
    note: Sight,
}

/// A note as the bytes of a record.
pub fn write(note: &SensorNote, time: Time) -> Vec<u8> {
    let line = Line { time: time.0, of: note.of.clone(), note: note.note.clone() };
    serde_json::to_vec(&line).unwrap_or_default()
}

/// A note goes by its source's name in a recording, never by its looks: a line of a plain log that looks like one would speak for our own collector.
fn recognise(_: &Document) -> bool {
    false
}

fn decode(_: &Document, bytes: &[u8]) -> Result<Decoded, Undecodable> {
    let line: Line = serde_json::from_slice(bytes)
        .map_err(|error| Undecodable { reason: format!("not a note of a collector: {error}"), unknown: false })?;
    Ok(Decoded {
        kind: dictionary::SENSOR_NOTE,
        time: Some(Time(line.time)),
        identity: None,
        subject: line.of.clone(),
        fact: Some(Fact::Sensor(SensorNote { of: line.of, note: line.note })),
        truncated: false,
        duplicate_keys: false,
        document: Document::default(),
    })
}
