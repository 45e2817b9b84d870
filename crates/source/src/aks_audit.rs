//! The audit log of a cluster on Azure Kubernetes Service, as Azure Monitor hands it out.
//!
//! The categories `kube-audit` and `kube-audit-admin` hold the API server's own events under `properties.log`: a text in what an event hub or an account of storage
//! receives, an object after some shippers. The table `AzureDiagnostics` calls it `log_s`.

use crate::kubernetes::{EVENT_SIZE_MAX, envelope};
use crate::prepare::lacks;
use crate::{SourceDef, Witness};
use event::document::Document;
use event::{Decoded, Undecodable, dictionary};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "aks_audit",
    witness: Witness::Orchestrator,
    kind: dictionary::KUBERNETES_AUDIT,
    about: "The audit log of a cluster on Azure Kubernetes Service, in the envelope of Azure Monitor.",
    size_max: EVENT_SIZE_MAX,
    recognise: |document| envelope::first(document.root(), PLACES).is_some_and(envelope::holds_event),
    finds_duplicates: true,
    decode,
    text: None,
    sample: r#"{"time":"2026-11-24T12:04:38Z","operationName":"Microsoft.ContainerService/managedClusters/diagnosticLogs/Read","category":"kube-audit","properties":{"log":{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"5a9ad5a1-7f0e-4e1c-9a35-3a1f0a6d4b11","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/shop/secrets/pay","verb":"get","user":{"username":"ann","groups":["system:authenticated"]},"sourceIPs":["192.0.2.7"],"userAgent":"kubectl","objectRef":{"resource":"secrets","namespace":"shop","name":"pay","apiVersion":"v1"},"responseStatus":{"metadata":{},"code":200},"requestReceivedTimestamp":"2026-11-24T12:04:37.524527Z","stageTimestamp":"2026-11-24T12:04:37.526962Z"},"stream":"stdout","pod":"kube-apiserver-7c"}}"#,
};

/// Where the event stands.
const PLACES: &[&[&str]] = &[&["properties", "log"], &["log_s"]];

fn decode(document: &Document, _: &[u8]) -> Result<Decoded, Undecodable> {
    let value = envelope::first(document.root(), PLACES).ok_or_else(|| lacks("properties.log"))?;
    envelope::decode(document, envelope::inner(value)?)
}
