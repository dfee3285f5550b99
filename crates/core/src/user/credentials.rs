//! Credentials of devices: a user for each, made with the name that follows from the id of the device.

use crate::{
    Core,
    device_request::check_device_id,
    user::password::{check_form, unset},
};
use landfall_model::{AccountId, Cause, Error, PasswordHash, Result, Role, Secret, User};
use std::sync::Arc;

/// Whether a text could not stand in credentials, paths and topics.
pub(crate) fn has_odd_characters(text: &str) -> bool {
    text.chars().any(|c| c.is_whitespace() || c.is_control() || "/\\+$:".contains(c))
}

impl Core {
    /// A new password of a device: 128 random bits in hex.
    pub fn generated_password(&self) -> Secret {
        Secret::new(self.generated(16))
    }

    /// The user whose credentials the account has issued for a device of this id.
    ///
    /// `NameTaken` where another account has issued some, or this one for an id that differs in nothing but case.
    pub async fn user_of_device(&self, account: AccountId, device_id: &str) -> Result<Option<Arc<User>>> {
        if let Some(user) = self.store.user_of_device(device_id).await? {
            return if user.account == account { Ok(Some(user)) } else { Err(taken("another tenant has a device of this id")) };
        }
        match self.store.user(account, &name_of(device_id)).await? {
            Some(_) => Err(taken("the tenant has a device whose id differs in nothing but case")),
            None => Ok(None),
        }
    }

    /// What becomes of the user of a device, as [`Core::user_of_device`] found it, when it is given this password. Pure but for the salt.
    ///
    /// To be written with [`landfall_model::Write::User`]; where it was there before, [`Core::user_changed`] is told after the commit. `InvalidField`
    /// for an id or password of a wrong form.
    pub fn issue_credentials(&self, account: AccountId, device_id: &str, password: &str, before: Option<&User>) -> Result<User> {
        check_device_id(device_id)?;
        check_form(password, 1)?;
        Ok(self.issued(account, device_id, self.passwords.key.hash(self.random_16(), password), before))
    }

    /// The same with what is kept of the password, both of which were checked.
    pub(crate) fn issued(&self, account: AccountId, device_id: &str, password: PasswordHash, before: Option<&User>) -> User {
        let new = || User {
            account,
            name: name_of(device_id),
            version: 0,
            role: Role::Device,
            password: unset(),
            enabled: true,
            device_id: Some(device_id.to_owned()),
            proven: false,
            created_at: self.now(),
        };
        let user = before.cloned().unwrap_or_else(new);
        User { version: user.version + 1, password, proven: false, ..user }
    }
}

/// What the user of a device is called.
pub(crate) fn name_of(device_id: &str) -> String {
    format!("{}{device_id}", User::DEVICE_PREFIX)
}

fn taken(detail: &'static str) -> Error {
    Error::new(Cause::NameTaken, detail).at("id")
}
