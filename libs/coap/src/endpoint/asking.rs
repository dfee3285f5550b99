//! The client role: requests, and which response belongs to which. Absent: repetition and turns, see `exchanges.rs`; blocks, see
//! `fetching.rs`.

use core::fmt::Debug;
use core::hash::Hash;
use core::time::Duration;

use bytes::Bytes;

use super::Endpoint;
use super::exchanges::{Exchange, Parcel, State, Work};
use super::fetching::{Download, Next, Upload};
use super::peers::Reply;
use crate::check;
use crate::event::{ExchangeId, Failure, NotifyOutcome, Output, SendError, SendOptions};
use crate::message::{Message, Request, Response};
use crate::number::{Block, OptionNumber};
use crate::token::Token;
use crate::wire::{Kind, MessageRef};

/// What is known of a request on its way.
pub(super) struct Asking {
    pub request: Request,
    /// The token of the request, which the owner knows.
    pub token: Token,
    /// The token of the message now on its way: another one for each further block of the response.
    pub current: Token,
    pub confirmable: bool,
    pub response_timeout: Duration,
    /// Whether the owner was told that the peer has the request.
    pub acknowledged: bool,
    /// Whether the request has the peer's Echo value already (RFC 9175 2.3).
    pub echoed: bool,
    /// The body being sent, if it does not fit in one block.
    pub upload: Option<Upload>,
    /// The response body being fetched.
    pub download: Option<Download>,
}

impl Asking {
    pub fn downloaded(&self) -> usize {
        self.download.as_ref().map_or(0, |download| download.body.len())
    }
}

impl<P: Copy + Eq + Hash + Debug> Endpoint<P> {
    /// Sends a request, after those that wait for the same peer. It ends with exactly one of [`Output::Response`] and [`Output::Failed`].
    /// A body above the block size is sent in blocks, a response in blocks is fetched to its end. With Observe 0 and a response that has
    /// Observe, the peer and the token of that output name the observation from then on. A notification that overtakes that response is
    /// taken for it, which is as good: it tells a newer state.
    ///
    /// # Errors
    /// [`SendError::Code`], [`SendError::TooLarge`], [`SendError::Full`], [`SendError::Token`].
    pub fn request(&mut self, now: Duration, peer: P, request: Request, how: SendOptions) -> Result<ExchangeId, SendError> {
        self.ask(now, peer, request, how, None)
    }

    /// Gives up a request ([`Output::Failed`] follows) or a notification ([`Output::NotifyDone`] follows); `false` if it is over.
    pub fn cancel(&mut self, now: Duration, id: ExchangeId) -> bool {
        let ours = self.exchanges.get(id.0).is_some_and(|exchange| !matches!(exchange.work, Work::Answer));
        if ours {
            self.fail(now, id.0, Failure::Cancelled, NotifyOutcome::Dropped);
        }
        ours
    }

    pub(super) fn ask(
        &mut self,
        now: Duration,
        peer: P,
        request: Request,
        how: SendOptions,
        download: Option<Download>,
    ) -> Result<ExchangeId, SendError> {
        if !request.code.is_request() {
            return Err(SendError::Code);
        }
        let token = how.token.unwrap_or_else(|| Token::from(self.random.bytes::<8>()));
        let szx = self.szx(peer, token.as_bytes(), request.opts());
        let upload = Upload::of(&request, how.block_bytes.map_or(szx, |bytes| szx.min(Block::szx_for(bytes))));
        if request.payload.len() > self.limits.body_bytes || upload.as_ref().is_some_and(Upload::has_too_many) {
            return Err(SendError::TooLarge);
        }
        let key = self.peers.find_or_make(peer);
        if token.as_bytes().len() > self.limits.token_bytes || self.is_in_use(key, &token) {
            self.peers.drop_if_idle(key);
            return Err(SendError::Token);
        }
        if !self.has_room(key) {
            self.peers.drop_if_idle(key);
            return Err(SendError::Full);
        }
        let asking = Asking {
            request,
            current: token.clone(),
            token,
            confirmable: how.confirmable,
            response_timeout: how.response_timeout.unwrap_or(self.config.response_timeout),
            acknowledged: false,
            echoed: false,
            upload,
            download,
        };
        self.downloading += asking.downloaded();
        let retransmit = how.retransmit.unwrap_or(self.config.retransmit);
        let id = self.begin(Exchange::new(key, Work::Ask(Box::new(asking)), retransmit));
        if !how.confirmable {
            self.send_step(now, id);
        } else if let Some(waiting) = self.peers.get_mut(key) {
            waiting.queue.push_back(id);
            self.pump(now, key);
        }
        Ok(ExchangeId(id))
    }

    /// Sends what is next of a request: all of it, a block of its body, or the wish for a block of the response.
    pub(super) fn send_step(&mut self, now: Duration, id: u64) {
        let fresh = Token::from(self.random.bytes::<8>());
        let Some(Exchange { work: Work::Ask(asking), .. }) = self.exchanges.get_mut(id) else { return };
        let kind = if asking.confirmable { Kind::Confirmable } else { Kind::NonConfirmable };
        let patience = asking.response_timeout;
        let code = asking.request.code;
        let (token, options, payload) = if let Some(download) = &asking.download {
            // A token is not used again while an answer to its first use may be on its way (RFC 9175 4.2).
            asking.current = fresh.clone();
            let again = download.repeats_payload(&asking.request, asking.upload.is_some());
            (fresh, download.options(&asking.request), if again { asking.request.payload.clone() } else { Bytes::new() })
        } else if let Some(upload) = &asking.upload {
            (asking.token.clone(), upload.options(&asking.request), upload.payload(&asking.request))
        } else {
            (asking.token.clone(), asking.request.options.clone(), asking.request.payload.clone())
        };
        let parcel = Parcel { kind, code, token: token.as_bytes(), options: options.get(), payload: &payload };
        self.dispatch(now, id, &parcel, patience);
    }

    /// A response of its own: to a request, or a notification.
    pub(super) fn take_response(&mut self, now: Duration, peer: P, message: &MessageRef<'_>) {
        let header = message.header;
        let found = self.exchange_by_token(peer, message.token);
        if message.options.unacceptable().is_some() {
            if header.kind == Kind::Confirmable {
                let key = self.peers.find_or_make(peer);
                self.remember(now, key, header, Reply::Reset, false);
                self.send_empty(peer, Kind::Reset, header.message_id);
            }
            self.refuse(peer, &check::OPTION_BAD);
            if let Some(id) = found {
                self.fail(now, id, Failure::Protocol, NotifyOutcome::Dropped);
            }
            return;
        }
        let Some(id) = found else { return self.take_notification(now, peer, message) };
        let key = self.peers.find_or_make(peer);
        if header.kind == Kind::Confirmable {
            self.remember(now, key, header, Reply::Ack, false);
            self.send_empty(peer, Kind::Acknowledgement, header.message_id);
        } else {
            self.remember(now, key, header, Reply::Nothing, false);
        }
        self.conclude(now, id, message);
    }

    /// A response on the acknowledgement of its request: identifier and token must both fit (RFC 7252 5.3.2).
    pub(super) fn take_piggybacked(&mut self, now: Duration, peer: P, message: &MessageRef<'_>) {
        let found = self.exchange_by_message(peer, message.header.message_id).filter(|id| {
            self.exchanges.get(*id).is_some_and(|exchange| match &exchange.work {
                Work::Ask(asking) => asking.confirmable && asking.current.as_bytes() == message.token,
                Work::Answer | Work::Notify => false,
            })
        });
        let Some(id) = found else { return self.refuse(peer, &check::RESPONSE_STRAY) };
        if message.options.unacceptable().is_some() {
            self.refuse(peer, &check::OPTION_BAD);
            return self.fail(now, id, Failure::Protocol, NotifyOutcome::Dropped);
        }
        self.conclude(now, id, message);
    }

    fn is_in_use(&self, key: u64, token: &Token) -> bool {
        let exchanges = self.peers.get(key).map_or(&[][..], |peer| &peer.exchanges);
        exchanges.iter().filter_map(|id| self.exchanges.get(*id)).any(|exchange| match &exchange.work {
            Work::Ask(asking) => asking.token == *token || asking.current == *token,
            Work::Answer | Work::Notify => false,
        })
    }

    /// The request on its way that a response with that token is for. One that still waits for its turn has none: if its token names an
    /// observation that it renews, what comes is a notification.
    fn exchange_by_token(&self, peer: P, token: &[u8]) -> Option<u64> {
        let peer = self.peers.get(self.peers.find(peer)?)?;
        peer.exchanges.iter().copied().find(|id| {
            self.exchanges.get(*id).is_some_and(|exchange| match &exchange.work {
                Work::Ask(asking) => exchange.state != State::Waiting && asking.current.as_bytes() == token,
                Work::Answer | Work::Notify => false,
            })
        })
    }

    /// Does what a response calls for: the next message, or the end.
    fn conclude(&mut self, now: Duration, id: u64, message: &MessageRef<'_>) {
        let left = self.limits.assembly_bytes.saturating_sub(self.downloading + self.uploads.bytes());
        let most = self.limits.body_bytes;
        let Some(exchange) = self.exchanges.get_mut(id) else { return };
        let Work::Ask(asking) = &mut exchange.work else { return };
        let before = asking.downloaded();
        let next = asking.next(message, most, left);
        let after = asking.downloaded();
        self.downloading = self.downloading - before + after;
        match next {
            // What came on the acknowledgement of this very block is not late, but wrong.
            Next::Ignore if message.header.kind == Kind::Acknowledgement => {
                self.fail(now, id, Failure::Protocol, NotifyOutcome::Dropped);
            }
            Next::Ignore => self.refuse_by_exchange(id),
            Next::Send => self.proceed(now, id),
            Next::Fail(cause) => self.fail(now, id, cause, NotifyOutcome::Dropped),
            Next::Deliver => self.deliver(now, id, message),
        }
    }

    fn refuse_by_exchange(&mut self, id: u64) {
        let peer = self.exchanges.get(id).and_then(|exchange| self.peers.get(exchange.peer)).map(|peer| peer.name);
        if let Some(peer) = peer {
            self.refuse(peer, &check::RESPONSE_STRAY);
        }
    }

    /// Hands the owner the whole response: what was assembled, if `last` was its last block, else `last` as it is.
    fn deliver(&mut self, now: Duration, id: u64, last: &MessageRef<'_>) {
        let Some((key, peer, Work::Ask(asking))) = self.finish(id) else { return };
        let Asking { token, download, .. } = *asking;
        let response = match download {
            Some(download) if download.complete => download.into_response(),
            _ => message_of(last),
        };
        self.outputs.push_back(Output::Response { id: ExchangeId(id), peer, token, response });
        self.go_on(now, key);
    }
}

/// The message without its header and token.
pub(super) fn message_of(message: &MessageRef<'_>) -> Response {
    Message { code: message.header.code, options: message.options.into(), payload: Bytes::copy_from_slice(message.payload) }
}

/// Whether the owner itself asks for a later block of a response.
pub(super) fn asks_for_part(request: &Request) -> bool {
    request.opts().first(OptionNumber::BLOCK2).is_some() && request.opts().block2().is_none_or(|block| block.num > 0)
}
