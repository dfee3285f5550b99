//! The server role: requests on their way to the owner. Absent: what becomes of the answer, see `answering.rs`; bodies in blocks, see
//! `uploads.rs` and `bodies.rs`.

use core::fmt::Debug;
use core::hash::{BuildHasher, Hash, Hasher};
use core::time::Duration;

use bytes::Bytes;

use super::Endpoint;
use super::peers::Reply;
use super::uploads::Uploaded;
use crate::check::{self, Check};
use crate::code::{Code, ContentFormat};
use crate::event::{Output, Ticket};
use crate::message::{Message, Response};
use crate::number::{Block, OptionNumber};
use crate::options::Options;
use crate::token::Token;
use crate::wire::{Header, Kind, MessageRef, encode};

/// Options that may differ between the messages of one transfer; Content-Format, because it goes away with the body.
const PART_ONLY: [OptionNumber; 5] =
    [OptionNumber::BLOCK1, OptionNumber::BLOCK2, OptionNumber::OBSERVE, OptionNumber::CONTENT_FORMAT, OptionNumber::NO_RESPONSE];

/// A request or a notification that waits for the owner.
pub(super) struct Open {
    pub peer: u64,
    pub header: Header,
    pub waiting: Waiting,
}

pub(super) enum Waiting {
    Notification,
    Request(Pending),
}

/// What the answer to a request needs to know.
pub(super) struct Pending {
    pub token: Token,
    /// Whether the empty acknowledgement has gone.
    pub acknowledged: bool,
    pub no_response: u8,
    /// The last block of the request's body, to be repeated in the answer.
    pub block1: Option<Block>,
    /// The block of the answer that is asked for.
    pub block2: Option<Block>,
    pub target: Target,
}

/// What tells whether two requests are parts of the same: hashes with a key that no peer knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Method and all options but those of the transfer itself.
    pub request: u64,
    /// The body of the request.
    pub payload: u64,
}

impl<P: Copy + Eq + Hash + Debug> Endpoint<P> {
    /// A request that is no duplicate.
    pub(super) fn take_request(&mut self, now: Duration, peer: P, message: &MessageRef<'_>) {
        let MessageRef { header, options, .. } = *message;
        let confirmable = header.kind == Kind::Confirmable;
        if message.token.len() > self.limits.token_bytes {
            return self.refuse_request(now, peer, message, Code::BAD_REQUEST, &check::TOKEN_LIMIT);
        }
        if let Some(bad) = options.unacceptable() {
            if !confirmable {
                return self.refuse(peer, &check::OPTION_BAD);
            }
            let text = format!("option {bad:?}");
            let response = Message::new(Code::BAD_OPTION).with_payload(text);
            self.refuse(peer, &check::OPTION_BAD);
            return self.answer_now(now, peer, message, response);
        }
        if options.proxy_uri().is_some() || options.proxy_scheme().is_some() {
            return self.refuse_request(now, peer, message, Code::PROXYING_NOT_SUPPORTED, &check::PROXY);
        }
        let (block1, block2) = (options.block1(), options.block2());
        if [block1, block2].into_iter().flatten().any(|block| block.szx == 7) {
            return self.refuse_request(now, peer, message, Code::BAD_REQUEST, &check::BLOCK_SIZE);
        }
        let target = self.target(message);
        if let Some(block) = block1 {
            match self.take_block(now, peer, message, block, target.request) {
                Uploaded::Answered => {}
                Uploaded::Whole(body, format) => self.open_request(now, peer, message, Some((body, format)), target),
            }
            return;
        }
        if let Some(block) = block2.filter(|block| block.num > 0) {
            if let Some(response) = self.kept_block(now, peer, message.token, target, message.payload.is_empty(), block) {
                return self.answer_now(now, peer, message, response);
            }
            // To ask the owner again is right only for what changes nothing.
            if !matches!(header.code, Code::GET | Code::FETCH) {
                return self.refuse_request(now, peer, message, Code::REQUEST_ENTITY_INCOMPLETE, &check::BLOCK2_GONE);
            }
        }
        self.open_request(now, peer, message, None, target);
    }

    /// Gives the owner a request whose body is `body`, of a format that the message need not repeat, or the message's payload.
    fn open_request(
        &mut self,
        now: Duration,
        peer: P,
        message: &MessageRef<'_>,
        body: Option<(Bytes, Option<ContentFormat>)>,
        target: Target,
    ) {
        let key = self.peers.find_or_make(peer);
        if self.is_crowded(key) {
            let check = if self.open.len() >= self.limits.open { &check::OPEN_LIMIT } else { &check::OPEN_PEER_LIMIT };
            return self.refuse_request(now, peer, message, Code::SERVICE_UNAVAILABLE, check);
        }
        let MessageRef { header, options, .. } = *message;
        let Some(token) = Token::new(message.token) else { return };
        let pending = Pending {
            token: token.clone(),
            acknowledged: false,
            no_response: options.no_response().unwrap_or(0),
            block1: options.block1(),
            block2: options.block2(),
            target,
        };
        let ticket = self.open(key, Open { peer: key, header, waiting: Waiting::Request(pending) });
        self.remember(now, key, header, Reply::Nothing, true);
        if header.kind == Kind::Confirmable {
            self.unacknowledged.push_back((now.saturating_add(self.config.separate_after), ticket));
        } else {
            self.expect_answer(now, ticket);
        }
        let mut options = Options::from(options);
        options.remove(OptionNumber::BLOCK1);
        let (payload, format) = body.unwrap_or_else(|| (Bytes::copy_from_slice(message.payload), None));
        if let Some(format) = format.filter(|_| message.options.content_format().is_none()) {
            options.add_uint(OptionNumber::CONTENT_FORMAT, format.0.into());
        }
        let request = Message { code: header.code, options, payload };
        let confirmable = header.kind == Kind::Confirmable;
        self.outputs.push_back(Output::Request { ticket: Ticket(ticket), peer, token, confirmable, request });
    }

    /// Whether the owner has as much to answer as it may, in all or for that peer.
    pub(super) fn is_crowded(&self, key: u64) -> bool {
        let of_peer = self.peers.get(key).map_or(0, |peer| peer.open.len());
        self.open.len() >= self.limits.open || of_peer >= self.limits.open_per_peer
    }

    pub(super) fn open(&mut self, key: u64, open: Open) -> u64 {
        let ticket = self.open.insert(open);
        if let Some(peer) = self.peers.get_mut(key) {
            peer.open.push(ticket);
        }
        ticket
    }

    /// Ends a ticket.
    pub(super) fn close(&mut self, ticket: u64) -> Option<(P, Open)> {
        let open = self.open.remove(ticket)?;
        while self.unacknowledged.pop_front_if(|(_, ticket)| self.open.get(*ticket).is_none()).is_some() {}
        while self.unanswered.pop_front_if(|(_, ticket)| self.open.get(*ticket).is_none()).is_some() {}
        let most = 2 * self.open.len() + 1_024;
        for queue in [&mut self.unacknowledged, &mut self.unanswered] {
            if queue.len() > most {
                queue.retain(|(_, ticket)| self.open.get(*ticket).is_some());
            }
        }
        let peer = self.peers.get_mut(open.peer)?;
        peer.open.retain(|other| *other != ticket);
        Some((peer.name, open))
    }

    /// The ticket becomes void if the owner takes too long.
    pub(super) fn expect_answer(&mut self, now: Duration, ticket: u64) {
        self.unanswered.push_back((now.saturating_add(self.config.answer_within), ticket));
    }

    /// The owner took longer than a piggybacked answer may: the peer learns that the request has come (RFC 7252 5.2.2).
    pub(super) fn acknowledge_empty(&mut self, now: Duration, ticket: u64) {
        let Some(open) = self.open.get_mut(ticket) else { return };
        let Waiting::Request(pending) = &mut open.waiting else { return };
        pending.acknowledged = true;
        let (key, message_id) = (open.peer, open.header.message_id);
        self.peers.settle(key, message_id, Reply::Ack, true, self.memory());
        if let Some(peer) = self.peers.get(key).map(|peer| peer.name) {
            self.send_empty(peer, Kind::Acknowledgement, message_id);
        }
        self.expect_answer(now, ticket);
    }

    pub(super) fn void(&mut self, ticket: u64) {
        if let Some((_, open)) = self.close(ticket) {
            self.peers.unpin(open.peer, open.header.message_id);
            self.peers.drop_if_idle(open.peer);
        }
    }

    /// Refuses a request with `code` and the name of the check as diagnostic text.
    pub(super) fn refuse_request(&mut self, now: Duration, peer: P, message: &MessageRef<'_>, code: Code, check: &'static Check) {
        self.refuse(peer, check);
        self.answer_now(now, peer, message, Message::new(code).with_payload(check.name));
    }

    /// Answers a request without the owner.
    pub(super) fn answer_now(&mut self, now: Duration, peer: P, message: &MessageRef<'_>, response: Response) {
        let key = self.peers.find_or_make(peer);
        let asked = message.header;
        let Message { code, options, payload } = response;
        if asked.kind == Kind::Confirmable {
            let header = Header { kind: Kind::Acknowledgement, code, message_id: asked.message_id };
            let datagram = Bytes::from(encode(header, message.token, options.get(), &payload));
            self.remember(now, key, asked, Reply::Answer(datagram.clone()), false);
            self.outputs.push_back(Output::Send { peer, datagram });
        } else {
            let message_id = self.next_message_id(now, key);
            let header = Header { kind: Kind::NonConfirmable, code, message_id };
            let datagram = Bytes::from(encode(header, message.token, options.get(), &payload));
            self.remember(now, key, asked, Reply::Nothing, false);
            self.outputs.push_back(Output::Send { peer, datagram });
        }
    }

    fn target(&self, message: &MessageRef<'_>) -> Target {
        let mut request = self.hasher.build_hasher();
        request.write_u8(message.header.code.0);
        for (number, value) in message.options.iter() {
            if !PART_ONLY.contains(&number) && !number.is_no_cache_key() {
                request.write_u16(number.0);
                value.hash(&mut request);
            }
        }
        let payload = if message.payload.is_empty() { 0 } else { self.hasher.hash_one(message.payload) };
        Target { request: request.finish(), payload }
    }
}
