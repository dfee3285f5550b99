//! Applications as oneM2M knows them: originators and their access tokens (TS-0003, 6.1; D2C, headers of every request).

use crate::{
    Core, Scope,
    account::{
        authority::{digest, same, unproven},
        principal::Principal,
    },
    batch,
    turns::Record,
};
use hmac::{Hmac, KeyInit, Mac};
use landfall_model::{Account, AccountId, App, AppId, Cause, Error, Originator, Resource, Result, Secret, Time, Write};
use sha2::Sha256;
use std::sync::Arc;

/// An application that showed a valid token, under one of its originators.
#[derive(Clone, Debug)]
pub struct OriginCaller {
    pub(crate) account: Arc<Account>,
    pub(crate) app: Arc<App>,
    pub(crate) name: String,
    /// Whether policies may speak of it: it is the application's, or that of an entity it made.
    pub(crate) registered: bool,
}

impl OriginCaller {
    /// The account; its name is that of the CSE base.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The application.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// As one of the principals.
    pub(crate) fn principal(&self) -> Principal {
        Principal::application(self.app.clone())
    }

    /// `X-M2M-Origin`
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Core {
    /// Checks tenant (none: the token's), bearer token and `X-M2M-Origin`. A token is the one that does not end, or an access token of
    /// [`Core::client_token`].
    ///
    /// `Unauthenticated` for a wrong token or one of another tenant, with a detail for operators alone, `Forbidden` for an originator that
    /// another application has. One that nobody has may ask too, as clients do before they register an entity of that name; no policy speaks
    /// of it.
    pub async fn originator(&self, tenant: Option<&str>, token: &str, name: &str) -> Result<OriginCaller> {
        let (id, secret) = token.split_once('.').ok_or_else(|| unproven("the token was not given out here"))?;
        let id = id.parse::<AppId>().map_err(|_| unproven("the token was not given out here"))?;
        let app = self.standing(id).await?.map_err(unproven)?;
        let own = app.originator.as_ref();
        let own = own.ok_or_else(|| unproven("the application has no originator: `landfall app originator set` gives it one"))?;
        let lasting = own.token.as_ref().is_some_and(|kept| same(&digest(secret), kept));
        match access_ends_at(&app, secret) {
            _ if lasting => {}
            None => return Err(unproven("the token was not given out for the application, or ended with its earlier secret")),
            Some(end) if end <= self.now() => return Err(unproven(format!("the access token ended at {}", end.iso()))),
            Some(_) => {}
        }
        let account = self.store.account(app.account).await?.filter(|account| tenant.is_none_or(|name| account.name == name));
        let account = account.ok_or_else(|| unproven("the address names another tenant than the token's"))?;
        let holder = self.holder(&app, name).await?;
        if holder.is_some_and(|holder| holder != id) || (holder.is_none() && !may_be_given(&own.name, name)) {
            let reason = match name.strip_prefix('S') {
                Some(_) => "an originator that begins with S is the application's only if an operator set it",
                None => "the originator is not one of this access token",
            };
            return Err(Error::new(Cause::Forbidden, reason).at("X-M2M-Origin"));
        }
        Ok(OriginCaller { account, app, name: name.to_owned(), registered: holder.is_some() })
    }

    /// The application that has an originator: as its own, or as that of an application entity it made. What `app` has itself needs no look.
    pub(crate) async fn holder(&self, app: &App, name: &str) -> Result<Option<AppId>> {
        if app.originator.as_ref().is_some_and(|own| own.name == name) {
            return Ok(Some(app.id));
        }
        match self.entity_of(app.account, name).await? {
            Some(maker) => Ok(Some(maker)),
            None => self.originator_of(app.account, name).await,
        }
    }

    /// The application that made the entity with this originator.
    async fn entity_of(&self, account: AccountId, name: &str) -> Result<Option<AppId>> {
        Ok(self.store.entity_of(account, name).await?.map(|found| found.app))
    }

    /// The entity that an originator registered before, which it does once; the application's own one may register many.
    pub async fn entity_before(&self, by: &OriginCaller) -> Result<Option<Arc<Resource>>> {
        if by.app.originator.as_ref().is_some_and(|own| own.name == by.name) {
            return Ok(None);
        }
        self.store.entity_of(by.account.id, &by.name).await
    }

    /// The originator of a new entity: the one that it comes with; who comes with `C` or `S` alone asks for one to be given (TS-0001,
    /// 10.2.2.2). `ResourceExists` where the name would give another application's, `Forbidden` where another application registered it.
    pub(crate) async fn new_ae_id(&self, by: &OriginCaller, name: &str) -> Result<String> {
        let wanted = match by.name.as_str() {
            "C" => format!("C{name}"),
            "S" => by.app.originator.as_ref().map(|own| own.name.clone()).unwrap_or_default(),
            given => given.to_owned(),
        };
        match self.holder(&by.app, &wanted).await? {
            Some(other) if other != by.app.id && by.name == "C" => {
                Err(Error::new(Cause::ResourceExists, "resource already exists").at("rn"))
            }
            Some(other) if other != by.app.id => {
                Err(Error::new(Cause::Forbidden, "the originator is another application's").at("X-M2M-Origin"))
            }
            _ => Ok(wanted),
        }
    }

    /// The application that has this originator as its own.
    pub(crate) async fn originator_of(&self, account: AccountId, name: &str) -> Result<Option<AppId>> {
        let apps = self.account_apps(account).await?;
        Ok(apps.iter().find(|app| app.originator.as_ref().is_some_and(|own| own.name == name)).map(|app| app.id))
    }

    /// Gives out an access token for appId and secret (OAuth 2, client credentials), and the seconds until it ends. It stands beside earlier
    /// ones, because every worker of a client asks for its own; a new secret ends all of them. `Unauthenticated`, `AppFrozen`.
    pub async fn client_token(&self, app_id: &str, secret: &str) -> Result<(Secret, u32)> {
        let id = app_id.parse::<AppId>().map_err(|_| unproven("what was sent as client is no appId"))?;
        let app = self.proven(id, secret).await?;
        let expires_in_s = self.settings.access_token_s;
        let claim = format!("{:x}.{}", self.now().plus_s(expires_in_s.into()).0, self.generated(8));
        let signed = mac(&app, &claim).ok_or_else(|| Error::new(Cause::Internal, "the token cannot be signed"))?;
        let proof = hex::encode(signed.finalize().into_bytes());
        Ok((Secret::new(format!("{id}.{claim}.{proof}")), expires_in_s))
    }

    /// Lets an application come over oneM2M under this originator, or no more. `InvalidField`, `NameTaken`.
    pub async fn set_originator(&self, scope: &Scope, id: AppId, name: Option<&str>) -> Result<Arc<App>> {
        name.map_or(Ok(()), check_originator)?;
        self.decide(&[Record::Account(scope.account), Record::App(id)], || {
            Box::pin(async {
                let claim = self.claim_originator(scope.account).await?;
                let mut app = (*self.app(scope, id).await?).clone();
                if let Some(name) = name {
                    self.check_originator_is_free(&app, name).await?;
                }
                let token = app.originator.as_ref().and_then(|own| own.token);
                app.originator = name.map(|name| Originator { name: name.to_owned(), token });
                app.version += 1;
                Ok((batch(vec![claim, Write::App(Box::new(app.clone()))], vec![]), Arc::new(app)))
            })
        })
        .await
    }

    async fn check_originator_is_free(&self, app: &App, name: &str) -> Result<()> {
        let taken = |what| Err(Error::new(Cause::NameTaken, what).at("originator"));
        if self.originator_of(app.account, name).await?.is_some_and(|other| other != app.id) {
            return taken("another application of the account has this originator");
        }
        if self.entity_of(app.account, name).await?.is_some_and(|maker| maker != app.id) {
            return taken("another application of the account has this originator through an application entity");
        }
        Ok(())
    }

    /// The write of whoever gives out an originator: it moves the account's version, so that of two that found it free at the same time one
    /// is stale. To be asked for before the look.
    pub(crate) async fn claim_originator(&self, account: AccountId) -> Result<Write> {
        let account = self.store.account(account).await?;
        let account = account.ok_or_else(|| Error::new(Cause::AccountNotFound, "there is no such account"))?;
        Ok(Write::Account(Box::new(Account { version: account.version + 1, ..(*account).clone() })))
    }

    /// Gives an application a new access token that does not end; the earlier one ends at once. `InvalidField` where it has no originator.
    pub async fn rotate_originator_token(&self, scope: &Scope, id: AppId) -> Result<Secret> {
        if self.app(scope, id).await?.originator.is_none() {
            return Err(Error::invalid("originator", "the application has no originator"));
        }
        let secret = self.generated(32);
        self.edit_app(scope, id, |app| {
            if let Some(own) = &mut app.originator {
                own.token = Some(digest(&secret));
            }
        })
        .await?;
        Ok(Secret::new(format!("{id}.{secret}")))
    }
}

/// Signs when an access token of an application ends. The key is what is kept of its secret.
fn mac(app: &App, claim: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&app.secret.0).ok()?;
    mac.update(b"oneM2M access token\0");
    mac.update(app.id.0.as_bytes());
    mac.update(claim.as_bytes());
    Some(mac)
}

/// When an access token ends, without the appId before it; none for one that was not given out here.
fn access_ends_at(app: &App, token: &str) -> Option<Time> {
    let (claim, proof) = token.rsplit_once('.')?;
    mac(app, claim)?.verify_slice(&hex::decode(proof).ok()?).ok()?;
    let (end, _) = claim.split_once('.')?;
    i64::from_str_radix(end, 16).ok().map(Time)
}

/// `C` and `S` alone ask for an originator to be given. Those with `S` are unique beyond the server, so an operator gives them.
fn may_be_given(own: &str, name: &str) -> bool {
    match name {
        "C" => true,
        "S" => own.starts_with('S'),
        name => name.starts_with('C') && check_originator(name).is_ok(),
    }
}

fn check_originator(name: &str) -> Result<()> {
    let rest = name.strip_prefix(['C', 'S']).unwrap_or_default();
    if !(1..=63).contains(&rest.len()) || !rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b)) {
        return Err(Error::invalid("originator", "must be C or S and 1 to 63 letters, digits, - _ . or :"));
    }
    Ok(())
}
