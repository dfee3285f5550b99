//! What tests are made of: the wire contract as a judge of answers, golden request/answer files, a world of virtual time
//! and seeded randomness, and a seeded mutator for fixed fuzz runs.
//!
//! Absent: sockets, runtimes and the server. Everything here is a value or a function, so any crate may use it in its tests.

pub mod contract;
pub mod golden;
pub mod mutate;
pub mod world;

pub use contract::{Contract, Violation};
pub use world::World;
