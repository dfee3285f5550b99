//! Users: who logs in with a name and a password, and what each may.

pub(crate) mod change;
pub(crate) mod credentials;
pub(crate) mod password;
pub(crate) mod sign_in;

use crate::{CloseCause, Core, DeviceCaller, Scope, account::principal::Principal};
use landfall_model::{Account, AccountId, Cause, Device, DeviceId, Error, Result, Role, User};
use parking_lot::RwLock;
use std::sync::{Arc, Weak};

/// A user that showed its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserCaller {
    pub(crate) user: Arc<User>,
}

/// What a user may be asked to have before something is done for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// See what is of its account; of a device: what it reaches.
    See,
    /// Make objects and say what devices say; of a device: for what it reaches.
    Speak,
    /// Change whatever is of its account.
    Administer,
    /// Ask for the credentials of devices.
    Bootstrap,
}

impl UserCaller {
    /// The user.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// Its account; [`AccountId::MANAGEMENT`] for a user of the server itself.
    pub fn account(&self) -> AccountId {
        self.user.account
    }

    /// `Forbidden` for a user that has not this permission.
    pub fn need(&self, permission: Permission) -> Result<()> {
        let may = match self.user.role {
            Role::Admin => permission != Permission::Bootstrap,
            Role::Reader => permission == Permission::See,
            Role::Device => matches!(permission, Permission::See | Permission::Speak),
            Role::Bootstrap => permission == Permission::Bootstrap,
        };
        if may { Ok(()) } else { Err(Error::new(Cause::Forbidden, format!("the user has no right to this: {permission:?}"))) }
    }

    /// Authority over all of its account, where its role reaches that; a device's does not. `Forbidden`.
    pub fn scope(&self) -> Result<Scope> {
        match self.user.role {
            Role::Admin | Role::Reader => Principal::operator(Some(self.user.account)).over(self.user.account),
            Role::Device | Role::Bootstrap => Err(Error::new(Cause::Forbidden, "the user reaches no whole account")),
        }
    }

    /// Whether it reaches a device by the device's own record: all of its account, or what it owns.
    pub(crate) fn owns(&self, device: &Device) -> bool {
        device.account == self.user.account
            && match self.user.role {
                Role::Admin | Role::Reader => true,
                Role::Device => device.owner.as_deref() == Some(&*self.user.name),
                Role::Bootstrap => false,
            }
    }
}

/// Connections of users that stay open. Each asks [`Core::still_signed_in`] before it serves what came from elsewhere, and ends when it is told.
pub trait UserSessions: Send + Sync {
    /// The user may not come any more, or has another password: its connections end.
    fn close(&self, account: AccountId, name: &str, why: CloseCause);
}

/// Those who serve such connections.
#[derive(Default)]
pub(crate) struct Sessions(RwLock<Vec<Weak<dyn UserSessions>>>);

impl Core {
    /// Tells this one too, from now on and for as long as it lives, of users whose connections must end.
    pub fn enlist_sessions<S: UserSessions + 'static>(&self, sessions: &Arc<S>) {
        let sessions: Arc<dyn UserSessions> = sessions.clone();
        let mut all = self.logins.sessions.0.write();
        all.retain(|one| one.strong_count() > 0);
        all.push(Arc::downgrade(&sessions));
    }

    /// To be called after a commit that took a user away, disabled it or gave it another role or password: its connections end.
    pub fn user_changed(&self, account: AccountId, name: &str, why: CloseCause) {
        let all: Vec<_> = self.logins.sessions.0.read().iter().filter_map(Weak::upgrade).collect();
        all.iter().for_each(|one| one.close(account, name, why));
    }

    /// The tenant id of an account, or of the server itself. `AccountNotFound`.
    pub async fn tenant_of(&self, account: AccountId) -> Result<String> {
        if account == AccountId::MANAGEMENT {
            return Ok(Account::MANAGEMENT_TENANT.to_owned());
        }
        let unknown = || Error::new(Cause::AccountNotFound, "there is no such account");
        Ok(self.store.account(account).await?.ok_or_else(unknown)?.tenant_id().into_owned())
    }

    /// A device that a user reaches: any of its account; for a device what it owns, and what is behind that. `DeviceNotFound`, also where it is
    /// there and not reached.
    pub async fn reached_device(&self, caller: &UserCaller, id: DeviceId) -> Result<Arc<Device>> {
        let unknown = || Error::new(Cause::DeviceNotFound, "there is no such device");
        let device = self.store.device(id).await?.ok_or_else(unknown)?;
        if caller.owns(&device) {
            return Ok(device);
        }
        let gateway = match device.gateway {
            Some(gateway) if device.account == caller.account() => self.store.device(gateway).await?,
            _ => None,
        };
        let owned = gateway.is_some_and(|gateway| caller.owns(&gateway));
        if owned || self.reaches_by_links(caller, &device).await? { Ok(device) } else { Err(unknown()) }
    }

    /// The device itself as a caller, for what a user that reaches it says in its name. `DeviceNotFound`, `Forbidden`.
    pub async fn speak_for(&self, caller: &UserCaller, id: DeviceId) -> Result<(DeviceCaller, Arc<Device>)> {
        caller.need(Permission::Speak)?;
        let device = self.reached_device(caller, id).await?;
        Ok((self.device_caller(&device), device))
    }
}
