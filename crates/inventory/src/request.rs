//! `kubernetes.request`: what was asked of the API server, once for each request, with what it leads to.

use crate::fields::requester;
use crate::powers;
use crate::row::{Row, RowOut};
use crate::step::Step;
use crate::who::object_key;
use crate::world::{World, was_done};
use event::dictionary as d;
use event::fact::Fact;
use event::kubernetes::{ApiRequest, Body, Object};
use event::{DerivedBuilder, Event, SmolStr};
use serde::{Deserialize, Serialize};
use smol_str::format_smolstr;

/// Nothing beyond the world.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        let Step::Cluster = step else { return };
        let Some(Fact::Request(request)) = cause.fact() else { return };
        if request.truncated && out.wants(d::SENSOR_TRUNCATED) {
            let builder = begin(d::SENSOR_TRUNCATED, request, world, cause)
                .with(d::SENSOR_SOURCE, &cause.source)
                .with(d::SENSOR_REASON, "the server cut the objects off")
                .with(d::SENSOR_COUNT, 1u32);
            out.emit(builder.build());
        }
        if out.wants(d::KUBERNETES_REQUEST) {
            let mut builder = begin(d::KUBERNETES_REQUEST, request, world, cause);
            place(&mut builder, request);
            out.emit(builder.build());
        }
    }
}

/// An event about a request, with its own fields and who made it.
fn begin(kind: event::Kind, request: &ApiRequest, world: &World, cause: &Event) -> DerivedBuilder {
    let mut builder = DerivedBuilder::caused_by(kind, "request", cause).about(&request.audit_id).read_by(world.reading.as_deref());
    let host = world.host(&cause.host);
    let who = requester(request, host);
    who.fields(&mut builder);
    let explained = world.context.explain_request(&who, request, cause.time);
    builder.push(d::EXPLAINED, explained.verdict.as_str());
    if let Some(by) = explained.by {
        builder.push(d::EXPLAINED_BY, by);
    }
    builder.push(d::K8S_CLUSTER, &cause.host);
    builder.push(d::REQ_ID, &request.audit_id);
    builder.push(d::REQ_VERB, &request.verb);
    builder.push(d::REQ_WRITES, writes(request));
    let (path, _) = split(&request.uri);
    for (field, value) in [
        (d::REQ_RESOURCE, &request.resource),
        (d::REQ_SUBRESOURCE, &request.subresource),
        (d::REQ_GROUP, &request.group),
        (d::REQ_NAME, &request.name),
        (d::K8S_NAMESPACE, &request.namespace),
        (d::REQ_LEVEL, &request.level),
        (d::REQ_DECISION_REASON, &request.decision_reason),
        (d::REQ_URI_PATH, &SmolStr::from(decoded(path))),
        (d::REQ_TARGET, &target(request)),
    ] {
        if !value.is_empty() {
            builder.push(field, value);
        }
    }
    if let Some(code) = request.code {
        builder.push(d::REQ_CODE, code);
    }
    // What was only tried out came to nothing, whatever the answer.
    builder.push(d::REQ_ALLOWED, was_done(request));
    builder.push(d::REQ_TRUNCATED, request.truncated);
    if !request.command.is_empty() {
        builder.push(d::REQ_COMMAND_LINE, request.command.join(" "));
    }
    if !request.patched.is_empty() {
        builder.push(d::REQ_PATCHED, request.patched.clone());
    }
    if request.resource == "nodes" && !request.name.is_empty() {
        builder.push(d::K8S_NODE, node(&request.name));
    }
    if let Some(path) = kubelet_path(request) {
        builder.push(d::REQ_KUBELET_PATH, path);
    }
    grants(&mut builder, request, world, cause);
    builder
}

/// What a role or a binding gives, and to whom.
fn grants(builder: &mut DerivedBuilder, request: &ApiRequest, world: &World, cause: &Event) {
    let body = |object: &Option<Box<Object>>| object.as_deref().map(|object| object.body.clone());
    let said =
        [body(&request.object), body(&request.asked)].into_iter().flatten().find(|body| matches!(body, Body::Role(_) | Body::Binding(_)));
    match said {
        Some(Body::Role(rules)) => builder.push(d::REQ_POWERS, powers::of(&rules)),
        Some(Body::Binding(binding)) => {
            let namespace = if binding.role_kind == "Role" { request.namespace.as_str() } else { "" };
            let key = object_key(&binding.role_kind, namespace, &binding.role);
            let rules = world.host(&cause.host).and_then(|host| host.cluster.as_ref()?.roles.get(&key).map(Vec::as_slice));
            let powers = match rules {
                Some(rules) => powers::of(rules),
                None if binding.role_kind == "ClusterRole" => powers::builtin(&binding.role),
                None => Vec::new(),
            };
            if !binding.role.is_empty() {
                builder.push(d::REQ_ROLE, key);
            }
            builder.push(d::REQ_POWERS, powers);
            builder.push(d::REQ_OPEN_TO, powers::open_to(&binding.subjects));
            builder.push(d::REQ_SUBJECTS, binding.subjects);
        }
        _ => {}
    }
}

/// Which pod a request is about.
fn place(builder: &mut DerivedBuilder, request: &ApiRequest) {
    if request.resource == "pods" && request.group.is_empty() {
        for (field, value) in [(d::K8S_POD, &request.name), (d::K8S_POD_UID, &request.uid), (d::K8S_CONTAINER, &request.container)] {
            if !value.is_empty() {
                builder.push(field, value);
            }
        }
    }
}

/// Whether it would change something. A review is created, but asks only.
fn writes(request: &ApiRequest) -> bool {
    matches!(request.verb.as_str(), "create" | "update" | "patch" | "delete" | "deletecollection") && !request.resource.ends_with("reviews")
}

/// `resource/subresource namespace/name`.
fn target(request: &ApiRequest) -> SmolStr {
    let what = if request.subresource.is_empty() {
        request.resource.clone()
    } else {
        format_smolstr!("{}/{}", request.resource, request.subresource)
    };
    match (request.namespace.is_empty(), request.name.is_empty()) {
        _ if what.is_empty() => split(&request.uri).0.into(),
        (true, true) => what,
        (true, false) => format_smolstr!("{what} {}", request.name),
        (false, true) => format_smolstr!("{what} {}", request.namespace),
        (false, false) => format_smolstr!("{what} {}/{}", request.namespace, request.name),
    }
}

/// The node of `scheme:name:port`, which is how a proxy may name one.
fn node(name: &str) -> SmolStr {
    let parts: Vec<&str> = name.split(':').collect();
    match parts.as_slice() {
        [_, node, _] => SmolStr::new(node),
        [scheme @ ("http" | "https"), node] if !scheme.is_empty() => SmolStr::new(node),
        [node, _] => SmolStr::new(node),
        _ => SmolStr::new(name),
    }
}

/// For a request that the server hands on to a kubelet: the path of the kubelet's own API that it reaches, whatever way it is spelled.
pub fn kubelet_path(request: &ApiRequest) -> Option<SmolStr> {
    if request.resource != "nodes" || request.subresource != "proxy" {
        return None;
    }
    let (path, _) = split(&request.uri);
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    // `/api/v1/nodes/NAME/proxy/PATH`, and of old `/api/v1/proxy/nodes/NAME/PATH`.
    let at = match segments.get(2..)? {
        ["proxy", "nodes", _, ..] => 5,
        ["nodes", _, "proxy", ..] => 5,
        _ => return None,
    };
    Some(cleaned(&segments.get(at..).unwrap_or_default().join("/")))
}

/// The path as the other end takes it: decoded, doubled slashes and dots resolved.
fn cleaned(path: &str) -> SmolStr {
    let mut text = path.to_owned();
    for _ in 0..3 {
        let next = decoded(&text);
        if next == text {
            break;
        }
        text = next;
    }
    let mut kept: Vec<&str> = Vec::new();
    for part in text.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." => drop(kept.pop()),
            part => kept.push(part),
        }
    }
    format_smolstr!("/{}", kept.join("/"))
}

fn split(uri: &str) -> (&str, &str) {
    uri.split_once('?').unwrap_or((uri, ""))
}

/// Percent signs decoded once.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex =
            bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok()).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match (bytes[at], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(uri: &str) -> String {
        let request = ApiRequest { uri: uri.into(), resource: "nodes".into(), subresource: "proxy".into(), ..ApiRequest::default() };
        kubelet_path(&request).map(|path| path.to_string()).unwrap_or_default()
    }

    #[test]
    fn the_kubelets_path_is_what_it_reaches_however_it_is_spelled() {
        assert_eq!(path("/api/v1/nodes/n1/proxy/run/shop/web/web?cmd=id&x=metrics"), "/run/shop/web/web");
        assert_eq!(path("/api/v1/nodes/https:n1:10250/proxy/metrics/..%2frun%2fshop/web/web"), "/run/shop/web/web");
        assert_eq!(path("/api/v1/nodes/n1/proxy//exec/%2e%2e/%252e%252e/pods"), "/pods");
        assert_eq!(path("/api/v1/nodes/n1/proxy"), "/");
        assert_eq!(path("/api/v1/nodes/n1/status"), "");
        assert_eq!((node("https:n1:10250"), node("n1:10250"), node("n1")), ("n1".into(), "n1".into(), "n1".into()));
    }
}
