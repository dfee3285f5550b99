//! The open store: writes go to the queue, reads to connections of their own. What is read of each noun stands with it (`read`).

use crate::{
    Options,
    device::names,
    engine::{
        backend::{Backend, Lock},
        checkpoint::Checkpoints,
        migrate::{NEWEST, migrate},
        origin,
        queue::{End, Job, Task, stopping},
        readers::Readers,
        sql::{Sql, SqlError, SqlResult, query_one},
        writer::Writer,
    },
    shared::Shared,
    stream::replay,
};
use async_trait::async_trait;
use landfall_core::{
    World,
    store::{Commit, Committed, EventStore, StoreStats, UpkeepStore},
};
use landfall_model::{AccountId, Batch, Result, Time};
use parking_lot::Mutex;
use std::{
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
    time::Duration,
};
use tokio::sync::oneshot;
use uuid::Uuid;

/// Records that are asked for at once: events of `events_at`, claims, labels.
pub(crate) const LIST_LIMIT: usize = 1_000;

/// Who reads what is of no account.
pub(crate) const THE_SERVER: AccountId = AccountId(Uuid::nil());

/// An open store; clones are the same store. The last one to go stops the writer without a flush, which loses nothing: the next start
/// reads the stream instead.
#[derive(Clone)]
pub struct SharedStore(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    readers: Arc<Readers>,
    writer: Mutex<Option<JoinHandle<()>>>,
    checkpoints: Checkpoints,
    lock: Mutex<Option<Lock>>,
    place: String,
}

impl std::fmt::Debug for SharedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedStore").field("newest", &self.newest()).finish_non_exhaustive()
    }
}

impl SharedStore {
    pub(crate) fn open(backend: Backend, options: Options, world: Arc<dyn World>) -> SqlResult<Self> {
        if options.must_exist {
            backend.must_exist()?;
        }
        let lock = backend.lock()?;
        let mut sql = backend.writer()?;
        sql.unlimit()?;
        migrate(&mut *sql, NEWEST)?;
        names::report(&mut *sql)?;
        let place = origin::place(&backend, &mut *sql)?;
        let start = replay::start(&mut *sql)?;
        if let Some(at) = start.known_at {
            world.known(at);
        }
        let shared = Arc::new(Shared::new(options, start.newest));
        shared.pending.lock().trust(world.bounds().earliest);
        replay::replay(&mut *sql, &shared)?;
        shared.load_work(&mut *sql)?;
        shared.caches.subscribers.load(&mut *sql)?;
        shared.caches.telling.load(&mut *sql)?;
        sql.limit()?;
        let readers = {
            let options = &shared.options;
            Readers::new(backend.clone(), options.readers.max(1), Duration::from_millis(options.scan_ms))
        };
        let checkpoints = Checkpoints::start(&backend, readers.gate())?;
        let writer = Writer::new(shared.clone(), backend, world, sql, &start);
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run())
            .map_err(|e| SqlError::wrong(e.to_string()))?;
        let (writer, lock) = (Mutex::new(Some(thread)), Mutex::new(Some(lock)));
        Ok(Self(Arc::new(Inner { shared, readers, writer, checkpoints, lock, place })))
    }

    /// Takes no more writes, finishes what was queued, cuts the history that waits into chunks and stops. Further calls wait for nothing.
    pub async fn shutdown(&self) {
        self.end(End::Drain).await;
    }

    /// Stops as a crash would, but for what the operating system holds: nothing more is written.
    pub async fn abort(&self) {
        self.end(End::Drop).await;
    }

    async fn end(&self, end: End) {
        self.0.shared.queue.close(end);
        let inner = self.0.clone();
        drop(tokio::task::spawn_blocking(move || inner.join()).await);
    }

    /// Where the database is, in terms that a copy of its files, a restored dump, and a replica that took over do not share: inode and time of birth
    /// of the file; for PostgreSQL the ids of cluster, database and table, and the timeline where the server tells it.
    pub fn place(&self) -> &str {
        &self.0.place
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0.shared
    }

    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut dyn Sql) -> SqlResult<T> + Send + 'static,
    ) -> Result<T> {
        self.0.readers.read(read).await
    }

    /// A read whose length depends on how much an account has.
    pub(crate) async fn scan<T: Send + 'static>(
        &self,
        account: AccountId,
        read: impl FnOnce(&mut dyn Sql) -> SqlResult<T> + Send + 'static,
    ) -> Result<T> {
        self.0.readers.scan(account.0, read).await
    }
}

impl Inner {
    fn join(&self) {
        let mut writer = self.writer.lock();
        if let Some(thread) = writer.take() {
            drop(thread.join());
        }
        self.checkpoints.stop();
        self.lock.lock().take();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.queue.close(End::Drop);
        self.join();
    }
}

#[async_trait]
impl Commit for SharedStore {
    async fn commit(&self, batch: Batch) -> Result<Committed> {
        let (answer, done) = oneshot::channel();
        self.0.shared.queue.put(Task::Commit(Job::new(batch, answer, self.0.shared.options.queue_bytes)?))?;
        done.await.map_err(|_| stopping())?
    }
}

#[async_trait]
impl UpkeepStore for SharedStore {
    async fn prune(&self, now: Time) -> Result<bool> {
        let (answer, done) = oneshot::channel();
        self.0.shared.queue.put(Task::Prune(now, answer))?;
        done.await.map_err(|_| stopping())?
    }

    async fn probe(&self) -> Result<()> {
        let (answer, done) = oneshot::channel();
        self.0.shared.queue.put(Task::Probe(answer))?;
        done.await.map_err(|_| stopping())?
    }

    async fn stats(&self) -> Result<StoreStats> {
        const DEVICES: &str = "SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM device_count WHERE owner = account";
        let (devices, oldest_seq) = self
            .read(|sql| {
                let devices = query_one(sql, DEVICES, &[], |row| row.seq(0))?;
                let oldest = query_one(sql, "SELECT MIN(first_seq) FROM stream", &[], |row| row.opt_int(0))?;
                Ok((devices.unwrap_or(0), oldest.flatten().unwrap_or(0)))
            })
            .await?;
        let shared = &self.0.shared;
        let targets = *shared.targets.lock();
        Ok(StoreStats {
            devices,
            pending_points: shared.pending.lock().points(),
            batches: shared.batches.load(Ordering::Relaxed),
            commits: shared.commits.load(Ordering::Relaxed),
            oldest_seq: oldest_seq.unsigned_abs(),
            wal_bytes: self.0.checkpoints.wal_bytes(),
            overdue_lists: self.0.readers.overdue(),
            targets_begun: targets.begun,
            targets_ended: targets.ended,
        })
    }
}
