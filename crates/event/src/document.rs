//! A parsed JSON record: validated, bounded in depth, with its duplicate keys noticed.

use crate::value::ValueRef;
use sonic_rs::{JsonContainerTrait, JsonType, JsonValueTrait};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// Deeper nesting than this is refused: no real record comes near, and parsers recurse.
pub const DEPTH_MAX: usize = 128;

/// Records above this size are not parsed; a stub with hash, size and id stands for them.
pub const SIZE_MAX: usize = 1 << 20;

/// Objects with more keys than this are not searched for duplicates pair by pair but by sorting.
const PAIRWISE_MAX: usize = 24;

/// A JSON value. Of duplicate keys the first one counts, as everywhere in this product.
///
/// It may be parsed only when somebody looks: most records are never looked into beyond what their decoder read.
#[derive(Default)]
pub struct Document {
    root: OnceLock<sonic_rs::Value>,
    /// What it is parsed from, when nobody has looked yet.
    later: Option<Arc<[u8]>>,
}

/// The parser's own clone turns objects into hash maps, in which the last of duplicate keys counts and the order is lost. So a copy is written out and
/// parsed again: slow, and only for tests and tools.
impl Clone for Document {
    fn clone(&self) -> Self {
        if self.later.is_some() {
            return Document { root: OnceLock::new(), later: self.later.clone() };
        }
        let text = sonic_rs::to_string(self.root()).unwrap_or_default();
        Document { root: sonic_rs::from_str::<sonic_rs::Value>(&text).unwrap_or_default().into(), later: None }
    }
}

/// Why bytes did not become a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentError {
    /// Nested deeper than [`DEPTH_MAX`].
    TooDeep,
    /// Larger than [`SIZE_MAX`]; holds the size in bytes.
    TooLarge(usize),
    /// Not JSON, or not UTF-8; holds what the parser said, on one line.
    Invalid(String),
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DocumentError::TooDeep => write!(f, "nested deeper than {DEPTH_MAX} levels"),
            DocumentError::TooLarge(size) => write!(f, "{size} bytes long, more than the {SIZE_MAX} that are parsed"),
            DocumentError::Invalid(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for DocumentError {}

impl Document {
    /// Parses and validates exactly one JSON value.
    ///
    /// # Errors
    /// When it is too large, too deep, not UTF-8 or not JSON.
    pub fn parse(bytes: &[u8]) -> Result<Document, DocumentError> {
        Document::parse_within(bytes, SIZE_MAX)
    }

    /// Like [`Document::parse`], with a limit of its own: a complete list may be larger than any single record.
    ///
    /// # Errors
    /// When it is larger than `limit`, too deep, not UTF-8 or not JSON.
    pub fn parse_within(bytes: &[u8], limit: usize) -> Result<Document, DocumentError> {
        if bytes.len() > limit {
            return Err(DocumentError::TooLarge(bytes.len()));
        }
        // The parser recurses, so depth is bounded before it runs.
        if depth_exceeds(bytes, DEPTH_MAX) {
            return Err(DocumentError::TooDeep);
        }
        sonic_rs::from_slice::<sonic_rs::Value>(bytes).map(|root| Document { root: root.into(), later: None }).map_err(|e| {
            // The parser quotes the input over several lines; its first line says what is wrong.
            let text = e.to_string();
            DocumentError::Invalid(text.lines().next().unwrap_or("not JSON").trim().to_owned())
        })
    }

    /// A document of bytes that are known to be JSON within the bounds of [`Document::parse`]. They are parsed when somebody looks.
    pub fn later(bytes: Arc<[u8]>) -> Document {
        Document { root: OnceLock::new(), later: Some(bytes) }
    }

    /// The whole value, for decoders that read fixed keys.
    pub fn root(&self) -> &sonic_rs::Value {
        self.root
            .get_or_init(|| self.later.as_ref().and_then(|bytes| sonic_rs::from_slice::<sonic_rs::Value>(bytes).ok()).unwrap_or_default())
    }

    /// Calls `f` with every scalar in it, at any depth, in the order of the text.
    pub fn each_leaf<'a>(&'a self, f: &mut dyn FnMut(ValueRef<'a>)) {
        fn walk<'a>(value: &'a sonic_rs::Value, f: &mut dyn FnMut(ValueRef<'a>)) {
            if let Some(object) = value.as_object() {
                object.iter().for_each(|(_, child)| walk(child, f));
            } else if let Some(array) = value.as_array() {
                array.iter().for_each(|child| walk(child, f));
            } else {
                f(scalar(value));
            }
        }
        walk(self.root(), f);
    }

    /// True when some object holds the same key twice: two parsers may then read two different records.
    pub fn has_duplicate_keys(&self) -> bool {
        has_duplicates(self.root())
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({})", sonic_rs::to_string(self.root()).unwrap_or_default())
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.root() == other.root()
    }
}

/// The scalar view of a parsed value.
pub fn scalar(value: &sonic_rs::Value) -> ValueRef<'_> {
    if let Some(s) = value.as_str() {
        ValueRef::Text(s)
    } else if let Some(n) = value.as_i64() {
        ValueRef::Int(n)
    } else if let Some(b) = value.as_bool() {
        ValueRef::Bool(b)
    } else if let Some(n) = value.as_u64() {
        ValueRef::Uint(n)
    } else if let Some(n) = value.as_f64() {
        ValueRef::Float(n)
    } else if value.is_null() {
        ValueRef::Null
    } else {
        ValueRef::Composite
    }
}

/// Whether some object in `value` holds the same key twice.
pub fn has_duplicates(value: &sonic_rs::Value) -> bool {
    match value.get_type() {
        JsonType::Object => value.as_object().is_some_and(|object| {
            let mut keys = KeyWatch::default();
            object.iter().any(|(key, child)| keys.is_twice(object, key) || has_duplicates(child))
        }),
        JsonType::Array => value.as_array().is_some_and(|array| array.iter().any(has_duplicates)),
        _ => false,
    }
}

/// Notices that an object holds a key twice, while its members are passed in order.
#[derive(Default)]
pub struct KeyWatch {
    /// A small set of key prints tells almost every object at once; only two keys with the same print are compared.
    prints: [u64; 4],
    passed: usize,
    /// Of a large object: whether any two keys are equal, found once.
    large: Option<bool>,
}

impl KeyWatch {
    /// Takes the next key of `object`; true when it, or in a large object some key, is there twice.
    #[inline]
    pub fn is_twice(&mut self, object: &sonic_rs::Object, key: &str) -> bool {
        let print = key_print(key);
        let (word, bit) = (usize::from(print >> 6), 1u64 << (print & 63));
        self.passed += 1;
        let is_new = self.prints[word] & bit == 0;
        self.prints[word] |= bit;
        !is_new && self.stands_twice(object, key)
    }

    #[cold]
    fn stands_twice(&mut self, object: &sonic_rs::Object, key: &str) -> bool {
        if object.len() <= PAIRWISE_MAX {
            return object.iter().take(self.passed - 1).any(|(other, _)| other == key);
        }
        *self.large.get_or_insert_with(|| {
            let mut keys: Vec<&str> = object.iter().map(|(key, _)| key).collect();
            keys.sort_unstable();
            keys.windows(2).any(|pair| pair[0] == pair[1])
        })
    }
}

/// Eight bits of a key's length, ends and middle.
#[inline]
fn key_print(key: &str) -> u8 {
    let bytes = key.as_bytes();
    let n = bytes.len();
    let (Some(first), Some(last), Some(middle)) = (bytes.first(), bytes.last(), bytes.get(n / 2)) else { return 0 };
    (n as u8)
        .wrapping_mul(37)
        .wrapping_add(first.wrapping_mul(101))
        .wrapping_add(middle.wrapping_mul(29))
        .wrapping_add(last.wrapping_mul(67))
}

/// Whether brackets outside strings nest deeper than `max`.
fn depth_exceeds(bytes: &[u8], max: usize) -> bool {
    // Most records have fewer opening brackets in all than the limit; counting them needs no state.
    // The two differ in one bit, and a sum of bytes in short stretches is what processors add many of at once.
    let opens = |stretch: &[u8]| usize::from(stretch.iter().map(|byte| u8::from(byte | 0x20 == b'{')).sum::<u8>());
    if bytes.chunks(128).map(opens).sum::<usize>() <= max {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for &byte in bytes {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > max {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> Vec<u8> {
        [b"[".repeat(levels), b"]".repeat(levels)].concat()
    }

    #[test]
    fn depth_is_bounded_before_parsing() {
        assert!(Document::parse(&nested(DEPTH_MAX)).is_ok());
        assert_eq!(Document::parse(&nested(DEPTH_MAX + 1)), Err(DocumentError::TooDeep));
        assert_eq!(Document::parse(&b"[".repeat(900_000)), Err(DocumentError::TooDeep));
        let brackets_in_text = format!("{{\"a\":\"{}\"}}", "[".repeat(5000));
        assert!(Document::parse(brackets_in_text.as_bytes()).is_ok());
    }

    #[test]
    fn duplicate_keys_are_noticed_at_any_depth() {
        for (text, duplicated) in [(r#"{"a":1,"b":2}"#, false), (r#"{"a":1,"a":2}"#, true), (r#"{"x":[{"a":1},{"a":2,"\u0061":3}]}"#, true)]
        {
            assert_eq!(Document::parse(text.as_bytes()).unwrap().has_duplicate_keys(), duplicated, "{text}");
        }
        let many: Vec<String> = (0..100).map(|n| format!("\"k{n}\":0")).collect();
        assert!(!Document::parse(format!("{{{}}}", many.join(",")).as_bytes()).unwrap().has_duplicate_keys());
        assert!(Document::parse(format!("{{{},\"k7\":1}}", many.join(",")).as_bytes()).unwrap().has_duplicate_keys());
    }

    #[test]
    fn a_copy_is_the_same_document() {
        let text = r#"{"b":1,"a":[1.0,-0.0,18446744073709551615,"\u0001é"],"b":2,"":null}"#;
        let document = Document::parse(text.as_bytes()).unwrap();
        assert_eq!(format!("{:?}", document.clone()), format!("{document:?}"));
        assert!(document.clone().has_duplicate_keys());
        assert_eq!(Document::default().clone(), Document::default());
    }

    #[test]
    fn hostile_bytes_are_errors() {
        assert!(matches!(Document::parse(b"{\"a\":\"\xff\"}"), Err(DocumentError::Invalid(_))));
        assert!(matches!(Document::parse(b"{} {}"), Err(DocumentError::Invalid(_))));
        assert!(matches!(Document::parse(b"{\"a\":1e999}"), Err(DocumentError::Invalid(_))));
        assert!(matches!(Document::parse(&vec![b' '; SIZE_MAX + 1]), Err(DocumentError::TooLarge(_))));
    }
}
