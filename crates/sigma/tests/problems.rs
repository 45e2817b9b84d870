//! Mistakes in rules: each is told with its line, a stable code and what to do about it.

mod common;

use common::shown;
use sigma::RuleSet;

/// Parses and compiles; gives `line code` of every problem.
fn problems(text: &str) -> (Vec<String>, String) {
    let (rules, mut problems) = sigma::parse(text, "r.yml", 1);
    problems.extend(RuleSet::compile(rules).1);
    (problems.iter().map(|p| format!("{} {}", p.line, p.code)).collect(), shown(&problems))
}

fn check(text: &str, expected: &[&str], says: &str) {
    let (found, shown) = problems(text);
    assert_eq!(found, expected, "{text}\n{shown}");
    assert!(shown.contains(says), "{says:?} is not in\n{shown}");
}

/// A rule on containers with this detection, which starts in line 3.
fn rule(detection: &str) -> String {
    format!("title: T\nlogsource: {{ category: container }}\n{detection}\n")
}

#[test]
fn detections() {
    let with = |selection: &str| rule(&format!("detection:\n  s:\n{selection}\n  condition: s"));
    check(&with("    event.name: container.created"), &[], "");
    check(&with("    contaner.id: x"), &["5 unknown-field"], "did you mean `container.id`?");
    check(&with("    event.at: 5"), &["5 unknown-field"], "");
    check(&with("    container.label.team: x"), &["5 unknown-field"], "");
    check(&with("    event.name: container.created\n    exec.shell: true"), &["6 field-not-here"], "it is on container.exec");
    check(&with("    event.name: [container.created, container.exec]\n    exec.shell: true"), &[], "");
    check(&with("    event.name: contaner.created"), &["5 unknown-event"], "did you mean `container.created`?");
    check(&with("    event.name: image.appeared"), &["5 unknown-event"], "its logsource is `product: landwaiter, service: inventory`");
    check(&with("    container.name|contians: x"), &["5 unknown-modifier"], "did you mean `contains`?");
    check(&with("    container.name|fieldref: container.nmae"), &["5 unknown-field"], "did you mean `container.name`?");
    check(&with("    container.name|re: '(?=x)'"), &["5 regex"], "look-around");
    check(&with("    container.name:\n      - a\n      - {b: c}"), &["7 value"], "");
    check(&with("    container.name: a\n    container.name: b"), &["6 duplicate-key"], "first in line 5");
    check(&with("    - container.name: a\n    - contaner.id: b\n    - explaned: c"), &["6 unknown-field", "7 unknown-field"], "");
    check(&rule("detection:\n  s: { container.name: a }"), &["4 condition"], "add one");
    check(&rule("detection:\n  s: { container.name: a }\n  condition: t"), &["5 unknown-selection"], "");
    check(
        &rule("detection:\n  s: {}\n  t: []\n  u:\n  condition: s or t or u"),
        &["4 empty-selection", "5 empty-selection", "6 empty-selection"],
        "",
    );
    check(&rule("detection:\n  s: { container.name: a }\n  t: { container.name: b }\n  condition: s"), &["5 unused-selection"], "");
    check(&rule("detection: text"), &["3 detection"], "");
}

#[test]
fn heads() {
    check("title: T\n", &["1 not-a-rule"], "add `detection:`");
    check("just text\n", &["1 not-a-rule"], "");
    check("a: [1\n", &["1 yaml"], "");
    let end = "logsource: { category: container }\ndetection: { s: { container.name: a }, condition: s }\n";
    check(&format!("{end}level: hgih\n"), &["1 missing-key", "3 level"], "did you mean `high`?");
    check(
        &format!("title: T\nstatus: tset\ndate: yesterday\nid: 5\nlevle: low\n{end}"),
        &["5 unknown-key", "3 date", "4 id", "2 status"],
        "did you mean `level`?",
    );
    check(
        "title: T\nlogsource: { category: contaner }\ndetection: { s: { a: b }, condition: s }\n",
        &["2 no-source"],
        "did you mean `category: container`?",
    );
    check(
        "title: T\nlogsource: { product: landwaiter, service: inventry }\ndetection: { s: { image.nmae: b }, condition: s }\n",
        &["2 no-source", "3 unknown-field"],
        "",
    );
    check(
        "title: T\nlogsource: { categry: container }\ndetection: { s: { a: b }, condition: s }\n",
        &["2 unknown-key"],
        "did you mean `category`?",
    );
    check("title: T\ndetection: { s: { a: b }, condition: s }\n", &["1 missing-key"], "has no logsource");
    check(
        &format!("title: T\nlandwaiter: {{ entiy: x, entity: contaner.id, message: 'a {{{{host.nam}}}} {{{{x' }}\n{end}"),
        &["2 unknown-key", "2 message", "2 unknown-field", "2 unknown-field"],
        "did you mean `entity`?",
    );
    check(&format!("title: T\naction: global\n{end}"), &["2 rule-collection"], "");
}

#[test]
fn correlations() {
    let base = "title: B\nname: base\nlogsource: { category: container }\ndetection: { s: { event.name: container.created }, condition: s }\n---\n";
    let with = |body: &str| format!("{base}title: C\ncorrelation:\n{body}\n");
    check(&with("  type: event_count\n  rules: base\n  group-by: [host.name]\n  timespan: 5m\n  condition: { gte: 3 }"), &[], "");
    check(
        &with("  type: event_cont\n  rules: base\n  timespan: 5\n  condition: { gt: -1, above: 3 }\n  group_by: x"),
        &["8 correlation-type", "10 timespan", "11 value", "11 unknown-key", "12 unknown-key"],
        "did you mean `group-by`?",
    );
    check(&with("  type: value_count"), &["8 missing-key", "8 missing-key", "8 missing-key"], "");
    check(&with("  type: value_count\n  rules: base\n  timespan: 1m\n  condition: { gte: 3 }"), &["8 missing-key"], "condition.field");
    check(
        &with("  type: event_count\n  rules: bsae\n  timespan: 1m\n  condition: { gte: 3 }"),
        &["8 unknown-rule"],
        "did you mean `base`?",
    );
    check(&with("  type: event_count\n  rules: c\n  timespan: 1m\n  condition: { gte: 3 }"), &["8 circular-correlation"], "");
    check(
        &with("  type: event_count\n  rules: base\n  timespan: 1m\n  group-by: exec.shell\n  condition: { gte: 99999999 }"),
        &["12 threshold"],
        "",
    );
    check(
        &with("  type: event_count\n  rules: base\n  timespan: 1m\n  group-by: exec.shell\n  condition: { gte: 9 }"),
        &["8 field-not-here"],
        "",
    );
    check(
        &with("  type: temporal\n  rules: [base, base]\n  timespan: 1m\n  aliases: { x: { other: host.name } }"),
        &["9 repeated", "8 correlation-rules", "8 aliases"],
        "",
    );
    check(
        &format!("{base}{base}title: C\ncorrelation:\n  type: event_count\n  rules: base\n  timespan: 1m\n  condition: {{ gte: 1 }}\n"),
        &["6 duplicate-name", "13 ambiguous-rule"],
        "r.yml:1 and r.yml:6",
    );
}

#[test]
fn one_broken_document_does_not_hide_the_others() {
    let good = "title: T\nlogsource: { category: container }\ndetection: { s: { container.name: a }, condition: s }\n";
    let (rules, problems) = sigma::parse(&format!("{good}---\na: [b\n---\n{good}"), "r.yml", 100);
    assert_eq!(rules.iter().map(|rule| rule.line).collect::<Vec<_>>(), [100, 106]);
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].code, "yaml");
    assert!((104..=106).contains(&problems[0].line), "{}", problems[0]);
}

#[test]
fn a_rules_own_text_reads_again_as_the_same_rule() {
    let rule = "# why\ntitle: T\nlogsource: { category: container }\ndetection:\n  s: { container.name: a }\n  condition: s\n";
    let (rules, _) = sigma::parse(&format!("\n---\n{rule}\n--- # next\n\n{rule}"), "r.yml", 7);
    assert_eq!(rules.iter().map(|rule| rule.line).collect::<Vec<_>>(), [9, 18]);
    for rule in &rules {
        let (again, _) = sigma::parse(&rule.text, &rule.file, rule.line);
        assert_eq!(
            (again[0].line, &again[0].fields, &again[0].text, again[0].content_hash),
            (rule.line, &rule.fields, &rule.text, rule.content_hash)
        );
    }
}

#[test]
fn the_content_hash_is_of_the_content() {
    let hash = |text: &str| sigma::parse(text, "r.yml", 1).0[0].content_hash;
    let plain = "title: T\nlogsource: { category: container }\ndetection: { s: { container.name: a }, condition: s }\n";
    assert_eq!(hash(plain), hash(&format!("# a comment\n\n{}", plain.replace("{ s: {", "{  s:  {"))));
    assert_ne!(hash(plain), hash(&plain.replace("name: a", "name: b")));
}

#[test]
fn public_rules_may_name_fields_of_other_products() {
    let text = "title: T\nlogsource: { category: process_creation, product: linux }\ndetection:\n  s:\n    Image: /bin/sh\n    Hashes: x\n  condition: s\n";
    let (rules, problems) = sigma::parse(text, "r.yml", 1);
    assert_eq!((rules.len(), problems.len()), (1, 1));
    assert_eq!((problems[0].code, problems[0].gravity), ("unknown-field", event::Gravity::Warning));
    // A rule that speaks in our own words is held to them.
    let (rules, _) = sigma::parse(&format!("{text}landwaiter: {{ entity: [container.id] }}\n"), "r.yml", 1);
    assert!(rules.is_empty());
}
