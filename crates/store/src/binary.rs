//! Files that are kept with objects and events.

use crate::{
    effects::{Done, Refused, delete},
    engine::{
        documents::{self, parse},
        sql::{Sql, SqlResult, Value, from_db, query_all, query_one, to_db},
    },
    store::SharedStore,
    versioned::{Cell, Kind, Table, doc, key, moves, stale, stays, version},
};
use async_trait::async_trait;
use landfall_core::store::BinaryStore;
use landfall_model::{AccountId, Binary, BinaryId, BinaryOf, BinaryPart, Cause, Error, Result, Time};
use std::sync::OnceLock;

/// Seconds after which a file that is not whole, or whose object or event is gone, is deleted.
const LEFT_S: i64 = 86_400;

pub(crate) static BINARY: Table<Binary> = Table {
    name: "binary_file",
    columns: &[
        key("id", |r| Cell::bytes(r.id.0.as_bytes())),
        version(),
        stays("account", |r| Cell::bytes(r.account.0.as_bytes())),
        moves("object", |r| match r.of {
            Some(BinaryOf::Object(id)) => Cell::Is(Value::Int(to_db(id.0))),
            _ => Cell::opt_int(None::<i64>),
        }),
        moves("event", |r| match &r.of {
            Some(BinaryOf::Event(id)) => Cell::bytes(id.0.as_bytes()),
            _ => Cell::opt_bytes(None),
        }),
        moves("bytes", |r| Cell::Is(Value::Int(to_db(r.bytes)))),
        stays("created_at", |r| Cell::int(r.created_at.0)),
        doc(),
    ],
    version: |r| r.version,
    kind: Kind::Registry {
        unique: &[&["object"], &["event"]],
        taken: Cause::Stale,
        detail: "another file is kept with it meanwhile",
    },
    statements: OnceLock::new(),
};

/// Keeps a part of a file that is there and not whole.
pub(crate) fn put_part(sql: &mut dyn Sql, part: &BinaryPart) -> Done {
    const TEXT: &str = "INSERT INTO binary_part (file, no, bytes) SELECT id, ?2, ?3 FROM binary_file WHERE id = ?1 AND version = 1 ON CONFLICT DO NOTHING";
    if part.bytes.len() > Binary::PART_BYTES {
        return Err(Refused::Batch(Error::new(Cause::TooMany, "a part of a file has too many bytes")));
    }
    let params = [Value::Bytes(part.of.0.as_bytes()), Value::Int(i64::from(part.no)), Value::Bytes(&part.bytes)];
    if sql.execute(TEXT, &params)? == 0 { Err(stale()) } else { Ok(()) }
}

pub(crate) fn delete_binary(sql: &mut dyn Sql, id: BinaryId) -> Done {
    delete(sql, "DELETE FROM binary_part WHERE file = ?1", id.0.as_bytes())?;
    delete(sql, "DELETE FROM binary_file WHERE id = ?1", id.0.as_bytes())
}

/// Deletes the next files that belong to nothing; true when more may be left.
pub(crate) fn prune(sql: &mut dyn Sql, now: Time, limit: i64) -> SqlResult<bool> {
    const TEXT: &str = "SELECT id FROM binary_file WHERE created_at < ?1 AND ((object IS NULL AND event IS NULL) \
         OR (event IS NOT NULL AND NOT EXISTS (SELECT 1 FROM device_event WHERE device_event.id = binary_file.event)) \
         OR (object IS NOT NULL AND NOT EXISTS (SELECT 1 FROM object o WHERE o.id = binary_file.object))) LIMIT ?2";
    let params = [Value::Int(now.minus_s(LEFT_S).0), Value::Int(limit)];
    let left = query_all(sql, TEXT, &params, |row| Ok(row.bytes(0)?.to_vec()))?;
    for id in &left {
        sql.execute("DELETE FROM binary_part WHERE file = ?1", &[Value::Bytes(id)])?;
        sql.execute("DELETE FROM binary_file WHERE id = ?1", &[Value::Bytes(id)])?;
    }
    Ok(i64::try_from(left.len()) == Ok(limit))
}

#[async_trait]
impl BinaryStore for SharedStore {
    async fn binary_of(&self, of: BinaryOf) -> Result<Option<Binary>> {
        self.read(move |sql| match of {
            BinaryOf::Object(id) => {
                let text = "SELECT doc FROM binary_file WHERE object = ?1";
                query_one(sql, text, &[Value::Int(to_db(id.0))], |row| parse(row, 0))
            }
            BinaryOf::Event(id) => documents::one(sql, "SELECT doc FROM binary_file WHERE event = ?1", id.0.as_bytes()),
        })
        .await
    }

    async fn binary_part(&self, id: BinaryId, no: u32) -> Result<Option<Vec<u8>>> {
        self.read(move |sql| {
            let params = [Value::Bytes(id.0.as_bytes()), Value::Int(i64::from(no))];
            query_one(sql, "SELECT bytes FROM binary_part WHERE file = ?1 AND no = ?2", &params, |row| Ok(row.bytes(0)?.to_vec()))
        })
        .await
    }

    async fn binary_usage(&self, account: AccountId) -> Result<(u64, u64)> {
        let found = self.scan(account, move |sql| {
            let text = "SELECT COUNT(*), CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM binary_file WHERE account = ?1";
            query_one(sql, text, &[Value::Bytes(account.0.as_bytes())], |row| Ok((from_db(row.int(0)?), from_db(row.int(1)?))))
        });
        Ok(found.await?.unwrap_or_default())
    }
}
