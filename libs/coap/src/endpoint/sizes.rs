//! What fits into a datagram: blocks for peers that take only short ones, and the end of what could not be sent. Absent: the cutting, see `bodies.rs` and
//! `fetching.rs`.

use core::fmt::Debug;
use core::hash::Hash;
use core::time::Duration;

use super::Endpoint;
use crate::event::{Failure, NotifyOutcome};
use crate::number::Block;
use crate::options::OptionsRef;
use crate::wire::{Header, Kind};

/// What is in every message, and the payload marker.
const FRAME_BYTES: usize = 5;
/// What a transfer may add to the options: Block1, Block2, Size1, Size2 and ETag.
const TRANSFER_BYTES: usize = 31;

impl<P: Copy + Eq + Hash + Debug> Endpoint<P> {
    /// `peer` takes no datagram of more than `bytes`, as where its DTLS session has a max_fragment_length: bodies go to it in blocks that fit, of 16 bytes at least. It holds until
    /// [`Endpoint::forget`].
    pub fn limit_datagrams(&mut self, peer: P, bytes: usize) {
        self.limited.insert(peer, bytes);
    }

    /// A datagram was too long to be sent: it is not repeated, and its exchange ends with [`Failure::TooLong`] or [`NotifyOutcome::Dropped`].
    pub fn unsendable(&mut self, now: Duration, peer: P, datagram: &[u8]) {
        let own = Header::peek(datagram).filter(|header| matches!(header.kind, Kind::Confirmable | Kind::NonConfirmable));
        if let Some(id) = own.and_then(|header| self.exchange_by_message(peer, header.message_id)) {
            self.fail(now, id, Failure::TooLong, NotifyOutcome::Dropped);
        }
    }

    /// The largest block for a message with these options.
    pub(super) fn szx(&self, peer: P, token: &[u8], options: OptionsRef<'_>) -> u8 {
        let fixed = FRAME_BYTES + TRANSFER_BYTES + token.len() + options.as_wire().len();
        let room = self.limited.get(&peer).map_or(usize::MAX, |bytes| bytes.saturating_sub(fixed));
        Block::szx_for(self.config.block_bytes.min(room))
    }
}
