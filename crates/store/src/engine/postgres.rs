//! PostgreSQL behind [`Sql`], over the asynchronous client on a runtime of each connection's own, as only that can stop waiting: the caller
//! blocks, and no wait for the server is without a deadline.
//!
//! `sslmode` of the URL: `disable` and `prefer` (the default) do without TLS, `require` takes any certificate, `verify-full` one of
//! `store.ca_file` that has the host's name.

use crate::engine::{
    sql::{Canceller, DISK_FULL, READ_ONLY, Row, RowFn, Sql, SqlError, SqlResult, TOO_LONG, Value, given_up},
    tls,
};
use futures_util::TryStreamExt;
use std::{collections::HashMap, error::Error as StdError, ops::ControlFlow, path::Path, pin::pin, time::Duration};
use tokio::{
    runtime::{Builder, Runtime},
    time::timeout,
};
use tokio_postgres::{
    Client, Config, Error, NoTls, Socket, Statement,
    config::SslMode,
    error::SqlState,
    tls::MakeTlsConnect,
    types::{IsNull, ToSql, Type, private::BytesMut, to_sql_checked},
};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Statements kept prepared on a connection.
const STATEMENTS: usize = 256;
const CONNECT_S: u64 = 5;
/// A connection whose other end is silent for so long is gone; the server goes by the same, so that no lock outlives its holder.
const SILENT_S: u64 = 15;
/// How long the server may be at one statement of a start, such as a migration.
const START_MAX: Duration = Duration::from_secs(3_600);

/// Where a database is, and how it is reached.
pub(crate) struct Target {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    /// How long the server may be at a statement.
    statement: Duration,
    /// How long a connection may be in the making.
    connect: Duration,
}

impl Target {
    /// Reads a libpq URL or key-value string. Errors never hold it: it may hold a password.
    pub(crate) fn parse(url: &str, ca_file: Option<&Path>, statement: Duration) -> SqlResult<Self> {
        // The client does not know the mode, and checks nothing itself.
        let verify = url.contains("sslmode=verify-full");
        let mut config: Config = url
            .replace("sslmode=verify-full", "sslmode=require")
            .parse()
            .map_err(|_| SqlError::wrong("the PostgreSQL URL cannot be read"))?;
        let each = config.get_connect_timeout().copied().unwrap_or(Duration::from_secs(CONNECT_S));
        config.connect_timeout(each);
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(Duration::from_secs(SILENT_S));
        }
        let quarter = Duration::from_secs(SILENT_S / 3);
        config.keepalives_idle(quarter).keepalives_interval(quarter).keepalives_retries(2).application_name("landfall");
        let tls = match config.get_ssl_mode() {
            SslMode::Require => Some(MakeRustlsConnect::new(tls::config(verify, ca_file)?)),
            _ => None,
        };
        // Each host in turn, then the greetings.
        let connect = each * (1 + u32::try_from(config.get_hosts().len()).unwrap_or(u32::MAX).max(1));
        Ok(Self { config, tls, statement, connect })
    }

    async fn open(&self) -> Result<Client, Error> {
        match &self.tls {
            Some(tls) => open(&self.config, tls.clone()).await,
            None => open(&self.config, NoTls).await,
        }
    }
}

/// Connects, and leaves the work on the socket to the runtime.
#[allow(clippy::disallowed_methods, reason = "the runtime is the connection's own")]
async fn open<T>(config: &Config, tls: T) -> Result<Client, Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
{
    let (client, connection) = config.connect(tls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::warn!(error = %describe(&error), "a connection to the database ended");
        }
    });
    Ok(client)
}

fn runtime() -> SqlResult<Runtime> {
    Builder::new_current_thread().enable_all().build().map_err(|e| SqlError::wrong(e.to_string()))
}

pub(crate) struct Postgres {
    runtime: Runtime,
    client: Client,
    statements: HashMap<String, Statement>,
    tls: Option<MakeRustlsConnect>,
    connect: Duration,
    /// As the target has it, and what holds now.
    statement: Duration,
    limit: Duration,
    /// The server did not answer in time once. What it sends later would be taken for the answer to something else: nothing more is asked.
    silent: bool,
}

impl Postgres {
    /// Connects.
    pub(crate) fn connect(target: &Target) -> SqlResult<Self> {
        let Target { statement, connect, .. } = *target;
        let runtime = runtime()?;
        let client = match runtime.block_on(async { timeout(connect, target.open()).await }) {
            Ok(client) => client.map_err(|e| SqlError::gone(describe(&e)))?,
            Err(_) => {
                // A name may still be looked up.
                runtime.shutdown_background();
                return Err(SqlError::silent(format!("no connection within {connect:?}")));
            }
        };
        let (statements, tls) = (HashMap::new(), target.tls.clone());
        let mut sql = Self { runtime, client, statements, tls, connect, statement, limit: Duration::ZERO, silent: false };
        sql.batch(&format!(
            "SET tcp_keepalives_idle = {0}; SET tcp_keepalives_interval = {0}; SET tcp_keepalives_count = 2",
            SILENT_S / 3
        ))?;
        sql.limit()?;
        Ok(sql)
    }

    /// Waits for the server, but not for ever.
    fn wait<T>(&mut self, answer: impl AsyncFnOnce(&Client) -> Result<T, Error>) -> SqlResult<T> {
        let patience = given_up(self.limit.max(self.statement));
        let silent = || SqlError::silent(format!("no answer within {patience:?}"));
        if self.silent {
            return Err(silent());
        }
        match self.runtime.block_on(async { timeout(patience, answer(&self.client)).await }) {
            Ok(answer) => answer.map_err(|e| failed(&e)),
            Err(_) => {
                tracing::warn!("the database has not answered for {patience:?}: its connection is given up");
                self.silent = true;
                Err(silent())
            }
        }
    }

    fn set_limit(&mut self, limit: Duration) -> SqlResult<()> {
        if self.limit != limit {
            self.batch(&format!("SET statement_timeout = {}", limit.as_millis()))?;
            self.limit = limit;
        }
        Ok(())
    }

    fn statement(&mut self, sql: &str) -> SqlResult<Statement> {
        if let Some(known) = self.statements.get(sql) {
            return Ok(known.clone());
        }
        let statement = self.wait(async |client| client.prepare(&sql.replace('?', "$")).await)?;
        if self.statements.len() >= STATEMENTS {
            self.statements.clear();
        }
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

fn describe(error: &Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} {}", db.code().code(), db.message()),
        None => match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}

fn failed(error: &Error) -> SqlError {
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
        self.wait(async |client| client.execute(&statement, &params).await)
    }

    fn query(&mut self, sql: &str, params: &[Value<'_>], row: RowFn<'_>) -> SqlResult<()> {
        let statement = self.statement(sql)?;
        let params = params.iter().map(|v| v as &(dyn ToSql + Sync));
        let mut rows = pin!(self.wait(async |client| client.query_raw(&statement, params).await)?);
        while let Some(next) = self.wait(async |_| rows.try_next().await)? {
            if let ControlFlow::Break(()) = row(&next)? {
                break;
            }
        }
        Ok(())
    }

    fn batch(&mut self, sql: &str) -> SqlResult<()> {
        self.wait(async |client| client.batch_execute(sql).await)
    }

    fn begin_write(&mut self) -> SqlResult<()> {
        self.batch("BEGIN")
    }

    fn begin_read(&mut self) -> SqlResult<()> {
        self.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    }

    /// Asks the server on a connection of its own, which must not be made on an async thread.
    fn canceller(&self) -> Canceller {
        let (token, tls, patience) = (self.client.cancel_token(), self.tls.clone(), self.connect);
        Box::new(move || {
            let (token, tls) = (token.clone(), tls.clone());
            let cancel = async move {
                match tls {
                    Some(tls) => token.cancel_query(tls).await,
                    None => token.cancel_query(NoTls).await,
                }
            };
            let cancel = move || runtime().map(|runtime| runtime.block_on(async { timeout(patience, cancel).await }));
            drop(std::thread::Builder::new().name("store-cancel".into()).spawn(cancel));
        })
    }

    fn limit(&mut self) -> SqlResult<()> {
        self.set_limit(self.statement)
    }

    fn unlimit(&mut self) -> SqlResult<()> {
        self.set_limit(START_MAX)
    }

    fn dialect(&self, ddl: &str) -> String {
        // Texts compare by their bytes in both databases.
        ddl.replace("{blob}", "BYTEA")
            .replace("{text}", "TEXT COLLATE \"C\"")
            .replace("{int_key}", "BIGINT PRIMARY KEY")
            .replace("{clustered}", "")
    }
}

impl Row for tokio_postgres::Row {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::sql::query_one;

    #[test]
    fn the_server_ends_a_statement_that_takes_too_long() {
        let Ok(url) = std::env::var("LANDFALL_TEST_POSTGRES") else { return };
        let target = Target::parse(&url, None, Duration::from_millis(500)).unwrap();
        let mut sql = Postgres::connect(&target).unwrap();
        let error = query_one(&mut sql, "SELECT 1 FROM pg_sleep(3600)", &[], |_| Ok(())).unwrap_err();
        assert_eq!((error.gone, error.told), (false, Some(TOO_LONG)), "{}", error.text);
        assert!(error.text.contains("statement timeout"), "{}", error.text);
        assert_eq!(query_one(&mut sql, "SELECT 1::BIGINT", &[], |row| row.int(0)).unwrap(), Some(1), "its connection is good");
        let shown = |sql: &mut Postgres| {
            query_one(sql, "SELECT setting FROM pg_settings WHERE name = 'statement_timeout'", &[], |row| {
                Ok(row.text(0)?.to_owned())
            })
        };
        sql.unlimit().unwrap();
        assert_eq!(shown(&mut sql).unwrap().as_deref(), Some("3600000"));
        sql.limit().unwrap();
        assert_eq!(shown(&mut sql).unwrap().as_deref(), Some("500"));
    }
}
