//! Device bind and hub calls over HTTPS (device-side sections 3 and 8), what AgentLite needs besides MQTT.
//!
//! Bind is open to everybody who knows a verification code, so failures are throttled by nodeId and address. The other calls use HTTP Basic
//! with the clientId and password of an MQTT login. Absent: the check of those, which the server wires ([`DeviceAuthenticator`]).

mod attempt;
mod wire;

use crate::http::{Form, Peer, guarded, whole_body};
use async_trait::async_trait;
use attempt::{Attempt, FAILURES};
use axum::{
    Router,
    body::Body,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
    routing::{delete, post, put},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use landfall_core::{BindRequest, Core, DeviceCaller, Throttle};
use landfall_model::{Cause, DeviceId, Error, ErrorKind, Result, Secret};
use serde::{Serialize, de::DeserializeOwned};
use std::{net::SocketAddr, sync::Arc};
use wire::{BindBody, BoundBody, ChildBody, DeviceInfoBody, StatusBody};

/// Tells who a device is by the clientId and password of an MQTT login (device-side section 4).
#[async_trait]
pub trait DeviceAuthenticator: Send + Sync {
    /// The device, or why not, of which it has left a why record.
    async fn authenticate(&self, peer: Option<SocketAddr>, client_id: &str, password: &str) -> Result<DeviceCaller>;
}

/// Where devices find the server; part of the answer to a bind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Name or address of the server; absent: the one the device used.
    pub host: Option<String>,
    /// Port of this API.
    pub https_port: u16,
    /// Port of MQTT over TLS.
    pub mqtts_port: u16,
}

/// The API over a core.
pub struct DeviceApi {
    core: Arc<Core>,
    authenticator: Arc<dyn DeviceAuthenticator>,
    addresses: Addresses,
    throttle: Throttle,
}

impl DeviceApi {
    /// Puts the API together.
    pub fn new(core: Arc<Core>, authenticator: Arc<dyn DeviceAuthenticator>, addresses: Addresses) -> Self {
        Self { core, authenticator, addresses, throttle: Throttle::new(FAILURES) }
    }
}

/// The routes, all under /iota/device/v1.
pub fn router(state: Arc<DeviceApi>) -> Router {
    let routes = Router::new()
        .route("/iota/device/v1/bind", post(bind))
        .route("/iota/device/v1/devices/{deviceId}", delete(remove_child))
        .route("/iota/device/v1/devices/{deviceId}/children", post(add_child))
        .route("/iota/device/v1/devices/{deviceId}/status", put(report_status))
        .fallback(async || refuse(&Error::new(Cause::Forbidden, "there is no such call"), StatusCode::NOT_FOUND))
        .with_state(Arc::clone(&state));
    guarded(routes, FORM, move || state.core.now())
}

/// What is answered where a handler panicked.
pub(crate) const FORM: Form = Form {
    api: "bind",
    echoes: &[],
    failed: |_, _| failure(&Error::new(Cause::Internal, ""), StatusCode::INTERNAL_SERVER_ERROR),
};

type Segment = std::result::Result<Path<String>, PathRejection>;

/// Exchanges a verification code for credentials: result 0, 1 for an unknown device, 2 for a code that is over.
async fn bind(State(api): State<Arc<DeviceApi>>, request: Request) -> Response {
    let peer = address(&request);
    let asked_host = host(request.headers());
    let outcome = async {
        let body: BindBody = read(request).await?;
        let node_id = body.device_info.node_id.clone();
        let known = api.core.device_by_node(&node_id).await.ok();
        let attempt = Attempt { api: &api, peer, node_id: &node_id, known: known.as_deref() };
        attempt.check()?;
        let (verify_code, (info, product)) = (Secret::new(body.verify_code), body.device_info.check()?);
        let bound = api.core.bind(BindRequest { verify_code, node_id: node_id.clone(), info, product }).await;
        bound.map_err(|error| attempt.refused(error))
    };
    let (device, secret) = match outcome.await {
        Ok(bound) => bound,
        Err(error) => {
            return match error.cause {
                Cause::DeviceNotFound => result(StatusCode::NOT_FOUND, 1),
                Cause::Forbidden => result(StatusCode::GONE, 2),
                _ => refuse(&error, status_of(&error)),
            };
        }
    };
    let host = api.addresses.host.clone().unwrap_or(asked_host);
    let body = BoundBody {
        result: 0,
        device_id: device.id.to_string(),
        device_secret: secret.expose(),
        app_id: device.app().map(|app| app.to_string()).unwrap_or_default(),
        iocm_addr: &host,
        iocm_port: api.addresses.https_port,
        mqtt_addr: &host,
        mqtt_port: api.addresses.mqtts_port,
    };
    answer(StatusCode::OK, &body)
}

/// HubDeviceAdd: 201 with the new deviceId; 409 and result 1 where the node exists, with its deviceId if it is behind the caller.
async fn add_child(State(api): State<Arc<DeviceApi>>, segment: Segment, request: Request) -> Response {
    let outcome = async {
        let caller = authenticated(&api, request.headers(), address(&request)).await?;
        if device_id(segment)? != caller.device() {
            return Err(Error::new(Cause::Forbidden, "only the gateway itself may add devices behind it"));
        }
        let body: DeviceInfoBody = read(request).await?;
        let node_id = body.node_id.clone();
        let (info, product) = body.check()?;
        match api.core.add_child(&caller, &node_id, product, info).await {
            Ok(child) => Ok((StatusCode::CREATED, 0, Some(child.id))),
            Err(error) if error.cause == Cause::NodeIdTaken => {
                let known = api.core.device_by_node(&node_id).await.ok();
                let own = known.filter(|device| device.gateway == Some(caller.device()));
                Ok((StatusCode::CONFLICT, 1, own.map(|device| device.id)))
            }
            Err(error) => Err(error),
        }
    };
    match outcome.await {
        Ok((status, result, id)) => answer(status, &ChildBody { result, device_id: id.map(|id| id.to_string()) }),
        Err(error) => refuse(&error, status_of(&error)),
    }
}

/// DeviceStatusUpdate, for the caller and the devices behind it.
async fn report_status(State(api): State<Arc<DeviceApi>>, segment: Segment, request: Request) -> Response {
    let outcome = async {
        let caller = authenticated(&api, request.headers(), address(&request)).await?;
        let id = device_id(segment)?;
        let body: StatusBody = read(request).await?;
        let (status, detail) = body.parse()?;
        api.core.report_status(&caller, id, status, detail).await
    };
    done(outcome.await)
}

/// HubDeviceRemove, for devices behind the caller.
async fn remove_child(State(api): State<Arc<DeviceApi>>, segment: Segment, request: Request) -> Response {
    let outcome = async move {
        let caller = authenticated(&api, request.headers(), address(&request)).await?;
        api.core.remove_child(&caller, device_id(segment)?).await
    };
    done(outcome.await)
}

/// 200 and result 0; 404 and result 2 for a device the caller does not speak for; else 255.
fn done(outcome: Result<()>) -> Response {
    match outcome {
        Ok(()) => result(StatusCode::OK, 0),
        Err(error) if error.cause == Cause::DeviceNotFound => result(StatusCode::NOT_FOUND, 2),
        Err(error) => refuse(&error, status_of(&error)),
    }
}

/// The device behind HTTP Basic credentials.
async fn authenticated(api: &DeviceApi, headers: &HeaderMap, peer: Option<SocketAddr>) -> Result<DeviceCaller> {
    let refused = |why: &'static str| Error::new(Cause::Unauthenticated, why);
    let (client_id, password) = basic(headers).ok_or_else(|| refused("HTTP Basic credentials are needed"))?;
    api.authenticator.authenticate(peer, &client_id, &password).await.map_err(|error| match error.kind() {
        _ if error.cause == Cause::Throttled => Error::new(Cause::Throttled, "too many failed attempts; try again in a minute"),
        ErrorKind::Unavailable | ErrorKind::Internal => error,
        // Which part is wrong is told by the why records, not to whoever asks.
        _ => refused("clientId or password is wrong"),
    })
}

/// Where the request comes from, as the listener says.
fn address(request: &Request) -> Option<SocketAddr> {
    request.extensions().get::<Peer>().map(|peer| peer.0)
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, text) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// The name by which the device called, without its port.
fn host(headers: &HeaderMap) -> String {
    let text = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let end = match text.strip_prefix('[') {
        Some(v6) => v6.find(']').map_or(text.len(), |at| at + 2),
        None => text.find(':').unwrap_or(text.len()),
    };
    text[..end].to_owned()
}

fn device_id(segment: Segment) -> Result<DeviceId> {
    let id = segment.ok().and_then(|Path(text)| text.parse().ok());
    id.ok_or_else(|| Error::new(Cause::DeviceNotFound, "there is no such device"))
}

async fn read<T: DeserializeOwned>(request: Request) -> Result<T> {
    let body = whole_body(request).await.map_err(|error| Error::invalid("body", error.to_string()))?;
    let text = landfall_core::json::sound(&body).map_err(|why| Error::invalid("body", why))?;
    // Line and column, never a value: there may be a code in it.
    serde_json::from_str(&text)
        .map_err(|error| Error::invalid("body", format!("wrong at line {} column {}", error.line(), error.column())))
}

fn status_of(error: &Error) -> StatusCode {
    use landfall_model::ErrorKind as Kind;
    match (error.cause, error.kind()) {
        (Cause::Unauthenticated, _) => StatusCode::UNAUTHORIZED,
        (Cause::Throttled, _) => StatusCode::TOO_MANY_REQUESTS,
        (_, Kind::NotFound) => StatusCode::NOT_FOUND,
        (_, Kind::Conflict) => StatusCode::CONFLICT,
        (_, Kind::Invalid) => StatusCode::BAD_REQUEST,
        (_, Kind::Denied | Kind::Limit) => StatusCode::FORBIDDEN,
        (_, Kind::Unavailable) => StatusCode::SERVICE_UNAVAILABLE,
        (_, Kind::Internal) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Result 255 with the cause.
fn refuse(error: &Error, status: StatusCode) -> Response {
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(%error, "device call failed");
    }
    failure(error, status)
}

fn failure(error: &Error, status: StatusCode) -> Response {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct ErrorBody<'a> {
        result: u8,
        error_code: &'a str,
        error_desc: String,
    }
    let error_desc = if status == StatusCode::INTERNAL_SERVER_ERROR { "internal error".to_owned() } else { error.to_string() };
    let mut response = answer(status, &ErrorBody { result: 255, error_code: error.cause.as_str(), error_desc });
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"device\""));
    }
    response
}

fn result(status: StatusCode, result: u8) -> Response {
    #[derive(Serialize)]
    struct ResultBody {
        result: u8,
    }
    answer(status, &ResultBody { result })
}

fn answer(status: StatusCode, body: &impl Serialize) -> Response {
    // Structs of strings and numbers always serialize.
    let mut response = Response::new(Body::from(serde_json::to_vec(body).unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn basic_credentials_are_read() {
        let pair = Some(("d_0_1_2018072417".to_owned(), "06:6d".to_owned()));
        assert_eq!(basic(&headers(header::AUTHORIZATION, "Basic ZF8wXzFfMjAxODA3MjQxNzowNjo2ZA==")), pair);
        for bad in ["Bearer ZF8wXzFfMjAxODA3MjQxNzowNjo2ZA==", "Basic ZF8=", "Basic *", "Basic"] {
            assert_eq!(basic(&headers(header::AUTHORIZATION, bad)), None, "{bad}");
        }
    }

    #[test]
    fn the_host_loses_its_port() {
        for (text, name) in
            [("a.example:8943", "a.example"), ("10.0.0.1", "10.0.0.1"), ("[::1]:8943", "[::1]"), ("[::1]", "[::1]")]
        {
            assert_eq!(host(&headers(header::HOST, text)), name);
        }
        assert_eq!(host(&headers(header::HOST, "[")), "[");
        assert_eq!(host(&HeaderMap::new()), "");
    }
}
