//! One host: everything that its engine holds.

use crate::container::{Container, State};
use crate::context::Context;
use crate::heard::Heard;
use crate::id::Id;
use crate::lookup::Lookup;
use crate::posture::Posture;
use crate::pressure::Pressure;
use crate::role;
use crate::share::Share;
use event::fact::{EngineSpec, ImageSpec, NetworkSpec, VolumeSpec};
use event::{SmolStr, Span, Time};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Containers remembered on one host, those removed lately included: about 200 MB.
pub const CONTAINERS_MAX: usize = if cfg!(test) { 1_600 } else { 200_000 };
/// Removed ones remembered: for what is heard of them late, and for `show`.
pub const REMOVED_MAX: usize = if cfg!(test) { 160 } else { 20_000 };
/// How long a removed one is remembered.
pub const REMOVED_KEEP: Span = Span::minutes(10);
/// Images remembered.
pub const IMAGES_MAX: usize = if cfg!(test) { 1_600 } else { 32_768 };
/// References remembered.
pub const REFERENCES_MAX: usize = if cfg!(test) { 1_600 } else { 131_072 };
/// Networks remembered.
pub const NETWORKS_MAX: usize = 16_384;
/// Volumes remembered.
pub const VOLUMES_MAX: usize = 65_536;

/// A host. Maps keep the order in which things became known.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Host {
    /// Its name.
    pub name: SmolStr,
    /// Containers that exist, and those removed lately.
    pub containers: IndexMap<Id, Box<Container>>,
    /// Removed ones in the order in which they are to be forgotten.
    pub(crate) removed: VecDeque<(Time, Id)>,
    /// Standing containers by what their clones have in common with them, oldest first.
    pub(crate) clones: BTreeSet<(u64, Time, u64, Id)>,
    /// Images by id, as inspects and lists describe them.
    pub images: IndexMap<SmolStr, Image>,
    /// Which image id a reference names.
    pub(crate) references: IndexMap<SmolStr, SmolStr>,
    /// Networks by id.
    pub networks: IndexMap<SmolStr, Network>,
    /// Volumes by name.
    pub volumes: IndexMap<SmolStr, VolumeSpec>,
    /// The engine's settings, from `/info` and `/version` together.
    pub engine: Option<EngineSpec>,
    /// When a collector said that watching began, else the first dated record of the host.
    pub watching_since: Option<Time>,
    /// The image list at start has been seen: only then is it known which image is new here.
    pub images_listed: bool,
    /// The container list at start has been seen.
    pub containers_listed: bool,
    /// Engines whose list of containers at start has been seen.
    pub(crate) listed_by: BTreeSet<SmolStr>,
    /// Which sources speak of the host, and how well they could see.
    pub heard: Heard,
    /// The network list at start has been seen.
    pub networks_listed: bool,
    /// The volume list at start has been seen.
    pub volumes_listed: bool,
    /// How many stand of each of the context's entries.
    #[serde(skip)]
    pub(crate) standing: BTreeMap<u32, u32>,
    /// The cluster whose API server speaks of this host.
    pub cluster: Option<Box<crate::cluster::Cluster>>,
    /// The next container's place in the sequence.
    pub(crate) order_next: u64,
    /// Its processes, and the containers that only the kernel knows.
    pub kernel: crate::kernel::Kernel,
}

/// An image on a host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Image {
    /// What is known of it.
    pub spec: ImageSpec,
    /// It was on the first list: it was there when watching began.
    pub at_start: bool,
    /// An inspect or a list described it; else only an event named it.
    pub described: bool,
    /// When it became known.
    pub seen: Time,
    /// Every reference that it was known under, those taken away since included; bounded.
    pub references: Vec<SmolStr>,
}

/// A network on a host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Network {
    /// What is known of it: from an inspect or list when `inspected`, else id, name and driver only.
    pub spec: NetworkSpec,
    /// An inspect or a list described it.
    pub inspected: bool,
    /// When it became known.
    pub seen: Time,
}

impl Host {
    /// A container by full id.
    pub fn container(&self, id: &Id) -> Option<&Container> {
        self.containers.get(id).map(|container| &**container)
    }

    /// A container that exists, by full id, name or the beginning of an id: as `container:…` and `--volumes-from` name it.
    pub fn find(&self, text: &str) -> Option<&Container> {
        let id = Id::new(text);
        if let Some(found) = self.container(&id) {
            return Some(found);
        }
        if matches!(id, Id::Hex(_)) || text.is_empty() {
            return None;
        }
        // There is no index of names; whoever is named is mostly a late comer, and a flood must not make each look a walk over all.
        let mut candidates = self.containers.values().rev().take(FIND_LOOK).map(|container| &**container);
        candidates.find(|c| c.exists() && (c.name == text || (text.len() >= 12 && c.id.starts_with(text))))
    }

    /// The image id that a reference (`alpine`, `alpine:3.20`, `repository@sha256:…`, an id) names here, as far as it is known.
    pub fn image_id(&self, reference: &str) -> Option<&SmolStr> {
        if let Some((id, _)) = self.images.get_key_value(reference) {
            return Some(id);
        }
        self.references.get(reference_key(reference).as_str())
    }

    /// An image by id.
    pub fn image(&self, id: &str) -> Option<&Image> {
        self.images.get(id)
    }

    /// A network by id, or by name where only that is known.
    pub fn network(&self, id: &str) -> Option<&Network> {
        self.networks.get(id).or_else(|| self.networks.values().find(|network| network.spec.name == id))
    }

    /// Whether an image came after watching began; `None` without the list of images taken then.
    pub fn novel(&self, image_id: &str) -> Option<bool> {
        (self.images_listed && !image_id.is_empty()).then(|| !self.images.get(image_id).is_some_and(|image| image.at_start))
    }

    /// The pod's container that a runtime's container is: by the id that the pod's status names, else by the labels that the kubelet gives it. Labels are
    /// anybody's to write, so they count only while the pod's container is not known to be another one that runs.
    pub fn pod_container_of(&self, runtime: &Id, labels: &[(SmolStr, SmolStr)]) -> Option<&Id> {
        let cluster = self.cluster.as_ref()?;
        if let Some(id) = cluster.container_of(runtime) {
            return Some(id);
        }
        let label = |key: &str| labels.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str());
        let uid = label("io.kubernetes.pod.uid")?;
        let id = cluster.container_in(uid, label("io.kubernetes.container.name")?)?;
        let taken = cluster.pod_by_uid(uid).is_some_and(|pod| !pod.runtime_ids.is_empty());
        let runs = self.container(id).is_some_and(Container::runs);
        (!taken || !runs).then_some(id)
    }

    /// The runtime's name: `docker` until the engine says another.
    pub fn runtime(&self) -> SmolStr {
        self.engine.as_ref().map(|engine| engine.product.clone()).filter(|name| !name.is_empty()).unwrap_or(SmolStr::new_static("docker"))
    }

    /// The runtime that a container is told by, by its name.
    pub fn runtime_of(&self, container: &Container) -> SmolStr {
        container.told_by.as_ref().map_or_else(|| self.runtime(), |teller| teller.runtime.clone())
    }

    /// The settings of the engine that runs containers told by `teller`; `None` where only another engine has said its own: what is unknown stays so.
    pub fn engine_of(&self, teller: &str) -> Option<&EngineSpec> {
        let product = self.engine.as_ref().map_or("", |engine| engine.product.as_str());
        self.engine.as_ref().filter(|_| teller == "docker" || teller == product)
    }

    /// Whether any stream of that engine speaks of the host.
    pub fn follows(&self, engine: &str) -> bool {
        match crate::witnesses::stream_of(engine) {
            Some(sources) => sources.iter().any(|source| self.heard.follows(source)),
            None => false,
        }
    }

    /// Takes in a container, and makes room before.
    pub(crate) fn insert(&mut self, mut container: Container, pressure: &mut Pressure) {
        if self.containers.len() >= CONTAINERS_MAX {
            self.make_room(pressure);
        }
        container.order = self.order_next;
        self.order_next += 1;
        self.containers.insert(container.id.clone(), Box::new(container));
    }

    /// Forgets a sixteenth of all at once, so that a flood does not cost a walk for each: those that are gone or ended first, then the oldest.
    fn make_room(&mut self, pressure: &mut Pressure) {
        let rank = |container: &Container| match container.state {
            State::Removed => 0u8,
            State::Exited => 1,
            State::Unknown => 2,
            _ => 3,
        };
        let mut order: Vec<(u8, u64, Id)> = self.containers.values().map(|c| (rank(c), c.order, c.id.clone())).collect();
        let many = CONTAINERS_MAX / 16;
        if many < order.len() {
            order.select_nth_unstable(many);
            order.truncate(many);
        }
        order.sort_unstable();
        for (_, _, id) in &order {
            self.forget(id);
        }
        pressure.add("inventory.containers", order.len() as u64);
    }

    /// Forgets removed containers whose time is over, or that are too many.
    pub(crate) fn forget_removed(&mut self, now: Time) {
        while let Some((at, _)) = self.removed.front()
            && (*at + REMOVED_KEEP < now || self.removed.len() > REMOVED_MAX)
        {
            if let Some((_, id)) = self.removed.pop_front() {
                self.forget(&id);
            }
        }
    }

    fn forget(&mut self, id: &Id) {
        self.rekey(id, 0);
        if let Some(container) = self.containers.swap_remove(id)
            && let Some(count) = container.counted_for.and_then(|entry| self.standing.get_mut(&entry))
        {
            *count = count.saturating_sub(1);
        }
    }

    /// Gives a container the key that its clones share; 0 takes it out.
    pub(crate) fn rekey(&mut self, id: &Id, key: u64) {
        let Some(container) = self.containers.get_mut(id) else { return };
        if container.clone_key != 0 {
            self.clones.remove(&(container.clone_key, container.clone_since, container.order, id.clone()));
        }
        if key != 0 {
            // The time of creation may become known better later; the entry is found again by the one that it was made with.
            container.clone_since = container.created.unwrap_or(Time::MAX);
            self.clones.insert((key, container.clone_since, container.order, id.clone()));
        }
        container.clone_key = key;
    }

    /// Says of a container whether it equals one that has stood for ten minutes.
    pub(crate) fn judge_clone(&mut self, id: &Id, now: Time) {
        let Some(container) = self.containers.get(id) else { return };
        if container.clone_key == 0 {
            return;
        }
        let from = (container.clone_key, Time::MIN, 0, Id::Hex([0; 32]));
        let older = self
            .clones
            .range(from..)
            .take_while(|(key, created, ..)| *key == container.clone_key && created.0 <= now.minus(crate::world::CLONE_AGE).0)
            .take(CLONES_LOOK)
            .any(|(.., other)| other != id && self.containers.get(other).is_some_and(|other| other.runs()));
        if let Some(container) = self.containers.get_mut(id) {
            container.clone_of_older = Some(older);
        }
    }

    /// Judges all postures anew: the engine's defaults, against which they are judged, became known or changed.
    pub(crate) fn judge_postures(&mut self, share: &mut Share, context: &Context) {
        let ids: Vec<Id> = self.containers.values().filter(|c| c.inspected()).map(|c| c.id.clone()).collect();
        for id in ids {
            let Some(spec) = self.containers.get(&id).and_then(|container| container.spec()) else { continue };
            let engine = self.containers.get(&id).and_then(|container| self.engine_of(container.teller()));
            let posture = share.posture(Posture::of(&spec, engine, &*self));
            if let Some(container) = self.containers.get_mut(&id) {
                container.posture = Some(posture);
            }
            self.judge_role(&id, context);
        }
    }

    /// Judges anew which part a container plays in monitoring; after its name, image, labels or posture moved.
    pub(crate) fn judge_role(&mut self, id: &Id, context: &Context) {
        let Some(container) = self.containers.get(id) else { return };
        let declared = context.sensor(self, container);
        let role = role::sensor(&container.name, &container.image, &container.labels, container.posture.as_deref(), declared.as_deref());
        if let Some(container) = self.containers.get_mut(id) {
            container.role = role.map(Box::new);
        }
    }

    /// Counts a container anew among those that stand of the context's entries; after its state, image or command moved.
    pub(crate) fn count_entry(&mut self, id: &Id, context: &Context) {
        let Some(container) = self.containers.get(id) else { return };
        let before = container.counted_for;
        let now = if container.stands() { context.entry(self, container) } else { None };
        if before == now {
            return;
        }
        if let Some(count) = before.and_then(|entry| self.standing.get_mut(&entry)) {
            *count = count.saturating_sub(1);
        }
        if let Some(entry) = now {
            *self.standing.entry(entry).or_default() += 1;
        }
        if let Some(container) = self.containers.get_mut(id) {
            container.counted_for = now;
        }
    }

    /// How many stand of one of the context's entries.
    pub(crate) fn standing_of(&self, entry: u32) -> u32 {
        self.standing.get(&entry).copied().unwrap_or_default()
    }

    /// Remembers which image a reference names.
    pub(crate) fn learn_reference(&mut self, reference: &str, id: &SmolStr, pressure: &mut Pressure) {
        if reference.is_empty() || reference == id {
            return;
        }
        let key = reference_key(reference);
        if !self.references.contains_key(&key) && self.references.len() >= REFERENCES_MAX {
            self.references.drain(..REFERENCES_MAX / 16);
            pressure.add("inventory.references", REFERENCES_MAX as u64 / 16);
        }
        match self.references.get_mut(&key) {
            Some(known) if known == id => {}
            Some(known) => *known = id.clone(),
            None => drop(self.references.insert(key, id.clone())),
        }
    }

    pub(crate) fn bound_images(&mut self, pressure: &mut Pressure) {
        if self.images.len() >= IMAGES_MAX {
            self.images.drain(..IMAGES_MAX / 16);
            pressure.add("inventory.images", IMAGES_MAX as u64 / 16);
        }
    }

    pub(crate) fn bound_networks(&mut self, pressure: &mut Pressure) {
        if self.networks.len() >= NETWORKS_MAX {
            self.networks.drain(..NETWORKS_MAX / 16);
            pressure.add("inventory.networks", NETWORKS_MAX as u64 / 16);
        }
    }

    pub(crate) fn bound_volumes(&mut self, pressure: &mut Pressure) {
        if self.volumes.len() >= VOLUMES_MAX {
            self.volumes.drain(..VOLUMES_MAX / 16);
            pressure.add("inventory.volumes", VOLUMES_MAX as u64 / 16);
        }
    }
}

/// Containers that are looked through for one that is called by its name.
const FIND_LOOK: usize = 20_000;

/// Older equals that are looked at before giving up on finding one that runs: a thousand ended ones before it are no cluster.
const CLONES_LOOK: usize = 1024;

impl Lookup for Host {
    fn posture(&self, container: &str) -> Option<&Posture> {
        self.find(container)?.posture.as_deref()
    }

    fn name(&self, container: &str) -> Option<&SmolStr> {
        Some(&self.find(container)?.name).filter(|name| !name.is_empty())
    }

    fn network(&self, id_or_name: &str) -> Option<&NetworkSpec> {
        Host::network(self, id_or_name).filter(|network| network.inspected).map(|network| &network.spec)
    }

    fn volume(&self, name: &str) -> Option<&VolumeSpec> {
        self.volumes.get(name)
    }
}

/// A reference as the map has it: with the tag that it implies, and without what only spells it otherwise.
pub(crate) fn reference_key(reference: &str) -> SmolStr {
    crate::image_ref::known(reference).map_or_else(|| SmolStr::new(reference), |named| named.canonical.clone())
}
