//! Users as operators make, change and list them; those of the server itself for its own operator alone.

use crate::{
    CloseCause, Core, Operator, Permission, UserCaller,
    account::need_server,
    batch,
    user::{
        credentials::has_odd_characters,
        password::{Checked, check_form},
    },
};
use landfall_model::{AccountId, Batch, Cause, Error, Page, PageRequest, PasswordHash, Result, Role, Secret, User, Write};
use std::sync::Arc;

/// Characters that a person's password has at least.
const PASSWORD_CHARS: usize = 8;

/// A user to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUser {
    /// Unique in the account without regard to case: 1 to 1,000 characters, no white space, no control characters, none of `/ \ + $ :`; not
    /// `device_...`, which are the users of devices.
    pub name: String,
    /// Not [`Role::Device`]; [`Role::Bootstrap`] for the server itself alone.
    pub role: Role,
    /// At least 8 characters; none: one is generated.
    pub password: Option<Secret>,
}

/// Changes of a user; `None` leaves a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserChange {
    /// Another role, as in [`NewUser`]; a device keeps its own.
    pub role: Option<Role>,
    /// Another password: at least 8 characters, of a device at least one.
    pub password: Option<Secret>,
    /// Whether it may come.
    pub enabled: Option<bool>,
}

impl Core {
    /// Makes a user of an account, or of the server itself; returns it with its password if that was generated.
    ///
    /// `AccountNotFound`, `Forbidden`, `InvalidField`, `NameTaken`, `TooMany`, `Overloaded`.
    pub async fn create_user(
        &self,
        operator: &Operator,
        account: AccountId,
        new: NewUser,
    ) -> Result<(Arc<User>, Option<Secret>)> {
        self.over_users(operator, account).await?;
        check_name(&new.name)?;
        check_role(account, new.role)?;
        let mut people = 0;
        for role in [Role::Admin, Role::Reader, Role::Bootstrap] {
            people += self.store.users(account, Some(role), PageRequest { no: 0, size: 1 }).await?.total;
        }
        if people >= self.settings.users {
            return Err(Error::new(Cause::TooMany, "the account has as many users as it may (limits.users)"));
        }
        let generated = new.password.is_none().then(|| self.generated_password());
        let password = new.password.as_ref().or(generated.as_ref()).ok_or_else(|| Error::invalid("password", "is missing"))?;
        let password = self.hashed(password).await?;
        let user = User {
            account,
            name: new.name,
            version: 1,
            role: new.role,
            password,
            enabled: true,
            device_id: None,
            proven: false,
            created_at: self.now(),
        };
        let written = self.store.commit(batch(vec![Write::User(Box::new(user.clone()))], vec![])).await;
        written.map_err(|error| match error.cause {
            Cause::Stale => Error::new(Cause::NameTaken, "another user of the account has this name").at("name"),
            _ => error,
        })?;
        Ok((Arc::new(user), generated))
    }

    /// Changes a user. Connections that it has end where it may not come any more, or has another password or role.
    pub async fn change_user(
        &self,
        operator: &Operator,
        account: AccountId,
        name: &str,
        change: UserChange,
    ) -> Result<Arc<User>> {
        let before = self.user(operator, account, name).await?;
        let password = match &change.password {
            None => None,
            Some(password) if before.device_id.is_none() => Some(self.hashed(password).await?),
            Some(password) => {
                check_form(password.expose(), 1)?;
                Some(self.passwords.key.hash(self.random_16(), password.expose()))
            }
        };
        let changed = self.decide(&[], || {
            Box::pin(async {
                let user = self.user(operator, account, name).await?;
                changed(&user, &change, password.clone())
            })
        });
        let changed = changed.await?;
        if changed.password != before.password || changed.role != before.role || !changed.enabled {
            self.user_changed(account, &changed.name, CloseCause::CredentialsChanged);
        }
        Ok(changed)
    }

    /// Gives a person that asks for it another password; `current` is the one that it has, where that is to be shown again.
    ///
    /// `Forbidden` for a device, whose credentials are issued; `InvalidField` for a password of a wrong form, and a current one that is wrong.
    pub async fn change_own_password(&self, caller: &UserCaller, current: Option<&Secret>, new: &Secret) -> Result<Arc<User>> {
        caller.need(Permission::See)?;
        let before = &caller.user;
        if before.device_id.is_some() {
            return Err(Error::new(Cause::Forbidden, "the password of a device is issued, and not chosen by it"));
        }
        if let Some(current) = current
            && self.passwords.check(Some(&before.password), false, current).await? != Checked::Right
        {
            return Err(Error::invalid("currentUserPassword", "is not the user's password"));
        }
        let change = UserChange { password: Some(new.clone()), ..Default::default() };
        let password = self.hashed(new).await?;
        let decided = self.decide(&[], || {
            Box::pin(async {
                self.still_signed_in(caller).await?;
                let user = self.store.user(before.account, &before.name).await?;
                changed(&user.unwrap_or_else(|| before.clone()), &change, Some(password.clone()))
            })
        });
        let decided = decided.await?;
        self.user_changed(before.account, &before.name, CloseCause::CredentialsChanged);
        Ok(decided)
    }

    /// Deletes a user; a device that it was issued for is nobody's but the account's then.
    pub async fn delete_user(&self, operator: &Operator, account: AccountId, name: &str) -> Result<()> {
        let user = self.user(operator, account, name).await?;
        self.store.commit(batch(vec![Write::DeleteUser(account, user.name.clone())], vec![])).await?;
        self.user_changed(account, &user.name, CloseCause::Deleted);
        Ok(())
    }

    /// One user. `UserNotFound`.
    pub async fn user(&self, operator: &Operator, account: AccountId, name: &str) -> Result<Arc<User>> {
        self.over_users(operator, account).await?;
        let unknown = || Error::new(Cause::UserNotFound, "the account has no user of this name");
        self.store.user(account, name).await?.ok_or_else(unknown)
    }

    /// Users by name, all or those of one role.
    pub async fn users(
        &self,
        operator: &Operator,
        account: AccountId,
        role: Option<Role>,
        page: PageRequest,
    ) -> Result<Page<Arc<User>>> {
        self.over_users(operator, account).await?;
        self.store.users(account, role, page).await
    }

    /// `Forbidden` for those of the server itself unless it is its operator, `AccountNotFound` for another account.
    async fn over_users(&self, operator: &Operator, account: AccountId) -> Result<()> {
        match account {
            AccountId::MANAGEMENT => need_server(operator),
            account => self.account(operator, account).await.map(|_| ()),
        }
    }

    /// What is kept of a person's password.
    async fn hashed(&self, password: &Secret) -> Result<PasswordHash> {
        check_form(password.expose(), PASSWORD_CHARS)?;
        self.passwords.hash(&*self.world, password).await
    }
}

fn changed(user: &User, change: &UserChange, password: Option<PasswordHash>) -> Result<(Batch, Arc<User>)> {
    let role = change.role.unwrap_or(user.role);
    if role != user.role {
        if user.role == Role::Device {
            return Err(Error::invalid("role", "a device keeps its role"));
        }
        check_role(user.account, role)?;
    }
    let proven = user.proven && password.is_none();
    let password = password.unwrap_or_else(|| user.password.clone());
    let enabled = change.enabled.unwrap_or(user.enabled);
    let next = User { version: user.version + 1, role, password, proven, enabled, ..user.clone() };
    Ok((batch(vec![Write::User(Box::new(next.clone()))], vec![]), Arc::new(next)))
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.chars().count() > 1_000 || has_odd_characters(name) {
        let detail = "must be 1 to 1000 characters without white space, control characters or one of / \\ + $ :";
        return Err(Error::invalid("name", detail));
    }
    if User::folded(name).starts_with(User::DEVICE_PREFIX) {
        return Err(Error::invalid("name", "begins as the names of devices do, whose credentials are issued"));
    }
    Ok(())
}

fn check_role(account: AccountId, role: Role) -> Result<()> {
    match role {
        Role::Device => Err(Error::invalid("role", "is that of devices, whose credentials are issued")),
        Role::Bootstrap if account != AccountId::MANAGEMENT => {
            Err(Error::invalid("role", "is that of users of the server itself: tenant management"))
        }
        Role::Admin | Role::Reader | Role::Bootstrap => Ok(()),
    }
}
