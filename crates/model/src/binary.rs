//! Files that are kept with objects and events.

use crate::{AccountId, BinaryId, DeviceEventId, ObjectId, Time};
use serde::{Deserialize, Serialize};

/// A file. Its bytes are kept in parts beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binary {
    /// Id.
    pub id: BinaryId,
    /// Account.
    pub account: AccountId,
    /// 1 while its bytes come, 2 when they are all there; more where it was described anew.
    pub version: u64,
    /// What it is kept with; none while its bytes come. It goes some time after that is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<BinaryOf>,
    /// Name of the file, at most 255 characters.
    pub name: String,
    /// Media type, at most 255 characters.
    pub media_type: String,
    /// Bytes it has.
    pub bytes: u64,
    /// When it began to come.
    pub created_at: Time,
}

/// What a file is kept with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BinaryOf {
    /// An object of the inventory.
    Object(ObjectId),
    /// An event of a device.
    Event(DeviceEventId),
}

/// Some of the bytes of a file.
#[derive(Clone, PartialEq, Eq)]
pub struct BinaryPart {
    /// The file.
    pub of: BinaryId,
    /// Its place, from 0.
    pub no: u32,
    /// At most [`Binary::PART_BYTES`], and less only in the last part.
    pub bytes: Vec<u8>,
}

impl Binary {
    /// Bytes of a part.
    pub const PART_BYTES: usize = 128 * 1024;
}

impl std::fmt::Debug for BinaryPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BinaryPart({} {} {} bytes)", self.of, self.no, self.bytes.len())
    }
}
