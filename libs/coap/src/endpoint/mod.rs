//! The endpoint: what it is fed, what it is drained of, and which part of it a datagram is for. Absent: what those parts do, see the
//! sibling files.

mod answering;
mod asking;
mod bodies;
mod exchanges;
mod fetching;
mod kept;
mod notices;
mod peers;
mod serving;
mod sizes;
mod slab;
#[cfg(test)]
mod tests;
mod uploads;

use core::fmt::Debug;
use core::hash::Hash;
use core::time::Duration;
use std::collections::hash_map::RandomState;
use std::collections::{BTreeSet, HashMap, VecDeque};

use bytes::Bytes;

use crate::check::{self, Check};
use crate::code::Code;
use crate::event::{ExchangeId, Failure, Load, NotifyOutcome, Output};
use crate::limits::{Config, Limits};
use crate::wire::{Header, Kind, MessageRef, encode_empty};

use exchanges::{Exchange, Work};
use kept::Kept;
use peers::{Memory, Peers, Reply};
use serving::Open;
use slab::Slab;

/// Fills a buffer with unpredictable bytes.
pub type RandomSource = Box<dyn FnMut(&mut [u8]) + Send>;

/// One CoAP endpoint in both roles, for many peers.
///
/// `P` names a peer: an address, or a DTLS session. Call [`Endpoint::handle`] for every datagram and [`Endpoint::timeout`] when
/// [`Endpoint::poll_timeout`] is reached, and after each call of any method [`Endpoint::poll`] until it gives `None`. Times are
/// durations since any fixed point and never go back. A peer of which nothing is going on costs nothing.
pub struct Endpoint<P> {
    config: Config,
    limits: Limits,
    random: Random,
    /// Tells the resources that transfers are about; keyed, so that nobody can make two of them collide.
    hasher: RandomState,
    outputs: VecDeque<Output<P>>,
    peers: Peers<P>,
    /// The longest datagrams of peers that take only short ones, bytes.
    limited: HashMap<P, usize>,
    open: Slab<Open>,
    /// Confirmable requests that get an empty acknowledgement at that time, in its order; answered ones are skipped.
    unacknowledged: VecDeque<(Duration, u64)>,
    /// Tickets that become void at that time, in its order; settled ones are skipped.
    unanswered: VecDeque<(Duration, u64)>,
    exchanges: Slab<Exchange>,
    timers: BTreeSet<(Duration, u64)>,
    uploads: Kept<uploads::Upload>,
    bodies: Kept<bodies::KeptBody>,
    /// Bytes of response bodies being assembled.
    downloading: usize,
}

/// Unpredictable bytes, taken from the source in portions.
struct Random {
    source: RandomSource,
    pool: [u8; 64],
    used: usize,
}

impl Random {
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        if self.used + N > self.pool.len() {
            (self.source)(&mut self.pool);
            self.used = 0;
        }
        let mut taken = [0; N];
        taken.copy_from_slice(&self.pool[self.used..self.used + N]);
        self.used += N;
        taken
    }
}

impl<P: Copy + Eq + Hash + Debug> Endpoint<P> {
    /// An endpoint without peers. `random` is for tokens, first message identifiers and jitter.
    pub fn new(config: Config, limits: Limits, random: RandomSource) -> Self {
        Self {
            config,
            limits,
            random: Random { source: random, pool: [0; 64], used: 64 },
            hasher: RandomState::new(),
            outputs: VecDeque::new(),
            peers: Peers::new(),
            limited: HashMap::new(),
            open: Slab::default(),
            unacknowledged: VecDeque::new(),
            unanswered: VecDeque::new(),
            exchanges: Slab::default(),
            timers: BTreeSet::new(),
            uploads: Kept::default(),
            bodies: Kept::default(),
            downloading: 0,
        }
    }

    /// Takes in a datagram of `peer`.
    pub fn handle(&mut self, now: Duration, peer: P, datagram: &[u8]) {
        let message = match MessageRef::parse(datagram, &self.limits) {
            Ok(message) => message,
            Err(check) => return self.reject_format(peer, datagram, check),
        };
        let Header { kind, code, message_id } = message.header;
        match kind {
            Kind::Confirmable if code == Code::EMPTY => self.send_empty(peer, Kind::Reset, message_id),
            Kind::NonConfirmable if code == Code::EMPTY => self.refuse(peer, &check::EMPTY_NON),
            Kind::Confirmable | Kind::NonConfirmable => {
                if self.repeat_answer(now, peer, kind, message_id) {
                    return;
                }
                if code.is_request() {
                    self.take_request(now, peer, &message);
                } else {
                    self.take_response(now, peer, &message);
                }
            }
            Kind::Acknowledgement if code == Code::EMPTY => self.take_empty(now, peer, message_id, true),
            Kind::Acknowledgement if code.is_response() => self.take_piggybacked(now, peer, &message),
            Kind::Acknowledgement => self.refuse(peer, &check::ACK_REQUEST),
            Kind::Reset => self.take_empty(now, peer, message_id, false),
        }
    }

    /// Does what is due at `now`.
    pub fn timeout(&mut self, now: Duration) {
        while let Some((due, id)) = self.timers.first().copied().filter(|(due, _)| *due <= now) {
            self.timers.remove(&(due, id));
            self.exchange_due(now, id);
        }
        while let Some((_, ticket)) = self.unacknowledged.pop_front_if(|(due, _)| *due <= now) {
            self.acknowledge_empty(now, ticket);
        }
        while let Some((_, ticket)) = self.unanswered.pop_front_if(|(due, _)| *due <= now) {
            self.void(ticket);
        }
        while let Some((_, key, peer)) = self.uploads.oldest().filter(|(due, ..)| *due <= now) {
            self.drop_upload(peer, key);
        }
        while let Some((_, key, peer)) = self.bodies.oldest().filter(|(due, ..)| *due <= now) {
            self.drop_body(peer, key);
        }
        self.peers.expire(now);
    }

    /// What to do or to know next.
    pub fn poll(&mut self) -> Option<Output<P>> {
        self.outputs.pop_front()
    }

    /// When to call [`Endpoint::timeout`]. Forgetting is put off to whole seconds, so that it wakes nobody more often than that.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let forget = [self.peers.next_due(), self.uploads.oldest().map(|o| o.0), self.bodies.oldest().map(|o| o.0)];
        let forget = forget.into_iter().flatten().min().map(|due| Duration::from_secs(due.as_secs().saturating_add(1)));
        let queues = [self.unacknowledged.front(), self.unanswered.front()].into_iter().flatten().map(|(due, _)| *due).min();
        let exact = self.timers.first().map(|(due, _)| *due);
        [forget, queues, exact].into_iter().flatten().min()
    }

    /// What it holds now.
    pub fn load(&self) -> Load {
        let (peers, recent, recent_bytes) = self.peers.census();
        Load {
            peers,
            recent,
            recent_bytes,
            open: self.open.len(),
            exchanges: self.exchanges.len(),
            uploads: self.uploads.len(),
            bodies: self.bodies.len(),
            bodies_bytes: self.bodies.bytes(),
            assembly_bytes: self.uploads.bytes() + self.downloading,
            deadlines: self.timers.len() + self.unacknowledged.len() + self.unanswered.len(),
        }
    }

    /// Drops all that is kept of `peer`; its exchanges end with [`Failure::PeerGone`] or [`NotifyOutcome::Dropped`], its tickets are void.
    pub fn forget(&mut self, peer: P) {
        self.limited.remove(&peer);
        let Some(key) = self.peers.find(peer) else { return };
        let Some(gone) = self.peers.remove(key) else { return };
        for id in gone.exchanges {
            self.timers_remove(id);
            if let Some(exchange) = self.exchanges.remove(id) {
                self.downloading -= exchange.downloaded();
                self.tell_end(peer, id, &exchange.work, Failure::PeerGone, NotifyOutcome::Dropped);
            }
        }
        gone.open.iter().for_each(|ticket| drop(self.open.remove(*ticket)));
        gone.uploads.iter().for_each(|upload| drop(self.uploads.remove(*upload)));
        gone.bodies.iter().for_each(|body| drop(self.bodies.remove(*body)));
    }

    /// The peer `old` is called `new` from now on: its exchanges, tickets, transfers and duplicates go with it. What is already kept of
    /// `new` is joined.
    pub fn rename(&mut self, now: Duration, old: P, new: P) {
        if let Some(bytes) = self.limited.remove(&old) {
            self.limited.insert(new, bytes);
        }
        let Some(from) = self.peers.find(old).filter(|_| old != new) else { return };
        let Some(to) = self.peers.find(new) else { return self.peers.rename(from, new) };
        let Some(mut gone) = self.peers.remove(from) else { return };
        for id in &gone.exchanges {
            if let Some(exchange) = self.exchanges.get_mut(*id) {
                exchange.peer = to;
            }
        }
        for ticket in &gone.open {
            if let Some(open) = self.open.get_mut(*ticket) {
                open.peer = to;
            }
        }
        gone.uploads.iter().for_each(|upload| self.uploads.give(*upload, to));
        gone.bodies.iter().for_each(|body| self.bodies.give(*body, to));
        if let Some(peer) = self.peers.get_mut(to) {
            peer.exchanges.append(&mut gone.exchanges);
            peer.queue.extend(gone.queue.drain(..));
            peer.outstanding += gone.outstanding;
            peer.open.append(&mut gone.open);
            peer.uploads.append(&mut gone.uploads);
            peer.bodies.append(&mut gone.bodies);
        }
        self.peers.adopt_memory(to, &mut gone, self.memory());
        self.pump(now, to);
    }

    /// A confirmable message that cannot be read is rejected with RST, any other in silence (RFC 7252 4.2, 4.3); so is another version.
    fn reject_format(&mut self, peer: P, datagram: &[u8], check: &'static Check) {
        if let Some(Header { kind: Kind::Confirmable, message_id, .. }) = Header::peek(datagram) {
            self.send_empty(peer, Kind::Reset, message_id);
        }
        self.refuse(peer, check);
    }

    /// Whether the message is a duplicate; then it gets what the first one got (RFC 7252 4.5).
    fn repeat_answer(&mut self, now: Duration, peer: P, kind: Kind, message_id: u16) -> bool {
        let Some(key) = self.peers.find(peer) else { return false };
        let Some(reply) = self.peers.duplicate(now, key, message_id) else { return false };
        match reply.clone() {
            _ if kind == Kind::NonConfirmable => {}
            Reply::Nothing => {}
            Reply::Ack => self.send_empty(peer, Kind::Acknowledgement, message_id),
            Reply::Reset => self.send_empty(peer, Kind::Reset, message_id),
            Reply::Answer(datagram) => self.outputs.push_back(Output::Send { peer, datagram }),
        }
        true
    }

    fn remember(&mut self, now: Duration, key: u64, header: Header, reply: Reply, pinned: bool) {
        let lifetime = match header.kind {
            Kind::Confirmable => self.config.exchange_lifetime,
            _ => self.config.non_lifetime,
        };
        self.peers.remember(key, header.message_id, now.saturating_add(lifetime), reply, pinned, self.memory());
    }

    fn memory(&self) -> Memory {
        Memory {
            count: self.limits.recent,
            per_peer: self.limits.recent_per_peer.max(self.limits.open_per_peer),
            bytes: self.limits.recent_bytes,
        }
    }

    fn next_message_id(&mut self, now: Duration, key: u64) -> u16 {
        let memory = self.memory();
        let random = &mut self.random;
        self.peers.next_message_id(key, now.saturating_add(self.config.exchange_lifetime), memory, || {
            u16::from_be_bytes(random.bytes())
        })
    }

    fn send_empty(&mut self, peer: P, kind: Kind, message_id: u16) {
        let datagram = Bytes::copy_from_slice(&encode_empty(kind, message_id));
        self.outputs.push_back(Output::Send { peer, datagram });
    }

    fn refuse(&mut self, peer: P, check: &'static Check) {
        self.outputs.push_back(Output::Refused { peer, check });
    }

    /// The last word on an exchange that did not succeed.
    fn tell_end(&mut self, peer: P, id: u64, work: &Work, cause: Failure, outcome: NotifyOutcome) {
        let id = ExchangeId(id);
        match work {
            Work::Ask(_) => self.outputs.push_back(Output::Failed { id, peer, cause }),
            Work::Notify => self.outputs.push_back(Output::NotifyDone { id, peer, outcome }),
            Work::Answer => match cause {
                Failure::Timeout => self.refuse(peer, &check::RESPONSE_LOST),
                Failure::Reset => self.refuse(peer, &check::RESPONSE_RESET),
                _ => {}
            },
        }
    }
}
