//! A rule as it was read: what the rest of the house may ask of it.

use crate::check::Compare;
use crate::detection::Detection;
use event::{Kind, Level, SmolStr, Span};

/// One Sigma rule or correlation.
#[derive(Clone, Debug)]
pub struct Rule {
    /// `id`: a UUID as a rule; empty when the rule has none.
    pub id: String,
    /// `name`: what correlations refer to; falls back to a slug of the title.
    pub name: String,
    /// `title`.
    pub title: String,
    /// `description`.
    pub description: String,
    /// `status`, as written.
    pub status: String,
    /// `level`; medium when absent.
    pub level: Level,
    /// `tags`, as written.
    pub tags: Vec<String>,
    /// `falsepositives`.
    pub falsepositives: Vec<String>,
    /// `logsource`; empty for correlations.
    pub logsource: Logsource,
    /// The custom key `landwaiter.entity`: fields whose values say what a finding is about. Empty: the rule's `group-by`, else `container.id`, else `host.name`.
    pub entity: Vec<SmolStr>,
    /// The custom key `landwaiter.message`: a sentence with `{{field}}`, `{{count}}`, `{{span}}` and `{{field|short}}` holes.
    pub message: String,
    /// The custom key `landwaiter.behaviour`: rules of the same behaviour on the same entity make one finding, whichever strategy they are of. Default: the strategy.
    pub behaviour: Option<SmolStr>,
    /// The custom key `landwaiter.explainable`, default true: whether the operator's context can explain its signals.
    pub explainable: bool,
    /// Set for correlations.
    pub correlation: Option<Correlation>,
    /// Whether it gives signals of its own: false for rules that only a correlation without `generate: true` uses.
    pub speaks: bool,
    /// Fields that it reads, each with the line of its first use.
    pub fields: Vec<(SmolStr, usize)>,
    /// File that it was read from.
    pub file: String,
    /// Line of that file at which the rule's document starts, from 1.
    pub line: usize,
    /// Hash of its content: state of correlations is kept under it.
    pub content_hash: u64,
    /// The rule's own text.
    pub text: String,
    /// Kinds of event that it may read by its logsource and the event names that it asks for; empty for correlations.
    pub kinds: Vec<Kind>,
    /// Fields that the key `landwaiter` names, with their lines: a correlation can be checked only beside its rules.
    pub(crate) named: Vec<(SmolStr, usize)>,
    /// What a plain rule looks for; absent for correlations.
    pub(crate) detection: Option<Detection>,
}

/// Where a rule looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logsource {
    /// `category`, empty when absent.
    pub category: SmolStr,
    /// `product`, empty when absent.
    pub product: SmolStr,
    /// `service`, empty when absent.
    pub service: SmolStr,
}

/// What a correlation counts.
#[derive(Clone, Debug)]
pub struct Correlation {
    /// Its type.
    pub kind: CorrelationKind,
    /// Names or ids of the rules it refers to.
    pub rules: Vec<String>,
    /// `group-by`.
    pub group_by: Vec<SmolStr>,
    /// `timespan`.
    pub timespan: Span,
    /// `condition.field`: whose values are counted.
    pub fields: Vec<SmolStr>,
    /// `generate`: whether the rules that it refers to give signals of their own too.
    pub generate: bool,
    /// What the count must be; all must hold. Empty for temporal ones that want every rule.
    pub(crate) conditions: Vec<(Compare, u64)>,
    /// `aliases`: a name, and for each rule the field that it stands for.
    pub(crate) aliases: Vec<(SmolStr, Vec<(String, SmolStr)>)>,
    /// Line at which it starts.
    pub(crate) line: usize,
}

/// The types of correlation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CorrelationKind {
    /// Number of events.
    EventCount,
    /// Number of different values of a field.
    ValueCount,
    /// All rules within the time span, in any order.
    Temporal,
    /// All rules within the time span, in their order.
    TemporalOrdered,
}
