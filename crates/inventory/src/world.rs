//! What exists and existed, host by host; the only place where that state moves.

use crate::container::Container;
use crate::context::Context;
use crate::host::Host;
use crate::id::Id;
use crate::step::Step;
use event::{Event, SmallVec, SmolStr};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// All hosts, and what the operator declared.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct World {
    /// Hosts in the order in which they became known.
    pub hosts: IndexMap<SmolStr, Host>,
    /// What the operator declared; given anew at each start, so not part of the state.
    #[serde(skip)]
    pub context: Context,
}

/// The steps of one event: mostly one.
pub type Steps = SmallVec<[Step; 2]>;

impl World {
    /// A host.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.get(name)
    }

    /// A container on a host.
    pub fn container(&self, host: &str, id: &Id) -> Option<&Container> {
        self.hosts.get(host)?.container(id)
    }

    /// Applies what one native event says, and tells what moved.
    pub fn apply(&mut self, event: &Event) -> Steps {
        let _ = event;
        Steps::new()
    }
}
