//! Findings and summaries as a person reads them.

use crate::ui::Ui;
use event::{Event, Fields, Level, Time, Value};
use finding::{Finding, Status};
use std::collections::BTreeMap;

/// What stands at the left of the first line of a finding; the rest is indented by as much.
const GUTTER: usize = 10;

/// One finding over a few lines: severity and sentence first, then what it is about, then how to go on.
pub fn finding(ui: &Ui, finding: &Finding) -> Vec<String> {
    let width = ui.width.saturating_sub(GUTTER).max(30);
    let indent = " ".repeat(GUTTER);
    let mut lines = Vec::new();

    let level = format!("{:<GUTTER$}", finding.severity.as_str().to_uppercase());
    let level = ui.paint(Ui::level_style(finding.severity), &level);
    for (i, line) in wrap(&finding.message, width).into_iter().enumerate() {
        let head = if i == 0 { &level } else { &indent };
        lines.push(format!("{head}{}", ui.bold(&line)));
    }

    let when = interval(finding.first_seen, finding.last_seen);
    let state = match finding.status {
        Status::Open => String::new(),
        Status::Closed => ", closed".to_owned(),
        Status::Explained => match &finding.explained_by {
            Some(by) => format!(", explained by {}", printable(by)),
            None => ", explained".to_owned(),
        },
    };
    let times = if finding.count == 1 { String::new() } else { format!(", {} times", finding.count) };
    let about = format!("{} · {}", finding.strategy, finding.title);
    lines.extend(wrap(&about, width).into_iter().map(|line| format!("{indent}{line}")));
    lines.extend(wrap(&format!("{when}{times}{state}"), width).into_iter().map(|line| format!("{indent}{}", ui.dim(&line))));

    let entity: Vec<String> = finding.entity.iter().map(|(field, value)| format!("{field}={}", short(field, value))).collect();
    lines.extend(flow(&entity, width).into_iter().map(|line| format!("{indent}{}", ui.dim(&line))));

    let also: Vec<&str> =
        finding.rules.keys().map(|rule| rule.as_str()).filter(|rule| !rule.starts_with(finding.strategy.as_str())).collect();
    if !also.is_empty() {
        let line = format!("also {}", also.join(", "));
        lines.extend(wrap(&line, width).into_iter().map(|line| format!("{indent}{}", ui.dim(&line))));
    }
    if !finding.coverage.state.is_empty() && finding.coverage.state != "complete" {
        let line = printable(&format!("observed with {}: {}", finding.coverage.state, finding.coverage.notes.join("; ")));
        lines.extend(wrap(&line, width).into_iter().map(|line| format!("{indent}{line}")));
    }

    let mut foot = Vec::new();
    if !finding.attack.is_empty() {
        foot.push(finding.attack.join(" "));
    }
    if let Some(first) = finding.evidence.first() {
        let more = finding.evidence.len() - 1;
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        foot.push(format!("{}:{}{more}", printable(&first.place.file), first.place.number));
    }
    foot.push(format!("show {}", finding.id));
    lines.extend(flow(&foot, width).into_iter().map(|line| format!("{indent}{}", ui.dim(&line))));
    lines
}

/// One event as a JSON line: its head, then its fields by name, or the native document.
pub fn event_line(event: &Event) -> String {
    let mut head = serde_json::Map::new();
    let mut put = |key: &str, value: serde_json::Value| {
        head.insert(key.to_owned(), value);
    };
    put("kind", event.kind.name().into());
    put("at", event.at.to_string().into());
    if event.time != event.at {
        put("time", event.time.to_string().into());
    }
    if event.late_by > event::Span::ZERO {
        put("late_by_seconds", event.late_by.as_seconds().into());
    }
    if event.time_suspect {
        put("time_suspect", true.into());
    }
    put("source", event.source.as_str().into());
    match &event.fields {
        Fields::Derived(list) => {
            for (field, value) in list {
                put(field.name(), json(value));
            }
        }
        Fields::Native(_) => {
            put("host.name", event.host.as_str().into());
            let raw = event.evidence.first().map(|p| &p.raw[..]).unwrap_or_default();
            let native = serde_json::from_slice(raw).unwrap_or_else(|_| String::from_utf8_lossy(raw).into_owned().into());
            put("native", native);
        }
    }
    finding::message::visible_json(&serde_json::Value::Object(head).to_string()).into_owned()
}

/// A field's value as JSON.
pub fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Bool(b) => (*b).into(),
        Value::Int(n) => (*n).into(),
        Value::Float(n) => (*n).into(),
        Value::Text(s) => s.as_str().into(),
        Value::List(list) => list.iter().map(json).collect(),
    }
}

/// `2 high, 1 low`, highest first; `nothing` when there is none.
pub fn counts<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> String {
    let mut by_level: BTreeMap<Level, usize> = BTreeMap::new();
    for finding in findings {
        *by_level.entry(finding.severity).or_default() += 1;
    }
    levels(&by_level)
}

/// The same of severities that are counted already.
pub fn levels(by_level: &BTreeMap<Level, usize>) -> String {
    let parts: Vec<String> = by_level.iter().rev().map(|(level, n)| format!("{n} {level}")).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

/// `1 file`, `2 files`.
pub fn number(count: impl ToString, what: &str) -> String {
    let count = count.to_string();
    format!("{count} {what}{}", if count == "1" { "" } else { "s" })
}

/// A point or an interval, to the second, in UTC: `2026-11-24 13:41:18 to 13:42:01 UTC`.
pub fn interval(first: Time, last: Time) -> String {
    let (first, last) = (clock(first), clock(last));
    if first == last {
        format!("{first} UTC")
    } else if first.get(..10) == last.get(..10) {
        format!("{first} to {} UTC", last.get(11..).unwrap_or(&last))
    } else {
        format!("{first} to {last} UTC")
    }
}

/// Date and time to the second.
pub fn clock(time: Time) -> String {
    time.to_string().replace('T', " ").chars().take(19).collect()
}

/// Ids are shortened for the eye; everything else stays.
pub fn short(field: &str, value: &Value) -> String {
    let text = printable(&value.to_string());
    if field.ends_with(".id") || field.ends_with(".image.id") {
        let bare = text.strip_prefix("sha256:").unwrap_or(&text);
        if bare.len() > 12 && bare.bytes().all(|b| b.is_ascii_hexdigit()) {
            return bare[..12].to_owned();
        }
    }
    text
}

/// Attackers write our input: control characters and what reorders text are shown as escapes, so that nothing can forge a line or move the cursor.
pub fn printable(text: &str) -> String {
    finding::message::visible(text).into_owned()
}

/// As `printable`, but line ends stay: for text that we lay out ourselves.
pub fn printable_lines(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

/// Puts parts side by side, two blanks apart; a part stays whole as long as it fits on a line.
pub fn flow(parts: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        let fits = |line: &String| line.chars().count() + 2 + part.chars().count() <= width;
        match lines.last_mut().filter(|line| fits(line)) {
            Some(line) => {
                line.push_str("  ");
                line.push_str(part);
            }
            None => lines.extend(wrap(part, width)),
        }
    }
    lines
}

/// Breaks at blanks; a word longer than the line is broken where the line ends.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let mut word: Vec<char> = word.chars().collect();
        let used = line.chars().count();
        if used > 0 && used + 1 + word.len() > width {
            lines.push(std::mem::take(&mut line));
        }
        while word.len() > width {
            let rest = word.split_off(width);
            lines.push(word.into_iter().collect());
            word = rest;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_and_narrow_terminals_wrap() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrap("", 10), Vec::<String>::new());
    }

    #[test]
    fn parts_stay_whole_where_they_fit() {
        let parts = ["T1610".to_owned(), "a/b.jsonl:12 and 3 more".to_owned(), "show 3f9c2a71".to_owned()];
        assert_eq!(flow(&parts, 40), ["T1610  a/b.jsonl:12 and 3 more", "show 3f9c2a71"]);
        assert_eq!(flow(&parts, 12), ["T1610", "a/b.jsonl:12", "and 3 more", "show", "3f9c2a71"]);
    }

    #[test]
    fn hostile_text_cannot_move_the_cursor_or_forge_a_line() {
        assert_eq!(printable("a\u{1b}[2Jb\nHIGH"), "a\\u{1b}[2Jb\\u{a}HIGH");
        assert_eq!(printable("abc\u{202e}cba\u{61c}\u{2028}"), "abc\\u{202e}cba\\u{61c}\\u{2028}");
        assert_eq!(printable("Grüße"), "Grüße");
    }

    #[test]
    fn intervals_say_the_date_once() {
        let start = Time::parse("2026-11-24T13:41:18.5Z").unwrap();
        assert_eq!(interval(start, start), "2026-11-24 13:41:18 UTC");
        assert_eq!(interval(start, start + event::Span::seconds(43)), "2026-11-24 13:41:18 to 13:42:01 UTC");
    }

    #[test]
    fn ids_are_short_and_names_are_not() {
        let id = "e3003ece0088e3003ece0088e3003ece0088e3003ece0088e3003ece0088ffff";
        assert_eq!(short("container.id", &Value::from(id)), "e3003ece0088");
        assert_eq!(short("container.image.id", &Value::from(format!("sha256:{id}"))), "e3003ece0088");
        assert_eq!(short("container.name", &Value::from(id)), id);
    }
}
