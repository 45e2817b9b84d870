//! What the decoders of Kubernetes share: how its objects, requests and lists are read.
//!
//! Sources of the formats: `audit.k8s.io/v1` and the older `v1beta1` as the API server writes them, the objects of the API as its reference describes them, and
//! for patches RFC 6902 and RFC 7396 with the strategic merge patch of the project.

mod access;
pub(crate) mod audit;
mod canonical;
mod container;
pub(crate) mod envelope;
pub(crate) mod object;
mod patch;
mod pod;
mod policy;
mod quantity;
pub(crate) mod split;
mod uri;
mod workload;

/// Audit events hold an object once or twice, and an object may have a megabyte and a half.
pub(crate) const EVENT_SIZE_MAX: usize = 8 << 20;

/// How far into a record its first keys are looked for.
const HEAD: usize = 512;

/// How large a record without a name may be that begins like an audit event or a list of objects; `None` when it does not.
pub(crate) fn size_max(bytes: &[u8]) -> Option<usize> {
    let head = &bytes[..bytes.len().min(HEAD)];
    let has = |what: &[u8]| memchr::memmem::find(head, what).is_some();
    if has(b"\"auditID\"") || has(b"audit.k8s.io/") || has(b"\"protoPayload\"") {
        return Some(EVENT_SIZE_MAX);
    }
    (has(b"List\"") && has(b"\"apiVersion\"")).then_some(crate::LIST_SIZE_MAX)
}
