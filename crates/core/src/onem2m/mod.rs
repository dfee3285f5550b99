//! What oneM2M applications see of an account: the tree over its devices, originators and provisioning lists.

pub(crate) mod fault;
pub(crate) mod message;
pub(crate) mod node;
pub(crate) mod originator;
pub(crate) mod provisioning;
pub(crate) mod store;
pub(crate) mod tree;
