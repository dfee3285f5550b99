//! A simulated LwM2M device: a client's resources over CoAP, over DTLS if it has a key. For tests, the demonstration and the benchmark.
//!
//! Absent: sockets, clocks and addresses. What it does by itself is what the protocols demand; everything else its owner tells it.

mod link;
mod wire;

use crate::world::Seeded;
use landfall_coap::{
    Config, Endpoint, ExchangeId, Failure, Limits, NotifyOutcome, Output, Retransmit, SendOptions, Ticket, Token,
};
use landfall_dtls::{ClientConfig, ClientOutput, CloseReason, Random, Suite};
use landfall_lwm2m::{
    Code, ContentFormat, Entry, Method, Observe, Path, Request, UpdateRequest, Value,
    operation::{self, OperationError},
    sim,
};
use link::Link;
use std::{collections::VecDeque, time::Duration};

/// Events and requests kept until they are taken; of more, the oldest are forgotten.
const KEPT: usize = 1_024;
/// Confirmable notifications that may wait; further ones are not sent.
const UNSENT: usize = 256;
/// Resource that [`SimDevice::uplink`] speaks from.
const UPLINK: Path = Path::resource(19, 0, 0);

/// What a device asks of its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Verb {
    Register,
    Update,
    Deregister,
    Send,
    Bootstrap,
}

/// What happened to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// The server did what it was asked.
    Done(Verb),
    /// The server refused, with this code.
    Refused(Verb, Code),
    /// The server did not answer, or the session broke. After silence over DTLS it begins a new handshake.
    Unanswered(Verb),
    /// A DTLS handshake succeeded.
    Secured {
        /// The suite in use.
        suite: Suite,
        /// From the secret of an earlier session.
        resumed: bool,
        /// The server gave a Connection ID.
        cid: bool,
    },
    /// A DTLS session or handshake ended.
    Unsecured(CloseReason),
    /// A notification arrived: acknowledged, or not rejected where it was not confirmable.
    Notified,
    /// A notification did not; its observation is over.
    NotNotified(NotifyOutcome),
}

/// A device. Give it datagrams with [`SimDevice::handle`], time with [`SimDevice::timeout`] when [`SimDevice::poll_timeout`] says so, and after
/// each call of any method take datagrams for its server from [`SimDevice::poll`].
pub struct SimDevice {
    lwm2m: sim::Client,
    coap: Endpoint<()>,
    link: Link,
    seed: u64,
    asleep: bool,
    /// Notifications want an acknowledgement.
    confirms: bool,
    /// Where it is registered.
    location: Vec<String>,
    asked: Vec<(ExchangeId, Verb)>,
    notified: Vec<(ExchangeId, u64)>,
    /// Confirmable notifications that wait for the one before (NSTART, RFC 7252 4.7).
    unsent: VecDeque<(u64, Token, landfall_coap::Message)>,
    observations: Vec<(u64, Token)>,
    observed: u64,
    outgoing: VecDeque<Vec<u8>>,
    happened: VecDeque<Happened>,
    served: VecDeque<Request>,
}

impl SimDevice {
    /// A device over plain CoAP. Its identifiers and keys follow from `seed`.
    #[must_use]
    pub fn new(lwm2m: sim::Client, seed: u64) -> Self {
        Self {
            lwm2m,
            coap: endpoint(seed, Retransmit::default()),
            link: Link::Plain,
            seed,
            asleep: false,
            confirms: true,
            location: vec![],
            asked: vec![],
            notified: vec![],
            unsent: VecDeque::new(),
            observations: vec![],
            observed: 0,
            outgoing: VecDeque::new(),
            happened: VecDeque::new(),
            served: VecDeque::new(),
        }
    }

    /// The same device over DTLS.
    #[must_use]
    pub fn secured(self, config: ClientConfig) -> Self {
        Self { link: Link::secure(config, random(!self.seed)), ..self }
    }

    /// The same device with other patience.
    #[must_use]
    pub fn retransmitting(self, retransmit: Retransmit) -> Self {
        Self { coap: endpoint(self.seed, retransmit), ..self }
    }

    /// The same device with non-confirmable notifications, where no attribute says otherwise.
    #[must_use]
    pub fn unconfirmed(self) -> Self {
        Self { confirms: false, ..self }
    }

    /// Its resources, and what was executed.
    pub fn lwm2m(&mut self) -> &mut sim::Client {
        &mut self.lwm2m
    }

    /// What happened since the last call.
    pub fn take_happened(&mut self) -> Vec<Happened> {
        self.happened.drain(..).collect()
    }

    /// What the server asked since the last call, each once.
    pub fn take_served(&mut self) -> Vec<Request> {
        self.served.drain(..).collect()
    }

    /// Whether the server took its registration, and it did not end it since.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        !self.location.is_empty()
    }

    /// Notifications that wait to be acknowledged.
    #[must_use]
    pub fn unsettled(&self) -> usize {
        self.notified.len() + self.unsent.len()
    }

    /// Takes a datagram from the server; one that comes while it sleeps is lost.
    pub fn handle(&mut self, now: Duration, datagram: &[u8]) {
        if self.asleep {
            return;
        }
        match self.link.dtls() {
            Some(dtls) => dtls.handle(now, datagram),
            None => self.coap.handle(now, (), datagram),
        }
        self.turn(now);
    }

    /// Does what is due at `now`.
    pub fn timeout(&mut self, now: Duration) {
        if self.asleep {
            return;
        }
        if let Some(dtls) = self.link.dtls() {
            dtls.timeout(now);
        }
        self.coap.timeout(now);
        self.turn(now);
    }

    /// When to call [`SimDevice::timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        if self.asleep {
            return None;
        }
        let due = self.lwm2m.poll_timeout().map(Duration::from_millis);
        [self.link.poll_timeout(), self.coap.poll_timeout(), due].into_iter().flatten().min()
    }

    /// The next datagram for the server.
    pub fn poll(&mut self) -> Option<Vec<u8>> {
        self.outgoing.pop_front()
    }

    /// Registers.
    pub fn register(&mut self, now: Duration) {
        let request = self.lwm2m.register().to_request();
        self.ask(now, &request, Verb::Register);
    }

    /// Updates its registration, if it has one, without changing anything.
    pub fn update(&mut self, now: Duration) {
        self.update_with(now, &UpdateRequest::default());
    }

    /// Updates its registration, if it has one.
    pub fn update_with(&mut self, now: Duration, change: &UpdateRequest) {
        if self.is_registered() {
            let request = change.to_request(self.location.clone(), self.lwm2m.register().version);
            self.ask(now, &request, Verb::Update);
        }
    }

    /// Ends its registration, if it has one.
    pub fn deregister(&mut self, now: Duration) {
        if self.is_registered() {
            let request = Request::new(Method::Delete, std::mem::take(&mut self.location));
            self.ask(now, &request, Verb::Deregister);
        }
    }

    /// Changes a resource; who observes it is notified.
    pub fn set(&mut self, now: Duration, path: Path, value: Value) {
        self.lwm2m.set(path, value);
        self.turn(now);
    }

    /// Speaks a frame of its own format through the object of binary data; the same frame twice is no news to observers.
    pub fn uplink(&mut self, now: Duration, frame: &[u8]) {
        self.set(now, UPLINK, Value::Opaque(frame.to_vec()));
    }

    /// Asks to be told its server and key; until the server is done, what it asks counts as a bootstrap server's.
    pub fn bootstrap(&mut self, now: Duration) {
        let request = self.lwm2m.bootstrap().to_request();
        self.ask(now, &request, Verb::Bootstrap);
    }

    /// Sends values that nobody asked for (since 1.1).
    ///
    /// # Errors
    /// Values that SenML CBOR cannot say.
    pub fn send(&mut self, now: Duration, entries: &[Entry]) -> Result<(), OperationError> {
        let request = operation::send(entries, ContentFormat::SENML_CBOR)?;
        self.ask(now, &request, Verb::Send);
        Ok(())
    }

    /// Hears and says nothing until it wakes.
    pub fn sleep(&mut self) {
        self.asleep = true;
    }

    /// Hears again, and says what it did not say meanwhile.
    pub fn wake(&mut self, now: Duration) {
        self.asleep = false;
        self.timeout(now);
    }

    /// Loses its DTLS session, as after losing power; the next word is a handshake, short if `resumes`.
    pub fn lose_session(&mut self, now: Duration, resumes: bool) {
        if let Some(dtls) = self.link.dtls()
            && !resumes
        {
            dtls.forget();
        }
        self.link.distrust(now);
        self.turn(now);
    }

    /// Says goodbye to its DTLS session (close_notify), as before it sleeps; the next word is a short handshake.
    pub fn close_session(&mut self, now: Duration) {
        if let Some(dtls) = self.link.dtls() {
            dtls.close();
        }
        self.turn(now);
    }

    fn ask(&mut self, now: Duration, request: &Request, verb: Verb) {
        match self.coap.request(now, (), wire::asking(request), SendOptions::default()) {
            Ok(id) => self.asked.push((id, verb)),
            Err(_) => self.tell(Happened::Unanswered(verb)),
        }
        self.turn(now);
    }

    /// Passes on what its layers want until none wants anything.
    fn turn(&mut self, now: Duration) {
        loop {
            if let Some(output) = self.link.poll() {
                self.take_dtls(now, output);
            } else if let Some(output) = self.coap.poll() {
                self.take_coap(now, output);
            } else if self.asleep || !self.notify(now) {
                return;
            }
        }
    }

    fn take_dtls(&mut self, now: Duration, output: ClientOutput) {
        match output {
            ClientOutput::Send(datagram) => self.outgoing.push_back(datagram),
            ClientOutput::Data(message) => self.coap.handle(now, (), &message),
            ClientOutput::Established { suite, resumed, cid } => self.tell(Happened::Secured { suite, resumed, cid }),
            ClientOutput::Closed(reason) => {
                self.coap.forget(());
                self.tell(Happened::Unsecured(reason));
            }
        }
    }

    fn take_coap(&mut self, now: Duration, output: Output<()>) {
        match output {
            Output::Send { datagram, .. } => {
                let plain = self.link.send(now, datagram.to_vec());
                self.outgoing.extend(plain);
            }
            Output::Request { ticket, token, request, .. } => self.serve(now, ticket, &token, &request),
            Output::Response { id, response, .. } => {
                let Some(verb) = take(&mut self.asked, id) else { return };
                if response.code.is_success() {
                    if verb == Verb::Register {
                        self.location = response.opts().location_path().map(str::to_owned).collect();
                    }
                    self.tell(Happened::Done(verb));
                } else {
                    self.tell(Happened::Refused(verb, Code(response.code.0)));
                }
            }
            Output::Failed { id, cause, .. } => {
                let Some(verb) = take(&mut self.asked, id) else { return };
                if cause == Failure::Timeout {
                    self.link.distrust(now);
                }
                self.tell(Happened::Unanswered(verb));
            }
            Output::NotifyDone { id, outcome, .. } => {
                let Some(name) = take(&mut self.notified, id) else { return };
                if matches!(outcome, NotifyOutcome::Acked | NotifyOutcome::Unconfirmed) {
                    return self.tell(Happened::Notified);
                }
                self.lwm2m.cancel(name);
                self.unsent.retain(|(known, ..)| *known != name);
                self.observations.retain(|(known, _)| *known != name);
                self.tell(Happened::NotNotified(outcome));
            }
            Output::Notification { ticket, .. } => {
                let _ = self.coap.reject(now, ticket);
            }
            Output::Acknowledged { .. } | Output::Refused { .. } => {}
        }
    }

    fn serve(&mut self, now: Duration, ticket: Ticket, token: &Token, message: &landfall_coap::Request) {
        let Some(request) = wire::asked(message) else {
            let _ = self.coap.respond(now, ticket, landfall_coap::Message::new(landfall_coap::Code::METHOD_NOT_ALLOWED));
            return;
        };
        let known = self.observations.iter().find(|(_, known)| known == token).map(|(name, _)| *name);
        let name = known.unwrap_or(self.observed);
        let response = self.lwm2m.handle(now.as_millis() as u64, name, &request);
        if request.observe == Some(Observe::Register) && response.observe.is_some() && known.is_none() {
            self.observations.push((name, token.clone()));
            self.observed += 1;
        }
        if request.observe == Some(Observe::Cancel) {
            self.observations.retain(|(_, known)| known != token);
        }
        keep(&mut self.served, request);
        let _ = self.coap.respond(now, ticket, wire::answering(&response));
    }

    /// Sends the notifications that are due; false: there are none.
    fn notify(&mut self, now: Duration) -> bool {
        let due = self.lwm2m.poll(now.as_millis() as u64);
        for notification in &due {
            let known = self.observations.iter().find(|(name, _)| *name == notification.observation);
            let Some((name, token)) = known.cloned() else { continue };
            let message = wire::answering(&notification.response);
            if !notification.confirmable.unwrap_or(self.confirms) {
                self.send_notification(now, name, token, message, false);
            } else if self.unsent.len() < UNSENT {
                self.unsent.push_back((name, token, message));
            } else {
                self.tell(Happened::NotNotified(NotifyOutcome::Dropped));
            }
        }
        let next = if self.notified.is_empty() { self.unsent.pop_front() } else { None };
        let sends = next.is_some();
        if let Some((name, token, message)) = next {
            self.send_notification(now, name, token, message, true);
        }
        sends || !due.is_empty()
    }

    fn send_notification(&mut self, now: Duration, name: u64, token: Token, message: landfall_coap::Message, confirmable: bool) {
        match self.coap.notify(now, (), token, message, confirmable) {
            Ok(id) => self.notified.push((id, name)),
            Err(_) => self.tell(Happened::NotNotified(NotifyOutcome::Dropped)),
        }
    }

    fn tell(&mut self, what: Happened) {
        keep(&mut self.happened, what);
    }
}

fn keep<T>(kept: &mut VecDeque<T>, new: T) {
    if kept.len() >= KEPT {
        kept.pop_front();
    }
    kept.push_back(new);
}

fn take<T>(all: &mut Vec<(ExchangeId, T)>, id: ExchangeId) -> Option<T> {
    let at = all.iter().position(|(known, _)| *known == id)?;
    Some(all.swap_remove(at).1)
}

fn endpoint(seed: u64, retransmit: Retransmit) -> Endpoint<()> {
    Endpoint::new(Config { retransmit, ..Config::default() }, Limits::default(), random(seed))
}

fn random(seed: u64) -> Random {
    let mut seeded = Seeded::new(seed);
    Box::new(move |bytes| seeded.fill(bytes))
}

#[cfg(test)]
mod tests;
