//! What the sources say of their own sight, as the judge takes it: an interval, how bad, and why.

use event::dictionary::{
    SENSOR_COMPLETE, SENSOR_DROPPED, SENSOR_GAP, SENSOR_GAP_SEEN, SENSOR_LAGGING, SENSOR_PRESSURE, SENSOR_REASON, SENSOR_SOURCE,
    SENSOR_UNDECODABLE,
};
use event::{Event, FieldId, Kind, SmolStr, Span, Value};
use finding::{Impairment, Note};

/// Drops and unreadable records are reported when they are noticed; what they concern lies in the minute before.
const NOTICED_WITHIN: Span = Span::minutes(1);

/// Kinds that are read here, and so always built.
pub const READ: [Kind; 5] = [SENSOR_GAP_SEEN, SENSOR_DROPPED, SENSOR_LAGGING, SENSOR_UNDECODABLE, SENSOR_PRESSURE];

/// The note that an event amounts to, if it speaks of sight at all.
pub fn note(event: &Event) -> Option<Note> {
    if !READ.contains(&event.kind) {
        return None;
    }
    let text = |field: FieldId| event.derived(field).and_then(Value::as_text);
    let source = text(SENSOR_SOURCE).unwrap_or("a source");
    let reason = text(SENSOR_REASON).map(|reason| format!(": {reason}")).unwrap_or_default();
    let mut from = event.time.minus(NOTICED_WITHIN);
    let (impairment, text) = match event.kind {
        SENSOR_GAP_SEEN => {
            if event.derived(SENSOR_COMPLETE) == Some(&Value::Bool(true)) {
                return None;
            }
            let seconds = match event.derived(SENSOR_GAP) {
                Some(Value::Float(seconds)) => *seconds,
                Some(Value::Int(seconds)) => *seconds as f64,
                _ => 0.0,
            };
            // A cast from float saturates, so no length of gap is too long.
            from = event.time.minus(Span((seconds.max(0.0) * 1e9) as i64));
            (Impairment::Gap, format!("{source} was cut off{reason}"))
        }
        SENSOR_DROPPED => (Impairment::Degraded, format!("records of {source} were dropped{reason}")),
        SENSOR_LAGGING => (Impairment::Degraded, format!("events of {source} came late")),
        SENSOR_UNDECODABLE => (Impairment::Degraded, format!("records of {source} could not be read")),
        _ => (Impairment::Degraded, format!("something was forgotten for want of room{reason}")),
    };
    Some(Note { impairment, host: event.host.clone(), from, to: event.time, text: SmolStr::from(text) })
}

/// The note that a late record amounts to.
pub fn late(event: &Event) -> Note {
    Note {
        impairment: Impairment::Degraded,
        host: event.host.clone(),
        from: event.time,
        to: event.at,
        text: SmolStr::from(format!("records of {} came out of order", event.source)),
    }
}
