//! Takes strategies; gives a verdict on each of their claims, by playing their scenarios through the real engine. Reads no live engine and no clock.
//!
//! A scenario's recording ([`tape`]) is composed ([`compose`]), played ([`stage`]), and judged by its heading ([`claims`]); then rules are changed one term at a
//! time to see that some claim notices ([`mutate`]). Begin with [`test()`] in [`run`].

pub mod claims;
pub mod compose;
pub mod condition;
pub mod evaluated;
pub mod expect;
pub mod mutate;
pub mod run;
pub mod stage;
pub mod tape;
pub mod verdict;

pub use evaluated::{Evaluation, Sight, evaluated};
pub use run::{Options, test};
pub use verdict::{Outcome, Summary, Verdict, summary};
