//! A container of a pod, in the words that every runtime shares.
//!
//! What the pod sets for all of them, and what a container sets for itself; the container's own word counts where both speak.

use super::quantity;
use crate::fields::Fields;
use event::SmolStr;
use event::fact::{ContainerSpec, Device, Mount, Port};
use event::kubernetes::{ContainerSort, Object, PodContainer};
use std::collections::BTreeMap;

/// What the containers of a pod share.
pub(super) struct Shared<'a> {
    spec: &'a Fields<'a>,
    security: Fields<'a>,
    volumes: BTreeMap<SmolStr, Fields<'a>>,
    head: &'a Object,
    pid_mode: SmolStr,
    ipc_mode: SmolStr,
    network_mode: SmolStr,
    userns_mode: SmolStr,
    /// What could not be read of the pod itself.
    unreadable: Vec<SmolStr>,
}

impl<'a> Shared<'a> {
    pub(super) fn read(spec: &'a Fields<'a>, head: &'a Object) -> Shared<'a> {
        let before = spec.noted();
        let mut volumes = BTreeMap::new();
        for volume in spec.objects("volumes") {
            volumes.entry(volume.text("name")).or_insert(volume);
        }
        let host = |key| SmolStr::new_static(if spec.bool(key) { "host" } else { "" });
        // Absent it is the host's by default; only a pod that says so is told apart.
        let userns_mode = SmolStr::new_static(match spec.bool_maybe("hostUsers") {
            Some(true) => "host",
            Some(false) => "private",
            None => "",
        });
        let (pid_mode, ipc_mode, network_mode) = (host("hostPID"), host("hostIPC"), host("hostNetwork"));
        let (security, unreadable) = (spec.object("securityContext"), spec.noted_since(before));
        Shared { spec, security, volumes, head, pid_mode, ipc_mode, network_mode, userns_mode, unreadable }
    }
}

/// Reads one container.
pub(super) fn read(container: &Fields<'_>, sort: ContainerSort, shared: &Shared<'_>) -> PodContainer {
    let before = container.noted();
    let mut spec = ContainerSpec {
        name: container.text("name"),
        image: container.text("image"),
        labels: shared.head.labels.clone(),
        command: [container.texts("command"), container.texts("args")].concat(),
        env_names: container.objects("env").iter().map(|one| one.text("name")).collect(),
        tty: container.bool("tty"),
        healthcheck: container.object("livenessProbe").object("exec").texts("command"),
        runtime: shared.spec.text("runtimeClassName"),
        restart_policy: restart_policy(container, shared.spec),
        mounts: container.objects("volumeMounts").iter().map(|one| mount(one, &shared.volumes)).collect(),
        // The path on the node is not known here; the volume's name is.
        devices: container
            .objects("volumeDevices")
            .iter()
            .map(|one| Device { host_path: SmolStr::new(format!("volume:{}", one.str("name"))), permissions: SmolStr::new_static("rw") })
            .collect(),
        ..ContainerSpec::default()
    };
    let mut named_ports = Vec::new();
    for port in container.objects("ports") {
        read_port(&port, &mut spec.ports, &mut named_ports);
    }
    read_shared(shared, &mut spec);
    read_security(&container.object("securityContext"), shared, &mut spec);
    read_limits(container, shared.spec, &mut spec);
    spec.unreadable = [shared.unreadable.clone(), container.noted_since(before)].concat();
    PodContainer { sort, target: container.text("targetContainerName"), spec, state: SmolStr::default(), named_ports }
}

/// Docker's words for the pod's. A side-car says it for itself.
fn restart_policy(container: &Fields<'_>, pod: &Fields<'_>) -> SmolStr {
    let own = container.text("restartPolicy");
    let policy = if own.is_empty() { pod.text("restartPolicy") } else { own };
    match policy.as_str() {
        "Always" => SmolStr::new_static("always"),
        "OnFailure" => SmolStr::new_static("on-failure"),
        "Never" => SmolStr::new_static("no"),
        _ => policy,
    }
}

/// Only what the node itself listens on is published.
fn read_port(port: &Fields<'_>, published: &mut Vec<Port>, named: &mut Vec<(SmolStr, SmolStr, u16)>) {
    let number = |key| port.int(key).and_then(|number| u16::try_from(number).ok()).unwrap_or(0);
    let container_port = number("containerPort");
    let protocol = port.text("protocol");
    let protocol = if protocol.is_empty() { SmolStr::new_static("TCP") } else { protocol };
    let name = port.text("name");
    let host_port = number("hostPort");
    if host_port != 0 {
        let address = port.text("hostIP");
        published.push(Port {
            container_port,
            protocol: SmolStr::new(protocol.to_ascii_lowercase()),
            host_address: if address.is_empty() { SmolStr::new_static("0.0.0.0") } else { address },
            host_port,
        });
    }
    if !name.is_empty() {
        named.push((name, protocol, container_port));
    }
}

fn read_shared(shared: &Shared<'_>, spec: &mut ContainerSpec) {
    spec.pid_mode = shared.pid_mode.clone();
    spec.ipc_mode = shared.ipc_mode.clone();
    spec.network_mode = shared.network_mode.clone();
    spec.userns_mode = shared.userns_mode.clone();
    spec.group_add = shared.security.ints("supplementalGroups").into_iter().map(|group| SmolStr::new(group.to_string())).collect();
    spec.sysctls = shared.security.objects("sysctls").iter().map(|one| (one.text("name"), one.text("value"))).collect();
}

fn read_security(own: &Fields<'_>, shared: &Shared<'_>, spec: &mut ContainerSpec) {
    let pod = &shared.security;
    spec.privileged = own.bool("privileged");
    let capabilities = own.object("capabilities");
    spec.cap_add = capabilities.texts("add");
    spec.cap_drop = capabilities.texts("drop");
    spec.readonly_rootfs = own.bool("readOnlyRootFilesystem");
    let number = |key| own.int(key).or_else(|| pod.int(key));
    spec.user = match (number("runAsUser"), number("runAsGroup")) {
        (Some(user), Some(group)) => SmolStr::new(format!("{user}:{group}")),
        (Some(user), None) => SmolStr::new(user.to_string()),
        (None, Some(group)) => SmolStr::new(format!(":{group}")),
        (None, None) => SmolStr::default(),
    };
    let either = |key| if own.value(key).is_some() { own.object(key) } else { pod.object(key) };
    let annotated = |key: &str| shared.head.annotations.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let opts = &mut spec.security_opt;
    let old = || {
        annotated(&format!("container.seccomp.security.alpha.kubernetes.io/{}", spec.name))
            .or_else(|| annotated("seccomp.security.alpha.kubernetes.io/pod"))
    };
    if let Some(profile) = profile(&either("seccompProfile")).or_else(|| old().and_then(annotation_profile)) {
        opts.push(SmolStr::new(format!("seccomp={profile}")));
    }
    let old = annotated(&format!("container.apparmor.security.beta.kubernetes.io/{}", spec.name));
    if let Some(profile) = profile(&either("appArmorProfile")).or_else(|| old.and_then(annotation_profile)) {
        opts.push(SmolStr::new(format!("apparmor={profile}")));
        spec.apparmor_profile = profile;
    }
    let selinux = either("seLinuxOptions");
    for key in ["user", "role", "type", "level"] {
        let value = selinux.text(key);
        if !value.is_empty() {
            opts.push(SmolStr::new(format!("label={key}:{value}")));
        }
    }
    if own.bool_maybe("allowPrivilegeEscalation") == Some(false) {
        opts.push(SmolStr::new_static("no-new-privileges"));
    }
    if own.str("procMount") == "Unmasked" {
        spec.masked_paths = Some(Vec::new());
        spec.readonly_paths = Some(Vec::new());
    }
}

/// What a profile names; `None` for the runtime's own, which is no option.
fn profile(profile: &Fields<'_>) -> Option<SmolStr> {
    match profile.str("type") {
        "Unconfined" => Some(SmolStr::new_static("unconfined")),
        "Localhost" => Some(profile.text("localhostProfile")),
        _ => None,
    }
}

/// The same in the old annotations: `unconfined`, `localhost/NAME`, `runtime/default`.
fn annotation_profile(value: &str) -> Option<SmolStr> {
    match value {
        "unconfined" => Some(SmolStr::new_static("unconfined")),
        _ => value.strip_prefix("localhost/").map(SmolStr::new),
    }
}

/// A container without limits of its own lives in those of its pod, where that has any.
fn read_limits(container: &Fields<'_>, pod: &Fields<'_>, spec: &mut ContainerSpec) {
    let (own, shared) = (container.object("resources").object("limits"), pod.object("resources").object("limits"));
    spec.cpu_limit = quantity::at(&own, "cpu").or_else(|| quantity::at(&shared, "cpu")).filter(|cores| *cores > 0.0);
    spec.memory_limit = quantity::bytes(&own, "memory").or_else(|| quantity::bytes(&shared, "memory"));
    // Devices are asked for as resources with a vendor's name: `nvidia.com/gpu`.
    for name in own.names().into_iter().filter(|name| name.contains('/') && !name.starts_with("hugepages-")) {
        spec.device_requests.push(SmolStr::new(name));
    }
}

/// A mount with the volume that it shows.
fn mount(mount: &Fields<'_>, volumes: &BTreeMap<SmolStr, Fields<'_>>) -> Mount {
    let name = mount.text("name");
    let mut made = Mount {
        target: mount.text("mountPath"),
        writable: !mount.bool("readOnly"),
        propagation: SmolStr::new_static(match mount.str("mountPropagation") {
            "Bidirectional" => "rshared",
            "HostToContainer" => "rslave",
            "None" => "rprivate",
            _ => "",
        }),
        kind: SmolStr::new_static("volume"),
        ..Mount::default()
    };
    let Some(volume) = volumes.get(&name) else {
        made.volume = name;
        return made;
    };
    let sub = [mount.text("subPath"), mount.text("subPathExpr")].into_iter().find(|path| !path.is_empty()).unwrap_or_default();
    let has = |key| volume.value(key).is_some();
    if has("hostPath") {
        made.kind = SmolStr::new_static("bind");
        made.source = below(&volume.object("hostPath").text("path"), &sub);
    } else if has("emptyDir") {
        let medium = volume.object("emptyDir").text("medium");
        made.kind = SmolStr::new_static(if medium == "Memory" { "tmpfs" } else { "volume" });
        (made.driver, made.volume) = (SmolStr::new_static("emptyDir"), name);
    } else if has("persistentVolumeClaim") {
        made.volume = volume.object("persistentVolumeClaim").text("claimName");
    } else if has("image") {
        made.kind = SmolStr::new_static("image");
        made.source = volume.object("image").text("reference");
    } else if has("nfs") {
        let nfs = volume.object("nfs");
        (made.driver, made.volume) = (SmolStr::new_static("nfs"), name);
        made.device = SmolStr::new(format!("{}:{}", nfs.str("server"), nfs.str("path")));
    } else if has("csi") {
        (made.driver, made.volume) = (volume.object("csi").text("driver"), name);
    } else {
        // Secrets, config maps and the like: the first key beside the name says what it is.
        let driver = volume.names().into_iter().find(|key| *key != "name").unwrap_or_default();
        (made.driver, made.volume) = (SmolStr::new(driver), name);
        if matches!(driver, "secret" | "configMap" | "projected" | "downwardAPI") {
            made.writable = false;
        }
    }
    made
}

/// A path below another.
fn below(path: &SmolStr, sub: &str) -> SmolStr {
    match sub.trim_matches('/') {
        "" => path.clone(),
        sub => SmolStr::new(format!("{}/{sub}", path.trim_end_matches('/'))),
    }
}
