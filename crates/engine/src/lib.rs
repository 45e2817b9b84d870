//! Takes prepared records in the order of their arrival; gives findings. Knows no source, file, socket or clock: time is what the records say.
//!
//! [`Prepared`](event::Prepared) → [`order`] (one sequence in time) → [`repeats`] → derivers → detection → judge → [`Out`]. Begin with [`engine`].

pub mod detect;
pub mod engine;
pub mod order;
pub mod pressure;
pub mod repeats;
pub mod report;
pub mod rules;
pub mod sight;

pub use detect::Detect;
pub use engine::{Engine, Out, drive};
pub use report::Report;
pub use rules::Rules;
