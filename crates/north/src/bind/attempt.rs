//! A try to bind with a verification code: whether the code is compared at all, and what is left of a failure (device-side section 3).

use super::DeviceApi;
use landfall_core::{ShutOut, Why};
use landfall_model::{Cause, Device, Error, Result};
use std::net::SocketAddr;

/// Codes that may fail for a nodeId in a minute. AgentLite tries once every 30 s.
pub(super) const FAILURES: u32 = 10;
/// The step of its why records.
const STEP: &str = "bind.code";

/// One try to bind.
pub(super) struct Attempt<'a> {
    pub api: &'a DeviceApi,
    pub peer: Option<SocketAddr>,
    pub node_id: &'a str,
    /// The device of that nodeId, if there is one.
    pub known: Option<&'a Device>,
}

impl Attempt<'_> {
    /// Whether its code may be compared. `Throttled`.
    pub fn check(&self) -> Result<()> {
        let code = self.known.and_then(|device| device.credentials.verify_code.as_ref());
        let (Some(peer), Some(code)) = (self.peer, code) else { return Ok(()) };
        let checked = self.api.throttle.check(&self.budget(), peer.ip(), code, self.api.core.now());
        checked.map_err(|shut| self.shut_out(shut))
    }

    /// Counts what may have been a guess, and leaves a why record.
    pub fn refused(&self, error: Error) -> Error {
        let shut = self.peer.filter(|_| error.cause == Cause::DeviceNotFound);
        let shut = shut.and_then(|peer| self.api.throttle.failed(&self.budget(), peer.ip(), self.api.core.now()));
        if let Some(shut) = shut {
            return self.shut_out(shut);
        }
        let check = match error.cause {
            Cause::DeviceNotFound if self.known.is_none() => "device.unknown",
            Cause::DeviceNotFound => "code.wrong",
            Cause::Forbidden => "code.over",
            cause => cause.as_str(),
        };
        self.note(check, error.to_string());
        error
    }

    fn shut_out(&self, shut: ShutOut) -> Error {
        const CHECK: &str = "identity.throttled";
        if shut.is_first {
            let detail = format!(
                "too many codes failed in a minute; until {} a code that people chose is not looked at from this address",
                shut.until.iso()
            );
            self.note(CHECK, detail);
        } else {
            self.api.core.why().count(STEP, CHECK);
        }
        Error::new(Cause::Throttled, "too many failed attempts; try again in a minute")
    }

    /// A device's codes have one budget under all its names.
    fn budget(&self) -> String {
        self.known.map_or_else(|| self.node_id.to_owned(), |device| device.id.to_string())
    }

    fn note(&self, check: &'static str, detail: String) {
        let core = &self.api.core;
        let why =
            Why { at: core.now(), identity: self.node_id.to_owned(), peer: self.peer, step: STEP, check, detail, call: None };
        match self.known {
            Some(device) => core.why().of_device(device.account, device.id, why),
            None => core.why().of_unknown(why),
        }
    }
}
