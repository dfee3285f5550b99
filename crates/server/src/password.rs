//! Passwords of users: the key of those of devices, and the slow hash of those of people, two at once and away from the threads that serve.

use crate::files;
use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use async_trait::async_trait;
use landfall_core::{Hashing, PasswordKey, World};
use landfall_model::{Cause, Error, Result, Secret};
use std::{
    io::ErrorKind,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::Semaphore;

/// Passwords that are hashed at once, each in 19 MiB of memory.
const AT_ONCE: usize = 2;
/// Passwords that may be hashed or wait for that; one more is `Overloaded`.
const WAITING: usize = 64;

/// Reads or makes the server's key for the passwords of devices: `password.key`, 32 bytes in hex, beside the database and not in it.
pub fn key(data: &Path, world: &dyn World) -> std::result::Result<PasswordKey, String> {
    let path = data.join("password.key");
    let mut bytes = [0; 32];
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            hex::decode_to_slice(text.trim(), &mut bytes).map_err(|_| format!("{}: is no key: 64 hex digits", path.display()))?;
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            world.random(&mut bytes);
            files::replace_text(&path, files::PRIVATE, &format!("{}\n", hex::encode(bytes)))?;
        }
        Err(error) => return Err(files::told(&path, &error)),
    }
    Ok(PasswordKey::new(bytes))
}

/// Argon2id as OWASP has it: 19 MiB, two passes, one lane.
pub struct Argon2id {
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Default for Argon2id {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), waiting: AtomicUsize::new(0) }
    }
}

impl Argon2id {
    /// Does slow work in its turn. The turn is over with the work, though its caller be gone.
    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let _place = self.place()?;
        let turn = self.turns.clone().acquire_owned().await.map_err(|_| failed())?;
        let done = tokio::task::spawn_blocking(move || (work(), drop(turn)).0);
        done.await.map_err(|_| failed())
    }

    fn place(&self) -> Result<Place<'_>> {
        let place = Place(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING {
            return Err(Error::new(Cause::Overloaded, "too many passwords wait to be checked; try again"));
        }
        Ok(place)
    }
}

/// Somebody who waits, for as long as this lives.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Hashing for Argon2id {
    async fn hash(&self, password: Secret, salt: [u8; 16]) -> Result<String> {
        self.in_turn(move || hash(&password, &salt)).await?.ok_or_else(failed)
    }

    async fn verify(&self, password: Secret, kept: Option<String>) -> Result<bool> {
        self.in_turn(move || match kept {
            Some(kept) => PasswordHash::new(&kept)
                .is_ok_and(|kept| Argon2::default().verify_password(password.expose().as_bytes(), &kept).is_ok()),
            None => hash(&password, &[0; 16]).is_none(),
        })
        .await
    }
}

fn hash(password: &Secret, salt: &[u8; 16]) -> Option<String> {
    let hash: PasswordHash = Argon2::default().hash_password_with_salt(password.expose().as_bytes(), salt).ok()?;
    Some(hash.to_string())
}

fn failed() -> Error {
    Error::new(Cause::Internal, "a password could not be hashed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::RealWorld;
    use std::os::unix::fs::PermissionsExt;

    #[tokio::test]
    async fn a_password_is_that_of_its_hash_alone() {
        let (hashing, secret) = (Argon2id::default(), |text: &str| Secret::new(text));
        let kept = hashing.hash(secret("correct horse"), [1; 16]).await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert_ne!(kept, hashing.hash(secret("correct horse"), [2; 16]).await.unwrap());
        for (password, kept, right) in [
            ("correct horse", Some(kept.clone()), true),
            ("correct horsE", Some(kept.clone()), false),
            ("", Some(kept), false),
            ("correct horse", Some(String::new()), false),
            ("correct horse", None, false),
        ] {
            assert_eq!(hashing.verify(secret(password), kept.clone()).await, Ok(right), "{password} {kept:?}");
        }
    }

    #[tokio::test]
    async fn few_wait_and_the_next_is_told_at_once() {
        let hashing = Argon2id::default();
        let places: Vec<_> = (0..WAITING).map(|_| hashing.place().unwrap()).collect();
        let refused = hashing.verify(Secret::new("x"), None).await.unwrap_err();
        assert_eq!(refused.cause, Cause::Overloaded);
        drop(places);
        assert_eq!(hashing.verify(Secret::new("x"), None).await, Ok(false));
    }

    #[test]
    fn the_key_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (made, path) = (key(folder.path(), &RealWorld::default()).unwrap(), folder.path().join("password.key"));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(made == key(folder.path(), &RealWorld::default()).unwrap(), "it is read again");
        std::fs::write(&path, "short").unwrap();
        assert!(key(folder.path(), &RealWorld::default()).unwrap_err().contains("password.key: is no key"));
    }
}
