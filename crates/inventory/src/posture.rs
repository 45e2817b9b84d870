//! How a container is confined, judged against the engine's own defaults.
//!
//! Values that the engine derives by itself never count: the host's cgroup namespace on cgroup v1, `label=disable` beside a host namespace, all that
//! `--privileged` implies. Equal postures are equal values, so that they can be shared.

use crate::devices;
use crate::log::{self, Log, LogKind};
use crate::lookup::Lookup;
use crate::mounts::{self, Mounts};
use crate::permissive;
use event::deriver::Wanted;
use event::dictionary as d;
use event::fact::{ContainerSpec, EngineSpec};
use event::{FieldId, Value};
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, format_smolstr};
use std::collections::BTreeSet;

/// How bad a reason is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Danger {
    /// Not at all.
    #[default]
    None,
    /// Worth knowing.
    Low,
    /// A deviation that weakens the confinement.
    Medium,
    /// Control of the host.
    High,
}

impl Danger {
    /// The word that rules use.
    pub fn as_str(self) -> &'static str {
        match self {
            Danger::None => "none",
            Danger::Low => "low",
            Danger::Medium => "medium",
            Danger::High => "high",
        }
    }
}

/// How a container is confined. Lists are sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Posture {
    /// Runs with all privileges.
    pub privileged: bool,
    /// Capabilities added.
    pub cap_added: Vec<SmolStr>,
    /// Capabilities dropped.
    pub cap_dropped: Vec<SmolStr>,
    /// Of those added, the ones that give control of the host.
    pub cap_dangerous: Vec<SmolStr>,
    /// Namespaces shared with the host beyond the engine's default.
    pub ns_host: Vec<SmolStr>,
    /// Namespaces shared with another container.
    pub ns_joined: Vec<SmolStr>,
    /// Those containers, as written.
    pub ns_joined_target: Vec<SmolStr>,
    /// Namespaces of the host that it has through another container.
    pub ns_joined_host: Vec<SmolStr>,
    /// A container whose network namespace it joins is on an internal network.
    pub ns_joined_internal: bool,
    /// Confinement switched off.
    pub security_disabled: Vec<SmolStr>,
    /// Confinement replaced by a profile of its own.
    pub security_custom: Vec<SmolStr>,
    /// Whether the engine's own defaults have been seen.
    pub security_known: bool,
    /// May not gain privileges (`no-new-privileges`).
    pub no_new_privileges: bool,
    /// Devices of the host inside it, and requests for some.
    pub devices: Vec<SmolStr>,
    /// The dangerous ones; a cgroup rule is `rule:…`.
    pub devices_dangerous: Vec<SmolStr>,
    /// Host paths inside it.
    pub mounts: Mounts,
    /// Where its output goes.
    pub log: Log,
    /// `no`, `always`, `unless-stopped`, `on-failure`.
    pub restart_policy: SmolStr,
    /// Removed by the engine as soon as it ends.
    pub auto_remove: bool,
    /// User inside; empty means root.
    pub user: SmolStr,
    /// Its root file system is read-only.
    pub readonly_rootfs: bool,
    /// OCI runtime, when it is not the engine's default.
    pub runtime_class: Option<SmolStr>,
    /// Network mode, with `default` resolved to `bridge`.
    pub network_mode: SmolStr,
    /// Names of its networks.
    pub networks: Vec<SmolStr>,
    /// Why its networking is permissive.
    pub network_permissive: Vec<SmolStr>,
    /// Ports published on every address of the host.
    pub ports_all_addresses: Vec<SmolStr>,
    /// Every reason why its configuration gives control of the host or hides it.
    pub dangerous: Vec<SmolStr>,
    /// The worst of those.
    pub level: Danger,
}

/// Capabilities that give control of the host, and how much. `NET_ADMIN` counts only in the host's own network.
static DANGEROUS: &[(&str, Danger)] = &[
    ("ALL", Danger::High),
    ("SYS_ADMIN", Danger::High),
    ("SYS_MODULE", Danger::High),
    ("SYS_RAWIO", Danger::High),
    ("DAC_READ_SEARCH", Danger::High),
    ("BPF", Danger::High),
    ("SYS_PTRACE", Danger::Medium),
    ("PERFMON", Danger::Medium),
    ("SYS_BOOT", Danger::Medium),
    ("MAC_ADMIN", Danger::Medium),
    ("MAC_OVERRIDE", Danger::Medium),
    ("AUDIT_CONTROL", Danger::Medium),
];

impl Posture {
    /// Judges one container. `others` answers for the containers, networks and volumes that it names.
    pub fn of(spec: &ContainerSpec, engine: Option<&EngineSpec>, others: &dyn Lookup) -> Posture {
        let mut posture = Posture {
            privileged: spec.privileged,
            cap_added: capabilities(&spec.cap_add),
            cap_dropped: capabilities(&spec.cap_drop),
            security_known: engine.is_some_and(|engine| engine.security_options.is_some()),
            mounts: Mounts::of(spec, engine, others),
            log: log::judge(spec, engine),
            restart_policy: if spec.restart_policy.is_empty() { SmolStr::new_static("no") } else { spec.restart_policy.clone() },
            auto_remove: spec.auto_remove,
            user: spec.user.clone(),
            readonly_rootfs: spec.readonly_rootfs,
            runtime_class: runtime_class(spec, engine),
            network_mode: if matches!(spec.network_mode.as_str(), "" | "default") {
                SmolStr::new_static("bridge")
            } else {
                spec.network_mode.clone()
            },
            networks: sorted(spec.networks.iter().map(|endpoint| endpoint.network.clone())),
            ..Posture::default()
        };
        posture.namespaces(spec, engine, others);
        posture.security(spec, engine);
        posture.device_nodes(spec);
        posture.network(spec, others);
        let host_net = posture.shares_host("net");
        let counts = |cap: &SmolStr| DANGEROUS.iter().any(|(name, _)| name == cap) || (cap == "NET_ADMIN" && host_net);
        posture.cap_dangerous = posture.cap_added.iter().filter(|cap| counts(cap)).cloned().collect();
        posture.reasons();
        posture
    }

    /// Whether it has a namespace of the host, by itself or through another container.
    pub fn shares_host(&self, namespace: &str) -> bool {
        self.ns_host.iter().chain(&self.ns_joined_host).any(|ns| ns == namespace)
    }

    /// Whether a sensitive host path of that kind is mounted.
    pub fn mounts_kind(&self, kind: &str) -> bool {
        self.mounts.sensitive.iter().any(|mount| mount.kind == kind)
    }

    fn namespaces(&mut self, spec: &ContainerSpec, engine: Option<&EngineSpec>, others: &dyn Lookup) {
        let options = engine.and_then(|engine| engine.security_options.as_deref());
        let cgroup_v2 = engine.and_then(|engine| engine.cgroup_version.as_deref()).map(|version| version == "2");
        // Only where private cgroup namespaces are the default is the host's one a choice. On cgroup v1 the engine gives it to every privileged container.
        let cgroup_chosen = match options {
            Some(options) => has_option(options, "cgroupns") && (!spec.privileged || cgroup_v2 == Some(true)),
            None => cgroup_v2 == Some(true),
        };
        // Without remapping every container is in the host's user namespace; saying so changes nothing.
        let user_chosen = options.is_some_and(|options| has_option(options, "userns"));
        let modes = [
            ("cgroup", &spec.cgroupns_mode, cgroup_chosen),
            ("ipc", &spec.ipc_mode, true),
            ("net", &spec.network_mode, true),
            ("pid", &spec.pid_mode, true),
            ("user", &spec.userns_mode, user_chosen),
            ("uts", &spec.uts_mode, true),
        ];
        for (namespace, mode, counts) in modes {
            let name = SmolStr::new_static(namespace);
            if mode == "host" || mode.strip_prefix("ns:").is_some_and(|path| path.starts_with("/proc/1/")) {
                if counts {
                    self.ns_host.push(name);
                }
            } else if let Some(target) = mode.strip_prefix("container:") {
                self.ns_joined.push(name.clone());
                self.ns_joined_target.push(others.name(target).cloned().unwrap_or_else(|| target.into()));
                let Some(theirs) = others.posture(target) else { continue };
                if theirs.shares_host(namespace) {
                    self.ns_joined_host.push(name);
                }
                if namespace == "net" {
                    self.ns_joined_internal =
                        theirs.networks.iter().any(|network| others.network(network).is_some_and(|network| network.internal));
                }
            }
        }
        self.ns_joined_target = sorted(std::mem::take(&mut self.ns_joined_target));
    }

    fn security(&mut self, spec: &ContainerSpec, engine: Option<&EngineSpec>) {
        let options = engine.and_then(|engine| engine.security_options.as_deref());
        // What the engine cannot do, or does for nobody, is not switched off for this one.
        let offers = |what: &str| {
            options.is_none_or(|options| options.iter().any(|option| names_option(option, what) && !option.contains("profile=unconfined")))
        };
        // The engine adds `label=disable` itself beside a host pid or ipc namespace, and copies the labels of a container whose namespace is shared.
        let label_disable_counts = spec.pid_mode != "host" && spec.ipc_mode != "host" && offers("selinux");
        let labels_own = !spec.ipc_mode.starts_with("container:") && !spec.pid_mode.starts_with("container:");
        let no_gain_default = options.is_some_and(|options| has_option(options, "no-new-privileges"));
        let mut disabled: BTreeSet<&'static str> = BTreeSet::new();
        let mut custom: BTreeSet<&'static str> = BTreeSet::new();
        for option in &spec.security_opt {
            let (key, value) = option.split_once(['=', ':']).unwrap_or((option, ""));
            let (key, value) = (key.trim(), value.trim());
            match (key.to_ascii_lowercase().as_str(), value) {
                ("seccomp", "unconfined") if offers("seccomp") => drop(disabled.insert("seccomp")),
                ("seccomp", "" | "unconfined" | "builtin" | "default" | "runtime/default") => {}
                ("seccomp", profile) if denies_nothing(profile) => drop(offers("seccomp") && disabled.insert("seccomp")),
                ("seccomp", _) => drop(custom.insert("seccomp")),
                ("apparmor", "unconfined") if offers("apparmor") => drop(disabled.insert("apparmor")),
                ("apparmor", "" | "unconfined" | "docker-default" | "runtime/default") => {}
                ("apparmor", _) => drop(custom.insert("apparmor")),
                ("label", "disable") if label_disable_counts => drop(disabled.insert("selinux")),
                ("label", "" | "disable") => {}
                ("label", _) if labels_own => drop(custom.insert("selinux")),
                ("systempaths", "unconfined") => drop(disabled.insert("systempaths")),
                ("no-new-privileges", "false") if no_gain_default => drop(disabled.insert("no_new_privileges")),
                ("no-new-privileges", "" | "true") => self.no_new_privileges = true,
                _ => {}
            }
        }
        // Either list alone is enough: without the one the kernel's memory can be read, without the other its settings can be written.
        if [&spec.masked_paths, &spec.readonly_paths].into_iter().flatten().any(Vec::is_empty) {
            disabled.insert("systempaths");
        }
        // Privileged implies all of these: it is said once, as privileged.
        if !spec.privileged {
            self.security_disabled = disabled.into_iter().map(SmolStr::new_static).collect();
        }
        self.security_custom = custom.into_iter().map(SmolStr::new_static).collect();
    }

    fn device_nodes(&mut self, spec: &ContainerSpec) {
        let paths = spec.devices.iter().map(|device| &device.host_path).filter(|path| !path.is_empty());
        let resolved = paths.map(|path| crate::host_path::resolve(path).map_or_else(|| path.clone(), SmolStr::from));
        let requests = spec.device_requests.iter().map(|request| format_smolstr!("request:{request}"));
        self.devices = sorted(resolved.chain(requests));
        // A privileged container has every device; one reason says it.
        if spec.privileged {
            return;
        }
        let rules = spec.device_cgroup_rules.iter().filter(|rule| devices::rule_danger(rule) > Danger::None);
        let dangerous = self.devices.iter().filter(|path| devices::danger(path) > Danger::None).cloned();
        self.devices_dangerous = sorted(dangerous.chain(rules.map(|rule| format_smolstr!("rule:{}", rule.trim()))));
    }

    fn network(&mut self, spec: &ContainerSpec, others: &dyn Lookup) {
        let (open, sensitive) = permissive::ports(spec);
        let mut why: BTreeSet<SmolStr> = BTreeSet::new();
        if sensitive {
            why.insert(SmolStr::new_static("sensitive_port_on_all_addresses"));
        }
        for endpoint in &spec.networks {
            let network = others.network(&endpoint.network_id).or_else(|| others.network(&endpoint.network));
            why.extend(network.into_iter().flat_map(permissive::network).map(SmolStr::new_static));
        }
        self.ports_all_addresses = open;
        self.network_permissive = why.into_iter().collect();
    }

    /// Every reason with its weight, in words that rules and readers can use.
    fn reasons(&mut self) {
        let mut reasons: Vec<(SmolStr, Danger)> = Vec::new();
        if self.privileged {
            reasons.push((SmolStr::new_static("privileged"), Danger::High));
        } else {
            for cap in &self.cap_dangerous {
                let danger = DANGEROUS.iter().find(|(name, _)| name == cap).map_or(Danger::Medium, |(_, danger)| *danger);
                // Tracing another process is control of the host once the host's processes are in sight.
                let danger = if cap == "SYS_PTRACE" && self.shares_host("pid") { Danger::High } else { danger };
                reasons.push((format_smolstr!("capability:{cap}"), danger));
            }
        }
        for namespace in sorted(self.ns_host.iter().chain(&self.ns_joined_host).cloned()) {
            let danger = match namespace.as_str() {
                "pid" => Danger::High,
                "net" | "user" => Danger::Medium,
                _ => Danger::Low,
            };
            reasons.push((format_smolstr!("namespace:{namespace}"), danger));
        }
        for name in &self.security_disabled {
            let danger = if name == "no_new_privileges" { Danger::Low } else { Danger::Medium };
            reasons.push((format_smolstr!("security:{name}"), danger));
        }
        for mount in &self.mounts.sensitive {
            reasons.push((format_smolstr!("mount:{}", mount.kind), mounts::danger(mount)));
        }
        if !self.mounts.shared.is_empty() {
            reasons.push((SmolStr::new_static("mount:shared"), Danger::Medium));
        }
        for device in &self.devices_dangerous {
            let danger = device.strip_prefix("rule:").map_or_else(|| devices::danger(device), devices::rule_danger);
            reasons.push((format_smolstr!("device:{device}"), danger));
        }
        match self.log.kind {
            LogKind::Off => reasons.push((SmolStr::new_static("log:off"), Danger::Medium)),
            LogKind::Starved => reasons.push((SmolStr::new_static("log:starved"), Danger::Medium)),
            LogKind::Lossy => reasons.push((SmolStr::new_static("log:lossy"), Danger::Low)),
            LogKind::Diverted => reasons.push((SmolStr::new_static("log:diverted"), Danger::Low)),
            LogKind::Default | LogKind::Unknown => {}
        }
        self.level = reasons.iter().map(|(_, danger)| *danger).max().unwrap_or_default();
        self.dangerous = sorted(reasons.into_iter().map(|(reason, _)| reason));
    }

    /// Every field of the dictionary's group `POSTURE`, in its order. Empty lists are said too: seen and clean is not the same as not seen.
    pub fn fields(&self, put: &mut dyn FnMut(FieldId, Value)) {
        self.fields_wanted(&Wanted::all(), put);
    }

    /// The same for the fields that somebody reads.
    pub fn fields_wanted(&self, wanted: &Wanted, put: &mut dyn FnMut(FieldId, Value)) {
        let mut put = |field: FieldId, value: &dyn Fn() -> Value| {
            if wanted.has(field) {
                put(field, value());
            }
        };
        let list = |list: &[SmolStr]| Value::from(list.to_vec());
        let of = |pick: &dyn Fn(&mounts::Sensitive) -> Option<SmolStr>| Value::from(sorted(self.mounts.sensitive.iter().filter_map(pick)));
        put(d::PRIVILEGED, &|| self.privileged.into());
        put(d::CAP_ADDED, &|| list(&self.cap_added));
        put(d::CAP_DROPPED, &|| list(&self.cap_dropped));
        put(d::CAP_DANGEROUS, &|| list(&self.cap_dangerous));
        put(d::NS_HOST, &|| list(&self.ns_host));
        put(d::NS_JOINED, &|| list(&self.ns_joined));
        put(d::NS_JOINED_TARGET, &|| list(&self.ns_joined_target));
        put(d::NS_JOINED_HOST, &|| list(&self.ns_joined_host));
        put(d::NS_JOINED_INTERNAL, &|| self.ns_joined_internal.into());
        put(d::SECURITY_DISABLED, &|| list(&self.security_disabled));
        put(d::SECURITY_CUSTOM, &|| list(&self.security_custom));
        put(d::SECURITY_KNOWN, &|| self.security_known.into());
        put(d::DEVICES, &|| list(&self.devices));
        put(d::DEVICES_DANGEROUS, &|| list(&self.devices_dangerous));
        put(d::MOUNT_SOURCES, &|| list(&self.mounts.sources));
        put(d::MOUNT_SENSITIVE, &|| of(&|m| Some(m.path.clone())));
        put(d::MOUNT_SENSITIVE_KINDS, &|| of(&|m| Some(m.kind.clone())));
        put(d::MOUNT_SENSITIVE_WRITABLE, &|| of(&|m| m.writable.then(|| m.path.clone())));
        put(d::MOUNT_WRITABLE_KINDS, &|| of(&|m| m.writable.then(|| m.kind.clone())));
        put(d::MOUNT_VIA, &|| of(&|m| Some(m.via.clone())));
        put(d::MOUNT_SHARED, &|| list(&self.mounts.shared));
        put(d::LOG_DRIVER, &|| (&self.log.driver).into());
        put(d::LOG_STATE, &|| self.log.kind.as_str().into());
        if let Some(bytes) = self.log.retained {
            put(d::LOG_RETAINED, &|| bytes.into());
        }
        put(d::RESTART_POLICY, &|| (&self.restart_policy).into());
        put(d::AUTO_REMOVE, &|| self.auto_remove.into());
        put(d::CONTAINER_USER, &|| (&self.user).into());
        if let Some(class) = &self.runtime_class {
            put(d::RUNTIME_CLASS, &|| class.into());
        }
        put(d::NETWORK_MODE, &|| (&self.network_mode).into());
        put(d::NETWORKS, &|| list(&self.networks));
        put(d::NETWORK_PERMISSIVE, &|| list(&self.network_permissive));
        put(d::PORTS_ALL_ADDRESSES, &|| list(&self.ports_all_addresses));
        put(d::POSTURE_DANGEROUS, &|| list(&self.dangerous));
        put(d::POSTURE_LEVEL, &|| self.level.as_str().into());
    }
}

/// Capabilities in one spelling: upper case, without `CAP_`.
pub fn capabilities(written: &[SmolStr]) -> Vec<SmolStr> {
    sorted(written.iter().map(|cap| {
        let upper = cap.trim().to_ascii_uppercase();
        SmolStr::new(upper.strip_prefix("CAP_").unwrap_or(&upper))
    }))
}

fn sorted(items: impl IntoIterator<Item = SmolStr>) -> Vec<SmolStr> {
    items.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

/// Whether a system call profile, as clients send it, denies nothing: it names actions, and none that hinders a call. That is `unconfined` in other words.
fn denies_nothing(profile: &str) -> bool {
    const HINDER: &[&str] = &["ERRNO", "KILL", "TRAP", "TRACE", "NOTIFY"];
    let mut actions = profile.split("SCMP_ACT_").skip(1).peekable();
    actions.peek().is_some() && !actions.any(|action| HINDER.iter().any(|word| action.starts_with(word)))
}

/// `name=seccomp,profile=default` names `seccomp`; older engines write `seccomp` alone.
fn names_option(option: &str, what: &str) -> bool {
    let first = option.split(',').next().unwrap_or(option).trim();
    first.strip_prefix("name=").unwrap_or(first) == what
}

fn has_option(options: &[SmolStr], what: &str) -> bool {
    options.iter().any(|option| names_option(option, what))
}

/// The runtime, when it is another than the engine's default. Without that default only the names of the usual one are taken for it.
fn runtime_class(spec: &ContainerSpec, engine: Option<&EngineSpec>) -> Option<SmolStr> {
    let plain = |name: &str| matches!(name, "" | "runc" | "io.containerd.runc.v2");
    let default = engine.and_then(|engine| engine.default_runtime.as_deref()).unwrap_or("runc");
    let same = spec.runtime.is_empty() || spec.runtime == default || (plain(&spec.runtime) && plain(default));
    (!same).then(|| spec.runtime.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::Nothing;
    use event::fact::{Device, Endpoint, Mount, NetworkSpec, VolumeSpec};

    fn engine(options: &[&str], cgroup: &str) -> EngineSpec {
        EngineSpec {
            security_options: Some(options.iter().map(|o| (*o).into()).collect()),
            cgroup_version: Some(cgroup.into()),
            log_driver: Some("json-file".into()),
            ..EngineSpec::default()
        }
    }

    fn v1() -> EngineSpec {
        engine(&["name=seccomp,profile=default"], "1")
    }

    fn v2() -> EngineSpec {
        engine(&["name=apparmor", "name=seccomp,profile=builtin", "name=cgroupns"], "2")
    }

    fn texts(list: &[&str]) -> Vec<SmolStr> {
        list.iter().map(|s| (*s).into()).collect()
    }

    fn picture(spec: ContainerSpec, engine: Option<&EngineSpec>) -> String {
        let posture = Posture::of(&ContainerSpec { log_driver: "json-file".into(), ..spec }, engine, &Nothing);
        format!("{}: {}", posture.level.as_str(), posture.dangerous.join(" "))
    }

    #[test]
    fn the_engines_own_values_never_count() {
        let plain = ContainerSpec {
            cgroupns_mode: "host".into(),
            ipc_mode: "private".into(),
            userns_mode: "host".into(),
            ..ContainerSpec::default()
        };
        assert_eq!(picture(plain.clone(), Some(&v1())), "none: ");
        assert_eq!(picture(plain.clone(), None), "none: ");
        assert_eq!(picture(plain.clone(), Some(&v2())), "low: namespace:cgroup");
        assert_eq!(picture(plain, Some(&engine(&["name=userns"], "1"))), "medium: namespace:user");
        let host_pid = ContainerSpec { pid_mode: "host".into(), security_opt: texts(&["label=disable"]), ..ContainerSpec::default() };
        assert_eq!(picture(host_pid, Some(&engine(&["name=selinux"], "1"))), "high: namespace:pid");
        let privileged = ContainerSpec {
            privileged: true,
            security_opt: texts(&["label=disable", "seccomp=unconfined"]),
            masked_paths: Some(vec![]),
            readonly_paths: Some(vec![]),
            cap_add: texts(&["ALL"]),
            cgroupns_mode: "host".into(),
            ..ContainerSpec::default()
        };
        assert_eq!(picture(privileged, Some(&engine(&["name=cgroupns", "name=selinux"], "1"))), "high: privileged");
    }

    #[test]
    fn privilege_by_parts_is_as_bad_as_privileged() {
        let parts = ContainerSpec {
            cap_add: texts(&["sys_admin", "CAP_SYS_ADMIN", "net_raw"]),
            security_opt: texts(&["seccomp=unconfined"]),
            devices: vec![Device { host_path: "/dev/sda".into(), permissions: "rwm".into() }],
            device_cgroup_rules: texts(&["a *:* rwm", "c 195:* rmw"]),
            ..ContainerSpec::default()
        };
        assert_eq!(picture(parts, Some(&v2())), "high: capability:SYS_ADMIN device:/dev/sda device:rule:a *:* rwm security:seccomp");
        let net = |mode: &str| ContainerSpec { cap_add: texts(&["NET_ADMIN"]), network_mode: mode.into(), ..ContainerSpec::default() };
        assert_eq!(picture(net("default"), None), "none: ");
        assert_eq!(picture(net("host"), None), "medium: capability:NET_ADMIN namespace:net");
    }

    #[test]
    fn confinement_is_off_only_where_the_engine_has_it() {
        let off = ContainerSpec {
            security_opt: texts(&["seccomp=unconfined", "apparmor:unconfined", "label:disable"]),
            ..ContainerSpec::default()
        };
        assert_eq!(picture(off.clone(), Some(&v1())), "medium: security:seccomp");
        assert_eq!(picture(off.clone(), Some(&v2())), "medium: security:apparmor security:seccomp");
        assert_eq!(picture(off, Some(&engine(&["name=seccomp,profile=unconfined", "name=selinux"], "2"))), "medium: security:selinux");
        let paths = ContainerSpec { masked_paths: Some(vec![]), readonly_paths: Some(vec![]), ..ContainerSpec::default() };
        assert_eq!(picture(paths, Some(&v1())), "medium: security:systempaths");
        let written =
            ContainerSpec { masked_paths: Some(texts(&["/proc/kcore"])), readonly_paths: Some(vec![]), ..ContainerSpec::default() };
        assert_eq!(picture(written, Some(&v1())), "medium: security:systempaths");
        let gain = ContainerSpec { security_opt: texts(&["no-new-privileges:false"]), ..ContainerSpec::default() };
        assert_eq!(picture(gain.clone(), Some(&v1())), "none: ");
        assert_eq!(picture(gain, Some(&engine(&["name=no-new-privileges"], "2"))), "low: security:no_new_privileges");
        let own = ContainerSpec {
            security_opt: texts(&["seccomp={\"defaultAction\":1}", "apparmor=mine", "no-new-privileges"]),
            ..ContainerSpec::default()
        };
        let posture = Posture::of(&own, Some(&v2()), &Nothing);
        assert_eq!(posture.security_custom, texts(&["apparmor", "seccomp"]));
        assert!(posture.no_new_privileges);
    }

    #[test]
    fn a_profile_that_denies_nothing_is_no_profile() {
        let with = |profile: &str| ContainerSpec { security_opt: vec![format_smolstr!("seccomp={profile}")], ..ContainerSpec::default() };
        assert_eq!(picture(with("{\"defaultAction\":\"SCMP_ACT_ALLOW\"}"), Some(&v1())), "medium: security:seccomp");
        let log = "{\"defaultAction\": \"SCMP_ACT_LOG\", \"syscalls\": [{\"action\": \"SCMP_ACT_ALLOW\"}]}";
        assert_eq!(picture(with(log), Some(&v1())), "medium: security:seccomp");
        let denies = "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"bpf\"],\"action\":\"SCMP_ACT_ERRNO\"}]}";
        assert_eq!(picture(with(denies), Some(&v1())), "none: ");
        let kills = "{\"defaultAction\":\"SCMP_ACT_KILL_PROCESS\",\"syscalls\":[{\"action\":\"SCMP_ACT_ALLOW\"}]}";
        assert_eq!(picture(with(kills), Some(&v1())), "none: ");
    }

    struct Host {
        postures: Vec<(&'static str, Posture)>,
        network: NetworkSpec,
    }

    impl Lookup for Host {
        fn posture(&self, container: &str) -> Option<&Posture> {
            self.postures.iter().find(|(name, _)| *name == container).map(|(_, posture)| posture)
        }
        fn network(&self, name: &str) -> Option<&NetworkSpec> {
            (self.network.name == name).then_some(&self.network)
        }
        fn volume(&self, _: &str) -> Option<&VolumeSpec> {
            None
        }
    }

    #[test]
    fn namespaces_of_another_container_are_resolved() {
        let on = |network: &str| vec![Endpoint { network: network.into(), ..Endpoint::default() }];
        let donor =
            Posture::of(&ContainerSpec { pid_mode: "host".into(), networks: on("back"), ..ContainerSpec::default() }, None, &Nothing);
        let network = NetworkSpec { name: "back".into(), driver: "macvlan".into(), internal: true, ..NetworkSpec::default() };
        let host = Host { postures: vec![("donor", donor)], network };
        let spec = ContainerSpec { pid_mode: "container:donor".into(), network_mode: "container:donor".into(), ..ContainerSpec::default() };
        let posture = Posture::of(&spec, None, &host);
        assert_eq!(posture.ns_joined, texts(&["net", "pid"]));
        assert_eq!(posture.ns_joined_target, texts(&["donor"]));
        assert_eq!(posture.ns_joined_host, texts(&["pid"]));
        assert!(posture.ns_joined_internal);
        assert_eq!(posture.dangerous, texts(&["namespace:pid"]));
        // A chain of two is resolved because the middle one carries what it has through the first.
        let chained = Host { postures: vec![("middle", posture)], network: NetworkSpec::default() };
        let last = Posture::of(&ContainerSpec { pid_mode: "container:middle".into(), ..ContainerSpec::default() }, None, &chained);
        assert_eq!(last.ns_joined_host, texts(&["pid"]));
        let on_macvlan = Posture::of(&ContainerSpec { networks: on("back"), ..ContainerSpec::default() }, None, &host);
        assert_eq!(on_macvlan.network_permissive, texts(&["macvlan"]));
    }

    #[test]
    fn every_field_of_the_group_is_said() {
        let spec = ContainerSpec {
            log_driver: "json-file".into(),
            log_options: vec![("max-size".into(), "1k".into())],
            runtime: "runsc".into(),
            mounts: vec![Mount {
                kind: "bind".into(),
                source: "/etc".into(),
                writable: true,
                propagation: "rshared".into(),
                ..Mount::default()
            }],
            ..ContainerSpec::default()
        };
        let posture = Posture::of(&spec, Some(&v1()), &Nothing);
        let mut said: Vec<FieldId> = Vec::new();
        posture.fields(&mut |field, _| said.push(field));
        assert_eq!(said, event::dictionary::POSTURE);
        assert_eq!(posture.dangerous, texts(&["log:starved", "mount:etc", "mount:shared"]));
        assert_eq!(posture.level, Danger::High);
    }

    #[test]
    fn a_runtime_is_a_class_only_when_it_is_not_the_default() {
        let of = |runtime: &str, default: Option<&str>| {
            let engine = EngineSpec { default_runtime: default.map(Into::into), ..EngineSpec::default() };
            runtime_class(&ContainerSpec { runtime: runtime.into(), ..ContainerSpec::default() }, Some(&engine))
        };
        assert_eq!(of("runc", None), None);
        assert_eq!(of("io.containerd.runc.v2", Some("runc")), None);
        assert_eq!(of("kata", Some("runc")), Some("kata".into()));
        assert_eq!(of("crun", Some("crun")), None);
        assert_eq!(of("runc", Some("crun")), Some("runc".into()));
    }
}
