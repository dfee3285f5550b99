//! Handshake messages from their fragments, in any order and with repetitions (RFC 6347 section 4.2.3). Absent: the order of messages; the handshake asks
//! for the next one by its number.

use std::collections::BTreeMap;

use crate::wire::Fragment;

/// How far ahead of the next expected message one is kept.
const AHEAD_MAX: u16 = 8;
/// What one held piece costs besides its bytes.
const PIECE_OVERHEAD_BYTES: usize = 64;

/// The fragments of one handshake that wait.
#[derive(Default)]
pub(crate) struct Reassembly {
    /// By epoch, so that an unprotected message cannot stand in the way of a protected one, and by number.
    parts: BTreeMap<(u16, u16), Partial>,
    held_bytes: usize,
}

struct Partial {
    kind: u8,
    total: u32,
    /// Offset and bytes; sorted, disjoint, not empty.
    pieces: Vec<(u32, Vec<u8>)>,
}

impl Partial {
    fn is_whole(&self) -> bool {
        self.pieces.iter().map(|(_, bytes)| bytes.len() as u32).sum::<u32>() == self.total
    }

    /// The parts of `fragment` that are not there yet.
    fn missing<'a>(&self, fragment: &Fragment<'a>) -> Vec<(u32, &'a [u8])> {
        let mut gaps = Vec::new();
        let (mut at, mut rest) = (fragment.offset, fragment.bytes);
        for (start, piece) in &self.pieces {
            let before = rest.len().min(start.saturating_sub(at) as usize);
            let (gap, after) = rest.split_at(before);
            if !gap.is_empty() {
                gaps.push((at, gap));
            }
            at += before as u32;
            let covered = (start + piece.len() as u32).saturating_sub(at) as usize;
            let covered = after.len().min(if *start <= at { covered } else { 0 });
            rest = after.split_at(covered).1;
            at += covered as u32;
        }
        if !rest.is_empty() {
            gaps.push((at, rest));
        }
        gaps
    }
}

impl Reassembly {
    /// Keeps what is new of a fragment; a whole message takes the place of its parts. `next` is the number of the next message wanted; older and far later ones are skipped.
    ///
    /// # Errors
    /// When fragments of one message disagree about it, or `limit_bytes` would be exceeded.
    pub(crate) fn insert(&mut self, epoch: u16, fragment: &Fragment<'_>, next: u16, limit_bytes: usize) -> Result<(), ()> {
        match fragment.seq.checked_sub(next) {
            Some(ahead) if ahead < AHEAD_MAX => {}
            _ => return Ok(()),
        }
        if fragment.is_whole() {
            self.drop_part(epoch, fragment.seq);
        }
        let known = self.parts.get(&(epoch, fragment.seq));
        if known.is_some_and(|part| part.kind != fragment.kind || part.total != fragment.total) {
            return Err(());
        }
        if fragment.total as usize > limit_bytes {
            return Err(());
        }
        let fresh = Partial { kind: fragment.kind, total: fragment.total, pieces: Vec::new() };
        let missing = known.unwrap_or(&fresh).missing(fragment);
        let cost: usize = missing.iter().map(|(_, bytes)| bytes.len() + PIECE_OVERHEAD_BYTES).sum();
        if self.held_bytes + cost > limit_bytes {
            return Err(());
        }
        self.held_bytes += cost;
        let part = self.parts.entry((epoch, fragment.seq)).or_insert(fresh);
        part.pieces.extend(missing.into_iter().map(|(at, bytes)| (at, bytes.to_vec())));
        part.pieces.sort_unstable_by_key(|(at, _)| *at);
        Ok(())
    }

    /// The kind of message `seq` where it is whole.
    pub(crate) fn peek(&self, epoch: u16, seq: u16) -> Option<u8> {
        self.parts.get(&(epoch, seq)).filter(|part| part.is_whole()).map(|part| part.kind)
    }

    /// Takes message `seq` where it is whole: its kind and body.
    pub(crate) fn take(&mut self, epoch: u16, seq: u16) -> Option<(u8, Vec<u8>)> {
        self.peek(epoch, seq)?;
        let part = self.drop_part(epoch, seq)?;
        Some((part.kind, part.pieces.into_iter().flat_map(|(_, bytes)| bytes).collect()))
    }

    /// Forgets all fragments of an epoch.
    pub(crate) fn clear(&mut self, epoch: u16) {
        let seqs: Vec<u16> = self.parts.keys().filter(|(of, _)| *of == epoch).map(|(_, seq)| *seq).collect();
        seqs.into_iter().for_each(|seq| drop(self.drop_part(epoch, seq)));
    }

    fn drop_part(&mut self, epoch: u16, seq: u16) -> Option<Partial> {
        let part = self.parts.remove(&(epoch, seq))?;
        let cost: usize = part.pieces.iter().map(|(_, bytes)| bytes.len() + PIECE_OVERHEAD_BYTES).sum();
        self.held_bytes = self.held_bytes.saturating_sub(cost);
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(seq: u16, body: &[u8], from: usize, to: usize) -> Fragment<'_> {
        Fragment { kind: 16, total: body.len() as u32, seq, offset: from as u32, bytes: &body[from..to] }
    }

    #[test]
    fn any_cuts_in_any_order_make_the_message() {
        let body: Vec<u8> = (0..200).collect();
        let mut dice = 0x1234_5678_9abc_def1_u64;
        let mut roll = move |below: usize| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice as usize % below
        };
        for _ in 0..500 {
            let mut reassembly = Reassembly::default();
            let mut tries = 0;
            while reassembly.peek(0, 3).is_none() {
                let from = roll(body.len());
                let to = from + 1 + roll((body.len() - from).min(60));
                reassembly.insert(0, &fragment(3, &body, from, to), 3, 65_536).unwrap();
                tries += 1;
                assert!(tries < 20_000);
            }
            assert_eq!(reassembly.take(0, 3), Some((16, body.clone())));
            assert_eq!((reassembly.take(0, 3), reassembly.held_bytes), (None, 0));
        }
    }

    #[test]
    fn empty_messages_are_whole_at_once() {
        let mut reassembly = Reassembly::default();
        assert_eq!(reassembly.peek(0, 0), None);
        reassembly.insert(0, &fragment(0, &[], 0, 0), 0, 100).unwrap();
        assert_eq!((reassembly.peek(1, 0), reassembly.take(0, 0)), (None, Some((16, Vec::new()))));
    }

    #[test]
    fn what_is_held_is_bounded() {
        let body = vec![0; 900];
        let mut reassembly = Reassembly::default();
        assert_eq!(reassembly.insert(0, &fragment(0, &body, 0, 900), 0, 899), Err(()));
        for seq in [0, 7, 65_535] {
            assert_eq!(reassembly.insert(0, &fragment(seq, &body, 0, 900), 8, 4_096), Ok(()), "old or far ahead");
        }
        assert!(reassembly.parts.is_empty());
        let taken = (0..900).take_while(|at| reassembly.insert(0, &fragment(0, &body, *at, at + 1), 0, 4_096) == Ok(())).count();
        assert_eq!(taken, 4_096 / 65);
        let other = Fragment { kind: 20, ..fragment(0, &body, 0, 1) };
        assert_eq!(reassembly.insert(0, &other, 0, 4_096), Err(()), "another kind of message");
    }
}
