//! Why records of refused devices: the part that access protocols know.

use landfall_core::{Core, Why};
use landfall_model::{AccountId, DeviceId};
use std::net::SocketAddr;

/// The part of a why record that this side knows.
pub(crate) struct Note<'a> {
    /// Who it claimed to be.
    pub(crate) identity: &'a str,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) step: &'static str,
    /// A stable word.
    pub(crate) check: &'static str,
    pub(crate) detail: String,
}

/// Leaves a why record: about a device where it is known, else of unknown origin.
pub(crate) fn note(core: &Core, of: Option<(AccountId, DeviceId)>, note: Note<'_>) {
    let why = Why {
        at: core.now(),
        identity: note.identity.to_owned(),
        peer: note.peer,
        step: note.step,
        check: note.check,
        detail: note.detail,
        call: None,
    };
    match of {
        Some((account, device)) => core.why().of_device(account, device, why),
        None => core.why().of_unknown(why),
    }
}
