//! Request bodies that come in blocks (RFC 7959 2.5): assembled whole, then given to the owner. Absent: blocks that take effect one by one.

use core::fmt::Debug;
use core::hash::Hash;
use core::time::Duration;

use bytes::Bytes;

use super::Endpoint;
use super::kept::Body;
use crate::check::{self, Check};
use crate::code::{Code, ContentFormat};
use crate::message::{Message, Response};
use crate::number::{Block, OptionNumber};
use crate::wire::MessageRef;

pub(super) struct Upload {
    target: u64,
    /// That of the first block; some clients leave it out of the others.
    format: Option<ContentFormat>,
    body: Vec<u8>,
}

impl Body for Upload {
    fn bytes(&self) -> usize {
        self.body.capacity()
    }
}

/// What a block came to.
pub(super) enum Uploaded {
    /// It was answered.
    Answered,
    /// It was the last one; this is the body, and its format as the first one said.
    Whole(Bytes, Option<ContentFormat>),
}

impl<P: Copy + Eq + Hash + Debug> Endpoint<P> {
    pub(super) fn take_block(&mut self, now: Duration, peer: P, message: &MessageRef<'_>, block: Block, target: u64) -> Uploaded {
        let key = self.peers.find_or_make(peer);
        let found = self.upload_of(key, target);
        let payload = message.payload;
        if payload.len() > block.size() || (block.more && payload.len() < block.size()) {
            return self.refuse_block(now, peer, message, block, Code::BAD_REQUEST, &check::BLOCK1_LENGTH);
        }
        let announced = message.options.size1().unwrap_or(0) as usize;
        if announced.max(block.offset() + payload.len()) > self.limits.body_bytes {
            self.drop_uploads(key, found);
            return self.refuse_block(now, peer, message, block, Code::REQUEST_ENTITY_TOO_LARGE, &check::BLOCK1_TOO_LARGE);
        }
        if block.num == 0 {
            // A first block begins anew (RFC 7959 2.5).
            self.drop_uploads(key, found);
            if !block.more {
                return Uploaded::Whole(Bytes::copy_from_slice(payload), None);
            }
            let upload = self.begin_upload(now, key, target, message.options.content_format());
            return self.append(now, peer, message, block, upload);
        }
        match found {
            Some(upload) if self.uploads.get(upload).is_some_and(|u| u.body.len() == block.offset()) => {
                self.append(now, peer, message, block, upload)
            }
            _ => self.refuse_block(now, peer, message, block, Code::REQUEST_ENTITY_INCOMPLETE, &check::BLOCK1_GAP),
        }
    }

    pub(super) fn drop_upload(&mut self, peer: u64, upload: u64) {
        self.uploads.remove(upload);
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.uploads.retain(|other| *other != upload);
        }
        self.peers.drop_if_idle(peer);
    }

    fn upload_of(&self, key: u64, target: u64) -> Option<u64> {
        let peer = self.peers.get(key)?;
        peer.uploads.iter().copied().find(|upload| self.uploads.get(*upload).is_some_and(|u| u.target == target))
    }

    /// Takes an upload away while its peer is being served.
    fn drop_uploads(&mut self, key: u64, upload: Option<u64>) {
        let Some(upload) = upload else { return };
        self.uploads.remove(upload);
        if let Some(peer) = self.peers.get_mut(key) {
            peer.uploads.retain(|other| *other != upload);
        }
    }

    fn begin_upload(&mut self, now: Duration, key: u64, target: u64, format: Option<ContentFormat>) -> u64 {
        let crowded = self.peers.get(key).filter(|peer| peer.uploads.len() >= self.limits.uploads_per_peer.max(1));
        let oldest = crowded.and_then(|peer| peer.uploads.first().copied());
        self.drop_uploads(key, oldest);
        let until = now.saturating_add(self.config.transfer_lifetime);
        let upload = self.uploads.insert(key, until, Upload { target, format, body: Vec::new() });
        if let Some(peer) = self.peers.get_mut(key) {
            peer.uploads.push(upload);
        }
        upload
    }

    fn append(&mut self, now: Duration, peer: P, message: &MessageRef<'_>, block: Block, upload: u64) -> Uploaded {
        let until = now.saturating_add(self.config.transfer_lifetime);
        self.uploads.touch(upload, until, |kept| kept.body.extend_from_slice(message.payload));
        while self.uploads.len() > self.limits.uploads.max(1)
            || self.uploads.bytes() + self.downloading > self.limits.assembly_bytes
        {
            let Some((_, oldest, owner)) = self.uploads.oldest() else { break };
            self.drop_upload(owner, oldest);
            if oldest == upload {
                return self.refuse_block(now, peer, message, block, Code::SERVICE_UNAVAILABLE, &check::BLOCK1_TOO_LARGE);
            }
        }
        if !block.more {
            let key = self.peers.find_or_make(peer);
            let (body, format) = self.uploads.remove(upload).map(|kept| (kept.body, kept.format)).unwrap_or_default();
            self.drop_uploads(key, Some(upload));
            return Uploaded::Whole(Bytes::from(body), format);
        }
        let response = Message::new(Code::CONTINUE).with_uint(OptionNumber::BLOCK1, block.value());
        self.answer_now(now, peer, message, response);
        Uploaded::Answered
    }

    fn refuse_block(
        &mut self,
        now: Duration,
        peer: P,
        message: &MessageRef<'_>,
        block: Block,
        code: Code,
        check: &'static Check,
    ) -> Uploaded {
        let mut response: Response = Message::new(code).with_uint(OptionNumber::BLOCK1, block.value()).with_payload(check.name);
        if code == Code::REQUEST_ENTITY_TOO_LARGE {
            // The greatest body that is taken (RFC 7959 4).
            response = response.with_uint(OptionNumber::SIZE1, u32::try_from(self.limits.body_bytes).unwrap_or(u32::MAX));
        }
        self.refuse(peer, check);
        self.answer_now(now, peer, message, response);
        Uploaded::Answered
    }
}
