//! What a signal is about: its entity, and under which key it joins others.

use crate::card::RuleCard;
use event::{Signal, SmolStr, Value};
use indexmap::IndexMap;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Digits of a finding's id: 64 bits, so that a million findings collide with a chance of one in thirty million.
const ID_DIGITS: usize = 16;

/// The entity as field and value: the fields that the rule names, else the container, else the host.
pub fn entity(card: &RuleCard, signal: &Signal) -> IndexMap<SmolStr, Value> {
    let fallback = [SmolStr::new_static("container.id"), SmolStr::new_static("host.name")];
    let fields: &[SmolStr] = if !card.entity.is_empty() {
        &card.entity
    } else if signal.value("container.id").is_some() {
        &fallback[..1]
    } else {
        &fallback[1..]
    };
    fields.iter().map(|field| (field.clone(), signal.value(field).cloned().unwrap_or_else(|| Value::from("unknown")))).collect()
}

/// The fields that tell one entity from another, written out. Beside an id, what else is said of the same thing describes it and may change (a container is
/// renamed) without making it another: `container.name` does not count beside `container.id`.
pub fn identity(entity: &IndexMap<SmolStr, Value>) -> String {
    let mut text = String::with_capacity(96);
    let ids: Vec<&str> = entity.keys().filter_map(|field| field.strip_suffix("id")).filter(|owner| owner.ends_with('.')).collect();
    let mut parts: Vec<(&SmolStr, &Value)> =
        entity.iter().filter(|(field, _)| field.ends_with(".id") || !ids.iter().any(|owner| field.starts_with(owner))).collect();
    // Rules of one behaviour may name the same fields in another order.
    parts.sort_by(|a, b| a.0.cmp(b.0));
    for (field, value) in parts {
        let value = value.to_string();
        // Lengths keep a value from imitating the next field.
        let _ = write!(text, "{field}={}:{value};", value.len());
    }
    text
}

/// The key under which signals join: behaviour and entity.
pub fn joining(behaviour: &str, identity: &str) -> String {
    format!("{}:{behaviour};{identity}", behaviour.len())
}

/// The id of a finding: the same in every replay. One event may open findings of several behaviours of one strategy, so the behaviour takes part.
pub fn id(strategy: &str, behaviour: &str, identity: &str, opening: event::Time) -> SmolStr {
    let mut hash = Sha256::new();
    for part in [strategy.as_bytes(), behaviour.as_bytes(), identity.as_bytes(), &opening.0.to_be_bytes()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    SmolStr::new(&hex(&hash.finalize())[..ID_DIGITS])
}

/// Bytes as lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)] as char, DIGITS[usize::from(b & 15)] as char]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parts: &[(&str, &str)]) -> String {
        identity(&parts.iter().map(|(f, v)| (SmolStr::new(f), Value::from(*v))).collect())
    }

    #[test]
    fn a_renamed_container_is_the_same_one() {
        assert_eq!(of(&[("container.id", "c1"), ("container.name", "a")]), of(&[("container.name", "b"), ("container.id", "c1")]));
        assert_ne!(of(&[("container.id", "c1")]), of(&[("container.id", "c2")]));
        assert_ne!(of(&[("container.name", "a")]), of(&[("container.name", "b")]));
        assert_ne!(of(&[("container.id", "c1"), ("change.property", "a")]), of(&[("container.id", "c1"), ("change.property", "b")]));
        assert_ne!(of(&[("container.id", "c1"), ("exec.id", "a")]), of(&[("container.id", "c1"), ("exec.id", "b")]));
    }

    #[test]
    fn a_value_cannot_imitate_another_entity() {
        assert_ne!(of(&[("a", "1;b=1:2")]), of(&[("a", "1"), ("b", "2")]));
    }
}
