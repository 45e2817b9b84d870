//! Cuts the event stream into lines, however the network cut it.

/// A line longer than this is dropped and counted. An event's labels are bounded by the engine's own request limits.
const LINE_BYTES_MAX: usize = 16 << 20;

/// The piece of a line that has come so far.
#[derive(Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
    skipping: bool,
}

/// What came out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Line(&'a [u8]),
    TooLong,
}

impl Lines {
    pub fn push(&mut self, mut data: &[u8], out: &mut dyn FnMut(Piece<'_>)) {
        while let Some(end) = memchr::memchr(b'\n', data) {
            let (head, rest) = data.split_at(end);
            data = &rest[1..];
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            if self.partial.is_empty() {
                give(head, out);
            } else {
                self.partial.extend_from_slice(head);
                give(&self.partial, out);
                self.partial.clear();
            }
        }
        if self.skipping {
            return;
        }
        self.partial.extend_from_slice(data);
        if self.partial.len() > LINE_BYTES_MAX {
            self.partial = Vec::new();
            self.skipping = true;
            out(Piece::TooLong);
        }
    }
}

fn give(line: &[u8], out: &mut dyn FnMut(Piece<'_>)) {
    // A record separator stands before each event when the engine speaks json-seq.
    let line = line.strip_prefix(b"\x1e").unwrap_or(line).trim_ascii();
    if !line.is_empty() {
        out(Piece::Line(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(pieces: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        for piece in pieces {
            lines.push(piece, &mut |piece| match piece {
                Piece::Line(line) => out.push(String::from_utf8_lossy(line).into_owned()),
                Piece::TooLong => out.push("too long".into()),
            });
        }
        out
    }

    #[test]
    fn the_cuts_of_the_network_do_not_show() {
        let text = b"{\"a\":1}\n\x1e{\"b\":2}\r\n\n{\"c\":3}\n{\"half";
        let whole = cut(&[text]);
        assert_eq!(whole, ["{\"a\":1}", "{\"b\":2}", "{\"c\":3}"]);
        for at in 0..text.len() {
            assert_eq!(cut(&[&text[..at], &text[at..]]), whole, "cut at {at}");
        }
    }

    #[test]
    fn an_endless_line_is_dropped_and_the_next_one_read() {
        let long = vec![b'x'; LINE_BYTES_MAX / 2 + 1];
        assert_eq!(cut(&[&long, &long, &long, b"\n{}\n"]), ["too long", "{}"]);
    }
}
