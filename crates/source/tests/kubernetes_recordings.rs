//! The decoders of Kubernetes against what real API servers wrote. The recordings stand in `$LANDWAITER_TEST_DATA`; without it each test says that it was skipped.

use event::fact::Fact;
use event::kubernetes::*;
use event::{Prepared, dictionary};
use source::read::{ReadOptions, Reader};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The records of a file or folder; `None`, and a word about it, where it is not there.
fn records(name: &str) -> Option<Vec<Prepared>> {
    let path = std::env::var_os("LANDWAITER_TEST_DATA").map(|folder| PathBuf::from(folder).join(name)).filter(|path| path.exists());
    let Some(path) = path else {
        eprintln!("skipped: LANDWAITER_TEST_DATA names no folder with {name}");
        return None;
    };
    let mut reader = Reader::open(&[path], &ReadOptions::default()).unwrap();
    Some(reader.by_ref().collect())
}

fn requests(name: &str) -> Option<Vec<ApiRequest>> {
    let list = records(name)?;
    Some(list.iter().filter_map(request).cloned().collect())
}

fn request(prepared: &Prepared) -> Option<&ApiRequest> {
    match &prepared.content {
        Some(Ok(decoded)) => match &decoded.fact {
            Some(Fact::Request(request)) => Some(request),
            _ => None,
        },
        _ => None,
    }
}

/// Requests for a resource, each at its last stage.
fn ended<'a>(list: &'a [ApiRequest], verb: &str, resource: &str, subresource: &str) -> Vec<&'a ApiRequest> {
    list.iter()
        .filter(|one| one.stage == "ResponseComplete" && one.verb == verb && one.resource == resource && one.subresource == subresource)
        .collect()
}

fn pod(object: Option<&Object>) -> &PodSpec {
    match object.map(|object| &object.body) {
        Some(Body::Pod(pod)) => pod,
        other => panic!("no pod: {other:?}"),
    }
}

fn template(object: Option<&Object>) -> &PodSpec {
    match object.map(|object| &object.body) {
        Some(Body::Workload(workload)) => workload.template.as_deref().expect("a template"),
        other => panic!("no workload: {other:?}"),
    }
}

#[test]
fn every_line_is_a_request_with_a_time_and_an_identity() {
    let Some(all) = records("k8s-audit") else { return };
    let all: Vec<&Prepared> = all.iter().filter(|prepared| !prepared.record.place.file.ends_with("README.md")).collect();
    let mut stages: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for prepared in &all {
        let request = request(prepared).unwrap_or_else(|| panic!("{:?}", prepared.record.place));
        let Some(Ok(decoded)) = &prepared.content else { panic!() };
        assert!(decoded.time.is_some() && decoded.identity.is_some() && request.received.is_some());
        assert_eq!((decoded.kind, prepared.record.source.as_str()), (dictionary::KUBERNETES_AUDIT, "kubernetes_audit"));
        assert!(!request.user.name.is_empty() && !request.user.credential.is_empty(), "{:?}", request.user);
        assert_eq!(request.peer, "127.0.0.1");
        assert_eq!(request.code.is_none(), request.stage == "RequestReceived");
        stages.entry(request.audit_id.clone()).or_default().insert(request.stage.clone());
    }
    // A batch that the webhook posted holds hundreds of records.
    let posted = all.iter().filter(|prepared| prepared.record.place.file.ends_with("webhook-benign-rollout.jsonl")).count();
    assert!(posted > 100, "{posted}");
    assert!(stages.values().any(|stages| stages.len() == 3) && stages.values().any(|stages| stages.len() == 1));
}

#[test]
fn a_spray_of_sixty_pods_is_sixty_requests() {
    let Some(all) = requests("k8s-audit/attack-pod-spray.jsonl") else { return };
    let lines = all.iter().filter(|one| one.verb == "create" && one.resource == "pods" && one.subresource.is_empty()).count();
    let made = ended(&all, "create", "pods", "");
    let distinct: BTreeSet<_> = made.iter().map(|one| &one.audit_id).collect();
    assert_eq!((lines, distinct.len()), (120, 60));
    for one in &made {
        assert!(one.object_final && !one.name.is_empty() && !one.uid.is_empty());
        assert_eq!(one.code, Some(201));
        assert!(!pod(one.object.as_deref()).containers[0].spec.image.is_empty());
        // What was asked for, before defaults and admission.
        assert!(one.asked.is_some());
    }
    let bound = ended(&all, "create", "pods", "binding");
    assert!(!bound.is_empty());
    assert!(bound.iter().all(|one| matches!(&one.object.as_ref().unwrap().body, Body::Target(node) if !node.is_empty())));
}

#[test]
fn an_ephemeral_container_and_the_exec_in_it_are_seen() {
    let Some(all) = requests("k8s-audit/attack-ephemeral-container.jsonl") else { return };
    let patch = ended(&all, "patch", "pods", "ephemeralcontainers")[0];
    let pod_now = pod(patch.object.as_deref());
    let added = pod_now.containers.iter().find(|one| one.sort == ContainerSort::Ephemeral).expect("an ephemeral container");
    assert_eq!((added.spec.name.as_str(), added.target.as_str()), ("dbg", "frontend"));
    assert_eq!(added.spec.cap_add, ["NET_ADMIN", "NET_RAW"]);
    assert!(patch.patched.iter().any(|path| path == "spec.ephemeralContainers.image"), "{:?}", patch.patched);
    // By websocket it is a `get`, answered by a change of protocol, and told in three stages.
    let exec: Vec<_> = all.iter().filter(|one| one.subresource == "exec").collect();
    assert_eq!(
        exec.iter().map(|one| (one.verb.as_str(), one.code)).collect::<Vec<_>>(),
        [("get", None), ("get", Some(101)), ("get", Some(101))]
    );
    assert!(exec.iter().all(|one| one.command == ["ls", "/proc/1/root"] && one.container == "dbg"));
    // The kubelet's status says addresses and the runtime's ids, and no containers.
    let status = ended(&all, "patch", "pods", "status")[0];
    let seen = pod(status.asked.as_deref());
    assert!(seen.status_only && status.object.is_none());
    assert_eq!((seen.address.as_str(), seen.containers.len(), status.user.name.as_str()), ("10.8.2.12", 2, "system:node:worker-b"));
    assert!(seen.containers.iter().all(|one| one.spec.id.len() == 64 && one.spec.image_id.starts_with("sha256:")));
}

#[test]
fn limits_that_a_patch_takes_away_are_gone_in_the_answer() {
    let Some(all) = requests("k8s-audit/attack-limits-removed.jsonl") else { return };
    let patches = ended(&all, "patch", "deployments", "");
    assert!(!patches.is_empty());
    let touching: Vec<_> = patches.iter().filter(|one| one.patched.iter().any(|path| path.contains("resources"))).collect();
    assert!(!touching.is_empty(), "{:?}", patches.iter().map(|one| &one.patched).collect::<Vec<_>>());
    assert!(touching.iter().any(|one| template(one.object.as_deref()).containers[0].spec.memory_limit.is_none()));
    // A controller's pods have no name in the request; it is in the answer, with who owns them.
    for one in ended(&all, "create", "pods", "") {
        assert!(!one.name.is_empty());
        assert_eq!(one.object.as_ref().unwrap().owner.as_ref().unwrap().kind, "ReplicaSet");
    }
}

#[test]
fn a_policy_that_allows_everything_is_read() {
    let Some(all) = requests("k8s-audit/attack-networkpolicy-allow-all.jsonl") else { return };
    let made = ended(&all, "create", "networkpolicies", "")[0];
    let Body::NetworkPolicy(policy) = &made.object.as_ref().unwrap().body else { panic!() };
    assert!(policy.pods == Selector::default());
    let open = |rules: &Option<Vec<PolicyRule>>| rules.as_ref().is_some_and(|rules| rules.contains(&PolicyRule::default()));
    assert!(open(&policy.ingress) || open(&policy.egress), "{policy:?}");
}

#[test]
fn a_cron_job_its_jobs_and_their_pods_hang_together() {
    let Some(all) = requests("k8s-audit/benign-cronjob.jsonl") else { return };
    let Body::Workload(cron) = &ended(&all, "create", "cronjobs", "")[0].object.as_ref().unwrap().body else { panic!() };
    assert!(!cron.schedule.is_empty() && cron.template.is_some());
    for (resource, owner) in [("jobs", "CronJob"), ("pods", "Job")] {
        let made = ended(&all, "create", resource, "");
        assert!(made.iter().any(|one| one.object.as_ref().unwrap().owner.as_ref().is_some_and(|found| found.kind == owner)), "{resource}");
    }
    // A deletion's own body is no object, and its answer may be a status.
    for one in ended(&all, "delete", "jobs", "").into_iter().chain(ended(&all, "delete", "cronjobs", "")) {
        assert!(one.object.is_none() && one.asked.is_none() && !one.uid.is_empty(), "{one:?}");
    }
}

#[test]
fn a_rollout_shows_tokens_scales_and_conflicts() {
    let Some(all) = requests("k8s-audit/benign-rollout.jsonl") else { return };
    for one in all.iter().filter(|one| one.code == Some(409)) {
        assert!(!one.object_final, "a conflict has no answer but a status");
    }
    for one in ended(&all, "create", "serviceaccounts", "token") {
        assert!(one.issued_credential.starts_with("JTI="), "{one:?}");
    }
    for one in ended(&all, "patch", "deployments", "scale") {
        let Body::Workload(scale) = &one.object.as_ref().unwrap().body else { panic!() };
        assert!(scale.replicas.is_some() && scale.template.is_none());
        assert!(!one.name.is_empty());
    }
    for one in ended(&all, "delete", "pods", "").into_iter().filter(|one| one.code == Some(200)) {
        assert!(one.object.as_ref().unwrap().deleted);
    }
}

#[test]
fn what_the_webhook_posted_says_what_the_log_says() {
    let (Some(log), Some(posted)) = (requests("k8s-audit/benign-rollout.jsonl"), requests("k8s-audit/webhook-benign-rollout.jsonl")) else {
        return;
    };
    let by_key: BTreeMap<_, _> = log.iter().map(|one| ((&one.audit_id, &one.stage), one)).collect();
    let mut both = 0;
    for one in &posted {
        if let Some(logged) = by_key.get(&(&one.audit_id, &one.stage)) {
            assert_eq!(*logged, one);
            both += 1;
        }
    }
    assert!(both > 0, "the two recordings share no request");
}

#[test]
fn the_old_schema_is_read_like_the_new_one() {
    let Some(all) = records("falco-k8s-audit") else { return };
    let broken: Vec<_> =
        all.iter().filter(|prepared| request(prepared).is_none()).map(|prepared| prepared.record.place.file.clone()).collect();
    assert_eq!(broken.len(), 1, "{broken:?}");
    assert!(broken[0].ends_with("fal_01_003.json"));
    let of =
        |name: &str| -> Vec<&ApiRequest> { all.iter().filter(|one| one.record.place.file.ends_with(name)).filter_map(request).collect() };
    let containers = |name: &str| {
        let list = of(name);
        let made = list.iter().find(|one| one.object.is_some()).expect("a pod");
        pod(made.object.as_deref()).containers.clone()
    };
    assert!(containers("create_nginx_pod_privileged.json")[0].spec.privileged);
    assert!(!containers("create_nginx_pod_unprivileged.json")[0].spec.privileged);
    let two: Vec<bool> = containers("create_nginx_pod_privileged_2nd_container.json").iter().map(|one| one.spec.privileged).collect();
    assert_eq!(two, [false, true]);
    assert_eq!(containers("create_nginx_pod_hostnetwork.json")[0].spec.network_mode, "host");
    assert_eq!(containers("create_nginx_pod_nohostnetwork.json")[0].spec.network_mode, "");
    let binds = |name: &str| -> Vec<String> {
        containers(name)
            .iter()
            .flat_map(|one| one.spec.mounts.clone())
            .filter(|mount| mount.kind == "bind")
            .map(|mount| mount.source.to_string())
            .collect()
    };
    assert_eq!(binds("create_nginx_pod_sensitive_mount.json"), ["/etc"]);
    assert!(!binds("create_nginx_pod_unsensitive_mount.json").contains(&"/etc".to_owned()));
    assert_eq!(of("anonymous_creates_namespace_foo.json")[0].user.name, "system:anonymous");
    let Body::Binding(binding) = &of("attach_cluster_admin_role.json")[0].object.as_ref().unwrap().body else { panic!() };
    assert_eq!((binding.role_kind.as_str(), binding.role.as_str()), ("ClusterRole", "cluster-admin"));
    let Body::Role(rules) = &of("create_cluster_role_wildcard_verbs.json")[0].object.as_ref().unwrap().body else { panic!() };
    assert_eq!(rules[0].verbs, ["*"]);
    assert_eq!(of("attach_pod.json")[0].container, "nginx1");
    assert!(!of("exec_pod.json")[0].command.is_empty());
    let Body::Keys(keys) = &of("create_configmap_sensitive_values.json")[0].object.as_ref().unwrap().body else { panic!() };
    assert!(!keys.is_empty());
}
