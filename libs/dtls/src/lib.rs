//! DTLS 1.2 with pre-shared keys and Connection IDs, as pure machines: [`Server`] for many peers, [`Client`] for one.
//!
//! Both are fed datagrams, times and answers, and drained of outputs ([`Output`], [`ClientOutput`]); randomness is a given function, time a
//! [`std::time::Duration`] since any fixed start. After each call poll outputs until there is none, then ask for the next timeout.
//!
//! Spoken: RFC 6347 and 5246 with the suites of [`Suite`] (RFC 4279, 5487, 6655), stateless cookies, also for a ClientHello in fragments, extended master secret (RFC 7627), encrypt-then-MAC
//! (RFC 7366), Connection ID (RFC 9146), session-ID resumption also of sessions that were closed, secure renegotiation signalling (RFC 5746; renegotiation itself is refused),
//! max_fragment_length (RFC 6066) and record_size_limit (RFC 8449). A live session can be saved and restored and never writes a sequence number twice.
//!
//! Absent on purpose: sockets, clocks, threads; key exchanges other than plain PSK (no ECDHE, no X.509, no raw public keys, so no forward secrecy); session tickets;
//! compression; renegotiation; DTLS 1.0 and 1.3; the return-routability check after an address change: RFC 9146 6 leaves it to the application, which
//! tells its result by [`Server::prove`]. Until then a new address gets three times what came from it, at most.
#![forbid(unsafe_code)]

mod aead;
mod alert;
mod cbc;
mod channel;
mod check;
mod client;
mod config;
mod event;
mod flight;
pub mod fuzz;
mod hello;
mod prf;
mod reassembly;
mod saved;
mod server;
mod suite;
mod window;
mod wire;

pub use alert::Alert;
pub use check::Check;
pub use client::Client;
pub use config::{ClientConfig, Config};
pub use event::{ClientOutput, CloseReason, Counters, LookupId, Output, SendError, SessionId, SessionInfo};
pub use saved::{RestoreError, SavedSession};
pub use server::Server;
pub use suite::Suite;

/// The session that the first record of a datagram names by its Connection ID; where several servers share the load, its prefix tells which one has it.
/// Nothing is verified.
pub fn named_session(datagram: &[u8]) -> Option<SessionId> {
    let record = wire::Record::read(&mut wire::Reader(datagram), 8)?;
    record.cid.try_into().ok().map(|cid| SessionId(u64::from_be_bytes(cid)))
}

/// Fills a slice with unpredictable bytes.
pub type Random = Box<dyn FnMut(&mut [u8]) + Send>;

#[cfg(test)]
mod tests;
