//! A clientId with user name and password. Absent: a connection.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| landfall_south::mqtt::fuzz_identity(bytes));
