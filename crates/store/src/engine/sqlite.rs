//! SQLite behind [`Sql`]: WAL, `synchronous=FULL`, one file in a directory that only its owner may enter.

use crate::engine::backend::DATABASE;
use crate::engine::sql::{Canceller, DISK_FULL, READ_ONLY, Row, RowFn, STATEMENT_S, Sql, SqlError, SqlResult, TOO_LONG, Value};
use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode, OpenFlags, Statement, config::DbConfig, types::ToSqlOutput, types::ValueRef};
use std::{ops::ControlFlow, path::Path, sync::Arc, time::Instant};

/// Milliseconds to wait for a lock, which only checkpoints and start-up ever hold.
const BUSY_MS: u32 = 10_000;
const CHECKPOINT_MS: u32 = 500;
const STATEMENTS: usize = 256;

/// Steps of SQLite's machine between two looks at the time: well below a millisecond.
const STEPS: i32 = 10_000;

pub(crate) struct Sqlite {
    connection: Connection,
    /// When reading began; only readers have one.
    began: Option<Arc<Mutex<Instant>>>,
}

impl Sqlite {
    /// The connection that writes; makes the file.
    pub(crate) fn writer(dir: &Path) -> SqlResult<Self> {
        let connection = Connection::open(dir.join(DATABASE)).map_err(failed)?;
        // The checkpointer folds the WAL in; should it fail, the writer does from 256 MiB on. The page cache is small because the system's
        // holds the same pages: 8 MiB here and 1 MiB for each reader.
        connection
            .execute_batch(&format!(
                "PRAGMA busy_timeout={BUSY_MS}; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-8192; \
                 PRAGMA wal_autocheckpoint=65536; PRAGMA journal_size_limit=67108864; PRAGMA temp_store=MEMORY;"
            ))
            .map_err(failed)?;
        Self::prepared(connection)
    }

    /// A connection that only makes checkpoints; one that has to wait for readers gives up soon, as the writer waits for it.
    pub(crate) fn checkpointer(dir: &Path) -> SqlResult<Self> {
        let connection =
            Connection::open_with_flags(dir.join(DATABASE), OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)
                .map_err(failed)?;
        connection.execute_batch(&format!("PRAGMA busy_timeout={CHECKPOINT_MS}; PRAGMA synchronous=FULL;")).map_err(failed)?;
        Self::prepared(connection)
    }

    /// A connection that only reads.
    pub(crate) fn reader(dir: &Path) -> SqlResult<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(dir.join(DATABASE), flags).map_err(failed)?;
        connection
            .execute_batch(&format!("PRAGMA busy_timeout={BUSY_MS}; PRAGMA cache_size=-1024; PRAGMA temp_store=MEMORY;"))
            .map_err(failed)?;
        let began = Arc::new(Mutex::new(now()));
        let since = began.clone();
        let late = move || since.lock().elapsed().as_secs() >= STATEMENT_S;
        connection.progress_handler(STEPS, Some(late)).map_err(failed)?;
        Ok(Self { began: Some(began), ..Self::prepared(connection)? })
    }

    /// Statements are planned once: without this, some are planned anew for each value that is bound, which costs more than running them.
    fn prepared(connection: Connection) -> SqlResult<Self> {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(failed)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(Self { connection, began: None })
    }
}

#[allow(clippy::disallowed_methods, reason = "a deadline of a thread that waits for a database, not a time of the domain")]
fn now() -> Instant {
    Instant::now()
}

fn failed(error: rusqlite::Error) -> SqlError {
    let told = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Some(DISK_FULL),
        Some(ErrorCode::OperationInterrupted) => Some(TOO_LONG),
        Some(ErrorCode::ReadOnly) => Some(READ_ONLY),
        _ => None,
    };
    SqlError { told, ..SqlError::wrong(error.to_string()) }
}

fn bind(statement: &mut Statement<'_>, params: &[Value<'_>]) -> SqlResult<()> {
    for (i, value) in params.iter().enumerate() {
        let value = match value {
            Value::Null => ValueRef::Null,
            Value::Int(n) => ValueRef::Integer(*n),
            Value::Text(s) => ValueRef::Text(s.as_bytes()),
            Value::Bytes(b) => ValueRef::Blob(b),
        };
        statement.raw_bind_parameter(i + 1, ToSqlOutput::Borrowed(value)).map_err(failed)?;
    }
    Ok(())
}

impl Sql for Sqlite {
    fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> SqlResult<u64> {
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        bind(&mut statement, params)?;
        let changed = statement.raw_execute().map_err(failed)?;
        Ok(changed as u64)
    }

    fn query(&mut self, sql: &str, params: &[Value<'_>], row: RowFn<'_>) -> SqlResult<()> {
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        bind(&mut statement, params)?;
        let mut rows = statement.raw_query();
        while let Some(next) = rows.next().map_err(failed)? {
            if let ControlFlow::Break(()) = row(next)? {
                break;
            }
        }
        Ok(())
    }

    fn batch(&mut self, sql: &str) -> SqlResult<()> {
        self.connection.execute_batch(sql).map_err(failed)
    }

    fn begin_write(&mut self) -> SqlResult<()> {
        self.batch("BEGIN IMMEDIATE")
    }

    fn begin_read(&mut self) -> SqlResult<()> {
        self.batch("BEGIN")
    }

    fn canceller(&self) -> Canceller {
        let handle = self.connection.get_interrupt_handle();
        Box::new(move || handle.interrupt())
    }

    fn limit(&mut self) -> SqlResult<()> {
        if let Some(began) = &self.began {
            *began.lock() = now();
        }
        Ok(())
    }

    fn tidy(&mut self) -> SqlResult<()> {
        self.query("PRAGMA wal_checkpoint(TRUNCATE)", &[], &mut |_| Ok(ControlFlow::Continue(())))
    }

    fn dialect(&self, ddl: &str) -> String {
        ddl.replace("{blob}", "BLOB")
            .replace("{text}", "TEXT")
            .replace("{int_key}", "INTEGER PRIMARY KEY")
            .replace("{clustered}", "WITHOUT ROWID")
    }
}

impl Row for rusqlite::Row<'_> {
    fn opt_int(&self, column: usize) -> SqlResult<Option<i64>> {
        self.get_ref(column).map_err(failed)?.as_i64_or_null().map_err(|e| SqlError::wrong(e.to_string()))
    }

    fn text(&self, column: usize) -> SqlResult<&str> {
        self.get_ref(column).map_err(failed)?.as_str().map_err(|e| SqlError::wrong(e.to_string()))
    }

    fn opt_text(&self, column: usize) -> SqlResult<Option<&str>> {
        self.get_ref(column).map_err(failed)?.as_str_or_null().map_err(|e| SqlError::wrong(e.to_string()))
    }

    fn bytes(&self, column: usize) -> SqlResult<&[u8]> {
        self.get_ref(column).map_err(failed)?.as_blob().map_err(|e| SqlError::wrong(e.to_string()))
    }

    fn opt_bytes(&self, column: usize) -> SqlResult<Option<&[u8]>> {
        self.get_ref(column).map_err(failed)?.as_blob_or_null().map_err(|e| SqlError::wrong(e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::{
            migrate::{NEWEST, migrate},
            sql::query_one,
        },
        stream::record::tests::scratch,
    };
    use rusqlite::StatementStatus;

    #[test]
    fn a_reader_is_stopped_after_its_time() {
        let dir = scratch();
        std::fs::create_dir_all(&dir).unwrap();
        let _writer = Sqlite::writer(&dir).unwrap();
        let mut reader = Sqlite::reader(&dir).unwrap();
        let endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n";
        let began = now().checked_sub(std::time::Duration::from_secs(STATEMENT_S));
        *reader.began.as_ref().unwrap().lock() = began.unwrap();
        let error = query_one(&mut reader, endless, &[], |_| Ok(())).unwrap_err();
        assert_eq!(error.told, Some(TOO_LONG), "{}", error.text);
        reader.limit().unwrap();
        assert_eq!(query_one(&mut reader, "SELECT 1", &[], |row| row.int(0)).unwrap(), Some(1));
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_statement_is_planned_once() {
        let dir = scratch();
        std::fs::create_dir_all(&dir).unwrap();
        let mut sql = Sqlite::writer(&dir).unwrap();
        migrate(&mut sql, NEWEST).unwrap();
        let text = "SELECT id, size FROM instance WHERE container = ?1 ORDER BY n LIMIT 1";
        for key in [b"a", b"b", b"c"] {
            query_one(&mut sql, text, &[Value::Bytes(key)], |_| Ok(())).unwrap();
        }
        assert_eq!(sql.connection.prepare_cached(text).unwrap().get_status(StatementStatus::RePrepare), 0);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
