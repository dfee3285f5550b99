//! What a protocol asks of whoever comes, before the first byte of it. Absent: sockets (`listener.rs`), and who a device is.

use crate::{note::Note, transport::Upgrade};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::{Semaphore, mpsc};

/// Connections of a protocol that end at once; the others wait.
const ENDS: usize = 256;

/// A protocol's rules for connections, which all its listeners share.
pub(crate) struct Admission {
    /// The protocol, for people.
    pub(crate) name: &'static str,
    /// The steps that refusals are told of: at TCP, TLS, WebSocket, WebSocket over TLS.
    pub(crate) steps: [&'static str; 4],
    /// Connections of all its listeners together.
    pub(crate) max_connections: usize,
    /// Handshakes of a listener at once; further ones wait, and addresses take turns.
    pub(crate) handshakes: usize,
    /// How long a connection's handshakes may take together, once it is their turn.
    pub(crate) handshake_timeout: Duration,
    pub(crate) upgrade: Upgrade,
    /// Leaves word of somebody unknown who was turned away.
    pub(crate) word: Box<dyn Fn(Note<'_>) + Send + Sync>,
    pub(crate) arrivals: Arrivals,
    /// Places for connections that end.
    pub(crate) ends: Semaphore,
}

/// What its listeners count.
#[derive(Default)]
pub(crate) struct Arrivals {
    /// Open connections by transport, as the steps are ordered.
    pub(crate) open: [AtomicU64; 4],
    /// Connections that were taken.
    pub(crate) accepted: AtomicU64,
    /// Connections that were closed at once, for lack of room.
    pub(crate) turned_away: AtomicU64,
    /// Handshakes that failed.
    pub(crate) handshakes_failed: AtomicU64,
}

impl Admission {
    /// Places for connections that end.
    pub(crate) fn ends() -> Semaphore {
        Semaphore::new(ENDS)
    }

    /// Leaves word of somebody unknown who is turned away before the first byte.
    pub(super) fn refuse(&self, peer: SocketAddr, step: &'static str, check: &'static str, detail: String) {
        tracing::debug!(%peer, step, check, detail, "turned away");
        (self.word)(Note { identity: "", peer: Some(peer), step, check, detail });
    }
}

/// A network connection that counts, until it is dropped.
pub(crate) struct Open {
    pub(super) admission: Arc<Admission>,
    index: usize,
    _alive: mpsc::Sender<()>,
}

impl Open {
    /// `None`: there are as many as there may be.
    pub(crate) fn new(admission: &Arc<Admission>, index: usize, alive: &mpsc::Sender<()>) -> Option<Self> {
        let arrivals = &admission.arrivals;
        let open: u64 = arrivals.open.iter().map(|n| n.load(Relaxed)).sum();
        if open >= admission.max_connections as u64 {
            return None;
        }
        count(&arrivals.accepted);
        arrivals.open.get(index)?.fetch_add(1, Relaxed);
        Some(Self { admission: Arc::clone(admission), index, _alive: alive.clone() })
    }

    /// The step of its refusals.
    pub(super) fn step(&self) -> &'static str {
        self.admission.steps.get(self.index).copied().unwrap_or_default()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(open) = self.admission.arrivals.open.get(self.index) {
            open.fetch_sub(1, Relaxed);
        }
    }
}

/// One more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
