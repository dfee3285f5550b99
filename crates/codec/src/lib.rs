//! Payload codecs: scripts of a product's owner that turn device bytes into JSON and commands into bytes.
//!
//! Each script runs in QuickJS-ng compiled to WebAssembly (`quickjs/`), inside wasmtime: a fault of the C engine stays inside one linear
//! memory. The module imports nothing of ours but a clock that always reads zero and file calls that always fail, so a script's answer
//! depends on its arguments and on its own globals only: `Date.now()` is 1970-01-01 UTC and `Math.random()` repeats one sequence from each
//! new instance on.
//!
//! A script is classic (not module) JavaScript and defines global functions:
//! - `decode(bytes, meta)`: `bytes` is a `Uint8Array`, `meta` any JSON value; returns an object or an array;
//! - `encode(command)`: returns an array of byte values or a `Uint8Array`;
//! - or the LoRaWAN pair (TS013) `decodeUplink({bytes, fPort})` -> `{data}` or `{errors}`, and `encodeDownlink({data})` -> `{bytes}` or
//!   `{errors}`, used where the first two are missing.
//!
//! Besides the language there are a small `Buffer` and a silent `console` (`quickjs/prelude.js`). Numbers without a JSON form (NaN,
//! Infinity) inside a result become `null`, as `JSON.stringify` has it.
//!
//! The same script gives the same result in Node except for `Math.exp`, `log`, `pow`, `sin` and their like, which may differ in the last digit,
//! and for the wording of errors that the engine itself throws.
//!
//! Absent: promises as results, `Intl`, `TextDecoder`, modules, timers, input and output, registry of codecs and their versions, metrics.

#![forbid(unsafe_code)]

mod error;
mod instance;
mod job;
mod limits;
mod queue;
mod rest;
mod runtime;
mod sandbox;
mod script;
mod ticker;
mod turns;
mod worker;

#[cfg(test)]
mod tests;

pub use error::CodecError;
pub use limits::Limits;
pub use sandbox::Sandbox;
pub use script::{Exports, Script};
