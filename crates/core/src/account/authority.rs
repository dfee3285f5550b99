//! Who may act: values that only authentication makes, and that every verb asks for.

use crate::{
    Core,
    account::principal::{Principal, Reach, Scope, check_standing},
};
use landfall_model::{Account, AccountId, App, AppId, Cause, Device, DeviceId, Digest, Error, Result, Time};
use sha2::{Digest as _, Sha256};
use std::{borrow::Cow, sync::Arc};
use subtle::ConstantTimeEq;

/// An application that showed a valid token, or its secret.
#[derive(Clone, Debug)]
pub struct AppCaller {
    pub(crate) app: Arc<App>,
}

impl AppCaller {
    /// The application.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// As one of the principals.
    pub(crate) fn principal(&self) -> Principal {
        Principal::application(self.app.clone())
    }
}

/// An operator: of the whole server, or of one account.
#[derive(Clone, Debug, PartialEq)]
pub struct Operator(pub(super) Principal);

impl Operator {
    /// Whether it may see every account.
    pub fn is_server(&self) -> bool {
        self.0.reach() == Reach::Server
    }

    /// The account it belongs to, for an operator of one account.
    pub fn account(&self) -> Option<AccountId> {
        self.0.account()
    }

    /// Authority over an account. `AccountNotFound` for an operator of another one, as if it did not exist.
    pub fn over(&self, account: AccountId) -> Result<Scope> {
        self.0.over(account)
    }
}

/// A device that proved who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceCaller {
    pub(crate) device: DeviceId,
    pub(crate) account: AccountId,
    pub(crate) step: &'static str,
}

impl DeviceCaller {
    /// The same, speaking over an access protocol: `step` is that of the why records of what it says.
    pub fn over(self, step: &'static str) -> Self {
        Self { step, ..self }
    }

    /// The device.
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// Its account.
    pub fn account(&self) -> AccountId {
        self.account
    }
}

/// Whether a token holds that ends at `until`. One that ends later than any that is given out now was given out by a clock that was wrong.
pub(crate) fn holds(until: Time, now: Time, lifetime_s: u32) -> bool {
    const TOLERANCE_S: i64 = 3_600;
    now < until && until <= now.plus_s(i64::from(lifetime_s) + TOLERANCE_S)
}

impl Core {
    /// Checks the `app_key` header and bearer token of a request (1.3.1): only the newest token of the application is valid.
    ///
    /// `Unauthenticated`, whose detail is for operators alone: whoever proved nothing is not to learn which applications there are.
    pub async fn authenticate(&self, app_key: &str, token: &str) -> Result<AppCaller> {
        let id = app_key.parse::<AppId>().map_err(|_| unproven("app_key is no appId"))?;
        let app = self.standing(id).await?.map_err(unproven)?;
        let slot = app.token.as_ref().ok_or_else(|| unproven("the application has no token: it must log in"))?;
        if !same(&digest(token), &slot.access) {
            return Err(unproven("the access token is not the application's newest: a later login or refresh replaced it"));
        }
        if !holds(slot.access_until, self.now(), self.settings.access_token_s) {
            return Err(unproven(format!(
                "the access token ended at {}: the application must log in again",
                slot.access_until.iso()
            )));
        }
        Ok(AppCaller { app })
    }

    /// Checks the appId and secret of an application (1.3.1) that does not call but stays connected: its authority ends when
    /// [`Core::still_proven`] says so.
    ///
    /// `Unauthenticated` as in [`Core::authenticate`], `AppFrozen`.
    pub async fn authenticate_by_secret(&self, app_id: &str, secret: &str) -> Result<AppCaller> {
        Ok(AppCaller { app: self.proven(app_id_of(app_id)?, secret).await? })
    }

    /// Whether what an application proved holds still: it was neither deleted nor frozen since, and its secret is the one it was.
    pub async fn still_proven(&self, caller: &AppCaller) -> Result<()> {
        let app = self.store.app(caller.app.id).await?.ok_or_else(|| unproven("the application was deleted"))?;
        if !same(&app.secret, &caller.app.secret) {
            return Err(unproven("the application was given another secret"));
        }
        check_standing(&app)
    }

    /// The application that this is the secret of, if it may come. `Unauthenticated`, `AppFrozen`.
    pub(crate) async fn proven(&self, id: AppId, secret: &str) -> Result<Arc<App>> {
        let app = self.store.app(id).await?.ok_or_else(|| unproven("there is no application of this appId"))?;
        if !same(&digest(secret), &app.secret) {
            return Err(unproven("the secret is not the application's: it was given another one since, or never had this"));
        }
        check_standing(&app)?;
        Ok(app)
    }

    /// Authority over one's own devices, or those of the application `app_id` that has authorized the caller.
    ///
    /// `AppNotFound` for an unknown application or one of another account, `AppNotAuthorized` for one that did not authorize the caller.
    pub async fn act_for(&self, caller: &AppCaller, app_id: Option<&str>) -> Result<Scope> {
        let (own, who) = (&caller.app, caller.principal());
        let Some(text) = app_id.filter(|text| !text.is_empty()) else { return who.in_name_of(own) };
        let unknown = || Error::new(Cause::AppNotFound, "there is no such application").at("appId");
        let id = text.parse::<AppId>().map_err(|_| unknown())?;
        let target = self.store.app(id).await?.filter(|app| app.account == own.account).ok_or_else(unknown)?;
        who.in_name_of(&target).map_err(|error| error.at("appId"))
    }

    /// The operator who owns this token: the server's, or that of an account in the form `{accountId}.{secret}`.
    pub async fn operator(&self, token: &str) -> Result<Operator> {
        let refused = || Error::new(Cause::Unauthenticated, "the operator token is not valid");
        if same(&digest(token), &self.admin_token) {
            return Ok(Operator(Principal::operator(None)));
        }
        let (id, _) = token.split_once('.').ok_or_else(refused)?;
        let id = id.parse::<AccountId>().map_err(|_| refused())?;
        let account: Arc<Account> = self.store.account(id).await?.ok_or_else(refused)?;
        match &account.token {
            Some(kept) if same(&digest(token), kept) => Ok(Operator(Principal::operator(Some(id)))),
            _ => Err(refused()),
        }
    }

    /// The caller behind a device whose credentials an access protocol has checked. The record must be the one they were checked against.
    pub fn device_caller(&self, device: &Device) -> DeviceCaller {
        DeviceCaller { device: device.id, account: device.account, step: "uplink.read" }
    }
}

/// An appId as it was sent. `Unauthenticated`.
pub(crate) fn app_id_of(text: &str) -> Result<AppId> {
    text.parse().map_err(|_| unproven("what was sent as appId is none"))
}

/// No or a wrong credential; what is wrong with it is for operators.
pub(crate) fn unproven(detail: impl Into<Cow<'static, str>>) -> Error {
    Error::new(Cause::Unauthenticated, detail)
}

/// SHA-256 of a token or generated secret.
pub fn digest(text: &str) -> Digest {
    Digest(Sha256::digest(text.as_bytes()).into())
}

pub(crate) fn same(a: &Digest, b: &Digest) -> bool {
    a.0.ct_eq(&b.0).into()
}
