//! Events (`/event/events`).

use super::{
    Fault, Inbound, Paging, Reply,
    request::text,
    telemetry::{self, Sources, bodies, fragments, needed, time},
};
use landfall_core::{DeviceEventChange, DeviceEventQuery, NewDeviceEvent};
use landfall_model::{DeviceEvent, DeviceEventId, Sort};
use serde_json::{Map, Value, json};

/// Characters of a text.
const TEXT: usize = 1_024;
/// The fragment of an event that tells of its file.
const IS_BINARY: &str = "c8y_IsBinary";
/// What many may be chosen by.
const CHOICE: &[&str] = &["source", "type", "fragmentType", "dateFrom", "dateTo"];

pub(super) async fn create(mut inbound: Inbound) -> Result<Reply, Fault> {
    let (sent, many) = bodies(inbound.json().await?, "events")?;
    let (mut sources, mut all) = (Sources::default(), vec![]);
    for body in sent {
        all.push((sources.device(&inbound, &body).await?, new(body)?));
    }
    let told = inbound.core().tell_events(inbound.caller(), &all).await?;
    let mut shown: Vec<Value> = told.iter().map(|event| view(&inbound, event)).collect();
    match (many, shown.pop()) {
        (false, Some(one)) => Ok(Reply::created(one)),
        (_, last) => {
            shown.extend(last);
            Ok(Reply::created(json!({ "events": shown })).of("eventCollection"))
        }
    }
}

pub(super) async fn list(inbound: Inbound) -> Result<Reply, Fault> {
    let paging = Paging::read(inbound.query())?;
    let (items, total) = match query(&inbound).await? {
        Some(query) => {
            let page = inbound.core().device_events(inbound.caller(), &query, paging.core_page()).await?;
            (page.items.iter().map(|event| view(&inbound, event)).collect(), page.total)
        }
        None => (vec![], 0),
    };
    Ok(Reply::ok(paging.collection(&inbound, "events", items, total)))
}

pub(super) async fn get(inbound: Inbound) -> Result<Reply, Fault> {
    let event = inbound.core().device_event(inbound.caller(), id(&inbound)?).await?;
    Ok(Reply::ok(view(&inbound, &event)))
}

pub(super) async fn change(mut inbound: Inbound) -> Result<Reply, Fault> {
    let body = inbound.json().await?;
    let text = text(&body, "text", TEXT)?.map(str::to_owned);
    let change = DeviceEventChange { text, fragments: own(body) };
    let event = inbound.core().change_event(inbound.caller(), id(&inbound)?, &change).await?;
    Ok(Reply::ok(view(&inbound, &event)))
}

pub(super) async fn delete(inbound: Inbound) -> Result<Reply, Fault> {
    inbound.core().delete_event(inbound.caller(), id(&inbound)?).await?;
    Ok(Reply::done())
}

pub(super) async fn delete_many(inbound: Inbound) -> Result<Reply, Fault> {
    telemetry::narrowed(inbound.query(), CHOICE)?;
    if let Some(query) = query(&inbound).await? {
        inbound.core().delete_events(inbound.caller(), &query).await?;
    }
    Ok(Reply::done())
}

pub(super) fn id(inbound: &Inbound) -> Result<DeviceEventId, Fault> {
    telemetry::id(inbound.segment("eventId")).map(DeviceEventId)
}

/// None where nothing can match.
async fn query(inbound: &Inbound) -> Result<Option<DeviceEventQuery>, Fault> {
    let asked = inbound.query();
    let (kind, fragment) = (asked.text("type").map(str::to_owned), asked.text("fragmentType").map(str::to_owned));
    let (from, to) = (asked.time("dateFrom")?, asked.time("dateTo")?);
    let sort = telemetry::order(asked, Sort::Ascending)?;
    let device = match telemetry::asked_source(inbound).await? {
        Some(None) => return Ok(None),
        Some(device) => device,
        None => None,
    };
    Ok(Some(DeviceEventQuery { device, kind, fragment, from, to, sort }))
}

fn new(body: Map<String, Value>) -> Result<NewDeviceEvent, Fault> {
    Ok(NewDeviceEvent {
        kind: needed(&body, "type")?.to_owned(),
        text: needed(&body, "text")?.to_owned(),
        at: Some(time(&body)?),
        fragments: own(body),
    })
}

/// The fragments of a body; what an event shows of its file is said by the server.
fn own(body: Map<String, Value>) -> Map<String, Value> {
    let mut all = fragments(body);
    all.remove(IS_BINARY);
    all
}

/// The address of the file of an event.
pub(super) fn binary_url(inbound: &Inbound, event: DeviceEventId) -> String {
    inbound.url(format_args!("/event/events/{}/binaries", telemetry::number(event.0)))
}

/// An event as it is shown.
pub(super) fn view(inbound: &Inbound, event: &DeviceEvent) -> Value {
    let id = telemetry::number(event.id.0);
    let mut body: Map<String, Value> = serde_json::from_str(&event.fragments).unwrap_or_default();
    if let Some(Value::Object(file)) = body.get_mut(IS_BINARY) {
        file.insert("self".to_owned(), binary_url(inbound, event.id).into());
    }
    body.extend([
        ("self".to_owned(), inbound.url(format_args!("/event/events/{id}")).into()),
        ("id".to_owned(), id.into()),
        ("type".to_owned(), event.kind.as_str().into()),
        ("text".to_owned(), event.text.as_str().into()),
        ("time".to_owned(), event.at.iso().into()),
        ("creationTime".to_owned(), event.created_at.iso().into()),
        ("lastUpdated".to_owned(), event.modified_at.iso().into()),
        ("source".to_owned(), telemetry::source(inbound, event.device)),
    ]);
    body.into()
}
