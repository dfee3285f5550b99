//! A whole MQTT connection fed with arbitrary bytes, in arbitrary cuts. Absent: a socket and a store.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| landfall_mqtt::fuzz::fuzz_connection(bytes));
