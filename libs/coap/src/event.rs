//! What passes between an endpoint and its owner. Absent: the machine that makes and takes it.

use core::fmt;
use core::time::Duration;

use bytes::Bytes;

use crate::check::Check;
use crate::limits::Retransmit;
use crate::message::{Message, Request, Response};
use crate::token::Token;

/// Names one request or notification that waits for the owner. Never the same twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(crate) u64);

/// Names one exchange that the owner began. Never the same twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub(crate) u64);

/// How a request is sent.
#[derive(Clone, Debug)]
pub struct SendOptions {
    /// CON or NON. A non-confirmable request neither waits for others (NSTART) nor makes them wait. Default CON.
    pub confirmable: bool,
    /// The token, where the owner keeps it for an observation; otherwise eight random bytes. It must not be in use with this peer.
    pub token: Option<Token>,
    /// Other than [`crate::Config::retransmit`].
    pub retransmit: Option<Retransmit>,
    /// Other than [`crate::Config::response_timeout`].
    pub response_timeout: Option<Duration>,
    /// Smaller than [`crate::Config::block_bytes`].
    pub block_bytes: Option<usize>,
}

impl Default for SendOptions {
    fn default() -> Self {
        Self { confirmable: true, token: None, retransmit: None, response_timeout: None, block_bytes: None }
    }
}

/// Why a request or a notification was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The code is not a method (request) or not a response code (response, notification).
    Code,
    /// The body is above [`crate::Limits::body_bytes`].
    TooLarge,
    /// As many exchanges as [`crate::Limits`] allows, in all or with this peer.
    Full,
    /// The token is longer than [`crate::Limits::token_bytes`] or in use with this peer.
    Token,
    /// The ticket is void: answered, expired, or of the other sort.
    Ticket,
}

/// Why a request has no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// No acknowledgement after all repetitions, or no response in time.
    Timeout,
    /// The peer sent RST.
    Reset,
    /// The owner cancelled.
    Cancelled,
    /// The response body is above a bound of [`crate::Limits`].
    TooLarge,
    /// The body changed while its blocks were fetched.
    Changed,
    /// The peer broke the protocol; the check is told in [`Output::Refused`] or the response could not be understood.
    Protocol,
    /// The owner forgot the peer.
    PeerGone,
    /// A message of it is longer than the peer takes, see [`crate::Endpoint::limit_datagrams`].
    TooLong,
}

/// What became of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotifyOutcome {
    /// Acknowledged.
    Acked,
    /// RST: the peer does not know the observation any more.
    Reset,
    /// Confirmable and never acknowledged: the observation is over (RFC 7641 4.5).
    Timeout,
    /// Non-confirmable, and no RST came within [`crate::Config::notify_wait`].
    Unconfirmed,
    /// The owner cancelled it, forgot the peer or could not send it.
    Dropped,
}

/// What an endpoint wants done or told.
#[derive(Clone, PartialEq, Eq)]
pub enum Output<P> {
    /// Send this datagram.
    Send {
        /// To whom.
        peer: P,
        /// The bytes.
        datagram: Bytes,
    },
    /// A request, once, with its whole body; answer with [`crate::Endpoint::respond`].
    Request {
        /// For the answer.
        ticket: Ticket,
        /// From whom.
        peer: P,
        /// The token: names an observation that the request registers or cancels.
        token: Token,
        /// CON or NON.
        confirmable: bool,
        /// The request. Block1 is gone from it; Block2 with a number above 0 stays, and the endpoint cuts the answer to it.
        request: Request,
    },
    /// The response to a request, once, with its whole body.
    Response {
        /// Which request.
        id: ExchangeId,
        /// From whom.
        peer: P,
        /// The token that the request had: names the observation, if the response has Observe.
        token: Token,
        /// The response.
        response: Response,
    },
    /// The peer has the request and will answer later.
    Acknowledged {
        /// Which request.
        id: ExchangeId,
        /// From whom.
        peer: P,
    },
    /// There will be no response.
    Failed {
        /// Which request.
        id: ExchangeId,
        /// Of whom.
        peer: P,
        /// Why.
        cause: Failure,
    },
    /// A response with a token that no request is waiting for: a notification, or an answer too late. Settle it with
    /// [`crate::Endpoint::accept`] or [`crate::Endpoint::reject`]; if its Block2 says that more follows, with
    /// [`crate::Endpoint::fetch_rest`] before that.
    Notification {
        /// For the answer.
        ticket: Ticket,
        /// From whom.
        peer: P,
        /// Which observation.
        token: Token,
        /// CON or NON.
        confirmable: bool,
        /// The notification, first block if there are several.
        message: Message,
    },
    /// The end of what [`crate::Endpoint::notify`] began.
    NotifyDone {
        /// Which notification.
        id: ExchangeId,
        /// Of whom.
        peer: P,
        /// The end.
        outcome: NotifyOutcome,
    },
    /// Something of this peer was refused, or a separate response to it was lost.
    Refused {
        /// Whose.
        peer: P,
        /// Which check.
        check: &'static Check,
    },
}

/// Bodies may be secrets: only their length is told, and that of datagrams.
impl<P: fmt::Debug> fmt::Debug for Output<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send { peer, datagram } => write!(f, "Send {{ {peer:?}, {} B }}", datagram.len()),
            Self::Request { ticket, peer, token, confirmable, request } => {
                write!(f, "Request {{ {ticket:?}, {peer:?}, {token:?}, confirmable: {confirmable}, {request:?} }}")
            }
            Self::Response { id, peer, token, response } => {
                write!(f, "Response {{ {id:?}, {peer:?}, {token:?}, {response:?} }}")
            }
            Self::Acknowledged { id, peer } => write!(f, "Acknowledged {{ {id:?}, {peer:?} }}"),
            Self::Failed { id, peer, cause } => write!(f, "Failed {{ {id:?}, {peer:?}, {cause:?} }}"),
            Self::Notification { ticket, peer, token, confirmable, message } => {
                write!(f, "Notification {{ {ticket:?}, {peer:?}, {token:?}, confirmable: {confirmable}, {message:?} }}")
            }
            Self::NotifyDone { id, peer, outcome } => write!(f, "NotifyDone {{ {id:?}, {peer:?}, {outcome:?} }}"),
            Self::Refused { peer, check } => write!(f, "Refused {{ {peer:?}, {} }}", check.name),
        }
    }
}

/// What an endpoint holds at the moment, for metrics and for tests of its bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Peers of which anything is known.
    pub peers: usize,
    /// Message identifiers remembered, counters of own ones included.
    pub recent: usize,
    /// Bytes of answers kept to be repeated.
    pub recent_bytes: usize,
    /// Requests and notifications that wait for the owner.
    pub open: usize,
    /// Exchanges that this endpoint began.
    pub exchanges: usize,
    /// Request bodies being assembled.
    pub uploads: usize,
    /// Response bodies kept for their further blocks.
    pub bodies: usize,
    /// Bytes of those response bodies.
    pub bodies_bytes: usize,
    /// Bytes of all bodies being assembled.
    pub assembly_bytes: usize,
    /// Entries in queues of deadlines.
    pub deadlines: usize,
}
