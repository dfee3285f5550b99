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
    /// The application that it belongs to; none: the account itself.
    pub owner: Option<AppId>,
    /// When it was made.
    pub created_at: Time,
}

impl Group {
    /// Devices that join or leave with one write.
    pub const SLICE: usize = 1_000;
}
