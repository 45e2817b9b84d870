//! Keeps once what many containers have in common.
//!
//! A hundred thousand containers of a few images would otherwise hold a hundred thousand copies of the same configuration. What is shared is a matter of
//! memory only: it is left out of the frozen state and grows again when that is thawed.

use crate::container::{Joins, Kept, Labels};
use crate::id::Id;
use crate::posture::Posture;
use event::SmolStr;
use event::fact::{ContainerSpec, Endpoint, Mount};
use serde::Serialize;
use siphasher::sip::SipHasher13;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::hash::Hasher;
use std::sync::Arc;

/// A pool is swept when it has doubled since the last sweep, and never below this size.
const SWEEP_MIN: usize = 1024;

/// Texts kept for sharing. Beyond it the pool starts anew: what was shared stays shared, only later equal texts are new copies.
const TEXTS_MAX: usize = 65_536;

/// Everything that is shared.
#[derive(Debug, Default)]
pub(crate) struct Share {
    shapes: Pool<ContainerSpec>,
    commands: Pool<[SmolStr]>,
    mounts: Pool<[Mount]>,
    endpoints: Pool<[Endpoint]>,
    labels: Pool<[(SmolStr, SmolStr)]>,
    postures: Pool<Posture>,
    texts: HashSet<SmolStr>,
}

impl Share {
    /// A text, shared with an equal one. Short texts are held in place anyway.
    pub(crate) fn text(&mut self, text: &SmolStr) -> SmolStr {
        if !text.is_heap_allocated() {
            return text.clone();
        }
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        if self.texts.len() >= TEXTS_MAX {
            self.texts = HashSet::new();
        }
        self.texts.insert(text.clone());
        text.clone()
    }

    /// Labels, each text shared.
    pub(crate) fn labels(&mut self, labels: &[(SmolStr, SmolStr)]) -> Labels {
        let shared: Arc<[(SmolStr, SmolStr)]> = labels.iter().map(|(key, value)| (self.text(key), self.text(value))).collect();
        self.labels.get(shared)
    }

    /// A posture.
    pub(crate) fn posture(&mut self, posture: Posture) -> Arc<Posture> {
        self.postures.get(Arc::new(posture))
    }

    /// A spec taken apart into what equal containers share, without its labels; `before` is what was kept of the same container until now.
    pub(crate) fn kept(&mut self, spec: &ContainerSpec, before: Option<&Kept>) -> Kept {
        let mounts: Arc<[Mount]> =
            spec.mounts.iter().map(|mount| packed(Mount { target: self.text(&mount.target), ..mount.clone() })).collect();
        let endpoints: Arc<[Endpoint]> = spec
            .networks
            .iter()
            .map(|place| Endpoint { network: self.text(&place.network), network_id: self.text(&place.network_id), ..place.clone() })
            .collect();
        // Containers of one pod name each other here; in the shape that would make every shape one of its own.
        let join = |mode: &SmolStr| if joins(mode) { mode.clone() } else { SmolStr::default() };
        let joins = Joins {
            network_mode: join(&spec.network_mode),
            pid_mode: join(&spec.pid_mode),
            ipc_mode: join(&spec.ipc_mode),
            volumes_from: spec.volumes_from.clone(),
        };
        // Most containers have the shape of another one: it is compared in place, and copied only when it is new.
        let shape = match before {
            Some(before) if same_shape(&before.shape, spec) => Arc::clone(&before.shape),
            _ => self.shapes.find(hash(&shape_parts(spec)), |known| same_shape(known, spec), || Arc::new(shape_of(spec))),
        };
        let command = self.commands.find(hash(&spec.command), |known| *known == spec.command[..], || spec.command.as_slice().into());
        Kept {
            shape,
            command,
            mounts: self.mounts.get(mounts),
            endpoints: self.endpoints.get(endpoints),
            joins: (joins != Joins::default()).then(|| Box::new(joins)),
            pid: spec.pid,
            restart_count: spec.restart_count,
        }
    }

    fn shape(&mut self, shape: &Arc<ContainerSpec>) -> Arc<ContainerSpec> {
        self.shapes.find(hash(&shape_parts(shape)), |known| same_shape(known, shape), || Arc::clone(shape))
    }

    /// Shares again what was thawed as copies.
    pub(crate) fn again(&mut self, container: &mut crate::Container) {
        container.image = self.text(&container.image);
        container.image_id = self.text(&container.image_id);
        container.labels = self.labels(&container.labels);
        if let Some(kept) = &mut container.kept {
            kept.shape = self.shape(&kept.shape);
            kept.command = self.commands.get(Arc::clone(&kept.command));
            kept.mounts = self.mounts.get(Arc::clone(&kept.mounts));
            kept.endpoints = self.endpoints.get(Arc::clone(&kept.endpoints));
        }
        if let Some(first) = &mut container.first {
            *first = self.shape(first);
        }
        if let Some(posture) = &mut container.posture {
            *posture = self.postures.get(Arc::clone(posture));
        }
    }
}

/// Stands at the beginning of a packed source: no path has it.
const PACKED: char = '\0';

/// A mount whose source repeats its volume's name is kept with the part before it alone: in an unnamed volume the name has 64 letters.
fn packed(mut mount: Mount) -> Mount {
    if mount.kind == "volume" && mount.volume.is_heap_allocated() {
        let path = mount.source.strip_suffix("/_data").and_then(|path| path.strip_suffix(mount.volume.as_str()));
        if let Some(before) = path.and_then(|path| path.strip_suffix("/volumes/")) {
            mount.source = SmolStr::from(format!("{PACKED}{before}"));
        }
    }
    mount
}

/// The mount as it was before it was packed.
pub(crate) fn unpacked(mount: &Mount) -> Mount {
    let mut mount = mount.clone();
    if let Some(before) = mount.source.strip_prefix(PACKED).filter(|_| mount.kind == "volume" && mount.volume.is_heap_allocated()) {
        mount.source = SmolStr::from(format!("{before}/volumes/{}/_data", mount.volume));
    }
    mount
}

/// Whether a mode names another container.
fn joins(mode: &str) -> bool {
    mode.starts_with("container:")
}

/// All of a spec that belongs to its shape, to be hashed and compared. A new field must be given its place here and in [`shape_of`].
fn shape_parts(spec: &ContainerSpec) -> impl Serialize + PartialEq + '_ {
    let ContainerSpec {
        id: _,
        name: _,
        created: _,
        status: _,
        pid: _,
        exit_code: _,
        oom_killed: _,
        started: _,
        finished: _,
        restart_count: _,
        labels: _,
        command: _,
        mounts: _,
        volumes_from: _,
        networks: _,
        exec_ids: _,
        image_id,
        image,
        env_names,
        user,
        healthcheck,
        tty,
        privileged,
        cap_add,
        cap_drop,
        pid_mode,
        ipc_mode,
        network_mode,
        uts_mode,
        userns_mode,
        cgroupns_mode,
        security_opt,
        apparmor_profile,
        masked_paths,
        readonly_paths,
        readonly_rootfs,
        devices,
        device_cgroup_rules,
        device_requests,
        sysctls,
        group_add,
        runtime,
        auto_remove,
        restart_policy,
        cpu_limit,
        cpu_shares,
        cpuset,
        memory_limit,
        memory_swap,
        pids_limit,
        oom_kill_disable,
        oom_score_adj,
        log_driver,
        log_options,
        ports,
        unreadable,
    } = spec;
    fn mode(mode: &str) -> &str {
        if joins(mode) { "" } else { mode }
    }
    (
        (image_id, image, env_names, user, healthcheck, tty, privileged, cap_add, cap_drop),
        (mode(pid_mode), mode(ipc_mode), mode(network_mode), uts_mode, userns_mode, cgroupns_mode),
        (security_opt, apparmor_profile, masked_paths, readonly_paths, readonly_rootfs),
        (devices, device_cgroup_rules, device_requests, sysctls, group_add, runtime, auto_remove, restart_policy),
        (cpu_limit, cpu_shares, cpuset, memory_limit, memory_swap, pids_limit, oom_kill_disable, oom_score_adj),
        (log_driver, log_options, ports, unreadable),
    )
}

pub(crate) fn same_shape<'a>(one: &'a ContainerSpec, other: &'a ContainerSpec) -> bool {
    shape_parts(one) == shape_parts(other)
}

/// A spec without what each container has for itself and what is kept apart.
fn shape_of(spec: &ContainerSpec) -> ContainerSpec {
    let mut shape = spec.clone();
    shape.id = SmolStr::default();
    shape.name = SmolStr::default();
    shape.created = None;
    shape.status = SmolStr::default();
    shape.pid = 0;
    shape.exit_code = None;
    shape.oom_killed = false;
    shape.started = None;
    shape.finished = None;
    shape.restart_count = 0;
    shape.labels = Vec::new();
    shape.command = Vec::new();
    shape.mounts = Vec::new();
    shape.volumes_from = Vec::new();
    shape.networks = Vec::new();
    shape.exec_ids = Vec::new();
    for mode in [&mut shape.pid_mode, &mut shape.ipc_mode, &mut shape.network_mode] {
        if joins(mode) {
            *mode = SmolStr::default();
        }
    }
    shape
}

/// Equal values, each kept once for as long as somebody holds it.
///
/// A sweep lets go of what nobody or only one holds: of what every container has for itself (its addresses, an unnamed volume) nothing is gained by
/// remembering it here.
#[derive(Debug)]
struct Pool<T: ?Sized> {
    by_hash: HashMap<u64, Arc<T>>,
    sweep_at: usize,
}

impl<T: ?Sized> Default for Pool<T> {
    fn default() -> Self {
        Pool { by_hash: HashMap::new(), sweep_at: SWEEP_MIN }
    }
}

impl<T: ?Sized + PartialEq + Serialize> Pool<T> {
    fn get(&mut self, value: Arc<T>) -> Arc<T> {
        self.find(hash(&*value), |known| *known == *value, || Arc::clone(&value))
    }
}

impl<T: ?Sized> Pool<T> {
    /// The value that `is` the one looked for and has the hash `key`, or a new one.
    fn find(&mut self, key: u64, is: impl Fn(&T) -> bool, new: impl FnOnce() -> Arc<T>) -> Arc<T> {
        match self.by_hash.get(&key) {
            Some(known) if is(known) => return Arc::clone(known),
            // Two values with one hash: the second goes unshared.
            Some(_) => return new(),
            None => {}
        }
        let value = new();
        if self.by_hash.len() >= self.sweep_at {
            self.by_hash.retain(|_, value| Arc::strong_count(value) > 2);
            self.by_hash.shrink_to_fit();
            self.sweep_at = (self.by_hash.len() * 2).max(SWEEP_MIN);
        }
        self.by_hash.insert(key, Arc::clone(&value));
        value
    }
}

thread_local! {
    /// Where values are written out to be hashed, so that it is made once.
    static WRITTEN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Beyond this the place is given back after use.
const WRITTEN_KEEP: usize = 64 << 10;

/// Calls `f` with a value as it is written: a limit is a float, which has no hash of its own.
fn with_written<T: ?Sized + Serialize>(value: &T, f: impl FnOnce(&[u8]) -> u64) -> u64 {
    WRITTEN.with_borrow_mut(|written| {
        written.clear();
        // It cannot fail; if it did, all values would share one slot and still be compared.
        let whole = postcard::to_extend(value, std::mem::take(written)).unwrap_or_default();
        let result = f(&whole);
        if whole.capacity() <= WRITTEN_KEEP {
            *written = whole;
        }
        result
    })
}

/// A quick hash, for pools only: they compare what they find, so that equal hashes cost sharing and nothing else.
fn hash<T: ?Sized + Serialize>(value: &T) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    with_written(value, |bytes| {
        let fold = |hash: u64, word: u64| {
            let wide = u128::from(hash ^ word) * u128::from(ODD);
            (wide >> 64) as u64 ^ wide as u64
        };
        let (words, rest) = bytes.as_chunks::<8>();
        let hash = words.iter().fold(ODD ^ bytes.len() as u64, |hash, word| fold(hash, u64::from_le_bytes(*word)));
        fold(hash, rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)))
    })
}

/// A hash that nobody can aim at by chance: what it stands for is not compared again.
fn strong_hash<T: ?Sized + Serialize>(value: &T) -> u64 {
    with_written(value, |bytes| {
        let mut hasher = SipHasher13::new_with_keys(0x6c61_6e64, 0x7761_6974);
        hasher.write(bytes);
        hasher.finish()
    })
}

/// A short number that stands for image id and command together: two containers that would run the same have the same.
pub(crate) fn fingerprint(image: &str, command: &[SmolStr]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(0x6d61_6e69, 0x6665_7374);
    hasher.write(image.as_bytes());
    for word in command {
        hasher.write_u8(0xff);
        hasher.write(word.as_bytes());
    }
    hasher.finish()
}

/// A number that stands for everything in which a clone must equal the original: never names, labels or references, which anyone may choose.
pub(crate) fn clone_key(spec: &ContainerSpec) -> u64 {
    clone_key_of(spec, &spec.image_id, false)
}

/// The same for a pod's container, of which only the image's reference is known. What the control plane mounts has other names in each pod.
pub(crate) fn clone_key_in_pod(spec: &ContainerSpec) -> u64 {
    clone_key_of(spec, &crate::host::reference_key(&spec.image), true)
}

fn clone_key_of(spec: &ContainerSpec, image: &SmolStr, in_pod: bool) -> u64 {
    if image.is_empty() {
        return 0;
    }
    let mounts: Vec<_> = spec
        .mounts
        .iter()
        .filter(|mount| !in_pod || mount.kind == "bind")
        .map(|mount| {
            // An unnamed volume has a random name, another one in each clone.
            let unnamed = matches!(Id::new(&mount.volume), Id::Hex(_));
            let source = if mount.kind == "volume" { if unnamed { "" } else { mount.volume.as_str() } } else { mount.source.as_str() };
            (&mount.kind, source, &mount.target, &mount.driver, &mount.device, mount.writable, &mount.propagation)
        })
        .collect();
    let mut networks: Vec<&SmolStr> = spec.networks.iter().map(|place| &place.network).collect();
    networks.sort();
    let confinement = (
        (
            spec.privileged,
            &spec.cap_add,
            &spec.cap_drop,
            &spec.security_opt,
            &spec.apparmor_profile,
            &spec.masked_paths,
            &spec.readonly_paths,
        ),
        (&spec.pid_mode, &spec.ipc_mode, &spec.network_mode, &spec.uts_mode, &spec.userns_mode, &spec.cgroupns_mode),
        (&spec.devices, &spec.device_cgroup_rules, &spec.device_requests, &spec.volumes_from, &spec.sysctls, &spec.runtime, &spec.user),
        (&spec.log_driver, &spec.log_options),
    );
    strong_hash(&(image, &spec.command, mounts, networks, confinement)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_a_mount_loses_nothing() {
        let long = "0123456789abcdef".repeat(4);
        for (volume, source) in [
            (long.as_str(), format!("/var/lib/docker/volumes/{long}/_data")),
            (&long, format!("/srv/{long}/_data")),
            (&long, format!("{long}/_data")),
            (&long, "/elsewhere".to_owned()),
            ("short", "/var/lib/docker/volumes/short/_data".to_owned()),
        ] {
            let mount = Mount { kind: "volume".into(), volume: volume.into(), source: source.as_str().into(), ..Mount::default() };
            assert_eq!(unpacked(&packed(mount.clone())), mount);
        }
    }

    #[test]
    fn equal_specs_are_kept_once_and_come_back_whole() {
        let mut share = Share::default();
        let spec = ContainerSpec {
            command: vec!["a".into()],
            network_mode: "container:abc".into(),
            volumes_from: vec!["x".into()],
            memory_limit: Some(5),
            ..ContainerSpec::default()
        };
        let (one, two) =
            (share.kept(&spec, None), share.kept(&ContainerSpec { network_mode: "container:def".into(), ..spec.clone() }, None));
        assert!(Arc::ptr_eq(&one.shape, &two.shape) && Arc::ptr_eq(&one.command, &two.command));
        let container = crate::Container { kept: Some(one), ..crate::Container::new(Id::new(""), crate::Origin::Created) };
        let back = container.spec().unwrap();
        assert_eq!(back, ContainerSpec { status: "unknown".into(), ..spec });
    }
}
