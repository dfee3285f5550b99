//! One registered client as the hub holds it: small while it is idle.

use super::{
    direct::Order,
    endings::Ended,
    plan::{Plan, Tag, tag},
};
use landfall_coap::{ExchangeId, Message, Ticket};
use landfall_core::{Step, WorkOf};
use landfall_lwm2m::{Entry, Path, Request};
use landfall_model::Time;
use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

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
    /// For each observation of the plan, the newest notification: sequence number and when it came.
    pub(super) seen: Box<[Option<(u32, Duration)>]>,
    /// Observations that ended or were not begun.
    pub(super) ended: Vec<Ended>,
    /// What is observed differs from what the record of the registration says.
    pub(super) unkept: bool,
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
    pub(super) early: VecDeque<Early>,
    pub(super) attaching: bool,
    /// It was told that the device does not say what it is; stands as long as that is being read.
    pub(super) mute_told: bool,
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
    /// Begin the observation of a path of the plan.
    Observe(Path),
    /// End the observation of a path that the plan no longer has.
    Cancel(Path),
    /// Read for the application.
    Read(Path),
    /// Read what the device says of itself.
    Learn(Path),
    /// The first of these steps of a command or of desired values.
    Work { of: WorkOf, steps: VecDeque<Step> },
    /// Acknowledge a report by a frame.
    Acknowledge(Step),
    /// Read what a notification did not bring whole.
    Again(Path),
    /// The rest of a notification of this path.
    Rest { ticket: Ticket, path: Path },
    /// What an operator asks.
    Direct(Box<Order>),
}

/// A report on its way to the store.
#[derive(Debug)]
pub(super) struct Uplink {
    pub(super) settle: Settle,
    pub(super) said: Said,
}

/// What waits until the plan of its client is known.
pub(super) enum Early {
    Notified(Ticket, Tag, Message),
    Sent(Ticket, Request),
}

impl Early {
    pub(super) fn settle(&self) -> Settle {
        match self {
            Self::Notified(ticket, ..) => Settle::Notification(*ticket),
            Self::Sent(ticket, _) => Settle::Send(*ticket),
        }
    }
}

/// What a client said.
#[derive(Debug)]
pub(crate) enum Said {
    Values(Vec<Entry>, Origin),
    Frame(Vec<u8>, Path),
}

/// Why a client said values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// They changed: an observation.
    News,
    /// The client sent them by itself (1.1).
    Sent,
    /// They were read after the registration, for the application.
    Read,
    /// They were read after the registration, for what is known of the device.
    Learned,
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

    /// Follows another plan: what is new in it begins, what is gone from it ends, the rest goes on. `kept`: what was observed before a
    /// restart, where no plan is known.
    pub(super) fn follow(&mut self, plan: Arc<Plan>, kept: &[Path]) {
        let Some(old) = self.plan.replace(Arc::clone(&plan)) else {
            self.seen = vec![None; plan.observe.len()].into();
            return self.exchange(&plan.observe, kept);
        };
        if Arc::ptr_eq(&old, &plan) {
            return;
        }
        self.follow_endings(&plan);
        let mut seen: HashMap<Path, Option<(u32, Duration)>> =
            old.observe.iter().copied().zip(self.seen.iter().copied()).collect();
        self.seen = plan.observe.iter().map(|path| seen.remove(path).flatten()).collect();
        self.exchange(&plan.observe, &old.observe);
    }

    /// Queues what makes the one list of observations of the other. What was not begun need not end.
    fn exchange(&mut self, new: &[Path], old: &[Path]) {
        let (begin, end) = (without(new, old), without(old, new));
        if begin.is_empty() && end.is_empty() {
            return;
        }
        self.unkept = true;
        let ops = &mut self.busy().ops;
        let waits = |ops: &VecDeque<Op>, path: &Path| ops.iter().any(|op| matches!(op, Op::Observe(waits) if waits == path));
        let end: Vec<Path> = end.into_iter().filter(|path| !waits(ops, path)).collect();
        ops.retain(|op| match op {
            Op::Observe(path) => new.contains(path),
            Op::Cancel(path) => !begin.contains(path),
            _ => true,
        });
        ops.extend(end.into_iter().map(Op::Cancel));
        ops.extend(begin.into_iter().map(Op::Observe));
    }

    /// The token of an observation: its generation and the tag of its path. It means the same whatever else is observed, so observations
    /// may come and go while a registration lasts.
    pub(super) fn token(&self, path: &Path) -> [u8; 6] {
        let ([a, b], [c, d, e, f]) = (self.generation.to_be_bytes(), tag(path).to_be_bytes());
        [a, b, c, d, e, f]
    }

    /// The tag in the token of an observation; `None` for a token of an older registration.
    pub(super) fn tag(&self, token: &[u8]) -> Option<Tag> {
        let [a, b, c, d, e, f] = *<&[u8; 6]>::try_from(token).ok()?;
        (u16::from_be_bytes([a, b]) == self.generation).then(|| Tag::from_be_bytes([c, d, e, f]))
    }
}

fn without(all: &[Path], some: &[Path]) -> Vec<Path> {
    all.iter().filter(|path| !some.contains(path)).copied().collect()
}
