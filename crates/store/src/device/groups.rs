//! Groups of devices, and who is in which: readable from both ends, in pages.
//!
//! What is deleted is out of all lists at once, as these ask for the records of both ends; the rows of a membership go later, in slices.

use crate::{
    device::{principals::or_account, unlinked},
    effects::{Done, Refused},
    engine::{
        documents::{self, Conditions, arcs, parse},
        sql::{Sql, SqlResult, Value, query_all, query_one, storable},
    },
    store::SharedStore,
    stream::replay::id,
    versioned::{Cell, Kind, Table, doc, key, moves, stays, version},
};
use async_trait::async_trait;
use landfall_core::store::GroupStore;
use landfall_model::{AccountId, AppId, Cause, Device, DeviceId, Error, Group, GroupId, Page, PageRequest, Result};
use std::sync::{Arc, OnceLock};

pub(crate) static GROUP: Table<Group> = Table {
    name: "device_group",
    columns: &[
        key("id", |r| Cell::bytes(r.id.0.as_bytes())),
        version(),
        stays("account", |r| Cell::bytes(r.account.0.as_bytes())),
        stays("owner", |r| Cell::bytes(or_account(r.owner.as_ref(), &r.account))),
        moves("name", |r| Cell::text(&r.name)),
        stays("created_at", |r| Cell::int(r.created_at.0)),
        doc(),
    ],
    version: |r| r.version,
    kind: Kind::Registry {
        unique: &[&["account", "owner", "name"]],
        taken: Cause::NameTaken,
        detail: "another group of the same owner has this name",
    },
    statements: OnceLock::new(),
};

pub(crate) fn join(sql: &mut dyn Sql, group: GroupId, devices: &[DeviceId]) -> Done {
    const TEXT: &str = "INSERT INTO group_member (member_of, device) SELECT g.id, d.id FROM device_group g, device d \
                        WHERE g.id = ?1 AND d.id = ?2 AND d.account = g.account ON CONFLICT DO NOTHING";
    let key = Value::Bytes(group.0.as_bytes());
    if query_one(sql, "SELECT version FROM device_group WHERE id = ?1", &[key], |_| Ok(()))?.is_none() {
        return Err(Refused::Batch(Error::new(Cause::ResourceNotFound, "the group is gone")));
    }
    each(sql, TEXT, group, devices)
}

pub(crate) fn leave(sql: &mut dyn Sql, group: GroupId, devices: &[DeviceId]) -> Done {
    each(sql, "DELETE FROM group_member WHERE member_of = ?1 AND device = ?2", group, devices)
}

fn each(sql: &mut dyn Sql, text: &str, group: GroupId, devices: &[DeviceId]) -> Done {
    if devices.len() > Group::SLICE {
        return Err(Refused::Batch(Error::new(Cause::TooMany, "at most 1000 devices join or leave a group at once")));
    }
    for device in devices {
        sql.execute(text, &[Value::Bytes(group.0.as_bytes()), Value::Bytes(device.0.as_bytes())])?;
    }
    Ok(())
}

pub(crate) fn delete_group(sql: &mut dyn Sql, group: GroupId) -> Done {
    sql.execute("DELETE FROM device_group WHERE id = ?1", &[Value::Bytes(group.0.as_bytes())])?;
    Ok(unlinked::put_group(sql, group)?)
}

/// Deletes the group with this id, if there is one.
pub(crate) fn delete_shown(sql: &mut dyn Sql, group: GroupId) -> SqlResult<()> {
    if sql.execute("DELETE FROM device_group WHERE id = ?1", &[Value::Bytes(group.0.as_bytes())])? > 0 {
        unlinked::put_group(sql, group)?;
    }
    Ok(())
}

#[async_trait]
impl GroupStore for SharedStore {
    async fn group(&self, id: GroupId) -> Result<Option<Arc<Group>>> {
        let found =
            self.read(move |sql| documents::one(sql, "SELECT doc FROM device_group WHERE id = ?1", id.0.as_bytes())).await?;
        Ok(found.map(Arc::new))
    }

    async fn group_named(&self, account: AccountId, owner: Option<AppId>, name: &str) -> Result<Option<Arc<Group>>> {
        const TEXT: &str = "SELECT doc FROM device_group WHERE account = ?1 AND owner = ?2 AND name = ?3";
        if !storable(name) {
            return Ok(None);
        }
        let name = name.to_owned();
        self.read(move |sql| {
            let owner = Value::Bytes(or_account(owner.as_ref(), &account));
            let params = [Value::Bytes(account.0.as_bytes()), owner, Value::Text(&name)];
            query_one(sql, TEXT, &params, |row| parse(row, 0).map(Arc::new))
        })
        .await
    }

    async fn groups(&self, account: AccountId, owner: Option<AppId>, page: PageRequest) -> Result<Page<Arc<Group>>> {
        self.scan(account, move |sql| {
            let mut conditions = Conditions::new();
            conditions.and_id("account", Some(&account.0));
            conditions.and_id("owner", owner.as_ref().map(|app| &app.0));
            conditions.page(sql, "device_group", "name, id", page).map(arcs)
        })
        .await
    }

    async fn members(&self, group: GroupId, after: Option<DeviceId>, limit: u32) -> Result<Vec<Arc<Device>>> {
        const TEXT: &str = "SELECT d.doc FROM group_member m JOIN device d ON d.id = m.device WHERE m.member_of = ?1 AND m.device > ?2 \
                            AND EXISTS (SELECT 1 FROM device_group g WHERE g.id = ?1) ORDER BY m.device LIMIT ?3";
        let Some(found) = self.group(group).await? else { return Ok(Vec::new()) };
        self.scan(found.account, move |sql| {
            let after = after.as_ref().map_or(&[][..], |id| id.0.as_bytes());
            let params = [Value::Bytes(group.0.as_bytes()), Value::Bytes(after), Value::Int(i64::from(limit))];
            query_all(sql, TEXT, &params, |row| parse(row, 0).map(Arc::new))
        })
        .await
    }

    async fn member_count(&self, group: GroupId) -> Result<u64> {
        const TEXT: &str = "SELECT COUNT(*) FROM group_member m JOIN device d ON d.id = m.device WHERE m.member_of = ?1";
        let Some(found) = self.group(group).await? else { return Ok(0) };
        let count = move |sql: &mut dyn Sql| query_one(sql, TEXT, &[Value::Bytes(group.0.as_bytes())], |row| row.int(0));
        Ok(self.scan(found.account, count).await?.unwrap_or_default().unsigned_abs())
    }

    async fn is_member(&self, group: GroupId, device: DeviceId) -> Result<bool> {
        const TEXT: &str = "SELECT 1 FROM group_member m JOIN device_group g ON g.id = m.member_of JOIN device d ON d.id = m.device \
                            WHERE m.member_of = ?1 AND m.device = ?2";
        self.read(move |sql| {
            let params = [Value::Bytes(group.0.as_bytes()), Value::Bytes(device.0.as_bytes())];
            Ok(query_one(sql, TEXT, &params, |_| Ok(()))?.is_some())
        })
        .await
    }

    async fn group_ids_of(&self, device: DeviceId, limit: u32) -> Result<Vec<GroupId>> {
        const TEXT: &str = "SELECT member_of FROM group_member WHERE device = ?1 ORDER BY member_of LIMIT ?2";
        self.read(move |sql| {
            let params = [Value::Bytes(device.0.as_bytes()), Value::Int(i64::from(limit))];
            query_all(sql, TEXT, &params, |row| id(row.bytes(0)?).map(GroupId))
        })
        .await
    }

    async fn groups_of(&self, device: DeviceId, after: Option<GroupId>, limit: u32) -> Result<Vec<Arc<Group>>> {
        const TEXT: &str = "SELECT g.doc FROM group_member m JOIN device_group g ON g.id = m.member_of WHERE m.device = ?1 \
                            AND m.member_of > ?2 AND EXISTS (SELECT 1 FROM device d WHERE d.id = ?1) ORDER BY m.member_of LIMIT ?3";
        let account = self.account_of(Some(&device)).await?;
        self.scan(account, move |sql| {
            let after = after.as_ref().map_or(&[][..], |id| id.0.as_bytes());
            let params = [Value::Bytes(device.0.as_bytes()), Value::Bytes(after), Value::Int(i64::from(limit))];
            query_all(sql, TEXT, &params, |row| parse(row, 0).map(Arc::new))
        })
        .await
    }
}
