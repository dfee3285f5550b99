//! The oneM2M tree.

mod nodes;
mod notices;
mod provisioning;
mod rights;
pub(crate) mod tree;
