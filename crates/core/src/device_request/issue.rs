//! Credentials for a device that asks for them, slowed where one asks for many or for one too often.

use super::{check_device_id, record, shown, state, unknown};
use crate::{CloseCause, Core, Permission, UserCaller, batch, minutes::Minutes, network};
use landfall_model::{AccountId, Batch, Cause, Digest, Error, Result, Secret, Time, Write};
use parking_lot::Mutex;
use std::{collections::hash_map::RandomState, hash::BuildHasher, net::IpAddr};

/// Entries of each of the tables.
const ROOM: usize = 100_000;

/// What a device logs in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The tenant id of its account.
    pub tenant: String,
    /// Name of its user.
    pub username: String,
    /// Shown this once.
    pub password: Secret,
}

/// How often devices asked in the last minute.
pub(crate) struct Polls {
    hasher: RandomState,
    tables: Mutex<Tables>,
}

struct Tables {
    devices: Minutes<u64>,
    addresses: Minutes<IpAddr>,
}

impl Default for Polls {
    fn default() -> Self {
        let tables = Tables { devices: Minutes::new(ROOM), addresses: Minutes::new(ROOM) };
        Self { hasher: RandomState::new(), tables: Mutex::new(tables) }
    }
}

impl Polls {
    /// Counts one of a device at an address; `Throttled` beyond the limits, of which 0 is none.
    fn admit(&self, id: &str, from: IpAddr, limits: (u32, u32), now: Time) -> Result<()> {
        let mut tables = self.tables.lock();
        let over = |limit: u32, count: u32| limit > 0 && count > limit;
        // What an address asks beyond its limit does not count for the devices that it names.
        if over(limits.1, tables.addresses.add(network(from), now, limits.1).0) {
            return Err(Error::new(Cause::Throttled, "devices at this address ask for credentials too often; wait a minute"));
        }
        if over(limits.0, tables.devices.add(self.hasher.hash_one(id), now, limits.0).0) {
            return Err(Error::new(Cause::Throttled, "the device asks for its credentials too often; wait a minute"));
        }
        Ok(())
    }
}

/// What became of one that asked: credentials, with the account in which there were some before, or why there are none.
type Outcome = Result<(Issued, Option<AccountId>)>;

impl Core {
    /// Issues credentials to a device that was accepted, as often as it asks until it logs in: each time others, of which those that it logs in with
    /// stay (an agent may ask once more before it uses what it got). The device may show a token. `from`: where it asks from.
    ///
    /// `Forbidden` for all but the bootstrap user, `InvalidField`, `Throttled`; `DeviceRequestNotFound` where nobody expects the device,
    /// `CredentialsNotReady` where it is not accepted yet, which its asking makes possible.
    pub async fn bootstrap_device(&self, caller: &UserCaller, id: &str, token: Option<&str>, from: IpAddr) -> Result<Issued> {
        caller.need(Permission::Bootstrap)?;
        check_device_id(id)?;
        let token = shown(token)?;
        let limits = (self.settings.credential_polls_per_device, self.settings.credential_polls_per_address);
        self.polls.admit(id, from, limits, self.now())?;
        let outcome = self.decide(&record(id), || Box::pin(self.answer_poll(id, token))).await?;
        let (issued, had) = outcome?;
        if let Some(account) = had {
            self.user_changed(account, &issued.username, CloseCause::CredentialsChanged);
        }
        Ok(issued)
    }

    async fn answer_poll(&self, id: &str, token: Option<Digest>) -> Result<(Batch, Outcome)> {
        let request = self.store.device_request(id).await?.ok_or_else(unknown)?;
        let wait = |detail: &'static str| Err(Error::new(Cause::CredentialsNotReady, detail));
        let next = match state::asked(&request, token) {
            state::Asked::Wait(next) => {
                let writes = next.map(|next| Write::DeviceRequest(Box::new(next))).into_iter().collect();
                return Ok((batch(writes, vec![]), wait("the device is not accepted yet")));
            }
            state::Asked::OtherToken => {
                return Ok((Batch::default(), wait("the device shows another token than it was accepted with")));
            }
            state::Asked::Issue(next) => next,
        };
        let before = self.user_of_device(request.account, id).await?;
        let password = self.generated_password();
        let user = self.issue_credentials(request.account, id, password.expose(), before.as_deref())?;
        let issued = Issued { tenant: self.tenant_of(request.account).await?, username: user.name.clone(), password };
        let next = state::issued(next, user.password.clone());
        let writes = vec![Write::DeviceRequest(Box::new(next)), Write::User(Box::new(user))];
        Ok((batch(writes, vec![]), Ok((issued, before.map(|user| user.account)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_device_and_one_address_are_slowed_apart() {
        let polls = Polls::default();
        let here = IpAddr::from([192, 0, 2, 1]);
        let asks = |id: &str, from: IpAddr, now: i64| polls.admit(id, from, (2, 4), Time(now)).is_ok();
        assert!(asks("a", here, 0) && asks("a", here, 0));
        assert!(!asks("a", here, 59_999), "the third of one device");
        assert!(asks("b", here, 0), "another device");
        assert!(!asks("c", here, 0), "the fifth of one address");
        assert!(asks("c", IpAddr::from([192, 0, 2, 2]), 0), "another address");
        assert!(asks("a", here, 60_000), "the next minute");
        assert!((0..100).all(|_| polls.admit("d", here, (0, 0), Time(120_000)).is_ok()), "no limits");
    }
}
