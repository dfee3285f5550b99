//! How a dialect tells its subscribers of events, in its own words. The push carries it out: it knows cursors and receivers, and no dialect.
//!
//! Absent on purpose: how a notification travels. Its status is a number of the channel that carried it.

use crate::Core;
use bytes::Bytes;
use landfall_model::{Device, Event, Product, Resource, Result, StoredEvent, Subscription, SubscriptionKind, Write};
use std::{borrow::Cow, sync::Arc};

/// The words of one dialect. Pure: the same arguments get the same answers.
pub trait Notifier: Send + Sync {
    /// Whether subscriptions of this kind are told by this dialect. Each kind is one dialect's; one that is nobody's rests.
    fn serves(&self, kind: SubscriptionKind) -> bool;

    /// What has to be loaded for [`Notifier::render`]. Nothing costs nothing.
    fn needs(&self, _subscription: &Subscription, _event: &StoredEvent) -> Needs {
        Needs::NOTHING
    }

    /// What to send, in order; nothing where the event does not concern the subscription.
    ///
    /// Called again for a later attempt, so an id in it must come from subscription and event: receivers know a repeat by it.
    fn render(&self, subscription: &Subscription, event: &StoredEvent, subject: &Subject) -> Vec<Notification>;

    /// Whether the event waits for others, to be sent with them as one. Such events need nothing but themselves.
    fn gathering(&self, _subscription: &Subscription, _event: &StoredEvent) -> Option<Gathering> {
        None
    }

    /// What to send for events that were gathered, in their order; none where they mean nothing to the subscription.
    fn render_together(&self, _subscription: &Subscription, _events: &[StoredEvent]) -> Option<Notification> {
        None
    }

    /// What the end of an attempt to send one of them means: what was accepted is done, everything else is tried again, unless the dialect
    /// has rules of its own.
    fn judge(&self, _subscription: &Subscription, _event: &StoredEvent, receipt: Receipt) -> Verdict {
        if receipt.accepted { Verdict::Done(Vec::new()) } else { Verdict::Retry }
    }
}

/// How long an event waits for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gathering {
    /// Events that are sent together at most; with so many it waits no longer.
    pub most: usize,
    /// Milliseconds for which the first of them waits.
    pub wait_ms: i64,
}

/// What a rendering needs beside the event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The device of the event, and with it its tags.
    pub device: bool,
    /// The product of that device.
    pub product: bool,
    /// The application entity that is told at its point of access, if it still may be told of the event.
    pub entity: bool,
}

impl Needs {
    /// The event says it all.
    pub const NOTHING: Self = Self { device: false, product: false, entity: false };
}

/// What an event is about, as it is when it goes out: read once for each attempt, if at all.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// The device; none when it was deleted meanwhile.
    pub device: Option<Arc<Device>>,
    /// Its product, if it has one.
    pub product: Option<Arc<Product>>,
    /// The application entity; none when it may not be told.
    pub entity: Option<Arc<Resource>>,
}

impl Core {
    /// Loads what a rendering of the event needs beside it.
    pub async fn subject(&self, event: &Event, needs: Needs) -> Result<Subject> {
        let mut subject = Subject::default();
        if needs.entity {
            subject.entity = self.entity_to_tell(event).await?;
        }
        if let Some(device) = event.device.filter(|_| needs.device || needs.product) {
            subject.device = self.store.device(device).await?;
        }
        if let Some(product) = subject.device.as_ref().and_then(|device| device.product).filter(|_| needs.product) {
            subject.product = self.store.product(product).await?;
        }
        Ok(subject)
    }
}

/// One message to a receiver, on whatever channel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notification {
    /// Media type of the body.
    pub content_type: Cow<'static, str>,
    /// Further headers: distinct names, none of those that frame a message. A push leaves out one that its channel cannot carry.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// Body.
    pub body: Bytes,
}

impl Notification {
    /// A JSON body without headers.
    pub fn json(body: impl Into<Bytes>) -> Self {
        Self { content_type: Cow::Borrowed("application/json"), headers: Vec::new(), body: body.into() }
    }

    /// With one more header; `Content-Type` replaces the media type.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        if name.eq_ignore_ascii_case("content-type") {
            self.content_type = value.into();
        } else {
            self.headers.push((name, value));
        }
        self
    }
}

/// How an attempt to send a notification ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Whether the channel takes the answer for a confirmation (HTTP: 2xx).
    pub accepted: bool,
    /// The status that was answered, in the numbers of the channel; none without an answer.
    pub status: Option<u16>,
}

/// What a receipt means.
///
/// The writes are committed in one batch with a cursor, at the latest with the one that no longer lists the event, and again after a crash
/// before that. So they must not depend on a version, and be the same when repeated.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The receiver has it: for example, the stored copy is dropped.
    Done(Vec<Write>),
    /// The receiver does not have it and is not asked again; later events go on.
    GivenUp(Vec<Write>),
    /// It is tried again, with back-off, for as long as the account keeps events.
    Retry,
}
