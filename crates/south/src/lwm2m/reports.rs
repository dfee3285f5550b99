//! What clients say: notifications, answers with values and Sends, each acknowledged once it is durable. One report of a client is stored
//! after the other, so that they keep their order.

use super::{
    asks::{Ask, Attached, Refusal},
    client::{Busy, Client, Early, Op, Origin, Peer, Said, Settle, UPLINKS, Uplink},
    hub::{Hub, Moment},
    plan::Plan,
    said::Kept,
    wire, work,
};
use landfall_coap::{Message, Ticket, Token, observe_is_newer};
use landfall_core::NodeFault;
use landfall_lwm2m::{Code, ContentFormat, Decoded, Fault, Path, Request, Response, Value, operation};
use landfall_model::DeviceId;
use std::sync::{Arc, atomic::Ordering::Relaxed};

/// Bytes of a payload that cannot be used that are shown.
const UNUSABLE: usize = 1_024;

impl Hub {
    pub(super) fn notification(&mut self, now: Moment, ticket: Ticket, peer: Peer, token: Token, message: Message) {
        let known = self.device_of(peer).filter(|device| self.clients.contains_key(device));
        let tag = known.and_then(|device| self.clients.get(&device)?.tag(token.as_bytes()));
        let (Some(device), Some(tag)) = (known, tag) else {
            self.note(known, String::new(), peer, "lwm2m.notify", "token", "a notification of no observation".into());
            self.strays.add(peer, token);
            let _ = self.coap.reject(now.since, ticket);
            return;
        };
        self.heard(now, device);
        self.came(now, device, Early::Notified(ticket, tag, message));
        self.pump(now, device);
    }

    /// A notification or a Send, which waits for the plan of its client if that is not known.
    pub(super) fn came(&mut self, now: Moment, device: DeviceId, what: Early) {
        let Some(client) = self.clients.get_mut(&device) else { return };
        let Some(plan) = client.plan.clone() else {
            let early = &mut client.busy().early;
            if early.len() < UPLINKS {
                early.push_back(what);
            } else {
                self.crowded(now, device, what.settle());
            }
            return self.attach(device);
        };
        match what {
            Early::Sent(ticket, request) => self.sent(now, device, &plan, ticket, &request),
            Early::Notified(ticket, tag, message) => match plan.observed(tag) {
                Some(path) => self.observed(now, device, Settle::Notification(ticket), path, message),
                // Of an observation that is not wanted any more: that ends it.
                None => {
                    let _ = self.coap.reject(now.since, ticket);
                }
            },
        }
    }

    /// Takes in a Send (LwM2M core, 6.4.5).
    fn sent(&mut self, now: Moment, device: DeviceId, plan: &Plan, ticket: Ticket, request: &Request) {
        match operation::parse_send(request, &plan.reading(&self.shared.models)) {
            Ok(Decoded { entries, faults, faults_untold }) => {
                self.note_faults(device, "lwm2m.send", &faults, faults_untold);
                self.take(now, device, Settle::Send(ticket), Said::Values(entries, Origin::Sent));
            }
            Err((code, error)) => {
                self.unusable(device, &request.payload);
                self.note_device(device, "lwm2m.send", "payload", error.to_string());
                self.refuse(now, ticket, code, &error.to_string());
            }
        }
    }

    /// Takes in the answer to an observation, or a notification.
    pub(super) fn observed(&mut self, now: Moment, device: DeviceId, settle: Settle, path: Path, message: Message) {
        if let Settle::Notification(_) = settle {
            self.check_notification(now, device, &path, &message);
        }
        let Some(client) = self.clients.get_mut(&device) else { return };
        let Some(plan) = client.plan.clone() else { return };
        let place = plan.observe.iter().position(|observed| *observed == path);
        // An older state that arrives late is not news (RFC 7641 3.4); a frame is no state, so each one counts.
        if let (Some(number), Some(seen)) = (message.opts().observe(), place.and_then(|place| client.seen.get_mut(place))) {
            if seen.is_none_or(|last| observe_is_newer(last, (number, now.since))) {
                *seen = Some((number, now.since));
            } else if !plan.is_uplink(&path) {
                return self.accept(now, settle);
            }
        }
        if let Settle::Notification(ticket) = settle
            && message.opts().block2().is_some_and(|block| block.more)
        {
            return self.fetch_rest(now, device, ticket, path, message);
        }
        self.said(now, device, settle, path, &wire::response(&message), Origin::News);
    }

    /// What a response says about a path.
    pub(super) fn said(
        &mut self,
        now: Moment,
        device: DeviceId,
        settle: Settle,
        path: Path,
        response: &Response,
        origin: Origin,
    ) {
        let Some(plan) = self.plan_of(device) else { return };
        if response.code != Code::CONTENT {
            let learns = origin == Origin::Learned;
            // Not every device has everything that can be told of it.
            if learns && [Code::NOT_FOUND, Code::METHOD_NOT_ALLOWED].contains(&response.code) {
                return;
            }
            self.note_device(device, "lwm2m.observe", "code", format!("{path}: {}", response.code));
            if learns {
                self.not_learned(device);
            }
            return self.accept(now, settle);
        }
        if plan.is_uplink(&path) && matches!(response.content_format, None | Some(ContentFormat::OPAQUE)) {
            if response.payload.is_empty() {
                return self.accept(now, settle);
            }
            return self.take(now, device, settle, Said::Frame(response.payload.clone(), path));
        }
        match operation::values(response, &path, &plan.reading(&self.shared.models)) {
            Ok(Decoded { entries, faults, faults_untold }) => {
                self.note_faults(device, "lwm2m.payload", &faults, faults_untold);
                if entries.is_empty() && !faults.is_empty() {
                    self.unusable(device, &response.payload);
                }
                let frame = entries.iter().find_map(|entry| match &entry.value {
                    Value::Opaque(bytes) if plan.is_uplink(&path) && plan.is_uplink(&entry.path) => {
                        Some((bytes.clone(), entry.path))
                    }
                    _ => None,
                });
                let said = frame.map_or(Said::Values(entries, origin), |(bytes, path)| Said::Frame(bytes, path));
                self.take(now, device, settle, said);
            }
            Err(error) => {
                self.note_device(device, "lwm2m.payload", "format", format!("{path}: {error}"));
                self.unusable(device, &response.payload);
                self.accept(now, settle);
            }
        }
    }

    /// Puts a report into the line of its client.
    pub(super) fn take(&mut self, now: Moment, device: DeviceId, settle: Settle, said: Said) {
        if matches!(&said, Said::Values(entries, _) if entries.is_empty())
            || matches!(&said, Said::Frame(bytes, _) if bytes.is_empty())
        {
            return self.accept(now, settle);
        }
        let Some(client) = self.clients.get_mut(&device) else { return };
        let Busy { storing, uplinks, .. } = client.busy();
        if *storing {
            if uplinks.len() < UPLINKS {
                uplinks.push_back(Uplink { settle, said });
                return;
            }
            return self.crowded(now, device, settle);
        }
        self.store(device, Uplink { settle, said });
    }

    fn store(&mut self, device: DeviceId, Uplink { settle, said }: Uplink) {
        let Some(client) = self.clients.get_mut(&device) else { return };
        let Some(plan) = client.plan.clone() else { return };
        client.busy().storing = true;
        self.ask(Ask::Store { device, plan, settle, said });
    }

    pub(super) fn stored(&mut self, now: Moment, device: DeviceId, settle: Settle, outcome: Result<Kept, Refusal>) {
        match outcome {
            Ok(kept) => {
                self.shared.tally.reports.fetch_add(kept.anything.into(), Relaxed);
                self.accept(now, settle);
                kept.owed.into_iter().for_each(|owed| self.ask(Ask::Acknowledge(Box::new(owed))));
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

    /// Reads what is wanted of a client: of one that registered before a restart, or where it changed.
    pub(super) fn attach(&mut self, device: DeviceId) {
        let Some(client) = self.clients.get_mut(&device) else { return };
        if !std::mem::replace(&mut client.busy().attaching, true) {
            self.ask(Ask::Attach { device });
        }
    }

    pub(super) fn attached(&mut self, now: Moment, device: DeviceId, outcome: Option<Attached>) {
        let Some(client) = self.clients.get_mut(&device) else { return };
        let busy = client.busy();
        busy.attaching = false;
        // Of another registration: that one knows what is wanted.
        let outcome = outcome.filter(|found| u64::from_str_radix(&found.location, 16) == Ok(client.location));
        match outcome {
            Some(found) => {
                client.follow(found.plan, &found.kept);
                if found.look.is_stale() {
                    self.attach(device);
                }
            }
            // Nothing is tried before it is heard again.
            None if client.plan.is_none() => client.reachable = false,
            None => {}
        }
        if let Some(client) = self.clients.get_mut(&device) {
            let early = std::mem::take(&mut client.busy().early);
            let known = client.plan.is_some();
            for what in early {
                if known {
                    self.came(now, device, what);
                } else {
                    self.send_again(now, device, what.settle(), "plan", "what is wanted of the device could not be read");
                }
            }
        }
        self.pump(now, device);
    }

    /// There is no room for a report.
    fn crowded(&mut self, now: Moment, device: DeviceId, settle: Settle) {
        self.send_again(now, device, settle, "line", "too many reports of the device wait to be stored");
    }

    /// A client whose Send was not stored is told to send it again. A notification that is not acknowledged it repeats by itself.
    fn send_again(&mut self, now: Moment, device: DeviceId, settle: Settle, check: &'static str, why: &str) {
        if let Settle::Send(ticket) = settle {
            self.note_device(device, "lwm2m.send", check, format!("{why}; the device is told to send again"));
            self.refuse(now, ticket, Code::SERVICE_UNAVAILABLE, "try again");
        }
    }

    /// Reports of a client that left or registered anew will not be stored.
    pub(super) fn give_up(&mut self, now: Moment, client: &mut Client) {
        let Some(busy) = client.busy.as_mut() else { return };
        let early = busy.early.drain(..).map(|what| what.settle());
        let settles: Vec<Settle> = early.chain(busy.uplinks.drain(..).map(|uplink| uplink.settle)).collect();
        for settle in settles {
            if let Settle::Send(ticket) = settle {
                self.refuse(now, ticket, Code::SERVICE_UNAVAILABLE, "try again");
            }
        }
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

    /// Asks for the further blocks of a notification in the format of its observation; another one would be another representation.
    fn fetch_rest(&mut self, now: Moment, device: DeviceId, ticket: Ticket, path: Path, first: Message) {
        let Some(plan) = self.plan_of(device) else { return };
        let request = operation::read(&plan.root, &path, work::accept(&plan, &path)).map_err(|error| error.to_string());
        let asked = request.and_then(|request| {
            let asked = self.coap.fetch_rest(now.since, ticket, wire::message(request), first, Default::default());
            asked.map_err(|error| format!("{error:?}"))
        });
        match asked {
            Ok(id) => drop(self.exchanges.insert(id, (device, Op::Rest { ticket, path }))),
            Err(error) => self.rest_failed(now, device, ticket, path, &error),
        }
    }

    /// The rest of a notification does not come. It is acknowledged, as an observation that is not would end (RFC 7641 4.5), and the resource is read.
    pub(super) fn rest_failed(&mut self, now: Moment, device: DeviceId, ticket: Ticket, path: Path, why: &str) {
        let detail =
            format!("{path}: the further blocks of a notification cannot be fetched ({why}); the resource is read again");
        self.note_device(device, "lwm2m.notify", "block", detail);
        let _ = self.coap.accept(now.since, ticket);
        if let Some(client) = self.clients.get_mut(&device) {
            client.busy().ops.push_front(Op::Again(path));
        }
        self.pump(now, device);
    }

    /// Leaves a why record of each value that could not be used; the others are good.
    fn note_faults(&mut self, device: DeviceId, step: &'static str, faults: &[Fault], untold: usize) {
        for (number, fault) in faults.iter().enumerate() {
            let more = if number + 1 == faults.len() && untold > 0 { format!("; {untold} more like it") } else { String::new() };
            self.note_device(device, step, "value", format!("left out: {fault}{more}"));
        }
    }

    /// Tells the owner of a node that something it said cannot be used.
    pub(super) fn unusable(&mut self, device: DeviceId, payload: &[u8]) {
        let shown = payload.get(..UNUSABLE).unwrap_or(payload);
        self.fault(device, NodeFault::ProcessNotification, hex::encode(shown));
    }

    /// Tells the owner of a node, once a registration, that it does not say what it is.
    pub(super) fn not_learned(&mut self, device: DeviceId) {
        let Some(client) = self.clients.get_mut(&device) else { return };
        if !std::mem::replace(&mut client.busy().mute_told, true) {
            self.fault(device, NodeFault::GetDeviceData, String::new());
        }
    }

    /// Tells the owner of a node what went wrong with it; of other devices a why record tells.
    pub(super) fn fault(&mut self, device: DeviceId, fault: NodeFault, data: String) {
        if self.plan_of(device).is_some_and(|plan| plan.node.is_some()) {
            self.ask(Ask::Fault { device, fault, data });
        }
    }

    pub(super) fn plan_of(&self, device: DeviceId) -> Option<Arc<Plan>> {
        self.clients.get(&device)?.plan.clone()
    }

    pub(super) fn note_device(&mut self, device: DeviceId, step: &'static str, check: &'static str, detail: String) {
        if let Some(peer) = self.clients.get(&device).map(|client| client.peer) {
            self.note(Some(device), String::new(), peer, step, check, detail);
        }
    }
}
