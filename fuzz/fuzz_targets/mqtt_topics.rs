//! A topic of a device and its rights. Absent: a connection.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| landfall_south::mqtt::fuzz_topics(bytes));
