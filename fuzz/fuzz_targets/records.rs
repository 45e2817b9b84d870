//! Hostile bytes for everything that reads a record.

#![no_main]

#[path = "../run.rs"]
mod run;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run::run(bytes));
