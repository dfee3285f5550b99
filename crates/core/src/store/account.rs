//! Accounts and their applications.

use async_trait::async_trait;
use landfall_model::{Account, AccountId, App, AppId, Page, PageRequest, Result};
use std::sync::Arc;

/// Accounts.
#[async_trait]
pub trait AccountStore: Send + Sync {
    /// One account.
    async fn account(&self, id: AccountId) -> Result<Option<Arc<Account>>>;
    /// Accounts by name; `name` picks the one of that name.
    async fn accounts(&self, name: Option<&str>, page: PageRequest) -> Result<Page<Arc<Account>>>;
}

/// Applications.
#[async_trait]
pub trait AppStore: Send + Sync {
    /// One application.
    async fn app(&self, id: AppId) -> Result<Option<Arc<App>>>;
    /// Applications of an account by name.
    async fn apps(&self, account: AccountId, page: PageRequest) -> Result<Page<Arc<App>>>;
}
