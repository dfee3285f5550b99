//! Link format, queries, arguments and object definitions of LwM2M. Absent: CoAP.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| landfall_lwm2m::fuzz::fuzz_documents(bytes));
