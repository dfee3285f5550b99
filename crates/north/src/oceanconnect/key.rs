//! New keys for a registered device (1.4.3).

use super::{
    Errors, Fault,
    register::validity_s,
    request::{Inbound, answer},
    row,
    wire::{NewKeyBody, RefreshKeyBody},
};
use axum::{http::StatusCode, response::Response};
use landfall_core::RefreshKey;
use landfall_model::Secret;

pub(super) const REFRESH: Errors = Errors::of(&[
    row::BAD_CODE,
    row::BAD_MESSAGE,
    row::NODE_TAKEN,
    (400, "100610", "Device is not active."),
    (400, "100611", "Device is online."),
    row::INVALID,
    row::NO_APP_KEY,
    row::NO_APP,
    row::NOT_AUTHORIZED,
    row::THROTTLED,
    row::UNAUTHENTICATED,
    row::NO_DEVICE,
    row::FOREIGN_DEVICE,
    row::INTERNAL,
])
.missing(row::BAD_MESSAGE);

/// 1.4.3
pub(super) async fn refresh(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    let request = request_of(inbound.json()?)?;
    let key = inbound.core().refresh_key(&scope, inbound.device_id()?, request).await?;
    answer(StatusCode::OK, &NewKeyBody { verify_code: key.verify_code.expose(), timeout: key.timeout_s })
}

fn request_of(request: RefreshKeyBody) -> Result<RefreshKey, Fault> {
    Ok(RefreshKey {
        node_id: request.node_id.filter(|id| !id.is_empty()),
        verify_code: request.verify_code.map(Secret::new),
        timeout_s: request.timeout.map(validity_s).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_fields_may_be_left_out() {
        let read = |text: &str| request_of(crate::oceanconnect::request::parse(text).unwrap());
        let none = RefreshKey { node_id: None, verify_code: None, timeout_s: None };
        assert_eq!(read("{}").unwrap(), none);
        assert_eq!(read(r#"{"nodeId":"","timeout":null,"verifyCode":null}"#).unwrap(), none);
        let all = read(r#"{"nodeId":"n","timeout":0,"verifyCode":"v"}"#).unwrap();
        assert_eq!(all, RefreshKey { node_id: Some("n".into()), verify_code: Some(Secret::new("v")), timeout_s: Some(0) });
        assert!(read(r#"{"timeout":-1}"#).is_err());
    }
}
