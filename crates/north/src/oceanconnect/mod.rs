//! The OceanConnect northbound API (spec/oceanconnect/huawei-northbound.md): 26 of its 46 operations and its notifications over the core.
//!
//! Absent: batches, groups, upgrades and the MQTT channel of subscriptions; their paths are answered with 404 and an error body.

mod call;
mod capability;
mod command;
mod device;
mod errors;
mod flow;
mod history;
mod key;
mod map;
mod notify;
mod operation;
mod register;
mod request;
mod revocation;
mod shadow;
mod subscription;
mod token;
mod wire;

pub use notify::notifications;

use axum::{
    Router,
    routing::{any, delete, get, post, put},
};
use errors::Fault;
use flow::FlowControl;
use landfall_core::Core;
use operation::Operation;
use request::served;
use std::sync::Arc;

/// What an operator may tune in the dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Calls a minute, for each application and operation; 0 is no limit. An application's own limit goes first.
    pub calls_per_minute_default: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { calls_per_minute_default: 100 }
    }
}

/// The dialect over a core.
pub struct OceanConnect {
    core: Arc<Core>,
    settings: Settings,
    flow: FlowControl,
}

impl OceanConnect {
    /// Puts the dialect together.
    pub fn new(core: Arc<Core>, settings: Settings) -> Self {
        Self { core, settings, flow: FlowControl::new() }
    }
}

/// The routes of the dialect, all under /iocm and /iodm.
pub fn router(state: Arc<OceanConnect>) -> Router {
    use Operation as Op;
    let by_code = post(served(Op::RegisterByCode, register::by_code));
    let by_secret = post(served(Op::RegisterBySecret, register::by_secret));
    let credentials = get(served(Op::Activation, device::activation)).merge(put(served(Op::RefreshKey, key::refresh)));
    let commands = get(served(Op::ListCommands, command::list)).merge(post(served(Op::CreateCommand, command::create)));
    let revocations =
        get(served(Op::ListRevocations, revocation::list)).merge(post(served(Op::CreateRevocation, revocation::create)));
    let shadow = get(served(Op::GetShadow, shadow::get)).merge(put(served(Op::ModifyShadow, shadow::modify)));
    let device = get(served(Op::GetDevice, device::get))
        .merge(put(served(Op::ModifyDevice, device::modify)))
        .merge(delete(served(Op::DeleteDevice, device::delete)));
    let subscriptions = get(served(Op::ListSubscriptions, subscription::list))
        .merge(post(served(Op::Subscribe, subscription::create)))
        .merge(delete(served(Op::DeleteSubscriptions, subscription::delete_matching)));
    let subscription =
        get(served(Op::GetSubscription, subscription::get)).merge(delete(served(Op::DeleteSubscription, subscription::delete)));
    let operations = Router::new()
        .route("/iocm/app/cmd/v1.4.0/deviceCommandCancelTasks", revocations)
        .route("/iocm/app/cmd/v1.4.0/deviceCommands", commands)
        .route("/iocm/app/cmd/v1.4.0/deviceCommands/{deviceCommandId}", put(served(Op::CancelCommand, command::cancel)))
        .route("/iocm/app/data/v1.1.0/deviceCapabilities", get(served(Op::Capabilities, capability::list)))
        .route("/iocm/app/data/v1.2.0/deviceDataHistory", get(served(Op::History, history::list)))
        .route("/iocm/app/dm/v1.4.0/devices", get(served(Op::ListDevices, device::list)))
        .route("/iocm/app/dm/v1.4.0/devices/{deviceId}", device)
        .route("/iocm/app/reg/v1.1.0/deviceCredentials", by_code)
        .route("/iocm/app/reg/v1.1.0/deviceCredentials/{deviceId}", credentials)
        .route("/iocm/app/reg/v2.0.0/deviceCredentials", by_secret)
        .route("/iocm/app/sec/v1.1.0/login", post(token::login))
        .route("/iocm/app/sec/v1.1.0/refreshToken", post(token::refresh))
        .route("/iocm/app/shadow/v1.5.0/deviceDesiredHistory", get(served(Op::ShadowHistory, shadow::history)))
        .route("/iocm/app/shadow/v1.5.0/devices/{deviceId}", shadow)
        .route(
            "/iocm/app/signaltrans/v1.1.0/devices/{deviceId}/services/{serviceId}/sendCommand",
            post(served(Op::CallService, call::send)),
        )
        .route("/iocm/app/sub/v1.2.0/subscriptions", subscriptions)
        .route("/iocm/app/sub/v1.2.0/subscriptions/{subscriptionId}", subscription);
    refusing_the_rest(operations).with_state(state)
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
    use axum::{body::Body, extract::Request};
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
