//! Calls of device services over MQTT (1.7.7), which is also how an application has a gateway delete a child (1.4.6).

use super::{
    Errors, Fault,
    map::within,
    request::{Inbound, answer},
    row,
    wire::{CallBody, CallHeader, CallTakenBody},
};
use axum::{http::StatusCode, response::Response};
use landfall_core::CallRequest;
use serde_json::value::RawValue;

pub(super) const SEND: Errors = Errors::of(&[
    row::NO_APP_200,
    row::NOT_AUTHORIZED_200,
    row::NO_DEVICE_200,
    row::OFFLINE,
    (200, "100432", "The device command is muted."),
    row::INVALID_100022,
    (400, "102203", "CommandName is invalid."),
    (403, "100450", "The gateway is not online."),
    row::THROTTLED,
    row::UNAUTHENTICATED,
    (404, "100444", "The serviceType is not exist."),
    row::COMMAND_INTERNAL,
    row::INTERNAL,
    row::CONGESTION,
])
.invalid(row::INVALID_100022);

/// 1.7.7
pub(super) async fn send(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    let service_id = inbound.segment("serviceId").to_owned();
    within("serviceId", Some(&service_id), 1, 64)?;
    let request = call_of(service_id, &inbound.json()?)?;
    let taken = inbound.core().call_service(&scope, inbound.device_id()?, request).await?;
    let body = CallTakenBody {
        status: if taken.sent { "sent" } else { "failed" },
        timestamp: taken.at.compact(),
        request_id: &taken.request_id,
    };
    answer(StatusCode::ACCEPTED, &body)
}

/// The call that a request describes.
fn call_of(service_id: String, request: &CallBody<'_>) -> Result<CallRequest, Fault> {
    let header = request.header.as_ref().ok_or(Fault::Missing("header"))?;
    check_header(header)?;
    let ack = match header.mode.as_deref() {
        Some("ACK") => true,
        Some("NOACK") => false,
        Some(_) => return Err(Fault::invalid("header.mode", "must be ACK or NOACK")),
        None => return Err(Fault::Missing("header.mode")),
    };
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    Ok(CallRequest {
        service_id,
        method: header.method.clone().ok_or(Fault::Missing("header.method"))?,
        paras: paras(request.body)?,
        request_id: given(&header.request_id),
        from: given(&header.from),
        ack,
        callback_url: given(&header.callback_url),
    })
}

fn check_header(header: &CallHeader) -> Result<(), Fault> {
    for (path, text, from, to) in [
        ("header.requestId", &header.request_id, 0, 128),
        ("header.from", &header.from, 0, 128),
        ("header.to", &header.to, 0, 128),
        ("header.method", &header.method, 1, 32),
        ("header.callbackURL", &header.callback_url, 0, 1024),
    ] {
        within(path, text.as_ref(), from, to)?;
    }
    match header.to_type.as_deref() {
        None | Some("CLOUD" | "GATEWAY") => Ok(()),
        Some(_) => Err(Fault::invalid("header.toType", "must be CLOUD or GATEWAY")),
    }
}

/// The body as it is; an absent one is an empty object.
fn paras(body: Option<&RawValue>) -> Result<String, Fault> {
    match body.map(RawValue::get) {
        None => Ok("{}".to_owned()),
        Some(text) if text.starts_with('{') => Ok(text.to_owned()),
        Some(_) => Err(Fault::invalid("body", "must be an object")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(text: &str) -> Result<CallRequest, Fault> {
        call_of("Switch".into(), &crate::oceanconnect::request::parse(text)?)
    }

    #[test]
    fn the_body_is_passed_as_it_is() {
        let full = r#"{"header":{"requestId":"r","mode":"ACK","from":"/users/1","toType":"GATEWAY","method":"SET","callbackURL":""},
            "body":{"value": 1.00}}"#;
        let expected = CallRequest {
            service_id: "Switch".into(),
            method: "SET".into(),
            paras: r#"{"value": 1.00}"#.into(),
            request_id: Some("r".into()),
            from: Some("/users/1".into()),
            ack: true,
            callback_url: None,
        };
        assert_eq!(call(full).unwrap(), expected);
        let least = call(r#"{"header":{"requestId":"","mode":"NOACK","method":"SET"},"body":null}"#).unwrap();
        assert_eq!((least.paras.as_str(), least.request_id, least.ack), ("{}", None, false));
    }

    #[test]
    fn bad_headers_are_refused() {
        let long = format!(r#"{{"header":{{"mode":"ACK","method":"{}"}}}}"#, "m".repeat(33));
        for bad in [
            "{}",
            r#"{"header":{"method":"SET"}}"#,
            r#"{"header":{"mode":"ack","method":"SET"}}"#,
            r#"{"header":{"mode":"ACK"}}"#,
            r#"{"header":{"mode":"ACK","method":"SET","toType":"DEVICE"}}"#,
            r#"{"header":{"mode":"ACK","method":"SET"},"body":[]}"#,
            r#"{"header":{"mode":"ACK","method":[1]}}"#,
            long.as_str(),
        ] {
            assert!(call(bad).is_err(), "{bad}");
        }
    }
}
