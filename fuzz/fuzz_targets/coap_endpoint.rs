//! A CoAP endpoint fed with arbitrary datagrams of three peers. Absent: a socket.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| landfall_coap::fuzz::fuzz_endpoint(bytes));
