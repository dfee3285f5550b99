//! What one decision changes: versioned writes and the events they mean, applied together or not at all.

use crate::{
    Account, App, CallId, Command, Cursor, Device, DeviceId, Event, Product, ProductId, Redecoded, Registration, RevokeTask,
    SecureSession, ServiceCall, Setting, Shadow, StoredSession, Subscription, SubscriptionId,
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
    /// Also drops its state, history, calls, commands, shadow, registration and sessions; its id stays known as a tombstone.
    DeleteDevice(DeviceId),
    Subscription(Box<Subscription>),
    /// Also drops its cursor.
    DeleteSubscription(SubscriptionId),
    Cursor(Cursor),
    Call(Box<ServiceCall>),
    DeleteCall(CallId),
    Session(Box<StoredSession>),
    DeleteSession(DeviceId),
    /// Its place in the device's queue must be free when its version is 1.
    Command(Box<Command>),
    RevokeTask(Box<RevokeTask>),
    Shadow(Box<Shadow>),
    /// Appended.
    Setting(Box<Setting>),
    Registration(Box<Registration>),
    DeleteRegistration(DeviceId),
    SecureSession(Box<SecureSession>),
    DeleteSecureSession(u64),
    /// Replaces the history points that came from these frames, and the newest values that hang on them. Frames whose history is gone
    /// meanwhile are passed over.
    Redecoded(Box<Redecoded>),
}
