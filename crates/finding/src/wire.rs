//! The JSON form of a finding: what machines read, so its names and shapes are a promise.
//!
//! Times are RFC 3339, values are plain JSON, a place is `{"file", "record"}`. It is written by hand here, so that a change of the types within does not change
//! what stands in somebody's pipeline.

use crate::finding::{Coverage, Evidence, Finding, Status};
use crate::message::visible_json;
use event::{Level, Place, SmolStr, Time, Value};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Number;

#[derive(Serialize, Deserialize)]
struct WireFinding {
    id: SmolStr,
    strategy: SmolStr,
    rule: SmolStr,
    rules: IndexMap<SmolStr, u64>,
    severity: Level,
    status: Status,
    title: SmolStr,
    message: String,
    first_seen: String,
    last_seen: String,
    count: u64,
    entity: serde_json::Map<String, serde_json::Value>,
    attack: Vec<SmolStr>,
    evidence: Vec<WireEvidence>,
    #[serde(default)]
    witnesses: Vec<SmolStr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    explained_by: Option<SmolStr>,
    coverage: WireCoverage,
}

#[derive(Serialize, Deserialize)]
struct WireEvidence {
    sha256: String,
    time: String,
    source: SmolStr,
    #[serde(rename = "where")]
    place: WirePlace,
}

#[derive(Serialize, Deserialize)]
struct WirePlace {
    file: SmolStr,
    record: u64,
}

#[derive(Serialize, Deserialize)]
struct WireCoverage {
    state: SmolStr,
    #[serde(default)]
    notes: Vec<SmolStr>,
}

/// A finding on one line of JSON.
pub fn to_json(finding: &Finding) -> String {
    // Every key is text and every number finite, so nothing can fail.
    let line = serde_json::to_string(&wire(finding)).unwrap_or_default();
    visible_json(&line).into_owned()
}

/// A finding as a JSON value.
pub fn to_value(finding: &Finding) -> serde_json::Value {
    serde_json::to_value(wire(finding)).unwrap_or_default()
}

/// Reads what [`to_json`] wrote.
///
/// # Errors
/// When the text is not a finding; says what is wrong, as a lower-case fragment.
pub fn from_json(line: &str) -> Result<Finding, String> {
    let wire: WireFinding = serde_json::from_str(line).map_err(|e| format!("not a finding: {e}"))?;
    let time = |text: &str| Time::parse(text).ok_or_else(|| format!("{text:?} is not a time"));
    Ok(Finding {
        id: wire.id,
        strategy: wire.strategy,
        rule: wire.rule,
        rules: wire.rules,
        severity: wire.severity,
        status: wire.status,
        title: wire.title,
        message: wire.message,
        first_seen: time(&wire.first_seen)?,
        last_seen: time(&wire.last_seen)?,
        count: wire.count,
        entity: wire.entity.iter().map(|(name, value)| (SmolStr::new(name), from_plain(value))).collect(),
        attack: wire.attack,
        evidence: wire
            .evidence
            .into_iter()
            .map(|e| {
                let place = Place { file: e.place.file, number: e.place.record };
                Ok(Evidence { sha256: e.sha256, time: time(&e.time)?, source: e.source, place })
            })
            .collect::<Result<_, String>>()?,
        witnesses: wire.witnesses,
        explained_by: wire.explained_by,
        coverage: Coverage { state: wire.coverage.state, notes: wire.coverage.notes },
    })
}

fn wire(finding: &Finding) -> WireFinding {
    WireFinding {
        id: finding.id.clone(),
        strategy: finding.strategy.clone(),
        rule: finding.rule.clone(),
        rules: finding.rules.clone(),
        severity: finding.severity,
        status: finding.status,
        title: finding.title.clone(),
        message: finding.message.clone(),
        first_seen: finding.first_seen.to_string(),
        last_seen: finding.last_seen.to_string(),
        count: finding.count,
        entity: finding.entity.iter().map(|(name, value)| (name.to_string(), plain(value))).collect(),
        attack: finding.attack.clone(),
        evidence: finding
            .evidence
            .iter()
            .map(|e| WireEvidence {
                sha256: e.sha256.clone(),
                time: e.time.to_string(),
                source: e.source.clone(),
                place: WirePlace { file: e.place.file.clone(), record: e.place.number },
            })
            .collect(),
        witnesses: finding.witnesses.clone(),
        explained_by: finding.explained_by.clone(),
        coverage: WireCoverage { state: finding.coverage.state.clone(), notes: finding.coverage.notes.clone() },
    }
}

/// A value as JSON has it. Numbers that JSON cannot hold are text.
pub fn plain(value: &Value) -> serde_json::Value {
    match value {
        Value::Bool(b) => (*b).into(),
        Value::Int(n) => (*n).into(),
        Value::Float(n) => Number::from_f64(*n).map_or_else(|| n.to_string().into(), serde_json::Value::Number),
        Value::Text(s) => s.as_str().into(),
        Value::List(list) => list.iter().map(plain).collect(),
    }
}

fn from_plain(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Text(SmolStr::default()),
        serde_json::Value::Bool(b) => Value::Bool(*b),
        serde_json::Value::Number(n) => n.as_i64().map_or_else(|| Value::Float(n.as_f64().unwrap_or_default()), Value::Int),
        serde_json::Value::String(s) => Value::from(s.as_str()),
        serde_json::Value::Array(list) => Value::List(list.iter().map(from_plain).collect()),
        serde_json::Value::Object(_) => Value::from(json.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Finding {
        Finding {
            id: "0a1b2c3d4e5f".into(),
            strategy: "container-spray".into(),
            rule: "standing-growth".into(),
            rules: [(SmolStr::new("container-spray/standing-growth"), 3)].into_iter().collect(),
            severity: Level::Medium,
            status: Status::Open,
            title: "Many containers stand".into(),
            message: "20 stand".into(),
            first_seen: Time(1_795_527_678_072_015_498),
            last_seen: Time(1_795_527_679_000_000_000),
            count: 20,
            entity: [(SmolStr::new("image.id"), Value::from("sha256:00")), (SmolStr::new("n"), Value::Int(-1))].into_iter().collect(),
            attack: vec!["T1610".into()],
            evidence: vec![Evidence {
                sha256: "ff".into(),
                time: Time(1_795_527_678_072_015_498),
                source: "docker_events".into(),
                place: Place { file: "events.jsonl".into(), number: 7 },
            }],
            witnesses: vec!["docker_events".into()],
            explained_by: None,
            coverage: Coverage { state: "complete".into(), notes: vec![] },
        }
    }

    #[test]
    fn the_form_that_machines_read() {
        assert_eq!(
            to_json(&example()),
            concat!(
                r#"{"id":"0a1b2c3d4e5f","strategy":"container-spray","rule":"standing-growth","rules":{"container-spray/standing-growth":3},"#,
                r#""severity":"medium","status":"open","title":"Many containers stand","message":"20 stand","#,
                r#""first_seen":"2026-11-24T13:41:18.072015498Z","last_seen":"2026-11-24T13:41:19.000000000Z","count":20,"#,
                r#""entity":{"image.id":"sha256:00","n":-1},"attack":["T1610"],"#,
                r#""evidence":[{"sha256":"ff","time":"2026-11-24T13:41:18.072015498Z","source":"docker_events","where":{"file":"events.jsonl","record":7}}],"#,
                r#""witnesses":["docker_events"],"#,
                r#""coverage":{"state":"complete","notes":[]}}"#
            )
        );
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut finding = example();
        finding.explained_by = Some("ops: nightly".into());
        finding.entity.insert("list".into(), Value::from(vec!["a", "b"]));
        assert_eq!(from_json(&to_json(&finding)), Ok(finding));
        assert!(from_json("{}").is_err());
    }
}
