//! Laws 4, 5 and 13 on the real house: what holds for the engine alone must hold with the real decoders, inventory and rules in it.

mod common;

use common::house::{Placeless, Said, engine_over, happenings, live, live_through, rules};
use common::tick;
use engine::Rules;
use event::Prepared;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use std::sync::LazyLock;

static RULES: LazyLock<Rules> = LazyLock::new(rules);

/// After everything: a tick, so that each run ends at the same time.
fn ended(records: Vec<Prepared>, said: &[Said]) -> Vec<Prepared> {
    let end = said.last().map_or(0, |s| s.ms) + 3000;
    records.into_iter().chain([tick(end)]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn law_5_shuffled_delivery_gives_the_same_bytes(said in happenings(60), delays in prop::collection::vec(0..999i64, 60)) {
        // An undated record takes its arrival, so its delivery is part of what it says.
        let records = |delayed: bool| {
            let mut records: Vec<Prepared> = said
                .iter()
                .enumerate()
                .map(|(n, said)| live(n, said, if delayed && said.dated { delays[n] } else { 0 }))
                .collect();
            records.sort_by_key(|p| p.record.arrived);
            live_through(&RULES, ended(records, &said))
        };
        prop_assert_eq!(records(false), records(true));
    }

    #[test]
    fn law_5_repeats_change_nothing(said in happenings(40), again in prop::collection::vec((any::<prop::sample::Index>(), 0..400_000i64), 1..10)) {
        let once: Vec<Prepared> = said.iter().enumerate().map(|(n, said)| live(n, said, 0)).collect();
        let mut twice = once.clone();
        for (n, (which, later)) in again.into_iter().enumerate() {
            let said = which.get(&said);
            if said.dated {
                twice.push(live(once.len() + n, said, later));
            }
        }
        twice.sort_by_key(|p| (p.record.arrived, p.record.seq));
        let end = [tick(said.last().unwrap().ms + 500_000)];
        prop_assert_eq!(
            live_through(&RULES, once.into_iter().chain(end.clone())),
            live_through(&RULES, twice.into_iter().chain(end))
        );
    }

    #[test]
    fn law_4_ticks_anywhere_change_nothing(said in happenings(40), ticks in prop::collection::vec((any::<prop::sample::Index>(), 0..=100i64), 0..30)) {
        let plain: Vec<Prepared> = said.iter().enumerate().map(|(n, said)| live(n, said, 0)).collect();
        let mut ticked = plain.clone();
        for (which, share) in ticks {
            let i = which.index(ticked.len());
            let from = ticked[i].record.arrived.0;
            let to = ticked.get(i + 1).map_or(from, |next| next.record.arrived.0);
            let mut tick = tick(0);
            tick.record.arrived = event::Time(from + (to - from) * share / 100);
            ticked.insert(i + 1, tick);
        }
        prop_assert_eq!(live_through(&RULES, ended(plain, &said)), live_through(&RULES, ended(ticked, &said)));
    }

    #[test]
    fn law_13_stopping_anywhere_and_thawing_gives_the_same_bytes(said in happenings(25)) {
        let records = ended(said.iter().enumerate().map(|(n, said)| live(n, said, 0)).collect(), &said);
        let whole = live_through(&RULES, records.clone());
        let mut journal = Placeless::default();
        let mut frozen = engine_over(&RULES).freeze();
        for record in records {
            let mut house = engine_over(&RULES);
            prop_assert_eq!(house.thaw(&frozen, &source::prepare), Ok(()));
            house.push(record, &mut journal);
            frozen = house.freeze();
        }
        let mut house = engine_over(&RULES);
        prop_assert_eq!(house.thaw(&frozen, &source::prepare), Ok(()));
        house.finish(&mut journal);
        prop_assert_eq!(journal, whole);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn rubbish_stops_nothing_and_hides_nothing_around_it(
        said in happenings(40),
        rubbish in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "[\\[{\":,0-9a-z\\]}]{0,200}".prop_map(String::into_bytes),
            (0..6000usize).prop_map(|n| [b"{\"a\":".repeat(n), b"[".repeat(n)].concat()),
        ]), 0..20),
    ) {
        let clean: Vec<Prepared> = said.iter().enumerate().map(|(n, said)| live(2 * n, said, 0)).collect();
        let mut dirty = clean.clone();
        for (which, bytes) in rubbish {
            let beside = which.get(&clean).record.clone();
            let body = event::Body::Data(bytes.into());
            dirty.push(source::prepare(event::Record { seq: beside.seq + 1, body, source: Default::default(), ..beside }));
        }
        dirty.sort_by_key(|p| (p.record.arrived, p.record.seq));
        let of_containers = |records: Vec<Prepared>| {
            let journal = live_through(&RULES, ended(records, &said));
            journal.0.lines.into_iter().filter(|line| line.starts_with("container.") || line.starts_with("docker.")).collect::<Vec<_>>()
        };
        prop_assert_eq!(of_containers(clean), of_containers(dirty));
    }
}

#[test]
fn the_house_derives_and_finds() {
    // Without this, the laws above could hold because nothing happens.
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let said = happenings(400).prop_filter("long", |said| said.len() > 300).new_tree(&mut runner).unwrap().current();
    let journal = live_through(&RULES, said.iter().enumerate().map(|(n, said)| live(n, said, 0)));
    for word in ["container.created", "container.appeared", "container.changed", "sensor.undecodable", "final {"] {
        assert!(journal.0.lines.iter().any(|line| line.contains(word)), "no {word}");
    }
}
