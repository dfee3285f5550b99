//! Other names of objects, each held by one object of its account.

use crate::{
    effects::{Done, Refused},
    engine::sql::{Sql, Value, query_one},
    object::{find, number, object_id},
};
use landfall_model::{Cause, Error, ExternalId, ObjectId};

/// Kind and value after the account, as the table has them.
pub(super) fn key(name: &ExternalId) -> [Value<'_>; 3] {
    [Value::Bytes(name.account.0.as_bytes()), Value::Text(&name.kind), Value::Text(&name.value)]
}

pub(super) const HOLDER: &str = "SELECT object FROM external_id WHERE account = ?1 AND kind = ?2 AND value = ?3";

/// Gives an object another name.
pub(crate) fn put_name(sql: &mut dyn Sql, name: &ExternalId, object: ObjectId) -> Done {
    const PUT: &str = "INSERT INTO external_id (account, kind, value, object) VALUES (?1, ?2, ?3, ?4)";
    const COUNT: &str = "SELECT COUNT(*) FROM external_id WHERE object = ?1";
    let refused = |cause, detail: &'static str| Err(Refused::Batch(Error::new(cause, detail)));
    if find(sql, object)?.is_none_or(|(account, _)| account != name.account) {
        return refused(Cause::ResourceNotFound, "the object is gone");
    }
    match query_one(sql, HOLDER, &key(name), |row| row.int(0).map(object_id))? {
        Some(holder) if holder == object => return Ok(()),
        Some(_) => return refused(Cause::NameTaken, "another object has this external id"),
        None => {}
    }
    let held = query_one(sql, COUNT, &[Value::Int(number(object))], |row| row.seq(0))?.unwrap_or(0);
    if held >= ExternalId::MOST as u64 {
        return refused(Cause::TooMany, "the object has as many external ids as it may");
    }
    let [account, kind, value] = key(name);
    sql.execute(PUT, &[account, kind, value, Value::Int(number(object))])?;
    Ok(())
}

/// Takes a name from whichever object has it.
pub(crate) fn drop_name(sql: &mut dyn Sql, name: &ExternalId) -> Done {
    sql.execute("DELETE FROM external_id WHERE account = ?1 AND kind = ?2 AND value = ?3", &key(name))?;
    Ok(())
}
