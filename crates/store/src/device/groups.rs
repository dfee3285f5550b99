//! Groups of devices, and who is in which: readable from both ends, in pages.
//!
//! What is deleted is out of all lists at once, as these ask for the records of both ends; the rows of a membership go later, in slices.

use crate::{
    device::{
        counts::{self, Counts},
        members,
        principals::or_account,
    },
    effects::Done,
    engine::{
        documents::{self, Conditions, arcs, id_value, parse},
        sql::{Sql, SqlResult, Value, query_all, query_one, storable},
    },
    store::SharedStore,
    stream::replay::id,
    versioned::{Cell, Kind, Table, doc, key, moves, stays, version},
};
use async_trait::async_trait;
use landfall_core::store::{GroupStore, MemberSlice, MemberStore, MembersFrom};
use landfall_model::{AccountId, AppId, Cause, Device, DeviceId, Error, Group, GroupId, Page, PageRequest, Principals, Result};
use std::sync::{Arc, OnceLock};

pub(crate) static GROUP: Table<Group> = Table {
    name: "device_group",
    columns: &[
        key("id", |r| Cell::bytes(r.id.0.as_bytes())),
        version(),
        stays("account", |r| Cell::bytes(r.account.0.as_bytes())),
        stays("owner", |r| Cell::bytes(or_account(r.owner.as_ref(), &r.account))),
        moves("name", |r| Cell::text(&r.name)),
        moves("max_members", |r| Cell::int(r.max_members)),
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

/// Writes a group, unless it has more members than it then may.
pub(crate) fn put_group(sql: &mut dyn Sql, r: &Group, doc: &str, counts: &Counts) -> Done {
    members::check_room(sql, r, counts)?;
    GROUP.put(sql, r, doc)
}

/// Deletes a group, if there is one with this id.
pub(crate) fn delete_group(sql: &mut dyn Sql, group: GroupId, counts: &mut Counts) -> SqlResult<()> {
    const ACCOUNT: &str = "SELECT account FROM device_group WHERE id = ?1";
    let key = id_value(&group.0);
    let Some(account) = query_one(sql, ACCOUNT, &[key], |row| id(row.bytes(0)?).map(AccountId))? else { return Ok(()) };
    sql.execute("DELETE FROM device_group WHERE id = ?1", &[key])?;
    members::group_gone(sql, account, group, counts)
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

    async fn groups(
        &self,
        account: AccountId,
        owner: Option<AppId>,
        name: Option<&str>,
        page: PageRequest,
    ) -> Result<Page<Arc<Group>>> {
        if name.is_some_and(|name| !storable(name)) {
            return Ok(Page { total: 0, items: vec![] });
        }
        let name = name.map(str::to_owned);
        self.scan(account, move |sql| {
            let mut conditions = Conditions::new();
            conditions.and_id("account", Some(&account.0));
            conditions.and_id("owner", owner.as_ref().map(|app| &app.0));
            if let Some(name) = &name {
                conditions.and("name = #", Value::Text(name));
            }
            conditions.page(sql, "device_group", "name, id", page).map(arcs)
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

#[async_trait]
impl MemberStore for SharedStore {
    async fn members(&self, group: GroupId, after: Option<DeviceId>, limit: u32) -> Result<Vec<Arc<Device>>> {
        let Some(found) = self.group(group).await? else { return Ok(Vec::new()) };
        self.scan(found.account, move |sql| members::devices(sql, group, after, limit)).await
    }

    async fn member_ids(&self, group: GroupId, from: MembersFrom, limit: u32) -> Result<MemberSlice> {
        let Some(found) = self.group(group).await? else { return Ok(MemberSlice::default()) };
        self.scan(found.account, move |sql| members::slice(sql, group, from, limit)).await
    }

    async fn seen_by(&self, account: AccountId, devices: &[DeviceId]) -> Result<Vec<Option<Principals>>> {
        if devices.len() > Group::SLICE {
            return Err(Error::new(Cause::TooMany, "at most 1000 devices can be looked at at once"));
        }
        let devices = devices.to_vec();
        self.read(move |sql| members::seen_by(sql, account, &devices)).await
    }

    async fn member_count(&self, group: GroupId) -> Result<u64> {
        let Some(found) = self.group(group).await? else { return Ok(0) };
        self.read(move |sql| counts::in_group(sql, found.account, group)).await
    }

    async fn member_counts(&self, account: AccountId, groups: &[GroupId]) -> Result<Vec<u64>> {
        let groups = groups.to_vec();
        self.scan(account, move |sql| members::counts(sql, account, &groups)).await
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
}
