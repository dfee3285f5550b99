//! A store in memory that does what the push asks for; the rest answers `Internal`.

use super::*;
use async_trait::async_trait;
use landfall_core::{
    Claim, CommandFilter, Committed, DeviceFilter, DeviceState, Due, FramePage, FrameQuery, HistoryQuery, NameClash,
    ResourceFilter, ResourceStore, RevokeFilter, SettingFilter, StoreStats, SubscriptionFilter, TakenNames,
};
use landfall_model::*;
use tokio::sync::watch;

#[derive(Default)]
struct State {
    events: Vec<StoredEvent>,
    subscriptions: Vec<Arc<Subscription>>,
    cursors: HashMap<SubscriptionId, Cursor>,
    retention_days: u32,
}

pub struct FakeStore {
    state: Mutex<State>,
    newest: watch::Sender<u64>,
    /// Cursors committed.
    pub cursor_commits: AtomicU64,
    /// Milliseconds before each commit.
    pub commit_delay_ms: AtomicU64,
    /// Commits of cursors fail while set.
    pub broken: AtomicBool,
}

impl FakeStore {
    pub fn new() -> Arc<Self> {
        let state = State { retention_days: 7, ..State::default() };
        Arc::new(Self {
            state: Mutex::new(state),
            newest: watch::channel(0).0,
            cursor_commits: AtomicU64::new(0),
            commit_delay_ms: AtomicU64::new(0),
            broken: AtomicBool::new(false),
        })
    }

    pub fn cursor_now(&self, id: SubscriptionId) -> Option<Cursor> {
        self.state.lock().cursors.get(&id).cloned()
    }

    pub fn apply(&self, batch: Batch) -> Seq {
        let mut state = self.state.lock();
        for write in batch.writes {
            match write {
                Write::Cursor(cursor) => {
                    self.cursor_commits.fetch_add(1, Ordering::SeqCst);
                    state.cursors.insert(cursor.subscription, cursor);
                }
                Write::Subscription(subscription) => {
                    state.subscriptions.retain(|kept| kept.id != subscription.id);
                    state.subscriptions.push(Arc::new(*subscription));
                }
                Write::DeleteSubscription(id) => {
                    state.subscriptions.retain(|kept| kept.id != id);
                    state.cursors.remove(&id);
                }
                other => panic!("{other:?}"),
            }
        }
        for event in batch.events {
            let seq = Seq(state.events.len() as u64 + 1);
            state.events.push(StoredEvent { seq, event: Arc::new(event) });
        }
        let newest = state.events.len() as u64;
        drop(state);
        self.newest.send_replace(newest);
        Seq(newest)
    }
}

fn absent<T>() -> Result<T> {
    Err(Error::new(Cause::Internal, "not in this store"))
}

#[async_trait]
impl Store for FakeStore {
    async fn commit(&self, batch: Batch) -> Result<Committed> {
        let delay_ms = self.commit_delay_ms.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        if self.broken.load(Ordering::SeqCst) {
            return Err(Error::new(Cause::Internal, "broken"));
        }
        Ok(Committed { seq: self.apply(batch), states: Vec::new() })
    }
    async fn account(&self, id: AccountId) -> Result<Option<Arc<Account>>> {
        let event_retention_days = self.state.lock().retention_days;
        let settings = AccountSettings { event_retention_days, history_retention_days: 1 };
        let account = Account { id, version: 1, name: String::new(), token: None, settings, created_at: Time(0) };
        Ok(Some(Arc::new(account)))
    }
    async fn subscription(&self, id: SubscriptionId) -> Result<Option<Arc<Subscription>>> {
        Ok(self.state.lock().subscriptions.iter().find(|kept| kept.id == id).cloned())
    }
    async fn subscriptions(&self, _: &SubscriptionFilter, page: PageRequest) -> Result<Page<Arc<Subscription>>> {
        let state = self.state.lock();
        let items = state.subscriptions.iter().skip(page.offset() as usize).take(page.size as usize).cloned().collect();
        Ok(Page { total: state.subscriptions.len() as u64, items })
    }
    async fn cursor(&self, id: SubscriptionId) -> Result<Option<Cursor>> {
        Ok(self.cursor_now(id))
    }
    async fn events_after(&self, after: Seq, limit: u32) -> Result<Vec<StoredEvent>> {
        Ok(self.state.lock().events.iter().skip(after.0 as usize).take(limit as usize).cloned().collect())
    }
    async fn events_at(&self, seqs: &[Seq]) -> Result<Vec<StoredEvent>> {
        let state = self.state.lock();
        Ok(seqs.iter().filter_map(|seq| state.events.get(seq.0 as usize - 1).cloned()).collect())
    }
    async fn seq_before(&self, at: Time) -> Result<Seq> {
        Ok(Seq(self.state.lock().events.iter().filter(|stored| stored.event.at < at).count() as u64))
    }
    fn newest(&self) -> Seq {
        Seq(*self.newest.borrow())
    }
    async fn wait_after(&self, seq: Seq) {
        let mut newest = self.newest.subscribe();
        newest.wait_for(|newest| *newest > seq.0).await.unwrap();
    }

    async fn accounts(&self, _: Option<&str>, _: PageRequest) -> Result<Page<Arc<Account>>> {
        absent()
    }
    async fn app(&self, _: AppId) -> Result<Option<Arc<App>>> {
        absent()
    }
    async fn apps(&self, _: AccountId, _: PageRequest) -> Result<Page<Arc<App>>> {
        absent()
    }
    async fn product(&self, _: ProductId) -> Result<Option<Arc<Product>>> {
        absent()
    }
    async fn product_by_key(&self, _: AccountId, _: &ProductKey) -> Result<Option<Arc<Product>>> {
        absent()
    }
    async fn products(&self, _: AccountId, _: PageRequest) -> Result<Page<Arc<Product>>> {
        absent()
    }
    async fn device(&self, _: DeviceId) -> Result<Option<Arc<Device>>> {
        absent()
    }
    async fn device_of(&self, _: &Identity) -> Result<Option<Arc<Device>>> {
        absent()
    }
    async fn name_clashes(&self, _: PageRequest) -> Result<Page<NameClash>> {
        absent()
    }
    async fn devices(&self, _: &DeviceFilter, _: PageRequest) -> Result<Page<Arc<Device>>> {
        absent()
    }
    async fn was_deleted(&self, _: DeviceId) -> Result<bool> {
        absent()
    }
    async fn device_state(&self, _: DeviceId) -> Result<DeviceState> {
        absent()
    }
    async fn devices_after(&self, _: &DeviceFilter, _: Option<(Time, DeviceId)>, _: u32) -> Result<Vec<Arc<Device>>> {
        absent()
    }
    async fn due_devices(&self, _: Due, _: u32) -> Result<Vec<Arc<Device>>> {
        absent()
    }
    async fn connected_devices(&self, _: Option<DeviceId>, _: u32) -> Result<Vec<Arc<Device>>> {
        absent()
    }
    async fn history(&self, _: &HistoryQuery, _: PageRequest) -> Result<Page<HistoryPoint>> {
        absent()
    }
    async fn call(&self, _: CallId) -> Result<Option<ServiceCall>> {
        absent()
    }
    async fn calls(&self, _: DeviceId) -> Result<Vec<ServiceCall>> {
        absent()
    }
    async fn expired_calls(&self, _: Time, _: u32) -> Result<Vec<ServiceCall>> {
        absent()
    }
    async fn session(&self, _: DeviceId) -> Result<Option<StoredSession>> {
        absent()
    }
    async fn command(&self, _: CommandId) -> Result<Option<Command>> {
        absent()
    }
    fn work_stamp(&self, _: DeviceId) -> Option<u64> {
        None
    }
    fn no_work(&self, _: DeviceId, _: u64) {}
    async fn open_commands(&self, _: DeviceId) -> Result<Vec<Command>> {
        absent()
    }
    async fn last_command_place(&self, _: DeviceId) -> Result<u64> {
        absent()
    }
    async fn commands(&self, _: &CommandFilter, _: PageRequest) -> Result<Page<Command>> {
        absent()
    }
    async fn idle_addresses(&self, _: u32) -> Result<Vec<Arc<Subscription>>> {
        absent()
    }
    async fn due_commands(&self, _: Time, _: u32) -> Result<Vec<Command>> {
        absent()
    }
    async fn revoke_tasks(&self, _: &RevokeFilter, _: PageRequest) -> Result<Page<RevokeTask>> {
        absent()
    }
    async fn product_devices(&self, _: ProductId, _: Option<DeviceId>, _: u32) -> Result<Vec<Arc<Device>>> {
        absent()
    }
    async fn frames(&self, _: &FrameQuery) -> Result<FramePage> {
        absent()
    }
    async fn shadow(&self, _: DeviceId) -> Result<Option<Shadow>> {
        absent()
    }
    async fn settings(&self, _: &SettingFilter, _: PageRequest) -> Result<Page<Setting>> {
        absent()
    }
    async fn registration(&self, _: DeviceId) -> Result<Option<Registration>> {
        absent()
    }
    async fn registrations(&self, _: Option<DeviceId>, _: u32) -> Result<Vec<Registration>> {
        absent()
    }
    async fn expired_registrations(&self, _: Time, _: u32) -> Result<Vec<Registration>> {
        absent()
    }
    async fn secure_sessions(&self, _: Option<u64>, _: u32) -> Result<Vec<SecureSession>> {
        absent()
    }
    async fn prune(&self, _: Time) -> Result<bool> {
        absent()
    }
    async fn probe(&self) -> Result<()> {
        absent()
    }
    async fn stats(&self) -> Result<StoreStats> {
        absent()
    }
}

#[async_trait]
impl ResourceStore for FakeStore {
    async fn resource(&self, _: ResourceId) -> Result<Option<Arc<Resource>>> {
        absent()
    }
    async fn resource_named(&self, _: ResourceId, _: &str) -> Result<Option<Arc<Resource>>> {
        absent()
    }
    async fn resources(&self, _: &ResourceFilter, _: PageRequest) -> Result<Page<Arc<Resource>>> {
        absent()
    }
    async fn resources_below(&self, _: ResourceId, _: u32) -> Result<Vec<Arc<Resource>>> {
        absent()
    }
    fn subscriptions_of(&self, _: ResourceId) -> Vec<Arc<Resource>> {
        Vec::new()
    }
    async fn labelled(&self, _: AccountId, _: &[String], _: Option<ResourceId>, _: u32) -> Result<Vec<ResourceId>> {
        absent()
    }
    async fn container_state(&self, _: ResourceId) -> Result<ContainerState> {
        absent()
    }
    async fn instance(&self, _: ResourceId, _: Time) -> Result<Option<Instance>> {
        absent()
    }
    async fn instance_named(&self, _: ResourceId, _: &str, _: Time) -> Result<Option<Instance>> {
        absent()
    }
    async fn end_instance(&self, _: ResourceId, _: Time, _: Sort) -> Result<Option<Instance>> {
        absent()
    }
    async fn instances_after(&self, _: ResourceId, _: Time, _: u64, _: u32) -> Result<Vec<Instance>> {
        absent()
    }
    async fn resources_after(&self, _: &ResourceFilter, _: Option<(Time, ResourceId)>, _: u32) -> Result<Vec<Arc<Resource>>> {
        absent()
    }
    async fn instances(&self, _: ResourceId, _: Time, _: Sort, _: PageRequest) -> Result<Page<Instance>> {
        absent()
    }
    async fn device_by_node_name(&self, _: AccountId, _: &str) -> Result<Option<Arc<Device>>> {
        absent()
    }
    async fn device_by_prefix(&self, _: [u8; 11]) -> Result<Option<Arc<Device>>> {
        absent()
    }
    async fn claims(&self, _: AccountId, _: Vec<Claim>) -> Result<Vec<TakenNames>> {
        absent()
    }
    async fn provisioning(&self, _: ResourceId) -> Result<Option<Provisioning>> {
        absent()
    }
    async fn provisioning_named(&self, _: AccountId, _: &str) -> Result<Option<Provisioning>> {
        absent()
    }
    async fn provisionings(&self, _: AccountId, _: Option<AppId>, _: PageRequest) -> Result<Page<Provisioning>> {
        absent()
    }
    async fn open_provisionings(&self, _: u32) -> Result<Vec<Provisioning>> {
        absent()
    }
    async fn provisioning_part(&self, _: ResourceId, _: u32) -> Result<Option<ProvisioningPart>> {
        absent()
    }
    async fn provisioning_failures(&self, _: ResourceId, _: PageRequest) -> Result<Page<ProvisioningFailure>> {
        absent()
    }
}
