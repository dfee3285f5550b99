//! LwM2M 1.0 to 1.2 (OMA-TS-LightweightM2M core and transport) as values: paths, payloads in every content format, object definitions,
//! registration, device management, bootstrap, queue mode, and a simulated client.
//!
//! [`Request`] and [`Response`] are CoAP in the few words that LwM2M uses of it; whoever owns a CoAP endpoint maps them field by field.
//! Bytes, time and decisions are arguments; everything that can grow has a limit, and every refusal names its check.
//!
//! Absent on purpose: CoAP messages, DTLS, sockets, clocks, storage; SMS and non-IP transports; OSCORE; access control (object 2) beyond
//! its definition.
#![forbid(unsafe_code)]

pub mod attributes;
pub mod bootstrap;
pub mod codec;
mod content_format;
pub mod fuzz;
mod ignored;
pub mod link;
mod message;
pub mod objects;
pub mod operation;
mod path;
pub mod queue;
pub mod registration;
pub mod sim;
mod value;
mod version;

pub use attributes::{AttributeChange, AttributeError, AttributeName, Attributes};
pub use codec::{DecodeError, DecodeLimits, Decoded, EncodeError, Fault, Reading, decode, decode_each, encode};
pub use content_format::{ContentFormat, FormatChoice};
pub use ignored::Ignored;
pub use link::LinkLimits;
pub use message::{Code, Method, Observe, Request, Response};
pub use objects::{Models, ObjectModel, ObjectModels, ResourceModel};
pub use operation::Outcome;
pub use path::{MAX_ID, Path, PathError};
pub use registration::{Binding, ObjectList, RegisterError, RegisterRequest, UpdateRequest};
pub use value::{Entry, EntryTime, ObjectLink, Value, ValueType};
pub use version::{ObjectVersion, Version};

#[cfg(test)]
mod tests;
