//! The public rules of SigmaHQ: every one is read without a panic, and nearly all load.

use event::Gravity;
use std::collections::BTreeMap;
use std::io::Read;

#[test]
fn public_rules_load() {
    let Some(rules) = public_rules() else { return };
    let (mut loaded, mut all) = (Vec::new(), 0);
    let mut reasons: BTreeMap<&str, (usize, String)> = BTreeMap::new();
    let mut warnings: BTreeMap<&str, (usize, String)> = BTreeMap::new();
    for (path, text) in &rules {
        let (parsed, problems) = sigma::parse(text, path, 1);
        all += 1;
        for problem in &problems {
            let table = if problem.gravity == Gravity::Error { &mut reasons } else { &mut warnings };
            let entry = table.entry(problem.code).or_insert_with(|| (0, problem.to_string()));
            entry.0 += 1;
            assert!(problem.line > 0, "a problem without a line: {problem}");
        }
        loaded.extend(parsed);
    }
    println!("{} of {all} rules load ({:.2} %)", loaded.len(), loaded.len() as f64 * 100.0 / all as f64);
    for (title, table) in [("refused", &reasons), ("warned of", &warnings)] {
        println!("{title}:");
        for (code, (count, example)) in table {
            println!("  {count:>5}  {code:<20} {example}");
        }
    }
    assert!(all > 3000, "the archive holds only {all} rules");
    assert!(loaded.len() * 100 >= all * 98, "only {} of {all} rules load", loaded.len());
    let kubernetes = rules.iter().filter(|(_, text)| text.contains("product: kubernetes")).count();
    let kubernetes_loaded = loaded.iter().filter(|rule| rule.logsource.product == "kubernetes").count();
    assert!(kubernetes > 10);
    assert_eq!(kubernetes_loaded, kubernetes, "a rule on Kubernetes audit does not load");

    let (set, problems) = sigma::RuleSet::compile(loaded);
    let wrong: Vec<String> = problems.iter().filter(|p| p.gravity == Gravity::Error).map(ToString::to_string).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{} rules compile to {} predicates", set.rules().len(), set.predicates());
}

/// Path and text of each rule of the archive; `None`, said aloud, where it is not there.
fn public_rules() -> Option<Vec<(String, String)>> {
    let Some(folder) = std::env::var_os("LANDWAITER_TEST_DATA") else {
        eprintln!("skipped: LANDWAITER_TEST_DATA names no folder with sigmahq.tar.gz");
        return None;
    };
    let path = std::path::Path::new(&folder).join("sigmahq.tar.gz");
    let Ok(file) = std::fs::File::open(&path) else {
        eprintln!("skipped: there is no {}", path.display());
        return None;
    };
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut rules = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        if path.ends_with(".yml") || path.ends_with(".yaml") {
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            rules.push((path, text));
        }
    }
    Some(rules)
}
