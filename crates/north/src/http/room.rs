//! Room for connections: how many a listener has, and which one goes when there are too many.
//!
//! A connection on which nothing is worked on is idle, whether its client sends nothing, half a request, or takes no answer. When there is no
//! room, the one that has moved least recently goes, of the address that has the most: an address that fills the room pays for it itself.

use landfall_core::network;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// The connections of a listener.
pub(super) struct Room {
    most: usize,
    table: Mutex<Table>,
    /// A connection went, or became idle.
    changed: Notify,
    /// Counts what moves, as a clock that orders idle connections.
    moves: AtomicU64,
}

#[derive(Default)]
struct Table {
    count: usize,
    next: u64,
    by_network: HashMap<IpAddr, HashMap<u64, Arc<Open>>>,
}

impl Room {
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most: most.max(1), table: Mutex::default(), changed: Notify::new(), moves: AtomicU64::new(0) })
    }

    /// Lets a connection in; waits while all that are in are worked for. Only one may wait at a time.
    pub async fn enter(self: &Arc<Self>, peer: IpAddr) -> Entry {
        loop {
            if let Some(entry) = self.try_enter(network(peer)) {
                return entry;
            }
            self.changed.notified().await;
        }
    }

    fn try_enter(self: &Arc<Self>, network: IpAddr) -> Option<Entry> {
        let mut table = self.table.lock();
        if table.count >= self.most {
            table.make_room()?;
        }
        let id = table.next;
        let open = Arc::new(Open {
            room: Arc::clone(self),
            under_way: AtomicUsize::new(0),
            worked_on: AtomicUsize::new(0),
            moved: AtomicU64::new(0),
            asked: AtomicBool::new(false),
            heard: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            sent_away: Notify::new(),
        });
        open.moves();
        table.next += 1;
        table.count += 1;
        table.by_network.entry(network).or_default().insert(id, Arc::clone(&open));
        Some(Entry { open, network, id })
    }
}

impl Table {
    /// Sends an idle connection away; `None` where there is none.
    fn make_room(&mut self) -> Option<()> {
        let oldest = |own: &HashMap<u64, Arc<Open>>| {
            let idle = own.iter().filter(|(_, open)| !open.is_worked_on());
            idle.map(|(id, open)| (open.moved.load(Ordering::Relaxed), *id)).min()
        };
        let candidates = self.by_network.iter().filter_map(|(network, own)| Some((own.len(), oldest(own)?, *network)));
        // Of those that have the same number, the one whose connection moved least recently.
        let (_, (_, id), network) = candidates.max_by_key(|(count, (moved, _), _)| (*count, u64::MAX - moved))?;
        self.remove(network, id)?.sent_away.notify_one();
        Some(())
    }

    fn remove(&mut self, network: IpAddr, id: u64) -> Option<Arc<Open>> {
        let own = self.by_network.get_mut(&network)?;
        let open = own.remove(&id)?;
        if own.is_empty() {
            self.by_network.remove(&network);
        }
        self.count -= 1;
        Some(open)
    }
}

/// A connection's place in the room, until it is dropped.
pub(super) struct Entry {
    pub open: Arc<Open>,
    network: IpAddr,
    id: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.open.room.table.lock().remove(self.network, self.id);
        self.open.room.changed.notify_one();
    }
}

/// What a connection does.
pub(super) struct Open {
    room: Arc<Room>,
    /// Requests whose answer is not wholly sent.
    under_way: AtomicUsize,
    /// Requests that are worked on.
    worked_on: AtomicUsize,
    /// When something moved last: a request began, a piece of a body came or went.
    moved: AtomicU64,
    /// Whether a request began yet.
    asked: AtomicBool,
    /// Whether bytes came since no request is under way.
    heard: AtomicBool,
    /// Whether the client may still be sending what nobody will read.
    unread: AtomicBool,
    sent_away: Notify,
}

impl Open {
    pub fn moves(&self) {
        self.moved.store(self.room.moves.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    fn is_worked_on(&self) -> bool {
        self.worked_on.load(Ordering::SeqCst) > 0
    }

    /// A request is under way from here on, until the value is dropped.
    pub fn begin(self: &Arc<Self>) -> UnderWay {
        self.moves();
        self.asked.store(true, Ordering::Relaxed);
        self.under_way.fetch_add(1, Ordering::SeqCst);
        UnderWay(Arc::clone(self))
    }

    /// A request is worked on from here on, until the value is dropped.
    pub fn work(self: &Arc<Self>) -> WorkedOn {
        self.moves();
        self.worked_on.fetch_add(1, Ordering::SeqCst);
        WorkedOn(Arc::clone(self))
    }

    /// Bytes came.
    pub fn hears(&self) {
        if self.under_way.load(Ordering::SeqCst) == 0 {
            self.heard.store(true, Ordering::Relaxed);
        }
    }

    /// Whether a request began.
    pub fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Whether a connection of HTTP/1.1 may be kept for later requests: one was made and no other begun.
    pub fn is_kept(&self) -> bool {
        self.was_asked() && !self.heard.load(Ordering::Relaxed)
    }

    pub fn leave_unread(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }

    pub fn has_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    /// Returns once the connection must make room for another.
    pub async fn sent_away(&self) {
        self.sent_away.notified().await;
    }

    /// Returns once no request was under way for at least `idle` and less than twice that, or nothing moved and nothing was worked on for `stall`
    /// and less than that and `idle` more.
    pub async fn quiet(&self, idle: Duration, stall: Duration) {
        let still = || (!self.is_worked_on()).then(|| self.moved.load(Ordering::Relaxed));
        let (mut before, mut silent) = (still(), Duration::ZERO);
        loop {
            tokio::time::sleep(idle).await;
            let now = still();
            silent = if now.is_some() && now == before { silent + idle } else { Duration::ZERO };
            let enough = if self.under_way.load(Ordering::SeqCst) == 0 { idle } else { stall };
            if silent >= enough {
                return;
            }
            before = now;
        }
    }
}

/// A request whose answer is not wholly sent.
pub(super) struct UnderWay(Arc<Open>);

impl UnderWay {
    pub fn moves(&self) {
        self.0.moves();
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.moves();
        self.0.heard.store(false, Ordering::Relaxed);
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A request that is worked on.
pub(super) struct WorkedOn(Arc<Open>);

impl Drop for WorkedOn {
    fn drop(&mut self) {
        self.0.moves();
        self.0.worked_on.fetch_sub(1, Ordering::SeqCst);
        self.0.room.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn enter(room: &Arc<Room>, peer: &str) -> Option<Entry> {
        room.enter(peer.parse().unwrap()).now_or_never()
    }

    fn gone(entry: &Entry) -> bool {
        entry.open.sent_away().now_or_never().is_some()
    }

    #[test]
    fn the_oldest_idle_connection_of_the_address_with_the_most_goes() {
        let room = Room::new(4);
        let honest = enter(&room, "192.0.2.1").unwrap();
        let many: Vec<_> = (0..3).map(|_| enter(&room, "198.51.100.1").unwrap()).collect();
        many[0].open.moves();
        let other = enter(&room, "192.0.2.2").unwrap();
        assert_eq!(many.iter().map(gone).collect::<Vec<_>>(), [false, true, false]);
        // Two of the many are left, one of each of the others.
        let _busy = many[2].open.work();
        let newest = enter(&room, "192.0.2.3").unwrap();
        assert!(gone(&many[0]) && !gone(&many[2]) && !gone(&honest) && !gone(&other) && !gone(&newest));
    }

    #[test]
    fn hosts_of_one_network_count_together() {
        let room = Room::new(3);
        let honest = enter(&room, "2001:db8::1").unwrap();
        let spread = [enter(&room, "2001:db8:0:1::1").unwrap(), enter(&room, "2001:db8:0:1::2").unwrap()];
        let _next = enter(&room, "192.0.2.2").unwrap();
        assert!(gone(&spread[0]) && !gone(&honest));
    }

    #[tokio::test]
    async fn a_connection_that_is_worked_for_stays_and_the_next_waits() {
        let room = Room::new(1);
        let first = enter(&room, "192.0.2.1").unwrap();
        let work = first.open.work();
        let mut waits = Box::pin(room.enter("192.0.2.2".parse().unwrap()));
        assert!(waits.as_mut().now_or_never().is_none() && !gone(&first));
        drop(work);
        let second = waits.await;
        assert!(gone(&first));
        drop(first);
        let _work = second.open.work();
        assert!(enter(&room, "192.0.2.3").is_none(), "one that was sent away is not counted off twice");
    }

    #[tokio::test(start_paused = true)]
    async fn who_moves_nothing_is_quiet() {
        let room = Room::new(1);
        let entry = enter(&room, "192.0.2.1").unwrap();
        let open = Arc::clone(&entry.open);
        let (idle, stall) = (Duration::from_secs(10), Duration::from_secs(60));
        let quiet_within =
            async |seconds| tokio::time::timeout(Duration::from_secs(seconds), open.quiet(idle, stall)).await.is_ok();
        assert!(quiet_within(11).await);
        let request = open.begin();
        assert!(!quiet_within(59).await && quiet_within(61).await);
        let work = open.work();
        assert!(!quiet_within(3600).await);
        drop((work, request));
        assert!(quiet_within(11).await);
    }
}
