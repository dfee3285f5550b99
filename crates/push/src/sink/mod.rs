//! Ways to receivers, one folder each. The engine knows no more of them than these traits.
//!
//! A new one is a folder with a [`Sink`], a `Channel` in the model, and a line in [`Sinks`].

pub(crate) mod clients;
pub(crate) mod http;

use crate::config::Config;
use crate::retry::LONGEST_MS;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use landfall_core::{Bell, Clients, Notification, World};
use landfall_model::{Channel, Seq, Subscription, Time};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

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
    /// Sends one notification of an event, the `part`th from 0, within a time of its own. It is confirmed when this returns, with a status
    /// where the channel has one. May be dropped at any time.
    async fn send(&self, event: Seq, part: usize, notification: &Notification) -> Result<Option<u16>, Failure>;

    /// Closes connections that were not used lately; returns when the next one is due.
    fn close_idle(&self, now: Time) -> Option<Time>;

    /// Rings when the receiver has come, on a channel where it is the one who connects.
    fn arrivals(&self) -> Option<&Bell> {
        None
    }
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
    /// When to try again.
    pub again: Again,
}

/// When a receiver is tried again after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// As the engine sees fit.
    Later,
    /// It asked for a delay of so many milliseconds, for all that is sent to it.
    After(i64),
    /// Once it arrives; nothing can be sent before.
    OnArrival,
    /// It will never take this notification.
    Never,
}

impl Again {
    /// Milliseconds for which nothing at all is sent.
    pub fn hold_ms(self) -> Option<i64> {
        match self {
            Self::After(ms) => Some(ms),
            Self::OnArrival => Some(LONGEST_MS),
            Self::Later | Self::Never => None,
        }
    }
}

impl Failure {
    /// A failure without an answer.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), status: None, again: Again::Later }
    }
}

/// All of them.
pub(crate) struct Sinks {
    /// HTTP callbacks.
    pub http: Box<dyn Sink>,
    /// Clients of the MQTT listener.
    pub mqtt: Box<dyn Sink>,
}

impl Sinks {
    /// Makes them. `InvalidField` for a configuration that one of them cannot use.
    pub fn new(config: &Config, world: &Arc<dyn World>, clients: Arc<Clients>) -> landfall_model::Result<Self> {
        let http = http::Http::new(http::Caller::new(config)?, config, Arc::clone(world));
        let mqtt = clients::ToClients::new(Channel::Mqtt, clients, Duration::from_millis(config.request_timeout_ms));
        Ok(Self { http: Box::new(http), mqtt: Box::new(mqtt) })
    }

    /// The sink of a channel.
    pub fn of(&self, channel: Channel) -> &dyn Sink {
        match channel {
            Channel::Http => &*self.http,
            Channel::Mqtt => &*self.mqtt,
        }
    }

    /// Connections that are open.
    pub fn connections(&self) -> usize {
        self.http.connections() + self.mqtt.connections()
    }
}
