//! Host paths inside a container, and which of them control the host or its logs.
//!
//! A path is judged where it really leads: dots and well-known links are followed, binds hidden in local volumes and mounts taken over from another
//! container count like plain ones, and a folder that holds a sensitive place counts as that place.

use crate::host_path::{clean, resolve, within};
use crate::lookup::Lookup;
use crate::posture::Danger;
use event::fact::{ContainerSpec, EngineSpec, Mount};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// A host path that controls the host or its logs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sensitive {
    /// Where it really leads.
    pub path: SmolStr,
    /// What is there: `root`, `engine_socket`, `etc`, …
    pub kind: SmolStr,
    /// May be written to.
    pub writable: bool,
    /// How it came in: `bind`, `volume`, `volumes_from`, `device`.
    pub via: SmolStr,
}

/// What of the host is inside a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mounts {
    /// Every host path, cleaned.
    pub sources: Vec<SmolStr>,
    /// The sensitive ones.
    pub sensitive: Vec<Sensitive>,
    /// Host paths with shared propagation.
    pub shared: Vec<SmolStr>,
}

/// Places whose whole folder is sensitive, and what is there. A folder that holds one of them is sensitive likewise.
static PLACES: &[(&str, &str)] = &[
    ("/etc", "etc"),
    ("/root", "root_home"),
    ("/proc", "proc"),
    ("/sys", "sys"),
    ("/sys/fs/cgroup", "cgroup"),
    ("/dev", "dev"),
    ("/boot", "boot"),
    ("/run", "run"),
    ("/run/containerd", "engine_socket"),
    ("/var/lib/docker", "engine_data"),
    ("/var/lib/containerd", "engine_data"),
    ("/var/lib/containers", "engine_data"),
    ("/var/lib/kubelet", "kubelet"),
    ("/var/lib/etcd", "kubelet"),
    ("/var/log", "logs"),
    ("/home", "home"),
    ("/var/spool/cron", "etc"),
];

/// Parts of a sensitive place that are sensitive by themselves. What is not named here (an application's folder below `/etc`, `/var/log` or `/run`) is ordinary.
static PARTS: &[(&str, &str)] = &[
    ("/etc/cron.d", "etc"),
    ("/etc/cron.daily", "etc"),
    ("/etc/cron.hourly", "etc"),
    ("/etc/crontab", "etc"),
    ("/etc/containerd", "etc"),
    ("/etc/cni", "etc"),
    ("/etc/docker", "etc"),
    ("/etc/group", "etc"),
    ("/etc/gshadow", "etc"),
    ("/etc/kubernetes", "kubelet"),
    ("/etc/ld.so.conf", "etc"),
    ("/etc/ld.so.conf.d", "etc"),
    ("/etc/ld.so.preload", "etc"),
    ("/etc/pam.d", "etc"),
    ("/etc/passwd", "etc"),
    ("/etc/profile", "etc"),
    ("/etc/profile.d", "etc"),
    ("/etc/rc.local", "etc"),
    ("/etc/shadow", "etc"),
    ("/etc/ssh", "etc"),
    ("/etc/sudoers", "etc"),
    ("/etc/sudoers.d", "etc"),
    ("/etc/systemd", "etc"),
    ("/etc/init.d", "etc"),
    ("/etc/audit", "etc"),
    ("/etc/rsyslog.conf", "logs"),
    ("/etc/rsyslog.d", "logs"),
    ("/proc", "proc"),
    ("/sys", "sys"),
    ("/sys/fs/cgroup", "cgroup"),
    ("/boot", "boot"),
    ("/run/crio", "engine_socket"),
    ("/run/dbus", "run"),
    ("/run/docker", "run"),
    ("/run/log", "logs"),
    ("/run/netns", "run"),
    ("/run/podman", "engine_socket"),
    ("/run/systemd", "run"),
    ("/run/containerd", "engine_socket"),
    ("/run/k3s", "run"),
    ("/run/runc", "run"),
    ("/var/lib/docker", "engine_data"),
    ("/var/lib/docker/containers", "logs"),
    ("/var/lib/containerd", "engine_data"),
    ("/var/lib/containers", "engine_data"),
    ("/var/lib/kubelet", "kubelet"),
    ("/var/lib/etcd", "kubelet"),
    ("/var/log/audit", "logs"),
    ("/var/log/auth.log", "logs"),
    ("/var/log/containers", "logs"),
    ("/var/log/journal", "logs"),
    ("/var/log/kern.log", "logs"),
    ("/var/log/messages", "logs"),
    ("/var/log/pods", "logs"),
    ("/var/log/secure", "logs"),
    ("/var/log/syslog", "logs"),
    ("/var/log/wtmp", "logs"),
    ("/var/log/btmp", "logs"),
    ("/var/log/lastlog", "logs"),
    ("/var/spool/cron", "etc"),
];

/// Names in somebody's home that let one act as them.
static HOME_PARTS: &[&str] = &[
    ".ssh",
    ".docker",
    ".kube",
    ".aws",
    ".azure",
    ".config",
    ".gnupg",
    ".bashrc",
    ".bash_profile",
    ".profile",
    ".zshrc",
    ".bash_history",
    ".netrc",
];

/// Where the host's programs lie: reading them is ordinary, writing them is control of the host.
static PROGRAMS: &[&str] = &[
    "/usr",
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/lib/modules",
    "/usr/lib/systemd",
    "/opt/cni",
];

/// Files and folders that are ordinary to read; written to, they turn the host's names or trust.
static ORDINARY_TO_READ: &[&str] =
    &["/etc/hosts", "/etc/resolv.conf", "/etc/ssl", "/etc/ssl/certs", "/etc/ca-certificates", "/etc/pki", "/etc/nsswitch.conf"];

impl Mounts {
    /// Everything of the host in `spec`.
    pub fn of(spec: &ContainerSpec, engine: Option<&EngineSpec>, resolve_others: &dyn Lookup) -> Mounts {
        let data = engine.and_then(|engine| engine.root_dir.as_deref()).and_then(resolve).filter(|dir| dir != "/");
        let mut mounts = Mounts::default();
        for mount in &spec.mounts {
            mounts.take(mount, data.as_deref(), resolve_others);
        }
        for wanted in &spec.volumes_from {
            mounts.take_over(wanted, resolve_others);
        }
        for list in [&mut mounts.sources, &mut mounts.shared] {
            list.sort();
            list.dedup();
        }
        mounts.sensitive.sort();
        mounts.sensitive.dedup();
        mounts
    }

    fn take(&mut self, mount: &Mount, data: Option<&str>, others: &dyn Lookup) {
        match mount.kind.as_str() {
            "bind" => {
                self.add(&mount.source, mount.writable, "bind", data);
                if mount.propagation.ends_with("shared") {
                    self.shared.push(clean(&mount.source).into());
                }
                // Whoever calls it the engine's socket inside uses it as one, whatever it is called outside.
                let named = mount.target.rsplit('/').next().is_some_and(is_engine_socket);
                if named && !self.sensitive.iter().any(|s| s.kind == "engine_socket") {
                    self.sensitive.push(Sensitive {
                        path: clean(&mount.source).into(),
                        kind: SmolStr::new_static("engine_socket"),
                        writable: mount.writable,
                        via: SmolStr::new_static("bind"),
                    });
                }
            }
            "volume" => {
                if !mount.driver.is_empty() && mount.driver != "local" {
                    return;
                }
                let mut devices: Vec<SmolStr> = Vec::new();
                if !mount.device.is_empty() {
                    devices.push(mount.device.clone());
                }
                if let Some(volume) = others.volume(&mount.volume) {
                    devices.extend(hidden_paths(&volume.options));
                }
                for device in devices {
                    self.add(&device, mount.writable, "volume", data);
                }
            }
            _ => {}
        }
    }

    fn take_over(&mut self, wanted: &str, others: &dyn Lookup) {
        let (target, mode) = wanted.rsplit_once(':').filter(|(_, mode)| matches!(*mode, "ro" | "rw" | "z" | "Z")).unwrap_or((wanted, "rw"));
        let Some(posture) = others.posture(target) else { return };
        for theirs in &posture.mounts.sensitive {
            // Inspect lists what was taken over as if it were the container's own; where it came from is the more telling fact.
            let mut listed = false;
            for own in self.sensitive.iter_mut().filter(|own| own.path == theirs.path && own.kind == theirs.kind) {
                own.via = SmolStr::new_static("volumes_from");
                listed = true;
            }
            if !listed {
                self.sensitive.push(Sensitive {
                    via: SmolStr::new_static("volumes_from"),
                    writable: theirs.writable && mode != "ro",
                    ..theirs.clone()
                });
            }
        }
        self.sources.extend(posture.mounts.sources.iter().cloned());
    }

    /// Adds a host path with everything sensitive that it is, lies in or holds.
    fn add(&mut self, source: &str, writable: bool, via: &'static str, data: Option<&str>) {
        if !source.starts_with('/') {
            return;
        }
        let cleaned = clean(source);
        self.sources.push(SmolStr::new(&cleaned));
        // The engine cleans a path before it follows links; a raw one is followed as it goes. They differ at `..` behind a link, and either may be meant.
        for path in [resolve(source), resolve(&cleaned)].into_iter().flatten() {
            for kind in kinds(&path, writable, data) {
                let found =
                    Sensitive { path: SmolStr::new(&path), kind: SmolStr::new_static(kind), writable, via: SmolStr::new_static(via) };
                if !self.sensitive.contains(&found) {
                    self.sensitive.push(found);
                }
            }
        }
    }
}

/// What of the host a resolved path is, lies in or holds.
fn kinds(path: &str, writable: bool, data: Option<&str>) -> Vec<&'static str> {
    if path == "/" {
        return vec!["root"];
    }
    if path.rsplit('/').next().is_some_and(is_engine_socket) {
        return vec!["engine_socket"];
    }
    let mut kinds: Vec<&'static str> = Vec::new();
    // A place itself, or a folder that holds places.
    for (place, kind) in PLACES {
        if within(place, path) && !kinds.contains(kind) {
            kinds.push(kind);
        }
    }
    if data.is_some_and(|data| within(data, path)) && !kinds.contains(&"engine_data") {
        kinds.push("engine_data");
    }
    if !kinds.is_empty() {
        if within("/run/docker.sock", path) && !kinds.contains(&"engine_socket") {
            kinds.push("engine_socket");
        }
        return kinds;
    }
    // A part of one: the longest name that fits says what it is.
    if let Some((_, kind)) = PARTS.iter().filter(|(part, _)| within(path, part)).max_by_key(|(part, _)| part.len()) {
        return vec![kind];
    }
    if let Some(data) = data.filter(|data| within(path, data)) {
        return vec![if within(path, &format!("{data}/containers")) { "logs" } else { "engine_data" }];
    }
    if within(path, "/dev") {
        return if crate::devices::danger(path) > Danger::None { vec!["dev"] } else { Vec::new() };
    }
    if let Some(rest) = path.strip_prefix("/root/") {
        return if home_part(rest) { vec!["root_home"] } else { Vec::new() };
    }
    if let Some(rest) = path.strip_prefix("/home/") {
        // A whole home, or what lets one act as its owner; a project folder in it is ordinary.
        return if rest.split_once('/').is_none_or(|(_, rest)| home_part(rest)) { vec!["home"] } else { Vec::new() };
    }
    if writable && (PROGRAMS.contains(&path) || within(path, "/usr/lib/modules")) {
        return vec!["programs"];
    }
    if writable && ORDINARY_TO_READ.contains(&path) {
        return vec!["etc"];
    }
    Vec::new()
}

fn home_part(rest: &str) -> bool {
    let first = rest.split('/').next().unwrap_or(rest);
    HOME_PARTS.contains(&first)
}

/// Host paths in the options of a local volume: `device=` with a bind or a disk, and the layers of an overlay.
fn hidden_paths(options: &[(SmolStr, SmolStr)]) -> Vec<SmolStr> {
    let option =
        |name: &str| options.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).unwrap_or_default();
    let mut paths = Vec::new();
    if option("device").starts_with('/') {
        paths.push(SmolStr::new(option("device")));
    }
    for part in option("o").split(',') {
        if let Some((key, value)) = part.split_once('=')
            && matches!(key.trim(), "lowerdir" | "upperdir")
        {
            paths.extend(value.split(':').filter(|path| path.starts_with('/')).map(SmolStr::new));
        }
    }
    paths
}

/// Whether a file name is that of a container engine's socket.
fn is_engine_socket(name: &str) -> bool {
    name.ends_with(".sock")
        && ["docker", "containerd", "crio", "podman", "buildkit", "cri-dockerd", "dockershim"].iter().any(|engine| name.contains(engine))
}

/// How much control of the host a sensitive mount gives.
pub fn danger(mount: &Sensitive) -> Danger {
    match (mount.kind.as_str(), mount.writable) {
        // A socket is a conversation: read-only does not hinder it. The same holds for folders that hold sockets.
        ("engine_socket" | "root" | "kubelet", _) => Danger::High,
        ("run", true) => Danger::High,
        ("etc" | "root_home" | "proc" | "sys" | "dev" | "boot" | "engine_data" | "programs", true) => Danger::High,
        ("logs" | "home" | "cgroup", true) => Danger::Medium,
        ("logs" | "home" | "cgroup" | "boot", false) => Danger::Low,
        _ => Danger::Medium,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::Nothing;
    use crate::posture::Posture;
    use event::fact::{NetworkSpec, VolumeSpec};

    fn bind(source: &str, writable: bool) -> Mount {
        Mount { kind: "bind".into(), source: source.into(), target: "/x".into(), writable, ..Mount::default() }
    }

    fn show(mounts: &Mounts) -> String {
        let parts: Vec<String> =
            mounts.sensitive.iter().map(|s| format!("{} {}{} {}", s.kind, s.path, if s.writable { " rw" } else { "" }, s.via)).collect();
        if parts.is_empty() { "ordinary".to_owned() } else { parts.join(" | ") }
    }

    fn picture(source: &str, writable: bool) -> String {
        show(&Mounts::of(&ContainerSpec { mounts: vec![bind(source, writable)], ..ContainerSpec::default() }, None, &Nothing))
    }

    #[test]
    fn sensitive_places_are_known_in_every_spelling() {
        assert_eq!(picture("/", false), "root / bind");
        assert_eq!(picture("/proc/1/root/", false), "root / bind");
        assert_eq!(picture("//etc/../etc/.", false), "etc /etc bind");
        assert_eq!(picture("/var/run/docker.sock", false), "engine_socket /run/docker.sock bind");
        assert_eq!(picture("/var/run/../run/docker.sock", false), "engine_socket /run/docker.sock bind");
        assert_eq!(picture("/run/user/1000/podman/podman.sock", true), "engine_socket /run/user/1000/podman/podman.sock rw bind");
        assert_eq!(picture("/srv/alt/docker-proxy.sock", true), "engine_socket /srv/alt/docker-proxy.sock rw bind");
        assert_eq!(picture("/run", false), "engine_socket /run bind | run /run bind");
        assert_eq!(picture("/var", true), "engine_data /var rw bind | etc /var rw bind | kubelet /var rw bind | logs /var rw bind");
        assert_eq!(picture("/var/lib/docker/containers", false), "logs /var/lib/docker/containers bind");
        assert_eq!(picture("/sys/fs/cgroup", false), "cgroup /sys/fs/cgroup bind");
        assert_eq!(picture("/etc/shadow", false), "etc /etc/shadow bind");
        assert_eq!(picture("/dev/sda1", true), "dev /dev/sda1 rw bind");
        assert_eq!(picture("/lib", true), "programs /usr/lib rw bind");
        assert_eq!(picture("/etc/hosts", true), "etc /etc/hosts rw bind");
    }

    #[test]
    fn ordinary_paths_stay_ordinary() {
        for path in [
            "/etc/localtime",
            "/etc/hosts",
            "/etc/resolv.conf",
            "/etc/ssl/certs",
            "/usr/share/zoneinfo",
            "/etc/timezone",
            "/etc/machine-id",
            "/srv/data",
            "/etc/nginx/conf.d",
            "/var/log/nginx",
            "/home/alice/project",
            "/dev/shm",
            "/dev/null",
            "/lib/modules",
            "/run/secrets/x",
            "/opt/app",
            "/etcetera",
            "/rooted",
            "data",
        ] {
            assert_eq!(picture(path, false), "ordinary", "{path}");
        }
        assert_eq!(picture("/etc/localtime", true), "ordinary");
    }

    struct Host {
        posture: Posture,
        volume: VolumeSpec,
    }

    impl Lookup for Host {
        fn posture(&self, container: &str) -> Option<&Posture> {
            (container == "donor").then_some(&self.posture)
        }
        fn network(&self, _: &str) -> Option<&NetworkSpec> {
            None
        }
        fn volume(&self, name: &str) -> Option<&VolumeSpec> {
            (name == self.volume.name).then_some(&self.volume)
        }
    }

    #[test]
    fn binds_hidden_in_volumes_and_taken_over_ones_count() {
        let volume = VolumeSpec {
            name: "v".into(),
            options: vec![("type".into(), "none".into()), ("o".into(), "bind".into()), ("device".into(), "/etc/".into())],
            ..VolumeSpec::default()
        };
        let donor = ContainerSpec { mounts: vec![bind("/var/run/docker.sock", true)], ..ContainerSpec::default() };
        let posture = Posture::of(&donor, None, &Nothing);
        let host = Host { posture, volume };
        let mount = Mount {
            kind: "volume".into(),
            volume: "v".into(),
            driver: "local".into(),
            source: "/var/lib/docker/volumes/v/_data".into(),
            ..Mount::default()
        };
        let spec = ContainerSpec { mounts: vec![mount.clone()], volumes_from: vec!["donor:ro".into()], ..ContainerSpec::default() };
        assert_eq!(show(&Mounts::of(&spec, None, &host)), "etc /etc volume | engine_socket /run/docker.sock volumes_from");
        let listed =
            ContainerSpec { mounts: vec![bind("/run/docker.sock", true)], volumes_from: vec!["donor".into()], ..ContainerSpec::default() };
        assert_eq!(show(&Mounts::of(&listed, None, &host)), "engine_socket /run/docker.sock rw volumes_from");
        let inspect_only = Mount { device: "/root".into(), volume: "w".into(), ..mount.clone() };
        assert_eq!(
            show(&Mounts::of(&ContainerSpec { mounts: vec![inspect_only], ..ContainerSpec::default() }, None, &host)),
            "root_home /root volume"
        );
        let plain = Mount { volume: "w".into(), ..mount };
        assert_eq!(show(&Mounts::of(&ContainerSpec { mounts: vec![plain], ..ContainerSpec::default() }, None, &host)), "ordinary");
        let overlay = [
            ("type".into(), "overlay".into()),
            ("device".into(), "overlay".into()),
            ("o".into(), "lowerdir=/etc:/srv,upperdir=/tmp/u,workdir=/tmp/w".into()),
        ];
        assert_eq!(hidden_paths(&overlay), ["/etc", "/srv", "/tmp/u"]);
    }

    #[test]
    fn a_moved_data_folder_is_still_the_engines() {
        let engine = EngineSpec { root_dir: Some("/data/docker".into()), ..EngineSpec::default() };
        let of = |source: &str| {
            show(&Mounts::of(&ContainerSpec { mounts: vec![bind(source, false)], ..ContainerSpec::default() }, Some(&engine), &Nothing))
        };
        assert_eq!(of("/data"), "engine_data /data bind");
        assert_eq!(of("/data/docker/containers/ab"), "logs /data/docker/containers/ab bind");
        assert_eq!(of("/data/other"), "ordinary");
    }

    #[test]
    fn scratch_space_is_never_of_the_host() {
        let tmpfs = Mount { kind: "tmpfs".into(), source: "/etc".into(), target: "/run".into(), ..Mount::default() };
        assert_eq!(show(&Mounts::of(&ContainerSpec { mounts: vec![tmpfs], ..ContainerSpec::default() }, None, &Nothing)), "ordinary");
    }
}
