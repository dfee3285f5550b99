//! Users: who calls with a name and a password.

use crate::{AccountId, Digest, Time};
use serde::{Deserialize, Serialize};

/// Somebody, or a device, that logs in to one account with a name and a password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Its account; [`AccountId::MANAGEMENT`] for users of the server itself.
    pub account: AccountId,
    /// Unique in the account without regard to case, 1 to 1,007 characters.
    pub name: String,
    /// Counts the writes, from 1.
    pub version: u64,
    /// What it may.
    pub role: Role,
    /// How its password is checked.
    pub password: PasswordHash,
    /// Whether it may log in.
    pub enabled: bool,
    /// Of a device: the id that its credentials were issued for, unique on the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// Whether it has logged in with this password.
    #[serde(default)]
    pub proven: bool,
    /// When it was made.
    pub created_at: Time,
}

/// What a user may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// All in its account.
    Admin,
    /// Sees all in its account and changes nothing.
    Reader,
    /// A device: what it made, and what is behind that.
    Device,
    /// Only asks for the credentials of devices; of the server itself.
    Bootstrap,
}

/// What is kept of a password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PasswordHash {
    /// Of a person: Argon2id in the PHC form.
    Argon2(String),
    /// Of a device, whose password is generated or its owner's secret: HMAC-SHA-256 of salt and password under the server's key.
    Keyed {
        /// Which key: the beginning of its digest.
        key: u32,
        /// Random.
        salt: [u8; 16],
        /// The code.
        code: Digest,
    },
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(***)")
    }
}

impl AccountId {
    /// Stands for the server itself, where its users are kept like those of an account. No account has it.
    pub const MANAGEMENT: Self = Self(uuid::Uuid::nil());

    /// The tenant id of an account that none was set for: `t` and 15 digits.
    pub fn derived_tenant(self) -> String {
        format!("t{:015}", self.0.as_u64_pair().0 % 1_000_000_000_000_000)
    }
}

impl User {
    /// What the name of a device's user begins with, before the id it was issued for.
    pub const DEVICE_PREFIX: &str = "device_";

    /// The form of a name in which case makes no difference.
    pub fn folded(name: &str) -> String {
        name.to_lowercase()
    }
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Admin, Self::Reader, Self::Device, Self::Bootstrap];

    /// The word for operators.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Reader => "reader",
            Self::Device => "device",
            Self::Bootstrap => "bootstrap",
        }
    }
}
