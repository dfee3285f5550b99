//! An OceanConnect profile package (zip). Absent: a registry.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| landfall_north::admin::fuzz_profile_package(bytes));
