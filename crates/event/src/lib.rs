//! The vocabulary that every other room speaks.
//!
//! Takes nothing and decides nothing: it holds the types in which one room hands work to the next.
//! *Record* (raw bytes as they came) → *Prepared* (decoded, still unordered) → *Event* (placed in time) → *Signal* (a rule matched).
//! Never reads a clock, a file or a socket.
//!
//! Begin with [`record`], then [`event`](mod@event); [`dictionary`] lists every derived event and field by name, [`fact`] is what decoders tell the inventory.

pub mod cgroup;
pub mod deriver;
pub mod dictionary;
pub mod document;
pub mod event;
pub mod fact;
pub mod flow;
pub mod kubernetes;
pub mod path;
pub mod problem;
pub mod record;
pub mod signal;
pub mod system;
pub mod time;
pub mod value;
pub mod witness;

pub use deriver::{Deriver, Emit};
pub use dictionary::{FieldDef, FieldId, Kind, KindDef};
pub use document::Document;
pub use event::{Decoded, DerivedBuilder, Event, Fields, Prepared, Undecodable};
pub use path::Path;
pub use problem::{Gravity, Problem};
pub use record::{Body, Place, Provenance, Record};
pub use signal::{Level, Signal};
pub use smallvec::SmallVec;
pub use smol_str::SmolStr;
pub use time::{Span, Time};
pub use value::{Value, ValueRef};
pub use witness::Witness;
