//! `/inventory/binaries`: files that are objects.

use super::{Fault, Inbound, Reply, download, upload::receive};
use crate::cumulocity::{
    Paging,
    inventory::{filter, id_of, new_object, show::plain, unknown_as},
};
use landfall_core::{ManagedObject, ObjectFilter};
use landfall_model::Error;
use serde_json::Value;

/// `POST /inventory/binaries`
pub(in crate::cumulocity) async fn create(inbound: Inbound) -> Result<Reply, Fault> {
    let (inbound, request) = inbound.split();
    let name = inbound.query().text("name").map(str::to_owned);
    let received = receive(inbound.core(), inbound.caller(), name, request).await?;
    let made = match new_object(received.object) {
        Ok(mut new) => {
            let file = received.upload.binary();
            new.name.get_or_insert_with(|| file.name.clone());
            new.kind.get_or_insert_with(|| file.media_type.clone());
            inbound.core().create_binary_object(inbound.caller(), &received.upload, new).await.map_err(Fault::from)
        }
        Err(fault) => Err(fault),
    };
    match made {
        Ok(made) => Ok(Reply::created(view(&inbound, &made))),
        Err(fault) => {
            inbound.core().abandon_upload(received.upload).await?;
            Err(fault)
        }
    }
}

/// `GET /inventory/binaries`
pub(in crate::cumulocity) async fn list(inbound: Inbound) -> Result<Reply, Fault> {
    let (query, core, caller) = (inbound.query(), inbound.core(), inbound.caller());
    let paging = Paging::read(query)?;
    let (found, total) = match query.text("ids") {
        Some(ids) => {
            let mut found = vec![];
            for id in filter::ids(ids)? {
                match core.binary_object(caller, id).await {
                    Ok((object, _)) => found.push(object),
                    Err(error) if error.cause == landfall_model::Cause::ResourceNotFound => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let (total, page) = (found.len() as u64, paging.core_page());
            let from = page.offset().try_into().unwrap_or(usize::MAX);
            (found.into_iter().skip(from).take(page.size as usize).collect::<Vec<_>>(), total)
        }
        None => {
            let text = |name: &str| query.text(name).map(str::to_owned);
            let fragments = vec!["c8y_IsBinary".to_owned()];
            let of = ObjectFilter::of(caller.account());
            let filter = ObjectFilter { kind: text("type"), owner: text("owner"), fragments, devices: Some(false), ..of };
            let page = core.managed_objects(caller, filter, paging.core_page()).await?;
            (page.items, page.total)
        }
    };
    let items = found.iter().map(|object| view(&inbound, object)).collect();
    Ok(Reply::ok(paging.collection(&inbound, "managedObjects", items, total)))
}

/// `GET /inventory/binaries/{id}`
pub(in crate::cumulocity) async fn get(inbound: Inbound) -> Result<Reply, Fault> {
    let found = inbound.core().binary_object(inbound.caller(), id_of(&inbound, "id")?).await;
    let (_, file) = found.map_err(|error| missing(&inbound, error))?;
    Ok(download(&inbound, file))
}

/// `PUT /inventory/binaries/{id}`
pub(in crate::cumulocity) async fn replace(inbound: Inbound) -> Result<Reply, Fault> {
    let (inbound, request) = inbound.split();
    let (core, caller, id) = (inbound.core(), inbound.caller(), id_of(&inbound, "id")?);
    let (_, before) = core.own_binary_object(caller, id).await.map_err(|error| missing(&inbound, error))?;
    let name = inbound.query().text("name").unwrap_or(&before.name).to_owned();
    let received = receive(core, caller, Some(name), request).await?;
    match core.replace_binary_object(caller, id, &received.upload).await {
        Ok(changed) => Ok(Reply::created(view(&inbound, &changed))),
        Err(error) => {
            core.abandon_upload(received.upload).await?;
            Err(missing(&inbound, error))
        }
    }
}

/// `DELETE /inventory/binaries/{id}`
pub(in crate::cumulocity) async fn delete(inbound: Inbound) -> Result<Reply, Fault> {
    let gone = inbound.core().delete_binary_object(inbound.caller(), id_of(&inbound, "id")?).await;
    gone.map_err(|error| missing(&inbound, error))?;
    Ok(Reply::done())
}

fn missing(inbound: &Inbound, error: Error) -> Fault {
    unknown_as(error, inbound.segment("id"))
}

fn view(inbound: &Inbound, object: &ManagedObject) -> Value {
    let mut shown = plain(inbound, object);
    shown["self"] = inbound.url(format_args!("/inventory/binaries/{}", object.id())).into();
    shown
}
