//! History points of one device, oldest arrival first.
//!
//! Each point says only what differs from the one before it. A body whose first point says everything may be appended to another body:
//! that is how small chunks are merged.

use super::wire::{Input, Malformed, Read, put_app, put_bytes, put_i64, put_id, put_u64};
use landfall_model::{AppId, DeviceId};

/// First byte of the `points` blob of a chunk.
pub(crate) const POINTS_VERSION: u8 = 1;

/// Gateway and application follow.
const CONTEXT: u8 = 1;
/// The service id follows.
const SERVICE: u8 = 2;
/// Place and time are absolute.
const ABSOLUTE: u8 = 4;
/// What is kept beside the values follows them.
const META: u8 = 8;

/// A point inside a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PointView<'a> {
    pub(crate) seq: u64,
    pub(crate) gateway: DeviceId,
    pub(crate) app: Option<AppId>,
    pub(crate) service_id: &'a str,
    pub(crate) event_time: i64,
    pub(crate) data: &'a str,
    pub(crate) meta: Option<&'a str>,
}

/// Builds a body.
#[derive(Debug, Default)]
pub(crate) struct PointWriter {
    body: Vec<u8>,
    context: Option<(DeviceId, Option<AppId>)>,
    service: String,
    seq: u64,
    time: i64,
}

impl PointWriter {
    pub(crate) fn push(&mut self, point: &PointView<'_>) {
        let first = self.context.is_none();
        let context = self.context != Some((point.gateway, point.app));
        let service = first || self.service != point.service_id;
        let flags = (u8::from(context) * CONTEXT) | (u8::from(service) * SERVICE) | (u8::from(first) * ABSOLUTE);
        self.body.push(flags | (u8::from(point.meta.is_some()) * META));
        if context {
            put_id(&mut self.body, &point.gateway.0);
            put_app(&mut self.body, point.app);
            self.context = Some((point.gateway, point.app));
        }
        if service {
            put_bytes(&mut self.body, point.service_id.as_bytes());
            self.service.clear();
            self.service.push_str(point.service_id);
        }
        let (seq, time) = if first { (0, 0) } else { (self.seq, self.time) };
        put_u64(&mut self.body, point.seq.wrapping_sub(seq));
        put_i64(&mut self.body, point.event_time.wrapping_sub(time));
        put_bytes(&mut self.body, point.data.as_bytes());
        if let Some(meta) = point.meta {
            put_bytes(&mut self.body, meta.as_bytes());
        }
        self.seq = point.seq;
        self.time = point.event_time;
    }

    /// The points so far, without the version byte.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }
}

/// Walks the points of a body.
pub(crate) fn decode_points<'a>(body: &'a [u8], mut each: impl FnMut(PointView<'a>)) -> Result<(), Malformed> {
    let mut input = Input(body);
    let mut context = None;
    let mut service: Option<&str> = None;
    let (mut seq, mut time) = (0u64, 0i64);
    while !input.is_empty() {
        let flags = input.byte()?;
        if flags & !(CONTEXT | SERVICE | ABSOLUTE | META) != 0 {
            return Err(Malformed);
        }
        if flags & CONTEXT != 0 {
            context = Some((DeviceId(input.id()?), input.app()?));
        }
        if flags & SERVICE != 0 {
            service = Some(input.str()?);
        }
        if flags & ABSOLUTE != 0 {
            (seq, time) = (0, 0);
        }
        seq = seq.wrapping_add(input.u64()?);
        time = time.wrapping_add(input.i64()?);
        let point = view(&mut input, seq, time, context, service)?;
        let meta = if flags & META != 0 { Some(input.str()?) } else { None };
        each(PointView { meta, ..point });
    }
    Ok(())
}

fn view<'a>(
    input: &mut Input<'a>,
    seq: u64,
    event_time: i64,
    context: Option<(DeviceId, Option<AppId>)>,
    service: Option<&'a str>,
) -> Read<PointView<'a>> {
    let (gateway, app) = context.ok_or(Malformed)?;
    let service_id = service.ok_or(Malformed)?;
    Ok(PointView { seq, gateway, app, service_id, event_time, data: input.str()?, meta: None })
}
