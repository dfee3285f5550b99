//! The oneM2M tree and provisioning.

pub mod instances;
pub mod labels;
pub mod provisioning;
pub mod tree;
