//! The device side of Landfall: listeners and connections of devices, by protocol.
//!
//! `driver.rs` owns sockets and tasks, [`Transport`] makes streams of bytes of them, and each protocol has a folder; so far there is [`mqtt`].
//! Absent: what a device is and may (`landfall-core`), and the protocols' packets (`libs`).
#![forbid(unsafe_code)]

mod driver;
pub mod mqtt;
mod transport;

pub use driver::listen;
pub use transport::Transport;
