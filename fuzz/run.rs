//! What is tried with hostile bytes, by the fuzzer and by the test that replays its corpus.

use event::{Body, Place, Record, SmolStr, Time};
use source::read::{ReadOptions, Reader};
use source::{SOURCES, prepare, recording};
use std::path::PathBuf;
use std::sync::Arc;

/// Reads the bytes in every way there is. Panics are findings, and so are answers that differ from one time to the next.
pub fn run(bytes: &[u8]) {
    let shared: Arc<[u8]> = Arc::from(bytes);
    for source in SOURCES.iter().map(|source| source.name).chain([""]) {
        let record = Record {
            seq: 0,
            source: SmolStr::new(source),
            host: SmolStr::new_static("local"),
            arrived: Time(0),
            live: false,
            body: Body::Data(shared.clone()),
            place: Place::default(),
        };
        let (one, two) = (prepare(record.clone()).content, prepare(record.clone()).content);
        match (one, two) {
            (Some(Ok(one)), Some(Ok(two))) => {
                assert_eq!(
                    (one.time, one.identity, &one.subject, &one.fact),
                    (two.time, two.identity, &two.subject, &two.fact),
                    "decoding is a function"
                );
            }
            (Some(Err(one)), Some(Err(two))) => assert_eq!(one, two, "decoding is a function"),
            _ => panic!("decoding is a function"),
        }
        let written = recording::write(&record);
        let back = recording::parse(written.as_bytes());
        assert_eq!(back.map(|record| record.body), Some(record.body), "a recording keeps every byte");
    }
    let _ = recording::parse(bytes);

    // Whole, and cut in two at an offset that the bytes themselves name.
    let cut = usize::from(bytes.first().copied().unwrap_or(0)) * bytes.len() / 256;
    let pieces: [&[&[u8]]; 2] = [&[bytes], &[&bytes[..cut], &bytes[cut..]]];
    for pieces in pieces {
        let files = pieces.iter().enumerate().map(|(i, piece)| (PathBuf::from(format!("{i}")), Arc::from(*piece)));
        let mut reader = Reader::over(files, &ReadOptions::default());
        let mut latest = None;
        let mut count = 0;
        for prepared in reader.by_ref() {
            assert_eq!(prepared.record.seq, count, "records are numbered in order");
            count += 1;
            if !prepared.record.live {
                assert!(latest <= Some(prepared.record.arrived), "arrivals never run backwards");
                assert!(prepared.time() <= Some(prepared.record.arrived), "nothing arrives before it happens");
            }
            latest = latest.max(Some(prepared.record.arrived));
        }
        let report = reader.report();
        assert_eq!(report.records + report.skipped_total, count, "every record is counted");
    }
}
