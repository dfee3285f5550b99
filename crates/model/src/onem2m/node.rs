//! What a device is in the oneM2M tree: a node with information objects (TS-0001, 9.6.18; D2C).

use crate::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The node of a device. A device without one is shown under its own id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// nodeResourceName, unique in the account, 1 to 128 characters.
    pub name: String,
    /// `lbl`: what applications set, and what the platform added since.
    pub labels: Vec<String>,
    /// Profile it was provisioned with.
    pub profile: Option<String>,
    /// ICCID it was provisioned with.
    pub iccid: Option<String>,
    /// Information objects (ty 13, mgd 1007), at most [`crate::NODE_INFOS`]. The place in the list is the number in the id; a deleted one leaves
    /// its place empty.
    pub infos: Vec<Option<NodeInfo>>,
    /// Other management objects (ty 13), one of a kind, that the device has told of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub managed: Vec<Managed>,
    /// When its credentials were last set; none: there is no `credentials` object.
    pub credentials_at: Option<Time>,
    /// Resources that are observed on behalf of applications, at most 64.
    pub observed: Vec<NodeObservation>,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub modified_at: Time,
}

/// An information object of a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Resource name; `device-info` is what the device itself says.
    pub name: String,
    /// `lbl`
    pub labels: Vec<String>,
    /// Attributes by their short names, such as `man` and `fwv`.
    pub attributes: Map<String, Value>,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub modified_at: Time,
}

/// Management objects that a device itself keeps up to date; applications only read them (TS-0001, D.2, D.4, D.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum ManagedKind {
    Firmware,
    Memory,
    Battery,
}

impl ManagedKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Firmware, Self::Memory, Self::Battery];

    /// Its resource name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Firmware => "firmware",
            Self::Memory => "memory",
            Self::Battery => "battery",
        }
    }
}

/// A management object of a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Managed {
    /// Which.
    pub kind: ManagedKind,
    /// Attributes by their short names, such as `btl`.
    pub attributes: Map<String, Value>,
    /// When the device first told of it.
    pub created_at: Time,
    /// When it last changed.
    pub modified_at: Time,
}

/// A resource that is observed on behalf of applications.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeObservation {
    /// LwM2M path, such as `/3303/0/5700`.
    pub path: String,
    /// A UUID.
    pub id: String,
}

impl Node {
    /// The management object of this kind, where the device has told of it.
    pub fn managed(&self, kind: ManagedKind) -> Option<&Managed> {
        self.managed.iter().find(|one| one.kind == kind)
    }

    /// The label of the profile; without it, what the device says is refused (D2C, "profile is missed").
    pub fn has_profile_label(&self) -> bool {
        self.labels.iter().any(|label| label.starts_with("profile:"))
    }

    /// Names and values of the uplink properties: labels `d2c-uplink-property_<name>:<value>`. Only the first colon separates.
    pub fn uplink_properties(&self) -> impl Iterator<Item = (&str, &str)> {
        self.labels.iter().filter_map(|label| label.strip_prefix("d2c-uplink-property_")?.split_once(':'))
    }
}
