//! AES-CBC with HMAC-SHA256: the block operations, and the check of MAC-then-encrypt records in constant time (Lucky 13).
//! Absent: record headers; the caller gives what goes before the data into the MAC.
//!
//! Constant time: the work and the memory addresses depend on the length of the record alone, never on its padding, content or MAC.

use core::hint::black_box;

use aes::cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use sha2::block_api::compress256;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

pub(crate) const BLOCK_BYTES: usize = 16;
pub(crate) const MAC_BYTES: usize = 32;
/// Longest MAC input before the data: tls12_cid with a Connection ID of 32 bytes.
pub(crate) const PREFIX_BYTES_MAX: usize = 55;

const IPAD: u8 = 0x36;
const OPAD: u8 = 0x5c;
const SHA256_START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// Encrypts whole blocks in place.
pub(crate) fn encrypt(key: &[u8; 16], iv: &[u8; 16], blocks: &mut [u8]) {
    let (blocks, _) = Array::slice_as_chunks_mut(blocks);
    cbc::Encryptor::<aes::Aes128>::new(key.into(), iv.into()).encrypt_blocks(blocks);
}

/// Decrypts whole blocks in place.
pub(crate) fn decrypt(key: &[u8; 16], iv: &[u8; 16], blocks: &mut [u8]) {
    let (blocks, _) = Array::slice_as_chunks_mut(blocks);
    cbc::Decryptor::<aes::Aes128>::new(key.into(), iv.into()).decrypt_blocks(blocks);
}

/// Appends the padding of RFC 5246 section 6.2.3.2 that makes `out` from `start` on whole blocks.
pub(crate) fn pad(out: &mut Vec<u8>, start: usize) {
    let padding = BLOCK_BYTES - 1 - (out.len() - start) % BLOCK_BYTES;
    out.resize(out.len() + padding + 1, padding as u8);
}

/// The content length of a decrypted record whose MAC is already verified (encrypt-then-MAC); `None` when the padding is wrong.
pub(crate) fn unpad(plain: &[u8]) -> Option<usize> {
    let (last, _) = plain.split_last()?;
    let content = plain.len().checked_sub(usize::from(*last) + 1)?;
    plain.get(content..)?.iter().all(|byte| byte == last).then_some(content)
}

/// Checks padding and MAC of a decrypted MAC-then-encrypt record at once. `prefix` is what the MAC covers before the content, without its last two
/// bytes, the content's length, which is the secret here. Returns the content's length.
pub(crate) fn open_mac_then_encrypt(mac_key: &[u8; 32], prefix: &[u8], plain: &[u8]) -> Option<usize> {
    let count = plain.len();
    if count < MAC_BYTES + 1 || prefix.len() > PREFIX_BYTES_MAX - 2 {
        return None;
    }
    let padding = u32::from(*plain.last()?);
    // From here on nothing branches on, and nothing is indexed by, a value that depends on the plaintext.
    let mut good = !below(count as u32, padding + 1 + MAC_BYTES as u32);
    for (back, byte) in plain.iter().rev().take(256).enumerate() {
        let inside = !below(padding, back as u32);
        good &= !inside | equal(u32::from(*byte), padding);
    }
    let content = (count - MAC_BYTES - 1) as u32 - (padding & good);
    let mut header = [0; PREFIX_BYTES_MAX];
    header.get_mut(..prefix.len())?.copy_from_slice(prefix);
    header.get_mut(prefix.len()..prefix.len() + 2)?.copy_from_slice(&(content as u16).to_be_bytes());
    let want = hmac_of_secret_length(mac_key, header.get(..prefix.len() + 2)?, plain, content);
    let have = mac_at(plain, content);
    let good = subtle::Choice::from((black_box(good) & 1) as u8) & want.ct_eq(&have);
    bool::from(good).then_some(content as usize)
}

/// All ones where `a < b`; both below 2^31.
fn below(a: u32, b: u32) -> u32 {
    black_box(((a.wrapping_sub(b) as i32) >> 31) as u32)
}

/// All ones where `a == b`; both below 2^31.
fn equal(a: u32, b: u32) -> u32 {
    !below(a, b) & !below(b, a)
}

/// The smallest content that padding can leave of a record of `count` bytes.
fn least_content(count: usize) -> usize {
    (count - MAC_BYTES - 1).saturating_sub(255)
}

/// HMAC-SHA256 over `header` and the first `content` bytes of `plain`, with the same number of compressions for each `content` that is possible.
fn hmac_of_secret_length(key: &[u8; 32], header: &[u8], plain: &[u8], content: u32) -> [u8; 32] {
    let most = plain.len() - MAC_BYTES - 1;
    let end = header.len() as u32 + content;
    let last = (end + 8) / 64;
    let bits = ((64 + end) * 8).to_be_bytes();
    let mut state = SHA256_START;
    let mut inner = [0; 8];
    let mut block = padded_key(key, IPAD);
    compress256(&mut state, &[block]);
    let stream = |at: usize| match at.checked_sub(header.len()) {
        None => header.get(at).copied().unwrap_or(0),
        Some(at) => plain.get(at).copied().unwrap_or(0),
    };
    // Blocks that hold content whatever the padding is.
    let public = (header.len() + least_content(plain.len())) / 64;
    for number in 0..public {
        for (at, byte) in block.iter_mut().enumerate() {
            *byte = stream(number * 64 + at);
        }
        compress256(&mut state, &[block]);
    }
    for number in public..=(header.len() + most + 8) / 64 {
        let is_last = equal(number as u32, last);
        for (at, byte) in block.iter_mut().enumerate() {
            let place = (number * 64 + at) as u32;
            let data = u32::from(stream(place as usize)) & below(place, end);
            let mut value = data | 0x80 & equal(place, end);
            if let Some(bits) = at.checked_sub(60).and_then(|at| bits.get(at)) {
                value |= u32::from(*bits) & is_last;
            }
            *byte = value as u8;
        }
        compress256(&mut state, &[block]);
        for (to, from) in inner.iter_mut().zip(state) {
            *to |= from & is_last;
        }
    }
    block.zeroize();
    let mut outer = Sha256::new_with_prefix(padded_key(key, OPAD));
    for word in inner {
        outer.update(word.to_be_bytes());
    }
    outer.finalize().into()
}

fn padded_key(key: &[u8; 32], pad: u8) -> [u8; 64] {
    let mut block = [pad; 64];
    for (to, from) in block.iter_mut().zip(key) {
        *to ^= from;
    }
    block
}

/// The 32 bytes of `plain` from `content` on: gathered at public places, then turned to their order bit by bit of the secret.
fn mac_at(plain: &[u8], content: u32) -> [u8; MAC_BYTES] {
    let start = least_content(plain.len());
    let mut mac = [0; MAC_BYTES];
    for (at, byte) in plain.iter().enumerate().skip(start) {
        let place = at as u32;
        let inside = !below(place, content) & below(place, content + MAC_BYTES as u32);
        if let Some(to) = mac.get_mut((at - start) % MAC_BYTES) {
            *to |= byte & inside as u8;
        }
    }
    let turn = content - start as u32;
    for bit in 0..5 {
        let mask = below(0, turn >> bit & 1) as u8;
        let mut turned = mac;
        turned.rotate_left(1 << bit);
        for (to, from) in mac.iter_mut().zip(turned) {
            *to = from & mask | *to & !mask;
        }
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prf::hmac;

    const KEY: [u8; 32] = *b"0123456789abcdef0123456789abcdef";

    fn sealed(prefix: &[u8], content: &[u8], padding: u8) -> Vec<u8> {
        let length = (content.len() as u16).to_be_bytes();
        let mac = hmac(&KEY, &[prefix, &length, content]);
        [content, &mac, &vec![padding; usize::from(padding) + 1]].concat()
    }

    #[test]
    fn every_length_and_padding_opens() {
        for prefix in [&[1; 11][..], &[2; 21], &[3; 53]] {
            for length in (0..200).chain([1_000, 1_279, 16_384]) {
                let content: Vec<u8> = (0..length).map(|at| (at * 7) as u8).collect();
                for padding in [0, 1, 15, 16, 63, 64, 200, 255] {
                    let plain = sealed(prefix, &content, padding);
                    assert_eq!(open_mac_then_encrypt(&KEY, prefix, &plain), Some(length), "{length} {padding}");
                }
            }
        }
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let content = [9; 40];
        for padding in [0, 7, 15, 255] {
            let plain = sealed(&[1; 11], &content, padding);
            for at in 0..plain.len() {
                let mut changed = plain.clone();
                changed[at] ^= 1 << (at % 8);
                assert_eq!(open_mac_then_encrypt(&KEY, &[1; 11], &changed), None, "{at} of {padding}");
            }
            assert_eq!(open_mac_then_encrypt(&KEY, &[0; 11], &plain), None);
            assert_eq!(open_mac_then_encrypt(&[0; 32], &[1; 11], &plain), None);
        }
    }

    #[test]
    fn short_records_and_long_paddings_are_refused() {
        for count in 0..80 {
            for last in [0, 1, 46, 47, 48, 255] {
                assert_eq!(open_mac_then_encrypt(&KEY, &[1; 11], &vec![last; count]), None);
            }
        }
    }

    #[test]
    fn paddings_come_off() {
        let mut out = vec![1, 2, 3];
        pad(&mut out, 1);
        assert_eq!(out.len(), 17);
        assert_eq!(unpad(&out[1..]), Some(2));
        assert_eq!(unpad(&[]), None);
        assert_eq!(unpad(&[5, 5]), None);
        assert_eq!(unpad(&[1, 2, 2, 2]), Some(1));
        assert_eq!(unpad(&[1, 2, 3, 2]), None);
    }
}
