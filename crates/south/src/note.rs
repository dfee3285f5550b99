//! Why records of those who were refused: the part that access protocols know.

use landfall_core::{Core, Why};
use landfall_model::{AccountId, AppId, DeviceId};
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

/// Whom a why record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// A device.
    Device(AccountId, DeviceId),
    /// An application. `proven`: it is that one, and not only said to be.
    App { account: AccountId, app: AppId, proven: bool },
}

impl From<(AccountId, DeviceId)> for About {
    fn from((account, device): (AccountId, DeviceId)) -> Self {
        Self::Device(account, device)
    }
}

/// Leaves a why record: about somebody known, else of unknown origin.
pub(crate) fn note(core: &Core, of: Option<About>, note: Note<'_>) {
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
        Some(About::Device(account, device)) => core.why().of_device(account, device, why),
        Some(About::App { account, app, proven }) => core.why().of_app(account, app, proven, why),
        None => core.why().of_unknown(why),
    }
}
