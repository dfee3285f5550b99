//! Accounts and applications.

use crate::{
    engine::{
        documents::{Conditions, arcs, named},
        sql::{Sql, SqlResult},
    },
    store::{SharedStore, THE_SERVER},
    versioned::{Cell, Kind, Table, doc, key, moves, version},
};
use async_trait::async_trait;
use landfall_core::store::{AccountStore, AppStore};
use landfall_model::{Account, AccountId, App, AppId, Cause, Page, PageRequest, Result};
use std::sync::{Arc, OnceLock};

pub(crate) static ACCOUNT: Table<Account> = Table {
    name: "account",
    columns: &[
        key("id", |r| Cell::bytes(r.id.0.as_bytes())),
        version(),
        moves("name", |r| Cell::text(&r.name)),
        moves("tenant", |r| Cell::Text(r.tenant_id().into_owned())),
        moves("history_days", |r| Cell::int(r.settings.history_retention_days)),
        moves("event_days", |r| Cell::int(r.settings.event_retention_days)),
        doc(),
    ],
    version: |r| r.version,
    kind: Kind::Registry {
        unique: &[&["name"], &["tenant"]],
        taken: Cause::NameTaken,
        detail: "another account has this name or tenant id",
    },
    statements: OnceLock::new(),
};

pub(crate) static APP: Table<App> = Table {
    name: "app",
    columns: &[
        key("id", |r| Cell::bytes(r.id.0.as_bytes())),
        version(),
        moves("account", |r| Cell::bytes(r.account.0.as_bytes())),
        moves("name", |r| Cell::text(&r.name)),
        doc(),
    ],
    version: |r| r.version,
    kind: Kind::Registry {
        unique: &[&["account", "name"]],
        taken: Cause::NameTaken,
        detail: "another application of the account has this name",
    },
    statements: OnceLock::new(),
};

#[async_trait]
impl AccountStore for SharedStore {
    async fn account(&self, id: AccountId) -> Result<Option<Arc<Account>>> {
        self.cached(&self.shared().caches.accounts, id, id.0, "SELECT doc FROM account WHERE id = ?1").await
    }

    async fn accounts(&self, name: Option<&str>, page: PageRequest) -> Result<Page<Arc<Account>>> {
        let name = name.map(str::to_owned);
        self.scan(THE_SERVER, move |sql| accounts(sql, name.as_deref(), page)).await
    }
}

#[async_trait]
impl AppStore for SharedStore {
    async fn app(&self, id: AppId) -> Result<Option<Arc<App>>> {
        self.cached(&self.shared().caches.apps, id, id.0, "SELECT doc FROM app WHERE id = ?1").await
    }

    async fn apps(&self, account: AccountId, page: PageRequest) -> Result<Page<Arc<App>>> {
        self.scan(account, move |sql| named(sql, "app", account, page)).await
    }
}

/// Accounts by name.
pub(crate) fn accounts(sql: &mut dyn Sql, name: Option<&str>, page: PageRequest) -> SqlResult<Page<Arc<Account>>> {
    let mut conditions = Conditions::new();
    conditions.and_text("name", name);
    conditions.page(sql, "account", "name, id", page).map(arcs)
}
