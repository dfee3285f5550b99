//! Frames of one device as it sent them, oldest arrival first.
//!
//! Like points, each frame says only what differs from the one before it, and bodies may be joined.

use super::wire::{Input, Malformed, Read, put_app, put_bytes, put_i64, put_id, put_u64};
use landfall_model::{AppId, DeviceId};

/// First byte of the `frames` blob of a chunk.
pub(crate) const FRAMES_VERSION: u8 = 1;

/// Gateway and application follow.
const CONTEXT: u8 = 1;
/// What the codec is told beside the bytes follows.
const META: u8 = 2;
/// Place and time are absolute.
const ABSOLUTE: u8 = 4;

/// A frame inside a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameView<'a> {
    pub(crate) seq: u64,
    pub(crate) gateway: DeviceId,
    pub(crate) app: Option<AppId>,
    pub(crate) received_at: i64,
    pub(crate) meta: &'a str,
    pub(crate) bytes: &'a [u8],
}

/// Builds a body.
#[derive(Debug, Default)]
pub(crate) struct FrameWriter {
    body: Vec<u8>,
    context: Option<(DeviceId, Option<AppId>)>,
    meta: String,
    seq: u64,
    time: i64,
}

impl FrameWriter {
    pub(crate) fn push(&mut self, frame: &FrameView<'_>) {
        let first = self.context.is_none();
        let context = self.context != Some((frame.gateway, frame.app));
        let meta = first || self.meta != frame.meta;
        self.body.push((u8::from(context) * CONTEXT) | (u8::from(meta) * META) | (u8::from(first) * ABSOLUTE));
        if context {
            put_id(&mut self.body, &frame.gateway.0);
            put_app(&mut self.body, frame.app);
            self.context = Some((frame.gateway, frame.app));
        }
        if meta {
            put_bytes(&mut self.body, frame.meta.as_bytes());
            self.meta.clear();
            self.meta.push_str(frame.meta);
        }
        put_u64(&mut self.body, frame.seq.wrapping_sub(self.seq));
        put_i64(&mut self.body, frame.received_at.wrapping_sub(self.time));
        put_bytes(&mut self.body, frame.bytes);
        self.seq = frame.seq;
        self.time = frame.received_at;
    }

    /// The frames so far, without the version byte.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }
}

/// Walks the frames of a body.
pub(crate) fn decode_frames<'a>(body: &'a [u8], mut each: impl FnMut(FrameView<'a>)) -> Result<(), Malformed> {
    let mut input = Input(body);
    let mut context = None;
    let mut meta: Option<&str> = None;
    let (mut seq, mut time) = (0u64, 0i64);
    while !input.is_empty() {
        let flags = input.byte()?;
        if flags & !(CONTEXT | META | ABSOLUTE) != 0 {
            return Err(Malformed);
        }
        if flags & CONTEXT != 0 {
            context = Some((DeviceId(input.id()?), input.app()?));
        }
        if flags & META != 0 {
            meta = Some(input.str()?);
        }
        if flags & ABSOLUTE != 0 {
            (seq, time) = (0, 0);
        }
        seq = seq.wrapping_add(input.u64()?);
        time = time.wrapping_add(input.i64()?);
        each(view(&mut input, seq, time, context, meta)?);
    }
    Ok(())
}

fn view<'a>(
    input: &mut Input<'a>,
    seq: u64,
    received_at: i64,
    context: Option<(DeviceId, Option<AppId>)>,
    meta: Option<&'a str>,
) -> Read<FrameView<'a>> {
    let (gateway, app) = context.ok_or(Malformed)?;
    Ok(FrameView { seq, gateway, app, received_at, meta: meta.ok_or(Malformed)?, bytes: input.bytes()? })
}
