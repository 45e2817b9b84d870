//! Law 11: one finding is one behaviour of one entity from its opening to its close.

use event::{Level, Place, Provenance, Signal, SmolStr, Span, Time, Value};
use finding::{Change, Finding, Impairment, Judge, Note, RuleCard, Status};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const QUIET: i64 = 600;

fn card(strategy: &str, rule: &str, level: Level, behaviour: &str, window: i64) -> RuleCard {
    RuleCard {
        strategy: strategy.into(),
        strategy_title: strategy.into(),
        rule: rule.into(),
        title: format!("title of {rule}").into(),
        level,
        entity: vec!["container.id".into(), "container.name".into()],
        message: "{{container.name}}: {{count}} in {{span}}".into(),
        behaviour: behaviour.into(),
        explainable: rule != "stubborn",
        attack: vec![format!("T{}", 1600 + window).into()],
        window: Span::seconds(window),
    }
}

/// Two behaviours; the first is told of by two strategies and by a correlation with a long window.
fn cards() -> Arc<Vec<RuleCard>> {
    Arc::new(vec![
        card("a", "low", Level::Low, "one", 0),
        card("a", "high", Level::High, "one", 0),
        card("b", "medium", Level::Medium, "one", 0),
        card("b", "many", Level::Medium, "one", 1200),
        card("c", "other", Level::High, "two", 0),
        card("a", "context", Level::Informational, "one", 0),
        card("a", "stubborn", Level::Low, "one", 0),
    ])
}

fn seconds(s: i64) -> Time {
    Time::from_seconds(1_795_527_678 + s, 0)
}

fn signal(rule: usize, entity: u8, s: i64) -> Signal {
    Signal {
        rule,
        at: seconds(s),
        first: seconds(s),
        last: seconds(s),
        count: 1,
        values: vec![
            ("container.id".into(), Value::from(format!("c{entity}"))),
            ("container.name".into(), Value::from(format!("name at {s}"))),
            ("host.name".into(), Value::from("h")),
        ],
        explained: None,
        evidence: vec![record(s)],
        continues: false,
    }
}

fn record(n: i64) -> Arc<Provenance> {
    let place = Place { file: "f".into(), number: n.unsigned_abs() };
    Arc::new(Provenance { time: seconds(n), source: "docker_events".into(), place, raw: n.to_string().as_bytes().into() })
}

/// Plays batches in order, firing what is due before each, as the engine does.
fn play(batches: impl IntoIterator<Item = (i64, Vec<Signal>)>) -> (Vec<Change>, Judge) {
    let mut judge = Judge::new(cards());
    let mut changes = Vec::new();
    for (s, signals) in batches {
        fire(&mut judge, s, &mut changes);
        judge.apply(signals, seconds(s), &mut changes);
    }
    (changes, judge)
}

fn fire(judge: &mut Judge, until: i64, changes: &mut Vec<Change>) {
    while let Some(due) = judge.next_due()
        && due <= seconds(until)
    {
        judge.fire(due, changes);
    }
}

fn finals(changes: Vec<Change>, judge: &Judge) -> Vec<Finding> {
    changes.into_iter().filter(Change::is_final).map(Change::into_finding).chain(judge.finish()).collect()
}

/// Entity, opening rule, severity, signals of each rule, first and last second.
type Told = (String, usize, Level, BTreeMap<String, u64>, i64, i64);

/// What the law says, in the plainest words: signals of a key fall into runs, parted where nothing came for the quiet time.
fn expected(batches: &[(i64, Vec<(usize, u8)>)]) -> Vec<Told> {
    struct Run {
        opener: usize,
        level: Level,
        rules: BTreeMap<String, u64>,
        first: i64,
        last: i64,
        due: i64,
        window: i64,
    }
    let cards = cards();
    let mut runs: BTreeMap<(SmolStr, u8), Vec<Run>> = BTreeMap::new();
    for (s, batch) in batches {
        let mut batch = batch.clone();
        batch.sort_by_key(|(rule, _)| (std::cmp::Reverse(cards[*rule].level), *rule));
        for (rule, entity) in batch {
            let card = &cards[rule];
            let list = runs.entry((card.behaviour.clone(), entity)).or_default();
            if list.last().is_none_or(|run| run.due <= *s) {
                if card.level == Level::Informational {
                    continue;
                }
                list.push(Run { opener: rule, level: card.level, rules: BTreeMap::new(), first: *s, last: *s, due: 0, window: 0 });
            }
            let run = list.last_mut().unwrap();
            *run.rules.entry(format!("{}/{}", card.strategy, card.rule)).or_default() += 1;
            run.level = run.level.max(card.level);
            run.last = *s;
            if card.level > Level::Informational {
                run.window = run.window.max(card.window.0 / 1_000_000_000);
                run.due = s + run.window.max(QUIET);
            }
        }
    }
    let mut all: Vec<_> = runs
        .into_iter()
        .flat_map(|((_, entity), list)| list.into_iter().map(move |r| (format!("c{entity}"), r.opener, r.level, r.rules, r.first, r.last)))
        .collect();
    all.sort();
    all
}

proptest! {
    #[test]
    fn findings_are_the_runs_of_signals_of_one_behaviour_and_entity(
        steps in prop::collection::vec((prop_oneof![1..60i64, 590..610i64, 1190..1210i64], prop::collection::vec((0..7usize, 0..3u8), 1..4)), 1..40)
    ) {
        let mut now = 0;
        let batches: Vec<(i64, Vec<(usize, u8)>)> = steps.into_iter().map(|(gap, batch)| { now += gap; (now, batch) }).collect();
        let (changes, judge) = play(batches.iter().map(|(s, batch)| (*s, batch.iter().map(|(rule, entity)| signal(*rule, *entity, *s)).collect())));

        // Each finding is opened once, rises, and closes once; its id is its own.
        let mut open: BTreeMap<SmolStr, Level> = BTreeMap::new();
        for change in &changes {
            let finding = change.finding();
            match change {
                Change::Opened(_) => prop_assert_eq!(open.insert(finding.id.clone(), finding.severity), None),
                Change::Rose(_) => prop_assert!(open.insert(finding.id.clone(), finding.severity).is_some_and(|before| before < finding.severity)),
                Change::Closed(_) => prop_assert_eq!(open.remove(&finding.id), Some(finding.severity)),
                Change::Standing(_) => prop_assert!(false),
            }
        }
        let standing: Vec<SmolStr> = judge.finish().into_iter().map(|f| f.id).collect();
        prop_assert_eq!(open.len(), standing.len());
        prop_assert!(standing.iter().all(|id| open.contains_key(id)));

        let cards = cards();
        let mut got: Vec<_> = finals(changes, &judge)
            .into_iter()
            .map(|f| {
                let opener = cards.iter().position(|c| c.strategy == f.strategy && c.rule == f.rule).unwrap();
                let rules: BTreeMap<String, u64> = f.rules.iter().map(|(rule, n)| (rule.to_string(), *n)).collect();
                let second = |t: Time| (t - seconds(0)).0 / 1_000_000_000;
                // What two strategies agree on is critical, whatever each says.
                let level = if f.severity == Level::Critical { Level::High } else { f.severity };
                (f.entity["container.id"].to_string(), opener, level, rules, second(f.first_seen), second(f.last_seen))
            })
            .collect();
        got.sort();
        prop_assert_eq!(got, expected(&batches));
    }

    #[test]
    fn the_order_of_signals_within_one_event_does_not_matter(
        batches in prop::collection::vec(prop::collection::vec((0..7usize, 0..2u8), 1..5), 1..10), seed in any::<u64>()
    ) {
        let run = |turn: bool| play(batches.iter().enumerate().map(|(n, batch)| {
            let mut signals: Vec<Signal> = batch.iter().map(|(rule, entity)| signal(*rule, *entity, n as i64 * 7)).collect();
            signals.dedup_by_key(|s| (s.rule, s.values[0].clone().1.to_string()));
            let n = signals.len();
            if turn { signals.rotate_left((seed % n as u64) as usize); }
            (n as i64 * 7, signals)
        }));
        let ((a, judge_a), (b, judge_b)) = (run(false), run(true));
        prop_assert_eq!(finals(a, &judge_a).len(), finals(b, &judge_b).len());
        let keys = |judge: &Judge| judge.finish().into_iter().map(|f| (f.id, f.rule, f.severity, f.message, f.count)).collect::<Vec<_>>();
        prop_assert_eq!(keys(&judge_a), keys(&judge_b));
    }

    #[test]
    fn freezing_at_any_batch_changes_nothing(steps in prop::collection::vec((1..900i64, 0..7usize, 0..3u8), 1..30)) {
        let mut now = 0;
        let batches: Vec<(i64, Vec<Signal>)> = steps.into_iter().map(|(gap, rule, entity)| { now += gap; (now, vec![signal(rule, entity, now)]) }).collect();
        let (whole, judge) = play(batches.clone());
        let mut changes = Vec::new();
        let mut frozen = Judge::new(cards()).freeze();
        for (s, signals) in batches {
            let mut judge = Judge::new(cards());
            prop_assert_eq!(judge.thaw(&frozen), Ok(()));
            fire(&mut judge, s, &mut changes);
            judge.apply(signals, seconds(s), &mut changes);
            frozen = judge.freeze();
        }
        prop_assert_eq!(changes, whole);
        prop_assert_eq!(frozen, judge.freeze());
    }
}

#[test]
fn the_strongest_of_one_event_opens_and_the_first_in_the_table_among_equals() {
    let (changes, _) = play([(0, vec![signal(0, 1, 0), signal(3, 1, 0), signal(2, 1, 0)])]);
    assert_eq!(changes.len(), 1, "one finding, said once");
    let finding = changes[0].finding();
    assert_eq!((finding.strategy.as_str(), finding.rule.as_str()), ("b", "medium"));
    assert_eq!(finding.rules.len(), 3);
    assert_eq!(finding.count, 1, "three rules saw one thing");
    assert_eq!(finding.evidence.len(), 1, "and cite one record");
}

#[test]
fn severity_rises_once_with_the_words_of_the_higher_rule() {
    let (changes, _) =
        play([(0, vec![signal(0, 1, 0)]), (5, vec![signal(0, 1, 5)]), (9, vec![signal(1, 1, 9)]), (11, vec![signal(0, 1, 11)])]);
    assert_eq!(changes.len(), 2);
    let Change::Rose(finding) = &changes[1] else { panic!("{:?}", changes[1]) };
    assert_eq!(finding.title, "title of high");
    assert_eq!(finding.message, "name at 9: 2 in 9s");
    assert_eq!(finding.rule, "low", "the rule that opened it stays");
    assert_eq!(finding.entity["container.name"], Value::from("name at 0"));
}

#[test]
fn it_closes_after_the_longest_window_of_its_rules_and_a_later_signal_opens_another() {
    let (mut changes, mut judge) = play([(0, vec![signal(0, 1, 0)]), (10, vec![signal(3, 1, 10)])]);
    fire(&mut judge, 10 + 1199, &mut changes);
    assert_eq!(changes.len(), 2, "opened and risen");
    fire(&mut judge, 10 + 1200, &mut changes);
    assert!(matches!(&changes[2], Change::Closed(f) if f.status == Status::Closed));
    judge.apply(vec![signal(0, 1, 1210)], seconds(1210), &mut changes);
    assert!(matches!(&changes[3], Change::Opened(f) if f.id != changes[0].finding().id));
}

#[test]
fn ids_are_the_same_in_every_replay_and_independent_of_later_signals() {
    let (one, _) = play([(0, vec![signal(0, 1, 0)])]);
    let (two, judge) = play([(0, vec![signal(0, 1, 0)]), (9, vec![signal(1, 1, 9)])]);
    assert_eq!(one[0].finding().id, two[0].finding().id);
    assert_eq!(one[0].finding().id, judge.finish()[0].id);
    assert_eq!(one[0].finding().id.len(), 16);
}

#[test]
fn two_behaviours_of_one_strategy_opened_by_one_event_have_ids_of_their_own() {
    let cards = Arc::new(vec![card("a", "x", Level::Low, "one", 0), card("a", "y", Level::Low, "two", 0)]);
    let mut changes = Vec::new();
    Judge::new(cards).apply(vec![signal(0, 1, 0), signal(1, 1, 0)], seconds(0), &mut changes);
    assert_eq!(changes.len(), 2);
    assert_ne!(changes[0].finding().id, changes[1].finding().id);
}

#[test]
fn what_context_explains_is_recorded_until_something_goes_beyond_it() {
    let explained = |rule, s| Signal { explained: Some("known".into()), ..signal(rule, 1, s) };
    let (changes, judge) = play([(0, vec![explained(0, 0)]), (5, vec![explained(1, 5)])]);
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].finding().status, Status::Explained);
    assert_eq!(judge.report().explained, 1);
    assert_eq!(judge.finish()[0].count, 1);

    for beyond in [Signal { explained: Some("contradicted".into()), ..signal(0, 1, 9) }, signal(0, 1, 9), explained(6, 9)] {
        let (changes, judge) = play([(0, vec![explained(0, 0)]), (5, vec![explained(1, 5)]), (9, vec![beyond])]);
        assert!(matches!(&changes[1], Change::Opened(f) if f.status == Status::Open && f.explained_by.is_none()), "{changes:?}");
        assert_eq!(changes[0].finding().id, changes[1].finding().id);
        assert_eq!(judge.finish()[0].status, Status::Open);
    }
}

#[test]
fn informational_signals_open_nothing_and_keep_nothing_open() {
    let (mut changes, mut judge) = play([(0, vec![signal(5, 1, 0)]), (1, vec![signal(0, 1, 1)]), (500, vec![signal(5, 1, 500)])]);
    fire(&mut judge, 601, &mut changes);
    assert_eq!(changes.len(), 2);
    assert_eq!(changes[1].finding().rules["a/context"], 1);
}

#[test]
fn evidence_is_the_first_ten_and_the_last_ten() {
    let (_, judge) = play((0..100).map(|s| (s, vec![signal(0, 1, s)])));
    let finding = &judge.finish()[0];
    let numbers: Vec<u64> = finding.evidence.iter().map(|e| e.place.number).collect();
    assert_eq!(numbers, (0..10).chain(90..100).collect::<Vec<u64>>());
    assert_eq!(finding.count, 100);
    // SHA-256 of the one byte "0".
    assert_eq!(finding.evidence[0].sha256, "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9");
}

#[test]
fn a_correlation_counts_by_its_largest_window_not_by_its_signals() {
    let many = |s, count| Signal { count, first: seconds(s - 30), ..signal(3, 1, s) };
    let (_, judge) = play([(30, vec![many(30, 20)]), (31, vec![many(31, 21)]), (40, vec![many(40, 7)])]);
    let finding = &judge.finish()[0];
    assert_eq!(finding.count, 21);
    assert_eq!(finding.message, "name at 31: 21 in 30s");
    assert_eq!(finding.first_seen, seconds(0));
}

#[test]
fn two_strategies_that_agree_on_a_container_make_the_later_critical() {
    let (changes, _) = play([(0, vec![signal(1, 1, 0)]), (60, vec![signal(4, 1, 60)])]);
    let Change::Opened(later) = &changes[1] else { panic!("{:?}", changes[1]) };
    assert_eq!(later.severity, Level::Critical);
    assert!(
        later.message.contains("independently, a says") && later.message.contains(changes[0].finding().id.as_str()),
        "{}",
        later.message
    );
    // Not from one record, not of two containers, not too far apart, not below high.
    for other in [
        vec![(0, vec![signal(1, 1, 0), signal(4, 1, 0)])],
        vec![(0, vec![signal(1, 1, 0)]), (60, vec![signal(4, 2, 60)])],
        vec![(0, vec![signal(1, 1, 0)]), (300, vec![signal(0, 1, 300)]), (700, vec![signal(4, 1, 700)])],
        vec![(0, vec![signal(0, 1, 0)]), (60, vec![signal(4, 1, 60)])],
    ] {
        let (changes, judge) = play(other);
        assert!(finals(changes, &judge).iter().all(|f| f.severity < Level::Critical));
    }
}

#[test]
fn what_was_done_to_a_sensor_and_how_it_is_confined_do_not_agree() {
    let mut stopped = signal(4, 1, 60);
    stopped.values.push(("sensor.how".into(), Value::from("paused")));
    let (changes, judge) = play([(0, vec![signal(1, 1, 0)]), (60, vec![stopped])]);
    assert!(finals(changes, &judge).iter().all(|f| f.severity == Level::High));
}

#[test]
fn a_flood_of_entities_is_bounded_and_says_so() {
    let n = finding::judge::OPEN_MAX as i64 + 5;
    let mut judge = Judge::new(cards());
    let mut changes = Vec::new();
    for s in 0..n {
        let mut one = signal(0, 0, s / 1000);
        one.values[0].1 = Value::from(format!("c{s}"));
        judge.apply(vec![one], seconds(s / 1000), &mut changes);
    }
    let closed: Vec<&Finding> = changes.iter().filter(|c| matches!(c, Change::Closed(_))).map(Change::finding).collect();
    assert_eq!(closed.len(), 5);
    assert_eq!(judge.report().evicted, 5);
    assert_eq!(closed[0].entity["container.id"], Value::from("c0"), "the one untouched for longest goes first");
    assert!(closed[0].coverage.notes[0].contains("closed early"), "{:?}", closed[0].coverage);
}

#[test]
fn a_finding_says_when_its_interval_was_not_fully_seen() {
    let (mut changes, mut judge) = play([(0, vec![signal(0, 1, 0)]), (100, vec![signal(0, 1, 100)]), (100, vec![signal(0, 2, 100)])]);
    let gap = Note {
        impairment: Impairment::Gap,
        host: "h".into(),
        from: seconds(50),
        to: seconds(60),
        text: "docker_events was cut off".into(),
    };
    judge.note_coverage(gap);
    fire(&mut judge, 5000, &mut changes);
    let state = |id: &str| {
        let of = |c: &&Change| matches!(c, Change::Closed(f) if f.entity["container.id"] == Value::from(id));
        changes.iter().find(of).unwrap().finding().coverage.state.clone()
    };
    assert_eq!((state("c1").as_str(), state("c2").as_str()), ("gap", "complete"));
}
