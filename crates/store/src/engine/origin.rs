//! What tells this database from its copies: where it is, and the number that its server last kept in it ([`Write::Origin`]).

use crate::{
    SharedStore,
    effects::Done,
    engine::{
        backend::{Backend, DATABASE},
        sql::{Sql, SqlError, SqlResult, Value, query_one},
    },
};
use landfall_model::Result;
#[cfg(doc)]
use landfall_model::Write;
use std::{fs::Metadata, os::unix::fs::MetadataExt, time::UNIX_EPOCH};

/// Inode and time of birth (nanoseconds since 1970) of a file: no copy of it has both. Where the file system tells no time of birth, it is 0.
pub fn file_identity(file: &Metadata) -> String {
    let born = file.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    format!("{}:{}", file.ino(), born.as_nanos())
}

impl SharedStore {
    /// The number that was last kept; none yet is empty.
    ///
    /// # Errors
    /// As reads of [`landfall_core::Store`].
    pub async fn origin(&self) -> Result<String> {
        let read = |sql: &mut dyn Sql| query_one(sql, "SELECT number FROM origin", &[], |row| row.text(0).map(str::to_owned));
        Ok(self.read(read).await?.unwrap_or_default())
    }
}

pub(crate) fn put(sql: &mut dyn Sql, number: &str) -> Done {
    sql.execute("DELETE FROM origin", &[])?;
    sql.execute("INSERT INTO origin (number) VALUES (?1)", &[Value::Text(number)])?;
    Ok(())
}

/// See [`SharedStore::place`].
pub(crate) fn place(backend: &Backend, sql: &mut dyn Sql) -> SqlResult<String> {
    if let Backend::Sqlite(dir) = backend {
        let file = dir.join(DATABASE).metadata().map_err(|e| SqlError::wrong(format!("{}: {e}", dir.display())))?;
        return Ok(format!("file {}", file_identity(&file)));
    }
    let text = "SELECT d.oid::text || ' ' || c.oid::text FROM pg_database d, pg_class c \
                WHERE d.datname = current_database() AND c.oid = 'origin'::regclass";
    let ids = query_one(sql, text, &[], |row| row.text(0).map(str::to_owned))?.unwrap_or_default();
    // Some services keep these to themselves.
    let text =
        "SELECT system_identifier::text || ' ' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) FROM pg_control_system()";
    let cluster = match query_one(sql, text, &[], |row| row.text(0).map(str::to_owned)) {
        Err(error) if error.gone => return Err(error),
        cluster => cluster.ok().flatten().unwrap_or_default(),
    };
    Ok(format!("postgresql {ids} {cluster}"))
}
