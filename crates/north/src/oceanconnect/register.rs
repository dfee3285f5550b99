//! Registration of devices (1.4.1 with a verification code, 1.4.2 with a secret).

use super::{
    Errors, Fault,
    map::within,
    request::{Inbound, answer},
    row,
    wire::{RegisterByCode, RegisterBySecret, RegisterInfo, RegisteredBody},
};
use axum::{http::StatusCode, response::Response};
use landfall_core::{ProductRef, RegisterDevice};
use landfall_model::{AccessMode, Cause, Device, DeviceInfo, ProductKey, Secret};

pub(super) const BY_CODE: Errors = Errors::of(&[
    row::BAD_CODE,
    row::BAD_MESSAGE,
    (400, "100416", "The device has already been bounded."),
    row::NODE_TAKEN,
    row::INVALID,
    row::NO_APP_KEY,
    row::NO_APP,
    (403, "100217", "The application has not been authorized."),
    row::THROTTLED,
    row::UNAUTHENTICATED,
    row::NO_PRODUCT,
    row::DEVICE_LIMIT,
    row::INTERNAL,
])
.missing(row::BAD_MESSAGE);

/// 1.4.1
pub(super) async fn by_code(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    let request: RegisterByCode = inbound.json()?;
    within("imsi", request.imsi.as_ref(), 1, 64)?;
    let timeout_s = match request.timeout {
        Some(given) => Some(validity_s(given)?),
        None => None,
    };
    let node_id = request.node_id.filter(|id| !id.is_empty()).ok_or(Fault::Missing("nodeId"))?;
    let (product, mut info) = described(request.device_info, request.product_id)?;
    info.end_user = end_user(request.end_user_id)?;
    info.imsi = request.imsi;
    let registration = RegisterDevice {
        node_id: node_id.clone(),
        access: AccessMode::VerifyCode,
        product,
        info,
        verify_code: request.verify_code.map(Secret::new),
        psk: request.psk.map(Secret::new),
        psk_identity: None,
        secret: None,
        timeout_s,
        is_secure: request.is_secure.unwrap_or(false),
    };
    match inbound.core().register_device(&scope, registration).await {
        Err(error) if error.cause == Cause::NodeIdTaken && inbound.core().is_bound(&scope, &node_id).await? => {
            Err(Fault::Coded("100416", format!("nodeId: a device that is bound already has the name {node_id}")))
        }
        made => render(&*made?),
    }
}

pub(super) const BY_SECRET: Errors = Errors::of(&[
    row::BAD_MESSAGE,
    row::NODE_TAKEN,
    row::INVALID,
    row::NO_APP,
    row::NOT_AUTHORIZED,
    row::THROTTLED,
    row::UNAUTHENTICATED,
    row::NO_PRODUCT,
    row::DEVICE_LIMIT,
    row::INTERNAL,
])
.missing(row::BAD_MESSAGE);

/// 1.4.2. Only `mqttConnect` false is the way of 1.4.1, with the default validity (8.1.3.2).
pub(super) async fn by_secret(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    let request: RegisterBySecret = inbound.json()?;
    let mut described_as = request.device_info.ok_or(Fault::Missing("deviceInfo"))?;
    let node_id = described_as.node_id.take().filter(|id| !id.is_empty()).ok_or(Fault::Missing("deviceInfo.nodeId"))?;
    for (path, text) in [("organization", &request.organization), ("region", &request.region), ("timezone", &request.timezone)] {
        within(path, text.as_ref(), 0, 256)?;
    }
    let (product, mut info) = described(Some(described_as), request.product_id)?;
    info.end_user = end_user(request.end_user_id)?;
    (info.organization, info.region, info.timezone) = (request.organization, request.region, request.timezone);
    let by_code = request.mqtt_connect == Some(false);
    let registration = RegisterDevice {
        node_id,
        access: if by_code { AccessMode::VerifyCode } else { AccessMode::Secret },
        product,
        info,
        verify_code: None,
        psk: None,
        psk_identity: None,
        secret: request.secret.map(Secret::new),
        timeout_s: None,
        is_secure: false,
    };
    render(&*inbound.core().register_device(&scope, registration).await?)
}

/// Seconds of validity, 0 for ever.
pub(super) fn validity_s(given: i64) -> Result<u32, Fault> {
    let known = u32::try_from(given).ok().filter(|seconds| *seconds <= i32::MAX as u32);
    known.ok_or_else(|| Fault::invalid("timeout", "must be 0 to 2147483647 seconds"))
}

fn end_user(given: Option<String>) -> Result<Option<String>, Fault> {
    within("endUserId", given.as_ref(), 0, 256)?;
    Ok(given.filter(|user| !user.is_empty()))
}

/// Product and descriptive fields: `productId`, or all five keys of a `deviceInfo` ([A 7]). A registration by code may name neither
/// and be given its product later with 1.4.4.
fn described(given: Option<RegisterInfo>, product_id: Option<String>) -> Result<(Option<ProductRef>, DeviceInfo), Fault> {
    within("productId", product_id.as_ref(), 0, 256)?;
    let product = product_id.filter(|id| !id.is_empty()).map(ProductRef::Id);
    let Some(given) = given else { return Ok((product, DeviceInfo::default())) };
    for (path, text) in [
        ("deviceInfo.manufacturerId", &given.manufacturer_id),
        ("deviceInfo.manufacturerName", &given.manufacturer_name),
        ("deviceInfo.deviceType", &given.device_type),
        ("deviceInfo.model", &given.model),
        ("deviceInfo.protocolType", &given.protocol_type),
        ("deviceInfo.name", &given.name),
    ] {
        within(path, text.as_ref(), 0, 256)?;
    }
    let info = DeviceInfo { name: given.name.filter(|name| !name.is_empty()), ..DeviceInfo::default() };
    if product.is_some() {
        return Ok((product, info));
    }
    let need = |text: Option<String>, path| text.filter(|text| !text.is_empty()).ok_or(Fault::Missing(path));
    let key = ProductKey {
        model: need(given.model, "deviceInfo.model")?,
        manufacturer_id: need(given.manufacturer_id, "deviceInfo.manufacturerId")?,
        manufacturer_name: need(given.manufacturer_name, "deviceInfo.manufacturerName")?,
        device_type: need(given.device_type, "deviceInfo.deviceType")?,
        protocol_type: need(given.protocol_type, "deviceInfo.protocolType")?,
    };
    Ok((Some(ProductRef::Key(key)), info))
}

fn render(device: &Device) -> Result<Response, Fault> {
    let keys = &device.credentials;
    let body = RegisteredBody {
        device_id: device.id.to_string(),
        psk: keys.psk.as_ref().map(Secret::expose),
        secret: keys.secret.as_ref().map(Secret::expose),
        timeout: keys.code_timeout_s,
        verify_code: keys.verify_code.as_ref().map(Secret::expose),
    };
    answer(StatusCode::OK, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> RegisterInfo {
        let text = |text: &str| Some(text.to_owned());
        RegisterInfo {
            node_id: None,
            manufacturer_id: text("acme"),
            manufacturer_name: text("Acme"),
            device_type: text("Thermometer"),
            model: text("T1"),
            protocol_type: text("MQTT"),
            name: text("attic"),
        }
    }

    #[test]
    fn a_product_is_named_by_its_id_or_all_five_keys() {
        let (product, info) = described(Some(keys()), None).unwrap();
        assert!(matches!(product, Some(ProductRef::Key(key)) if key.model == "T1"));
        assert_eq!(info.name.as_deref(), Some("attic"));
        let some = RegisterInfo { model: None, ..keys() };
        assert!(matches!(described(Some(some), Some("p".into())).unwrap().0, Some(ProductRef::Id(id)) if id == "p"));
        assert!(described(None, None).unwrap().0.is_none());
        let partial = RegisterInfo { protocol_type: None, ..keys() };
        assert!(matches!(described(Some(partial), None), Err(Fault::Missing("deviceInfo.protocolType"))));
        let long = RegisterInfo { name: Some("n".repeat(257)), ..keys() };
        assert!(matches!(described(Some(long), None), Err(Fault::Core(_))));
    }

    #[test]
    fn the_validity_has_a_range() {
        assert_eq!(validity_s(0).unwrap(), 0);
        assert_eq!(validity_s(2_147_483_647).unwrap(), 2_147_483_647);
        assert!(validity_s(-1).is_err() && validity_s(2_147_483_648).is_err());
    }
}
