//! Requests for the credentials of devices: an account announces a device, the device asks in the name of the bootstrap user, the account
//! accepts it, and the device is given its own user (Cumulocity contract, section 2).
//!
//! The id is all that the device says of itself, so it is unique on the server, and the request says whose the device becomes.

mod issue;
mod state;

pub use issue::Issued;
pub(crate) use issue::Polls;

use crate::{Core, Permission, UserCaller, batch, digest, turns::Record};
use landfall_model::{AccountId, Cause, DeviceRequest, Error, Page, PageRequest, RequestState, Result, Write};

/// Characters of an id (seed 87), and of a token.
const ID: usize = 1_000;
const TOKEN: usize = 256;
/// Bytes of what is given beside the id.
const EXTRAS_BYTES: usize = 16 * 1024;
/// Requests that are accepted with one commit.
const AT_ONCE: u32 = 500;
/// Times that others may change some of them meanwhile.
const RACES: u32 = 100;

/// A device that is announced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewDeviceRequest {
    /// What the device calls itself: 1 to 1,000 characters without white space and none of `/ \ + $ :`.
    pub id: String,
    /// What else is kept with it, a JSON object of at most 16,384 bytes.
    pub extras: Option<String>,
}

/// How a request is accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepting<'a> {
    /// The token that the device must have shown.
    pub token: Option<&'a str>,
    /// Whether there must be one.
    pub demanded: bool,
}

/// `InvalidField` for what is no id of a device.
pub fn check_device_id(id: &str) -> Result<()> {
    let wrong = |why: &'static str| Err(Error::invalid("id", why));
    match id {
        "" => wrong("must be given"),
        "." | ".." => wrong("must not be a dot or two"),
        _ if id.chars().count() > ID => wrong("must be at most 1000 characters"),
        _ if id.chars().any(|c| c.is_whitespace() || c.is_control()) => {
            wrong("must be without white space and control characters")
        }
        _ if id.contains(['/', '\\', '+', '$', ':']) => wrong(r"must have none of the characters / \ + $ :"),
        _ => Ok(()),
    }
}

fn unknown() -> Error {
    Error::new(Cause::DeviceRequestNotFound, "there is no request for a device of this id")
}

fn record(id: &str) -> [Record; 1] {
    [Record::DeviceRequest(digest(id).0)]
}

impl Core {
    /// Announces a device. `Forbidden`, `InvalidField`, `TooMany`; `DeviceRequestExists` where it is announced already, or is a device of another
    /// account.
    pub async fn create_device_request(&self, caller: &UserCaller, new: NewDeviceRequest) -> Result<DeviceRequest> {
        caller.need(Permission::Administer)?;
        check_device_id(&new.id)?;
        if caller.account() == AccountId::MANAGEMENT {
            return Err(Error::new(Cause::Forbidden, "the server itself has no devices: ask as a user of an account"));
        }
        if new.extras.as_ref().is_some_and(|extras| extras.len() > EXTRAS_BYTES) {
            return Err(Error::invalid("body", "must be at most 16384 bytes"));
        }
        self.decide(&record(&new.id), || {
            Box::pin(async {
                let total = self.store.device_requests(caller.account(), PageRequest { no: 0, size: 1 }).await?.total;
                if total >= self.settings.device_requests {
                    return Err(Error::new(
                        Cause::TooMany,
                        "the account has as many requests as it may (limits.device_requests)",
                    ));
                }
                self.check_free(caller.account(), &new.id).await?;
                let request = DeviceRequest {
                    id: new.id.clone(),
                    account: caller.account(),
                    version: 1,
                    state: RequestState::WaitingForConnection,
                    owner: caller.user().name.clone(),
                    extras: new.extras.clone(),
                    token: None,
                    issued: vec![],
                    created_at: self.now(),
                };
                Ok((batch(vec![Write::DeviceRequest(Box::new(request.clone()))], vec![]), request))
            })
        })
        .await
    }

    async fn check_free(&self, account: AccountId, id: &str) -> Result<()> {
        if self.store.device_request(id).await?.is_some() {
            return Err(Error::new(Cause::DeviceRequestExists, "the device is announced already"));
        }
        let user = self.user_of_device(account, id).await;
        user.map(|_| ()).map_err(|error| match error.cause {
            Cause::NameTaken => Error { cause: Cause::DeviceRequestExists, ..error },
            _ => error,
        })
    }

    /// One request of the caller's account. `Forbidden`, `DeviceRequestNotFound`, also where it is another's.
    pub async fn device_request(&self, caller: &UserCaller, id: &str) -> Result<DeviceRequest> {
        caller.scope()?;
        let found = self.store.device_request(id).await?;
        found.filter(|request| request.account == caller.account()).ok_or_else(unknown)
    }

    /// The requests of the caller's account, oldest first. `Forbidden`.
    pub async fn device_requests(&self, caller: &UserCaller, page: PageRequest) -> Result<Page<DeviceRequest>> {
        caller.scope()?;
        self.store.device_requests(caller.account(), page).await
    }

    /// Accepts a device that asked for its credentials; one that was accepted stays so. The dialect says who may.
    ///
    /// `Forbidden`, `DeviceRequestNotFound`, `DeviceNotAsked`; `InvalidField` for another token than the one that the device showed.
    pub async fn accept_device_request(&self, caller: &UserCaller, id: &str, how: Accepting<'_>) -> Result<DeviceRequest> {
        caller.scope()?;
        let token = shown(how.token)?;
        self.decide(&record(id), || {
            Box::pin(async {
                let request = self.device_request(caller, id).await?;
                let Some(next) = state::accepted(&request, token, how.demanded)? else {
                    return Ok((batch(vec![], vec![]), request));
                };
                Ok((batch(vec![Write::DeviceRequest(Box::new(next.clone()))], vec![]), next))
            })
        })
        .await
    }

    /// Accepts all devices that asked, and gives each with what it was refused for, if it was. `Forbidden`.
    pub async fn accept_device_requests(&self, caller: &UserCaller, demanded: bool) -> Result<Vec<(String, Result<()>)>> {
        caller.need(Permission::Administer)?;
        let mut done = vec![];
        let (mut no, mut raced) = (0, 0);
        loop {
            let page = self.device_requests(caller, PageRequest { no, size: AT_ONCE }).await?;
            let (full, mut writes, before) = (page.items.len() == AT_ONCE as usize, vec![], done.len());
            for request in page.items.iter().filter(|request| request.state == RequestState::PendingAcceptance) {
                let next = state::accepted(request, None, demanded);
                done.push((request.id.clone(), next.as_ref().map(|_| ()).map_err(Clone::clone)));
                writes.extend(next.ok().flatten().map(|next| Write::DeviceRequest(Box::new(next))));
            }
            match self.store.commit(batch(writes, vec![])).await {
                // A device asked meanwhile, or somebody else decided.
                Err(error) if error.cause == Cause::Stale && raced < RACES => {
                    raced += 1;
                    done.truncate(before);
                }
                Err(error) => return Err(error),
                Ok(_) if full => no += 1,
                Ok(_) => return Ok(done),
            }
        }
    }

    /// Withdraws a request; credentials that were issued for it stay. `Forbidden`, `DeviceRequestNotFound`.
    pub async fn delete_device_request(&self, caller: &UserCaller, id: &str) -> Result<()> {
        caller.need(Permission::Administer)?;
        self.device_request(caller, id).await?;
        self.store.commit(batch(vec![Write::DeleteDeviceRequest(id.to_owned())], vec![])).await.map(|_| ())
    }
}

/// What is kept of a token. `InvalidField`.
fn shown(token: Option<&str>) -> Result<Option<landfall_model::Digest>> {
    match token {
        Some(token) if token.chars().count() > TOKEN => Err(Error::invalid("securityToken", "must be at most 256 characters")),
        token => Ok(token.filter(|token| !token.is_empty()).map(digest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_devices_can_stand_in_a_path() {
        for good in ["1234", "860123456789012", "käse", "a.b", "-", &"x".repeat(ID)] {
            assert_eq!(check_device_id(good), Ok(()), "{good}");
        }
        for bad in ["", ".", "..", "a b", "a\tb", "a\u{a0}b", "a\0b", "a/b", r"a\b", "a+b", "a$b", "a:b", &"x".repeat(ID + 1)] {
            assert_eq!(check_device_id(bad).map_err(|error| error.cause), Err(Cause::InvalidField), "{bad}");
        }
    }
}
