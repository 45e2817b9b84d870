//! Hostile bytes for the reader of mapping files and for what a mapping reads.

#![no_main]

#[path = "../mapping.rs"]
mod mapping;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mapping::run(bytes));
