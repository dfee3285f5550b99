//! The oneM2M tree.

mod groups;
mod hooks;
mod nodes;
mod notices;
mod provisioning;
mod rights;
pub(crate) mod tree;
