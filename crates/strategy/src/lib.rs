//! Takes Markdown pages; gives strategies: sections, rules, scenarios, and every problem at its line. Runs nothing and decides nothing about events.
//!
//! *text* → [`page`] (an outline of headings, fences and tables) → [`parse()`] (sections, rules, scenarios, checks) → [`Strategy`]; many of them are a [`Pack`], which
//! gives the engine its rules and the judge its cards. The grammar is told in `docs/writing-a-strategy.md`. Begin with [`strategy`](mod@strategy), then [`parse`](mod@parse).

pub mod attack;
pub mod check;
pub mod edit;
pub mod export;
pub mod front;
pub mod new;
pub mod pack;
pub mod page;
pub mod parse;
pub mod play;
pub mod scenario;
pub mod section;
pub mod sources;
pub mod strategy;

pub use pack::Pack;
pub use parse::parse;
pub use play::{Patch, Play, Step};
pub use scenario::{ClaimKind, Command, Expected, Scenario};
pub use section::Section;
pub use strategy::{Hole, PageKind, PriorityRow, SectionText, Status, Strategy, Technique};
