//! Holes of a message: `{{field}}`, `{{field|short}}`, `{{count}}`, `{{span}}`.

use event::problem::nearest;

/// Names that a message may use beside fields: what the signal itself counts.
pub const COUNTED: [&str; 3] = ["count", "span", "value_count"];

/// What may stand behind a bar in a hole.
const FILTERS: [&str; 1] = ["short"];

/// The fields that a message names, in order, each once; counted names are not fields.
pub fn message_fields(message: &str) -> Vec<String> {
    let mut fields: Vec<String> = Vec::new();
    for hole in holes(message).0 {
        let name = hole.split('|').next().unwrap_or_default().trim();
        if !name.is_empty() && !COUNTED.contains(&name) && !fields.iter().any(|f| f == name) {
            fields.push(name.to_owned());
        }
    }
    fields
}

/// What is wrong with a message: pairs of message and remedy.
pub(crate) fn wrong(message: &str) -> Vec<(String, String)> {
    let (holes, closed) = holes(message);
    let mut wrongs = Vec::new();
    if !closed {
        wrongs.push(("has a message with a hole that is not closed".to_owned(), "write `}}` behind the field".to_owned()));
    }
    for hole in holes {
        let mut words = hole.split('|').map(str::trim);
        if words.next().unwrap_or_default().is_empty() {
            wrongs.push(("has a message with an empty hole".to_owned(), "name a field in it".to_owned()));
        }
        for filter in words.filter(|word| !FILTERS.contains(word)) {
            let remedy = match nearest(filter, FILTERS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the filters are: {}", FILTERS.join(", ")),
            };
            wrongs.push((format!("has the unknown filter `{filter}` in its message"), remedy));
        }
    }
    wrongs
}

/// The inside of each hole, and whether all are closed.
fn holes(message: &str) -> (Vec<&str>, bool) {
    let mut found = Vec::new();
    let mut rest = message;
    while let Some(start) = rest.find("{{") {
        rest = &rest[start + 2..];
        match rest.find("}}") {
            Some(end) => {
                found.push(rest[..end].trim());
                rest = &rest[end + 2..];
            }
            None => return (found, false),
        }
    }
    (found, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_message() {
        let message = "{{container.name}} ({{ container.id | short }}) did it {{count}} times in {{span}}; {{container.name}} again";
        assert_eq!(message_fields(message), ["container.name", "container.id"]);
        assert!(wrong(message).is_empty());
        assert_eq!(wrong("{{a|shrot}} {{}} {{b").len(), 3);
    }
}
