//! Alarms (`/alarm/alarms`).

use super::{
    Fault, Inbound, Paging, Reply,
    request::text,
    telemetry::{self, Sources, bodies, fragments, needed, time, word, words},
};
use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::Response,
};
use landfall_core::{AlarmChange, AlarmQuery, NewAlarm};
use landfall_model::{Alarm, AlarmId, AlarmStatus, PageRequest, Severity, Sort};
use serde_json::{Map, Value, json};

/// Characters of a text.
const TEXT: usize = 1_024;
/// What many may be chosen by.
const CHOICE: &[&str] = &["source", "status", "severity", "type", "resolved", "dateFrom", "dateTo"];

pub(super) async fn create(mut inbound: Inbound) -> Result<Reply, Fault> {
    let (sent, many) = bodies(inbound.json().await?, "alarms")?;
    let (mut sources, mut all) = (Sources::default(), vec![]);
    for body in sent {
        all.push((sources.device(&inbound, &body).await?, new(body)?));
    }
    let raised = inbound.core().raise_alarms(inbound.caller(), &all).await?;
    let mut shown: Vec<Value> = raised.iter().map(|alarm| view(&inbound, alarm)).collect();
    match (many, shown.pop()) {
        (false, Some(one)) => Ok(Reply::created(one)),
        (_, last) => {
            shown.extend(last);
            Ok(Reply::created(json!({ "alarms": shown })).of("alarmCollection"))
        }
    }
}

pub(super) async fn list(inbound: Inbound) -> Result<Reply, Fault> {
    let paging = Paging::read(inbound.query())?;
    let (items, total) = match query(&inbound).await? {
        Some(query) => {
            let page = inbound.core().alarms(inbound.caller(), &query, paging.core_page()).await?;
            (page.items.iter().map(|alarm| view(&inbound, alarm)).collect(), page.total)
        }
        None => (vec![], 0),
    };
    Ok(Reply::ok(paging.collection(&inbound, "alarms", items, total)))
}

/// A bare number.
pub(super) async fn count(inbound: Inbound) -> Result<Reply, Fault> {
    let total = match query(&inbound).await? {
        Some(query) => inbound.core().alarms(inbound.caller(), &query, PageRequest { no: 0, size: 1 }).await?.total,
        None => 0,
    };
    let mut response = Response::new(Body::from(total.to_string()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(Reply::Raw(response))
}

pub(super) async fn get(inbound: Inbound) -> Result<Reply, Fault> {
    let alarm = inbound.core().alarm(inbound.caller(), id(&inbound)?).await?;
    Ok(Reply::ok(view(&inbound, &alarm)))
}

pub(super) async fn change(mut inbound: Inbound) -> Result<Reply, Fault> {
    let change = change_of(inbound.json().await?)?;
    let alarm = inbound.core().change_alarm(inbound.caller(), id(&inbound)?, &change).await?;
    Ok(Reply::ok(view(&inbound, &alarm)))
}

/// The status of all that match.
pub(super) async fn change_many(mut inbound: Inbound) -> Result<Reply, Fault> {
    let body = inbound.json().await?;
    telemetry::narrowed(inbound.query(), CHOICE)?;
    let status = status(needed(&body, "status")?)?;
    if let Some(query) = query(&inbound).await? {
        inbound.core().change_alarms(inbound.caller(), &query, status).await?;
    }
    Ok(Reply::Empty(axum::http::StatusCode::OK))
}

pub(super) async fn delete(inbound: Inbound) -> Result<Reply, Fault> {
    inbound.core().delete_alarm(inbound.caller(), id(&inbound)?).await?;
    Ok(Reply::done())
}

pub(super) async fn delete_many(inbound: Inbound) -> Result<Reply, Fault> {
    telemetry::narrowed(inbound.query(), CHOICE)?;
    if let Some(query) = query(&inbound).await? {
        inbound.core().delete_alarms(inbound.caller(), &query).await?;
    }
    Ok(Reply::done())
}

fn id(inbound: &Inbound) -> Result<AlarmId, Fault> {
    telemetry::id(inbound.segment("alarmId")).map(AlarmId)
}

/// None where nothing can match.
async fn query(inbound: &Inbound) -> Result<Option<AlarmQuery>, Fault> {
    let asked = inbound.query();
    let mut statuses = words(asked, "status").into_iter().map(status).collect::<Result<Vec<_>, _>>()?;
    if asked.text("resolved").is_some() {
        let resolved = asked.flag("resolved")?;
        let wanted = AlarmStatus::ALL.into_iter().filter(|status| status.is_open() != resolved);
        let wanted: Vec<_> = wanted.filter(|status| statuses.is_empty() || statuses.contains(status)).collect();
        if wanted.is_empty() {
            return Ok(None);
        }
        statuses = wanted;
    }
    let severities = words(asked, "severity").into_iter().map(severity).collect::<Result<Vec<_>, _>>()?;
    let kinds = words(asked, "type").into_iter().map(str::to_owned).collect();
    let (from, to) = (asked.time("dateFrom")?, asked.time("dateTo")?);
    let sort = telemetry::order(asked, Sort::Descending)?;
    let device = match telemetry::asked_source(inbound).await? {
        Some(None) => return Ok(None),
        Some(device) => device,
        None => None,
    };
    Ok(Some(AlarmQuery { device, kinds, statuses, severities, from, to, sort }))
}

fn new(body: Map<String, Value>) -> Result<NewAlarm, Fault> {
    let status = text(&body, "status", TEXT)?.map(status).transpose()?;
    Ok(NewAlarm {
        kind: needed(&body, "type")?.to_owned(),
        text: needed(&body, "text")?.to_owned(),
        severity: severity(needed(&body, "severity")?)?,
        status,
        at: Some(time(&body)?),
        fragments: fragments(body),
    })
}

fn change_of(body: Map<String, Value>) -> Result<AlarmChange, Fault> {
    Ok(AlarmChange {
        status: text(&body, "status", TEXT)?.map(status).transpose()?,
        severity: text(&body, "severity", TEXT)?.map(severity).transpose()?,
        text: text(&body, "text", TEXT)?.map(str::to_owned),
        fragments: fragments(body),
    })
}

fn status(text: &str) -> Result<AlarmStatus, Fault> {
    word(text, "status", &AlarmStatus::ALL.map(|status| (status.as_str(), status)))
}

fn severity(text: &str) -> Result<Severity, Fault> {
    word(text, "severity", &Severity::ALL.map(|severity| (severity.as_str(), severity)))
}

/// An alarm as it is shown.
pub(super) fn view(inbound: &Inbound, alarm: &Alarm) -> Value {
    let id = telemetry::number(alarm.id.0);
    let mut body: Map<String, Value> = serde_json::from_str(&alarm.fragments).unwrap_or_default();
    body.extend([
        ("self".to_owned(), inbound.url(format_args!("/alarm/alarms/{id}")).into()),
        ("id".to_owned(), id.into()),
        ("type".to_owned(), alarm.kind.as_str().into()),
        ("text".to_owned(), alarm.text.as_str().into()),
        ("severity".to_owned(), alarm.severity.as_str().into()),
        ("status".to_owned(), alarm.status.as_str().into()),
        ("count".to_owned(), alarm.count.into()),
        ("time".to_owned(), alarm.at.iso().into()),
        ("firstOccurrenceTime".to_owned(), alarm.first_at.iso().into()),
        ("creationTime".to_owned(), alarm.created_at.iso().into()),
        ("lastUpdated".to_owned(), alarm.modified_at.iso().into()),
        ("source".to_owned(), telemetry::source(inbound, alarm.device)),
        ("history".to_owned(), json!({ "auditRecords": [] })),
    ]);
    body.into()
}
