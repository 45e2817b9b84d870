//! What was watched live and recorded replays to the same bytes: laws 3 and 4 with a recording between them.

mod common;

use common::house::{Placeless, engine_over, happenings, live, live_through, rules};
use common::tick;
use engine::Rules;
use event::Prepared;
use proptest::prelude::*;
use source::read::{ReadOptions, Reader};
use std::sync::LazyLock;

static RULES: LazyLock<Rules> = LazyLock::new(rules);

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]
    #[test]
    fn a_recorded_live_run_replays_to_the_same_bytes(said in happenings(50), delays in prop::collection::vec(0..1500i64, 50)) {
        // Delivered in the order of arrival, some of it late, with a tick where it was quiet.
        let mut watched: Vec<Prepared> = Vec::new();
        for (n, said) in said.iter().enumerate() {
            watched.push(live(n, said, delays[n]));
            watched.push(tick(said.ms + delays[n] + 2500));
        }
        watched.sort_by_key(|p| p.record.arrived);
        for (seq, prepared) in watched.iter_mut().enumerate() {
            prepared.record.seq = seq as u64;
            prepared.record.host = "h".into();
        }
        let text: String = watched.iter().map(|p| source::recording::write(&p.record) + "\n").collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watched.jsonl");
        std::fs::write(&path, text).unwrap();

        let mut replayed = Placeless::default();
        let reader = Reader::open(&[path], &ReadOptions::default()).unwrap();
        engine::drive(reader, &mut engine_over(&RULES), &mut replayed);
        let watched = live_through(&RULES, watched);
        let differing = watched.0.lines.iter().zip(&replayed.0.lines).find(|(a, b)| a != b);
        prop_assert_eq!(differing, None);
        prop_assert_eq!(watched.0.lines.len(), replayed.0.lines.len());
    }
}
