//! What containerd keeps of a container: its record with its OCI spec, from the API or from `ctr container info`.
//!
//! The spec says what the kernel is asked for, not what was asked of a command. It is read back into the words of an engine as far as that is sure: what
//! stands for *everything* is privileged, a namespace that is missing is the host's, a bind is a mount of the host.

use crate::containerd_events::own_name;
use crate::fields::{Fields, Notes};
use crate::prepare::{lacks, undated};
use crate::{SourceDef, Witness};
use event::document::{Document, SIZE_MAX};
use event::fact::{ContainerSpec, Device, Fact, Mount};
use event::{Decoded, SmolStr, Undecodable, dictionary};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "containerd_container",
    witness: Witness::Runtime,
    kind: dictionary::CONTAINERD_CONTAINER,
    about: "What a container of containerd is, by its OCI spec: command, capabilities, namespaces, mounts and limits.",
    size_max: SIZE_MAX,
    recognise,
    finds_duplicates: false,
    decode,
    text: None,
    sample: r#"{"landwaiter_containerd":1,"namespace":"lab","container":{"id":"c2","labels":{"team":"payments"},"image":"docker.io/library/busy:1","image_digest":"sha256:a39c01d1e7837e9db283fceec113c15a0ab9986036969eb2bf93f4a039b1f559","runtime":"io.containerd.runc.v2","created_at":"2026-11-24T17:36:54.890194012Z","spec":{"ociVersion":"1.0.2-dev","process":{"user":{"uid":0,"gid":0},"args":["/bin/sleep","60"],"env":["HOSTNAME=vm"],"cwd":"/","capabilities":{"bounding":["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FSETID","CAP_FOWNER","CAP_MKNOD","CAP_NET_RAW","CAP_SETGID","CAP_SETUID","CAP_SETFCAP","CAP_SETPCAP","CAP_NET_BIND_SERVICE","CAP_SYS_CHROOT","CAP_KILL","CAP_AUDIT_WRITE"]},"noNewPrivileges":true},"root":{"path":"/srv/root"},"mounts":[{"destination":"/proc","type":"proc","source":"proc","options":["nosuid","noexec","nodev"]},{"destination":"/h","type":"bind","source":"/etc","options":["rbind","ro"]}],"linux":{"resources":{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":3,"access":"rwm"}],"memory":{"limit":67108864},"cpu":{"shares":1024,"quota":50000,"period":100000}},"cgroupsPath":"/lab/c2","namespaces":[{"type":"pid"},{"type":"ipc"},{"type":"uts"},{"type":"mount"},{"type":"network"}],"maskedPaths":["/proc/kcore"],"readonlyPaths":["/proc/sys"]}}},"task":{"pid":18545,"status":"running"}}"#,
};

/// What a container has unless told otherwise, in every engine on top of containerd.
const CAPS_DEFAULT: &[&str] = &[
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// With all of these, nothing is held back; newer kernels have more of them.
const CAPS_OF_ALL: &[&str] =
    &["CAP_SYS_ADMIN", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_PTRACE", "CAP_SYS_BOOT", "CAP_MAC_ADMIN", "CAP_NET_ADMIN", "CAP_SYSLOG"];

/// Files that the runtime itself binds into each container.
const OWN_FILES: &[&str] = &["hosts", "hostname", "resolv.conf"];

fn recognise(document: &Document) -> bool {
    let notes = Notes::default();
    let root = Fields::new(document.root(), &notes);
    root.has("landwaiter_containerd") || is_info(&root)
}

/// The shape of `ctr container info`.
fn is_info(root: &Fields<'_>) -> bool {
    root.has("ID") && root.has("Spec") && root.has("Runtime") && root.has("SnapshotKey")
}

fn decode(document: &Document, _: &[u8]) -> Result<Decoded, Undecodable> {
    let notes = Notes::default();
    let root = Fields::new(document.root(), &notes);
    let mut spec = if is_info(&root) { from_info(&root) } else { from_record(&root) };
    if spec.id.is_empty() {
        return Err(lacks("a container's id"));
    }
    let (subject, is_dockers) = (spec.id.clone(), root.str("namespace") == "moby");
    spec.unreadable = notes.into_list();
    let mut decoded = undated(dictionary::CONTAINERD_CONTAINER, subject, Fact::ContainerSpec(Box::new(spec)));
    if is_dockers {
        // Docker's containers are described by Docker, which knows their names, networks and what was asked for.
        decoded.fact = None;
    }
    Ok(decoded)
}

fn from_record(root: &Fields<'_>) -> ContainerSpec {
    let container = root.object("container");
    let mut spec = ContainerSpec {
        id: container.text("id"),
        image: container.text("image"),
        image_id: container.text("image_digest"),
        labels: container.pairs("labels"),
        created: container.time("created_at"),
        runtime: plain_runtime(container.str("runtime")),
        ..ContainerSpec::default()
    };
    read_spec(&container.object("spec"), &mut spec);
    let task = root.object("task");
    spec.pid = task.int("pid").unwrap_or(0);
    spec.status = match task.str("status") {
        "" => SmolStr::new_static("created"),
        "stopped" => SmolStr::new_static("exited"),
        "pausing" => SmolStr::new_static("paused"),
        other => SmolStr::new(other),
    };
    spec
}

fn from_info(root: &Fields<'_>) -> ContainerSpec {
    let mut spec = ContainerSpec {
        id: root.text("ID"),
        image: root.text("Image"),
        labels: root.pairs("Labels"),
        created: root.time("CreatedAt"),
        runtime: plain_runtime(root.object("Runtime").str("Name")),
        ..ContainerSpec::default()
    };
    read_spec(&root.object("Spec"), &mut spec);
    spec
}

/// Which runtime does it, when it is not the usual one.
fn plain_runtime(name: &str) -> SmolStr {
    let usual = ["io.containerd.runc.v1", "io.containerd.runc.v2", "io.containerd.runtime.v1.linux", "runc"].contains(&name);
    if usual { SmolStr::default() } else { SmolStr::new(name) }
}

fn read_spec(oci: &Fields<'_>, spec: &mut ContainerSpec) {
    spec.name = own_name(&spec.id);
    let process = oci.object("process");
    spec.command = process.texts("args");
    spec.env_names = process.texts("env").iter().map(|entry| SmolStr::new(entry.split('=').next().unwrap_or_default())).collect();
    spec.tty = process.bool("terminal");
    let user = process.object("user");
    spec.user = match (user.text("username"), user.int("uid")) {
        (name, _) if !name.is_empty() => name,
        (_, Some(uid)) if uid != 0 => SmolStr::new(uid.to_string()),
        _ => SmolStr::default(),
    };
    spec.apparmor_profile = process.text("apparmorProfile");
    spec.oom_score_adj = process.int("oomScoreAdj").unwrap_or(0);
    spec.readonly_rootfs = oci.object("root").bool("readonly");
    if process.bool("noNewPrivileges") {
        spec.security_opt.push(SmolStr::new_static("no-new-privileges"));
    }
    let linux = oci.object("linux");
    // Absent, the kernel masks nothing; only where there is no spec at all is nothing known.
    if linux.has("namespaces") {
        spec.masked_paths = Some(linux.texts("maskedPaths"));
        spec.readonly_paths = Some(linux.texts("readonlyPaths"));
        namespaces(&linux, spec);
    }
    let resources = linux.object("resources");
    capabilities(&process, &resources, spec);
    if !spec.privileged {
        spec.devices = devices(&linux);
    }
    limits(&resources, spec);
    spec.sysctls = linux.pairs("sysctl");
    spec.mounts = oci.objects("mounts").iter().filter_map(mount).collect();
}

/// A namespace that is not made is the host's; one with a path is somebody else's.
fn namespaces(linux: &Fields<'_>, spec: &mut ContainerSpec) {
    let list: Vec<(&str, &str)> = linux.objects("namespaces").iter().map(|entry| (entry.str("type"), entry.str("path"))).collect();
    let mode = |kind: &str| match list.iter().find(|(name, _)| *name == kind) {
        None => SmolStr::new_static("host"),
        Some((_, "")) => SmolStr::default(),
        Some((_, path)) => SmolStr::new(format!("ns:{path}")),
    };
    (spec.pid_mode, spec.ipc_mode, spec.uts_mode, spec.network_mode) = (mode("pid"), mode("ipc"), mode("uts"), mode("network"));
    spec.cgroupns_mode = mode("cgroup");
}

fn capabilities(process: &Fields<'_>, resources: &Fields<'_>, spec: &mut ContainerSpec) {
    let bounding = process.object("capabilities").texts("bounding");
    let has = |cap: &str| bounding.iter().any(|own| own == cap);
    // The last rule of the list is the one that counts, and one without a type or numbers means every device.
    let every_device = resources.objects("devices").iter().any(|rule| {
        rule.bool("allow")
            && ["", "a"].contains(&rule.str("type"))
            && rule.int("major").is_none_or(|n| n < 0)
            && rule.int("minor").is_none_or(|n| n < 0)
    });
    let unmasked = spec.masked_paths.as_ref().is_some_and(Vec::is_empty);
    spec.privileged = CAPS_OF_ALL.iter().all(|cap| has(cap)) && every_device && unmasked;
    if spec.privileged {
        return;
    }
    spec.cap_add = bounding.iter().filter(|cap| !CAPS_DEFAULT.contains(&cap.as_str())).cloned().collect();
    if every_device {
        spec.device_cgroup_rules.push(SmolStr::new_static("a *:* rwm"));
    }
    if process.has("capabilities") {
        spec.cap_drop = CAPS_DEFAULT.iter().filter(|cap| !has(cap)).map(|cap| SmolStr::new_static(cap)).collect();
    }
}

/// Device nodes made in it, with what its rules allow of each.
fn devices(linux: &Fields<'_>) -> Vec<Device> {
    let rules = linux.object("resources").objects("devices");
    let nodes = linux.objects("devices");
    nodes
        .iter()
        .map(|node| {
            let number = |rule: &Fields<'_>, key| rule.int(key).is_none_or(|n| n < 0 || Some(n) == node.int(key));
            let rule = rules
                .iter()
                .find(|rule| rule.bool("allow") && rule.str("type") == node.str("type") && number(rule, "major") && number(rule, "minor"));
            Device {
                host_path: node.text("path"),
                permissions: rule.map(|rule| rule.text("access")).unwrap_or_else(|| SmolStr::new_static("rwm")),
            }
        })
        .collect()
}

fn limits(resources: &Fields<'_>, spec: &mut ContainerSpec) {
    let cpu = resources.object("cpu");
    let positive = |at: &Fields<'_>, key| at.int(key).filter(|n| *n > 0);
    spec.cpu_limit = positive(&cpu, "quota").map(|quota| quota as f64 / positive(&cpu, "period").unwrap_or(100_000) as f64);
    spec.cpu_shares = positive(&cpu, "shares");
    spec.cpuset = cpu.text("cpus");
    let memory = resources.object("memory");
    spec.memory_limit = positive(&memory, "limit");
    spec.memory_swap = memory.int("swap").filter(|n| *n != 0);
    spec.oom_kill_disable = memory.bool("disableOOMKiller");
    spec.pids_limit = positive(&resources.object("pids"), "limit");
}

/// A bind of the host; what every container has of its own (`/proc`, `/dev`, its hosts file) is left out.
fn mount(entry: &Fields<'_>) -> Option<Mount> {
    let options = entry.texts("options");
    let has = |word: &str| options.iter().any(|option| option == word);
    let (source, target) = (entry.text("source"), entry.text("destination"));
    if !(entry.str("type") == "bind" || has("bind") || has("rbind")) {
        return None;
    }
    let own = OWN_FILES.iter().any(|file| target.strip_prefix("/etc/") == Some(file) && source.rsplit('/').next() == Some(file));
    if own {
        return None;
    }
    let propagation = ["private", "shared", "slave", "rprivate", "rshared", "rslave"].into_iter().find(|word| has(word));
    Some(Mount {
        kind: SmolStr::new_static("bind"),
        source,
        target,
        writable: !has("ro"),
        propagation: SmolStr::new_static(propagation.unwrap_or_default()),
        ..Mount::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<ContainerSpec> {
        let document = Document::parse(text.as_bytes()).unwrap();
        assert!((SOURCE.recognise)(&document));
        match decode(&document, b"").unwrap().fact {
            Some(Fact::ContainerSpec(spec)) => Some(*spec),
            _ => None,
        }
    }

    #[test]
    fn a_plain_container_is_plain() {
        let spec = read(SOURCE.sample).unwrap();
        assert_eq!((spec.id.as_str(), spec.name.as_str(), spec.status.as_str(), spec.pid), ("c2", "c2", "running", 18545));
        assert!(!spec.privileged && spec.cap_add.is_empty() && spec.cap_drop.is_empty() && spec.devices.is_empty());
        assert!(spec.pid_mode.is_empty() && spec.network_mode.is_empty() && spec.user.is_empty() && spec.runtime.is_empty());
        assert_eq!((spec.memory_limit, spec.cpu_limit), (Some(64 << 20), Some(0.5)));
        assert_eq!(spec.mounts.len(), 1);
        assert_eq!((spec.mounts[0].source.as_str(), spec.mounts[0].writable), ("/etc", false));
        assert_eq!(spec.command, ["/bin/sleep", "60"]);
        assert!(spec.image_id.starts_with("sha256:a39c"));
        assert!(spec.unreadable.is_empty());
    }

    /// As `ctr run --privileged --net-host --mount …` made it, with the lists of capabilities that all are alike left out.
    const INFO: &str = r#"{"ID":"c2","Labels":null,"Image":"","Runtime":{"Name":"io.containerd.runc.v2","Options":{"type_url":"containerd.runc.v1.Options"}},"SnapshotKey":"","Snapshotter":"","CreatedAt":"2026-11-24T17:36:54.890194012Z","UpdatedAt":"2026-11-24T17:36:54.890194012Z","Extensions":null,"Spec":{"ociVersion":"1.0.2-dev","process":{"user":{"uid":0,"gid":0},"args":["/bin/sleep","60"],"env":["HOSTNAME=vm"],"cwd":"/","capabilities":{"bounding":["CAP_CHOWN","CAP_NET_ADMIN","CAP_SYS_MODULE","CAP_SYS_RAWIO","CAP_SYS_PTRACE","CAP_SYS_ADMIN","CAP_SYS_BOOT","CAP_MAC_ADMIN","CAP_SYSLOG","CAP_BPF"]},"noNewPrivileges":true},"root":{"path":"/srv/root"},"mounts":[{"destination":"/sys","type":"sysfs","source":"sysfs","options":["nosuid","rw"]},{"destination":"/h","type":"bind","source":"/","options":["rbind","rw","rshared"]},{"destination":"/etc/hosts","type":"bind","source":"/etc/hosts","options":["rbind","ro"]},{"destination":"/etc/resolv.conf","type":"bind","source":"/etc/resolv.conf","options":["rbind","ro"]}],"linux":{"resources":{"devices":[{"allow":true,"access":"rwm"}],"cpu":{"shares":1024}},"cgroupsPath":"/lab/c2","namespaces":[{"type":"pid"},{"type":"ipc"},{"type":"uts"},{"type":"mount"}],"devices":[{"path":"/dev/autofs","type":"c","major":10,"minor":235}]}}}"#;

    #[test]
    fn everything_at_once_is_privileged() {
        let spec = read(INFO).unwrap();
        assert!(spec.privileged && spec.cap_add.is_empty() && spec.devices.is_empty());
        assert_eq!((spec.network_mode.as_str(), spec.pid_mode.as_str()), ("host", ""));
        let [mount] = spec.mounts.as_slice() else { panic!("{:?}", spec.mounts) };
        assert_eq!((mount.source.as_str(), mount.writable, mount.propagation.as_str()), ("/", true, "rshared"));
    }

    #[test]
    fn less_than_everything_is_said_part_by_part() {
        let spec = read(&INFO.replace("\"CAP_SYS_MODULE\",", "")).unwrap();
        assert!(!spec.privileged && spec.cap_add.contains(&"CAP_SYS_ADMIN".into()) && !spec.cap_add.contains(&"CAP_CHOWN".into()));
        assert_eq!(spec.device_cgroup_rules, ["a *:* rwm"]);
        assert_eq!(spec.masked_paths.as_deref(), Some(&[][..]));
        assert_eq!((spec.devices[0].host_path.as_str(), spec.devices[0].permissions.as_str()), ("/dev/autofs", "rwm"));
        let joined = read(&INFO.replace(r#"{"type":"pid"}"#, r#"{"type":"pid","path":"/proc/1/ns/pid"}"#)).unwrap();
        assert_eq!(joined.pid_mode, "ns:/proc/1/ns/pid");
    }

    #[test]
    fn dockers_own_containers_are_left_to_docker() {
        assert_eq!(read(&SOURCE.sample.replace(r#""namespace":"lab""#, r#""namespace":"moby""#)), None);
    }
}
