//! An event of Tetragon, as its JSON export writes it.
//!
//! The outer key says what it is. The container's id under `docker` is cut to 31 characters and fewer in older versions; the whole one stands in the pod's
//! description, where there is one.

use crate::loose::Loose;
use crate::prepare::lacks;
use crate::process::{action_of, capabilities, container_id, process, signal_number, told, user_id, words, writes};
use crate::{SourceDef, Witness};
use event::document::{Document, SIZE_MAX};
use event::fact::{Fact, SensorNote, Sight};
use event::system::{Namespaces, ProcessAction, ProcessEvent};
use event::{Decoded, SmolStr, Undecodable, dictionary};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "tetragon",
    witness: Witness::System,
    kind: dictionary::TETRAGON,
    about: "Processes, connections and watched kernel functions, as Tetragon says them; and its own notice of events that it dropped.",
    size_max: SIZE_MAX,
    recognise,
    finds_duplicates: false,
    decode,
    text: None,
    sample: r#"{"process_exec":{"process":{"exec_id":"bm9kZTE6MTA1NzU3MjgzNTAwNzk6MTE1MTUz","pid":115153,"uid":0,"cwd":"/","binary":"/usr/bin/curl","arguments":"-s http://10.0.0.7/","flags":"execve clone","start_time":"2026-11-24T13:41:18.861000000Z","auid":4294967295,"pod":{"namespace":"shop","name":"web-56f8fc6988-pb8c7","container":{"id":"containerd://50042e85f10d3efb43888b85eddf68b7550e45f6a2b3aa6dc30a10bdba6f3e4a","name":"web","image":{"id":"docker.io/library/web@sha256:ff3aa5862fd17f8695984609743f4523188984adbcd25cf5ac4224b71084558c","name":"docker.io/library/web:1.4"},"start_time":"2026-11-24T13:27:56Z","pid":131}},"docker":"50042e85f10d3efb43888b85eddf68b","parent_exec_id":"bm9kZTE6MTA1NTYwMTY4NzQzNTU6MTE0NzU3","cap":{"effective":["CAP_CHOWN","CAP_NET_RAW"]},"ns":{"mnt":{"inum":4026532178},"pid":{"inum":4026532181},"net":{"inum":4026532183},"user":{"inum":4026531837,"is_host":true}}},"parent":{"exec_id":"bm9kZTE6MTA1NTYwMTY4NzQzNTU6MTE0NzU3","pid":114757,"binary":"/bin/bash"}},"node_name":"node1","time":"2026-11-24T13:41:18.861000000Z"}"#,
};

/// Keys of the events that tell of a process.
const PROCESSES: [&str; 13] = [
    "process_exec",
    "process_exit",
    "process_kprobe",
    "process_tracepoint",
    "process_uprobe",
    "process_usdt",
    "process_lsm",
    "process_loader",
    "process_connect",
    "process_accept",
    "process_listen",
    "process_close",
    "process_dns",
];

/// Keys of the events that tell of what was not told.
const LOSSES: [&str; 2] = ["rate_limit_info", "process_throttle"];

fn recognise(document: &Document) -> bool {
    let root = Loose::root(document);
    PROCESSES.iter().chain(&LOSSES).any(|key| root.has(key))
}

fn decode(document: &Document, bytes: &[u8]) -> Result<Decoded, Undecodable> {
    let root = Loose::root(document);
    let time = root.get("time").time();
    if let Some(body) = LOSSES.iter().map(|key| root.get(key)).find(|body| body.is_there()) {
        let count = body.get("number_of_dropped_process_events").count().unwrap_or(1);
        let note = SensorNote {
            of: SmolStr::new_static(SOURCE.name),
            note: Sight::Dropped { count, reason: SmolStr::new_static("Tetragon limited its own rate") },
        };
        // A throttle that ends is no loss any more.
        let fact = (body.get("type").str() != "THROTTLE_STOP").then_some(Fact::Sensor(note));
        return Ok(told(dictionary::TETRAGON, time, bytes, fact));
    }
    let (name, body) = PROCESSES
        .iter()
        .map(|key| (*key, root.get(key)))
        .find(|(_, body)| body.is_object())
        .ok_or_else(|| lacks("the body of an event"))?;
    let mut event = described(body.get("process"));
    let parent = body.get("parent");
    event.parent_pid = parent.get("pid").int().unwrap_or(0);
    event.parent_executable = parent.get("binary").text();
    event.parent_command = match (parent.get("binary").str(), parent.get("arguments").str()) {
        (binary, "") => SmolStr::new(binary),
        (binary, arguments) => SmolStr::from(format!("{binary} {arguments}")),
    };
    match name {
        "process_exec" => {
            // Processes that Tetragon found when it started are told as if they ran a program.
            let standing = body.at(&["process", "flags"]).str().split(' ').any(|flag| flag == "procFS");
            event.action = if standing { ProcessAction::Standing } else { ProcessAction::Exec };
        }
        "process_exit" => {
            event.action = ProcessAction::Exit;
            event.exit_code = body.get("status").int();
            if let Some(signal) = signal_number(body.get("signal").str()) {
                event.exit_code = Some(128 + signal);
            }
        }
        "process_connect" | "process_accept" => {
            event.action = if name == "process_connect" { ProcessAction::Connect } else { ProcessAction::Other };
            (event.address, event.port) = (body.get("destination_ip").text(), body.get("destination_port").port());
            event.protocol = SmolStr::from(body.get("protocol").str().to_ascii_lowercase());
        }
        "process_listen" => {
            event.action = ProcessAction::Listen;
            (event.address, event.port) = (body.get("ip").text(), body.get("port").port());
            event.protocol = SmolStr::from(body.get("protocol").str().to_ascii_lowercase());
        }
        "process_close" | "process_dns" => event.action = ProcessAction::Other,
        "process_loader" => {
            event.action = ProcessAction::Other;
            event.path = body.get("path").text();
        }
        _ => watched(body, &mut event),
    }
    Ok(told(dictionary::TETRAGON, time, bytes, process(event)))
}

/// What is said of the process itself.
fn described(process: Loose<'_>) -> ProcessEvent {
    let binary = process.get("binary").text();
    let mut command = words(process.get("arguments").str());
    if !binary.is_empty() {
        command.insert(0, binary.clone());
    }
    let pod = process.get("pod");
    let whole = container_id(pod.at(&["container", "id"]).str());
    let effective = process.at(&["cap", "effective"]);
    let (namespaces, host_namespaces) = namespaces(process.get("ns"));
    ProcessEvent {
        pid: process.get("pid").int().unwrap_or(0),
        executable: binary,
        command,
        command_truncated: process.get("flags").str().split(' ').any(|flag| flag.starts_with("trunc")),
        directory: process.get("cwd").text(),
        uid: user_id(process.get("uid").int()),
        login_uid: user_id(process.get("auid").int()),
        container_id: if whole.is_empty() { container_id(process.get("docker").str()) } else { whole },
        container_name: pod.at(&["container", "name"]).text(),
        container_image: pod.at(&["container", "image", "name"]).text(),
        pod_namespace: pod.get("namespace").text(),
        pod_name: pod.get("name").text(),
        namespaces,
        host_namespaces,
        capabilities: effective.is_there().then(|| capabilities(&effective.texts())),
        ..ProcessEvent::default()
    }
}

/// The process's namespaces, and of the host's those that it shares: only then does the record say their number.
fn namespaces(value: Loose<'_>) -> (Namespaces, Namespaces) {
    let of = |key| {
        let inode = value.at(&[key, "inum"]).count().unwrap_or(0);
        (inode, if value.at(&[key, "is_host"]).bool() == Some(true) { inode } else { 0 })
    };
    let (mnt, pid, net, user) = (of("mnt"), of("pid"), of("net"), of("user"));
    (Namespaces { mnt: mnt.0, pid: pid.0, net: net.0, user: user.0 }, Namespaces { mnt: mnt.1, pid: pid.1, net: net.1, user: user.1 })
}

/// A kernel function that the operator's policy watches, with the arguments that the policy chose.
fn watched(body: Loose<'_>, event: &mut ProcessEvent) {
    let mut function = body.any(&["function_name", "event"]).text();
    if let Some(call) = function.strip_prefix("sys_enter_").or_else(|| function.strip_prefix("sys_exit_")) {
        function = SmolStr::new(call);
    }
    event.action = action_of(&function);
    event.writes = event.action == ProcessAction::File && writes(&function);
    event.rule = body.get("policy_name").text();
    let mut numbers = Vec::new();
    for argument in body.get("args").list() {
        let Some((shape, value)) = argument.first_member() else { continue };
        match shape {
            "sock_arg" | "sockaddr_arg" => {
                event.address = value.any(&["daddr", "addr"]).text();
                event.port = value.any(&["dport", "port"]).port();
                if event.action == ProcessAction::Listen && value.get("saddr").is_there() {
                    (event.address, event.port) = (value.get("saddr").text(), value.get("sport").port());
                }
                event.protocol = SmolStr::from(value.get("protocol").str().trim_start_matches("IPPROTO_").to_ascii_lowercase());
            }
            "file_arg" | "path_arg" => {
                let path = value.get("path").str();
                let prefix = if path.starts_with('/') || path.is_empty() { "" } else { "/" };
                if event.path.is_empty() {
                    event.path = SmolStr::from(format!("{prefix}{path}"));
                }
            }
            "string_arg" if event.path.is_empty() && event.action != ProcessAction::Other => event.path = value.text(),
            "int_arg" | "size_arg" | "long_arg" | "uint_arg" => numbers.extend(value.int()),
            _ => {}
        }
    }
    // The second argument of this function is what is asked for: 2 is writing.
    if function == "security_file_permission" {
        event.writes = numbers.first().is_some_and(|mask| mask & 2 != 0);
    }
    if event.action == ProcessAction::Signal
        && let [target, signal, ..] = numbers[..]
    {
        event.signal = Some((signal, target));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Fact> {
        let document = Document::parse(text.as_bytes()).unwrap();
        assert!(recognise(&document), "{text}");
        decode(&document, text.as_bytes()).unwrap().fact
    }

    fn process_of(text: &str) -> ProcessEvent {
        match read(text) {
            Some(Fact::Process(process)) => *process,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_process_comes_with_its_pod_and_its_whole_container_id() {
        let process = process_of(SOURCE.sample);
        assert_eq!(process.action, ProcessAction::Exec);
        assert_eq!(process.command, ["/usr/bin/curl", "-s", "http://10.0.0.7/"]);
        assert_eq!((process.container_id.len(), process.pod_name.as_str(), process.parent_pid), (64, "web-56f8fc6988-pb8c7", 114757));
        assert_eq!(process.capabilities, Some(1 | 1 << 13));
        assert_eq!((process.namespaces.mnt, process.host_namespaces.mnt, process.host_namespaces.user), (4026532178, 0, 4026531837));
    }

    #[test]
    fn watched_functions_say_what_was_done() {
        let kprobe = |function: &str, args: &str| {
            process_of(&format!(
                r#"{{"process_kprobe":{{"process":{{"pid":1,"docker":"50042e85f10d3efb43888b85eddf68b"}},"function_name":"{function}","args":[{args}],"policy_name":"p"}},"time":"2026-11-24T13:41:18Z"}}"#
            ))
        };
        let write = kprobe("security_file_permission", r#"{"file_arg":{"path":"/etc/passwd"}},{"int_arg":2}"#);
        assert_eq!((write.action, write.path.as_str(), write.writes), (ProcessAction::File, "/etc/passwd", true));
        let connect = kprobe(
            "tcp_connect",
            r#"{"sock_arg":{"family":"AF_INET","protocol":"IPPROTO_TCP","saddr":"10.0.0.2","daddr":"10.0.0.7","sport":40000,"dport":80}}"#,
        );
        assert_eq!(
            (connect.action, connect.address.as_str(), connect.port, connect.protocol.as_str()),
            (ProcessAction::Connect, "10.0.0.7", 80, "tcp")
        );
        let kill = kprobe("__x64_sys_kill", r#"{"int_arg":7},{"int_arg":19}"#);
        assert_eq!((kill.action, kill.signal), (ProcessAction::Signal, Some((19, 7))));
        let setns = kprobe("__x64_sys_setns", r#"{"int_arg":5},{"int_arg":131072}"#);
        assert_eq!((setns.action, setns.container_id.len()), (ProcessAction::Namespace, 31));
    }

    #[test]
    fn what_was_dropped_is_a_note_of_its_sight() {
        let text = r#"{"rate_limit_info":{"number_of_dropped_process_events":"42"},"node_name":"n","time":"2026-11-24T13:41:18Z"}"#;
        let Some(Fact::Sensor(note)) = read(text) else { panic!("a note") };
        assert_eq!(note.note, Sight::Dropped { count: 42, reason: "Tetragon limited its own rate".into() });
    }

    #[test]
    fn a_real_intrusion_is_read_whole() {
        let Ok(data) = std::env::var("LANDWAITER_TEST_DATA") else {
            eprintln!("skipped: LANDWAITER_TEST_DATA is not set");
            return;
        };
        let mut files: Vec<_> = std::fs::read_dir(format!("{data}/tetragon-story")).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        let (mut processes, mut contained) = (0, 0);
        for file in files.iter().filter(|file| !file.ends_with("testdata-events.json")) {
            let text = std::fs::read_to_string(file).unwrap();
            // One of the files holds several events one after the other.
            for record in serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>() {
                let Ok(record) = record else { break };
                let process = process_of(&record.to_string());
                assert!(process.pid > 0 && !process.executable.is_empty(), "{}", file.display());
                processes += 1;
                contained += usize::from(!process.container_id.is_empty());
            }
        }
        assert!(processes >= 40 && contained >= 20, "{processes} processes, {contained} in containers");
    }
}
