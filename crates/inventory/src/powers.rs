//! What a role gives that leads further: to more rights, to code in a container, to the host.

use event::SmolStr;
use event::kubernetes::RoleRule;

/// The words for it, sorted.
pub fn of(rules: &[RoleRule]) -> Vec<SmolStr> {
    let mut found: Vec<&'static str> = rules.iter().flat_map(|rule| of_rule(rule)).collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().map(SmolStr::new_static).collect()
}

/// Resources, each of which makes pods.
const MAKES_PODS: [&str; 8] =
    ["pods", "deployments", "daemonsets", "statefulsets", "replicasets", "replicationcontrollers", "jobs", "cronjobs"];

fn of_rule(rule: &RoleRule) -> Vec<&'static str> {
    let any = |list: &[SmolStr], wanted: &[&str]| list.iter().any(|item| item == "*" || wanted.contains(&item.as_str()));
    let verbs = |wanted: &[&str]| any(&rule.verbs, wanted);
    let resources = |wanted: &[&str]| {
        rule.resources.iter().any(|resource| {
            resource == "*"
                || wanted.iter().any(|wanted| {
                    resource == wanted
                        || resource.strip_prefix("*/").is_some_and(|sub| wanted.split_once('/').is_some_and(|(_, of)| of == sub))
                        || resource.strip_suffix("/*").is_some_and(|of| wanted.split_once('/').is_some_and(|(whole, _)| whole == of))
                })
        })
    };
    let group = |wanted: &[&str]| rule.groups.is_empty() || any(&rule.groups, wanted);
    let core = group(&[""]);
    let rbac = group(&["rbac.authorization.k8s.io"]);
    if any(&rule.verbs, &[]) && any(&rule.resources, &[]) && any(&rule.groups, &[]) {
        return vec!["all"];
    }
    let writes = ["create", "update", "patch"];
    // A rule for named objects alone gives those, and not the kind.
    let whole = rule.names.is_empty();
    let checks = [
        ("secrets", core && whole && verbs(&["get", "list", "watch"]) && resources(&["secrets"])),
        (
            "exec",
            core && whole
                && verbs(&["create", "get", "patch", "update"])
                && resources(&["pods/exec", "pods/attach", "pods/ephemeralcontainers"]),
        ),
        ("create_pods", group(&["", "apps", "batch"]) && whole && verbs(&writes) && resources(&MAKES_PODS)),
        ("nodes_proxy", core && verbs(&["get", "create"]) && resources(&["nodes/proxy"])),
        (
            "impersonate",
            group(&["", "authentication.k8s.io"]) && verbs(&["impersonate"]) && resources(&["users", "groups", "serviceaccounts", "uids"]),
        ),
        ("escalate", rbac && verbs(&["escalate"]) && resources(&["roles", "clusterroles"])),
        ("bind", rbac && verbs(&["bind"]) && resources(&["roles", "clusterroles"])),
        ("token", core && whole && verbs(&["create"]) && resources(&["serviceaccounts/token"])),
        (
            "webhooks",
            group(&["admissionregistration.k8s.io"])
                && verbs(&["create", "update", "patch", "delete", "deletecollection"])
                && resources(&["validatingwebhookconfigurations", "mutatingwebhookconfigurations"]),
        ),
    ];
    checks.into_iter().filter(|(_, gives)| *gives).map(|(word, _)| word).collect()
}

/// What roles give that every cluster has, where their rules have not been seen.
pub fn builtin(cluster_role: &str) -> Vec<SmolStr> {
    let words: &[&'static str] = match cluster_role {
        "cluster-admin" => &["all"],
        "admin" | "edit" | "system:aggregate-to-edit" => &["create_pods", "exec", "impersonate", "secrets", "token"],
        "system:node" => &["secrets"],
        "system:kubelet-api-admin" => &["nodes_proxy"],
        "system:kube-controller-manager" => &["secrets", "token"],
        _ => &[],
    };
    words.iter().copied().map(SmolStr::new_static).collect()
}

/// Subjects that are nobody in particular.
pub fn open_to(subjects: &[SmolStr]) -> Vec<SmolStr> {
    let word = |subject: &SmolStr| {
        Some(match subject.as_str() {
            "User:system:anonymous" => "anonymous",
            "Group:system:unauthenticated" => "unauthenticated",
            "Group:system:authenticated" => "authenticated",
            "Group:system:serviceaccounts" => "all_service_accounts",
            _ => return None,
        })
    };
    let mut found: Vec<&'static str> = subjects.iter().filter_map(word).collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().map(SmolStr::new_static).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(groups: &[&str], resources: &[&str], verbs: &[&str]) -> RoleRule {
        let words = |list: &[&str]| list.iter().copied().map(SmolStr::new).collect();
        RoleRule { verbs: words(verbs), groups: words(groups), resources: words(resources), names: Vec::new() }
    }

    #[test]
    fn a_role_is_known_by_what_it_leads_to() {
        let picture = |rule: RoleRule| of(&[rule]).join(" ");
        assert_eq!(picture(rule(&["*"], &["*"], &["*"])), "all");
        assert_eq!(picture(rule(&[""], &["configmaps", "services"], &["get", "list"])), "");
        assert_eq!(picture(rule(&[""], &["secrets"], &["list"])), "secrets");
        assert_eq!(picture(rule(&[""], &["pods/exec"], &["create"])), "exec");
        assert_eq!(picture(rule(&[""], &["*/exec"], &["*"])), "exec");
        assert_eq!(picture(rule(&[""], &["nodes/proxy"], &["get"])), "nodes_proxy");
        assert_eq!(picture(rule(&["apps"], &["deployments"], &["patch"])), "create_pods");
        assert_eq!(picture(rule(&["apps"], &["secrets"], &["get"])), "");
        assert_eq!(picture(RoleRule { names: vec!["one".into()], ..rule(&[""], &["secrets"], &["get"]) }), "");
        assert_eq!(picture(rule(&[""], &["*"], &["get"])), "exec nodes_proxy secrets");
    }

    #[test]
    fn nobody_in_particular_is_named() {
        let subjects = ["Group:system:authenticated", "User:jo", "User:system:anonymous"].map(SmolStr::new);
        assert_eq!(open_to(&subjects).join(" "), "anonymous authenticated");
    }
}
