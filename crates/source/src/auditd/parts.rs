//! The fields of one audit record, with what the kernel encoded as hexadecimal read back.

use event::SmolStr;

/// More fields of one record are not read: the longest real one, a command with many words, is cut by the kernel long before.
const FIELDS_MAX: usize = 4096;

/// One record of an event.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Part {
    /// `SYSCALL`, `EXECVE`, `PATH`, …
    pub kind: SmolStr,
    /// Its fields, in the order of the line.
    pub fields: Vec<(SmolStr, SmolStr)>,
}

/// Types by number, as the kernel's own log names them.
const KINDS: [(&str, &str); 14] = [
    ("1300", "SYSCALL"),
    ("1302", "PATH"),
    ("1305", "CONFIG_CHANGE"),
    ("1306", "SOCKADDR"),
    ("1307", "CWD"),
    ("1309", "EXECVE"),
    ("1325", "NETFILTER_CFG"),
    ("1326", "SECCOMP"),
    ("1327", "PROCTITLE"),
    ("1334", "BPF"),
    ("1400", "AVC"),
    ("1403", "MAC_POLICY_LOAD"),
    ("1700", "ANOM_PROMISCUOUS"),
    ("1701", "ANOM_ABEND"),
];

/// Fields whose values the kernel writes as hexadecimal when they hold anything unusual.
const ENCODED: [&str; 18] = [
    "proctitle",
    "name",
    "comm",
    "exe",
    "cwd",
    "key",
    "data",
    "cmd",
    "path",
    "acct",
    "dir",
    "file",
    "vm",
    "watch",
    "new-disk",
    "old-disk",
    "tty",
    "ocomm",
];

impl Part {
    /// The value of a field; empty when it has none.
    pub fn get(&self, name: &str) -> &str {
        self.fields.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
    }

    /// Reads one line.
    pub fn of(line: &str) -> Option<Part> {
        let from = line.find("type=")?;
        let (kind, rest) = line[from + 5..].split_once(' ')?;
        let named = KINDS.iter().find(|(number, _)| *number == kind).map_or(kind, |(_, name)| name);
        let mut part = Part { kind: SmolStr::new(named.strip_prefix("UNKNOWN[").map_or(named, |_| named)), fields: Vec::new() };
        if let Some(node) = line[..from].trim_end().strip_prefix("node=") {
            part.fields.push((SmolStr::new_static("node"), SmolStr::new(node)));
        }
        let (_, rest) = rest.split_once("audit(")?;
        let (_, rest) = rest.split_once(')')?;
        part.read(rest.trim_start().strip_prefix(':').unwrap_or(rest), false);
        Some(part)
    }

    fn read(&mut self, text: &str, within: bool) {
        let mut rest = text;
        // A value of several pieces, put together as they come.
        let mut pieces: Option<(SmolStr, String)> = None;
        while self.fields.len() < FIELDS_MAX {
            rest = rest.trim_start_matches([' ', '\u{1d}', ',']);
            if rest.is_empty() {
                break;
            }
            let word_end = rest.find([' ', '\u{1d}']).unwrap_or(rest.len());
            let Some(equals) = rest[..word_end].find('=') else {
                self.word(&rest[..word_end]);
                rest = &rest[word_end..];
                continue;
            };
            let name = &rest[..equals];
            let (raw, quoted, after) = value(&rest[equals + 1..]);
            rest = after;
            if quoted == Some('\'') && !within {
                // What programs told the subsystem themselves stands in quotes as fields of its own.
                self.read(raw, true);
                continue;
            }
            if raw == "(null)" || raw.is_empty() {
                continue;
            }
            let value =
                if quoted.is_none() && self.is_encoded(name) { unhex(raw).unwrap_or_else(|| raw.to_owned()) } else { raw.to_owned() };
            let value = if name == "proctitle" { value.replace('\0', " ") } else { value };
            match name.split_once('[') {
                Some((whole, _)) if self.kind == "EXECVE" => match &mut pieces {
                    Some((known, text)) if *known == whole => text.push_str(&value),
                    _ => {
                        self.flush(&mut pieces);
                        pieces = Some((SmolStr::new(whole), value));
                    }
                },
                _ => self.fields.push((SmolStr::new(name), SmolStr::new(value))),
            }
        }
        self.flush(&mut pieces);
    }

    fn flush(&mut self, pieces: &mut Option<(SmolStr, String)>) {
        if let Some((name, text)) = pieces.take() {
            self.fields.push((name, SmolStr::new(text)));
        }
    }

    /// A word without a value: of `avc:  denied  { read write } for` the verdict and what was asked for.
    fn word(&mut self, word: &str) {
        if self.kind != "AVC" && self.kind != "USER_AVC" {
            return;
        }
        match word {
            "denied" | "granted" => self.fields.push((SmolStr::new_static("seresult"), SmolStr::new(word))),
            "avc:" | "{" | "}" | "for" => {}
            word => self.fields.push((SmolStr::new_static("seperm"), SmolStr::new(word))),
        }
    }

    fn is_encoded(&self, name: &str) -> bool {
        // In a system call a0 to a3 are numbers; in a command they are words.
        let is_word = self.kind == "EXECVE"
            && name.starts_with('a')
            && name[1..].starts_with(|c: char| c.is_ascii_digit())
            && !name.ends_with("_len");
        is_word || ENCODED.contains(&name)
    }
}

/// A value with its quote, and what stands behind it.
fn value(text: &str) -> (&str, Option<char>, &str) {
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote) {
            return match inner.find(quote) {
                Some(end) => (&inner[..end], Some(quote), &inner[end + 1..]),
                None => (inner, Some(quote), ""),
            };
        }
    }
    if text.starts_with("{ ") {
        // A resolved socket address.
        let end = text.find('}').map_or(text.len(), |end| end + 1);
        return (&text[..end], Some('{'), &text[end..]);
    }
    let end = text.find([' ', '\u{1d}']).unwrap_or(text.len());
    (&text[..end], None, &text[end..])
}

/// Hexadecimal read back; bytes that are no UTF-8 are shown as such.
fn unhex(text: &str) -> Option<String> {
    let bytes = bytes(text).filter(|bytes| !bytes.is_empty())?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The bytes that upper-case hexadecimal stands for.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    };
    let text = text.as_bytes();
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}
