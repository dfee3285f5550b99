//! One CoAP datagram, read and written. Absent: an endpoint.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| landfall_coap::fuzz::fuzz_message(bytes));
