//! Events: reports in a compact form, because they are nearly all of the stream; everything else as JSON.

use super::wire::{Input, Malformed, Read, put_app, put_bytes, put_i64, put_id, put_u64};
use landfall_model::{AccountId, AppId, DeviceId, Event, EventBody, Frame, Report, ServiceReport, Time};

/// First byte of the `events` blob of a stream row.
pub(crate) const EVENTS_VERSION: u8 = 1;

const REPORT: u8 = 1;
const JSON: u8 = 2;

const HAS_GATEWAY: u8 = 1;
const HAS_RAW: u8 = 2;
/// A frame whose meta is not `{}`.
const HAS_META: u8 = 4;
/// More applications see the device than the one that registered it.
const HAS_OTHERS: u8 = 8;
/// Of a service: its type, and what is kept beside its values.
const HAS_TYPE: u8 = 1;
const HAS_BESIDE: u8 = 2;
const NO_META: &str = "{}";

/// Appends a record: its length, its kind, its body.
pub(crate) fn encode_event(out: &mut Vec<u8>, event: &Event) -> Result<(), serde_json::Error> {
    match &event.body {
        EventBody::Reported(report) if is_plain(event, report) => {
            let others = event.principals.as_deref().and_then(|all| all.get(1..)).unwrap_or_default();
            let mut body = Vec::with_capacity(96 + report.services.iter().map(|s| s.data.len() + 24).sum::<usize>());
            encode_report(&mut body, event.at, report, others);
            put_bytes(out, &body);
        }
        _ => {
            let mut body = vec![JSON];
            serde_json::to_writer(&mut body, event)?;
            put_bytes(out, &body);
        }
    }
    Ok(())
}

/// The compact form leaves out what the report says already.
fn is_plain(event: &Event, report: &Report) -> bool {
    let seen_by = event.principals.as_deref();
    event.account == report.account
        && seen_by.is_some_and(|all| all.first() == report.app.as_ref())
        && event.device == Some(report.device)
}

fn encode_report(out: &mut Vec<u8>, at: Time, report: &Report, others: &[AppId]) {
    out.push(REPORT);
    let gateway = report.gateway != report.device;
    let meta = report.raw.as_ref().map(|frame| frame.meta.as_str()).filter(|meta| *meta != NO_META);
    let raw = report.raw.is_some();
    let flag = |is: bool, bit: u8| u8::from(is) * bit;
    out.push(
        flag(gateway, HAS_GATEWAY) | flag(raw, HAS_RAW) | flag(meta.is_some(), HAS_META) | flag(!others.is_empty(), HAS_OTHERS),
    );
    put_id(out, &report.account.0);
    put_app(out, report.app);
    put_id(out, &report.device.0);
    if gateway {
        put_id(out, &report.gateway.0);
    }
    if !others.is_empty() {
        put_u64(out, others.len() as u64);
        others.iter().for_each(|app| put_id(out, &app.0));
    }
    put_i64(out, at.0);
    put_i64(out, report.received_at.0.wrapping_sub(at.0));
    put_u64(out, report.services.len() as u64);
    for service in &report.services {
        put_bytes(out, service.service_id.as_bytes());
        let more = [(&service.service_type, HAS_TYPE), (&service.meta, HAS_BESIDE)];
        out.push(more.iter().map(|(text, bit)| flag(text.is_some(), *bit)).sum());
        more.iter().filter_map(|(text, _)| text.as_ref()).for_each(|text| put_bytes(out, text.as_bytes()));
        put_i64(out, service.event_time.0.wrapping_sub(at.0));
        put_bytes(out, service.data.as_bytes());
    }
    if let Some(frame) = &report.raw {
        put_bytes(out, &frame.bytes);
    }
    if let Some(meta) = meta {
        put_bytes(out, meta.as_bytes());
    }
}

/// Walks the events of a blob: their index, the event and its encoded size in bytes. Those that are not wanted are skipped cheaply.
pub(crate) fn decode_events(
    blob: &[u8],
    mut want: impl FnMut(u64) -> bool,
    mut each: impl FnMut(u64, Event, u32),
) -> Result<(), Malformed> {
    walk(blob, |index, record| {
        if want(index) {
            each(index, decode_event(record)?, u32::try_from(record.len()).unwrap_or(u32::MAX));
        }
        Ok(())
    })
}

/// Walks the reports of a blob, and perhaps a few other events: the index of each among all events, and the event.
pub(crate) fn decode_reports(
    blob: &[u8],
    mut want: impl FnMut(u64) -> bool,
    mut each: impl FnMut(u64, Event),
) -> Result<(), Malformed> {
    walk(blob, |index, record| {
        if may_be_report(record) && want(index) {
            each(index, decode_event(record)?);
        }
        Ok(())
    })
}

/// Other events are told apart without parsing them; one that only mentions the word is decoded and left to the caller.
fn may_be_report(record: &[u8]) -> bool {
    const WORD: &[u8] = b"\"Reported\"";
    record.first() == Some(&REPORT) || record.windows(WORD.len()).any(|part| part == WORD)
}

fn walk(blob: &[u8], mut each: impl FnMut(u64, &[u8]) -> Read<()>) -> Result<(), Malformed> {
    let mut input = Input(blob);
    if input.byte()? != EVENTS_VERSION {
        return Err(Malformed);
    }
    let mut index = 0;
    while !input.is_empty() {
        each(index, input.bytes()?)?;
        index += 1;
    }
    Ok(())
}

fn decode_event(record: &[u8]) -> Read<Event> {
    let mut input = Input(record);
    match input.byte()? {
        REPORT => decode_report(&mut input),
        JSON => serde_json::from_slice(input.0).map_err(|_| Malformed),
        _ => Err(Malformed),
    }
}

fn decode_report(input: &mut Input<'_>) -> Read<Event> {
    let flags = input.byte()?;
    if flags & !(HAS_GATEWAY | HAS_RAW | HAS_META | HAS_OTHERS) != 0 || flags & (HAS_RAW | HAS_META) == HAS_META {
        return Err(Malformed);
    }
    let account = AccountId(input.id()?);
    let app = input.app()?;
    let device = DeviceId(input.id()?);
    let gateway = if flags & HAS_GATEWAY != 0 { DeviceId(input.id()?) } else { device };
    let mut seen_by = Vec::from_iter(app);
    if flags & HAS_OTHERS != 0 {
        for _ in 0..input.u64()? {
            seen_by.push(AppId(input.id()?));
        }
    }
    let at = Time(input.i64()?);
    let received_at = Time(at.0.wrapping_add(input.i64()?));
    let mut services = Vec::new();
    for _ in 0..input.u64()? {
        let service_id = input.str()?.to_owned();
        let more = input.byte()?;
        if more & !(HAS_TYPE | HAS_BESIDE) != 0 {
            return Err(Malformed);
        }
        let service_type = if more & HAS_TYPE != 0 { Some(input.str()?.to_owned()) } else { None };
        let meta = if more & HAS_BESIDE != 0 { Some(input.str()?.to_owned()) } else { None };
        let event_time = Time(at.0.wrapping_add(input.i64()?));
        let data = input.str()?.to_owned();
        services.push(ServiceReport { service_id, service_type, data, event_time, meta });
    }
    let bytes = if flags & HAS_RAW != 0 { Some(input.bytes()?.to_vec()) } else { None };
    let meta = if flags & HAS_META != 0 { input.str()? } else { NO_META };
    let raw = bytes.map(|bytes| Frame { meta: meta.to_owned(), bytes });
    if !input.is_empty() {
        return Err(Malformed);
    }
    let report = Report { device, account, app, gateway, received_at, services, raw };
    let principals = Some(seen_by.into_iter().collect());
    Ok(Event { account, principals, device: Some(device), at, body: EventBody::Reported(report) })
}
