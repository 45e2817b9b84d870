//! One text for one value, however it was laid out: keys sorted, of equal keys the first, no white space.

use event::SmolStr;
use event::event::identity_of;
use sonic_rs::{JsonContainerTrait, Value};
use std::collections::BTreeMap;

/// Longer texts are replaced by their hash: they are compared and never read.
const TEXT_MAX: usize = 2048;

/// The value as canonical JSON, without the keys named; nothing and `null` give an empty text.
pub(super) fn text(value: Option<&Value>, without: &[&str]) -> SmolStr {
    let Some(value) = value else { return SmolStr::default() };
    let mut out = String::new();
    write(value, without, &mut out);
    if out.len() > TEXT_MAX { SmolStr::new(hash_of(&out)) } else { SmolStr::new(out) }
}

/// A hash of the value.
pub(super) fn hash(value: Option<&Value>) -> SmolStr {
    let mut out = String::new();
    if let Some(value) = value {
        write(value, &[], &mut out);
    }
    SmolStr::new(hash_of(&out))
}

fn hash_of(text: &str) -> String {
    format!("hash:{:032x}", identity_of(&[text.as_bytes()]))
}

fn write(value: &Value, without: &[&str], out: &mut String) {
    if let Some(object) = value.as_object() {
        let mut sorted: BTreeMap<&str, &Value> = BTreeMap::new();
        for (key, child) in object.iter().filter(|(key, _)| !without.contains(key)) {
            sorted.entry(key).or_insert(child);
        }
        out.push('{');
        for (position, (key, child)) in sorted.into_iter().enumerate() {
            if position > 0 {
                out.push(',');
            }
            out.push_str(&serde_json::to_string(key).unwrap_or_default());
            out.push(':');
            write(child, without, out);
        }
        out.push('}');
    } else if let Some(array) = value.as_array() {
        out.push('[');
        for (position, child) in array.iter().enumerate() {
            if position > 0 {
                out.push(',');
            }
            write(child, without, out);
        }
        out.push(']');
    } else {
        out.push_str(&sonic_rs::to_string(value).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::Document;

    fn of(json: &str) -> SmolStr {
        text(Some(Document::parse(json.as_bytes()).unwrap().root()), &["caBundle"])
    }

    #[test]
    fn layout_order_and_what_is_left_out_do_not_matter() {
        assert_eq!(of(r#"{"b": [1, {"y":null,"x":"a\"b"}], "a":true,"caBundle":"AAAA"}"#), r#"{"a":true,"b":[1,{"x":"a\"b","y":null}]}"#);
        assert_eq!(of(r#"{"a":1,"a":2}"#), r#"{"a":1}"#);
        assert!(of(&format!("{{\"a\":\"{}\"}}", "x".repeat(5000))).starts_with("hash:"));
        assert_eq!(text(None, &[]), "");
    }
}
