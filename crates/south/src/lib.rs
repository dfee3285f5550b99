//! The device side of Landfall: listeners and connections of devices, by protocol.
//!
//! `driver.rs` owns sockets and tasks and runs machines, [`Transport`] makes streams and messages of sockets, and each protocol has a folder:
//! [`lwm2m`] and [`mqtt`].
//! Absent: what a device is and may (`landfall-core`), and the protocols' packets (`libs`).
#![forbid(unsafe_code)]

mod access;
mod driver;
pub mod lwm2m;
pub mod mqtt;
mod note;
mod transport;

pub use access::{Access, Listener, Opened, Opening, Protocol, Serving, Socket, Wire};
pub use transport::Transport;

/// Every device protocol.
pub const PROTOCOLS: &[Protocol] = &[mqtt::PROTOCOL, lwm2m::PROTOCOL];
