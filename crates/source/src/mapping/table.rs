//! Lines of `key=value` and of tables, made into documents.

use crate::text;
use event::Document;
use serde_json::{Map, Value};

/// More columns of one line are not read.
const COLUMNS_MAX: usize = 1024;

/// A line of `key=value` words; values may stand in double quotes. `None` when it holds none.
pub(super) fn logfmt(line: &str) -> Option<Document> {
    let mut map = Map::new();
    let mut rest = line.trim();
    while !rest.is_empty() && map.len() < COLUMNS_MAX {
        let end = rest.find(['=', ' ']).unwrap_or(rest.len());
        let key = &rest[..end];
        rest = &rest[end..];
        let Some(behind) = rest.strip_prefix('=') else {
            // A word alone says that something is so; a line of nothing but words is prose.
            if !key.is_empty() && map.is_empty() {
                return None;
            }
            rest = rest.trim_start();
            if !key.is_empty() {
                map.entry(key).or_insert(Value::Bool(true));
            }
            continue;
        };
        let (value, after) = match behind.strip_prefix('"') {
            Some(inner) => quoted(inner)?,
            None => {
                let end = behind.find(' ').unwrap_or(behind.len());
                (behind[..end].to_owned(), &behind[end..])
            }
        };
        if key.is_empty() || key.bytes().any(|byte| byte.is_ascii_control() || byte == b'"') {
            return None;
        }
        map.entry(key).or_insert_with(|| text::value(&value));
        rest = after.trim_start();
    }
    (!map.is_empty()).then(|| text::document(map))
}

/// Text up to its closing quote, and what stands behind it.
fn quoted(inner: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = inner.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &inner[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                other => value.push(other),
            },
            c => value.push(c),
        }
    }
    None
}

/// The values of a row; `None` when a quote does not end.
pub(super) fn row(line: &str, separator: char) -> Option<Vec<String>> {
    let mut list = Vec::new();
    let mut rest = line;
    loop {
        if list.len() > COLUMNS_MAX {
            return None;
        }
        let (value, after) = match rest.strip_prefix('"') {
            Some(inner) => {
                let mut value = String::new();
                let mut inner = inner;
                loop {
                    let end = inner.find('"')?;
                    value.push_str(&inner[..end]);
                    inner = &inner[end + 1..];
                    // Two quotes are one inside.
                    match inner.strip_prefix('"') {
                        Some(more) => {
                            value.push('"');
                            inner = more;
                        }
                        None => break,
                    }
                }
                let end = inner.find(separator).unwrap_or(inner.len());
                (value, &inner[end..])
            }
            None => {
                let end = rest.find(separator).unwrap_or(rest.len());
                (rest[..end].trim().to_owned(), &rest[end..])
            }
        };
        list.push(value);
        match after.strip_prefix(separator) {
            Some(more) => rest = more,
            None => return Some(list),
        }
    }
}

/// A row under its columns. `None` when it has another number of them.
pub(super) fn document<S: AsRef<str>>(columns: &[S], values: &[String]) -> Option<Document> {
    if columns.len() != values.len() {
        return None;
    }
    let mut map = Map::new();
    for (name, value) in columns.iter().zip(values).filter(|(_, value)| !value.is_empty()) {
        map.entry(name.as_ref()).or_insert_with(|| text::value(value));
    }
    Some(text::document(map))
}
