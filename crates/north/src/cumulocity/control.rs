//! Operations of devices (`/devicecontrol/operations`).

use super::{
    Fault, Inbound, Paging, Reply,
    request::text,
    telemetry::{object, order, word, words},
};
use landfall_core::{NewOperation, Operation, OperationChange, OperationQuery, OperationStatus};
use landfall_model::{Cause, CommandId, DeviceId, Error, ObjectId, Sort};
use serde_json::{Map, Value};

/// Characters of a reason.
const REASON: usize = 1_024;

pub(super) async fn create(mut inbound: Inbound) -> Result<Reply, Fault> {
    let fragments = inbound.json().await?;
    let id = match fragments.get("deviceId") {
        Some(Value::String(text)) => object(text),
        Some(Value::Number(number)) => number.as_u64().map(ObjectId),
        _ => return Err(Fault::invalid("deviceId", "must be given")),
    };
    let unknown = || Fault::invalid("deviceId", "there is no such device");
    let device = inbound.core().device_of_object(inbound.caller(), id.ok_or_else(unknown)?).await;
    let device = device.map_err(|error| if error.cause == Cause::ResourceNotFound { unknown() } else { error.into() })?;
    let made = inbound.core().create_operation(inbound.caller(), device.id, NewOperation { fragments }).await?;
    Ok(Reply::created(view(&inbound, made)))
}

pub(super) async fn list(inbound: Inbound) -> Result<Reply, Fault> {
    let paging = Paging::read(inbound.query())?;
    let (items, total) = match query(&inbound).await? {
        Some(query) => {
            let page = inbound.core().operations(inbound.caller(), &query, paging.core_page()).await?;
            (page.items.into_iter().map(|operation| view(&inbound, operation)).collect(), page.total)
        }
        None => (vec![], 0),
    };
    Ok(Reply::ok(paging.collection(&inbound, "operations", items, total)))
}

pub(super) async fn get(inbound: Inbound) -> Result<Reply, Fault> {
    let operation = inbound.core().operation(inbound.caller(), id(&inbound)?).await?;
    Ok(Reply::ok(view(&inbound, operation)))
}

pub(super) async fn change(mut inbound: Inbound) -> Result<Reply, Fault> {
    let fragments = inbound.json().await?;
    let change = OperationChange {
        status: text(&fragments, "status", 32)?.map(|text| word(text, "status", &statuses())).transpose()?,
        failure_reason: text(&fragments, "failureReason", REASON)?.map(str::to_owned),
        fragments,
    };
    let changed = inbound.core().change_operation(inbound.caller(), id(&inbound)?, &change).await?;
    Ok(Reply::ok(view(&inbound, changed)))
}

/// None where nothing can be found: a device is named that there is not, or that the caller does not reach.
async fn query(inbound: &Inbound) -> Result<Option<OperationQuery>, Fault> {
    let asked = inbound.query();
    let mut query = OperationQuery {
        fragment: asked.text("fragmentType").map(str::to_owned),
        from: asked.time("dateFrom")?,
        to: asked.time("dateTo")?,
        newest_first: order(asked, Sort::Ascending)? == Sort::Descending,
        ..OperationQuery::default()
    };
    for status in words(asked, "status") {
        query.statuses.push(word(status, "status", &statuses())?);
    }
    for (name, place) in [("deviceId", &mut query.device), ("agentId", &mut query.agent)] {
        let Some(text) = asked.text(name) else { continue };
        let Some(device) = device(inbound, text).await? else { return Ok(None) };
        *place = Some(device);
    }
    Ok(Some(query))
}

async fn device(inbound: &Inbound, text: &str) -> Result<Option<DeviceId>, Fault> {
    let Some(id) = object(text) else { return Ok(None) };
    match inbound.core().device_of_object(inbound.caller(), id).await {
        Ok(device) => Ok(Some(device.id)),
        Err(error) if error.cause == Cause::ResourceNotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn id(inbound: &Inbound) -> Result<CommandId, Fault> {
    let id = Operation::id_of(inbound.segment("operationId"));
    id.ok_or_else(|| Error::new(Cause::CommandNotFound, "there is no such operation").into())
}

fn statuses() -> [(&'static str, OperationStatus); 4] {
    OperationStatus::ALL.map(|status| (status.as_str(), status))
}

pub(super) fn view(inbound: &Inbound, operation: Operation) -> Value {
    let number = operation.number().to_string();
    let mut body: Map<String, Value> = operation.fragments;
    let fields = [
        ("self", Value::from(inbound.url(format_args!("/devicecontrol/operations/{number}")))),
        ("id", number.into()),
        ("deviceId", ObjectId::of_device(operation.device).to_string().into()),
        ("status", operation.status.as_str().into()),
        ("creationTime", operation.created_at.iso().into()),
    ];
    body.extend(fields.map(|(name, value)| (name.to_owned(), value)));
    let told = [("deviceName", operation.device_name), ("failureReason", operation.failure_reason)];
    body.extend(told.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into()))));
    body.into()
}
