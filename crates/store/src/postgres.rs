//! PostgreSQL behind [`Sql`], over the synchronous client.
//!
//! `sslmode` of the URL: `disable` and `prefer` (the default) do without TLS, `require` takes any certificate, `verify-full` one of
//! `store.ca_file` that has the host's name.

use crate::{
    sql::{Canceller, DISK_FULL, READ_ONLY, Row, RowFn, STATEMENT_S, Sql, SqlError, SqlResult, TOO_LONG, Value},
    tls,
};
use postgres::{
    Client, NoTls, Statement,
    config::SslMode,
    error::SqlState,
    fallible_iterator::FallibleIterator,
    types::{IsNull, ToSql, Type, private::BytesMut, to_sql_checked},
};
use std::{collections::HashMap, error::Error as StdError, ops::ControlFlow, path::Path, time::Duration};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Statements kept prepared on a connection.
const STATEMENTS: usize = 256;
const CONNECT_S: u64 = 5;
/// A connection whose other end is silent for so long is gone.
const SILENT_S: u64 = 15;

/// Where a database is, and how it is reached.
pub(crate) struct Target {
    config: postgres::Config,
    tls: Option<MakeRustlsConnect>,
}

impl Target {
    /// Reads a libpq URL or key-value string. Errors never hold it: it may hold a password.
    pub(crate) fn parse(url: &str, ca_file: Option<&Path>) -> SqlResult<Self> {
        // The client does not know the mode, and checks nothing itself.
        let verify = url.contains("sslmode=verify-full");
        let mut config: postgres::Config = url
            .replace("sslmode=verify-full", "sslmode=require")
            .parse()
            .map_err(|_| SqlError::wrong("the PostgreSQL URL cannot be read"))?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(CONNECT_S));
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(Duration::from_secs(SILENT_S));
        }
        let quarter = Duration::from_secs(SILENT_S / 3);
        config.keepalives_idle(quarter).keepalives_interval(quarter).keepalives_retries(2).application_name("landfall");
        let tls = match config.get_ssl_mode() {
            SslMode::Require => Some(MakeRustlsConnect::new(tls::config(verify, ca_file)?)),
            _ => None,
        };
        Ok(Self { config, tls })
    }
}

pub(crate) struct Postgres {
    client: Client,
    statements: HashMap<String, Statement>,
    limited: bool,
    tls: Option<MakeRustlsConnect>,
}

impl Postgres {
    /// Connects.
    pub(crate) fn connect(target: &Target) -> SqlResult<Self> {
        let client = match &target.tls {
            Some(tls) => target.config.connect(tls.clone()),
            None => target.config.connect(NoTls),
        };
        Ok(Self {
            client: client.map_err(|e| SqlError::gone(describe(&e)))?,
            statements: HashMap::new(),
            limited: false,
            tls: target.tls.clone(),
        })
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
    if gone {
        return SqlError::gone(describe(error));
    }
    let told = match error.code().map(SqlState::code) {
        Some("53100") => Some(DISK_FULL),
        Some("57014") => Some(TOO_LONG),
        Some("25006") => Some(READ_ONLY),
        _ => None,
    };
    SqlError { told, ..SqlError::wrong(describe(error)) }
}

impl ToSql for Value<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Value::Null => Ok(IsNull::Yes),
            Value::Int(n) => n.to_sql(ty, out),
            // No text of PostgreSQL holds NUL, and what is written was checked: such a text equals nothing.
            Value::Text(s) if s.contains('\0') => Ok(IsNull::Yes),
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

    fn begin_write(&mut self) -> SqlResult<()> {
        self.batch("BEGIN")
    }

    fn begin_read(&mut self) -> SqlResult<()> {
        self.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    }

    /// Asks the server on a connection of its own, which must not be made on an async thread.
    fn canceller(&self) -> Canceller {
        let (token, tls) = (self.client.cancel_token(), self.tls.clone());
        Box::new(move || {
            let (token, tls) = (token.clone(), tls.clone());
            let cancel = move || match tls {
                Some(tls) => token.cancel_query(tls),
                None => token.cancel_query(NoTls),
            };
            drop(std::thread::Builder::new().name("store-cancel".into()).spawn(cancel));
        })
    }

    fn limit(&mut self) -> SqlResult<()> {
        if self.limited {
            return Ok(());
        }
        self.limited = true;
        self.batch(&format!("SET statement_timeout = '{STATEMENT_S}s'"))
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
