//! Front matter: what the page says of itself.

use crate::page;
use crate::strategy::{PageKind, Status};
use event::problem::nearest;
use event::{Problem, SmolStr};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Sources that a page may declare.
pub const SOURCES: &[&str] = &[
    "docker_events",
    "docker_container",
    "docker_exec",
    "docker_image",
    "docker_network",
    "docker_volume",
    "docker_info",
    "docker_containers",
    "docker_images",
    "docker_networks",
    "docker_volumes",
    "podman_events",
    "podman_container",
    "podman_containers",
    "podman_exec",
    "containerd_events",
    "containerd_container",
    "containerd_containers",
    "crio_journal",
    "kubernetes_audit",
    "kubernetes_objects",
    "eks_audit",
    "gke_audit",
    "aks_audit",
    "conntrack",
    "zeek_conn",
    "suricata",
    "hubble",
    "vpc_flow",
    "gcp_flow",
    "netfilter",
    "system_process",
    "system_usage",
    "auditd",
    "auditd_json",
    "falco",
    "tetragon",
    "tracee",
    "kunai",
    "sensor",
];

/// The alternatives of one declared source: `docker_events | podman_events` is there when one of them is.
pub fn alternatives(source: &str) -> impl Iterator<Item = &str> {
    source.split('|').map(str::trim)
}

const KEYS: &[&str] = &["status", "kind", "sources", "enrichment", "binds", "authors", "version", "date"];

/// What the front matter says.
#[derive(Clone, Debug, Default)]
pub struct Front {
    /// `status`.
    pub status: Status,
    /// `kind`.
    pub kind: PageKind,
    /// `sources`.
    pub sources: Vec<SmolStr>,
    /// `enrichment`.
    pub enrichment: Vec<SmolStr>,
    /// `binds`.
    pub binds: Vec<SmolStr>,
    /// `authors`.
    pub authors: Vec<String>,
    /// `version`.
    pub version: String,
}

/// Words of one key: a list, or one word.
#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    Many(Vec<Word>),
    One(Word),
}

/// A word as people write it: a version may be a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Word {
    Text(String),
    Whole(i64),
    Number(f64),
    Other(serde::de::IgnoredAny),
}

impl Word {
    fn text(self) -> Option<String> {
        match self {
            Word::Text(text) => Some(text),
            Word::Whole(n) => Some(n.to_string()),
            Word::Number(n) => Some(n.to_string()),
            Word::Other(_) => None,
        }
    }
}

/// Reads front matter.
pub fn read(front: Option<&page::Front>, file: &str, problems: &mut Vec<Problem>) -> Front {
    let Some(front) = front else {
        problems.push(
            Problem::error(file, 1, "no-front-matter", "has no front matter")
                .remedy("begin the page with `---`, `sources: [docker_events, docker_container]`, `---`"),
        );
        return Front::default();
    };
    let parsed: Result<BTreeMap<String, Words>, String> = if front.toml {
        toml::from_str(&front.text).map_err(|err| err.message().to_owned())
    } else {
        serde_saphyr::from_str(&front.text).map_err(|err| err.to_string().lines().next().unwrap_or_default().to_owned())
    };
    let map = match parsed {
        Ok(map) => map,
        Err(err) => {
            problems.push(
                Problem::error(file, front.line, "broken-front-matter", format!("the front matter cannot be read: {err}"))
                    .remedy("write plain `key: value` and `key: [a, b]` lines"),
            );
            return Front::default();
        }
    };
    let mut out = Front::default();
    for (key, words) in map {
        let line = line_of(front, &key);
        let words: Vec<String> = match words {
            Words::Many(list) => list.into_iter().filter_map(Word::text).collect(),
            Words::One(word) => word.text().into_iter().collect(),
        };
        let first = words.first().cloned().unwrap_or_default();
        match key.as_str() {
            "status" => match first.as_str() {
                "draft" => out.status = Status::Draft,
                "production" => out.status = Status::Production,
                _ => problems.push(
                    Problem::error(file, line, "unknown-status", format!("status is {first:?}")).remedy("write `draft` or `production`"),
                ),
            },
            "kind" => match first.as_str() {
                "strategy" => out.kind = PageKind::Strategy,
                "umbrella" => out.kind = PageKind::Umbrella,
                _ => problems.push(
                    Problem::error(file, line, "unknown-kind", format!("kind is {first:?}"))
                        .remedy("write `strategy` or `umbrella`, or leave it out"),
                ),
            },
            "sources" => out.sources = sources(words, file, line, problems),
            "enrichment" => out.enrichment = sources(words, file, line, problems),
            "binds" => out.binds = words.into_iter().map(Into::into).collect(),
            "authors" => out.authors = words,
            "version" => out.version = first,
            "date" => {}
            other => {
                let mut problem = Problem::warning(file, line, "unknown-key", format!("the front matter has the unknown key {other:?}"));
                if let Some(near) = nearest(other, KEYS.iter().copied()) {
                    problem = problem.remedy(format!("did you mean `{near}`?"));
                }
                problems.push(problem);
            }
        }
    }
    if out.sources.is_empty() && out.kind == PageKind::Strategy {
        problems.push(
            Problem::error(file, front.line, "no-sources", "declares no sources")
                .remedy("add `sources: [docker_events, docker_container]`: where one is missing, the strategy is not evaluated"),
        );
    }
    out
}

/// The words that are sources, alternatives joined by `|`; the others are problems.
fn sources(words: Vec<String>, file: &str, line: usize, problems: &mut Vec<Problem>) -> Vec<SmolStr> {
    let mut known = Vec::new();
    for word in words {
        let mut names = Vec::new();
        for name in alternatives(&word) {
            if SOURCES.contains(&name) {
                names.push(name);
                continue;
            }
            let remedy = match nearest(name, SOURCES.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known sources are {}", SOURCES.join(", ")),
            };
            problems.push(Problem::error(file, line, "unknown-source", format!("names the unknown source {name:?}")).remedy(remedy));
        }
        if !names.is_empty() {
            known.push(names.join("|").into());
        }
    }
    known
}

/// The line of a key.
fn line_of(front: &page::Front, key: &str) -> usize {
    let at = front.text.lines().position(|line| line.trim_start().trim_start_matches(['"', '\'']).starts_with(key));
    front.line + at.unwrap_or(0)
}
