//! A store in memory that does what the push asks for.

use super::*;
use async_trait::async_trait;
use landfall_core::store::{AccountStore, Commit, Committed, EventStore, SubscriptionFilter, SubscriptionStore};
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
    /// Commits with a write of the dialect are refused while set.
    pub stale: AtomicBool,
    /// For each write of a dialect, the cursor that was committed with it.
    pub written: Mutex<Vec<Cursor>>,
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
            stale: AtomicBool::new(false),
            written: Mutex::default(),
        })
    }

    pub fn cursor_now(&self, id: SubscriptionId) -> Option<Cursor> {
        self.state.lock().cursors.get(&id).cloned()
    }

    pub fn apply(&self, batch: Batch) -> Seq {
        let mut state = self.state.lock();
        let free = batch.writes.iter().filter(|write| matches!(write, Write::FreeAddress(_))).count();
        for write in batch.writes {
            match write {
                Write::FreeAddress(_) => {}
                Write::Cursor(cursor) => {
                    self.cursor_commits.fetch_add(1, Ordering::SeqCst);
                    self.written.lock().extend(vec![cursor.clone(); free]);
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

#[async_trait]
impl Commit for FakeStore {
    async fn commit(&self, batch: Batch) -> Result<Committed> {
        let delay_ms = self.commit_delay_ms.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        if self.broken.load(Ordering::SeqCst) {
            return Err(Error::new(Cause::Internal, "broken"));
        }
        if self.stale.load(Ordering::SeqCst) && batch.writes.len() > 1 {
            return Err(Error::new(Cause::Stale, "stale"));
        }
        Ok(Committed { seq: self.apply(batch), states: Vec::new() })
    }
}

#[async_trait]
impl AccountStore for FakeStore {
    async fn account(&self, id: AccountId) -> Result<Option<Arc<Account>>> {
        let event_retention_days = self.state.lock().retention_days;
        let settings = AccountSettings { event_retention_days, history_retention_days: 1, device_app: None };
        let account = Account { id, version: 1, name: String::new(), tenant: None, token: None, settings, created_at: Time(0) };
        Ok(Some(Arc::new(account)))
    }

    async fn accounts(&self, _: Option<&str>, _: PageRequest) -> Result<Page<Arc<Account>>> {
        Err(Error::new(Cause::Internal, "not in this store"))
    }
}

#[async_trait]
impl SubscriptionStore for FakeStore {
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
}

#[async_trait]
impl EventStore for FakeStore {
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
}
