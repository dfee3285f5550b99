//! The JSON messages of devices (device-side sections 6 and 7), read strictly and without copying values.

use crate::uplink::json;
use landfall_model::{Cause, Error, Result, Time};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};

/// Services one message may report.
const ITEMS: usize = 100;
/// Properties one service may report.
const PROPERTIES: usize = 1_000;

/// A message of a device.
#[derive(Debug)]
pub enum Message<'a> {
    /// `deviceReq`: values of services.
    Report(Vec<Item<'a>>),
    /// `deviceRsp`: the answer to a call.
    Answer {
        /// Which call; absent (binary codecs only): the oldest one that waits.
        mid: Option<u16>,
        /// 0 is success.
        errcode: i64,
        /// A JSON object.
        body: &'a str,
    },
}

/// The values of one service as sent.
#[derive(Debug)]
pub struct Item<'a> {
    /// Service id.
    pub service_id: Cow<'a, str>,
    /// The JSON object.
    pub data: Cow<'a, str>,
    /// When it was measured; absent or unreadable: the time of receipt.
    pub event_time: Option<Time>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "msgType", borrow)]
    msg_type: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    mid: Option<u64>,
    errcode: Option<i64>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireItem<'a> {
    #[serde(rename = "serviceId", borrow)]
    service_id: Cow<'a, str>,
    #[serde(rename = "serviceData", alias = "data", borrow)]
    service_data: &'a RawValue,
    #[serde(rename = "eventTime", borrow)]
    event_time: Option<&'a RawValue>,
}

/// The sound text of a payload, for the other functions here.
pub(crate) fn text(payload: &[u8]) -> Result<Cow<'_, str>> {
    json::sound(payload).map_err(invalid)
}

/// Reads a message. `PayloadInvalid` tells what is wrong and where.
pub(crate) fn read(text: &str) -> Result<Message<'_>> {
    let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|e| invalid(format!("is no message: {e}")))?;
    match &*envelope.msg_type {
        "deviceReq" => report(envelope.data),
        "deviceRsp" => answer(&envelope),
        other => Err(invalid(format!("msgType must be deviceReq or deviceRsp, not {:.64}", other)).at("msgType")),
    }
}

/// Reads the serviceData object of a message to `.../services/{serviceId}`.
pub(crate) fn read_service<'a>(service_id: &'a str, text: &'a str) -> Result<Message<'a>> {
    let data: &RawValue = serde_json::from_str(text).map_err(|e| invalid(format!("is no JSON: {e}")))?;
    Ok(Message::Report(vec![Item {
        service_id: Cow::Borrowed(service_id),
        data: Cow::Borrowed(object(data, "payload")?),
        event_time: None,
    }]))
}

/// Whether a text is an object with `msgType` (device-side section 8).
pub(crate) fn has_msg_type(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Probe {
        #[serde(rename = "msgType")]
        msg_type: Option<IgnoredAny>,
    }
    serde_json::from_str::<Probe>(text).is_ok_and(|probe| probe.msg_type.is_some())
}

/// The properties of a service's data: names and values as sent. `PayloadInvalid` for more than 1,000.
pub(crate) fn properties(data: &str) -> Result<Vec<(Cow<'_, str>, &RawValue)>> {
    let pairs: Pairs<'_> = serde_json::from_str(data).map_err(|e| invalid(e.to_string()))?;
    Ok(pairs.0)
}

fn report<'a>(data: Option<&'a RawValue>) -> Result<Message<'a>> {
    let data = data.ok_or_else(|| invalid("deviceReq needs the array data").at("data"))?;
    let items: Vec<WireItem<'a>> = serde_json::from_str(data.get()).map_err(|e| invalid(e.to_string()).at("data"))?;
    if items.is_empty() || items.len() > ITEMS {
        return Err(invalid(format!("must have 1 to {ITEMS} entries")).at("data"));
    }
    let read = |item: WireItem<'a>| {
        let event_time = event_time(item.event_time);
        Ok(Item { service_id: item.service_id, data: Cow::Borrowed(object(item.service_data, "serviceData")?), event_time })
    };
    items.into_iter().map(read).collect::<Result<_>>().map(Message::Report)
}

fn answer<'a>(envelope: &Envelope<'a>) -> Result<Message<'a>> {
    let mid = match envelope.mid {
        None => None,
        Some(mid @ 1..=65_535) => u16::try_from(mid).ok(),
        Some(_) => return Err(invalid("must be 1 to 65535").at("mid")),
    };
    let body = match envelope.body {
        None => "{}",
        Some(body) if body.get() == "null" => "{}",
        Some(body) => object(body, "body")?,
    };
    Ok(Message::Answer { mid, errcode: envelope.errcode.unwrap_or(0), body })
}

fn object<'a>(value: &'a RawValue, path: &'static str) -> Result<&'a str> {
    if value.get().starts_with('{') {
        return Ok(value.get());
    }
    Err(invalid("must be an object").at(path))
}

fn event_time(value: Option<&RawValue>) -> Option<Time> {
    let text: Cow<'_, str> = serde_json::from_str(value?.get()).ok()?;
    Time::parse_compact(&text)
}

fn invalid(detail: impl Into<Cow<'static, str>>) -> Error {
    Error::new(Cause::PayloadInvalid, detail)
}

struct Pairs<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
                let mut pairs = vec![];
                while let Some(key) = map.next_key::<Key<'de>>()? {
                    if pairs.len() == PROPERTIES {
                        return Err(serde::de::Error::custom("has too many properties"));
                    }
                    pairs.push((key.0, map.next_value()?));
                }
                Ok(pairs)
            }
        }
        deserializer.deserialize_map(Collect).map(Pairs)
    }
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_and_answers_are_read() {
        let text = r#"{"msgType":"deviceReq","hasMore":0,"data":[
            {"serviceId":"Battery","serviceData":{"batteryLevel":75},"eventTime":"20160503T121540Z"},
            {"serviceId":"Meter","data":{"value":1.5},"eventTime":7}]}"#;
        let Ok(Message::Report(items)) = read(text) else { panic!("no report") };
        assert_eq!((&*items[0].service_id, &*items[0].data), ("Battery", r#"{"batteryLevel":75}"#));
        assert_eq!(items[0].event_time, Time::parse_compact("20160503T121540Z"));
        assert_eq!((&*items[1].service_id, &*items[1].data, items[1].event_time), ("Meter", r#"{"value":1.5}"#, None));

        let Ok(Message::Answer { mid, errcode, body }) = read(r#"{"msgType":"deviceRsp","mid":2016,"body":{"result":"ok"}}"#)
        else {
            panic!("no answer")
        };
        assert_eq!((mid, errcode, body), (Some(2016), 0, r#"{"result":"ok"}"#));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases: [(&[u8], &str); 10] = [
            (b"", "is no message"),
            (b"\xff", "is not UTF-8 at byte 0"),
            (b"[]", "is no message"),
            (br#"{"msgType":"cloudReq"}"#, "msgType: msgType must be deviceReq or deviceRsp, not cloudReq"),
            (br#"{"msgType":"deviceReq"}"#, "data: deviceReq needs the array data"),
            (br#"{"msgType":"deviceReq","data":[]}"#, "data: must have 1 to 100 entries"),
            (br#"{"msgType":"deviceReq","data":[{"serviceData":{}}]}"#, "data: missing field `serviceId`"),
            (br#"{"msgType":"deviceReq","data":[{"serviceId":"a","serviceData":[]}]}"#, "serviceData: must be an object"),
            (br#"{"msgType":"deviceRsp","mid":0}"#, "mid: must be 1 to 65535"),
            (br#"{"msgType":"deviceRsp","mid":1,"body":3}"#, "body: must be an object"),
        ];
        for (payload, expected) in cases {
            let error = text(payload).and_then(|text| read(&text).map(drop)).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(error.starts_with(expected), "{error} / {expected}");
        }
    }
}
