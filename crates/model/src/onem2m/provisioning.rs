//! Requests to provision nodes, their lists, and what failed (D2C, sections 3 and 4).

use crate::{AccountId, AppId, ResourceId, Secret, Time};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A request to provision nodes (D2C, `device-provisioning/request`), and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provisioning {
    /// Id.
    pub id: ResourceId,
    /// Account.
    pub account: AccountId,
    /// The application that is to own the devices.
    pub app: AppId,
    /// Counts the writes, from 1.
    pub version: u64,
    /// Resource name, unique in the account.
    pub name: String,
    /// Originator.
    pub creator: String,
    /// `lbl`
    pub labels: Vec<String>,
    /// Nodes asked for.
    pub total: u32,
    /// Nodes dealt with, the failed ones included.
    pub done: u32,
    /// Nodes that failed.
    pub failed: u32,
    /// When it was taken.
    pub created_at: Time,
    /// When the first node was dealt with.
    pub started_at: Option<Time>,
    /// When the last one was.
    pub finished_at: Option<Time>,
}

/// A part of a request's list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProvisioningPart {
    /// The request.
    pub request: ResourceId,
    /// Place of the first node in the list, from 0.
    pub first: u32,
    /// The nodes.
    pub nodes: Vec<NodeRequest>,
}

/// A node to be provisioned, as it was asked for. Texts that are absent are empty: what is missing is told for each node, later.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeRequest {
    /// `ni`
    pub node_id: String,
    /// `noRNe`
    pub name: String,
    /// `profe`
    pub profile: String,
    /// `ICCID`
    pub iccid: Option<String>,
    /// `lbl`
    pub labels: Vec<String>,
    /// `nCr`: `psk-id:` and `psk:` and what else was given. Absent: none was given.
    pub credentials: Option<Vec<Secret>>,
    /// `nDGr`
    pub groups: Option<Vec<String>>,
    /// `ndvi`
    pub info: Option<Map<String, Value>>,
    /// Attributes that mean something to other profiles; shown, not used.
    pub other: Map<String, Value>,
}

/// Why a node was not provisioned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvisioningFailure {
    /// The request.
    pub request: ResourceId,
    /// Place of the node in the list, from 0.
    pub place: u32,
    /// Its nodeID, as far as there was one.
    pub node_id: String,
    /// `errMe`
    pub message: String,
}
