//! What a broker does between its connections: sessions, routing, retained messages, shared subscriptions, wills. Absent: sockets and a clock.
//! Made for conformance, not for load: it looks at every session for every message.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use landfall_mqtt::{
    Accept, ConnectRequest, Connection, DelayedWills, Delivery, DisconnectReason, Input, Limits, Matched, Output, Publish,
    PublishRefusal, Qos, RetainedMessages, SavedSession, SharedSubscriptions, Subscribe, SubscribeGrant, SubscribeRefusal,
    Subscription, Unsubscribe, Version, matched,
};

/// Names a connection.
pub type LinkId = u64;

/// What the owner of the sockets is to do.
pub enum Action {
    /// Write bytes.
    Send(LinkId, Vec<u8>),
    /// Read once.
    Read(LinkId),
    /// Close after what was sent.
    Close(LinkId),
}

/// Messages that wait for one session beside its machine.
const WAITING_MAX: usize = 10_000;
/// Bytes that may wait for a socket before no more messages are fed, and before the client counts as gone.
const UNWRITTEN_FED: usize = 1 << 20;
const UNWRITTEN_MAX: usize = 8 << 20;
/// Sessions, connected or kept.
const CLIENTS_MAX: usize = 10_000;

/// All connections and sessions. After each call, do what [`Hub::actions`] gives.
pub struct Hub {
    limits: Arc<Limits>,
    now: Duration,
    links: BTreeMap<LinkId, Link>,
    clients: BTreeMap<Arc<str>, Client>,
    retained: RetainedMessages,
    shared: SharedSubscriptions<Arc<str>>,
    /// The shared subscription that a message on its way came by, by its token.
    shared_tokens: BTreeMap<u64, Box<str>>,
    wills: DelayedWills<Arc<str>>,
    refused_filter: Option<String>,
    next_token: u64,
    changed: BTreeSet<LinkId>,
    actions: Vec<Action>,
}

struct Link {
    machine: Connection,
    client: Option<Arc<str>>,
    reading: bool,
    unwritten: usize,
}

/// A session: with a connection, or kept.
#[derive(Default)]
struct Client {
    link: Option<LinkId>,
    kept: Option<Box<SavedSession>>,
    expires_at: Option<Duration>,
    /// Subscriptions whose retained messages are being sent, and the last topic that was.
    retained: VecDeque<(Subscription, Option<Arc<str>>)>,
    waiting: VecDeque<Delivery>,
}

impl Hub {
    /// A broker that refuses subscriptions to `refused_filter`, as some suites want to see that.
    pub fn new(refused_filter: Option<String>) -> Self {
        let limits = Limits {
            qos_out: Qos::ExactlyOnce,
            subscription_ids_available: true,
            shared_available: true,
            outbound_queue: 1_000,
            outbound_waiting: 16,
            keep_alive_max_s: 60,
            topic_bytes: 65_535,
            ..Limits::default()
        };
        Self {
            limits: Arc::new(limits),
            now: Duration::ZERO,
            links: BTreeMap::new(),
            clients: BTreeMap::new(),
            retained: RetainedMessages::new(10_000, 64 << 20),
            shared: SharedSubscriptions::new(10_000),
            shared_tokens: BTreeMap::new(),
            wills: DelayedWills::new(1_000),
            refused_filter,
            next_token: 0,
            changed: BTreeSet::new(),
            actions: Vec::new(),
        }
    }

    /// A socket was accepted.
    pub fn opened(&mut self, now: Duration, id: LinkId) {
        self.now = now;
        let machine = Connection::new(Arc::clone(&self.limits), now);
        self.links.insert(id, Link { machine, client: None, reading: false, unwritten: 0 });
        self.pump(id);
    }

    /// Something came from a socket.
    pub fn input(&mut self, now: Duration, id: LinkId, input: Input<'_>) {
        self.now = now;
        let Some(link) = self.links.get_mut(&id) else { return };
        link.reading &= !matches!(input, Input::Data(_));
        link.machine.handle(now, input);
        self.pump(id);
    }

    /// A socket took bytes.
    pub fn written(&mut self, now: Duration, id: LinkId, bytes: usize) {
        self.now = now;
        let Some(link) = self.links.get_mut(&id) else { return };
        link.unwritten = link.unwritten.saturating_sub(bytes);
        self.pump(id);
    }

    /// The time of [`Hub::next_timeout`] has come.
    pub fn timeout(&mut self, now: Duration) {
        self.now = now;
        for (id, link) in &mut self.links {
            if link.machine.poll_timeout().is_some_and(|at| at <= now) {
                link.machine.handle(now, Input::Timeout);
                self.changed.insert(*id);
            }
        }
        while let Some((_, will)) = self.wills.due(now) {
            let _ = self.publish(None, &(*will).into());
        }
        let over = |client: &Client| client.expires_at.is_some_and(|at| at <= now);
        let ended: Vec<_> = self.clients.iter().filter(|(_, client)| over(client)).map(|(key, _)| Arc::clone(key)).collect();
        ended.iter().for_each(|key| self.session_ended(key));
        self.retained.expire(now);
        self.pump_changed();
    }

    /// When to call [`Hub::timeout`].
    pub fn next_timeout(&self) -> Option<Duration> {
        let links = self.links.values().filter_map(|link| link.machine.poll_timeout());
        let clients = self.clients.values().filter_map(|client| client.expires_at);
        links.chain(clients).chain(self.wills.next_due()).chain(self.retained.next_expiry()).min()
    }

    /// What is to be done, in this order.
    pub fn actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    fn pump(&mut self, id: LinkId) {
        self.changed.insert(id);
        self.pump_changed();
    }

    fn pump_changed(&mut self) {
        while let Some(id) = self.changed.pop_first() {
            self.feed(id);
            self.drain(id);
            let Some(link) = self.links.get_mut(&id) else { continue };
            if link.machine.wants_read() && !link.reading {
                link.reading = true;
                self.actions.push(Action::Read(id));
            }
        }
    }

    fn drain(&mut self, id: LinkId) {
        while let Some(output) = self.links.get_mut(&id).and_then(|link| link.machine.poll()) {
            self.output(id, output);
        }
    }

    fn output(&mut self, id: LinkId, output: Output) {
        let Some(link) = self.links.get_mut(&id) else { return };
        match output {
            Output::Send(bytes) => {
                link.unwritten += bytes.len();
                if link.unwritten > UNWRITTEN_MAX {
                    link.machine.handle(self.now, Input::Closed);
                }
                self.actions.push(Action::Send(id, bytes));
            }
            Output::Connect(request) => self.connect(id, &request),
            Output::Publish(publish) => {
                let (ticket, from) = (publish.ticket, link.client.clone());
                let result = self.publish(from.as_ref(), &publish);
                self.answer(id, Input::PublishDone { ticket, result });
            }
            Output::Subscribe(asked) => self.subscribe(id, asked),
            Output::Unsubscribe(asked) => self.unsubscribe(id, asked),
            Output::Delivered { token, .. } | Output::Dropped { token, .. } => {
                self.shared_tokens.remove(&token);
                self.changed.insert(id);
            }
            Output::Will(will) => {
                let (expiry_s, client) = (link.machine.session_expiry_s(), link.client.clone());
                let at_once = client.and_then(|client| self.wills.hold(self.now, client, will, expiry_s));
                if let Some(will) = at_once {
                    let _ = self.publish(None, &(*will).into());
                }
            }
            Output::SubscribeRefused { .. } | Output::Completed { .. } => {}
            Output::Close { .. } => self.ended(id),
        }
    }

    fn answer(&mut self, id: LinkId, input: Input<'_>) {
        if let Some(link) = self.links.get_mut(&id) {
            link.machine.handle(self.now, input);
        }
    }

    /// The newer connection wins [MQTT-3.1.4-3]; a clean start ends the old session [MQTT-3.1.2-4].
    fn connect(&mut self, id: LinkId, request: &ConnectRequest) {
        let chosen = request.client_id.is_empty().then(|| format!("chosen-{id}"));
        let key: Arc<str> = chosen.as_deref().unwrap_or(&request.client_id).into();
        if let Some(older) = self.clients.get(&key).and_then(|client| client.link) {
            self.answer(older, Input::Disconnect(DisconnectReason::SessionTakenOver));
            self.drain(older);
        }
        if request.clean_start {
            self.session_ended(&key);
        }
        if self.clients.len() >= CLIENTS_MAX && !self.clients.contains_key(&key) {
            return self.answer(id, Input::Refuse(landfall_mqtt::ConnectRefusal::QuotaExceeded));
        }
        self.wills.resumed(&key);
        let client = self.clients.entry(Arc::clone(&key)).or_default();
        (client.link, client.expires_at) = (Some(id), None);
        let resume = client.kept.take();
        if let Some(link) = self.links.get_mut(&id) {
            link.client = Some(key);
        }
        let assigned_client_id = chosen.filter(|_| request.version == Version::V5);
        let accept = Accept { session_present: resume.is_some(), resume, assigned_client_id, ..Accept::default() };
        self.answer(id, Input::Accept(accept));
        self.changed.insert(id);
    }

    fn subscribe(&mut self, id: LinkId, asked: Subscribe) {
        let Some(link) = self.links.get(&id) else { return };
        let before = link.machine.subscriptions().to_vec();
        let is_refused = |subscription: &Subscription| Some(subscription.filter.as_str()) == self.refused_filter.as_deref();
        let grant = |subscription: &Subscription| match is_refused(subscription) {
            true => SubscribeGrant::Refused(SubscribeRefusal::Unspecified),
            false => SubscribeGrant::Granted(Qos::ExactlyOnce),
        };
        let mut grants: Vec<_> = asked.filters.iter().map(grant).collect();
        let Some(key) = link.client.clone() else { return };
        for (subscription, grant) in asked.filters.into_iter().zip(&mut grants) {
            if !matches!(grant, SubscribeGrant::Granted(_)) {
                continue;
            }
            if self.shared.join(&key, &subscription).is_err() {
                *grant = SubscribeGrant::Refused(SubscribeRefusal::QuotaExceeded);
                continue;
            }
            let existed = before.iter().any(|old| old.filter == subscription.filter);
            if subscription.wants_retained(existed)
                && let Some(client) = self.clients.get_mut(&key)
            {
                client.retained.retain(|(earlier, _)| earlier.filter != subscription.filter);
                client.retained.push_back((subscription, None));
            }
        }
        self.answer(id, Input::SubscribeDone { ticket: asked.ticket, grants });
        self.changed.insert(id);
    }

    fn unsubscribe(&mut self, id: LinkId, asked: Unsubscribe) {
        let key = self.links.get(&id).and_then(|link| link.client.clone());
        if let Some(client) = key.as_ref().and_then(|key| self.clients.get_mut(key)) {
            client.retained.retain(|(subscription, _)| asked.filters.iter().all(|f| **f != *subscription.filter.as_str()));
        }
        for filter in &asked.filters {
            key.iter().for_each(|key| self.shared.leave(key, filter));
        }
        self.answer(id, Input::UnsubscribeDone { ticket: asked.ticket });
    }

    fn publish(&mut self, from: Option<&Arc<str>>, publish: &Publish) -> Result<(), PublishRefusal> {
        self.retained.publish(self.now, publish).map_err(|_| PublishRefusal::QuotaExceeded)?;
        let keys: Vec<_> = self.clients.keys().cloned().collect();
        for key in keys {
            let subscriptions = self.subscriptions(&key);
            if let Some(matched) = matched(subscriptions, &publish.topic, from == Some(&key)) {
                self.deliver(&key, publish, matched, None);
            }
        }
        let (links, clients) = (&self.links, &self.clients);
        for chosen in self.shared.choose(&publish.topic, |key| takes(links, clients, key)) {
            self.deliver(&chosen.key, publish, chosen.matched, Some(chosen.filter));
        }
        Ok(())
    }

    fn subscriptions(&self, key: &Arc<str>) -> &[Subscription] {
        let Some(client) = self.clients.get(key) else { return &[] };
        match client.link.and_then(|id| self.links.get(&id)) {
            Some(link) => link.machine.subscriptions(),
            None => client.kept.as_ref().map_or(&[], |kept| &kept.subscriptions),
        }
    }

    fn deliver(&mut self, key: &Arc<str>, publish: &Publish, matched: Matched, shared: Option<Box<str>>) {
        self.next_token += 1;
        let delivery = Delivery::of(self.now, self.next_token, publish, matched);
        self.wait(key, delivery, shared);
    }

    /// Puts a message where it waits for the client; QoS 0 does not wait for one that is not there.
    fn wait(&mut self, key: &Arc<str>, delivery: Delivery, shared: Option<Box<str>>) {
        let Some(client) = self.clients.get_mut(key) else { return };
        let is_kept = client.link.is_some() || delivery.qos > Qos::AtMostOnce;
        if is_kept && client.waiting.len() < WAITING_MAX {
            shared.map(|filter| self.shared_tokens.insert(delivery.token, filter));
            client.waiting.push_back(delivery);
            self.changed.extend(client.link);
        }
    }

    /// Hands on what the machine takes: retained messages first, then what waits.
    fn feed(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(client) = link.client.as_ref().and_then(|key| self.clients.get_mut(key)) else { return };
        while link.machine.deliveries_wanted() > 0 && link.unwritten < UNWRITTEN_FED {
            let retained = client.retained.front_mut().map(|(subscription, after)| {
                let found = self.retained.matching(self.now, &subscription.filter, after.as_deref()).next();
                found.map(|message| {
                    *after = Some(Arc::clone(&message.topic));
                    self.next_token += 1;
                    message.delivery(self.next_token, subscription)
                })
            });
            let next = match retained {
                Some(None) => {
                    client.retained.pop_front();
                    continue;
                }
                Some(found) => found,
                None => client.waiting.pop_front(),
            };
            let Some(delivery) = next else { break };
            link.machine.handle(self.now, Input::Deliver(delivery));
        }
    }

    /// A connection is over; its session is kept or over too.
    fn ended(&mut self, id: LinkId) {
        self.actions.push(Action::Close(id));
        let Some(Link { machine, client: Some(key), .. }) = self.links.remove(&id) else { return };
        let Some(client) = self.clients.get_mut(&key).filter(|client| client.link == Some(id)) else { return };
        let expiry_s = machine.session_expiry_s();
        client.link = None;
        client.kept = Some(Box::new(machine.into_session()));
        client.expires_at = (expiry_s < u32::MAX).then(|| self.now + Duration::from_secs(expiry_s.into()));
        if expiry_s == 0 {
            self.session_ended(&key);
        }
    }

    /// What a member of a shared subscription has not got goes to another one, also what was sent with QoS 1 (MQTT 5, 4.8.2).
    fn session_ended(&mut self, key: &Arc<str>) {
        self.shared.session_ended(key);
        if let Some(will) = self.wills.session_ended(key) {
            let _ = self.publish(None, &(*will).into());
        }
        let Some(client) = self.clients.remove(key) else { return };
        let kept = client.kept.map(|kept| kept.outbound).unwrap_or_default();
        let may_go = kept.into_iter().filter(|message| message.packet_id.is_none() || message.delivery.qos < Qos::ExactlyOnce);
        for delivery in may_go.map(|message| message.delivery).chain(client.waiting) {
            let Some(filter) = self.shared_tokens.remove(&delivery.token) else { continue };
            let (links, clients) = (&self.links, &self.clients);
            let other = self.shared.choose_in(&filter, |key| takes(links, clients, key));
            if let Some(other) = other {
                self.wait(&other.key, delivery, Some(filter));
            }
        }
    }
}

fn takes(links: &BTreeMap<LinkId, Link>, clients: &BTreeMap<Arc<str>, Client>, key: &Arc<str>) -> bool {
    let link = clients.get(key).and_then(|client| links.get(&client.link?));
    link.is_some_and(|link| link.machine.deliveries_wanted() > 0)
}
