//! `/inventory/managedObjects`: devices, groups and other objects.

pub(super) mod children;
pub(super) mod filter;
pub(super) mod show;

use super::{Fault, Inbound, Paging, Reply, request::text};
use landfall_core::{ManagedObject, NewObject, ObjectChange};
use landfall_model::{Cause, Error, ObjectId};
use serde_json::{Map, Value};

/// Members of an object that the server says, and takes from nobody.
const OWN: [&str; 10] = [
    "id",
    "self",
    "creationTime",
    "lastUpdated",
    "childDevices",
    "childAssets",
    "childAdditions",
    "deviceParents",
    "assetParents",
    "additionParents",
];

/// `POST /inventory/managedObjects`
pub(super) async fn create(mut inbound: Inbound) -> Result<Reply, Fault> {
    let new = new_object(inbound.json().await?)?;
    let made = inbound.core().create_object(inbound.caller(), new).await?;
    Ok(Reply::created(show::whole(&inbound, &made, true, false).await?))
}

/// `GET /inventory/managedObjects`
pub(super) async fn list(inbound: Inbound) -> Result<Reply, Fault> {
    let query = inbound.query();
    let (paging, children, parents) = (Paging::read(query)?, query.flag_or("withChildren", true)?, query.flag("withParents")?);
    let (core, caller) = (inbound.core(), inbound.caller());
    let (total, found) = match query.text("ids") {
        Some(ids) => {
            let found = core.managed_objects_of(caller, &filter::ids(ids)?).await?;
            let page = paging.core_page();
            let some =
                found.iter().skip(page.offset().try_into().unwrap_or(usize::MAX)).take(page.size as usize).cloned().collect();
            (found.len() as u64, some)
        }
        None => {
            let found = core.managed_objects(caller, filter::read(query, caller.account())?, paging.core_page()).await?;
            (found.total, found.items)
        }
    };
    let mut items = Vec::with_capacity(found.len());
    for object in &found {
        items.push(show::whole(&inbound, object, children, parents).await?);
    }
    Ok(Reply::ok(paging.collection(&inbound, "managedObjects", items, total)))
}

/// `GET /inventory/managedObjects/{id}`
pub(super) async fn get(inbound: Inbound) -> Result<Reply, Fault> {
    let (children, parents) = (inbound.query().flag_or("withChildren", true)?, inbound.query().flag("withParents")?);
    let found = object(&inbound, "id").await?;
    Ok(Reply::ok(show::whole(&inbound, &found, children, parents).await?))
}

/// `PUT /inventory/managedObjects/{id}`
pub(super) async fn change(mut inbound: Inbound) -> Result<Reply, Fault> {
    let mut fields = inbound.json().await?;
    let clearable = |fields: &Map<String, Value>, name: &'static str| -> Result<Option<Option<String>>, Fault> {
        let given = fields.contains_key(name);
        Ok(given.then_some(text(fields, name, usize::MAX)?.map(str::to_owned)))
    };
    let (kind, name) = (clearable(&fields, "type")?, clearable(&fields, "name")?);
    let owner = text(&fields, "owner", usize::MAX)?.map(str::to_owned);
    take_own(&mut fields);
    let id = id_of(&inbound, "id")?;
    let change = ObjectChange { kind, name, owner, fragments: fields };
    let changed = inbound.core().change_object(inbound.caller(), id, change).await;
    let changed = changed.map_err(|error| unknown_as(error, inbound.segment("id")))?;
    Ok(Reply::ok(show::whole(&inbound, &changed, true, false).await?))
}

/// `DELETE /inventory/managedObjects/{id}`
pub(super) async fn delete(inbound: Inbound) -> Result<Reply, Fault> {
    let cascade = inbound.query().flag("cascade")? || inbound.query().flag("forceCascade")?;
    let id = id_of(&inbound, "id")?;
    let gone = inbound.core().delete_object(inbound.caller(), id, cascade).await;
    gone.map_err(|error| unknown_as(error, inbound.segment("id")))?;
    Ok(Reply::done())
}

/// An object as it is shown alone.
pub(super) async fn whole(inbound: &Inbound, object: &ManagedObject) -> Result<Value, Fault> {
    show::whole(inbound, object, true, false).await
}

/// An object to be made, from its body.
pub(super) fn new_object(mut fields: Map<String, Value>) -> Result<NewObject, Fault> {
    let all = usize::MAX;
    let kind = text(&fields, "type", all)?.map(str::to_owned);
    let name = text(&fields, "name", all)?.map(str::to_owned);
    let owner = text(&fields, "owner", all)?.map(str::to_owned);
    take_own(&mut fields);
    Ok(NewObject { kind, name, owner, fragments: fields, ..NewObject::default() })
}

/// Leaves the fragments of a body.
fn take_own(fields: &mut Map<String, Value>) {
    fields.retain(|name, _| !OWN.contains(&name.as_str()) && !["type", "name", "owner"].contains(&name.as_str()));
}

/// The object that a segment of the path names.
pub(super) async fn object(inbound: &Inbound, segment: &str) -> Result<ManagedObject, Fault> {
    let id = id_of(inbound, segment)?;
    let found = inbound.core().managed_object(inbound.caller(), id).await;
    found.map_err(|error| unknown_as(error, inbound.segment(segment)))
}

/// The id in a segment of the path. What is no number is the id of nothing.
pub(super) fn id_of(inbound: &Inbound, segment: &str) -> Result<ObjectId, Fault> {
    let text = inbound.segment(segment);
    text.parse().map_err(|_| unknown_as(Error::new(Cause::ResourceNotFound, "an id is a number"), text))
}

/// The fault of an error about an object, which is named where there is none.
pub(super) fn unknown_as(error: Error, id: &str) -> Fault {
    let missing = error.cause == Cause::ResourceNotFound;
    let fault = Fault::from(error);
    if missing { fault.saying(format!("No managedObject for id '{id}'!")) } else { fault }
}
