//! The little of protocol buffers and of gRPC's frames that containerd's API needs.
//!
//! A whole gRPC stack with generated types would be the greater part of this crate's build. What is asked of containerd is four lists and one stream, so
//! fields are read by their numbers, and what has another number is passed over.

/// A field of a message, by its number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// A whole number, a flag or a word of an enumeration.
    Number(u64),
    /// Text, bytes, or a message within.
    Bytes(&'a [u8]),
}

/// The fields of a message, in the order of the wire; stops at the first that is broken.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = (u32, Value<'a>);

    fn next(&mut self) -> Option<(u32, Value<'a>)> {
        loop {
            if self.0.is_empty() {
                return None;
            }
            let field = self.field();
            if field.is_none() {
                self.0 = &[];
            }
            // Fixed widths are used by none of the messages read here.
            if let (number, Some(value)) = field? {
                return Some((number, value));
            }
        }
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u32, Option<Value<'a>>)> {
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).ok()?;
        let value = match key & 7 {
            0 => Some(Value::Number(self.varint()?)),
            1 => self.take(8).map(|_| None)?,
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Some(Value::Bytes(self.take(length)?))
            }
            5 => self.take(4).map(|_| None)?,
            _ => return None,
        };
        Some((number, value))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// The bytes under a number; of several the last, as the format wants it. Empty when there are none.
    pub fn bytes(self, number: u32) -> &'a [u8] {
        self.all(number).last().unwrap_or_default()
    }

    /// Every value under a number that is bytes.
    pub fn all(self, number: u32) -> impl Iterator<Item = &'a [u8]> {
        self.filter_map(move |(other, value)| match value {
            Value::Bytes(bytes) if other == number => Some(bytes),
            _ => None,
        })
    }

    /// The text under a number; what is no UTF-8 is made so.
    pub fn text(self, number: u32) -> String {
        String::from_utf8_lossy(self.bytes(number)).into_owned()
    }

    /// The number under a number; 0 when there is none.
    pub fn number(self, number: u32) -> u64 {
        self.filter_map(|(other, value)| match value {
            Value::Number(value) if other == number => Some(value),
            _ => None,
        })
        .last()
        .unwrap_or(0)
    }
}

/// A message with one text under a number, which is all that is ever asked with.
pub(super) fn message(number: u32, text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    if !text.is_empty() {
        put_varint(&mut out, u64::from(number) << 3 | 2);
        put_varint(&mut out, text.len() as u64);
        out.extend_from_slice(text.as_bytes());
    }
    out
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A message as gRPC frames it: not packed, its length, itself.
pub(super) fn frame(message: &[u8]) -> Vec<u8> {
    let mut out = vec![0];
    out.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(message);
    out
}

/// Cuts a body into its messages, however the network cut it.
#[derive(Default)]
pub(super) struct Frames {
    buffer: Vec<u8>,
}

/// A message longer than this is refused: a list of 10,000 containers with their specs is about 100 MB.
const MESSAGE_MAX: usize = 256 << 20;

impl Frames {
    pub fn push(&mut self, data: &[u8]) {
        self.buffer.extend_from_slice(data);
    }

    /// The next whole message; an error when the stream is not what it should be.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, &'static str> {
        let Some(head) = self.buffer.get(..5) else { return Ok(None) };
        if head[0] != 0 {
            return Err("containerd packed a message, which it was not asked to do");
        }
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if length > MESSAGE_MAX {
            return Err("a message of containerd is longer than 256 MiB");
        }
        if self.buffer.len() < 5 + length {
            return Ok(None);
        }
        let rest = self.buffer.split_off(5 + length);
        let message = std::mem::replace(&mut self.buffer, rest).split_off(5);
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_are_read_by_number() {
        // { 1: "c1", 3: 300, 4 (fixed): …, 1: "c2", 2: { 1: "x" } }
        let bytes = b"\x0a\x02c1\x18\xac\x02\x25\x00\x00\x00\x00\x0a\x02c2\x12\x03\x0a\x01x";
        let fields = Fields(bytes);
        assert_eq!((fields.text(1), fields.number(3), fields.number(9)), ("c2".into(), 300, 0));
        assert_eq!(fields.all(1).count(), 2);
        assert_eq!(Fields(fields.bytes(2)).text(1), "x");
        assert_eq!(message(1, "c1"), b"\x0a\x02c1");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let count = Fields(&bytes).count();
            prop_assert!(count <= bytes.len());
            let mut frames = Frames::default();
            frames.push(&bytes);
            while let Ok(Some(_)) = frames.next() {}
        }

        #[test]
        fn messages_come_back_however_they_were_cut(messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6), cut in 1usize..50) {
            let stream: Vec<u8> = messages.iter().flat_map(|message| frame(message)).collect();
            let (mut frames, mut back) = (Frames::default(), Vec::new());
            for piece in stream.chunks(cut) {
                frames.push(piece);
                while let Some(message) = frames.next().unwrap() {
                    back.push(message);
                }
            }
            prop_assert_eq!(back, messages);
        }
    }
}
