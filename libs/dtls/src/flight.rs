//! A flight of our own: the messages, their cutting to the path's size, and when to send them again (RFC 6347 sections 4.2.3 and 4.2.4).
//! Absent: who sends it; server and client both do.

use std::time::Duration;

use crate::Random;
use crate::channel::Channel;
use crate::wire::{self, CHANGE_CIPHER_SPEC, DTLS_1_2, HANDSHAKE, fragment_header};

/// Least usable [`crate::Config::mtu_bytes`]: room for a protected Finished with the longest Connection ID.
pub(crate) const MTU_BYTES_MIN: usize = 256;
/// Shortest wait, so that a configuration of nothing does not turn a timer into a loop.
const WAIT_MIN: Duration = Duration::from_millis(10);
const RECORD_HEADER_BYTES: usize = 13;
const FRAGMENT_HEADER_BYTES: usize = 12;
/// More than a protected Finished needs in any suite.
const FINISHED_RECORD_BYTES: usize = 160;

/// One element of a flight.
#[derive(Clone)]
pub(crate) enum Item {
    /// An unprotected message: kind, number, body.
    Message(u8, u16, Vec<u8>),
    ChangeCipherSpec,
    /// A protected message that fits one record: kind, number, body.
    Protected(u8, u16, Vec<u8>),
}

/// The datagrams of a flight, each at most `mtu_bytes`. Record numbers are new each time; a protected message is left out when there is no number for it.
pub(crate) fn pack(
    items: &[Item],
    plain_seq: &mut u64,
    mut channel: Option<&mut Channel>,
    mtu_bytes: usize,
    random: &mut Random,
) -> Vec<Vec<u8>> {
    let mtu_bytes = mtu_bytes.max(MTU_BYTES_MIN);
    let mut datagrams = Vec::new();
    let mut datagram = Vec::new();
    for item in items {
        match item {
            Item::Message(kind, seq, body) => {
                let mut rest = body.as_slice();
                loop {
                    let overhead = RECORD_HEADER_BYTES + FRAGMENT_HEADER_BYTES;
                    if datagram.len() + overhead + rest.len().min(32) > mtu_bytes {
                        datagrams.push(std::mem::take(&mut datagram));
                    }
                    let room = mtu_bytes - datagram.len() - overhead;
                    let (part, after) = rest.split_at(rest.len().min(room));
                    let header = fragment_header(*kind, body.len(), *seq, body.len() - rest.len(), part.len());
                    wire::plain_record(&mut datagram, HANDSHAKE, DTLS_1_2, *plain_seq, &[&header, part].concat());
                    *plain_seq += 1;
                    rest = after;
                    if rest.is_empty() {
                        break;
                    }
                }
            }
            Item::ChangeCipherSpec => {
                if datagram.len() + RECORD_HEADER_BYTES + 1 + FINISHED_RECORD_BYTES > mtu_bytes {
                    datagrams.push(std::mem::take(&mut datagram));
                }
                wire::plain_record(&mut datagram, CHANGE_CIPHER_SPEC, DTLS_1_2, *plain_seq, &[1]);
                *plain_seq += 1;
            }
            Item::Protected(kind, seq, body) => {
                let message = [&fragment_header(*kind, body.len(), *seq, 0, body.len())[..], body].concat();
                if let Some(channel) = &mut channel {
                    // Without a number the flight goes without this message, and the peer asks again later.
                    let _ = channel.seal(&mut datagram, HANDSHAKE, &message, random);
                }
            }
        }
    }
    datagrams.push(datagram);
    datagrams.retain(|datagram| !datagram.is_empty());
    datagrams
}

/// When a flight is sent again: after the first wait, then after twice as long each time, up to the longest.
#[derive(Clone, Copy)]
pub(crate) struct Retransmit {
    pub(crate) at: Duration,
    wait: Duration,
}

impl Retransmit {
    pub(crate) fn start(now: Duration, first: Duration) -> Self {
        let wait = first.max(WAIT_MIN);
        Self { at: now.saturating_add(wait), wait }
    }

    /// The flight was sent again because the time came.
    pub(crate) fn back_off(&mut self, now: Duration, longest: Duration) {
        self.wait = self.wait.saturating_mul(2).min(longest.max(WAIT_MIN));
        self.at = now.saturating_add(self.wait);
    }

    /// The flight was sent again because the peer repeated its own.
    pub(crate) fn restart(&mut self, now: Duration) {
        self.at = now.saturating_add(self.wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reassembly::Reassembly;
    use crate::wire::{Fragment, Reader, Record};

    #[test]
    fn long_messages_are_cut_and_come_together_again() {
        let body: Vec<u8> = (0..2_000_u32).map(|at| at as u8).collect();
        let items = [Item::Message(2, 1, vec![1; 70]), Item::Message(16, 2, body.clone()), Item::Message(14, 3, Vec::new())];
        let mut random: Random = Box::new(|bytes| bytes.fill(0));
        let mut seq = 5;
        let datagrams = pack(&items, &mut seq, None, 300, &mut random);
        assert!(datagrams.len() > 6 && datagrams.iter().all(|d| d.len() <= 300));
        let (mut reassembly, mut expected) = (Reassembly::default(), 5);
        for datagram in &datagrams {
            let mut reader = Reader(datagram);
            while let Some(record) = Record::read(&mut reader, 0) {
                assert_eq!(record.seq, expected);
                expected += 1;
                let fragment = Fragment::read(&mut Reader(record.body)).unwrap();
                reassembly.insert(0, &fragment, 1, 65_536).unwrap();
            }
        }
        assert_eq!(seq, expected);
        assert_eq!(reassembly.take(0, 1), Some((2, vec![1; 70])));
        assert_eq!(reassembly.take(0, 2), Some((16, body)));
        assert_eq!(reassembly.take(0, 3), Some((14, Vec::new())));
    }

    #[test]
    fn waits_double_to_the_longest() {
        let second = Duration::from_secs(1);
        let mut timer = Retransmit::start(second, second);
        let mut waits = Vec::new();
        for _ in 0..8 {
            let now = timer.at;
            timer.back_off(now, 60 * second);
            waits.push((timer.at - now).as_secs());
        }
        assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60, 60]);
    }
}
