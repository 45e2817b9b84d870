//! What a decoder tells the inventory: the same few statements whatever the runtime.
//!
//! A fact is a pure function of one record's bytes. It is never enriched; what it does not say is `None`, never a guess. Values keep the meaning that the
//! witness gave them; judging them against defaults is the inventory's work.

use crate::flow::{FilterChange, Flow};
use crate::kubernetes::{ApiRequest, ObjectEvent, ObjectList};
use crate::system::{ProcessEvent, Usage};
use crate::time::Time;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// One statement of one witness.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Fact {
    /// Something happened to a container.
    Container(ContainerEvent),
    /// What a container is: an inspect answer.
    ContainerSpec(Box<ContainerSpec>),
    /// What an exec in a container is: an exec inspect answer.
    ExecSpec(ExecSpec),
    /// Something happened to an image.
    Image(ImageEvent),
    /// What an image is.
    ImageSpec(Box<ImageSpec>),
    /// Something happened to a network.
    Network(NetworkEvent),
    /// What a network is.
    NetworkSpec(Box<NetworkSpec>),
    /// Something happened to a volume.
    Volume(VolumeEvent),
    /// What a volume is.
    VolumeSpec(VolumeSpec),
    /// The engine's own settings and defaults.
    Engine(Box<EngineSpec>),
    /// Something happened to the engine itself.
    EngineEvent(EngineEvent),
    /// A complete list that the engine gave: what is not on it did not exist then.
    List(List),
    /// A request to a Kubernetes API server.
    Request(Box<ApiRequest>),
    /// What list and watch say of one object of a cluster.
    Object(Box<ObjectEvent>),
    /// A complete list of one kind of object of a cluster.
    Objects(Box<ObjectList>),
    /// A flow between two addresses.
    Flow(Box<Flow>),
    /// A change of the host's packet filter.
    Filter(Box<FilterChange>),
    /// Something that a process did.
    Process(Box<ProcessEvent>),
    /// What a control group uses and may use.
    Usage(Box<Usage>),
    /// What a collector says of its own sight.
    Sensor(SensorNote),
}

/// Something that happened to a container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContainerEvent {
    /// Full id.
    pub id: SmolStr,
    /// What happened.
    pub action: ContainerAction,
    /// Name without a leading slash.
    pub name: SmolStr,
    /// Image reference as the witness says it.
    pub image: SmolStr,
    /// Labels, only on `Create`: the attributes without those that the engine itself sets. They may shadow reserved attributes.
    pub labels: Vec<(SmolStr, SmolStr)>,
    /// The runtime that speaks: `docker`, `podman`, `containerd`, `cri-o`, or what a mapping calls it.
    pub runtime: SmolStr,
    /// The runtime's own division, where it has one: containerd's namespace (`moby`, `k8s.io`, …).
    pub division: SmolStr,
    /// Pod or sandbox that it belongs to, where the event says it; empty else.
    pub pod: SmolStr,
    /// What the container is, where the event itself says it, as an inspect would.
    #[serde(default)]
    pub spec: Option<Box<ContainerSpec>>,
}

/// What can happen to a container. A payload is `None` when the witness did not say it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ContainerAction {
    /// It was created.
    Create,
    /// Its process runs.
    Start,
    /// The engine restarted it on request.
    Restart,
    /// Its process ended. A label may have replaced the exit code.
    Die {
        /// Exit code as the event says.
        exit_code: Option<i64>,
    },
    /// A signal was sent.
    Kill {
        /// Signal number as the event says.
        signal: Option<i64>,
    },
    /// It was stopped on request.
    Stop,
    /// The kernel ran out of its memory.
    Oom,
    /// It was frozen.
    Pause,
    /// It was thawed.
    Unpause,
    /// It has a new name.
    Rename {
        /// Name before, without a leading slash.
        old_name: Option<SmolStr>,
    },
    /// Its resources or restart policy were changed; what changed only an inspect shows.
    Update,
    /// It is gone.
    Destroy,
    /// Somebody attached to its streams.
    Attach,
    /// A command is about to run in it.
    ExecCreate {
        /// Command line as the event gives it, trimmed.
        command: SmolStr,
        /// Exec id.
        exec_id: Option<SmolStr>,
    },
    /// The command runs.
    ExecStart {
        /// Command line as the event gives it, trimmed.
        command: SmolStr,
        /// Exec id.
        exec_id: Option<SmolStr>,
    },
    /// The command ended.
    ExecDie {
        /// Exec id.
        exec_id: Option<SmolStr>,
        /// Exit code as the event says.
        exit_code: Option<i64>,
    },
    /// The health check's verdict changed.
    Health {
        /// `healthy`, `unhealthy`, `running` …
        status: SmolStr,
    },
    /// A file was read out of it (`docker cp` from it).
    CopyOut,
    /// Files were written into it (`docker cp` into it).
    CopyIn,
    /// Its file system was exported.
    Export,
    /// An image was made of it.
    Commit {
        /// Reference of the new image.
        reference: Option<SmolStr>,
        /// Id of the new image.
        image_id: Option<SmolStr>,
    },
    /// Its state was written to disk, to be resumed.
    Checkpoint,
    /// Anything else, by the witness's own word.
    Other(SmolStr),
}

/// What a container is, as the engine says on inspect.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// Full id.
    pub id: SmolStr,
    /// Name without a leading slash.
    pub name: SmolStr,
    /// When it was created, as the engine says.
    pub created: Option<Time>,
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited`, `dead`.
    pub status: SmolStr,
    /// First process's id on the host; 0 when it does not run.
    pub pid: i64,
    /// Exit code of the last run.
    pub exit_code: Option<i64>,
    /// The kernel killed it for memory.
    pub oom_killed: bool,
    /// When it started last.
    pub started: Option<Time>,
    /// When it ended last.
    pub finished: Option<Time>,
    /// How often the engine restarted it.
    pub restart_count: i64,
    /// Image id (`sha256:…`).
    pub image_id: SmolStr,
    /// Image reference as it was asked for (`Config.Image`).
    pub image: SmolStr,
    /// Labels.
    pub labels: Vec<(SmolStr, SmolStr)>,
    /// Executable and arguments as they run (`Path` and `Args`).
    pub command: Vec<SmolStr>,
    /// Names of environment variables; values may be secrets and are not kept.
    pub env_names: Vec<SmolStr>,
    /// User inside the container; empty means root.
    pub user: SmolStr,
    /// Health check command, without the leading `CMD` or `CMD-SHELL`.
    pub healthcheck: Vec<SmolStr>,
    /// Has a terminal.
    pub tty: bool,

    /// `HostConfig.Privileged`.
    pub privileged: bool,
    /// `HostConfig.CapAdd`, as written.
    pub cap_add: Vec<SmolStr>,
    /// `HostConfig.CapDrop`, as written.
    pub cap_drop: Vec<SmolStr>,
    /// `HostConfig.PidMode`: empty, `host`, `container:<id>`.
    pub pid_mode: SmolStr,
    /// `HostConfig.IpcMode`.
    pub ipc_mode: SmolStr,
    /// `HostConfig.NetworkMode`: `default`, `bridge`, `host`, `none`, `container:<id>` or a network's name.
    pub network_mode: SmolStr,
    /// `HostConfig.UTSMode`.
    pub uts_mode: SmolStr,
    /// `HostConfig.UsernsMode`.
    pub userns_mode: SmolStr,
    /// `HostConfig.CgroupnsMode`: `host` is the engine's own default on cgroup v1.
    pub cgroupns_mode: SmolStr,
    /// `HostConfig.SecurityOpt`, as written. The engine itself adds `label=disable` for host pid or ipc.
    pub security_opt: Vec<SmolStr>,
    /// `AppArmorProfile`.
    pub apparmor_profile: SmolStr,
    /// `HostConfig.MaskedPaths`: `None` when absent, an empty list when nothing is masked.
    pub masked_paths: Option<Vec<SmolStr>>,
    /// `HostConfig.ReadonlyPaths`, likewise.
    pub readonly_paths: Option<Vec<SmolStr>>,
    /// `HostConfig.ReadonlyRootfs`.
    pub readonly_rootfs: bool,
    /// `HostConfig.Devices`: paths on the host with cgroup permissions.
    pub devices: Vec<Device>,
    /// `HostConfig.DeviceCgroupRules`, as written.
    pub device_cgroup_rules: Vec<SmolStr>,
    /// `HostConfig.DeviceRequests` names a driver or all (GPUs and the like).
    pub device_requests: Vec<SmolStr>,
    /// Everything mounted: `Mounts`, completed by `HostConfig.Binds` and `HostConfig.Mounts` that it does not list.
    pub mounts: Vec<Mount>,
    /// `HostConfig.VolumesFrom`, as written.
    pub volumes_from: Vec<SmolStr>,
    /// `HostConfig.Sysctls`.
    pub sysctls: Vec<(SmolStr, SmolStr)>,
    /// `HostConfig.GroupAdd`.
    pub group_add: Vec<SmolStr>,
    /// `HostConfig.Runtime`.
    pub runtime: SmolStr,
    /// `HostConfig.AutoRemove`.
    pub auto_remove: bool,
    /// `HostConfig.RestartPolicy.Name`: empty or `no`, `always`, `unless-stopped`, `on-failure`.
    pub restart_policy: SmolStr,

    /// Processor limit in cores, from `NanoCpus` or quota over period; `None` without a limit.
    pub cpu_limit: Option<f64>,
    /// `CpuShares`; `None` when 0 or absent.
    pub cpu_shares: Option<i64>,
    /// `CpusetCpus`.
    pub cpuset: SmolStr,
    /// Memory limit in bytes; `None` without a limit.
    pub memory_limit: Option<i64>,
    /// `MemorySwap` in bytes, memory included; −1 means unlimited; `None` when 0 or absent.
    pub memory_swap: Option<i64>,
    /// `PidsLimit`; `None` when null, 0 or −1.
    pub pids_limit: Option<i64>,
    /// `OomKillDisable`.
    pub oom_kill_disable: bool,
    /// `OomScoreAdj`.
    pub oom_score_adj: i64,

    /// `HostConfig.LogConfig.Type`.
    pub log_driver: SmolStr,
    /// `HostConfig.LogConfig.Config`.
    pub log_options: Vec<(SmolStr, SmolStr)>,

    /// Networks that it is on, with its addresses there.
    pub networks: Vec<Endpoint>,
    /// Published ports.
    pub ports: Vec<Port>,
    /// Execs that run in it now (`ExecIDs`).
    pub exec_ids: Vec<SmolStr>,
    /// Keys in the inspect answer that hold something else than their type: they were read as absent.
    pub unreadable: Vec<SmolStr>,
}

/// A device of the host inside a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Path on the host.
    pub host_path: SmolStr,
    /// `r`, `w`, `m` in any combination.
    pub permissions: SmolStr,
}

/// Something mounted into a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// `bind`, `volume`, `tmpfs`, `npipe`, `image`, `cluster`.
    pub kind: SmolStr,
    /// Path on the host for a bind; the engine's own path for a volume.
    pub source: SmolStr,
    /// Path in the container.
    pub target: SmolStr,
    /// The volume's name, when it is one.
    pub volume: SmolStr,
    /// Driver of the volume.
    pub driver: SmolStr,
    /// Device that a `local` volume mounts (`o=bind,device=/etc`), as far as the inspect answer says.
    pub device: SmolStr,
    /// May be written to.
    pub writable: bool,
    /// `rprivate`, `rshared`, …
    pub propagation: SmolStr,
}

/// A place on a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Network's name.
    pub network: SmolStr,
    /// Network's id.
    pub network_id: SmolStr,
    /// Address there; empty when it has none.
    pub address: SmolStr,
    /// Address of version 6; empty when it has none.
    pub address_v6: SmolStr,
    /// Hardware address.
    pub mac: SmolStr,
}

/// A published port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Port in the container.
    pub container_port: u16,
    /// `tcp`, `udp`, `sctp`.
    pub protocol: SmolStr,
    /// Address on the host; `0.0.0.0` and `::` mean all.
    pub host_address: SmolStr,
    /// Port on the host; 0 when the engine chooses.
    pub host_port: u16,
}

/// What an exec is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecSpec {
    /// Exec id.
    pub id: SmolStr,
    /// Container it runs in.
    pub container_id: SmolStr,
    /// Runs with all privileges.
    pub privileged: bool,
    /// Has a terminal.
    pub tty: bool,
    /// User; empty means the container's.
    pub user: SmolStr,
    /// Executable and arguments.
    pub command: Vec<SmolStr>,
    /// Still running.
    pub running: bool,
    /// First process's id on the host.
    pub pid: i64,
}

/// Something that happened to an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageEvent {
    /// Id (`sha256:…`) or reference, as the event says it.
    pub id: SmolStr,
    /// What happened.
    pub action: ImageAction,
    /// Reference that the event names (`Attributes.name`).
    pub name: SmolStr,
}

/// What can happen to an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImageAction {
    /// Fetched from a registry.
    Pull,
    /// Sent to a registry.
    Push,
    /// Given a reference.
    Tag,
    /// A reference was taken away.
    Untag,
    /// Deleted.
    Delete,
    /// Read from an archive.
    Load,
    /// Made from a file-system archive.
    Import,
    /// Written to an archive.
    Save,
    /// Made by a build (API 1.46 and later).
    Create,
    /// Pruned.
    Prune,
    /// Anything else.
    Other(SmolStr),
}

/// What an image is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageSpec {
    /// Id (`sha256:…`).
    pub id: SmolStr,
    /// References.
    pub tags: Vec<SmolStr>,
    /// `repository@sha256:…`, only for images that came from or went to a registry.
    pub repo_digests: Vec<SmolStr>,
    /// When it was made, as it says itself.
    pub created: Option<Time>,
    /// Size in bytes.
    pub size: i64,
    /// Command it runs by default.
    pub command: Vec<SmolStr>,
    /// Layers, as digests.
    pub layers: Vec<SmolStr>,
    /// The container that it was committed from, where the engine still says it.
    pub parent_container: SmolStr,
    /// Comment (`Imported from -` and the like).
    pub comment: SmolStr,
    /// True when the answer is an inspect or a list entry that has the field `RepoDigests`.
    pub digests_known: bool,
}

/// Something that happened to a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkEvent {
    /// Network's id.
    pub id: SmolStr,
    /// Network's name.
    pub name: SmolStr,
    /// Driver (`bridge`, `overlay`, `macvlan`, …).
    pub driver: SmolStr,
    /// What happened.
    pub action: NetworkAction,
}

/// What can happen to a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkAction {
    /// It was made.
    Create,
    /// It is gone.
    Destroy,
    /// A container joined it.
    Connect {
        /// Container's id.
        container: SmolStr,
    },
    /// A container left it.
    Disconnect {
        /// Container's id.
        container: SmolStr,
    },
    /// Anything else.
    Other(SmolStr),
}

/// What a network is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkSpec {
    /// Id.
    pub id: SmolStr,
    /// Name.
    pub name: SmolStr,
    /// Driver.
    pub driver: SmolStr,
    /// Cut off from the outside.
    pub internal: bool,
    /// Driver options.
    pub options: Vec<(SmolStr, SmolStr)>,
    /// Subnets.
    pub subnets: Vec<SmolStr>,
    /// Labels.
    pub labels: Vec<(SmolStr, SmolStr)>,
    /// Containers on it now: id and address with prefix length.
    pub containers: Vec<(SmolStr, SmolStr)>,
    /// Addresses that the host itself has on it.
    pub gateways: Vec<SmolStr>,
}

/// Something that happened to a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeEvent {
    /// Volume's name.
    pub name: SmolStr,
    /// `create`, `destroy`, `mount`, `unmount`, …
    pub action: SmolStr,
    /// Container that mounts it.
    pub container: SmolStr,
    /// Path there.
    pub destination: SmolStr,
    /// May be written to.
    pub writable: Option<bool>,
}

/// What a volume is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeSpec {
    /// Name.
    pub name: SmolStr,
    /// Driver.
    pub driver: SmolStr,
    /// The engine's own path.
    pub mountpoint: SmolStr,
    /// Driver options; a bind hides in `o=bind` and `device=`.
    pub options: Vec<(SmolStr, SmolStr)>,
}

/// The engine's own settings: the defaults that containers are judged against. `None` is *not said*.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EngineSpec {
    /// Engine's id.
    pub id: SmolStr,
    /// Host's name.
    pub host_name: SmolStr,
    /// `docker`, `podman`.
    pub product: SmolStr,
    /// Engine's version.
    pub version: Option<SmolStr>,
    /// API version.
    pub api_version: Option<SmolStr>,
    /// `1` or `2`.
    pub cgroup_version: Option<SmolStr>,
    /// Default log driver.
    pub log_driver: Option<SmolStr>,
    /// `SecurityOptions`, as written (`name=seccomp,profile=default`).
    pub security_options: Option<Vec<SmolStr>>,
    /// Default runtime.
    pub default_runtime: Option<SmolStr>,
    /// Processors of the host.
    pub cpus: Option<i64>,
    /// Memory of the host in bytes.
    pub memory: Option<i64>,
    /// Where the engine keeps its data.
    pub root_dir: Option<SmolStr>,
    /// Authorization plugins.
    pub authorization_plugins: Option<Vec<SmolStr>>,
}

/// Something that happened to the engine itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineEvent {
    /// `reload`, `shutdown`, `plugin enable`, `prune`, …
    pub action: SmolStr,
    /// What the event says of it.
    pub attributes: Vec<(SmolStr, SmolStr)>,
}

/// A complete list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum List {
    /// All containers, running or not.
    Containers(Vec<ListedContainer>),
    /// All images.
    Images(Vec<ImageSpec>),
    /// All networks.
    Networks(Vec<NetworkSpec>),
    /// All volumes.
    Volumes(Vec<VolumeSpec>),
}

/// A container as a list shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ListedContainer {
    /// Full id.
    pub id: SmolStr,
    /// First name without a leading slash.
    pub name: SmolStr,
    /// Image reference.
    pub image: SmolStr,
    /// Image id.
    pub image_id: SmolStr,
    /// When it was created.
    pub created: Option<Time>,
    /// `running`, `exited`, …
    pub status: SmolStr,
    /// Command as the list gives it.
    pub command: SmolStr,
    /// Labels.
    pub labels: Vec<(SmolStr, SmolStr)>,
}

/// What a collector says of its own sight. Written as a record, so that a recording tells it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SensorNote {
    /// Which source it speaks of (`docker_events`).
    pub of: SmolStr,
    /// What it says.
    pub note: Sight,
}

/// The notes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Sight {
    /// Events flow from now on; the lists that follow are the state at start.
    Started,
    /// The stream broke.
    Lost {
        /// Why, as the operating system or the engine said it.
        reason: SmolStr,
    },
    /// The stream flows again; what lay between may be missing.
    Resumed {
        /// Last event time before the break.
        from: Option<Time>,
        /// First time from which events are complete again.
        to: Option<Time>,
        /// Whether the engine could replay everything in between.
        complete: bool,
    },
    /// The lists that follow are a reconcile: an unknown id there was missed.
    Reconciled,
    /// Events arrive late by this many nanoseconds.
    Lagging {
        /// Nanoseconds.
        by: i64,
    },
    /// Records were dropped here.
    Dropped {
        /// How many.
        count: u64,
        /// Why.
        reason: SmolStr,
    },
    /// The engine no longer knew what was asked for.
    Missed {
        /// `container`, `exec`, `image`, …
        object: SmolStr,
        /// Its id.
        id: SmolStr,
        /// The answer.
        reason: SmolStr,
    },
    /// A record of the source could not be read. The engine says this itself; no collector writes it.
    Undecodable {
        /// Why, as the decoder said it.
        reason: SmolStr,
    },
    /// The source stopped in good order.
    Stopped,
}
