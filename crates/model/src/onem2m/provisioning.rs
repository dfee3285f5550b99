//! Nodes to be provisioned (D2C, sections 3 and 4).

use crate::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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
