//! Which applications hold a connection in this process, and the way of their notifications to each of them.
//!
//! Absent: topics and who may connect (the face); packets. What of a session outlives its connection is kept here, in memory. Only its
//! subscriptions are durable: the push has a cursor, so a restart of the server repeats what was not confirmed, as what it is, and loses nothing.

mod post;
mod seat;

pub(crate) use seat::{Seat, seat};

use async_trait::async_trait;
use futures_util::task::AtomicWaker;
use landfall_core::{CloseCause, Parcel, ParcelId, Receivers, Unreceived};
use landfall_model::{AppId, Channel, Time};
use landfall_mqtt::{DisconnectReason, SavedSession};
use parking_lot::Mutex;
use post::{HandedOver, Post};
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};
use tokio::sync::{Mutex as Lock, OwnedMutexGuard};

/// The applications that are connected to this process, or whose sessions are kept.
#[derive(Default)]
pub(crate) struct Applications {
    places: Mutex<HashMap<AppId, Arc<Place>>>,
}

/// The place of an application: its newest connection, its notifications and its session, which one connection at a time may have.
pub(crate) struct Place {
    inner: Mutex<Inner>,
    session: Arc<Lock<()>>,
}

#[derive(Default)]
struct Inner {
    holder: Arc<Handle>,
    post: Post,
    kept: Option<Kept>,
}

/// A session without a connection.
struct Kept {
    session: SavedSession,
    last_packet_id: u16,
    until: Time,
}

/// A connection as the others see it.
#[derive(Default)]
struct Handle {
    bell: AtomicWaker,
    close: Mutex<Option<DisconnectReason>>,
}

impl Handle {
    fn close(&self, reason: DisconnectReason) {
        self.close.lock().get_or_insert(reason);
        self.bell.wake();
    }
}

impl Applications {
    /// Applications with a connection.
    pub(crate) fn connected(&self) -> usize {
        self.places.lock().values().filter(|place| place.inner.lock().post.is_connected()).count()
    }

    /// Enters a new connection of an application and closes the one it had. Before it takes the session it must hold the lock.
    fn enter(&self, app: AppId) -> (Arc<Place>, Arc<Handle>) {
        let handle = Arc::new(Handle::default());
        let mut places = self.places.lock();
        let place = places.entry(app).or_insert_with(Place::new);
        let mut inner = place.inner.lock();
        std::mem::replace(&mut inner.holder, Arc::clone(&handle)).close(DisconnectReason::SessionTakenOver);
        inner.post.connected();
        drop(inner);
        (Arc::clone(place), handle)
    }

    /// Takes a connection out whose end is complete. A place stays for what is kept of it, and for another connection, also one that still ends.
    fn leave(&self, app: AppId, place: &Arc<Place>, handle: &Arc<Handle>, turn: Option<OwnedMutexGuard<()>>) {
        place.gone(handle);
        drop(turn);
        if let Entry::Occupied(found) = self.places.lock().entry(app)
            && Arc::ptr_eq(found.get(), place)
            && place.is_empty()
        {
            found.remove();
        }
    }

    fn find(&self, app: AppId) -> Option<Arc<Place>> {
        self.places.lock().get(&app).map(Arc::clone)
    }
}

#[async_trait]
impl Receivers for Applications {
    fn channel(&self) -> Channel {
        Channel::Mqtt
    }

    async fn deliver(&self, parcel: Parcel) -> Result<(), Unreceived> {
        let place = self.find(parcel.client).ok_or_else(|| Unreceived::away("the application is not connected over MQTT"))?;
        let id = parcel.id;
        let (waiting, end) = {
            let mut inner = place.inner.lock();
            match inner.post.hand_over(parcel)? {
                HandedOver::Confirmed => return Ok(()),
                HandedOver::Waits(number, end) => {
                    inner.holder.bell.wake();
                    (Waiting { place: Arc::clone(&place), id, number }, end)
                }
            }
        };
        let outcome = end.await;
        drop(waiting);
        outcome.unwrap_or_else(|_| Err(Unreceived::away("the notification was handed over anew")))
    }

    fn close(&self, client: AppId, why: CloseCause) {
        let (place, reason) = match why {
            // Whatever its connection leaves behind is nobody's.
            CloseCause::Deleted => (self.places.lock().remove(&client), DisconnectReason::NotAuthorized),
            CloseCause::CredentialsChanged => (self.find(client), DisconnectReason::AdministrativeAction),
        };
        if let Some(place) = place {
            place.inner.lock().holder.close(reason);
        }
    }
}

/// Somebody who waits for a confirmation, and may give up.
struct Waiting {
    place: Arc<Place>,
    id: ParcelId,
    number: u64,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.place.inner.lock().post.withdraw(self.id, self.number);
    }
}

impl Place {
    fn new() -> Arc<Self> {
        Arc::new(Self { inner: Mutex::default(), session: Arc::default() })
    }

    /// The connection takes no more part, unless another one has taken its place.
    fn gone(&self, handle: &Arc<Handle>) {
        let mut inner = self.inner.lock();
        if Arc::ptr_eq(&inner.holder, handle) {
            inner.post.gone();
        }
    }

    fn is_empty(&self) -> bool {
        let inner = self.inner.lock();
        inner.post.is_empty() && inner.kept.is_none() && Arc::strong_count(&self.session) == 1
    }
}
