//! Applications that speak oneM2M, and their peer.

pub mod acme;
pub mod cse;
pub mod originator;
