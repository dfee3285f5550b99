//! The oneM2M tree.

mod nodes;
mod provisioning;
mod rights;
pub(crate) mod tree;
