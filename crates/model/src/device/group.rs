//! Groups of devices.

use crate::{AccountId, AppId, GroupId, Time, id::ordered};
use serde::{Deserialize, Serialize};

/// A named set of devices of one account. A device may be in many groups, a group may have a million devices; who is in which is a relation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Id.
    pub id: GroupId,
    /// Account.
    pub account: AccountId,
    /// Counts the writes, from 1.
    pub version: u64,
    /// Unique among the groups of its owner, 1 to 256 characters.
    pub name: String,
    /// For people, at most 1,024 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The application that it belongs to; none: the account itself.
    pub owner: Option<AppId>,
    /// Devices that it may have; 0: any number.
    #[serde(default, skip_serializing_if = "is_any")]
    pub max_members: u32,
    /// The name that the application which made it had then. Empty: nobody noted it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub creator: String,
    /// When it was made.
    pub created_at: Time,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_any(max_members: &u32) -> bool {
    *max_members == 0
}

impl GroupId {
    /// An id that is in the order of `at`, with 40 of the given random bits.
    pub fn new(at: Time, random: [u8; 16]) -> Self {
        let mut id = [0; 16];
        id[..11].copy_from_slice(&ordered(at, random));
        Self(uuid::Uuid::from_bytes(id))
    }
}

impl Group {
    /// Devices that join or leave with one write.
    pub const SLICE: usize = 1_000;
}
