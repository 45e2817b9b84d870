//! What the inventory shows to those who list it: `posture`, `show`, `doctor`.

use crate::container::{Container, State};
use crate::context::Explained;
use crate::host::Host;
use crate::inventory::Inventory;
use crate::limits::Limits;
use crate::owner;
use crate::posture::Posture;
use crate::role::Sensor;
use event::{SmolStr, Time};

/// One container, as it is shown.
#[derive(Clone, Debug)]
pub struct ContainerView<'a> {
    /// Full id.
    pub id: SmolStr,
    /// Present name.
    pub name: &'a SmolStr,
    /// Image reference as it was asked for.
    pub image: &'a SmolStr,
    /// Image id; empty while unknown.
    pub image_id: &'a SmolStr,
    /// Executable and arguments, when known.
    pub command_line: Option<SmolStr>,
    /// How it is confined; `None` while no inspect was seen.
    pub posture: Option<&'a Posture>,
    /// What it may use; `None` while no inspect was seen.
    pub limits: Option<Limits>,
    /// What it does.
    pub state: State,
    /// When it was created.
    pub created: Option<Time>,
    /// When it started last.
    pub started: Option<Time>,
    /// When it ended last.
    pub ended: Option<Time>,
    /// When it was removed.
    pub removed: Option<Time>,
    /// It stood there before watching began.
    pub preexisting: bool,
    /// Its part in monitoring.
    pub sensor: Option<&'a Sensor>,
    /// What its labels say made it.
    pub owner: Option<SmolStr>,
    /// What stays when it is made anew.
    pub workload: Option<SmolStr>,
    /// What the operator's context says of it.
    pub explained: Explained,
    /// Names it had before, oldest first, each with the time until which it had it.
    pub names_before: &'a [(Time, SmolStr)],
    /// All that the inventory knows of it.
    pub container: &'a Container,
}

impl Inventory {
    /// Hosts in the order in which they became known.
    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.world().hosts.values()
    }

    /// The containers of a host, those removed lately included, in the order in which they became known; judged by the context at `now`.
    pub fn containers(&self, host: &str, now: Time) -> impl Iterator<Item = ContainerView<'_>> {
        let host = self.world().host(host);
        let mut containers: Vec<&Container> = host.map(|host| host.containers.values().map(|c| &**c).collect()).unwrap_or_default();
        containers.sort_by_key(|container| container.order);
        containers.into_iter().filter_map(move |container| host.map(|host| self.view(host, container, now)))
    }

    fn view<'a>(&'a self, host: &'a Host, container: &'a Container, now: Time) -> ContainerView<'a> {
        ContainerView {
            id: container.id.text(),
            name: &container.name,
            image: &container.image,
            image_id: &container.image_id,
            command_line: container.command_line(),
            posture: container.posture.as_deref(),
            limits: container.shape().map(|shape| Limits::of(shape)),
            state: container.state,
            created: container.created,
            started: container.started,
            ended: container.ended,
            removed: container.removed,
            preexisting: container.preexisting(),
            sensor: container.role.as_deref(),
            owner: owner::owner(&container.labels),
            workload: owner::workload(container),
            explained: self.world().context.explain(host, container, now),
            names_before: &container.names_before,
            container,
        }
    }
}
