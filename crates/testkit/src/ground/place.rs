//! Where a test keeps its store: gone with the value.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};
use tempfile::TempDir;

/// A place of a store.
#[derive(Debug)]
pub enum Place {
    /// SQLite.
    Sqlite {
        /// Takes all away in the end.
        scratch: TempDir,
        /// The directory, which the store makes.
        folder: PathBuf,
    },
    /// A schema of PostgreSQL.
    Postgres {
        /// URL of the server.
        admin: String,
        /// Name of the schema.
        schema: String,
        /// URL of the schema.
        url: String,
    },
}

static COUNTER: AtomicU64 = AtomicU64::new(1);

impl Place {
    /// A scratch directory.
    #[must_use]
    pub fn sqlite() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        Self::Sqlite { folder: scratch.path().join("store"), scratch }
    }

    /// A schema of its own in the server that the variable `LANDFALL_TEST_POSTGRES` names; `None`, loudly, without one.
    #[must_use]
    pub fn postgres(test: &str) -> Option<Self> {
        let Ok(admin) = std::env::var("LANDFALL_TEST_POSTGRES") else {
            // Written past the capture of the test harness on purpose.
            drop(std::io::stderr().write_all(format!("\nSKIPPED {test}: LANDFALL_TEST_POSTGRES holds no URL\n").as_bytes()));
            return None;
        };
        let schema = format!("landfall_test_{}_{}", std::process::id(), COUNTER.fetch_add(1, Ordering::SeqCst));
        run(&admin, &format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}")).unwrap();
        let mark = if admin.contains('?') { '&' } else { '?' };
        let url = format!("{admin}{mark}options=-c%20search_path%3D{schema}");
        Some(Self::Postgres { admin, schema, url })
    }

    /// As `landfall_store::open` takes it.
    #[must_use]
    pub fn url(&self) -> &str {
        match self {
            Self::Sqlite { folder, .. } => folder.to_str().unwrap(),
            Self::Postgres { url, .. } => url,
        }
    }

    /// The directory of SQLite.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Sqlite { folder, .. } => Some(folder),
            Self::Postgres { .. } => None,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::Postgres { admin, schema, .. } = self {
            drop(run(admin, &format!("DROP SCHEMA IF EXISTS {schema} CASCADE")));
        }
    }
}

/// On a thread of its own, since a test may stand inside a runtime and the client blocks.
fn run(admin: &str, sql: &str) -> Result<(), postgres::Error> {
    let connect = || postgres::Client::connect(admin, postgres::NoTls)?.batch_execute(sql);
    std::thread::scope(|scope| scope.spawn(connect).join().unwrap())
}
