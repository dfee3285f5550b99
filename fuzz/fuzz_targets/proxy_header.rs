//! A PROXY protocol header, and `X-Forwarded-For`. Absent: the connection behind it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| landfall_ingress::fuzz::fuzz_proxy_header(bytes));
