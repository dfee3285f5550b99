//! [`Store`] for readers and callers: caches first, then readers' connections; writes go to the queue.

use crate::{
    Options, command,
    device::{identities, lists, presence, shadows},
    engine::{
        backend::{Backend, Lock},
        checkpoint::Checkpoints,
        migrate::{NEWEST, migrate},
        origin,
        queue::{End, Job, Task, stopping},
        readers::Readers,
        sql::{Sql, SqlError, SqlResult, Value, query_all, query_one},
        writer::Writer,
    },
    rows::product_key,
    shared::Shared,
    stream::{events, flush::parse_services, frames, history, pending::overlay, replay},
    subscription::addresses,
};
use async_trait::async_trait;
use landfall_core::{
    CommandFilter, Committed, DeviceFilter, DeviceState, Due, FramePage, FrameQuery, HistoryQuery, NameClash, RevokeFilter,
    SettingFilter, Store, StoreStats, SubscriptionFilter, World,
};
use landfall_model::{
    Account, AccountId, App, AppId, Batch, CallId, Cause, Command, CommandId, Cursor, Device, DeviceId, Error, HistoryPoint,
    Identity, Page, PageRequest, Product, ProductId, ProductKey, Registration, Result, RevokeTask, SecureSession, Seq,
    ServiceCall, Setting, Shadow, StoredEvent, StoredSession, Subscription, SubscriptionId, Time,
};
use parking_lot::Mutex;
use std::{
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
    time::Duration,
};
use tokio::sync::oneshot;
use uuid::Uuid;

/// Devices of one history query, and events of one `events_at`.
const LIST_LIMIT: usize = 1_000;

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
        identities::report(&mut *sql)?;
        let place = origin::place(&backend, &mut *sql)?;
        let start = replay::start(&mut *sql)?;
        if let Some(at) = start.known_at {
            world.known(at);
        }
        let shared = Arc::new(Shared::new(options, start.newest));
        shared.pending.lock().trust(world.bounds().earliest);
        replay::replay(&mut *sql, &shared)?;
        shared.work.load(&mut *sql)?;
        shared.caches.subscribers.load(&mut *sql)?;
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
impl Store for SharedStore {
    async fn commit(&self, batch: Batch) -> Result<Committed> {
        let (answer, done) = oneshot::channel();
        self.0.shared.queue.put(Task::Commit(Job::new(batch, answer, self.0.shared.options.queue_bytes)?))?;
        done.await.map_err(|_| stopping())?
    }

    async fn account(&self, id: AccountId) -> Result<Option<Arc<Account>>> {
        self.cached(&self.0.shared.caches.accounts, id, id.0, "SELECT doc FROM account WHERE id = ?1").await
    }

    async fn accounts(&self, name: Option<&str>, page: PageRequest) -> Result<Page<Arc<Account>>> {
        let name = name.map(str::to_owned);
        self.scan(THE_SERVER, move |sql| lists::accounts(sql, name.as_deref(), page)).await
    }

    async fn app(&self, id: AppId) -> Result<Option<Arc<App>>> {
        self.cached(&self.0.shared.caches.apps, id, id.0, "SELECT doc FROM app WHERE id = ?1").await
    }

    async fn apps(&self, account: AccountId, page: PageRequest) -> Result<Page<Arc<App>>> {
        self.scan(account, move |sql| lists::named(sql, "app", account, page)).await
    }

    async fn product(&self, id: ProductId) -> Result<Option<Arc<Product>>> {
        self.cached(&self.0.shared.caches.products, id, id.0, "SELECT doc FROM product WHERE id = ?1").await
    }

    async fn product_by_key(&self, account: AccountId, key: &ProductKey) -> Result<Option<Arc<Product>>> {
        let fits = |product: &Arc<Product>| product.account == account && product.key == *key;
        let hints = &self.0.shared.caches.keys;
        if let Some(id) = hints.get(&(account, key.clone()))
            && let Some(product) = self.product(id).await?.filter(fits)
        {
            return Ok(Some(product));
        }
        const TEXT: &str = "SELECT id FROM product WHERE account = ?1 AND product_key = ?2";
        let Some(id) = self.id_of(TEXT, vec![product_key(key)], Some(account.0)).await?.map(ProductId) else { return Ok(None) };
        hints.put((account, key.clone()), id);
        Ok(self.product(id).await?.filter(fits))
    }

    async fn products(&self, account: AccountId, page: PageRequest) -> Result<Page<Arc<Product>>> {
        self.scan(account, move |sql| lists::named(sql, "product", account, page)).await
    }

    async fn device(&self, id: DeviceId) -> Result<Option<Arc<Device>>> {
        self.cached(&self.0.shared.caches.devices, id, id.0, "SELECT doc FROM device WHERE id = ?1").await
    }

    async fn device_of(&self, identity: &Identity) -> Result<Option<Arc<Device>>> {
        self.holder(identity).await
    }

    async fn name_clashes(&self, page: PageRequest) -> Result<Page<NameClash>> {
        self.scan(THE_SERVER, move |sql| identities::clashes(sql, page)).await
    }

    async fn devices(&self, filter: &DeviceFilter, page: PageRequest) -> Result<Page<Arc<Device>>> {
        let filter = filter.clone();
        if lists::is_short(&filter, page) {
            return self.read(move |sql| lists::devices(sql, &filter, page)).await;
        }
        self.scan(filter.account, move |sql| lists::devices(sql, &filter, page)).await
    }

    async fn devices_after(
        &self,
        filter: &DeviceFilter,
        after: Option<(Time, DeviceId)>,
        limit: u32,
    ) -> Result<Vec<Arc<Device>>> {
        let filter = filter.clone();
        self.scan(filter.account, move |sql| lists::devices_after(sql, &filter, after, limit)).await
    }

    async fn was_deleted(&self, id: DeviceId) -> Result<bool> {
        const TEXT: &str = "SELECT deleted_at FROM tombstone WHERE device = ?1";
        let found = self.read(move |sql| query_one(sql, TEXT, &[Value::Bytes(id.0.as_bytes())], |row| row.int(0))).await?;
        Ok(found.is_some())
    }

    async fn device_state(&self, id: DeviceId) -> Result<DeviceState> {
        // Memory first: what a flush moves meanwhile is then seen twice and not missed.
        let waiting = self.0.shared.pending.lock().waiting_state(id);
        const TEXT: &str = "SELECT d.last_seen, COALESCE(s.flushed_seq, 0), COALESCE(s.services, '[]') \
                            FROM device d LEFT JOIN device_state s ON s.device = d.id WHERE d.id = ?1";
        let stored = self
            .read(move |sql| {
                query_one(sql, TEXT, &[Value::Bytes(id.0.as_bytes())], |row| {
                    Ok((row.opt_int(0)?.map(Time), row.seq(1)?, parse_services(row.text(2)?)?))
                })
            })
            .await?;
        let Some((mut last_seen, flushed, mut services)) = stored else { return Ok(DeviceState::default()) };
        for newer in waiting.into_iter().filter(|newer| newer.last_seq > flushed) {
            last_seen = last_seen.max(Some(newer.last_seen));
            overlay(&mut services, newer.services);
        }
        Ok(DeviceState { last_seen, services })
    }

    async fn product_devices(&self, product: ProductId, after: Option<DeviceId>, limit: u32) -> Result<Vec<Arc<Device>>> {
        self.read(move |sql| lists::product_devices(sql, product, after, limit)).await
    }

    async fn due_devices(&self, due: Due, limit: u32) -> Result<Vec<Arc<Device>>> {
        let mut found = Vec::new();
        let mut after = (Time(i64::MIN), DeviceId(Uuid::nil()));
        let limit = limit as usize;
        while found.len() < limit {
            let want = u32::try_from(limit - found.len()).unwrap_or(u32::MAX);
            let next = self.scan(THE_SERVER, move |sql| lists::due(sql, due, after, want)).await?;
            let more = next.len() == want as usize;
            after = next.last().map_or(after, |(since, device)| (*since, device.id));
            let pending = self.0.shared.pending.lock();
            let still = |device: &Device| match due {
                Due::Silent(_, before) => pending.last_seen(device.id).is_none_or(|heard| heard < before),
                Due::Expired(_) => true,
            };
            found.extend(next.into_iter().filter(|(_, device)| still(device)).map(|(_, device)| Arc::new(device)));
            if !more {
                break;
            }
        }
        Ok(found)
    }

    async fn connected_devices(&self, after: Option<DeviceId>, limit: u32) -> Result<Vec<Arc<Device>>> {
        self.scan(THE_SERVER, move |sql| lists::connected(sql, after, limit)).await
    }

    async fn history(&self, query: &HistoryQuery, page: PageRequest) -> Result<Page<HistoryPoint>> {
        let mut query = query.clone();
        query.devices.sort_unstable();
        query.devices.dedup();
        if query.devices.len() > LIST_LIMIT {
            return Err(Error::new(Cause::TooMany, "history of at most 1000 devices can be read at once"));
        }
        let waiting = {
            let pending = self.0.shared.pending.lock();
            query.devices.iter().map(|device| (*device, pending.waiting(*device))).filter(|(_, w)| !w.is_empty()).collect()
        };
        let account = self.account_of(query.devices.first()).await?;
        self.scan(account, move |sql| history::history(sql, &query, waiting, page)).await
    }

    async fn frames(&self, query: &FrameQuery) -> Result<FramePage> {
        if self.0.shared.pending.lock().holds_frames(query.device) {
            self.flush().await?;
        }
        let query = *query;
        let account = self.account_of(Some(&query.device)).await?;
        self.scan(account, move |sql| frames::read(sql, &query)).await
    }

    async fn subscription(&self, id: SubscriptionId) -> Result<Option<Arc<Subscription>>> {
        self.cached(&self.0.shared.caches.subscriptions, id, id.0, "SELECT doc FROM subscription WHERE id = ?1").await
    }

    async fn subscriptions(&self, filter: &SubscriptionFilter, page: PageRequest) -> Result<Page<Arc<Subscription>>> {
        let filter = filter.clone();
        self.scan(filter.account.unwrap_or(THE_SERVER), move |sql| lists::subscriptions(sql, &filter, page)).await
    }

    async fn cursor(&self, id: SubscriptionId) -> Result<Option<Cursor>> {
        self.read(move |sql| lists::one(sql, "SELECT doc FROM read_cursor WHERE subscription = ?1", id.0.as_bytes())).await
    }

    async fn idle_addresses(&self, limit: u32) -> Result<Vec<Arc<Subscription>>> {
        self.read(move |sql| addresses::idle(sql, limit)).await
    }

    async fn call(&self, id: CallId) -> Result<Option<ServiceCall>> {
        self.read(move |sql| lists::one(sql, "SELECT doc FROM service_call WHERE id = ?1", id.0.as_bytes())).await
    }

    async fn calls(&self, device: DeviceId) -> Result<Vec<ServiceCall>> {
        const TEXT: &str = "SELECT doc FROM service_call WHERE device = ?1 ORDER BY created_at, id";
        self.read(move |sql| query_all(sql, TEXT, &[Value::Bytes(device.0.as_bytes())], |row| lists::parse(row, 0))).await
    }

    async fn expired_calls(&self, now: Time, limit: u32) -> Result<Vec<ServiceCall>> {
        const TEXT: &str = "SELECT doc FROM service_call WHERE expires_at <= ?1 ORDER BY expires_at, id LIMIT ?2";
        let params = [Value::Int(now.0), Value::Int(i64::from(limit))];
        self.read(move |sql| query_all(sql, TEXT, &params, |row| lists::parse(row, 0))).await
    }

    async fn session(&self, device: DeviceId) -> Result<Option<StoredSession>> {
        self.read(move |sql| lists::one(sql, "SELECT doc FROM mqtt_session WHERE device = ?1", device.0.as_bytes())).await
    }

    async fn command(&self, id: CommandId) -> Result<Option<Command>> {
        const TEXT: &str =
            "SELECT doc FROM command WHERE id = ?1 AND EXISTS (SELECT 1 FROM device d WHERE d.id = command.device)";
        self.read(move |sql| lists::one(sql, TEXT, id.0.as_bytes())).await
    }

    fn work_stamp(&self, device: DeviceId) -> Option<u64> {
        self.0.shared.work.stamp(device)
    }

    fn no_work(&self, device: DeviceId, stamp: u64) {
        self.0.shared.work.none(device, stamp);
    }

    async fn open_commands(&self, device: DeviceId) -> Result<Vec<Command>> {
        self.read(move |sql| command::open(sql, device)).await
    }

    async fn last_command_place(&self, device: DeviceId) -> Result<u64> {
        self.read(move |sql| command::last_place(sql, device)).await
    }

    async fn commands(&self, filter: &CommandFilter, page: PageRequest) -> Result<Page<Command>> {
        let filter = filter.clone();
        self.scan(filter.account, move |sql| command::list(sql, &filter, page)).await
    }

    async fn due_commands(&self, now: Time, limit: u32) -> Result<Vec<Command>> {
        self.read(move |sql| command::due(sql, now, limit)).await
    }

    async fn revoke_tasks(&self, filter: &RevokeFilter, page: PageRequest) -> Result<Page<RevokeTask>> {
        let filter = filter.clone();
        self.scan(filter.account, move |sql| command::revoke_tasks(sql, &filter, page)).await
    }

    async fn shadow(&self, device: DeviceId) -> Result<Option<Shadow>> {
        self.read(move |sql| lists::one(sql, "SELECT doc FROM shadow WHERE device = ?1", device.0.as_bytes())).await
    }

    async fn settings(&self, filter: &SettingFilter, page: PageRequest) -> Result<Page<Setting>> {
        let filter = filter.clone();
        if filter.devices.len() > LIST_LIMIT {
            return Err(Error::new(Cause::TooMany, "settings of at most 1000 devices can be read at once"));
        }
        let account = self.account_of(filter.devices.first()).await?;
        self.scan(account, move |sql| shadows::settings(sql, &filter, LIST_LIMIT, page)).await
    }

    async fn registration(&self, device: DeviceId) -> Result<Option<Registration>> {
        self.read(move |sql| presence::registration(sql, device)).await
    }

    async fn registrations(&self, after: Option<DeviceId>, limit: u32) -> Result<Vec<Registration>> {
        self.read(move |sql| presence::registrations(sql, after, limit)).await
    }

    async fn expired_registrations(&self, now: Time, limit: u32) -> Result<Vec<Registration>> {
        self.read(move |sql| presence::expired(sql, now, limit)).await
    }

    async fn secure_sessions(&self, after: Option<u64>, limit: u32) -> Result<Vec<SecureSession>> {
        self.read(move |sql| presence::secure_sessions(sql, after, limit)).await
    }

    async fn events_after(&self, after: Seq, limit: u32) -> Result<Vec<StoredEvent>> {
        if limit == 0 || after >= self.newest() {
            return Ok(Vec::new());
        }
        if let Some(recent) = self.0.shared.ring.lock().after(after.0, limit as usize) {
            return Ok(recent);
        }
        self.read(move |sql| events::after(sql, after.0, u64::from(limit))).await
    }

    async fn events_at(&self, seqs: &[Seq]) -> Result<Vec<StoredEvent>> {
        if seqs.len() > LIST_LIMIT {
            return Err(Error::new(Cause::TooMany, "at most 1000 events can be read at once"));
        }
        let mut wanted: Vec<u64> = seqs.iter().map(|seq| seq.0).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut recent = Vec::new();
        {
            let ring = self.0.shared.ring.lock();
            wanted.retain(|seq| ring.get(*seq).map(|event| recent.push(event)).is_none());
        }
        let mut found = if wanted.is_empty() { Vec::new() } else { self.read(move |sql| events::at(sql, &wanted)).await? };
        found.append(&mut recent);
        Ok(found)
    }

    async fn seq_before(&self, at: Time) -> Result<Seq> {
        let newest = self.newest();
        let before = self.read(move |sql| events::before(sql, at)).await?;
        Ok(before.map_or(newest, Seq))
    }

    fn newest(&self) -> Seq {
        Seq(*self.0.shared.newest.borrow())
    }

    async fn wait_after(&self, seq: Seq) {
        let mut newest = self.0.shared.newest.subscribe();
        // The sender lives as long as this store.
        drop(newest.wait_for(|newest| *newest > seq.0).await);
    }

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
        Ok(StoreStats {
            devices,
            pending_points: shared.pending.lock().points(),
            batches: shared.batches.load(Ordering::Relaxed),
            commits: shared.commits.load(Ordering::Relaxed),
            oldest_seq: oldest_seq.unsigned_abs(),
            wal_bytes: self.0.checkpoints.wal_bytes(),
            overdue_lists: self.0.readers.overdue(),
        })
    }
}
