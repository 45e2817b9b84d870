//! A new page from a recording: the nine sections, the recording, and a first guess at a rule, so that an author corrects instead of beginning.

use event::dictionary as d;
use event::{Event, FieldId, Value};
use std::collections::BTreeMap;
use std::fmt::Write;

/// A page and the recording to lay beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scaffold {
    /// Text of `NAME.md`.
    pub page: String,
    /// Text of `NAME/first.jsonl`; `None` when it stands in the page.
    pub recording: Option<String>,
}

/// Fields whose being true, or having a value, sets a container apart. The first that an event has makes the guess.
const TELLING: &[(FieldId, &str)] = &[
    (d::PRIVILEGED, "high"),
    (d::MOUNT_SENSITIVE_KINDS, "medium"),
    (d::NS_HOST, "medium"),
    (d::CAP_DANGEROUS, "medium"),
    (d::DEVICES_DANGEROUS, "medium"),
    (d::SECURITY_DISABLED, "medium"),
    (d::EXEC_PRIVILEGED, "high"),
    (d::CHANGE_PROPERTY, "low"),
    (d::NET_OPENED, "medium"),
    (d::IMAGE_EVIDENCE, "medium"),
    (d::INTEGRITY_KIND, "medium"),
    (d::SENSOR_HOW, "medium"),
    (d::EXEC_COMMAND_LINE, "low"),
    (d::DISPOSED, "low"),
];

/// Writes a page about the derived events that a recording gave.
pub fn scaffold(name: &str, events: &[Event], recording: &str) -> Scaffold {
    let lines = recording.lines().filter(|line| !line.trim().is_empty()).count();
    let inline = lines <= crate::scenario::INLINE_MAX;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for event in events.iter().filter(|event| !event.kind.def().native) {
        *counts.entry(event.kind.name()).or_default() += 1;
    }
    let guess = guess(events);
    let shown = if inline { format!("```jsonl\n{}\n```", recording.trim_end()) } else { "```jsonl file=first.jsonl\n```".to_owned() };
    let mut seen = String::new();
    for (kind, count) in &counts {
        let _ = writeln!(seen, "- `{kind}`: {count}");
    }
    let title = name.replace('-', " ");
    let page = format!(
        "---\nstatus: draft\nsources: [docker_events, docker_container]\nauthors: []\nversion: 1\n---\n\n\
# {title}\n\n\
## Goal\n\nDetect … (one singular behaviour).\n\n\
## Categorization\n\n- T1610 Deploy Container (execution)\n\n\
## Strategy Abstract\n\nThe recording gave these events:\n\n{seen}\n\
```yaml sigma\ntitle: {title}\nname: {name}-seen\nstatus: experimental\nlevel: {level}\nlogsource:\n{logsource}detection:\n  selection:\n    event.name: {kind}\n{terms}  condition: selection\n\
landwaiter:\n  entity: [{entity}]\n  message: '{{{{{subject}}}}} …'\n```\n\n\
## Technical Context\n\nThe finding shows {explained}.\n\n```json\n{{}}\n```\n\n\
## Blind Spots and Assumptions\n\n### Blind spot: …\n\n### Assumption: `docker_events` is read\n\n\
## False Positives\n\n### …\n\n\
## Validation\n\n### {title}\n\n```console\n$ docker run -d --label landwaiter.run=$RUN …\n```\n\n{shown}\n\n```finding\n```\n\n\
## Priority\n\n| level | when | rule |\n|---|---|---|\n| {level} | always | `{name}-seen` |\n\n\
## Response\n\n1. Preserve before you contain: pause {{{{{first}}}}}, then inspect, logs and export.\n",
        level = guess.level,
        logsource = guess.logsource,
        kind = guess.kind,
        terms = guess.terms,
        entity = guess.entity.join(", "),
        subject = guess.entity.last().copied().unwrap_or("host.name"),
        first = guess.entity.first().copied().unwrap_or("host.name"),
        explained = guess.entity.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(" and "),
    );
    Scaffold { page, recording: (!inline).then(|| recording.to_owned()) }
}

struct Guess {
    kind: &'static str,
    level: &'static str,
    logsource: String,
    terms: String,
    entity: Vec<&'static str>,
}

fn guess(events: &[Event]) -> Guess {
    let derived = || events.iter().filter(|event| !event.kind.def().native);
    let telling = TELLING.iter().find_map(|(field, level)| {
        derived().find_map(|event| {
            let value = event.derived(*field)?;
            let tells = match value {
                Value::Bool(told) => *told,
                Value::List(list) => !list.is_empty(),
                _ => true,
            };
            tells.then(|| (event, format!("    {}: {}\n", field.name(), yaml(value)), *level))
        })
    });
    let event = telling.as_ref().map(|(event, ..)| *event).or_else(|| derived().find(|event| event.kind == d::CONTAINER_APPEARED));
    let kind = event.map_or(d::CONTAINER_APPEARED, |event| event.kind);
    let (category, product, service) = kind.def().logsource;
    let mut logsource = String::new();
    for (key, value) in [("category", category), ("product", product), ("service", service)] {
        if !value.is_empty() {
            let _ = writeln!(logsource, "  {key}: {value}");
        }
    }
    let entity = if kind.has_field(d::CONTAINER_ID) { vec!["container.id", "container.name"] } else { vec!["host.name"] };
    let (terms, level) = telling.map_or((String::new(), "low"), |(_, terms, level)| (terms, level));
    Guess { kind: kind.name(), level, logsource, terms, entity }
}

fn yaml(value: &Value) -> String {
    match value {
        Value::Bool(told) => told.to_string(),
        Value::Int(n) => n.to_string(),
        Value::Float(n) => n.to_string(),
        // What an attacker wrote must not end the quotes, the line, or the fence around the rule: control characters go as escapes.
        Value::Text(text) if text.chars().any(char::is_control) => serde_json::to_string(text.as_str()).unwrap_or_default(),
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Value::List(list) => list.first().map(yaml).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_leave_the_fence_around_its_rule() {
        assert_eq!(yaml(&Value::from("it's")), "'it''s'");
        assert_eq!(yaml(&Value::from("x\n```\n\n## Response")), r###""x\n```\n\n## Response""###);
    }
}
