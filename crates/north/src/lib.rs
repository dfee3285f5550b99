//! The northbound side: dialects over one core, the admin API, and the HTTP listener that carries them.
//!
//! A dialect parses, calls one core verb and renders; it names no SQL, no device protocol and no other dialect.

pub mod admin;
pub mod bind;
mod csv;
pub mod cumulocity;
pub mod dialect;
pub mod dialects;
pub mod fuzz;
pub mod http;
pub mod oceanconnect;
pub mod onem2m;
pub mod openapi;
