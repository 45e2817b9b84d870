//! What the sources say of their own sight, as the judge takes it: an interval, how bad, and why.

use event::dictionary::{
    SENSOR_AGAINST, SENSOR_COMPLETE, SENSOR_DROPPED, SENSOR_GAP, SENSOR_GAP_SEEN, SENSOR_LAGGING, SENSOR_PRESSURE, SENSOR_REASON,
    SENSOR_SILENT, SENSOR_SILENT_FOR, SENSOR_SKEW, SENSOR_SKEWED, SENSOR_SOURCE, SENSOR_TRUNCATED, SENSOR_UNDECODABLE,
};
use event::{Event, FieldId, Kind, SmolStr, Span, Value};
use finding::{Impairment, Note};

/// Drops and unreadable records are reported when they are noticed; what they concern lies in the minute before.
const NOTICED_WITHIN: Span = Span::minutes(1);

/// Kinds that are read here, and so always built.
pub const READ: [Kind; 8] =
    [SENSOR_GAP_SEEN, SENSOR_DROPPED, SENSOR_LAGGING, SENSOR_UNDECODABLE, SENSOR_PRESSURE, SENSOR_SILENT, SENSOR_SKEWED, SENSOR_TRUNCATED];

/// The note that an event amounts to, if it speaks of sight at all.
pub fn note(event: &Event) -> Option<Note> {
    if !READ.contains(&event.kind) {
        return None;
    }
    let text = |field: FieldId| event.derived(field).and_then(Value::as_text);
    let source = text(SENSOR_SOURCE).unwrap_or("a source");
    let reason = text(SENSOR_REASON).map(|reason| format!(": {reason}")).unwrap_or_default();
    let seconds = |field: FieldId| {
        let seconds = match event.derived(field) {
            Some(Value::Float(seconds)) => *seconds,
            Some(Value::Int(seconds)) => *seconds as f64,
            _ => 0.0,
        };
        // A cast from float saturates, so no length is too long.
        Span((seconds.max(0.0) * 1e9) as i64)
    };
    let mut from = event.time.minus(NOTICED_WITHIN);
    let (impairment, text) = match event.kind {
        SENSOR_GAP_SEEN => {
            if event.derived(SENSOR_COMPLETE) == Some(&Value::Bool(true)) {
                return None;
            }
            from = event.time.minus(seconds(SENSOR_GAP));
            (Impairment::Gap, format!("{source} was cut off{reason}"))
        }
        SENSOR_DROPPED => (Impairment::Degraded, format!("records of {source} were dropped{reason}")),
        SENSOR_SILENT => {
            from = event.time.minus(seconds(SENSOR_SILENT_FOR));
            (Impairment::Gap, format!("{source} was silent for much longer than it ever is"))
        }
        SENSOR_SKEWED => {
            // The times of either may be off by as much.
            let against = text(SENSOR_AGAINST).unwrap_or("another");
            from = from.minus(seconds(SENSOR_SKEW));
            (Impairment::Degraded, format!("the clocks of {source} and {against} differ"))
        }
        SENSOR_TRUNCATED => (Impairment::Degraded, format!("records of {source} came without all that they should say")),
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

#[cfg(test)]
mod tests {
    use super::*;
    use event::{DerivedBuilder, Time};

    #[test]
    fn a_silence_is_a_gap_from_its_beginning_and_a_skew_only_degrades() {
        let now = Time::from_seconds(1_000_000, 0);
        let begin = |kind| DerivedBuilder::at(kind, "sensor", now, "h".into(), Vec::new()).with(SENSOR_SOURCE, "auditd");
        let silent = note(&begin(SENSOR_SILENT).with(SENSOR_SILENT_FOR, 300.0).build()).expect("a note");
        assert_eq!((silent.impairment, silent.from, silent.to), (Impairment::Gap, now.minus(Span::seconds(300)), now));
        let skewed = note(&begin(SENSOR_SKEWED).with(SENSOR_SKEW, -3.0).with(SENSOR_AGAINST, "docker_events").build()).expect("a note");
        assert_eq!((skewed.impairment, skewed.text.as_str()), (Impairment::Degraded, "the clocks of auditd and docker_events differ"));
        let truncated = note(&begin(SENSOR_TRUNCATED).build()).expect("a note");
        assert_eq!(truncated.impairment, Impairment::Degraded);
    }
}
