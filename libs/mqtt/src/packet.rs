//! Client packets, decoded and checked without regard to the state of the connection. Absent: packets only a server sends.

use std::num::NonZeroU32;

use bytes::Bytes;

use crate::check::{self, Check};
use crate::event::{ConnectRequest, Secret, Will};
use crate::filter::SHARE;
use crate::limits::Limits;
use crate::property::{self, Properties};
use crate::read::{Parse, Reader};
use crate::{Qos, Version, topic_is_valid};

/// Set in the protocol level by brokers that connect as bridges (mosquitto); nothing else differs.
const BRIDGE: u8 = 0x80;
/// The bit of a subscription's options.
pub(crate) const NO_LOCAL: u8 = 0x04;
/// Packet types by the high half of the first byte.
pub(crate) const CONNECT: u8 = 1;
pub(crate) const PUBLISH: u8 = 3;

pub(crate) enum Packet<'a> {
    Publish(Incoming<'a>),
    Puback { id: u16, code: u8 },
    Pubrec { id: u16, code: u8 },
    Pubrel { id: u16 },
    Pubcomp { id: u16 },
    Subscribe { id: u16, subscription_id: Option<NonZeroU32>, filters: Vec<(&'a str, u8)> },
    Unsubscribe { id: u16, filters: Vec<&'a str> },
    Pingreq,
    Disconnect { code: u8, session_expiry_s: Option<u32> },
    Auth,
}

/// An inbound PUBLISH; the topic is empty when only an alias was sent.
pub(crate) struct Incoming<'a> {
    pub topic: &'a str,
    pub payload: &'a [u8],
    pub qos: Qos,
    pub dup: bool,
    pub retain: bool,
    pub id: Option<u16>,
    pub properties: Option<Properties<'a>>,
}

/// Reserved types, types only a server sends, and the reserved flag bits [MQTT-2.2.2-2]. Repeated packets of MQTT 3.1 (`v31`) have DUP.
pub(crate) fn check_first(first: u8, version: Option<Version>, v31: bool) -> Parse<()> {
    let flags = first & 0x0f;
    let dup = if v31 { 0x08 } else { 0 };
    match first >> 4 {
        0 => Err(&check::PACKET_TYPE),
        15 if version == Some(Version::V311) => Err(&check::PACKET_TYPE),
        2 | 9 | 11 | 13 => Err(&check::DIRECTION),
        3 if flags & 0x06 == 0x06 => Err(&check::PUBLISH_QOS),
        3 if flags & 0x0e == 0x08 => Err(&check::PUBLISH_DUP),
        3 => Ok(()),
        6 | 8 | 10 if flags & !dup == 2 => Ok(()),
        1 | 4 | 5 | 7 | 12 | 14 | 15 if flags == 0 => Ok(()),
        _ => Err(&check::FLAGS),
    }
}

/// Decodes any packet but CONNECT. `first` has passed [`check_first`].
pub(crate) fn decode<'a>(first: u8, body: &'a [u8], version: Version, limits: &Limits) -> Parse<Packet<'a>> {
    let mut reader = Reader::new(body);
    let packet = match first >> 4 {
        3 => return publish(first, reader, version, limits).map(Packet::Publish),
        4 => {
            let (id, code) = ack(&mut reader, version, limits)?;
            Packet::Puback { id, code }
        }
        5 => {
            let (id, code) = ack(&mut reader, version, limits)?;
            Packet::Pubrec { id, code }
        }
        6 => Packet::Pubrel { id: ack(&mut reader, version, limits)?.0 },
        7 => Packet::Pubcomp { id: ack(&mut reader, version, limits)?.0 },
        8 => subscribe(&mut reader, version, limits)?,
        10 => unsubscribe(&mut reader, version, limits)?,
        12 => Packet::Pingreq,
        14 => disconnect(&mut reader, version, limits)?,
        15 => {
            if !reader.is_empty() {
                reader.u8()?;
            }
            if !reader.is_empty() {
                Properties::read(&mut reader, property::AUTH, limits)?;
            }
            Packet::Auth
        }
        _ => return Err(&check::PACKET_TYPE),
    };
    reader.end()?;
    Ok(packet)
}

fn publish<'a>(first: u8, mut reader: Reader<'a>, version: Version, limits: &Limits) -> Parse<Incoming<'a>> {
    let qos = Qos::from_level(first >> 1 & 3).ok_or(&check::PUBLISH_QOS)?;
    let topic = reader.text()?;
    if topic.len() > limits.topic_bytes {
        return Err(&check::TOPIC_TOO_LONG);
    }
    let id = if qos == Qos::AtMostOnce { None } else { Some(reader.packet_id()?) };
    let properties = match version {
        Version::V311 => None,
        Version::V5 => Some(Properties::read(&mut reader, property::PUBLISH, limits)?),
    };
    if let Some(found) = &properties {
        if found.subscription_id.is_some() {
            return Err(&check::PUBLISH_SUB_ID);
        }
        if found.response_topic.is_some_and(|topic| !topic_is_valid(topic)) {
            return Err(&check::PUBLISH_RESPONSE);
        }
    }
    if topic.is_empty() {
        if properties.as_ref().is_none_or(|found| found.topic_alias.is_none()) {
            return Err(&check::PUBLISH_TOPIC_EMPTY);
        }
    } else if !topic_is_valid(topic) {
        return Err(&check::PUBLISH_TOPIC);
    }
    Ok(Incoming { topic, payload: reader.rest(), qos, dup: first & 8 != 0, retain: first & 1 != 0, id, properties })
}

/// PUBACK, PUBREC, PUBREL, PUBCOMP: identifier and, in MQTT 5, an optional reason code and optional properties.
fn ack(reader: &mut Reader<'_>, version: Version, limits: &Limits) -> Parse<(u16, u8)> {
    let id = reader.packet_id()?;
    let mut code = 0;
    if version == Version::V5 && !reader.is_empty() {
        code = reader.u8()?;
        if !reader.is_empty() {
            Properties::read(reader, property::ACK, limits)?;
        }
    }
    Ok((id, code))
}

fn subscribe<'a>(reader: &mut Reader<'a>, version: Version, limits: &Limits) -> Parse<Packet<'a>> {
    let id = reader.packet_id()?;
    let mut subscription_id = None;
    if version == Version::V5 {
        subscription_id = Properties::read(reader, property::SUBSCRIBE, limits)?.subscription_id;
    }
    let mut filters = Vec::new();
    while !reader.is_empty() {
        let filter = filter_text(reader)?;
        let options = reader.u8()?;
        let reserved = if version == Version::V5 { 0xc0 } else { 0xfc };
        if options & reserved != 0 || options & 3 == 3 || options & 0x30 == 0x30 {
            return Err(&check::SUBSCRIBE_OPTIONS);
        }
        if options & NO_LOCAL != 0 && filter.starts_with(SHARE) {
            return Err(&check::SUBSCRIBE_SHARED_LOCAL);
        }
        filters.push((filter, options));
    }
    if filters.is_empty() { Err(&check::SUBSCRIBE_EMPTY) } else { Ok(Packet::Subscribe { id, subscription_id, filters }) }
}

fn unsubscribe<'a>(reader: &mut Reader<'a>, version: Version, limits: &Limits) -> Parse<Packet<'a>> {
    let id = reader.packet_id()?;
    if version == Version::V5 {
        Properties::read(reader, property::UNSUBSCRIBE, limits)?;
    }
    let mut filters = Vec::new();
    while !reader.is_empty() {
        filters.push(filter_text(reader)?);
    }
    if filters.is_empty() { Err(&check::UNSUBSCRIBE_EMPTY) } else { Ok(Packet::Unsubscribe { id, filters }) }
}

fn filter_text<'a>(reader: &mut Reader<'a>) -> Parse<&'a str> {
    let filter = reader.text()?;
    if filter.is_empty() { Err(&check::FILTER_EMPTY) } else { Ok(filter) }
}

fn disconnect<'a>(reader: &mut Reader<'a>, version: Version, limits: &Limits) -> Parse<Packet<'a>> {
    let mut code = 0;
    let mut session_expiry_s = None;
    if version == Version::V5 && !reader.is_empty() {
        code = reader.u8()?;
        if !reader.is_empty() {
            session_expiry_s = Properties::read(reader, property::DISCONNECT, limits)?.session_expiry_s;
        }
    }
    Ok(Packet::Disconnect { code, session_expiry_s })
}

/// A decoded CONNECT with what only the machine needs.
pub(crate) struct Connect {
    pub request: Box<ConnectRequest>,
    /// MQTT 3.1.
    pub v31: bool,
    pub receive_maximum: u16,
}

/// A CONNECT that cannot be served, and the version its answer is written in; `None`: no answer, just close.
pub(crate) type ConnectError = (&'static Check, Option<Version>);

/// Protocol name and level come first, because they decide the form of the answer.
pub(crate) fn connect(body: &[u8], limits: &Limits) -> Result<Connect, ConnectError> {
    let mut reader = Reader::new(body);
    let name = reader.binary().map_err(|failed| (failed, None))?;
    let level = reader.u8().map_err(|failed| (failed, None))?;
    let (version, v31) = match (name, level & !BRIDGE) {
        (b"MQTT", 4) => (Version::V311, false),
        (b"MQTT", 5) => (Version::V5, false),
        (b"MQIsdp", 3) => (Version::V311, true),
        (b"MQIsdp", _) | (b"MQTT", 0..=3) => return Err((&check::CONNECT_LEVEL, Some(Version::V311))),
        (b"MQTT", _) => return Err((&check::CONNECT_LEVEL, Some(Version::V5))),
        _ => return Err((&check::CONNECT_NAME, None)),
    };
    // MQTT 3.1.1 has no return code for a malformed CONNECT [MQTT-3.1.4-1].
    let connect = connect_fields(reader, version, limits);
    connect.map(|read| Connect { v31, ..read }).map_err(|failed| (failed, (version == Version::V5).then_some(version)))
}

fn connect_fields(mut reader: Reader<'_>, version: Version, limits: &Limits) -> Parse<Connect> {
    let v5 = version == Version::V5;
    let flags = reader.u8()?;
    check_connect_flags(flags, version)?;
    let keep_alive_s = reader.u16()?;
    let properties = if v5 { Properties::read(&mut reader, property::CONNECT, limits)? } else { Properties::default() };
    if properties.auth_data.is_some() && properties.auth_method.is_none() {
        return Err(&check::CONNECT_AUTH_DATA);
    }
    let client_id = reader.text()?.into();
    let will = if flags & 0x04 != 0 { Some(will(&mut reader, flags, v5, limits)?) } else { None };
    let username = if flags & 0x80 != 0 { Some(reader.text()?.into()) } else { None };
    let password = if flags & 0x40 != 0 { Some(Secret::new(reader.binary()?)) } else { None };
    reader.end()?;
    if properties.auth_method.is_some() {
        return Err(&check::CONNECT_AUTH);
    }
    let clean_start = flags & 0x02 != 0;
    // MQTT 3.1.1: a session that is not clean has no end of its own; 0xFFFFFFFF says that in MQTT 5.
    let session_expiry_s = match version {
        Version::V311 if clean_start => 0,
        Version::V311 => u32::MAX,
        Version::V5 => properties.session_expiry_s.unwrap_or(0),
    };
    let user = properties.user.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let request = Box::new(ConnectRequest {
        version,
        client_id,
        username,
        password,
        clean_start,
        keep_alive_s,
        session_expiry_s,
        maximum_packet_bytes: properties.maximum_packet_bytes.unwrap_or(u32::MAX),
        will,
        user,
    });
    Ok(Connect { request, v31: false, receive_maximum: properties.receive_maximum.unwrap_or(u16::MAX) })
}

fn check_connect_flags(flags: u8, version: Version) -> Parse<()> {
    let (will, will_qos, will_retain) = (flags & 0x04 != 0, flags >> 3 & 3, flags & 0x20 != 0);
    if flags & 1 != 0 {
        return Err(&check::CONNECT_FLAG);
    }
    if !will && will_qos != 0 {
        return Err(&check::CONNECT_WILL_QOS_OFF);
    }
    if !will && will_retain {
        return Err(&check::CONNECT_WILL_RETAIN);
    }
    if will_qos == 3 {
        return Err(&check::CONNECT_WILL_QOS);
    }
    // MQTT 5 allows a password without a user name (3.1.2.9).
    if version == Version::V311 && flags & 0xc0 == 0x40 { Err(&check::CONNECT_PASSWORD) } else { Ok(()) }
}

fn will(reader: &mut Reader<'_>, flags: u8, v5: bool, limits: &Limits) -> Parse<Box<Will>> {
    let properties = if v5 { Properties::read(reader, property::WILL, limits)? } else { Properties::default() };
    let topic = reader.text()?;
    let payload = Bytes::copy_from_slice(reader.binary()?);
    if topic.is_empty() {
        return Err(&check::PUBLISH_TOPIC_EMPTY);
    }
    if !topic_is_valid(topic) {
        return Err(&check::PUBLISH_TOPIC);
    }
    if topic.len() > limits.topic_bytes {
        return Err(&check::TOPIC_TOO_LONG);
    }
    let qos = Qos::from_level(flags >> 3 & 3).ok_or(&check::CONNECT_WILL_QOS)?;
    if qos > limits.qos_in {
        return Err(&check::PUBLISH_QOS_LIMIT);
    }
    let retain = flags & 0x20 != 0;
    if retain && !limits.retain_available {
        return Err(&check::PUBLISH_RETAIN);
    }
    let delay_s = properties.will_delay_s.unwrap_or(0);
    Ok(Box::new(Will { topic: topic.into(), payload, qos, retain, delay_s, properties: properties.message() }))
}
