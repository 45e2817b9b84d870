//! The field dictionary: every kind of event and every derived field, by name.
//!
//! A rule may name these fields and, for native events, any path of the record. `docs/reference/fields.md` is generated from this file. Names follow the
//! OpenTelemetry semantic conventions where those have one. To add a derived event: a row under `kinds!`, its fields under `fields!`, and its deriver's file.

use std::fmt;

/// A field of derived events.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldId(u16);

/// What a field means.
#[derive(Debug)]
pub struct FieldDef {
    /// Name that rules use.
    pub name: &'static str,
    /// Type and unit: `text`, `texts`, `bool`, `int`, `float`, with the unit where there is one.
    pub shape: &'static str,
    /// Meaning, one sentence.
    pub about: &'static str,
}

/// A kind of event.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(u16);

/// What a kind of event is.
#[derive(Debug)]
pub struct KindDef {
    /// Its name, the value of `event.name` in derived events.
    pub name: &'static str,
    /// Sigma logsource, as (category, product, service); empty parts are not set.
    pub logsource: (&'static str, &'static str, &'static str),
    /// Native events are records; their fields are the record's own paths.
    pub native: bool,
    /// Meaning, one sentence.
    pub about: &'static str,
    /// Groups of fields that a derived event may have.
    pub groups: &'static [&'static [FieldId]],
}

impl FieldId {
    /// The field of that name.
    pub fn named(name: &str) -> Option<FieldId> {
        FIELDS.iter().position(|def| def.name == name).map(|i| FieldId(i as u16))
    }

    /// Its definition.
    pub fn def(self) -> &'static FieldDef {
        &FIELDS[self.0 as usize]
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.def().name
    }

    /// Its position in [`FIELDS`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl Kind {
    /// The kind of that name.
    pub fn named(name: &str) -> Option<Kind> {
        KINDS.iter().position(|def| def.name == name).map(|i| Kind(i as u16))
    }

    /// All kinds, in the order of the dictionary.
    pub fn all() -> impl Iterator<Item = Kind> {
        (0..KINDS.len()).map(|i| Kind(i as u16))
    }

    /// Its definition.
    pub fn def(self) -> &'static KindDef {
        &KINDS[self.0 as usize]
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.def().name
    }

    /// Its position in [`KINDS`].
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// Whether the dictionary lists the field for this kind.
    pub fn has_field(self, field: FieldId) -> bool {
        HEAD.contains(&field) || self.def().groups.iter().any(|group| group.contains(&field))
    }
}

impl fmt::Debug for FieldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

macro_rules! fields {
    ($($id:ident $name:literal $shape:literal $about:literal;)+) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum FieldIndex { $($id),+ }
        $(#[doc = $about] pub const $id: FieldId = FieldId(FieldIndex::$id as u16);)+
        /// Every derived field.
        pub static FIELDS: &[FieldDef] = &[$(FieldDef { name: $name, shape: $shape, about: $about }),+];
    };
}

macro_rules! kinds {
    ($($id:ident $name:literal $nature:ident ($category:literal, $product:literal, $service:literal) [$($group:ident),*] $about:literal;)+) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum KindIndex { $($id),+ }
        $(#[doc = $about] pub const $id: Kind = Kind(KindIndex::$id as u16);)+
        /// Every kind of event.
        pub static KINDS: &[KindDef] = &[$(KindDef {
            name: $name,
            logsource: ($category, $product, $service),
            native: kinds!(@$nature),
            about: $about,
            groups: &[$($group),*],
        }),+];
    };
    (@native) => { true };
    (@derived) => { false };
}

fields! {
    EVENT_NAME "event.name" "text" "Name of the derived event, such as `container.appeared`.";
    HOST_NAME "host.name" "text" "Host that the witness stands on.";

    CONTAINER_ID "container.id" "text" "Full id of the container.";
    CONTAINER_NAME "container.name" "text" "Its present name, without a leading slash; chosen by whoever made it.";
    CONTAINER_IMAGE_NAME "container.image.name" "text" "Image reference as it was asked for.";
    CONTAINER_IMAGE_ID "container.image.id" "text" "Image id (`sha256:…`), when the engine has said it.";
    CONTAINER_IMAGE_REPOSITORY "container.image.repository" "text" "Repository part of the reference, without tag and digest.";
    CONTAINER_IMAGE_TAG "container.image.tag" "text" "Tag part of the reference; `latest` when it names neither tag nor digest.";
    CONTAINER_IMAGE_DIGESTS "container.image.repo_digests" "texts" "Registry digests that the engine knows for the image; empty for an image made on this host.";
    CONTAINER_IMAGE_NOVEL "container.image.novel" "bool" "The image was not on the host when watching began, by the list of images taken then. Absent without that list.";
    CONTAINER_COMMAND_LINE "container.command_line" "text" "Executable and arguments as they run.";
    CONTAINER_FINGERPRINT "container.fingerprint" "text" "Short hash of image id and command: two containers that would run the same have the same.";
    CONTAINER_RUNTIME_NAME "container.runtime.name" "text" "Runtime that reported it: `docker`.";
    CONTAINER_ROLE "container.role" "text" "`sensor` when it is, or says that it is, part of monitoring; else `workload`.";
    CONTAINER_ROLE_BASIS "container.role.basis" "text" "What the role rests on: `proven` (digest, or mounts with capabilities that only a sensor needs, or configuration) or `claimed` (name, label, image name).";
    CONTAINER_ROLE_EVIDENCE "container.role.evidence" "texts" "The observations that the role rests on.";
    WORKLOAD_ID "workload.id" "text" "What stays when a container is made anew: owner, compose project and service, chosen name or image repository. For pairing, never for trust.";
    CONTAINER_OWNER "container.owner" "text" "What the labels say made it (`compose:project/service`, `swarm:service`, …): a claim.";
    CONTAINER_CLONE "container.clone_of_older" "bool" "It equals, in image id, command, mounts, capabilities and networks, a container that has stood for ten minutes.";
    EXPLAINED "explained" "text" "What the operator's context says: `known`, `unknown`, or `contradicted` (an entry names it, but it goes beyond the entry's bounds).";
    EXPLAINED_BY "explained.by" "text" "Owner and reason of the context entry.";
    ACTOR "actor" "text" "Who did it; `unknown` until a witness that knows says so. Docker events name nobody.";

    INSPECTED "inspected" "bool" "Whether an inspect answer was seen; when false, posture and limits are unknown, not clean.";
    PREEXISTING "preexisting" "bool" "It stood there before watching began.";
    SEEN_BY "seen_by" "text" "`event`, or `list` when only a later list showed it.";
    CONTAINER_AGE "container.age_seconds" "float, seconds" "Time since its creation.";
    STATE_BEFORE "container.state.before" "text" "State before: `created`, `running`, `paused`, `exited`.";

    PRIVILEGED "container.privileged" "bool" "Runs with all privileges.";
    CAP_ADDED "container.capabilities.added" "texts" "Capabilities added, upper case without `CAP_`; `ALL` stays `ALL`.";
    CAP_DROPPED "container.capabilities.dropped" "texts" "Capabilities dropped, likewise.";
    CAP_DANGEROUS "container.capabilities.dangerous" "texts" "Of those added, the ones that give control of the host.";
    NS_HOST "container.namespaces.host" "texts" "Namespaces shared with the host beyond the engine's own default: `pid`, `net`, `ipc`, `uts`, `user`, `cgroup`.";
    NS_JOINED "container.namespaces.joined" "texts" "Namespaces shared with another container: `net`, `pid`, `ipc`.";
    NS_JOINED_TARGET "container.namespaces.joined.target" "texts" "Names of those containers; ids where no name is known.";
    NS_JOINED_HOST "container.namespaces.joined.host" "texts" "Namespaces of the host that it has through another container.";
    NS_JOINED_INTERNAL "container.namespaces.joined.internal" "bool" "A container whose network namespace it joins is on an internal network.";
    SECURITY_DISABLED "container.security.disabled" "texts" "Confinement switched off for this container against the engine's default: `seccomp`, `apparmor`, `selinux`, `systempaths`, `no_new_privileges`.";
    SECURITY_CUSTOM "container.security.custom" "texts" "Confinement replaced by a profile of its own: `seccomp`, `apparmor`, `selinux`.";
    SECURITY_KNOWN "container.security.defaults_known" "bool" "Whether the engine's own defaults have been seen; without them nothing is called switched off by default.";
    DEVICES "container.devices" "texts" "Devices of the host inside it.";
    DEVICES_DANGEROUS "container.devices.dangerous" "texts" "Of those, disks, memory and kernel interfaces; a cgroup rule that allows all is `rule:…`.";
    MOUNT_SOURCES "container.mounts.sources" "texts" "Host paths mounted into it.";
    MOUNT_SENSITIVE "container.mounts.sensitive" "texts" "Of those, paths that control the host or its logs, after resolving `..`, doubled slashes and known links, through local volumes and `--volumes-from` too.";
    MOUNT_SENSITIVE_KINDS "container.mounts.sensitive.kinds" "texts" "What they are: `root`, `engine_socket`, `engine_data`, `etc`, `root_home`, `proc`, `sys`, `dev`, `boot`, `run`, `logs`, `kubelet`, `cgroup`, `home`, `programs`.";
    MOUNT_SENSITIVE_WRITABLE "container.mounts.sensitive.writable" "texts" "Of the sensitive ones, those that may be written to.";
    MOUNT_WRITABLE_KINDS "container.mounts.sensitive.writable.kinds" "texts" "Kinds of the sensitive ones that may be written to.";
    MOUNT_VIA "container.mounts.sensitive.via" "texts" "How the sensitive ones came in: `bind`, `volume` (a bind hidden in a local volume), `volumes_from`, `device`.";
    MOUNT_SHARED "container.mounts.shared" "texts" "Host paths mounted with shared propagation: what it mounts there appears on the host.";
    LOG_DRIVER "container.log.driver" "text" "Log driver.";
    LOG_STATE "container.log.state" "text" "`default`, `off` (driver none), `starved` (keeps under 64 KiB in all), `lossy` (non-blocking), `diverted` (another driver than the engine's default), `unknown`.";
    LOG_RETAINED "container.log.retained_bytes" "int, bytes" "How much the driver keeps at most; absent when unbounded or unknown.";
    RESTART_POLICY "container.restart_policy" "text" "`no`, `always`, `unless-stopped`, `on-failure`.";
    AUTO_REMOVE "container.auto_remove" "bool" "Removed by the engine as soon as it ends (`--rm`).";
    CONTAINER_USER "container.user" "text" "User inside; empty means root.";
    RUNTIME_CLASS "container.runtime.class" "text" "OCI runtime, when it is not the engine's default.";
    NETWORK_MODE "container.network.mode" "text" "Network mode, with `default` resolved to `bridge`.";
    NETWORKS "container.networks" "texts" "Names of the networks it is on.";
    NETWORK_PERMISSIVE "container.network.permissive" "texts" "Why its networking is permissive: `sensitive_port_on_all_addresses`, `macvlan`, `ipvlan`, `gateway_mode_routed`, `gateway_mode_nat_unprotected`, `trusted_host_interfaces`.";
    PORTS_ALL_ADDRESSES "container.ports.on_all_addresses" "texts" "Ports published on every address of the host.";
    POSTURE_DANGEROUS "container.posture.dangerous" "texts" "Every reason why its configuration gives control of the host or hides it: `privileged`, `capability:SYS_ADMIN`, `namespace:pid`, `mount:engine_socket`, `device:…`, `security:seccomp`, `log:off`.";
    POSTURE_LEVEL "container.posture.level" "text" "The worst of those: `none`, `low`, `medium`, `high`.";

    LIMIT_CPU "container.limits.cpu" "float, cores" "Processor limit in cores; absent when there is none.";
    LIMIT_CPU_SHARES "container.limits.cpu_shares" "int" "Relative processor weight; absent when default.";
    LIMIT_MEMORY "container.limits.memory" "int, bytes" "Memory limit; absent when there is none.";
    LIMIT_SWAP "container.limits.memory_swap" "int, bytes" "Memory and swap together; −1 when unlimited, absent when the engine's default.";
    LIMIT_PIDS "container.limits.pids" "int" "Process limit; absent when there is none.";
    LIMIT_MAXED "container.limits.maxed" "bool" "Processor shares at the kernel's maximum together with unlimited swap.";
    LIMIT_OOM_PROTECTED "container.limits.oom_protected" "bool" "The kernel will not kill it for memory, or only after everything else (adjustment below −500).";
    LIMIT_CLAIMS "container.limits.claims" "texts" "In words, what is large or unbounded: `4 processors`, `8 GiB of memory`, `unlimited swap`, `processor shares at the maximum`, `spared when memory runs out`; no limit at all is no claim.";

    CHANGE_PROPERTY "change.property" "text" "What changed: `limits.cpu`, `limits.memory`, `limits.memory_swap`, `limits.pids`, `limits.cpu_shares`, `limits.oom`, `limits.cpuset`, `restart_policy`, `name`, `image`, …; for a weakened workload `privileged`, `capabilities`, `namespaces`, `security`, `mounts`, `devices`, `log`, `user`, `readonly_rootfs`.";
    CHANGE_BEFORE "change.before" "text" "Value at creation for limits, else the value before; `unlimited` for no limit.";
    CHANGE_AFTER "change.after" "text" "Value now.";
    CHANGE_DIRECTION "change.direction" "text" "`raised`, `lowered`, `removed`, `set`, `changed`; for confinement `weakened` or `strengthened`.";
    CHANGE_FACTOR "change.factor" "float" "Value now over the value at creation; absent when either is no limit.";
    CHANGE_STEP_FACTOR "change.step_factor" "float" "Value now over the value before this change.";
    CHANGE_TO_MINIMUM "change.to_minimum" "bool" "The new limit is at most a tenth of the one at creation, or the engine's minimum.";
    CHANGE_STEPS "change.steps" "int" "How many times this property has changed since creation.";
    CHANGE_UNSEEN "change.unseen" "bool" "It changed, but what changed was not seen: two updates before one inspect, or an inspect without a difference.";

    ACC_WINDOW "accumulated.window_seconds" "int, seconds" "Length of the sliding window.";
    ACC_CREATED "accumulated.created" "int" "Containers created in the window from this image on this host.";
    ACC_ENDED "accumulated.ended" "int" "Of those, how many have ended or are gone.";
    ACC_STANDING "accumulated.standing" "int" "Of those, how many still stand: created or running.";
    ACC_STANDING_NEW "accumulated.standing_new" "int" "Of those that stand, how many nothing explains: neither a clone of an older container nor known by context.";
    ACC_NEVER_STARTED "accumulated.never_started" "int" "Of those that stand, how many have never started.";
    ACC_TOP_SHARE "accumulated.top_share" "float, 0 to 1" "Share of the most frequent fingerprint.";
    ACC_TOP_COUNT "accumulated.fingerprint.top_count" "int" "How many created in the window have the most frequent fingerprint.";
    ACC_DISTINCT "accumulated.fingerprint.distinct" "int" "How many different fingerprints were created in the window.";
    ACC_CLONES "accumulated.clones_of_older" "int" "How many created in the window are clones of a container that has stood for ten minutes.";
    ACC_DANGEROUS "accumulated.dangerous" "int" "How many created in the window have a dangerous posture of level high.";
    ACC_REFERENCES "accumulated.references" "int" "Under how many unrelated repositories the image was used in the window.";
    ACC_HOST_CREATED "accumulated.host_created" "int" "Containers created in the window on this host, from any image.";
    ACC_HOST_STANDING "accumulated.host_standing" "int" "Of those, how many still stand and nothing explains.";

    LIFETIME "container.lifetime_seconds" "float, seconds" "From start to end; absent when a time in it is suspect or the start was not seen.";
    EXIT_CODE "container.exit_code" "int" "Exit code, from inspect where it was seen, else from the event.";
    EXIT_SIGNAL "container.exit.signal" "int" "Last signal sent to it before it ended.";
    OOM_KILLED "container.oom_killed" "bool" "The kernel killed it for memory.";
    NEVER_STARTED "container.never_started" "bool" "It was removed without ever having run.";
    DISPOSED "container.disposed" "bool" "It was removed within five seconds of its end.";
    RESTARTS "container.restarts" "int" "How often it has ended and started again within ten minutes.";
    NAME_BEFORE "container.name.before" "text" "Name before the rename.";
    NAME_RESEMBLES "container.name.resembles" "text" "Known monitoring or orchestrator name that the new name takes or imitates.";
    SIGNAL "container.signal" "int" "Signal sent.";
    IMAGE_ENDED_REPEAT "container.ended_repeats" "int" "How many containers of the same image id and command have ended on this host in ten minutes, this one included.";

    EXEC_ID "exec.id" "text" "Exec id.";
    EXEC_COMMAND_LINE "exec.command_line" "text" "Command line.";
    EXEC_EXECUTABLE "exec.executable" "text" "File name of the executable.";
    EXEC_SHELL "exec.shell" "bool" "The executable is a shell, busybox called as one included.";
    EXEC_PRIVILEGED "exec.privileged" "bool" "Runs with all privileges; absent when the exec was not inspected.";
    EXEC_TTY "exec.tty" "bool" "Has a terminal; absent when the exec was not inspected.";
    EXEC_USER "exec.user" "text" "User it runs as; absent when the exec was not inspected.";
    EXEC_INSPECTED "exec.inspected" "bool" "Whether the exec was inspected.";
    EXEC_HEALTHCHECK "exec.healthcheck" "bool" "It is the container's own health check, by the command that inspect shows.";

    NET_NAME "network.name" "text" "Network's name.";
    NET_ID "network.id" "text" "Network's id.";
    NET_DRIVER "network.driver" "text" "Driver.";
    NET_INTERNAL "network.internal" "bool" "Cut off from the outside. Absent when the network was not inspected.";
    NET_PERMISSIVE "network.permissive" "texts" "Why it is permissive: `gateway_mode_nat_unprotected`, `gateway_mode_routed`, `trusted_host_interfaces`, `macvlan`, `ipvlan`.";
    NET_OPENED "network.opened" "text" "What a connection opened: `internal_to_outside` (a running container on an internal network joins one that is not), `outside_to_internal` (the reverse), `bridged` (two networks that had no common member), or `none`.";
    NET_AFTER_START "network.after_start" "bool" "The container ran already when it was connected.";

    IMAGE_ID "image.id" "text" "Image id.";
    IMAGE_NAME "image.name" "text" "Reference.";
    IMAGE_ORIGIN "image.origin" "text" "How it came to be: `pulled`, `loaded`, `built`, `committed`, `imported`, `tagged` (a reference without pull or load), `listed` (there at start), `unknown`.";
    IMAGE_REPOSITORIES "image.repositories" "texts" "Unrelated repositories under which this image id is known.";
    IMAGE_MOVED_FROM "image.moved_from" "text" "Image id that the reference named before.";
    IMAGE_RESEMBLES "image.resembles" "text" "Known name that it takes or imitates.";
    IMAGE_EVIDENCE "image.evidence" "texts" "Why it is a masquerade: `one_id_many_repositories`, `tagged_without_pull`, `no_digest_for_public_registry`, `kubelet_name_without_labels`, `reference_moved`, `similar_name`.";
    IMAGE_PARENT_CONTAINER "image.parent_container" "text" "Container that it was committed from.";

    INTEGRITY_KIND "integrity.kind" "text" "`shadowed_attribute` (a label replaces what the engine says), `contradicts_inspect`, `duplicate_key`, `oversized`, `unreadable_field`, `clock`.";
    INTEGRITY_FIELD "integrity.field" "text" "Field concerned.";
    INTEGRITY_SAID "integrity.said" "text" "What the event says.";
    INTEGRITY_FACT "integrity.fact" "text" "What contradicts it.";

    SENSOR_HOW "sensor.how" "text" "What was done to the monitoring container: `paused`, `killed`, `stopping` (its like may yet take its place), `stopped` or `removed` (nothing took its place in two minutes, or its like did), `throttled`, `disconnected`, `renamed`, `impersonated`.";
    SENSOR_REPLACED "sensor.replaced" "bool" "A proven sensor of the same image and mounts stands in its place within two minutes.";

    SENSOR_SOURCE "sensor.source" "text" "Source concerned.";
    SENSOR_REASON "sensor.reason" "text" "Why.";
    SENSOR_COUNT "sensor.count" "int" "How many records or entries.";
    SENSOR_GAP "sensor.gap_seconds" "float, seconds" "Length of the interval that may be incomplete.";
    SENSOR_COMPLETE "sensor.complete" "bool" "Whether the engine could replay the interval.";
    SENSOR_LAG "sensor.lag_seconds" "float, seconds" "How late events arrive.";

    ENGINE_PROPERTY "engine.property" "text" "Setting concerned: `log_driver`, `security_options`, `default_runtime`, `authorization_plugins`, `version`.";
    ENGINE_ACTION "engine.action" "text" "`reload`, `shutdown`, `plugin enable`, …, or `changed` when two answers differ.";
    ENGINE_BEFORE "engine.before" "text" "Value before.";
    ENGINE_AFTER "engine.after" "text" "Value now.";

    POSTURE_CONTAINERS "posture.containers" "int" "Containers found at start.";
    POSTURE_DANGEROUS_COUNT "posture.dangerous" "int" "Of those, how many have a dangerous posture that no context accepts; where the context accepts every one, how many it accepts.";
    POSTURE_SUMMARY "posture.summary" "texts" "One line for each of them: name, image and reasons.";
}

/// On every derived event.
pub static HEAD: &[FieldId] = &[EVENT_NAME, HOST_NAME];

/// What a container is called and made of.
pub static CONTAINER: &[FieldId] = &[
    CONTAINER_ID,
    CONTAINER_NAME,
    CONTAINER_IMAGE_NAME,
    CONTAINER_IMAGE_ID,
    CONTAINER_IMAGE_REPOSITORY,
    CONTAINER_IMAGE_TAG,
    CONTAINER_IMAGE_DIGESTS,
    CONTAINER_IMAGE_NOVEL,
    CONTAINER_COMMAND_LINE,
    CONTAINER_FINGERPRINT,
    CONTAINER_RUNTIME_NAME,
    CONTAINER_ROLE,
    CONTAINER_ROLE_BASIS,
    CONTAINER_ROLE_EVIDENCE,
    WORKLOAD_ID,
    CONTAINER_OWNER,
    CONTAINER_CLONE,
    CONTAINER_AGE,
    EXPLAINED,
    EXPLAINED_BY,
    ACTOR,
    INSPECTED,
    PREEXISTING,
    SEEN_BY,
];

/// How a container is confined.
pub static POSTURE: &[FieldId] = &[
    PRIVILEGED,
    CAP_ADDED,
    CAP_DROPPED,
    CAP_DANGEROUS,
    NS_HOST,
    NS_JOINED,
    NS_JOINED_TARGET,
    NS_JOINED_HOST,
    NS_JOINED_INTERNAL,
    SECURITY_DISABLED,
    SECURITY_CUSTOM,
    SECURITY_KNOWN,
    DEVICES,
    DEVICES_DANGEROUS,
    MOUNT_SOURCES,
    MOUNT_SENSITIVE,
    MOUNT_SENSITIVE_KINDS,
    MOUNT_SENSITIVE_WRITABLE,
    MOUNT_WRITABLE_KINDS,
    MOUNT_VIA,
    MOUNT_SHARED,
    LOG_DRIVER,
    LOG_STATE,
    LOG_RETAINED,
    RESTART_POLICY,
    AUTO_REMOVE,
    CONTAINER_USER,
    RUNTIME_CLASS,
    NETWORK_MODE,
    NETWORKS,
    NETWORK_PERMISSIVE,
    PORTS_ALL_ADDRESSES,
    POSTURE_DANGEROUS,
    POSTURE_LEVEL,
];

/// What a container may use.
pub static LIMITS: &[FieldId] =
    &[LIMIT_CPU, LIMIT_CPU_SHARES, LIMIT_MEMORY, LIMIT_SWAP, LIMIT_PIDS, LIMIT_MAXED, LIMIT_OOM_PROTECTED, LIMIT_CLAIMS];

/// One property before and after.
pub static CHANGE: &[FieldId] = &[
    CHANGE_PROPERTY,
    CHANGE_BEFORE,
    CHANGE_AFTER,
    CHANGE_DIRECTION,
    CHANGE_FACTOR,
    CHANGE_STEP_FACTOR,
    CHANGE_TO_MINIMUM,
    CHANGE_STEPS,
    CHANGE_UNSEEN,
];

/// Standing growth.
pub static ACCUMULATED: &[FieldId] = &[
    ACC_WINDOW,
    ACC_CREATED,
    ACC_ENDED,
    ACC_STANDING,
    ACC_STANDING_NEW,
    ACC_NEVER_STARTED,
    ACC_TOP_SHARE,
    ACC_TOP_COUNT,
    ACC_DISTINCT,
    ACC_CLONES,
    ACC_DANGEROUS,
    ACC_REFERENCES,
    ACC_HOST_CREATED,
    ACC_HOST_STANDING,
];

/// How a container's life went.
pub static LIFE: &[FieldId] = &[
    LIFETIME,
    EXIT_CODE,
    EXIT_SIGNAL,
    OOM_KILLED,
    NEVER_STARTED,
    DISPOSED,
    RESTARTS,
    NAME_BEFORE,
    NAME_RESEMBLES,
    SIGNAL,
    IMAGE_ENDED_REPEAT,
    STATE_BEFORE,
];

/// A command run in a container.
pub static EXEC: &[FieldId] =
    &[EXEC_ID, EXEC_COMMAND_LINE, EXEC_EXECUTABLE, EXEC_SHELL, EXEC_PRIVILEGED, EXEC_TTY, EXEC_USER, EXEC_INSPECTED, EXEC_HEALTHCHECK];

/// A network and a container's joining it.
pub static NETWORK: &[FieldId] = &[NET_NAME, NET_ID, NET_DRIVER, NET_INTERNAL, NET_PERMISSIVE, NET_OPENED, NET_AFTER_START, ACTOR];

/// An image.
pub static IMAGE: &[FieldId] = &[
    IMAGE_ID,
    IMAGE_NAME,
    IMAGE_ORIGIN,
    IMAGE_REPOSITORIES,
    IMAGE_MOVED_FROM,
    IMAGE_RESEMBLES,
    IMAGE_EVIDENCE,
    IMAGE_PARENT_CONTAINER,
    ACTOR,
    EXPLAINED,
    EXPLAINED_BY,
];

/// A record that contradicts itself or another.
pub static INTEGRITY: &[FieldId] = &[INTEGRITY_KIND, INTEGRITY_FIELD, INTEGRITY_SAID, INTEGRITY_FACT];

/// What was done to a monitoring container.
pub static SENSOR_CONTAINER: &[FieldId] = &[SENSOR_HOW, SENSOR_REPLACED];

/// What a source says of its own sight.
pub static SENSOR: &[FieldId] = &[SENSOR_SOURCE, SENSOR_REASON, SENSOR_COUNT, SENSOR_GAP, SENSOR_COMPLETE, SENSOR_LAG];

/// The engine's own settings.
pub static ENGINE: &[FieldId] = &[ENGINE_PROPERTY, ENGINE_ACTION, ENGINE_BEFORE, ENGINE_AFTER, ACTOR];

/// What stood there when watching began.
pub static HOST_POSTURE: &[FieldId] = &[POSTURE_CONTAINERS, POSTURE_DANGEROUS_COUNT, POSTURE_SUMMARY, EXPLAINED, EXPLAINED_BY];

kinds! {
    DOCKER_EVENT "docker.event" native ("", "docker", "events") [] "One line of the Docker events stream.";
    DOCKER_CONTAINER "docker.container" native ("", "docker", "inspect") [] "A container inspect answer.";
    DOCKER_EXEC "docker.exec" native ("", "docker", "inspect_exec") [] "An exec inspect answer.";
    DOCKER_IMAGE "docker.image" native ("", "docker", "inspect_image") [] "An image inspect answer.";
    DOCKER_NETWORK "docker.network" native ("", "docker", "inspect_network") [] "A network inspect answer.";
    DOCKER_VOLUME "docker.volume" native ("", "docker", "inspect_volume") [] "A volume inspect answer.";
    DOCKER_INFO "docker.info" native ("", "docker", "info") [] "The engine's `/info` or `/version` answer.";
    DOCKER_LIST "docker.list" native ("", "docker", "list") [] "A complete list of containers, images, networks or volumes.";
    SENSOR_NOTE "sensor.note" native ("", "landwaiter", "collector") [] "What a collector says of its own sight.";
    STUB "record.stub" native ("", "landwaiter", "collector") [] "Stands for a record too large to be read: size, hash and, where they could be found, id and action.";

    CONTAINER_CREATED "container.created" derived ("container", "", "") [CONTAINER] "A container was created: at once from the event, or when a later list shows it. What only an inspect tells is not known yet.";
    CONTAINER_APPEARED "container.appeared" derived ("container", "", "") [CONTAINER, POSTURE, LIMITS] "A container and its configuration, exactly once: at the first inspect, at its removal, or two seconds after creation.";
    CONTAINER_INSPECTED "container.inspected" derived ("container", "", "") [CONTAINER, POSTURE, LIMITS] "The first inspect of a container that had appeared without one.";
    CONTAINER_STARTED "container.started" derived ("container", "", "") [CONTAINER, LIFE] "Its process runs.";
    CONTAINER_ENDED "container.ended" derived ("container", "", "") [CONTAINER, POSTURE, LIFE] "Its process ended.";
    CONTAINER_REMOVED "container.removed" derived ("container", "", "") [CONTAINER, POSTURE, LIFE] "It is gone.";
    CONTAINER_PAUSED "container.paused" derived ("container", "", "") [CONTAINER, LIFE] "It was frozen.";
    CONTAINER_UNPAUSED "container.unpaused" derived ("container", "", "") [CONTAINER, LIFE] "It was thawed.";
    CONTAINER_KILLED "container.killed" derived ("container", "", "") [CONTAINER, LIFE] "A signal was sent to it.";
    CONTAINER_RENAMED "container.renamed" derived ("container", "", "") [CONTAINER, LIFE] "It has a new name.";
    CONTAINER_FLAPPING "container.flapping" derived ("container", "", "") [CONTAINER, LIFE] "It ends and starts again and again: once when it reaches five times in ten minutes.";
    CONTAINER_CHANGED "container.changed" derived ("container", "", "") [CONTAINER, POSTURE, LIMITS, CHANGE] "One property of a standing container changed.";
    CONTAINER_ACCUMULATED "container.accumulated" derived ("container", "", "") [CONTAINER, ACCUMULATED] "How many containers of this image have been created and stand, at each creation.";
    CONTAINER_EXEC "container.exec" derived ("container", "", "") [CONTAINER, EXEC] "A command is run in it: told when its inspect is known, when it ends, or two seconds after; told again only when a late inspect tells more.";
    CONTAINER_COPIED "container.copied" derived ("container", "", "") [CONTAINER, LIFE, CHANGE] "Files were copied out of it or into it (`change.property`: `out`, `in`), or it was exported (`export`).";
    CONTAINER_ATTACHED "container.attached" derived ("container", "", "") [CONTAINER, LIFE] "Somebody attached to its streams after it had started.";
    CONTAINER_NETWORK_JOINED "container.network_joined" derived ("container", "", "") [CONTAINER, NETWORK] "It was connected to a network.";
    CONTAINER_NETWORK_LEFT "container.network_left" derived ("container", "", "") [CONTAINER, NETWORK] "It was disconnected from a network.";
    WORKLOAD_WEAKENED "workload.weakened" derived ("container", "", "") [CONTAINER, POSTURE, CHANGE] "The same workload came back, or was changed, with less confinement than before; one event for each property.";
    IMAGE_APPEARED "image.appeared" derived ("", "landwaiter", "inventory") [IMAGE] "An image came to be on the host after watching began.";
    IMAGE_MASQUERADE "image.masquerade" derived ("", "landwaiter", "inventory") [IMAGE, CONTAINER] "An image or a container wears a name that its origin does not bear out.";
    NETWORK_CREATED "network.created" derived ("", "landwaiter", "network") [NETWORK] "A network was made; once, when its inspect is known, or two seconds after.";
    NETWORK_REMOVED "network.removed" derived ("", "landwaiter", "network") [NETWORK] "A network is gone.";
    INTEGRITY_BROKEN "event.integrity" derived ("", "landwaiter", "inventory") [INTEGRITY, CONTAINER] "A record contradicts itself or another witness.";
    MONITORING_STOPPED "monitoring.stopped" derived ("", "landwaiter", "inventory") [SENSOR_CONTAINER, CONTAINER, CHANGE] "A monitoring container was stopped, starved, cut off, renamed or imitated.";
    ENGINE_CHANGED "engine.changed" derived ("", "landwaiter", "inventory") [ENGINE] "A setting of the engine changed, or it was reloaded.";
    HOST_POSTURE_SEEN "host.posture" derived ("", "landwaiter", "inventory") [HOST_POSTURE] "What stood on the host when watching began, once.";
    SENSOR_GAP_SEEN "sensor.gap" derived ("", "landwaiter", "sensor") [SENSOR] "A source was cut off for a while.";
    SENSOR_DROPPED "sensor.dropped" derived ("", "landwaiter", "sensor") [SENSOR] "Records were dropped, repeated ones not counted.";
    SENSOR_LAGGING "sensor.lagging" derived ("", "landwaiter", "sensor") [SENSOR] "A source's events arrive late.";
    SENSOR_MISSED "sensor.missed" derived ("", "landwaiter", "sensor") [SENSOR, CONTAINER] "The engine no longer knew what was asked for.";
    SENSOR_UNDECODABLE "sensor.undecodable" derived ("", "landwaiter", "sensor") [SENSOR] "A record of the source could not be read: the first, then at each power of ten.";
    SENSOR_PRESSURE "sensor.pressure" derived ("", "landwaiter", "sensor") [SENSOR] "A bound was reached and something was forgotten: the first, then at each power of ten.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_field_is_on_some_event() {
        for (i, field) in FIELDS.iter().enumerate() {
            assert_eq!(FieldId::named(field.name).map(FieldId::index), Some(i), "{} is there twice", field.name);
            let id = FieldId(i as u16);
            assert!(Kind::all().any(|kind| kind.has_field(id)), "{} is on no event", field.name);
            assert!(field.about.ends_with('.') || field.about.ends_with(')'), "{}: the meaning is a sentence", field.name);
        }
        for (i, kind) in KINDS.iter().enumerate() {
            assert_eq!(Kind::named(kind.name).map(Kind::index), Some(i), "{} is there twice", kind.name);
        }
    }
}
