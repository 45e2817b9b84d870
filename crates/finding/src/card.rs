//! What the judge must know of a rule.

use event::{Level, SmolStr, Span};

/// One row beside each rule of the compiled set, at the same index.
#[derive(Clone, Debug)]
pub struct RuleCard {
    /// Strategy's id (its file stem); for a plain Sigma rule, the rule's name.
    pub strategy: SmolStr,
    /// Strategy's title.
    pub strategy_title: SmolStr,
    /// Rule's name.
    pub rule: SmolStr,
    /// Rule's title.
    pub title: SmolStr,
    /// Rule's level.
    pub level: Level,
    /// Fields whose values say what the finding is about.
    pub entity: Vec<SmolStr>,
    /// Sentence with holes.
    pub message: SmolStr,
    /// Rules of the same behaviour on the same entity make one finding. Equal to the strategy unless the rule says otherwise.
    pub behaviour: SmolStr,
    /// Whether the operator's context can explain its signals.
    pub explainable: bool,
    /// ATT&CK techniques, as `T1610`.
    pub attack: Vec<SmolStr>,
    /// The correlation's time span; zero for a plain rule. A finding closes after the larger of this and ten minutes.
    pub window: Span,
}
