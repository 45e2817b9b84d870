//! Takes native events in order; gives derived events. Never reads a clock, and never forgets anything without saying so.
//!
//! `Event` → [`World::apply`](world::World::apply) moves the state of what exists and says what moved as [`Step`]s → each row of the list below is told
//! each step and says derived events. Begin with [`step`], then [`row`], then any row.
//!
//! To add a derived event: its kind and fields in the dictionary of the crate `event`, one file here with a `pub struct State` that implements [`row::Row`], and
//! one word in the list `rows!`. Rows are told of a step in the order of the list, and timers that are due at the same moment fire in that order.

pub mod address;
pub mod cluster;
pub mod container;
pub mod context;
pub mod devices;
pub mod fields;
pub mod heard;
pub mod host;
pub mod host_path;
pub mod id;
pub mod image_ref;
pub mod inventory;
pub mod kernel;
#[cfg(test)]
mod laws;
pub mod leases;
pub mod limits;
pub mod log;
pub mod lookup;
pub mod mounts;
pub mod names;
pub mod owner;
pub mod party;
pub mod permissive;
#[cfg(test)]
mod play;
pub mod posture;
pub mod powers;
pub mod pressure;
pub mod reach;
mod reach_check;
pub mod role;
pub mod row;
mod share;
pub mod step;
mod tally;
pub mod timers;
pub mod view;
pub mod who;
mod windows;
#[cfg(test)]
mod wire_tests;
pub mod witnesses;
pub mod world;

pub use container::{Container, Origin, State};
pub use context::Context;
pub use host::Host;
pub use id::Id;
pub use inventory::Inventory;
pub use row::{Row, RowOut};
pub use step::{Listed, SeenBy, Step};
pub use timers::TimerKey;
pub use view::ContainerView;
pub use world::World;

/// Declares the rows: each is a module of this crate with a `pub struct State`.
macro_rules! rows {
    ($($name:ident),* $(,)?) => {
        $(pub mod $name;)*

        /// The state of every row.
        #[derive(Default, serde::Serialize, serde::Deserialize)]
        pub(crate) struct Rows {
            $($name: $name::State,)*
        }

        /// Names of the rows, in their order.
        pub const ROWS: &[&str] = &[$(stringify!($name)),*];

        impl Rows {
            /// Tells every row a step.
            pub(crate) fn step(&mut self, step: &Step, world: &World, cause: &event::Event, out: &mut RowOut<'_>) {
                out.row = world::WORLD_ROW;
                $(
                    out.row += 1;
                    row::Row::step(&mut self.$name, step, world, cause, out);
                )*
            }

            /// Fires a timer of one row.
            pub(crate) fn fire(&mut self, row: u8, key: &TimerKey, now: event::Time, world: &World, out: &mut RowOut<'_>) {
                let mut index = world::WORLD_ROW;
                $(
                    index += 1;
                    if index == row {
                        out.row = index;
                        return row::Row::fire(&mut self.$name, key, now, world, out);
                    }
                )*
            }
        }
    };
}

rows! {
    created,
    accumulated,
    appeared,
    life,
    changed,
    respec,
    host_posture,
    sensor,
    execs,
    request,
    guard,
    networks,
    policy_widened,
    engine_row,
    integrity,
    images,
    masquerade,
    monitoring,
    weakened,
    reconcile,
    sensor_silent,
    sensor_skewed,
    tempo,
    process,
    usage,
    flows,
    edges,
    fan_out,
    filter,
}
