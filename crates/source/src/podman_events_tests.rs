use crate::prepare;
use event::fact::{ContainerAction, ContainerEvent, Fact, ImageAction, NetworkAction};
use event::{Body, Decoded, Place, Record, Time};
use std::sync::Arc;

fn read(source: &str, text: &str) -> (String, Decoded) {
    let prepared = prepare(Record {
        seq: 0,
        source: source.into(),
        host: "local".into(),
        arrived: Time(0),
        live: false,
        body: Body::Data(Arc::from(text.as_bytes())),
        place: Place::default(),
    });
    let source = prepared.record.source.to_string();
    (source, prepared.content.unwrap().unwrap_or_else(|error| panic!("{text}: {}", error.reason)))
}

fn container(text: &str) -> ContainerEvent {
    let (source, decoded) = read("", text);
    assert_eq!(source, "podman_events", "{text}");
    let Some(Fact::Container(event)) = decoded.fact else { panic!("{text}: no container") };
    assert_eq!(event.runtime, "podman");
    event
}

const ID: &str = "1c282d1b0b3495ff26d43d293f56453f853b1ab8febb3245660dbae23b76d468";

fn line(status: &str, more: &str) -> String {
    format!(
        r#"{{{more}"ID":"{ID}","Image":"registry.example/busy:1","Name":"a1","Status":"{status}","Time":"2026-11-24T17:29:49.650308979Z","Type":"container","Attributes":{{"team":"payments"}}}}"#
    )
}

fn socket(action: &str, more: &str) -> String {
    format!(
        r#"{{"status":"{action}","id":"{ID}","from":"registry.example/busy:1","Type":"container","Action":"{action}","Actor":{{"ID":"{ID}","Attributes":{{"containerExitCode":"0",{more}"image":"registry.example/busy:1","name":"a1","podId":"","team":"payments"}}}},"scope":"local","time":1795541389,"timeNano":1795541389650308979}}"#
    )
}

#[test]
fn a_line_and_the_socket_tell_the_same_event() {
    for (word, plain) in
        [("create", "create"), ("start", "start"), ("died", "die"), ("remove", "remove"), ("exec", "exec"), ("pause", "pause")]
    {
        let (_, line) = read("", &line(word, ""));
        let (source, native) = read("", &socket(word, ""));
        let (_, compatible) = read("", &socket(plain, if plain == "die" { r#""exitCode":"0","# } else { "" }));
        assert_eq!(source, "podman_events");
        assert_eq!((&line.fact, line.time, line.identity), (&native.fact, native.time, native.identity), "{word}");
        assert_eq!((line.fact, line.identity), (compatible.fact, compatible.identity), "{word}");
        assert!(line.identity.is_some());
    }
}

#[test]
fn podmans_words_are_understood() {
    let action = |status: &str, more: &str| container(&line(status, more)).action;
    assert_eq!(action("died", r#""ContainerExitCode":7,"#), ContainerAction::Die { exit_code: Some(7) });
    assert_eq!(action("died", ""), ContainerAction::Die { exit_code: Some(0) }, "a zero is left out");
    assert_eq!(action("remove", ""), ContainerAction::Destroy);
    assert_eq!(action("exec", ""), ContainerAction::ExecCreate { command: "".into(), exec_id: None });
    assert_eq!(action("exec_died", r#""ContainerExitCode":3,"#), ContainerAction::ExecDie { exec_id: None, exit_code: Some(3) });
    assert_eq!(action("health_status", r#""health_status":"unhealthy","#), ContainerAction::Health { status: "unhealthy".into() });
    assert_eq!(action("rename", ""), ContainerAction::Rename { old_name: None });
    assert_eq!(action("kill", ""), ContainerAction::Kill { signal: None });
    for word in ["init", "cleanup", "sync", "mount", "unmount", "restore"] {
        assert_eq!(action(word, ""), ContainerAction::Other(word.into()));
    }
    let created = container(&line("create", r#""PodID":"p1","#));
    assert_eq!((created.action, created.name.as_str(), created.pod.as_str()), (ContainerAction::Create, "a1", "p1"));
    assert_eq!(created.labels, [("team".into(), "payments".into())]);
    assert_eq!(container(&socket("create", "")).labels, created.labels, "what Podman adds itself is no label");
    assert!(container(&line("start", "")).labels.is_empty());
}

#[test]
fn a_label_takes_no_exit_code_away() {
    let event = container(&socket("die", r#""exitCode":"42","#).replace(r#""containerExitCode":"0""#, r#""containerExitCode":"9""#));
    assert_eq!(event.action, ContainerAction::Die { exit_code: Some(9) });
}

#[test]
fn version_5_writes_numbers_for_times() {
    let (source, decoded) = read(
        "",
        &format!(
            r#"{{"ContainerExitCode":0,"ID":"{ID}","Image":"a:1","Name":"x","Status":"died","time":1795541389,"timeNano":1795541389650308979,"Type":"container","Attributes":null}}"#
        ),
    );
    assert_eq!((source.as_str(), decoded.time), ("podman_events", Some(Time(1_795_541_389_650_308_979))));
}

#[test]
fn the_journal_tells_the_same() {
    let (source, decoded) = read(
        "",
        &format!(
            r#"{{"__REALTIME_TIMESTAMP":"1795541389650400","_HOSTNAME":"vm","SYSLOG_IDENTIFIER":"podman","PODMAN_EVENT":"create","PODMAN_TYPE":"container","PODMAN_ID":"{ID}","PODMAN_NAME":"a1","PODMAN_IMAGE":"registry.example/busy:1","PODMAN_LABELS":"{{\"team\":\"payments\"}}","PODMAN_TIME":"2026-11-24T17:29:49.650308979Z"}}"#
        ),
    );
    let (_, plain) = read("", &line("create", ""));
    assert_eq!(source, "podman_events");
    assert_eq!((decoded.fact, decoded.time, decoded.identity), (plain.fact, plain.time, plain.identity));
    let (_, rough) = read(
        "",
        r#"{"__REALTIME_TIMESTAMP":"1795541389650400","PODMAN_EVENT":"died","PODMAN_TYPE":"container","PODMAN_ID":"c","PODMAN_EXIT_CODE":"2"}"#,
    );
    assert_eq!((rough.time, rough.identity), (Some(Time(1_795_541_389_650_400_000)), None));
}

#[test]
fn a_network_is_named_where_the_event_names_it() {
    let text = format!(
        r#"{{"ID":"{ID}","Name":"a3","network":"n2","Status":"connect","Time":"2026-11-24T17:29:51.944190104Z","Type":"network","Attributes":null}}"#
    );
    let (_, decoded) = read("", &text);
    let Some(Fact::Network(network)) = decoded.fact else { panic!("no network") };
    assert_eq!((network.id.as_str(), network.name.as_str()), ("n2", "n2"));
    assert_eq!(network.action, NetworkAction::Connect { container: ID.into() });
    let silent = socket("connect", "").replace(r#""Type":"container""#, r#""Type":"network""#);
    let (source, decoded) = read("", &silent);
    assert_eq!((source.as_str(), decoded.fact), ("podman_events", None), "which network it was is not said");
}

#[test]
fn images_and_the_system_itself() {
    let image = |status: &str, id: &str| {
        let (_, decoded) = read(
            "",
            &format!(
                r#"{{"ID":"{id}","Name":"x:2","Status":"{status}","Time":"2026-11-24T17:29:51.9Z","Type":"image","Attributes":null}}"#
            ),
        );
        let Some(Fact::Image(image)) = decoded.fact else { panic!("no image") };
        (image.id.to_string(), image.action)
    };
    assert_eq!(image("remove", ID), (format!("sha256:{ID}"), ImageAction::Delete));
    assert_eq!(image("pull", ID), (format!("sha256:{ID}"), ImageAction::Pull));
    assert_eq!(image("pull", ""), ("x:2".into(), ImageAction::Other("pull".into())), "looked for, and perhaps not fetched");
    let (_, decoded) = read("", r#"{"Status":"refresh","Time":"2026-11-24T17:26:25.533461264Z","Type":"system","Attributes":null}"#);
    let Some(Fact::EngineEvent(event)) = decoded.fact else { panic!("no engine") };
    assert_eq!(event.action, "system refresh");
}

#[test]
fn dockers_events_stay_dockers() {
    let text = crate::docker_events::SOURCE.sample;
    assert_eq!(read("", text).0, "docker_events");
    // With the name of its source, no label makes another engine of it.
    let (source, decoded) = read("docker_events", &socket("create", ""));
    let Some(Fact::Container(event)) = decoded.fact else { panic!("no container") };
    assert_eq!((source.as_str(), event.runtime.as_str()), ("docker_events", "docker"));
}
