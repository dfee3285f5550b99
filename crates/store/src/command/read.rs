//! What readers of calls and commands get.

use crate::{
    command::{self, operations},
    engine::{
        documents,
        sql::{Value, query_all},
    },
    store::SharedStore,
    subscription::addresses,
};
use async_trait::async_trait;
use landfall_core::store::{CallStore, CommandFilter, CommandStore, OperationFilter, RevokeFilter};
use landfall_model::{
    CallId, Command, CommandId, DeviceId, Page, PageRequest, Result, RevokeTask, ServiceCall, Subscription, Time,
};
use std::sync::Arc;

#[async_trait]
impl CallStore for SharedStore {
    async fn call(&self, id: CallId) -> Result<Option<ServiceCall>> {
        self.read(move |sql| documents::one(sql, "SELECT doc FROM service_call WHERE id = ?1", id.0.as_bytes())).await
    }

    async fn calls(&self, device: DeviceId) -> Result<Vec<ServiceCall>> {
        const TEXT: &str = "SELECT doc FROM service_call WHERE device = ?1 ORDER BY created_at, id";
        self.read(move |sql| query_all(sql, TEXT, &[Value::Bytes(device.0.as_bytes())], |row| documents::parse(row, 0))).await
    }

    async fn expired_calls(&self, now: Time, limit: u32) -> Result<Vec<ServiceCall>> {
        const TEXT: &str = "SELECT doc FROM service_call WHERE expires_at <= ?1 ORDER BY expires_at, id LIMIT ?2";
        let params = [Value::Int(now.0), Value::Int(i64::from(limit))];
        self.read(move |sql| query_all(sql, TEXT, &params, |row| documents::parse(row, 0))).await
    }

    async fn idle_addresses(&self, limit: u32) -> Result<Vec<Arc<Subscription>>> {
        self.read(move |sql| addresses::idle(sql, limit)).await
    }
}

#[async_trait]
impl CommandStore for SharedStore {
    async fn command(&self, id: CommandId) -> Result<Option<Command>> {
        const TEXT: &str =
            "SELECT doc FROM command WHERE id = ?1 AND EXISTS (SELECT 1 FROM device d WHERE d.id = command.device)";
        self.read(move |sql| documents::one(sql, TEXT, id.0.as_bytes())).await
    }

    async fn open_commands(&self, device: DeviceId) -> Result<Vec<Command>> {
        self.read(move |sql| command::open(sql, device)).await
    }

    async fn last_command_place(&self, device: DeviceId) -> Result<u64> {
        self.read(move |sql| command::last_place(sql, device)).await
    }

    async fn commands(&self, filter: &CommandFilter, page: PageRequest) -> Result<Page<Command>> {
        let filter = filter.clone();
        self.scan(filter.account, move |sql| command::list(sql, &filter, page)).await
    }

    async fn operations(&self, filter: &OperationFilter, page: PageRequest) -> Result<Page<Command>> {
        let filter = filter.clone();
        self.scan(filter.account, move |sql| operations::list(sql, &filter, page)).await
    }

    async fn due_commands(&self, now: Time, limit: u32) -> Result<Vec<Command>> {
        self.read(move |sql| command::due(sql, now, limit)).await
    }

    async fn revoke_tasks(&self, filter: &RevokeFilter, page: PageRequest) -> Result<Page<RevokeTask>> {
        let filter = filter.clone();
        self.scan(filter.account, move |sql| command::revoke_tasks(sql, &filter, page)).await
    }

    fn work_stamp(&self, device: DeviceId) -> Option<u64> {
        self.shared().work.stamp(device)
    }

    fn no_work(&self, device: DeviceId, stamp: u64) {
        self.shared().work.none(device, stamp);
    }
}
