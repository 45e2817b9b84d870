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

    /// A spec taken apart into what equal containers share, without its labels.
    pub(crate) fn kept(&mut self, spec: &ContainerSpec) -> Kept {
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
        shape.exec_ids = Vec::new();
        let command: Arc<[SmolStr]> = std::mem::take(&mut shape.command).into();
        let mounts: Arc<[Mount]> = std::mem::take(&mut shape.mounts)
            .into_iter()
            .map(|mount| packed(Mount { target: self.text(&mount.target), ..mount }))
            .collect();
        let endpoints: Arc<[Endpoint]> = std::mem::take(&mut shape.networks)
            .into_iter()
            .map(|place| Endpoint { network: self.text(&place.network), network_id: self.text(&place.network_id), ..place })
            .collect();
        // Containers of one pod name each other here; in the shape that would make every shape one of its own.
        let joins = Joins {
            network_mode: take_join(&mut shape.network_mode),
            pid_mode: take_join(&mut shape.pid_mode),
            ipc_mode: take_join(&mut shape.ipc_mode),
            volumes_from: std::mem::take(&mut shape.volumes_from),
        };
        Kept {
            shape: self.shapes.get(Arc::new(shape)),
            command: self.commands.get(command),
            mounts: self.mounts.get(mounts),
            endpoints: self.endpoints.get(endpoints),
            joins: (joins != Joins::default()).then(|| Box::new(joins)),
            pid: spec.pid,
            restart_count: spec.restart_count,
        }
    }

    /// Shares again what was thawed as copies.
    pub(crate) fn again(&mut self, container: &mut crate::Container) {
        container.image = self.text(&container.image);
        container.image_id = self.text(&container.image_id);
        container.labels = self.labels(&container.labels);
        if let Some(kept) = &mut container.kept {
            kept.shape = self.shapes.get(Arc::clone(&kept.shape));
            kept.command = self.commands.get(Arc::clone(&kept.command));
            kept.mounts = self.mounts.get(Arc::clone(&kept.mounts));
            kept.endpoints = self.endpoints.get(Arc::clone(&kept.endpoints));
        }
        if let Some(first) = &mut container.first {
            *first = self.shapes.get(Arc::clone(first));
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

/// Takes a mode that names another container out of a shape.
fn take_join(mode: &mut SmolStr) -> SmolStr {
    if mode.starts_with("container:") { std::mem::take(mode) } else { SmolStr::default() }
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
        let key = hash(&*value);
        match self.by_hash.get(&key) {
            Some(known) if **known == *value => return Arc::clone(known),
            // Two values with one hash: the second goes unshared.
            Some(_) => return value,
            None => {}
        }
        if self.by_hash.len() >= self.sweep_at {
            self.by_hash.retain(|_, value| Arc::strong_count(value) > 2);
            self.by_hash.shrink_to_fit();
            self.sweep_at = (self.by_hash.len() * 2).max(SWEEP_MIN);
        }
        self.by_hash.insert(key, Arc::clone(&value));
        value
    }
}

/// A hash of a value, by the bytes that it is written as: a limit is a float, which has no hash of its own.
fn hash<T: ?Sized + Serialize>(value: &T) -> u64 {
    struct Into(SipHasher13);
    impl postcard::ser_flavors::Flavor for Into {
        type Output = u64;
        fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
            self.0.write_u8(byte);
            Ok(())
        }
        fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
            self.0.write(bytes);
            Ok(())
        }
        fn finalize(self) -> postcard::Result<u64> {
            Ok(self.0.finish())
        }
    }
    // It cannot fail; if it did, all values would share one slot and still be compared.
    postcard::serialize_with_flavor::<T, Into, u64>(value, Into(SipHasher13::new_with_keys(0x6c61_6e64, 0x7761_6974))).unwrap_or_default()
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
    if spec.image_id.is_empty() {
        return 0;
    }
    let mounts: Vec<_> = spec
        .mounts
        .iter()
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
    hash(&(&spec.image_id, &spec.command, mounts, networks, confinement)).max(1)
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
        let (one, two) = (share.kept(&spec), share.kept(&ContainerSpec { network_mode: "container:def".into(), ..spec.clone() }));
        assert!(Arc::ptr_eq(&one.shape, &two.shape) && Arc::ptr_eq(&one.command, &two.command));
        let container = crate::Container { kept: Some(one), ..crate::Container::new(Id::new(""), crate::Origin::Created) };
        let back = container.spec().unwrap();
        assert_eq!(back, ContainerSpec { status: "unknown".into(), ..spec });
    }
}
