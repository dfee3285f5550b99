//! The endpoint: what it is fed, what it is drained of.

use core::fmt::Debug;
use core::hash::Hash;
use core::time::Duration;
use std::collections::VecDeque;

use crate::event::{ExchangeId, Output, SendError, SendOptions, Ticket};
use crate::limits::{Config, Limits};
use crate::message::{Message, Request, Response};
use crate::token::Token;

/// One CoAP endpoint in both roles, for many peers.
///
/// `P` names a peer: an address, or a DTLS session. Call [`Endpoint::handle`] for every datagram and [`Endpoint::timeout`] when
/// [`Endpoint::poll_timeout`] is reached, and after each call of any method [`Endpoint::poll`] until it gives `None`. Times are
/// durations since any fixed point.
pub struct Endpoint<P> {
    outputs: VecDeque<Output<P>>,
}

impl<P: Copy + Eq + Hash + Debug> Endpoint<P> {
    /// An endpoint without peers. `random` fills a buffer with unpredictable bytes (tokens, first message identifiers, jitter).
    pub fn new(_config: Config, _limits: Limits, _random: Box<dyn FnMut(&mut [u8]) + Send>) -> Self {
        Self { outputs: VecDeque::new() }
    }

    /// Takes in a datagram of `peer`.
    pub fn handle(&mut self, _now: Duration, _peer: P, _datagram: &[u8]) {}

    /// Does what is due at `now`.
    pub fn timeout(&mut self, _now: Duration) {}

    /// What to do or to know next.
    pub fn poll(&mut self) -> Option<Output<P>> {
        self.outputs.pop_front()
    }

    /// When to call [`Endpoint::timeout`].
    pub fn poll_timeout(&self) -> Option<Duration> {
        None
    }

    /// Answers a request.
    ///
    /// # Errors
    /// [`SendError::Ticket`], [`SendError::Code`], [`SendError::TooLarge`].
    pub fn respond(&mut self, _now: Duration, _ticket: Ticket, _response: Response) -> Result<(), SendError> {
        Err(SendError::Ticket)
    }

    /// Sends a request. It ends with exactly one of [`Output::Response`] and [`Output::Failed`].
    ///
    /// # Errors
    /// [`SendError::Code`], [`SendError::TooLarge`], [`SendError::Full`], [`SendError::Token`].
    pub fn request(&mut self, _now: Duration, _peer: P, _request: Request, _how: SendOptions) -> Result<ExchangeId, SendError> {
        Err(SendError::Full)
    }

    /// Gives up a request (then [`Output::Failed`] follows) or a notification.
    pub fn cancel(&mut self, _now: Duration, _id: ExchangeId) -> bool {
        false
    }

    /// Acknowledges a notification; call it once its data is safe.
    ///
    /// # Errors
    /// [`SendError::Ticket`].
    pub fn accept(&mut self, _now: Duration, _ticket: Ticket) -> Result<(), SendError> {
        Err(SendError::Ticket)
    }

    /// Rejects a notification with RST: its token is not known. The peer ends the observation (RFC 7641 3.6).
    ///
    /// # Errors
    /// [`SendError::Ticket`].
    pub fn reject(&mut self, _now: Duration, _ticket: Ticket) -> Result<(), SendError> {
        Err(SendError::Ticket)
    }

    /// Fetches the rest of a notification whose first block is `first`: an exchange that ends like [`Endpoint::request`], its response
    /// being the whole. `request` is the one that was observed. The ticket stays to be settled afterwards.
    ///
    /// # Errors
    /// As [`Endpoint::request`], and [`SendError::Ticket`].
    pub fn fetch_rest(
        &mut self,
        _now: Duration,
        _ticket: Ticket,
        _request: Request,
        _first: Message,
        _how: SendOptions,
    ) -> Result<ExchangeId, SendError> {
        Err(SendError::Ticket)
    }

    /// Sends a notification to an observer. It ends with one [`Output::NotifyDone`].
    ///
    /// # Errors
    /// [`SendError::Code`], [`SendError::TooLarge`], [`SendError::Full`].
    pub fn notify(
        &mut self,
        _now: Duration,
        _peer: P,
        _token: Token,
        _message: Response,
        _confirmable: bool,
    ) -> Result<ExchangeId, SendError> {
        Err(SendError::Full)
    }

    /// Drops all that is kept of `peer`; its exchanges end with [`crate::Failure::PeerGone`] or [`crate::NotifyOutcome::Dropped`], its tickets are void.
    pub fn forget(&mut self, _peer: P) {}

    /// The peer `old` is called `new` from now on.
    pub fn rename(&mut self, _now: Duration, _old: P, _new: P) {}
}
