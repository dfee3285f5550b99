//! Who sees and may do what within an account: every comparison of principals stands here.
//!
//! An application sees the devices whose principals include it, and may act for applications that have authorised it. Asked anew when data
//! goes out, to it or to a device: rights may have gone since.

use crate::{Core, Scope};
use landfall_model::{AccountId, App, AppId, Device, Result};
use std::sync::Arc;

/// Whether an application may all that another one may: it is that one, or authorised by it.
pub(crate) fn acts_for(app: AppId, other: &App) -> bool {
    other.id == app || other.authorized.contains(&app)
}

impl Scope {
    /// Whether a device is within it.
    pub fn covers(&self, device: &Device) -> bool {
        device.account == self.account && self.app.is_none_or(|app| device.principals.include(app))
    }

    /// Whether what was asked for in the name of an application, or of none, is within it.
    pub(crate) fn covers_name(&self, account: AccountId, app: Option<AppId>) -> bool {
        account == self.account && self.app.is_none_or(|own| Some(own) == app)
    }

    /// The application in whose name it asks something of a device: its own, or the one that registered the device.
    pub(crate) fn name_at(&self, device: &Device) -> Option<AppId> {
        self.app.or_else(|| device.app())
    }
}

impl Core {
    /// Whether an application sees a device: it is one of its principals, or may act for one.
    pub(crate) async fn sees(&self, app: AppId, device: &Device) -> Result<bool> {
        for principal in device.principals.iter() {
            if self.may_act_for(*principal, app).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether an application may all with what the other one made.
    pub(crate) async fn may_act_for(&self, owner: AppId, app: AppId) -> Result<bool> {
        Ok(owner == app || self.store.app(owner).await?.is_some_and(|owner| acts_for(app, &owner)))
    }

    /// Why an application may not act for `target` at present; none: it may, as an operator (`by` is absent) always may.
    pub(crate) async fn bar(&self, target: AppId, by: Option<AppId>) -> Result<Option<String>> {
        let Some(by) = by else { return Ok(None) };
        let Some(target) = self.store.app(target).await? else { return Ok(Some(deleted(target))) };
        Ok(match self.standing(by).await? {
            Err(reason) => Some(reason),
            Ok(app) if !acts_for(app.id, &target) => {
                Some(format!("the authorisation of the application {} by {} was withdrawn", app.name, target.name))
            }
            Ok(_) => None,
        })
    }

    /// The same of a device: why it may act for none of those that see it.
    pub(crate) async fn bar_at(&self, device: &Device, by: Option<AppId>) -> Result<Option<String>> {
        let mut first = None;
        for principal in device.principals.iter() {
            match self.bar(*principal, by).await? {
                None => return Ok(None),
                reason => first = first.or(reason),
            }
        }
        Ok(first.or_else(|| by.map(|_| "no application sees the device any more".to_owned())))
    }

    /// An application that may come; else why not.
    pub(crate) async fn standing(&self, id: AppId) -> Result<std::result::Result<Arc<App>, String>> {
        Ok(match self.store.app(id).await? {
            None => Err(deleted(id)),
            Some(app) if app.frozen => Err(format!("the application {} is frozen", app.name)),
            Some(app) => Ok(app),
        })
    }
}

fn deleted(id: AppId) -> String {
    format!("the application {id} is deleted")
}
