//! A DTLS server that knows nobody, fed with arbitrary datagrams. Absent: a socket.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| landfall_dtls::fuzz::fuzz_datagrams(bytes));
