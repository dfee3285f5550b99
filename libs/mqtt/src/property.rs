//! MQTT 5 properties (2.2.2): one pass, each at most once, only where allowed. Absent: properties of packets only a server sends.

use std::num::NonZeroU32;
use std::sync::Arc;

use bytes::Bytes;

use crate::check;
use crate::limits::Limits;
use crate::read::{Parse, Reader};
use crate::write;

/// Properties of a message that travel with it from publisher to subscriber (MQTT 5, 3.3.2.3). MQTT 3.1.1 clients neither send nor get them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishProperties {
    /// The publisher says that the payload is UTF-8 text.
    pub payload_is_utf8: bool,
    /// Life time, seconds.
    pub message_expiry_s: Option<u32>,
    /// MIME type or the like.
    pub content_type: Option<Box<str>>,
    /// Topic for an answer.
    pub response_topic: Option<Box<str>>,
    /// Identifies the request of an answer.
    pub correlation_data: Option<Bytes>,
    /// Name and value pairs, order kept.
    pub user: Vec<(Box<str>, Box<str>)>,
}

/// Which properties a packet may carry, one bit per identifier.
#[derive(Clone, Copy)]
pub(crate) struct Allowed(u64);

const fn allowed(ids: &[u8]) -> Allowed {
    let mut bits = 0;
    let mut at = 0;
    while at < ids.len() {
        bits |= 1 << ids[at];
        at += 1;
    }
    Allowed(bits)
}

pub(crate) const CONNECT: Allowed = allowed(&[17, 33, 39, 34, 25, 23, 38, 21, 22]);
pub(crate) const WILL: Allowed = allowed(&[24, 1, 2, 3, 8, 9, 38]);
pub(crate) const PUBLISH: Allowed = allowed(&[1, 2, 35, 8, 9, 38, 11, 3]);
pub(crate) const ACK: Allowed = allowed(&[31, 38]);
pub(crate) const SUBSCRIBE: Allowed = allowed(&[11, 38]);
pub(crate) const UNSUBSCRIBE: Allowed = allowed(&[38]);
pub(crate) const DISCONNECT: Allowed = allowed(&[17, 31, 38, 28]);
pub(crate) const AUTH: Allowed = allowed(&[21, 22, 31, 38]);

/// What was found; borrowed from the packet.
#[derive(Default)]
pub(crate) struct Properties<'a> {
    pub payload_is_utf8: Option<bool>,
    pub message_expiry_s: Option<u32>,
    pub content_type: Option<&'a str>,
    pub response_topic: Option<&'a str>,
    pub correlation_data: Option<&'a [u8]>,
    pub subscription_id: Option<NonZeroU32>,
    pub session_expiry_s: Option<u32>,
    pub auth_method: Option<&'a str>,
    pub auth_data: Option<&'a [u8]>,
    pub will_delay_s: Option<u32>,
    pub receive_maximum: Option<u16>,
    pub topic_alias: Option<u16>,
    pub maximum_packet_bytes: Option<u32>,
    pub user: Vec<(&'a str, &'a str)>,
}

impl<'a> Properties<'a> {
    /// Reads the property length and the block it announces.
    pub fn read(reader: &mut Reader<'a>, allowed: Allowed, limits: &Limits) -> Parse<Self> {
        let length = reader.varint()? as usize;
        if length > limits.property_bytes {
            return Err(&check::PROPERTIES_TOO_MANY);
        }
        let mut block = Reader::new(reader.bytes(length).map_err(|_| &check::PROPERTY_LENGTH)?);
        let mut found = Self::default();
        let mut seen = 0_u64;
        while !block.is_empty() {
            let id = block.varint()?;
            let bit = 1_u64.checked_shl(id).unwrap_or(0);
            if bit & allowed.0 == 0 {
                return Err(&check::PROPERTY_UNKNOWN);
            }
            // User properties may occur several times; several subscription identifiers only come from a server.
            if seen & bit != 0 && id != 38 {
                return Err(&check::PROPERTY_DUPLICATE);
            }
            seen |= bit;
            found.read_one(id, &mut block, limits)?;
        }
        Ok(found)
    }

    fn read_one(&mut self, id: u32, block: &mut Reader<'a>, limits: &Limits) -> Parse<()> {
        match id {
            1 => self.payload_is_utf8 = Some(boolean(block)?),
            2 => self.message_expiry_s = Some(block.u32()?),
            3 => self.content_type = Some(block.text()?),
            8 => self.response_topic = Some(block.text()?),
            9 => self.correlation_data = Some(block.binary()?),
            11 => self.subscription_id = Some(NonZeroU32::new(block.varint()?).ok_or(&check::PROPERTY_ZERO)?),
            17 => self.session_expiry_s = Some(block.u32()?),
            21 => self.auth_method = Some(block.text()?),
            22 => self.auth_data = Some(block.binary()?),
            23 | 25 => {
                boolean(block)?;
            }
            24 => self.will_delay_s = Some(block.u32()?),
            28 | 31 => {
                block.text()?;
            }
            33 => self.receive_maximum = Some(not_zero(block.u16()?)?),
            34 => {
                block.u16()?;
            }
            35 => self.topic_alias = Some(block.u16()?),
            38 => {
                if self.user.len() >= limits.user_properties {
                    return Err(&check::PROPERTIES_TOO_MANY);
                }
                self.user.push((block.text()?, block.text()?));
            }
            39 => self.maximum_packet_bytes = Some(not_zero(block.u32()?)?),
            _ => return Err(&check::PROPERTY_UNKNOWN),
        }
        Ok(())
    }

    /// The owned part a message keeps; `None` when there is none, which is the common case.
    pub fn message(&self) -> Option<Arc<PublishProperties>> {
        let empty = self.payload_is_utf8 != Some(true)
            && self.message_expiry_s.is_none()
            && self.content_type.is_none()
            && self.response_topic.is_none()
            && self.correlation_data.is_none()
            && self.user.is_empty();
        if empty {
            return None;
        }
        Some(Arc::new(PublishProperties {
            payload_is_utf8: self.payload_is_utf8 == Some(true),
            message_expiry_s: self.message_expiry_s,
            content_type: self.content_type.map(Into::into),
            response_topic: self.response_topic.map(Into::into),
            correlation_data: self.correlation_data.map(Bytes::copy_from_slice),
            user: self.user.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        }))
    }
}

fn boolean(block: &mut Reader<'_>) -> Parse<bool> {
    match block.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(&check::BOOLEAN_PROPERTY),
    }
}

fn not_zero<T: Default + PartialEq>(value: T) -> Parse<T> {
    if value == T::default() { Err(&check::PROPERTY_ZERO) } else { Ok(value) }
}

impl PublishProperties {
    /// Bytes of its texts and data.
    pub(crate) fn weight(&self) -> usize {
        let user = self.user.iter().map(|(name, value)| name.len() + value.len() + size_of::<(Box<str>, Box<str>)>());
        let texts = [&self.content_type, &self.response_topic].into_iter().flatten().map(|text| text.len());
        size_of::<Self>() + self.correlation_data.as_ref().map_or(0, Bytes::len) + texts.sum::<usize>() + user.sum::<usize>()
    }

    /// Appends the properties without their length; `expiry_left_s` instead of the whole life time.
    pub(crate) fn write(&self, out: &mut Vec<u8>, expiry_left_s: Option<u32>) {
        if self.payload_is_utf8 {
            out.extend_from_slice(&[1, 1]);
        }
        if let Some(seconds) = expiry_left_s {
            write::property_u32(out, 2, seconds);
        }
        if let Some(content_type) = &self.content_type {
            write::property_text(out, 3, content_type);
        }
        if let Some(topic) = &self.response_topic {
            write::property_text(out, 8, topic);
        }
        if let Some(data) = &self.correlation_data {
            out.push(9);
            write::binary(out, data);
        }
        for (name, value) in &self.user {
            write::property_text(out, 38, name);
            write::binary(out, value.as_bytes());
        }
    }
}
