//! CoAP over datagrams as a pure machine: message codec, and one endpoint for both roles and many peers.
//!
//! [`Endpoint`] is fed datagrams and drained of [`Output`]; bytes, time and randomness are arguments. It repeats and acknowledges,
//! tells duplicates, cuts and assembles bodies, matches responses, enforces [`Limits`] on everything that can grow, and names the exact
//! [`Check`] that a refused datagram failed. [`MessageRef`] and [`encode`] are the codec alone.
//!
//! RFC 7252, 7641 (observe), 7959 (block-wise), 8132 (FETCH, PATCH, iPATCH), 8974 (extended tokens), 7967 (No-Response); of RFC 9175
//! Echo on 4.01 and Request-Tag as part of what tells transfers apart; of RFC 8768 the option.
//!
//! Absent on purpose: sockets, DTLS, clocks; multicast; proxying (answered 5.05); OSCORE; CoAP over TCP and its block size 7; Q-Block;
//! the observations themselves, which the owner keeps by peer and token.
#![forbid(unsafe_code)]

mod check;
mod code;
mod endpoint;
mod event;
pub mod fuzz;
mod limits;
mod message;
mod number;
mod observe;
mod options;
mod token;
mod wire;

pub use check::{Check, CheckKind};
pub use code::{Code, ContentFormat};
pub use endpoint::{Endpoint, RandomSource};
pub use event::{ExchangeId, Failure, Load, NotifyOutcome, Output, SendError, SendOptions, Ticket};
pub use limits::{Config, Limits, Retransmit};
pub use message::{Message, Request, Response};
pub use number::{Block, OptionNumber};
pub use observe::observe_is_newer;
pub use options::{Iter, Options, OptionsRef};
pub use token::Token;
pub use wire::{Header, Kind, MessageRef, encode, encode_empty};
