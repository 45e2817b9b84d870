//! The audit log of a cluster on Google Kubernetes Engine: an entry of Cloud Audit Logs, rewritten as the audit event that it was made of.
//!
//! Format: a `LogEntry` whose `protoPayload` is a `google.cloud.audit.AuditLog` of the service `k8s.io`. The method (`io.k8s.core.v1.pods.create`) says resource and
//! verb, `resourceName` (`core/v1/namespaces/shop/pods/probe`) the rest, `operation.id` the audit id, and the status is one of gRPC's. What the entry leaves out, such
//! as groups, stays absent. The entry itself stands under `protoPayload` beside the event's own keys.

use crate::fields::{Fields, Notes};
use crate::kubernetes::{EVENT_SIZE_MAX, envelope};
use crate::prepare::lacks;
use crate::{SourceDef, Witness};
use event::document::Document;
use event::{Decoded, Undecodable, dictionary};
use sonic_rs::{JsonValueTrait, Value};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "gke_audit",
    witness: Witness::Orchestrator,
    kind: dictionary::KUBERNETES_AUDIT,
    about: "The audit log of a cluster on Google Kubernetes Engine, as Cloud Audit Logs keep it.",
    size_max: EVENT_SIZE_MAX,
    recognise: |document| {
        let method = envelope::at(document.root(), &["protoPayload", "methodName"]);
        envelope::at(document.root(), &["protoPayload", "resourceName"]).is_some()
            && method.and_then(|method| method.as_str()).is_some_and(|method| Method::read(method).is_some())
    },
    finds_duplicates: true,
    decode,
    text: None,
    sample: r#"{"protoPayload":{"@type":"type.googleapis.com/google.cloud.audit.AuditLog","authenticationInfo":{"principalEmail":"ann@example.org"},"authorizationInfo":[{"granted":true,"permission":"io.k8s.core.v1.pods.create","resource":"core/v1/namespaces/shop/pods/probe"}],"methodName":"io.k8s.core.v1.pods.create","request":{"@type":"core.k8s.io/v1.Pod","apiVersion":"v1","kind":"Pod","metadata":{"name":"probe","namespace":"shop"},"spec":{"containers":[{"image":"alpine:3.20","name":"probe","securityContext":{"privileged":true}}]}},"requestMetadata":{"callerIp":"192.0.2.7","callerSuppliedUserAgent":"kubectl/v1.33.1"},"resourceName":"core/v1/namespaces/shop/pods/probe","response":{"@type":"core.k8s.io/v1.Pod","apiVersion":"v1","kind":"Pod","metadata":{"name":"probe","namespace":"shop","uid":"0b6a0f9e-1111-4222-8333-444455556666"},"spec":{"containers":[{"image":"alpine:3.20","name":"probe","securityContext":{"privileged":true}}]}},"serviceName":"k8s.io","status":{"code":0}},"insertId":"a1","resource":{"type":"k8s_cluster","labels":{"cluster_name":"c1","location":"europe-west1","project_id":"p1"}},"timestamp":"2026-11-24T12:04:37.526962Z","labels":{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":""},"operation":{"id":"5a9ad5a1-7f0e-4e1c-9a35-3a1f0a6d4b11","producer":"k8s.io","first":true,"last":true}}"#,
};

/// What a method's name says.
struct Method<'a> {
    resource: &'a str,
    subresource: &'a str,
    verb: &'a str,
}

impl<'a> Method<'a> {
    /// `io.k8s.core.v1.pods.exec.create`: what stands behind the version counts; how the group before it is written varies.
    fn read(name: &'a str) -> Option<Method<'a>> {
        let parts: Vec<&str> = name.split('.').take(32).collect();
        let version = parts.iter().position(|part| is_version(part))?;
        match &parts[version + 1..] {
            [resource, verb] => Some(Method { resource, subresource: "", verb }),
            [resource, subresource, verb] => Some(Method { resource, subresource, verb }),
            _ => None,
        }
    }
}

/// `v1`, `v1beta1`, `v2alpha1`.
fn is_version(part: &str) -> bool {
    let Some(rest) = part.strip_prefix('v') else { return false };
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    part.len() > rest.len() + 1
        && (rest.is_empty()
            || ["alpha", "beta"].iter().any(|word| rest.strip_prefix(word).is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))))
}

/// What a resource's name says.
#[derive(Default)]
struct Named<'a> {
    group: &'a str,
    version: &'a str,
    namespace: &'a str,
    name: &'a str,
}

impl<'a> Named<'a> {
    fn read(path: &'a str, resource: &str) -> Named<'a> {
        let mut parts = path.split('/');
        let (group, version) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let rest: Vec<&str> = parts.take(16).collect();
        let group = if group == "core" { "" } else { group };
        let at = |index: usize| rest.get(index).copied().unwrap_or_default();
        if resource == "namespaces" || at(0) != "namespaces" {
            return Named { group, version, namespace: "", name: at(1) };
        }
        Named { group, version, namespace: at(1), name: at(3) }
    }
}

fn decode(document: &Document, _: &[u8]) -> Result<Decoded, Undecodable> {
    let notes = Notes::default();
    let entry = Fields::new(document.root(), &notes);
    let payload = entry.object("protoPayload");
    let name = payload.str("methodName");
    let method = Method::read(name).ok_or_else(|| lacks("the name of a method of Kubernetes"))?;
    let operation = entry.object("operation");
    let audit_id = match operation.str("id") {
        "" => entry.str("insertId"),
        id => id,
    };
    if audit_id.is_empty() {
        return Err(lacks("operation.id and insertId"));
    }
    let named = Named::read(payload.str("resourceName"), method.resource);
    let mut event = Writer::default();
    event.text("kind", "Event");
    event.text("apiVersion", "audit.k8s.io/v1");
    let (request, response) = (payload.value("request"), payload.value("response"));
    event.text("level", if response.is_some() { "RequestResponse" } else { request.map_or("Metadata", |_| "Request") });
    event.text("auditID", audit_id);
    // A long request has two entries; each says whether it is the first or the last.
    let is_begun = operation.bool("first") && operation.bool_maybe("last") != Some(true) && operation.has("last");
    event.text("stage", if is_begun { "ResponseStarted" } else { "ResponseComplete" });
    event.text("requestURI", payload.str("resourceName"));
    event.text("verb", method.verb);
    let caller = payload.object("authenticationInfo");
    event.nested("user", |user| user.text("username", caller.str("principalEmail")));
    let client = payload.object("requestMetadata");
    if !client.str("callerIp").is_empty() {
        event.raw("sourceIPs", &format!("[{}]", quoted(client.str("callerIp"))));
    }
    event.text("userAgent", client.str("callerSuppliedUserAgent"));
    event.nested("objectRef", |reference| {
        reference.text("resource", method.resource);
        reference.text("namespace", named.namespace);
        reference.text("name", named.name);
        reference.text("apiGroup", named.group);
        reference.text("apiVersion", named.version);
        reference.text("subresource", method.subresource);
    });
    let status = payload.object("status");
    event.nested("responseStatus", |answer| {
        answer.raw("code", &http_status(status.int("code").unwrap_or(0), method.verb).to_string());
        answer.text("message", status.str("message"));
    });
    event.value("requestObject", request);
    event.value("responseObject", response);
    event.text("stageTimestamp", entry.str("timestamp"));
    event.value("annotations", entry.value("labels"));
    event.value("protoPayload", entry.value("protoPayload"));
    event.value("resource", entry.value("resource"));
    let inner = Document::parse_within(event.finish().as_bytes(), 2 * EVENT_SIZE_MAX)
        .map_err(|error| Undecodable { reason: format!("cannot be rewritten as an audit event: {error}"), unknown: false })?;
    envelope::decode(document, inner)
}

/// The HTTP status that the API server gives where gRPC would give this code.
fn http_status(code: i64, verb: &str) -> i64 {
    match code {
        0 if verb == "create" => 201,
        0 => 200,
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        14 => 503,
        16 => 401,
        // Some exporters write the HTTP status itself.
        100..=599 => code,
        _ => 500,
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// Writes an object; what is empty is left out.
#[derive(Default)]
struct Writer(String);

impl Writer {
    fn raw(&mut self, key: &str, json: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push_str(&quoted(key));
        self.0.push(':');
        self.0.push_str(json);
    }

    fn text(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.raw(key, &quoted(value));
        }
    }

    /// A value with all its keys in their order, of equal ones each.
    fn value(&mut self, key: &str, value: Option<&Value>) {
        if let Some(json) = value.and_then(|value| sonic_rs::to_string(value).ok()) {
            self.raw(key, &json);
        }
    }

    fn nested(&mut self, key: &str, fill: impl FnOnce(&mut Writer)) {
        let mut below = Writer::default();
        fill(&mut below);
        if !below.0.is_empty() {
            self.raw(key, &below.finish());
        }
    }

    fn finish(mut self) -> String {
        if self.0.is_empty() {
            self.0.push('{');
        }
        self.0.push('}');
        self.0
    }
}
