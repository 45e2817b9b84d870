//! An event of Kunai: `data` says what was done, `info` who did it.
//!
//! A container's name here is the host name that the process sees. Docker sets it to the beginning of the id, but whoever runs the container may choose another,
//! so a process's place is taken from the control group where another witness knows it.

use crate::loose::Loose;
use crate::process::{action_of, container_id, process, signal_number, told, user_id, words, writes};
use crate::{SourceDef, Witness};
use event::document::{Document, SIZE_MAX};
use event::fact::{Fact, SensorNote, Sight};
use event::system::{Namespaces, ProcessAction, ProcessEvent};
use event::{Decoded, SmolStr, Undecodable, dictionary};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "kunai",
    witness: Witness::System,
    kind: dictionary::KUNAI,
    about: "Processes, connections and files, as Kunai says them; and its own notice of events that it lost.",
    size_max: SIZE_MAX,
    recognise,
    finds_duplicates: false,
    decode,
    text: None,
    sample: r#"{"data":{"ancestors":"/usr/lib/systemd/systemd|/usr/bin/containerd-shim-runc-v2","parent_exe":"/usr/bin/containerd-shim-runc-v2","command_line":"sh -c id","exe":{"path":"/bin/busybox","md5":"d41d8cd98f00b204e9800998ecf8427e","size":808712,"error":null}},"info":{"host":{"uuid":"b7c2b6d0-6f5b-4d1c-9b4d-0a4c5d6e7f80","name":"50042e85f10d","container":{"name":"50042e85f10d","type":"docker"}},"event":{"source":"kunai","id":1,"name":"execve","uuid":"4f8b1c5e-2b1a-4c4e-8d0c-1f2e3d4c5b6a","batch":10},"task":{"name":"sh","pid":17417,"tgid":17417,"guuid":"0","uid":0,"user":"root","gid":0,"group":"root","namespaces":{"mnt":4026532178},"flags":"0x400000","zombie":false},"parent_task":{"name":"containerd-shim","pid":17391,"tgid":17391,"uid":0,"user":"root","namespaces":{"mnt":4026531841}},"utc_time":"2026-11-24T13:41:18.072015498Z"}}"#,
};

fn recognise(document: &Document) -> bool {
    let root = Loose::root(document);
    let info = root.get("info");
    root.has("data") && info.has("event") && info.has("task")
}

fn decode(document: &Document, bytes: &[u8]) -> Result<Decoded, Undecodable> {
    let root = Loose::root(document);
    let (data, info) = (root.get("data"), root.get("info"));
    let name = info.at(&["event", "name"]).str();
    let time = info.get("utc_time").time();
    if name == "loss" {
        let count = data.any(&["lost", "loss", "count"]).count().unwrap_or(1);
        let note = Sight::Dropped { count, reason: SmolStr::new_static("Kunai lost events") };
        return Ok(told(dictionary::KUNAI, time, bytes, Some(Fact::Sensor(SensorNote { of: SmolStr::new_static(SOURCE.name), note }))));
    }
    let (task, parent, container) = (info.get("task"), info.get("parent_task"), info.at(&["host", "container"]));
    let exe = data.get("exe");
    let path = if exe.is_object() { exe.get("path").text() } else { exe.text() };
    let mut event = ProcessEvent {
        action: if name == "start" { ProcessAction::Standing } else { action_of(name) },
        // The kernel's thread group is what everybody else calls a process.
        pid: task.any(&["tgid", "pid"]).int().unwrap_or(0),
        parent_pid: parent.any(&["tgid", "pid"]).int().unwrap_or(0),
        executable: if path.is_empty() { task.get("name").text() } else { path },
        command: words(data.get("command_line").str()),
        parent_executable: data.get("parent_exe").text(),
        parent_command: data.get("parent_command_line").text(),
        uid: user_id(task.get("uid").int()),
        user: task.get("user").text(),
        container_id: container_id(container.get("name").str()),
        container_name: container.get("name").text(),
        namespaces: Namespaces { mnt: task.at(&["namespaces", "mnt"]).count().unwrap_or(0), ..Namespaces::default() },
        ..ProcessEvent::default()
    };
    match event.action {
        ProcessAction::Connect => {
            let to = data.get("dst");
            (event.address, event.port) = (to.get("ip").text(), to.get("port").port());
            event.protocol = SmolStr::from(data.at(&["socket", "proto"]).str().to_ascii_lowercase());
        }
        ProcessAction::File => {
            event.path = data.any(&["path", "new_name", "new_path"]).text();
            event.writes = writes(name);
        }
        ProcessAction::Signal => {
            let target = data.at(&["target", "task"]).any(&["tgid", "pid"]).int().or(data.at(&["target", "pid"]).int());
            event.signal = signal_number(&data.get("signal").text()).zip(target);
        }
        ProcessAction::Exit => event.exit_code = data.get("error_code").int(),
        _ => {}
    }
    Ok(told(dictionary::KUNAI, time, bytes, process(event)))
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
    fn a_program_that_is_run_and_a_connection_are_read() {
        let Some(Fact::Process(process)) = read(SOURCE.sample) else { panic!("a process") };
        assert_eq!((process.action, process.pid, process.parent_pid), (ProcessAction::Exec, 17417, 17391));
        assert_eq!(
            (process.executable.as_str(), process.container_id.as_str(), process.namespaces.mnt),
            ("/bin/busybox", "50042e85f10d", 4026532178)
        );
        let connect = SOURCE
            .sample
            .replace("\"execve\"", "\"connect\"")
            .replace("\"command_line\"", "\"dst\":{\"ip\":\"10.0.0.7\",\"port\":80},\"socket\":{\"proto\":\"TCP\"},\"command_line\"");
        let Some(Fact::Process(process)) = read(&connect) else { panic!("a process") };
        assert_eq!(
            (process.action, process.address.as_str(), process.port, process.protocol.as_str()),
            (ProcessAction::Connect, "10.0.0.7", 80, "tcp")
        );
    }

    #[test]
    fn what_was_lost_is_a_note_of_its_sight() {
        let text = r#"{"data":{"read":100,"lost":7},"info":{"event":{"name":"loss"},"task":{},"utc_time":"2026-11-24T13:41:18Z"}}"#;
        let Some(Fact::Sensor(note)) = read(text) else { panic!("a note") };
        assert_eq!(note.note, Sight::Dropped { count: 7, reason: "Kunai lost events".into() });
    }
}
