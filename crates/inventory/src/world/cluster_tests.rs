//! What a user relies on of pods and those who make them.

use crate::play::Play;
use event::SmolStr;
use event::dictionary as d;
use event::fact::{ContainerSpec, Fact};
use event::kubernetes::*;

const RS: &str = "system:serviceaccount:kube-system:replicaset-controller";
const DC: &str = "system:serviceaccount:kube-system:deployment-controller";
const LIFE: &[&str] = &["event.name", "container.name", "actor", "k8s.owner"];

fn pod(name: &str, image: &str, owner: Option<(&str, &str)>) -> Object {
    let spec = ContainerSpec { name: "app".into(), image: image.into(), command: vec!["serve".into()], ..ContainerSpec::default() };
    let part = PodContainer { spec, ..PodContainer::default() };
    Object {
        kind: "Pod".into(),
        namespace: "shop".into(),
        name: name.into(),
        uid: SmolStr::from(format!("uid-{name}")),
        owner: owner.map(|(kind, name)| Owner { kind: kind.into(), name: name.into(), uid: "".into() }),
        body: Body::Pod(Box::new(PodSpec { containers: vec![part], ..PodSpec::default() })),
        ..Object::default()
    }
}

fn request(verb: &str, group: &str, resource: &str, name: &str, by: &str) -> ApiRequest {
    ApiRequest {
        stage: "ResponseComplete".into(),
        level: "RequestResponse".into(),
        verb: verb.into(),
        group: group.into(),
        resource: resource.into(),
        namespace: "shop".into(),
        name: name.into(),
        user: Identity { name: by.into(), ..Identity::default() },
        code: Some(if verb == "create" { 201 } else { 200 }),
        object_final: true,
        ..ApiRequest::default()
    }
}

fn tell(play: &mut Play, mut request: ApiRequest, id: &str) {
    request.audit_id = id.into();
    play.tell(d::KUBERNETES_AUDIT, Some(Fact::Request(Box::new(request))));
}

fn create(play: &mut Play, object: Object, by: &str) {
    let id = format!("create-{}", object.name);
    let request = ApiRequest { object: Some(Box::new(object.clone())), ..request("create", "", "pods", &object.name, by) };
    tell(play, request, &id);
}

fn workload(kind: &str, name: &str, owner: Option<(&str, &str)>, image: &str, replicas: i64, play: &Play) -> Object {
    Object {
        kind: kind.into(),
        namespace: "shop".into(),
        name: name.into(),
        created: Some(play.now),
        owner: owner.map(|(kind, name)| Owner { kind: kind.into(), name: name.into(), uid: "".into() }),
        body: Body::Workload(Box::new(WorkloadSpec {
            replicas: Some(replicas),
            template: match pod("", image, None).body {
                Body::Pod(spec) => Some(spec),
                _ => None,
            },
            ..WorkloadSpec::default()
        })),
        ..Object::default()
    }
}

/// A Deployment and its ReplicaSet, as their writers write them.
fn deploy(play: &mut Play, replicas: i64, by: &str) {
    let object = workload("Deployment", "web", None, "web:1", replicas, play);
    tell(play, ApiRequest { object: Some(Box::new(object)), ..request("create", "apps", "deployments", "web", by) }, "deploy");
    let object = workload("ReplicaSet", "web-7d4b9c6f58", Some(("Deployment", "web")), "web:1", replicas, play);
    tell(play, ApiRequest { object: Some(Box::new(object)), ..request("create", "apps", "replicasets", "web-7d4b9c6f58", DC) }, "rs");
}

#[test]
fn a_request_acts_once_whatever_stages_are_written() {
    let mut play = Play::new();
    for stage in ["RequestReceived", "ResponseComplete", "ResponseComplete"] {
        let object = Some(Box::new(pod("one", "web:1", None)));
        let request = ApiRequest { stage: stage.into(), object, ..request("create", "", "pods", "one", "jo") };
        tell(&mut play, request, "a");
    }
    assert_eq!(play.draw(d::CONTAINER_CREATED, LIFE), "container.created | shop/one/app | jo | -");
    assert_eq!(play.draw(d::KUBERNETES_REQUEST, &["request.target"]), "pods shop/one");
    // A client may choose the id of its request: the same id on another request hides nothing.
    let other = ApiRequest {
        object: Some(Box::new(pod("two", "web:1", None))),
        uri: "/other".into(),
        ..request("create", "", "pods", "two", "jo")
    };
    tell(&mut play, other, "a");
    assert_eq!(play.draw(d::CONTAINER_CREATED, &["container.name"]), "shop/one/app\nshop/two/app");
}

#[test]
fn what_was_refused_or_only_tried_out_changes_nothing_but_is_told() {
    let mut play = Play::new();
    let object = || Some(Box::new(pod("one", "web:1", None)));
    tell(&mut play, ApiRequest { code: Some(403), object: object(), ..request("create", "", "pods", "one", "jo") }, "a");
    tell(&mut play, ApiRequest { dry_run: true, object: object(), ..request("create", "", "pods", "one", "jo") }, "b");
    assert_eq!(play.draw(d::CONTAINER_CREATED, LIFE), "");
    assert_eq!(play.draw(d::KUBERNETES_REQUEST, &["request.code", "request.allowed"]), "403 | false\n201 | false");
}

#[test]
fn the_person_behind_a_controllers_pod_is_named_only_on_the_controllers_word() {
    let mut play = Play::new();
    deploy(&mut play, 1, "jo");
    create(&mut play, pod("web-7d4b9c6f58-aaaa1", "web:1", Some(("ReplicaSet", "web-7d4b9c6f58"))), RS);
    // Anybody may write a reference to an owner.
    create(&mut play, pod("forged", "web:1", Some(("ReplicaSet", "web-7d4b9c6f58"))), "eve");
    let mut posing = request("create", "", "pods", "posing", "eve");
    posing.impersonated = Some(Identity { name: RS.into(), ..Identity::default() });
    posing.object = Some(Box::new(pod("posing", "web:1", Some(("ReplicaSet", "web-7d4b9c6f58")))));
    tell(&mut play, posing, "posing");
    assert_eq!(
        play.draw(d::CONTAINER_CREATED, &["container.name", "actor", "actor.impersonator", "k8s.owner", "k8s.owner.actor"]),
        format!(
            "shop/web-7d4b9c6f58-aaaa1/app | jo | - | Deployment:shop/web | jo\n\
             shop/forged/app | eve | - | - | -\n\
             shop/posing/app | {RS} | eve | - | -"
        )
    );
}

#[test]
fn a_scale_up_of_what_stood_is_owned_and_a_new_crowd_is_not() {
    const FIELDS: &[&str] = &["accumulated.created", "accumulated.standing_new", "accumulated.owned", "accumulated.actors"];
    let last = |play: &Play| play.draw(d::CONTAINER_ACCUMULATED, FIELDS).lines().last().unwrap_or_default().to_owned();
    let crowd = |play: &mut Play| {
        for n in 0..25 {
            create(play, pod(&format!("web-7d4b9c6f58-{n:05}"), "web:1", Some(("ReplicaSet", "web-7d4b9c6f58"))), RS);
        }
    };
    let mut play = Play::new();
    deploy(&mut play, 25, "jo");
    crowd(&mut play);
    assert_eq!(last(&play), "25 | 25 | 0 | 1");
    let mut play = Play::new();
    deploy(&mut play, 2, "jo");
    play.wait(90.0);
    crowd(&mut play);
    assert_eq!(last(&play), "25 | 0 | 25 | 1");
}

#[test]
fn a_pod_counts_once_and_its_danger_is_that_of_any_part() {
    let mut play = Play::new();
    for n in 0..3 {
        let mut object = pod(&format!("p{n}"), "web:1", None);
        if let Body::Pod(spec) = &mut object.body {
            let mut helper = spec.containers[0].clone();
            helper.sort = ContainerSort::Init;
            helper.spec.name = "init".into();
            helper.spec.privileged = true;
            spec.containers.insert(0, helper);
        }
        create(&mut play, object, "jo");
    }
    assert!(play.draw(d::CONTAINER_ACCUMULATED, &["accumulated.created", "accumulated.dangerous"]).ends_with("3 | 3"));
    assert_eq!(play.draw(d::CONTAINER_APPEARED, &["k8s.container.sort"]).lines().filter(|sort| *sort == "init").count(), 3);
}

#[test]
fn a_creation_whose_body_was_cut_off_still_counts_and_is_recognised_later() {
    let mut play = Play::new();
    for n in 0..3 {
        let request = ApiRequest { truncated: true, name: "".into(), ..request("create", "", "pods", "", "jo") };
        tell(&mut play, request, &format!("t{n}"));
    }
    assert!(play.draw(d::CONTAINER_ACCUMULATED, &["accumulated.created"]).ends_with('3'));
    assert_eq!(play.draw(d::SENSOR_TRUNCATED, &["request.target", "actor"]).lines().count(), 3);
    let spec = ContainerSpec { name: "app".into(), image: "web:1".into(), ..ContainerSpec::default() };
    let part = PodContainer { spec, state: "running".into(), ..PodContainer::default() };
    let status = PodSpec { containers: vec![part], status_only: true, phase: "Running".into(), ..PodSpec::default() };
    let object = Object { uid: "u".into(), body: Body::Pod(Box::new(status)), ..Object::default() };
    let request = ApiRequest {
        subresource: "status".into(),
        asked: Some(Box::new(object)),
        object_final: false,
        ..request("patch", "", "pods", "x1", "system:node:n1")
    };
    tell(&mut play, request, "s");
    assert_eq!(play.draw(d::CONTAINER_STARTED, &["container.name", "inspected", "actor"]), "shop/x1/app | false | jo");
    assert_eq!(play.draw(d::CONTAINER_CREATED, &["container.name"]).lines().count(), 3);
}

#[test]
fn a_guest_in_a_running_pod_is_a_new_container_and_the_others_stood_there() {
    let mut play = Play::new();
    let mut object = pod("web", "web:1", None);
    if let Body::Pod(spec) = &mut object.body {
        spec.containers[0].state = "running".into();
        let mut guest = spec.containers[0].clone();
        guest.sort = ContainerSort::Ephemeral;
        guest.state = "".into();
        guest.spec.name = "dbg".into();
        guest.spec.image = "alpine:3".into();
        spec.containers.push(guest);
    }
    let request = ApiRequest {
        subresource: "ephemeralcontainers".into(),
        object: Some(Box::new(object)),
        ..request("patch", "", "pods", "web", "jo")
    };
    tell(&mut play, request, "a");
    play.wait(10.0);
    assert_eq!(play.draw(d::CONTAINER_CREATED, &["container.name", "k8s.container.sort", "actor"]), "shop/web/dbg | ephemeral | jo");
    assert_eq!(play.draw(d::CONTAINER_APPEARED, &["container.name", "preexisting"]), "shop/web/app | true\nshop/web/dbg | false");
}

#[test]
fn an_exec_is_told_at_its_start_with_its_command_and_never_again() {
    let mut play = Play::new();
    for stage in ["RequestReceived", "ResponseStarted", "ResponseComplete"] {
        let request = ApiRequest {
            stage: stage.into(),
            subresource: "exec".into(),
            command: vec!["sh".into(), "-c".into(), "id".into()],
            tty: true,
            code: Some(101),
            ..request("get", "", "pods", "web", "jo")
        };
        tell(&mut play, request, "a");
    }
    assert_eq!(
        play.draw(d::CONTAINER_EXEC, &["container.name", "exec.command_line", "exec.shell", "exec.tty", "actor"]),
        "shop/web | sh -c id | true | true | jo"
    );
}

#[test]
fn limits_that_a_workload_lost_are_told_from_its_old_pods_and_its_new_ones() {
    let mut play = Play::new();
    deploy(&mut play, 1, "jo");
    let limited = |name: &str, cpu: Option<f64>, at: event::Time| {
        let mut object = pod(name, "web:1", Some(("ReplicaSet", "web-7d4b9c6f58")));
        object.created = Some(at);
        if let Body::Pod(spec) = &mut object.body {
            spec.containers[0].spec.cpu_limit = cpu;
        }
        object
    };
    let old = play.now;
    play.wait(30.0);
    let now = play.now;
    create(&mut play, limited("web-7d4b9c6f58-bbbb2", None, now), RS);
    assert_eq!(play.draw(d::CONTAINER_CHANGED, LIFE), "");
    // What it was before is heard of only as the old one goes.
    let gone = limited("web-7d4b9c6f58-aaaa1", Some(0.5), old);
    tell(&mut play, ApiRequest { object: Some(Box::new(gone)), ..request("delete", "", "pods", "web-7d4b9c6f58-aaaa1", RS) }, "d");
    assert_eq!(
        play.draw(
            d::CONTAINER_CHANGED,
            &["container.name", "change.property", "change.before", "change.direction", "workload.id", "actor"]
        ),
        "shop/web-7d4b9c6f58-bbbb2/app | limits.cpu | 0.5 | removed | k8s:shop/web/app | jo"
    );
}

#[test]
fn pods_on_the_first_list_stood_there() {
    let mut play = Play::new();
    let list = |items: Vec<Object>| Some(Fact::Objects(Box::new(ObjectList { kind: "Pod".into(), items })));
    play.tell(d::KUBERNETES_OBJECT, list(vec![pod("a", "web:1", None), pod("b", "web:1", None)]));
    play.wait(60.0).tell(d::KUBERNETES_OBJECT, list(vec![pod("b", "web:1", None), pod("c", "web:1", None)]));
    assert_eq!(
        play.draw(d::CONTAINER_APPEARED, &["container.name", "preexisting"]),
        "shop/a/app | true\nshop/b/app | true\nshop/c/app | false"
    );
    assert_eq!(play.draw(d::CONTAINER_REMOVED, &["container.name"]), "shop/a/app");
    assert_eq!(play.draw(d::CONTAINER_CREATED, &["container.name"]), "shop/c/app");
}

#[test]
fn a_runtimes_container_is_the_pods_by_the_id_that_the_status_names() {
    let mut play = Play::new();
    let runtime = crate::play::id("r");
    let mut object = pod("web", "web:1", None);
    if let Body::Pod(spec) = &mut object.body {
        spec.containers[0].spec.id = runtime.clone();
    }
    create(&mut play, object, "jo");
    let host = play.inventory.world().host("h").unwrap();
    assert_eq!(host.pod_container_of(&crate::Id::new(&runtime), &[]).map(ToString::to_string), Some("uid-web/app".into()));
    let labels = [("io.kubernetes.pod.uid", "uid-web"), ("io.kubernetes.container.name", "app")].map(|(k, v)| (k.into(), v.into()));
    assert!(host.pod_container_of(&crate::Id::new("other"), &labels).is_some());
}

#[test]
fn what_replaces_the_pods_of_a_drained_node_is_owned_once_its_workload_is_known() {
    let mut play = Play::new();
    let old = play.now;
    play.wait(600.0);
    // Watching begins here: the ReplicaSet was made long before, and nobody told of it.
    for n in 0..3 {
        create(&mut play, pod(&format!("web-7d4b9c6f58-{n:05}"), "web:1", Some(("ReplicaSet", "web-7d4b9c6f58"))), RS);
    }
    assert!(play.draw(d::CONTAINER_ACCUMULATED, &["accumulated.owned"]).ends_with('0'));
    let mut object = workload("ReplicaSet", "web-7d4b9c6f58", None, "web:1", 3, &play);
    object.created = Some(old);
    let status = ApiRequest {
        subresource: "status".into(),
        object: Some(Box::new(object)),
        object_final: false,
        ..request("update", "apps", "replicasets", "web-7d4b9c6f58", RS)
    };
    tell(&mut play, status, "s");
    create(&mut play, pod("web-7d4b9c6f58-00009", "web:1", Some(("ReplicaSet", "web-7d4b9c6f58"))), RS);
    assert!(play.draw(d::CONTAINER_ACCUMULATED, &["accumulated.owned"]).ends_with('1'));
    let host = play.inventory.world().host("h").unwrap();
    assert!(host.containers.values().all(|container| container.pod.as_ref().is_some_and(|part| part.owned)));
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 60, ..Default::default() })]

    /// Whatever is asked in whatever order, each container comes once, appears once and goes once, and freezing at every record loses nothing.
    #[test]
    fn whatever_is_asked_each_container_comes_appears_and_goes_once(
        steps in proptest::collection::vec((0u8..9, 0u8..4, proptest::bool::ANY, proptest::bool::ANY), 1..40)
    ) {
        let mut play = Play::new();
        for (n, (what, which, known, whole)) in steps.into_iter().enumerate() {
            let name = format!("p{which}");
            let mut object = pod(&name, "web:1", known.then_some(("ReplicaSet", "web-7d4b9c6f58")));
            object.uid = if known { SmolStr::from(format!("uid-{name}-{}", n / 8)) } else { SmolStr::default() };
            if let Body::Pod(spec) = &mut object.body {
                spec.containers[0].state = ["", "running", "terminated"][n % 3].into();
                spec.status_only = !whole;
            }
            let object = whole.then(|| Box::new(object));
            let base = |verb: &str, sub: &str| ApiRequest {
                subresource: sub.into(),
                object: object.clone(),
                object_final: known,
                ..request(verb, "", "pods", if known || verb != "create" { &name } else { "" }, "jo")
            };
            let asked = match what {
                0 | 1 => base("create", ""),
                2 => base("delete", ""),
                3 => base("patch", "status"),
                4 => base("patch", "ephemeralcontainers"),
                5 => base("get", "exec"),
                6 => base("create", "binding"),
                7 => base("update", ""),
                _ => {
                    let items = object.iter().map(|object| Object::clone(object)).collect();
                    play.tell(d::KUBERNETES_OBJECT, Some(Fact::Objects(Box::new(ObjectList { kind: "Pod".into(), items }))));
                    continue;
                }
            };
            tell(&mut play, asked, &format!("a{n}"));
        }
        play.wait(60.0);
        for kind in [d::CONTAINER_CREATED, d::CONTAINER_APPEARED, d::CONTAINER_REMOVED] {
            let drawn = play.draw(kind, &["container.id"]);
            let mut ids: Vec<&str> = drawn.lines().collect();
            let all = ids.len();
            ids.sort_unstable();
            ids.dedup();
            proptest::prop_assert_eq!(ids.len(), all, "{}: {}", kind.name(), drawn);
        }
        let host = play.inventory.world().host("h");
        let count = host.map_or(0, |host| host.containers.len());
        proptest::prop_assert!(play.draw(d::CONTAINER_APPEARED, &["container.id"]).lines().count() >= count);
    }
}
