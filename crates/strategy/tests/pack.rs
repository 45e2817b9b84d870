//! Many pages together: what the engine and the judge get from them.

use event::Level;
use sigma::RuleSet;
use std::fs;
use strategy::{Pack, Status};

const PAGE: &str = include_str!("pages/privileged-example.md");

const SIGMA: &str = "\
title: A plain rule
name: plain
level: low
tags: [attack.t1610]
logsource:
  category: container
detection:
  selection:
    event.name: container.started
  condition: selection
";

const UMBRELLA: &str = "\
---
kind: umbrella
status: draft
binds: [privileged-example, not-there]
---

# Everything

## Categorization

- T1591.003 Identify Business Tempo (reconnaissance)

## Priority

| level | when | rule |
|---|---|---|
| low | always | `privileged-example/runs-privileged` |
";

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("privileged-example.md"), PAGE).unwrap();
    fs::write(dir.path().join("plain.yml"), SIGMA).unwrap();
    fs::create_dir(dir.path().join("privileged-example")).unwrap();
    fs::write(dir.path().join("privileged-example/one.jsonl"), "{}\n").unwrap();
    fs::write(dir.path().join("secret"), "").unwrap();
    dir
}

#[test]
fn a_folder_gives_pages_and_plain_sigma_as_drafts() {
    let dir = folder();
    let (pack, problems) = Pack::load(dir.path()).unwrap();
    assert_eq!(problems, Vec::new());
    let found: Vec<(&str, Status)> = pack.strategies().iter().map(|page| (page.id.as_str(), page.status)).collect();
    assert_eq!(found, [("plain", Status::Draft), ("privileged-example", Status::Production)]);
    let (set, _) = RuleSet::compile(pack.rules());
    let cards = pack.cards(&set);
    assert_eq!(cards.len(), 2);
    let page = &cards[1];
    assert_eq!((page.strategy.as_str(), page.rule.as_str(), page.level), ("privileged-example", "runs-privileged", Level::High));
    assert_eq!((page.behaviour.as_str(), page.attack.len()), ("privileged-example", 2));
    assert_eq!((cards[0].strategy.as_str(), cards[0].message.as_str(), cards[0].attack[0].as_str()), ("plain", "A plain rule", "T1610"));
    assert_eq!(cards[0].entity, ["container.id"]);
}

#[test]
fn recordings_come_from_the_pages_folder_and_from_nowhere_else() {
    let dir = folder();
    let (pack, _) = Pack::load(&dir.path().join("privileged-example.md")).unwrap();
    let page = pack.strategy("privileged-example").unwrap();
    assert_eq!(pack.recording(page, "one.jsonl").unwrap(), b"{}\n");
    assert_eq!(pack.recording(page, "privileged-example/one.jsonl").unwrap(), b"{}\n");
    assert!(pack.recording(page, "two.jsonl").unwrap_err().contains("there is no recording"));
    assert!(pack.recording(page, "../secret").unwrap_err().contains("outside"));
}

#[test]
fn an_umbrella_is_checked_against_the_pages_that_it_binds() {
    let dir = folder();
    fs::write(dir.path().join("all.md"), UMBRELLA).unwrap();
    for path in [dir.path().to_owned(), dir.path().join("all.md")] {
        let (pack, problems) = Pack::load(&path).unwrap();
        let codes: Vec<&str> = problems.iter().filter(|p| p.gravity == event::Gravity::Error).map(|p| p.code).collect();
        assert_eq!(codes, ["binds-unknown", "priority-level"], "{problems:#?}");
        assert!(problems.iter().any(|p| p.code == "technique-platform" && p.gravity == event::Gravity::Warning));
        assert!(pack.known("privileged-example").is_some());
    }
    let (mut pack, _) = Pack::load(dir.path()).unwrap();
    pack.retain(|id| id == "all");
    assert_eq!(pack.rules().len(), 1, "a wanted umbrella keeps the pages that it binds");
}

#[test]
fn a_page_of_ones_own_replaces_the_shipped_one() {
    let dir = folder();
    let (mut pack, _) = Pack::load(dir.path()).unwrap();
    let text = PAGE.replace("# A container runs with all privileges", "# Mine");
    fs::write(dir.path().join("privileged-example.md"), text).unwrap();
    pack.extend(Pack::load(dir.path()).unwrap().0);
    assert_eq!(pack.strategies().len(), 2);
    assert_eq!(pack.strategy("privileged-example").unwrap().title, "Mine");
}

#[test]
fn exported_rules_are_plain_sigma_again() {
    let (page, _) = strategy::parse(PAGE, "privileged-example.md");
    let (rules, problems) = sigma::parse(&page.export_sigma(), "out.yml", 1);
    assert_eq!((rules.len(), problems), (1, Vec::new()));
    assert_eq!(page.export_json()["claims"].as_array().unwrap().len(), page.scenarios.len());
}

#[test]
fn the_shipped_pages_compile() {
    let (pack, _) = Pack::shipped();
    let (set, _) = RuleSet::compile(pack.rules());
    assert_eq!(pack.cards(&set).len(), pack.rules().len());
}
