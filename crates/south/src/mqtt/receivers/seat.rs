//! An application's session between CONNACK and the end of its connection.

use super::{Applications, Handle, Kept, Place, post::Outcome};
use crate::{
    driver::within,
    mqtt::{
        Mqtt,
        admission::{Refused, TAKE_OVER},
        count,
    },
};
use landfall_core::{AppCaller, Hindrance, ParcelId, Unreceived};
use landfall_model::{Error, SubscribedFilter, SubscriptionId};
use landfall_mqtt::{
    Accept, ConnectRefusal, ConnectRequest, Connection, Delivery, DisconnectReason, DropReason, Filter, Qos, ReleasedMessage,
    SavedSession, Subscription,
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    task::{Context, Poll},
};
use tokio::sync::OwnedMutexGuard;

/// Bytes that are put into the machine at once; more once they were taken from it.
const AT_ONCE_BYTES: usize = 65_536;

/// A connection of an application that holds its place.
pub(crate) struct Seat {
    caller: AppCaller,
    topic: Arc<str>,
    place: Arc<Place>,
    handle: Arc<Handle>,
    turn: Option<OwnedMutexGuard<()>>,
    /// Those of QoS 1: their exchange is over with the client's first answer.
    at_least_once: HashSet<u64>,
}

/// Why a notification was not confirmed, for the why record.
pub(crate) struct Unconfirmed {
    pub(crate) check: &'static str,
    pub(crate) detail: String,
}

/// Takes the place of the application's connection, then takes over its session.
pub(crate) async fn seat(
    mqtt: &Mqtt,
    request: &ConnectRequest,
    caller: &AppCaller,
    topic: &Arc<str>,
) -> Result<(Seat, Accept), Refused> {
    let (place, handle) = mqtt.applications.enter(caller.app().id);
    let turn = within(TAKE_OVER, Arc::clone(&place.session).lock_owned()).await;
    let outcome = match &turn {
        Some(_) => resume(mqtt, request, caller, &place).await,
        None => {
            let detail = "the application's connection before this one does not end";
            Err(Refused::new(ConnectRefusal::ServerUnavailable, "app.still-ending", detail))
        }
    };
    let mut seat = Seat { caller: caller.clone(), topic: Arc::clone(topic), place, handle, turn, at_least_once: HashSet::new() };
    let outcome = match outcome {
        Ok((Some(session), last)) => {
            let kept = seat.keep(mqtt, &session.subscriptions, None).await;
            kept.map(|()| (Some(session), last)).map_err(|error| Refused::lookup(&error))
        }
        other => other,
    };
    match outcome {
        Ok((session, last_packet_id)) => {
            let outbound = session.iter().flat_map(|session| &session.outbound);
            let at_least_once = outbound.filter(|message| message.delivery.qos == Qos::AtLeastOnce);
            seat.at_least_once = at_least_once.map(|message| message.delivery.token).collect();
            let accept = Accept {
                session_present: session.is_some(),
                resume: session.map(Box::new),
                session_expiry_s: Some(request.session_expiry_s.min(mqtt.core.settings().session_s)),
                last_packet_id,
                limits: Some(Arc::clone(&mqtt.receiver_limits)),
                ..Accept::default()
            };
            Ok((seat, accept))
        }
        Err(refused) => {
            seat.leave(&mqtt.applications);
            Err(refused)
        }
    }
}

/// The kept session, if there is one and it is wanted, and the packet identifier after which it goes on.
async fn resume(
    mqtt: &Mqtt,
    request: &ConnectRequest,
    caller: &AppCaller,
    place: &Place,
) -> Result<(Option<SavedSession>, u16), Refused> {
    // From here on a change of the credentials closes this connection; one that came before is seen now.
    mqtt.core.still_proven(caller).await.map_err(|error| Refused::unproven(&error))?;
    let now = mqtt.core.now();
    let kept = place.inner.lock().kept.take().filter(|kept| !request.clean_start && now < kept.until);
    let Some(Kept { session, last_packet_id, .. }) = kept else {
        place.inner.lock().post.keep_sent(|_, _| false);
        // Not those at which an earlier run began: a client may hold some of its identifiers although it was told that the session is gone.
        let somewhere = u16::try_from(now.0.rem_euclid(1 << 16)).unwrap_or_default();
        let stored = stored(mqtt, request, caller).await.map_err(|error| Refused::lookup(&error))?;
        return Ok((stored, somewhere));
    };
    let sent: HashMap<u64, ParcelId> = place.inner.lock().post.sent().collect();
    let barred = barred(mqtt, sent.values().map(|id| id.subscription)).await.map_err(|error| Refused::lookup(&error))?;
    let is_barred = |token: u64| sent.get(&token).is_none_or(|id| barred.contains(&id.subscription));
    let session = without(session, is_barred);
    let left: HashSet<u64> = session.outbound.iter().map(|message| message.delivery.token).collect();
    let released: HashSet<u64> = session.qos2_released.iter().map(|released| released.token).collect();
    place.inner.lock().post.keep_sent(|token, _| !is_barred(token) && (left.contains(&token) || released.contains(&token)));
    Ok((Some(session), last_packet_id))
}

/// The subscriptions that an earlier run of the server kept. Those of QoS 2 are no whole session: its exchanges are lost, so the client must be told
/// that it is gone, or it would wait for their ends.
async fn stored(mqtt: &Mqtt, request: &ConnectRequest, caller: &AppCaller) -> Result<Option<SavedSession>, Error> {
    let Some(stored) = mqtt.core.receiver_session(caller).await? else { return Ok(None) };
    let subscriptions = stored.subscriptions.iter();
    let whole: Option<Vec<_>> = subscriptions
        .map(|kept| {
            Some(Subscription::new(
                Filter::new(&kept.filter).ok()?,
                Qos::from_level(kept.qos).filter(|qos| *qos == Qos::AtLeastOnce)?,
            ))
        })
        .collect();
    match whole.filter(|_| !request.clean_start) {
        Some(subscriptions) => Ok(Some(SavedSession { subscriptions, ..SavedSession::default() })),
        None => mqtt.core.drop_receiver_session(caller).await.map(|()| None),
    }
}

/// Those of the subscriptions that are not served any more: what was sent for them is not sent again.
async fn barred(mqtt: &Mqtt, sent: impl Iterator<Item = SubscriptionId>) -> Result<HashSet<SubscriptionId>, Error> {
    let subscriptions: HashSet<SubscriptionId> = sent.collect();
    let mut barred = HashSet::new();
    for id in subscriptions {
        let is_served = match mqtt.core.store().subscription(id).await? {
            Some(subscription) => mqtt.core.suspension(&subscription).await?.is_none(),
            None => false,
        };
        if !is_served {
            barred.insert(id);
        }
    }
    Ok(barred)
}

/// A session without the messages that may not be sent again. A client that has one of QoS 2 must still be told that it is over, or it would take
/// the next one of the same identifier for its repetition.
fn without(mut session: SavedSession, is_barred: impl Fn(u64) -> bool) -> SavedSession {
    let taken: Vec<_> = session.outbound.extract_if(.., |message| is_barred(message.delivery.token)).collect();
    let exactly_once = taken.into_iter().filter(|message| message.delivery.qos == Qos::ExactlyOnce);
    let over =
        exactly_once.filter_map(|message| Some(ReleasedMessage { packet_id: message.packet_id?, token: message.delivery.token }));
    session.qos2_released.extend(over);
    session
}

impl Seat {
    /// To be called when the machine has other subscriptions.
    pub(crate) fn listen(&self, mqtt: &Mqtt, machine: &Connection) {
        let qos = machine.subscription_for(&self.topic).map(|subscription| subscription.qos);
        let mut inner = self.place.inner.lock();
        let is_new = Arc::ptr_eq(&inner.holder, &self.handle) && machine.is_open() && inner.post.receives(qos);
        drop(inner);
        if is_new {
            mqtt.core.clients().arrived(self.caller.app().id);
        }
    }

    /// Ready when there is something to send that the machine takes, or the connection is to end; else wakes the task once there is.
    pub(crate) fn poll_rung(&self, cx: &Context<'_>, machine: &Connection) -> Poll<()> {
        self.handle.bell.register(cx.waker());
        let is_rung = self.handle.close.lock().is_some() || self.has_next() && machine.deliveries_wanted() > 0;
        if is_rung { Poll::Ready(()) } else { Poll::Pending }
    }

    fn has_next(&self) -> bool {
        let inner = self.place.inner.lock();
        Arc::ptr_eq(&inner.holder, &self.handle) && inner.post.has_next()
    }

    /// Why the connection is to end.
    pub(crate) fn take_close(&self) -> Option<DisconnectReason> {
        self.handle.close.lock().take()
    }

    /// The next messages, at most as many as the machine takes.
    pub(crate) fn take(&mut self, mqtt: &Mqtt, machine: &Connection) -> Vec<Delivery> {
        let mut bytes = 0;
        let mut taken = vec![];
        while taken.len() < machine.deliveries_wanted() && bytes < AT_ONCE_BYTES && self.has_next() {
            let Some(next) = self.place.inner.lock().post.next() else { break };
            bytes += next.body.len();
            if next.qos == Qos::AtLeastOnce {
                self.at_least_once.insert(next.token);
            }
            count(&mqtt.tally.notifications);
            taken.push(Delivery::new(next.token, Arc::clone(&self.topic), next.body, next.qos));
        }
        taken
    }

    /// PUBACK or PUBREC. A client may pass on what it took with QoS 2 only once that exchange is over, and lose it before: so it counts then.
    pub(crate) fn delivered(&mut self, mqtt: &Mqtt, token: u64, code: u8) -> Option<Unconfirmed> {
        let is_over = self.at_least_once.remove(&token);
        if code < 0x80 {
            if is_over {
                self.completed(mqtt, token);
            }
            return None;
        }
        let detail = format!("the application refused the notification with reason code {code:#04x}");
        self.settle(token, Err(Unreceived { obstacle: Hindrance::Refused(code.into()), detail: detail.clone() }));
        Some(Unconfirmed { check: "puback.code", detail })
    }

    /// The client has it for good.
    pub(crate) fn completed(&mut self, mqtt: &Mqtt, token: u64) {
        if self.settle(token, Ok(())) {
            count(&mqtt.tally.notifications_confirmed);
        }
    }

    /// A message that the machine did not take.
    pub(crate) fn dropped(&mut self, token: u64, reason: DropReason) -> Unconfirmed {
        self.at_least_once.remove(&token);
        let (obstacle, check, detail) = match reason {
            DropReason::TooLarge => {
                let detail = "the notification is larger than the application takes (Maximum Packet Size)";
                (Hindrance::TooLarge, "notification.too-large", detail)
            }
            DropReason::QueueFull => {
                (Hindrance::Full, "notification.queue-full", "as many notifications as may be are on their way")
            }
            DropReason::NotConnected | DropReason::Expired => {
                (Hindrance::Away, "notification.not-connected", "the connection of the application ended")
            }
        };
        self.settle(token, Err(Unreceived { obstacle, detail: detail.into() }));
        Unconfirmed { check, detail: detail.into() }
    }

    fn settle(&self, token: u64, outcome: Outcome) -> bool {
        self.place.inner.lock().post.settle(token, outcome)
    }

    /// The connection is over: nothing more is taken.
    pub(crate) fn part(&self) {
        self.place.gone(&self.handle);
    }

    /// The end, after [`Seat::part`]: the session is kept or forgotten, and there is room for the next connection.
    pub(crate) async fn end(self, mqtt: &Mqtt, machine: Connection) {
        let seconds = machine.session_expiry_s().min(mqtt.core.settings().session_s);
        let settled = if seconds > 0 {
            self.keep(mqtt, machine.subscriptions(), Some(seconds)).await
        } else {
            mqtt.core.drop_receiver_session(&self.caller).await
        };
        if let Err(error) = settled {
            tracing::warn!(app = %self.caller.app().id, %error, "the session of an application could not be kept");
        }
        let mut inner = self.place.inner.lock();
        if seconds > 0 {
            let (last_packet_id, until) = (machine.last_packet_id(), mqtt.core.now().plus_s(seconds.into()));
            inner.kept = Some(Kept { session: machine.into_session(), last_packet_id, until });
        } else {
            inner.post.keep_sent(|_, _| false);
        }
        drop(inner);
        self.leave(&mqtt.applications);
    }

    /// Makes subscriptions durable, for `seconds` once the connection is over.
    pub(crate) async fn keep(&self, mqtt: &Mqtt, subscriptions: &[Subscription], seconds: Option<u32>) -> Result<(), Error> {
        let filter = |kept: &Subscription| SubscribedFilter { filter: kept.filter.as_str().to_owned(), qos: kept.qos as u8 };
        let filters: Vec<_> = subscriptions.iter().map(filter).collect();
        mqtt.core.keep_receiver_session(&self.caller, &filters, seconds).await
    }

    fn leave(self, applications: &Applications) {
        applications.leave(self.caller.app().id, &self.place, &self.handle, self.turn);
    }
}
