//! What operators do with the oneM2M side of an account.

pub(super) mod originator;
pub(super) mod provisioning;

/// Of the counter `notices_withheld`.
pub(super) const WITHHELD_HELP: &str = "oneM2M notices not made because the subscriber may not retrieve what they show";
