//! Whether a guardrail became weaker, property by property.

use event::SmolStr;
use event::kubernetes::WebhookSpec;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use smol_str::format_smolstr;
use std::collections::BTreeSet;

/// What is known of a guardrail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Known {
    /// The webhooks of a configuration.
    Webhooks(Vec<WebhookSpec>),
    /// The level that a namespace enforces on pods; empty when it names none.
    Level(SmolStr),
    /// A policy, by a hash of what it says.
    Policy(SmolStr),
    /// Bounds by name.
    Bounds(Vec<(SmolStr, SmolStr)>),
    /// Where a sensor runs: node selector, and number of replicas where it has one.
    Scope(Vec<(SmolStr, SmolStr)>, Option<i64>),
}

/// Which way a property went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    Weakened,
    Removed,
    Strengthened,
    Changed,
}

impl Way {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Way::Weakened => "weakened",
            Way::Removed => "removed",
            Way::Strengthened => "strengthened",
            Way::Changed => "changed",
        }
    }
}

/// One property that changed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    pub(super) property: SmolStr,
    pub(super) before: SmolStr,
    pub(super) after: SmolStr,
    pub(super) way: Way,
}

fn change(property: &str, before: &str, after: &str, way: Way) -> Change {
    let shown = |text: &str| SmolStr::new(if is_empty(text) { "none" } else { text });
    Change { property: property.into(), before: shown(before), after: shown(after), way }
}

/// What no record said.
const UNKNOWN: &str = "unknown";

/// A patch that touches more than this says the whole object again, and what of it is new cannot be told without knowing it before.
const TARGETED: usize = 4;

/// What changed. Without a `before` only what a patch names outright can be told.
pub(super) fn compare(before: Option<&Known>, now: &Known, patched: &[SmolStr]) -> Vec<Change> {
    match (before, now) {
        (Some(Known::Webhooks(before)), Known::Webhooks(now)) => webhooks(before, now),
        (None, Known::Webhooks(now)) => webhooks_unknown(now, patched),
        (Some(Known::Level(before)), Known::Level(now)) => level(before, now).into_iter().collect(),
        (None, Known::Level(now)) if patched.iter().any(|path| path.ends_with(ENFORCE)) => vec![match now.as_str() {
            "" => change("level", UNKNOWN, "none", Way::Removed),
            "privileged" => change("level", UNKNOWN, now, Way::Weakened),
            _ => change("level", UNKNOWN, now, Way::Changed),
        }],
        (Some(Known::Policy(before)), Known::Policy(now)) if before != now => vec![change("spec", before, now, Way::Changed)],
        (None, Known::Policy(now)) if patched.iter().any(|path| path.starts_with("spec")) => {
            vec![change("spec", UNKNOWN, now, Way::Changed)]
        }
        (Some(Known::Bounds(before)), Known::Bounds(now)) => bounds(before, now),
        (before, Known::Scope(selector, replicas)) => scope(before, selector, *replicas, patched),
        _ => Vec::new(),
    }
}

/// The label that says which level a namespace enforces.
pub(super) const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

/// A namespace that names no level has the cluster's own default, which allows everything unless the server was told otherwise.
fn level(before: &SmolStr, now: &SmolStr) -> Option<Change> {
    let rank = |level: &str| match level {
        "restricted" => 2,
        "baseline" => 1,
        _ => 0,
    };
    let shown = |level: &SmolStr| if level.is_empty() { SmolStr::new_static("none") } else { level.clone() };
    let way = match (rank(before), rank(now)) {
        _ if before == now => return None,
        (was, is) if is > was => Way::Strengthened,
        (was, is) if is < was && now.is_empty() => Way::Removed,
        (was, is) if is < was => Way::Weakened,
        _ if now.is_empty() => Way::Removed,
        _ => Way::Changed,
    };
    Some(change("level", &shown(before), &shown(now), way))
}

fn policy_of(webhook: &WebhookSpec) -> &str {
    if webhook.failure_policy.is_empty() { "Fail" } else { &webhook.failure_policy }
}

fn webhooks(before: &[WebhookSpec], now: &[WebhookSpec]) -> Vec<Change> {
    let mut changes = Vec::new();
    for old in before {
        let Some(new) = now.iter().find(|new| new.name == old.name) else {
            changes.push(change("existence", &old.name, "none", Way::Removed));
            continue;
        };
        let (was, is) = (policy_of(old), policy_of(new));
        if was != is {
            changes.push(change("failure_policy", was, is, if is == "Ignore" { Way::Weakened } else { Way::Strengthened }));
        }
        for (property, was, is) in [
            ("namespace_selector", &old.namespace_selector, &new.namespace_selector),
            ("object_selector", &old.object_selector, &new.object_selector),
        ] {
            if was != is {
                changes.push(change(property, was, is, narrowed(was, is)));
            }
        }
        if old.rules != new.rules {
            changes.push(change("rules", &old.rules, &new.rules, fewer(&old.rules, &new.rules)));
        }
        if old.conditions != new.conditions {
            // All conditions must hold for the webhook to be asked at all.
            changes.push(change("conditions", &old.conditions, &new.conditions, narrowed(&old.conditions, &new.conditions)));
        }
        let (was, is) = (old.timeout.unwrap_or(TIMEOUT), new.timeout.unwrap_or(TIMEOUT));
        if was != is {
            let way = if is < was && is <= SHORT { Way::Weakened } else { Way::Changed };
            changes.push(change("timeout", &format_smolstr!("{was}"), &format_smolstr!("{is}"), way));
        }
        if old.client != new.client {
            changes.push(change("client", &old.client, &new.client, Way::Changed));
        }
    }
    changes
}

/// The time-out where none is named, in seconds, and one that is hardly kept.
const TIMEOUT: i64 = 10;
const SHORT: i64 = 2;

fn webhooks_unknown(now: &[WebhookSpec], patched: &[SmolStr]) -> Vec<Change> {
    let targeted = patched.len() <= TARGETED;
    let touches =
        |key: &str| targeted && patched.iter().any(|path| path.strip_prefix("webhooks.").is_some_and(|rest| rest.starts_with(key)));
    let mut changes = Vec::new();
    if touches("failurePolicy") && now.iter().any(|webhook| policy_of(webhook) == "Ignore") {
        changes.push(change("failure_policy", UNKNOWN, "Ignore", Way::Weakened));
    }
    for (key, property) in
        [("namespaceSelector", "namespace_selector"), ("objectSelector", "object_selector"), ("matchConditions", "conditions")]
    {
        if touches(key) {
            let shown = |webhook: &WebhookSpec| match key {
                "namespaceSelector" => webhook.namespace_selector.clone(),
                "objectSelector" => webhook.object_selector.clone(),
                _ => webhook.conditions.clone(),
            };
            let after = now.iter().map(shown).find(|text| !is_empty(text)).unwrap_or_default();
            changes.push(change(property, UNKNOWN, &after, if after.is_empty() { Way::Strengthened } else { Way::Weakened }));
        }
    }
    if touches("rules") {
        changes.push(change("rules", UNKNOWN, now.first().map_or("", |webhook| &webhook.rules), Way::Changed));
    }
    if touches("timeoutSeconds") && now.iter().any(|webhook| webhook.timeout.is_some_and(|timeout| timeout <= SHORT)) {
        changes.push(change("timeout", UNKNOWN, &format_smolstr!("{SHORT}"), Way::Weakened));
    }
    if targeted && (patched.iter().any(|path| path == "webhooks") || now.is_empty()) && now.is_empty() {
        changes.push(change("existence", UNKNOWN, "none", Way::Removed));
    }
    changes
}

fn is_empty(text: &str) -> bool {
    matches!(text, "" | "{}" | "[]" | "null")
}

/// The single demands of a selector or of conditions: each one more lets less through.
fn demands(text: &str) -> Option<BTreeSet<String>> {
    if is_empty(text) {
        return Some(BTreeSet::new());
    }
    let mut demands = BTreeSet::new();
    match serde_json::from_str(text).ok()? {
        Json::Array(list) => demands.extend(list.iter().map(Json::to_string)),
        Json::Object(parts) => {
            for (key, value) in &parts {
                match value {
                    Json::Array(list) => demands.extend(list.iter().map(Json::to_string)),
                    Json::Object(labels) => demands.extend(labels.iter().map(|(label, value)| format!("{label}={value}"))),
                    other => drop(demands.insert(format!("{key}:{other}"))),
                }
            }
        }
        _ => return None,
    }
    Some(demands)
}

/// Whether fewer objects are looked at than before.
fn narrowed(before: &str, now: &str) -> Way {
    match (demands(before), demands(now)) {
        (Some(was), Some(is)) if is.is_superset(&was) => Way::Weakened,
        (Some(was), Some(is)) if was.is_superset(&is) => Way::Strengthened,
        // One demand in place of another lets through what it did not: values added to an exclusion look so.
        (Some(was), Some(is)) if is.len() >= was.len() => Way::Weakened,
        _ => Way::Changed,
    }
}

/// Whether rules cover less than before: every (operation, group, resource) that is covered.
fn fewer(before: &str, now: &str) -> Way {
    let covered = |text: &str| -> Option<BTreeSet<String>> {
        let rules: Vec<Json> = if is_empty(text) { Vec::new() } else { serde_json::from_str(text).ok()? };
        let mut all = BTreeSet::new();
        for rule in rules.iter().take(64) {
            let list = |key: &str| -> Vec<String> {
                let items = rule.get(key).and_then(Json::as_array).into_iter().flatten();
                items.filter_map(Json::as_str).take(64).map(str::to_owned).collect()
            };
            for operation in list("operations") {
                for group in list("apiGroups") {
                    all.extend(list("resources").into_iter().map(|resource| format!("{operation} {group} {resource}")));
                }
            }
        }
        Some(all)
    };
    match (covered(before), covered(now)) {
        (Some(_), Some(is)) if is.is_empty() => Way::Removed,
        (Some(was), Some(is)) if was.is_superset(&is) && was != is => Way::Weakened,
        (Some(was), Some(is)) if is.is_superset(&was) && was != is => Way::Strengthened,
        _ => Way::Changed,
    }
}

/// A quantity of Kubernetes as a number; `None` when it is none.
fn quantity(text: &str) -> Option<f64> {
    const UNITS: [(&str, f64); 13] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1.125_899_906_842_624e15),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
    ];
    let (number, factor) = UNITS.iter().find_map(|(unit, factor)| text.strip_suffix(unit).map(|n| (n, *factor))).unwrap_or((text, 1.0));
    number.trim().parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number * factor)
}

fn bounds(before: &[(SmolStr, SmolStr)], now: &[(SmolStr, SmolStr)]) -> Vec<Change> {
    let mut changes = Vec::new();
    for (name, was) in before {
        match now.iter().find(|(known, _)| known == name).map(|(_, is)| is) {
            None => changes.push(change(name, was, "none", Way::Removed)),
            Some(is) if is != was => {
                let way = match (quantity(was), quantity(is)) {
                    // A least bound, and what is given by default, weaken the other way round or not at all.
                    _ if !(name.contains("max") || name.contains("hard")) => Way::Changed,
                    (Some(was), Some(is)) if is > was => Way::Weakened,
                    (Some(was), Some(is)) if is < was => Way::Strengthened,
                    (Some(_), Some(_)) => continue,
                    _ => Way::Changed,
                };
                changes.push(change(name, was, is, way));
            }
            Some(_) => {}
        }
    }
    changes
}

fn scope(before: Option<&Known>, selector: &[(SmolStr, SmolStr)], replicas: Option<i64>, patched: &[SmolStr]) -> Vec<Change> {
    let mut changes = Vec::new();
    let shown = |selector: &[(SmolStr, SmolStr)]| {
        let all: Vec<String> = selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
        if all.is_empty() { SmolStr::new_static("every node") } else { SmolStr::from(all.join(",")) }
    };
    let targeted = patched.len() <= TARGETED;
    match before {
        Some(Known::Scope(was, count)) => {
            if was.as_slice() != selector {
                let way = if was.iter().any(|label| !selector.contains(label)) && selector.iter().all(|label| was.contains(label)) {
                    Way::Strengthened
                } else {
                    Way::Weakened
                };
                changes.push(change("node_selector", &shown(was), &shown(selector), way));
            }
            if let (Some(count), Some(replicas)) = (count, replicas)
                && replicas == 0
                && *count > 0
            {
                changes.push(change("replicas", &format_smolstr!("{count}"), "0", Way::Removed));
            }
        }
        _ => {
            if targeted && patched.iter().any(|path| path.starts_with("spec.template.spec.nodeSelector")) && !selector.is_empty() {
                changes.push(change("node_selector", UNKNOWN, &shown(selector), Way::Weakened));
            }
            if targeted && replicas == Some(0) && patched.iter().any(|path| path == "spec.replicas") {
                changes.push(change("replicas", UNKNOWN, "0", Way::Removed));
            }
        }
    }
    if targeted && patched.iter().any(|path| path.starts_with("spec.template.spec.affinity")) {
        changes.push(change("affinity", UNKNOWN, "changed", Way::Weakened));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ways(before: &Known, now: &Known) -> String {
        compare(Some(before), now, &[])
            .iter()
            .map(|change| format!("{} {}", change.property, change.way.as_str()))
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn hook(policy: &str, selector: &str, rules: &str) -> Known {
        Known::Webhooks(vec![WebhookSpec {
            name: "check".into(),
            failure_policy: policy.into(),
            namespace_selector: selector.into(),
            rules: rules.into(),
            ..WebhookSpec::default()
        }])
    }

    #[test]
    fn a_webhook_is_weaker_when_it_looks_at_less_or_may_fail() {
        let rules = r#"[{"operations":["CREATE","UPDATE"],"apiGroups":[""],"resources":["pods"]}]"#;
        let fewer = r#"[{"operations":["CREATE"],"apiGroups":[""],"resources":["pods"]}]"#;
        let but_one = r#"{"matchExpressions":[{"key":"name","operator":"NotIn","values":["a"]}]}"#;
        let whole = hook("", "", rules);
        assert_eq!(ways(&whole, &whole), "");
        assert_eq!(ways(&whole, &hook("Fail", "", rules)), "", "the default said aloud is no change");
        assert_eq!(ways(&whole, &hook("Ignore", but_one, fewer)), "failure_policy weakened, namespace_selector weakened, rules weakened");
        assert_eq!(
            ways(&hook("Ignore", but_one, fewer), &whole),
            "failure_policy strengthened, namespace_selector strengthened, rules strengthened"
        );
        assert_eq!(ways(&whole, &hook("", "", "[]")), "rules removed");
        assert_eq!(ways(&whole, &Known::Webhooks(Vec::new())), "existence removed");
    }

    #[test]
    fn levels_and_bounds_have_an_order() {
        let level = |word: &str| Known::Level(word.into());
        assert_eq!(ways(&level("restricted"), &level("baseline")), "level weakened");
        assert_eq!(ways(&level("baseline"), &level("")), "level removed");
        assert_eq!(ways(&level(""), &level("restricted")), "level strengthened");
        let bound = |value: &str| Known::Bounds(vec![("container.max.memory".into(), value.into())]);
        assert_eq!(ways(&bound("1Gi"), &bound("2Gi")), "container.max.memory weakened");
        assert_eq!(ways(&bound("1Gi"), &bound("512Mi")), "container.max.memory strengthened");
        assert_eq!(ways(&bound("1Gi"), &bound("1024Mi")), "", "the same in another unit");
        assert_eq!(ways(&bound("1Gi"), &Known::Bounds(Vec::new())), "container.max.memory removed");
    }

    #[test]
    fn without_a_before_only_what_a_patch_names_is_told() {
        let told = |patched: &[&str]| {
            let patched: Vec<SmolStr> = patched.iter().copied().map(SmolStr::new).collect();
            compare(None, &hook("Ignore", "", "[]"), &patched).len()
        };
        assert_eq!(told(&["webhooks.failurePolicy"]), 1);
        assert_eq!(told(&["webhooks.clientConfig.caBundle"]), 0);
        // The whole object said again says nothing of what is new in it.
        assert_eq!(told(&["metadata.name", "webhooks.name", "webhooks.failurePolicy", "webhooks.rules", "webhooks.sideEffects"]), 0);
    }
}
