//! An alert of Falco, as `json_output: true` writes it.
//!
//! `output_fields` has whatever the rule's author asked for, and may be missing or `null`. Only alerts about system calls say something of a process.

use crate::loose::Loose;
use crate::process::{action_of, container_id, process, told, user_id, words, writes};
use crate::{SourceDef, Witness};
use event::document::{Document, SIZE_MAX};
use event::fact::{Fact, SensorNote, Sight};
use event::system::{ProcessAction, ProcessEvent};
use event::{Decoded, SmolStr, Time, Undecodable, dictionary};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "falco",
    witness: Witness::System,
    kind: dictionary::FALCO,
    about: "Alerts of Falco: the process, its container and the rule that spoke; and Falco's own notice of events that it lost.",
    size_max: SIZE_MAX,
    recognise,
    finds_duplicates: false,
    decode,
    text: None,
    sample: r#"{"uuid":"0b6f3d2c-6d2a-4d0e-9a8d-3f6f5f0b7f11","hostname":"node1","output":"13:41:18.072015498: Notice A shell was spawned in a container with an attached terminal (user=root container_id=50042e85f10d)","priority":"Notice","rule":"Terminal shell in container","source":"syscall","tags":["T1059","container","shell"],"time":"2026-11-24T13:41:18.072015498Z","output_fields":{"container.id":"50042e85f10d","container.image.repository":"alpine","container.image.tag":"3.20","container.name":"web","evt.time":1795527678072015498,"evt.type":"execve","k8s.ns.name":null,"k8s.pod.name":null,"proc.cmdline":"sh -c id","proc.exepath":"/bin/busybox","proc.name":"sh","proc.pid":17417,"proc.pname":"runc","proc.ppid":17391,"proc.tty":34816,"user.loginuid":-1,"user.name":"root","user.uid":0}}"#,
};

fn recognise(document: &Document) -> bool {
    let root = Loose::root(document);
    root.has("rule") && root.has("priority") && root.has("output") && (root.has("output_fields") || root.has("time"))
}

fn decode(document: &Document, bytes: &[u8]) -> Result<Decoded, Undecodable> {
    let root = Loose::root(document);
    let fields = root.get("output_fields");
    let time = root.get("time").time().or_else(|| fields.get("evt.time").int().map(Time));
    let fact = match root.get("rule").str() {
        "Falco internal: syscall event drop" => {
            let count = fields.any(&["n_drops", "falco.n_drops"]).count().unwrap_or(1);
            Some(Fact::Sensor(SensorNote {
                of: SmolStr::new_static(SOURCE.name),
                note: Sight::Dropped { count, reason: SmolStr::new_static("Falco lost system calls") },
            }))
        }
        rule if rule.starts_with("Falco internal:") => None,
        rule if matches!(root.get("source").str(), "" | "syscall") => process(alert(rule, fields)),
        _ => None,
    };
    Ok(told(dictionary::FALCO, time, bytes, fact))
}

fn alert(rule: &str, fields: Loose<'_>) -> ProcessEvent {
    // Falco writes `<NA>` for what it does not know.
    let text = |key: &str| Some(fields.get(key).text()).filter(|text| text != "<NA>").unwrap_or_default();
    let first = |keys: &[&str]| keys.iter().map(|key| text(key)).find(|text| !text.is_empty()).unwrap_or_default();
    let call = text("evt.type");
    let action = action_of(&call);
    let mut command = words(&first(&["proc.cmdline", "proc.exeline"]));
    if command.is_empty() {
        command = words(&text("proc.exe"));
    }
    let (repository, tag) = (text("container.image.repository"), text("container.image.tag"));
    let is_socket = matches!(action, ProcessAction::Connect | ProcessAction::Listen);
    let (address, port) = match action {
        ProcessAction::Connect => (first(&["fd.rip", "fd.sip"]), first(&["fd.rport", "fd.sport"])),
        ProcessAction::Listen => (first(&["fd.lip", "fd.sip"]), first(&["fd.lport", "fd.sport"])),
        _ => Default::default(),
    };
    let target = first(&["evt.arg.pid", "evt.arg.target"]).parse().ok();
    let signal = first(&["evt.arg.sig", "evt.arg.signal"]);
    ProcessEvent {
        action,
        pid: first(&["proc.pid"]).parse().unwrap_or(0),
        parent_pid: text("proc.ppid").parse().unwrap_or(0),
        // `proc.name` is a word that the process may change; the path is the kernel's.
        executable: first(&["proc.exepath", "proc.exe", "proc.name"]),
        command,
        directory: text("proc.cwd"),
        parent_executable: first(&["proc.pexepath", "proc.pname"]),
        parent_command: text("proc.pcmdline"),
        uid: user_id(text("user.uid").parse().ok()),
        login_uid: user_id(text("user.loginuid").parse().ok()),
        user: text("user.name"),
        container_id: container_id(&first(&["container.full_id", "container.id"])),
        container_name: Some(text("container.name")).filter(|name| name != "host").unwrap_or_default(),
        container_image: match (repository.is_empty(), tag.is_empty()) {
            (true, _) => text("container.image"),
            (false, true) => repository,
            (false, false) => SmolStr::from(format!("{repository}:{tag}")),
        },
        pod_namespace: text("k8s.ns.name"),
        pod_name: text("k8s.pod.name"),
        signal: (action == ProcessAction::Signal)
            .then(|| crate::process::signal_number(signal.split_whitespace().next()?).zip(target))
            .flatten(),
        path: if is_socket { SmolStr::default() } else { first(&["fs.path.name", "fd.name", "evt.arg.path", "evt.arg.target"]) },
        writes: fields.get("evt.is_open_write").bool().unwrap_or(false) || writes(&call),
        address,
        port: port.parse().unwrap_or(0),
        protocol: text("fd.l4proto"),
        rule: rule.into(),
        ..ProcessEvent::default()
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

    #[test]
    fn an_alert_names_the_process_and_its_container() {
        let Some(Fact::Process(process)) = read(SOURCE.sample) else { panic!("a process") };
        assert_eq!(process.action, ProcessAction::Exec);
        assert_eq!(
            (process.executable.as_str(), process.container_id.as_str(), process.container_image.as_str()),
            ("/bin/busybox", "50042e85f10d", "alpine:3.20")
        );
        assert_eq!((process.command.len(), process.login_uid, process.rule.as_str()), (3, None, "Terminal shell in container"));
    }

    #[test]
    fn alerts_without_fields_and_of_the_host_are_read() {
        for text in [
            r#"{"output":"x","priority":"Warning","rule":"R","time":"2026-11-24T13:41:18Z"}"#,
            r#"{"output":"x","priority":"Warning","rule":"R","time":"2026-11-24T13:41:18Z","output_fields":null}"#,
        ] {
            let Some(Fact::Process(process)) = read(text) else { panic!("a process") };
            assert_eq!((process.action, process.rule.as_str(), process.container_id.as_str()), (ProcessAction::Other, "R", ""));
        }
        let text = r#"{"output":"x","priority":"Warning","rule":"R","time":"2026-11-24T13:41:18Z","output_fields":{"container.id":"host","container.name":"host","evt.type":"kill","evt.arg.sig":"SIGSTOP","evt.arg.pid":7,"proc.pid":5}}"#;
        let Some(Fact::Process(process)) = read(text) else { panic!("a process") };
        assert_eq!((process.container_id.as_str(), process.container_name.as_str(), process.signal), ("host", "", Some((19, 7))));
    }

    #[test]
    fn what_falco_lost_is_a_note_of_its_sight() {
        let text = r#"{"output":"Falco internal: syscall event drop. 12 system calls dropped in last second.","output_fields":{"ebpf_enabled":"1","n_drops":"12","n_evts":"9000"},"priority":"Debug","rule":"Falco internal: syscall event drop","time":"2026-11-24T13:41:18.1Z"}"#;
        let Some(Fact::Sensor(note)) = read(text) else { panic!("a note") };
        assert_eq!(note.note, Sight::Dropped { count: 12, reason: "Falco lost system calls".into() });
        assert_eq!(
            read(
                r#"{"output":"x","priority":"Info","rule":"Falco internal: metrics snapshot","time":"2026-11-24T13:41:18.1Z","output_fields":{}}"#
            ),
            None
        );
    }
}
