//! Accounts and applications.

use crate::{
    device::lists,
    store::{SharedStore, THE_SERVER},
};
use async_trait::async_trait;
use landfall_core::store::{AccountStore, AppStore};
use landfall_model::{Account, AccountId, App, AppId, Page, PageRequest, Result};
use std::sync::Arc;

#[async_trait]
impl AccountStore for SharedStore {
    async fn account(&self, id: AccountId) -> Result<Option<Arc<Account>>> {
        self.cached(&self.shared().caches.accounts, id, id.0, "SELECT doc FROM account WHERE id = ?1").await
    }

    async fn accounts(&self, name: Option<&str>, page: PageRequest) -> Result<Page<Arc<Account>>> {
        let name = name.map(str::to_owned);
        self.scan(THE_SERVER, move |sql| lists::accounts(sql, name.as_deref(), page)).await
    }
}

#[async_trait]
impl AppStore for SharedStore {
    async fn app(&self, id: AppId) -> Result<Option<Arc<App>>> {
        self.cached(&self.shared().caches.apps, id, id.0, "SELECT doc FROM app WHERE id = ?1").await
    }

    async fn apps(&self, account: AccountId, page: PageRequest) -> Result<Page<Arc<App>>> {
        self.scan(account, move |sql| lists::named(sql, "app", account, page)).await
    }
}
