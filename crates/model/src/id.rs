//! Identifiers: 128-bit values made by the caller from given random bytes, printed as RFC 9562 UUIDs.

use crate::Time;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Makes an id (UUID version 4) of 16 random bytes.
            pub fn from_random(bytes: [u8; 16]) -> Self {
                Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0.hyphenated(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(s: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(s).map(Self)
            }
        }
    )*};
}

ids! {
    /// The owner of devices, products and applications; nothing is ever visible across accounts.
    AccountId;
    /// A northbound application: `appId` and `app_key` of 1.3.1.
    AppId;
    /// A device: the 36-character `deviceId` of 1.4.9.
    DeviceId;
    /// A group of devices.
    GroupId;
    /// A product model: `productId` of 1.4.1.
    ProductId;
    /// A subscription: `subscriptionId` of 1.6.1.
    SubscriptionId;
    /// One call of a device service (1.7.7).
    CallId;
    /// A cached command: `commandId` of 1.7.1.
    CommandId;
    /// A revocation task: `taskId` of 1.7.5.
    TaskId;
    /// A job: `taskID` of 1.8.1.
    JobId;
    /// An alarm of a device.
    AlarmId;
    /// An event of a device.
    DeviceEventId;
    /// A file.
    BinaryId;
}

/// The beginning of an id that is in the order of `at`: 48 bits of time, 40 of the given random bits.
pub(crate) fn ordered(at: Time, random: [u8; 16]) -> [u8; 11] {
    let mut id = [0; 11];
    id[..6].copy_from_slice(&at.0.to_be_bytes()[2..]);
    id[6..].copy_from_slice(&random[..5]);
    id
}

/// A UUID of version 7 that is in the order of `at`, with 74 of the given random bits.
pub(crate) fn version_7(at: Time, random: [u8; 16]) -> Uuid {
    let [_, _, _, _, _, _, rest @ ..] = random;
    uuid::Builder::from_unix_timestamp_millis(at.0.max(0).cast_unsigned(), &rest).into_uuid()
}

impl CommandId {
    /// An id (UUID version 7) that is in the order of `at`, with 74 of the given random bits: what is written together lies together.
    pub fn new(at: Time, random: [u8; 16]) -> Self {
        Self(version_7(at, random))
    }
}

impl SubscriptionId {
    /// The push to one address of a subscription to a resource.
    pub fn of_resource(subscription: crate::ResourceId, address: u8) -> Self {
        let mut bytes = [0; 16];
        bytes[..12].copy_from_slice(&subscription.0);
        bytes[15] = address;
        Self(Uuid::from_bytes(bytes))
    }

    /// The resource whose address it serves, where it serves one.
    pub fn resource(self) -> crate::ResourceId {
        let mut id = [0; 12];
        id.copy_from_slice(&self.0.as_bytes()[..12]);
        crate::ResourceId(id)
    }
}

/// A position in the event stream; the first event is 1, and 0 stands before all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
