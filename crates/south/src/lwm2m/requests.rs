//! What clients ask: Register, Update, De-register, Send, Bootstrap-Request, and discovery of these (LwM2M core, 6.2, 6.4.5, 6.1).

use super::{
    asks::{Ask, Refusal, Register, Registered, Renew},
    client::{Client, Early, Op, Peer},
    hub::{Hub, Moment},
    wire,
};
use landfall_coap::{Message, Ticket};
use landfall_lwm2m::{Code, ContentFormat, LinkLimits, Method, Path, RegisterRequest, Request, Response};
use landfall_model::{DeviceId, Result, StatusDetail};
use std::{collections::VecDeque, sync::atomic::Ordering::Relaxed};

/// What `/.well-known/core` answers.
const RESOURCES: &str = "</rd>;rt=\"core.rd\",</bs>,</dp>";

const UNREGISTERED: &str = "there is no such registration";

impl Hub {
    pub(super) fn request(&mut self, now: Moment, ticket: Ticket, peer: Peer, message: &Message) {
        let Some(request) = wire::request(message) else {
            let text = "the method is not one of LwM2M";
            return self.turn_away(now, ticket, peer, ("coap.request", "method"), Code::METHOD_NOT_ALLOWED, text);
        };
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        match (request.method, &path[..]) {
            (Method::Post, ["rd"]) => self.register(now, ticket, peer, request),
            (Method::Post, ["rd", location]) => match self.registered_at(location, peer) {
                Some(device) => self.renew(now, ticket, peer, device, request),
                None => self.turn_away(now, ticket, peer, ("lwm2m.update", "registration"), Code::NOT_FOUND, UNREGISTERED),
            },
            (Method::Delete, ["rd", location]) => match self.registered_at(location, peer) {
                Some(device) => self.end(now, Some(ticket), device, StatusDetail::None),
                None => self.turn_away(now, ticket, peer, ("lwm2m.deregister", "registration"), Code::NOT_FOUND, UNREGISTERED),
            },
            (Method::Post, ["dp"]) => self.report(now, ticket, peer, request),
            (Method::Post, ["bs"]) => self.bootstrap(now, ticket, peer, &request),
            (Method::Get, [".well-known", "core"]) => {
                self.respond(now, ticket, Response::content(ContentFormat::LINK, RESOURCES.as_bytes().to_vec()));
            }
            (_, ["rd"] | ["rd", _] | ["dp"] | ["bs"] | [".well-known", "core"]) => {
                self.stray(now, ticket, peer, "method", Code::METHOD_NOT_ALLOWED);
            }
            _ => self.stray(now, ticket, peer, "path", Code::NOT_FOUND),
        }
    }

    fn register(&mut self, now: Moment, ticket: Ticket, peer: Peer, request: Request) {
        let limits = LinkLimits::default();
        let parsed = RegisterRequest::parse(&request.query, request.content_format, &request.payload, &limits);
        let request = match parsed {
            Ok(request) => request,
            Err(error) => {
                let step = ("lwm2m.register", "request");
                return self.turn_away(now, ticket, peer, step, error.code(), &error.to_string());
            }
        };
        let session_of = match peer {
            Peer::Plain(_) => None,
            Peer::Secure(session) => self.sessions.device(session),
        };
        let (from, location) = (self.address_of(peer), self.random_u64());
        self.ask(Ask::Register(Box::new(Register { ticket, peer, from, session_of, request, location })));
    }

    /// The device that is registered at a location: over DTLS only its own session finds it; without, the location is what it knows.
    fn registered_at(&self, location: &str, peer: Peer) -> Option<DeviceId> {
        let location = Some(location).filter(|text| text.len() == 16).and_then(|text| u64::from_str_radix(text, 16).ok())?;
        let device = *self.by_location.get(&location)?;
        let client = self.clients.get(&device)?;
        match (peer, client.peer) {
            (Peer::Secure(session), _) => (self.sessions.device(session) == Some(device)).then_some(device),
            (Peer::Plain(_), Peer::Plain(_)) => Some(device),
            (Peer::Plain(_), Peer::Secure(_)) => None,
        }
    }

    fn renew(&mut self, now: Moment, ticket: Ticket, peer: Peer, device: DeviceId, request: Request) {
        self.moved(now, device, peer);
        let (from, generation) = (self.address_of(peer), self.random_u64() as u16);
        let Request { query, content_format, payload, .. } = request;
        self.ask(Ask::Renew(Box::new(Renew { ticket, device, peer, from, query, content_format, payload, generation })));
    }

    pub(super) fn registered(
        &mut self,
        now: Moment,
        ticket: Ticket,
        peer: Peer,
        outcome: std::result::Result<Box<Registered>, Refusal>,
    ) {
        let done = match outcome {
            Ok(done) => done,
            Err(refusal) => {
                return self.refuse(now, ticket, refusal.code, &refusal.text);
            }
        };
        self.shared.tally.registrations.fetch_add(1, Relaxed);
        let Registered { registration, plan, look, .. } = *done;
        let device = registration.device;
        let orders = self.take_orders(device);
        self.remove(now, device);
        let Ok(location) = u64::from_str_radix(&registration.location, 16) else { return };
        // The session may have been replaced while the registration was stored.
        let peer = match (peer, self.sessions.newest(device)) {
            (Peer::Secure(_), Some(newest)) => Peer::Secure(newest),
            _ => peer,
        };
        let mut client = Client {
            peer,
            location,
            expires_at: registration.expires_at,
            queue_mode: registration.queue_mode,
            reachable: true,
            awake_until: now.since,
            generation: registration.observed.generation,
            maybe_work: true,
            seen: vec![None; plan.observe.len()].into(),
            ended: vec![],
            unkept: false,
            plan: Some(plan),
            busy: None,
        };
        // A device that slept may come back by registering: what waits for it goes on waiting.
        if !orders.is_empty() {
            client.busy().ops.extend(orders.into_iter().map(|order| Op::Direct(Box::new(order))));
        }
        self.insert(device, client);
        self.heard(now, device);
        let mut response = Response::new(Code::CREATED);
        response.location = vec!["rd".into(), registration.location];
        self.respond(now, ticket, response);
        self.begin(now, device, true);
        if look.is_stale() {
            self.attach(device);
        }
    }

    pub(super) fn renewed(
        &mut self,
        now: Moment,
        ticket: Ticket,
        device: DeviceId,
        peer: Peer,
        outcome: std::result::Result<Box<Registered>, Refusal>,
    ) {
        let done = match outcome {
            Ok(done) => done,
            Err(refusal) => {
                self.note(Some(device), String::new(), peer, "lwm2m.update", "request", refusal.text.clone());
                return self.refuse(now, ticket, refusal.code, &refusal.text);
            }
        };
        self.shared.tally.registrations.fetch_add(1, Relaxed);
        let Registered { registration, plan, anew, look } = *done;
        let mut begin = anew;
        if let Some(client) = self.clients.get_mut(&device) {
            // After a restart nothing is known of the observations, and beginning them again harms nobody.
            begin |= client.plan.is_none();
            client.expires_at = registration.expires_at;
            client.queue_mode = registration.queue_mode;
            client.generation = registration.observed.generation;
            if begin {
                client.seen = vec![None; plan.observe.len()].into();
                client.ended = vec![];
                client.plan = Some(plan);
            } else {
                client.follow(plan, &[]);
            }
        }
        self.heard(now, device);
        self.came_back(now, device, peer);
        self.check_kept(device, &registration.observed);
        self.respond(now, ticket, Response::new(Code::CHANGED));
        if look.is_stale() {
            self.attach(device);
        }
        if begin {
            self.begin(now, device, false);
        } else {
            self.pump(now, device);
        }
    }

    /// Queues the observations and reads that follow a registration. What a node says of itself is read at a new one alone.
    pub(super) fn begin(&mut self, now: Moment, device: DeviceId, registers: bool) {
        if let Some(client) = self.clients.get_mut(&device)
            && let Some(plan) = client.plan.clone()
        {
            let learn: &[Path] = plan.node.as_ref().filter(|_| registers).map_or(&[], |wanted| &wanted.learn);
            let learns = learn.iter().copied().map(Op::Learn);
            let reads =
                plan.read.iter().copied().filter(|path| !learn.iter().any(|learned| learned.contains(path))).map(Op::Read);
            let ops: VecDeque<Op> = learns.chain(plan.observe.iter().copied().map(Op::Observe)).chain(reads).collect();
            let busy = client.busy();
            busy.ops.retain(|op| matches!(op, Op::Work { .. } | Op::Direct(_)) || !registers && matches!(op, Op::Learn(_)));
            busy.ops.extend(ops);
        }
        self.pump(now, device);
    }

    pub(super) fn deregistered(&mut self, now: Moment, ticket: Option<Ticket>, outcome: Result<()>) {
        if let Err(error) = &outcome {
            tracing::warn!(%error, "a registration could not be ended");
        }
        let Some(ticket) = ticket else { return };
        match outcome {
            Ok(()) => self.respond(now, ticket, Response::new(Code::DELETED)),
            Err(_) => self.refuse(now, ticket, Code::SERVICE_UNAVAILABLE, ""),
        }
    }

    /// Send (1.1): reports that were not asked for.
    fn report(&mut self, now: Moment, ticket: Ticket, peer: Peer, request: Request) {
        let Some(device) = self.device_of(peer).filter(|device| self.clients.contains_key(device)) else {
            return self.turn_away(now, ticket, peer, ("lwm2m.send", "registration"), Code::NOT_FOUND, "register first");
        };
        self.heard(now, device);
        self.came(now, device, Early::Sent(ticket, request));
    }

    /// Refuses a request for what is not there, in no words: nobody knows who is answered.
    fn stray(&mut self, now: Moment, ticket: Ticket, peer: Peer, check: &'static str, code: Code) {
        let detail = format!("there is no such resource or method here: {code}");
        self.note(self.device_of(peer), String::new(), peer, "coap.request", check, detail);
        self.refuse(now, ticket, code, "");
    }

    /// Refuses a request and tells why, in the same words.
    pub(super) fn turn_away(
        &mut self,
        now: Moment,
        ticket: Ticket,
        peer: Peer,
        (step, check): (&'static str, &'static str),
        code: Code,
        text: &str,
    ) {
        self.note(self.device_of(peer), String::new(), peer, step, check, text.to_owned());
        self.refuse(now, ticket, code, text);
    }

    pub(super) fn refuse(&mut self, now: Moment, ticket: Ticket, code: Code, text: &str) {
        self.respond(now, ticket, Response::error(code, text));
    }

    pub(super) fn respond(&mut self, now: Moment, ticket: Ticket, response: Response) {
        if let Err(error) = self.coap.respond(now.since, ticket, wire::answer(response)) {
            tracing::debug!(?error, "an answer came too late");
        }
    }
}
