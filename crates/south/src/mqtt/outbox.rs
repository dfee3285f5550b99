//! Messages for a client that come of its own work, and the word that there may be more of it. A connection has one bounded outbox and a bell; its
//! driver empties the one when the other rings.
//!
//! Absent: what the messages say, and sessions. What was not sent when the connection ends is lost: who posts it can post it again.

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use landfall_mqtt::{Connection, Delivery, DisconnectReason};
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll},
};

/// Messages that may wait.
pub(crate) const OUTBOX: usize = 256;
/// Bytes that are put into the machine at once; more once they were taken from it.
const AT_ONCE_BYTES: usize = 65_536;

/// The outbox of one connection.
#[derive(Default)]
pub(crate) struct Outbox {
    inner: Mutex<Inner>,
    bell: AtomicWaker,
}

#[derive(Default)]
struct Inner {
    /// Topic and payload, at most [`OUTBOX`].
    messages: VecDeque<(Arc<str>, Bytes)>,
    /// Why the connection must end.
    close: Option<DisconnectReason>,
    /// Whether it must.
    closing: bool,
    /// There may be more to fetch.
    wanted: bool,
    /// It is being fetched.
    fetching: bool,
    /// The connection takes no more part.
    ending: bool,
}

impl Outbox {
    /// Puts a message in. False: there is no room, or nobody takes it any more.
    pub(crate) fn post(&self, topic: impl Into<Arc<str>>, payload: impl Into<Bytes>) -> bool {
        let mut inner = self.inner.lock();
        if inner.ending || inner.messages.len() >= OUTBOX {
            return false;
        }
        inner.messages.push_back((topic.into(), payload.into()));
        drop(inner);
        self.bell.wake();
        true
    }

    /// Messages for which there is room.
    pub(crate) fn room(&self) -> usize {
        OUTBOX.saturating_sub(self.inner.lock().messages.len())
    }

    /// There may be more to fetch.
    pub(crate) fn want(&self) {
        self.inner.lock().wanted = true;
        self.bell.wake();
    }

    /// Whether it is time to fetch what there may be; [`Outbox::fetched`] tells the end. Once at a time, and not while much waits.
    pub(crate) fn fetches(&self) -> bool {
        let mut inner = self.inner.lock();
        let now = inner.fetches();
        if now {
            (inner.wanted, inner.fetching) = (false, true);
        }
        now
    }

    /// The end of a fetch; `more`: there was no room for all.
    pub(crate) fn fetched(&self, more: bool) {
        let mut inner = self.inner.lock();
        inner.fetching = false;
        inner.wanted |= more;
        drop(inner);
        self.bell.wake();
    }

    /// The connection is to end.
    pub(crate) fn close(&self, reason: DisconnectReason) {
        let mut inner = self.inner.lock();
        inner.close.get_or_insert(reason);
        inner.closing = true;
        drop(inner);
        self.bell.wake();
    }

    /// Whether it is: what came and was not begun yet is not done any more.
    pub(crate) fn is_closing(&self) -> bool {
        self.inner.lock().closing
    }

    /// The connection takes no more part.
    pub(crate) fn ending(&self) {
        let mut inner = self.inner.lock();
        inner.ending = true;
        inner.messages = VecDeque::new();
    }

    /// Ready when there is something to do for the connection; else wakes the task once there is.
    pub(crate) fn poll_rung(&self, cx: &Context<'_>, machine: &Connection) -> Poll<()> {
        self.bell.register(cx.waker());
        let inner = self.inner.lock();
        let is_rung = inner.close.is_some() || inner.fetches() || !inner.messages.is_empty() && machine.deliveries_wanted() > 0;
        if is_rung { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Why the connection is to end.
    pub(crate) fn take_close(&self) -> Option<DisconnectReason> {
        self.inner.lock().close.take()
    }

    /// The next messages, as many as the machine takes. Those of topics that the client has not subscribed are for nobody.
    pub(crate) fn take(&self, machine: &Connection) -> Vec<Delivery> {
        let (mut taken, mut bytes) = (vec![], 0);
        let mut inner = self.inner.lock();
        while taken.len() < machine.deliveries_wanted()
            && bytes < AT_ONCE_BYTES
            && let Some((topic, payload)) = inner.messages.pop_front()
        {
            if let Some(subscription) = machine.subscription_for(&topic) {
                bytes += payload.len();
                taken.push(Delivery::new(0, topic, payload, subscription.qos));
            }
        }
        taken
    }
}

impl Inner {
    fn fetches(&self) -> bool {
        self.wanted && !self.fetching && !self.ending && self.messages.len() < OUTBOX / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outbox_is_bounded() {
        let outbox = Outbox::default();
        let taken = (0..OUTBOX + 10).filter(|_| outbox.post("t", "x")).count();
        assert_eq!((taken, outbox.room()), (OUTBOX, 0));
        outbox.want();
        assert!(!outbox.fetches(), "first what waits goes out");
        outbox.ending();
        assert!(!outbox.post("t", "x"), "nobody takes it");
        assert!(!outbox.fetches());
    }

    #[test]
    fn one_fetches_at_a_time() {
        let outbox = Outbox::default();
        assert!(!outbox.fetches());
        outbox.want();
        assert!(outbox.fetches() && !outbox.fetches());
        outbox.want();
        assert!(!outbox.fetches(), "the first one has not ended");
        outbox.fetched(false);
        assert!(outbox.fetches());
        outbox.fetched(true);
        assert!(outbox.fetches(), "there was no room for all");
    }
}
