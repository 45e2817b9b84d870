//! What to do about a container, and what each step costs in evidence.
//!
//! Takes the engine's own answer about a container; gives an ordered plan; acts only when told to, through [`Hands`], and writes down what it did.
//! Never decides that something must be done, never removes anything.
//!
//! *inspect answer* → [`target`] → [`plan`](mod@plan) → (a person reads it) → [`act`], which asks for the container again by its full id before it touches it.

pub mod act;
pub mod plan;
pub mod remedy;
pub mod target;

pub use act::{Answer, Done, Hands, Outcome, apply};
pub use plan::{Action, Plan, Step, plan};
pub use remedy::{Remedy, remedies};
pub use target::{Network, Target};
