//! Notifications to applications that hold a connection to one of our listeners: confirmed by the client's acknowledgement.
//!
//! The body is that of the HTTP push; its headers are left out. Nobody is dialled: a client that is not there is waited for.

use super::{Again, Failure, Link, Sink};
use async_trait::async_trait;
use landfall_core::{Bell, Clients, Hindrance, Notification, Parcel, ParcelId, Unreceived};
use landfall_model::{AppId, Channel, Seq, Subscription, SubscriptionId, Time};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The sink of a channel whose receivers connect by themselves.
pub(crate) struct ToClients {
    channel: Channel,
    clients: Arc<Clients>,
    patience: Duration,
}

impl ToClients {
    /// To these clients; each notification waits so long for its acknowledgement before it counts as a failure.
    pub fn new(channel: Channel, clients: Arc<Clients>, patience: Duration) -> Self {
        Self { channel, clients, patience }
    }
}

impl Sink for ToClients {
    fn open(&self, subscription: &Subscription) -> Result<Arc<dyn Link>, Failure> {
        let (clients, patience, owner) = (Arc::clone(&self.clients), self.patience, subscription.owner);
        let arrivals = clients.arrivals(owner);
        Ok(Arc::new(Client { channel: self.channel, subscription: subscription.id, owner, clients, patience, arrivals }))
    }

    fn is_scarce(&self) -> bool {
        false
    }

    fn connections(&self) -> usize {
        0
    }
}

/// The way of one subscription to the client of its owner.
struct Client {
    channel: Channel,
    subscription: SubscriptionId,
    owner: AppId,
    clients: Arc<Clients>,
    patience: Duration,
    arrivals: Arc<Bell>,
}

#[async_trait]
impl Link for Client {
    async fn send(&self, event: Seq, part: usize, notification: &Notification) -> Result<Option<u16>, Failure> {
        let part = u32::try_from(part).unwrap_or(u32::MAX);
        let id = ParcelId { subscription: self.subscription, seq: event, part };
        let parcel = Parcel { client: self.owner, id, notification: notification.clone() };
        // What was sent stays with the client: handed over again, it is waited for, not sent twice.
        let taken = timeout(self.patience, self.clients.deliver(self.channel, parcel)).await;
        let late = |_| Failure::new(format!("no acknowledgement within {} ms", self.patience.as_millis()));
        taken.map_err(late)?.map(|()| None).map_err(failure)
    }

    fn close_idle(&self, _: Time) -> Option<Time> {
        None
    }

    fn arrivals(&self) -> Option<&Bell> {
        Some(&self.arrivals)
    }
}

fn failure(why: Unreceived) -> Failure {
    let (again, status) = match why.obstacle {
        Hindrance::Away => (Again::OnArrival, None),
        Hindrance::Full => (Again::Later, None),
        Hindrance::Refused(code) => (Again::Later, Some(code)),
        Hindrance::TooLarge => (Again::Never, None),
    };
    Failure { status, again, ..Failure::new(why.detail) }
}
