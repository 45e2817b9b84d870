//! Encodings of a value before it is compared: takes a text; gives the forms in which it may be found.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

/// A form in which a text may stand in a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Encoding {
    Utf16Le,
    Utf16Be,
    Utf16,
    Base64,
    Base64Offset,
}

/// Encodes a text; at an unknown offset in base64 it has three forms.
pub(crate) fn encode(text: &str, encodings: &[Encoding]) -> Result<Vec<String>, String> {
    let mut bytes = text.as_bytes().to_vec();
    for (index, encoding) in encodings.iter().enumerate() {
        let wide = |text: &[u8], big: bool| -> Result<Vec<u8>, String> {
            let text = std::str::from_utf8(text).map_err(|_| "is encoded twice in a way that has no text")?;
            Ok(text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect())
        };
        match encoding {
            Encoding::Utf16Le => bytes = wide(&bytes, false)?,
            Encoding::Utf16Be => bytes = wide(&bytes, true)?,
            Encoding::Utf16 => bytes = [vec![0xff, 0xfe], wide(&bytes, false)?].concat(),
            Encoding::Base64 => bytes = BASE64.encode(&bytes).into_bytes(),
            Encoding::Base64Offset if index + 1 == encodings.len() => return Ok(offsets(&bytes)),
            Encoding::Base64Offset => return Err("is encoded further after base64offset".into()),
        }
    }
    String::from_utf8(bytes).map(|text| vec![text]).map_err(|_| "is no text after its encoding; add base64 or base64offset".into())
}

/// What is certain of a text's base64 form when it stands at any of the three positions: the characters that also carry neighbours are cut.
fn offsets(bytes: &[u8]) -> Vec<String> {
    (0..3usize)
        .map(|offset| {
            let padded = [vec![b' '; offset], bytes.to_vec()].concat();
            let encoded = BASE64.encode(&padded);
            let start = [0, 2, 3][offset];
            let cut = [0, 3, 2][padded.len() % 3];
            let end = encoded.len().saturating_sub(cut).max(start);
            encoded[start..end].to_owned()
        })
        .filter(|text| !text.is_empty())
        .collect()
}
