//! Who may do what, what stands in the way of it, and what is only named: roles, bindings, webhooks, guards, limits, keys.

use super::canonical;
use crate::fields::Fields;
use event::SmolStr;
use event::kubernetes::{BindingSpec, RoleRule, WebhookSpec};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};
use std::collections::BTreeSet;

/// Keys of a ConfigMap or Secret that are kept.
const KEYS_MAX: usize = 256;

/// Kinds of the limits that a LimitRange sets.
const LIMIT_SORTS: &[&str] = &["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"];

/// Who gets which role.
pub(super) fn binding(object: &Fields<'_>) -> BindingSpec {
    let role = object.object("roleRef");
    let own = object.object("metadata").text("namespace");
    let subject = |subject: &Fields<'_>| {
        let (kind, name) = (subject.text("kind"), subject.text("name"));
        if kind != "ServiceAccount" {
            return SmolStr::new(format!("{kind}:{name}"));
        }
        let namespace = subject.text("namespace");
        let namespace = if namespace.is_empty() { &own } else { &namespace };
        SmolStr::new(format!("ServiceAccount:{namespace}/{name}"))
    };
    BindingSpec {
        role_kind: role.text("kind"),
        role: role.text("name"),
        subjects: object.objects("subjects").iter().map(subject).collect(),
    }
}

/// What a role allows.
pub(super) fn rules(object: &Fields<'_>) -> Vec<RoleRule> {
    let rule = |rule: &Fields<'_>| RoleRule {
        verbs: rule.texts("verbs"),
        groups: rule.texts("apiGroups"),
        resources: rule.texts("resources"),
        names: rule.texts("resourceNames"),
    };
    object.objects("rules").iter().map(rule).collect()
}

/// The webhooks of a configuration.
pub(super) fn webhooks(object: &Fields<'_>) -> Vec<WebhookSpec> {
    // An empty selector selects everything, as none does.
    let selector = |hook: &Fields<'_>, key| {
        let text = canonical::text(hook.value(key), &[]);
        if text == "{}" { SmolStr::default() } else { text }
    };
    object
        .objects("webhooks")
        .iter()
        .map(|hook| WebhookSpec {
            name: hook.text("name"),
            failure_policy: hook.text("failurePolicy"),
            namespace_selector: selector(hook, "namespaceSelector"),
            object_selector: selector(hook, "objectSelector"),
            timeout: hook.int("timeoutSeconds"),
            rules: canonical::text(hook.value("rules"), &[]),
            conditions: canonical::text(hook.value("matchConditions"), &[]),
            client: canonical::text(hook.value("clientConfig"), &["caBundle"]),
        })
        .collect()
}

/// Whether a kind is of admission: built in, or of one of the usual engines.
pub(super) fn is_guard(kind: &str, api_version: &str) -> bool {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    match group {
        "admissionregistration.k8s.io" => kind.contains("AdmissionPolicy"),
        "policy" => kind == "PodSecurityPolicy",
        "kyverno.io" | "policies.kyverno.io" => kind.contains("Policy") || kind.contains("Exception"),
        "constraints.gatekeeper.sh" | "templates.gatekeeper.sh" | "config.gatekeeper.sh" | "mutations.gatekeeper.sh" => true,
        "policies.kubewarden.io" => kind.contains("Policy"),
        _ => false,
    }
}

/// A hash of a guard's spec.
pub(super) fn guard(object: &Fields<'_>) -> SmolStr {
    canonical::hash(object.value("spec"))
}

/// The keys of a ConfigMap or Secret. The values are never kept.
pub(super) fn keys(object: &Fields<'_>) -> Vec<SmolStr> {
    let mut keys = BTreeSet::new();
    for key in ["data", "stringData", "binaryData"] {
        if let Some(map) = object.value(key).and_then(|value| value.as_object()) {
            keys.extend(map.iter().map(|(key, _)| SmolStr::new(key)));
        }
    }
    keys.into_iter().take(KEYS_MAX).collect()
}

/// What a LimitRange or ResourceQuota sets, as `container.max.cpu` and `hard.pods`.
pub(super) fn limits(object: &Fields<'_>, kind: &str) -> Vec<(SmolStr, SmolStr)> {
    let spec = object.object("spec");
    let mut list = Vec::new();
    if kind == "ResourceQuota" {
        amounts(&spec, "hard", "hard", &mut list);
        return list;
    }
    for limit in spec.objects("limits") {
        let of = limit.text("type").to_ascii_lowercase();
        for sort in LIMIT_SORTS {
            amounts(&limit, sort, &format!("{of}.{sort}"), &mut list);
        }
    }
    list
}

/// The amounts under a key; they are texts or bare numbers.
fn amounts(fields: &Fields<'_>, key: &'static str, prefix: &str, list: &mut Vec<(SmolStr, SmolStr)>) {
    let Some(value) = fields.value(key) else { return };
    let Some(map) = value.as_object() else { return fields.note(key) };
    let mut seen = BTreeSet::new();
    for (name, amount) in map.iter().filter(|(name, _)| seen.insert(*name)) {
        let amount = match amount.as_str() {
            Some(text) => SmolStr::new(text),
            None if amount.is_number() => canonical::text(Some(amount), &[]),
            None => {
                fields.note(key);
                continue;
            }
        };
        list.push((SmolStr::new(format!("{prefix}.{name}")), amount));
    }
}
