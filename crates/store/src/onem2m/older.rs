//! Resources of an older database, for the steps of the schema that take them over.

use crate::engine::sql::{Sql, SqlError, SqlResult, Value, query_all};
use landfall_model::{Resource, ResourceKind};

/// Records that are read at once.
const SLICE: i64 = 500;

/// Hands over the resources of a kind, by id.
pub(super) fn each_resource(
    sql: &mut dyn Sql,
    kind: ResourceKind,
    mut take: impl FnMut(&mut dyn Sql, Resource) -> SqlResult<()>,
) -> SqlResult<()> {
    const TEXT: &str = "SELECT id, doc FROM resource WHERE kind = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
    let mut after = vec![];
    loop {
        let params = [Value::Int(kind.ty().into()), Value::Bytes(&after), Value::Int(SLICE)];
        let some = query_all(sql, TEXT, &params, |row| Ok((row.bytes(0)?.to_vec(), row.text(1)?.to_owned())))?;
        let Some((last, _)) = some.last() else { return Ok(()) };
        after.clone_from(last);
        for (_, doc) in &some {
            take(sql, serde_json::from_str(doc).map_err(|_| SqlError::wrong("a stored resource cannot be read"))?)?;
        }
    }
}

/// A record as it is kept.
pub(super) fn json(record: &impl serde::Serialize) -> SqlResult<String> {
    serde_json::to_string(record).map_err(|_| SqlError::wrong("a record cannot be written as JSON"))
}
