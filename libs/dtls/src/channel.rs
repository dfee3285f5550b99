//! Both directions of one set of keys: sealing and opening of records of epoch 1, sequence numbers, the replay window. Absent: epoch 0, and any other epoch;
//! there is no renegotiation.

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::prf::{self, Master};
use crate::window::Window;
use crate::wire::{DTLS_1_2, PLAINTEXT_BYTES_MAX, Record, SEQ_END, TLS12_CID, begin_record, end_record};
use crate::{Random, Suite};
use crate::{aead, cbc};

const EXPLICIT_NONCE_BYTES: usize = 8;
const KEY_BYTES_MAX: usize = 96;
/// Longest Connection ID that is written.
pub(crate) const PEER_CID_BYTES_MAX: usize = 32;

/// Which end of the handshake this is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// The key block, own half first. Has no `Debug` on purpose.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Keys(pub(crate) [u8; KEY_BYTES_MAX]);

/// The keys of one direction, in the order of the key block.
struct Half {
    mac: [u8; 32],
    key: [u8; 16],
    salt: [u8; 4],
}

impl Drop for Half {
    fn drop(&mut self) {
        self.mac.zeroize();
        self.key.zeroize();
        self.salt.zeroize();
    }
}

/// Why nothing was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SealError {
    /// The next sequence number is not reserved.
    NotReserved,
    /// There is no next sequence number.
    Exhausted,
}

/// Why nothing was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenError {
    /// Seen already, or too old to tell.
    Replayed,
    /// Not made with our keys.
    Forged,
}

/// An authenticated record.
pub(crate) struct Opened {
    /// The real content type.
    pub(crate) kind: u8,
    pub(crate) plaintext: Vec<u8>,
    /// Whether its sequence number is above all before.
    pub(crate) newer: bool,
}

/// Epoch 1 of one connection.
pub(crate) struct Channel {
    pub(crate) suite: Suite,
    /// Encrypt-then-MAC; never with AEAD suites.
    pub(crate) etm: bool,
    pub(crate) keys: Keys,
    /// The Connection ID we write; empty: plain records.
    pub(crate) peer_cid: Box<[u8]>,
    /// The peer writes tls12_cid records with our Connection ID.
    pub(crate) reads_cid: bool,
    pub(crate) write_seq: u64,
    /// First sequence number that may not be written.
    pub(crate) ceiling: u64,
    pub(crate) window: Window,
}

impl Channel {
    /// The keys that both sides derive at the end of a handshake (RFC 5246 section 6.3).
    pub(crate) fn derive(
        (suite, side, etm): (Suite, Side, bool),
        master: &Master,
        [client_random, server_random]: [&[u8; 32]; 2],
        peer_cid: Box<[u8]>,
        reads_cid: bool,
    ) -> Self {
        let mut block = [0; KEY_BYTES_MAX];
        let (used, _) = block.split_at_mut(suite.key_bytes());
        prf::prf(&master.0, b"key expansion", [server_random, client_random], used);
        let mut keys = Keys(block);
        if side == Side::Server {
            let fields: &[usize] = if suite.is_cbc() { &[32, 16] } else { &[16, 4] };
            let mut rest = &mut keys.0[..];
            for size in fields {
                let (pair, after) = rest.split_at_mut(size * 2);
                pair.rotate_left(*size);
                rest = after;
            }
        }
        block.zeroize();
        let (window, etm) = (Window::default(), etm && suite.is_cbc());
        Self { suite, etm, keys, peer_cid, reads_cid, write_seq: 0, ceiling: SEQ_END, window }
    }

    /// Field `index` (MAC key, AES key, salt) of the own (`peer` 0) or the peer's (1) direction.
    fn half(&self, peer: usize) -> Half {
        let mut half = Half { mac: [0; 32], key: [0; 16], salt: [0; 4] };
        let block = &self.keys.0;
        let copy = |to: &mut [u8], at: usize| {
            for (to, from) in to.iter_mut().zip(block.iter().skip(at)) {
                *to = *from;
            }
        };
        if self.suite.is_cbc() {
            copy(&mut half.mac, 32 * peer);
            copy(&mut half.key, 64 + 16 * peer);
        } else {
            copy(&mut half.key, 16 * peer);
            copy(&mut half.salt, 32 + 4 * peer);
        }
        half
    }

    /// Appends one protected record to `out`.
    pub(crate) fn seal(&mut self, out: &mut Vec<u8>, kind: u8, plaintext: &[u8], random: &mut Random) -> Result<(), SealError> {
        let seq = self.write_seq;
        if seq >= SEQ_END {
            return Err(SealError::Exhausted);
        }
        if seq >= self.ceiling {
            return Err(SealError::NotReserved);
        }
        self.write_seq += 1;
        let outer = if self.peer_cid.is_empty() { kind } else { TLS12_CID };
        out.reserve(plaintext.len() + 160);
        begin_record(out, outer, DTLS_1_2, 1, seq, &self.peer_cid);
        let body = out.len();
        let half = self.half(0);
        let numbers = 1 << 48 | seq;
        if self.suite.is_cbc() {
            let mut iv = [0; cbc::BLOCK_BYTES];
            random(&mut iv);
            out.extend(iv);
        } else {
            out.extend(numbers.to_be_bytes());
        }
        let content = out.len();
        out.extend(plaintext);
        if outer == TLS12_CID {
            out.push(kind);
        }
        let prefix = Prefix::new(outer, numbers, &self.peer_cid);
        if self.suite.is_cbc() {
            seal_cbc(&half, &prefix, self.etm, out, body);
        } else {
            seal_aead(self.suite, &half, &prefix, numbers, out, content);
        }
        end_record(out, body);
        Ok(())
    }

    /// Opens a record of epoch 1 and marks it as received.
    pub(crate) fn open(&mut self, record: &Record<'_>) -> Result<Opened, OpenError> {
        if record.version != DTLS_1_2 || record.epoch != 1 || (record.kind == TLS12_CID) != self.reads_cid {
            return Err(OpenError::Forged);
        }
        if !self.window.is_fresh(record.seq) {
            return Err(OpenError::Replayed);
        }
        let half = self.half(1);
        let prefix = Prefix::new(record.kind, 1 << 48 | record.seq, record.cid);
        let opened = if self.suite.is_cbc() {
            open_cbc(&half, &prefix, self.etm, record.body)
        } else {
            open_aead(self.suite, &half, &prefix, record.body)
        };
        let mut plaintext = opened.ok_or(OpenError::Forged)?;
        let mut kind = record.kind;
        if kind == TLS12_CID {
            // RFC 9146 section 4: the real type is the last byte that is not zero.
            while plaintext.last() == Some(&0) {
                plaintext.pop();
            }
            kind = plaintext.pop().ok_or(OpenError::Forged)?;
        }
        if plaintext.len() > PLAINTEXT_BYTES_MAX {
            return Err(OpenError::Forged);
        }
        let newer = self.window.accept(record.seq);
        Ok(Opened { kind, plaintext, newer })
    }

    /// Whether a record has the size of one that carries nothing but a Finished.
    pub(crate) fn is_finished_sized(&self, record: &Record<'_>) -> bool {
        const MESSAGE_BYTES: usize = 24;
        let inner = MESSAGE_BYTES + usize::from(self.reads_cid);
        match self.suite {
            Suite::PskAes128Ccm8 => record.body.len() == EXPLICIT_NONCE_BYTES + inner + 8,
            Suite::PskAes128Ccm | Suite::PskAes128GcmSha256 => record.body.len() == EXPLICIT_NONCE_BYTES + inner + 16,
            Suite::PskAes128CbcSha256 => record.body.len() >= 16 + inner + 32,
        }
    }
}

/// What is authenticated before the content: RFC 5246 section 6.2.3.1, or RFC 9146 section 5 with a Connection ID.
struct Prefix {
    bytes: [u8; cbc::PREFIX_BYTES_MAX],
    count: usize,
}

impl Prefix {
    fn new(kind: u8, numbers: u64, cid: &[u8]) -> Self {
        let mut prefix = Self { bytes: [0; cbc::PREFIX_BYTES_MAX], count: 0 };
        if kind == TLS12_CID {
            prefix.push(&[0xff; 8]);
            prefix.push(&[TLS12_CID, cid.len() as u8, TLS12_CID]);
            prefix.push(&DTLS_1_2);
            prefix.push(&numbers.to_be_bytes());
            prefix.push(cid);
        } else {
            prefix.push(&numbers.to_be_bytes());
            prefix.push(&[kind]);
            prefix.push(&DTLS_1_2);
        }
        prefix
    }

    fn push(&mut self, bytes: &[u8]) {
        for (to, from) in self.bytes.iter_mut().skip(self.count).zip(bytes) {
            *to = *from;
        }
        self.count += bytes.len();
    }

    /// Without the length.
    fn bare(&self) -> &[u8] {
        self.bytes.get(..self.count).unwrap_or(&self.bytes)
    }

    /// With the length, and how many bytes that is.
    fn with_length(&self, length: usize) -> ([u8; cbc::PREFIX_BYTES_MAX], usize) {
        let mut whole = Self { ..*self };
        whole.push(&(length as u16).to_be_bytes());
        (whole.bytes, whole.count.min(whole.bytes.len()))
    }
}

fn seal_cbc(half: &Half, prefix: &Prefix, etm: bool, out: &mut Vec<u8>, body: usize) {
    let content = body + cbc::BLOCK_BYTES;
    if !etm {
        let (header, count) = prefix.with_length(out.len() - content);
        let mac = prf::hmac(&half.mac, &[&header[..count], out.get(content..).unwrap_or_default()]);
        out.extend(mac);
    }
    cbc::pad(out, content);
    if let Some((iv, blocks)) = out.get_mut(body..).and_then(<[u8]>::split_first_chunk_mut) {
        cbc::encrypt(&half.key, iv, blocks);
    }
    if etm {
        let (header, count) = prefix.with_length(out.len() - body);
        let mac = prf::hmac(&half.mac, &[&header[..count], out.get(body..).unwrap_or_default()]);
        out.extend(mac);
    }
}

fn open_cbc(half: &Half, prefix: &Prefix, etm: bool, body: &[u8]) -> Option<Vec<u8>> {
    let mut body = body;
    if etm {
        let (covered, mac) = body.split_last_chunk::<{ cbc::MAC_BYTES }>()?;
        let (header, count) = prefix.with_length(covered.len());
        let want = prf::hmac(&half.mac, &[&header[..count], covered]);
        if !bool::from(want.ct_eq(mac)) {
            return None;
        }
        body = covered;
    }
    let (iv, blocks) = body.split_first_chunk::<{ cbc::BLOCK_BYTES }>()?;
    if blocks.is_empty() || blocks.len() % cbc::BLOCK_BYTES != 0 {
        return None;
    }
    let mut plain = blocks.to_vec();
    cbc::decrypt(&half.key, iv, &mut plain);
    let content = if etm { cbc::unpad(&plain) } else { cbc::open_mac_then_encrypt(&half.mac, prefix.bare(), &plain) };
    plain.truncate(content?);
    Some(plain)
}

/// The nonce of RFC 5288 section 3 and RFC 6655 section 3: salt, then explicit part.
fn nonce(half: &Half, explicit: [u8; EXPLICIT_NONCE_BYTES]) -> [u8; 12] {
    let [s0, s1, s2, s3] = half.salt;
    let [e0, e1, e2, e3, e4, e5, e6, e7] = explicit;
    [s0, s1, s2, s3, e0, e1, e2, e3, e4, e5, e6, e7]
}

fn seal_aead(suite: Suite, half: &Half, prefix: &Prefix, numbers: u64, out: &mut Vec<u8>, content: usize) {
    let (header, count) = prefix.with_length(out.len() - content);
    let (aad, nonce) = (&header[..count], nonce(half, numbers.to_be_bytes()));
    let Some(text) = out.get_mut(content..) else { return };
    match aead::seal(suite, &half.key, &nonce, aad, text) {
        Some(tag) => out.extend(tag),
        // An untagged record is refused by the peer.
        None => out.truncate(content),
    }
}

fn open_aead(suite: Suite, half: &Half, prefix: &Prefix, body: &[u8]) -> Option<Vec<u8>> {
    let (explicit, sealed) = body.split_first_chunk::<EXPLICIT_NONCE_BYTES>()?;
    let length = sealed.len().checked_sub(aead::tag_bytes(suite))?;
    let (text, tag) = sealed.split_at(length);
    let (header, count) = prefix.with_length(length);
    let mut plain = text.to_vec();
    aead::open(suite, &half.key, &nonce(half, *explicit), &header[..count], &mut plain, tag)?;
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9146 section 5: the MAC input of a record with a Connection ID, and RFC 5246 section 6.2.3.1 without.
    #[test]
    fn what_is_authenticated_has_the_form_of_the_standards() {
        let (plain, count) = Prefix::new(23, 1 << 48 | 5, &[]).with_length(0x0102);
        assert_eq!(hex::encode(&plain[..count]), "0001000000000005".to_owned() + "17" + "fefd" + "0102");
        let (named, count) = Prefix::new(TLS12_CID, 1 << 48 | 5, b"\xaa\xbb").with_length(0x0102);
        let want = "ffffffffffffffff".to_owned() + "19" + "02" + "19" + "fefd" + "0001000000000005" + "aabb" + "0102";
        assert_eq!(hex::encode(&named[..count]), want);
        let longest = Prefix::new(TLS12_CID, 1 << 48, &[1; PEER_CID_BYTES_MAX]).with_length(1).1;
        assert_eq!(longest, cbc::PREFIX_BYTES_MAX);
    }
}
