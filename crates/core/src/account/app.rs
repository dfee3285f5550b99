//! Applications and their tokens (1.3).

use crate::{
    CloseCause, Core, Scope,
    account::{
        authority::{app_id_of, digest, holds, same},
        check_name,
    },
    batch,
    turns::Record,
};
use landfall_model::{AccountId, App, AppId, AppLimits, Cause, Error, Page, PageRequest, Result, Secret, Time, TokenSlot, Write};
use std::sync::Arc;

/// An application to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct NewApp {
    /// Unique in the account, 1 to 256 characters.
    pub name: String,
    /// Its limits.
    pub limits: AppLimits,
}

/// Changes of an application; `None` leaves a field.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AppChange {
    /// New name.
    pub name: Option<String>,
    /// Frozen or not.
    pub frozen: Option<bool>,
    /// New limits.
    pub limits: Option<AppLimits>,
}

/// Tokens of 1.3.1.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenPair {
    /// Bearer token.
    pub access: Secret,
    /// Seconds until it ends.
    pub expires_in_s: u32,
    /// For 1.3.2.
    pub refresh: Secret,
}

impl Core {
    /// Gives out tokens for appId and secret (1.3.1). Earlier tokens of the application end.
    ///
    /// `Unauthenticated` for a wrong appId or secret, `AppFrozen`.
    pub async fn login(&self, app_id: &str, secret: &str) -> Result<TokenPair> {
        self.issue(app_id, secret, |_| Ok(())).await
    }

    /// Renews the tokens (1.3.2); the refresh token given is spent. `InvalidField` for one that is unknown or over.
    pub async fn refresh(&self, app_id: &str, secret: &str, refresh_token: &str) -> Result<TokenPair> {
        let now = self.now();
        self.issue(app_id, secret, |app| match &app.token {
            Some(slot)
                if same(&digest(refresh_token), &slot.refresh)
                    && holds(slot.refresh_until, now, self.settings.refresh_token_s) =>
            {
                Ok(())
            }
            _ => Err(Error::invalid("refreshToken", "is not the newest refresh token, or is over")),
        })
        .await
    }

    async fn issue(&self, app_id: &str, secret: &str, check: impl Fn(&App) -> Result<()> + Sync) -> Result<TokenPair> {
        let id = app_id_of(app_id)?;
        let (access, refresh) = (self.generated(32), self.generated(32));
        self.decide(&[Record::App(id)], || {
            Box::pin(async {
                let app = self.proven(id, secret).await?;
                check(&app)?;
                let app = with_token(&app, &access, &refresh, self.now(), &self.settings);
                Ok((batch(vec![Write::App(Box::new(app))], vec![]), ()))
            })
        })
        .await?;
        let expires_in_s = self.settings.access_token_s;
        Ok(TokenPair { access: Secret::new(access), expires_in_s, refresh: Secret::new(refresh) })
    }

    /// Makes an application; returns it with its secret, shown once.
    pub async fn create_app(&self, scope: &Scope, new: NewApp) -> Result<(Arc<App>, Secret)> {
        check_name(&new.name, 256)?;
        let total = self.store.apps(scope.account, PageRequest { no: 0, size: 1 }).await?.total;
        if total >= self.settings.apps {
            return Err(Error::new(Cause::TooMany, "the account has as many applications as it may"));
        }
        let secret = self.generated(32);
        let app = App {
            id: AppId::from_random(self.random_16()),
            account: scope.account,
            version: 1,
            name: new.name,
            secret: digest(&secret),
            frozen: false,
            authorized: vec![],
            limits: new.limits,
            token: None,
            originator: None,
            session: None,
            created_at: self.now(),
        };
        self.store.commit(batch(vec![Write::App(Box::new(app.clone()))], vec![])).await?;
        Ok((Arc::new(app), Secret::new(secret)))
    }

    /// All applications of an account.
    pub(crate) async fn account_apps(&self, account: AccountId) -> Result<Vec<Arc<App>>> {
        let size = u32::try_from(self.settings.apps).unwrap_or(u32::MAX);
        Ok(self.store.apps(account, PageRequest { no: 0, size }).await?.items)
    }

    /// One application of the scope's account.
    pub async fn app(&self, scope: &Scope, id: AppId) -> Result<Arc<App>> {
        let app = self.store.app(id).await?.filter(|app| app.account == scope.account);
        app.ok_or_else(|| Error::new(Cause::AppNotFound, "there is no such application"))
    }

    /// Authority over the devices of one application of the account.
    pub async fn narrow(&self, scope: &Scope, id: AppId) -> Result<Scope> {
        Ok(scope.narrowed(&*self.app(scope, id).await?))
    }

    /// The applications of the account.
    pub async fn apps(&self, scope: &Scope, page: PageRequest) -> Result<Page<Arc<App>>> {
        self.store.apps(scope.account, page).await
    }

    /// Changes an application. Freezing it ends its tokens and the connection over which it receives.
    pub async fn change_app(&self, scope: &Scope, id: AppId, change: AppChange) -> Result<Arc<App>> {
        if let Some(name) = &change.name {
            check_name(name, 256)?;
        }
        let changed = self.edit_app(scope, id, |app| {
            app.name = change.name.clone().unwrap_or(std::mem::take(&mut app.name));
            app.limits = change.limits.clone().unwrap_or(std::mem::take(&mut app.limits));
            app.frozen = change.frozen.unwrap_or(app.frozen);
            if app.frozen {
                app.token = None;
            }
        });
        let changed = changed.await?;
        if changed.frozen {
            self.clients.close(id, CloseCause::CredentialsChanged);
        }
        Ok(changed)
    }

    /// Gives an application a new secret; the old one ends at once, with its tokens and the connection over which it receives.
    pub async fn rotate_app_secret(&self, scope: &Scope, id: AppId) -> Result<Secret> {
        let secret = self.generated(32);
        self.edit_app(scope, id, |app| {
            app.secret = digest(&secret);
            app.token = None;
        })
        .await?;
        self.clients.close(id, CloseCause::CredentialsChanged);
        Ok(Secret::new(secret))
    }

    /// Lets `to` act for `id`, or no more. Both are of the scope's account.
    pub async fn authorize_app(&self, scope: &Scope, id: AppId, to: AppId, allowed: bool) -> Result<Arc<App>> {
        self.app(scope, to).await?;
        self.edit_app(scope, id, |app| {
            app.authorized.retain(|other| *other != to);
            if allowed && to != id {
                app.authorized.push(to);
            }
        })
        .await
    }

    /// Deletes an application that sees no devices; its groups, jobs and subscriptions, and those of others about its devices, go with it.
    pub async fn delete_app(&self, scope: &Scope, id: AppId) -> Result<()> {
        self.app(scope, id).await?;
        let mut filter = crate::DeviceFilter::of(scope.account);
        filter.principal = Some(id);
        if self.store.devices(&filter, PageRequest { no: 0, size: 1 }).await?.total > 0 {
            return Err(Error::new(Cause::AppInUse, "the application still owns devices; delete them first"));
        }
        self.delete_groups_of(scope.account, id).await?;
        self.delete_jobs_of(scope.account, id).await?;
        let about = crate::SubscriptionFilter { target: Some(id), ..Default::default() };
        while self.delete_subscriptions_where(&about, vec![]).await? > 0 {}
        let owned = crate::SubscriptionFilter { owner: Some(id), ..Default::default() };
        self.delete_subscriptions_where(&owned, vec![Write::DeleteApp(id)]).await?;
        self.clients.close(id, CloseCause::Deleted);
        Ok(())
    }

    /// Changes an application's record, whatever else changes it meanwhile.
    pub(crate) async fn edit_app(&self, scope: &Scope, id: AppId, edit: impl Fn(&mut App) + Sync) -> Result<Arc<App>> {
        self.decide(&[Record::App(id)], || {
            Box::pin(async {
                let mut app = (*self.app(scope, id).await?).clone();
                app.version += 1;
                edit(&mut app);
                Ok((batch(vec![Write::App(Box::new(app.clone()))], vec![]), Arc::new(app)))
            })
        })
        .await
    }
}

fn with_token(app: &App, access: &str, refresh: &str, now: Time, settings: &crate::Settings) -> App {
    let token = TokenSlot {
        access: digest(access),
        access_until: now.plus_s(settings.access_token_s.into()),
        refresh: digest(refresh),
        refresh_until: now.plus_s(settings.refresh_token_s.into()),
    };
    App { version: app.version + 1, token: Some(token), ..app.clone() }
}
