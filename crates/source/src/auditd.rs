//! Events of the kernel's audit subsystem as `auditd` writes them down, one record a line; the records of one event that follow each other are read together.
//!
//! Also what the kernel says of the subsystem itself in its own log: that records were lost.

mod calls;
mod parts;

use crate::auditd_json::{family, object, operation};
use crate::process::{action_of, told, user_id, writes};
use crate::{SourceDef, Text, Witness, text};
use event::document::{Document, SIZE_MAX};
use event::fact::{Fact, SensorNote, Sight};
use event::flow::FilterChange;
use event::system::{ProcessAction, ProcessEvent};
use event::{Decoded, SmolStr, Time, Undecodable, dictionary};
use parts::Part;
use serde_json::{Map, Value};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "auditd",
    witness: Witness::System,
    kind: dictionary::AUDITD,
    about: "Events of the kernel's audit subsystem as auditd writes them: programs run, files, connections, changes of the packet filter, and what was lost.",
    size_max: SIZE_MAX,
    recognise: |_| false,
    finds_duplicates: false,
    decode: |_: &Document, _| Err(broken("is JSON, which auditd does not write")),
    text: Some(Text { recognise, decode }),
    sample: "type=SYSCALL msg=audit(1795527678.072:348501): arch=c000003e syscall=59 success=yes exit=0 a0=7f1c a1=7f2c a2=7f3c a3=8 items=2 ppid=17391 pid=17417 auid=4294967295 uid=0 gid=0 euid=0 tty=pts0 ses=4294967295 comm=\"sh\" exe=\"/bin/busybox\" key=\"exec\"\ntype=EXECVE msg=audit(1795527678.072:348501): argc=3 a0=\"sh\" a1=\"-c\" a2=636174202F6574632F736861646F77\ntype=CWD msg=audit(1795527678.072:348501): cwd=\"/\"",
};

/// So much of a line is looked at to find out what it is: before an event's name there stand at most a host's name and a stamp of syslog.
const HEAD: usize = 256;

/// What the kernel's log says when audit records are lost.
const LOSSES: [&str; 5] = [
    "audit: backlog limit exceeded",
    "audit: audit_lost=",
    "audit: audit_backlog=",
    "audit: rate limit exceeded",
    "audit: kauditd hold queue overflow",
];

/// The name of the event that a line belongs to: time and serial number, as they stand in it.
pub(crate) fn event_of(line: &[u8]) -> Option<&[u8]> {
    let head = &line[..line.len().min(HEAD)];
    let at = memchr::memmem::find(head, b"audit(")? + 6;
    memchr::memmem::find(&head[..at], b"type=")?;
    let end = memchr::memchr(b')', &head[at..])?;
    Some(&head[at..at + end])
}

fn loss(line: &str) -> Option<&'static str> {
    let head = line.get(..HEAD).unwrap_or(line);
    LOSSES.into_iter().find(|words| head.contains(words))
}

fn recognise(bytes: &[u8]) -> bool {
    event_of(bytes).is_some()
        || memchr::memmem::find(&bytes[..bytes.len().min(HEAD)], b"audit: ").is_some()
            && std::str::from_utf8(bytes).is_ok_and(|line| loss(line).is_some())
}

fn broken(reason: &str) -> Undecodable {
    Undecodable { reason: reason.to_owned(), unknown: false }
}

fn decode(bytes: &[u8]) -> Result<Decoded, Undecodable> {
    let lines = std::str::from_utf8(bytes).map_err(|_| broken("is not UTF-8"))?;
    let Some(stamp) = event_of(bytes) else {
        let line = lines.lines().next().unwrap_or_default();
        let words = loss(line).ok_or_else(|| broken("is no record of the audit subsystem"))?;
        let mut decoded = told(
            dictionary::AUDITD,
            syslog_time(line),
            bytes,
            Some(dropped(line.split_once(words).map_or(words, |(head, _)| line[head.len()..].trim()))),
        );
        decoded.document =
            text::document(Map::from_iter([("type".to_owned(), Value::from("KERNEL")), ("message".to_owned(), Value::from(line))]));
        return Ok(decoded);
    };
    let stamp = std::str::from_utf8(stamp).unwrap_or_default();
    let (time, serial) = stamp.rsplit_once(':').ok_or_else(|| broken("has an event's name without a serial number"))?;
    let time = text::seconds(time).or_else(|| interpreted_time(time)).ok_or_else(|| broken("has a time that is none"))?;
    let parts: Vec<Part> = lines.lines().filter_map(Part::of).collect();
    if parts.is_empty() {
        return Err(broken("ends in the middle of a record"));
    }
    let event = Event { parts: &parts };
    let mut decoded = told(dictionary::AUDITD, Some(time), bytes, event.fact());
    decoded.document = text::document(event.document(serial));
    Ok(decoded)
}

/// The time at the beginning of a line of syslog, when it has a year.
fn syslog_time(line: &str) -> Option<Time> {
    Time::parse(line.split_ascii_whitespace().next()?)
}

/// The time as `ausearch -i` prints it; without a zone, read as UTC.
fn interpreted_time(text: &str) -> Option<Time> {
    let (date, time) = text.split_once(' ')?;
    let mut date = date.split('/');
    let (month, day, year) = (date.next()?, date.next()?, date.next()?);
    let year = if year.len() == 2 { format!("20{year}") } else { year.to_owned() };
    Time::parse(&format!("{year}-{month}-{day}T{time}Z"))
}

fn dropped(reason: &str) -> Fact {
    sensor(Sight::Dropped { count: 1, reason: SmolStr::new(reason) })
}

fn sensor(note: Sight) -> Fact {
    Fact::Sensor(SensorNote { of: SmolStr::new_static("auditd"), note })
}

/// The records of one event.
struct Event<'a> {
    parts: &'a [Part],
}

impl Event<'_> {
    fn part(&self, kind: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.kind == kind)
    }

    /// The value of a field in the first record of that type.
    fn said(&self, kind: &str, name: &str) -> &str {
        self.part(kind).map_or("", |part| part.get(name))
    }

    /// One document: the fields of all records. A field that several records have is a list, so that a rule finds it whichever record it means.
    fn document(&self, serial: &str) -> Map<String, Value> {
        let mut map = Map::new();
        let mut put = |name: &str, value: Value| match map.get_mut(name) {
            None => drop(map.insert(name.to_owned(), value)),
            Some(Value::Array(list)) if !list.contains(&value) => list.push(value),
            Some(Value::Array(_)) => {}
            Some(known) if *known == value => {}
            Some(known) => *known = Value::Array(vec![known.take(), value]),
        };
        put("serial", text::value(serial));
        for part in self.parts {
            put("type", Value::from(part.kind.as_str()));
            for (name, value) in &part.fields {
                // Two keys of one rule stand in one field.
                value.split('\u{1}').for_each(|value| put(name, text::value(value)));
            }
        }
        // What auditd adds when it is told to resolve names; rules name these.
        for (name, value) in [("SYSCALL", self.call()), ("ARCH", calls::arch(self.said("SYSCALL", "arch")))] {
            if !value.is_empty() && !map.contains_key(name) {
                map.insert(name.to_owned(), Value::from(value));
            }
        }
        map
    }

    /// The system call by name; empty when it is not known.
    fn call(&self) -> &str {
        let (resolved, number) = (self.said("SYSCALL", "SYSCALL"), self.said("SYSCALL", "syscall"));
        if !resolved.is_empty() && !resolved.starts_with("unknown") {
            return resolved;
        }
        if number.starts_with(|c: char| c.is_ascii_alphabetic()) { number } else { calls::name(self.said("SYSCALL", "arch"), number) }
    }

    fn fact(&self) -> Option<Fact> {
        if let Some(filter) = self.part("NETFILTER_CFG") {
            return Some(Fact::Filter(Box::new(self.filter(filter))));
        }
        let first = self.parts.first()?;
        match first.kind.as_str() {
            "CONFIG_CHANGE" => {
                if let Some(fact) = self.switched(first) {
                    return Some(fact);
                }
            }
            "DAEMON_START" => return Some(sensor(Sight::Started)),
            "DAEMON_END" => return Some(sensor(Sight::Stopped)),
            "DAEMON_ABORT" => return Some(sensor(Sight::Lost { reason: SmolStr::new_static("auditd aborted") })),
            "DAEMON_ERR" => return Some(sensor(Sight::Dropped { count: 1, reason: SmolStr::new_static("auditd could not write") })),
            _ => {}
        }
        self.process().map(|process| Fact::Process(Box::new(process)))
    }

    /// The subsystem was switched off or on, or says that it lost something.
    fn switched(&self, part: &Part) -> Option<Fact> {
        let lost = part.get("lost");
        if !matches!(lost, "" | "0") {
            return Some(dropped(&format!("the kernel lost {lost} audit records")));
        }
        match (part.get("audit_enabled"), part.get("old")) {
            ("0", old) if old != "0" => Some(sensor(Sight::Lost { reason: SmolStr::new_static("auditing was switched off") })),
            ("1" | "2", "0") => Some(sensor(Sight::Resumed { from: None, to: None, complete: false })),
            _ => None,
        }
    }

    fn filter(&self, filter: &Part) -> FilterChange {
        let op = filter.get("op");
        let pid = [self.said("SYSCALL", "pid"), filter.get("pid")].into_iter().find_map(|pid| pid.parse().ok());
        let comm = [self.said("SYSCALL", "comm"), filter.get("comm")].into_iter().find(|comm| !comm.is_empty());
        FilterChange {
            tool: SmolStr::new_static(if op.starts_with("nft") { "nftables" } else { "iptables" }),
            action: operation(op),
            object: object(op),
            family: family(filter.get("family")),
            table: SmolStr::new(filter.get("table").split(':').next().unwrap_or_default()),
            entries: filter.get("entries").parse().ok(),
            pid: pid.unwrap_or(0),
            process: SmolStr::new(comm.unwrap_or_default()),
            login_uid: user_id(self.said("SYSCALL", "auid").parse().ok()),
            ..FilterChange::default()
        }
    }

    fn process(&self) -> Option<ProcessEvent> {
        let is_alert = |part: &&Part| part.kind.starts_with("ANOM_") || matches!(part.kind.as_str(), "AVC" | "SECCOMP" | "USER_AVC");
        let alert = self.parts.iter().find(is_alert);
        let part = self.part("SYSCALL").or(alert)?;
        let number = |name: &str| part.get(name).parse::<i64>().ok();
        let (command, truncated) = self.command();
        let name = self.call();
        let mut event = ProcessEvent {
            action: if part.kind == "SYSCALL" { action_of(name) } else { ProcessAction::Other },
            pid: number("pid").unwrap_or(0),
            parent_pid: number("ppid").unwrap_or(0),
            executable: SmolStr::new(part.get("exe")),
            command,
            command_truncated: truncated,
            directory: SmolStr::new(self.said("CWD", "cwd")),
            uid: user_id(number("uid")),
            login_uid: user_id(number("auid")),
            user: SmolStr::new(part.get("UID")),
            rule: alert.map(|part| part.kind.clone()).unwrap_or_default(),
            ..ProcessEvent::default()
        };
        let failed = part.get("success") == "no";
        // A program that could not be run was not run. A connection may still be under way.
        if failed && event.action == ProcessAction::Exec {
            event.action = ProcessAction::Other;
        }
        self.complete(name, part, failed, &mut event);
        Some(event)
    }

    /// What else the call did, by its arguments.
    fn complete(&self, name: &str, call: &Part, failed: bool, event: &mut ProcessEvent) {
        let argument = |n: &str| i64::from_str_radix(call.get(n).trim_start_matches("0x"), 16).ok();
        match event.action {
            ProcessAction::Connect | ProcessAction::Listen => {
                let address = self.part("SOCKADDR").map(|part| calls::address(part.get("saddr"))).unwrap_or_default();
                (event.address, event.port, event.path, event.protocol) = address;
            }
            ProcessAction::File => {
                let flags = match name {
                    "open" => argument("a1"),
                    "openat" => argument("a2"),
                    _ => None,
                };
                event.path = self.path();
                event.writes = !failed && (writes(name) || flags.is_some_and(calls::opens_for_writing));
            }
            ProcessAction::Mount => event.path = self.path(),
            ProcessAction::Signal => {
                let (target, signal) = if name == "tgkill" { ("a0", "a2") } else { ("a0", "a1") };
                let target = self.said("OBJ_PID", "opid").parse().ok().or_else(|| argument(target));
                event.signal = argument(signal).zip(target);
            }
            _ => {}
        }
    }

    /// The path that the call was about, from the root where the working directory is known.
    fn path(&self) -> SmolStr {
        let paths = || self.parts.iter().filter(|part| part.kind == "PATH");
        let name = paths().rev().find(|part| part.get("nametype") != "PARENT").map_or("", |part| part.get("name"));
        let directory = self.said("CWD", "cwd");
        if name.is_empty() || name.starts_with('/') || directory.is_empty() {
            return SmolStr::new(name);
        }
        SmolStr::new(format!("{}/{name}", directory.trim_end_matches('/')))
    }

    /// The words of the command, and whether some are missing.
    fn command(&self) -> (Vec<SmolStr>, bool) {
        let mut words: Vec<(u32, SmolStr)> = Vec::new();
        for part in self.parts.iter().filter(|part| part.kind == "EXECVE") {
            for (name, value) in &part.fields {
                if let Some(n) = name.strip_prefix('a').and_then(|n| n.parse().ok()) {
                    words.push((n, value.clone()));
                }
            }
        }
        if !words.is_empty() {
            words.sort_by_key(|(n, _)| *n);
            let count = self.said("EXECVE", "argc").parse::<usize>().ok();
            let missing = count.is_some_and(|count| count > words.len());
            return (words.into_iter().map(|(_, word)| word).collect(), missing);
        }
        let title = self.said("PROCTITLE", "proctitle");
        // Its words are already joined; the kernel keeps 128 bytes of them.
        (crate::process::words(title), title.len() >= 127)
    }
}

#[cfg(test)]
mod tests;
