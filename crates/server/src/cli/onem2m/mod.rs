//! The commands of the oneM2M side of an account.

pub(super) mod originator;
pub(super) mod provisioning;
