//! What is known of peers: names, message identifiers, recent duplicates. A peer exists here only while there is something to know.
//! Absent: what their messages mean.

use core::hash::Hash;
use core::time::Duration;
use std::collections::{BTreeSet, HashMap, VecDeque};

use bytes::Bytes;

use super::slab::Slab;

pub(super) struct Peer<P> {
    pub name: P,
    /// Own message identifiers: the next one and how long the last one may still be remembered by the peer.
    next_id: Option<(u16, Duration)>,
    seen: VecDeque<Seen>,
    /// Not later than the moment at which the first of the above can be forgotten; in [`Peers::due`] while not MAX.
    due: Duration,
    /// Requests and notifications that wait for the owner.
    pub open: Vec<u64>,
    /// All exchanges with it that this endpoint began.
    pub exchanges: Vec<u64>,
    /// Those of them that wait for their turn.
    pub queue: VecDeque<u64>,
    /// Those of them that have their turn (NSTART).
    pub outstanding: usize,
    pub uploads: Vec<u64>,
    pub bodies: Vec<u64>,
}

/// A message identifier of the peer, and what a duplicate of it gets.
struct Seen {
    message_id: u16,
    /// The owner has not answered yet: it must not be forgotten.
    pinned: bool,
    until: Duration,
    reply: Reply,
}

#[derive(Clone)]
pub(super) enum Reply {
    Nothing,
    Ack,
    Reset,
    Answer(Bytes),
}

impl Reply {
    fn bytes(&self) -> usize {
        if let Self::Answer(bytes) = self { bytes.len() } else { 0 }
    }
}

pub(super) struct Peers<P> {
    names: HashMap<P, u64>,
    /// Boxed, so that a peer that went leaves little behind.
    slab: Slab<Box<Peer<P>>>,
    due: BTreeSet<(Duration, u64)>,
    /// Identifiers remembered, own counters included.
    remembered: usize,
    bytes: usize,
}

/// Names that need not be given back when their peers have gone.
const SMALL: usize = 1_024;

/// Bounds of what is remembered.
#[derive(Clone, Copy)]
pub(super) struct Memory {
    pub count: usize,
    pub per_peer: usize,
    pub bytes: usize,
}

impl<P: Copy + Eq + Hash> Peers<P> {
    pub fn new() -> Self {
        Self { names: HashMap::new(), slab: Slab::default(), due: BTreeSet::new(), remembered: 0, bytes: 0 }
    }

    pub fn find(&self, name: P) -> Option<u64> {
        self.names.get(&name).copied()
    }

    pub fn get(&self, key: u64) -> Option<&Peer<P>> {
        self.slab.get(key).map(|peer| &**peer)
    }

    pub fn get_mut(&mut self, key: u64) -> Option<&mut Peer<P>> {
        self.slab.get_mut(key).map(|peer| &mut **peer)
    }

    pub fn find_or_make(&mut self, name: P) -> u64 {
        let slab = &mut self.slab;
        *self.names.entry(name).or_insert_with(|| {
            slab.insert(Box::new(Peer {
                name,
                next_id: None,
                seen: VecDeque::new(),
                due: Duration::MAX,
                open: Vec::new(),
                exchanges: Vec::new(),
                queue: VecDeque::new(),
                outstanding: 0,
                uploads: Vec::new(),
                bodies: Vec::new(),
            }))
        })
    }

    /// Peers, identifiers remembered, bytes of answers kept.
    pub fn census(&self) -> (usize, usize, usize) {
        (self.slab.len(), self.remembered, self.bytes)
    }

    /// Lets a peer go of which nothing is known.
    pub fn drop_if_idle(&mut self, key: u64) {
        let idle = self.slab.get(key).is_some_and(|peer| {
            peer.next_id.is_none()
                && peer.seen.is_empty()
                && peer.open.is_empty()
                && peer.exchanges.is_empty()
                && peer.uploads.is_empty()
                && peer.bodies.is_empty()
        });
        if idle {
            self.remove(key);
        }
    }

    pub fn remove(&mut self, key: u64) -> Option<Box<Peer<P>>> {
        let peer = self.slab.remove(key)?;
        self.due.remove(&(peer.due, key));
        self.remembered -= peer.seen.len() + usize::from(peer.next_id.is_some());
        self.bytes -= peer.seen.iter().map(|seen| seen.reply.bytes()).sum::<usize>();
        if self.names.get(&peer.name) == Some(&key) {
            self.names.remove(&peer.name);
        }
        if self.names.capacity() > SMALL && self.names.len() < self.names.capacity() / 8 {
            self.names.shrink_to(2 * self.names.len());
        }
        Some(peer)
    }

    /// Gives the peer another name, which is free.
    pub fn rename(&mut self, key: u64, new: P) {
        if let Some(peer) = self.slab.get_mut(key) {
            self.names.remove(&peer.name);
            peer.name = new;
            self.names.insert(new, key);
        }
    }

    /// Takes over what `old`, a peer that was removed, has remembered.
    pub fn adopt_memory(&mut self, key: u64, old: &mut Peer<P>, memory: Memory) {
        let Some(peer) = self.slab.get_mut(key) else { return };
        for seen in old.seen.drain(..) {
            if peer.seen.iter().all(|own| own.message_id != seen.message_id) {
                self.remembered += 1;
                self.bytes += seen.reply.bytes();
                peer.seen.push_front(seen);
            }
        }
        if old.next_id.is_some() {
            self.remembered += usize::from(peer.next_id.is_none());
            peer.next_id = old.next_id;
        }
        self.shrink_peer(key, memory.per_peer);
        self.schedule(key);
    }

    /// The next message identifier for the peer, which will remember it `until` then (RFC 7252 4.4).
    pub fn next_message_id(&mut self, key: u64, until: Duration, memory: Memory, first: impl FnOnce() -> u16) -> u16 {
        let Some(peer) = self.slab.get_mut(key) else { return first() };
        let id = match peer.next_id {
            Some((id, _)) => id,
            None => {
                self.remembered += 1;
                first()
            }
        };
        peer.next_id = Some((id.wrapping_add(1), until));
        if until < peer.due {
            self.schedule(key);
        }
        self.shrink(memory);
        id
    }

    /// What a duplicate of the peer's `message_id` gets; `None` if it is none.
    pub fn duplicate(&self, now: Duration, key: u64, message_id: u16) -> Option<&Reply> {
        let seen = self.slab.get(key)?.seen.iter().rev().find(|seen| seen.message_id == message_id)?;
        (seen.pinned || seen.until > now).then_some(&seen.reply)
    }

    /// Remembers a message identifier; `pinned` until [`Peers::settle`].
    pub fn remember(&mut self, key: u64, message_id: u16, until: Duration, reply: Reply, pinned: bool, memory: Memory) {
        let Some(peer) = self.slab.get_mut(key) else { return };
        if let Some(at) = peer.seen.iter().position(|seen| seen.message_id == message_id)
            && let Some(old) = peer.seen.remove(at)
        {
            self.remembered -= 1;
            self.bytes -= old.reply.bytes();
        }
        self.remembered += 1;
        self.bytes += reply.bytes();
        if peer.seen.is_empty() {
            // Most peers send one message at a time; the first growth of a queue would be to four.
            peer.seen.reserve_exact(1);
        }
        peer.seen.push_back(Seen { message_id, pinned, until, reply });
        let sooner = !pinned && until < peer.due;
        self.shrink_peer(key, memory.per_peer);
        if sooner {
            self.schedule(key);
        }
        self.shrink(memory);
    }

    /// Sets what duplicates get from now on; `open` keeps it pinned.
    pub fn settle(&mut self, key: u64, message_id: u16, reply: Reply, open: bool, memory: Memory) {
        let Some(peer) = self.slab.get_mut(key) else { return };
        if let Some(seen) = peer.seen.iter_mut().rev().find(|seen| seen.message_id == message_id) {
            self.bytes = self.bytes - seen.reply.bytes() + reply.bytes();
            seen.reply = reply;
            seen.pinned = open;
            if !open && seen.until < peer.due {
                self.schedule(key);
            }
        }
        self.shrink(memory);
    }

    /// Lets what was pinned go in its time, and duplicates get what they got.
    pub fn unpin(&mut self, key: u64, message_id: u16) {
        let seen = self.slab.get_mut(key).and_then(|peer| peer.seen.iter_mut().find(|seen| seen.message_id == message_id));
        if let Some(seen) = seen {
            seen.pinned = false;
        }
        self.schedule(key);
    }

    /// When [`Peers::expire`] has something to do.
    pub fn next_due(&self) -> Option<Duration> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Forgets what is over at `now`, but nothing that is pinned.
    pub fn expire(&mut self, now: Duration) {
        while let Some((due, key)) = self.due.first().copied().filter(|(due, _)| *due <= now) {
            let Some(peer) = self.slab.get_mut(key) else {
                self.due.remove(&(due, key));
                continue;
            };
            let before = (peer.seen.len(), usize::from(peer.next_id.is_some()));
            let mut freed = 0;
            peer.seen.retain(|seen| {
                let keep = seen.pinned || seen.until > now;
                freed += if keep { 0 } else { seen.reply.bytes() };
                keep
            });
            if peer.next_id.is_some_and(|(_, until)| until <= now) {
                peer.next_id = None;
            }
            self.bytes -= freed;
            self.remembered -= before.0 - peer.seen.len() + before.1 - usize::from(peer.next_id.is_some());
            self.schedule(key);
            self.drop_if_idle(key);
        }
    }

    /// Forgets the oldest of one peer that the owner has answered, until `most` are left.
    fn shrink_peer(&mut self, key: u64, most: usize) {
        let Some(peer) = self.slab.get_mut(key) else { return };
        while peer.seen.len() > most {
            let Some(at) = peer.seen.iter().position(|seen| !seen.pinned) else { return };
            if let Some(old) = peer.seen.remove(at) {
                self.remembered -= 1;
                self.bytes -= old.reply.bytes();
            }
        }
    }

    /// Forgets the oldest of all peers until the bounds hold. What is pinned stays: it is bounded by what may be open.
    fn shrink(&mut self, memory: Memory) {
        while self.remembered > memory.count || self.bytes > memory.bytes {
            let Some((_, key)) = self.due.first().copied() else { return };
            let Some(peer) = self.slab.get_mut(key) else { return };
            let due = peer.due;
            if let Some(at) = peer.seen.iter().position(|seen| seen.until <= due && !seen.pinned)
                && let Some(old) = peer.seen.remove(at)
            {
                self.remembered -= 1;
                self.bytes -= old.reply.bytes();
            } else if peer.next_id.is_some_and(|(_, until)| until <= due) {
                peer.next_id = None;
                self.remembered -= 1;
            }
            self.schedule(key);
            self.drop_if_idle(key);
        }
    }

    /// Puts the peer where it belongs in the order of forgetting; pinned identifiers take no part.
    fn schedule(&mut self, key: u64) {
        let Some(peer) = self.slab.get_mut(key) else { return };
        let seen = peer.seen.iter().filter(|seen| !seen.pinned).map(|seen| seen.until);
        let due = seen.chain(peer.next_id.map(|(_, until)| until)).min().unwrap_or(Duration::MAX);
        if due != peer.due {
            self.due.remove(&(peer.due, key));
            peer.due = due;
            if due != Duration::MAX {
                self.due.insert((due, key));
            }
        }
    }
}
