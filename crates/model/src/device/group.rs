//! Groups of devices.

use crate::{AccountId, AppId, GroupId, Time};
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
    /// When it was made.
    pub created_at: Time,
}

impl GroupId {
    /// An id that is in the order of `at`, with 40 of the given random bits.
    pub fn new(at: Time, random: [u8; 16]) -> Self {
        let mut id = [0; 16];
        id[..6].copy_from_slice(&at.0.to_be_bytes()[2..]);
        id[6..11].copy_from_slice(&random[..5]);
        Self(uuid::Uuid::from_bytes(id))
    }
}

impl Group {
    /// Devices that join or leave with one write.
    pub const SLICE: usize = 1_000;
}
