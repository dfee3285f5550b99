//! What one application is owed: the notifications on their way to it, from the hand-over to the confirmation, over its connections. Pure.
//!
//! Absent: packets, which the machine of a connection keeps; who the application is.

use bytes::Bytes;
use landfall_core::{Hindrance, Parcel, ParcelId, Unreceived};
use landfall_mqtt::Qos;
use std::collections::{BTreeMap, HashMap, VecDeque};
use tokio::sync::oneshot;

/// Notifications that may wait until there is room to send them.
const WAITING: usize = 10_000;
/// Bytes of bodies that are sent before a confirmation is awaited.
const SENT_BYTES: usize = 16 << 20;
/// Confirmations that are remembered until the notification is handed over again.
const CONFIRMED: usize = 4_096;

pub(super) type Outcome = Result<(), Unreceived>;

/// The notifications of one application.
#[derive(Default)]
pub(super) struct Post {
    /// Whether it is connected.
    connected: bool,
    /// That of its subscription; absent while nothing is sent to it.
    qos: Option<Qos>,
    /// The newest number given.
    numbers: u64,
    parcels: HashMap<ParcelId, Owed>,
    /// Not yet sent, by number.
    waiting: BTreeMap<u64, ParcelId>,
    /// Sent and not confirmed, by token, also on a connection before this one.
    sent: HashMap<u64, ParcelId>,
    sent_bytes: usize,
    /// Confirmed while nobody waited.
    confirmed: VecDeque<ParcelId>,
}

/// A notification on its way.
struct Owed {
    /// That of who waits for it.
    number: u64,
    token: Option<u64>,
    body: Bytes,
    waiter: Option<oneshot::Sender<Outcome>>,
}

/// What came of a hand-over.
pub(super) enum HandedOver {
    /// The client had confirmed it while nobody waited.
    Confirmed,
    /// To be waited for, or to be withdrawn by its number.
    Waits(u64, oneshot::Receiver<Outcome>),
}

/// A notification to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outgoing {
    pub(crate) token: u64,
    pub(crate) qos: Qos,
    pub(crate) body: Bytes,
}

impl Post {
    /// A connection took the place of the client; it gets nothing before [`Post::receives`].
    pub(super) fn connected(&mut self) {
        self.connected = true;
        self.part();
    }

    /// The client is gone. What was sent may still be confirmed over its next connection, what was not is nobody's.
    pub(super) fn gone(&mut self) {
        self.connected = false;
        self.part();
    }

    fn part(&mut self) {
        self.receives(None);
        let sent = self.parcels.values_mut().filter_map(|owed| owed.waiter.take());
        // Whoever has given up does not hear it.
        sent.for_each(|waiter| drop(waiter.send(Err(Unreceived::away("the connection of the application ended")))));
    }

    /// What it is sent from now on, if anything. True: it has become able to receive.
    pub(super) fn receives(&mut self, qos: Option<Qos>) -> bool {
        let unsent = if qos.is_none() { std::mem::take(&mut self.waiting) } else { BTreeMap::new() };
        for owed in unsent.values().filter_map(|id| self.parcels.remove(id)) {
            let away = Unreceived::away("the application does not receive any more");
            owed.waiter.into_iter().for_each(|waiter| drop(waiter.send(Err(away.clone()))));
        }
        std::mem::replace(&mut self.qos, qos).is_none() && qos.is_some()
    }

    /// Takes a notification, or finds it on its way.
    pub(super) fn hand_over(&mut self, parcel: Parcel) -> Result<HandedOver, Unreceived> {
        if let Some(at) = self.confirmed.iter().position(|id| *id == parcel.id) {
            self.confirmed.remove(at);
            return Ok(HandedOver::Confirmed);
        }
        if self.qos.is_none() {
            return Err(Unreceived::away(if self.connected {
                "the application is connected over MQTT and has not subscribed to its topic"
            } else {
                "the application is not connected over MQTT"
            }));
        }
        self.numbers += 1;
        let (number, (waiter, end)) = (self.numbers, oneshot::channel());
        if let Some(owed) = self.parcels.get_mut(&parcel.id) {
            if owed.token.is_none() {
                self.waiting.remove(&owed.number);
                self.waiting.insert(number, parcel.id);
            }
            (owed.number, owed.waiter) = (number, Some(waiter));
            return Ok(HandedOver::Waits(number, end));
        }
        if self.waiting.len() >= WAITING {
            let detail = format!("{WAITING} notifications wait for the application already");
            return Err(Unreceived { obstacle: Hindrance::Full, detail });
        }
        self.waiting.insert(number, parcel.id);
        let owed = Owed { number, token: None, body: parcel.notification.body, waiter: Some(waiter) };
        self.parcels.insert(parcel.id, owed);
        Ok(HandedOver::Waits(number, end))
    }

    /// Nobody waits for it any more. What was sent stays on its way.
    pub(super) fn withdraw(&mut self, id: ParcelId, number: u64) {
        let Some(owed) = self.parcels.get_mut(&id).filter(|owed| owed.number == number) else { return };
        owed.waiter = None;
        if owed.token.is_none() {
            self.waiting.remove(&number);
            self.parcels.remove(&id);
        }
    }

    /// Whether [`Post::next`] has one.
    pub(super) fn has_next(&self) -> bool {
        self.qos.is_some() && !self.waiting.is_empty() && self.sent_bytes < SENT_BYTES
    }

    /// The next one to be sent.
    pub(super) fn next(&mut self) -> Option<Outgoing> {
        let qos = self.qos.filter(|_| self.has_next())?;
        let (token, id) = self.waiting.pop_first()?;
        let owed = self.parcels.get_mut(&id)?;
        owed.token = Some(token);
        self.sent.insert(token, id);
        self.sent_bytes += owed.body.len();
        Some(Outgoing { token, qos, body: owed.body.clone() })
    }

    /// The exchange of a notification is over. Gives whether it was still owed.
    pub(super) fn settle(&mut self, token: u64, outcome: Outcome) -> bool {
        let Some((id, owed)) = self.take_sent(token) else { return false };
        let unheard = match owed.waiter {
            Some(waiter) => waiter.send(outcome),
            None => Err(outcome),
        };
        if let Err(Ok(())) = unheard {
            if self.confirmed.len() >= CONFIRMED {
                self.confirmed.pop_front();
            }
            self.confirmed.push_back(id);
        }
        true
    }

    /// Those sent and not confirmed: token and id.
    pub(super) fn sent(&self) -> impl Iterator<Item = (u64, ParcelId)> {
        self.sent.iter().map(|(token, id)| (*token, *id))
    }

    /// What was sent and is not `kept` is not on its way any more.
    pub(super) fn keep_sent(&mut self, kept: impl Fn(u64, ParcelId) -> bool) {
        let lost: Vec<u64> = self.sent().filter(|(token, id)| !kept(*token, *id)).map(|(token, _)| token).collect();
        lost.into_iter().for_each(|token| drop(self.take_sent(token)));
    }

    fn take_sent(&mut self, token: u64) -> Option<(ParcelId, Owed)> {
        let id = self.sent.remove(&token)?;
        let owed = self.parcels.remove(&id)?;
        self.sent_bytes -= owed.body.len();
        Some((id, owed))
    }

    /// Whether nothing is to be remembered.
    pub(super) fn is_empty(&self) -> bool {
        !self.connected && self.parcels.is_empty() && self.confirmed.is_empty()
    }

    /// Whether it is connected.
    pub(super) fn is_connected(&self) -> bool {
        self.connected
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_core::Notification;
    use landfall_model::{AppId, Seq, SubscriptionId};

    fn parcel(seq: u64, bytes: usize) -> Parcel {
        let id = ParcelId { subscription: SubscriptionId::from_random([1; 16]), seq: Seq(seq), part: 0 };
        Parcel { client: AppId::from_random([1; 16]), id, notification: Notification::json(vec![b'x'; bytes]) }
    }

    fn waits(post: &mut Post, seq: u64) -> (u64, oneshot::Receiver<Outcome>) {
        match post.hand_over(parcel(seq, 1)) {
            Ok(HandedOver::Waits(number, end)) => (number, end),
            _ => panic!("{seq} does not wait"),
        }
    }

    fn receiving() -> Post {
        let mut post = Post::default();
        post.connected();
        assert!(post.receives(Some(Qos::AtLeastOnce)) && !post.receives(Some(Qos::ExactlyOnce)));
        post
    }

    fn obstacle(post: &mut Post, seq: u64) -> String {
        post.hand_over(parcel(seq, 1)).err().map(|why| why.detail).unwrap_or_default()
    }

    #[test]
    fn a_notification_waits_for_its_confirmation() {
        let mut post = receiving();
        let (_, mut first) = waits(&mut post, 1);
        let (_, mut second) = waits(&mut post, 2);
        let [one, two] = [(); 2].map(|()| post.next().unwrap());
        assert_eq!((one.qos, post.next()), (Qos::ExactlyOnce, None));
        assert!(post.settle(two.token, Ok(())) && !post.settle(two.token, Ok(())));
        assert_eq!((first.try_recv().ok(), second.try_recv()), (None, Ok(Ok(()))));
        post.settle(one.token, Err(Unreceived { obstacle: Hindrance::Refused(0x97), detail: String::new() }));
        assert_eq!(first.try_recv().unwrap().unwrap_err().obstacle, Hindrance::Refused(0x97));
        post.gone();
        assert!(post.is_empty() && post.sent_bytes == 0);
    }

    #[test]
    fn the_same_one_is_not_sent_twice_while_it_is_on_its_way() {
        let mut post = receiving();
        let (number, end) = waits(&mut post, 1);
        let sent = post.next().unwrap();
        drop(end);
        post.withdraw(parcel(1, 1).id, number);
        let (_, mut again) = waits(&mut post, 1);
        post.withdraw(parcel(1, 1).id, number);
        assert_eq!(post.next(), None);
        post.settle(sent.token, Ok(()));
        assert_eq!(again.try_recv(), Ok(Ok(())));
    }

    #[test]
    fn what_was_confirmed_while_nobody_waited_is_so_when_it_comes_again() {
        let mut post = receiving();
        let (number, end) = waits(&mut post, 1);
        let sent = post.next().unwrap();
        drop(end);
        post.withdraw(parcel(1, 1).id, number);
        post.settle(sent.token, Ok(()));
        post.gone();
        assert!(!post.is_empty());
        assert!(matches!(post.hand_over(parcel(1, 1)), Ok(HandedOver::Confirmed)));
        assert!(post.is_empty() && !obstacle(&mut post, 1).is_empty(), "once");
    }

    #[test]
    fn who_waits_learns_of_the_end_of_the_connection() {
        let mut post = receiving();
        let (_, mut sent) = waits(&mut post, 1);
        let (_, mut unsent) = waits(&mut post, 2);
        let token = post.next().unwrap().token;
        post.gone();
        assert!([&mut sent, &mut unsent].iter_mut().all(|end| end.try_recv().unwrap().is_err()));
        assert_eq!(obstacle(&mut post, 1), "the application is not connected over MQTT");
        assert_eq!(post.parcels.len(), 1, "what was not sent is nobody's");
        post.connected();
        assert!(obstacle(&mut post, 1).contains("has not subscribed"));
        post.receives(Some(Qos::ExactlyOnce));
        let (_, mut sent) = waits(&mut post, 1);
        assert_eq!(post.next(), None, "the machine of the new connection sends it again");
        post.settle(token, Ok(()));
        assert_eq!(sent.try_recv(), Ok(Ok(())));
    }

    #[test]
    fn what_nobody_waits_for_is_not_sent() {
        let mut post = receiving();
        let (first, _) = waits(&mut post, 1);
        waits(&mut post, 2);
        post.withdraw(parcel(1, 1).id, first);
        let sent = post.next().unwrap();
        assert_eq!(post.sent().collect::<Vec<_>>(), [(sent.token, parcel(2, 1).id)]);
        assert_eq!(post.next(), None);
        post.keep_sent(|token, _| token != sent.token);
        assert!(post.sent().next().is_none() && post.sent_bytes == 0);
    }

    #[test]
    fn what_waits_and_what_is_sent_is_bounded() {
        let mut post = receiving();
        let ends: Vec<_> = (0..17).map(|seq| post.hand_over(parcel(seq, 1 << 20)).ok()).collect();
        assert_eq!((0..20).filter(|_| post.next().is_some()).count(), 16, "of 1 MiB each");
        drop(ends);
        let ends: Vec<_> = (100..100 + WAITING as u64).map(|seq| post.hand_over(parcel(seq, 1)).ok()).collect();
        assert!(ends.last().is_some_and(Option::is_none), "one waits already");
        assert_eq!(post.hand_over(parcel(1_000_000, 1)).err().unwrap().obstacle, Hindrance::Full);
    }
}
