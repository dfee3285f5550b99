//! What of a content instance is not a column of its own.

use super::wire::{Input, Malformed, Read, put_bytes, put_i64, put_id, put_u64};
use landfall_model::{AppId, Instance, Time};
use serde_json::{Map, Value};

/// First byte of the record.
const VERSION: u8 = 1;

const HAS_FORMAT: u8 = 1;
const HAS_CREATOR: u8 = 2;
const HAS_APP: u8 = 4;
/// Attributes that are only shown, as JSON.
const HAS_OTHER: u8 = 8;

/// The part of an instance that its record holds.
#[derive(Debug, PartialEq)]
pub(crate) struct InstanceBody {
    pub(crate) created_at: Time,
    pub(crate) content: String,
    pub(crate) format: Option<String>,
    pub(crate) creator: Option<String>,
    pub(crate) by: Option<AppId>,
    pub(crate) labels: Vec<String>,
    pub(crate) other: Map<String, Value>,
}

pub(crate) fn encode_instance(r: &Instance) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + r.content.len());
    out.push(VERSION);
    let flag = |there: bool, flag: u8| u8::from(there) * flag;
    let texts = flag(r.format.is_some(), HAS_FORMAT) | flag(r.creator.is_some(), HAS_CREATOR);
    out.push(texts | flag(r.by.is_some(), HAS_APP) | flag(!r.other.is_empty(), HAS_OTHER));
    put_i64(&mut out, r.created_at.0);
    put_bytes(&mut out, r.content.as_bytes());
    for text in [&r.format, &r.creator].into_iter().flatten() {
        put_bytes(&mut out, text.as_bytes());
    }
    put_u64(&mut out, r.labels.len() as u64);
    r.labels.iter().for_each(|label| put_bytes(&mut out, label.as_bytes()));
    if let Some(by) = r.by {
        put_id(&mut out, &by.0);
    }
    if !r.other.is_empty() {
        // Maps of JSON values always serialize.
        put_bytes(&mut out, &serde_json::to_vec(&r.other).unwrap_or_default());
    }
    out
}

pub(crate) fn decode_instance(record: &[u8]) -> Result<InstanceBody, Malformed> {
    let mut input = Input(record);
    if input.byte()? != VERSION {
        return Err(Malformed);
    }
    let flags = input.byte()?;
    if flags & !(HAS_FORMAT | HAS_CREATOR | HAS_APP | HAS_OTHER) != 0 {
        return Err(Malformed);
    }
    let created_at = Time(input.i64()?);
    let content = input.str()?.to_owned();
    let format = optional(&mut input, flags & HAS_FORMAT != 0)?;
    let creator = optional(&mut input, flags & HAS_CREATOR != 0)?;
    let mut labels = Vec::new();
    for _ in 0..input.u64()? {
        labels.push(input.str()?.to_owned());
    }
    let by = (flags & HAS_APP != 0).then(|| input.id().map(AppId)).transpose()?;
    let other = match flags & HAS_OTHER {
        0 => Map::new(),
        _ => serde_json::from_slice(input.bytes()?).map_err(|_| Malformed)?,
    };
    if !input.is_empty() {
        return Err(Malformed);
    }
    Ok(InstanceBody { created_at, content, format, creator, by, labels, other })
}

fn optional(input: &mut Input<'_>, there: bool) -> Read<Option<String>> {
    there.then(|| input.str().map(str::to_owned)).transpose()
}
