//! Passwords: how they are kept and checked.
//!
//! A person's is hashed with Argon2id, which takes long by intent. A device's comes with every call of a million devices: it is generated, or as
//! good as its owner makes it, and kept as HMAC-SHA-256 of a salt and the password under a key that is not in the database.

use crate::{World, account::authority::same};
use async_trait::async_trait;
use hmac::{Hmac, KeyInit, Mac};
use landfall_model::{Cause, Digest, Error, PasswordHash, Result, Secret};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// Bytes of a password at most; more would be work for nothing.
pub(crate) const PASSWORD_BYTES: usize = 1_024;

/// Argon2id in the PHC form, away from the threads that serve connections.
#[async_trait]
pub trait Hashing: Send + Sync {
    /// The hash of a password with this salt. `Overloaded` where too many wait.
    async fn hash(&self, password: Secret, salt: [u8; 16]) -> Result<String>;
    /// Whether the password is that of the hash. Without a hash it takes the same time, and is not. `Overloaded` where too many wait.
    async fn verify(&self, password: Secret, hash: Option<String>) -> Result<bool>;
}

/// The server's key for the passwords of devices.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordKey([u8; 32]);

impl PasswordKey {
    /// Takes random bytes for a key.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Which key it is.
    fn number(&self) -> u32 {
        let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(self.0).into();
        u32::from_be_bytes([a, b, c, d])
    }

    fn code(&self, salt: &[u8; 16], password: &str) -> Digest {
        keyed(&self.0, &[salt, password.as_bytes()])
    }

    /// What is kept of a device's password.
    pub(crate) fn hash(&self, salt: [u8; 16], password: &str) -> PasswordHash {
        PasswordHash::Keyed { key: self.number(), salt, code: self.code(&salt, password) }
    }
}

impl std::fmt::Debug for PasswordKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordKey(***)")
    }
}

/// What is kept where there is no password yet; none is right.
pub(crate) fn unset() -> PasswordHash {
    PasswordHash::Argon2(String::new())
}

/// HMAC-SHA-256 of parts, the last of which alone may vary in length.
pub(crate) fn keyed(key: &[u8; 32], parts: &[&[u8]]) -> Digest {
    // A key that is shorter than a block is filled up with zeros (RFC 2104).
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    parts.iter().for_each(|part| mac.update(part));
    Digest(mac.finalize().into_bytes().into())
}

/// What passwords are checked with.
pub(crate) struct Passwords {
    pub(crate) key: PasswordKey,
    hashing: Arc<dyn Hashing>,
}

/// What a check came to; neither may be told to whoever was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    Right,
    Wrong,
    /// It was hashed under another key than the server has.
    OtherKey,
}

impl Passwords {
    pub(crate) fn new(key: PasswordKey, hashing: Arc<dyn Hashing>) -> Self {
        Self { key, hashing }
    }

    /// What is kept of a person's password.
    pub(crate) async fn hash(&self, world: &dyn World, password: &Secret) -> Result<PasswordHash> {
        let mut salt = [0; 16];
        world.random(&mut salt);
        self.hashing.hash(password.clone(), salt).await.map(PasswordHash::Argon2)
    }

    /// Checks a password. What is not there is checked as long as what is: `as_device` says which way.
    pub(crate) async fn check(&self, kept: Option<&PasswordHash>, as_device: bool, password: &Secret) -> Result<Checked> {
        match kept {
            Some(PasswordHash::Keyed { .. }) | None if as_device => Ok(self.check_device(kept, password)),
            Some(PasswordHash::Argon2(hash)) => self.verify(password, Some(hash.clone())).await,
            Some(PasswordHash::Keyed { .. }) => Ok(self.check_device(kept, password)),
            None => self.verify(password, None).await,
        }
    }

    async fn verify(&self, password: &Secret, hash: Option<String>) -> Result<Checked> {
        let right = self.hashing.verify(password.clone(), hash).await?;
        Ok(if right { Checked::Right } else { Checked::Wrong })
    }

    fn check_device(&self, kept: Option<&PasswordHash>, password: &Secret) -> Checked {
        let Some(PasswordHash::Keyed { key, salt, code }) = kept else {
            let _ = same(&self.key.code(&[0; 16], password.expose()), &Digest([0; 32]));
            return Checked::Wrong;
        };
        match same(&self.key.code(salt, password.expose()), code) {
            _ if *key != self.key.number() => Checked::OtherKey,
            true => Checked::Right,
            false => Checked::Wrong,
        }
    }
}

/// `InvalidField` for what no password may be: shorter than so many characters, or longer than is worth the work.
pub(crate) fn check_form(password: &str, least: usize) -> Result<()> {
    if password.chars().count() < least || password.len() > PASSWORD_BYTES {
        let detail = format!("must be at least {least} characters and at most {PASSWORD_BYTES} bytes");
        return Err(Error::new(Cause::InvalidField, detail).at("password"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_one_key_and_one_salt() {
        let (mine, other) = (PasswordKey::new([1; 32]), PasswordKey::new([2; 32]));
        let hash = mine.hash([3; 16], "secret");
        assert_eq!(hash, mine.hash([3; 16], "secret"));
        for differs in [mine.hash([4; 16], "secret"), mine.hash([3; 16], "secreT"), other.hash([3; 16], "secret")] {
            assert_ne!(hash, differs);
        }
        assert_eq!(format!("{hash:?} {mine:?}"), "PasswordHash(***) PasswordKey(***)");
    }
}
