//! What tests are made of: the wire contract as a judge of answers, golden request/answer files, a world of virtual time
//! and seeded randomness with a lossy network and simulated LwM2M devices in it, a seeded mutator for fixed fuzz runs, and (feature `ground`)
//! a whole core to tell a story with: [`Ground`].
//!
//! Absent: sockets, runtimes and the server. Everything here is a value or a function, so any crate may use it in its tests.

pub mod contract;
pub mod device;
pub mod golden;
#[cfg(feature = "ground")]
pub mod ground;
pub mod mutate;
pub mod network;
pub mod world;

pub use contract::{Contract, Violation};
pub use device::SimDevice;
#[cfg(feature = "ground")]
pub use ground::{Ground, Tenant};
pub use network::Network;
pub use world::World;
