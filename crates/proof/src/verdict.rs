//! What became of a claim.

use event::SmolStr;
use serde::Serialize;
use std::fmt;
use strategy::Strategy;

/// A claim and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The page's id.
    pub strategy: SmolStr,
    /// The claim's full name: `page > Section > heading`.
    pub name: String,
    /// Its short name.
    pub slug: String,
    /// What it claims: `validation`, `blind spot`, `assumption`, `false positive`, `quiet`, `priority`, `response`, `mutation`, `status`.
    pub claim: &'static str,
    /// The page's file.
    pub file: String,
    /// Where the page makes the claim.
    pub line: usize,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What helps to mend it: the nearest miss, the findings that were too many.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What was made of the recording; empty when it was played as it was taken.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub composed: String,
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", content = "reason", rename_all = "lowercase")]
pub enum Outcome {
    /// It is true.
    Held,
    /// It is not true.
    Broken(String),
    /// Nothing shows whether it is true.
    Untested(String),
    /// It cannot be tested here, for the reason that the page gives.
    Skipped(String),
}

impl Outcome {
    /// Its word.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Held => "held",
            Outcome::Broken(_) => "broken",
            Outcome::Untested(_) => "untested",
            Outcome::Skipped(_) => "skipped",
        }
    }

    /// Why; empty for what held.
    pub fn reason(&self) -> &str {
        match self {
            Outcome::Held => "",
            Outcome::Broken(why) | Outcome::Untested(why) | Outcome::Skipped(why) => why,
        }
    }
}

/// `strategies/x.md:41: broken: x > Validation > run: fires 2 times`
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.file, self.line, self.outcome.word(), self.name)?;
        if !self.outcome.reason().is_empty() {
            write!(f, ": {}", self.outcome.reason())?;
        }
        if !self.composed.is_empty() {
            write!(f, " [composed: {}]", self.composed)?;
        }
        for note in &self.notes {
            write!(f, "\n    {note}")?;
        }
        Ok(())
    }
}

/// How a page stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Claims that held.
    pub held: usize,
    /// Claims that broke.
    pub broken: usize,
    /// Claims that nothing tests.
    pub untested: usize,
    /// Claims skipped for a reason.
    pub skipped: usize,
    /// Mutations that some claim noticed.
    pub noticed: usize,
    /// Mutations exempted by `# equivalent`.
    pub exempt: usize,
}

impl Summary {
    /// Whether the page may be in production: everything it claims is tested, and holds.
    pub fn is_production(&self) -> bool {
        self.broken == 0 && self.untested == 0 && self.held > 0
    }
}

/// Counts the verdicts of one page.
pub fn summary(strategy: &Strategy, verdicts: &[Verdict]) -> Summary {
    let mut out = Summary::default();
    for verdict in verdicts.iter().filter(|verdict| verdict.strategy == strategy.id) {
        match (&verdict.outcome, verdict.claim) {
            (Outcome::Held, "mutation") => out.noticed += 1,
            (Outcome::Skipped(_), "mutation") => out.exempt += 1,
            (Outcome::Held, _) => out.held += 1,
            (Outcome::Broken(_), _) => out.broken += 1,
            (Outcome::Untested(_), _) => out.untested += 1,
            (Outcome::Skipped(_), _) => out.skipped += 1,
        }
    }
    out
}
