//! Response bodies that go out in blocks (RFC 7959 2.4): cut, and kept for the blocks that will be asked for. Absent: the owner's part; a
//! block of a body that is no longer kept is cut from a fresh answer.

use core::fmt::Debug;
use core::hash::{Hash, Hasher};
use core::time::Duration;
use std::collections::hash_map::DefaultHasher;

use super::Endpoint;
use super::kept::Body;
use super::serving::Target;
use crate::check;
use crate::code::Code;
use crate::message::{Message, Response};
use crate::number::{Block, OptionNumber};

pub(super) struct KeptBody {
    target: Target,
    response: Response,
}

impl Body for KeptBody {
    fn bytes(&self) -> usize {
        self.response.payload.len()
    }
}

impl<P: Copy + Eq + Hash + Debug> Endpoint<P> {
    /// The block `asked` of a response, its size `most` at most, and whether the response is of several blocks. One block that holds all
    /// is marked as such only if `explicit`.
    pub(super) fn cut(&self, mut whole: Response, asked: Block, most: u8, explicit: bool) -> (Response, bool) {
        let szx = asked.szx.min(most);
        let size = 16 << szx;
        let (total, offset) = (whole.payload.len(), asked.offset());
        if total <= size && (!explicit || !whole.code.is_success()) {
            return (whole, false);
        }
        if offset > 0 && offset >= total {
            return (Message::new(Code::BAD_REQUEST).with_payload(check::BLOCK2_RANGE.name), false);
        }
        let end = (offset + size).min(total);
        let block = Block { num: (offset / size) as u32, more: end < total, szx };
        let several = total > size;
        if several {
            seal(&mut whole);
        }
        whole.options.set_uint(OptionNumber::BLOCK2, block.value());
        if offset == 0 && several {
            whole.options.set_uint(OptionNumber::SIZE2, u32::try_from(total).unwrap_or(u32::MAX));
        }
        whole.payload = whole.payload.slice(offset..end);
        (whole, several)
    }

    /// Keeps a response for its further blocks. The oldest ones go for it.
    pub(super) fn keep_body(&mut self, now: Duration, key: u64, target: Target, mut response: Response) {
        seal(&mut response);
        self.forget_body(key, target);
        let crowded = self.peers.get(key).filter(|peer| peer.bodies.len() >= self.limits.bodies_per_peer.max(1));
        if let Some(oldest) = crowded.and_then(|peer| peer.bodies.first().copied()) {
            self.drop_kept(key, oldest);
        }
        let until = now.saturating_add(self.config.transfer_lifetime);
        let body = self.bodies.insert(key, until, KeptBody { target, response });
        if let Some(peer) = self.peers.get_mut(key) {
            peer.bodies.push(body);
        }
        while self.bodies.len() > self.limits.bodies || self.bodies.bytes() > self.limits.bodies_bytes {
            let Some((_, oldest, owner)) = self.bodies.oldest() else { return };
            self.drop_kept(owner, oldest);
            if owner != key {
                self.peers.drop_if_idle(owner);
            }
        }
    }

    /// The block asked for, if its body is kept. A request that repeats its own body must repeat the same one.
    pub(super) fn kept_block(
        &mut self,
        now: Duration,
        peer: P,
        token: &[u8],
        target: Target,
        bare: bool,
        asked: Block,
    ) -> Option<Response> {
        let known = self.peers.get(self.peers.find(peer)?)?;
        let key = known.bodies.iter().copied().find(|body| {
            self.bodies
                .get(*body)
                .is_some_and(|kept| kept.target.request == target.request && (bare || kept.target.payload == target.payload))
        })?;
        let until = now.saturating_add(self.config.transfer_lifetime);
        let whole = self.bodies.touch(key, until, |kept| kept.response.clone())?;
        let most = self.szx(peer, token, whole.opts());
        Some(self.cut(whole, asked, most, true).0)
    }

    /// A new answer to the same request takes the place of the old one.
    pub(super) fn forget_body(&mut self, key: u64, target: Target) {
        let Some(peer) = self.peers.get(key) else { return };
        let same = |body: &u64| self.bodies.get(*body).is_some_and(|kept| kept.target.request == target.request);
        if let Some(old) = peer.bodies.iter().copied().find(same) {
            self.drop_kept(key, old);
        }
    }

    pub(super) fn drop_body(&mut self, peer: u64, body: u64) {
        self.drop_kept(peer, body);
        self.peers.drop_if_idle(peer);
    }

    fn drop_kept(&mut self, key: u64, body: u64) {
        self.bodies.remove(body);
        if let Some(peer) = self.peers.get_mut(key) {
            peer.bodies.retain(|other| *other != body);
        }
    }
}

/// Gives a response of several blocks an entity tag, if the owner has not, so that nobody joins blocks of two bodies (RFC 7959 2.4).
fn seal(response: &mut Response) {
    if response.code.is_success() && response.opts().etag().is_none() {
        let mut hasher = DefaultHasher::new();
        response.payload.hash(&mut hasher);
        response.options.set(OptionNumber::ETAG, &hasher.finish().to_be_bytes());
    }
}
