//! Requests for the credentials of devices.

use crate::{
    effects::{Done, delete},
    engine::sql::Sql,
    engine::{
        documents::{self, Conditions},
        sql::{SqlResult, Value, query_in},
    },
    store::SharedStore,
    versioned::{Cell, Kind, Table, doc, key, stays, version},
};
use async_trait::async_trait;
use landfall_core::{digest, store::DeviceRequestStore};
use landfall_model::{AccountId, Cause, DeviceRequest, Page, PageRequest, Result};
use std::sync::OnceLock;

pub(crate) static DEVICE_REQUEST: Table<DeviceRequest> = Table {
    name: "device_request",
    columns: &[
        key("id", |r| Cell::Bytes(digest(&r.id).0.to_vec())),
        version(),
        stays("account", |r| Cell::bytes(r.account.0.as_bytes())),
        stays("created_at", |r| Cell::int(r.created_at.0)),
        doc(),
    ],
    version: |r| r.version,
    kind: Kind::Registry { unique: &[], taken: Cause::Stale, detail: "the request is of another account" },
    statements: OnceLock::new(),
};

pub(crate) fn delete_request(sql: &mut dyn Sql, id: &str) -> Done {
    delete(sql, "DELETE FROM device_request WHERE id = ?1", &digest(id).0)
}

#[async_trait]
impl DeviceRequestStore for SharedStore {
    async fn device_request(&self, id: &str) -> Result<Option<DeviceRequest>> {
        let key = digest(id).0;
        self.read(move |sql| documents::one(sql, "SELECT doc FROM device_request WHERE id = ?1", &key)).await
    }

    async fn requests_of_devices(&self, ids: Vec<String>) -> Result<Vec<DeviceRequest>> {
        const TEXT: &str = "SELECT doc FROM device_request WHERE id IN @keys";
        self.read(move |sql| {
            let keys: Vec<_> = ids.iter().map(|id| digest(id).0).collect();
            let keys: Vec<_> = keys.iter().map(|key| Value::Bytes(key)).collect();
            query_in(sql, TEXT, &[], &keys, |row| documents::parse(row, 0))
        })
        .await
    }

    async fn device_requests(&self, account: AccountId, page: PageRequest) -> Result<Page<DeviceRequest>> {
        self.scan(account, move |sql| of_account(sql, account, page)).await
    }
}

fn of_account(sql: &mut dyn Sql, account: AccountId, page: PageRequest) -> SqlResult<Page<DeviceRequest>> {
    let conditions = Conditions::first_of([("account", Some(Value::Bytes(account.0.as_bytes())))]);
    conditions.page(sql, "device_request", "created_at, id", page)
}
