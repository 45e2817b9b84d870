//! A recording as lines that can be moved, changed and copied. Composing never touches a line that it need not: what is played as it was taken is played byte for byte.

use event::{Body, Record, SmolStr, Time};
use serde_json::Value as Json;
use std::borrow::Cow;
use std::io::Read;

/// Most bytes of a recording once it is unpacked: a page that needs more is no page.
pub const UNPACKED_MAX: u64 = 256 << 20;

/// One line of a recording.
#[derive(Clone, Debug)]
pub struct Line {
    /// The line as it stands.
    pub text: String,
    /// Its record, when it is a line of `landwaiter record`; else it is the engine's own.
    pub record: Option<Record>,
    /// What it says; `None` when it is no JSON.
    pub json: Option<Json>,
    /// Decoder that reads it.
    pub source: SmolStr,
    /// When it arrived, for putting lines in order.
    pub arrived: i64,
}

/// Unpacks a recording as it lies there.
///
/// # Errors
/// When it is broken, or too large.
pub fn unpack(name: &str, bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let limit = UNPACKED_MAX + 1;
    let read = match name.rsplit('.').next() {
        Some("zst") => zstd::Decoder::new(&bytes[..]).and_then(|decoder| decoder.take(limit).read_to_end(&mut out)),
        Some("gz") => flate2::read::MultiGzDecoder::new(&bytes[..]).take(limit).read_to_end(&mut out),
        _ => return Ok(bytes),
    };
    match read {
        Ok(length) if length as u64 > UNPACKED_MAX => Err(format!("{name} is larger than 256 MiB unpacked")),
        Ok(_) => Ok(out),
        Err(err) => Err(format!("{name} cannot be unpacked: {err}")),
    }
}

/// The lines of a recording. A line without a time of its own stands at the line before it.
pub fn lines(text: &str) -> Vec<Line> {
    let mut out: Vec<Line> = Vec::new();
    let mut last = None;
    for text in text.lines().filter(|line| !line.trim().is_empty()).flat_map(items_of) {
        let text = text.as_ref();
        let record = source::recording::parse(text.as_bytes());
        let (json, source, time) = match &record {
            Some(record) => (body_json(record), record.source.clone(), Some(record.arrived.0)),
            None => {
                let prepared = source::prepare(raw_record(text));
                let time = prepared.time().map(|time| time.0);
                (serde_json::from_str(text).ok(), prepared.record.source, time)
            }
        };
        last = time.or(last);
        out.push(Line { text: text.to_owned(), record, json, source, arrived: last.unwrap_or(i64::MIN) });
    }
    // Undated lines that lead stand at the first dated one.
    let first = out.iter().map(|line| line.arrived).find(|at| *at != i64::MIN).unwrap_or(0);
    for line in out.iter_mut().take_while(|line| line.arrived == i64::MIN) {
        line.arrived = first;
    }
    out
}

/// A line, or the objects of an array that is no list of the engine's own, such as `docker inspect` prints.
fn items_of(text: &str) -> Vec<Cow<'_, str>> {
    if !text.trim_start().starts_with('[') || matches!(source::prepare(raw_record(text)).content, Some(Ok(_))) {
        return vec![text.into()];
    }
    match serde_json::from_str::<Vec<Json>>(text) {
        Ok(items) if items.iter().any(Json::is_object) => items.iter().map(|item| item.to_string().into()).collect(),
        _ => vec![text.into()],
    }
}

fn raw_record(text: &str) -> Record {
    Record {
        seq: 0,
        source: SmolStr::default(),
        host: SmolStr::default(),
        arrived: Time(0),
        live: false,
        body: Body::Data(text.as_bytes().into()),
        place: event::Place::default(),
    }
}

fn body_json(record: &Record) -> Option<Json> {
    match &record.body {
        Body::Data(bytes) => serde_json::from_slice(bytes).ok(),
        Body::Tick => None,
    }
}

impl Line {
    /// Writes the line anew after its JSON or time was changed.
    pub fn rewrite(&mut self) {
        let body = self.json.as_ref().map(Json::to_string);
        match &mut self.record {
            Some(record) => {
                record.arrived = Time(self.arrived);
                if let Some(body) = body {
                    record.body = Body::Data(body.into_bytes().into());
                }
                self.text = source::recording::write(record);
            }
            None => self.text = body.unwrap_or_else(|| std::mem::take(&mut self.text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"Type":"container","Action":"create","Actor":{"ID":"a1","Attributes":{"name":"x"}},"time":1795527678,"timeNano":1795527678072015498}"#;

    #[test]
    fn lines_know_their_source_and_stand_in_time() {
        let inspect = r#"[{"Id":"a1","Name":"/x","HostConfig":{},"Config":{},"State":{}}]"#;
        let recorded = r#"{"landwaiter":1,"source":"docker_info","host":"h","arrived":1795527670000000000,"data":{"ID":"x"}}"#;
        let all = lines(&format!("{inspect}\n{EVENT}\n{inspect}\n{recorded}\nnot json\n"));
        let sources: Vec<&str> = all.iter().map(|line| line.source.as_str()).collect();
        assert_eq!(sources[..4], ["docker_container", "docker_events", "docker_container", "docker_info"]);
        let times: Vec<i64> = all.iter().map(|line| line.arrived).collect();
        assert_eq!(times[..4], [1795527678072015498, 1795527678072015498, 1795527678072015498, 1795527670000000000]);
        assert!(all[4].json.is_none());
    }

    #[test]
    fn packed_recordings_are_unpacked_and_broken_ones_told() {
        let packed = zstd::encode_all(EVENT.as_bytes(), 3).unwrap();
        assert_eq!(unpack("a.jsonl.zst", packed).unwrap(), EVENT.as_bytes());
        assert!(unpack("a.jsonl.zst", b"nothing".to_vec()).unwrap_err().contains("cannot be unpacked"));
    }
}
