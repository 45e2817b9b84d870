//! Takes rules as text and events in order; gives signals. Never reads a clock and never ranks what it found.
//!
//! The way of a rule: [`parse`] reads YAML into [`Rule`]s and [`Problem`](event::Problem)s; [`RuleSet::compile`] shares what rules have in common and links correlations;
//! a [`Matcher`] takes events one by one. [`explain`] says why a rule did or did not match. Begin reading with `detection` and `check` for what Sigma means,
//! with `index` for why many rules cost little, with `window` for correlations.

mod check;
mod condition;
mod correlation;
mod detection;
mod explain;
mod index;
mod kinds;
mod link;
mod matcher;
mod message;
mod modifier;
mod parse;
mod program;
pub mod rule;
mod scratch;
mod set;
mod text;
mod window;
mod yaml;

pub use explain::{Explanation, Nearest, explain, nearest};
pub use matcher::Matcher;
pub use message::{COUNTED, message_fields};
pub use modifier::MODIFIERS;
pub use parse::parse;
pub use rule::{Correlation, CorrelationKind, Logsource, Rule};
pub use set::RuleSet;
pub use window::Pressure;
