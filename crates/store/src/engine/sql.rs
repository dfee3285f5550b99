//! The seam between the engine and a database: one SQL text for SQLite and PostgreSQL, with numbered
//! placeholders `?1`, which the PostgreSQL side turns into `$1` when it prepares a statement.
//!
//! Absent: queries built by objects, pools; a `?` in a statement is always a placeholder.

use landfall_model::{Cause, Error};
use std::{ops::ControlFlow, time::Duration};

/// A parameter.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Null,
    Int(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl Value<'_> {
    pub(crate) fn opt_int(value: Option<i64>) -> Self {
        value.map_or(Self::Null, Self::Int)
    }
}

impl<'a> Value<'a> {
    pub(crate) fn opt_text(value: Option<&'a str>) -> Self {
        value.map_or(Self::Null, Self::Text)
    }

    pub(crate) fn opt_bytes(value: Option<&'a [u8]>) -> Self {
        value.map_or(Self::Null, Self::Bytes)
    }
}

/// A row of an answer; columns count from 0.
pub(crate) trait Row {
    fn opt_int(&self, column: usize) -> SqlResult<Option<i64>>;
    fn text(&self, column: usize) -> SqlResult<&str>;
    fn opt_text(&self, column: usize) -> SqlResult<Option<&str>>;
    fn bytes(&self, column: usize) -> SqlResult<&[u8]>;
    fn opt_bytes(&self, column: usize) -> SqlResult<Option<&[u8]>>;

    fn int(&self, column: usize) -> SqlResult<i64> {
        self.opt_int(column)?.ok_or_else(|| SqlError::wrong("a number is null"))
    }

    fn seq(&self, column: usize) -> SqlResult<u64> {
        self.int(column).map(from_db)
    }
}

/// What to do with a row: go on or stop.
pub(crate) type RowFn<'f> = &'f mut dyn FnMut(&dyn Row) -> SqlResult<ControlFlow<()>>;

/// Ends what a connection runs at the time, from another thread; it may come too late and meet what runs next.
pub(crate) type Canceller = Box<dyn Fn() + Send>;

/// A connection.
pub(crate) trait Sql: Send {
    /// Runs a statement; returns how many rows it changed.
    fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> SqlResult<u64>;
    /// Runs a query.
    fn query(&mut self, sql: &str, params: &[Value<'_>], row: RowFn<'_>) -> SqlResult<()>;
    /// Runs statements without parameters, such as a migration or `BEGIN`.
    fn batch(&mut self, sql: &str) -> SqlResult<()>;
    /// Begins a transaction that writes. It waits for whoever holds the lock of writers, as a checkpoint may; later, after it has read, it could not.
    fn begin_write(&mut self) -> SqlResult<()>;
    /// Begins a transaction that sees one state of the database throughout.
    fn begin_read(&mut self) -> SqlResult<()>;
    /// Ends what runs on this connection.
    fn canceller(&self) -> Canceller;
    /// From now on no statement runs longer than a statement may; in SQLite, none that only reads.
    fn limit(&mut self) -> SqlResult<()> {
        Ok(())
    }
    /// From now on statements may take as long as a start may.
    fn unlimit(&mut self) -> SqlResult<()> {
        Ok(())
    }
    /// Moves what is written into its place, before the end.
    fn tidy(&mut self) -> SqlResult<()> {
        Ok(())
    }
    /// Replaces `{blob}`, `{text}`, `{int_key}` and `{clustered}` (rows are kept in the order of the primary key, where that can be had) in a
    /// migration by the words of this database.
    fn dialect(&self, ddl: &str) -> String;
}

/// A failure of the database.
#[derive(Debug)]
pub(crate) struct SqlError {
    /// The connection is gone; a new one may work.
    pub(crate) gone: bool,
    /// What callers are told, where that helps them; it is not their fault.
    pub(crate) told: Option<&'static str>,
    /// For the operator's log.
    pub(crate) text: String,
}

pub(crate) type SqlResult<T> = Result<T, SqlError>;

/// Seconds that a statement may take, unless the options say otherwise.
pub(crate) const STATEMENT_S: u64 = 30;
pub(crate) const TOO_LONG: &str = "the database took too long; try again";
pub(crate) const DISK_FULL: &str = "the disk of the database is full";
pub(crate) const READ_ONLY: &str = "the database is read-only";

/// After how long a database is given up whose statements may take so long: it should have ended them itself.
pub(crate) fn given_up(statement: Duration) -> Duration {
    statement + statement / 2
}

impl SqlError {
    pub(crate) fn wrong(text: impl Into<String>) -> Self {
        Self { gone: false, told: None, text: text.into() }
    }

    pub(crate) fn gone(text: impl Into<String>) -> Self {
        Self { gone: true, told: Some("the database is not reachable; try again"), text: text.into() }
    }

    /// It may answer yet, but nobody waits for that any more.
    pub(crate) fn silent(text: impl Into<String>) -> Self {
        Self { told: Some("the database does not answer; try again"), ..Self::gone(text) }
    }
}

impl From<SqlError> for Error {
    fn from(error: SqlError) -> Self {
        if !error.gone {
            tracing::error!(error = %error.text, "database error");
        }
        match error.told {
            Some(told) => Self::new(Cause::Overloaded, told),
            None => Self::new(Cause::Internal, "the database failed"),
        }
    }
}

/// Runs a query for at most one row.
pub(crate) fn query_one<T>(
    sql: &mut dyn Sql,
    text: &str,
    params: &[Value<'_>],
    mut map: impl FnMut(&dyn Row) -> SqlResult<T>,
) -> SqlResult<Option<T>> {
    let mut found = None;
    sql.query(text, params, &mut |row| {
        found = Some(map(row)?);
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found)
}

/// Runs a query for all its rows.
pub(crate) fn query_all<T>(
    sql: &mut dyn Sql,
    text: &str,
    params: &[Value<'_>],
    mut map: impl FnMut(&dyn Row) -> SqlResult<T>,
) -> SqlResult<Vec<T>> {
    let mut found = Vec::new();
    sql.query(text, params, &mut |row| {
        found.push(map(row)?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}

/// Inserts rows that are not there yet; returns how many. `into` names the table and its columns. Many go with one statement; there are few
/// texts, each of which is planned once.
pub(crate) fn insert_new(sql: &mut dyn Sql, into: &str, mut rows: &[Vec<Value<'_>>]) -> SqlResult<u64> {
    let mut inserted = 0;
    for at_once in [50, 7, 1] {
        let Some(width) = rows.first().map(Vec::len) else { break };
        let values: Vec<String> = (0..at_once).map(|row| parameters(row * width + 1, width)).collect();
        let text = format!("INSERT INTO {into} VALUES {} ON CONFLICT DO NOTHING", values.join(", "));
        let (whole, left) = rows.split_at(rows.len() - rows.len() % at_once);
        for some in whole.chunks(at_once) {
            inserted += sql.execute(&text, &some.concat())?;
        }
        rows = left;
    }
    Ok(inserted)
}

/// Asks for many keys: `text` with `@keys` for the list of them, whose numbers follow those of `fixed`. As [`insert_new`], few texts.
pub(crate) fn query_in<T>(
    sql: &mut dyn Sql,
    text: &str,
    fixed: &[Value<'_>],
    keys: &[Value<'_>],
    mut read: impl FnMut(&dyn Row) -> SqlResult<T>,
) -> SqlResult<Vec<T>> {
    let mut found = vec![];
    each_in(text, fixed, keys, |text, params| {
        found.extend(query_all(sql, text, params, &mut read)?);
        Ok(())
    })?;
    Ok(found)
}

/// As [`query_in`] for a statement; returns how many rows it changed.
pub(crate) fn execute_in(sql: &mut dyn Sql, text: &str, fixed: &[Value<'_>], keys: &[Value<'_>]) -> SqlResult<u64> {
    let mut changed = 0;
    each_in(text, fixed, keys, |text, params| {
        changed += sql.execute(text, params)?;
        Ok(())
    })?;
    Ok(changed)
}

fn each_in(
    text: &str,
    fixed: &[Value<'_>],
    mut keys: &[Value<'_>],
    mut run: impl FnMut(&str, &[Value<'_>]) -> SqlResult<()>,
) -> SqlResult<()> {
    for at_once in [100, 10, 1] {
        let text = text.replace("@keys", &parameters(fixed.len() + 1, at_once));
        let (whole, left) = keys.split_at(keys.len() - keys.len() % at_once);
        for some in whole.chunks(at_once) {
            run(&text, &[fixed, some].concat())?;
        }
        keys = left;
    }
    Ok(())
}

/// A list of parameters from a number on, in brackets.
pub(crate) fn parameters(from: usize, count: usize) -> String {
    let list: Vec<String> = (from..from + count).map(|n| format!("?{n}")).collect();
    format!("({})", list.join(", "))
}

/// A count or place as the databases keep it; places stay far below 2^63.
pub(crate) fn to_db(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The other way; a negative number cannot have been written.
pub(crate) fn from_db(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A text that no record has is not asked for: not every database takes it.
pub(crate) fn storable(text: &str) -> bool {
    !text.contains('\0')
}
