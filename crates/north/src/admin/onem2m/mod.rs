//! What operators do with the oneM2M side of an account.

pub(super) mod originator;
pub(super) mod provisioning;
