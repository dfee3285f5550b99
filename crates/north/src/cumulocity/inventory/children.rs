//! `/inventory/managedObjects/{id}/childDevices`, `childAssets` and `childAdditions`.

use super::{id_of, new_object, object, show, unknown_as};
use crate::cumulocity::{Fault, Inbound, Paging, Reply};
use landfall_core::NewObject;
use landfall_model::{ChildKind, ObjectId};
use serde_json::{Map, Value};

/// References that one request may bring.
const AT_ONCE: usize = 100;

/// `POST`: a reference to an object, several of them, or a new object.
pub(in crate::cumulocity) async fn add(mut inbound: Inbound) -> Result<Reply, Fault> {
    let fields = inbound.json().await?;
    let (parent, kind) = (object(&inbound, "id").await?.id(), kind_of(&inbound)?);
    let (core, caller) = (inbound.core(), inbound.caller());
    if let Some(child) = referred(&fields)? {
        let below = core.add_child_object(caller, parent, kind, child).await;
        let below = below.map_err(|error| unknown_as(error, &child.to_string()))?;
        return Ok(Reply::created(show::reference(&inbound, parent, kind, &below)));
    }
    if let Some(Value::Array(several)) = fields.get("references") {
        if several.len() > AT_ONCE {
            return Err(Fault::invalid("references", format!("at most {AT_ONCE} at once")));
        }
        let several = several.iter().map(|one| one.as_object().map_or(Ok(None), referred)?.ok_or_else(nothing_referred));
        let mut shown = vec![];
        for child in several.collect::<Result<Vec<_>, Fault>>()? {
            let below = core.add_child_object(caller, parent, kind, child).await;
            shown.push(show::reference(&inbound, parent, kind, &below.map_err(|error| unknown_as(error, &child.to_string()))?));
        }
        let own = inbound.url(inbound.path());
        return Ok(Reply::created(serde_json::json!({ "references": shown, "self": own })).of("managedObjectReferenceCollection"));
    }
    let new = NewObject { below: Some((parent, kind)), ..new_object(fields)? };
    let made = core.create_object(caller, new).await?;
    Ok(Reply::created(show::whole(&inbound, &made, true, false).await?).of("managedObject"))
}

/// `GET`: a page of references.
pub(in crate::cumulocity) async fn list(inbound: Inbound) -> Result<Reply, Fault> {
    let paging = Paging::read(inbound.query())?;
    let (parent, kind) = (object(&inbound, "id").await?.id(), kind_of(&inbound)?);
    let found = inbound.core().child_objects(inbound.caller(), parent, kind, paging.core_page()).await?;
    let items = found.items.iter().map(|child| show::reference(&inbound, parent, kind, child)).collect();
    Ok(Reply::ok(paging.collection(&inbound, "references", items, found.total)))
}

/// `GET` of one reference.
pub(in crate::cumulocity) async fn get(inbound: Inbound) -> Result<Reply, Fault> {
    let (parent, kind, child) = (object(&inbound, "id").await?.id(), kind_of(&inbound)?, id_of(&inbound, "childId")?);
    let found = inbound.core().child_object(inbound.caller(), parent, kind, child).await;
    let found = found.map_err(|error| unknown_as(error, inbound.segment("childId")))?;
    Ok(Reply::ok(show::reference(&inbound, parent, kind, &found)))
}

/// `DELETE` of one reference; the object stays.
pub(in crate::cumulocity) async fn remove(inbound: Inbound) -> Result<Reply, Fault> {
    let (parent, kind, child) = (object(&inbound, "id").await?.id(), kind_of(&inbound)?, id_of(&inbound, "childId")?);
    let gone = inbound.core().remove_child_object(inbound.caller(), parent, kind, child).await;
    gone.map_err(|error| unknown_as(error, inbound.segment("childId")))?;
    Ok(Reply::done())
}

/// The kind of link that the path says.
fn kind_of(inbound: &Inbound) -> Result<ChildKind, Fault> {
    let named = |kind: &ChildKind| inbound.path().split('/').any(|segment| segment == kind.as_str());
    ChildKind::ALL.into_iter().find(named).ok_or_else(|| Fault::malformed("the path names no kind of child"))
}

/// The object that a reference names; none where the body is no reference.
fn referred(fields: &Map<String, Value>) -> Result<Option<ObjectId>, Fault> {
    let Some(object) = fields.get("managedObject") else { return Ok(None) };
    let id = match object.get("id") {
        Some(Value::String(text)) => text.parse().map_err(|_| no_such(text))?,
        Some(Value::Number(number)) => ObjectId(number.as_u64().ok_or_else(|| no_such(&number.to_string()))?),
        _ => return Err(nothing_referred()),
    };
    Ok(Some(id))
}

fn no_such(id: &str) -> Fault {
    unknown_as(landfall_model::Error::new(landfall_model::Cause::ResourceNotFound, "there is no such object"), id)
}

fn nothing_referred() -> Fault {
    Fault::invalid("managedObject.id", "names the object that is to be below this one")
}
