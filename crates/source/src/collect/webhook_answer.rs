//! One post of the audit webhook: who may post, how much is read, and when it counts as taken.

use super::outlet::Outlet;
use super::room::Room;
use crate::kubernetes::split;
use flate2::read::GzDecoder;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, HeaderMap, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};
use std::borrow::Cow;
use std::hint::black_box;
use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// A body longer than this, packed or not, is refused; API servers post 10 MiB at most.
const BODY_MAX: usize = 32 << 20;
/// Records of one post; more would never find room together.
const RECORDS_MAX: usize = 50_000;
/// Bodies that are held at once, so that senders do not choose how much memory is used.
pub(super) const BODIES_MAX: usize = 4;
/// A body that is not there by now is given up.
const BODY_WAIT: Duration = Duration::from_secs(30);
/// How long an answer waits for room before the server is asked to come again.
const ROOM_WAIT: Duration = Duration::from_secs(5);
const ROOM_LOOK: Duration = Duration::from_millis(20);
/// A token shorter than this could be guessed.
const TOKEN_MIN: usize = 16;

/// Who may post: whoever shows the token, where one is asked for. Client certificates were looked at before.
pub(super) struct Gate {
    token_file: Option<PathBuf>,
}

impl Gate {
    /// Reads the token once, so that a bad file is said at the start.
    pub(super) fn new(token_file: Option<PathBuf>) -> Result<Gate, String> {
        let gate = Gate { token_file };
        gate.token().map(|_| gate)
    }

    /// The token as it stands in the file now: it may be changed while this runs.
    fn token(&self) -> Result<Option<String>, String> {
        let Some(path) = &self.token_file else { return Ok(None) };
        let remedy = "--audit-webhook-token-file names a file with nothing but the token";
        let text = std::fs::read_to_string(path).map_err(|error| format!("read the token in {}: {error}; {remedy}", path.display()))?;
        match text.trim() {
            token if token.len() >= TOKEN_MIN => Ok(Some(token.to_owned())),
            _ => Err(format!("read the token in {}: it is shorter than {TOKEN_MIN} characters; {remedy}", path.display())),
        }
    }

    fn lets_in(&self, headers: &HeaderMap) -> bool {
        // A file that cannot be read any more lets nobody in.
        let Ok(token) = self.token() else { return false };
        let Some(token) = token else { return true };
        let shown = headers.get(AUTHORIZATION).map(|value| value.as_bytes()).unwrap_or_default();
        let shown = shown.strip_prefix(b"Bearer ").or(shown.strip_prefix(b"bearer ")).unwrap_or_default();
        is_same(token.as_bytes(), shown.trim_ascii())
    }
}

/// Compares in a time that depends on the length of what was shown and on nothing else.
fn is_same(own: &[u8], shown: &[u8]) -> bool {
    // An empty token is none, and nothing is the same as it.
    let mut difference = u8::from(own.is_empty() || own.len() != shown.len());
    for (position, byte) in shown.iter().enumerate() {
        let other = own.get(position % own.len().max(1)).copied().unwrap_or_default();
        difference |= black_box(byte ^ other);
    }
    black_box(difference) == 0
}

/// Takes one post.
pub(super) async fn answer(request: Request<Incoming>, room: &Room, gate: &Gate, bodies: &Semaphore) -> Response<Full<Bytes>> {
    if !gate.lets_in(request.headers()) {
        return say(StatusCode::UNAUTHORIZED, "a bearer token is needed");
    }
    if request.method() != Method::POST {
        return say(StatusCode::METHOD_NOT_ALLOWED, "batches of audit events are posted here");
    }
    let is_packed = match request.headers().get(CONTENT_ENCODING).map(|value| value.as_bytes()) {
        None | Some(b"identity") => false,
        Some(b"gzip") => true,
        Some(_) => return say(StatusCode::UNSUPPORTED_MEDIA_TYPE, "only gzip is unpacked"),
    };
    let Ok(Ok(_held)) = timeout(ROOM_WAIT, bodies.acquire()).await else { return come_again() };
    let body = match timeout(BODY_WAIT, Limited::new(request.into_body(), BODY_MAX).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => return too_large(room),
        Ok(Err(_)) => return say(StatusCode::BAD_REQUEST, "the body broke off"),
        Err(_) => return say(StatusCode::REQUEST_TIMEOUT, "the body did not come"),
    };
    let body = match unpack(&body, is_packed) {
        Ok(Some(body)) => body,
        Ok(None) => return too_large(room),
        Err(_) => return refuse(room, "a posted body could not be unpacked"),
    };
    let Some(records) = records(&body) else { return refuse(room, "a posted body was no list of audit events") };
    if records.len() > RECORDS_MAX {
        return too_large(room);
    }
    take(room.outlet(), &records).await
}

/// Hands all records over, or none of them.
async fn take(outlet: &Outlet, records: &[&[u8]]) -> Response<Full<Bytes>> {
    let bytes = records.iter().map(|record| record.len()).sum();
    let began = Instant::now();
    while !outlet.has_room(records.len(), bytes) {
        if began.elapsed() >= ROOM_WAIT {
            return come_again();
        }
        sleep(ROOM_LOOK).await;
    }
    // Nothing else runs on this thread between the look and the last record, and nobody else uses this share of the queue.
    for record in records {
        outlet.event("kubernetes_audit", record);
    }
    match outlet.is_gone() {
        true => come_again(),
        false => say(StatusCode::OK, ""),
    }
}

/// The body as it was before it was packed; `None` when that is too long.
fn unpack(body: &Bytes, is_packed: bool) -> std::io::Result<Option<Cow<'_, [u8]>>> {
    if !is_packed {
        return Ok(Some(Cow::Borrowed(body)));
    }
    let mut unpacked = Vec::new();
    GzDecoder::new(&body[..]).take(BODY_MAX as u64 + 1).read_to_end(&mut unpacked)?;
    Ok((unpacked.len() <= BODY_MAX).then_some(Cow::Owned(unpacked)))
}

/// The records of a body: the items of a list, a lone event, or nothing; `None` when it is none of these.
fn records(body: &[u8]) -> Option<Vec<&[u8]>> {
    if let Some(pieces) = split::pieces(body) {
        return Some(pieces);
    }
    let value: sonic_rs::Value = sonic_rs::from_slice(body).ok()?;
    let kind = value.get("kind").and_then(|kind| kind.as_str());
    let is_empty = value.get("items").is_none_or(|items| items.is_null() || items.as_array().is_some_and(|items| items.is_empty()));
    match kind {
        Some("EventList") if is_empty => Some(Vec::new()),
        Some("Event") if value.get("auditID").is_some() => Some(vec![body]),
        _ => None,
    }
}

fn say(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}

/// API servers try again when they are told when.
fn come_again() -> Response<Full<Bytes>> {
    let mut response = say(StatusCode::TOO_MANY_REQUESTS, "there is no room; come again");
    response.headers_mut().insert(RETRY_AFTER, hyper::header::HeaderValue::from_static("1"));
    response
}

/// The server does not post it again, so what it told is lost, and that is said.
fn refuse(room: &Room, reason: &'static str) -> Response<Full<Bytes>> {
    room.outlet().note_dropped(1, reason);
    say(StatusCode::BAD_REQUEST, reason)
}

fn too_large(room: &Room) -> Response<Full<Bytes>> {
    let reason = "a posted body was longer than 32 MiB or 50000 events";
    room.outlet().note_dropped(1, reason);
    say(StatusCode::PAYLOAD_TOO_LARGE, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_the_same_or_not() {
        let own = b"0123456789abcdef";
        assert!(is_same(own, b"0123456789abcdef"));
        for other in [&b"0123456789abcdeF"[..], b"0123456789abcde", b"0123456789abcdef0", b"", b"0123456789abcdef0123456789abcdef"] {
            assert!(!is_same(own, other), "{other:?}");
        }
        assert!(!is_same(b"", b"x") && !is_same(b"", b""));
    }

    #[test]
    fn what_unpacks_without_end_is_cut_off() {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packer, &vec![b' '; BODY_MAX + 1]).unwrap();
        let packed = Bytes::from(packer.finish().unwrap());
        assert!(packed.len() < BODY_MAX / 10);
        assert_eq!(unpack(&packed, true).unwrap(), None);
        assert!(unpack(&Bytes::from_static(b"no gzip"), true).is_err());
    }

    #[test]
    fn a_body_is_a_list_an_event_or_refused() {
        assert_eq!(records(br#"{"kind":"EventList","items":[]}"#), Some(vec![]));
        assert_eq!(records(br#"{"kind":"EventList","items":[{"auditID":"a"}]}"#).map(|list| list.len()), Some(1));
        assert_eq!(records(br#"{"kind":"Event","auditID":"a"}"#).map(|list| list.len()), Some(1));
        for refused in [&b"[]"[..], b"{}", b"", br#"{"kind":"EventList","items":[1]}"#, b"\xff", br#"{"kind":"Event"}"#] {
            assert_eq!(records(refused), None, "{refused:?}");
        }
    }
}
