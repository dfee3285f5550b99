//! A form with a table in pieces of some size. Absent: what its columns mean.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| landfall_north::fuzz::fuzz_upload(bytes));
