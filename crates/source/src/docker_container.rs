//! A container inspect answer: `docker inspect ID` or `GET /containers/ID/json`.

use crate::fields::{Fields, Notes, bare_name};
use crate::prepare::{lacks, undated};
use crate::tape::Tape;
use crate::{SourceDef, Witness};
use event::document::{Document, SIZE_MAX};
use event::fact::{ContainerSpec, Device, Endpoint, Fact, Mount, Port};
use event::{Decoded, SmolStr, Undecodable, dictionary};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "docker_container",
    witness: Witness::Runtime,
    kind: dictionary::DOCKER_CONTAINER,
    about: "What a container is: its configuration, limits, confinement, mounts, networks and state.",
    size_max: SIZE_MAX,
    recognise,
    finds_duplicates: false,
    decode,
    text: None,
    sample: r#"{"Id":"8a5eca281e92d259f3f2789ba3bc9873d8a5c4c4951b883549486e61d76c0483","Created":"2026-11-24T13:41:18.06424563Z","Path":"sleep","Args":["60"],"State":{"Status":"running","Running":true,"Paused":false,"Restarting":false,"OOMKilled":false,"Dead":false,"Pid":3333,"ExitCode":0,"Error":"","StartedAt":"2026-11-24T13:41:18.269292065Z","FinishedAt":"0001-01-01T00:00:00Z"},"Image":"sha256:e3003ece00880a0c6b7a21e2aacebc33aca3cf894a856bd8a6ee2548f5b2d153","Name":"/lab1","RestartCount":0,"AppArmorProfile":"","ExecIDs":null,"HostConfig":{"Binds":["/etc:/h:ro"],"LogConfig":{"Type":"json-file","Config":{}},"NetworkMode":"default","PortBindings":{},"RestartPolicy":{"Name":"no","MaximumRetryCount":0},"AutoRemove":false,"VolumesFrom":null,"CapAdd":null,"CapDrop":null,"CgroupnsMode":"host","GroupAdd":null,"IpcMode":"private","OomScoreAdj":0,"PidMode":"","Privileged":false,"ReadonlyRootfs":false,"SecurityOpt":null,"UTSMode":"","UsernsMode":"","Runtime":"runc","CpuShares":0,"Memory":67108864,"NanoCpus":0,"CpuPeriod":0,"CpuQuota":0,"CpusetCpus":"","Devices":[],"DeviceCgroupRules":null,"DeviceRequests":null,"MemorySwap":134217728,"OomKillDisable":false,"PidsLimit":null,"MaskedPaths":["/proc/kcore"],"ReadonlyPaths":["/proc/sys"]},"Mounts":[{"Type":"bind","Source":"/etc","Destination":"/h","Mode":"ro","RW":false,"Propagation":"rprivate"}],"Config":{"User":"","Tty":false,"Env":null,"Cmd":["sleep","60"],"Image":"alpine:3.20","Entrypoint":null,"Labels":{"team":"payments"}},"NetworkSettings":{"Ports":{},"Networks":{"bridge":{"NetworkID":"cfcb0cdcb770116660e2d4e7e0dd24b1c2600aa56da916f4f4e5e83e1e0ae515","IPAddress":"172.17.0.2","GlobalIPv6Address":"","MacAddress":"02:42:ac:11:00:02"}}}}"#,
};

/// The processor period that the kernel takes when only a quota is given, in microseconds.
const CPU_PERIOD_DEFAULT: i64 = 100_000;

fn recognise(document: &Document) -> bool {
    let notes = Notes::default();
    is_inspect(&Fields::new(document.root(), &notes))
}

/// Whether an object is an inspect answer; Podman's own has all that Docker's has, and more.
fn is_inspect(root: &Fields<'_>) -> bool {
    root.has("Id") && root.has("HostConfig") && (root.has("State") || root.has("Config")) && !root.has("Names") && !is_podmans(root)
}

/// Whether an inspect answer is Podman's own, by what only it says.
pub(crate) fn is_podmans(root: &Fields<'_>) -> bool {
    root.has("ConmonPidFile") || root.has("OCIRuntime") || root.has("BoundingCaps")
}

fn decode(document: &Document, _: &[u8]) -> Result<Decoded, Undecodable> {
    let notes = Notes::default();
    let mut decoded = read(&Fields::new(document.root(), &notes))?;
    note_unreadable(&mut decoded, notes);
    Ok(decoded)
}

/// The same from a tape; `None` when it is no inspect answer, or one that is left to the parser.
pub(crate) fn read_tape(tape: &Tape<'_>) -> Option<Decoded> {
    let notes = Notes::default();
    let root = Fields::taped(tape.root(), &notes);
    let mut decoded = is_inspect(&root).then(|| read(&root))?.ok()?;
    note_unreadable(&mut decoded, notes);
    Some(decoded)
}

pub(crate) fn note_unreadable(decoded: &mut Decoded, notes: Notes) {
    if let Some(Fact::ContainerSpec(spec)) = &mut decoded.fact {
        spec.unreadable = notes.into_list();
    }
}

fn read(root: &Fields<'_>) -> Result<Decoded, Undecodable> {
    let spec = read_spec(root)?;
    Ok(undated(dictionary::DOCKER_CONTAINER, spec.id.clone(), Fact::ContainerSpec(Box::new(spec))))
}

/// What an inspect answer says.
pub(crate) fn read_spec(root: &Fields<'_>) -> Result<ContainerSpec, Undecodable> {
    let id = root.text("Id");
    if id.is_empty() {
        return Err(lacks("an Id"));
    }
    let mut spec = ContainerSpec { id, ..ContainerSpec::default() };
    read_state(root, &mut spec);
    let host = root.object("HostConfig");
    read_confinement(&host, &mut spec);
    read_limits(&host, &mut spec);
    spec.mounts = mounts(root, &host);
    read_config(root, &mut spec);
    let settings = root.object("NetworkSettings");
    spec.networks = networks(&settings);
    spec.ports = ports(root, &host, &settings);
    Ok(spec)
}

fn read_state(root: &Fields<'_>, spec: &mut ContainerSpec) {
    let state = root.object("State");
    spec.name = bare_name(root.str("Name"));
    spec.created = root.time_or_seconds("Created");
    spec.status = state.text("Status");
    if spec.status.is_empty() {
        // Engines before 1.9 say it in booleans.
        let word = match () {
            () if state.bool("Paused") => "paused",
            () if state.bool("Restarting") => "restarting",
            () if state.bool("Running") => "running",
            () => "",
        };
        spec.status = SmolStr::new_static(word);
    }
    spec.pid = state.int("Pid").unwrap_or(0);
    spec.oom_killed = state.bool("OOMKilled");
    spec.started = state.time("StartedAt");
    spec.finished = state.time("FinishedAt");
    // A container that never ended says 0 as well; only one that has ended has an exit code.
    spec.exit_code = spec.finished.and_then(|_| state.int("ExitCode"));
    spec.restart_count = root.int("RestartCount").unwrap_or(0);
    spec.apparmor_profile = root.text("AppArmorProfile");
    spec.exec_ids = root.texts("ExecIDs");
    spec.command = std::iter::once(root.text("Path")).filter(|path| !path.is_empty()).chain(root.texts("Args")).collect();
}

fn read_config(root: &Fields<'_>, spec: &mut ContainerSpec) {
    let config = root.object("Config");
    spec.image_id = root.text("Image");
    spec.image = config.text("Image");
    spec.labels = config.pairs("Labels");
    spec.env_names = config.texts("Env").iter().map(|entry| SmolStr::new(entry.split('=').next().unwrap_or_default())).collect();
    spec.user = config.text("User");
    spec.tty = config.bool("Tty");
    let mut test = config.object("Healthcheck").texts("Test");
    if test.first().is_some_and(|word| ["CMD", "CMD-SHELL", "NONE"].contains(&word.as_str())) {
        test.remove(0);
    }
    spec.healthcheck = test;
}

fn read_confinement(host: &Fields<'_>, spec: &mut ContainerSpec) {
    spec.privileged = host.bool("Privileged");
    spec.cap_add = host.texts("CapAdd");
    spec.cap_drop = host.texts("CapDrop");
    spec.pid_mode = host.text("PidMode");
    spec.ipc_mode = host.text("IpcMode");
    spec.network_mode = host.text("NetworkMode");
    spec.uts_mode = host.text("UTSMode");
    spec.userns_mode = host.text("UsernsMode");
    spec.cgroupns_mode = host.text("CgroupnsMode");
    spec.security_opt = host.texts("SecurityOpt");
    spec.masked_paths = host.texts_maybe("MaskedPaths");
    spec.readonly_paths = host.texts_maybe("ReadonlyPaths");
    spec.readonly_rootfs = host.bool("ReadonlyRootfs");
    spec.devices = host
        .objects("Devices")
        .iter()
        .map(|device| Device { host_path: device.text("PathOnHost"), permissions: device.text("CgroupPermissions") })
        .collect();
    spec.device_cgroup_rules = host.texts("DeviceCgroupRules");
    spec.device_requests = host.objects("DeviceRequests").iter().map(device_request).collect();
    spec.volumes_from = host.texts("VolumesFrom");
    spec.sysctls = host.pairs("Sysctls");
    spec.group_add = host.texts("GroupAdd");
    spec.runtime = host.text("Runtime");
    spec.auto_remove = host.bool("AutoRemove");
    spec.restart_policy = host.object("RestartPolicy").text("Name");
    let log = host.object("LogConfig");
    spec.log_driver = log.text("Type");
    spec.log_options = log.pairs("Config");
}

/// A request for devices in a few words: the driver or the capabilities, then which ones.
fn device_request(request: &Fields<'_>) -> SmolStr {
    let driver = request.text("Driver");
    let what = if driver.is_empty() { SmolStr::new_static("devices") } else { driver };
    let ids = request.texts("DeviceIDs");
    match request.int("Count") {
        _ if !ids.is_empty() => SmolStr::new(format!("{what}:{}", ids.join(","))),
        Some(-1) => SmolStr::new(format!("{what}:all")),
        Some(count) => SmolStr::new(format!("{what}:{count}")),
        None => what,
    }
}

fn read_limits(host: &Fields<'_>, spec: &mut ContainerSpec) {
    let positive = |key| host.int(key).filter(|n| *n > 0);
    spec.cpu_limit = match (positive("NanoCpus"), positive("CpuQuota")) {
        (Some(nanos), _) => Some(nanos as f64 / 1e9),
        (None, Some(quota)) => Some(quota as f64 / positive("CpuPeriod").unwrap_or(CPU_PERIOD_DEFAULT) as f64),
        (None, None) => None,
    };
    spec.cpu_shares = host.int("CpuShares").filter(|n| *n != 0);
    spec.cpuset = host.text("CpusetCpus");
    spec.memory_limit = positive("Memory");
    spec.memory_swap = host.int("MemorySwap").filter(|n| *n != 0);
    spec.pids_limit = positive("PidsLimit");
    spec.oom_kill_disable = host.bool("OomKillDisable");
    spec.oom_score_adj = host.int("OomScoreAdj").unwrap_or(0);
}

/// `Mounts` as the engine resolved it; then what was asked for and does not stand there, as in a container that has never started.
fn mounts(root: &Fields<'_>, host: &Fields<'_>) -> Vec<Mount> {
    let mut list: Vec<Mount> = root
        .objects("Mounts")
        .iter()
        .map(|mount| Mount {
            kind: mount.text("Type"),
            source: mount.text("Source"),
            target: mount.text("Destination"),
            volume: mount.text("Name"),
            driver: mount.text("Driver"),
            device: SmolStr::default(),
            writable: mount.bool("RW"),
            propagation: mount.text("Propagation"),
        })
        .collect();
    for asked in host.objects("Mounts") {
        let target = asked.text("Target");
        let driver = asked.object("VolumeOptions").object("DriverConfig");
        let options = driver.pairs("Options");
        let device = options.iter().find(|(key, _)| key == "device").map(|(_, value)| value.clone()).unwrap_or_default();
        match list.iter_mut().find(|mount| same_target(&mount.target, &target)) {
            Some(mount) => mount.device = device,
            None => {
                let kind = asked.text("Type");
                let source = asked.text("Source");
                let (source, volume) = if kind == "volume" { (SmolStr::default(), source) } else { (source, SmolStr::default()) };
                list.push(Mount {
                    source,
                    volume,
                    target,
                    device,
                    driver: driver.text("Name"),
                    writable: !asked.bool("ReadOnly"),
                    propagation: asked.object("BindOptions").text("Propagation"),
                    kind,
                });
            }
        }
    }
    for bind in host.texts("Binds") {
        if let Some(mount) = read_bind(&bind)
            && !list.iter().any(|known| same_target(&known.target, &mount.target))
        {
            list.push(mount);
        }
    }
    list
}

fn same_target(a: &str, b: &str) -> bool {
    a.trim_end_matches('/') == b.trim_end_matches('/')
}

/// `source:target[:options]`; a source that is no path names a volume.
fn read_bind(text: &str) -> Option<Mount> {
    let mut parts = text.split(':');
    let (source, target) = (parts.next()?, parts.next()?);
    let options: Vec<&str> = parts.next().unwrap_or_default().split(',').collect();
    let path = source.starts_with('/') || source.starts_with('.') || source.starts_with('~');
    let propagation = options.iter().find(|word| word.trim_start_matches('r') != **word || ["shared", "slave", "private"].contains(word));
    Some(Mount {
        kind: SmolStr::new_static(if path { "bind" } else { "volume" }),
        source: SmolStr::new(if path { source } else { "" }),
        volume: SmolStr::new(if path { "" } else { source }),
        target: SmolStr::new(target),
        writable: !options.contains(&"ro"),
        propagation: propagation
            .filter(|word| ["shared", "slave", "private", "rshared", "rslave", "rprivate"].contains(word))
            .map(|word| SmolStr::new(*word))
            .unwrap_or_default(),
        ..Mount::default()
    })
}

/// By network; the flat address that API 1.52 dropped is only read where there is no such map.
fn networks(settings: &Fields<'_>) -> Vec<Endpoint> {
    let endpoint = |name: &str, at: &Fields<'_>| Endpoint {
        network: SmolStr::new(name),
        network_id: at.text("NetworkID"),
        address: at.text("IPAddress"),
        address_v6: at.text("GlobalIPv6Address"),
        mac: at.text("MacAddress"),
    };
    let list: Vec<Endpoint> = settings.members("Networks").iter().map(|(name, at)| endpoint(name, at)).collect();
    if list.is_empty() && !settings.str("IPAddress").is_empty() {
        return vec![endpoint("bridge", settings)];
    }
    list
}

/// Ports as they are bound; for a container that does not run, as they were asked for.
fn ports(root: &Fields<'_>, host: &Fields<'_>, settings: &Fields<'_>) -> Vec<Port> {
    let mut list = bound(settings.member_lists("Ports"));
    if list.is_empty() {
        list = bound(host.member_lists("PortBindings"));
        if host.bool("PublishAllPorts") {
            for (name, _) in root.object("Config").member_lists("ExposedPorts") {
                let (container_port, protocol) = port_name(name);
                if !list.iter().any(|port| (port.container_port, &port.protocol) == (container_port, &protocol)) {
                    list.push(Port { container_port, protocol, host_address: SmolStr::new_static("0.0.0.0"), host_port: 0 });
                }
            }
        }
    }
    list
}

fn bound(map: Vec<(&str, Vec<Fields<'_>>)>) -> Vec<Port> {
    let mut list = Vec::new();
    for (name, bindings) in map {
        let (container_port, protocol) = port_name(name);
        for binding in bindings {
            let address = binding.text("HostIp");
            list.push(Port {
                container_port,
                protocol: protocol.clone(),
                // The engine takes no address as every address.
                host_address: if address.is_empty() { SmolStr::new_static("0.0.0.0") } else { address },
                host_port: binding.str("HostPort").parse().unwrap_or(0),
            });
        }
    }
    list
}

/// `80/tcp`.
fn port_name(name: &str) -> (u16, SmolStr) {
    let (port, protocol) = name.split_once('/').unwrap_or((name, "tcp"));
    (port.parse().unwrap_or(0), SmolStr::new(protocol))
}
