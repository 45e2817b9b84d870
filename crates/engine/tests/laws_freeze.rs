//! Law 13: stopping at any record and thawing gives the same bytes.

mod common;

use common::{Journal, engine, inspected, play, prepare, record, said, tick};
use event::Prepared;
use proptest::prelude::*;

const WORDS: [&str; 4] = ["create", "start", "destroy", "inspect"];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]
    #[test]
    fn stopping_at_any_record_and_thawing_gives_the_same_bytes(
        steps in prop::collection::vec((prop_oneof![Just(0i64), 1..900i64, 900..400_000i64], 0..3u8, 0..4usize, 0..3000i64, any::<bool>()), 1..30),
        tail in 0..2_000_000i64,
    ) {
        let mut now = 0;
        let mut records: Vec<Prepared> = Vec::new();
        for (n, (gap, container, word, late, repeat)) in steps.into_iter().enumerate() {
            now += gap;
            let text = if WORDS[word] == "inspect" { inspected(container, n) } else { said(now - late, container, WORDS[word], n) };
            records.push(prepare(record(2 * n as u64, now, true, &text)));
            if repeat {
                records.push(prepare(record(2 * n as u64 + 1, now, true, &text)));
            }
        }
        records.push(tick(now + tail));
        let whole = play(records.clone());

        // A house that is torn down and rebuilt from its frozen state after every record.
        let mut journal = Journal::default();
        let mut frozen = engine().freeze();
        for record in records {
            let mut house = engine();
            prop_assert_eq!(house.thaw(&frozen, &prepare), Ok(()));
            prop_assert_eq!(&house.freeze(), &frozen, "a thawed state freezes to the same bytes");
            house.push(record, &mut journal);
            frozen = house.freeze();
        }
        let mut house = engine();
        prop_assert_eq!(house.thaw(&frozen, &prepare), Ok(()));
        house.finish(&mut journal);
        prop_assert_eq!(journal, whole);
    }

    #[test]
    fn damaged_states_are_refused_and_leave_the_engine_as_it_was(cut in any::<prop::sample::Index>(), flip in any::<prop::sample::Index>(), bit in 0..8u8) {
        let mut house = engine();
        let mut journal = Journal::default();
        for n in 0..20 {
            house.push(prepare(record(n, n as i64 * 400, true, &said(n as i64 * 400, n as u8, "create", n as usize))), &mut journal);
        }
        let frozen = house.freeze();
        let mut other = engine();
        let before = other.freeze();
        prop_assert!(other.thaw(&frozen[..cut.index(frozen.len())], &prepare).is_err());
        prop_assert_eq!(&other.freeze(), &before);
        // A flipped bit may hit a value rather than the shape; it must not panic, and what it refuses it leaves alone.
        let mut damaged = frozen.clone();
        damaged[flip.index(frozen.len())] ^= 1 << bit;
        if other.thaw(&damaged, &prepare).is_err() {
            prop_assert_eq!(&other.freeze(), &before);
        }
    }
}

#[test]
fn a_state_of_another_version_is_refused_with_what_to_do() {
    let mut bytes = engine().freeze();
    let version = b"landwaiter state\n".len();
    bytes[version] = 99;
    let why = engine().thaw(&bytes, &prepare).unwrap_err();
    assert!(why.contains("99") && why.contains("start anew"), "{why}");
    assert!(engine().thaw(b"something else", &prepare).unwrap_err().contains("not a saved state"));
}
