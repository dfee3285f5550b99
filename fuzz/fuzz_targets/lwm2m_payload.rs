//! A payload in any content format of LwM2M. Absent: CoAP.
#![no_main]

use std::sync::LazyLock;

use landfall_lwm2m::ObjectModels;

static MODELS: LazyLock<ObjectModels> = LazyLock::new(ObjectModels::builtin);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    landfall_lwm2m::fuzz::fuzz_payload(&MODELS, bytes);
    landfall_lwm2m::fuzz::fuzz_round_trip(&MODELS, bytes);
});
