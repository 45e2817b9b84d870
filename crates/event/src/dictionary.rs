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

    K8S_CLUSTER "k8s.cluster.name" "text" "Cluster, as the collector was told; else the host of the record.";
    K8S_NAMESPACE "k8s.namespace.name" "text" "Namespace.";
    K8S_NODE "k8s.node.name" "text" "Node that the pod is bound to.";
    K8S_POD "k8s.pod.name" "text" "Pod's name.";
    K8S_POD_UID "k8s.pod.uid" "text" "Pod's unique id.";
    K8S_CONTAINER "k8s.container.name" "text" "Container's name in its pod.";
    K8S_CONTAINER_SORT "k8s.container.sort" "text" "`regular`, `init` or `ephemeral` (added to a running pod).";
    K8S_SERVICE_ACCOUNT "k8s.pod.service_account" "text" "The pod's service account.";
    K8S_OWNER "k8s.owner" "text" "Workload that the pod belongs to, as `Kind:namespace/name`, where its controller wrote the reference.";
    K8S_OWNER_ACTOR "k8s.owner.actor" "text" "Who last wrote that workload: the identity behind what its controller makes.";
    K8S_MIRROR "k8s.pod.mirror" "bool" "The API's picture of a static pod: a file on the node made it, and admission could only look on.";
    ACTOR_GROUPS "actor.groups" "texts" "Groups of the actor.";
    ACTOR_KIND "actor.kind" "text" "`person`, `service_account`, `node`, `controller` (a controller of the control plane), `anonymous`, `unknown`.";
    ACTOR_IMPERSONATOR "actor.impersonator" "text" "Who really asked, when the request was impersonated; `actor` is then the identity assumed.";
    ACTOR_ADDRESS "actor.address" "text" "Peer that the request came from: the last address, since those before it are the client's own words.";
    ACTOR_CREDENTIAL "actor.credential" "text" "Certificate or token that the request was made with.";
    ACTOR_WORKLOAD "actor.workload" "text" "Workload behind the request: the pod that its token is bound to, or that held the peer's address.";
    USER_AGENT "user_agent.original" "text" "As the client says; it may say anything.";

    REQ_ID "request.id" "text" "`auditID` of the request.";
    REQ_VERB "request.verb" "text" "Verb as the server saw it: an exec is `get` or `create`, so match `request.subresource`.";
    REQ_RESOURCE "request.resource" "text" "Resource, plural; empty for other URLs.";
    REQ_SUBRESOURCE "request.subresource" "text" "`exec`, `attach`, `portforward`, `ephemeralcontainers`, `proxy`, `token`, `status` ….";
    REQ_GROUP "request.group" "text" "API group; empty for the core group.";
    REQ_NAME "request.name" "text" "Name of the object.";
    REQ_WRITES "request.writes" "bool" "It would change something: create, update, patch, delete, deletecollection.";
    REQ_URI_PATH "request.uri.path" "text" "Path that was asked for, decoded, without the query.";
    REQ_CODE "request.code" "int" "HTTP status of the answer.";
    REQ_ALLOWED "request.allowed" "bool" "The answer was below 400: it was done.";
    REQ_COMMAND_LINE "request.command_line" "text" "For exec: the command.";
    REQ_PATCHED "request.patched" "texts" "For a patch: the paths that it touches.";
    REQ_TRUNCATED "request.truncated" "bool" "The server cut the objects off: what they said is unknown.";
    REQ_LEVEL "request.level" "text" "Audit level: `Metadata` has no objects, so what was asked for in detail is unknown.";
    REQ_DECISION_REASON "request.decision_reason" "text" "Which binding allowed it.";
    REQ_TARGET "request.target" "text" "What it was about, as `resource/subresource namespace/name`.";
    REQ_KUBELET_PATH "request.kubelet_path" "text" "For nodes/proxy: the path of the kubelet's own API, such as `/run/…`, `/exec/…`, `/pods`.";
    REQ_ROLE "request.role" "text" "For a binding: the role that it grants.";
    REQ_SUBJECTS "request.subjects" "texts" "For a binding: to whom.";
    REQ_POWERS "request.powers" "texts" "For a role or a binding to a known role: what it gives that leads further: `all`, `secrets`, `exec`, `create_pods`, `nodes_proxy`, `impersonate`, `escalate`, `bind`, `token`, `webhooks`.";
    REQ_OPEN_TO "request.open_to" "texts" "For a binding: subjects that are nobody in particular: `anonymous`, `unauthenticated`, `authenticated`, `all_service_accounts`.";

    GUARD_KIND "guard.kind" "text" "What was loosened: `webhook`, `pod_security`, `admission_policy`, `limit_range`, `quota`, `sensor_scope`, `engine`.";
    GUARD_NAME "guard.name" "text" "Its name.";
    GUARD_PROPERTY "guard.property" "text" "What of it: `failure_policy`, `namespace_selector`, `object_selector`, `rules`, `timeout`, `conditions`, `existence`, `level`, ….";
    GUARD_BEFORE "guard.before" "text" "Value before; `unknown` where no record said it.";
    GUARD_AFTER "guard.after" "text" "Value now.";
    GUARD_DIRECTION "guard.direction" "text" "`weakened`, `removed`, `strengthened`, `changed`.";
    GUARD_RESTORED "guard.restored" "bool" "It was put back byte for byte within a minute by the same identity.";

    PROC_PID "process.pid" "int" "Process id on the host.";
    PROC_PPID "process.parent_pid" "int" "Parent's process id on the host.";
    PROC_EXECUTABLE "process.executable.path" "text" "Path of the executable.";
    PROC_NAME "process.executable.name" "text" "Last part of that path.";
    PROC_COMMAND_LINE "process.command_line" "text" "Executable and arguments.";
    PROC_TRUNCATED "process.command_line.truncated" "bool" "The witness cut the arguments off: the rest is unknown.";
    PROC_PARENT_COMMAND "process.parent.command_line" "text" "The parent's command line.";
    PROC_ACTION "process.action" "text" "`exec`, `connect`, `listen`, `file`, `mount`, `signal`, `namespace`, `bpf`, `exit`.";
    PROC_FILE "process.file.path" "text" "File, socket or mount point concerned.";
    PROC_FILE_WRITES "process.file.writes" "bool" "Written, truncated, removed or renamed.";
    PROC_SIGNAL "process.signal" "int" "Signal sent.";
    PROC_TARGET "process.target" "text" "Container or program that the signal went to.";
    PROC_TARGET_ROLE "process.target.role" "text" "`sensor` when the signal went into a container that is part of monitoring, or to a program that is; else `workload`.";
    PROC_PLACE "process.place" "text" "Where it runs: `container`, `host`, `unknown_namespaces` (own mount and process namespaces that no runtime admits to), `unknown`.";
    PROC_HOST_NS "process.namespaces.host" "texts" "For a process of a container: namespaces of the host that it is in, `mnt`, `pid`, `net`, `user`. No engine gives a container the host's `mnt`: what is in it has left. A runtime's own start of a container, told by a parent outside of it, is left out.";
    PROC_RULE "process.rule" "text" "Rule of the other sensor, when the record is its alert.";
    PROC_BUILD "process.build" "bool" "It runs in a build of an image, not in a container.";
    SIGMA_IMAGE "Image" "text" "Path of the executable, by Sigma's name for it.";
    SIGMA_COMMAND_LINE "CommandLine" "text" "Executable and arguments, by Sigma's name for it.";
    SIGMA_PARENT_IMAGE "ParentImage" "text" "Path of the parent's executable, by Sigma's name for it.";
    SIGMA_PARENT_COMMAND_LINE "ParentCommandLine" "text" "The parent's command line, by Sigma's name for it.";
    SIGMA_DIRECTORY "CurrentDirectory" "text" "Working directory, by Sigma's name for it.";
    SIGMA_USER "User" "text" "User, by Sigma's name for it.";
    SIGMA_PID "ProcessId" "int" "Process id, by Sigma's name for it.";
    SIGMA_LOGON_ID "LogonId" "int" "User id at login, by Sigma's name for it.";
    SIGMA_DESTINATION_IP "DestinationIp" "text" "Destination address, by Sigma's name for it.";
    SIGMA_DESTINATION_PORT "DestinationPort" "int" "Destination port, by Sigma's name for it.";
    SIGMA_DESTINATION_HOST "DestinationHostname" "text" "Name that was asked for, by Sigma's name for it.";
    SIGMA_SOURCE_IP "SourceIp" "text" "Source address, by Sigma's name for it.";
    SIGMA_SOURCE_PORT "SourcePort" "int" "Source port, by Sigma's name for it.";
    SIGMA_INITIATED "Initiated" "bool" "The connection went out from here, by Sigma's name for it.";
    SIGMA_PROTOCOL "Protocol" "text" "Transport protocol, by Sigma's name for it.";

    USAGE_CORES "usage.cpu.cores" "float, cores" "Processor time used per time, over the minutes measured.";
    USAGE_SHARE "usage.cpu.share" "float" "Of what it may use (its limit, else the host's processors), 0 to 1.";
    USAGE_SECONDS "usage.seconds" "float, seconds" "How long it has been so.";
    USAGE_MEMORY "usage.memory" "int, bytes" "Memory in use.";
    USAGE_PRESSURE "usage.cpu.pressure" "float, percent" "Share of time in which something in it waited for a processor.";
    USAGE_OOM "usage.oom_kills" "int" "Times that the kernel killed in it for memory.";
    USAGE_AFTER_RAISE "usage.after_raise" "bool" "Its limits were raised or removed in the ten minutes before.";

    FLOW_TRANSPORT "network.transport" "text" "`tcp`, `udp`, `icmp` ….";
    FLOW_PROTOCOL "network.protocol.name" "text" "Application protocol, where the witness recognised it.";
    FLOW_STAGE "flow.stage" "text" "`new`, `update`, `ended`.";
    FLOW_OUTCOME "flow.outcome" "text" "`answered`, `unanswered`, `refused`, `dropped`, `unknown`.";
    FLOW_DIRECTION "flow.direction" "text" "`east_west` (between workloads), `outbound`, `inbound`, `host` (an end is the host itself), `unknown`.";
    FLOW_BYTES_OUT "flow.bytes_out" "int, bytes" "Bytes from the initiator.";
    FLOW_BYTES_IN "flow.bytes_in" "int, bytes" "Bytes to the initiator.";
    FLOW_SECONDS "flow.seconds" "float, seconds" "How long it lasted.";
    FLOW_SERVER_NAME "flow.server_name" "text" "Name that was asked for.";
    SRC_ADDRESS "source.address" "text" "Initiator's address.";
    SRC_PORT "source.port" "int" "Initiator's port.";
    SRC_CONTAINER_ID "source.container.id" "text" "Container that held the address when the flow began; absent when it was nobody's, or more than one could be meant.";
    SRC_CONTAINER_NAME "source.container.name" "text" "Its name.";
    SRC_WORKLOAD "source.workload" "text" "Its workload: owner, else image repository. The node of the graph.";
    SRC_NAMESPACE "source.k8s.namespace.name" "text" "Its namespace.";
    SRC_LABEL "source.place" "text" "`container`, `host`, `shared` (a network namespace of several containers), `outside`, `unknown`.";
    SRC_CANDIDATES "source.candidates" "texts" "Who could be meant, where it is not one container: sharers of a network namespace, containers on the host's network.";
    DST_ADDRESS "destination.address" "text" "Address that was asked for, after translation where that is known.";
    DST_ADDRESS_ASKED "destination.address_asked" "text" "The address before translation, when another.";
    DST_PORT "destination.port" "int" "Destination's port.";
    DST_CONTAINER_ID "destination.container.id" "text" "Container that held the address when the flow began.";
    DST_CONTAINER_NAME "destination.container.name" "text" "Its name.";
    DST_WORKLOAD "destination.workload" "text" "Its workload.";
    DST_NAMESPACE "destination.k8s.namespace.name" "text" "Its namespace.";
    DST_LABEL "destination.place" "text" "As `source.place`.";
    DST_ROLE "destination.role" "text" "What it is for control: `kubelet`, `etcd`, `docker_api`, `apiserver`, `metadata`, `dns`, or empty.";

    EDGE_NODE "edge.source" "text" "Workload that speaks.";
    EDGE_TO "edge.destination" "text" "Workload or place that it speaks to; outside, the address's network.";
    EDGE_PORT "edge.port" "int" "Port of the edge.";
    EDGE_SETTLED "edge.source.settled" "bool" "The workload had been watched for an hour and three flows at least, so that a first sight means something.";
    EDGE_DESTINATION_NEW "edge.destination.new" "bool" "Nobody had spoken to that destination before.";
    EDGE_SEEN "edge.source.edges" "int" "Edges of the source known before.";
    EDGE_VERDICT "edge.verdict" "text" "For a forbidden edge: `policy_denies` (a declared policy allows no such flow, yet it was answered), `no_common_network`, `internal_network`, `icc_off`, `dropped`.";
    EDGE_POLICIES "edge.policies" "texts" "Policies that select the ends.";

    FAN_TARGETS "fan_out.targets" "int" "Distinct (address, port) pairs of other workloads in the window.";
    FAN_ADDRESSES "fan_out.addresses" "int" "Distinct addresses.";
    FAN_PORTS "fan_out.ports" "int" "Distinct ports.";
    FAN_FAILED "fan_out.failed_share" "float" "Of the pairs, the share that did not answer.";
    FAN_ANSWERED "fan_out.answered" "int" "Pairs that answered.";
    FAN_SECONDS "fan_out.seconds" "int, seconds" "Length of the window.";
    FAN_USUAL "fan_out.usual" "int" "Most distinct pairs that this workload had in such a window before.";
    FAN_FACTOR "fan_out.factor" "float" "Targets over the usual number, which counts as one at least.";

    POLICY_SENTENCE "policy.sentence" "text" "What newly became reachable, in one sentence.";
    POLICY_CAUSE "policy.cause" "text" "`policy_added`, `policy_changed`, `policy_deleted`, `labels_changed`, `namespace_labels_changed`, `network_connected`, `network_changed`.";
    POLICY_NAME "policy.name" "text" "Policy, label or network concerned, as `namespace/name`.";
    POLICY_DIRECTION "policy.direction" "text" "`ingress`, `egress`, `both`.";
    POLICY_FROM "policy.from" "texts" "Who can reach now, at most ten: workloads, or address ranges.";
    POLICY_TO "policy.to" "texts" "Whom, at most ten.";
    POLICY_PORTS "policy.ports" "texts" "At which ports; `all`.";
    POLICY_PAIRS "policy.pairs" "int" "Newly allowed pairs of pods, ports not counted.";
    POLICY_EVERYBODY "policy.everybody" "bool" "It opened to all pods, or to more than half of the address space.";
    POLICY_UNPROTECTED "policy.unprotected" "bool" "No policy selects those pods any more in that direction.";
    POLICY_ASSUMED "policy.assumed" "bool" "What was declared before is not known in full, since no complete list was seen: it is what the change opens at most, as if pods had been closed before.";
    POLICY_ALL_PODS "policy.all_pods" "bool" "The policy selects every pod of its namespace.";
    POLICY_TEARDOWN "policy.teardown" "bool" "Its namespace is being deleted.";

    FILTER_TOOL "filter.tool" "text" "`nftables`, `iptables`.";
    FILTER_ACTION "filter.action" "text" "`add`, `delete`, `replace`, `flush`, `register`, `unregister`.";
    FILTER_OBJECT "filter.object" "text" "`table`, `chain`, `rule`, `set`, `element`.";
    FILTER_TABLE "filter.table" "text" "Family and table.";
    FILTER_CHAIN "filter.chain" "text" "Chain.";
    FILTER_RULE "filter.rule" "text" "The rule as text, where it is known.";
    FILTER_BY_ENGINE "filter.by_engine" "bool" "The container engine or the network plugin did it: a container or network came or went at that moment, or the process is theirs.";
    FILTER_ISOLATION "filter.isolation" "bool" "It takes away, or passes around, what keeps container networks apart (DOCKER-ISOLATION, DOCKER-USER, KUBE-…, CNI-…).";

    DIS_KIND "discrepancy.kind" "text" "`system_without_runtime`, `runtime_without_orchestrator`, `runtime_without_engine`, `pod_without_runtime`, `address_without_container`, `limits_differ` (the kernel has another limit than the engine says), `list_without_event`.";
    DIS_WHAT "discrepancy.what" "text" "What does not tally: container id, pod, process, address.";
    DIS_SEEN_BY "discrepancy.seen_by" "texts" "Sources that saw it.";
    DIS_NOT_SEEN_BY "discrepancy.not_seen_by" "texts" "Sources that should have seen it and did not.";
    DIS_HEALTHY "discrepancy.healthy" "bool" "Those that did not see it were healthy over the whole time.";
    DIS_AFTER_GAP "discrepancy.after_gap" "bool" "One of them had been blind in the ten minutes before: blindness, then something that does not tally.";
    DIS_BUILD "discrepancy.build" "bool" "It is a step of an image build.";
    DIS_CGROUP "discrepancy.cgroup" "text" "Control group, where a system witness saw it.";

    WITNESSES "witnesses" "texts" "Sources that have seen this container so far, once another than those of its own engine has.";

    SENSOR_SILENT_FOR "sensor.silent_seconds" "float, seconds" "How long nothing came.";
    SENSOR_USUAL "sensor.usual_seconds" "float, seconds" "The longest that this source is usually silent: ten times the 99th percentile of its own pauses.";
    SENSOR_SKEW "sensor.skew_seconds" "float, seconds" "How much later (positive) or earlier it says the same things happened than another witness.";
    SENSOR_AGAINST "sensor.against" "text" "The witness that it was compared with.";
    SENSOR_SHARE "sensor.share" "float" "Share of the source's records concerned, 0 to 1.";
    SENSOR_PROVOKED "sensor.provoked" "bool" "In the minute before, a container with control of the host, or an exec, was seen there.";

    TEMPO_OWNER "tempo.owner" "text" "Whose hours they are: identity, else workload.";
    TEMPO_HOUR "tempo.hour" "int" "Hour of the day, UTC.";
    TEMPO_USUAL "tempo.usual_hours" "text" "Hours in which it has acted before, such as `07-18`.";
    TEMPO_DAYS "tempo.days" "int" "Days on which it had acted before.";
    TEMPO_WEEKEND "tempo.weekend" "bool" "It is Saturday or Sunday, and it had never acted on one.";
    TEMPO_ACTIVITY "tempo.activity" "text" "What it did: `created`, `exec`, `changed`, `request`.";

    ACC_NAMESPACES "accumulated.namespaces" "int" "Distinct namespaces among those created in the window.";
    ACC_ACTORS "accumulated.actors" "int" "Distinct identities that created them, or whose workloads did.";
    ACC_NODES "accumulated.hosts" "int" "Distinct hosts or nodes on which they stand.";
    ACC_OWNED "accumulated.owned" "int" "Of those created in the window, how many a controller made for a workload that stood before the window.";

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
    WITNESSES,
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
    ACC_NAMESPACES,
    ACC_ACTORS,
    ACC_NODES,
    ACC_OWNED,
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

/// Where a container stands in a cluster.
pub static KUBERNETES: &[FieldId] = &[
    K8S_CLUSTER,
    K8S_NAMESPACE,
    K8S_NODE,
    K8S_POD,
    K8S_POD_UID,
    K8S_CONTAINER,
    K8S_CONTAINER_SORT,
    K8S_SERVICE_ACCOUNT,
    K8S_OWNER,
    K8S_OWNER_ACTOR,
    K8S_MIRROR,
];

/// Who did it, where a witness knows.
pub static ACTORS: &[FieldId] =
    &[ACTOR_GROUPS, ACTOR_KIND, ACTOR_IMPERSONATOR, ACTOR_ADDRESS, ACTOR_CREDENTIAL, ACTOR_WORKLOAD, USER_AGENT];

/// A request to the API server.
pub static REQUEST: &[FieldId] = &[
    REQ_ID,
    REQ_VERB,
    REQ_RESOURCE,
    REQ_SUBRESOURCE,
    REQ_GROUP,
    REQ_NAME,
    REQ_WRITES,
    REQ_URI_PATH,
    REQ_CODE,
    REQ_ALLOWED,
    REQ_COMMAND_LINE,
    REQ_PATCHED,
    REQ_TRUNCATED,
    REQ_LEVEL,
    REQ_DECISION_REASON,
    REQ_TARGET,
    REQ_KUBELET_PATH,
    REQ_ROLE,
    REQ_SUBJECTS,
    REQ_POWERS,
    REQ_OPEN_TO,
    K8S_CLUSTER,
    K8S_NAMESPACE,
    K8S_NODE,
    ACTOR,
    EXPLAINED,
    EXPLAINED_BY,
];

/// A guardrail of the cluster or the engine.
pub static GUARD: &[FieldId] = &[
    GUARD_KIND,
    GUARD_NAME,
    GUARD_PROPERTY,
    GUARD_BEFORE,
    GUARD_AFTER,
    GUARD_DIRECTION,
    GUARD_RESTORED,
    K8S_NAMESPACE,
    ACTOR,
    EXPLAINED,
    EXPLAINED_BY,
];

/// A process and what it did.
pub static PROCESS: &[FieldId] = &[
    PROC_PID,
    PROC_PPID,
    PROC_EXECUTABLE,
    PROC_NAME,
    PROC_COMMAND_LINE,
    PROC_TRUNCATED,
    PROC_PARENT_COMMAND,
    PROC_ACTION,
    PROC_FILE,
    PROC_FILE_WRITES,
    PROC_SIGNAL,
    PROC_TARGET,
    PROC_TARGET_ROLE,
    PROC_PLACE,
    PROC_HOST_NS,
    PROC_RULE,
    PROC_BUILD,
    SIGMA_IMAGE,
    SIGMA_COMMAND_LINE,
    SIGMA_PARENT_IMAGE,
    SIGMA_PARENT_COMMAND_LINE,
    SIGMA_DIRECTORY,
    SIGMA_USER,
    SIGMA_PID,
    SIGMA_LOGON_ID,
];

/// What a container uses.
pub static USAGE: &[FieldId] = &[USAGE_CORES, USAGE_SHARE, USAGE_SECONDS, USAGE_MEMORY, USAGE_PRESSURE, USAGE_OOM, USAGE_AFTER_RAISE];

/// A flow with both ends.
pub static FLOW: &[FieldId] = &[
    FLOW_TRANSPORT,
    FLOW_PROTOCOL,
    FLOW_STAGE,
    FLOW_OUTCOME,
    FLOW_DIRECTION,
    FLOW_BYTES_OUT,
    FLOW_BYTES_IN,
    FLOW_SECONDS,
    FLOW_SERVER_NAME,
    SRC_ADDRESS,
    SRC_PORT,
    SRC_CONTAINER_ID,
    SRC_CONTAINER_NAME,
    SRC_WORKLOAD,
    SRC_NAMESPACE,
    SRC_LABEL,
    SRC_CANDIDATES,
    DST_ADDRESS,
    DST_ADDRESS_ASKED,
    DST_PORT,
    DST_CONTAINER_ID,
    DST_CONTAINER_NAME,
    DST_WORKLOAD,
    DST_NAMESPACE,
    DST_LABEL,
    DST_ROLE,
    SIGMA_DESTINATION_IP,
    SIGMA_DESTINATION_PORT,
    SIGMA_DESTINATION_HOST,
    SIGMA_SOURCE_IP,
    SIGMA_SOURCE_PORT,
    SIGMA_INITIATED,
    SIGMA_PROTOCOL,
    SIGMA_IMAGE,
    PROC_PID,
    ACTOR,
];

/// An edge of the graph of workloads.
pub static EDGE: &[FieldId] =
    &[EDGE_NODE, EDGE_TO, EDGE_PORT, EDGE_SETTLED, EDGE_DESTINATION_NEW, EDGE_SEEN, EDGE_VERDICT, EDGE_POLICIES, EXPLAINED, EXPLAINED_BY];

/// How many others one workload speaks to.
pub static FAN_OUT: &[FieldId] =
    &[FAN_TARGETS, FAN_ADDRESSES, FAN_PORTS, FAN_FAILED, FAN_ANSWERED, FAN_SECONDS, FAN_USUAL, FAN_FACTOR, EXPLAINED, EXPLAINED_BY];

/// What became reachable.
pub static POLICY: &[FieldId] = &[
    POLICY_SENTENCE,
    POLICY_CAUSE,
    POLICY_NAME,
    POLICY_DIRECTION,
    POLICY_FROM,
    POLICY_TO,
    POLICY_PORTS,
    POLICY_PAIRS,
    POLICY_EVERYBODY,
    POLICY_UNPROTECTED,
    POLICY_ASSUMED,
    POLICY_ALL_PODS,
    POLICY_TEARDOWN,
    K8S_NAMESPACE,
    ACTOR,
    EXPLAINED,
    EXPLAINED_BY,
];

/// A change of the packet filter.
pub static FILTER: &[FieldId] = &[
    FILTER_TOOL,
    FILTER_ACTION,
    FILTER_OBJECT,
    FILTER_TABLE,
    FILTER_CHAIN,
    FILTER_RULE,
    FILTER_BY_ENGINE,
    FILTER_ISOLATION,
    PROC_PID,
    PROC_EXECUTABLE,
    ACTOR,
];

/// What does not tally between witnesses.
pub static DISCREPANCY: &[FieldId] = &[DIS_KIND, DIS_WHAT, DIS_SEEN_BY, DIS_NOT_SEEN_BY, DIS_HEALTHY, DIS_AFTER_GAP, DIS_BUILD, DIS_CGROUP];

/// How a source's sight suffers.
pub static SIGHT: &[FieldId] = &[SENSOR_SILENT_FOR, SENSOR_USUAL, SENSOR_SKEW, SENSOR_AGAINST, SENSOR_SHARE, SENSOR_PROVOKED];

/// Activity outside its owner's hours.
pub static TEMPO: &[FieldId] = &[TEMPO_OWNER, TEMPO_HOUR, TEMPO_USUAL, TEMPO_DAYS, TEMPO_WEEKEND, TEMPO_ACTIVITY, ACTOR];

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
    KUBERNETES_AUDIT "kubernetes.audit" native ("", "kubernetes", "audit") [] "One event of a Kubernetes API server's audit log.";
    KUBERNETES_OBJECT "kubernetes.object" native ("", "kubernetes", "objects") [] "What list and watch say of the objects of a cluster.";
    PODMAN_EVENT "podman.event" native ("", "podman", "events") [] "One event of Podman.";
    PODMAN_CONTAINER "podman.container" native ("", "podman", "inspect") [] "Podman's own inspect answer for a container.";
    CONTAINERD_EVENT "containerd.event" native ("", "containerd", "events") [] "One event of containerd.";
    CRIO_EVENT "crio.event" native ("", "cri-o", "journal") [] "One line of CRI-O's journal.";
    PODMAN_EXEC "podman.exec" native ("", "podman", "inspect_exec") [] "Podman's own inspect answer for an exec.";
    PODMAN_LIST "podman.list" native ("", "podman", "list") [] "The complete list of Podman's containers.";
    CONTAINERD_CONTAINER "containerd.container" native ("", "containerd", "inspect") [] "What containerd keeps of a container, with its OCI spec.";
    CONTAINERD_LIST "containerd.list" native ("", "containerd", "list") [] "The complete list of a containerd's containers, in all its namespaces.";
    CONNTRACK "conntrack" native ("", "linux", "conntrack") [] "One event of the kernel's connection tracking.";
    ZEEK_CONN "zeek.conn" native ("", "zeek", "conn") [] "One line of Zeek's conn.log.";
    SURICATA "suricata.eve" native ("", "suricata", "eve") [] "One line of Suricata's eve.json.";
    HUBBLE_FLOW "hubble.flow" native ("", "cilium", "hubble") [] "One flow of Cilium's Hubble.";
    VPC_FLOW "vpc.flow" native ("", "", "vpcflow") [] "One flow of a cloud network's flow log (AWS, GCP).";
    NETFILTER "netfilter" native ("", "linux", "netfilter") [] "One change of nftables, as the kernel or `nft monitor` says it.";
    SYSTEM_PROCESS "system.process" native ("", "linux", "process_connector") [] "What the kernel's process connector and `/proc` say of a process.";
    SYSTEM_USAGE "system.usage" native ("", "linux", "cgroup") [] "What a control group uses and may use.";
    AUDITD "auditd" native ("", "linux", "auditd") [] "One event of the kernel's audit subsystem.";
    FALCO "falco.alert" native ("", "falco", "") [] "One alert of Falco.";
    TETRAGON "tetragon.event" native ("", "tetragon", "") [] "One event of Tetragon.";
    TRACEE "tracee.event" native ("", "tracee", "") [] "One event of Tracee.";
    KUNAI "kunai.event" native ("", "kunai", "") [] "One event of Kunai.";
    CUSTOM "custom.record" native ("", "custom", "") [] "One record of a source that a mapping file describes.";
    SENSOR_NOTE "sensor.note" native ("", "landwaiter", "collector") [] "What a collector says of its own sight.";
    STUB "record.stub" native ("", "landwaiter", "collector") [] "Stands for a record too large to be read: size, hash and, where they could be found, id and action.";

    CONTAINER_CREATED "container.created" derived ("container", "", "") [CONTAINER, KUBERNETES, ACTORS] "A container was created: at once from the event, or when a later list shows it. What only an inspect tells is not known yet.";
    CONTAINER_APPEARED "container.appeared" derived ("container", "", "") [CONTAINER, KUBERNETES, ACTORS, POSTURE, LIMITS] "A container and its configuration, exactly once: at the first inspect, at its removal, or two seconds after creation.";
    CONTAINER_INSPECTED "container.inspected" derived ("container", "", "") [CONTAINER, KUBERNETES, ACTORS, POSTURE, LIMITS] "The first inspect of a container that had appeared without one.";
    CONTAINER_STARTED "container.started" derived ("container", "", "") [CONTAINER, KUBERNETES, ACTORS, LIFE] "Its process runs.";
    CONTAINER_ENDED "container.ended" derived ("container", "", "") [CONTAINER, KUBERNETES, ACTORS, POSTURE, LIFE] "Its process ended.";
    CONTAINER_REMOVED "container.removed" derived ("container", "", "") [CONTAINER, KUBERNETES, ACTORS, POSTURE, LIFE] "It is gone.";
    CONTAINER_PAUSED "container.paused" derived ("container", "", "") [CONTAINER, KUBERNETES, ACTORS, LIFE] "It was frozen.";
    CONTAINER_UNPAUSED "container.unpaused" derived ("container", "", "") [CONTAINER, KUBERNETES, ACTORS, LIFE] "It was thawed.";
    CONTAINER_KILLED "container.killed" derived ("container", "", "") [CONTAINER, KUBERNETES, ACTORS, LIFE] "A signal was sent to it.";
    CONTAINER_RENAMED "container.renamed" derived ("container", "", "") [CONTAINER, KUBERNETES, ACTORS, LIFE] "It has a new name.";
    CONTAINER_FLAPPING "container.flapping" derived ("container", "", "") [CONTAINER, KUBERNETES, ACTORS, LIFE] "It ends and starts again and again: once when it reaches five times in ten minutes.";
    CONTAINER_CHANGED "container.changed" derived ("container", "", "") [CONTAINER, KUBERNETES, ACTORS, POSTURE, LIMITS, CHANGE] "One property of a standing container changed.";
    CONTAINER_ACCUMULATED "container.accumulated" derived ("container", "", "") [CONTAINER, KUBERNETES, ACTORS, ACCUMULATED] "How many containers of this image have been created and stand, at each creation.";
    CONTAINER_EXEC "container.exec" derived ("container", "", "") [CONTAINER, KUBERNETES, ACTORS, EXEC] "A command is run in it: told when its inspect is known, when it ends, or two seconds after; told again only when a late inspect tells more.";
    CONTAINER_COPIED "container.copied" derived ("container", "", "") [CONTAINER, KUBERNETES, ACTORS, LIFE, CHANGE] "Files were copied out of it or into it (`change.property`: `out`, `in`), or it was exported (`export`).";
    CONTAINER_ATTACHED "container.attached" derived ("container", "", "") [CONTAINER, KUBERNETES, ACTORS, LIFE] "Somebody attached to its streams after it had started.";
    CONTAINER_NETWORK_JOINED "container.network_joined" derived ("container", "", "") [CONTAINER, KUBERNETES, ACTORS, NETWORK] "It was connected to a network.";
    CONTAINER_NETWORK_LEFT "container.network_left" derived ("container", "", "") [CONTAINER, KUBERNETES, ACTORS, NETWORK] "It was disconnected from a network.";
    WORKLOAD_WEAKENED "workload.weakened" derived ("container", "", "") [CONTAINER, KUBERNETES, ACTORS, POSTURE, CHANGE] "The same workload came back, or was changed, with less confinement than before; one event for each property.";
    IMAGE_APPEARED "image.appeared" derived ("", "landwaiter", "inventory") [IMAGE] "An image came to be on the host after watching began.";
    IMAGE_MASQUERADE "image.masquerade" derived ("", "landwaiter", "inventory") [IMAGE, CONTAINER, KUBERNETES, ACTORS] "An image or a container wears a name that its origin does not bear out.";
    NETWORK_CREATED "network.created" derived ("", "landwaiter", "network") [NETWORK] "A network was made; once, when its inspect is known, or two seconds after.";
    NETWORK_REMOVED "network.removed" derived ("", "landwaiter", "network") [NETWORK] "A network is gone.";
    INTEGRITY_BROKEN "event.integrity" derived ("", "landwaiter", "inventory") [INTEGRITY, CONTAINER, KUBERNETES, ACTORS] "A record contradicts itself or another witness.";
    MONITORING_STOPPED "monitoring.stopped" derived ("", "landwaiter", "inventory") [SENSOR_CONTAINER, CONTAINER, KUBERNETES, ACTORS, CHANGE] "A monitoring container was stopped, starved, cut off, renamed or imitated.";
    ENGINE_CHANGED "engine.changed" derived ("", "landwaiter", "inventory") [ENGINE] "A setting of the engine changed, or it was reloaded.";
    KUBERNETES_REQUEST "kubernetes.request" derived ("", "landwaiter", "kubernetes") [REQUEST, ACTORS, KUBERNETES] "A request to the API server, once for each `auditID`, at its last stage.";
    GUARD_CHANGED "guard.changed" derived ("", "landwaiter", "kubernetes") [GUARD, ACTORS] "Admission, audit or another guardrail was edited; once for each property.";
    PROCESS_STARTED "process.started" derived ("process_creation", "linux", "") [PROCESS, CONTAINER, KUBERNETES, ACTORS] "A program was run, with the container that it runs in; once, whoever saw it.";
    PROCESS_ACTED "process.acted" derived ("", "landwaiter", "process") [PROCESS, CONTAINER, KUBERNETES, ACTORS] "A process did something else: see `process.action`.";
    CONTAINER_USAGE "container.usage" derived ("", "landwaiter", "process") [USAGE, CONTAINER, KUBERNETES, ACTORS, LIMITS] "A container has used most of what it may for minutes: at two minutes, at ten, then each hour.";
    NETWORK_FLOW "network.flow" derived ("network_connection", "linux", "") [FLOW, KUBERNETES, ACTORS] "A flow with both ends attributed by who held the addresses when it began; once, whoever saw it.";
    EDGE_FIRST_SEEN "edge.first_seen" derived ("", "landwaiter", "network") [EDGE, FLOW] "Two workloads speak for the first time at that port.";
    EDGE_FORBIDDEN "edge.forbidden" derived ("", "landwaiter", "network") [EDGE, FLOW] "A flow that what was declared does not allow.";
    NETWORK_FAN_OUT "network.fan_out" derived ("", "landwaiter", "network") [FAN_OUT, FLOW, CONTAINER, KUBERNETES, ACTORS] "How many targets one workload has tried in a minute: at 10, 20, 40, ….";
    POLICY_WIDENED "policy.widened" derived ("", "landwaiter", "network") [POLICY, ACTORS] "Something became reachable that was not.";
    FILTER_CHANGED "filter.changed" derived ("", "landwaiter", "network") [FILTER] "The host's packet filter was changed.";
    DISCREPANCY_SEEN "inventory.discrepancy" derived ("", "landwaiter", "inventory") [DISCREPANCY, CONTAINER, KUBERNETES, ACTORS, PROCESS, POSTURE, SENSOR] "Witnesses contradict each other: what one saw, another that should have seen it did not.";
    OFF_TEMPO "activity.off_tempo" derived ("", "landwaiter", "tempo") [TEMPO, CONTAINER, KUBERNETES, ACTORS] "Something acted outside the hours that its owner has kept so far.";
    SENSOR_SILENT "sensor.silent" derived ("", "landwaiter", "sensor") [SENSOR, SIGHT] "A source has been silent for much longer than it ever is, while another of the same host speaks.";
    SENSOR_SKEWED "sensor.skewed" derived ("", "landwaiter", "sensor") [SENSOR, SIGHT] "Two witnesses tell the same things at different times: one of the clocks is wrong.";
    SENSOR_TRUNCATED "sensor.truncated" derived ("", "landwaiter", "sensor") [SENSOR, SIGHT, REQUEST, ACTORS] "A record came without what it should say.";
    HOST_POSTURE_SEEN "host.posture" derived ("", "landwaiter", "inventory") [HOST_POSTURE] "What stood on the host when watching began, once.";
    SENSOR_GAP_SEEN "sensor.gap" derived ("", "landwaiter", "sensor") [SENSOR, SIGHT] "A source was cut off for a while.";
    SENSOR_DROPPED "sensor.dropped" derived ("", "landwaiter", "sensor") [SENSOR, SIGHT] "Records were dropped, repeated ones not counted.";
    SENSOR_LAGGING "sensor.lagging" derived ("", "landwaiter", "sensor") [SENSOR, SIGHT] "A source's events arrive late.";
    SENSOR_MISSED "sensor.missed" derived ("", "landwaiter", "sensor") [SENSOR, CONTAINER, KUBERNETES, ACTORS] "The engine no longer knew what was asked for.";
    SENSOR_UNDECODABLE "sensor.undecodable" derived ("", "landwaiter", "sensor") [SENSOR, SIGHT] "A record of the source could not be read: the first, then at each power of ten.";
    SENSOR_PRESSURE "sensor.pressure" derived ("", "landwaiter", "sensor") [SENSOR, SIGHT] "A bound was reached and something was forgotten: the first, then at each power of ten.";
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
