//! Where the data is: makes connections, and keeps a second process out.

use crate::engine::{
    postgres::{Postgres, Target},
    sql::{Sql, SqlError, SqlResult, query_one},
    sqlite::Sqlite,
};
use std::{
    fs::{DirBuilder, File, OpenOptions},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

pub(crate) const DATABASE: &str = "landfall.db";
const LOCK: &str = "landfall.lock";

/// A database of either kind.
#[derive(Clone)]
pub(crate) enum Backend {
    /// A directory.
    Sqlite(PathBuf),
    /// A server.
    Postgres(Arc<Target>),
}

/// Keeps other processes out as long as it lives.
pub(crate) struct Lock {
    _file: Option<File>,
}

impl Backend {
    /// An error where there is no database yet.
    pub(crate) fn must_exist(&self) -> SqlResult<()> {
        let gone = "the database is gone; restore it, or start with --new-database to begin with an empty one";
        if self.exists()? { Ok(()) } else { Err(SqlError::wrong(gone)) }
    }

    /// Makes the directory and takes its lock; PostgreSQL is locked by the writer's connection.
    pub(crate) fn lock(&self) -> SqlResult<Lock> {
        let Self::Sqlite(dir) = self else { return Ok(Lock { _file: None }) };
        let failed = |e: std::io::Error| SqlError::wrong(e.to_string());
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        let lock = private(&dir.join(LOCK)).map_err(failed)?;
        lock.try_lock().map_err(|_| SqlError::wrong("the directory is in use by another process"))?;
        private(&dir.join(DATABASE)).map_err(failed)?;
        Ok(Lock { _file: Some(lock) })
    }

    /// The one connection that writes.
    pub(crate) fn writer(&self) -> SqlResult<Box<dyn Sql>> {
        match self {
            Self::Sqlite(dir) => Ok(Box::new(Sqlite::writer(dir)?)),
            Self::Postgres(target) => {
                let mut sql = Postgres::connect(target)?;
                // The schema is part of the lock: several stores may share a database. A process that has just ended is waited for.
                sql.batch("SET lock_timeout = '2s'")?;
                let lock = "SELECT pg_advisory_lock(1279348294, hashtext(current_schema()))";
                query_one(&mut sql, lock, &[], |_| Ok(())).map_err(|error| match error.gone {
                    true => error,
                    false => SqlError::wrong("the PostgreSQL database is in use by another process"),
                })?;
                sql.batch("SET lock_timeout = 0")?;
                Ok(Box::new(sql))
            }
        }
    }

    /// A connection that folds the write-ahead log in; none where the database does that itself.
    pub(crate) fn checkpointer(&self) -> SqlResult<Option<Box<dyn Sql>>> {
        Ok(match self {
            Self::Sqlite(dir) => Some(Box::new(Sqlite::checkpointer(dir)?)),
            Self::Postgres(_) => None,
        })
    }

    /// Whether there is a database already.
    fn exists(&self) -> SqlResult<bool> {
        match self {
            Self::Sqlite(dir) => Ok(dir.join(DATABASE).exists()),
            Self::Postgres(target) => {
                let found = "SELECT 1 WHERE to_regclass(quote_ident(current_schema()) || '.schema_version') IS NOT NULL";
                Ok(query_one(&mut Postgres::connect(target)?, found, &[], |_| Ok(()))?.is_some())
            }
        }
    }

    /// A connection that reads.
    pub(crate) fn reader(&self) -> SqlResult<Box<dyn Sql>> {
        Ok(match self {
            Self::Sqlite(dir) => Box::new(Sqlite::reader(dir)?),
            Self::Postgres(target) => Box::new(Postgres::connect(target)?),
        })
    }
}

/// Opens a file that only its owner may read.
fn private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}
