//! The northbound half of the server: what its HTTP listeners answer, and their limits.

use crate::{
    config::Config,
    wiring::{DeviceLogins, Running},
};
use landfall_core::Core;
use landfall_north::{
    admin, bind,
    http::{self, Router},
    openapi,
};
use landfall_south::mqtt::Mqtt;
use std::sync::Arc;

/// For applications and operators: the dialects and the admin API.
pub fn applications(config: &Config, core: &Arc<Core>, running: Arc<Running>) -> Result<Router, String> {
    let operators = Arc::new(admin::Admin::new(core.clone(), running));
    let router = config.dialects.routes(core)?;
    let documents = config.dialects.documents().into_iter().chain([admin::DOCUMENT]).collect();
    let router = router.merge(openapi::router(documents));
    Ok(router.merge(admin::router(operators.clone())).merge(admin::observe::router(operators, config.northbound.open_metrics)))
}

/// For devices that bind.
pub fn devices(core: &Arc<Core>, mqtt: Arc<Mqtt>, addresses: bind::Addresses) -> Router {
    bind::router(Arc::new(bind::DeviceApi::new(core.clone(), Arc::new(DeviceLogins(mqtt)), addresses)))
}

/// Limits of each listener.
pub fn limits(config: &Config) -> http::Limits {
    let own = &config.northbound;
    http::Limits {
        connections: own.max_connections,
        requests: own.max_requests,
        budget_bytes: own.body_budget_bytes,
        body_bytes_per_s: own.body_bytes_per_s,
        body_s: own.body_s,
        handshake_timeout_ms: u64::from(own.handshake_s) * 1_000,
        ..Default::default()
    }
}
