//! The request's URI: what only its query says.
//!
//! The command of an exec stands nowhere else: `…/exec?command=ls&command=%2Fproc&container=app&tty=true`.

use event::SmolStr;

/// Arguments of one command that are kept.
const COMMAND_MAX: usize = 256;

/// What a query says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Query {
    /// `command`, repeated, in its order.
    pub(super) command: Vec<SmolStr>,
    /// `container`.
    pub(super) container: SmolStr,
    /// `tty`.
    pub(super) tty: bool,
    /// `dryRun`.
    pub(super) dry_run: bool,
    /// `fieldManager` with `force` is how a server-side apply shows.
    pub(super) manager: SmolStr,
}

/// Reads the query of a URI; keys and values are percent-decoded.
pub(super) fn query(uri: &str) -> Query {
    let mut found = Query::default();
    let Some((_, query)) = uri.split_once('?') else { return found };
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        match decode(key).as_str() {
            "command" if found.command.len() < COMMAND_MAX => found.command.push(decode(value)),
            "container" if found.container.is_empty() => found.container = decode(value),
            "tty" => found.tty |= matches!(decode(value).as_str(), "true" | "1"),
            "dryRun" => found.dry_run |= !value.is_empty(),
            "fieldManager" if found.manager.is_empty() => found.manager = decode(value),
            _ => {}
        }
    }
    found
}

/// Decodes `%XX` and `+`. What is no valid escape stays as it is; what is no text is replaced.
fn decode(text: &str) -> SmolStr {
    if !text.contains(['%', '+']) {
        return SmolStr::new(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = (byte == b'%').then(|| bytes.get(at + 1..at + 3)).flatten().and_then(|pair| {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()
        });
        match escaped {
            Some(decoded) => {
                out.push(decoded);
                at += 3;
            }
            None => {
                out.push(if byte == b'+' { b' ' } else { byte });
                at += 1;
            }
        }
    }
    SmolStr::new(String::from_utf8_lossy(&out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_put_together_from_the_query() {
        let read =
            query("/api/v1/namespaces/a/pods/b/exec?command=ls&command=%2Fproc%2F1&command=a+b%26&container=dbg&stdout=true&tty=true");
        assert_eq!(read.command, ["ls", "/proc/1", "a b&"]);
        assert_eq!((read.container.as_str(), read.tty, read.dry_run), ("dbg", true, false));
        assert!(query("/x?dryRun=All").dry_run);
        assert_eq!(query("/x"), Query::default());
    }

    #[test]
    fn broken_escapes_stay_and_rubbish_is_survived() {
        let read = query("/x?command=%&command=%4&command=%zz&command=%ff&%63ommand=id&command=100%25&command=%é");
        assert_eq!(read.command, ["%", "%4", "%zz", "\u{fffd}", "id", "100%", "%é"]);
        let many = format!("/x?{}", "command=a&".repeat(10_000));
        assert_eq!(query(&many).command.len(), COMMAND_MAX);
    }
}
