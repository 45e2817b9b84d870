//! What a user relies on when recordings are read from files.

use event::{Body, Prepared, Time};
use source::read::{ReadOptions, ReadReport, Reader};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const NIGHT: i64 = 1_795_527_678_000_000_000;

fn event(id: &str, time: i64) -> String {
    format!(
        r#"{{"Type":"container","Action":"start","Actor":{{"ID":"{id}","Attributes":{{"image":"a","name":"{id}"}}}},"time":{},"timeNano":{time}}}"#,
        time / 1_000_000_000
    )
}

fn inspect(id: &str) -> String {
    format!(r#"{{"Id":"{id}","Name":"/{id}","State":{{"Status":"running"}},"HostConfig":{{"Privileged":false}}}}"#)
}

/// Writes files and reads their folder.
fn folder(files: &[(&str, Vec<u8>)]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let path = dir.path().to_owned();
    (dir, path)
}

fn read(path: &Path) -> (Vec<Prepared>, ReadReport) {
    let mut reader = Reader::open(&[path.to_owned()], &ReadOptions::default()).unwrap();
    let records: Vec<Prepared> = reader.by_ref().collect();
    for (i, prepared) in records.iter().enumerate() {
        assert_eq!(prepared.record.seq, i as u64);
    }
    (records, reader.report().clone())
}

/// The subjects of what was read in one file of this text; `!` for what was not understood.
fn subjects_of(bytes: impl Into<Vec<u8>>) -> String {
    let (_dir, path) = folder(&[("f.json", bytes.into())]);
    subjects(&read(&path).0)
}

fn subjects(records: &[Prepared]) -> String {
    let of = |prepared: &Prepared| match &prepared.content {
        Some(Ok(decoded)) => decoded.subject.to_string(),
        Some(Err(_)) => "!".to_owned(),
        None => "tick".to_owned(),
    };
    records.iter().map(of).collect::<Vec<_>>().join(" ")
}

/// Each record as `subject@seconds after the start of the night`, with `?` when its time is not believed.
fn times(records: &[Prepared]) -> String {
    let of = |prepared: &Prepared| {
        let seconds = prepared.time().map_or("-".to_owned(), |t| ((t.0 - NIGHT) as f64 / 1e9).to_string());
        format!("{}@{seconds}{}", subjects(std::slice::from_ref(prepared)), if prepared.time_suspect { "?" } else { "" })
    };
    records.iter().map(of).collect::<Vec<_>>().join(" ")
}

fn at(seconds: f64) -> i64 {
    NIGHT + (seconds * 1e9) as i64
}

fn lines(list: &[String]) -> Vec<u8> {
    list.iter().map(|line| format!("{line}\n")).collect::<String>().into_bytes()
}

#[test]
fn any_layout_of_json_is_found_by_itself() {
    let (a, b, c) = (event("a", at(0.0)), event("b", at(0.0)), inspect("c"));
    let pretty = |json: &str| serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(json).unwrap()).unwrap();
    for text in [
        format!("{a}\n{b}\n{c}\n"),
        format!("{a}\n{b}\n{c}"),
        format!("\u{feff}{a}\r\n\r\n  {b}\r\n{c}\r\n"),
        format!("{a}{b}{c}"),
        format!("{a} {b}\n{c}"),
        format!("\u{1e}{a}\n\u{1e}{b}\n\u{1e}{c}\n"),
        format!("{}\n{}{}\n", pretty(&a), pretty(&b), pretty(&c)),
        format!("[{a},{b},{c}]"),
        format!("[\n{a},\n{b},\n{c}\n]\n"),
        format!("[\n{a},\n{b}\n]\n{c}\n"),
        format!("[]\n[{a}][{b}]\n[ ]\n{c}"),
        pretty(&format!("[{a},{b},{c}]")),
        pretty(&format!("[{a},{b},{c}]")).replace('\n', "\r\n"),
    ] {
        assert_eq!(subjects_of(text.as_str()), "a b c", "{text}");
    }
}

#[test]
fn complete_lists_stay_whole() {
    let entry = |id: &str| format!(r#"{{"Id":"{id}","Names":["/{id}"],"ImageID":"sha256:1","Image":"a","State":"running"}}"#);
    let list = format!("[{},\n {}]\n", entry("a"), entry("b"));
    let (_dir, path) = folder(&[("containers.json", list.into_bytes())]);
    let (records, report) = read(&path);
    assert_eq!(records.len(), 1);
    assert_eq!(report.by_source.get("docker_containers"), Some(&1));
}

#[test]
fn broken_records_hide_nothing_around_them() {
    let (a, b, c) = (event("a", at(0.0)), event("b", at(1.0)), inspect("c"));
    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(&c).unwrap()).unwrap();
    for (text, expected) in [
        (format!("{a}\nnot json\n{b}\n"), "a ! b"),
        (format!("{a}\n{}\n{b}\n", &b[..40]), "a ! b"),
        (format!("{a}\n{}\n{b}\n{c}\n", &b[..b.len() - 1]), "a ! b c"),
        (format!("{{\"a\":[1,\n{b}\n{c}\n"), "! b c"),
        (format!("{a}\n{{\"a\":\n{b}\n{c}\n"), "a ! b c"),
        (format!("{a}\n{}}}\n{b}\n", &a[..30]), "a ! b"),
        (format!("{a}\n{{\"x\":1}}\n{b}\n"), "a ! b"),
        (format!("{a}\n42\n\"x\"\nnull\n{b}\n"), "a ! ! ! b"),
        (format!("{}\n{b}\n", &pretty[..pretty.len() - 20]), "! b"),
        (format!("[\n  {},\n  {b}\n]\n{c}\n", pretty[..pretty.len() - 8].replace('\n', "\n  ")), "! b c"),
        (format!("\u{1e}{}\u{1e}{b}\n\u{1e}{c}\n", &a[..50]), "! b c"),
        (format!("{a}\n{{\"a\":\"{}\"}}\n{b}\n", "\\q"), "a ! b"),
        (format!("{a}\n{}1{}\n{b}\n", "[".repeat(300), "]".repeat(300)), "a ! b"),
    ] {
        assert_eq!(subjects_of(text.as_str()), expected, "{text}");
    }
    let mut binary = lines(std::slice::from_ref(&a));
    binary.extend_from_slice(b"{\"a\":\"\xff\xfe\"}\n\xc3\x28\n");
    binary.extend_from_slice(&lines(&[b]));
    assert_eq!(subjects_of(binary), "a ! ! b");
}

#[test]
fn zeros_of_a_crash_hide_nothing_around_them() {
    let (a, b) = (event("a", at(0.0)), event("b", at(1.0)));
    let zeros = "\0".repeat(3000);
    for (text, expected) in [
        (format!("\0\u{1}x\n{a}\n{b}\n"), "! a b"),
        (format!("{a}\n{zeros}{b}\n"), "a b"),
        (format!("{a}\n{zeros}\n{b}\n"), "a b"),
        (format!("{}{zeros}\n{b}\n", &a[..40]), "! b"),
        // A line of a binary file may happen to begin with a brace.
        (format!("\u{7f}ELF\0\0\0\n{{\0\0\0{a}\n"), "!"),
    ] {
        assert_eq!(subjects_of(text.as_str()), expected, "{text}");
    }
}

#[test]
fn what_was_skipped_is_named_with_its_line() {
    let mut list = vec![event("a", at(0.0)), String::new(), "rubbish".to_owned()];
    list.extend((0..30).map(|n| format!("{{\"n\":{n}}}")));
    let (_dir, path) = folder(&[("f.jsonl", lines(&list))]);
    let (_, report) = read(&path);
    assert_eq!((report.records, report.broken, report.unknown, report.skipped_total), (1, 1, 30, 31));
    assert_eq!(report.skipped.len(), source::read::SKIPPED_NAMED_MAX);
    let first = &report.skipped[0];
    assert!(first.place.file.ends_with("f.jsonl") && first.place.number == 3, "{first:?}");
    assert_eq!(report.skipped[1].reason, "well-formed, but of no known format");
}

#[test]
fn lines_of_many_megabytes_pass_or_are_skipped() {
    let (a, b) = (event("a", at(0.0)), event("b", at(1.0)));
    let long = |size: usize| a.replace("\"name\"", &format!("\"x\":\"{}\",\"name\"", "x".repeat(size)));
    assert_eq!(subjects_of(format!("{a}\n{}\n{b}\n", long(10 << 20))), "a a b");
    for text in [
        format!("{a}\n{}\n{b}\n", long(20 << 20)),
        format!("{a}\n{}\n{b}\n", "x".repeat(40 << 20)),
        format!("{a}\n{}\n{b}\n", &long(20 << 20)[..18 << 20]),
        format!("{a}\n{{\"a\":[\n{}1]}}\n{b}\n", "1,\n".repeat(6 << 20)),
        format!("{a}\n{{\"a\":[\n{}\n{b}\n", "1,\n".repeat(6 << 20)),
    ] {
        assert_eq!(subjects_of(text.as_str()), "a ! b", "{}", &text[..300]);
    }
}

#[test]
fn compressed_files_are_known_by_their_first_bytes() {
    let text = lines(&[event("a", at(0.0)), event("b", at(1.0))]);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(&text).unwrap();
    let gz = gz.finish().unwrap();
    // Two members one after the other, as rotated logs are.
    let twice = [gz.clone(), gz.clone()].concat();
    let zst = zstd::stream::encode_all(text.as_slice(), 1).unwrap();
    assert_eq!(subjects_of(gz.clone()), "a b");
    assert_eq!(subjects_of(twice), "a b a b");
    assert_eq!(subjects_of(zst.clone()), "a b");
    // One that is cut short gives what it holds, and says that it ended early.
    let (_dir, path) = folder(&[("f.gz", gz[..gz.len() - 6].to_vec())]);
    let (records, report) = read(&path);
    assert_eq!(subjects(&records), "a b !");
    assert!(report.skipped[0].reason.starts_with("could not be read further"), "{report:?}");
    assert_eq!(subjects_of(b"PK\x03\x04\x00\x00\x00rubbish\nrubbish\n".to_vec()), "!");
}

#[test]
fn folders_are_walked_in_the_order_of_their_paths() {
    let one = |id: &str| lines(&[event(id, at(0.0))]);
    let (_dir, path) = folder(&[
        ("b.jsonl", one("b")),
        ("a/2.jsonl", one("a2")),
        ("a/1.jsonl", one("a1")),
        (".hidden/x.jsonl", one("x")),
        (".y.jsonl", one("y")),
        ("README.md", b"# words\n".to_vec()),
        ("empty.jsonl", Vec::new()),
    ]);
    let (records, report) = read(&path);
    assert_eq!(subjects(&records), "a1 a2 b");
    assert_eq!((report.files, report.passed_over, report.skipped_total), (4, 1, 0));
    let numbers: Vec<u64> = records.iter().map(|p| p.record.place.number).collect();
    assert_eq!(numbers, [1, 1, 1]);
    let error = Reader::open(&[path.join("none.jsonl")], &ReadOptions::default()).err().unwrap();
    assert!(error.to_string().contains("none.jsonl"), "{error}");
}

#[test]
fn files_are_merged_by_time_and_arrive_at_the_greatest_time_so_far() {
    let (_dir, path) = folder(&[
        ("1.jsonl", lines(&[event("a", at(0.0)), event("b", at(2.0)), event("c", at(1.5)), event("d", at(4.0))])),
        ("2.jsonl", lines(&[event("e", at(1.0)), event("f", at(2.0)), event("g", at(3.0))])),
    ]);
    let (records, _) = read(&path);
    assert_eq!(subjects(&records), "a e b c f g d");
    let arrived: Vec<f64> = records.iter().map(|p| (p.record.arrived.0 - NIGHT) as f64 / 1e9).collect();
    assert_eq!(arrived, [0.0, 1.0, 2.0, 2.0, 2.0, 3.0, 4.0]);
    assert!(records.iter().all(|p| !p.record.live && p.record.host == "local"));
}

#[test]
fn undated_records_take_the_greatest_time_read_so_far() {
    let check = |files: &[(&str, Vec<u8>)], expected: &str| {
        let (_dir, path) = folder(files);
        assert_eq!(times(&read(&path).0), expected);
    };
    // In the middle of a file, and leading the first one.
    check(
        &[("1", lines(&[inspect("x"), event("a", at(1.0)), inspect("y"), inspect("z"), event("b", at(2.0)), inspect("w")]))],
        "x@1 a@1 y@1 z@1 b@2 w@2",
    );
    // Leading a later file: when the one before it is read.
    check(
        &[
            ("1", lines(&[event("a", at(1.0)), event("b", at(9.0))])),
            ("2", lines(&[inspect("x")])),
            ("3", lines(&[event("c", at(9.5)), event("d", at(11.0))])),
        ],
        "a@1 b@9 x@9 c@9.5 d@11",
    );
    // Leading a later file that runs beside: a second after the first time in it.
    check(
        &[
            ("1", lines(&[event("a", at(1.0)), event("b", at(5.9)), event("c", at(6.0)), event("e", at(9.0))])),
            ("2", lines(&[inspect("x"), event("d", at(5.0))])),
        ],
        "a@1 b@5.9 x@5.9 d@5 c@6 e@9",
    );
    // Before anything dated: the first dated time, unless another file begins much earlier.
    check(&[("1", lines(&[inspect("x")])), ("2", lines(&[event("a", at(1.5))])), ("3", lines(&[event("b", at(1.0))]))], "x@1.5 b@1 a@1.5");
    check(&[("1", lines(&[inspect("x")])), ("2", lines(&[event("a", at(9.0))])), ("3", lines(&[event("b", at(1.0))]))], "x@1 b@1 a@9");
    // Nothing dated at all: what the containers tell of themselves, else 0.
    let born = |id: &str, created: &str| inspect(id).replace("{\"Id\"", &format!("{{\"Created\":\"{created}\",\"Id\""));
    check(&[("1", lines(&[born("x", "2026-11-24T13:41:19Z"), born("y", "2026-11-24T13:41:28Z")]))], "x@10 y@10");
    let (_dir, path) = folder(&[("1", lines(&[inspect("x")]))]);
    assert_eq!(read(&path).0[0].time(), Some(Time(0)));
}

#[test]
fn a_time_that_nothing_confirms_is_not_believed() {
    let hour = 3600.0;
    let check = |files: &[&[(&str, f64)]], expected: &str| {
        let files: Vec<(String, Vec<u8>)> = files
            .iter()
            .enumerate()
            .map(|(i, list)| (format!("{i}"), lines(&list.iter().map(|(id, t)| event(id, at(*t))).collect::<Vec<_>>())))
            .collect();
        let files: Vec<(&str, Vec<u8>)> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
        let (_dir, path) = folder(&files);
        assert_eq!(times(&read(&path).0), expected);
    };
    check(&[&[("a", 0.0), ("b", 500.0 * hour), ("c", 1.0), ("d", 2.0)]], "a@0 b@0? c@1 d@2");
    check(&[&[("a", 0.0), ("b", 500.0 * hour)], &[("c", 1.0), ("d", 2.0)]], "a@0 b@0? c@1 d@2");
    check(&[&[("a", 0.0)], &[("b", 500.0 * hour), ("c", 1.0), ("d", 2.0)]], "a@0 b@0? c@1 d@2");
    check(&[&[("a", 0.0)], &[("b", 500.0 * hour)], &[("c", 1.0), ("d", 2.0)]], "a@0 b@0? c@1 d@2");
    check(
        &[&[("a", 9.0 * hour), ("b", 9.0 * hour)], &[("c", 1.0)], &[("d", 9.0 * hour), ("e", 9.0 * hour)]],
        "a@32400 b@32400 c@32400? d@32400 e@32400",
    );
    // Long silences are ordinary, also where the files are cut in them.
    check(&[&[("a", 0.0), ("b", hour), ("c", 2.0 * hour), ("d", 2.0 * hour)]], "a@0 b@3600 c@7200 d@7200");
    check(&[&[("a", 0.0)], &[("b", hour)], &[("c", 2.0 * hour)], &[("d", 2.0 * hour)]], "a@0 b@3600 c@7200 d@7200");
    // The very last one has nothing behind it: a silence of a day is believed, more is not.
    check(&[&[("a", 0.0), ("b", hour)]], "a@0 b@3600");
    check(&[&[("a", 0.0), ("b", 25.0 * hour)]], "a@0 b@0?");
}

#[test]
fn hundreds_of_files_are_merged_without_being_open_at_once() {
    let count = 300;
    let names: Vec<String> = (0..count).map(|i| format!("{i:04}.jsonl")).collect();
    let files: Vec<(&str, Vec<u8>)> = names
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let at = |n: usize| at((n * count + (i * 7) % count) as f64);
            (name.as_str(), lines(&[inspect("x"), event("a", at(0)), event("b", at(1)), inspect("y")]))
        })
        .collect();
    let (_dir, path) = folder(&files);
    let mut reader = Reader::open(&[path], &ReadOptions::default()).unwrap();
    let records: Vec<Prepared> = reader.by_ref().collect();
    assert_eq!(records.len(), 4 * count);
    let arrived: Vec<Time> = records.iter().map(|p| p.record.arrived).collect();
    assert!(arrived.is_sorted());
    assert!(records.iter().all(|p| p.time() == Some(p.record.arrived)), "what is in order keeps its time");
    assert_eq!(Some(reader.bytes_read()), reader.bytes_total());
}

#[test]
fn bytes_in_memory_are_read_as_files_are() {
    let files = [("b", event("b", at(1.0))), ("a", event("a", at(0.0)))];
    let files = files.map(|(name, text)| (PathBuf::from(name), Arc::from(text.into_bytes())));
    let records: Vec<Prepared> = Reader::over(files, &ReadOptions::default()).collect();
    assert_eq!(times(&records), "a@0 b@1");
    assert_eq!(records[1].record.place.file, "b");
}

#[test]
fn recorded_lines_keep_their_arrival() {
    let line =
        |arrived: f64, body: &str| format!(r#"{{"landwaiter":1,"source":"docker_events","host":"far","arrived":{},{body}}}"#, at(arrived));
    let (_dir, path) = folder(&[
        ("1", lines(&[line(1.0, &format!("\"data\":{}", event("a", at(0.5)))), line(3.0, "\"tick\":true"), line(9.0, "\"tick\":true")])),
        ("2", lines(&[event("b", at(2.0)), event("c", at(4.0))])),
    ]);
    let (records, report) = read(&path);
    assert_eq!(subjects(&records), "a b tick c tick");
    let arrived: Vec<f64> = records.iter().map(|p| (p.record.arrived.0 - NIGHT) as f64 / 1e9).collect();
    assert_eq!(arrived, [1.0, 2.0, 3.0, 4.0, 9.0]);
    assert_eq!(records.iter().map(|p| p.record.live).collect::<Vec<_>>(), [true, false, true, false, true]);
    assert_eq!(records[0].record.host, "far");
    assert!(matches!(records[2].record.body, Body::Tick));
    assert_eq!(report.records, 5);
}
