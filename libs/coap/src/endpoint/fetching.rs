//! Blocks in the client role: a request body on its way out, a response body on its way in (RFC 7959). Pure steps: what to do next with
//! a response. Absent: sending.

use bytes::Bytes;

use super::asking::{Asking, asks_for_part};
use crate::code::Code;
use crate::event::Failure;
use crate::message::{Message, Request, Response};
use crate::number::{Block, OptionNumber};
use crate::options::Options;
use crate::wire::MessageRef;

/// What a response calls for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It is late and belongs to an earlier block.
    Ignore,
    /// Send the next message.
    Send,
    /// It, or what was assembled with it, is the response.
    Deliver,
    Fail(Failure),
}

/// A request body that goes out in blocks.
pub(super) struct Upload {
    total: usize,
    /// Where the block on its way begins.
    offset: usize,
    szx: u8,
}

impl Upload {
    /// `None` if one message holds the body.
    pub fn of(request: &Request, szx: u8) -> Option<Self> {
        let total = request.payload.len();
        (total > 16 << szx).then_some(Self { total, offset: 0, szx })
    }

    /// Whether the body has more blocks than there are numbers.
    pub fn has_too_many(&self) -> bool {
        self.total.div_ceil(16 << self.szx) > Block::COUNT as usize
    }

    fn block(&self) -> Block {
        let size = 16 << self.szx;
        Block { num: (self.offset / size) as u32, more: self.offset + size < self.total, szx: self.szx }
    }

    pub fn options(&self, request: &Request) -> Options {
        let mut options = request.options.clone();
        options.set_uint(OptionNumber::BLOCK1, self.block().value());
        if self.offset == 0 {
            options.set_uint(OptionNumber::SIZE1, u32::try_from(self.total).unwrap_or(u32::MAX));
        }
        options
    }

    pub fn payload(&self, request: &Request) -> Bytes {
        request.payload.slice(self.offset.min(self.total)..(self.offset + (16 << self.szx)).min(self.total))
    }

    /// `None` once the body is with the peer and the response is one to all of it.
    fn next(&mut self, response: &MessageRef<'_>) -> Option<Next> {
        let sent = self.block();
        let answered = response.options.block1();
        let success = response.header.code.is_success();
        if success && answered.is_some_and(|block| block.num != sent.num || block.szx == 7) {
            return Some(Next::Ignore);
        }
        match response.header.code {
            // A smaller size is wished for: all over again with it (RFC 7959 2.9.3).
            Code::REQUEST_ENTITY_TOO_LARGE if self.offset == 0 && answered.is_some_and(|block| block.szx < self.szx) => {
                self.szx = answered.map_or(self.szx, |block| block.szx);
                Some(if self.has_too_many() { Next::Fail(Failure::TooLarge) } else { Next::Send })
            }
            _ if !success => Some(Next::Deliver),
            Code::CONTINUE if !sent.more => Some(Next::Fail(Failure::Protocol)),
            _ if !sent.more => None,
            _ => {
                let Some(block) = answered else { return Some(Next::Fail(Failure::Protocol)) };
                // The block that was sent counts whole, even if the next ones shall be smaller (RFC 7959 2.3).
                self.offset += sent.size();
                self.szx = self.szx.min(block.szx);
                Some(if self.has_too_many() { Next::Fail(Failure::TooLarge) } else { Next::Send })
            }
        }
    }
}

/// A response body that comes in blocks.
pub(super) struct Download {
    code: Code,
    options: Options,
    szx: u8,
    pub body: Vec<u8>,
    pub complete: bool,
}

impl Download {
    /// The rest of a body whose first block is `first`.
    ///
    /// # Errors
    /// `Protocol` if it is not a first block of several, `TooLarge` if it announces more than `most` bytes.
    pub fn after(code: Code, options: Options, payload: &[u8], most: usize) -> Result<Self, Failure> {
        let block = options.get().block2().filter(|b| b.more && b.num == 0 && b.szx < 7 && b.size() == payload.len());
        let block = block.ok_or(Failure::Protocol)?;
        if payload.len() > most || options.get().size2().is_some_and(|size| size as usize > most) {
            return Err(Failure::TooLarge);
        }
        Ok(Self { code, options, szx: block.szx, body: payload.to_vec(), complete: false })
    }

    /// The request for the next block: the same target, no observation, no body (RFC 7959 2.4, 3.4).
    pub fn options(&self, request: &Request) -> Options {
        let left_out = [OptionNumber::OBSERVE, OptionNumber::BLOCK1, OptionNumber::SIZE1, OptionNumber::BLOCK2];
        let mut options: Options = request.opts().iter().filter(|(number, _)| !left_out.contains(number)).collect();
        let num = (self.body.len() >> (self.szx + 4)) as u32;
        options.add_uint(OptionNumber::BLOCK2, Block { num, more: false, szx: self.szx }.value());
        options
    }

    /// The body of a FETCH is part of what is asked for (RFC 8132 2), so it goes along unless it took blocks itself.
    pub fn repeats_payload(&self, request: &Request, uploaded: bool) -> bool {
        request.code == Code::FETCH && !uploaded
    }

    fn next(&mut self, response: &MessageRef<'_>, most: usize, left: usize) -> Next {
        if !response.header.code.is_success() {
            return Next::Deliver;
        }
        let Some(block) = response.options.block2() else { return Next::Deliver };
        let size = block.size();
        if block.szx == 7 || response.header.code != self.code {
            return Next::Fail(Failure::Protocol);
        }
        if block.offset() != self.body.len() {
            return Next::Ignore;
        }
        if response.options.etag() != self.options.get().etag() {
            return Next::Fail(Failure::Changed);
        }
        let length = response.payload.len();
        if length > size || (block.more && length < size) || (block.more && block.num + 1 >= Block::COUNT) {
            return Next::Fail(Failure::Protocol);
        }
        if length > left || self.body.len() + length > most {
            return Next::Fail(Failure::TooLarge);
        }
        self.body.extend_from_slice(response.payload);
        self.szx = self.szx.min(block.szx);
        self.complete = !block.more;
        if block.more { Next::Send } else { Next::Deliver }
    }

    /// The first block's code and options with the whole body.
    pub fn into_response(mut self) -> Response {
        self.options.remove(OptionNumber::BLOCK2);
        Message { code: self.code, options: self.options, payload: Bytes::from(self.body) }
    }
}

impl Asking {
    /// Takes a response that fits by token. `most` bytes may a body have, `left` bytes are left for all.
    pub fn next(&mut self, response: &MessageRef<'_>, most: usize, left: usize) -> Next {
        if let Some(download) = &mut self.download {
            return download.next(response, most, left);
        }
        if response.header.code == Code::UNAUTHORIZED
            && !self.echoed
            && let Some(echo) = response.options.echo()
        {
            self.echoed = true;
            self.request.options.set(OptionNumber::ECHO, echo);
            if let Some(upload) = &mut self.upload {
                upload.offset = 0;
            }
            return Next::Send;
        }
        if let Some(next) = self.upload.as_mut().and_then(|upload| upload.next(response)) {
            return next;
        }
        if response.header.code == Code::CONTINUE {
            return Next::Fail(Failure::Protocol);
        }
        let several = response.options.block2().is_some_and(|block| block.more || block.num > 0);
        if !several || asks_for_part(&self.request) {
            return Next::Deliver;
        }
        match Download::after(response.header.code, response.options.into(), response.payload, most.min(left)) {
            Ok(download) => {
                self.download = Some(download);
                Next::Send
            }
            Err(cause) => Next::Fail(cause),
        }
    }
}
