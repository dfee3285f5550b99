//! The inventory: objects with free fragments, of which devices and groups are some, and the names and links they have.

use crate::{AccountId, DeviceId, GroupId, Time};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

/// An object of the inventory; on the wire a decimal number below 2^61. That of a device follows from the id of the device and is even, others are odd.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ObjectId(pub u64);

/// What an account keeps of an object. Of a device it is what the device's record does not have, and is made when there is something to keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Id.
    pub id: ObjectId,
    /// Account.
    pub account: AccountId,
    /// Counts the writes, from 1.
    pub version: u64,
    /// What it is.
    pub of: ObjectOf,
    /// Its `type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Name; none for a device, whose own record has it. The record of a group has the path to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Name of the user that made it, or to whom it was given; for a device as its record has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Everything else that was written, as a JSON object.
    pub fragments: String,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub modified_at: Time,
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectOf {
    /// A device of the registry.
    Device(DeviceId),
    /// A group of devices.
    Group(GroupId),
    /// Nothing else: an asset, a firmware, a configuration.
    Itself,
}

/// How one object is below another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChildKind {
    /// `childDevices`: a device behind a device.
    Device,
    /// `childAssets`: a member of a group or an asset.
    Asset,
    /// `childAdditions`: goes with its parent.
    Addition,
}

/// Another name of an object, unique in its account.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExternalId {
    /// Account.
    pub account: AccountId,
    /// Kind of name, such as `c8y_Serial`; 1 to 256 characters.
    pub kind: String,
    /// The name, 1 to 1,024 characters; with its kind at most [`ExternalId::BYTES`].
    pub value: String,
}

/// Bits of a stamp.
const STAMP: u64 = (1 << 60) - 1;

impl ObjectId {
    /// That of a device: the first 60 bits of its id that are not the version.
    pub fn of_device(device: DeviceId) -> Self {
        let bits = device.0.as_u128();
        let (high, low) = ((bits >> 80) as u64, (bits >> 64) as u64 & 0xfff);
        Self((high << 12 | low) << 1)
    }

    /// That of an object which is no device, of 60 bits that no other has ([`DeviceId::stamped`]).
    pub fn stamped(stamp: u64) -> Self {
        Self((stamp & STAMP) << 1 | 1)
    }

    /// The ranges of ids that its device may have, first and last, one for each version of ids; none for an object that is no device.
    pub fn devices(self) -> Option<[(DeviceId, DeviceId); 2]> {
        let stamp = self.0 >> 1;
        let range = |version: u128| {
            let first = u128::from(stamp >> 12) << 80 | version << 76 | u128::from(stamp & 0xfff) << 64;
            let id = |bits| DeviceId(Uuid::from_u128(bits));
            (id(first), id(first | u128::from(u64::MAX)))
        };
        (self.0 & 1 == 0 && stamp <= STAMP).then(|| [range(4), range(7)])
    }
}

impl DeviceId {
    /// An id (UUID version 7) that begins with a stamp: 48 bits of milliseconds, 12 bits that count within them. Stamps that were given out one
    /// after the other make ids that lie together.
    pub fn stamped(stamp: u64, random: [u8; 8]) -> Self {
        let (time, count) = (u128::from(stamp & STAMP) >> 12, u128::from(stamp & 0xfff));
        let variant = 0b10 << 62 | u64::from_be_bytes(random) >> 2;
        Self(Uuid::from_u128(time << 80 | 7 << 76 | count << 64 | u128::from(variant)))
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ObjectId {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl ExternalId {
    /// External ids of one object.
    pub const MOST: usize = 100;
    /// Bytes of kind and name together: a row of an index in PostgreSQL takes 2,704, with the account and its own head.
    pub const BYTES: usize = 2_400;
}

impl Object {
    /// Names of fragments, the first ones by name, by which an object is found.
    pub const INDEXED: usize = 100;
}

impl ChildKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Device, Self::Asset, Self::Addition];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Device => "childDevices",
            Self::Asset => "childAssets",
            Self::Addition => "childAdditions",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_found_by_the_number_of_its_object() {
        let random = |n: u8| DeviceId::from_random([n; 16]);
        let stamped = |n: u64| DeviceId::stamped(n, [0xff; 8]);
        for device in [random(0), random(7), random(0xff), stamped(0), stamped(STAMP), stamped(1_780_000_000_000 << 12 | 5)] {
            let object = ObjectId::of_device(device);
            let ranges = object.devices().unwrap();
            assert_eq!(ranges.iter().filter(|(first, last)| *first <= device && device <= *last).count(), 1, "{device}");
            assert_eq!(object.to_string().parse(), Ok(object));
        }
        assert_eq!(stamped(STAMP).0.get_version_num(), 7);
        assert!(stamped(1) < stamped(2));
        assert_ne!(ObjectId::of_device(stamped(1)), ObjectId::of_device(stamped(2)));
        assert!(ObjectId::stamped(STAMP).0 < 1 << 61);
        assert_eq!(ObjectId::stamped(9).devices(), None);
        assert_eq!(ObjectId(u64::MAX - 1).devices(), None);
    }
}
