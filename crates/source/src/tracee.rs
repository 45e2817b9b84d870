//! An event of Tracee, in both of its shapes: the flat one (`processName`, `eventName`, `args`) and the newer nested one (`workload`, `data`).
//!
//! Findings of its signatures are events as well; their name becomes the rule.

use crate::loose::Loose;
use crate::prepare::lacks;
use crate::process::{action_of, container_id, process, signal_number, told, user_id, writes};
use crate::{SourceDef, Witness};
use event::document::{Document, SIZE_MAX};
use event::system::{Namespaces, ProcessAction, ProcessEvent};
use event::{Decoded, SmolStr, Time, Undecodable, dictionary};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "tracee",
    witness: Witness::System,
    kind: dictionary::TRACEE,
    about: "Processes, connections and files, as Tracee says them, and the findings of its signatures.",
    size_max: SIZE_MAX,
    recognise,
    finds_duplicates: false,
    decode,
    text: None,
    sample: r#"{"timestamp":1795527678072015498,"threadStartTime":1795527678071000000,"processorId":1,"processId":7,"cgroupId":5247,"threadId":7,"parentProcessId":1,"hostProcessId":17417,"hostThreadId":17417,"hostParentProcessId":17391,"userId":0,"mountNamespace":4026532178,"pidNamespace":4026532181,"processName":"sh","executable":{"path":"/bin/busybox"},"hostName":"50042e85f10d","containerId":"50042e85f10d3efb43888b85eddf68b7550e45f6a2b3aa6dc30a10bdba6f3e4a","container":{"id":"50042e85f10d3efb43888b85eddf68b7550e45f6a2b3aa6dc30a10bdba6f3e4a","name":"web","image":"alpine:3.20"},"kubernetes":{},"eventId":"715","eventName":"sched_process_exec","matchedPolicies":["default"],"argsNum":3,"returnValue":0,"syscall":"execve","contextFlags":{"containerStarted":true,"isCompat":false},"args":[{"name":"cmdpath","type":"const char*","value":"/bin/sh"},{"name":"pathname","type":"const char*","value":"/bin/busybox"},{"name":"argv","type":"const char**","value":["sh","-c","id"]}]}"#,
};

fn recognise(document: &Document) -> bool {
    let root = Loose::root(document);
    let flat = root.has("eventName") && root.has("processName") && (root.has("args") || root.has("hostProcessId"));
    flat || root.has("workload") && root.has("data") && root.has("name") || root.has("SigMetadata") && root.has("Context")
}

fn decode(document: &Document, bytes: &[u8]) -> Result<Decoded, Undecodable> {
    let root = Loose::root(document);
    let (time, event) = if root.get("workload").is_there() {
        (root.get("timestamp").time(), nested(root))
    } else {
        // The oldest shape wraps the event that a signature matched.
        let signature = root.at(&["SigMetadata", "Name"]).text();
        let flat_root = if root.get("SigMetadata").is_there() { root.get("Context") } else { root };
        if !flat_root.get("eventName").is_there() {
            return Err(lacks("an eventName"));
        }
        let mut event = flat(flat_root);
        if !signature.is_empty() {
            event.rule = signature;
        }
        (flat_root.get("timestamp").int().map(Time), event)
    };
    Ok(told(dictionary::TRACEE, time, bytes, process(event)))
}

fn flat(root: Loose<'_>) -> ProcessEvent {
    let name = root.get("eventName").str();
    let container = root.get("container");
    let pod = root.get("kubernetes");
    let either = |inner: Loose<'_>, key: &str| if inner.is_there() { inner.text() } else { root.get(key).text() };
    let id = either(container.get("id"), "containerId");
    let is_contained = root.at(&["contextFlags", "containerStarted"]).bool();
    let mut event = ProcessEvent {
        pid: root.any(&["hostProcessId", "processId"]).int().unwrap_or(0),
        parent_pid: root.any(&["hostParentProcessId", "parentProcessId"]).int().unwrap_or(0),
        executable: root.at(&["executable", "path"]).text(),
        uid: user_id(root.get("userId").int()),
        container_id: if id.is_empty() && is_contained == Some(false) { SmolStr::new_static("host") } else { container_id(&id) },
        container_name: either(container.get("name"), "containerName"),
        container_image: either(container.get("image"), "containerImage"),
        pod_namespace: either(pod.get("podNamespace"), "podNamespace"),
        pod_name: either(pod.get("podName"), "podName"),
        namespaces: Namespaces {
            mnt: root.get("mountNamespace").count().unwrap_or(0),
            pid: root.get("pidNamespace").count().unwrap_or(0),
            ..Namespaces::default()
        },
        rule: root.at(&["metadata", "Properties", "signatureName"]).text(),
        ..ProcessEvent::default()
    };
    acted(name, root.get("args"), &mut event);
    if event.executable.is_empty() {
        event.executable = root.get("processName").text();
    }
    event
}

fn nested(root: Loose<'_>) -> ProcessEvent {
    let workload = root.get("workload");
    let (running, container, pod) = (workload.get("process"), workload.get("container"), workload.get("k8s"));
    let parent = running.get("ancestors").list().into_iter().next();
    let name = root.get("name").str();
    let is_threat = root.get("threat").is_there();
    let mut event = ProcessEvent {
        pid: running.any(&["hostPid", "pid"]).int().unwrap_or(0),
        parent_pid: parent.and_then(|parent| parent.any(&["hostPid", "pid"]).int()).unwrap_or(0),
        executable: running.at(&["executable", "path"]).text(),
        parent_executable: parent.map(|parent| parent.at(&["executable", "path"]).text()).unwrap_or_default(),
        uid: user_id(running.at(&["realUser", "id"]).int()),
        container_id: container_id(container.get("id").str()),
        container_name: container.get("name").text(),
        container_image: container.at(&["image", "name"]).text(),
        pod_namespace: pod.at(&["namespace", "name"]).text(),
        pod_name: pod.at(&["pod", "name"]).text(),
        rule: if is_threat { SmolStr::new(name) } else { SmolStr::default() },
        ..ProcessEvent::default()
    };
    acted(name, root.get("data"), &mut event);
    if event.executable.is_empty() {
        event.executable = running.at(&["thread", "name"]).text();
    }
    event
}

/// What the event's own arguments say.
fn acted(name: &str, arguments: Loose<'_>, event: &mut ProcessEvent) {
    event.action = action_of(name);
    let arguments = arguments.list();
    // The newer shape names the value by its type (`str`, `uInt32`, `strArray`, `sockaddr`).
    let value = |wanted: &str| {
        let argument = arguments.iter().find(|argument| argument.get("name").str() == wanted)?;
        Some(argument.any(&["value", "str", "int32", "uInt32", "int64", "uInt64", "bool", "strArray", "sockaddr"]))
    };
    let text = |wanted: &str| value(wanted).map(Loose::text).unwrap_or_default();
    match event.action {
        ProcessAction::Exec => {
            let path = text("pathname");
            if event.executable.is_empty() || !path.is_empty() {
                event.executable = if path.is_empty() { text("cmdpath") } else { path };
            }
            event.command =
                value("argv").map(|argv| if argv.is_object() { argv.get("value").texts() } else { argv.texts() }).unwrap_or_default();
        }
        ProcessAction::Exit => event.exit_code = value("exit_code").and_then(Loose::int),
        ProcessAction::Connect | ProcessAction::Listen => {
            let address = ["remote_addr", "local_addr", "addr", "dst"].iter().find_map(|key| value(key).filter(|found| found.is_there()));
            if let Some(address) = address {
                event.address = address.any(&["sin_addr", "sin6_addr", "sinAddr", "sin6Addr"]).text();
                event.port = address.any(&["sin_port", "sin6_port", "sinPort", "sin6Port"]).port();
                event.path = address.any(&["sun_path", "sunPath"]).text();
                if address.any(&["sa_family", "saFamily"]).str() == "AF_UNIX" {
                    event.protocol = SmolStr::new_static("unix");
                }
            }
        }
        ProcessAction::File => {
            event.path =
                ["pathname", "file_path", "new_path", "dst"].iter().map(|key| text(key)).find(|path| !path.is_empty()).unwrap_or_default();
            let flags = text("flags");
            event.writes = writes(name) || ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"].iter().any(|flag| flags.contains(flag));
        }
        ProcessAction::Mount => {
            event.path = ["path", "target", "dir_name"].iter().map(|key| text(key)).find(|path| !path.is_empty()).unwrap_or_default()
        }
        ProcessAction::Signal => {
            event.signal = signal_number(&text("sig")).zip(["pid", "tgid", "tid"].iter().find_map(|key| value(key).and_then(Loose::int)));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::fact::Fact;

    fn read(text: &str) -> ProcessEvent {
        let document = Document::parse(text.as_bytes()).unwrap();
        assert!(recognise(&document), "{text}");
        match decode(&document, text.as_bytes()).unwrap().fact {
            Some(Fact::Process(process)) => *process,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_shapes_say_the_same_of_a_program_that_is_run() {
        let nested = r#"{"timestamp":"2026-11-24T13:41:18.072015498Z","id":"sched_process_exec","name":"sched_process_exec","policies":{"matched":["default"]},"workload":{"process":{"executable":{"path":"/bin/busybox"},"uniqueId":1,"hostPid":17417,"pid":7,"realUser":{"id":0},"thread":{"name":"sh","hostTid":17417,"tid":7},"ancestors":[{"hostPid":17391,"pid":1}]},"container":{"id":"50042e85f10d3efb43888b85eddf68b7550e45f6a2b3aa6dc30a10bdba6f3e4a","name":"web","image":{"name":"alpine:3.20"},"started":true}},"data":[{"name":"cmdpath","str":"/bin/sh"},{"name":"pathname","str":"/bin/busybox"},{"name":"argv","strArray":{"value":["sh","-c","id"]}}]}"#;
        let (mut one, two) = (read(SOURCE.sample), read(nested));
        assert_eq!(one.command, ["sh", "-c", "id"]);
        // The newer shape leaves the namespaces out.
        one.namespaces = Namespaces::default();
        assert_eq!(one, two);
    }

    #[test]
    fn what_else_a_process_does_is_read() {
        let event = |name: &str, args: &str| {
            read(&format!(
                r#"{{"timestamp":1,"hostProcessId":5,"processName":"x","eventName":"{name}","contextFlags":{{"containerStarted":false}},"args":[{args}]}}"#
            ))
        };
        let connect = event(
            "security_socket_connect",
            r#"{"name":"remote_addr","value":{"sa_family":"AF_INET","sin_addr":"10.0.0.7","sin_port":"80"}}"#,
        );
        assert_eq!(
            (connect.action, connect.address.as_str(), connect.port, connect.container_id.as_str()),
            (ProcessAction::Connect, "10.0.0.7", 80, "host")
        );
        let open = event(
            "security_file_open",
            r#"{"name":"pathname","value":"/etc/kubernetes/manifests/x.yaml"},{"name":"flags","value":"O_WRONLY|O_CREAT"}"#,
        );
        assert_eq!((open.action, open.path.as_str(), open.writes), (ProcessAction::File, "/etc/kubernetes/manifests/x.yaml", true));
        let kill = event("kill", r#"{"name":"pid","value":7},{"name":"sig","value":"SIGSTOP"}"#);
        assert_eq!(kill.signal, Some((19, 7)));
    }

    #[test]
    fn a_signature_s_finding_names_its_rule() {
        let text = r#"{"Data":null,"Context":{"timestamp":1,"processName":"strace","hostProcessId":5,"eventName":"ptrace","args":[]},"SigMetadata":{"ID":"TRC-2","Name":"Anti-Debugging"}}"#;
        let event = read(text);
        assert_eq!((event.rule.as_str(), event.action, event.executable.as_str()), ("Anti-Debugging", ProcessAction::Other, "strace"));
    }
}
