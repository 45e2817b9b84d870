//! Replays the fuzzer's objects of a cluster, and mutants of them that are still JSON: they reach deeper than bytes cut at random.

#[path = "../../../fuzz/kubernetes.rs"]
mod kubernetes;

use serde_json::Value;
use std::fs;
use std::path::Path;

fn seeds() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/kubernetes");
    let mut paths: Vec<_> =
        fs::read_dir(&folder).expect("the corpus is part of the repository").flatten().map(|entry| entry.path()).collect();
    paths.sort();
    assert!(paths.len() >= 16, "{}", folder.display());
    paths.iter().filter_map(|path| fs::read_to_string(path).ok()).collect()
}

#[test]
fn the_corpus_is_survived() {
    for seed in seeds() {
        kubernetes::run(seed.as_bytes());
    }
}

#[test]
fn any_value_at_any_place_is_survived() {
    let odd: Vec<Value> = [
        "null",
        "true",
        "0",
        "-1",
        "1e300",
        "9223372036854775807",
        r#""""#,
        r#""1E999999""#,
        r#""/a/-/0""#,
        "[]",
        "{}",
        "[[]]",
        "[{}]",
        "[null]",
        r#"{"a":null}"#,
        r#"{"kind":"Pod","spec":{"containers":[{}]}}"#,
        r#"[{"op":"add","path":"/0/-","value":{}}]"#,
    ]
    .iter()
    .map(|text| serde_json::from_str(text).unwrap())
    .collect();
    let seeds: Vec<Value> = seeds().iter().filter_map(|seed| serde_json::from_str(seed).ok()).collect();
    let rounds: usize = std::env::var("LANDWAITER_FUZZ_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(100);
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut below = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % n.max(1)
    };
    for _ in 0..rounds {
        let mut value = seeds[below(seeds.len())].clone();
        for _ in 0..1 + below(4) {
            // From the list, or a piece of another seed.
            let with = match below(3) {
                0 => {
                    let other = &seeds[below(seeds.len())];
                    let mut left = below(count(other));
                    piece(other, &mut left).cloned().unwrap_or_default()
                }
                _ => odd[below(odd.len())].clone(),
            };
            let mut left = below(count(&value));
            if let Some(place) = place(&mut value, &mut left) {
                *place = with;
            }
        }
        kubernetes::run(value.to_string().as_bytes());
    }
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Object(map) => map.values().collect(),
        Value::Array(list) => list.iter().collect(),
        _ => Vec::new(),
    }
}

fn count(value: &Value) -> usize {
    1 + children(value).into_iter().map(count).sum::<usize>()
}

/// The value at a position in the order of the text.
fn piece<'a>(value: &'a Value, left: &mut usize) -> Option<&'a Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    children(value).into_iter().find_map(|child| piece(child, left))
}

fn place<'a>(value: &'a mut Value, left: &mut usize) -> Option<&'a mut Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    match value {
        Value::Object(map) => map.values_mut().find_map(|child| place(child, left)),
        Value::Array(list) => list.iter_mut().find_map(|child| place(child, left)),
        _ => None,
    }
}
