//! Ids of engine objects, small enough to be kept by the hundred thousand.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::fmt;

/// An id of an engine object. 64 hexadecimal digits are kept as 32 bytes, anything else as its text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Id {
    /// 64 lower-case hexadecimal digits.
    Hex([u8; 32]),
    /// Any other text.
    Text(SmolStr),
}

impl Id {
    /// Reads an id as a witness writes it.
    pub fn new(text: &str) -> Id {
        fn nibble(byte: u8) -> Option<u8> {
            match byte {
                b'0'..=b'9' => Some(byte - b'0'),
                b'a'..=b'f' => Some(byte - b'a' + 10),
                _ => None,
            }
        }
        let bytes = text.as_bytes();
        if bytes.len() == 64 {
            let mut packed = [0u8; 32];
            let whole = bytes.chunks_exact(2).zip(packed.iter_mut()).all(|(pair, slot)| match (nibble(pair[0]), nibble(pair[1])) {
                (Some(high), Some(low)) => {
                    *slot = high << 4 | low;
                    true
                }
                _ => false,
            });
            if whole {
                return Id::Hex(packed);
            }
        }
        Id::Text(text.into())
    }

    /// The id as its witness wrote it.
    pub fn text(&self) -> SmolStr {
        match self {
            Id::Hex(packed) => {
                let mut text = [0u8; 64];
                for (byte, pair) in packed.iter().zip(text.chunks_exact_mut(2)) {
                    const DIGITS: &[u8; 16] = b"0123456789abcdef";
                    pair[0] = DIGITS[usize::from(byte >> 4)];
                    pair[1] = DIGITS[usize::from(byte & 15)];
                }
                SmolStr::new(std::str::from_utf8(&text).unwrap_or_default())
            }
            Id::Text(text) => text.clone(),
        }
    }

    /// Whether the witness's text begins so: people and `--network container:…` write short ids.
    pub fn starts_with(&self, prefix: &str) -> bool {
        match self {
            Id::Hex(_) => self.text().starts_with(prefix),
            Id::Text(text) => text.starts_with(prefix),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_as_they_were_written() {
        let hex = "0123456789abcdef".repeat(4);
        for text in [hex.as_str(), &hex.to_uppercase(), &hex[1..], "", "k8s_x", &"g".repeat(64)] {
            assert_eq!(Id::new(text).text(), text);
        }
        assert!(matches!(Id::new(&hex), Id::Hex(_)));
        assert!(Id::new(&hex).starts_with("0123456789ab"));
        assert!(std::mem::size_of::<Id>() <= 40);
    }
}
