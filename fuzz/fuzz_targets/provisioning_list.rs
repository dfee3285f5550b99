//! A list of nodes to be provisioned. Absent: a registry.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| landfall_north::provisioning_list::fuzz_list(bytes));
