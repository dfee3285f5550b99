//! One registered client as the hub holds it: small while it is idle.

use super::{direct::Order, plan::Plan};
use landfall_coap::{ExchangeId, Message, Ticket};
use landfall_core::{Step, WorkOf};
use landfall_lwm2m::{Entry, Path};
use landfall_model::Time;
use std::{collections::VecDeque, net::SocketAddr, sync::Arc, time::Duration};

/// Who is at the other end of a CoAP exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Peer {
    /// Without DTLS: an address proves nothing.
    Plain(SocketAddr),
    /// A DTLS session.
    Secure(u64),
}

/// Reports of one client that wait to be stored; further ones are not acknowledged.
pub(super) const UPLINKS: usize = 64;

/// A registered client.
pub(super) struct Client {
    pub(super) peer: Peer,
    pub(super) location: u64,
    pub(super) expires_at: Time,
    pub(super) queue_mode: bool,
    /// False after it did not answer, until it is heard again.
    pub(super) reachable: bool,
    /// Until when a client in queue mode hears.
    pub(super) awake_until: Duration,
    /// Part of the tokens of its observations.
    pub(super) generation: u16,
    /// Whether there may be commands or desired values.
    pub(super) maybe_work: bool,
    /// Absent after a restart until it is heard.
    pub(super) plan: Option<Arc<Plan>>,
    /// For each observation, the newest notification: sequence number and when it came.
    pub(super) seen: Box<[Option<(u32, Duration)>]>,
    /// Present while something is under way.
    pub(super) busy: Option<Box<Busy>>,
}

/// What is under way with a client.
#[derive(Default)]
pub(super) struct Busy {
    pub(super) ops: VecDeque<Op>,
    pub(super) exchange: Option<ExchangeId>,
    /// A question about work or its outcome is with the core.
    pub(super) asking: bool,
    /// Word came while it sleeps: what must be tried at once is tried.
    pub(super) woken: bool,
    /// A report is with the core.
    pub(super) storing: bool,
    pub(super) uplinks: VecDeque<Uplink>,
    /// What came before its plan was known again.
    pub(super) early: VecDeque<(Settle, u16, Message)>,
    pub(super) attaching: bool,
}

impl Busy {
    pub(super) fn is_idle(&self) -> bool {
        self.ops.is_empty()
            && self.exchange.is_none()
            && self.uplinks.is_empty()
            && self.early.is_empty()
            && !(self.asking || self.woken || self.storing || self.attaching)
    }
}

/// Something to be asked of a client.
#[derive(Debug)]
pub(super) enum Op {
    /// Begin the observation of this index of the plan.
    Observe(u16),
    /// Read for the application.
    Read(Path),
    /// The first of these steps of a command or of desired values.
    Work { of: WorkOf, steps: VecDeque<Step> },
    /// The rest of a notification of this index.
    Rest { ticket: Ticket, index: u16 },
    /// What an operator asks.
    Direct(Box<Order>),
}

/// A report on its way to the store.
#[derive(Debug)]
pub(super) struct Uplink {
    pub(super) settle: Settle,
    pub(super) said: Said,
}

/// What a client said.
#[derive(Debug)]
pub(crate) enum Said {
    Values(Vec<Entry>),
    Frame(Vec<u8>, Path),
}

/// How a report is acknowledged once it is durable.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Settle {
    /// The answer to a request of ours.
    Answer,
    Notification(Ticket),
    Send(Ticket),
}

impl Client {
    /// Whether it hears what is sent to it now.
    pub(super) fn hears(&self, now: Duration) -> bool {
        self.reachable && (!self.queue_mode || now < self.awake_until)
    }

    pub(super) fn busy(&mut self) -> &mut Busy {
        self.busy.get_or_insert_default()
    }

    /// The token of an observation: its generation and its index.
    pub(super) fn token(&self, index: u16) -> [u8; 4] {
        let ([a, b], [c, d]) = (self.generation.to_be_bytes(), index.to_be_bytes());
        [a, b, c, d]
    }

    /// The index of an observation; `None` for a token of an older registration.
    pub(super) fn index(&self, token: &[u8]) -> Option<u16> {
        let [a, b, c, d] = *<&[u8; 4]>::try_from(token).ok()?;
        (u16::from_be_bytes([a, b]) == self.generation).then(|| u16::from_be_bytes([c, d]))
    }

    pub(super) fn path(&self, index: u16) -> Option<Path> {
        self.plan.as_ref()?.observe.get(usize::from(index)).copied()
    }
}
