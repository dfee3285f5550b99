//! The machine: DTLS below, CoAP in the middle, clients above. It owns them, passes between them, and asks the core by questions.

use super::{
    Lwm2m,
    asks::{Answer, Ask, answer},
    client::{Client, Op, Peer},
    roaming::Roaming,
    sessions::Sessions,
    wire,
};
use crate::{
    driver::datagram::{self, DatagramMachine},
    note::Note,
};
use futures_util::future::BoxFuture;
use landfall_coap::{self as coap, Endpoint, ExchangeId, Retransmit, Ticket};
use landfall_core::CloseCause;
use landfall_dtls::{self as dtls, Server};
use landfall_model::{DeviceId, Registration, SecureSession, StatusDetail};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

pub(crate) use crate::driver::Moment;

/// What the hub wants done.
pub(crate) type Effect = datagram::Effect<Ask>;

/// All LwM2M clients of this process.
pub(crate) struct Hub {
    pub(super) shared: Arc<Lwm2m>,
    pub(super) dtls: Server,
    pub(super) coap: Endpoint<Peer>,
    pub(super) sessions: Sessions,
    pub(super) roaming: Roaming,
    pub(super) clients: HashMap<DeviceId, Client>,
    pub(super) by_location: HashMap<u64, DeviceId>,
    pub(super) by_address: HashMap<SocketAddr, DeviceId>,
    pub(super) exchanges: HashMap<ExchangeId, (DeviceId, Op)>,
    pub(super) bootstraps: super::bootstrap::Bootstraps,
    pub(super) strays: super::endings::Strays,
    /// Direct requests by the time they end at.
    pub(super) orders: BTreeMap<(Duration, u64), DeviceId>,
    pub(super) order_number: u64,
    pub(super) effects: VecDeque<Effect>,
    random: dtls::Random,
}

impl Hub {
    pub(crate) fn new(shared: Arc<Lwm2m>) -> Self {
        let random = |world: &Arc<dyn landfall_core::World>| {
            let world = Arc::clone(world);
            Box::new(move |bytes: &mut [u8]| world.random(bytes))
        };
        let config = &shared.config;
        let dtls = dtls::Config { sessions: config.sessions, require_ems: config.require_ems, ..Default::default() };
        let retransmit = Retransmit { ack_timeout: Duration::from_millis(config.ack_timeout_ms), ..Default::default() };
        let times = coap::Config { retransmit, ..Default::default() };
        let limits = coap::Limits { body_bytes: config.body_bytes, ..Default::default() };
        Self {
            dtls: Server::new(dtls, random(&shared.world)),
            coap: Endpoint::new(times, limits, random(&shared.world)),
            sessions: Sessions::default(),
            roaming: Roaming::default(),
            clients: HashMap::new(),
            by_location: HashMap::new(),
            by_address: HashMap::new(),
            exchanges: HashMap::new(),
            bootstraps: Default::default(),
            strays: Default::default(),
            orders: BTreeMap::new(),
            order_number: 0,
            effects: VecDeque::new(),
            random: random(&shared.world),
            shared,
        }
    }

    /// Takes back what an earlier run left.
    pub(crate) fn restore(&mut self, sessions: Vec<SecureSession>, registrations: Vec<Registration>) {
        for session in sessions {
            self.restore_session(&session);
        }
        self.shared.tally.sessions.store(self.dtls.sessions() as u64, Relaxed);
        for registration in registrations {
            let Some(peer) = self.restored_peer(&registration) else { continue };
            let Ok(location) = u64::from_str_radix(&registration.location, 16) else { continue };
            let client = Client {
                peer,
                location,
                expires_at: registration.expires_at,
                queue_mode: registration.queue_mode,
                reachable: true,
                awake_until: Duration::ZERO,
                generation: registration.observed.generation,
                maybe_work: true,
                plan: None,
                seen: Box::default(),
                ended: vec![],
                unkept: false,
                busy: None,
            };
            self.insert(registration.device, client);
        }
    }

    /// A client whose session was lost is still registered: its next handshake gives it another one.
    fn restored_peer(&self, registration: &Registration) -> Option<Peer> {
        match registration.session {
            Some(session) => Some(Peer::Secure(session)),
            None => registration.peer.parse().ok().map(Peer::Plain),
        }
    }
}

impl DatagramMachine for Hub {
    type Ask = Ask;
    type Answer = Answer;

    fn datagram(&mut self, now: Moment, secure: bool, from: SocketAddr, datagram: &[u8]) {
        if secure {
            self.dtls.handle(now.since, from, datagram);
        } else {
            self.coap.handle(now.since, Peer::Plain(from), datagram);
        }
        self.turn(now);
    }

    fn timeout(&mut self, now: Moment) {
        self.dtls.timeout(now.since);
        self.coap.timeout(now.since);
        self.late_orders(now);
        self.save_used(now);
        self.late_pings(now);
        self.turn(now);
    }

    fn rung(&self) -> impl Future<Output = ()> + Send {
        self.shared.desk.rung()
    }

    fn word(&mut self, now: Moment) {
        let word = self.shared.desk.take();
        for (device, why) in word.close {
            self.close(now, device, why);
        }
        for device in word.lifetime_over {
            if self.clients.get(&device).is_some_and(|client| client.expires_at <= now.at) {
                self.end(now, None, device, StatusDetail::TimeOut);
            }
        }
        for device in word.wake {
            if let Some(client) = self.clients.get_mut(&device) {
                client.maybe_work = true;
                client.busy().woken = true;
                self.pump(now, device);
            }
        }
        for (device, frames) in word.frames {
            self.acknowledge(now, device, frames);
        }
        for device in word.anew {
            self.attach(device);
        }
        for device in word.abandoned {
            self.drop_orders(device);
        }
        for (device, order) in word.orders {
            self.order(now, device, order);
        }
        self.turn(now);
    }

    fn consult(&self, ask: Ask) -> BoxFuture<'static, Answer> {
        Box::pin(answer(Arc::clone(&self.shared), ask))
    }

    fn answered(&mut self, now: Moment, answer: Answer) {
        match answer {
            Answer::Psk { lookup, identity, found } => self.psk(now, lookup, identity, found),
            Answer::Whose { session, device } => self.whose(now, session, device),
            Answer::Registered { ticket, peer, outcome } => self.registered(now, ticket, peer, outcome),
            Answer::Renewed { ticket, device, peer, outcome } => self.renewed(now, ticket, device, peer, outcome),
            Answer::Deregistered { ticket, outcome } => self.deregistered(now, ticket, outcome),
            Answer::Attached { device, outcome } => self.attached(now, device, outcome),
            Answer::Stored { device, settle, outcome } => self.stored(now, device, settle, outcome),
            Answer::Observes { device, outcome } => self.standing_kept(device, outcome),
            Answer::Work { device, outcome } => self.work(now, device, outcome),
            Answer::Told { device, outcome } => self.told(now, device, outcome),
            Answer::Saved(saved) => self.saved(now, saved),
            Answer::Bootstrap { session, outcome } => self.bootstrap_known(now, session, outcome),
            Answer::Nothing => {}
        }
        self.turn(now);
    }

    fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn poll_timeout(&self) -> Option<Duration> {
        let order = self.orders.keys().next().map(|(due, _)| *due);
        let ping = self.roaming.next_due();
        [self.dtls.poll_timeout(), self.coap.poll_timeout(), self.sessions.next_save(), order, ping].into_iter().flatten().min()
    }

    fn stop(&mut self) {
        self.save_all();
    }
}

impl Hub {
    /// Passes what the layers want on until none wants anything.
    fn turn(&mut self, now: Moment) {
        loop {
            if let Some(output) = self.dtls.poll() {
                self.take_dtls(now, output);
            } else if let Some(output) = self.coap.poll() {
                self.take_coap(now, output);
            } else {
                let counted = self.dtls.counters();
                self.shared.tally.sessions.store(self.dtls.sessions() as u64, Relaxed);
                self.shared.tally.unreported.store(counted.refusals_unreported, Relaxed);
                self.shared.tally.forged.store(counted.forged + counted.shed, Relaxed);
                return;
            }
        }
    }

    fn take_coap(&mut self, now: Moment, output: coap::Output<Peer>) {
        match output {
            coap::Output::Send { peer: Peer::Plain(to), datagram } => {
                self.effects.push_back(Effect::Send { secure: false, to, datagram });
            }
            coap::Output::Send { peer: Peer::Secure(session), datagram } => self.send(now, session, &datagram),
            coap::Output::Request { ticket, peer, request, .. } => self.request(now, ticket, peer, &request),
            coap::Output::Response { id, peer, response, .. } => self.response(now, id, peer, &response),
            coap::Output::Failed { id, cause, .. } => self.failed(now, id, cause),
            coap::Output::Notification { ticket, peer, token, message, .. } => {
                self.notification(now, ticket, peer, token, message);
            }
            coap::Output::Refused { peer, check } => {
                let device = self.device_of(peer);
                self.note(device, String::new(), peer, "coap.message", check.name, wire::told(check));
            }
            coap::Output::Acknowledged { .. } | coap::Output::NotifyDone { .. } => {}
        }
    }

    /// Registers a client, in the place of the one that the device had.
    pub(super) fn insert(&mut self, device: DeviceId, client: Client) {
        self.by_location.insert(client.location, device);
        if let Peer::Plain(address) = client.peer {
            self.by_address.insert(address, device);
        }
        self.clients.insert(device, client);
        self.shared.desk.enter(device);
    }

    /// Takes a client out and ends what is under way with it.
    pub(super) fn remove(&mut self, now: Moment, device: DeviceId) -> Option<Client> {
        for order in self.take_orders(device) {
            self.settle_order(order, Err(super::direct::not_registered()));
        }
        let mut client = self.clients.remove(&device)?;
        self.give_up(now, &mut client);
        self.by_location.remove(&client.location);
        if let Peer::Plain(address) = client.peer
            && self.by_address.get(&address) == Some(&device)
        {
            self.by_address.remove(&address);
        }
        self.shared.desk.leave(device);
        if let Some(exchange) = client.busy.as_ref().and_then(|busy| busy.exchange) {
            self.coap.cancel(now.since, exchange);
        }
        Some(client)
    }

    fn close(&mut self, now: Moment, device: DeviceId, why: CloseCause) {
        match why {
            CloseCause::Deleted => drop(self.remove(now, device)),
            CloseCause::CredentialsChanged => self.end(now, None, device, StatusDetail::None),
        }
        self.end_session(now, device);
    }

    /// Ends a registration, here and in the store.
    pub(super) fn end(&mut self, now: Moment, ticket: Option<Ticket>, device: DeviceId, detail: StatusDetail) {
        if let Some(Client { location, .. }) = self.remove(now, device) {
            self.ask(Ask::Deregister { ticket, device, location, detail });
        }
    }

    /// The client is at another address or session now.
    pub(super) fn moved(&mut self, now: Moment, device: DeviceId, to: Peer) {
        let Some(client) = self.clients.get_mut(&device).filter(|client| client.peer != to) else { return };
        let from = std::mem::replace(&mut client.peer, to);
        if let Peer::Plain(address) = from
            && self.by_address.get(&address) == Some(&device)
        {
            self.by_address.remove(&address);
        }
        if let Peer::Plain(address) = to {
            self.by_address.insert(address, device);
        }
        match (from, to) {
            (Peer::Plain(_), Peer::Plain(_)) => self.coap.rename(now.since, from, to),
            // Another session is another endpoint: message identifiers, tokens and answers of the one mean nothing in the other (RFC 7252 1.2).
            _ => self.coap.forget(from),
        }
    }

    /// The registered device at the other end, if there is one.
    pub(super) fn device_of(&self, peer: Peer) -> Option<DeviceId> {
        match peer {
            Peer::Plain(address) => self.by_address.get(&address).copied(),
            Peer::Secure(session) => self.sessions.device(session),
        }
    }

    /// The network address of the other end: of a session, where its newest record came from.
    pub(super) fn address_of(&self, peer: Peer) -> Option<SocketAddr> {
        match peer {
            Peer::Plain(address) => Some(address),
            Peer::Secure(session) => self.dtls.session(dtls::SessionId(session)).map(|known| known.claimed.unwrap_or(known.peer)),
        }
    }

    /// The client was heard: it can be sent to.
    pub(super) fn heard(&mut self, now: Moment, device: DeviceId) {
        let awake = self.shared.awake();
        if let Some(client) = self.clients.get_mut(&device) {
            client.reachable = true;
            client.awake_until = now.since + awake;
        }
    }

    pub(super) fn ask(&mut self, ask: Ask) {
        self.effects.push_back(Effect::Ask(ask));
    }

    pub(super) fn random_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        (self.random)(&mut bytes);
        u64::from_be_bytes(bytes)
    }

    pub(super) fn note(
        &mut self,
        device: Option<DeviceId>,
        identity: String,
        peer: Peer,
        step: &'static str,
        check: &'static str,
        detail: String,
    ) {
        let peer = self.address_of(peer);
        self.refused(device, identity, peer, step, check, detail);
    }

    /// Counts and tells a refusal. Only where somebody is named the core is asked who that is.
    pub(super) fn refused(
        &mut self,
        device: Option<DeviceId>,
        identity: String,
        peer: Option<SocketAddr>,
        step: &'static str,
        check: &'static str,
        detail: String,
    ) {
        if device.is_none() && identity.is_empty() {
            self.shared.refused(None, Note { identity: "", peer, step, check, detail });
        } else {
            self.ask(Ask::Note { device, identity, peer, step, check, detail });
        }
    }
}
