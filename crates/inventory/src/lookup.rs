//! What a judgement about one object may ask about others: one hop, never further.

use crate::posture::Posture;
use event::SmolStr;
use event::fact::{NetworkSpec, VolumeSpec};

/// The rest of the host, as far as it is known. `None` is *not known*, never *not there*.
pub trait Lookup {
    /// How another container is confined, by full id, unique id prefix or present name.
    fn posture(&self, container: &str) -> Option<&Posture>;

    /// The present name of another container, by the same.
    fn name(&self, container: &str) -> Option<&SmolStr> {
        let _ = container;
        None
    }

    /// A network, by id or name.
    fn network(&self, id_or_name: &str) -> Option<&NetworkSpec>;

    /// A volume, by name.
    fn volume(&self, name: &str) -> Option<&VolumeSpec>;
}

/// A host of which nothing else is known.
pub struct Nothing;

impl Lookup for Nothing {
    fn posture(&self, _: &str) -> Option<&Posture> {
        None
    }

    fn network(&self, _: &str) -> Option<&NetworkSpec> {
        None
    }

    fn volume(&self, _: &str) -> Option<&VolumeSpec> {
        None
    }
}
