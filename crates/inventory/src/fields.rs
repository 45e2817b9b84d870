//! The groups of fields that events about a container share.

use crate::container::Container;
use crate::host::Host;
use crate::world::World;
use event::{DerivedBuilder, Event, Kind};

/// Begins an event of `kind` about a container, with the fields of the group CONTAINER.
pub fn about_container(kind: Kind, deriver: &'static str, cause: &Event, world: &World, host: &Host, container: &Container) -> DerivedBuilder {
    let mut builder = DerivedBuilder::caused_by(kind, deriver, cause).about(&container.id.text());
    container_fields(&mut builder, world, host, container);
    builder
}

/// Adds the fields of the group CONTAINER: what it is called and made of.
pub fn container_fields(builder: &mut DerivedBuilder, world: &World, host: &Host, container: &Container) {
    let _ = (builder, world, host, container);
}

/// Adds the fields of the group POSTURE, when it was inspected.
pub fn posture_fields(builder: &mut DerivedBuilder, host: &Host, container: &Container) {
    let _ = (builder, host, container);
}

/// Adds the fields of the group LIMITS, when it was inspected.
pub fn limits_fields(builder: &mut DerivedBuilder, container: &Container) {
    let _ = (builder, container);
}
