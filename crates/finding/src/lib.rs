//! Takes signals in order; gives findings. Never reads a clock; the engine tells it the time.

pub mod card;
pub mod finding;
pub use card::RuleCard;
pub use finding::{Change, Coverage, Evidence, Finding, Status};
