//! Real recordings of an API server's audit log: attacks are found, ordinary work is left alone.

use std::path::PathBuf;
use std::process::Command;

/// The folder of recordings; `None`, said aloud, where there is none.
fn recordings(folder: &str) -> Option<PathBuf> {
    let Some(data) = std::env::var_os("LANDWAITER_TEST_DATA") else {
        eprintln!("skipped: LANDWAITER_TEST_DATA names no folder of recordings");
        return None;
    };
    let folder = PathBuf::from(data).join(folder);
    if !folder.is_dir() {
        eprintln!("skipped: {} is not there", folder.display());
        return None;
    }
    Some(folder)
}

/// Level, strategy and rule of each finding.
fn findings(file: &PathBuf) -> Vec<(String, String, String)> {
    let output = Command::new(env!("CARGO_BIN_EXE_landwaiter"))
        .args(["replay", "--output", "jsonl"])
        .arg(file)
        .output()
        .unwrap_or_else(|error| panic!("the program runs: {error}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let part = |line: &str, key: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        value.get(key).and_then(|value| value.as_str()).unwrap_or_default().to_owned()
    };
    text.lines().map(|line| (part(line, "severity"), part(line, "strategy"), part(line, "rule"))).collect()
}

#[test]
fn ordinary_work_on_a_cluster_raises_nothing() {
    let Some(folder) = recordings("k8s-audit") else { return };
    for name in ["benign-rollout.jsonl", "benign-cronjob.jsonl", "webhook-benign-rollout.jsonl"] {
        assert_eq!(findings(&folder.join(name)), [], "{name}");
    }
}

#[test]
fn attacks_on_a_cluster_are_found_and_named() {
    let Some(folder) = recordings("k8s-audit") else { return };
    for (name, level, strategy) in [
        ("attack-pod-spray.jsonl", "medium", "kubernetes-pod-spray"),
        ("attack-ephemeral-container.jsonl", "medium", "ephemeral-debug-container"),
        ("attack-limits-removed.jsonl", "medium", "resource-limits-raised"),
        ("attack-networkpolicy-allow-all.jsonl", "medium", "network-policy-opened"),
    ] {
        let found = findings(&folder.join(name));
        assert!(found.iter().any(|(at, of, _)| at == level && of == strategy), "{name}: {found:?}");
    }
}

#[test]
fn of_two_recordings_that_differ_in_one_thing_only_the_dangerous_one_is_told() {
    let Some(folder) = recordings("falco-k8s-audit") else { return };
    for (bad, good, strategy) in [
        ("create_nginx_pod_privileged", "create_nginx_pod_unprivileged", "privileged-container"),
        ("create_nginx_pod_sensitive_mount", "create_nginx_pod_unsensitive_mount", "sensitive-host-mount"),
        ("create_nginx_pod_hostnetwork", "create_nginx_pod_nohostnetwork", "host-namespace-join"),
        ("attach_cluster_admin_role", "create_clusterrolebinding", "cluster-rights-widened"),
        ("anonymous_creates_namespace_foo", "minikube_creates_namespace_foo", "control-plane-probing"),
    ] {
        let found = findings(&folder.join(format!("{bad}.json")));
        assert!(found.iter().any(|(_, of, _)| of == strategy), "{bad}: {found:?}");
        assert_eq!(findings(&folder.join(format!("{good}.json"))), [], "{good}");
    }
}
