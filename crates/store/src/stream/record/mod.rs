//! Binary records: the events of a stream row, the points and frames of a history chunk, the registration of a device.
//!
//! A blob begins with the version of its form, so that a later program can still read it. Decoding hostile bytes ends in an error;
//! nothing is allocated beyond the bytes that are there. Absent: compression.

mod event;
mod frame;
mod instance;
mod point;
mod registration;
#[cfg(test)]
pub(crate) mod tests;
mod wire;

pub(crate) use event::{EVENTS_VERSION, decode_events, decode_reports, encode_event};
pub(crate) use frame::{FRAMES_VERSION, FrameView, FrameWriter, decode_frames};
pub(crate) use instance::{decode_instance, encode_instance};
pub(crate) use point::{POINTS_VERSION, PointView, PointWriter, decode_points};
pub(crate) use registration::{decode_registration, encode_registration};
pub(crate) use wire::Malformed;
