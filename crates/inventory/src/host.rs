//! One host: everything that its engine holds.

use crate::container::Container;
use crate::id::Id;
use event::fact::{EngineSpec, ImageSpec, NetworkSpec, VolumeSpec};
use event::{SmolStr, Time};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// A host. Maps keep the order in which things became known.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Host {
    /// Its name.
    pub name: SmolStr,
    /// Containers that exist, and those removed lately.
    pub containers: IndexMap<Id, Box<Container>>,
    /// Removed ones in the order in which they are to be forgotten.
    pub(crate) removed: VecDeque<(Time, Id)>,
    /// Images by id, as inspects and lists describe them.
    pub images: IndexMap<SmolStr, Image>,
    /// Which image id a reference names.
    pub(crate) references: BTreeMap<SmolStr, SmolStr>,
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
    /// A collector said that the lists that follow are a reconcile.
    pub(crate) reconciling: bool,
    /// The next container's place in the sequence.
    pub(crate) order_next: u64,
}

/// An image on a host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Image {
    /// What is known of it.
    pub spec: ImageSpec,
    /// It was on the first list: it was there when watching began.
    pub at_start: bool,
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
        if let Some(found) = self.container(&Id::new(text)) {
            return Some(found);
        }
        let mut candidates = self.containers.values().filter(|c| c.exists() && (c.name == text || (text.len() >= 12 && c.id.starts_with(text))));
        candidates.next().map(|container| &**container)
    }

    /// The image id that a reference (`alpine`, `alpine:3.20`, `repository@sha256:…`, an id) names here, as far as it is known.
    pub fn image_id(&self, reference: &str) -> Option<&SmolStr> {
        let key = reference_key(reference);
        self.references.get(key.as_str()).or_else(|| self.images.get_key_value(reference).map(|(id, _)| id))
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
}

/// A reference as the map has it: with the tag that it implies.
pub(crate) fn reference_key(reference: &str) -> SmolStr {
    let tail = reference.rsplit('/').next().unwrap_or(reference);
    if tail.contains(':') || tail.contains('@') { SmolStr::new(reference) } else { SmolStr::from(format!("{reference}:latest")) }
}
