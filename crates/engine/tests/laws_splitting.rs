//! Law 12: a recording cut into files at any record boundary gives the same findings, except for where they point.

mod common;

use common::house::{Placeless, Said, engine_over, happenings, rules};
use engine::Rules;
use proptest::prelude::*;
use source::read::{ReadOptions, Reader};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

static RULES: LazyLock<Rules> = LazyLock::new(rules);

fn write(folder: &Path, said: &[Said], cuts: &BTreeSet<usize>) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let mut begin = 0;
    for end in cuts.iter().copied().chain([said.len()]) {
        let path = folder.join(format!("part-{:03}.jsonl", paths.len()));
        let text: String = said[begin..end].iter().map(|said| said.text.clone() + "\n").collect();
        std::fs::write(&path, text).unwrap();
        paths.push(path);
        begin = end;
    }
    paths
}

fn replay(paths: &[PathBuf]) -> Placeless {
    let mut journal = Placeless::default();
    let reader = Reader::open(paths, &ReadOptions::default()).unwrap();
    engine::drive(reader, &mut engine_over(&RULES), &mut journal);
    journal
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]
    #[test]
    fn a_recording_cut_anywhere_gives_the_same_findings(said in happenings(50), cuts in prop::collection::btree_set(0..50usize, 1..5)) {
        let folder = tempfile::tempdir().unwrap();
        let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
        std::fs::create_dir_all(&whole).unwrap();
        std::fs::create_dir_all(&parts).unwrap();
        let cuts: BTreeSet<usize> = cuts.into_iter().map(|cut| cut % said.len()).collect();
        let one = replay(&write(&whole, &said, &BTreeSet::new()));
        let several = replay(&write(&parts, &said, &cuts));
        let differing = one.0.lines.iter().zip(&several.0.lines).find(|(a, b)| a != b);
        prop_assert_eq!(differing, None);
        prop_assert_eq!(one.0.lines.len(), several.0.lines.len());
        // And a folder is its files.
        prop_assert_eq!(&one, &replay(&[parts]));
        prop_assert!(!one.0.lines.is_empty());
    }
}
