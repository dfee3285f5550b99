//! Users by name and by device, and accounts by their tenant ids.

use crate::{
    cache::Look,
    engine::{
        documents::{Conditions, arcs, parse},
        sql::{Sql, SqlResult, Value, query_all, query_in, query_one, storable},
    },
    store::SharedStore,
    stream::replay,
    versioned::{Cell, Kind, Table, doc, key, moves, stays_or_null, version},
};
use async_trait::async_trait;
use landfall_core::{
    digest,
    store::{AccountStore, UserStore},
};
use landfall_model::{Account, AccountId, Cause, Page, PageRequest, Result, Role, User};
use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

pub(crate) static USER: Table<User> = Table {
    name: "users",
    columns: &[
        key("id", |r| Cell::Bytes(key_of(r.account, &r.name))),
        version(),
        moves("role", |r| Cell::text(r.role.as_str())),
        stays_or_null("device_id", |r| {
            r.device_id.as_deref().map_or(Cell::opt_text(None), |id| Cell::Text(indexed(id).into_owned()))
        }),
        doc(),
    ],
    version: |r| r.version,
    kind: Kind::Registry {
        unique: &[&["device_id"]],
        taken: Cause::NameTaken,
        detail: "another user has the credentials of this device id",
    },
    statements: OnceLock::new(),
};

/// The id of a user's row.
pub(crate) fn key_of(account: AccountId, name: &str) -> Vec<u8> {
    let mut key = account.0.as_bytes().to_vec();
    key.extend_from_slice(indexed(&User::folded(name)).as_bytes());
    key
}

/// A text as an index takes it, which is no longer than some 2,700 bytes in PostgreSQL: a longer one is cut, and ends in its digest.
pub(crate) fn indexed(text: &str) -> Cow<'_, str> {
    const WHOLE_BYTES: usize = 1_000;
    if text.len() <= WHOLE_BYTES {
        return Cow::Borrowed(text);
    }
    let digest: String = digest(text).0.iter().map(|byte| format!("{byte:02x}")).collect();
    Cow::Owned(format!("{}…{digest}", &text[..text.floor_char_boundary(WHOLE_BYTES)]))
}

/// By which memory knows a user.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct UserKey([u8; 32]);

impl UserKey {
    pub(crate) fn of(account: AccountId, name: &str) -> Self {
        Self(digest(&format!("{account}/{}", User::folded(name))).0)
    }
}

/// Gives the accounts of older databases the tenant ids that they have without one of their own.
pub(crate) fn fill_tenants(sql: &mut dyn Sql) -> SqlResult<()> {
    let accounts = query_all(sql, "SELECT id FROM account", &[], |row| replay::id(row.bytes(0)?).map(AccountId))?;
    for account in accounts {
        let params = [Value::Bytes(account.0.as_bytes()), Value::Text(&account.derived_tenant())];
        sql.execute("UPDATE account SET tenant = ?2 WHERE id = ?1", &params)?;
    }
    sql.batch("CREATE UNIQUE INDEX account_by_tenant ON account (tenant)")
}

#[async_trait]
impl UserStore for SharedStore {
    async fn account_of_tenant(&self, tenant: &str) -> Result<Option<Arc<Account>>> {
        const TEXT: &str = "SELECT id FROM account WHERE tenant = ?1";
        let fits = |account: &Arc<Account>| account.tenant_id() == tenant;
        let hints = &self.shared().caches.tenants;
        if let Some(id) = hints.get(tenant)
            && let Some(account) = self.account(id).await?.filter(fits)
        {
            return Ok(Some(account));
        }
        if !storable(tenant) {
            return Ok(None);
        }
        let Some(id) = self.id_of(TEXT, vec![tenant.to_owned()], None).await?.map(AccountId) else { return Ok(None) };
        hints.put(tenant.to_owned(), id);
        Ok(self.account(id).await?.filter(fits))
    }

    async fn user(&self, account: AccountId, name: &str) -> Result<Option<Arc<User>>> {
        if !storable(name) {
            return Ok(None);
        }
        let (memory, key) = (UserKey::of(account, name), key_of(account, name));
        self.cached(&self.shared().caches.users, memory, key, "SELECT doc FROM users WHERE id = ?1").await
    }

    async fn user_of_device(&self, device_id: &str) -> Result<Option<Arc<User>>> {
        const TEXT: &str = "SELECT doc FROM users WHERE device_id = ?1";
        let caches = &self.shared().caches;
        if let Some(key) = caches.device_users.get(device_id)
            && let Look::Hit(user) = caches.users.look(key)
            && user.device_id.as_deref() == Some(device_id)
        {
            return Ok(Some(user));
        }
        if !storable(device_id) {
            return Ok(None);
        }
        let wanted = indexed(device_id).into_owned();
        let found: Option<User> =
            self.read(move |sql| query_one(sql, TEXT, &[Value::Text(&wanted)], |row| parse(row, 0))).await?;
        let Some(found) = found else { return Ok(None) };
        caches.device_users.put(device_id.to_owned(), UserKey::of(found.account, &found.name));
        Ok(Some(Arc::new(found)))
    }

    async fn users_of_devices(&self, ids: Vec<String>) -> Result<Vec<User>> {
        const TEXT: &str = "SELECT doc FROM users WHERE device_id IN @keys";
        self.read(move |sql| {
            let wanted: Vec<_> = ids.iter().filter(|id| storable(id)).map(|id| indexed(id)).collect();
            let wanted: Vec<_> = wanted.iter().map(|id| Value::Text(id)).collect();
            query_in(sql, TEXT, &[], &wanted, |row| parse(row, 0))
        })
        .await
    }

    async fn users_named(&self, names: Vec<(AccountId, String)>) -> Result<Vec<User>> {
        const TEXT: &str = "SELECT doc FROM users WHERE id IN @keys";
        self.read(move |sql| {
            let keys: Vec<_> = names.iter().map(|(account, name)| key_of(*account, name)).collect();
            let keys: Vec<_> = keys.iter().map(|key| Value::Bytes(key)).collect();
            query_in(sql, TEXT, &[], &keys, |row| parse(row, 0))
        })
        .await
    }

    async fn users(&self, account: AccountId, role: Option<Role>, page: PageRequest) -> Result<Page<Arc<User>>> {
        self.scan(account, move |sql| {
            let (from, to) = bounds(account);
            let mut conditions = Conditions::new();
            conditions.and("id >= #", Value::Bytes(&from));
            conditions.and("id < #", Value::Bytes(&to));
            if let Some(role) = role {
                if role != Role::Device {
                    conditions.and_also("role <> 'device'");
                }
                conditions.sift("role", Value::Text(role.as_str()));
            }
            conditions.page(sql, "users", "id", page).map(arcs)
        })
        .await
    }
}

/// Where the ids of an account's users begin and end: no text begins with the byte 0xff.
fn bounds(account: AccountId) -> (Vec<u8>, Vec<u8>) {
    let from = account.0.as_bytes().to_vec();
    let to = from.iter().copied().chain([0xff]).collect();
    (from, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_and_stay_apart() {
        let (short, long) = ("x".repeat(1_000), "ä".repeat(1_000));
        assert_eq!(indexed(&short), short);
        let (cut, other) = (indexed(&long).into_owned(), indexed(&(long.clone() + "b")).into_owned());
        assert!(cut != other && cut.len() < 1_100, "{cut}");
        assert_ne!(indexed(&cut), cut, "no name is the cut form of another");
        let account = AccountId::MANAGEMENT;
        assert!(key_of(account, "Max") == key_of(account, "mAX") && UserKey::of(account, "a") != UserKey::of(account, "b"));
    }
}
