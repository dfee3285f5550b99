//! What devices raise beside values: alarms, which last until they are cleared, and events, which do not.

use crate::{AccountId, AlarmId, DeviceEventId, DeviceId, Time};
use serde::{Deserialize, Serialize};

/// Something is wrong with a device. Raised again while it is not cleared, it counts up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// Id.
    pub id: AlarmId,
    /// Account.
    pub account: AccountId,
    /// Counts the writes, from 1.
    pub version: u64,
    /// The device.
    pub device: DeviceId,
    /// What is wrong, as a word; 1 to 256 characters. A device has one alarm of a kind that is not cleared.
    pub kind: String,
    /// For people, at most 1,024 characters.
    pub text: String,
    /// How bad it is.
    pub severity: Severity,
    /// How far it is.
    pub status: AlarmStatus,
    /// How often it was raised, from 1.
    pub count: u64,
    /// When the device first raised it, by its clock.
    pub first_at: Time,
    /// When the device last raised it, by its clock.
    pub at: Time,
    /// Everything else that was written, as a JSON object.
    pub fragments: String,
    /// When it was first taken.
    pub created_at: Time,
    /// When it last changed.
    pub modified_at: Time,
}

/// How bad an alarm is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)]
pub enum Severity {
    Critical,
    Major,
    Minor,
    Warning,
}

/// How far an alarm is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AlarmStatus {
    /// Nobody has seen to it.
    Active,
    /// Somebody sees to it.
    Acknowledged,
    /// Over.
    Cleared,
}

/// Something happened to a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceEvent {
    /// Id.
    pub id: DeviceEventId,
    /// Account.
    pub account: AccountId,
    /// Counts the writes, from 1.
    pub version: u64,
    /// The device.
    pub device: DeviceId,
    /// What happened, as a word; 1 to 256 characters.
    pub kind: String,
    /// For people, at most 1,024 characters.
    pub text: String,
    /// When, by the device's clock.
    pub at: Time,
    /// Everything else that was written, as a JSON object.
    pub fragments: String,
    /// When it was taken.
    pub created_at: Time,
    /// When it last changed.
    pub modified_at: Time,
}

impl AlarmId {
    /// An id (UUID version 7) that is in the order of `at`.
    pub fn new(at: Time, random: [u8; 16]) -> Self {
        Self(crate::id::version_7(at, random))
    }
}

impl DeviceEventId {
    /// An id (UUID version 7) that is in the order of `at`.
    pub fn new(at: Time, random: [u8; 16]) -> Self {
        Self(crate::id::version_7(at, random))
    }
}

impl Severity {
    /// All of them, the worst first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::Major, Self::Minor, Self::Warning];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "CRITICAL",
            Self::Major => "MAJOR",
            Self::Minor => "MINOR",
            Self::Warning => "WARNING",
        }
    }
}

impl AlarmStatus {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Active, Self::Acknowledged, Self::Cleared];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Acknowledged => "ACKNOWLEDGED",
            Self::Cleared => "CLEARED",
        }
    }

    /// Whether the alarm still stands.
    pub fn is_open(self) -> bool {
        self != Self::Cleared
    }
}
