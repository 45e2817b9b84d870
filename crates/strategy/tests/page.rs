//! What an author relies on: a page is understood, and everything wrong with it is told at once, at its line.

use event::{Gravity, Level};
use strategy::{ClaimKind, Section, Strategy, parse};

const PAGE: &str = include_str!("pages/privileged-example.md");

fn read(text: &str) -> (Strategy, Vec<String>) {
    let (strategy, problems) = parse(text, "strategies/privileged-example.md");
    (strategy, problems.iter().map(ToString::to_string).collect())
}

/// The page with one change gives these problems and no others.
fn check(from: &str, to: &str, wanted: &[&str]) {
    assert!(PAGE.contains(from), "the page holds {from:?}");
    let (_, problems) = read(&PAGE.replacen(from, to, 1));
    assert_eq!(problems.len(), wanted.len(), "{problems:#?}");
    for (problem, wanted) in problems.iter().zip(wanted) {
        assert!(problem.contains(wanted), "{problem:?} should say {wanted:?}");
    }
}

#[test]
fn the_example_page_is_understood() {
    let (page, problems) = read(PAGE);
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!((page.id.as_str(), page.title.as_str()), ("privileged-example", "A container runs with all privileges"));
    assert_eq!(page.techniques().collect::<Vec<_>>(), ["T1611", "T1610"]);
    assert_eq!(page.rules.len(), 1);
    assert_eq!(page.rules[0].name, "runs-privileged");
    let slugs: Vec<(&str, &str)> = page.scenarios.iter().map(|s| (s.slug.as_str(), s.claim.word())).collect();
    assert_eq!(
        slugs,
        [
            ("gone", "blind spot"),
            ("device", "blind spot"),
            ("assumption-docker-container-is-read", "assumption"),
            ("runner", "false positive"),
            ("ordinary", "quiet"),
            ("run", "validation"),
        ]
    );
    assert_eq!(page.scenarios[5].name, "privileged-example > Validation > docker create with all privileges");
    assert_eq!(
        page.scenarios[5].console[0].text,
        "docker create --privileged --name $RUN --label landwaiter.run=$RUN alpine:3.20 sleep 60"
    );
    assert_eq!(page.scenarios[2].claim, ClaimKind::Assumption(vec!["docker_container".into()]));
    assert_eq!((page.priority[0].level, page.priority[0].rule.as_str()), (Level::High, "runs-privileged"));
    assert_eq!(
        page.holes.iter().map(|hole| hole.name.as_str()).collect::<Vec<_>>(),
        ["container.id", "container.name", "finding.first_seen"]
    );
    assert!(page.section(Section::Goal).contains("controls its host"));
}

#[test]
fn rules_stand_at_the_lines_of_the_page() {
    let (page, _) = read(PAGE);
    let line = PAGE.lines().position(|line| line == "title: Container runs with all privileges").unwrap() + 1;
    assert_eq!(page.rules[0].line, line);
    let line = PAGE.lines().position(|line| line.contains("container.privileged: true")).unwrap() + 1;
    check("container.privileged: true", "container.priviledged: true", &[&format!(".md:{line}:")]);
}

#[test]
fn one_mistake_gives_one_problem() {
    check("T1610 Deploy Container (execution)", "T1562.001 Disable or Modify Tools (stealth)", &["revoked-technique"]);
    check("| high | always | `runs-privileged` |", "| low | always | `runs-privileged` |", &["priority-level"]);
    check("| high | always | `runs-privileged` |", "| high | always | `run-privileged` |", &["no-priority", "priority-rule"]);
    check("{{container.id}}`, then", "{{container.idd}}`, then", &["response-hole"]);
    check("and `container.name`; the name", "and the other; the name", &["unexplained-field"]);
    check("high runs-privileged\n", "high another\n", &["finding-rule"]);
    check(
        "sources: [docker_events, docker_container]",
        "sources: [docker_event, docker_container]",
        &["unknown-source", "undeclared-source"],
    );
    check("sources: [docker_events, docker_container]", "sources: [docker_events]", &["undeclared-source"]);
    check(
        "### Assumption: `docker_container` is read\n\nEvents do not",
        "### Assumption: all is well\n\nEvents do not",
        &["assumption-without-source"],
    );
    check("without = [", "witout = [", &["unknown-key"]);
    check("## Goal", "## Aim of it", &["missing-section"]);
    check("{#device}", "{#gone}", &["slug-twice"]);
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_page() {
    let text = PAGE
        .replace("T1611 Escape to Host", "T9999 Escape")
        .replace("| high |", "| hihg |")
        .replace("{{container.name}} at", "{{container.nmae}} at");
    let (_, problems) = parse(&text, "x.md");
    assert!(problems.iter().filter(|problem| problem.gravity == Gravity::Error).count() >= 3, "{problems:#?}");
    assert!(problems.windows(2).all(|pair| pair[0].line <= pair[1].line));
    assert!(problems.iter().all(|problem| problem.line > 0));
}

#[test]
fn settings_of_a_group_hold_below_it_and_its_heading_is_no_test() {
    let text = PAGE.replace(
        "### docker create with all privileges {#run}\n",
        "### At once\n\n```toml\nrepeat = 3\nevery = \"2s\"\n```\n\n#### docker create with all privileges {#run}\n",
    );
    let (page, problems) = read(&text);
    assert_eq!(problems, Vec::<String>::new());
    let run = page.scenario("run").unwrap();
    assert_eq!(run.name, "privileged-example > Validation > At once > docker create with all privileges");
    assert_eq!(run.play.repeat, 3);
    assert!(page.scenario("at-once").is_none());
}

#[test]
fn sections_come_in_any_order_and_level_and_unknown_ones_are_kept() {
    let text = PAGE
        .replace("\n## ", "\n### ")
        .replace("\n### Blind spot:", "\n#### Blind spot:")
        .replace("\n### Assumption:", "\n#### Assumption:");
    let text = text
        .replace("\n### A build", "\n#### A build")
        .replace("\n### Quiet", "\n#### Quiet")
        .replace("\n### docker create", "\n#### docker create");
    let text = text.replace("### Priority", "### Environments\n\nall\n\n### Alert Priority");
    let (page, problems) = read(&text);
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(page.scenarios.len(), 6);
    assert!(page.sections.iter().any(|part| part.section.is_none() && part.title == "Environments"));
}

#[test]
fn a_closed_blind_spot_moves_to_validation() {
    let (page, _) = read(PAGE);
    let moved = strategy::edit::move_closed(&page, page.scenario("device").unwrap()).unwrap();
    let (again, problems) = read(&moved);
    assert_eq!(problems, Vec::<String>::new());
    let scenario = again.scenario("device").unwrap();
    assert_eq!((scenario.claim.word(), scenario.title.as_str()), ("validation", "A device is passed through instead"));
    assert_eq!(again.scenarios.len(), page.scenarios.len());
}

#[test]
fn blessing_rewrites_only_the_fence() {
    let (page, _) = read(PAGE);
    let run = page.scenario("run").unwrap();
    let blessed = strategy::edit::bless(PAGE, run, "high runs-privileged\nanother sentence\ncontainer.id: …\n");
    let expected = read(&blessed).0.scenario("run").unwrap().finding.clone().unwrap();
    assert_eq!((expected.message.as_str(), expected.entity.len()), ("another sentence", 1));
    let without = PAGE.replace(
        "```finding\nhigh runs-privileged\n{{container.name}} runs with all privileges\ncontainer.id: …\ncontainer.name: …\n```\n",
        "",
    );
    let (page, _) = read(&without);
    let run = page.scenario("run").unwrap();
    assert!(run.finding.is_none());
    let body = "high runs-privileged\n{{container.name}} runs with all privileges\ncontainer.id: …\ncontainer.name: …\n";
    assert!(read(&strategy::edit::bless(&without, run, body)).0.scenario("run").unwrap().finding.is_some());
}

#[test]
fn anything_at_all_is_a_page() {
    for text in ["", "# ", "---\n---\n", "+++\nstatus = 3\n+++\n", "```yaml sigma\n: :\n```", "## Validation\n\n```toml\nrepeat = -1\n```"]
    {
        let _ = read(text);
    }
    for cut in (0..PAGE.len()).step_by(97) {
        let _ = read(&String::from_utf8_lossy(&PAGE.as_bytes()[..cut]));
    }
}
