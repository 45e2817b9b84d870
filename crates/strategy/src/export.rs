//! A strategy for other programs: its rules as plain Sigma, or all of it as JSON.

use crate::scenario::ClaimKind;
use crate::strategy::Strategy;
use serde_json::{Value, json};

impl Strategy {
    /// Its rules as Sigma documents, without the prose.
    pub fn export_sigma(&self) -> String {
        let texts: Vec<&str> = self.rules.iter().map(|rule| rule.text.trim().trim_start_matches("---").trim()).collect();
        let mut out = texts.join("\n---\n");
        out.push('\n');
        out
    }

    /// What it says, as JSON.
    pub fn export_json(&self) -> Value {
        json!({
            "id": self.id,
            "title": self.title,
            "status": self.status,
            "kind": self.kind,
            "version": self.version,
            "authors": self.authors,
            "sources": self.sources,
            "enrichment": self.enrichment,
            "binds": self.binds,
            "attack": self.techniques,
            "sections": self.sections.iter().map(|part| json!({"heading": part.title, "text": part.text})).collect::<Vec<_>>(),
            "rules": self.rules.iter().map(|rule| json!({
                "name": rule.name, "title": rule.title, "level": rule.level, "entity": rule.entity, "message": rule.message, "sigma": rule.text,
            })).collect::<Vec<_>>(),
            "priority": self.priority,
            "claims": self.scenarios.iter().map(|scenario| json!({
                "name": scenario.name,
                "slug": scenario.slug,
                "claim": scenario.claim.word(),
                "commands": scenario.console.iter().map(|command| command.text.as_str()).collect::<Vec<_>>(),
                "composed": scenario.play.composed(),
            })).collect::<Vec<_>>(),
        })
    }
}

impl ClaimKind {
    /// What it is called.
    pub fn word(&self) -> &'static str {
        match self {
            ClaimKind::Validation => "validation",
            ClaimKind::BlindSpot => "blind spot",
            ClaimKind::Assumption(_) => "assumption",
            ClaimKind::FalsePositive => "false positive",
            ClaimKind::Quiet => "quiet",
        }
    }
}
