//! What clients say: notifications, answers with values and Sends, each acknowledged once it is durable. One report of a client is stored
//! after the other, so that they keep their order.

use super::{
    asks::{Ask, Refusal},
    client::{Busy, Op, Peer, Said, Settle, UPLINKS, Uplink},
    hub::{Hub, Moment},
    plan::Plan,
    wire,
};
use landfall_coap::{Message, Ticket, Token, observe_is_newer};
use landfall_lwm2m::{Code, ContentFormat, DecodeLimits, Path, Response, Value, operation};
use landfall_model::DeviceId;
use std::sync::{Arc, atomic::Ordering::Relaxed};

impl Hub {
    pub(super) fn notification(&mut self, now: Moment, ticket: Ticket, peer: Peer, token: Token, message: Message) {
        let known = self.device_of(peer).filter(|device| self.clients.contains_key(device));
        let index = known.and_then(|device| self.clients.get(&device)?.index(token.as_bytes()));
        let (Some(device), Some(index)) = (known, index) else {
            self.note(known, String::new(), peer, "lwm2m.notify", "token", "a notification of no observation".into());
            let _ = self.coap.reject(now.since, ticket);
            return;
        };
        self.heard(now, device);
        self.observed(now, device, Settle::Notification(ticket), index, message);
        self.pump(now, device);
    }

    /// Takes in the answer to an observation, or a notification.
    pub(super) fn observed(&mut self, now: Moment, device: DeviceId, settle: Settle, index: u16, message: Message) {
        let Some(client) = self.clients.get_mut(&device) else { return };
        let (Some(plan), Some(path)) = (client.plan.clone(), client.path(index)) else {
            if client.plan.is_some() {
                return self.reject(now, settle);
            }
            let early = &mut client.busy().early;
            if early.len() < UPLINKS {
                early.push_back((settle, index, message));
            }
            return self.attach(device);
        };
        // An older state that arrives late is not news (RFC 7641 3.4); a frame is no state, so each one counts.
        if let (Some(number), Some(seen)) = (message.opts().observe(), client.seen.get_mut(usize::from(index))) {
            if seen.is_none_or(|last| observe_is_newer(last, (number, now.since))) {
                *seen = Some((number, now.since));
            } else if !plan.is_uplink(&path) {
                return self.accept(now, settle);
            }
        }
        if let Settle::Notification(ticket) = settle
            && message.opts().block2().is_some_and(|block| block.more)
        {
            return self.fetch_rest(now, device, ticket, index, message);
        }
        self.said(now, device, &plan, settle, path, &wire::response(&message));
    }

    /// What a response says about a path.
    pub(super) fn said(
        &mut self,
        now: Moment,
        device: DeviceId,
        plan: &Arc<Plan>,
        settle: Settle,
        path: Path,
        response: &Response,
    ) {
        if response.code != Code::CONTENT {
            let text = format!("{path}: {}", response.code);
            self.note_device(device, "lwm2m.observe", "code", text);
            return self.accept(now, settle);
        }
        if plan.is_uplink(&path) && matches!(response.content_format, None | Some(ContentFormat::OPAQUE)) {
            if response.payload.is_empty() {
                return self.accept(now, settle);
            }
            return self.take(now, device, settle, Said::Frame(response.payload.clone(), path));
        }
        match operation::values(response, &path, plan.models(&self.shared.models), &DecodeLimits::default()) {
            Ok(entries) => {
                let frame = entries.iter().find_map(|entry| match &entry.value {
                    Value::Opaque(bytes) if plan.is_uplink(&entry.path) => Some((bytes.clone(), entry.path)),
                    _ => None,
                });
                let said = frame.map_or(Said::Values(entries), |(bytes, path)| Said::Frame(bytes, path));
                self.take(now, device, settle, said);
            }
            Err(error) => {
                self.note_device(device, "lwm2m.payload", "format", format!("{path}: {error}"));
                self.accept(now, settle);
            }
        }
    }

    /// Puts a report into the line of its client.
    pub(super) fn take(&mut self, now: Moment, device: DeviceId, settle: Settle, said: Said) {
        if matches!(&said, Said::Values(entries) if entries.is_empty())
            || matches!(&said, Said::Frame(bytes, _) if bytes.is_empty())
        {
            return self.accept(now, settle);
        }
        let Some(client) = self.clients.get_mut(&device) else { return };
        let Busy { storing, uplinks, .. } = client.busy();
        if *storing {
            if uplinks.len() < UPLINKS {
                uplinks.push_back(Uplink { settle, said });
            }
            return;
        }
        self.store(device, Uplink { settle, said });
    }

    fn store(&mut self, device: DeviceId, Uplink { settle, said }: Uplink) {
        let Some(client) = self.clients.get_mut(&device) else { return };
        let Some(plan) = client.plan.clone() else { return };
        client.busy().storing = true;
        self.ask(Ask::Store { device, plan, settle, said });
    }

    pub(super) fn stored(&mut self, now: Moment, device: DeviceId, settle: Settle, outcome: Result<(), Refusal>) {
        match outcome {
            Ok(()) => {
                self.shared.tally.reports.fetch_add(1, Relaxed);
                self.accept(now, settle);
            }
            // The payload is what it is: a repetition would be refused too. The core left a why record.
            Err(refusal) if refusal.code.class() == 4 => match settle {
                Settle::Send(ticket) => self.refuse(now, ticket, refusal.code, &refusal.text),
                other => self.accept(now, other),
            },
            Err(refusal) => {
                tracing::warn!(error = %refusal.text, "a report could not be stored; the device is not told that it was");
                if let Settle::Send(ticket) = settle {
                    self.refuse(now, ticket, refusal.code, "");
                }
            }
        }
        if let Some(client) = self.clients.get_mut(&device) {
            let busy = client.busy();
            busy.storing = false;
            if let Some(next) = busy.uplinks.pop_front() {
                self.store(device, next);
            }
        }
        self.pump(now, device);
    }

    /// Reads the plan of a client again that registered before a restart.
    pub(super) fn attach(&mut self, device: DeviceId) {
        let Some(client) = self.clients.get_mut(&device) else { return };
        if !std::mem::replace(&mut client.busy().attaching, true) {
            self.ask(Ask::Attach { device });
        }
    }

    pub(super) fn attached(&mut self, now: Moment, device: DeviceId, plan: Option<Arc<Plan>>) {
        let Some(client) = self.clients.get_mut(&device) else { return };
        let busy = client.busy();
        busy.attaching = false;
        let early = std::mem::take(&mut busy.early);
        match plan {
            Some(plan) if client.plan.is_none() => {
                client.seen = vec![None; plan.observe.len()].into();
                client.plan = Some(plan);
            }
            Some(_) => {}
            // Nothing is tried before it is heard again.
            None => client.reachable = false,
        }
        if client.plan.is_some() {
            for (settle, index, message) in early {
                self.observed(now, device, settle, index, message);
            }
        }
        self.pump(now, device);
    }

    fn accept(&mut self, now: Moment, settle: Settle) {
        match settle {
            Settle::Answer => {}
            Settle::Notification(ticket) => {
                let _ = self.coap.accept(now.since, ticket);
            }
            Settle::Send(ticket) => self.respond(now, ticket, Response::new(Code::CHANGED)),
        }
    }

    fn reject(&mut self, now: Moment, settle: Settle) {
        if let Settle::Notification(ticket) = settle {
            let _ = self.coap.reject(now.since, ticket);
        }
    }

    fn fetch_rest(&mut self, now: Moment, device: DeviceId, ticket: Ticket, index: u16, first: Message) {
        let Some(client) = self.clients.get(&device) else { return };
        let (Some(plan), Some(path)) = (&client.plan, client.path(index)) else { return };
        let Ok(request) = operation::read(&plan.root, &path, None) else { return };
        let peer = client.peer;
        match self.coap.fetch_rest(now.since, ticket, wire::message(request), first, Default::default()) {
            Ok(id) => {
                self.exchanges.insert(id, (device, Op::Rest { ticket, index }));
            }
            Err(error) => {
                self.note(Some(device), String::new(), peer, "lwm2m.notify", "block", format!("{path}: {error:?}"));
                let _ = self.coap.accept(now.since, ticket);
            }
        }
    }

    pub(super) fn note_device(&mut self, device: DeviceId, step: &'static str, check: &'static str, detail: String) {
        if let Some(peer) = self.clients.get(&device).map(|client| client.peer) {
            self.note(Some(device), String::new(), peer, step, check, detail);
        }
    }
}
