//! Names by which devices are found.

use crate::{AccountId, Identity};

/// A name in canonical form; at most one device has it. A name that is unique within an account says which.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeviceName {
    /// What a nodeId, or the identity of a pre-shared key, stands for. Unique on the server: what a device shows at its admission names no account.
    Identity(Identity),
    /// The name of a node.
    Node(AccountId, Box<str>),
}

impl DeviceName {
    /// The account within which it is unique; none: the whole server.
    pub fn account(&self) -> Option<&AccountId> {
        match self {
            Self::Identity(_) => None,
            Self::Node(account, _) => Some(account),
        }
    }

    /// The word that tells its kind from others.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Identity(_) => "identity",
            Self::Node(..) => "node",
        }
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Identity(identity) => identity.as_str(),
            Self::Node(_, name) => name,
        }
    }
}
