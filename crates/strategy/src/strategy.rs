//! What a page says, once it is understood.

use crate::scenario::Scenario;
use crate::section::Section;
use event::{Level, SmolStr};
use serde::Serialize;
use sigma::Rule;

/// One page: a behaviour, its rules, and the claims made about them.
#[derive(Clone, Debug)]
pub struct Strategy {
    /// The file's stem.
    pub id: SmolStr,
    /// The page's H1.
    pub title: String,
    /// The file, as it was given.
    pub file: String,
    /// What its front matter says; a page with an untested claim is a draft all the same.
    pub status: Status,
    /// Whether it stands for itself or binds others.
    pub kind: PageKind,
    /// Sources without which it is not evaluated.
    pub sources: Vec<SmolStr>,
    /// Sources that it uses where they are there.
    pub enrichment: Vec<SmolStr>,
    /// Pages that an umbrella binds.
    pub binds: Vec<SmolStr>,
    /// Who wrote it.
    pub authors: Vec<String>,
    /// Its version, as written.
    pub version: String,
    /// All sections, unknown ones included, in the page's order.
    pub sections: Vec<SectionText>,
    /// What it maps to.
    pub techniques: Vec<Technique>,
    /// Its rules.
    pub rules: Vec<Rule>,
    /// Its scenarios, in the page's order.
    pub scenarios: Vec<Scenario>,
    /// The rows of its priority table.
    pub priority: Vec<PriorityRow>,
    /// The holes of its response.
    pub holes: Vec<Hole>,
    /// The page itself.
    pub text: String,
}

impl Strategy {
    /// The text of a section, headings below it included; empty when the page has none.
    pub fn section(&self, section: Section) -> &str {
        self.sections.iter().find(|part| part.section == Some(section)).map_or("", |part| part.text.as_str())
    }

    /// Ids of its techniques, each once.
    pub fn techniques(&self) -> impl Iterator<Item = SmolStr> {
        let mut seen = std::collections::BTreeSet::new();
        let ids: Vec<SmolStr> = self.techniques.iter().map(|technique| technique.id.clone()).filter(|id| seen.insert(id.clone())).collect();
        ids.into_iter()
    }

    /// The scenario of that slug or full name.
    pub fn scenario(&self, name: &str) -> Option<&Scenario> {
        self.scenarios.iter().find(|scenario| scenario.slug == name || scenario.name == name)
    }

    /// Ids of the strategies whose findings count as this page's: itself, and what it binds.
    pub fn speaks_for<'a>(&'a self, strategy: &'a str) -> bool {
        self.id == strategy || self.binds.iter().any(|bound| bound == strategy)
    }
}

/// Where a page stands in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Being written, or with an untested claim.
    #[default]
    Draft,
    /// All its claims are tested.
    Production,
}

/// What kind of page it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PageKind {
    /// One behaviour with its own rules.
    #[default]
    Strategy,
    /// Binds other pages.
    Umbrella,
    /// A plain Sigma file: rules without a page, and so without claims.
    Plain,
}

/// A section of the page.
#[derive(Clone, Debug)]
pub struct SectionText {
    /// Which one; `None` for a section that the framework does not know.
    pub section: Option<Section>,
    /// Its heading.
    pub title: String,
    /// Line of the heading.
    pub line: usize,
    /// Line after its last one.
    pub end: usize,
    /// Its Markdown, without its own heading.
    pub text: String,
}

/// An ATT&CK technique with the tactic that it serves here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Technique {
    /// Its id, as `T1610`.
    pub id: SmolStr,
    /// Its name in the catalogue.
    pub name: SmolStr,
    /// Short name of the tactic, as `execution`.
    pub tactic: SmolStr,
    /// Where the page says so.
    #[serde(skip)]
    pub line: usize,
}

/// A row of the priority table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PriorityRow {
    /// Level of the row.
    pub level: Level,
    /// When it holds, in prose.
    pub when: String,
    /// Name of the rule that gives it; `strategy/rule` on an umbrella page.
    pub rule: String,
    /// Where the page says so.
    pub line: usize,
}

/// A `{{field}}` of the response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hole {
    /// Name of an entity field, or `finding.…`.
    pub name: String,
    /// Where the page says so.
    pub line: usize,
}

impl Hole {
    /// What may stand after `finding.`.
    pub const OF_FINDING: [&'static str; 10] =
        ["id", "strategy", "rule", "severity", "title", "message", "first_seen", "last_seen", "count", "attack"];
}
