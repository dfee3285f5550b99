//! A request to the simulated LwM2M client. Absent: CoAP.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut client = landfall_lwm2m::sim::Client::new("fuzzed", landfall_lwm2m::Version::V1_2);
    landfall_lwm2m::fuzz::fuzz_client(&mut client, bytes);
});
