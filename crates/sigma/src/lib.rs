//! Takes rules as text and events in order; gives signals. Never reads a clock and never ranks what it found.
//!
//! The way of a rule: [`parse`] reads YAML into [`Rule`]s and [`Problem`](event::Problem)s; [`RuleSet::compile`] shares what rules have in common and links correlations;
//! a [`Matcher`] takes events one by one. [`explain`] says why a rule did or did not match. Begin reading with `detection` and `check` for what Sigma means,
//! with `index` for why many rules cost little, with `window` for correlations.
//!
//! Of Sigma everything that public rules use is understood: all modifiers of version 2.1, conditions with `1 of`, `all of` and `N of`, and the correlations `event_count`,
//! `value_count`, `temporal` and `temporal_ordered`, also of correlations. Not understood, and refused with what to write instead: aggregations behind `|`, rule collections
//! (`action: global`), placeholders without values, expressions with look-around, and correlations that sum or average. What Sigma leaves open is settled so:
//!
//! - A list answers for each of its elements; a negated question holds when no element answers.
//! - `null` is an absent field or a JSON `null`; `''` is an empty text; `'*'` is anything that is there.
//! - A number in a rule meets numbers and texts that are numbers; a truth value meets the words `true` and `false`.
//! - Keywords are looked for in every value, as a part of it.
//! - An event that several rules of a correlation match counts once in each group. An event without a field to group by is in a group of its own, one without a field to
//!   count is not counted.

mod check;
mod condition;
mod correlation;
mod detection;
mod encode;
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
