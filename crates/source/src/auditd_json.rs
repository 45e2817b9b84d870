//! Events of the kernel's audit subsystem as JSON: Laurel's lines (one object an event, one member a record) and Auditbeat's documents.

use crate::loose::Loose;
use crate::prepare::lacks;
use crate::process::{action_of, process, signal_number, told, user_id, words, writes};
use crate::{SourceDef, Witness};
use event::document::{Document, SIZE_MAX};
use event::event::identity_of;
use event::fact::Fact;
use event::flow::FilterChange;
use event::system::{ProcessAction, ProcessEvent};
use event::{Decoded, SmolStr, Time, Undecodable, dictionary};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "auditd_json",
    witness: Witness::System,
    kind: dictionary::AUDITD,
    about: "Events of the kernel's audit subsystem as Laurel or Auditbeat writes them: programs run, files, connections, changes of the packet filter.",
    size_max: SIZE_MAX,
    recognise,
    finds_duplicates: false,
    decode,
    text: None,
    sample: r#"{"ID":"1795527678.072:348501","NODE":"node1","SYSCALL":{"arch":"0xc000003e","syscall":59,"success":"yes","exit":0,"items":2,"ppid":17391,"pid":17417,"auid":4294967295,"uid":0,"gid":0,"euid":0,"tty":"pts0","ses":4294967295,"comm":"sh","exe":"/bin/busybox","key":"exec","ARCH":"x86_64","SYSCALL":"execve","AUID":"unset","UID":"root"},"EXECVE":{"argc":3,"ARGV":["sh","-c","id"]},"CWD":{"cwd":"/"},"PATH":[{"item":0,"name":"/bin/sh","nametype":"NORMAL"}],"PARENT_INFO":{"ARGV":["containerd-shim","-id","50042e85f10d"]},"PROCTITLE":{"ARGV":["sh","-c","id"]}}"#,
};

fn recognise(document: &Document) -> bool {
    let root = Loose::root(document);
    let is_laurel = root.has("ID") && ["SYSCALL", "EXECVE", "NETFILTER_CFG", "PROCTITLE", "CONFIG_CHANGE"].iter().any(|key| root.has(key));
    is_laurel || root.has("auditd") && root.has("@timestamp")
}

fn decode(document: &Document, bytes: &[u8]) -> Result<Decoded, Undecodable> {
    let root = Loose::root(document);
    if root.get("auditd").is_there() {
        let time = root.get("@timestamp").time();
        return Ok(told(dictionary::AUDITD, time, bytes, beat(root)));
    }
    let id = root.get("ID").str();
    if id.is_empty() {
        return Err(lacks("an ID"));
    }
    let mut decoded = told(dictionary::AUDITD, time_of(id), bytes, laurel(root));
    // Time and serial number are the event's own name.
    decoded.identity = Some(identity_of(&[b"auditd", id.as_bytes()]));
    Ok(decoded)
}

/// The time in an event's id: seconds, a dot, milliseconds, a colon, a serial number.
fn time_of(id: &str) -> Option<Time> {
    let (seconds, millis) = id.split_once(':')?.0.split_once('.')?;
    Some(Time::from_seconds(
        seconds.parse().ok()?,
        millis.parse::<i64>().ok().filter(|millis| (0..1000).contains(millis))?.saturating_mul(1_000_000),
    ))
}

fn laurel(root: Loose<'_>) -> Option<Fact> {
    let call = root.get("SYSCALL");
    let filter = root.get("NETFILTER_CFG");
    if filter.is_there() {
        let filter = filter.list().into_iter().next().unwrap_or(filter);
        return Some(Fact::Filter(Box::new(FilterChange {
            tool: SmolStr::new_static(if filter.get("op").str().starts_with("nft") { "nftables" } else { "iptables" }),
            action: operation(filter.get("op").str()),
            object: object(filter.get("op").str()),
            family: family(&filter.get("family").text()),
            table: filter.get("table").text(),
            entries: filter.get("entries").int(),
            pid: call.get("pid").int().or_else(|| filter.get("pid").int()).unwrap_or(0),
            process: call.any(&["comm", "exe"]).text(),
            login_uid: user_id(call.get("auid").int()),
            ..FilterChange::default()
        })));
    }
    if !call.is_there() {
        return None;
    }
    let name = call.any(&["SYSCALL", "syscall"]).text();
    let execve = root.get("EXECVE");
    let mut command = execve.get("ARGV").texts();
    if command.is_empty() {
        command = words(execve.get("ARGV_STR").str());
    }
    if command.is_empty() {
        command = root.at(&["PROCTITLE", "ARGV"]).texts();
    }
    let parent: Vec<SmolStr> = root.at(&["PARENT_INFO", "ARGV"]).texts();
    let paths = root.get("PATH").list();
    let path =
        paths.iter().rev().find(|path| path.get("nametype").str() != "PARENT").map(|path| path.get("name").text()).unwrap_or_default();
    let address = root.at(&["SOCKADDR", "SADDR"]);
    // With the collection's own option, Laurel says which container the process is in.
    let container = crate::process::container_id(root.at(&["CONTAINER_INFO", "ID"]).str());
    let mut event = ProcessEvent {
        action: action_of(&name),
        pid: call.get("pid").int().unwrap_or(0),
        parent_pid: call.get("ppid").int().unwrap_or(0),
        executable: call.get("exe").text(),
        command,
        directory: root.at(&["CWD", "cwd"]).text(),
        parent_executable: call.at(&["PPID", "exe"]).text(),
        parent_command: SmolStr::from(parent.join(" ")),
        uid: user_id(call.get("uid").int()),
        login_uid: user_id(call.get("auid").int()),
        user: call.get("UID").text(),
        container_id: container,
        ..ProcessEvent::default()
    };
    // A call that failed did nothing.
    if call.get("success").str() == "no" && event.action == ProcessAction::Exec {
        event.action = ProcessAction::Other;
    }
    completed(&name, path, address, &call.any(&["a0"]).text(), &call.get("a1").text(), &mut event);
    process(event)
}

/// What else the call did.
fn completed(name: &str, path: SmolStr, address: Loose<'_>, first: &str, second: &str, event: &mut ProcessEvent) {
    let number = |hex: &str| i64::from_str_radix(hex.trim_start_matches("0x"), 16).ok();
    match event.action {
        ProcessAction::Connect | ProcessAction::Listen => {
            event.address = address.any(&["addr", "ip"]).text();
            event.port = address.get("port").port();
            event.path = address.get("path").text();
        }
        ProcessAction::File => {
            event.path = path;
            event.writes = writes(name);
        }
        ProcessAction::Mount => event.path = path,
        ProcessAction::Signal => {
            event.signal = signal_number(&number(second).map(|signal| signal.to_string()).unwrap_or_default()).zip(number(first))
        }
        _ => {}
    }
}

fn beat(root: Loose<'_>) -> Option<Fact> {
    let (data, running) = (root.at(&["auditd", "data"]), root.get("process"));
    if !running.is_there() {
        return None;
    }
    let name = data.get("syscall").text();
    let outcome = root.at(&["auditd", "result"]).str();
    let action = match root.at(&["event", "action"]).str() {
        "executed" => ProcessAction::Exec,
        "connected-to" => ProcessAction::Connect,
        "bound-socket" => ProcessAction::Listen,
        _ => action_of(&name),
    };
    let mut event = ProcessEvent {
        action: if outcome == "fail" && action == ProcessAction::Exec { ProcessAction::Other } else { action },
        pid: running.get("pid").int().unwrap_or(0),
        parent_pid: running.at(&["parent", "pid"]).int().or_else(|| running.get("ppid").int()).unwrap_or(0),
        executable: running.get("executable").text(),
        command: running.get("args").texts(),
        directory: running.get("working_directory").text(),
        uid: user_id(root.at(&["user", "id"]).int()),
        login_uid: user_id(root.at(&["user", "audit", "id"]).int()),
        user: root.at(&["user", "name"]).text(),
        container_id: crate::process::container_id(root.at(&["container", "id"]).str()),
        ..ProcessEvent::default()
    };
    if event.command.is_empty() {
        event.command = words(running.get("title").str());
    }
    let paths = root.at(&["auditd", "paths"]).list();
    let path =
        paths.iter().rev().find(|path| path.get("nametype").str() != "PARENT").map(|path| path.get("name").text()).unwrap_or_default();
    completed(&name, path, data.get("socket"), data.get("a0").str(), data.get("a1").str(), &mut event);
    process(event)
}

/// What the kernel calls the operation, in our words.
pub(crate) fn operation(op: &str) -> SmolStr {
    let word = op.trim_start_matches("nft_").trim_start_matches("xt_");
    let known = ["unregister", "register", "replace", "flush", "delete", "destroy", "create", "add", "reset"]
        .into_iter()
        .find(|known| word.starts_with(known) || word.ends_with(known));
    SmolStr::new(match known {
        Some("destroy") => "delete",
        Some("create") => "add",
        Some(known) => known,
        None => word,
    })
}

pub(crate) fn object(op: &str) -> SmolStr {
    SmolStr::new(
        op.rsplit_once('_')
            .map(|(_, object)| object)
            .filter(|object| matches!(*object, "table" | "chain" | "rule" | "set"))
            .unwrap_or_else(|| if op.contains("setelem") { "element" } else { "" }),
    )
}

pub(crate) fn family(number: &str) -> SmolStr {
    SmolStr::new(match number {
        "1" => "inet",
        "2" => "ip",
        "3" => "arp",
        "7" => "bridge",
        "10" => "ip6",
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Decoded {
        let document = Document::parse(text.as_bytes()).unwrap();
        assert!(recognise(&document), "{text}");
        decode(&document, text.as_bytes()).unwrap()
    }

    fn process_of(text: &str) -> ProcessEvent {
        match read(text).fact {
            Some(Fact::Process(process)) => *process,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn laurel_s_line_is_a_program_that_was_run() {
        assert_eq!(read(SOURCE.sample).time.map(|time| time.to_string()).as_deref(), Some("2026-11-24T13:41:18.072000000Z"));
        let event = process_of(SOURCE.sample);
        assert_eq!(
            (event.action, event.pid, event.executable.as_str(), event.login_uid),
            (ProcessAction::Exec, 17417, "/bin/busybox", None)
        );
        assert_eq!((event.command.len(), event.parent_command.as_str()), (3, "containerd-shim -id 50042e85f10d"));
        assert_eq!(process_of(&SOURCE.sample.replace("\"yes\"", "\"no\"")).action, ProcessAction::Other);
    }

    #[test]
    fn a_signal_and_a_change_of_the_filter_are_read() {
        let kill = process_of(r#"{"ID":"1.001:5","SYSCALL":{"SYSCALL":"kill","pid":5,"exe":"/bin/kill","a0":"0x1f","a1":"0x13"}}"#);
        assert_eq!((kill.action, kill.signal), (ProcessAction::Signal, Some((19, 31))));
        let Some(Fact::Filter(change)) = read(r#"{"ID":"1.001:6","NETFILTER_CFG":{"table":"filter","family":2,"entries":12,"op":"xt_replace"},"SYSCALL":{"pid":9,"comm":"iptables","auid":1000}}"#).fact else {
            panic!("a filter's change")
        };
        assert_eq!(
            (change.tool.as_str(), change.action.as_str(), change.family.as_str(), change.entries, change.login_uid),
            ("iptables", "replace", "ip", Some(12), Some(1000))
        );
        assert_eq!((operation("nft_unregister_rule").as_str(), object("nft_unregister_rule").as_str()), ("unregister", "rule"));
    }

    #[test]
    fn auditbeat_s_document_says_the_same() {
        let event = process_of(
            r#"{"@timestamp":"2026-11-24T13:41:18.072Z","auditd":{"message_type":"syscall","sequence":5,"result":"success","data":{"syscall":"execve","a0":"55","a1":"56"}},"event":{"action":"executed"},"process":{"pid":17417,"parent":{"pid":17391},"executable":"/bin/busybox","args":["sh","-c","id"],"title":"sh -c id","working_directory":"/"},"user":{"id":"0","audit":{"id":"1000"},"name":"root"}}"#,
        );
        assert_eq!(
            (event.action, event.pid, event.parent_pid, event.command.len(), event.login_uid),
            (ProcessAction::Exec, 17417, 17391, 3, Some(1000))
        );
    }
}
