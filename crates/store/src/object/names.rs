//! Other names of objects, each held by one object of its account.

use crate::{
    effects::{Done, Refused},
    engine::sql::{Sql, SqlResult, Value, insert_new, query_in, storable},
    object::{find, number, object_id},
    stream::replay::id,
};
use landfall_model::{AccountId, Cause, Error, ExternalId, ObjectId};
use std::collections::{BTreeSet, HashMap};

/// Kind and value after the account, as the table has them.
pub(super) fn key(name: &ExternalId) -> [Value<'_>; 3] {
    [Value::Bytes(name.account.0.as_bytes()), Value::Text(&name.kind), Value::Text(&name.value)]
}

pub(super) const HOLDER: &str = "SELECT object FROM external_id WHERE account = ?1 AND kind = ?2 AND value = ?3";

/// Those of these names that an object has, with it.
pub(super) fn holders<'n>(
    sql: &mut dyn Sql,
    names: impl Iterator<Item = &'n ExternalId>,
) -> SqlResult<HashMap<&'n ExternalId, ObjectId>> {
    const TEXT: &str = "SELECT value, object FROM external_id WHERE account = ?1 AND kind = ?2 AND value IN @keys";
    let mut names: Vec<_> = names.filter(|name| storable(&name.kind) && storable(&name.value)).collect();
    names.sort_unstable();
    names.dedup();
    let mut found = HashMap::new();
    for alike in names.chunk_by(|a, b| (a.account, &a.kind) == (b.account, &b.kind)) {
        let [account, kind, _] = key(alike[0]);
        let values: Vec<_> = alike.iter().map(|name| Value::Text(&name.value)).collect();
        let rows = query_in(sql, TEXT, &[account, kind], &values, |row| Ok((row.text(0)?.to_owned(), object_id(row.int(1)?))))?;
        let by_value: HashMap<String, ObjectId> = rows.into_iter().collect();
        found.extend(alike.iter().filter_map(|name| Some((*name, *by_value.get(&name.value)?))));
    }
    Ok(found)
}

/// Gives objects other names, in this order.
pub(crate) fn put_names(sql: &mut dyn Sql, names: &[(&ExternalId, ObjectId)]) -> Done {
    const COUNTS: &str = "SELECT object, COUNT(*) FROM external_id WHERE object IN @keys GROUP BY object";
    let refused = |cause, detail: &'static str| Err(Refused::Batch(Error::new(cause, detail)));
    let objects: BTreeSet<i64> = names.iter().map(|(_, object)| number(*object)).collect();
    let objects: Vec<_> = objects.into_iter().map(Value::Int).collect();
    let mut accounts = accounts(sql, &objects)?;
    let mut holders = holders(sql, names.iter().map(|(name, _)| *name))?;
    let counts = query_in(sql, COUNTS, &[], &objects, |row| Ok((object_id(row.int(0)?), row.seq(1)?)))?;
    let mut counts: HashMap<ObjectId, u64> = counts.into_iter().collect();
    let mut rows = vec![];
    for (name, object) in names {
        if !accounts.contains_key(object)
            && let Some((account, _)) = find(sql, *object)?
        {
            accounts.insert(*object, account);
        }
        if accounts.get(object) != Some(&name.account) {
            return refused(Cause::ResourceNotFound, "the object is gone");
        }
        match holders.get(name) {
            Some(holder) if holder == object => continue,
            Some(_) => return refused(Cause::NameTaken, "another object has this external id"),
            None => {}
        }
        let held = counts.entry(*object).or_default();
        if *held >= ExternalId::MOST as u64 {
            return refused(Cause::TooMany, "the object has as many external ids as it may");
        }
        *held += 1;
        holders.insert(name, *object);
        rows.push([&key(name)[..], &[Value::Int(number(*object))]].concat());
    }
    insert_new(sql, "external_id (account, kind, value, object)", &rows)?;
    Ok(())
}

/// The accounts of those of these objects that have a record.
fn accounts(sql: &mut dyn Sql, objects: &[Value<'_>]) -> SqlResult<HashMap<ObjectId, AccountId>> {
    let text = "SELECT id, account FROM object WHERE id IN @keys";
    let found = query_in(sql, text, &[], objects, |row| Ok((object_id(row.int(0)?), AccountId(id(row.bytes(1)?)?))))?;
    Ok(found.into_iter().collect())
}

/// Takes a name from whichever object has it.
pub(crate) fn drop_name(sql: &mut dyn Sql, name: &ExternalId) -> Done {
    sql.execute("DELETE FROM external_id WHERE account = ?1 AND kind = ?2 AND value = ?3", &key(name))?;
    Ok(())
}
