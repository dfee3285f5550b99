//! Resources of the oneM2M tree (TS-0001, 9.6): what applications make beside the devices.
//!
//! A device needs no records of its own for its node and what hangs under it: their ids are derived from the device's, and those of an
//! account's fixed places from the account's. Absent: nodes and what describes them, which are part of the device ([`crate::Node`]).

use crate::{
    AccountId, AppId, Channel, DeviceId, GroupId, JobId, ManagedKind, Subscription, SubscriptionId, SubscriptionKind, Time,
    id::ordered,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Map, Value};
use std::{borrow::Cow, fmt, str::FromStr};
use uuid::Uuid;

/// `ri` of a resource: 12 bytes, shown as 24 hex digits. The last byte tells what it belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId(pub [u8; 12]);

/// Last byte of the id of the outcome of a provisioning request; the rest is the request's.
const OUTCOME: u8 = 0x40;
/// Last byte of the id of a device's first information object.
const INFO: u8 = 0x20;
/// Information objects a device may have.
pub const NODE_INFOS: u8 = 8;

/// What a device has in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DevicePart {
    /// Its node (ty 14).
    Node,
    /// `credentials` below the node (ty 13).
    Credentials,
    /// An information object below the node (ty 13), by its number from 0.
    Info(u8),
    /// A management object that the device itself keeps up to date (ty 13).
    Managed(ManagedKind),
    /// Its container in `device-communication`.
    Channel,
    /// A container of messages below that.
    Box(MessageBox),
}

/// The containers of messages of a device (D2C, `device-communication/<device>/...`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageBox {
    /// `outgoing-msg`: what the device is to be asked.
    Outgoing,
    /// `sent-msg`: what it was asked.
    Sent,
    /// `received-msg`: what it said.
    Received,
    /// `error-msg`: what went wrong about it.
    Errors,
}

impl MessageBox {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Outgoing, Self::Sent, Self::Received, Self::Errors];

    /// Its resource name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Outgoing => "outgoing-msg",
            Self::Sent => "sent-msg",
            Self::Received => "received-msg",
            Self::Errors => "error-msg",
        }
    }
}

/// The fixed places of an account's tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccountPart {
    /// The CSE base (ty 5).
    Base,
    /// `device-provisioning`
    Provisioning,
    /// `device-provisioning/request`
    Requests,
    /// `device-provisioning/response`
    Responses,
    /// `device-provisioning/logs`
    Logs,
    /// `device-communication`
    Communication,
    /// `device-group`
    Groups,
}

impl AccountPart {
    /// All of them; parents come first.
    pub const ALL: [Self; 7] =
        [Self::Base, Self::Provisioning, Self::Requests, Self::Responses, Self::Logs, Self::Communication, Self::Groups];

    /// Its resource name; empty for the base, which has the account's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "",
            Self::Provisioning => "device-provisioning",
            Self::Requests => "request",
            Self::Responses => "response",
            Self::Logs => "logs",
            Self::Communication => "device-communication",
            Self::Groups => "device-group",
        }
    }

    /// What it is below; none for the base.
    pub fn parent(self) -> Option<Self> {
        match self {
            Self::Base => None,
            Self::Provisioning | Self::Communication | Self::Groups => Some(Self::Base),
            Self::Requests | Self::Responses | Self::Logs => Some(Self::Provisioning),
        }
    }
}

/// What the last byte of an id says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdKind {
    /// A record: a resource, an instance or a provisioning request.
    Record,
    /// The outcome of a provisioning request, with the request's id.
    Outcome(ResourceId),
    /// Part of the device whose id begins with these bytes.
    Device([u8; 11], DevicePart),
    /// Place of the account whose id begins with these bytes.
    Account([u8; 11], AccountPart),
}

impl ResourceId {
    /// An id that is in the order of `at`, with 40 of the given random bits.
    pub fn new(at: Time, random: [u8; 16]) -> Self {
        let mut id = [0; 12];
        id[..11].copy_from_slice(&ordered(at, random));
        Self(id)
    }

    /// Part of a device. Ids of devices are random, so 88 of their bits tell them apart.
    pub fn of_device(device: DeviceId, part: DevicePart) -> Self {
        let byte = match part {
            DevicePart::Node => 0x01,
            DevicePart::Credentials => 0x02,
            DevicePart::Channel => 0x03,
            DevicePart::Box(MessageBox::Outgoing) => 0x04,
            DevicePart::Box(MessageBox::Sent) => 0x05,
            DevicePart::Box(MessageBox::Received) => 0x06,
            DevicePart::Box(MessageBox::Errors) => 0x07,
            DevicePart::Managed(ManagedKind::Firmware) => 0x08,
            DevicePart::Managed(ManagedKind::Memory) => 0x09,
            DevicePart::Managed(ManagedKind::Battery) => 0x0a,
            DevicePart::Info(index) => INFO + index.min(NODE_INFOS - 1),
        };
        Self::derived(device.0, byte)
    }

    /// What a group of devices is in the tree: a record whose id is made as the group's.
    pub fn of_group(group: GroupId) -> Self {
        Self::derived(group.0, 0)
    }

    /// The group that it stands for, where it stands for one.
    pub fn as_group(self) -> GroupId {
        GroupId(self.record())
    }

    /// The provisioning request that a job works off.
    pub fn of_job(job: JobId) -> Self {
        Self::derived(job.0, 0)
    }

    /// The job that works it off, where it is a provisioning request.
    pub fn as_job(self) -> JobId {
        JobId(self.record())
    }

    fn record(self) -> Uuid {
        let mut id = [0; 16];
        id[..11].copy_from_slice(&self.0[..11]);
        Uuid::from_bytes(id)
    }

    /// Place of an account.
    pub fn of_account(account: AccountId, part: AccountPart) -> Self {
        let place = AccountPart::ALL.iter().position(|other| *other == part).unwrap_or_default();
        Self::derived(account.0, 0x80 + place as u8)
    }

    /// The name of what was made under this id without one: a UUID (version 8) that holds the id.
    pub fn uuid_name(self) -> String {
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&self.0[..6]);
        bytes[7] = self.0[6];
        bytes[9..14].copy_from_slice(&self.0[7..]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
    }

    /// The id in a name that [`ResourceId::uuid_name`] gave.
    pub fn of_uuid_name(name: &str) -> Option<Self> {
        let uuid = Uuid::try_parse(name).ok()?;
        let bytes = uuid.as_bytes();
        let mut id = [0; 12];
        id[..6].copy_from_slice(&bytes[..6]);
        id[6] = bytes[7];
        id[7..].copy_from_slice(&bytes[9..14]);
        Some(Self(id)).filter(|id| id.uuid_name() == name)
    }

    /// The outcome of this provisioning request.
    pub fn outcome(self) -> Self {
        self.with(OUTCOME)
    }

    /// What it belongs to; none for an id that was never given out.
    pub fn kind(self) -> Option<IdKind> {
        let mut first = [0; 11];
        first.copy_from_slice(&self.0[..11]);
        let device = |part| Some(IdKind::Device(first, part));
        match self.0[11] {
            0 => Some(IdKind::Record),
            OUTCOME => Some(IdKind::Outcome(self.with(0))),
            0x01 => device(DevicePart::Node),
            0x02 => device(DevicePart::Credentials),
            0x03 => device(DevicePart::Channel),
            0x04 => device(DevicePart::Box(MessageBox::Outgoing)),
            0x05 => device(DevicePart::Box(MessageBox::Sent)),
            0x06 => device(DevicePart::Box(MessageBox::Received)),
            0x07 => device(DevicePart::Box(MessageBox::Errors)),
            0x08 => device(DevicePart::Managed(ManagedKind::Firmware)),
            0x09 => device(DevicePart::Managed(ManagedKind::Memory)),
            0x0a => device(DevicePart::Managed(ManagedKind::Battery)),
            byte if (INFO..INFO + NODE_INFOS).contains(&byte) => device(DevicePart::Info(byte - INFO)),
            byte => AccountPart::ALL.get(usize::from(byte.wrapping_sub(0x80))).map(|part| IdKind::Account(first, *part)),
        }
    }

    fn derived(from: Uuid, byte: u8) -> Self {
        let mut id = [byte; 12];
        id[..11].copy_from_slice(&from.as_bytes()[..11]);
        Self(id)
    }

    fn with(self, byte: u8) -> Self {
        let mut id = self.0;
        id[11] = byte;
        Self(id)
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not 24 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a resource id is 24 hex digits")]
pub struct NotAResourceId;

impl FromStr for ResourceId {
    type Err = NotAResourceId;
    fn from_str(text: &str) -> Result<Self, NotAResourceId> {
        let mut id = [0; 12];
        if text.len() != 24 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(NotAResourceId);
        }
        for (byte, digits) in id.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| NotAResourceId)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| NotAResourceId)?;
        }
        Ok(Self(id))
    }
}

impl Serialize for ResourceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ResourceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Types of resources that have a record (TS-0001, 9.6; numbers of TS-0004, 6.3.4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum ResourceKind {
    AccessControlPolicy = 1,
    ApplicationEntity = 2,
    Container = 3,
    Group = 9,
    Subscription = 23,
    FlexContainer = 28,
}

impl ResourceKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::AccessControlPolicy,
        Self::ApplicationEntity,
        Self::Container,
        Self::Group,
        Self::Subscription,
        Self::FlexContainer,
    ];

    /// Its number, `ty`.
    pub fn ty(self) -> u8 {
        self as u8
    }

    /// The type with this number, if resources of it have a record.
    pub fn of_ty(ty: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.ty() == ty)
    }
}

/// A resource that an application made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// Id.
    pub id: ResourceId,
    /// Account.
    pub account: AccountId,
    /// The application whose token made it.
    pub app: AppId,
    /// Counts the writes, from 1.
    pub version: u64,
    /// What it is below: a record, a place of the account or a part of a device.
    pub parent: ResourceId,
    /// The device that it is below; it goes with the device.
    pub device: Option<DeviceId>,
    /// Name, unique below its parent, 1 to 128 characters without `/`.
    pub name: String,
    /// Type.
    pub kind: ResourceKind,
    /// Originator that made it.
    pub creator: String,
    /// `lbl`
    pub labels: Vec<String>,
    /// `acpi`: access control policies that rule it; none: only its application may.
    pub policies: Vec<ResourceId>,
    /// The attributes of its type, by their short names.
    pub attributes: Map<String, Value>,
    /// When it ends by itself.
    pub expires_at: Option<Time>,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub modified_at: Time,
}

impl Resource {
    /// The push of what a subscription, or an application entity, is told at one of its addresses.
    pub fn push_to(&self, address: u8, url: &str) -> Subscription {
        Subscription {
            id: SubscriptionId::of_resource(self.id, address),
            account: self.account,
            version: 1,
            owner: self.app,
            target: self.app,
            by: None,
            kind: SubscriptionKind::Resource(self.id, address),
            channel: Channel::Http,
            callback_url: url.to_owned(),
            created_at: self.modified_at,
        }
    }

    /// `aei` of an application entity: the originator that it registered. Versions that did not keep it gave `C` and the name.
    pub fn ae_id(&self) -> Option<Cow<'_, str>> {
        let is_entity = self.kind == ResourceKind::ApplicationEntity;
        let kept = self.attributes.get("aei").and_then(Value::as_str).map(Cow::Borrowed);
        is_entity.then(|| kept.unwrap_or_else(|| Cow::Owned(format!("C{}", self.name))))
    }
}

/// A content instance (TS-0001, 9.6.7). It never changes, but for the retrievals that are left of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Id.
    pub id: ResourceId,
    /// Its container: a record, a place of the account or a part of a device.
    pub container: ResourceId,
    /// Account.
    pub account: AccountId,
    /// The device that its container belongs to; it goes with the device.
    pub device: Option<DeviceId>,
    /// Name, unique in its container.
    pub name: String,
    /// `st` of its container after it was stored, from 1. Set by the store; 0 before.
    #[serde(default)]
    pub state: u64,
    /// `con` as JSON.
    pub content: String,
    /// `cnf`: media type and encoding.
    pub format: Option<String>,
    /// `cs`: bytes of the content; of a text, without its quotes.
    pub size: u64,
    /// `lbl`
    pub labels: Vec<String>,
    /// Attributes that need nothing else, by their short names: `or`, `dgt`, `dcnt`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub other: Map<String, Value>,
    /// Originator that made it.
    pub creator: Option<String>,
    /// Application that the originator came with; none: the server made it, or a version that did not keep this.
    #[serde(default)]
    pub by: Option<AppId>,
    /// When it was made.
    pub created_at: Time,
    /// When it ends by itself.
    pub expires_at: Option<Time>,
}

/// An instance to be stored. The oldest of its container go as far as the container's limits ask for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Append {
    /// The instance.
    pub instance: Instance,
    /// `mni`: instances the container may hold; 0: not even this one, which is counted and told all the same.
    pub max_instances: u64,
    /// `mbs`: bytes of content it may hold; one instance is no larger.
    pub max_bytes: u64,
}

/// A container with a record was changed: that counts in its `st`, and what its limits do not allow any more goes, the oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContainerChange {
    /// The container.
    pub container: ResourceId,
    /// Account.
    pub account: AccountId,
    /// The device that it is below.
    pub device: Option<DeviceId>,
    /// `mni`
    pub max_instances: u64,
    /// `mbs` in bytes.
    pub max_bytes: u64,
    /// When it changed.
    pub at: Time,
}

/// What a container holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerState {
    /// `st`: instances stored, and changes of the container, since it was made.
    pub state: u64,
    /// `cni`
    pub instances: u64,
    /// `cbs`
    pub bytes: u64,
    /// When the newest was stored, or it last changed.
    pub modified_at: Option<Time>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_tell_what_they_belong_to() {
        let (device, account) = (DeviceId::from_random([7; 16]), AccountId::from_random([9; 16]));
        let boxes = MessageBox::ALL.map(DevicePart::Box);
        let infos = (0..NODE_INFOS).map(DevicePart::Info);
        let managed = ManagedKind::ALL.map(DevicePart::Managed);
        let fixed = [DevicePart::Node, DevicePart::Credentials, DevicePart::Channel];
        for part in fixed.into_iter().chain(boxes).chain(infos).chain(managed) {
            let id = ResourceId::of_device(device, part);
            assert!(
                matches!(id.kind(), Some(IdKind::Device(first, found)) if found == part && first == device.0.as_bytes()[..11])
            );
        }
        for part in AccountPart::ALL {
            let id = ResourceId::of_account(account, part);
            assert!(
                matches!(id.kind(), Some(IdKind::Account(first, found)) if found == part && first == account.0.as_bytes()[..11])
            );
        }
        let record = ResourceId::new(Time(1_700_000_000_000), [3; 16]);
        let group = GroupId::new(Time(1_700_000_000_000), [3; 16]);
        assert_eq!((ResourceId::of_group(group), record.as_group()), (record, group));
        let job = JobId::new(Time(1_700_000_000_000), [3; 16]);
        assert_eq!((ResourceId::of_job(job), record.as_job()), (record, job));
        assert_eq!(record.kind(), Some(IdKind::Record));
        assert_eq!(record.outcome().kind(), Some(IdKind::Outcome(record)));
        assert_eq!(ResourceId([0xff; 12]).kind(), None);
        assert!(record < ResourceId::new(Time(1_700_000_000_001), [0; 16]));
    }

    #[test]
    fn names_that_were_given_hold_the_id() {
        let id = ResourceId::new(Time(1_700_000_000_000), [0xff; 16]);
        let name = id.uuid_name();
        assert_eq!(name, "018bcfe5-6800-80ff-80ff-ffffff000000");
        assert_eq!(ResourceId::of_uuid_name(&name), Some(id));
        for other in ["", "x", "018bcfe5-6800-80ff-80ff-ffffff000001", "018BCFE5-6800-80FF-80FF-FFFFFF000000", &id.to_string()] {
            assert_eq!(ResourceId::of_uuid_name(other), None, "{other}");
        }
    }

    #[test]
    fn ids_are_24_hex_digits() {
        let id = ResourceId::new(Time(1), [1; 16]);
        assert_eq!(id.to_string(), "000000000001010101010100");
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in
            ["", "00000000000101010101010", "0000000000010101010101000", "00000000000101010101010g", "+1+1+1+1+1+1+1+1+1+1+1+1"]
        {
            assert_eq!(bad.parse::<ResourceId>(), Err(NotAResourceId), "{bad}");
        }
    }
}
