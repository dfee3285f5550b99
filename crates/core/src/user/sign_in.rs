//! Signing in: a tenant, a name and a password become a [`UserCaller`].
//!
//! Basic credentials come with every call, so what was checked is remembered: as a code under a key that lives as long as the process, beside the
//! version of the user it was checked against. Each call still reads the user; one that changed in any way is checked anew.
//!
//! A refusal says for operators what failed. Whoever is refused learns only that: no name, whether it is there or not, is checked faster.

use crate::{
    Core, Throttle, UserCaller, World,
    account::authority::unproven,
    batch,
    user::{
        Sessions,
        password::{Checked, PASSWORD_BYTES, keyed},
    },
};
use landfall_model::{
    Account, AccountId, Cause, DeviceRequest, Digest, Error, PageRequest, PasswordHash, RequestState, Result, Secret, User, Write,
};
use parking_lot::Mutex;
use std::{collections::HashMap, net::IpAddr, sync::Arc};

/// Logins that are remembered; beyond them those that were not used for the longest go.
const REMEMBERED: usize = 200_000;

/// What is in memory about logins.
pub(crate) struct Logins {
    /// Lives as long as the process.
    key: [u8; 32],
    verified: Mutex<Verified>,
    throttle: Throttle,
    pub(crate) sessions: Sessions,
}

impl Logins {
    pub(crate) fn new(world: &dyn World, wrong_per_minute: u32) -> Self {
        let mut key = [0; 32];
        world.random(&mut key);
        Self { key, verified: Mutex::default(), throttle: Throttle::new(wrong_per_minute), sessions: Sessions::default() }
    }

    /// What a login is remembered by.
    fn code(&self, user: (AccountId, &str), password: &str) -> Digest {
        let name = User::folded(user.1);
        let length = (name.len() as u64).to_be_bytes();
        keyed(&self.key, &[user.0.0.as_bytes(), &length, name.as_bytes(), password.as_bytes()])
    }
}

/// Versions of users that showed their passwords, in two generations, the older of which goes when the younger is full.
#[derive(Default)]
struct Verified {
    young: HashMap<[u8; 32], u64>,
    old: HashMap<[u8; 32], u64>,
}

impl Verified {
    fn version(&mut self, code: &Digest) -> Option<u64> {
        if let Some(version) = self.young.get(&code.0) {
            return Some(*version);
        }
        let version = self.old.remove(&code.0)?;
        self.put(code, version);
        Some(version)
    }

    fn put(&mut self, code: &Digest, version: u64) {
        if self.young.len() >= REMEMBERED / 2 && !self.young.contains_key(&code.0) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(code.0, version);
    }
}

impl Core {
    /// The user that this is the password of. Without a tenant: the user of a device by its name, else that of the only account there is.
    ///
    /// `Unauthenticated`, whose detail is for operators alone; `Throttled` after too many wrong passwords; `Overloaded` where too many wait to be
    /// checked.
    pub async fn sign_in(&self, tenant: Option<&str>, name: &str, password: &str, from: IpAddr) -> Result<UserCaller> {
        if password.len() > PASSWORD_BYTES {
            return Err(unproven(format!("the password is longer than {PASSWORD_BYTES} bytes, which none is")));
        }
        let found = self.named(tenant, name).await?;
        let user = found.as_ref().ok();
        let as_device = user.map_or_else(|| name.starts_with(User::DEVICE_PREFIX), |user| user.device_id.is_some());
        if let Some(user) = user {
            let code = self.logins.code((user.account, name), password);
            if user.enabled && self.logins.verified.lock().version(&code) == Some(user.version) {
                return Ok(UserCaller { user: user.clone() });
            }
        }
        let whose = user.map_or_else(|| tenant.unwrap_or_default().to_owned(), |user| user.account.to_string());
        let identity = format!("{whose}/{}", User::folded(name));
        let (secret, chosen) = (Secret::new(password), Secret::new(""));
        // A person's password may look generated, and is dear to check.
        self.admit(&identity, from, if as_device { &secret } else { &chosen })?;
        let checked = match user {
            Some(user) => self.checked(user, &secret).await?.0,
            None => self.passwords.check(None, as_device, &secret).await?,
        };
        let refused = match (found, checked) {
            (Ok(user), Checked::Right) if user.enabled => return self.signed_in(user, &secret).await,
            (Ok(_), Checked::Right) => "the user is disabled".into(),
            (Ok(_), Checked::Wrong) => "the password is not the user's".into(),
            (Ok(_), Checked::OtherKey) => {
                "the password was hashed under another password.key than the server has: put back the file that belongs to the database".into()
            }
            (Err(unknown), _) => unknown,
        };
        self.logins.throttle.failed(&identity, from, self.now());
        Err(unproven(refused))
    }

    /// Whether what a user proved holds still: it was neither deleted nor disabled since, and has the role and the password it had.
    pub async fn still_signed_in(&self, caller: &UserCaller) -> Result<()> {
        let then = &caller.user;
        let now = self.store.user(then.account, &then.name).await?.ok_or_else(|| unproven("the user was deleted"))?;
        if !now.enabled {
            return Err(unproven("the user is disabled"));
        }
        if now.password != then.password || now.role != then.role {
            return Err(unproven("the user was given another password or role"));
        }
        Ok(())
    }

    /// The user of this name; else why there is none, for operators.
    async fn named(&self, tenant: Option<&str>, name: &str) -> Result<std::result::Result<Arc<User>, String>> {
        let account = match tenant {
            Some(Account::MANAGEMENT_TENANT) => AccountId::MANAGEMENT,
            Some(tenant) => match self.store.account_of_tenant(tenant).await? {
                Some(account) => account.id,
                None => return Ok(Err("there is no account with this tenant id".into())),
            },
            None => {
                if let Some(device) = name.strip_prefix(User::DEVICE_PREFIX)
                    && let Some(user) = self.store.user_of_device(device).await?
                {
                    return Ok(Ok(user));
                }
                let accounts = self.store.accounts(None, PageRequest { no: 0, size: 1 }).await?;
                match (accounts.total, accounts.items.first()) {
                    (1, Some(only)) => only.id,
                    _ => return Ok(Err("the name has no tenant id before it, and the server has several accounts".into())),
                }
            }
        };
        let user = self.store.user(account, name).await?;
        Ok(user.ok_or_else(|| "there is no user of this name in the tenant".into()))
    }

    fn admit(&self, identity: &str, from: IpAddr, secret: &Secret) -> Result<()> {
        self.logins.throttle.check(identity, from, secret, self.now()).map_err(|shut| {
            Error::new(Cause::Throttled, format!("too many wrong passwords: no more are looked at until {}", shut.until.iso()))
        })
    }

    /// Remembers the login; the first of a device with its password is durable before it counts.
    async fn signed_in(&self, user: Arc<User>, password: &Secret) -> Result<UserCaller> {
        let user = if user.proven || user.device_id.is_none() { user } else { self.prove(&user, password).await? };
        let code = self.logins.code((user.account, &user.name), password.expose());
        self.logins.verified.lock().put(&code, user.version);
        Ok(UserCaller { user })
    }

    async fn prove(&self, user: &User, password: &Secret) -> Result<Arc<User>> {
        self.decide(&[], || {
            Box::pin(async {
                let now = self.store.user(user.account, &user.name).await?.filter(|now| now.enabled);
                let now = now.ok_or_else(|| unproven("the user was deleted or disabled meanwhile"))?;
                let (Checked::Right, shown) = self.checked(&now, password).await? else {
                    return Err(unproven("the user was given another password meanwhile"));
                };
                if now.proven {
                    return Ok((batch(vec![], vec![]), now));
                }
                let proven = User { proven: true, version: now.version + 1, password: shown, ..(*now).clone() };
                let mut writes = vec![Write::User(Box::new(proven.clone()))];
                let fulfilled = self.request_of(&proven).await?;
                writes.extend(fulfilled.map(|request| Write::DeleteDeviceRequest(request.id)));
                Ok((batch(writes, vec![]), Arc::new(proven)))
            })
        })
        .await
    }

    /// What a password of a user comes to, and which of those that it has it is. A device that was issued several has them all until its first login.
    async fn checked(&self, user: &User, password: &Secret) -> Result<(Checked, PasswordHash)> {
        let as_device = user.device_id.is_some();
        let checked = self.passwords.check(Some(&user.password), as_device, password).await?;
        if checked == Checked::Wrong && as_device && !user.proven {
            for issued in self.request_of(user).await?.map(|request| request.issued).unwrap_or_default() {
                if self.passwords.check(Some(&issued), true, password).await? == Checked::Right {
                    return Ok((Checked::Right, issued));
                }
            }
        }
        Ok((checked, user.password.clone()))
    }

    /// The request that the credentials of a device were issued for, which is over with its first login.
    async fn request_of(&self, user: &User) -> Result<Option<DeviceRequest>> {
        let Some(id) = &user.device_id else { return Ok(None) };
        let request = self.store.device_request(id).await?;
        Ok(request.filter(|request| request.account == user.account && request.state == RequestState::Accepted))
    }
}
