//! The event stream and what is cut from it: history, frames, the newest values.

pub(crate) mod events;
pub(crate) mod flush;
pub(crate) mod frames;
pub(crate) mod history;
pub(crate) mod pending;
pub(crate) mod points;
pub(crate) mod prune;
mod read;
pub(crate) mod record;
pub(crate) mod replay;
pub(crate) mod ring;
pub(crate) mod spans;
