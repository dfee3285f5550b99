//! Principals: who acts, and what it may. Every comparison of principals and every judgement of their rights stands here.
//!
//! Authentication finds a [`Principal`]; operators and callers are views of one, and a [`Scope`] is made by the functions below alone. An
//! application sees the devices whose principals include it, and may act for applications that have authorised it. Asked anew when data
//! goes out, to it or to a device: rights may have gone since.

use crate::Core;
use landfall_model::{AccountId, App, AppId, Cause, Device, Error, Principals, Result, Subscription, SubscriptionKind};
use std::sync::Arc;

/// Somebody with rights, as authentication found it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Principal {
    account: Option<AccountId>,
    kind: PrincipalKind,
}

/// Kinds of principals.
#[derive(Clone, Debug, PartialEq)]
enum PrincipalKind {
    /// Whoever showed an operator token.
    Operator,
    /// An application.
    Application(Arc<App>),
}

/// What the rights of a principal reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Every account, and the server itself.
    Server,
    /// All of its account.
    Account,
    /// Of its account the devices that it sees, and those of applications that have authorised it.
    Seen,
}

impl Principal {
    /// The operator of the server, or of one account.
    pub(crate) fn operator(account: Option<AccountId>) -> Self {
        Self { account, kind: PrincipalKind::Operator }
    }

    pub(crate) fn application(app: Arc<App>) -> Self {
        Self { account: Some(app.account), kind: PrincipalKind::Application(app) }
    }

    /// Its account; none for the operator of the server.
    pub(crate) fn account(&self) -> Option<AccountId> {
        self.account
    }

    /// What its rights reach.
    pub(crate) fn reach(&self) -> Reach {
        match (&self.kind, self.account) {
            (PrincipalKind::Application(_), _) => Reach::Seen,
            (PrincipalKind::Operator, Some(_)) => Reach::Account,
            (PrincipalKind::Operator, None) => Reach::Server,
        }
    }

    /// Authority over all of an account. `AccountNotFound` where it is not within reach, as if it did not exist.
    pub(crate) fn over(&self, account: AccountId) -> Result<Scope> {
        let within = match self.reach() {
            Reach::Server => true,
            Reach::Account => self.account == Some(account),
            Reach::Seen => false,
        };
        if !within {
            return Err(Error::new(Cause::AccountNotFound, "there is no such account"));
        }
        Ok(Scope { account, app: None, by: None })
    }

    /// Authority in the name of an application. `AppNotAuthorized`.
    pub(crate) fn in_name_of(&self, other: &App) -> Result<Scope> {
        let (may, by) = match &self.kind {
            PrincipalKind::Operator => (self.account.is_none_or(|own| own == other.account), None),
            PrincipalKind::Application(app) => (acts_for(app.id, other), Some(app.id)),
        };
        if !may {
            return Err(Error::new(Cause::AppNotAuthorized, "that application has not authorized this one"));
        }
        Ok(Scope { account: other.account, app: Some(other.id), by })
    }
}

/// Whether an application may all that another one may: it is that one, or authorised by it.
pub(crate) fn acts_for(app: AppId, other: &App) -> bool {
    other.id == app || other.authorized.contains(&app)
}

/// `AppFrozen` for an application that may not come.
pub(crate) fn check_standing(app: &App) -> Result<()> {
    if app.frozen {
        return Err(Error::new(Cause::AppFrozen, "the application is frozen"));
    }
    Ok(())
}

/// Authority over the devices of an application, or of a whole account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    pub(crate) account: AccountId,
    pub(crate) app: Option<AppId>,
    pub(crate) by: Option<AppId>,
}

impl Scope {
    /// The account.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// The application; absent for the whole account.
    pub fn app(&self) -> Option<AppId> {
        self.app
    }

    /// The same, narrowed to what one application of the account sees.
    pub(crate) fn narrowed(&self, app: &App) -> Self {
        Self { app: Some(app.id), ..self.clone() }
    }

    /// Over a device that an application sees by its own right or another's.
    pub(crate) fn at(device: &Device, by: AppId) -> Self {
        Self { account: device.account, app: device.app(), by: Some(by) }
    }

    pub(crate) fn need_app(&self) -> Result<AppId> {
        self.app.ok_or_else(|| Error::invalid("appId", "name the application that is to own it"))
    }

    /// The application that asks, where it acts for another one than this.
    pub(crate) fn guest_of(&self, app: Option<AppId>) -> Option<AppId> {
        self.by.filter(|by| Some(*by) != app)
    }

    /// Whether a subscription is within it: an application sees whatever is about its own devices, and what it owns about those of an
    /// application that it acts for.
    pub(crate) fn covers_subscription(&self, found: &Subscription) -> bool {
        let Some(app) = self.app else { return found.account == self.account };
        let told = matches!(found.kind, SubscriptionKind::Notify(_));
        found.account == self.account
            && found.target == app
            && self.guest_of(self.app).is_none_or(|guest| guest == found.owner)
            && told
    }

    /// Whether a device is within it.
    pub fn covers(&self, device: &Device) -> bool {
        device.account == self.account && self.covers_seen(&device.principals)
    }

    /// Whether a device of the account that these see is within it.
    pub(crate) fn covers_seen(&self, seen_by: &Principals) -> bool {
        self.app.is_none_or(|app| seen_by.include(app))
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
    /// Whether a principal sees a device: all of its account are within its reach, or it is one of the device's, or may act for one.
    pub(crate) async fn sees(&self, who: &Principal, device: &Device) -> Result<bool> {
        let PrincipalKind::Application(app) = &who.kind else { return Ok(who.over(device.account).is_ok()) };
        Ok(app.account == device.account && self.shares(app.id, &device.principals).await?)
    }

    /// Whether an application sees what these do: it is one of them, or may act for one.
    pub(crate) async fn shares(&self, app: AppId, seen_by: &Principals) -> Result<bool> {
        for principal in seen_by.iter() {
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
