//! Fills the holes of a rule's sentence, and makes values visible that would forge a line of text.
//!
//! Values come from whoever named a container, an image or a label. A newline in one of them would make a second line of a report, an escape sequence would
//! move a terminal's cursor, a right-to-left override would turn a sentence round. Each such character is written as its number, `\u{202e}`.

use event::{Span, Value};
use std::borrow::Cow;
use std::fmt::Write;

/// A value longer than this many characters is cut in a sentence: a command line may be a megabyte long, and the whole value stands in the entity and in the evidence.
pub const VALUE_CHARS_MAX: usize = 240;

/// How many characters of an id tell it apart, as in the engine's own tables.
const SHORT_CHARS: usize = 12;

/// What a sentence is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text as it stands.
    Text(&'a str),
    /// `{{count}}`.
    Count,
    /// `{{span}}`.
    Span,
    /// `{{field}}`.
    Field(&'a str),
    /// `{{field|short}}`.
    Short(&'a str),
}

/// The pieces of a sentence in their order. An unclosed hole, or one with an unknown filter, is text.
pub fn pieces(template: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = template;
    while let Some(start) = rest.find("{{") {
        let Some(length) = rest[start..].find("}}") else { break };
        let inner = rest[start + 2..start + length].trim();
        let piece = match inner.split_once('|') {
            None if inner.is_empty() => None,
            None => Some(match inner {
                "count" => Piece::Count,
                "span" => Piece::Span,
                field => Piece::Field(field),
            }),
            Some((field, filter)) if filter.trim() == "short" => Some(Piece::Short(field.trim())),
            Some(_) => None,
        };
        let end = start + length + 2;
        match piece {
            Some(piece) => {
                if start > 0 {
                    found.push(Piece::Text(&rest[..start]));
                }
                found.push(piece);
            }
            None => found.push(Piece::Text(&rest[..end])),
        }
        rest = &rest[end..];
    }
    if !rest.is_empty() {
        found.push(Piece::Text(rest));
    }
    found
}

/// The sentence with its holes filled. A field without a value is `unknown`.
pub fn fill<'v>(template: &str, value: impl Fn(&str) -> Option<&'v Value>, count: u64, span: Span) -> String {
    let mut text = String::with_capacity(template.len() + 64);
    for piece in pieces(template) {
        // Writing to a String cannot fail.
        let _ = match piece {
            Piece::Text(plain) => write!(text, "{plain}"),
            Piece::Count => write!(text, "{count}"),
            Piece::Span => write!(text, "{span}"),
            Piece::Field(field) => write!(text, "{}", shown(value(field), false)),
            Piece::Short(field) => write!(text, "{}", shown(value(field), true)),
        };
    }
    text
}

fn shown(value: Option<&Value>, short: bool) -> String {
    let Some(value) = value else { return "unknown".to_owned() };
    let text = match value {
        Value::List(list) if list.is_empty() => return "none".to_owned(),
        Value::List(list) if short => list.iter().map(|v| shorten(&v.to_string()).to_owned()).collect::<Vec<_>>().join(", "),
        value if short => shorten(&value.to_string()).to_owned(),
        value => value.to_string(),
    };
    if text.is_empty() {
        return "unknown".to_owned();
    }
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((cut, _)) => format!("{}…", visible(&text[..cut])),
        None => visible(&text).into_owned(),
    }
}

/// The first twelve digits of an id, without `sha256:`. What is no id stays whole.
pub fn shorten(text: &str) -> &str {
    let id = text.strip_prefix("sha256:").unwrap_or(text);
    if id.len() > SHORT_CHARS && id.bytes().all(|b| b.is_ascii_hexdigit()) { &id[..SHORT_CHARS] } else { text }
}

/// The text with every character that could forge a line written as its number.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_deceptive) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_deceptive(c) {
            let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// A line of JSON with those characters as JSON escapes: it says the same to a machine, and does nothing to the terminal of whoever looks at it.
pub fn visible_json(line: &str) -> Cow<'_, str> {
    if !line.chars().any(is_deceptive) {
        return Cow::Borrowed(line);
    }
    let mut safe = String::with_capacity(line.len() + 16);
    for c in line.chars() {
        if is_deceptive(c) {
            // They stand inside of texts only: the grammar around those is plain ASCII.
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// Characters that move the cursor, end a line, turn the direction of writing, or take no room.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str, values: &[(&str, Value)]) -> String {
        fill(template, |name| values.iter().find(|(n, _)| *n == name).map(|(_, v)| v), 20, Span::millis(4210))
    }

    #[test]
    fn holes_are_filled() {
        let id = Value::from("8a5eca281e92d259f3f2789ba3bc9873d8a5c4c4951b883549486e61d76c0483");
        let values = [("container.id", id), ("container.name", Value::from("web")), ("list", Value::from(vec!["a", "b"]))];
        assert_eq!(filled("{{ container.name }} ({{container.id|short}})", &values), "web (8a5eca281e92)");
        assert_eq!(filled("{{count}} in {{span}}: {{list}}", &values), "20 in 4.2s: a, b");
        assert_eq!(filled("{{container.name|short}} by {{actor}}", &values), "web by unknown");
    }

    #[test]
    fn digests_lose_their_prefix_and_names_stay_whole() {
        assert_eq!(shorten("sha256:8a5eca281e92d259f3f2789b"), "8a5eca281e92");
        assert_eq!(shorten("registry.example/app:1.4"), "registry.example/app:1.4");
        assert_eq!(shorten("deadbeef"), "deadbeef");
    }

    #[test]
    fn broken_holes_are_text() {
        for template in ["{{count", "{{}}", "{{a|upper}}", "}} {{", "{", ""] {
            assert_eq!(filled(template, &[]), template);
        }
    }

    #[test]
    fn values_cannot_forge_a_line() {
        let hostile = "web\nCRITICAL all is well\r\x1b[2J\u{202e}gpj\u{200b}\u{feff}\u{2028}\u{e0041}";
        let text = filled("{{container.name}} runs", &[("container.name", Value::from(hostile))]);
        assert_eq!(text, "web\\u{a}CRITICAL all is well\\u{d}\\u{1b}[2J\\u{202e}gpj\\u{200b}\\u{feff}\\u{2028}\\u{e0041} runs");
        assert_eq!(visible("naïve – ok 東京"), "naïve – ok 東京");
    }

    #[test]
    fn json_says_the_same_and_moves_no_cursor() {
        let said = serde_json::json!({ "name": "a\u{9b}31m\u{7f}\u{202e}\u{e0041}ü東\n\\" });
        let line = said.to_string();
        let safe = visible_json(&line);
        assert!(!safe.chars().any(is_deceptive) && safe.contains("ü東"), "{safe}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), said);
    }

    #[test]
    fn a_value_does_not_open_holes_of_its_own() {
        let values = [("container.name", Value::from("{{secret}}")), ("secret", Value::from("s3cret"))];
        assert_eq!(filled("{{container.name}}", &values), "{{secret}}");
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let text = filled("{{v}}", &[("v", Value::from("é".repeat(100_000)))]);
        assert_eq!(text.chars().count(), VALUE_CHARS_MAX + 1);
        assert!(text.ends_with('…'));
    }
}
