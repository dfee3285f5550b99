//! What subscribers of the tree are told.

use crate::{ContainerState, DeviceId, Instance, Managed, Node, NodeInfo, Resource, ResourceId, SubscriptionId};
use serde::{Deserialize, Serialize};

/// A notice for one address of an oneM2M subscription.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// The address.
    pub address: SubscriptionId,
    /// `sur`: the subscription as its subscriber knows it.
    pub reference: String,
    /// `net`: 1 update, 2 deletion, 3 a child was made, 4 a child was deleted.
    pub kind: u8,
    /// `nct`: 1 all attributes, 2 those that changed, 3 the id alone.
    pub content: u8,
    /// What changed, or was made.
    pub changed: Changed,
    /// Of an update: the attributes that it changed, by their short names, without those that every update changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modified: Vec<String>,
    /// How long it waits for others, to be sent with them (`bn`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<NoticeBatch>,
    /// Of a container: what it holds. Where the commit itself changes that, the store sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<ContainerState>,
    /// The device group or the subscription through which an application entity is told at its point of access; absent: the address is the
    /// subscription's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<ResourceId>,
}

/// How notices are sent together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeBatch {
    /// So many at most; then they wait no longer.
    pub most: u32,
    /// Milliseconds for which the first of them waits.
    pub wait_ms: u32,
}

/// What a notice is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Changed {
    Resource(Box<Resource>),
    Instance(Box<Instance>),
    Node {
        device: DeviceId,
        node_id: String,
        tenant: String,
        node: Box<Node>,
    },
    Info {
        device: DeviceId,
        /// Its number.
        index: u8,
        info: Box<NodeInfo>,
    },
    Managed {
        device: DeviceId,
        object: Box<Managed>,
    },
    /// What is told by its id alone.
    Id(ResourceId),
    /// The subscription itself, which is over: `sud`.
    Ended,
}
