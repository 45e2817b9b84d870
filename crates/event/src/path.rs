//! Compiled paths into native documents.
//!
//! Keys may hold dots themselves (labels, annotations), so at each object the longest remaining literal key is tried first. `a[].b` and `a.b` are the
//! same path, and an array answers with every element.

use crate::document::{Document, scalar};
use crate::value::ValueRef;
use sonic_rs::{JsonContainerTrait, Value};

/// Paths with more parts than this keep the rest as one literal key.
const PARTS_MAX: usize = 12;

/// A path such as `Actor.Attributes.com.example.team` or `Mounts[].Source`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    text: String,
    /// `keys[i]` holds the literal keys that can start at part `i`, longest first, each with the part that follows it.
    keys: Vec<Vec<(String, usize)>>,
}

impl Path {
    /// Compiles `text`. Every text is a path; the empty one names the key `""`.
    pub fn new(text: &str) -> Path {
        let parts: Vec<&str> = text.splitn(PARTS_MAX, '.').collect();
        let keys = (0..parts.len())
            .map(|start| {
                let mut choices: Vec<(String, usize)> = Vec::new();
                for end in (start + 1..=parts.len()).rev() {
                    let literal = parts[start..end].join(".");
                    let bare = literal.strip_suffix("[]").map(str::to_owned);
                    choices.push((literal, end));
                    choices.extend(bare.map(|key| (key, end)));
                }
                choices
            })
            .collect();
        Path { text: text.to_owned(), keys }
    }

    /// The path as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Calls `f` with each value found; not at all when the path leads nowhere.
    pub fn each<'a>(&self, document: &'a Document, f: &mut dyn FnMut(ValueRef<'a>)) {
        self.walk(document.root(), 0, f);
    }

    /// Returns whether anything was found below `value`.
    fn walk<'a>(&self, value: &'a Value, part: usize, f: &mut dyn FnMut(ValueRef<'a>)) -> bool {
        if let Some(array) = value.as_array() {
            if array.is_empty() && part == self.keys.len() {
                f(ValueRef::Composite);
                return true;
            }
            let mut found = false;
            for element in array.iter() {
                found |= self.walk(element, part, f);
            }
            return found;
        }
        if part == self.keys.len() {
            f(scalar(value));
            return true;
        }
        let Some(object) = value.as_object() else { return false };
        for (key, next) in &self.keys[part] {
            if let Some(child) = object.get(key)
                && self.walk(child, *next, f)
            {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, json: &str, expected: &[&str]) {
        let document = Document::parse(json.as_bytes()).unwrap();
        let mut found = Vec::new();
        Path::new(path).each(&document, &mut |v| {
            found.push(match v {
                ValueRef::Text(s) => s.to_owned(),
                other => format!("{other:?}"),
            })
        });
        assert_eq!(found, expected, "{path} in {json}");
    }

    #[test]
    fn the_longest_literal_key_wins() {
        check("a.b.c", r#"{"a":{"b":{"c":"deep"},"b.c":"label"},"a.b.c":"whole"}"#, &["whole"]);
        check("a.b.c", r#"{"a":{"b":{"c":"deep"},"b.c":"label"}}"#, &["label"]);
        check("a.b.c", r#"{"a.b":{"x":1},"a":{"b":{"c":"deep"}}}"#, &["deep"]);
    }

    #[test]
    fn arrays_answer_with_every_element() {
        let json = r#"{"spec":{"containers":[{"image":"x"},{"image":"y"},{}]}}"#;
        check("spec.containers[].image", json, &["x", "y"]);
        check("spec.containers.image", json, &["x", "y"]);
        check("a", r#"{"a":[1,[2,null]]}"#, &["Int(1)", "Int(2)", "Null"]);
        check("a", r#"{"a":[]}"#, &["Composite"]);
    }

    #[test]
    fn the_first_of_duplicate_keys_counts() {
        check("a", r#"{"a":"first","a":"second"}"#, &["first"]);
    }

    #[test]
    fn nothing_is_found_where_nothing_is() {
        check("a.b", r#"{"a":"text"}"#, &[]);
        check("", r#"{"a":1}"#, &[]);
        check("a", "7", &[]);
    }
}
