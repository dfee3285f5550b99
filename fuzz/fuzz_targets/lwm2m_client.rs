//! A request to the simulated LwM2M client. Absent: CoAP.
#![no_main]

use landfall_lwm2m::{ObjectModels, Version, sim::Client};
use std::sync::{Arc, LazyLock};

/// Made once: it is most of the work of a new client.
static MODELS: LazyLock<Arc<ObjectModels>> = LazyLock::new(|| Arc::new(ObjectModels::builtin()));

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut client = Client::with_models("fuzzed", Version::V1_2, MODELS.clone());
    landfall_lwm2m::fuzz::fuzz_client(&mut client, bytes);
});
