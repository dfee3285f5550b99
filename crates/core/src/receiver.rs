//! The seam to applications that receive notifications over a connection to one of our listeners: whoever serves such clients implements
//! [`Receivers`], the push hands over through [`Clients`].
//!
//! Absent: what is said, order, cursors and retries (the push's); connections, topics and sessions (the listener's).

use crate::{Bell, CloseCause, Notification};
use async_trait::async_trait;
use landfall_model::{AppId, Channel, Seq, SubscriptionId};
use parking_lot::{Mutex, RwLock};
use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

/// The clients of one channel. Each is an application, by its id.
///
/// Whoever implements it calls [`Clients::arrived`] each time that a client becomes able to receive: with a new subscription to its topic, with
/// a session that has one, or with room for more. What waited on an earlier connection of the client has ended by then.
#[async_trait]
pub trait Receivers: Send + Sync {
    /// The channel that they are reached by.
    fn channel(&self) -> Channel;

    /// Hands a notification to its client. Returns once the client has confirmed that it has it, or when the connection ends before that.
    /// Nothing is kept for a client that is not there. MQTT: PUBACK, with QoS 2 PUBCOMP. PUBREC is too early: most clients hand a message on with
    /// PUBREL only, which a server that was killed would never send.
    ///
    /// Many of one client may wait at once. One that is handed over while the client still owes the confirmation of the same [`ParcelId`] over
    /// this connection is that one: it waits with it, and nothing is sent again. May be dropped at any time; what was sent may still be confirmed.
    async fn deliver(&self, parcel: Parcel) -> Result<(), Unreceived>;

    /// The application was deleted or frozen, or has a new secret: its connection ends. Whoever comes again is judged anew.
    fn close(&self, client: AppId, why: CloseCause);
}

/// A notification on its way to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// The application that receives it, the owner of the subscription.
    pub client: AppId,
    /// Which it is: the same again when it is sent again.
    pub id: ParcelId,
    /// What is said.
    pub notification: Notification,
}

/// What tells notifications apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ParcelId {
    /// The subscription that it is told for.
    pub subscription: SubscriptionId,
    /// The place of its event.
    pub seq: Seq,
    /// Which one of those that the event is told by, from 0.
    pub part: u32,
}

/// Why a client has not taken a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreceived {
    /// What is in the way.
    pub obstacle: Hindrance,
    /// What an operator reads.
    pub detail: String,
}

/// What keeps a notification from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// It is not connected, has not subscribed to its topic, or its connection ended. [`Clients::arrived`] tells when it can receive.
    Away,
    /// As many as may wait for it already.
    Full,
    /// It refused it, with this code of its channel (MQTT 5: the reason code).
    Refused(u16),
    /// It will never take it: it is larger than the client takes.
    TooLarge,
}

impl Unreceived {
    /// A client that cannot receive now.
    pub fn away(detail: impl Into<String>) -> Self {
        Self { obstacle: Hindrance::Away, detail: detail.into() }
    }
}

/// All clients of this process, by whoever serves them, and who waits for their arrival.
#[derive(Default)]
pub struct Clients {
    receivers: RwLock<Vec<Weak<dyn Receivers>>>,
    /// One bell for each subscription that is served.
    bells: Mutex<HashMap<AppId, Vec<Weak<Bell>>>>,
}

impl Clients {
    /// Hands over to these too from now on, for as long as they live.
    pub fn enlist<R: Receivers + 'static>(&self, receivers: &Arc<R>) {
        let receivers: Arc<dyn Receivers> = receivers.clone();
        let mut known = self.receivers.write();
        known.retain(|known| known.strong_count() > 0);
        known.push(Arc::downgrade(&receivers));
    }

    fn all(&self) -> Vec<Arc<dyn Receivers>> {
        self.receivers.read().iter().filter_map(Weak::upgrade).collect()
    }

    /// [`Receivers::deliver`] of those who serve the channel.
    pub async fn deliver(&self, channel: Channel, parcel: Parcel) -> Result<(), Unreceived> {
        match self.all().into_iter().find(|receivers| receivers.channel() == channel) {
            Some(receivers) => receivers.deliver(parcel).await,
            None => Err(Unreceived::away(format!("no listener serves the channel {}", channel.as_str()))),
        }
    }

    /// A bell that rings each time that the client becomes able to receive, for as long as it is held.
    pub fn arrivals(&self, client: AppId) -> Arc<Bell> {
        let bell = Arc::new(Bell::default());
        let mut bells = self.bells.lock();
        let of_client = bells.entry(client).or_default();
        of_client.retain(|bell| bell.strong_count() > 0);
        of_client.push(Arc::downgrade(&bell));
        bell
    }

    /// A client has become able to receive.
    pub fn arrived(&self, client: AppId) {
        let mut bells = self.bells.lock();
        let Some(of_client) = bells.get_mut(&client) else { return };
        of_client.retain(|bell| bell.upgrade().inspect(|bell| bell.ring()).is_some());
        if of_client.is_empty() {
            bells.remove(&client);
        }
    }

    /// [`Receivers::close`] of all.
    pub(crate) fn close(&self, client: AppId, why: CloseCause) {
        self.all().iter().for_each(|receivers| receivers.close(client, why));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    /// Takes everything, and notes it.
    #[derive(Default)]
    struct Takes(Mutex<Vec<ParcelId>>, Mutex<Vec<AppId>>);

    #[async_trait]
    impl Receivers for Takes {
        fn channel(&self) -> Channel {
            Channel::Mqtt
        }

        async fn deliver(&self, parcel: Parcel) -> Result<(), Unreceived> {
            self.0.lock().push(parcel.id);
            Ok(())
        }

        fn close(&self, client: AppId, _: CloseCause) {
            self.1.lock().push(client);
        }
    }

    fn app(n: u8) -> AppId {
        AppId::from_random([n; 16])
    }

    fn parcel() -> Parcel {
        let id = ParcelId { subscription: SubscriptionId::from_random([1; 16]), seq: Seq(7), part: 0 };
        Parcel { client: app(1), id, notification: Notification::json("{}") }
    }

    #[test]
    fn parcels_go_to_those_who_serve_the_channel_while_they_live() {
        let clients = Clients::default();
        let deliver = |channel| clients.deliver(channel, parcel()).now_or_never().unwrap();
        assert_eq!(deliver(Channel::Mqtt).unwrap_err().obstacle, Hindrance::Away);
        let takes = Arc::new(Takes::default());
        clients.enlist(&takes);
        assert_eq!(deliver(Channel::Mqtt), Ok(()));
        assert_eq!(deliver(Channel::Http).unwrap_err().detail, "no listener serves the channel HTTP");
        assert_eq!(*takes.0.lock(), [parcel().id]);
        clients.close(app(2), CloseCause::Deleted);
        assert_eq!(*takes.1.lock(), [app(2)]);
        drop(takes);
        assert_eq!(deliver(Channel::Mqtt).unwrap_err().obstacle, Hindrance::Away);
    }

    #[test]
    fn an_arrival_is_heard_by_all_who_wait_for_that_client() {
        let clients = Clients::default();
        clients.arrived(app(1));
        let [first, second, other] = [1, 1, 2].map(|n| clients.arrivals(app(n)));
        clients.arrived(app(1));
        let heard = |bell: &Bell| bell.rung().now_or_never().is_some();
        assert!(heard(&first) && heard(&second) && !heard(&other));
        assert!(!heard(&first), "once for each arrival");
        drop(first);
        clients.arrived(app(1));
        assert!(heard(&second));
        drop((second, other));
        clients.arrived(app(1));
        drop(clients.arrivals(app(2)));
        clients.arrived(app(2));
        assert!(clients.bells.lock().is_empty(), "nothing is kept of who is gone");
    }
}
