//! The audit log of a Kubernetes API server: one event of `audit.k8s.io/v1`, or of the older versions.
//!
//! Format: `audit.k8s.io/v1` as the API server writes it to its log and posts it to its webhook. An `EventList` is taken apart before it comes here.

use crate::kubernetes::{EVENT_SIZE_MAX, audit};
use crate::{SourceDef, Witness};
use event::document::Document;
use event::{Decoded, Undecodable, dictionary};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "kubernetes_audit",
    witness: Witness::Orchestrator,
    kind: dictionary::KUBERNETES_AUDIT,
    about: "What was asked of a Kubernetes API server, by whom, and what came of it.",
    size_max: EVENT_SIZE_MAX,
    recognise: |document| audit::is_event(document.root()),
    finds_duplicates: false,
    decode,
    text: None,
    sample: r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"5a9ad5a1-7f0e-4e1c-9a35-3a1f0a6d4b11","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/shop/pods?fieldManager=kubectl-run","verb":"create","user":{"username":"ann@example.org","groups":["dev","system:authenticated"],"extra":{"authentication.kubernetes.io/credential-id":["X509SHA256=00ff"]}},"sourceIPs":["192.0.2.7"],"userAgent":"kubectl/v1.33.1 (linux/amd64)","objectRef":{"resource":"pods","namespace":"shop","name":"probe","apiVersion":"v1"},"responseStatus":{"metadata":{},"code":201},"requestObject":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"probe","namespace":"shop"},"spec":{"containers":[{"name":"probe","image":"alpine:3.20"}]}},"responseObject":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"probe","namespace":"shop","uid":"0b6a0f9e-1111-4222-8333-444455556666","resourceVersion":"532","creationTimestamp":"2026-11-24T12:04:37Z","labels":{"run":"probe"}},"spec":{"hostPID":true,"volumes":[{"name":"root","hostPath":{"path":"/"}}],"containers":[{"name":"probe","image":"alpine:3.20","command":["sleep","60"],"resources":{"limits":{"cpu":"250m","memory":"128Mi"}},"volumeMounts":[{"name":"root","mountPath":"/host"}],"securityContext":{"privileged":true}}],"restartPolicy":"Always","serviceAccountName":"default"},"status":{"phase":"Pending"}},"requestReceivedTimestamp":"2026-11-24T12:04:37.524527Z","stageTimestamp":"2026-11-24T12:04:37.526962Z","annotations":{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":""}}"#,
};

fn decode(document: &Document, _: &[u8]) -> Result<Decoded, Undecodable> {
    audit::decode(document.root())
}
