//! The outer world as arguments: time, randomness, live connections and payload codecs.

use crate::{ClockDoubt, TimeBounds};
use async_trait::async_trait;
use landfall_model::{AccountId, Codec, DeviceId, Product, ProductId, Result, ServiceCall, Time};

/// Time and randomness. The server's is real; tests use a virtual one with a seed.
pub trait World: Send + Sync {
    /// Now, UTC.
    fn now(&self) -> Time;
    /// Fills `bytes` with randomness fit for keys.
    fn random(&self, bytes: &mut [u8]);
    /// What time it surely is, for what a wrong clock must not do.
    fn bounds(&self) -> TimeBounds {
        TimeBounds::exactly(self.now())
    }
    /// A database was written at this time, before the start: a source to hold the clock against.
    fn known(&self, _at: Time) {}
    /// The jump of the clock that is not taken for right yet.
    fn clock_doubt(&self) -> Option<ClockDoubt> {
        None
    }
    /// The clock is right.
    fn accept_clock(&self) {}
}

/// The connections that are open in this process.
pub trait Live: Send + Sync {
    /// Whether the device holds a connection of its own.
    fn is_connected(&self, device: DeviceId) -> bool;
    /// Whether the connection `via` (the device's own or its gateway's) is subscribed to the command topic of `device`.
    fn listens(&self, via: DeviceId, device: DeviceId) -> bool;
    /// Whether the client of the connection `via` takes a message of this size.
    fn takes(&self, via: DeviceId, message: &Downlink) -> bool;
    /// Hands a call to the connection `via`. False: it is gone or its queue is full. The PUBACK comes back through `Core::call_delivered`.
    fn deliver(&self, via: DeviceId, message: Downlink) -> bool;
    /// Closes the device's connection or registration, if there is one.
    fn close(&self, device: DeviceId, why: CloseCause);
    /// Whether the device is registered with a protocol that takes commands and desired values by `Core::next_work`.
    fn is_registered(&self, device: DeviceId) -> bool;
    /// There may be work for the device.
    fn wake(&self, device: DeviceId);
    /// The lifetime of the device's registration may be over. False: it is not held in this process.
    fn lifetime_over(&self, device: DeviceId) -> bool;
    /// What is to be observed at the device changed.
    fn observe_anew(&self, device: DeviceId);
    /// There are nodes to be provisioned.
    fn provision(&self);
}

/// A message for a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downlink {
    /// The call it carries.
    pub call: ServiceCall,
    /// Whether the payload is the product codec's (topic `.../command/binary`) or JSON.
    pub binary: bool,
    /// Payload.
    pub payload: Vec<u8>,
}

/// Why the platform closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCause {
    /// The device was deleted.
    Deleted,
    /// Its credentials changed.
    CredentialsChanged,
}

/// A codec that is to run.
#[derive(Clone, Copy, Debug)]
pub struct CodecRun<'a> {
    /// Whose it is: accounts have turns.
    pub account: AccountId,
    /// Of this product.
    pub product: ProductId,
    /// The version to run.
    pub codec: &'a Codec,
    /// An operator asked for just this run: it is made even while the codec rests for having taken too long, and does not make it rest.
    pub trial: bool,
}

impl<'a> CodecRun<'a> {
    /// A run for a message of a device or a command to it.
    pub(crate) fn of(product: &Product, codec: &'a Codec) -> Self {
        Self { account: product.account, product: product.id, codec, trial: false }
    }

    /// A run that an operator asked for.
    pub(crate) fn trial(product: &Product, codec: &'a Codec) -> Self {
        Self { trial: true, ..Self::of(product, codec) }
    }
}

/// Payload codecs of products, run in a sandbox.
#[async_trait]
pub trait PayloadCodec: Send + Sync {
    /// Runs `decode(bytes, meta)`; returns the JSON text of its result. `CodecFailed` tells what went wrong, or that the codec rests;
    /// `Overloaded` where too many runs wait.
    async fn decode(&self, run: CodecRun<'_>, bytes: &[u8], meta: &str) -> Result<String>;
    /// Runs `encode(command)`; returns the bytes. As [`PayloadCodec::decode`].
    async fn encode(&self, run: CodecRun<'_>, command: &str) -> Result<Vec<u8>>;
}

/// What callback addresses are allowed, and whether they answer.
#[async_trait]
pub trait CallbackPolicy: Send + Sync {
    /// `CallbackInvalid` with the exact reason, or nothing.
    fn check(&self, url: &str) -> Result<()>;
    /// Posts once, and waits for a 2xx; accounts take turns. `VerificationFailed` with the exact reason, `Overloaded` while too many of the
    /// account wait.
    async fn verify(&self, account: AccountId, url: &str, headers: &[(&'static str, String)], body: Vec<u8>) -> Result<()>;
}
