//! The OceanConnect northbound API (spec/oceanconnect/huawei-northbound.md): operations ([`OPERATIONS`]) and notifications over the core.
//!
//! Absent: upgrades; their paths are answered with 404 and an error body.

mod batch;
mod body;
mod call;
mod capability;
mod command;
mod device;
mod errors;
mod flow;
mod group;
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
    http::{Form, Rest},
};
use axum::Router;
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
    document: include_str!("../../../../spec/oceanconnect/huawei-northbound.openapi.yaml"),
    routes: |core, settings| {
        let settings = serde_json::from_value(settings).map_err(|error| error.to_string())?;
        Ok(router(Arc::new(OceanConnect { core, settings, flow: FlowControl::new() })))
    },
    form: Form { api: "oceanconnect", echoes: &[], failed: |_, _| errors::failed() },
    notifier: Some(&notify::Notifications),
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
    REST.refused(operation::routes().with_state(state))
}

/// Whatever else there is under them gets an error body.
const REST: Rest = Rest {
    prefixes: DIALECT.prefixes,
    unknown: |_| errors::unsupported(),
    wrong_method: |_| errors::wrong_method(),
    deletes_below: operation::deletes_below,
};

#[cfg(test)]
mod tests {
    mod sequences;

    use super::*;
    use axum::{
        extract::Request,
        routing::{delete, get},
    };
    use hyper::service::Service;
    use hyper_util::service::TowerToHyperService;

    #[tokio::test]
    async fn paths_and_methods_of_no_operation_get_an_error_body() {
        let known = Router::new()
            .route("/iocm/app/dm/v1.4.0/devices/{deviceId}", get(async || "one"))
            .route("/iocm/app/dm/v1.4.0/devices", get(async || "list"))
            .route("/iocm/app/sub/v1.2.0/subscriptions", delete(async || "all gone"))
            .route("/iocm/app/sub/v1.2.0/subscriptions/{subscriptionId}", delete(async || "one gone"));
        let service = TowerToHyperService::new(REST.refused(known));
        let cases = [
            ("GET", "/iocm/app/dm/v1.4.0/devices", 200, "list"),
            ("GET", "/iocm/app/dm/v1.4.0/devices/d", 200, "one"),
            ("POST", "/iocm/app/dm/v1.4.0/devices", 405, r#""error_code":"100405""#),
            ("GET", "/iocm/app/dm/v1.4.0/devices/d/x", 404, r#""error_code":"100404""#),
            ("POST", "/iocm/app/batchtask/v1.1.0/tasks", 404, r#""error_code":"100404""#),
            ("POST", "/iodm/app/sub/v1.1.0/subscribe", 404, r#""error_code":"100404""#),
            ("GET", "/api/v1/devices", 404, ""),
            ("GET", "//iocm/app/dm/v1.4.0/devices", 200, "list"),
            ("GET", "/iocm/app/dm/v1.4.0/devices/?pageNo=0", 200, "list"),
            ("GET", "//iocm//app/dm/v1.4.0///devices/d//", 200, "one"),
            ("POST", "//iocm/app/dm/v1.4.0/devices/", 405, r#""error_code":"100405""#),
            ("GET", "//iocm/app/nothing/", 404, r#""error_code":"100404""#),
            ("GET", "/iocm", 404, r#""error_code":"100404""#),
            ("GET", "/iocm/", 404, r#""error_code":"100404""#),
            ("GET", "//iocm", 404, r#""error_code":"100404""#),
            ("GET", "//iocm/", 404, r#""error_code":"100404""#),
            ("GET", "/iodm", 404, r#""error_code":"100404""#),
            ("GET", "//iodm/x", 404, r#""error_code":"100404""#),
            ("GET", "///iocm/app/dm/v1.4.0/devices", 404, ""),
            ("DELETE", "/iocm/app/sub/v1.2.0/subscriptions", 200, "all gone"),
            ("DELETE", "//iocm/app/sub/v1.2.0/subscriptions", 200, "all gone"),
            ("DELETE", "/iocm/app/sub/v1.2.0/subscriptions/s/", 200, "one gone"),
            ("DELETE", "/iocm/app/sub/v1.2.0/subscriptions/", 404, r#""error_code":"100404""#),
        ];
        for (method, path, status, text) in cases {
            let request = Request::builder().method(method).uri(path).body(axum::body::Body::empty()).unwrap();
            let response = service.call(request).await.unwrap();
            assert_eq!(response.status().as_u16(), status, "{method} {path}");
            let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
            assert!(std::str::from_utf8(&body).unwrap().contains(text), "{method} {path}");
        }
    }
}
