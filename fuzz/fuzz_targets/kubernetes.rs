//! Hostile objects for everything that reads what a cluster says.

#![no_main]

#[path = "../kubernetes.rs"]
mod kubernetes;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kubernetes::run(bytes));
