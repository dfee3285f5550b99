//! Passwords of people that are kept as they are, so that tests need not wait for a hash.

use async_trait::async_trait;
use landfall_core::Hashing;
use landfall_model::{Result, Secret};

/// The hash of a password is the password.
pub struct PlainHashing;

#[async_trait]
impl Hashing for PlainHashing {
    async fn hash(&self, password: Secret, _: [u8; 16]) -> Result<String> {
        Ok(password.expose().to_owned())
    }

    async fn verify(&self, password: Secret, hash: Option<String>) -> Result<bool> {
        Ok(hash.is_some_and(|hash| hash == password.expose()))
    }
}
