//! A DTLS server and a client whose datagrams are changed on their way. Absent: a socket.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| landfall_dtls::fuzz::fuzz_conversation(bytes));
