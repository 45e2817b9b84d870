//! Laws 3 and 5: time and lateness are functions of the records; shuffled or repeated delivery within the wait changes nothing.

mod common;

use common::{Journal, at, engine, inspected, play, prepare, read, record, said, tick};
use engine::order::{FUTURE_MAX, ORDER_WAIT, WAITING_MAX};
use engine::{Out, drive};
use event::{Prepared, Span};
use proptest::prelude::*;

const WORDS: [&str; 4] = ["create", "start", "destroy", "create"];

/// Statements at growing times with ties, each with a delay below the wait.
fn statements() -> impl Strategy<Value = Vec<(i64, u8, usize, i64)>> {
    prop::collection::vec((prop_oneof![Just(0i64), 1..900i64, 900..20_000i64], 0..4u8, 0..4usize, 0..999i64), 1..60).prop_map(
        |mut steps| {
            let mut now = 0;
            for step in &mut steps {
                now += step.0;
                step.0 = now;
            }
            steps
        },
    )
}

fn live(steps: &[(i64, u8, usize, i64)], delayed: bool) -> Vec<Prepared> {
    let mut records: Vec<Prepared> = steps
        .iter()
        .enumerate()
        .map(|(n, &(ms, container, word, delay))| {
            let arrived = if delayed { ms + delay } else { ms };
            prepare(record(n as u64, arrived, true, &said(ms, container, WORDS[word], n)))
        })
        .collect();
    records.sort_by_key(|p| p.record.arrived);
    records
}

proptest! {
    #[test]
    fn delivery_shuffled_within_the_wait_gives_the_same_bytes(steps in statements()) {
        let shuffled = play(live(&steps, true));
        let ordered = play(live(&steps, false));
        // The end of a live run is its last arrival, so timers of the last second may fire in one and not in the other: both get the same end.
        prop_assume!(!steps.is_empty());
        let end = steps.iter().map(|s| s.0).max().unwrap_or(0) + 2000;
        let with_end = |records: Vec<Prepared>| play(records.into_iter().chain([tick(end)]));
        prop_assert_eq!(with_end(live(&steps, true)), with_end(live(&steps, false)));
        prop_assert_eq!(shuffled.times.iter().filter(|t| t.2 > Span::ZERO).count(), 0);
        prop_assert!(shuffled.lines.len() >= ordered.lines.iter().filter(|l| l.contains("DOCKER_EVENT")).count());
    }

    #[test]
    fn lines_of_a_file_shuffled_within_the_wait_give_the_same_bytes(steps in statements()) {
        // Times that differ, so that what the file says is the same in whatever order: a tie is told by its line alone.
        let lines: Vec<(i64, String)> = steps
            .iter()
            .enumerate()
            .map(|(n, &(ms, container, word, _))| (ms + n as i64, said(ms + n as i64, container, WORDS[word], n)))
            .collect();
        let mut shuffled: Vec<(i64, String)> = lines.iter().zip(&steps).map(|((ms, line), step)| (ms + step.3, line.clone())).collect();
        shuffled.sort();
        let without_place = |lines: Vec<String>| {
            let mut records = read(lines);
            for prepared in &mut records {
                prepared.record.place.number = 0;
            }
            play(records)
        };
        let (a, b) = (without_place(lines.into_iter().map(|l| l.1).collect()), without_place(shuffled.into_iter().map(|l| l.1).collect()));
        prop_assert_eq!(a, b);
    }

    #[test]
    fn repeated_delivery_gives_the_same_bytes(steps in statements(), again in prop::collection::vec((any::<prop::sample::Index>(), 0..500_000i64), 1..20)) {
        let once = live(&steps, false);
        let mut twice = once.clone();
        for (n, (which, later)) in again.iter().enumerate() {
            let mut copy = which.get(&once).clone();
            copy.record.seq = (once.len() + n) as u64;
            copy.record.place.number = copy.record.seq + 1;
            // A repeat that comes long after it was said, but within the ten minutes.
            copy.record.arrived = copy.record.arrived + Span::millis(*later);
            twice.push(copy);
        }
        twice.sort_by_key(|p| (p.record.arrived, p.record.seq));
        let end = once.last().unwrap().record.arrived.0 / 1_000_000 - common::START / 1_000_000 + 600_000;
        let run = |records: Vec<Prepared>| {
            let (mut engine, mut journal) = (engine(), Journal::default());
            drive(records.into_iter().chain([tick(end)]), &mut engine, &mut journal);
            (journal, engine.report().repeats)
        };
        let (plain, none) = run(once);
        let (repeated, some) = run(twice);
        prop_assert_eq!(plain, repeated);
        prop_assert_eq!((none, some), (0, again.len() as u64));
    }

    #[test]
    fn whatever_comes_acts_forward_in_time(steps in prop::collection::vec((-100_000..100_000i64, -100_000..100_000i64, any::<bool>()), 1..80)) {
        let records = steps.iter().enumerate().map(|(n, &(ms, arrived, live))| prepare(record(n as u64, arrived, live, &said(ms, 1, "start", n))));
        let journal = play(records);
        prop_assert_eq!(journal.times.len(), steps.len());
        prop_assert!(journal.times.windows(2).all(|pair| pair[0].0 <= pair[1].0), "{:?}", journal.times);
        for (at, time, late_by) in journal.times {
            prop_assert_eq!(at - time, late_by);
            prop_assert!(late_by >= Span::ZERO);
        }
    }
}

#[test]
fn a_late_record_keeps_its_time_and_acts_at_the_watermark() {
    let journal =
        play(read([said(0, 1, "start", 0), said(10_000, 1, "start", 1), said(4_000, 1, "start", 2), said(10_000, 1, "start", 3)]));
    let watermark = at(10_000).minus(ORDER_WAIT);
    assert_eq!(journal.times[1], (watermark, at(4_000), watermark - at(4_000)));
    assert_eq!(journal.times.iter().filter(|t| t.2 > Span::ZERO).count(), 1);
}

#[test]
fn a_live_record_of_the_future_is_clamped_and_says_so() {
    let records = [prepare(record(0, 0, true, &said(3_600_000, 1, "start", 0))), prepare(record(1, 10, true, &said(10, 1, "start", 1)))];
    let journal = play(records);
    assert_eq!(journal.times[1].1, at(0) + FUTURE_MAX);
    assert!(journal.lines[1].contains("true"), "it is marked as suspect: {}", journal.lines[1]);
    assert!(!journal.lines[0].contains("true"));
}

#[test]
fn an_undated_live_record_takes_its_arrival() {
    let journal = play([prepare(record(0, 500, true, &inspected(1, 0)))]);
    assert_eq!(journal.times[0].1, at(500));
}

#[test]
fn an_undated_record_stays_behind_its_event_and_before_the_next() {
    // All in one second of a witness that writes whole seconds.
    let lines = [
        said(0, 1, "create", 0),
        inspected(1, 1),
        said(0, 1, "destroy", 2),
        said(0, 2, "create", 3),
        inspected(2, 4),
        said(0, 2, "destroy", 5),
    ];
    let journal = play(read(lines.clone()));
    let native: Vec<&String> = journal.lines.iter().filter(|l| l.contains(" docker.")).collect();
    for (line, native) in lines.iter().zip(&native) {
        assert!(native.contains(line.as_str()), "{native} is not {line}");
    }
    assert_eq!(native.len(), lines.len());
    assert!(
        !journal.lines.iter().any(|l| l.starts_with("opened") && l.contains("unseen")),
        "both were inspected in time: {:#?}",
        journal.lines
    );
}

#[test]
fn more_records_of_one_time_than_may_wait_are_kept_in_order_and_counted() {
    struct Count(Vec<u64>, usize);
    impl Out for Count {
        fn finding(&mut self, _: finding::Change) {}
        fn event(&mut self, event: &event::Event) {
            self.0.extend(event.evidence.first().map(|record| record.place.number));
            self.1 += usize::from(event.kind == event::dictionary::SENSOR_PRESSURE);
        }
    }
    let (mut engine, mut count) = (engine(), Count(vec![], 0));
    let total = WAITING_MAX + 1000;
    drive((0..total).map(|n| prepare(record(n as u64, 0, false, &said(0, 1, "start", n)))), &mut engine, &mut count);
    assert_eq!(count.0.len(), total);
    assert!(count.0.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(engine.report().forced >= 1, "{:?}", engine.report());
    assert_eq!((engine.report().late, count.1), (0, 1), "the bound is said");
}

#[test]
fn what_cannot_be_read_is_counted_and_hides_nothing() {
    let (mut engine, mut journal) = (engine(), Journal::default());
    let texts = [said(0, 1, "create", 0), "\u{0}rubbish".to_owned(), said(1, 1, "destroy", 1)];
    drive(texts.iter().enumerate().map(|(n, text)| prepare(record(n as u64, n as i64, true, text))), &mut engine, &mut journal);
    assert_eq!((engine.report().records, engine.report().undecodable), (3, 1));
    assert!(journal.lines.iter().any(|l| l.contains("sensor.note")), "{:#?}", journal.lines);
    assert!(journal.lines.iter().any(|l| l.contains("\"rule\":\"removed\"")));
}
