//! `/identity`: other names of objects.

use super::{
    Fault, Inbound, Reply,
    inventory::{id_of, unknown_as},
    request::{encoded, text},
};
use landfall_model::{Cause, Error, ExternalId, ObjectId};
use serde_json::{Value, json};

/// `GET /identity/externalIds/{type}/{externalId}`
pub(super) async fn get(inbound: Inbound) -> Result<Reply, Fault> {
    let (kind, value) = (inbound.segment("type"), inbound.segment("externalId"));
    let found = inbound.core().external(inbound.caller(), kind, value).await;
    let found = found.map_err(|error| unknown_name(error, kind, value))?;
    let name = ExternalId { account: found.account(), kind: kind.to_owned(), value: value.to_owned() };
    Ok(Reply::ok(shown(&inbound, &name, found.id())))
}

/// `DELETE /identity/externalIds/{type}/{externalId}`
pub(super) async fn remove(inbound: Inbound) -> Result<Reply, Fault> {
    let (kind, value) = (inbound.segment("type"), inbound.segment("externalId"));
    let gone = inbound.core().unbind_external(inbound.caller(), kind, value).await;
    gone.map_err(|error| unknown_name(error, kind, value))?;
    Ok(Reply::done())
}

/// `POST /identity/globalIds/{id}/externalIds`
pub(super) async fn add(mut inbound: Inbound) -> Result<Reply, Fault> {
    let fields = inbound.json().await?;
    let needed = |name: &'static str| text(&fields, name, usize::MAX)?.ok_or_else(|| Fault::invalid(name, "is needed"));
    let (kind, value, id) = (needed("type")?, needed("externalId")?, id_of(&inbound, "id")?);
    let named = inbound.core().bind_external(inbound.caller(), id, kind, value).await;
    let named = named.map_err(|error| unknown_as(error, inbound.segment("id")))?;
    Ok(Reply::created(shown(&inbound, &named, id)))
}

/// `GET /identity/globalIds/{id}/externalIds`: all of them, as they are few.
pub(super) async fn list(inbound: Inbound) -> Result<Reply, Fault> {
    let id = id_of(&inbound, "id")?;
    let names = inbound.core().external_ids(inbound.caller(), id).await;
    let names = names.map_err(|error| unknown_as(error, inbound.segment("id")))?;
    let items: Vec<Value> = names.iter().map(|name| shown(&inbound, name, id)).collect();
    let own = inbound.url(format_args!("/identity/globalIds/{id}/externalIds"));
    Ok(Reply::ok(json!({ "externalIds": items, "self": own })))
}

fn shown(inbound: &Inbound, name: &ExternalId, id: ObjectId) -> Value {
    json!({
        "externalId": name.value,
        "type": name.kind,
        "managedObject": { "id": id.to_string(), "self": inbound.url(format_args!("/inventory/managedObjects/{id}")) },
        "self": inbound.url(format_args!("/identity/externalIds/{}/{}", encoded(&name.kind), encoded(&name.value))),
    })
}

/// The fault of an error about a name, which is said where nothing has it (contract section 5).
fn unknown_name(error: Error, kind: &str, value: &str) -> Fault {
    let missing = error.cause == Cause::ResourceNotFound;
    let fault = Fault::from(error);
    match missing {
        true => fault.saying(format!("External id not found; external id = ID [type={kind}, value={value}]")),
        false => fault,
    }
}
