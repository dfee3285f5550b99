//! Bootstrap, asked for by the client (LwM2M core, 6.1): over DTLS, the holder of a device's key is told to register here with that key.

use super::{
    asks::{Ask, Refusal},
    client::Peer,
    hub::{Hub, Moment},
    wire,
};
use landfall_coap::{ExchangeId, Message, Ticket};
use landfall_lwm2m::{
    Binding, Code, Path, Request, Response,
    bootstrap::{BootstrapConfig, BootstrapRequest, Progress, SecurityInstance, SecurityMode, Sequence, ServerInstance},
};
use std::collections::HashMap;

/// Bootstraps under way; further ones are told to come later.
const BOOTSTRAPS: usize = 10_000;
/// Short server id that clients know this server by.
const SHORT_ID: u16 = 1;

/// Bootstraps under way, by session.
#[derive(Default)]
pub(super) struct Bootstraps {
    waiting: HashMap<u64, (Ticket, BootstrapRequest)>,
    running: HashMap<u64, Sequence>,
    exchanges: HashMap<ExchangeId, u64>,
}

impl Bootstraps {
    /// The session is over.
    pub(super) fn end(&mut self, session: u64) {
        self.waiting.remove(&session);
        self.running.remove(&session);
    }
}

/// What a client is told: this server as its only one, with the key that it has.
pub(super) fn account(uri: &str, lifetime_s: u32, binding: Binding, identity: String, key: Vec<u8>) -> BootstrapConfig {
    let security = SecurityInstance {
        instance: 1,
        uri: uri.to_owned(),
        bootstrap: false,
        mode: SecurityMode::Psk,
        identity: identity.into_bytes(),
        key,
        short_id: SHORT_ID,
        hold_off_s: None,
    };
    let server = ServerInstance {
        instance: 0,
        short_id: SHORT_ID,
        lifetime_s,
        binding,
        notification_storing: true,
        pmin_s: None,
        pmax_s: None,
        disable_timeout_s: None,
        trigger: None,
        mute_send: None,
    };
    let delete = vec![Path::object(0), Path::object(1)];
    BootstrapConfig { delete, security: vec![security], servers: vec![server] }
}

impl Hub {
    pub(super) fn bootstrap(&mut self, now: Moment, ticket: Ticket, peer: Peer, request: &Request) {
        let Peer::Secure(session) = peer else {
            self.note(None, String::new(), peer, "lwm2m.bootstrap", "plain", "keys are not told without DTLS".into());
            return self.refuse(now, ticket, Code::FORBIDDEN, "");
        };
        if self.shared.config.public_uri.is_empty() {
            let text = "this server does not bootstrap (lwm2m.public_uri)";
            return self.turn_away(now, ticket, peer, ("lwm2m.bootstrap", "off"), Code::NOT_FOUND, text);
        }
        let parsed = match BootstrapRequest::parse(&request.query) {
            Ok(parsed) => parsed,
            Err(error) => {
                let step = ("lwm2m.bootstrap", "request");
                return self.turn_away(now, ticket, peer, step, error.code(), &error.to_string());
            }
        };
        let Some(device) = self.sessions.device(session).filter(|_| self.bootstraps.waiting.len() < BOOTSTRAPS) else {
            return self.refuse(now, ticket, Code::SERVICE_UNAVAILABLE, "");
        };
        let endpoint = parsed.endpoint.clone();
        self.bootstraps.waiting.insert(session, (ticket, parsed));
        self.ask(Ask::Bootstrap { session, device, endpoint, from: self.address_of(peer) });
    }

    pub(super) fn bootstrap_known(&mut self, now: Moment, session: u64, outcome: Result<BootstrapConfig, Refusal>) {
        let Some((ticket, request)) = self.bootstraps.waiting.remove(&session) else { return };
        match outcome.map(|config| Sequence::new(config, request.format(), true)) {
            Ok(Ok(sequence)) if self.bootstraps.running.len() < BOOTSTRAPS => {
                self.bootstraps.running.insert(session, sequence);
                self.respond(now, ticket, Response::new(Code::CHANGED));
                self.bootstrap_step(now, session);
            }
            Ok(Ok(_)) => self.refuse(now, ticket, Code::SERVICE_UNAVAILABLE, ""),
            Ok(Err(error)) => {
                tracing::warn!(%error, "lwm2m.public_uri cannot be told to clients");
                self.refuse(now, ticket, Code::INTERNAL_SERVER_ERROR, "");
            }
            Err(refusal) => self.refuse(now, ticket, refusal.code, &refusal.text),
        }
    }

    fn bootstrap_step(&mut self, now: Moment, session: u64) {
        let Some(sequence) = self.bootstraps.running.get_mut(&session) else { return };
        let next = sequence.next_request().unwrap_or_else(|error| {
            tracing::warn!(%error, "a bootstrap request could not be built");
            None
        });
        if let Some(request) = next {
            match self.coap.request(now.since, Peer::Secure(session), wire::message(request), Default::default()) {
                Ok(id) => {
                    self.bootstraps.exchanges.insert(id, session);
                }
                Err(error) => {
                    tracing::debug!(?error, "a bootstrap request was not sent");
                    self.bootstraps.running.remove(&session);
                }
            }
            return;
        }
        if let Progress::Failed(failure) = sequence.progress() {
            let device = self.sessions.device(session);
            self.note(device, String::new(), Peer::Secure(session), "lwm2m.bootstrap", "step", failure.to_string());
        }
        self.bootstraps.running.remove(&session);
    }

    pub(super) fn bootstrap_response(&mut self, now: Moment, id: ExchangeId, message: &Message) {
        let Some(session) = self.bootstraps.exchanges.remove(&id) else { return };
        if let Some(sequence) = self.bootstraps.running.get_mut(&session) {
            sequence.answered(&wire::response(message));
            self.bootstrap_step(now, session);
        }
    }

    pub(super) fn bootstrap_failed(&mut self, now: Moment, id: ExchangeId) {
        let Some(session) = self.bootstraps.exchanges.remove(&id) else { return };
        if let Some(sequence) = self.bootstraps.running.get_mut(&session) {
            sequence.no_answer();
            self.bootstrap_step(now, session);
        }
    }
}
