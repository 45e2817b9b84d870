//! Replays the fuzzer's corpus: what once was a finding stays fixed.

#[path = "../../../fuzz/run.rs"]
mod run;

#[path = "../../../fuzz/mapping.rs"]
mod mapping;

use std::fs;
use std::path::Path;

#[test]
fn the_corpus_is_survived() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/records");
    let mut paths: Vec<_> =
        fs::read_dir(&folder).expect("the corpus is part of the repository").flatten().map(|entry| entry.path()).collect();
    paths.sort();
    assert!(paths.len() >= source::SOURCES.len(), "every source has a seed in {}", folder.display());
    for path in paths {
        println!("{}", path.display());
        run::run(&fs::read(&path).unwrap());
    }
}

/// A small fuzzer for machines without the real one: pieces of the seeds are cut, doubled, swapped and spoilt. The same on every run.
#[test]
fn mutants_of_the_corpus_are_survived() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/records");
    let mut paths: Vec<_> =
        fs::read_dir(&folder).expect("the corpus is part of the repository").flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let seeds: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).filter(|bytes| !bytes.is_empty()).collect();
    let rounds: usize = std::env::var("LANDWAITER_FUZZ_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1000);
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut below = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % n.max(1)
    };
    for _ in 0..rounds {
        let mut bytes = seeds[below(seeds.len())].clone();
        for _ in 0..1 + below(5) {
            let (at, other) = (below(bytes.len()), below(bytes.len()));
            let (from, to) = (at.min(other), at.max(other));
            match below(7) {
                0 => drop(bytes.drain(from..to.min(from + 40))),
                1 if !bytes.is_empty() => bytes[at] = below(256) as u8,
                2 if !bytes.is_empty() => bytes[at] = b"{}[]\",:\n\\ \x1e0-"[below(13)],
                3 => bytes.truncate(to),
                4 => {
                    let piece = bytes[from..to].to_vec();
                    bytes.splice(at..at, piece);
                }
                5 => {
                    let seed = &seeds[below(seeds.len())];
                    let piece = &seed[below(seed.len())..];
                    bytes.splice(at..at, piece.iter().copied());
                }
                _ => bytes.splice(at..at, *b"\n").for_each(drop),
            }
            bytes.truncate(20_000);
        }
        run::run(&bytes);
    }
}

/// The same for mapping files.
#[test]
fn the_corpus_of_mappings_and_its_mutants_are_survived() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/mappings");
    let mut paths: Vec<_> =
        fs::read_dir(&folder).expect("the corpus is part of the repository").flatten().map(|entry| entry.path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut below = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % n.max(1)
    };
    for path in paths {
        let seed = fs::read(&path).unwrap();
        mapping::run(&seed);
        for _ in 0..60 {
            let mut bytes = seed.clone();
            for _ in 0..1 + below(4) {
                let at = below(bytes.len());
                match below(4) {
                    0 => drop(bytes.drain(at..bytes.len().min(at + 9))),
                    1 if !bytes.is_empty() => bytes[at] = b"{}[]\",:\n%'0-"[below(12)],
                    2 => bytes.truncate(at),
                    _ => bytes.splice(at..at, *b"\n  x: ").for_each(drop),
                }
            }
            mapping::run(&bytes);
        }
    }
}
