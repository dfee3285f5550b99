//! Arbitrary bytes as a saved DTLS session. Absent: a store.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| landfall_dtls::fuzz::fuzz_saved(bytes));
