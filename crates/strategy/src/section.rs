//! The nine headings of an Alerting & Detection Strategy, and the other names that people give them.

use serde::Serialize;

/// A section of the page; its heading decides the verdict on what stands below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Section {
    /// One behaviour, in prose.
    Goal,
    /// ATT&CK techniques.
    Categorization,
    /// The detection.
    StrategyAbstract,
    /// What a responder must know.
    TechnicalContext,
    /// What it does not see, and what it rests on.
    BlindSpots,
    /// What fires though it is harmless.
    FalsePositives,
    /// What must fire.
    Validation,
    /// How severe, and when.
    Priority,
    /// What to do.
    Response,
}

/// Row by row: the section, its own heading, and other headings that mean it. Compared without case, `&` read as "and".
const HEADINGS: &[(Section, &str, &[&str])] = &[
    (Section::Goal, "Goal", &["goals", "objective"]),
    (
        Section::Categorization,
        "Categorization",
        &["categorisation", "category", "att and ck", "attack", "mitre att and ck", "mitre attack"],
    ),
    (Section::StrategyAbstract, "Strategy Abstract", &["abstract", "detection", "strategy", "detection strategy"]),
    (Section::TechnicalContext, "Technical Context", &["context", "technical background", "technical details"]),
    (
        Section::BlindSpots,
        "Blind Spots and Assumptions",
        &[
            "blind spots",
            "blindspots",
            "blind spots and assumption",
            "assumptions and blind spots",
            "assumptions",
            "blindspots and assumptions",
        ],
    ),
    (Section::FalsePositives, "False Positives", &["false positive", "known false positives", "falsepositives"]),
    (Section::Validation, "Validation", &["validations", "test", "testing", "validation steps"]),
    (Section::Priority, "Priority", &["alert priority", "priorities", "severity", "alert severity"]),
    (Section::Response, "Response", &["responses", "response steps", "response plan", "triage"]),
];

impl Section {
    /// All nine, in the framework's order.
    pub const ALL: [Section; 9] = [
        Section::Goal,
        Section::Categorization,
        Section::StrategyAbstract,
        Section::TechnicalContext,
        Section::BlindSpots,
        Section::FalsePositives,
        Section::Validation,
        Section::Priority,
        Section::Response,
    ];

    /// The section that a heading means.
    pub fn named(heading: &str) -> Option<Section> {
        let folded = fold(heading);
        HEADINGS.iter().find(|(_, name, others)| fold(name) == folded || others.contains(&folded.as_str())).map(|row| row.0)
    }

    /// Its own heading.
    pub fn heading(self) -> &'static str {
        HEADINGS.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }
}

/// Lower case, `&` as "and", single spaces, without numbering in front or a colon behind.
fn fold(heading: &str) -> String {
    let spelled = heading.to_lowercase().replace('&', " and ");
    let words: Vec<&str> = spelled.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let start = words.iter().take_while(|word| word.chars().all(|c| c.is_ascii_digit())).count();
    words[start..].join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_other_names_are_understood() {
        assert_eq!(Section::named("Alert Priority"), Some(Section::Priority));
        assert_eq!(Section::named("Blind Spots & Assumptions"), Some(Section::BlindSpots));
        assert_eq!(Section::named("5. Blind spots and assumptions:"), Some(Section::BlindSpots));
        assert_eq!(Section::named("ATT&CK"), Some(Section::Categorization));
        assert_eq!(Section::named("Platforms"), None);
    }

    #[test]
    fn every_section_has_its_own_heading() {
        for section in Section::ALL {
            assert_eq!(Section::named(section.heading()), Some(section));
        }
    }
}
