//! What readers of the inventory get.

use crate::{
    device::counts,
    engine::{
        documents::{self, Conditions, id_value, parse},
        sql::{Row, Sql, SqlResult, Value, query_all, query_one, storable, to_db},
    },
    object::{
        GROUP, devices_of, find,
        links::{kind_number, kind_of},
        list,
        names::{HOLDER, holders, key},
        number, object_id,
    },
    store::{LIST_LIMIT, SharedStore, THE_SERVER},
    stream::replay::id,
};
use async_trait::async_trait;
use landfall_core::store::{DeviceStore, Listed, ObjectFilter, ObjectStore};
use landfall_model::{
    AccountId, Cause, ChildKind, Device, DeviceId, Error, ExternalId, GroupId, Object, ObjectId, Page, PageRequest, Result,
};
use std::sync::Arc;

#[async_trait]
impl ObjectStore for SharedStore {
    async fn object(&self, id: ObjectId) -> Result<Option<Arc<Object>>> {
        const TEXT: &str = "SELECT doc FROM object WHERE id = ?1";
        self.read(move |sql| query_one(sql, TEXT, &[Value::Int(number(id))], |row| parse(row, 0).map(Arc::new))).await
    }

    async fn objects_of(&self, ids: &[ObjectId]) -> Result<Vec<Arc<Object>>> {
        let mut ids: Vec<ObjectId> = ids.iter().take(LIST_LIMIT).copied().collect();
        ids.sort_unstable();
        ids.dedup();
        self.read(move |sql| {
            let mut found = vec![];
            for id in ids {
                const TEXT: &str = "SELECT doc FROM object WHERE id = ?1";
                found.extend(query_one(sql, TEXT, &[Value::Int(number(id))], |row| parse(row, 0).map(Arc::new))?);
            }
            Ok(found)
        })
        .await
    }

    async fn device_of_object(&self, account: AccountId, id: ObjectId) -> Result<Option<Arc<Device>>> {
        let found = self.read(move |sql| devices_of(sql, id)).await?;
        match found[..] {
            [(device, of)] => Ok(self.device(device).await?.filter(|_| of == account)),
            [] => Ok(None),
            _ => Err(Error::new(Cause::ResourceExists, "two devices have an object of this id")),
        }
    }

    async fn object_of_group(&self, group: GroupId) -> Result<Option<Arc<Object>>> {
        const TEXT: &str = "SELECT doc FROM object WHERE subject = ?1";
        Ok(self.read(move |sql| documents::one(sql, TEXT, group.0.as_bytes())).await?.map(Arc::new))
    }

    async fn group_below(&self, account: AccountId, parent: Option<ObjectId>, name: &str) -> Result<Option<Arc<Object>>> {
        if !storable(name) {
            return Ok(None);
        }
        let name = name.to_owned();
        self.scan(account, move |sql| {
            let mut conditions = Conditions::new();
            conditions.and_id("account", Some(&account.0));
            conditions.and("name = #", Value::Text(&name));
            conditions.and("what = #", Value::Int(GROUP));
            let above = "EXISTS (SELECT 1 FROM object_link l WHERE l.child = object.id AND l.kind = #";
            match parent {
                None => conditions.and(&format!("NOT {above})"), Value::Int(kind_number(ChildKind::Asset))),
                Some(parent) => {
                    conditions
                        .and(&format!("{above} AND l.parent = {})", number(parent)), Value::Int(kind_number(ChildKind::Asset)));
                }
            }
            let (text, params) = conditions.into_parts();
            let text = format!("SELECT doc FROM object WHERE {text} ORDER BY id LIMIT 1");
            query_one(sql, &text, &params, |row| parse(row, 0).map(Arc::new))
        })
        .await
    }

    async fn objects(&self, filter: &ObjectFilter, page: PageRequest) -> Result<Page<Listed>> {
        let filter = filter.clone();
        self.scan(filter.account, move |sql| list::objects(sql, &filter, page)).await
    }

    async fn children(&self, parent: ObjectId, kind: ChildKind, page: PageRequest) -> Result<Page<ObjectId>> {
        let account = self.read(move |sql| find(sql, parent)).await?.map_or(THE_SERVER, |(account, _)| account);
        self.scan(account, move |sql| {
            sql.begin_read()?;
            let found = children(sql, parent, kind, page)?;
            sql.batch("COMMIT")?;
            Ok(found)
        })
        .await
    }

    async fn is_child(&self, parent: ObjectId, kind: ChildKind, child: ObjectId) -> Result<bool> {
        self.read(move |sql| is_child(sql, parent, kind, child)).await
    }

    async fn parents(&self, child: ObjectId, limit: u32) -> Result<Vec<(ObjectId, ChildKind)>> {
        self.read(move |sql| parents(sql, child, limit)).await
    }

    async fn object_named(&self, name: &ExternalId) -> Result<Option<ObjectId>> {
        if !storable(&name.kind) || !storable(&name.value) {
            return Ok(None);
        }
        let name = name.clone();
        self.read(move |sql| query_one(sql, HOLDER, &key(&name), |row| row.int(0).map(object_id))).await
    }

    async fn objects_named(&self, names: Vec<ExternalId>) -> Result<Vec<Option<ObjectId>>> {
        self.read(move |sql| {
            let held = holders(sql, names.iter())?;
            Ok(names.iter().map(|name| held.get(name).copied()).collect())
        })
        .await
    }

    async fn external_ids(&self, object: ObjectId) -> Result<Vec<ExternalId>> {
        const TEXT: &str = "SELECT account, kind, value FROM external_id WHERE object = ?1 ORDER BY kind, value LIMIT ?2";
        self.read(move |sql| {
            let params = [Value::Int(number(object)), Value::Int(ExternalId::MOST as i64)];
            query_all(sql, TEXT, &params, |row| {
                let account = AccountId(id(row.bytes(0)?)?);
                Ok(ExternalId { account, kind: row.text(1)?.to_owned(), value: row.text(2)?.to_owned() })
            })
        })
        .await
    }
}

/// Devices that are behind a gateway and linked below nothing.
const BEHIND: &str = "account = (SELECT account FROM device WHERE id = ?1) AND gateway = ?1 AND id <> ?1 \
    AND NOT EXISTS (SELECT 1 FROM object_link l WHERE l.device = device.id AND l.kind = 0)";

fn children(sql: &mut dyn Sql, parent: ObjectId, kind: ChildKind, page: PageRequest) -> SqlResult<Page<ObjectId>> {
    const COUNT: &str = "SELECT COUNT(*) FROM object_link WHERE parent = ?1 AND kind = ?2";
    const LINKED: &str = "SELECT child FROM object_link WHERE parent = ?1 AND kind = ?2 ORDER BY child LIMIT ?3 OFFSET ?4";
    let (key, kind_key) = (Value::Int(number(parent)), Value::Int(kind_number(kind)));
    let (from, size) = (page.offset(), u64::from(page.size));
    let mut total = query_one(sql, COUNT, &[key, kind_key], |row| row.seq(0))?.unwrap_or(0);
    let place = [key, kind_key, Value::Int(to_db(size)), Value::Int(to_db(from))];
    let mut items = query_all(sql, LINKED, &place, |row| row.int(0).map(object_id))?;
    let (skip, left) = (from.saturating_sub(total), size - items.len() as u64);
    let place = [Value::Int(to_db(left)), Value::Int(to_db(skip))];
    match kind {
        ChildKind::Device => {
            let Some((_, Some(gateway))) = find(sql, parent)? else { return Ok(Page { total, items }) };
            let (more, some) = behind(sql, gateway, place)?;
            total += more;
            items.extend(some);
        }
        ChildKind::Asset => {
            let Some((account, group)) = group_of(sql, parent)? else { return Ok(Page { total, items }) };
            total += counts::in_group(sql, account, group)?;
            let text = "SELECT device FROM group_member WHERE member_of = ?1 ORDER BY device LIMIT ?2 OFFSET ?3";
            items.extend(query_all(sql, text, &[id_value(&group.0), place[0], place[1]], object_of_device)?);
        }
        ChildKind::Addition => {}
    }
    Ok(Page { total, items })
}

/// How many devices are behind a gateway and linked below nothing, and so many of them after the first.
pub(crate) fn behind(sql: &mut dyn Sql, gateway: DeviceId, [most, skip]: [Value<'_>; 2]) -> SqlResult<(u64, Vec<ObjectId>)> {
    let count = format!("SELECT COUNT(*) FROM device WHERE {BEHIND}");
    let total = query_one(sql, &count, &[id_value(&gateway.0)], |row| row.seq(0))?.unwrap_or(0);
    let text = format!("SELECT id FROM device WHERE {BEHIND} ORDER BY created_at, id LIMIT ?2 OFFSET ?3");
    Ok((total, query_all(sql, &text, &[id_value(&gateway.0), most, skip], object_of_device)?))
}

fn object_of_device(row: &dyn Row) -> SqlResult<ObjectId> {
    id(row.bytes(0)?).map(|id| ObjectId::of_device(DeviceId(id)))
}

fn is_child(sql: &mut dyn Sql, parent: ObjectId, kind: ChildKind, child: ObjectId) -> SqlResult<bool> {
    const LINKED: &str = "SELECT 1 FROM object_link WHERE parent = ?1 AND kind = ?2 AND child = ?3";
    const MEMBER: &str = "SELECT 1 FROM group_member WHERE member_of = ?1 AND device = ?2";
    let key = [Value::Int(number(parent)), Value::Int(kind_number(kind)), Value::Int(number(child))];
    if query_one(sql, LINKED, &key, |_| Ok(()))?.is_some() {
        return Ok(true);
    }
    let Some((_, Some(device))) = find(sql, child)? else { return Ok(false) };
    match (kind, find(sql, parent)?, group_of(sql, parent)?) {
        (ChildKind::Device, Some((_, Some(gateway))), _) => {
            let text = format!("SELECT 1 FROM device WHERE id = ?2 AND {BEHIND}");
            Ok(query_one(sql, &text, &[id_value(&gateway.0), id_value(&device.0)], |_| Ok(()))?.is_some())
        }
        (ChildKind::Asset, _, Some((_, group))) => {
            Ok(query_one(sql, MEMBER, &[id_value(&group.0), id_value(&device.0)], |_| Ok(()))?.is_some())
        }
        _ => Ok(false),
    }
}

fn group_of(sql: &mut dyn Sql, object: ObjectId) -> SqlResult<Option<(AccountId, GroupId)>> {
    let text = "SELECT account, subject FROM object WHERE id = ?1 AND what = ?2";
    query_one(sql, text, &[Value::Int(number(object)), Value::Int(GROUP)], |row| {
        Ok((AccountId(id(row.bytes(0)?)?), GroupId(id(row.bytes(1)?)?)))
    })
}

fn parents(sql: &mut dyn Sql, child: ObjectId, limit: u32) -> SqlResult<Vec<(ObjectId, ChildKind)>> {
    const LINKED: &str = "SELECT parent, kind FROM object_link WHERE child = ?1 ORDER BY kind, parent LIMIT ?2";
    const GROUPS: &str =
        "SELECT o.id FROM group_member m JOIN object o ON o.subject = m.member_of WHERE m.device = ?1 ORDER BY o.id LIMIT ?2";
    let most = Value::Int(i64::from(limit));
    let mut found =
        query_all(sql, LINKED, &[Value::Int(number(child)), most], |row| Ok((object_id(row.int(0)?), kind_of(row.int(1)?)?)))?;
    if let Some((_, Some(device))) = find(sql, child)? {
        let text = format!("SELECT gateway FROM device WHERE id = ?2 AND {BEHIND}");
        let gateway =
            query_one(sql, "SELECT gateway FROM device WHERE id = ?1 AND gateway <> id", &[id_value(&device.0)], |row| {
                id(row.bytes(0)?).map(DeviceId)
            })?;
        if let Some(gateway) = gateway {
            let unlinked = query_one(sql, &text, &[id_value(&gateway.0), id_value(&device.0)], |_| Ok(()))?.is_some();
            found.extend(unlinked.then(|| (ObjectId::of_device(gateway), ChildKind::Device)));
        }
        let groups = query_all(sql, GROUPS, &[id_value(&device.0), most], |row| row.int(0).map(object_id))?;
        found.extend(groups.into_iter().map(|group| (group, ChildKind::Asset)));
    }
    found.truncate(limit as usize);
    Ok(found)
}
