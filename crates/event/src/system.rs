//! What the kernel's witnesses say: processes, and what containers use.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Something that a process did, as a system witness (process connector, auditd, Falco, Tetragon, Tracee, Kunai) says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessEvent {
    /// What happened.
    pub action: ProcessAction,
    /// Its id on the host.
    pub pid: i64,
    /// Its parent's id on the host; 0 when not said.
    pub parent_pid: i64,
    /// Path of its executable.
    pub executable: SmolStr,
    /// Executable and arguments.
    pub command: Vec<SmolStr>,
    /// The witness cut the arguments off: what follows them is unknown.
    pub command_truncated: bool,
    /// Working directory.
    pub directory: SmolStr,
    /// Path of the parent's executable.
    pub parent_executable: SmolStr,
    /// The parent's command line.
    pub parent_command: SmolStr,
    /// User id on the host; `None` when not said.
    pub uid: Option<i64>,
    /// User id at login; `None` when not said or unset.
    pub login_uid: Option<i64>,
    /// User's name, where the witness knows it.
    pub user: SmolStr,
    /// The container that the witness names: full id or its beginning (at least 12 characters), without a scheme. Empty: it names none. `host`: it says that
    /// the process is in no container.
    pub container_id: SmolStr,
    /// Container's name, as the witness says it.
    pub container_name: SmolStr,
    /// Image reference, as the witness says it.
    pub container_image: SmolStr,
    /// Pod's namespace.
    pub pod_namespace: SmolStr,
    /// Pod's name.
    pub pod_name: SmolStr,
    /// Path of its control group, where it was read.
    pub cgroup: SmolStr,
    /// Its namespaces, as inode numbers; 0 when not known.
    pub namespaces: Namespaces,
    /// Namespaces of the host's first process, when the witness read them: what differs is foreign.
    pub host_namespaces: Namespaces,
    /// Effective capabilities as the kernel's bit set, where they were read.
    pub capabilities: Option<u64>,
    /// For [`ProcessAction::Exit`]: exit code.
    pub exit_code: Option<i64>,
    /// For [`ProcessAction::Signal`]: signal and target process.
    pub signal: Option<(i64, i64)>,
    /// For [`ProcessAction::File`] and [`ProcessAction::Mount`]: the path.
    pub path: SmolStr,
    /// For [`ProcessAction::File`]: opened for writing, truncated, removed or renamed.
    pub writes: bool,
    /// For [`ProcessAction::Connect`] and [`ProcessAction::Listen`]: the remote (or local) address, empty for a local socket.
    pub address: SmolStr,
    /// Port there; 0 when there is none.
    pub port: u16,
    /// `tcp`, `udp`, `unix`, …
    pub protocol: SmolStr,
    /// Rule of the other sensor that spoke, when the record is an alert of its own (Falco, Tracee).
    pub rule: SmolStr,
}

/// What a process can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ProcessAction {
    /// It runs a program.
    #[default]
    Exec,
    /// It came to be as a copy of its parent.
    Fork,
    /// It ended.
    Exit,
    /// It was there already when it was looked at.
    Standing,
    /// It opened a connection.
    Connect,
    /// It waits for connections.
    Listen,
    /// It opened, wrote, removed or renamed a file.
    File,
    /// It mounted something.
    Mount,
    /// It sent a signal.
    Signal,
    /// It changed its namespaces.
    Namespace,
    /// It used the kernel's `bpf` call.
    Bpf,
    /// Anything else that the witness reports.
    Other,
}

/// Namespaces as inode numbers; 0 when not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Namespaces {
    /// Mount namespace.
    pub mnt: u64,
    /// Process namespace.
    pub pid: u64,
    /// Network namespace.
    pub net: u64,
    /// User namespace.
    pub user: u64,
}

/// What a control group uses and may use, as the kernel has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Path of the control group.
    pub cgroup: SmolStr,
    /// Container that the path names; empty when it names none.
    pub container_id: SmolStr,
    /// Length of the measured interval, in nanoseconds.
    pub interval: i64,
    /// Processor time used in the interval, in nanoseconds over all cores.
    pub cpu: Option<i64>,
    /// Processor limit in cores; `None` without a limit or when not read (see `limits_read`).
    pub cpu_limit: Option<f64>,
    /// Memory in use, in bytes.
    pub memory: Option<i64>,
    /// Memory limit in bytes; `None` without a limit.
    pub memory_limit: Option<i64>,
    /// Process limit; `None` without a limit.
    pub pids_limit: Option<i64>,
    /// Processes in it.
    pub pids: Option<i64>,
    /// The limits were read: `None` above then means that there is none.
    pub limits_read: bool,
    /// Times that the kernel killed for memory in the interval.
    pub oom_kills: Option<i64>,
    /// Share of time in which something waited for a processor, in percent over the last ten seconds.
    pub cpu_pressure: Option<f64>,
    /// Share of time in which something waited for memory, likewise.
    pub memory_pressure: Option<f64>,
    /// It is frozen.
    pub frozen: Option<bool>,
}
