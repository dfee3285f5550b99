//! PostgreSQL behind [`Sql`], over the synchronous client.
//!
//! Absent: TLS. The connection must be local or inside a private network (`sslmode=disable`, or `prefer` with a server without TLS).

use crate::sql::{Canceller, Row, RowFn, Sql, SqlError, SqlResult, Value};
use postgres::{
    Client, NoTls, Statement,
    fallible_iterator::FallibleIterator,
    types::{IsNull, ToSql, Type, private::BytesMut, to_sql_checked},
};
use std::{collections::HashMap, error::Error as StdError, ops::ControlFlow, time::Duration};

/// Statements kept prepared on a connection.
const STATEMENTS: usize = 256;
const CONNECT_S: u64 = 5;

pub(crate) struct Postgres {
    client: Client,
    statements: HashMap<String, Statement>,
}

impl Postgres {
    /// Connects; `url` is a libpq URL or key-value string.
    pub(crate) fn connect(url: &str) -> SqlResult<Self> {
        let mut config: postgres::Config = url.parse().map_err(|_| SqlError::wrong("the PostgreSQL URL cannot be read"))?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(CONNECT_S));
        }
        config.application_name("landfall");
        let client = config.connect(NoTls).map_err(|e| SqlError::gone(describe(&e)))?;
        Ok(Self { client, statements: HashMap::new() })
    }

    fn statement(&mut self, sql: &str) -> SqlResult<Statement> {
        if let Some(known) = self.statements.get(sql) {
            return Ok(known.clone());
        }
        let statement = self.client.prepare(&sql.replace('?', "$")).map_err(|e| failed(&e))?;
        if self.statements.len() >= STATEMENTS {
            self.statements.clear();
        }
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

fn describe(error: &postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} {}", db.code().code(), db.message()),
        None => match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}

fn failed(error: &postgres::Error) -> SqlError {
    // Class 57P: the server shuts down or starts; class 08 and errors without a code: the connection broke.
    let gone = error.is_closed()
        || match error.code() {
            Some(code) => code.code().starts_with("57P") || code.code().starts_with("08"),
            None => error.source().is_some_and(|s| s.downcast_ref::<std::io::Error>().is_some()),
        };
    SqlError { gone, text: describe(error) }
}

impl ToSql for Value<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Value::Null => Ok(IsNull::Yes),
            Value::Int(n) => n.to_sql(ty, out),
            Value::Text(s) => s.to_sql(ty, out),
            Value::Bytes(b) => b.to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        <i64 as ToSql>::accepts(ty) || <&str as ToSql>::accepts(ty) || <&[u8] as ToSql>::accepts(ty)
    }

    to_sql_checked!();
}

impl Sql for Postgres {
    fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> SqlResult<u64> {
        let statement = self.statement(sql)?;
        let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|v| v as &(dyn ToSql + Sync)).collect();
        self.client.execute(&statement, &params).map_err(|e| failed(&e))
    }

    fn query(&mut self, sql: &str, params: &[Value<'_>], row: RowFn<'_>) -> SqlResult<()> {
        let statement = self.statement(sql)?;
        let params = params.iter().map(|v| v as &(dyn ToSql + Sync));
        let mut rows = self.client.query_raw(&statement, params).map_err(|e| failed(&e))?;
        while let Some(next) = rows.next().map_err(|e| failed(&e))? {
            if let ControlFlow::Break(()) = row(&next)? {
                break;
            }
        }
        Ok(())
    }

    fn batch(&mut self, sql: &str) -> SqlResult<()> {
        self.client.batch_execute(sql).map_err(|e| failed(&e))
    }

    fn begin_read(&mut self) -> SqlResult<()> {
        self.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    }

    /// Asks the server on a connection of its own, which must not be made on an async thread.
    fn canceller(&self) -> Canceller {
        let token = self.client.cancel_token();
        Box::new(move || {
            let token = token.clone();
            drop(std::thread::Builder::new().name("store-cancel".into()).spawn(move || token.cancel_query(NoTls)));
        })
    }

    fn dialect(&self, ddl: &str) -> String {
        // Texts compare by their bytes in both databases.
        ddl.replace("{blob}", "BYTEA")
            .replace("{text}", "TEXT COLLATE \"C\"")
            .replace("{int_key}", "BIGINT PRIMARY KEY")
            .replace("{clustered}", "")
    }
}

impl Row for postgres::Row {
    fn opt_int(&self, column: usize) -> SqlResult<Option<i64>> {
        self.try_get(column).map_err(|e| failed(&e))
    }

    fn text(&self, column: usize) -> SqlResult<&str> {
        self.try_get(column).map_err(|e| failed(&e))
    }

    fn opt_text(&self, column: usize) -> SqlResult<Option<&str>> {
        self.try_get(column).map_err(|e| failed(&e))
    }

    fn bytes(&self, column: usize) -> SqlResult<&[u8]> {
        self.try_get(column).map_err(|e| failed(&e))
    }

    fn opt_bytes(&self, column: usize) -> SqlResult<Option<&[u8]>> {
        self.try_get(column).map_err(|e| failed(&e))
    }
}
