//! What `/proc` says of a process. Processes come and go while they are read: what is missing is left out.

use event::cgroup::container_of;
use serde::Serialize;
use std::collections::VecDeque;
use std::fs;
use std::io::Read;

/// Arguments are kept up to this many bytes.
const ARGUMENTS_BYTES_MAX: u64 = 4096;
/// Other files are read up to this.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Namespaces by their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Namespaces {
    #[serde(skip_serializing_if = "is_zero")]
    pub mnt: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub pid: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub net: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub user: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Namespaces {
    /// Those of a process.
    pub fn of(pid: &str) -> Namespaces {
        let number = |name: &str| {
            let link = fs::read_link(format!("/proc/{pid}/ns/{name}")).ok()?;
            let text = link.to_string_lossy();
            text.split_once('[')?.1.trim_end_matches(']').parse().ok()
        };
        let of = |name| number(name).unwrap_or(0);
        Namespaces { mnt: of("mnt"), pid: of("pid"), net: of("net"), user: of("user") }
    }

    /// The host's own, as its first process has them.
    pub fn of_the_host() -> Namespaces {
        let first = Namespaces::of("1");
        if first.mnt == 0 { Namespaces::of("self") } else { first }
    }

    /// Both the file systems and the processes that it sees are others than the host's.
    pub fn is_foreign_to(&self, host: &Namespaces) -> bool {
        self.mnt != 0 && self.pid != 0 && self.mnt != host.mnt && self.pid != host.pid
    }
}

/// What can be read of a process.
#[derive(Clone, Debug, Default)]
pub(super) struct Process {
    pub parent: Option<i64>,
    pub exe: Option<String>,
    pub args: Vec<String>,
    pub args_truncated: bool,
    pub cwd: Option<String>,
    pub uid: Option<u32>,
    pub login_uid: Option<u32>,
    pub cgroup: Option<String>,
    pub namespaces: Namespaces,
    pub capabilities: Option<String>,
}

impl Process {
    /// Reads it. `None` when it is gone altogether.
    pub fn read(pid: i64) -> Option<Process> {
        let file = |name: &str| read(&format!("/proc/{pid}/{name}"), FILE_BYTES_MAX);
        let link = |name: &str| fs::read_link(format!("/proc/{pid}/{name}")).ok().map(|path| path.to_string_lossy().into_owned());
        // The control group first: it is what tells whose a process is, and a short process may be gone at the next file.
        let cgroup = file("cgroup").and_then(|text| control_group(&String::from_utf8_lossy(&text)));
        let (args, args_truncated) =
            read(&format!("/proc/{pid}/cmdline"), ARGUMENTS_BYTES_MAX + 1).map(|bytes| arguments(&bytes)).unwrap_or_default();
        let status = file("status").map(|text| String::from_utf8_lossy(&text).into_owned())?;
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        Some(Process {
            parent: field("PPid:").and_then(|text| text.parse().ok()),
            exe: link("exe"),
            args,
            args_truncated,
            cwd: link("cwd"),
            uid: field("Uid:").and_then(|text| text.split_whitespace().nth(1)?.parse().ok()),
            login_uid: file("loginuid").and_then(|text| String::from_utf8_lossy(&text).trim().parse().ok()),
            cgroup,
            namespaces: Namespaces::of(&pid.to_string()),
            capabilities: field("CapEff:").map(str::to_owned),
        })
    }
}

/// Ids of all processes that stand now.
pub(super) fn standing() -> Vec<i64> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids: Vec<i64> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    pids
}

/// At most so many bytes of a file.
pub(super) fn read(path: &str, max: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(max).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn arguments(bytes: &[u8]) -> (Vec<String>, bool) {
    let truncated = bytes.len() as u64 > ARGUMENTS_BYTES_MAX;
    let kept = bytes.get(..bytes.len().min(ARGUMENTS_BYTES_MAX as usize)).unwrap_or_default();
    let kept = kept.strip_suffix(b"\0").unwrap_or(kept);
    if kept.is_empty() {
        return (Vec::new(), truncated);
    }
    (kept.split(|byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned()).collect(), truncated)
}

/// The path that tells most: one that names a container; else that of the unified hierarchy, else of the one in which processes are counted.
pub(super) fn control_group(text: &str) -> Option<String> {
    let mut lines = VecDeque::new();
    for line in text.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
        if container_of(path).is_some_and(|found| found.certain) {
            return Some(path.to_owned());
        }
        match controllers {
            "" if path != "/" => lines.push_front(path),
            "pids" => lines.push_back(path),
            "" | "name=systemd" => lines.push_back(path),
            _ => {}
        }
    }
    lines.front().map(|path| (*path).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_group_that_names_the_container_counts() {
        let id = "50042e85f10d3efb43888b85eddf68b7550e45f6a2b3aa6dc30a10bdba6f3e4a";
        assert_eq!(control_group(&format!("9:name=systemd:/\n4:memory:/docker/{id}\n0::/\n")), Some(format!("/docker/{id}")));
        assert_eq!(control_group("0::/system.slice/ssh.service\n").as_deref(), Some("/system.slice/ssh.service"));
        assert_eq!(control_group("8:pids:/lab/run\n4:memory:/elsewhere/x\n0::/\n").as_deref(), Some("/lab/run"));
        assert_eq!(control_group("rubbish"), None);
    }

    #[test]
    fn arguments_are_bounded_and_say_so() {
        assert_eq!(arguments(b"sh\0-c\0\0"), (vec!["sh".into(), "-c".into(), String::new()], false));
        assert_eq!(arguments(b""), (Vec::new(), false));
        assert!(arguments(&[b'x'; 5000]).1);
    }

    #[test]
    fn this_process_is_on_its_host() {
        let own = Process::read(i64::from(std::process::id())).expect("this process");
        assert!(own.exe.is_some() && !own.args.is_empty() && own.uid.is_some() && own.namespaces.mnt != 0);
        assert!(standing().contains(&i64::from(std::process::id())));
    }
}
