//! The owner's answers to requests: on the acknowledgement while there is time, apart after that. Absent: how they are cut, see `bodies.rs`.

use core::fmt::Debug;
use core::hash::Hash;
use core::time::Duration;

use bytes::Bytes;

use super::Endpoint;
use super::exchanges::{Exchange, Parcel, Work};
use super::peers::Reply;
use super::serving::{Open, Pending, Waiting};
use crate::Output;
use crate::check;
use crate::code::Code;
use crate::event::{SendError, Ticket};
use crate::message::{Message, Response};
use crate::number::{Block, OptionNumber};
use crate::wire::{Header, Kind, encode};

impl<P: Copy + Eq + Hash + Debug> Endpoint<P> {
    /// Answers a request: on the acknowledgement if that has not gone yet, else with a confirmable message of its own, which is repeated;
    /// a non-confirmable request gets a non-confirmable answer. A body above the block size goes in blocks. What No-Response does not
    /// want is not sent (RFC 7967).
    ///
    /// # Errors
    /// [`SendError::Ticket`] if the ticket is void; [`SendError::Code`] and [`SendError::TooLarge`], with which the ticket stays.
    pub fn respond(&mut self, now: Duration, ticket: Ticket, response: Response) -> Result<(), SendError> {
        if !self.open.get(ticket.0).is_some_and(|open| matches!(open.waiting, Waiting::Request(_))) {
            return Err(SendError::Ticket);
        }
        if !response.code.is_response() || response.code == Code::CONTINUE {
            return Err(SendError::Code);
        }
        if response.payload.len() > self.limits.body_bytes {
            return Err(SendError::TooLarge);
        }
        let (peer, open) = self.close(ticket.0).ok_or(SendError::Ticket)?;
        let Open { peer: key, header, waiting: Waiting::Request(pending) } = open else { return Err(SendError::Ticket) };
        if pending.no_response & 1 << (response.code.class() - 1) != 0 {
            self.stay_silent(peer, key, header, &pending);
        } else {
            let response = self.shape(now, peer, key, &pending, response);
            self.send_answer(now, peer, key, header, &pending, &response);
        }
        self.peers.drop_if_idle(key);
        Ok(())
    }

    /// The block that was asked for, the rest kept; Block1 as the request's last block had it.
    fn shape(&mut self, now: Duration, peer: P, key: u64, pending: &Pending, response: Response) -> Response {
        let most = self.szx(peer, pending.token.as_bytes(), response.opts());
        if response.payload.len() <= 16 << most && pending.block1.or(pending.block2).is_none() {
            self.forget_body(key, pending.target);
            return response;
        }
        let asked = pending.block2.unwrap_or(Block { num: 0, more: false, szx: 6 });
        let whole = response.clone();
        let (mut part, several) = self.cut(response, asked, most, pending.block2.is_some());
        if several {
            self.keep_body(now, key, pending.target, whole);
        } else {
            self.forget_body(key, pending.target);
        }
        if let Some(block) = pending.block1 {
            part.options.set_uint(OptionNumber::BLOCK1, Block { more: false, ..block }.value());
        }
        part
    }

    fn send_answer(&mut self, now: Duration, peer: P, key: u64, asked: Header, pending: &Pending, response: &Response) {
        let Message { code, options, payload } = response;
        let token = pending.token.as_bytes();
        if asked.kind == Kind::Confirmable && !pending.acknowledged {
            let header = Header { kind: Kind::Acknowledgement, code: *code, message_id: asked.message_id };
            let datagram = Bytes::from(encode(header, token, options.get(), payload));
            self.outputs.push_back(Output::Send { peer, datagram: datagram.clone() });
            return self.peers.settle(key, asked.message_id, Reply::Answer(datagram), false, self.memory());
        }
        self.peers.unpin(key, asked.message_id);
        if asked.kind == Kind::Confirmable && self.has_room(key) {
            let id = self.begin(Exchange::new(key, Work::Answer, self.config.retransmit));
            let parcel = Parcel { kind: Kind::Confirmable, code: *code, token, options: options.get(), payload };
            return self.dispatch(now, id, &parcel, Duration::ZERO);
        }
        if asked.kind == Kind::Confirmable {
            // It goes once, without repetition, rather than not at all.
            self.refuse(peer, &check::RESPONSE_UNSENT);
        }
        let message_id = self.next_message_id(now, key);
        let header = Header { kind: Kind::NonConfirmable, code: *code, message_id };
        let datagram = Bytes::from(encode(header, token, options.get(), payload));
        self.outputs.push_back(Output::Send { peer, datagram });
    }

    /// No answer is wanted: a confirmable request is acknowledged all the same (RFC 7967 2.1).
    fn stay_silent(&mut self, peer: P, key: u64, asked: Header, pending: &Pending) {
        if asked.kind != Kind::Confirmable || pending.acknowledged {
            return self.peers.unpin(key, asked.message_id);
        }
        self.send_empty(peer, Kind::Acknowledgement, asked.message_id);
        self.peers.settle(key, asked.message_id, Reply::Ack, false, self.memory());
    }
}
