//! The oneM2M tree and provisioning.

pub(crate) mod claims;
pub(crate) mod instances;
pub(crate) mod labels;
pub(crate) mod provisioning;
mod read;
pub(crate) mod resources;
pub(crate) mod subscribers;
