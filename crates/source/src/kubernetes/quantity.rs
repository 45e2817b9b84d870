//! Quantities: `250m`, `1.5Gi`, `129e6`, or a bare number.

use crate::fields::Fields;
use sonic_rs::JsonValueTrait;

/// The quantity at a key; one that is none is noted and absent.
pub(super) fn at(fields: &Fields<'_>, key: &'static str) -> Option<f64> {
    let value = fields.value(key)?;
    let number = match value.as_str() {
        Some(text) => parse(text),
        None => value.as_f64().filter(|number| number.is_finite()),
    };
    if number.is_none() {
        fields.note(key);
    }
    number
}

/// Bytes of a quantity of memory, rounded up as the API rounds.
pub(super) fn bytes(fields: &Fields<'_>, key: &'static str) -> Option<i64> {
    // A float becomes a whole number by saturation, so nothing overflows here.
    at(fields, key).map(|number| number.ceil() as i64).filter(|bytes| *bytes > 0)
}

/// Reads a sign, digits with at most one point, and a suffix: a decimal or binary one, or an exponent.
pub(super) fn parse(text: &str) -> Option<f64> {
    let end = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    if !number.bytes().any(|byte| byte.is_ascii_digit()) || number.len() > 64 {
        return None;
    }
    let number: f64 = number.parse().ok()?;
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024f64.powi(3),
        "Ti" => 1024f64.powi(4),
        "Pi" => 1024f64.powi(5),
        "Ei" => 1024f64.powi(6),
        _ => {
            // `E` alone is a suffix; with a number behind it an exponent.
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            10f64.powi(exponent.clamp(-400, 400))
        }
    };
    Some(number * factor).filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::parse;
    use proptest::prelude::*;

    #[test]
    fn quantities_are_read_in_every_spelling() {
        for (text, number) in [
            ("250m", 0.25),
            ("2", 2.0),
            ("0.5", 0.5),
            (".5", 0.5),
            ("+1", 1.0),
            ("-1", -1.0),
            ("128Mi", 134_217_728.0),
            ("129M", 129e6),
            ("129e6", 129e6),
            ("1E3", 1000.0),
            ("1E", 1e18),
            ("1.5Gi", 1_610_612_736.0),
            ("100n", 1e-7),
            ("5e-1", 0.5),
        ] {
            let read = parse(text).unwrap_or_else(|| panic!("{text}"));
            assert!((read - number).abs() <= number.abs() * 1e-12, "{text}: {read}");
        }
        for text in ["", "m", "-", "1.2.3", "1 Gi", "1GiB", "Ki", "1e", "0x10", "1e99999999999", "NaN", "inf", "--1", "½"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn thousandths_and_units_agree(milli in 0u32..1_000_000) {
            let read = parse(&format!("{milli}m")).unwrap();
            prop_assert!((read * 1000.0 - f64::from(milli)).abs() < 1e-6);
        }

        #[test]
        fn anything_is_survived(text in any::<String>()) {
            if let Some(number) = parse(&text) {
                prop_assert!(number.is_finite());
            }
        }
    }
}
