//! Observe (RFC 7641): notifications taken and settled, notifications sent. Absent: the observations, which the owner keeps.

use core::fmt::Debug;
use core::hash::Hash;
use core::time::Duration;

use super::Endpoint;
use super::asking::message_of;
use super::exchanges::{Exchange, Parcel, Work};
use super::fetching::Download;
use super::peers::Reply;
use super::serving::{Open, Waiting};
use crate::check;
use crate::event::{ExchangeId, Failure, Output, SendError, SendOptions, Ticket};
use crate::message::{Message, Request, Response};
use crate::number::Block;
use crate::token::Token;
use crate::wire::{Header, Kind, MessageRef};

impl<P: Copy + Eq + Hash + Debug> Endpoint<P> {
    /// Acknowledges a notification; call it once its data is safe. For a non-confirmable one it only ends the ticket.
    ///
    /// # Errors
    /// [`SendError::Ticket`].
    pub fn accept(&mut self, now: Duration, ticket: Ticket) -> Result<(), SendError> {
        self.settle_notification(now, ticket, Kind::Acknowledgement)
    }

    /// Rejects a notification with RST: its token is not known. The peer ends the observation (RFC 7641 3.6).
    ///
    /// # Errors
    /// [`SendError::Ticket`].
    pub fn reject(&mut self, now: Duration, ticket: Ticket) -> Result<(), SendError> {
        self.settle_notification(now, ticket, Kind::Reset)
    }

    /// Fetches the rest of a notification whose first block is `first`: an exchange that ends like [`Endpoint::request`], its response
    /// being the whole. `request` is the one that was observed. The ticket stays, to be settled afterwards; the peer repeats a
    /// confirmable notification meanwhile and gets no answer.
    ///
    /// # Errors
    /// As [`Endpoint::request`]; [`SendError::Ticket`]; [`SendError::TooLarge`] also if `first` announces too much, [`SendError::Code`]
    /// also if it is not the first block of several.
    pub fn fetch_rest(
        &mut self,
        now: Duration,
        ticket: Ticket,
        request: Request,
        first: Message,
        how: SendOptions,
    ) -> Result<ExchangeId, SendError> {
        let open = self.open.get(ticket.0).filter(|open| matches!(open.waiting, Waiting::Notification));
        let peer = open.and_then(|open| self.peers.get(open.peer)).map(|peer| peer.name).ok_or(SendError::Ticket)?;
        let left = self.limits.assembly_bytes.saturating_sub(self.downloading + self.uploads.bytes());
        let most = self.limits.body_bytes.min(left);
        let download = Download::after(first.code, first.options, &first.payload, most).map_err(|cause| match cause {
            Failure::TooLarge => SendError::TooLarge,
            _ => SendError::Code,
        })?;
        self.ask(now, peer, request, how, Some(download))
    }

    /// Sends a notification to the observer with that token. It ends with one [`Output::NotifyDone`]. Of a body above the block size the
    /// first block goes; the observer asks for the others with requests of its own (RFC 7959 2.6).
    ///
    /// # Errors
    /// [`SendError::Code`], [`SendError::TooLarge`], [`SendError::Full`].
    pub fn notify(
        &mut self,
        now: Duration,
        peer: P,
        token: Token,
        message: Response,
        confirmable: bool,
    ) -> Result<ExchangeId, SendError> {
        if !message.code.is_response() {
            return Err(SendError::Code);
        }
        if message.payload.len() > self.limits.body_bytes {
            return Err(SendError::TooLarge);
        }
        let key = self.peers.find_or_make(peer);
        if !self.has_room(key) {
            self.peers.drop_if_idle(key);
            return Err(SendError::Full);
        }
        let most = self.szx(peer, token.as_bytes(), message.opts());
        let (message, _) = self.cut(message, Block { num: 0, more: false, szx: most }, most, false);
        let id = self.begin(Exchange::new(key, Work::Notify, self.config.retransmit));
        let kind = if confirmable { Kind::Confirmable } else { Kind::NonConfirmable };
        let Message { code, options, payload } = &message;
        let parcel = Parcel { kind, code: *code, token: token.as_bytes(), options: options.get(), payload };
        self.dispatch(now, id, &parcel, self.config.notify_wait);
        Ok(ExchangeId(id))
    }

    /// A response with a token that nothing is waiting for.
    pub(super) fn take_notification(&mut self, now: Duration, peer: P, message: &MessageRef<'_>) {
        let Some(token) = Token::new(message.token).filter(|_| message.token.len() <= self.limits.token_bytes) else {
            return self.refuse(peer, &check::TOKEN_LIMIT);
        };
        let key = self.peers.find_or_make(peer);
        if self.is_crowded(key) {
            // Without an answer the peer sends it again later.
            self.peers.drop_if_idle(key);
            return self.refuse(peer, &check::NOTIFY_LIMIT);
        }
        let header = message.header;
        let ticket = self.open(key, Open { peer: key, header, waiting: Waiting::Notification });
        self.remember(now, key, header, Reply::Nothing, true);
        self.expect_answer(now, ticket);
        let confirmable = header.kind == Kind::Confirmable;
        let message = message_of(message);
        self.outputs.push_back(Output::Notification { ticket: Ticket(ticket), peer, token, confirmable, message });
    }

    fn settle_notification(&mut self, _now: Duration, ticket: Ticket, kind: Kind) -> Result<(), SendError> {
        if !self.open.get(ticket.0).is_some_and(|open| matches!(open.waiting, Waiting::Notification)) {
            return Err(SendError::Ticket);
        }
        let (peer, open) = self.close(ticket.0).ok_or(SendError::Ticket)?;
        let Header { kind: asked, message_id, .. } = open.header;
        let reply = if kind == Kind::Reset { Reply::Reset } else { Reply::Ack };
        self.peers.settle(open.peer, message_id, reply, false, self.memory());
        if asked == Kind::Confirmable || kind == Kind::Reset {
            self.send_empty(peer, kind, message_id);
        }
        self.peers.drop_if_idle(open.peer);
        Ok(())
    }
}
