//! Session tickets (RFC 5077, and those of TLS 1.3): a device that comes back needs no full handshake, whichever listener it comes to and
//! however many there are, also after a restart.
//!
//! Keys are new every six hours and are accepted until they are a day old. They are kept in a file that is of use nowhere else: it is sealed with what
//! only this file on this machine has since it was started, its inode and time of birth and the id of the boot. A copy or a backup cannot be
//! read, not even by a server that is given it.

use crate::files::{PRIVATE, replace};
use landfall_core::World;
use landfall_model::Time;
use parking_lot::RwLock;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rustls::server::ProducesTickets;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    fmt, fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

const ROTATE_S: i64 = 6 * 3_600;
/// How late the next key may be made.
const SLACK_S: i64 = 3_600;
const LIFE_S: i64 = 24 * 3_600;
const NAME_BYTES: usize = 16;
/// Bytes of a ticket that is looked at.
const TICKET_BYTES: usize = 16 * 1024;

/// Makes and opens tickets.
pub struct Tickets {
    world: Arc<dyn World>,
    /// Where the keys are kept, and the id of the boot; absent: in memory alone.
    file: Option<(PathBuf, String)>,
    /// The newest last.
    keys: RwLock<Vec<Key>>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Key {
    name: [u8; NAME_BYTES],
    secret: [u8; 32],
    made: Time,
}

impl Key {
    fn age_s(&self, now: Time) -> i64 {
        now.unix_s() - self.made.unix_s()
    }

    /// A key from the future is none: the clock was wrong when it was made.
    fn opens(&self, now: Time) -> bool {
        (0..LIFE_S).contains(&self.age_s(now))
    }
}

impl Tickets {
    /// With the keys of the last run, where the file is still the one that it wrote and `forget` is false.
    pub fn open(path: &Path, world: Arc<dyn World>, forget: bool) -> Result<Self, String> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        Self::open_on(path, boot, world, forget)
    }

    fn open_on(path: &Path, boot: Option<String>, world: Arc<dyn World>, forget: bool) -> Result<Self, String> {
        let file = boot.map(|boot| (path.to_owned(), boot));
        let kept = file.as_ref().filter(|_| !forget).and_then(|(path, boot)| unsealed(path, boot));
        let tickets = Self { world, file, keys: RwLock::new(kept.unwrap_or_default()) };
        tickets.rotate()?;
        Ok(tickets)
    }

    /// Drops keys that are over and makes a new one when it is time. Called once a minute.
    pub fn rotate(&self) -> Result<(), String> {
        let now = self.world.now();
        let mut keys = self.keys.write();
        keys.retain(|key| key.opens(now));
        if keys.last().is_some_and(|newest| newest.age_s(now) < ROTATE_S) {
            return Ok(());
        }
        let mut new = Key { name: [0; NAME_BYTES], secret: [0; 32], made: now };
        self.world.random(&mut new.name);
        self.world.random(&mut new.secret);
        keys.push(new);
        let Some((path, boot)) = &self.file else { return Ok(()) };
        let plain = serde_json::to_vec(&*keys).map_err(|e| e.to_string())?;
        replace(path, PRIVATE, |file| {
            let mut nonce = [0; NONCE_LEN];
            self.world.random(&mut nonce);
            seal(&seal_key(file, boot), nonce, &[], &plain).ok_or_else(|| "session tickets: could not be sealed".to_owned())
        })
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    /// A ticket made with a key as old as can be is accepted for as long.
    fn lifetime(&self) -> u32 {
        u32::try_from(LIFE_S - ROTATE_S - SLACK_S).unwrap_or_default()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let now = self.world.now();
        let keys = self.keys.read();
        let key = keys.last().filter(|key| (0..ROTATE_S + SLACK_S).contains(&key.age_s(now)))?;
        let mut nonce = [0; NONCE_LEN];
        self.world.random(&mut nonce);
        Some([&key.name[..], &seal(&key.secret, nonce, &key.name, plain)?].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, sealed) = ticket.split_at_checked(NAME_BYTES).filter(|_| ticket.len() <= TICKET_BYTES)?;
        let now = self.world.now();
        let keys = self.keys.read();
        let key = keys.iter().find(|key| key.name == name && key.opens(now))?;
        unseal(&key.secret, &key.name, sealed)
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

/// The keys of a file that was written here.
fn unsealed(path: &Path, boot: &str) -> Option<Vec<Key>> {
    let key = seal_key(&fs::metadata(path).ok()?, boot);
    serde_json::from_slice(&unseal(&key, &[], &fs::read(path).ok()?)?).ok()
}

fn seal_key(file: &fs::Metadata, boot: &str) -> [u8; 32] {
    Sha256::digest(format!("session tickets {} {:?} {}", file.ino(), file.created().ok(), boot.trim())).into()
}

/// Nonce, ciphertext, tag.
fn seal(key: &[u8; 32], nonce: [u8; NONCE_LEN], bound: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).ok()?);
    let mut sealed = plain.to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound), &mut sealed).ok()?;
    Some([&nonce[..], &sealed].concat())
}

fn unseal(key: &[u8; 32], bound: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).ok()?);
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut plain = sealed.to_vec();
    let length = key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(bound), &mut plain).ok()?.len();
    plain.truncate(length);
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ground {
        data: tempfile::TempDir,
        world: Arc<landfall_testkit::World>,
    }

    impl Ground {
        fn new() -> Self {
            Self { data: tempfile::tempdir().unwrap(), world: Arc::new(landfall_testkit::World::new(1)) }
        }

        fn path(&self) -> PathBuf {
            self.data.path().join("tickets")
        }

        fn open_at(&self, path: &Path, boot: &str) -> Tickets {
            Tickets::open_on(path, Some(boot.to_owned()), self.world.clone(), false).unwrap()
        }

        fn open(&self) -> Tickets {
            self.open_at(&self.path(), "boot\n")
        }

        fn pass_h(&self, hours: u32) {
            self.world.advance_s(hours * 3_600);
        }
    }

    #[test]
    fn a_ticket_is_good_for_its_life_and_never_older_than_a_day() {
        let ground = Ground::new();
        let tickets = ground.open();
        let (mut oldest, mut hours) = (0, 0);
        let made = tickets.encrypt(b"session").unwrap();
        ground.pass_h(6);
        let late = tickets.encrypt(b"late").unwrap();
        while tickets.decrypt(&made).is_some() {
            oldest = hours;
            ground.pass_h(1);
            hours += 1;
            tickets.rotate().unwrap();
            assert!(tickets.encrypt(b"x").is_some(), "there is always a key");
            let age_s = u32::try_from(hours).unwrap() * 3_600;
            assert!(age_s > tickets.lifetime() || tickets.decrypt(&late).is_some(), "{hours}");
        }
        assert_eq!(oldest, 17, "with the six hours before: a day");
        assert_eq!(tickets.keys.read().len(), 3);
    }

    #[test]
    fn forgeries_are_no_tickets() {
        let ground = Ground::new();
        let tickets = ground.open();
        let good = tickets.encrypt(b"session").unwrap();
        assert_eq!(tickets.decrypt(&good).as_deref(), Some(&b"session"[..]));
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(tickets.decrypt(&bad).is_none() && tickets.decrypt(&good[..at]).is_none(), "{at}");
        }
        assert!(tickets.decrypt(&vec![0; TICKET_BYTES + 1]).is_none());
    }

    #[test]
    fn keys_survive_a_restart_and_no_copy() {
        let ground = Ground::new();
        let ticket = ground.open().encrypt(b"session").unwrap();
        let opens = |tickets: Tickets| tickets.decrypt(&ticket).is_some();
        assert!(opens(ground.open()));
        ground.pass_h(7);
        assert!(opens(ground.open()), "another key was made at the start, the old one is kept");
        // A copy, a copy put back in its place, another machine.
        let (copy, original) = (ground.data.path().join("copy"), ground.data.path().join("original"));
        fs::copy(ground.path(), &copy).unwrap();
        assert!(!opens(ground.open_at(&copy, "boot")));
        fs::copy(ground.path(), &copy).unwrap();
        fs::rename(ground.path(), &original).unwrap();
        fs::rename(&copy, ground.path()).unwrap();
        assert!(!opens(ground.open()));
        fs::rename(&original, ground.path()).unwrap();
        let forgets = Tickets::open_on(&ground.path(), Some("boot".into()), ground.world.clone(), true).unwrap();
        assert!(!opens(forgets));
        let ticket = ground.open().encrypt(b"session").unwrap();
        assert!(ground.open_at(&ground.path(), "another boot").decrypt(&ticket).is_none());
    }

    #[test]
    fn the_file_is_private_and_holds_no_key_to_read() {
        let ground = Ground::new();
        let tickets = ground.open();
        let (content, mode) = (fs::read(ground.path()).unwrap(), fs::metadata(ground.path()).unwrap().mode());
        assert_eq!(mode & 0o777, 0o600);
        let keys = tickets.keys.read();
        assert!(!content.windows(32).any(|part| part == keys[0].secret));
        assert!(serde_json::from_slice::<serde_json::Value>(&content).is_err());
    }

    #[test]
    fn a_clock_that_was_wrong_for_a_while_costs_sessions_only() {
        let ground = Ground::new();
        let tickets = ground.open();
        let ticket = tickets.encrypt(b"session").unwrap();
        // The key was made at a time that is yet to come.
        tickets.keys.write()[0].made = ground.world.now().plus_s(400 * 86_400);
        assert!(tickets.decrypt(&ticket).is_none() && tickets.encrypt(b"x").is_none());
        tickets.rotate().unwrap();
        assert!(tickets.encrypt(b"x").is_some());
    }
}
