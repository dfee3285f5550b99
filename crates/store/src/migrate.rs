//! The schema, brought forward step by step; a database of a newer program is refused.

use crate::sql::{Sql, SqlError, SqlResult, query_one};

/// Every step, oldest first; a step that was released never changes.
const STEPS: [&str; 3] = [
    include_str!("../migrations/0001_registry.sql"),
    include_str!("../migrations/0002_stream.sql"),
    include_str!("../migrations/0003_history.sql"),
];

/// The schema this program writes.
pub(crate) const NEWEST: usize = STEPS.len();

/// Brings the schema forward to `target` in one transaction.
pub(crate) fn migrate(sql: &mut dyn Sql, target: usize) -> SqlResult<()> {
    sql.batch("BEGIN")?;
    match forward(sql, target) {
        Ok(()) => sql.batch("COMMIT"),
        Err(error) => {
            sql.batch("ROLLBACK")?;
            Err(error)
        }
    }
}

fn forward(sql: &mut dyn Sql, target: usize) -> SqlResult<()> {
    sql.batch("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")?;
    let found = query_one(sql, "SELECT version FROM schema_version", &[], |row| row.int(0))?;
    let version = usize::try_from(found.unwrap_or(0)).map_err(|_| SqlError::wrong("the schema version is negative"))?;
    if version > NEWEST {
        return Err(SqlError::wrong(format!(
            "the database has schema {version}, this program knows schemas up to {NEWEST}: run the newer program that wrote it"
        )));
    }
    if found.is_none() {
        sql.batch("INSERT INTO schema_version (version) VALUES (0)")?;
    }
    for (i, step) in STEPS.iter().enumerate().take(target).skip(version) {
        let ddl = sql.dialect(step);
        sql.batch(&ddl)?;
        sql.batch(&format!("UPDATE schema_version SET version = {}", i + 1))?;
    }
    Ok(())
}
