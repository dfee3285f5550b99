//! Ways to receivers, one folder each. The engine knows no more of them than these traits.
//!
//! A new one is a folder with a [`Sink`], a `Channel` in the model, and a line in [`Sinks`].

pub(crate) mod http;

use crate::config::Config;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use landfall_core::{Notification, World};
use landfall_model::{Channel, Seq, Subscription, Time};
use std::borrow::Cow;
use std::sync::Arc;

/// A way to receivers, for all subscriptions of one channel.
pub(crate) trait Sink: Send + Sync {
    /// A link to the address of a subscription. Nothing is sent yet; a failure is that of each attempt.
    fn open(&self, subscription: &Subscription) -> Result<Arc<dyn Link>, Failure>;

    /// Whether connections have become scarce: each link is then used for one notification at a time.
    fn is_scarce(&self) -> bool;

    /// Connections that are open.
    fn connections(&self) -> usize;
}

/// A link to one receiver.
#[async_trait]
pub(crate) trait Link: Send + Sync {
    /// Sends one notification of an event, within a time of its own. It is confirmed when this returns, with a status where the channel
    /// has one. May be dropped at any time.
    async fn send(&self, event: Seq, notification: &Notification) -> Result<Option<u16>, Failure>;

    /// Closes connections that were not used lately; returns when the next one is due.
    fn close_idle(&self, now: Time) -> Option<Time>;
}

/// A channel on which questions can be asked.
pub(crate) trait Ask: Send + Sync {
    /// Prepares a question. It is asked once when the future is polled, within a time of its own.
    fn ask<'a>(&'a self, address: &str, question: &Notification) -> Result<BoxFuture<'a, Result<Answer, Failure>>, Failure>;
}

/// What a receiver answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status, one that the channel takes for a confirmation (HTTP: 2xx).
    pub status: u16,
    /// Its body, at most 64 KiB; none when it was longer, slow or broke off.
    pub body: Option<Bytes>,
}

/// Why there is no confirmation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// For operators.
    pub text: Cow<'static, str>,
    /// The answer's status, in the numbers of the channel, if there was an answer.
    pub status: Option<u16>,
    /// The delay the receiver asked for.
    pub retry_after_ms: Option<i64>,
}

impl Failure {
    /// A failure without an answer.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), status: None, retry_after_ms: None }
    }
}

/// All of them.
pub(crate) struct Sinks {
    /// HTTP callbacks.
    pub http: Box<dyn Sink>,
}

impl Sinks {
    /// Makes them. `InvalidField` for a configuration that one of them cannot use.
    pub fn new(config: &Config, world: &Arc<dyn World>) -> landfall_model::Result<Self> {
        let http = http::Http::new(http::Caller::new(config)?, config, Arc::clone(world));
        Ok(Self { http: Box::new(http) })
    }

    /// The sink of a channel.
    pub fn of(&self, channel: Channel) -> &dyn Sink {
        match channel {
            Channel::Http => &*self.http,
        }
    }

    /// Connections that are open.
    pub fn connections(&self) -> usize {
        self.http.connections()
    }
}
