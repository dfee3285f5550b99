//! A message of SmartREST 2.0, a collection of templates and an operation for it. Absent: a connection.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| landfall_south::mqtt::fuzz_smartrest(bytes));
