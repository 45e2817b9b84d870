//! The audit log of a cluster on Amazon EKS, as CloudWatch Logs hands it out.
//!
//! EKS sends the API server's own events to the log group `/aws/eks/CLUSTER/cluster`. A query of Logs Insights shows them under `@message`, an export of
//! `GetLogEvents` and the batches of a subscription under `message`, as a text or already parsed. An export to S3 writes a line for each: its time, a space, the event.

use crate::kubernetes::{EVENT_SIZE_MAX, envelope};
use crate::prepare::lacks;
use crate::{SourceDef, Text, Witness};
use event::document::Document;
use event::{Decoded, Undecodable, dictionary};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "eks_audit",
    witness: Witness::Orchestrator,
    kind: dictionary::KUBERNETES_AUDIT,
    about: "The audit log of a cluster on Amazon EKS, in the envelope of CloudWatch Logs.",
    size_max: EVENT_SIZE_MAX,
    recognise: |document| envelope::first(document.root(), PLACES).is_some_and(envelope::holds_event),
    finds_duplicates: true,
    decode,
    text: Some(Text { recognise: |bytes| behind_time(bytes).is_some(), decode: decode_line }),
    sample: r#"{"@timestamp":"2026-11-24 12:04:37.526","@logStream":"kube-apiserver-audit-1f","@message":{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"5a9ad5a1-7f0e-4e1c-9a35-3a1f0a6d4b11","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/shop/secrets/pay","verb":"get","user":{"username":"ann","groups":["system:authenticated"]},"sourceIPs":["192.0.2.7"],"userAgent":"kubectl","objectRef":{"resource":"secrets","namespace":"shop","name":"pay","apiVersion":"v1"},"responseStatus":{"metadata":{},"code":200},"requestReceivedTimestamp":"2026-11-24T12:04:37.524527Z","stageTimestamp":"2026-11-24T12:04:37.526962Z"}}"#,
};

/// Where the event stands.
const PLACES: &[&[&str]] = &[&["@message"], &["message"]];

fn decode(document: &Document, _: &[u8]) -> Result<Decoded, Undecodable> {
    let value = envelope::first(document.root(), PLACES).ok_or_else(|| lacks("@message and message"))?;
    envelope::decode(document, envelope::inner(value)?)
}

/// Longer than any time before an event.
const TIME_MAX: usize = 40;

/// The event in a line of an export: what stands behind a time and a space.
fn behind_time(bytes: &[u8]) -> Option<&[u8]> {
    let is_dated = bytes.len() > 20 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-' && bytes[10] == b'T';
    let space = bytes.iter().take(TIME_MAX).position(|byte| *byte == b' ').filter(|_| is_dated)?;
    let event = &bytes[space + 1..];
    let head = &event[..event.len().min(1024)];
    (event.first() == Some(&b'{') && memchr::memmem::find(head, b"\"auditID\"").is_some()).then_some(event)
}

fn decode_line(bytes: &[u8]) -> Result<Decoded, Undecodable> {
    let event = behind_time(bytes).ok_or_else(|| lacks("a time with an audit event behind it"))?;
    let broken = |why: String| Undecodable { reason: format!("holds an audit event that cannot be read: {why}"), unknown: false };
    let document = Document::parse_within(event, EVENT_SIZE_MAX).map_err(|error| broken(error.to_string()))?;
    envelope::decode(&Document::default(), document)
}
