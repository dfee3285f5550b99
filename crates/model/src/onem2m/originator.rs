//! Applications as oneM2M knows them.

use crate::Digest;
use serde::{Deserialize, Serialize};

/// An application as oneM2M knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Originator {
    /// `X-M2M-Origin`: `C` or `S` and 1 to 63 further characters, unique in the account.
    pub name: String,
    /// Of its access token that does not end, if it has one.
    pub token: Option<Digest>,
}
