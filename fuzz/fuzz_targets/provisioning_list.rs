//! A list of nodes to be provisioned. Absent: a registry.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| landfall_north::onem2m::fuzz_list(bytes));
