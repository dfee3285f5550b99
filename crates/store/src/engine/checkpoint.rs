//! Folds SQLite's write-ahead log into the database, beside the writer.
//!
//! A log whose pages are all copied can still not begin anew while somebody reads from it. Short reads leave gaps; scans do not, so at a
//! bound they wait at the gate until the log has begun anew. Absent: PostgreSQL, which does this by itself.

use crate::engine::{
    backend::Backend,
    sql::{Sql, SqlError, SqlResult, query_one},
};
use parking_lot::{Condvar, Mutex};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};
use tokio::sync::RwLock;

/// Bytes of a page in the log, with its header.
const FRAME: u64 = 4_096 + 24;
/// Pages that wait before they are copied: 32 MiB keep the share of copying small, as pages are written again and again.
const STEP: u64 = 8_192;
/// Pages at which the log has to begin anew: 64 MiB.
const BOUND: u64 = 16_384;
/// How often the log is looked at.
const PAUSE: Duration = Duration::from_millis(100);

/// The thread that folds, and what it saw last.
pub(crate) struct Checkpoints {
    state: Arc<State>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct State {
    stop: Mutex<bool>,
    bell: Condvar,
    bytes: AtomicU64,
}

/// The log in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Log {
    pages: u64,
    copied: u64,
}

impl Checkpoints {
    /// `gate` is held by each scan for reading.
    pub(crate) fn start(backend: &Backend, gate: Arc<RwLock<()>>) -> SqlResult<Self> {
        let state = Arc::new(State::default());
        let thread = match backend.checkpointer()? {
            None => None,
            Some(sql) => {
                let state = state.clone();
                let started = std::thread::Builder::new().name("store-checkpoint".into()).spawn(move || run(sql, &state, &gate));
                Some(started.map_err(|e| SqlError::wrong(e.to_string()))?)
            }
        };
        Ok(Self { state, thread: Mutex::new(thread) })
    }

    /// Bytes of the log that are in use.
    pub(crate) fn wal_bytes(&self) -> u64 {
        self.state.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn stop(&self) {
        *self.state.stop.lock() = true;
        self.state.bell.notify_all();
        if let Some(thread) = self.thread.lock().take() {
            drop(thread.join());
        }
    }
}

fn run(mut sql: Box<dyn Sql>, state: &State, gate: &RwLock<()>) {
    let (mut failed, mut anew) = (false, None);
    loop {
        {
            let mut stop = state.stop.lock();
            if !*stop {
                state.bell.wait_for(&mut stop, PAUSE);
            }
            if *stop {
                return;
            }
        }
        match round(&mut *sql, gate, (STEP, BOUND), &mut anew) {
            Ok(log) => {
                let pages = if anew == Some(log) { 0 } else { log.pages };
                state.bytes.store(pages.saturating_mul(FRAME), Ordering::Relaxed);
                failed = false;
            }
            Err(error) if !failed => {
                tracing::error!(error = %error.text, "the write-ahead log cannot be folded into the database");
                failed = true;
            }
            Err(_) => (),
        }
    }
}

/// Looks at the log and does what is due. `anew` is how the log was when it was made to begin anew with the next write.
fn round(sql: &mut dyn Sql, gate: &RwLock<()>, (step, bound): (u64, u64), anew: &mut Option<Log>) -> SqlResult<Log> {
    let mut log = checkpoint(sql, "NOOP")?;
    if *anew == Some(log) {
        return Ok(log);
    }
    if log.pages.saturating_sub(log.copied) >= step || log.pages >= bound {
        log = checkpoint(sql, "PASSIVE")?;
    }
    if log.pages >= bound {
        // Scans end by their deadline. Most is copied, so that the writer waits for little.
        let _no_scans = gate.blocking_write();
        checkpoint(sql, "RESTART")?;
        log = checkpoint(sql, "NOOP")?;
        *anew = Some(log).filter(|log| log.pages == log.copied);
    }
    Ok(log)
}

fn checkpoint(sql: &mut dyn Sql, mode: &str) -> SqlResult<Log> {
    let text = format!("PRAGMA wal_checkpoint({mode})");
    let log = query_one(sql, &text, &[], |row| Ok(Log { pages: row.seq(1)?, copied: row.seq(2)? }))?;
    Ok(log.unwrap_or(Log { pages: 0, copied: 0 }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::record::tests::scratch;

    fn fill(sql: &mut dyn Sql, pages: usize) {
        sql.batch("BEGIN; DELETE FROM filled").unwrap();
        for _ in 0..pages {
            sql.batch("INSERT INTO filled (x) VALUES (zeroblob(4000))").unwrap();
        }
        sql.batch("COMMIT").unwrap();
    }

    /// A transaction that had read before it wanted the lock would fail at once while a checkpoint holds it.
    #[test]
    fn a_writer_waits_for_the_lock_at_its_beginning() {
        let dir = scratch();
        let backend = Backend::Sqlite(dir.clone());
        let _lock = backend.lock().unwrap();
        let (mut writer, mut other) = (backend.writer().unwrap(), backend.checkpointer().unwrap().unwrap());
        writer.batch("PRAGMA busy_timeout=0").unwrap();
        other.begin_write().unwrap();
        assert!(writer.begin_write().is_err(), "it does not begin while another holds the lock");
        other.batch("COMMIT").unwrap();
        writer.begin_write().unwrap();
        drop((writer, other));
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn the_log_is_copied_beside_readers_and_begins_anew_at_its_bound() {
        let dir = scratch();
        let backend = Backend::Sqlite(dir.clone());
        let _lock = backend.lock().unwrap();
        let (mut writer, mut sql) = (backend.writer().unwrap(), backend.checkpointer().unwrap().unwrap());
        let gate = RwLock::default();
        writer.batch("CREATE TABLE filled (x BLOB)").unwrap();
        fill(&mut *writer, 100);
        let small = round(&mut *sql, &gate, (1_000, 2_000), &mut None).unwrap();
        assert!(small.pages > 100 && small.copied == 0, "{small:?}");
        // A reader that stays: what it may still read is copied, but the log cannot begin anew.
        let mut reader = backend.reader().unwrap();
        reader.begin_read().unwrap();
        query_one(&mut *reader, "SELECT COUNT(*) FROM filled", &[], |row| row.int(0)).unwrap();
        let seen = small.pages;
        fill(&mut *writer, 100);
        let copied = round(&mut *sql, &gate, (50, 2_000), &mut None).unwrap();
        assert!(copied.pages > seen && copied.copied == seen, "{copied:?}");
        reader.batch("COMMIT").unwrap();
        let mut anew = None;
        let full = round(&mut *sql, &gate, (50, 100), &mut anew).unwrap();
        assert_eq!((full.pages, anew), (full.copied, Some(full)));
        fill(&mut *writer, 10);
        let after = round(&mut *sql, &gate, (1_000, 2_000), &mut anew).unwrap();
        assert!(after.pages < seen, "{after:?}");
        drop((writer, sql, reader));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
