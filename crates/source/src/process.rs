//! What the decoders of system witnesses have in common.

use event::document::Document;
use event::event::identity_of;
use event::fact::Fact;
use event::system::{ProcessAction, ProcessEvent};
use event::{Decoded, Kind, SmolStr, Time};

/// More words of one command line are not kept.
const WORDS_MAX: usize = 256;

/// A decoder's answer. The same bytes are the same statement: such records say their time to the nanosecond or carry an id.
pub(crate) fn told(kind: Kind, time: Option<Time>, bytes: &[u8], fact: Option<Fact>) -> Decoded {
    let subject = match &fact {
        Some(Fact::Process(process)) => process.container_id.clone(),
        Some(Fact::Usage(usage)) => usage.container_id.clone(),
        Some(Fact::Sensor(note)) => note.of.clone(),
        _ => SmolStr::default(),
    };
    let identity = time.is_some().then(|| identity_of(&[kind.name().as_bytes(), bytes]));
    Decoded { kind, time, identity, subject, document: Document::default(), fact, truncated: false, duplicate_keys: false }
}

/// A process's event as a fact.
pub(crate) fn process(event: ProcessEvent) -> Option<Fact> {
    Some(Fact::Process(Box::new(event)))
}

/// A container's id as sensors write it: without a scheme (`docker://…`); `host` when the sensor says that it is none; empty when that is no id or too short
/// to tell containers apart.
pub(crate) fn container_id(text: &str) -> SmolStr {
    let id = text.rsplit_once("://").map_or(text, |(_, id)| id);
    let is_id = (12..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if is_id || id == "host" { SmolStr::new(id) } else { SmolStr::default() }
}

/// A user id; the kernel writes −1 as unsigned where none is set.
pub(crate) fn user_id(id: Option<i64>) -> Option<i64> {
    id.filter(|id| (0..4_294_967_295).contains(id))
}

/// A command line apart. Quotes keep words together, as shells and sensors write them; nothing is expanded.
pub(crate) fn words(line: &str) -> Vec<SmolStr> {
    let (mut list, mut word, mut quote, mut any) = (Vec::new(), String::new(), None, false);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\\', Some('"')) => word.extend(chars.next()),
            ('"' | '\'', None) => (quote, any) = (Some(c), true),
            (c, None) if c.is_ascii_whitespace() => {
                if any {
                    list.push(SmolStr::from(std::mem::take(&mut word)));
                    any = false;
                }
                if list.len() >= WORDS_MAX {
                    return list;
                }
            }
            (c, _) => {
                word.push(c);
                any = true;
            }
        }
    }
    if any {
        list.push(SmolStr::from(word));
    }
    list
}

/// What a system call or a kernel function of that name does; `Other` for those that say nothing of interest.
pub(crate) fn action_of(name: &str) -> ProcessAction {
    let name = name.trim_start_matches("__x64_").trim_start_matches("__arm64_").trim_start_matches("__").trim_start_matches("sys_");
    match name {
        "execve" | "execveat" | "sched_process_exec" | "execve_script" => ProcessAction::Exec,
        "fork" | "vfork" | "clone" | "clone3" | "sched_process_fork" => ProcessAction::Fork,
        "exit" | "exit_group" | "sched_process_exit" | "procexit" => ProcessAction::Exit,
        "connect"
        | "tcp_connect"
        | "tcp_v4_connect"
        | "tcp_v6_connect"
        | "security_socket_connect"
        | "inet_stream_connect"
        | "net_tcp_connect" => ProcessAction::Connect,
        "listen" | "bind" | "security_socket_listen" | "security_socket_bind" | "inet_csk_listen_start" | "inet_listen" => {
            ProcessAction::Listen
        }
        "mount" | "umount" | "umount2" | "move_mount" | "fsmount" | "open_tree" | "security_sb_mount" | "do_mount" | "path_mount" => {
            ProcessAction::Mount
        }
        "kill" | "tkill" | "tgkill" | "pidfd_send_signal" | "security_task_kill" => ProcessAction::Signal,
        "setns" | "unshare" | "switch_task_ns" | "switch_task_namespaces" | "pivot_root" | "chroot" => ProcessAction::Namespace,
        "bpf" | "security_bpf" | "security_bpf_prog" | "bpf_check" | "bpf_prog_load" | "bpf_attach" | "bpf_socket_filter" => {
            ProcessAction::Bpf
        }
        _ if is_file(name) => ProcessAction::File,
        _ => ProcessAction::Other,
    }
}

/// Calls that name a file.
fn is_file(name: &str) -> bool {
    writes(name)
        || matches!(
            name,
            "open"
                | "openat"
                | "openat2"
                | "read"
                | "security_file_open"
                | "security_file_permission"
                | "security_mmap_file"
                | "fd_install"
                | "read_config"
                | "vfs_read"
        )
}

/// Calls that change the file that they name.
pub(crate) fn writes(name: &str) -> bool {
    let name = name.trim_start_matches("__x64_").trim_start_matches("__arm64_").trim_start_matches("sys_");
    matches!(
        name,
        "creat"
            | "write"
            | "vfs_write"
            | "vfs_writev"
            | "magic_write"
            | "write_config"
            | "write_close"
            | "file_create"
            | "file_rename"
            | "file_unlink"
            | "file_modification"
            | "truncate"
            | "ftruncate"
            | "rename"
            | "renameat"
            | "renameat2"
            | "unlink"
            | "unlinkat"
            | "rmdir"
            | "link"
            | "linkat"
            | "symlink"
            | "symlinkat"
            | "chmod"
            | "fchmodat"
            | "mknod"
            | "mknodat"
            | "mkdir"
            | "mkdirat"
            | "security_path_truncate"
            | "security_inode_unlink"
            | "security_inode_rename"
            | "security_inode_mknod"
            | "security_inode_symlink"
            | "security_path_unlink"
            | "security_path_rename"
    )
}

/// Capabilities in the order of their bits.
const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// A set of capabilities by name as the kernel's bits.
pub(crate) fn capabilities(names: &[SmolStr]) -> u64 {
    let bit = |name: &SmolStr| CAPABILITIES.iter().position(|known| *known == name.trim_start_matches("CAP_"));
    names.iter().filter_map(bit).fold(0, |set, bit| set | 1 << bit)
}

/// A signal by name or number.
pub(crate) fn signal_number(text: &str) -> Option<i64> {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM", "STKFLT",
        "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    let name = text.trim_start_matches("SIG");
    name.parse().ok().or_else(|| NAMES.iter().position(|known| *known == name).map(|place| place as i64 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_are_read_from_what_sensors_write() {
        assert_eq!(container_id("docker://86eb9e29a77d432afc7a15b424db1d24"), "86eb9e29a77d432afc7a15b424db1d24");
        assert_eq!(container_id("86eb9e29a77d"), "86eb9e29a77d");
        assert_eq!(container_id("host"), "host");
        for none in ["", "86eb9e29", "<NA>", "my-container-name", "86EB9E29A77D432A"] {
            assert_eq!(container_id(none), "", "{none}");
        }
    }

    #[test]
    fn words_stay_together_in_quotes() {
        assert_eq!(words(r#"-c "PORT=9080 python app.py" 'a "b"'  c"#), ["-c", "PORT=9080 python app.py", "a \"b\"", "c"]);
        assert_eq!(words(r#"echo "" "a\"b""#), ["echo", "", "a\"b"]);
    }

    #[test]
    fn capabilities_and_signals_have_numbers() {
        assert_eq!(capabilities(&["CAP_CHOWN".into(), "DAC_OVERRIDE".into(), "CAP_SYS_ADMIN".into(), "nonsense".into()]), 1 | 2 | 1 << 21);
        assert_eq!(
            (signal_number("SIGKILL"), signal_number("9"), signal_number("STOP"), signal_number("x")),
            (Some(9), Some(9), Some(19), None)
        );
    }

    #[test]
    fn kernel_functions_say_what_is_done() {
        assert_eq!(action_of("__x64_sys_setns"), ProcessAction::Namespace);
        assert_eq!(action_of("sys_write"), ProcessAction::File);
        assert!(writes("__x64_sys_write") && !writes("openat"));
        assert_eq!(action_of("ptrace"), ProcessAction::Other);
    }

    proptest! {
        #[test]
        fn any_line_comes_apart(line in "[ -~é\\\\\"']{0,80}") {
            prop_assert!(words(&line).len() <= WORDS_MAX);
        }
    }
}
