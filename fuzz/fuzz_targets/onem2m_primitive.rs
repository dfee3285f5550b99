//! An oneM2M request with its content. Absent: a tree.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| landfall_north::onem2m::fuzz_primitive(bytes));
