//! `landwaiter investigate` on the whole binary: five steps, from the records of every witness.

use std::path::Path;
use std::process::Command;

fn landwaiter(args: &[&str], dir: &Path) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let output = Command::new(env!("CARGO_BIN_EXE_landwaiter"))
        .args(args)
        .current_dir(root)
        .env("XDG_STATE_HOME", dir)
        .env("COLUMNS", "100")
        .output()
        .expect("the binary runs");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Id of the first finding of a strategy.
fn id_of(strategy: &str, path: &str, dir: &Path) -> String {
    let lines = landwaiter(&["replay", "--output", "jsonl", path], dir);
    let findings = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a finding a line"));
    let found = findings.into_iter().find(|finding| finding["strategy"] == strategy).unwrap_or_else(|| panic!("no {strategy} in {lines}"));
    found["id"].as_str().expect("an id").to_owned()
}

#[test]
fn an_investigation_goes_through_the_five_steps() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = "strategies/network-policy-opened/beside.jsonl.zst";
    let id = id_of("network-policy-opened", path, dir.path());
    let told = landwaiter(&["investigate", &id, path, "--offline"], dir.path());
    for heading in ["1. Verify", "2. Contain", "3. Root cause", "4. Remediate", "5. If it was benign"] {
        assert!(told.contains(heading), "no {heading} in {told}");
    }
    assert!(told.contains("kubernetes_audit (orchestrator)"), "{told}");
    assert!(told.contains("No runtime witness is in these records"), "{told}");
    // Who, from where, and what would explain it.
    assert!(told.contains("ana@corp.example from 10.20.0.9"), "{told}");
    assert!(told.contains("may = [\"create networkpolicies\"]"), "{told}");
    assert!(told.contains("put the policy back from the repository"), "{told}");
}

#[test]
fn a_containers_investigation_plans_from_its_last_inspect_and_writes_the_context_entry() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = "examples/first-day";
    let id = id_of("sensitive-host-mount", path, dir.path());
    let told = landwaiter(&["investigate", &id, path, "--offline"], dir.path());
    assert!(told.contains("docker_events (runtime)") && told.contains("docker_container (runtime)"), "{told}");
    assert!(told.contains("--apply"), "the plan names its command: {told}");
    assert!(told.contains("[[workload]]") && told.contains("image = \"sha256:"), "{told}");
    assert!(told.contains("nobody is named by docker_events"), "{told}");
}
