//! What the decoders of Kubernetes read: audit events as API servers write them, the envelopes of the clouds, and the objects of a cluster.

use event::fact::{Fact, Mount, Port};
use event::kubernetes::*;
use event::{Body as Bytes, Decoded, Place, Record, SmolStr, Time};
use source::read::{ReadOptions, Reader};
use std::sync::Arc;

fn record(source: &str, text: &str) -> Record {
    Record {
        seq: 0,
        source: source.into(),
        host: "local".into(),
        arrived: Time(0),
        live: false,
        body: Bytes::Data(Arc::from(text.as_bytes())),
        place: Place::default(),
    }
}

fn read(text: &str) -> (SmolStr, Decoded) {
    let prepared = source::prepare(record("", text));
    (prepared.record.source.clone(), prepared.content.unwrap().unwrap_or_else(|e| panic!("{text}: {}", e.reason)))
}

fn request(text: &str) -> ApiRequest {
    match read(text).1.fact {
        Some(Fact::Request(request)) => *request,
        other => panic!("{text}: {other:?}"),
    }
}

/// An answered request with these further members.
fn event(verb: &str, resource: &str, more: &str) -> String {
    let comma = if more.is_empty() { "" } else { "," };
    format!(
        r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"a-1","stage":"ResponseComplete","verb":"{verb}","objectRef":{{{resource}}},"requestReceivedTimestamp":"2026-11-24T12:00:00.000000Z","stageTimestamp":"2026-11-24T12:00:01.500000Z"{comma}{more}}}"#
    )
}

const POD: &str = r#""resource":"pods","namespace":"shop","apiVersion":"v1""#;

fn pod_of(object: Option<&Object>) -> &PodSpec {
    match object.map(|object| &object.body) {
        Some(Body::Pod(pod)) => pod,
        other => panic!("no pod: {other:?}"),
    }
}

/// The pod of a create whose answer has this spec and status.
fn created(spec: &str, more: &str) -> Object {
    let object = format!(
        r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"p","namespace":"shop","uid":"u-1","labels":{{"app":"web"}}{more}}},"spec":{spec}}}"#
    );
    *request(&event("create", POD, &format!(r#""responseStatus":{{"code":201}},"responseObject":{object}"#))).object.unwrap()
}

#[test]
fn each_stage_is_a_statement_of_its_own_and_repeats_are_the_same() {
    let complete = event("get", POD, "");
    let received = complete.replace("ResponseComplete", "RequestReceived");
    let (one, two, other) = (read(&complete).1, read(&complete).1, read(&received).1);
    assert_eq!(one.identity, two.identity);
    assert!(one.identity.is_some() && one.identity != other.identity);
    assert_eq!(one.time, Time::parse("2026-11-24T12:00:01.5Z"));
    let request = request(&received);
    assert_eq!((request.audit_id.as_str(), request.stage.as_str()), ("a-1", "RequestReceived"));
    assert_eq!(request.received, Time::parse("2026-11-24T12:00:00Z"));
    assert_eq!((request.code, request.object, request.decision.as_str()), (None, None, ""));
}

#[test]
fn the_old_schema_has_only_whole_seconds() {
    let old = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1beta1","metadata":{"creationTimestamp":"2018-10-25T14:09:12Z"},"level":"Metadata","timestamp":"2018-10-25T14:09:12Z","auditID":"a","stage":"ResponseComplete","requestURI":"/api/v1/namespaces","verb":"list","user":{"username":"u"}}"#;
    assert_eq!(read(old).1.time, Time::parse("2018-10-25T14:09:12Z"));
    // Shaped to upset a reader, and no audit event.
    let hostile = source::prepare(record("", r#"{"kind": 0}"#)).content.unwrap().unwrap_err();
    assert!(hostile.unknown);
    assert!(source::prepare(record("kubernetes_audit", r#"{"kind": 0}"#)).content.unwrap().is_err());
    let odd =
        request(r#"{"auditID":"a","stage":7,"verb":["x"],"user":"root","objectRef":[],"sourceIPs":{},"annotations":3,"requestObject":5}"#);
    assert_eq!((odd.verb.as_str(), odd.user.name.as_str(), odd.peer.as_str()), ("", "", ""));
}

#[test]
fn a_request_that_was_never_authenticated_has_no_user() {
    let refused = request(&event("get", POD, r#""user":{},"responseStatus":{"code":401,"reason":"Unauthorized"}"#));
    assert_eq!((refused.user, refused.code, refused.reason.as_str()), (Identity::default(), Some(401), "Unauthorized"));
}

#[test]
fn who_asks_is_kept_with_the_credential_and_both_identities() {
    let asked = request(&event(
        "list",
        POD,
        r#""user":{"username":"system:serviceaccount:shop:web","uid":"7","groups":["system:authenticated"],"extra":{"authentication.kubernetes.io/credential-id":["JTI=1"],"authentication.kubernetes.io/pod-name":["web-1"],"authentication.kubernetes.io/node-name":["n1"]}},"impersonatedUser":{"username":"admin","groups":["system:masters"]},"sourceIPs":["10.0.0.1","203.0.113.9"],"userAgent":"curl","annotations":{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"RBAC","authentication.kubernetes.io/issued-credential-id":"JTI=2","pod-security.kubernetes.io/enforce-policy":"baseline:latest"}"#,
    ));
    assert_eq!((asked.user.credential.as_str(), asked.user.pod.as_str(), asked.user.node.as_str()), ("JTI=1", "shop/web-1", "n1"));
    let assumed = asked.impersonated.unwrap();
    assert_eq!((assumed.name.as_str(), assumed.groups.len()), ("admin", 1));
    // The last address is the peer's; those before it are the client's own words.
    assert_eq!((asked.peer.as_str(), asked.forwarded_for.as_slice()), ("203.0.113.9", &[SmolStr::new("10.0.0.1")][..]));
    assert_eq!((asked.decision.as_str(), asked.issued_credential.as_str()), ("allow", "JTI=2"));
    assert_eq!(asked.pod_security, "baseline:latest");
}

#[test]
fn the_command_of_an_exec_is_in_the_query() {
    let exec = request(&event(
        "get",
        r#""resource":"pods","namespace":"shop","name":"web-1","subresource":"exec""#,
        r#""requestURI":"/api/v1/namespaces/shop/pods/web-1/exec?command=ls\u0026command=%2Fproc%2F1%2Froot\u0026container=dbg\u0026tty=true","responseStatus":{"code":101}"#,
    ));
    assert_eq!(exec.command, ["ls", "/proc/1/root"]);
    assert_eq!((exec.container.as_str(), exec.tty, exec.code), ("dbg", true, Some(101)));
}

#[test]
fn a_patch_is_no_object() {
    let reference = r#""resource":"deployments","namespace":"shop","name":"web","apiGroup":"apps","apiVersion":"v1""#;
    let final_object =
        r#"{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"web","namespace":"shop","uid":"u"},"spec":{"replicas":3}}"#;
    let json_patch = r#"[{"op":"remove","path":"/spec/template/spec/containers/0/resources/limits"}]"#;
    let answered = request(&event(
        "patch",
        reference,
        &format!(r#""requestObject":{json_patch},"responseObject":{final_object},"responseStatus":{{"code":200}}"#),
    ));
    assert_eq!(answered.patched, ["spec.template.spec.containers.resources.limits"]);
    assert!(answered.object_final && answered.asked.is_none());
    let Body::Workload(workload) = &answered.object.unwrap().body else { panic!("no workload") };
    assert_eq!((workload.replicas, workload.template.is_none()), (Some(3), true));

    // Refused, the answer is a status and no object; what was asked for is still there.
    let refused = request(&event(
        "patch",
        reference,
        r#""requestObject":[{"op":"add","path":"/spec/template/spec/containers/0/securityContext","value":{"privileged":true}}],"responseObject":{"kind":"Status","status":"Failure","details":{"uid":"u-9"}},"responseStatus":{"code":403}"#,
    ));
    assert!(refused.object.is_none() && !refused.object_final);
    assert_eq!(refused.uid, "u-9");
    let Body::Workload(workload) = &refused.asked.unwrap().body else { panic!("no workload") };
    assert!(workload.template.as_ref().unwrap().containers[0].spec.privileged);
}

#[test]
fn an_ephemeral_container_comes_as_a_patch() {
    let asked = request(&event(
        "patch",
        r#""resource":"pods","namespace":"shop","name":"web-1","apiVersion":"v1","subresource":"ephemeralcontainers""#,
        r#""requestObject":{"spec":{"$setElementOrder/ephemeralContainers":[{"name":"dbg"}],"ephemeralContainers":[{"name":"dbg","image":"alpine:3","command":["sh"],"targetContainerName":"web","securityContext":{"capabilities":{"add":["NET_ADMIN"]}}}]}}"#,
    ));
    let object = asked.asked.as_deref();
    let pod = pod_of(object);
    assert_eq!((pod.containers.len(), pod.status_only), (1, false));
    let container = &pod.containers[0];
    assert_eq!((container.sort, container.target.as_str()), (ContainerSort::Ephemeral, "web"));
    assert_eq!((container.spec.cap_add[0].as_str(), container.spec.command[0].as_str()), ("NET_ADMIN", "sh"));
}

#[test]
fn a_name_that_the_request_lacks_is_in_the_answer() {
    let made = request(&event(
        "create",
        POD,
        r#""responseObject":{"kind":"Pod","metadata":{"generateName":"web-","name":"web-x1","uid":"u-1"},"spec":{}}"#,
    ));
    assert_eq!((made.name.as_str(), made.uid.as_str()), ("web-x1", "u-1"));
    // A namespace is named twice by some verbs, and stands in none.
    for reference in [r#""resource":"namespaces","namespace":"shop","name":"shop""#, r#""resource":"namespaces","name":"shop""#] {
        let request = request(&event("patch", reference, ""));
        assert_eq!((request.name.as_str(), request.namespace.as_str()), ("shop", ""));
    }
    let url = request(r#"{"auditID":"a","stage":"ResponseComplete","verb":"get","requestURI":"/metrics"}"#);
    assert_eq!((url.resource.as_str(), url.uri.as_str()), ("", "/metrics"));
    let proxied = request(&event("get", r#""resource":"nodes","name":"https:node-2:10251","subresource":"proxy""#, ""));
    assert_eq!(proxied.name, "node-2");
    let odd = request(&event("get", r#""resource":"secrets","name":"..","subresource":"..""#, ""));
    assert_eq!((odd.name.as_str(), odd.subresource.as_str()), ("..", ".."));
}

#[test]
fn a_deletion_says_what_went() {
    let options =
        r#""requestObject":{"kind":"DeleteOptions","apiVersion":"meta.k8s.io/__internal","dryRun":["All"],"preconditions":{"uid":"u-3"}}"#;
    let one = request(&event("delete", POD, options));
    assert!(one.dry_run && one.object.is_none() && one.asked.is_none());
    assert_eq!(one.uid, "u-3");
    let dying =
        r#""responseObject":{"kind":"Pod","metadata":{"name":"p","deletionTimestamp":"2026-11-24T12:00:00Z"},"spec":{"containers":[]}}"#;
    assert!(request(&event("delete", POD, dying)).object.unwrap().deleted);
    let many = request(&event(
        "deletecollection",
        POD,
        r#""responseObject":{"kind":"PodList","apiVersion":"v1","items":[{"metadata":{"name":"a","uid":"1"}},{"metadata":{"name":"b"}}]}"#,
    ));
    assert_eq!(
        many.items.iter().map(|object| (object.kind.as_str(), object.name.as_str())).collect::<Vec<_>>(),
        [("Pod", "a"), ("Pod", "b")]
    );
    // The objects of an ordinary list did not go.
    assert!(request(&event("list", POD, r#""responseObject":{"kind":"PodList","items":[{"metadata":{"name":"a"}}]}"#)).items.is_empty());
}

#[test]
fn a_truncated_event_says_so() {
    let cut = request(&event("create", POD, r#""annotations":{"audit.k8s.io/truncated":"true"}"#));
    assert!(cut.truncated && cut.object.is_none());
    assert_eq!(cut.level, "RequestResponse");
}

#[test]
fn a_refused_pod_is_still_what_was_asked_for() {
    let refused = request(&event(
        "create",
        POD,
        r#""annotations":{"authorization.k8s.io/decision":"allow"},"requestObject":{"kind":"Pod","metadata":{"name":"p"},"spec":{"hostPID":true,"containers":[{"name":"c"}]}},"responseObject":{"kind":"Status","code":403},"responseStatus":{"code":403,"reason":"Forbidden","message":"violates PodSecurity"}"#,
    ));
    assert!(!refused.object_final && refused.decision == "allow");
    assert_eq!(pod_of(refused.object.as_deref()).containers[0].spec.pid_mode, "host");
}

#[test]
fn a_binding_is_no_creation_of_a_pod() {
    let bound = request(&event(
        "create",
        r#""resource":"pods","namespace":"shop","name":"p","subresource":"binding""#,
        r#""requestObject":{"kind":"Binding","apiVersion":"v1","metadata":{"name":"p","uid":"u-1"},"target":{"kind":"Node","name":"n1"}}"#,
    ));
    assert_eq!((bound.object.unwrap().body, bound.subresource.as_str()), (Body::Target("n1".into()), "binding"));
}

#[test]
fn a_containers_posture_is_read_in_dockers_words() {
    let object = created(
        r#"{"hostPID":true,"hostIPC":true,"hostNetwork":true,"hostUsers":false,"serviceAccountName":"sa","nodeName":"n1","restartPolicy":"OnFailure","runtimeClassName":"gvisor",
        "securityContext":{"runAsUser":1000,"supplementalGroups":[5,6],"seccompProfile":{"type":"Unconfined"},"sysctls":[{"name":"net.x","value":"1"}]},
        "volumes":[{"name":"root","hostPath":{"path":"/var/"}},{"name":"claim","persistentVolumeClaim":{"claimName":"data"}},{"name":"mem","emptyDir":{"medium":"Memory"}},{"name":"s","secret":{"secretName":"x"}}],
        "initContainers":[{"name":"side","image":"i","restartPolicy":"Always"}],
        "containers":[{"name":"c","image":"app:1","command":["sh"],"args":["-c","id"],"tty":true,"env":[{"name":"A","value":"secret"}],
          "ports":[{"name":"web","containerPort":80},{"containerPort":53,"hostPort":53,"protocol":"UDP","hostIP":"127.0.0.1"}],
          "resources":{"limits":{"cpu":"250m","memory":"1e9","nvidia.com/gpu":1}},
          "livenessProbe":{"exec":{"command":["true"]}},
          "volumeDevices":[{"name":"claim","devicePath":"/dev/xvda"}],
          "volumeMounts":[{"name":"root","mountPath":"/h","subPath":"log","mountPropagation":"Bidirectional"},{"name":"claim","mountPath":"/d","readOnly":true},{"name":"mem","mountPath":"/m"},{"name":"s","mountPath":"/s"},{"name":"gone","mountPath":"/g"}],
          "securityContext":{"privileged":true,"capabilities":{"add":["SYS_ADMIN"],"drop":["ALL"]},"runAsUser":0,"readOnlyRootFilesystem":true,"allowPrivilegeEscalation":false,"procMount":"Unmasked","appArmorProfile":{"type":"Unconfined"},"seLinuxOptions":{"type":"spc_t"}}}]}"#,
        "",
    );
    let pod = pod_of(Some(&object));
    assert_eq!((pod.node.as_str(), pod.service_account.as_str(), pod.host_network), ("n1", "sa", true));
    assert_eq!(
        pod.containers.iter().map(|c| (c.sort, c.spec.restart_policy.as_str())).collect::<Vec<_>>(),
        [(ContainerSort::Regular, "on-failure"), (ContainerSort::Init, "always")]
    );
    let container = &pod.containers[0];
    let spec = &container.spec;
    assert_eq!([&spec.pid_mode, &spec.ipc_mode, &spec.network_mode, &spec.userns_mode], ["host", "host", "host", "private"]);
    assert!(spec.privileged && spec.readonly_rootfs && spec.tty);
    assert_eq!((spec.cap_add[0].as_str(), spec.cap_drop[0].as_str()), ("SYS_ADMIN", "ALL"));
    assert_eq!(spec.security_opt, ["seccomp=unconfined", "apparmor=unconfined", "label=type:spc_t", "no-new-privileges"]);
    assert_eq!((spec.masked_paths.as_deref(), spec.readonly_paths.as_deref()), (Some(&[][..]), Some(&[][..])));
    assert_eq!((spec.user.as_str(), spec.group_add.len(), spec.runtime.as_str()), ("0", 2, "gvisor"));
    assert_eq!(spec.command, ["sh", "-c", "id"]);
    assert_eq!((spec.env_names[0].as_str(), spec.healthcheck[0].as_str()), ("A", "true"));
    assert_eq!((spec.cpu_limit, spec.memory_limit), (Some(0.25), Some(1_000_000_000)));
    assert_eq!((spec.device_requests[0].as_str(), spec.devices[0].host_path.as_str()), ("nvidia.com/gpu", "volume:claim"));
    assert_eq!(spec.ports, [Port { container_port: 53, protocol: "udp".into(), host_address: "127.0.0.1".into(), host_port: 53 }]);
    assert_eq!(container.named_ports, [("web".into(), "TCP".into(), 80)]);
    assert_eq!(spec.labels, [("app".into(), "web".into())]);
    let bind = Mount {
        kind: "bind".into(),
        source: "/var/log".into(),
        target: "/h".into(),
        writable: true,
        propagation: "rshared".into(),
        ..Mount::default()
    };
    assert_eq!(spec.mounts[0], bind);
    let rest: Vec<_> = spec.mounts[1..].iter().map(|m| (m.kind.as_str(), m.volume.as_str(), m.driver.as_str(), m.writable)).collect();
    assert_eq!(
        rest,
        [("volume", "data", "", false), ("tmpfs", "mem", "emptyDir", true), ("volume", "s", "secret", false), ("volume", "gone", "", true)]
    );
    assert!(spec.unreadable.is_empty());
}

#[test]
fn values_of_a_wrong_type_are_named_where_they_stood() {
    let object = created(
        r#"{"hostPID":"yes","containers":[{"name":"a","resources":{"limits":{"cpu":"lots"}}},{"name":"b","securityContext":{"privileged":"true"}},{"name":"c"}]}"#,
        "",
    );
    let unreadable: Vec<Vec<String>> = pod_of(Some(&object))
        .containers
        .iter()
        .map(|container| container.spec.unreadable.iter().map(|path| path.rsplit('.').next().unwrap().to_owned()).collect())
        .collect();
    assert_eq!(unreadable, [vec!["hostPID", "cpu"], vec!["hostPID", "privileged"], vec!["hostPID"]]);
}

#[test]
fn old_annotations_unconfine_too() {
    let object = created(
        r#"{"containers":[{"name":"c"},{"name":"d"}]}"#,
        r#","annotations":{"container.apparmor.security.beta.kubernetes.io/c":"unconfined","seccomp.security.alpha.kubernetes.io/pod":"localhost/x.json","kubernetes.io/config.mirror":"f","kubectl.kubernetes.io/last-applied-configuration":"{\"data\":\"secret\"}"}"#,
    );
    let pod = pod_of(Some(&object));
    assert!(pod.mirror);
    assert_eq!(pod.containers[0].spec.security_opt, ["seccomp=x.json", "apparmor=unconfined"]);
    assert_eq!(pod.containers[1].spec.security_opt, ["seccomp=x.json"]);
    assert!(!format!("{object:?}").contains("secret"));
}

#[test]
fn a_status_alone_leaves_the_containers_unknown() {
    let status = request(&event(
        "patch",
        r#""resource":"pods","namespace":"shop","name":"web-1","subresource":"status","apiVersion":"v1""#,
        r#""requestObject":{"metadata":{"uid":"u-1"},"status":{"phase":"Running","podIP":"10.8.2.12","podIPs":[{"ip":"10.8.2.12"},{"ip":"fd00::1"}],"containerStatuses":[{"name":"web","image":"app:1","imageID":"reg/app@sha256:ff","containerID":"containerd://7f3e","restartCount":2,"state":{"running":{"startedAt":"2026-11-24T12:04:38Z"}}}],"initContainerStatuses":[{"name":"init","containerID":"cri-o://aa","state":{"terminated":{"exitCode":137,"reason":"OOMKilled"}}}]}}"#,
    ));
    assert_eq!(status.uid, "u-1");
    let pod = pod_of(status.asked.as_deref());
    assert!(pod.status_only);
    assert_eq!((pod.phase.as_str(), pod.address.as_str(), pod.addresses.len()), ("Running", "10.8.2.12", 2));
    let [web, init] = pod.containers.as_slice() else { panic!("{:?}", pod.containers) };
    assert_eq!((web.spec.id.as_str(), web.spec.image_id.as_str(), web.spec.restart_count), ("7f3e", "sha256:ff", 2));
    assert_eq!((web.state.as_str(), web.spec.started), ("running", Time::parse("2026-11-24T12:04:38Z")));
    assert_eq!(
        (init.sort, init.state.as_str(), init.spec.exit_code, init.spec.oom_killed),
        (ContainerSort::Init, "terminated", Some(137), true)
    );
    assert_eq!(init.spec.id, "aa");
}

fn body(kind: &str, api_version: &str, rest: &str) -> Body {
    let text = format!(
        r#"{{"type":"ADDED","object":{{"kind":"{kind}","apiVersion":"{api_version}","metadata":{{"name":"x","namespace":"ns"}},{rest}}}}}"#
    );
    match read(&text).1.fact {
        Some(Fact::Object(event)) => event.object.body,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_kind_of_body_is_read() {
    let template =
        r#""template":{"metadata":{"labels":{"a":"b"}},"spec":{"nodeSelector":{"disk":"ssd"},"containers":[{"name":"c","image":"i"}]}}"#;
    for kind in ["Deployment", "ReplicaSet", "DaemonSet", "StatefulSet", "Job", "ReplicationController"] {
        let Body::Workload(workload) = body(kind, "apps/v1", &format!(r#""spec":{{"replicas":2,{template}}}"#)) else { panic!("{kind}") };
        assert_eq!(workload.template.unwrap().containers[0].spec.image, "i", "{kind}");
        assert_eq!((workload.pod_labels.len(), workload.node_selector.len()), (1, 1));
    }
    let Body::Workload(cron) =
        body("CronJob", "batch/v1", &format!(r#""spec":{{"schedule":"* * * * *","jobTemplate":{{"spec":{{{template}}}}}}}"#))
    else {
        panic!()
    };
    assert!(cron.schedule == "* * * * *" && cron.template.is_some());
    let Body::Workload(daemons) = body("DaemonSet", "apps/v1", r#""status":{"desiredNumberScheduled":3,"numberReady":1}"#) else {
        panic!()
    };
    assert_eq!(daemons.desired_ready, Some((3, 1)));
    let Body::Workload(scale) = body("Scale", "autoscaling/v1", r#""spec":{"replicas":0}"#) else { panic!() };
    assert_eq!((scale.replicas, scale.template), (Some(0), None));

    let binding = body(
        "RoleBinding",
        "rbac.authorization.k8s.io/v1",
        r#""roleRef":{"kind":"ClusterRole","name":"admin"},"subjects":[{"kind":"ServiceAccount","name":"sa"},{"kind":"ServiceAccount","name":"sb","namespace":"other"},{"kind":"Group","name":"system:unauthenticated"}]"#,
    );
    assert_eq!(
        binding,
        Body::Binding(BindingSpec {
            role_kind: "ClusterRole".into(),
            role: "admin".into(),
            subjects: vec!["ServiceAccount:ns/sa".into(), "ServiceAccount:other/sb".into(), "Group:system:unauthenticated".into()],
        })
    );
    let Body::Role(rules) = body(
        "ClusterRole",
        "rbac.authorization.k8s.io/v1",
        r#""rules":[{"apiGroups":[""],"resources":["pods/exec"],"verbs":["*"],"resourceNames":["x"]}]"#,
    ) else {
        panic!()
    };
    assert_eq!((rules[0].verbs[0].as_str(), rules[0].resources[0].as_str()), ("*", "pods/exec"));
    let Body::Webhooks(hooks) = body(
        "ValidatingWebhookConfiguration",
        "admissionregistration.k8s.io/v1",
        r#""webhooks":[{"name":"w","failurePolicy":"Ignore","timeoutSeconds":1,"namespaceSelector":{},"objectSelector":{"matchLabels":{"b":"1","a":"2"}},"clientConfig":{"url":"https://x","caBundle":"AAAA"}}]"#,
    ) else {
        panic!()
    };
    assert_eq!((hooks[0].failure_policy.as_str(), hooks[0].timeout, hooks[0].namespace_selector.as_str()), ("Ignore", Some(1), ""));
    assert_eq!(
        (hooks[0].object_selector.as_str(), hooks[0].client.as_str()),
        (r#"{"matchLabels":{"a":"2","b":"1"}}"#, r#"{"url":"https://x"}"#)
    );
    assert_eq!(
        body("Secret", "v1", r#""data":{"b":"c2VjcmV0","a":""},"stringData":{"c":"x"}"#),
        Body::Keys(vec!["a".into(), "b".into(), "c".into()])
    );
    assert_eq!(
        body("LimitRange", "v1", r#""spec":{"limits":[{"type":"Container","max":{"cpu":"2"},"default":{"memory":1}}]}"#),
        Body::Limits(vec![("container.max.cpu".into(), "2".into()), ("container.default.memory".into(), "1".into())])
    );
    assert_eq!(body("ResourceQuota", "v1", r#""spec":{"hard":{"pods":"10"}}"#), Body::Limits(vec![("hard.pods".into(), "10".into())]));
    let guard = |spec: &str| match body("ClusterPolicy", "kyverno.io/v1", &format!(r#""spec":{spec}"#)) {
        Body::Guard(hash) => hash,
        other => panic!("{other:?}"),
    };
    assert_eq!(guard(r#"{"a":1,"b":2}"#), guard(r#"{ "b": 2, "a": 1 }"#));
    assert_ne!(guard(r#"{"a":1}"#), guard(r#"{"a":2}"#));
    assert_eq!(body("Service", "v1", r#""spec":{}"#), Body::Other);
}

#[test]
fn a_network_policy_is_read_as_it_is_written() {
    let Body::NetworkPolicy(policy) = body(
        "NetworkPolicy",
        "networking.k8s.io/v1",
        r#""spec":{"podSelector":{"matchExpressions":[{"key":"a","operator":"In","values":["x"]}]},"policyTypes":["Ingress"],"ingress":[{},{"from":[{"namespaceSelector":{}},{"podSelector":{"matchLabels":{"a":"b"}}},{"ipBlock":{"cidr":"10.0.0.0/8","except":["10.1.0.0/16"]}}],"ports":[{"port":80,"endPort":90},{"protocol":"UDP","port":"dns"},{}]}]}"#,
    ) else {
        panic!("no policy")
    };
    assert_eq!((policy.policy_types.len(), policy.egress.is_none()), (1, true));
    let rules = policy.ingress.unwrap();
    assert_eq!(rules[0], PolicyRule::default());
    assert_eq!(rules[1].peers[0], PolicyPeer::Pods { namespaces: Some(Selector::default()), pods: None });
    assert!(matches!(&rules[1].peers[2], PolicyPeer::Block { cidr, except } if cidr == "10.0.0.0/8" && except.len() == 1));
    let ports: Vec<_> = rules[1].ports.iter().map(|port| (port.protocol.as_str(), port.port.as_deref(), port.end_port)).collect();
    assert_eq!(ports, [("", Some("80"), Some(90)), ("UDP", Some("dns"), None), ("", None, None)]);
}

#[test]
fn a_list_is_complete_or_refused() {
    let list = r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"9"},"items":[{"metadata":{"name":"a","uid":"1"},"spec":{"containers":[]}}]}"#;
    let (source, decoded) = read(list);
    assert_eq!((source.as_str(), decoded.time), ("kubernetes_objects", None));
    let Some(Fact::Objects(objects)) = decoded.fact else { panic!("no list") };
    assert_eq!((objects.kind.as_str(), objects.items[0].kind.as_str()), ("Pod", "Pod"));
    let page = list.replace(r#""resourceVersion":"9""#, r#""continue":"abc""#);
    assert!(source::prepare(record("", &page)).content.unwrap().unwrap_err().reason.contains("page"));
    // How far a watch has come is no statement about an object.
    assert!(read(r#"{"type":"BOOKMARK","object":{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"5"}}}"#).1.fact.is_none());
    assert!(source::prepare(record("", r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"on-a-disk"}}"#)).content.unwrap().is_err());
}

#[test]
fn the_clouds_envelopes_come_off() {
    let inner = event("get", r#""resource":"secrets","namespace":"shop","name":"pay""#, r#""responseStatus":{"code":200}"#);
    let plain = read(&inner).1;
    let quoted = serde_json::to_string(&inner).unwrap();
    for (name, envelope) in [
        ("eks_audit", format!(r#"{{"@timestamp":"x","@message":{inner}}}"#)),
        ("eks_audit", format!(r#"{{"timestamp":1,"message":{quoted},"ingestionTime":2}}"#)),
        ("eks_audit", format!("2026-11-24T12:00:02.000Z {inner}")),
        ("aks_audit", format!(r#"{{"category":"kube-audit","properties":{{"log":{quoted}}}}}"#)),
        ("aks_audit", format!(r#"{{"category":"kube-audit","properties":{{"log":{inner}}}}}"#)),
        ("aks_audit", format!(r#"{{"Category":"kube-audit","log_s":{quoted}}}"#)),
    ] {
        let (source, decoded) = read(&envelope);
        assert_eq!(source, name, "{envelope}");
        assert_eq!((decoded.time, decoded.identity, &decoded.fact), (plain.time, plain.identity, &plain.fact), "{envelope}");
        // Rules name the event's own paths.
        assert_eq!(format!("{:?}", decoded.document), format!("{:?}", plain.document));
    }
    let cut = source::prepare(record("", r#"{"message":"{\"auditID\":\"a\",\"stage\":"}"#)).content.unwrap().unwrap_err();
    assert!(cut.reason.contains("cannot be read"), "{}", cut.reason);
}

#[test]
fn an_entry_of_cloud_audit_logs_becomes_the_event_that_it_was() {
    let entry = |method: &str, resource: &str, rest: &str| {
        format!(
            r#"{{"protoPayload":{{"methodName":"{method}","resourceName":"{resource}","authenticationInfo":{{"principalEmail":"ann"}},"requestMetadata":{{"callerIp":"192.0.2.7"}}{rest}}},"insertId":"i","timestamp":"2026-11-24T12:04:37Z","labels":{{"authorization.k8s.io/decision":"forbid"}}}}"#
        )
    };
    let exec = request(&entry(
        "io.k8s.core.v1.pods.exec.create",
        "core/v1/namespaces/shop/pods/web/exec",
        r#","status":{"code":7,"message":"no"}"#,
    ));
    assert_eq!((exec.verb.as_str(), exec.resource.as_str(), exec.subresource.as_str()), ("create", "pods", "exec"));
    assert_eq!((exec.namespace.as_str(), exec.name.as_str(), exec.group.as_str()), ("shop", "web", ""));
    assert_eq!((exec.code, exec.user.name.as_str(), exec.peer.as_str(), exec.decision.as_str()), (Some(403), "ann", "192.0.2.7", "forbid"));
    let role = request(&entry(
        "io.k8s.authorization.rbac.v1.clusterrolebindings.create",
        "rbac.authorization.k8s.io/v1/clusterrolebindings/x",
        "",
    ));
    assert_eq!(
        (role.group.as_str(), role.name.as_str(), role.namespace.as_str(), role.code),
        ("rbac.authorization.k8s.io", "x", "", Some(201))
    );
    let space = request(&entry("io.k8s.core.v1.namespaces.delete", "core/v1/namespaces/shop", ""));
    assert_eq!((space.name.as_str(), space.namespace.as_str()), ("shop", ""));
    // Of another service.
    assert!(source::prepare(record("", &entry("compute.instances.insert", "x", ""))).content.unwrap().is_err());
}

#[test]
fn a_batch_in_a_file_is_many_records() {
    let dir = tempfile::tempdir().unwrap();
    let items: Vec<String> = (0..3)
        .map(|n| event("get", POD, "").replace("a-1", &format!("a-{n}")).replace(r#""kind":"Event","apiVersion":"audit.k8s.io/v1","#, ""))
        .collect();
    let line = format!(r#"{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{{}},"items":[{}]}}"#, items.join(","));
    let pretty = format!("{{\n  \"kind\": \"EventList\",\n  \"items\": [\n{}\n  ]\n}}\n", items.join(",\n"));
    std::fs::write(dir.path().join("a.jsonl"), format!("{line}\n{line}\n{pretty}{}\n", event("get", POD, ""))).unwrap();
    let mut reader = Reader::open(&[dir.path().to_owned()], &ReadOptions::default()).unwrap();
    let records: Vec<_> = reader.by_ref().collect();
    assert_eq!(records.len(), 10);
    for (number, prepared) in records.iter().enumerate() {
        assert!(matches!(&prepared.content, Some(Ok(decoded)) if matches!(decoded.fact, Some(Fact::Request(_)))));
        assert_eq!(prepared.record.place.number, number as u64 + 1);
    }
    let Bytes::Data(bytes) = &records[1].record.body else { panic!() };
    assert_eq!(&bytes[..], items[1].as_bytes());
}

#[test]
fn an_event_of_two_megabytes_is_read() {
    let filler = "x".repeat(1 << 20);
    let object = format!(
        r#"{{"kind":"Pod","metadata":{{"name":"p","annotations":{{"a":"{filler}"}}}},"spec":{{"containers":[{{"name":"c","securityContext":{{"privileged":true}}}}]}}}}"#
    );
    let large = request(&event("create", POD, &format!(r#""requestObject":{object},"responseObject":{object}"#)));
    let object = large.object.unwrap();
    assert!(pod_of(Some(&object)).containers[0].spec.privileged);
    assert_eq!(object.annotations, [("a".into(), SmolStr::default())]);
}
