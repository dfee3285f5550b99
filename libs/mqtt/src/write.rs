//! Server packets, appended to one buffer so that several leave in one write. Absent: packets only a client sends.

use std::time::Duration;

use crate::session::Delivery;
use crate::{PublishProperties, Qos, Version};

/// Largest remaining length of a packet (2.2.3).
const REMAINING_MAX: usize = 268_435_455;

pub(crate) const PINGRESP: [u8; 2] = [0xd0, 0];

pub(crate) fn varint(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            return out.push(byte);
        }
        out.push(byte | 0x80);
    }
}

pub(crate) fn varint_len(value: usize) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}

/// Data with a 16-bit length; callers keep it below 65,536 bytes, longer data is cut.
pub(crate) fn binary(out: &mut Vec<u8>, data: &[u8]) {
    let count = u16::try_from(data.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(data.get(..usize::from(count)).unwrap_or(data));
}

pub(crate) fn property_text(out: &mut Vec<u8>, id: u8, text: &str) {
    out.push(id);
    binary(out, text.as_bytes());
}

pub(crate) fn property_u16(out: &mut Vec<u8>, id: u8, value: u16) {
    out.push(id);
    out.extend_from_slice(&value.to_be_bytes());
}

pub(crate) fn property_u32(out: &mut Vec<u8>, id: u8, value: u32) {
    out.push(id);
    out.extend_from_slice(&value.to_be_bytes());
}

/// CONNACK; `properties` only for MQTT 5.
pub(crate) fn connack(out: &mut Vec<u8>, version: Version, session_present: bool, code: u8, properties: &[u8]) {
    out.push(0x20);
    let extra = if version == Version::V5 { varint_len(properties.len()) + properties.len() } else { 0 };
    varint(out, 2 + extra);
    out.extend_from_slice(&[u8::from(session_present), code]);
    if version == Version::V5 {
        varint(out, properties.len());
        out.extend_from_slice(properties);
    }
}

/// PUBACK (0x40), PUBREC (0x50), PUBREL (0x62), PUBCOMP (0x70); the code is left out when it is 0 or the client speaks MQTT 3.1.1.
pub(crate) fn ack(out: &mut Vec<u8>, first: u8, version: Version, id: u16, code: u8) {
    let [high, low] = id.to_be_bytes();
    if version == Version::V311 || code == 0 {
        out.extend_from_slice(&[first, 2, high, low]);
    } else {
        out.extend_from_slice(&[first, 3, high, low, code]);
    }
}

/// SUBACK (0x90) and UNSUBACK (0xb0), one code per filter; MQTT 3.1.1 UNSUBACK has none.
pub(crate) fn sub_ack(out: &mut Vec<u8>, first: u8, version: Version, id: u16, codes: &[u8]) {
    out.push(first);
    let property_length = usize::from(version == Version::V5);
    let codes = if first == 0xb0 && version == Version::V311 { &[] } else { codes };
    varint(out, 2 + property_length + codes.len());
    out.extend_from_slice(&id.to_be_bytes());
    if version == Version::V5 {
        out.push(0);
    }
    out.extend_from_slice(codes);
}

/// MQTT 5 DISCONNECT.
pub(crate) fn disconnect(out: &mut Vec<u8>, code: u8) {
    out.extend_from_slice(&[0xe0, 2, code, 0]);
}

/// Length of a whole PUBLISH whose properties have so many bytes without their length (MQTT 3.1.1: none); `None` where it is beyond what
/// MQTT can say (2.2.3).
pub fn publish_bytes(version: Version, qos: Qos, topic: usize, properties: usize, payload: usize) -> Option<usize> {
    let properties = if version == Version::V5 { varint_len(properties) + properties } else { 0 };
    let id = if qos == Qos::AtMostOnce { 0 } else { 2 };
    let body = 2 + topic + id + properties + payload;
    (topic <= usize::from(u16::MAX) && body <= REMAINING_MAX).then(|| 1 + varint_len(body) + body)
}

/// PUBLISH at `now`; with an identifier unless it is QoS 0.
pub(crate) fn publish(out: &mut Vec<u8>, now: Duration, version: Version, delivery: &Delivery, id: Option<u16>, dup: bool) {
    let properties = publish_properties(now, version, delivery);
    let property_part = if version == Version::V5 { varint_len(properties.len()) + properties.len() } else { 0 };
    let body = 2 + delivery.topic.len() + id.map_or(0, |_| 2) + property_part + delivery.payload.len();
    out.reserve(body + 5);
    out.push(0x30 | u8::from(dup) << 3 | (delivery.qos as u8) << 1 | u8::from(delivery.retain));
    varint(out, body);
    binary(out, delivery.topic.as_bytes());
    if let Some(id) = id {
        out.extend_from_slice(&id.to_be_bytes());
    }
    if version == Version::V5 {
        varint(out, properties.len());
        out.extend_from_slice(&properties);
    }
    out.extend_from_slice(&delivery.payload);
}

/// The properties of a PUBLISH without their length; MQTT 3.1.1 has none.
pub(crate) fn publish_properties(now: Duration, version: Version, delivery: &Delivery) -> Vec<u8> {
    let mut out = Vec::new();
    if version == Version::V311 {
        return out;
    }
    let none = PublishProperties::default();
    delivery.properties.as_deref().unwrap_or(&none).write(&mut out, delivery.expiry_left_s(now));
    for id in &delivery.subscription_ids {
        out.push(11);
        varint(&mut out, id.get() as usize);
    }
    out
}
