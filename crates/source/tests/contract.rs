//! What every row of the list of sources keeps to, whoever wrote it.

use event::{Body, Decoded, Document, Place, Prepared, Record, Time, Undecodable};
use source::{SOURCES, SourceDef, prepare};
use std::sync::Arc;

fn record(source: &str, bytes: &[u8]) -> Record {
    Record {
        seq: 0,
        source: source.into(),
        host: "local".into(),
        arrived: Time(0),
        live: false,
        body: Body::Data(Arc::from(bytes)),
        place: Place::default(),
    }
}

fn read(source: &str, bytes: &[u8]) -> Result<Decoded, Undecodable> {
    prepare(record(source, bytes)).content.expect("data has content")
}

/// Hostile bytes may be refused, but never more than that; with and without the source's name.
fn survives(source: &str, bytes: &[u8]) {
    let _ = read(source, bytes);
    let _ = read("", bytes);
}

/// Sources whose sample is JSON.
fn json() -> impl Iterator<Item = &'static SourceDef> {
    SOURCES.iter().filter(|source| Document::parse(source.sample.as_bytes()).is_ok())
}

/// Sources whose sample is text.
fn texts() -> impl Iterator<Item = &'static SourceDef> {
    SOURCES.iter().filter(|source| Document::parse(source.sample.as_bytes()).is_err())
}

#[test]
fn every_text_sample_is_recognised_by_its_own_source_alone() {
    for source in texts() {
        let bytes = source.sample.as_bytes();
        let takes = |other: &&SourceDef| other.text.is_some_and(|text| (text.recognise)(bytes));
        let names: Vec<&str> = SOURCES.iter().filter(takes).map(|other| other.name).collect();
        assert_eq!(names, [source.name], "{}", source.sample);
        let Prepared { record, content, .. } = prepare(record("", bytes));
        assert_eq!(record.source, source.name);
        let decoded = content.unwrap().unwrap_or_else(|e| panic!("{}: {}", source.name, e.reason));
        assert_eq!(decoded.kind, source.kind, "{}", source.name);
        assert!(decoded.fact.is_some(), "{} tells the inventory nothing", source.name);
        assert_ne!(decoded.document, Document::default(), "{}: rules can name its fields", source.name);
        assert!(source.about.ends_with('.'), "{}: what it tells is a sentence", source.name);
        for end in 0..bytes.len() {
            survives(source.name, &bytes[..end]);
            let mut mutated = bytes.to_vec();
            for odd in [0xff, 0, b'\n', b'=', b'"', b' ', b'\t', b'[', b'9'] {
                mutated[end] = odd;
                survives(source.name, &mutated);
            }
        }
    }
}

#[test]
fn every_sample_is_recognised_by_its_own_source_first() {
    for source in json() {
        let document = Document::parse(source.sample.as_bytes()).expect(source.name);
        let first = SOURCES.iter().find(|other| (other.recognise)(&document));
        // A list of networks looks like any array of networks, Podman's execs are Docker's to the letter, and a note that anyone could write must not pass
        // for our own: these go by their names alone.
        let expected = match source.name {
            "docker_networks" | "sensor" => None,
            "podman_exec" => Some("docker_exec"),
            name => Some(name),
        };
        assert_eq!(first.map(|other| other.name), expected, "{}", source.sample);
        let Prepared { record, content, .. } =
            prepare(record(if expected == Some(source.name) { "" } else { source.name }, source.sample.as_bytes()));
        assert_eq!(record.source, source.name);
        let decoded = content.unwrap().unwrap_or_else(|e| panic!("{}: {}", source.name, e.reason));
        assert_eq!(decoded.kind, source.kind, "{}", source.name);
        assert!(decoded.kind.def().native, "{}", source.name);
        assert!(decoded.fact.is_some(), "{} tells the inventory nothing", source.name);
        assert!(!decoded.truncated && !decoded.duplicate_keys, "{}", source.name);
        assert!(source.about.ends_with('.'), "{}: what it tells is a sentence", source.name);
    }
}

#[test]
fn names_are_unique() {
    for (i, source) in SOURCES.iter().enumerate() {
        assert!(SOURCES.iter().skip(i + 1).all(|other| other.name != source.name), "{} is there twice", source.name);
        assert!(std::ptr::eq(source::source_named(source.name).expect(source.name), source));
    }
    assert!(read("nobody", b"{}").unwrap_err().unknown);
}

#[test]
fn decoding_is_a_function_of_the_bytes() {
    for source in SOURCES {
        let (one, two) = (read(source.name, source.sample.as_bytes()).unwrap(), read(source.name, source.sample.as_bytes()).unwrap());
        assert_eq!((one.time, one.identity, &one.subject, &one.fact), (two.time, two.identity, &two.subject, &two.fact));
        // Neither the place nor the arrival is looked at.
        let mut elsewhere = record(source.name, source.sample.as_bytes());
        (elsewhere.arrived, elsewhere.live, elsewhere.host) = (Time(99), true, "other".into());
        let three = prepare(elsewhere).content.unwrap().unwrap();
        assert_eq!((one.time, one.identity, &one.fact), (three.time, three.identity, &three.fact));
    }
}

#[test]
fn a_sample_cut_at_any_byte_is_an_error() {
    for source in json() {
        let bytes = source.sample.as_bytes();
        for end in 0..bytes.len() {
            assert!(read(source.name, &bytes[..end]).is_err(), "{} cut at {end}", source.name);
            let _ = read("", &bytes[..end]);
        }
    }
}

#[test]
fn a_value_of_any_type_under_any_key_is_survived() {
    let odd = [
        "null",
        "true",
        "[]",
        "{}",
        "[[]]",
        "[{}]",
        "[null]",
        "[1]",
        r#"{"a":null}"#,
        r#"{"a":{"b":[1]}}"#,
        r#""""#,
        r#""\ud83d\ude00""#,
        "0",
        "-1",
        "1.5",
        "9223372036854775807",
        "18446744073709551615",
        "-9223372036854775808",
        "1e300",
        "123456789012345678901234567890",
        r#""0001-01-01T00:00:00Z""#,
        r#""9999-12-31T23:59:59Z""#,
        r#""999999999999999999999""#,
        r#"":::""#,
        r#"["a:b:c:d",":","::",""]"#,
    ];
    for source in json() {
        for (start, end) in values_of(source.sample) {
            for value in odd {
                let mutated = format!("{}{value}{}", &source.sample[..start], &source.sample[end..]);
                survives(source.name, mutated.as_bytes());
            }
        }
    }
}

#[test]
fn every_key_twice_is_flagged_and_the_first_counts() {
    for source in json() {
        for (start, end) in values_of(source.sample) {
            let Some(key_start) = key_before(source.sample, start) else { continue };
            let member = &source.sample[key_start..end];
            let key = &source.sample[key_start..start];
            let doubled = format!("{}{member},{key}\"another\"{}", &source.sample[..key_start], &source.sample[end..]);
            let decoded = match read(source.name, doubled.as_bytes()) {
                Ok(decoded) => decoded,
                // Nobody but us writes these, and we write no key twice.
                Err(_) if source.witness == source::Witness::Own => continue,
                Err(e) => panic!("{}: {member} twice: {}", source.name, e.reason),
            };
            assert!(decoded.duplicate_keys, "{}: {member} twice is not noticed", source.name);
            assert_eq!(decoded.fact, read(source.name, source.sample.as_bytes()).unwrap().fact, "{}: the first {key} counts", source.name);
        }
    }
}

#[test]
fn bytes_that_are_no_text_and_nests_without_end_are_survived() {
    for source in json() {
        let bytes = source.sample.as_bytes();
        for at in 0..bytes.len() {
            let mut mutated = bytes.to_vec();
            mutated[at] = 0xff;
            assert!(read(source.name, &mutated).is_err(), "{}: byte {at} is not UTF-8", source.name);
            mutated[at] = 0;
            survives(source.name, &mutated);
        }
        for (start, end) in values_of(source.sample) {
            let deep = format!("{}{}{}{}", &source.sample[..start], "[".repeat(4000), "]".repeat(4000), &source.sample[end..]);
            assert!(read(source.name, deep.as_bytes()).is_err());
        }
    }
}

#[test]
fn a_sample_made_huge_is_a_stub_or_refused() {
    for source in json() {
        let filler = "x".repeat(source.size_max);
        for (start, end) in values_of(source.sample).into_iter().take(6) {
            let huge = format!("{}\"{filler}\"{}", &source.sample[..start], &source.sample[end..]);
            if let Ok(decoded) = read(source.name, huge.as_bytes()) {
                assert!(decoded.truncated && decoded.kind == event::dictionary::STUB, "{}", source.name);
            }
        }
    }
}

/// Where each value below the root begins and ends; a small scanner, so that the samples are cut without the parser under test.
fn values_of(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let (mut spans, mut open) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'{' | b'[' => {
                open.push(at);
                at += 1;
            }
            b'}' | b']' => {
                let start = open.pop().unwrap();
                at += 1;
                if !open.is_empty() {
                    spans.push((start, at));
                }
            }
            b'"' => {
                let end = at + 1 + text[at + 1..].find('"').unwrap() + 1;
                if bytes.get(end) != Some(&b':') {
                    spans.push((at, end));
                }
                at = end;
            }
            b',' | b':' => at += 1,
            _ => {
                let end = at + text[at..].find([',', ']', '}']).unwrap();
                spans.push((at, end));
                at = end;
            }
        }
    }
    spans
}

/// Where the key of the value at `start` begins, when it has one.
fn key_before(text: &str, start: usize) -> Option<usize> {
    let head = text[..start].strip_suffix(':')?;
    head[..head.len() - 1].rfind('"')
}
