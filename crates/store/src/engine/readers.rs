//! Connections for readers. Point reads have places of their own and never wait for scans; scans take turns by account, end with their
//! caller, and have a deadline.

use crate::engine::{
    backend::Backend,
    sql::{Canceller, Sql, SqlError, SqlResult},
};
use landfall_core::{Crowded, Place, Places};
use landfall_model::{Cause, Error, Result};
use parking_lot::Mutex;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{RwLock, Semaphore},
    time::timeout,
};
use uuid::Uuid;

/// Scans at once, scans of one account at once, and scans of one account that may wait.
const SCANS: usize = 3;
const SCANS_EACH: usize = 2;
const SCANS_WAITING: usize = 32;
/// How long a read may wait for its turn.
const TURN_MAX: Duration = Duration::from_secs(20);

/// A few connections for readers.
pub(crate) struct Readers {
    backend: Backend,
    idle: Mutex<Vec<Box<dyn Sql>>>,
    points: Arc<Semaphore>,
    turns: Places<Uuid>,
    scan_max: Duration,
    /// Held by each scan for reading; whoever must have none of them under way takes it for writing.
    gate: Arc<RwLock<()>>,
    /// Scans that were ended by their deadline.
    overdue: AtomicU64,
}

impl Readers {
    /// `points` connections for point reads; a scan ends after `scan_max`.
    pub(crate) fn new(backend: Backend, points: usize, scan_max: Duration) -> Arc<Self> {
        let turns = Places::new(SCANS).each(SCANS_EACH).each_waiting(SCANS_WAITING);
        let (idle, points) = (Mutex::new(Vec::new()), Arc::new(Semaphore::new(points)));
        Arc::new(Self { backend, idle, points, turns, scan_max, gate: Arc::default(), overdue: AtomicU64::default() })
    }

    /// Runs a read of few rows on a connection, off the async threads.
    ///
    /// `Overloaded` when it gets no connection in time, or the database does not answer.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&mut dyn Sql) -> SqlResult<T> + Send + 'static,
    ) -> Result<T> {
        let late = |_| Error::new(Cause::Overloaded, "the database does not answer");
        let place = timeout(TURN_MAX, self.points.clone().acquire_owned()).await.map_err(late)?.map_err(|_| stopped())?;
        let readers = self.clone();
        let result = tokio::task::spawn_blocking(move || {
            // Held until it is over, whether its caller waits or not.
            let _held = place;
            let mut sql = readers.connection()?;
            // A connection on which something failed is not used again: its transaction may still be open.
            let found = read(&mut *sql)?;
            readers.idle.lock().push(sql);
            SqlResult::Ok(found)
        });
        Ok(result.await.map_err(|_| stopped())??)
    }

    /// Runs a read whose length depends on how much an account has. It ends when its caller does.
    ///
    /// `Overloaded` when too many of the account wait already, it gets no turn in time, or takes too long.
    pub(crate) async fn scan<T: Send + 'static>(
        self: &Arc<Self>,
        account: Uuid,
        read: impl FnOnce(&mut dyn Sql) -> SqlResult<T> + Send + 'static,
    ) -> Result<T> {
        let crowded = |Crowded| Error::new(Cause::Overloaded, "too many lists of this account wait already; try again");
        let late = |_| Error::new(Cause::Overloaded, "other lists are read for longer than this one may wait; try again");
        let (turn, open) = timeout(TURN_MAX, async {
            let turn = self.turns.take(account, 1).await.map_err(crowded)?;
            Result::Ok((turn, self.gate.clone().read_owned().await))
        })
        .await
        .map_err(late)??;
        let scan = Arc::new(Scan::default());
        let _ends_with_caller = EndsWithCaller(scan.clone());
        let readers = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            let _held: (Place<Uuid>, _) = (turn, open);
            readers.scan_now(read, &scan)
        });
        match timeout(self.scan_max, task).await {
            Ok(result) => Ok(result.map_err(|_| stopped())??),
            Err(_) => {
                self.overdue.fetch_add(1, Ordering::Relaxed);
                Err(Error::new(Cause::Overloaded, format!("the list takes longer than {:?}; narrow its filter", self.scan_max)))
            }
        }
    }

    fn scan_now<T>(&self, read: impl FnOnce(&mut dyn Sql) -> SqlResult<T>, scan: &Scan) -> SqlResult<T> {
        let mut sql = self.connection()?;
        if !scan.begin(sql.canceller()) {
            self.idle.lock().push(sql);
            return Err(SqlError::wrong("nobody waits for the scan any more"));
        }
        let result = read(&mut *sql);
        // The order to end it may still be on its way to a connection that was told to.
        let untouched = scan.end();
        let found = result?;
        if untouched {
            self.idle.lock().push(sql);
        }
        Ok(found)
    }

    fn connection(&self) -> SqlResult<Box<dyn Sql>> {
        let idle = self.idle.lock().pop();
        let mut sql = idle.map_or_else(|| self.backend.reader(), Ok)?;
        sql.limit()?;
        Ok(sql)
    }

    /// What each scan holds for reading.
    pub(crate) fn gate(&self) -> Arc<RwLock<()>> {
        self.gate.clone()
    }

    /// Scans that were ended by their deadline since the start.
    pub(crate) fn overdue(&self) -> u64 {
        self.overdue.load(Ordering::Relaxed)
    }
}

fn stopped() -> Error {
    SqlError::wrong("a reader was stopped").into()
}

impl Drop for Readers {
    fn drop(&mut self) {
        let idle = std::mem::take(self.idle.get_mut());
        // PostgreSQL connections own a runtime, which must not end on an async thread.
        if let Ok(ended) = std::thread::Builder::new().name("store-end".into()).spawn(move || drop(idle)) {
            drop(ended.join());
        }
    }
}

/// How far a scan is.
#[derive(Default)]
enum Progress {
    #[default]
    Waits,
    Runs(Canceller),
    Over,
}

#[derive(Default)]
struct Scan(Mutex<Progress>);

impl Scan {
    /// Whether anybody still waits for it.
    fn begin(&self, canceller: Canceller) -> bool {
        let mut progress = self.0.lock();
        let wanted = matches!(*progress, Progress::Waits);
        if wanted {
            *progress = Progress::Runs(canceller);
        }
        wanted
    }

    /// Whether nobody ended it before.
    fn end(&self) -> bool {
        matches!(std::mem::replace(&mut *self.0.lock(), Progress::Over), Progress::Runs(_))
    }
}

/// Ends a scan that is not over.
struct EndsWithCaller(Arc<Scan>);

impl Drop for EndsWithCaller {
    fn drop(&mut self) {
        let mut progress = self.0.0.lock();
        if let Progress::Runs(cancel) = &*progress {
            cancel();
        }
        *progress = Progress::Over;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{engine::sql::query_one, stream::record::tests::scratch};
    use std::{
        path::PathBuf,
        pin::pin,
        task::{Context, Poll, Waker},
    };

    const FOR_EVER: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) FROM n";

    fn runs_for_ever(sql: &mut dyn Sql) -> SqlResult<Option<i64>> {
        query_one(sql, FOR_EVER, &[], |row| row.int(0))
    }

    fn one(sql: &mut dyn Sql) -> SqlResult<Option<i64>> {
        query_one(sql, "SELECT 1", &[], |row| row.int(0))
    }

    fn readers(scan_max: Duration) -> (PathBuf, Arc<Readers>) {
        let dir = scratch();
        let backend = Backend::Sqlite(dir.clone());
        drop((backend.lock().unwrap(), backend.writer().unwrap()));
        (dir, Readers::new(backend, 1, scan_max))
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn point_reads_pass_scans_and_scans_end_with_their_callers() {
        let (dir, readers) = readers(Duration::from_secs(3_600));
        runtime().block_on(async {
            let (mine, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
            {
                let mut scans: Vec<_> = (0..6).map(|_| Box::pin(readers.scan(mine, runs_for_ever))).collect();
                for scan in &mut scans {
                    assert!(scan.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
                }
                assert_eq!(readers.read(one).await.unwrap(), Some(1));
                assert_eq!(readers.scan(other, one).await.unwrap(), Some(1), "another account's turn");
                let mut own = pin!(readers.scan(mine, one));
                assert!(matches!(own.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending));
            }
            // All places are free again, or this would never return.
            assert_eq!(readers.scan(mine, one).await.unwrap(), Some(1));
        });
        drop(readers);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_scan_has_a_deadline() {
        let (dir, readers) = readers(Duration::ZERO);
        runtime().block_on(async {
            let error = readers.scan(Uuid::nil(), runs_for_ever).await.unwrap_err();
            assert_eq!((error.cause, readers.overdue()), (Cause::Overloaded, 1));
            assert_eq!(readers.read(one).await.unwrap(), Some(1));
        });
        drop(readers);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
