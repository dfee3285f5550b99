//! Accounts: made, tuned and listed by the operator of the server.

pub(crate) mod app;
pub(crate) mod authority;
pub(crate) mod principal;
mod receiver;

use crate::{Core, Operator, account::authority::digest, batch, turns::Record};
use landfall_model::{Account, AccountId, AccountSettings, Cause, Error, Page, PageRequest, Result, Secret, Write};
use std::sync::Arc;

/// An account to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct NewAccount {
    /// Unique name, 1 to 64 characters.
    pub name: String,
    /// Its tenant id; without one it is derived ([`Account::tenant_id`]).
    pub tenant: Option<String>,
    /// Retention.
    pub settings: AccountSettings,
}

/// Changes of an account; `None` leaves a field.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AccountChange {
    /// New name.
    pub name: Option<String>,
    /// New tenant id, by which all its users and devices name it; for the operator of the server.
    pub tenant: Option<String>,
    /// New retention.
    pub settings: Option<AccountSettings>,
}

impl Core {
    /// Makes an account; returns it with its operator token, shown once. For the operator of the server.
    pub async fn create_account(&self, operator: &Operator, new: NewAccount) -> Result<(Arc<Account>, Secret)> {
        need_server(operator)?;
        check_name(&new.name, 64)?;
        new.tenant.as_deref().map_or(Ok(()), check_tenant)?;
        check_settings(&new.settings)?;
        let total = self.store.accounts(None, PageRequest { no: 0, size: 1 }).await?.total;
        if total >= self.settings.accounts {
            return Err(Error::new(Cause::TooMany, "the server has as many accounts as it may"));
        }
        let id = AccountId::from_random(self.random_16());
        self.check_device_app(id, &new.settings).await?;
        let token = format!("{id}.{}", self.generated(32));
        let account = Account {
            id,
            version: 1,
            name: new.name,
            tenant: new.tenant,
            token: Some(digest(&token)),
            settings: new.settings,
            created_at: self.now(),
        };
        self.store.commit(batch(vec![Write::Account(Box::new(account.clone()))], vec![])).await?;
        Ok((Arc::new(account), Secret::new(token)))
    }

    /// Changes an account.
    pub async fn change_account(&self, operator: &Operator, id: AccountId, change: AccountChange) -> Result<Arc<Account>> {
        if let Some(name) = &change.name {
            check_name(name, 64)?;
        }
        if let Some(tenant) = &change.tenant {
            need_server(operator)?;
            check_tenant(tenant)?;
        }
        if let Some(settings) = &change.settings {
            check_settings(settings)?;
            self.check_device_app(id, settings).await?;
        }
        self.decide(&[Record::Account(id)], || {
            Box::pin(async {
                let mut account = (*self.account(operator, id).await?).clone();
                account.version += 1;
                account.name = change.name.clone().unwrap_or(account.name);
                account.tenant = change.tenant.clone().or(account.tenant);
                account.settings = change.settings.clone().unwrap_or(account.settings);
                Ok((batch(vec![Write::Account(Box::new(account.clone()))], vec![]), Arc::new(account)))
            })
        })
        .await
    }

    /// `AppNotFound` where devices that onboard by themselves would be seen by an application that the account has not.
    async fn check_device_app(&self, account: AccountId, settings: &AccountSettings) -> Result<()> {
        let Some(app) = settings.device_app else { return Ok(()) };
        let found = self.store.app(app).await?.filter(|app| app.account == account);
        found.map(|_| ()).ok_or_else(|| Error::new(Cause::AppNotFound, "there is no such application").at("settings.deviceApp"))
    }

    /// Gives an account a new operator token; the old one ends at once.
    pub async fn rotate_account_token(&self, operator: &Operator, id: AccountId) -> Result<Secret> {
        let token = format!("{id}.{}", self.generated(32));
        self.decide(&[Record::Account(id)], || {
            Box::pin(async {
                let mut account = (*self.account(operator, id).await?).clone();
                account.version += 1;
                account.token = Some(digest(&token));
                Ok((batch(vec![Write::Account(Box::new(account))], vec![]), ()))
            })
        })
        .await?;
        Ok(Secret::new(token))
    }

    /// One account.
    pub async fn account(&self, operator: &Operator, id: AccountId) -> Result<Arc<Account>> {
        operator.over(id)?;
        self.store.account(id).await?.ok_or_else(|| Error::new(Cause::AccountNotFound, "there is no such account"))
    }

    /// The account with this tenant id; that of the server itself is [`AccountId::MANAGEMENT`].
    pub async fn account_by_tenant(&self, operator: &Operator, tenant: &str) -> Result<AccountId> {
        if tenant == Account::MANAGEMENT_TENANT {
            return Ok(AccountId::MANAGEMENT);
        }
        let unknown = || Error::new(Cause::AccountNotFound, "there is no account with this tenant id");
        let account = self.store.account_of_tenant(tenant).await?.ok_or_else(unknown)?.id;
        operator.over(account).map(|_| account).map_err(|_| unknown())
    }

    /// The account with this name.
    pub async fn account_by_name(&self, operator: &Operator, name: &str) -> Result<Arc<Account>> {
        let found = self.store.accounts(Some(name), PageRequest { no: 0, size: 1 }).await?.items.pop();
        let unknown = || Error::new(Cause::AccountNotFound, "there is no account of this name");
        let account = found.ok_or_else(unknown)?;
        operator.over(account.id).map_err(|_| unknown())?;
        Ok(account)
    }

    /// The accounts the operator may see.
    pub async fn accounts(&self, operator: &Operator, page: PageRequest) -> Result<Page<Arc<Account>>> {
        match operator.account() {
            None => self.store.accounts(None, page).await,
            Some(own) => {
                let items: Vec<_> = self.store.account(own).await?.into_iter().collect();
                Ok(Page { total: items.len() as u64, items: if page.no == 0 { items } else { vec![] } })
            }
        }
    }
}

pub(crate) fn need_server(operator: &Operator) -> Result<()> {
    if operator.is_server() {
        return Ok(());
    }
    Err(Error::new(Cause::Forbidden, "only the operator of the server may do this"))
}

pub(crate) fn check_name(name: &str, max_chars: usize) -> Result<()> {
    let chars = name.chars().count();
    if chars == 0 || chars > max_chars || name.chars().any(char::is_control) {
        return Err(Error::invalid("name", format!("must be 1 to {max_chars} characters without control characters")));
    }
    Ok(())
}

/// `InvalidField` for what no tenant id may be.
fn check_tenant(tenant: &str) -> Result<()> {
    let fits = tenant.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if !fits || tenant.is_empty() || tenant.len() > 32 {
        return Err(Error::invalid("tenant", "must be 1 to 32 lower-case letters and digits"));
    }
    if tenant == Account::MANAGEMENT_TENANT {
        return Err(Error::invalid("tenant", "is the tenant id of the server itself"));
    }
    Ok(())
}

fn check_settings(settings: &AccountSettings) -> Result<()> {
    if !(1..=90).contains(&settings.event_retention_days) {
        return Err(Error::invalid("settings.event_retention_days", "must be 1 to 90"));
    }
    if !(1..=3650).contains(&settings.history_retention_days) {
        return Err(Error::invalid("settings.history_retention_days", "must be 1 to 3650"));
    }
    Ok(())
}
