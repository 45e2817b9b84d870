//! What the decoders of a Docker engine read in its words, from API 1.24 to 1.56.

use event::fact::*;
use event::{Body, Decoded, Place, Record, SmolStr, Time};
use std::sync::Arc;

fn read(text: &str) -> Decoded {
    let record = Record {
        seq: 0,
        source: SmolStr::default(),
        host: "local".into(),
        arrived: Time(0),
        live: false,
        body: Body::Data(Arc::from(text.as_bytes())),
        place: Place::default(),
    };
    source::prepare(record).content.unwrap().unwrap_or_else(|e| panic!("{text}: {}", e.reason))
}

fn container_event(text: &str) -> ContainerEvent {
    match read(text).fact {
        Some(Fact::Container(event)) => event,
        other => panic!("{text}: {other:?}"),
    }
}

/// The action that an event of this name, with these attributes, tells.
fn action(name: &str, attributes: &str) -> ContainerAction {
    let comma = if attributes.is_empty() { "" } else { "," };
    container_event(&format!(
        r#"{{"Type":"container","Action":"{name}","Actor":{{"ID":"c1","Attributes":{{"image":"app:1","name":"web"{comma}{attributes}}}}},"timeNano":1795527678072015498}}"#
    ))
    .action
}

#[test]
fn the_shapes_of_every_api_tell_the_same() {
    let newest = r#"{"Type":"container","Action":"start","Actor":{"ID":"c1","Attributes":{"image":"app:1","name":"web"}},"scope":"local","time":1795527678,"timeNano":1795527678271434051}"#;
    let middle = r#"{"status":"start","id":"c1","from":"app:1","Type":"container","Action":"start","Actor":{"ID":"c1","Attributes":{"image":"app:1","name":"web"}},"time":1795527678,"timeNano":1795527678271434051}"#;
    let seq = format!("\u{1e}{newest}\n");
    let (a, b, c) = (read(newest), read(middle), read(&seq));
    assert_eq!(a.time, Some(Time(1_795_527_678_271_434_051)));
    assert!(a.identity.is_some());
    for other in [b, c] {
        assert_eq!((a.time, a.identity, &a.subject, &a.fact), (other.time, other.identity, &other.subject, &other.fact));
    }
    // Without the new keys the old ones are fallen back on; without nanoseconds there is no identity, as two events may then look the same.
    let oldest = read(r#"{"status":"start","id":"c1","from":"app:1","time":1795527678}"#);
    assert_eq!((oldest.time, oldest.identity), (Some(Time(1_795_527_678_000_000_000)), None));
    let event = container_event(r#"{"status":"start","id":"c1","from":"app:1","time":1795527678}"#);
    assert_eq!((event.id.as_str(), event.image.as_str(), event.action), ("c1", "app:1", ContainerAction::Start));
    let Some(Fact::Image(image)) = read(r#"{"status":"pull","id":"app:1","time":1}"#).fact else { panic!("no image") };
    assert_eq!((image.id.as_str(), image.action), ("app:1", ImageAction::Pull));
}

#[test]
fn the_first_of_equal_keys_counts_whatever_it_holds() {
    let read_twice = |text: &str| {
        let decoded = read(text);
        assert!(decoded.duplicate_keys, "{text}");
        decoded
    };
    let hidden = read_twice(
        r#"{"status":"start","Type":"container","Action":7,"Action":"die","Actor":{"ID":"c1","ID":"c2","Attributes":{"name":"a","name":"b"},"Attributes":{}},"timeNano":1,"timeNano":2}"#,
    );
    let Some(Fact::Container(event)) = hidden.fact else { panic!("no container") };
    assert_eq!((event.action, event.id.as_str(), event.name.as_str(), hidden.time), (ContainerAction::Start, "c1", "a", Some(Time(1))));
    let no_actor = read_twice(r#"{"Type":"container","Action":"die","Actor":7,"Actor":{"ID":"c2"},"timeNano":1}"#);
    assert_eq!(no_actor.subject, "");
    // Where nothing is read, and among a flood of labels.
    read_twice(r#"{"Type":"container","Action":"die","Actor":{"ID":"c1","More":[{"a":1,"a":2}]},"timeNano":1}"#);
    read_twice(r#"{"Type":"container","Action":"die","Actor":{"ID":"c1"},"More":{"a":{"b":1,"b":1}},"timeNano":1}"#);
    let labels = |count: usize| (0..count).map(|n| format!("\"l{n}\":\"v\"")).collect::<Vec<_>>().join(",");
    let flood =
        |labels: &str| format!(r#"{{"Type":"container","Action":"create","Actor":{{"ID":"c1","Attributes":{{{labels}}}}},"timeNano":1}}"#);
    assert!(!read(&flood(&labels(10_000))).duplicate_keys);
    read_twice(&flood(&format!("{},\"l77\":\"w\"", labels(10_000))));
    let Some(Fact::Container(event)) = read(&flood(&labels(10_000))).fact else { panic!("no container") };
    assert_eq!(event.labels.len(), 10_000);
}

#[test]
fn identity_is_type_action_id_and_nanosecond() {
    let of = |kind: &str, action: &str, id: &str, nano: i64| {
        read(&format!(r#"{{"Type":"{kind}","Action":"{action}","Actor":{{"ID":"{id}","Attributes":{{}}}},"timeNano":{nano}}}"#)).identity
    };
    let one = of("container", "start", "c1", 7);
    assert_eq!(one, of("container", "start", "c1", 7));
    for other in [
        of("network", "start", "c1", 7),
        of("container", "stop", "c1", 7),
        of("container", "start", "c2", 7),
        of("container", "start", "c1", 8),
    ] {
        assert_ne!(one, other);
    }
}

#[test]
fn actions_carry_their_payload() {
    use ContainerAction::*;
    let text = SmolStr::new;
    assert_eq!(
        action("exec_create: sh -c 'a: b' ", r#""execID":"e1""#),
        ExecCreate { command: text("sh -c 'a: b'"), exec_id: Some(text("e1")) }
    );
    assert_eq!(action("exec_start: id", ""), ExecStart { command: text("id"), exec_id: None });
    assert_eq!(action("exec_die", r#""execID":"e1","exitCode":"3""#), ExecDie { exec_id: Some(text("e1")), exit_code: Some(3) });
    assert_eq!(action("health_status: unhealthy", ""), Health { status: text("unhealthy") });
    assert_eq!(action("die", r#""exitCode":"137""#), Die { exit_code: Some(137) });
    assert_eq!(action("die", r#""exitCode":"a label""#), Die { exit_code: None });
    assert_eq!(action("kill", r#""signal":"9""#), Kill { signal: Some(9) });
    assert_eq!(action("rename", r#""oldName":"/before""#), Rename { old_name: Some(text("before")) });
    assert_eq!(action("extract-to-dir", ""), CopyIn);
    assert_eq!(action("archive-path", ""), CopyOut);
    assert_eq!(
        action("commit", r#""imageID":"sha256:1","imageRef":"x:1""#),
        Commit { reference: Some(text("x:1")), image_id: Some(text("sha256:1")) }
    );
    assert_eq!(action("resize", ""), Other(text("resize")));
}

#[test]
fn labels_are_read_at_creation_only() {
    let text = |action: &str| {
        format!(
            r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"c1","Attributes":{{"a.b":"c","exitCode":"0","image":"app:1","name":"web"}}}},"timeNano":7}}"#
        )
    };
    let created = container_event(&text("create"));
    // A label that shadows an attribute of the engine is kept: the inventory is who notices.
    assert_eq!(created.labels, [("a.b".into(), "c".into()), ("exitCode".into(), "0".into())] as [(SmolStr, SmolStr); 2]);
    assert_eq!((created.name.as_str(), created.image.as_str()), ("web", "app:1"));
    assert!(container_event(&text("start")).labels.is_empty());
}

#[test]
fn every_type_of_event_tells_its_fact() {
    let of = |text: &str| read(text).fact;
    let text = SmolStr::new;
    assert_eq!(
        of(
            r#"{"Type":"network","Action":"connect","Actor":{"ID":"n1","Attributes":{"container":"c1","name":"back","type":"bridge"}},"timeNano":7}"#
        ),
        Some(Fact::Network(NetworkEvent {
            id: text("n1"),
            name: text("back"),
            driver: text("bridge"),
            action: NetworkAction::Connect { container: text("c1") },
        }))
    );
    assert_eq!(
        of(
            r#"{"Type":"volume","Action":"mount","Actor":{"ID":"data","Attributes":{"container":"c1","destination":"/d","driver":"local","propagation":"","read/write":"false"}},"timeNano":7}"#
        ),
        Some(Fact::Volume(VolumeEvent {
            name: text("data"),
            action: text("mount"),
            container: text("c1"),
            destination: text("/d"),
            writable: Some(false),
        }))
    );
    assert_eq!(
        of(r#"{"Type":"image","Action":"tag","Actor":{"ID":"sha256:1","Attributes":{"name":"kube-proxy:v1"}},"timeNano":7}"#),
        Some(Fact::Image(ImageEvent { id: text("sha256:1"), action: ImageAction::Tag, name: text("kube-proxy:v1") }))
    );
    let engine = |text: &str| match of(text) {
        Some(Fact::EngineEvent(event)) => event.action.to_string(),
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(engine(r#"{"Type":"daemon","Action":"reload","Actor":{"ID":"e","Attributes":{"debug":"true"}},"timeNano":7}"#), "reload");
    assert_eq!(engine(r#"{"Type":"plugin","Action":"enable","Actor":{"ID":"p","Attributes":{"name":"x"}},"timeNano":7}"#), "plugin enable");
    assert_eq!(
        engine(r#"{"Type":"builder","Action":"prune","Actor":{"ID":"","Attributes":{"reclaimed":"0"}},"timeNano":7}"#),
        "builder prune"
    );
    assert_eq!(
        engine(r#"{"Type":"container","Action":"prune","Actor":{"ID":"","Attributes":{"reclaimed":"0"}},"timeNano":7}"#),
        "container prune"
    );
    // Swarm's own are native events only.
    assert_eq!(of(r#"{"Type":"service","Action":"update","Actor":{"ID":"s","Attributes":{}},"timeNano":7}"#), None);
}

fn inspect(host_config: &str, rest: &str) -> ContainerSpec {
    let text = format!(r#"{{"Id":"c1","Name":"/web","State":{{"Status":"running"}},"HostConfig":{{{host_config}}}{rest}}}"#);
    match read(&text).fact {
        Some(Fact::ContainerSpec(spec)) => *spec,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn limits_are_in_one_unit_and_no_limit_is_none() {
    let spec = inspect(r#""NanoCpus":1500000000,"Memory":67108864,"MemorySwap":-1,"PidsLimit":100,"CpuShares":262144"#, "");
    assert_eq!((spec.cpu_limit, spec.memory_limit, spec.memory_swap), (Some(1.5), Some(67_108_864), Some(-1)));
    assert_eq!((spec.pids_limit, spec.cpu_shares), (Some(100), Some(262_144)));
    assert_eq!(inspect(r#""CpuQuota":50000,"CpuPeriod":200000"#, "").cpu_limit, Some(0.25));
    assert_eq!(inspect(r#""CpuQuota":50000"#, "").cpu_limit, Some(0.5));
    for none in
        ["", r#""PidsLimit":null"#, r#""PidsLimit":0,"Memory":0,"NanoCpus":0"#, r#""PidsLimit":-1,"CpuQuota":-1,"CpuPeriod":100000"#]
    {
        let spec = inspect(none, "");
        assert_eq!((spec.cpu_limit, spec.memory_limit, spec.memory_swap, spec.pids_limit), (None, None, None, None), "{none}");
    }
}

#[test]
fn null_empty_and_absent_are_the_same_and_another_type_is_noted() {
    let absent = inspect("", "");
    for same in [r#""CapAdd":null,"Devices":null,"Binds":null"#, r#""CapAdd":[],"Devices":[],"Binds":[]"#] {
        assert_eq!(inspect(same, ""), absent, "{same}");
    }
    assert_eq!(inspect(r#""MaskedPaths":[]"#, "").masked_paths, Some(Vec::new()));
    assert_eq!(absent.masked_paths, None);
    let odd = inspect(r#""Privileged":"true","CapAdd":["SYS_ADMIN",7],"LogConfig":{"Type":[]},"Memory":"64m""#, "");
    assert!(!odd.privileged && odd.memory_limit.is_none());
    assert_eq!(odd.cap_add, ["SYS_ADMIN"]);
    let mut noted = odd.unreadable.clone();
    noted.sort();
    assert_eq!(noted, ["HostConfig.CapAdd", "HostConfig.LogConfig.Type", "HostConfig.Memory", "HostConfig.Privileged"]);
}

#[test]
fn what_was_asked_to_be_mounted_completes_what_is() {
    let spec = inspect(
        r#""Binds":["/etc:/h:ro","/var/run/docker.sock:/s","data:/d","/x:/m:rshared"],"Mounts":[{"Type":"volume","Source":"hidden","Target":"/v","VolumeOptions":{"DriverConfig":{"Name":"local","Options":{"type":"none","o":"bind","device":"/root"}}}},{"Type":"bind","Source":"/boot","Target":"/b","ReadOnly":true}]"#,
        r#","Mounts":[{"Type":"bind","Source":"/etc","Destination":"/h","Mode":"ro","RW":false,"Propagation":"rprivate"},{"Type":"volume","Name":"hidden","Source":"/var/lib/docker/volumes/hidden/_data","Destination":"/v","Driver":"local","RW":true}]"#,
    );
    let shown: Vec<String> = spec
        .mounts
        .iter()
        .map(|m| {
            format!(
                "{} {}{}>{} {}{} {}",
                m.kind,
                m.source,
                m.volume,
                m.target,
                if m.writable { "rw" } else { "ro" },
                m.propagation,
                m.device
            )
        })
        .map(|line| line.trim_end().to_owned())
        .collect();
    assert_eq!(
        shown,
        [
            "bind /etc>/h rorprivate",
            "volume /var/lib/docker/volumes/hidden/_datahidden>/v rw /root",
            "bind /boot>/b ro",
            "bind /var/run/docker.sock>/s rw",
            "volume data>/d rw",
            "bind /x>/m rwrshared",
        ]
    );
}

#[test]
fn networks_and_ports_are_read_from_where_the_api_has_them() {
    let newer = inspect(
        "",
        r#","NetworkSettings":{"Networks":{"back":{"NetworkID":"n1","IPAddress":"172.18.0.2","GlobalIPv6Address":"fd00::2","MacAddress":"02:42:ac:12:00:02"}},"Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"},{"HostIp":"::","HostPort":"8080"}],"443/tcp":null}}"#,
    );
    assert_eq!(
        (newer.networks[0].network.as_str(), newer.networks[0].address.as_str(), newer.networks[0].network_id.as_str()),
        ("back", "172.18.0.2", "n1")
    );
    let ports: Vec<String> =
        newer.ports.iter().map(|p| format!("{}:{}>{}/{}", p.host_address, p.host_port, p.container_port, p.protocol)).collect();
    assert_eq!(ports, ["0.0.0.0:8080>80/tcp", ":::8080>80/tcp"]);
    let older = inspect("", r#","NetworkSettings":{"IPAddress":"172.17.0.2"}"#);
    assert_eq!((older.networks[0].network.as_str(), older.networks[0].address.as_str()), ("bridge", "172.17.0.2"));
    // Before it runs: what was asked for. No address means every one.
    let created = inspect(
        r#""PortBindings":{"53/udp":[{"HostIp":"","HostPort":"53"}]},"PublishAllPorts":true"#,
        r#","Config":{"ExposedPorts":{"80/tcp":{},"53/udp":{}}}"#,
    );
    let ports: Vec<String> =
        created.ports.iter().map(|p| format!("{}:{}>{}/{}", p.host_address, p.host_port, p.container_port, p.protocol)).collect();
    assert_eq!(ports, ["0.0.0.0:53>53/udp", "0.0.0.0:0>80/tcp"]);
}

#[test]
fn state_names_and_secrets() {
    let spec = inspect(
        "",
        r#","Created":"2026-11-24T13:41:18.06424563Z","Path":"sleep","Args":["60"],"Config":{"Env":["TOKEN=secret","PATH=/bin","EMPTY"],"Healthcheck":{"Test":["CMD-SHELL","curl -f localhost"]}},"RestartCount":2"#,
    );
    assert_eq!(spec.env_names, ["TOKEN", "PATH", "EMPTY"]);
    assert_eq!(spec.healthcheck, ["curl -f localhost"]);
    assert_eq!(spec.command, ["sleep", "60"]);
    assert_eq!((spec.name.as_str(), spec.created), ("web", Time::parse("2026-11-24T13:41:18.06424563Z")));
    let state = |state: &str| match read(&format!(r#"{{"Id":"c1","State":{state},"HostConfig":{{}}}}"#)).fact {
        Some(Fact::ContainerSpec(spec)) => *spec,
        other => panic!("{other:?}"),
    };
    // One that has never ended has no exit code, whatever the zero says.
    let fresh = state(r#"{"Status":"created","ExitCode":0,"FinishedAt":"0001-01-01T00:00:00Z"}"#);
    assert_eq!((fresh.exit_code, fresh.finished), (None, None));
    let ended = state(r#"{"Status":"exited","ExitCode":137,"OOMKilled":true,"FinishedAt":"2026-11-24T13:41:19Z"}"#);
    assert_eq!((ended.exit_code, ended.oom_killed), (Some(137), true));
    assert_eq!(state(r#"{"Running":true,"Paused":true}"#).status, "paused");
}

#[test]
fn the_engine_says_its_defaults() {
    let engine = |text: &str| match read(text).fact {
        Some(Fact::Engine(spec)) => *spec,
        other => panic!("{text}: {other:?}"),
    };
    let info = engine(
        r#"{"ID":"E","Name":"host1","ServerVersion":"29.0.1","NCPU":2,"MemTotal":1024,"CgroupVersion":"2","LoggingDriver":"json-file","DefaultRuntime":"runc","DockerRootDir":"/var/lib/docker","SecurityOptions":["name=seccomp,profile=builtin","name=cgroupns"],"Plugins":{"Authorization":["opa"]}}"#,
    );
    assert_eq!((info.cgroup_version.as_deref(), info.log_driver.as_deref(), info.cpus), (Some("2"), Some("json-file"), Some(2)));
    assert_eq!(info.authorization_plugins, Some(vec!["opa".into()]));
    assert_eq!(info.security_options.map(|list| list.len()), Some(2));
    // Not said is not the same as none.
    let bare = engine(r#"{"ServerVersion":"1","NCPU":1}"#);
    assert_eq!((bare.security_options, bare.authorization_plugins, bare.cgroup_version), (None, None, None));
    let version = engine(
        r#"{"Client":{"ApiVersion":"1.44"},"Server":{"Version":"20.10.24","ApiVersion":"1.41","MinAPIVersion":"1.12","Components":[]}}"#,
    );
    assert_eq!((version.product.as_str(), version.api_version.as_deref()), ("docker", Some("1.41")));
    let podman = engine(r#"{"Version":"5.0","ApiVersion":"1.41","Components":[{"Name":"Podman Engine"}]}"#);
    assert_eq!(podman.product, "podman");
}

#[test]
fn images_that_never_saw_a_registry_have_no_digests() {
    let image = |text: &str| match read(text).fact {
        Some(Fact::ImageSpec(spec)) => *spec,
        other => panic!("{text}: {other:?}"),
    };
    let built = image(
        r#"{"Id":"sha256:1","RepoTags":["app:1","<none>:<none>"],"RepoDigests":[],"Config":{"Entrypoint":["/e"],"Cmd":["x"]},"RootFS":{"Layers":["l"]},"Container":"c9"}"#,
    );
    assert!(built.digests_known && built.repo_digests.is_empty());
    assert_eq!((built.tags, built.command, built.parent_container.as_str()), (vec!["app:1".into()], vec!["/e".into(), "x".into()], "c9"));
    assert!(!image(r#"{"Id":"sha256:1","RepoTags":["app:1"]}"#).digests_known);
}
