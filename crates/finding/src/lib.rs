//! Takes signals in order; gives findings. Never reads a clock; the engine tells it the time.
//!
//! *Signals of one event* → [`judge`] (who joins whom, what opens, rises and closes) → [`Change`]. Begin with [`judge`]; [`case`] is one finding while it is open,
//! [`message`] its sentence, [`wire`] its JSON form.

pub mod card;
pub mod case;
pub mod coverage;
pub mod finding;
pub mod judge;
pub mod key;
pub mod message;
pub mod wire;

pub use card::RuleCard;
pub use coverage::{Impairment, Note};
pub use finding::{Change, Coverage, Evidence, Finding, Status};
pub use judge::{Judge, JudgeReport};
