//! The outer world as arguments: time, randomness, payload codecs and callbacks.

use crate::{ClockDoubt, TimeBounds};
use async_trait::async_trait;
use landfall_model::{AccountId, Codec, Product, ProductId, Result, Time};

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
