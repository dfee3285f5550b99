//! The OceanConnect northbound API (spec/oceanconnect/huawei-northbound.md): operations ([`OPERATIONS`]) and notifications over the core.
//!
//! Absent: batches, groups, upgrades and the MQTT channel of subscriptions; their paths are answered with 404 and an error body.

mod call;
mod capability;
mod command;
mod device;
mod errors;
mod flow;
mod history;
mod info;
mod key;
mod map;
mod notify;
mod operation;
mod register;
mod request;
mod revocation;
mod row;
mod shadow;
mod subscription;
mod token;
mod wire;

pub use operation::{OPERATIONS, Operation};

use crate::{
    dialect::{self, Dialect},
    http::Form,
};
use axum::{Router, routing::any};
use errors::{Errors, Fault};
use flow::FlowControl;
use landfall_core::Core;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Its line in the list.
pub const DIALECT: Dialect = Dialect {
    name: "oceanconnect",
    prefixes: &["/iocm", "/iodm"],
    settings: dialect::settings::<Settings>,
    former_keys: &[("northbound.calls_per_minute", "calls_per_minute")],
    routes: |core, settings| {
        let settings = serde_json::from_value(settings).map_err(|error| error.to_string())?;
        Ok(router(Arc::new(OceanConnect { core, settings, flow: FlowControl::new() })))
    },
    form: Form { api: "oceanconnect", echoes: &[], failed: |_, _| errors::failed() },
    notifier: &notify::Notifications,
};

/// What an operator may tune in the dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Calls a minute, for each application and operation; 0 is no limit. An application's own limit goes first.
    calls_per_minute: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { calls_per_minute: 100 }
    }
}

/// The dialect over a core.
struct OceanConnect {
    core: Arc<Core>,
    settings: Settings,
    flow: FlowControl,
}

/// The routes of the dialect, all under /iocm and /iodm.
fn router(state: Arc<OceanConnect>) -> Router {
    refusing_the_rest(operation::routes()).with_state(state)
}

/// Answers with an error body whatever else there is under /iocm and /iodm.
fn refusing_the_rest<S: Clone + Send + Sync + 'static>(operations: Router<S>) -> Router<S> {
    operations
        .method_not_allowed_fallback(async || errors::wrong_method())
        .route("/iocm/{*rest}", any(async || errors::unsupported()))
        .route("/iodm/{*rest}", any(async || errors::unsupported()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{body::Body, extract::Request, routing::get};
    use hyper::service::Service;
    use hyper_util::service::TowerToHyperService;

    #[tokio::test]
    async fn paths_and_methods_of_no_operation_get_an_error_body() {
        let known = Router::new()
            .route("/iocm/app/dm/v1.4.0/devices/{deviceId}", get(async || "one"))
            .route("/iocm/app/dm/v1.4.0/devices", get(async || "list"));
        let service = TowerToHyperService::new(refusing_the_rest(known));
        let cases = [
            ("GET", "/iocm/app/dm/v1.4.0/devices", 200, "list"),
            ("GET", "/iocm/app/dm/v1.4.0/devices/d", 200, "one"),
            ("POST", "/iocm/app/dm/v1.4.0/devices", 405, r#""error_code":"100405""#),
            ("GET", "/iocm/app/dm/v1.4.0/devices/d/x", 404, r#""error_code":"100404""#),
            ("POST", "/iocm/app/batchtask/v1.1.0/tasks", 404, r#""error_code":"100404""#),
            ("POST", "/iodm/app/sub/v1.1.0/subscribe", 404, r#""error_code":"100404""#),
            ("GET", "/api/v1/devices", 404, ""),
        ];
        for (method, path, status, text) in cases {
            let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
            let response = service.call(request).await.unwrap();
            assert_eq!(response.status().as_u16(), status, "{method} {path}");
            let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
            assert!(std::str::from_utf8(&body).unwrap().contains(text), "{method} {path}");
        }
    }
}
