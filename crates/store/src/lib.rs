//! The store of Landfall over SQLite (a directory, the default) or PostgreSQL (a URL): registry, event stream and history.
//!
//! One thread writes, many batches to a sync ([`landfall_core::store::Commit::commit`]); reports become durable in the stream and are cut into
//! chunks per device later. Exactly one process may use a database at a time; a second one is refused. Absent:
//! reading the clock (time comes from the [`World`]), any rule of the domain.

mod account;
mod alarm;
mod binary;
mod cache;
mod command;
mod device;
mod device_request;
mod effects;
mod engine;
mod extension;
mod job;
mod lookup;
mod object;
mod onem2m;
mod product;
mod shared;
mod store;
mod stream;
mod subscription;
mod user;
mod versioned;
mod write;

pub use engine::origin::file_identity;
pub use store::SharedStore;

use crate::engine::{postgres::Target, sql::STATEMENT_S};
use engine::backend::Backend;
use landfall_core::World;
use landfall_model::{Cause, Error, Result};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// What may be tuned. `Default` fits a server of 2 cores and 4 GiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Devices kept in memory.
    pub cache_devices: usize,
    /// Accounts, applications, products, subscriptions and resources kept in memory, each.
    pub cache_records: usize,
    /// Points that may wait in memory before they are cut into chunks.
    pub flush_points: u64,
    /// Bytes of them.
    pub flush_bytes: usize,
    /// How long they may wait, in milliseconds.
    pub flush_age_ms: i64,
    /// Batches that may wait for the writer; one more is `Overloaded`.
    pub queue_batches: usize,
    /// Bytes of them; also the greatest size of one batch.
    pub queue_bytes: usize,
    /// Batches in one transaction.
    pub group_batches: usize,
    /// Bytes of them.
    pub group_bytes: usize,
    /// Newest events kept in memory.
    pub ring_events: usize,
    /// Bytes of them.
    pub ring_bytes: usize,
    /// Connections for point reads.
    pub readers: usize,
    /// How long a list may be read at most, in milliseconds.
    pub scan_ms: u64,
    /// How long PostgreSQL may be at a statement, in milliseconds. A server that has not even ended it after half as long again is given up.
    pub statement_ms: u64,
    /// Whether there must be a database already: one that is gone is then an error, and not made anew.
    pub must_exist: bool,
    /// Authorities of the certificate of PostgreSQL (PEM), for `sslmode=verify-full`.
    pub ca_file: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_devices: 200_000,
            cache_records: 10_000,
            flush_points: 250_000,
            flush_bytes: 64 << 20,
            flush_age_ms: 300_000,
            queue_batches: 65_536,
            queue_bytes: 64 << 20,
            group_batches: 4_096,
            group_bytes: 8 << 20,
            ring_events: 65_536,
            ring_bytes: 64 << 20,
            readers: 4,
            scan_ms: 5_000,
            statement_ms: STATEMENT_S * 1_000,
            must_exist: false,
            ca_file: None,
        }
    }
}

impl Options {
    pub(crate) fn statement(&self) -> Duration {
        Duration::from_millis(self.statement_ms)
    }
}

/// Opens the store at `place`: a `postgres://` or `postgresql://` URL, or else a directory.
///
/// # Errors
/// As [`open_sqlite`] and [`open_postgres`].
pub fn open(place: &str, options: Options, world: Arc<dyn World>) -> Result<SharedStore> {
    if place.starts_with("postgres://") || place.starts_with("postgresql://") {
        open_postgres(place, options, world)
    } else {
        open_sqlite(Path::new(place), options, world)
    }
}

/// Opens the store in a directory, which is made with mode 0700 if it is not there: the database holds credentials.
///
/// # Errors
/// `Internal` with the reason: no access, in use by another process, written by a newer program, or gone.
pub fn open_sqlite(dir: &Path, options: Options, world: Arc<dyn World>) -> Result<SharedStore> {
    apart(Backend::Sqlite(dir.to_path_buf()), options, world)
}

/// Opens the store in a PostgreSQL database, in the first schema of its search path.
///
/// # Errors
/// `Internal` with the reason: not reachable, in use by another process, or written by a newer program. The reason never holds the URL.
pub fn open_postgres(url: &str, options: Options, world: Arc<dyn World>) -> Result<SharedStore> {
    let target = Target::parse(url, options.ca_file.as_deref(), options.statement());
    let target = target.map_err(|error| Error::new(Cause::Internal, error.text))?;
    apart(Backend::Postgres(Arc::new(target)), options, world)
}

/// Opens on a thread of its own, because the PostgreSQL client must not block an async one.
fn apart(backend: Backend, options: Options, world: Arc<dyn World>) -> Result<SharedStore> {
    let opened = std::thread::scope(|scope| scope.spawn(|| SharedStore::open(backend, options, world)).join());
    match opened {
        Ok(Ok(store)) => Ok(store),
        Ok(Err(error)) => {
            let text = error.told.filter(|_| !error.gone).map_or(error.text, str::to_owned);
            Err(Error::new(Cause::Internal, text))
        }
        Err(_) => Err(Error::new(Cause::Internal, "opening the store failed")),
    }
}
