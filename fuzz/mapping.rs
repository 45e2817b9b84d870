//! What is tried with hostile mapping files: a mapping, a zero, and the records that it is to read.

use event::Gravity;
use source::Preparer;
use source::mapping::{Mapping, Mappings};
use source::read::{ReadOptions, Reader};
use std::path::PathBuf;
use std::sync::Arc;

/// Reads the mapping, and the records by it. It is refused with a reason, or reads the same each time.
pub fn run(bytes: &[u8]) {
    let at = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let Ok(text) = std::str::from_utf8(&bytes[..at]) else { return };
    let (mapping, problems) = Mapping::parse(text, "m.yml");
    problems.iter().for_each(|problem| assert!(!problem.message.is_empty() && !problem.code.is_empty()));
    let Some(mapping) = mapping else {
        assert!(problems.iter().any(|problem| problem.gravity == Gravity::Error), "it is refused with a reason");
        return;
    };
    let records = bytes.get(at + 1..).unwrap_or_default();
    records.split(|byte| *byte == b'\n').take(64).for_each(|line| assert_eq!(mapping.look(line), mapping.look(line)));
    let mut mappings = Mappings::default();
    assert!(mappings.add(mapping.clone()).is_none());
    assert!(mappings.add(mapping).is_some(), "two of one name are a problem");
    let options = ReadOptions { preparer: Preparer::new(mappings), ..ReadOptions::default() };
    let read = || -> Vec<String> {
        let reader = Reader::over([(PathBuf::from("f"), Arc::from(records))], &options);
        reader
            .map(|prepared| format!("{:?}{:?}", prepared.time(), prepared.content.map(|content| content.map(|decoded| decoded.fact))))
            .collect()
    };
    assert_eq!(read(), read(), "reading is a function of the bytes");
}
