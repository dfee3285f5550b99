//! What one decision changes: versioned writes and the events they mean, applied together or not at all.

use crate::{
    Account, App, CallId, Cursor, Device, DeviceId, Event, Product, ProductId, ServiceCall, StoredSession, Subscription,
    SubscriptionId,
};

/// One decision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Writes.
    pub writes: Vec<Write>,
    /// Events, in order.
    pub events: Vec<Event>,
}

/// One write. A record with a `version` is refused with `Cause::Stale` unless the stored version is one less (none for 1).
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Write {
    Account(Box<Account>),
    App(Box<App>),
    DeleteApp(crate::AppId),
    Product(Box<Product>),
    DeleteProduct(ProductId),
    Device(Box<Device>),
    /// Also drops its state, history, calls and session; its id stays known as a tombstone.
    DeleteDevice(DeviceId),
    Subscription(Box<Subscription>),
    /// Also drops its cursor.
    DeleteSubscription(SubscriptionId),
    Cursor(Cursor),
    Call(Box<ServiceCall>),
    DeleteCall(CallId),
    Session(Box<StoredSession>),
    DeleteSession(DeviceId),
}
