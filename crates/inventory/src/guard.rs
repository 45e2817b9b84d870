//! `guard.changed`: admission, policies of pods, bounds and the reach of sensors were edited; once for each property.
//!
//! What a guardrail was before is remembered here. Where no record said it, only what a patch names outright is told. A configuration that a service account
//! takes away may be an upgrade, which puts it back: that is told at once, and again after a minute when nothing put it back. A certificate bundle alone is no
//! change.

mod compare;

use crate::fields::requester;
use crate::id::Id;
use crate::lookup::Nothing;
use crate::posture::Posture;
use crate::role;
use crate::row::{Row, RowOut};
use crate::step::Step;
use crate::timers::TimerKey;
use crate::who::{Who, WhoKind, object_key};
use crate::world::{World, was_done};
use compare::{Change, ENFORCE, Known, Way, compare};
use event::dictionary as d;
use event::fact::Fact;
use event::kubernetes::{ApiRequest, Body, Object, ObjectChange};
use event::{DerivedBuilder, Event, Provenance, SmolStr, Span, Time};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Within this time an upgrade puts back what it took away.
pub const RESTORED_WITHIN: Span = Span::seconds(60);
/// Guardrails that are remembered.
const KNOWN_MAX: usize = 16_384;
/// Guardrails taken away lately that may yet be put back.
const PENDING_MAX: usize = 1_024;

/// What guardrails there are, as far as records said.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    known: IndexMap<(SmolStr, SmolStr), Known>,
    pending: BTreeMap<(SmolStr, SmolStr), Pending>,
}

/// One that was taken away by an account that may put it back.
#[derive(Debug, Serialize, Deserialize)]
struct Pending {
    kind: SmolStr,
    name: SmolStr,
    namespace: SmolStr,
    before: Option<Known>,
    who: Who,
    due: Time,
    evidence: Vec<Arc<Provenance>>,
}

/// A guardrail that a record is about.
struct Guard {
    kind: &'static str,
    key: SmolStr,
    name: SmolStr,
    namespace: SmolStr,
}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        let Step::Cluster = step else { return };
        match cause.fact() {
            Some(Fact::Request(request)) if was_done(request) => self.asked(request, world, cause, out),
            Some(Fact::Object(said)) if said.change != ObjectChange::Deleted => self.learn(&cause.host, &said.object, out),
            Some(Fact::Objects(list)) => {
                for object in &list.items {
                    let object = Object { kind: list.kind.clone(), ..object.clone() };
                    self.learn(&cause.host, &object, out);
                }
            }
            _ => {}
        }
    }

    fn fire(&mut self, key: &TimerKey, now: Time, world: &World, out: &mut RowOut<'_>) {
        let place = (key.host.clone(), key.id.text());
        if self.pending.get(&place).is_none_or(|pending| pending.due > now) {
            return;
        }
        let Some(pending) = self.pending.remove(&place) else { return };
        if out.wants(d::GUARD_CHANGED) {
            let builder = DerivedBuilder::at(d::GUARD_CHANGED, "guard", now, key.host.clone(), pending.evidence);
            let builder = builder.about(&pending.name).read_by(world.reading.as_deref());
            let change = gone(&pending.name);
            out.emit(told(builder, &pending.kind, &pending.name, &pending.namespace, &pending.who, &change, Some(false)).build());
        }
    }
}

impl State {
    fn asked(&mut self, request: &ApiRequest, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        let Some(guard) = guard_of(request) else { return };
        let who = requester(request, world.host(&cause.host));
        match request.verb.as_str() {
            "delete" if request.subresource.is_empty() => self.taken(&guard, who, world, cause, out),
            "deletecollection" if request.subresource.is_empty() => {
                let all: Vec<SmolStr> = request.items.iter().map(|object| object.name.clone()).collect();
                for name in all {
                    let key = object_key(&request.resource, &request.namespace, &name);
                    self.taken(&Guard { key, name, namespace: request.namespace.clone(), ..guard }, who.clone(), world, cause, out);
                }
            }
            "create" | "update" | "patch" => {
                let object = request.object.as_deref().or(request.asked.as_deref());
                let whole = request.object_final || request.verb != "patch";
                self.written(&guard, object, whole, request, &who, world, cause, out);
            }
            _ => {}
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn written(
        &mut self,
        guard: &Guard,
        object: Option<&Object>,
        whole: bool,
        request: &ApiRequest,
        who: &Who,
        world: &World,
        cause: &Event,
        out: &mut RowOut<'_>,
    ) {
        let key = (cause.host.clone(), guard.key.clone());
        let before = self.known.get(&key);
        let now = object.and_then(|object| known(guard, object, request, before));
        let Some(now) = now else {
            // A patch that takes the label away leaves nothing in what it asks for.
            return;
        };
        let mut changes = match before {
            // A part of the object cannot be held against the whole.
            Some(_) if !whole && guard.kind != "pod_security" => compare(None, &now, &request.patched),
            Some(before) => compare(Some(before), &now, &request.patched),
            None if request.verb == "patch" => compare(None, &now, &request.patched),
            None => Vec::new(),
        };
        if guard.kind == "admission_policy" && request.resource.contains("exception") && request.verb == "create" {
            changes = vec![Change { property: "exception".into(), before: "none".into(), after: guard.name.clone(), way: Way::Weakened }];
        }
        if let Some(pending) = self.pending.get(&key)
            && pending.who.name == who.name
            && pending.before.as_ref().is_none_or(|before| *before == now)
            && let Some(pending) = self.pending.remove(&key)
        {
            out.cancel(pending.due, TimerKey::new(&cause.host, &Id::Text(guard.key.clone())));
            let back = Change { property: "existence".into(), before: "none".into(), after: guard.name.clone(), way: Way::Strengthened };
            self.say(guard, who, &back, Some(true), world, cause, out);
        }
        if whole || guard.kind == "pod_security" {
            self.keep(key, now, out);
        }
        for change in &changes {
            self.say(guard, who, change, Some(false), world, cause, out);
        }
    }

    /// It is gone.
    fn taken(&mut self, guard: &Guard, who: Who, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        let key = (cause.host.clone(), guard.key.clone());
        let before = self.known.shift_remove(&key);
        if guard.kind == "pod_security" || guard.kind == "sensor_scope" && before.is_none() {
            return;
        }
        // What goes with its namespace is no guardrail taken away.
        let namespace = world.host(&cause.host).and_then(|host| host.cluster.as_ref()?.namespaces.get(&guard.namespace));
        if who.is_machinery() && !guard.namespace.is_empty() || namespace.is_some_and(|namespace| namespace.deleted) {
            return;
        }
        let may_return = who.kind() == WhoKind::ServiceAccount && who.impersonator.is_empty() && self.pending.len() < PENDING_MAX;
        let restored = (!may_return).then_some(false);
        self.say(guard, &who, &gone(&guard.name), restored, world, cause, out);
        if may_return {
            let due = cause.at + RESTORED_WITHIN;
            out.timer(due, TimerKey::new(&cause.host, &Id::Text(guard.key.clone())));
            let pending = Pending {
                kind: guard.kind.into(),
                name: guard.name.clone(),
                namespace: guard.namespace.clone(),
                before,
                who,
                due,
                evidence: cause.evidence.clone(),
            };
            self.pending.insert(key, pending);
        }
    }

    /// Takes in what list and watch show.
    fn learn(&mut self, host: &SmolStr, object: &Object, out: &mut RowOut<'_>) {
        let (group, resource) = match object.kind.as_str() {
            "Namespace" => ("", "namespaces"),
            "LimitRange" => ("", "limitranges"),
            "ResourceQuota" => ("", "resourcequotas"),
            "DaemonSet" => ("apps", "daemonsets"),
            "Deployment" => ("apps", "deployments"),
            "ValidatingWebhookConfiguration" => (ADMISSION, "validatingwebhookconfigurations"),
            "MutatingWebhookConfiguration" => (ADMISSION, "mutatingwebhookconfigurations"),
            "ValidatingAdmissionPolicy" => (ADMISSION, "validatingadmissionpolicies"),
            "ValidatingAdmissionPolicyBinding" => (ADMISSION, "validatingadmissionpolicybindings"),
            _ => return,
        };
        let request = ApiRequest {
            group: group.into(),
            resource: resource.into(),
            namespace: object.namespace.clone(),
            name: object.name.clone(),
            ..ApiRequest::default()
        };
        let Some(guard) = guard_of(&request) else { return };
        let key = (host.clone(), guard.key.clone());
        if let Some(now) = known(&guard, object, &request, self.known.get(&key)) {
            self.keep(key, now, out);
        }
    }

    fn keep(&mut self, key: (SmolStr, SmolStr), now: Known, out: &mut RowOut<'_>) {
        if !self.known.contains_key(&key) && self.known.len() >= KNOWN_MAX {
            self.known.drain(..KNOWN_MAX / 16);
            out.forgot("inventory.guards", KNOWN_MAX as u64 / 16);
        }
        self.known.insert(key, now);
    }

    #[allow(clippy::too_many_arguments)]
    fn say(&self, guard: &Guard, who: &Who, change: &Change, restored: Option<bool>, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        if out.wants(d::GUARD_CHANGED) {
            let builder = DerivedBuilder::caused_by(d::GUARD_CHANGED, "guard", cause).about(&guard.name).read_by(world.reading.as_deref());
            let mut builder = told(builder, guard.kind, &guard.name, &guard.namespace, who, change, restored);
            if let Some(Fact::Request(request)) = cause.fact() {
                let explained = world.context.explain_request(who, request, cause.time);
                builder.push(d::EXPLAINED, explained.verdict.as_str());
                if let Some(by) = explained.by {
                    builder.push(d::EXPLAINED_BY, by);
                }
            }
            out.emit(builder.build());
        }
    }
}

fn told(
    mut builder: DerivedBuilder,
    kind: &str,
    name: &SmolStr,
    namespace: &SmolStr,
    who: &Who,
    change: &Change,
    restored: Option<bool>,
) -> DerivedBuilder {
    who.fields(&mut builder);
    builder
        .with(d::GUARD_KIND, kind)
        .with(d::GUARD_NAME, name)
        .with(d::GUARD_PROPERTY, &change.property)
        .with(d::GUARD_BEFORE, &change.before)
        .with(d::GUARD_AFTER, &change.after)
        .with(d::GUARD_DIRECTION, change.way.as_str())
        .maybe(d::GUARD_RESTORED, restored)
        .maybe(d::K8S_NAMESPACE, Some(namespace).filter(|namespace| !namespace.is_empty()))
}

fn gone(name: &SmolStr) -> Change {
    Change { property: "existence".into(), before: name.clone(), after: "none".into(), way: Way::Removed }
}

const ADMISSION: &str = "admissionregistration.k8s.io";

/// The guardrail that a request is about.
fn guard_of(request: &ApiRequest) -> Option<Guard> {
    let scaled = request.subresource == "scale";
    if !request.subresource.is_empty() && !scaled {
        return None;
    }
    let resource = request.resource.as_str();
    let kind = match (request.group.as_str(), resource) {
        (ADMISSION, "validatingwebhookconfigurations" | "mutatingwebhookconfigurations") => "webhook",
        (ADMISSION, resource) if resource.contains("admissionpolic") => "admission_policy",
        ("kyverno.io" | "policies.kyverno.io" | "policies.kubewarden.io", resource) if resource.contains("polic") => "admission_policy",
        ("constraints.gatekeeper.sh" | "templates.gatekeeper.sh" | "config.gatekeeper.sh", _) => "admission_policy",
        ("", "namespaces") => "pod_security",
        ("", "limitranges") => "limit_range",
        ("", "resourcequotas") => "quota",
        ("apps", "daemonsets" | "deployments" | "statefulsets") => "sensor_scope",
        _ => return None,
    };
    if scaled && kind != "sensor_scope" {
        return None;
    }
    let namespace = if kind == "pod_security" { SmolStr::default() } else { request.namespace.clone() };
    let object = request.object.as_deref().or(request.asked.as_deref());
    let name = if request.name.is_empty() { object.map(|object| object.name.clone()).unwrap_or_default() } else { request.name.clone() };
    Some(Guard { kind, key: object_key(resource, &namespace, &name), name, namespace })
}

/// What an object says of a guardrail.
fn known(guard: &Guard, object: &Object, request: &ApiRequest, before: Option<&Known>) -> Option<Known> {
    match (guard.kind, &object.body) {
        ("webhook", Body::Webhooks(webhooks)) => Some(Known::Webhooks(webhooks.clone())),
        ("pod_security", _) => {
            let level = object.labels.iter().find(|(key, _)| key == ENFORCE).map(|(_, level)| level.clone()).unwrap_or_default();
            // What a patch does not name stays as it was.
            let whole = request.object_final || request.verb != "patch";
            let named = request.patched.iter().any(|path| path.ends_with(ENFORCE));
            if whole || named { Some(Known::Level(level)) } else { before.cloned() }
        }
        ("admission_policy", Body::Guard(hash)) => Some(Known::Policy(hash.clone())),
        ("limit_range" | "quota", Body::Limits(bounds)) => Some(Known::Bounds(bounds.clone())),
        ("sensor_scope", Body::Workload(spec)) => {
            if request.subresource == "scale" {
                return match before {
                    Some(Known::Scope(selector, _)) => Some(Known::Scope(selector.clone(), spec.replicas)),
                    _ => None,
                };
            }
            let template = spec.template.as_ref()?;
            let sensor = template.containers.iter().any(|part| {
                let posture = Posture::of(&part.spec, None, &Nothing);
                role::sensor(&object.name, &part.spec.image, &spec.pod_labels, Some(&posture), None).is_some()
            });
            sensor.then(|| Known::Scope(spec.node_selector.clone(), spec.replicas))
        }
        _ => None,
    }
}
