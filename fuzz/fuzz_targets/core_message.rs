//! A device message in every way the platform reads it. Absent: a store.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| landfall_core::fuzz::fuzz_message(bytes));
