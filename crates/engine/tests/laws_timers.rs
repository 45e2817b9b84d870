//! Law 4: timers decide, not ticks. Where ticks fall changes how soon something is said, never what.

mod common;

use common::{Journal, at, engine, inspected, play, prepare, record, said, tick};
use engine::Out;
use event::Prepared;
use proptest::prelude::*;

const WORDS: [&str; 4] = ["create", "start", "destroy", "inspect"];

fn stream() -> impl Strategy<Value = Vec<Prepared>> {
    prop::collection::vec((prop_oneof![Just(0i64), 1..3000i64, 3000..900_000i64], 0..4u8, 0..4usize, 0..4000i64), 1..50).prop_map(|steps| {
        let mut now = 0;
        let mut records = Vec::new();
        for (n, (gap, container, word, late)) in steps.into_iter().enumerate() {
            now += gap;
            let text = if WORDS[word] == "inspect" { inspected(container, n) } else { said(now - late, container, WORDS[word], n) };
            records.push(prepare(record(n as u64, now, true, &text)));
        }
        records
    })
}

proptest! {
    #[test]
    fn ticks_anywhere_change_nothing(records in stream(), ticks in prop::collection::vec((any::<prop::sample::Index>(), 0..=100i64), 0..40)) {
        let end = records.last().unwrap().record.arrived.0 / 1_000_000 - common::START / 1_000_000 + 1;
        let mut ticked: Vec<Prepared> = records.clone();
        for (which, share) in ticks {
            // Between the arrivals of two neighbours, at any share of the way.
            let i = which.index(ticked.len());
            let from = ticked[i].record.arrived.0;
            let to = ticked.get(i + 1).map_or(from, |next| next.record.arrived.0);
            let mut tick = tick(0);
            tick.record.arrived = event::Time(from + (to - from) * share / 100);
            ticked.insert(i + 1, tick);
        }
        prop_assert_eq!(play(records.into_iter().chain([tick(end)])), play(ticked.into_iter().chain([tick(end)])));
    }
}

#[test]
fn a_tick_says_sooner_what_a_later_record_would_have_said() {
    let (mut engine, mut journal) = (engine(), Journal::default());
    engine.push(prepare(record(0, 0, true, &said(0, 1, "create", 0))), &mut journal);
    assert!(journal.lines.is_empty(), "it waits for earlier ones");
    engine.push(tick(1000), &mut journal);
    assert_eq!(journal.times.len(), 2, "it acts, and a derived event follows");
    engine.push(tick(2999), &mut journal);
    assert_eq!(journal.times.len(), 2);
    engine.push(tick(3000), &mut journal);
    assert_eq!(journal.times[2].0, at(2000), "the timer fires with its own time, not the tick's");
}

#[test]
fn the_end_fires_no_timer_beyond_the_last_time() {
    let create = || prepare(record(0, 0, true, &said(0, 1, "create", 0)));
    let appeared = |journal: &Journal| journal.lines.iter().any(|l| l.contains("container.appeared"));
    assert!(!appeared(&play([create()])));
    assert!(!appeared(&play([create(), tick(1999)])));
    assert!(appeared(&play([create(), tick(2000)])));
}

#[test]
fn of_timers_due_together_derivers_come_first_and_the_judge_last() {
    struct Order(Vec<&'static str>);
    impl Out for Order {
        fn finding(&mut self, change: finding::Change) {
            if matches!(change, finding::Change::Closed(_)) {
                self.0.push("closed");
            }
        }
        fn event(&mut self, event: &event::Event) {
            if event.kind == event::dictionary::CONTAINER_APPEARED {
                self.0.push("appeared");
            }
        }
    }
    // The finding of the removal closes ten minutes after; a container created two seconds before that moment appears at the same time.
    let (mut engine, mut order) = (engine(), Order(vec![]));
    for (n, (ms, container, word)) in [(0, 1, "destroy"), (598_000, 2, "create")].into_iter().enumerate() {
        engine.push(prepare(record(n as u64, ms, true, &said(ms, container, word, n))), &mut order);
    }
    engine.push(tick(700_000), &mut order);
    assert_eq!(order.0, ["appeared", "closed"]);
}
