//! What the kernel's process connector says of a process, completed by what `/proc` said of it in that moment. Our own collector writes it.

use crate::loose::Loose;
use crate::prepare::lacks;
use crate::process::{process, told, user_id};
use crate::{SourceDef, Witness};
use event::document::{Document, SIZE_MAX};
use event::system::{Namespaces, ProcessAction, ProcessEvent};
use event::{Decoded, SmolStr, Time, Undecodable, dictionary};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "system_process",
    witness: Witness::System,
    kind: dictionary::SYSTEM_PROCESS,
    about: "Processes that begin, run a program and end, as the kernel's process connector and `/proc` say it.",
    size_max: SIZE_MAX,
    recognise,
    finds_duplicates: false,
    decode,
    text: None,
    sample: r#"{"landwaiter_process":"exec","time":1795527678072015498,"pid":17417,"ppid":17391,"exe":"/bin/busybox","args":["sleep","10"],"cwd":"/","uid":0,"loginuid":4294967295,"cgroup":"/docker/50042e85f10d3efb43888b85eddf68b7550e45f6a2b3aa6dc30a10bdba6f3e4a","ns":{"mnt":4026532327,"pid":4026532330,"net":4026532332,"user":4026531837},"host_ns":{"mnt":4026531841,"pid":4026531836,"net":4026531840,"user":4026531837},"parent_exe":"/usr/bin/containerd-shim-runc-v2","parent_args":["/usr/bin/containerd-shim-runc-v2","-namespace","moby"],"capeff":"00000000a80425fb"}"#,
};

fn recognise(document: &Document) -> bool {
    Loose::root(document).has("landwaiter_process")
}

fn decode(document: &Document, bytes: &[u8]) -> Result<Decoded, Undecodable> {
    let root = Loose::root(document);
    let action = match root.get("landwaiter_process").str() {
        "exec" => ProcessAction::Exec,
        "fork" => ProcessAction::Fork,
        "exit" => ProcessAction::Exit,
        "standing" => ProcessAction::Standing,
        "" => return Err(lacks("what happened in landwaiter_process")),
        _ => ProcessAction::Other,
    };
    let pid = root.get("pid").int().ok_or_else(|| lacks("a pid"))?;
    let parent_args: Vec<SmolStr> = root.get("parent_args").texts();
    let event = ProcessEvent {
        action,
        pid,
        parent_pid: root.get("ppid").int().unwrap_or(0),
        executable: root.get("exe").text(),
        command: root.get("args").texts(),
        command_truncated: root.get("args_truncated").bool().unwrap_or(false),
        directory: root.get("cwd").text(),
        parent_executable: root.get("parent_exe").text(),
        parent_command: SmolStr::from(parent_args.join(" ")),
        uid: user_id(root.get("uid").int()),
        login_uid: user_id(root.get("loginuid").int()),
        cgroup: root.get("cgroup").text(),
        namespaces: namespaces(root.get("ns")),
        host_namespaces: namespaces(root.get("host_ns")),
        capabilities: u64::from_str_radix(root.get("capeff").str(), 16).ok(),
        exit_code: root.get("exit_code").int(),
        ..ProcessEvent::default()
    };
    Ok(told(dictionary::SYSTEM_PROCESS, root.get("time").int().map(Time), bytes, process(event)))
}

fn namespaces(value: Loose<'_>) -> Namespaces {
    let of = |key| value.get(key).count().unwrap_or(0);
    Namespaces { mnt: of("mnt"), pid: of("pid"), net: of("net"), user: of("user") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::fact::Fact;

    #[test]
    fn a_process_says_where_it_runs() {
        let document = Document::parse(SOURCE.sample.as_bytes()).unwrap();
        let Some(Fact::Process(process)) = decode(&document, SOURCE.sample.as_bytes()).unwrap().fact else { panic!("a process") };
        assert_eq!((process.pid, process.parent_pid, process.executable.as_str()), (17417, 17391, "/bin/busybox"));
        assert_eq!(process.login_uid, None);
        assert_eq!(process.capabilities, Some(0xa804_25fb));
        assert_ne!(process.namespaces.mnt, process.host_namespaces.mnt);
    }
}
