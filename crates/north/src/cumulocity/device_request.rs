//! Devices that are announced and accepted (seed 24 to 158; contract sections 1 and 2).

use super::{
    Fault, Inbound, Paging, Reply,
    request::{encoded, text},
};
use axum::http::StatusCode;
use landfall_core::{Accepting, NewDeviceRequest, Permission};
use landfall_model::{Cause, DeviceRequest};
use serde_json::{Map, Value, json};

/// What is kept of a request beside its id, and shown again (contract section 5).
const EXTRAS: &[&str] = &["customProperties", "groupId", "type"];
/// Characters of what is looked at.
const TEXT: usize = 1_024;

/// `createNewDeviceRequest`
pub(super) async fn create(mut inbound: Inbound) -> Result<Reply, Fault> {
    let mut fields = inbound.json().await?;
    let id = text(&fields, "id", usize::MAX)?.unwrap_or_default().to_owned();
    fields.retain(|name, value| EXTRAS.contains(&name.as_str()) && !value.is_null());
    text(&fields, "groupId", TEXT)?;
    text(&fields, "type", TEXT)?;
    if fields.get("customProperties").is_some_and(|given| !given.is_object()) {
        return Err(Fault::invalid("customProperties", "must be an object"));
    }
    let extras = (!fields.is_empty()).then(|| Value::Object(fields).to_string());
    let request = NewDeviceRequest { id: id.clone(), extras };
    let request =
        inbound.core().create_device_request(inbound.caller(), request).await.map_err(|error| said(&id, error.into()))?;
    Ok(Reply::created(shown(&inbound, &request).await?))
}

/// `listNewDeviceRequests`
pub(super) async fn list(inbound: Inbound) -> Result<Reply, Fault> {
    let paging = Paging::read(inbound.query())?;
    let page = inbound.core().device_requests(inbound.caller(), paging.core_page()).await?;
    let mut items = vec![];
    for request in &page.items {
        items.push(shown(&inbound, request).await?);
    }
    Ok(Reply::ok(paging.collection(&inbound, "newDeviceRequests", items, page.total)))
}

/// `getNewDeviceRequest`
pub(super) async fn get(inbound: Inbound) -> Result<Reply, Fault> {
    let id = inbound.segment("requestId");
    let request = inbound.core().device_request(inbound.caller(), id).await.map_err(|error| said(id, error.into()))?;
    Ok(Reply::ok(shown(&inbound, &request).await?))
}

/// `updateNewDeviceRequest`
pub(super) async fn accept(mut inbound: Inbound) -> Result<Reply, Fault> {
    if !inbound.dialect.settings.readers_accept {
        inbound.caller().need(Permission::Administer)?;
    }
    let fields = inbound.json().await?;
    let id = inbound.segment("requestId");
    let (core, caller) = (inbound.core(), inbound.caller());
    core.device_request(caller, id).await.map_err(|error| said(id, error.into()))?;
    if text(&fields, "status", TEXT)? != Some("ACCEPTED") {
        return Err(Fault::invalid("status", "must be ACCEPTED, which is all that a request can be made"));
    }
    let how = Accepting { token: text(&fields, "securityToken", TEXT)?, demanded: inbound.dialect.settings.security_token };
    let request = core.accept_device_request(caller, id, how).await.map_err(|error| said(id, error.into()))?;
    Ok(Reply::ok(shown(&inbound, &request).await?))
}

/// `acceptAllNewDeviceRequests`
pub(super) async fn accept_all(inbound: Inbound) -> Result<Reply, Fault> {
    let demanded = inbound.dialect.settings.security_token;
    let accepted = inbound.core().accept_device_requests(inbound.caller(), demanded).await?;
    let shown = |(id, done): (String, landfall_model::Result<()>)| match done {
        Ok(()) => json!({ "id": id, "successful": true }),
        Err(error) => json!({ "id": id, "successful": false, "error": error.to_string() }),
    };
    Ok(Reply::ok(accepted.into_iter().map(shown).collect()))
}

/// `getNewDeviceRequestLimit`
pub(super) async fn limit(inbound: Inbound) -> Result<Reply, Fault> {
    let (core, page) = (inbound.core(), landfall_model::PageRequest { no: 0, size: 1 });
    let open = core.device_requests(inbound.caller(), page).await?.total;
    Ok(Reply::ok(json!({ "isReached": open >= core.settings().device_requests })))
}

/// `deleteNewDeviceRequest`
pub(super) async fn delete(inbound: Inbound) -> Result<Reply, Fault> {
    let id = inbound.segment("requestId");
    inbound.core().delete_device_request(inbound.caller(), id).await.map_err(|error| said(id, error.into()))?;
    Ok(Reply::Empty(StatusCode::OK))
}

/// `createDeviceCredentials`
pub(super) async fn credentials(mut inbound: Inbound) -> Result<Reply, Fault> {
    let fields = inbound.json().await?;
    let id = text(&fields, "id", usize::MAX)?.unwrap_or_default();
    let token = text(&fields, "securityToken", TEXT)?;
    let issued = inbound.core().bootstrap_device(inbound.caller(), id, token, inbound.from()).await;
    let issued = issued.map_err(|error| said(id, error.into()))?;
    Ok(Reply::created(json!({
        "id": id,
        "tenantId": issued.tenant,
        "username": issued.username,
        "password": issued.password.expose(),
        "self": inbound.url(format_args!("/devicecontrol/deviceCredentials/{}", encoded(id))),
    })))
}

/// With the message that clients know (contract section 4).
fn said(id: &str, fault: Fault) -> Fault {
    match fault.cause() {
        Some(Cause::DeviceRequestNotFound) => fault.saying(format!("There is no newDeviceRequest for device id {id}.")),
        Some(Cause::DeviceRequestExists) => fault.saying(format!("newDeviceRequest for device id {id} already exists")),
        Some(Cause::DeviceNotAsked) => {
            fault.saying(format!("Device {id} is in state WAITING_FOR_CONNECTION and cannot be accepted"))
        }
        Some(Cause::CredentialsNotReady) => fault.saying(format!(
            "Credentials for device id {id} are not available. Device is in state PENDING_ACCEPTANCE, (not ACCEPTED))."
        )),
        _ => fault,
    }
}

async fn shown(inbound: &Inbound, request: &DeviceRequest) -> Result<Value, Fault> {
    let tenant = inbound.core().tenant_of(request.account).await?;
    let extras = request.extras.as_deref().map(serde_json::from_str::<Map<String, Value>>);
    let mut body = extras.and_then(Result::ok).unwrap_or_default();
    body.extend([
        ("id".to_owned(), request.id.as_str().into()),
        ("self".to_owned(), inbound.url(format_args!("/devicecontrol/newDeviceRequests/{}", encoded(&request.id))).into()),
        ("status".to_owned(), request.state.as_str().into()),
        ("owner".to_owned(), request.owner.as_str().into()),
        ("creationTime".to_owned(), request.created_at.iso().into()),
        ("tenantId".to_owned(), tenant.into()),
    ]);
    Ok(body.into())
}
