//! `/event/events/{id}/binaries`: the file of an event.

use super::{Fault, Inbound, Reply, download, upload::receive};
use crate::cumulocity::event::{binary_url, id};
use landfall_model::{Binary, Cause, DeviceEventId, Error};
use serde_json::{Value, json};

/// `POST /event/events/{eventId}/binaries`
pub(in crate::cumulocity) async fn create(inbound: Inbound) -> Result<Reply, Fault> {
    keep(inbound, false).await
}

/// `PUT /event/events/{eventId}/binaries`
pub(in crate::cumulocity) async fn replace(inbound: Inbound) -> Result<Reply, Fault> {
    keep(inbound, true).await
}

async fn keep(inbound: Inbound, replace: bool) -> Result<Reply, Fault> {
    let (inbound, request) = inbound.split();
    let (core, caller, event) = (inbound.core(), inbound.caller(), id(&inbound)?);
    match (core.event_has_binary(caller, event).await?, replace) {
        (true, false) => return Err(Error::new(Cause::ResourceExists, "the event has a file already").into()),
        (false, true) => return Err(Error::new(Cause::ResourceNotFound, "the event has no file").into()),
        _ => {}
    }
    let name = inbound.query().text("name").map(str::to_owned);
    let received = receive(core, caller, name, request).await?;
    match core.keep_event_binary(caller, event, &received.upload, replace).await {
        Ok(()) => Ok(Reply::created(view(&inbound, event, received.upload.binary()))),
        Err(error) => {
            core.abandon_upload(received.upload).await?;
            Err(error.into())
        }
    }
}

/// `GET /event/events/{eventId}/binaries`
pub(in crate::cumulocity) async fn get(inbound: Inbound) -> Result<Reply, Fault> {
    let file = inbound.core().event_binary(inbound.caller(), id(&inbound)?).await?;
    Ok(download(&inbound, file))
}

/// `DELETE /event/events/{eventId}/binaries`
pub(in crate::cumulocity) async fn delete(inbound: Inbound) -> Result<Reply, Fault> {
    inbound.core().delete_event_binary(inbound.caller(), id(&inbound)?).await?;
    Ok(Reply::done())
}

fn view(inbound: &Inbound, event: DeviceEventId, file: &Binary) -> Value {
    let source = event.0.as_u128().to_string();
    json!({ "name": file.name, "type": file.media_type, "length": file.bytes, "source": source, "self": binary_url(inbound, event) })
}
