//! Where a recording is cut into files makes no difference, whatever it holds.

use event::{Body, Place, Record, Time};
use proptest::prelude::*;
use source::read::{ReadOptions, Reader};
use source::recording;
use std::fs;
use std::sync::Arc;

const NIGHT: i64 = 1_795_527_678_000_000_000;
const SECOND: i64 = 1_000_000_000;

/// What the next line of a recording may be.
#[derive(Clone, Debug)]
enum Line {
    /// An event this many nanoseconds after the last one, written down this much too late.
    Event(i64, i64),
    /// An event whose clock is off by so many hours.
    Stray(i64),
    Inspect,
    Rubbish,
}

fn line() -> impl Strategy<Value = Line> {
    let step = prop_oneof![
        4 => 0..SECOND,
        2 => Just(0i64),
        2 => 0..60 * SECOND,
        2 => 0..20 * 3600 * SECOND,
    ];
    let late = prop_oneof![3 => Just(0i64), 1 => 0..SECOND];
    prop_oneof![
        8 => (step, late).prop_map(|(step, late)| Line::Event(step, late)),
        1 => (-900i64..900).prop_map(Line::Stray),
        4 => Just(Line::Inspect),
        1 => Just(Line::Rubbish),
    ]
}

/// Writes the lines down. An event that is late stands behind others of its second, as in a stream of several writers.
fn write(list: &[Line]) -> Vec<String> {
    let mut now = NIGHT;
    let mut stray = false;
    list.iter()
        .enumerate()
        .map(|(i, line)| match line {
            Line::Event(step, late) => {
                now += step;
                stray = false;
                event(i, now - late)
            }
            // Two in a row confirm each other: then the recording itself runs backwards by hours, and no order is promised.
            Line::Stray(_) if stray => {
                stray = false;
                event(i, now)
            }
            Line::Stray(hours) => {
                stray = true;
                event(i, now + hours * 3600 * SECOND)
            }
            Line::Inspect => format!(r#"{{"Id":"i{i}","State":{{}},"HostConfig":{{}}}}"#),
            Line::Rubbish => format!("rubbish {i}"),
        })
        .collect()
}

fn event(i: usize, time: i64) -> String {
    format!(r#"{{"Type":"container","Action":"start","Actor":{{"ID":"e{i}"}},"timeNano":{time}}}"#)
}

/// What the engine makes of it: sorted by time, stable.
fn read(files: &[Vec<String>]) -> Vec<(Time, bool, String)> {
    let dir = tempfile::tempdir().unwrap();
    for (i, list) in files.iter().enumerate() {
        fs::write(dir.path().join(format!("{i:04}.jsonl")), list.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    }
    let reader = Reader::open(&[dir.path().to_owned()], &ReadOptions::default()).unwrap();
    let mut seen: Vec<_> = reader
        .map(|prepared| {
            let Body::Data(bytes) = &prepared.record.body else { panic!("no tick was written") };
            let time = prepared.time().expect("every plain record has a time");
            assert!(prepared.record.arrived >= time, "it arrives when it has happened");
            (time, prepared.time_suspect, String::from_utf8_lossy(bytes).into_owned())
        })
        .collect();
    seen.sort_by_key(|(time, ..)| *time);
    seen
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cutting_a_recording_changes_nothing(list in prop::collection::vec(line(), 0..24), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let list = write(&list);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(list.len() + 1)).collect();
        cuts.sort_unstable();
        let mut files = Vec::new();
        let mut from = 0;
        for cut in cuts.into_iter().chain([list.len()]) {
            files.push(list[from..cut].to_vec());
            from = cut;
        }
        prop_assert_eq!(read(&files), read(std::slice::from_ref(&list)));
    }

    #[test]
    fn honest_recordings_are_believed(steps in prop::collection::vec(0..40 * 3600 * SECOND, 1..20)) {
        let mut now = NIGHT;
        let mut list = vec![event(0, now)];
        list.extend(steps.iter().enumerate().map(|(i, step)| { now += step; event(i + 1, now) }));
        // Only of the very last one nothing behind it can be said.
        list.push(event(99, now));
        prop_assert!(read(&[list]).iter().all(|(_, suspect, _)| !suspect));
    }

    #[test]
    fn a_recorded_line_comes_back_exactly(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "\\PC{0,60}".prop_map(String::into_bytes),
            "[ \\[\\]{}\",:0-9a\\\\\n\r]{0,40}".prop_map(String::into_bytes),
            Just(br#"{"a" : [1.50, 1e400, "\u0041"], "a":2 }"#.to_vec()),
            Just(b"{}".to_vec()),
        ],
        source in "[a-z_\"\\\\]{0,12}",
        host in "\\PC{0,8}",
        arrived in any::<i64>(),
        tick in any::<bool>(),
    ) {
        let record = Record {
            seq: 0,
            source: source.into(),
            host: host.into(),
            arrived: Time(arrived),
            live: true,
            body: if tick { Body::Tick } else { Body::Data(Arc::from(bytes)) },
            place: Place::default(),
        };
        let line = recording::write(&record);
        prop_assert!(!line.contains('\n'));
        prop_assert_eq!(recording::parse(line.as_bytes()), Some(record));
    }

    #[test]
    fn any_bytes_are_read_to_their_end(bytes in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        "[\\[\\]{}\",:0-9a \n\u{1e}\\\\]{0,200}".prop_map(String::into_bytes),
    ]) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        // With a good record behind it on a line of its own: that one is always found.
        fs::write(&path, [&bytes[..], b"\n", event(7, NIGHT).as_bytes(), b"\n"].concat()).unwrap();
        let mut reader = Reader::open(&[path], &ReadOptions::default()).unwrap();
        let found = reader.by_ref().filter(|prepared| matches!(&prepared.content, Some(Ok(decoded)) if decoded.subject == "e7")).count();
        let is_text = !bytes.contains(&0) && !bytes.starts_with(&[0x1f, 0x8b]) && !bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
        if is_text {
            prop_assert_eq!(found, 1, "{:?}", reader.report());
        }
    }
}
