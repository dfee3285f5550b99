//! Exchanges that this endpoint began: repetition, turns, ends. Absent: what a request makes of its response, see `asking.rs`.

use core::fmt::Debug;
use core::hash::Hash;
use core::time::Duration;

use bytes::Bytes;

use super::Endpoint;
use super::asking::Asking;
use crate::event::{ExchangeId, Failure, NotifyOutcome, Output};
use crate::limits::Retransmit;
use crate::options::OptionsRef;
use crate::wire::{Header, Kind, encode};

/// Above this a wait would double beyond any use.
const MOST_RETRANSMIT: u8 = 20;

pub(super) struct Exchange {
    pub peer: u64,
    pub work: Work,
    pub state: State,
    pub message_id: u16,
    /// What is sent again; empty once nothing is.
    datagram: Bytes,
    retransmit: Retransmit,
    /// Its entry in the timers.
    due: Option<Duration>,
    /// Whether it has its turn (NSTART).
    turn: bool,
}

pub(super) enum Work {
    /// A request.
    Ask(Box<Asking>),
    /// A response that was too late to ride on the acknowledgement.
    Answer,
    /// A notification.
    Notify,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Waits for its turn.
    Waiting,
    /// Confirmable and not acknowledged: sent 1 + `again` times.
    Sent { again: u8, wait: Duration },
    /// Acknowledged or non-confirmable: the response, or a RST, may come.
    Expecting,
}

impl Exchange {
    pub fn new(peer: u64, work: Work, retransmit: Retransmit) -> Self {
        Self { peer, work, state: State::Waiting, message_id: 0, datagram: Bytes::new(), retransmit, due: None, turn: false }
    }

    /// Bytes of the response body assembled so far.
    pub fn downloaded(&self) -> usize {
        if let Work::Ask(asking) = &self.work { asking.downloaded() } else { 0 }
    }
}

/// A message of an exchange before it has its identifier.
pub(super) struct Parcel<'a> {
    pub kind: Kind,
    pub code: crate::code::Code,
    pub token: &'a [u8],
    pub options: OptionsRef<'a>,
    pub payload: &'a [u8],
}

impl<P: Copy + Eq + Hash + Debug> Endpoint<P> {
    /// Whether one more exchange with the peer is within the bounds.
    pub(super) fn has_room(&self, key: u64) -> bool {
        let with_peer = self.peers.get(key).map_or(0, |peer| peer.exchanges.len());
        self.exchanges.len() < self.limits.exchanges && with_peer < self.limits.exchanges_per_peer
    }

    pub(super) fn begin(&mut self, exchange: Exchange) -> u64 {
        let key = exchange.peer;
        let id = self.exchanges.insert(exchange);
        if let Some(peer) = self.peers.get_mut(key) {
            peer.exchanges.push(id);
        }
        id
    }

    /// Lets waiting requests go as far as NSTART allows (RFC 7252 4.7).
    pub(super) fn pump(&mut self, now: Duration, key: u64) {
        while let Some(peer) = self.peers.get_mut(key) {
            if peer.outstanding >= self.config.nstart.max(1) {
                return;
            }
            let Some(id) = peer.queue.pop_front() else { return };
            if let Some(exchange) = self.exchanges.get_mut(id) {
                exchange.turn = true;
                peer.outstanding += 1;
                self.send_step(now, id);
            }
        }
    }

    /// Gives up the turn and lets the next one have it.
    pub(super) fn yield_turn(&mut self, now: Duration, id: u64) {
        let Some(exchange) = self.exchanges.get_mut(id).filter(|exchange| exchange.turn) else { return };
        exchange.turn = false;
        let key = exchange.peer;
        if let Some(peer) = self.peers.get_mut(key) {
            peer.outstanding = peer.outstanding.saturating_sub(1);
        }
        self.pump(now, key);
    }

    /// The next message of the same exchange: at once if it has the turn, else before all others that wait.
    pub(super) fn proceed(&mut self, now: Duration, id: u64) {
        self.set_timer(id, None);
        let Some(exchange) = self.exchanges.get_mut(id) else { return };
        let (key, turn) = (exchange.peer, exchange.turn);
        let confirmable = matches!(&exchange.work, Work::Ask(asking) if asking.confirmable);
        if turn || !confirmable {
            return self.send_step(now, id);
        }
        exchange.state = State::Waiting;
        if let Some(peer) = self.peers.get_mut(key) {
            peer.queue.push_front(id);
        }
        self.pump(now, key);
    }

    /// Sends a message under a new identifier; a confirmable one is repeated until it is acknowledged, for another a reaction is waited
    /// for as long as `patience`.
    pub(super) fn dispatch(&mut self, now: Duration, id: u64, parcel: &Parcel<'_>, patience: Duration) {
        let Some(key) = self.exchanges.get(id).map(|exchange| exchange.peer) else { return };
        let message_id = self.next_message_id(now, key);
        let Some(peer) = self.peers.get(key).map(|peer| peer.name) else { return };
        let Parcel { kind, code, token, options, payload } = *parcel;
        let datagram = Bytes::from(encode(Header { kind, code, message_id }, token, options, payload));
        let dice = u32::from_be_bytes(self.random.bytes());
        let Some(exchange) = self.exchanges.get_mut(id) else { return };
        exchange.message_id = message_id;
        let due = if kind == Kind::Confirmable {
            let wait = first_wait(exchange.retransmit, dice);
            exchange.state = State::Sent { again: 0, wait };
            exchange.datagram = datagram.clone();
            now.saturating_add(wait)
        } else {
            exchange.state = State::Expecting;
            now.saturating_add(patience)
        };
        self.set_timer(id, Some(due));
        self.outputs.push_back(Output::Send { peer, datagram });
    }

    /// Repeats, or gives up (RFC 7252 4.2).
    pub(super) fn exchange_due(&mut self, now: Duration, id: u64) {
        let Some(exchange) = self.exchanges.get_mut(id) else { return };
        let key = exchange.peer;
        if let State::Sent { again, wait } = exchange.state
            && again < exchange.retransmit.max_retransmit.min(MOST_RETRANSMIT)
        {
            let wait = wait.saturating_mul(2);
            exchange.state = State::Sent { again: again + 1, wait };
            let datagram = exchange.datagram.clone();
            self.set_timer(id, Some(now.saturating_add(wait)));
            if let Some(peer) = self.peers.get(key).map(|peer| peer.name) {
                self.outputs.push_back(Output::Send { peer, datagram });
            }
            return;
        }
        let outcome = match exchange.state {
            State::Sent { .. } | State::Waiting => NotifyOutcome::Timeout,
            State::Expecting => NotifyOutcome::Unconfirmed,
        };
        self.fail(now, id, Failure::Timeout, outcome);
    }

    /// An empty ACK or a RST for a message of this endpoint.
    pub(super) fn take_empty(&mut self, now: Duration, peer: P, message_id: u16, acknowledged: bool) {
        let Some(id) = self.exchange_by_message(peer, message_id) else { return };
        let Some(exchange) = self.exchanges.get_mut(id) else { return };
        if !acknowledged {
            return self.fail(now, id, Failure::Reset, NotifyOutcome::Reset);
        }
        if !matches!(exchange.state, State::Sent { .. }) {
            return;
        }
        let Work::Ask(asking) = &mut exchange.work else {
            return self.fail(now, id, Failure::Cancelled, NotifyOutcome::Acked);
        };
        let told = std::mem::replace(&mut asking.acknowledged, true);
        let due = now.saturating_add(asking.response_timeout);
        exchange.state = State::Expecting;
        exchange.datagram = Bytes::new();
        self.set_timer(id, Some(due));
        if !told {
            self.outputs.push_back(Output::Acknowledged { id: ExchangeId(id), peer });
        }
        self.yield_turn(now, id);
    }

    /// The exchange whose message of that identifier may still be acknowledged or rejected.
    pub(super) fn exchange_by_message(&self, peer: P, message_id: u16) -> Option<u64> {
        let peer = self.peers.get(self.peers.find(peer)?)?;
        peer.exchanges
            .iter()
            .copied()
            .find(|id| self.exchanges.get(*id).is_some_and(|e| e.message_id == message_id && e.state != State::Waiting))
    }

    /// Ends an exchange and tells how.
    pub(super) fn fail(&mut self, now: Duration, id: u64, cause: Failure, outcome: NotifyOutcome) {
        if let Some((key, peer, work)) = self.finish(id) {
            self.tell_end(peer, id, &work, cause, outcome);
            self.go_on(now, key);
        }
    }

    /// Takes an exchange out of everything. Once its end is told, [`Endpoint::go_on`] lets the next one begin.
    pub(super) fn finish(&mut self, id: u64) -> Option<(u64, P, Work)> {
        self.timers_remove(id);
        let exchange = self.exchanges.remove(id)?;
        self.downloading -= exchange.downloaded();
        let key = exchange.peer;
        let peer = self.peers.get_mut(key)?;
        peer.exchanges.retain(|other| *other != id);
        if exchange.state == State::Waiting {
            peer.queue.retain(|other| *other != id);
        }
        if exchange.turn {
            peer.outstanding = peer.outstanding.saturating_sub(1);
        }
        Some((key, peer.name, exchange.work))
    }

    pub(super) fn go_on(&mut self, now: Duration, key: u64) {
        self.pump(now, key);
        self.peers.drop_if_idle(key);
    }

    pub(super) fn set_timer(&mut self, id: u64, due: Option<Duration>) {
        self.timers_remove(id);
        if let Some(exchange) = self.exchanges.get_mut(id) {
            exchange.due = due;
            self.timers.extend(due.map(|due| (due, id)));
        }
    }

    pub(super) fn timers_remove(&mut self, id: u64) {
        if let Some(due) = self.exchanges.get_mut(id).and_then(|exchange| exchange.due.take()) {
            self.timers.remove(&(due, id));
        }
    }
}

/// Between ACK_TIMEOUT and ACK_TIMEOUT times ACK_RANDOM_FACTOR (RFC 7252 4.2).
fn first_wait(retransmit: Retransmit, dice: u32) -> Duration {
    let base = retransmit.ack_timeout.as_nanos();
    let spread = base * u128::from(retransmit.ack_random_percent.saturating_sub(100)) / 100;
    let extra = (spread >> 32) * u128::from(dice) + (((spread & 0xffff_ffff) * u128::from(dice)) >> 32);
    retransmit.ack_timeout.saturating_add(Duration::from_nanos(u64::try_from(extra).unwrap_or(u64::MAX)))
}
