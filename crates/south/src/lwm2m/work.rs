//! What clients are asked: observations and reads after a registration, then commands and desired values, one after the other.

use super::{
    asks::Ask,
    bindings::{type_of, value_of},
    client::{Op, Origin, Peer, Settle},
    direct::first_of,
    hub::{Hub, Moment},
    node::senml,
    plan::Plan,
    wire,
};
use landfall_coap::{ExchangeId, Failure, Message, SendOptions, Token};
use landfall_core::{Outcome, Step, Work, WorkOf};
use landfall_lwm2m::{
    ContentFormat, Entry, Path, Request, Response,
    operation::{self, Argument, WriteMode},
};
use landfall_model::{Cause, DeviceId, Error, Result};
use std::{collections::VecDeque, sync::atomic::Ordering::Relaxed};

impl Hub {
    /// Goes on with a client as far as it hears.
    pub(super) fn pump(&mut self, now: Moment, device: DeviceId) {
        let Some(client) = self.clients.get_mut(&device) else { return };
        let hears = client.hears(now.since);
        // Before its plan is known again nothing can be put in its form.
        if client.plan.is_none() {
            if hears && client.busy.as_ref().is_some_and(|busy| busy.woken || !busy.ops.is_empty()) {
                self.attach(device);
            }
            return;
        }
        if hears {
            client.begin_again(now.since);
        }
        self.keep_standing(device);
        let Some(client) = self.clients.get_mut(&device) else { return };
        let (maybe_work, peer) = (client.maybe_work, client.peer);
        let busy = client.busy();
        if busy.exchange.is_some() || busy.asking {
            return;
        }
        let wanted = !busy.ops.is_empty() || maybe_work && self.shared.core.store().work_stamp(device).is_some();
        if wanted && (hears || busy.woken) && !self.is_at_hand(now, peer) {
            return;
        }
        let Some(client) = self.clients.get_mut(&device) else { return };
        let busy = client.busy();
        let woken = std::mem::take(&mut busy.woken);
        if hears && let Some(op) = busy.ops.pop_front() {
            return self.start(now, device, op);
        }
        if maybe_work && (hears || woken) {
            busy.asking = true;
            return self.ask(Ask::Work { device, asleep: !hears });
        }
        if busy.is_idle() {
            client.busy = None;
        }
    }

    /// The core's answer to what is to be done next.
    pub(super) fn work(&mut self, now: Moment, device: DeviceId, outcome: Result<Option<Work>>) {
        let Some(client) = self.clients.get_mut(&device) else { return };
        client.busy().asking = false;
        match outcome {
            Ok(Some(work)) => {
                let steps = work.steps.into();
                self.start(now, device, Op::Work { of: work.of, steps });
            }
            Ok(None) => {
                // What was sent while it slept was all that could be.
                client.maybe_work = client.busy().woken || !client.hears(now.since);
                if client.hears(now.since) || client.busy().woken {
                    self.pump(now, device);
                }
            }
            Err(error) => {
                tracing::warn!(%error, %device, "work for a device could not be read");
                client.reachable = false;
            }
        }
    }

    /// A piece of work is over: there may be more.
    pub(super) fn told(&mut self, now: Moment, device: DeviceId, outcome: Result<Option<Work>>) {
        if !matches!(outcome, Ok(None)) {
            return self.work(now, device, outcome);
        }
        if let Some(client) = self.clients.get_mut(&device) {
            client.busy().asking = false;
            self.pump(now, device);
        }
    }

    fn start(&mut self, now: Moment, device: DeviceId, op: Op) {
        let Some(client) = self.clients.get(&device) else { return };
        let Some(plan) = client.plan.clone() else { return };
        let peer = client.peer;
        let op = match op {
            Op::Direct(order) => {
                let Some((request, op)) = self.order_request(&plan, *order) else { return self.pump(now, device) };
                return self.send_request(now, device, peer, request, op, SendOptions::default());
            }
            op => op,
        };
        let Some(client) = self.clients.get(&device) else { return };
        let mut how = SendOptions::default();
        let built = match &op {
            Op::Observe(path) => {
                how.token = Token::new(&client.token(path));
                Some(operation::observe(&plan.root, path, accept(&plan, path)).map_err(|error| error.to_string()))
            }
            Op::Cancel(path) => {
                how.token = Token::new(&client.token(path));
                Some(operation::cancel_observe(&plan.root, path, accept(&plan, path)).map_err(|error| error.to_string()))
            }
            Op::Read(path) | Op::Learn(path) | Op::Again(path) => {
                Some(operation::read(&plan.root, path, accept(&plan, path)).map_err(|error| error.to_string()))
            }
            Op::Acknowledge(step) => Some(self.step(&plan, step)),
            Op::Work { steps, .. } => steps.front().map(|step| self.step(&plan, step)),
            Op::Rest { .. } | Op::Direct(_) => None,
        };
        match built {
            Some(Ok(request)) => self.send_request(now, device, peer, request, op, how),
            Some(Err(error)) => self.cannot(now, device, op, &error),
            None => self.finish(now, device, op),
        }
    }

    fn send_request(&mut self, now: Moment, device: DeviceId, peer: Peer, request: Request, op: Op, how: SendOptions) {
        self.shared.tally.requests.fetch_add(1, Relaxed);
        match self.coap.request(now.since, peer, wire::message(request), how) {
            Ok(id) => {
                self.exchanges.insert(id, (device, op));
                if let Some(client) = self.clients.get_mut(&device) {
                    client.busy().exchange = Some(id);
                }
            }
            Err(error) => self.cannot(now, device, op, &format!("{error:?}")),
        }
    }

    fn step(&self, plan: &Plan, step: &Step) -> std::result::Result<Request, String> {
        let parse = |path: &str| path.parse::<Path>().map_err(|error| error.to_string());
        let built = match step {
            Step::Write { path, data_type, value } => {
                let path = parse(path)?;
                let models = plan.models(&self.shared.models);
                let wanted = models.value_type(&path).unwrap_or_else(|| type_of(data_type));
                let multiple = models.resource(&path).is_some_and(|resource| resource.multiple);
                let value = value_of(value, wanted).ok_or_else(|| format!("{path}: the value does not fit {wanted:?}"))?;
                let format = plan.formats().at(&path, Some(wanted), multiple);
                operation::write(&plan.root, &path, WriteMode::Replace, format, &[Entry::new(first_of(models, &path), value)])
            }
            Step::Read { path } => {
                let path = parse(path)?;
                operation::read(&plan.root, &path, accept(plan, &path))
            }
            Step::Discover { path } => operation::discover(&plan.root, &parse(path)?),
            Step::Execute { path, arguments } => operation::execute(&plan.root, &parse(path)?, &execution(arguments)?),
            Step::Frame { path, bytes } => {
                let path = parse(path)?;
                let entry = Entry::new(path, landfall_lwm2m::Value::Opaque(bytes.clone()));
                operation::write(&plan.root, &path, WriteMode::Replace, ContentFormat::OPAQUE, &[entry])
            }
        };
        built.map_err(|error| error.to_string())
    }

    /// What cannot be put in the form of LwM2M has failed.
    fn cannot(&mut self, now: Moment, device: DeviceId, op: Op, error: &str) {
        self.note_device(device, "lwm2m.request", "form", error.to_owned());
        match op {
            Op::Work { of, .. } => self.tell(device, of, Outcome::Failed(result("error", error))),
            Op::Direct(order) => {
                self.settle_order(*order, Err(Error::new(Cause::Overloaded, error.to_owned())));
                self.pump(now, device);
            }
            Op::Observe(path) => {
                self.not_begun(now, device, &path);
                self.pump(now, device);
            }
            _ => self.pump(now, device),
        }
    }

    /// An exchange is over.
    fn finish(&mut self, now: Moment, device: DeviceId, op: Op) {
        match op {
            Op::Work { of, .. } => self.tell(device, of, Outcome::Done(result("code", "2.04"))),
            _ => self.pump(now, device),
        }
    }

    fn tell(&mut self, device: DeviceId, of: WorkOf, outcome: Outcome) {
        if let Some(client) = self.clients.get_mut(&device) {
            client.busy().asking = true;
            client.maybe_work = true;
        }
        self.ask(Ask::Outcome { device, of, outcome });
    }

    fn over(&mut self, id: ExchangeId) -> Option<(DeviceId, Op)> {
        let (device, op) = self.exchanges.remove(&id)?;
        if let Some(busy) = self.clients.get_mut(&device).and_then(|client| client.busy.as_mut())
            && busy.exchange == Some(id)
        {
            busy.exchange = None;
        }
        Some((device, op))
    }

    pub(super) fn response(&mut self, now: Moment, id: ExchangeId, peer: Peer, message: &Message) {
        self.answered_from(now, peer);
        let Some((device, op)) = self.over(id) else {
            return self.bootstrap_response(now, id, message);
        };
        self.heard(now, device);
        match op {
            Op::Observe(path) => {
                self.check_observation(now, device, &path, message);
                self.observed(now, device, Settle::Answer, path, message.clone());
                self.pump(now, device);
            }
            Op::Cancel(_) => self.pump(now, device),
            Op::Acknowledge(_) => self.acknowledged(now, device, &wire::response(message)),
            Op::Read(path) => self.was_read(now, device, path, message, Origin::Read),
            Op::Learn(path) => self.was_read(now, device, path, message, Origin::Learned),
            Op::Again(path) => self.was_read(now, device, path, message, Origin::News),
            Op::Rest { ticket, path } if message.code != landfall_coap::Code::CONTENT => {
                self.rest_failed(now, device, ticket, path, &format!("the device answers {}", message.code));
            }
            Op::Rest { ticket, path } => {
                let mut whole = message.clone();
                whole.options.remove(landfall_coap::OptionNumber::OBSERVE);
                whole.options.remove(landfall_coap::OptionNumber::BLOCK2);
                self.observed(now, device, Settle::Notification(ticket), path, whole);
                self.pump(now, device);
            }
            Op::Direct(order) => self.order_answered(now, device, *order, message),
            Op::Work { of, steps } => self.step_done(now, device, of, steps, &wire::response(message)),
        }
    }

    fn was_read(&mut self, now: Moment, device: DeviceId, path: Path, message: &Message, origin: Origin) {
        self.said(now, device, Settle::Answer, path, &wire::response(message), origin);
        self.pump(now, device);
    }

    fn step_done(&mut self, now: Moment, device: DeviceId, of: WorkOf, mut steps: VecDeque<Step>, answer: &Response) {
        let Some(step) = steps.pop_front() else { return self.finish(now, device, Op::Work { of, steps }) };
        if answer.code.class() != 2 {
            let diagnostic: String = String::from_utf8_lossy(&answer.payload).chars().take(200).collect();
            let outcome = serde_json::json!({ "code": answer.code.to_string(), "diagnostic": diagnostic }).to_string();
            return self.tell(device, of, Outcome::Refused(outcome));
        }
        if !steps.is_empty() {
            return self.start(now, device, Op::Work { of, steps });
        }
        let outcome = match step {
            // Its result comes as a report of its own.
            Step::Frame { .. } => Outcome::Delivered,
            Step::Read { path } => match self.values(device, &path, answer) {
                Ok(values) => Outcome::Done(values),
                Err(error) => Outcome::Refused(result("error", &error)),
            },
            Step::Discover { .. } => Outcome::Done(String::from_utf8_lossy(&answer.payload).into_owned()),
            Step::Write { .. } | Step::Execute { .. } => Outcome::Done(result("code", &answer.code.to_string())),
        };
        self.tell(device, of, outcome);
    }

    /// What a device answered to a read, in SenML.
    fn values(&self, device: DeviceId, path: &str, answer: &Response) -> std::result::Result<String, String> {
        let plan = self.plan_of(device).ok_or_else(|| "the device left".to_owned())?;
        let path: Path = path.parse().map_err(|error: landfall_lwm2m::PathError| error.to_string())?;
        let decoded = operation::values(answer, &path, &plan.reading(&self.shared.models)).map_err(|error| error.to_string())?;
        match decoded.faults.first().filter(|_| decoded.entries.is_empty()) {
            Some(fault) => Err(fault.to_string()),
            None => senml(&decoded.entries),
        }
    }

    pub(super) fn failed(&mut self, now: Moment, id: ExchangeId, cause: Failure) {
        let Some((device, op)) = self.over(id) else { return self.bootstrap_failed(now, id) };
        let silent = matches!(cause, Failure::Timeout | Failure::PeerGone);
        // It was given up because the client registered anew or left: that says nothing about whether it hears.
        let given_up = cause == Failure::Cancelled;
        if silent && let Some(client) = self.clients.get_mut(&device) {
            client.reachable = false;
            self.forget_acknowledgements(device, &op);
        }
        match op {
            Op::Acknowledge(_) if silent || given_up => {}
            Op::Work { of: of @ (WorkOf::Command(_) | WorkOf::Message(_)), .. } if silent || given_up => {
                self.tell(device, of, Outcome::Unanswered);
            }
            // Desired values are tried again when the device is heard.
            Op::Work { of: WorkOf::Desired { .. }, .. } if silent || given_up => {}
            Op::Work { of, .. } => self.tell(device, of, Outcome::Failed(result("error", &format!("{cause:?}")))),
            Op::Direct(order) => self.order_failed(now, device, *order, cause),
            Op::Rest { ticket, .. } if given_up => {
                let _ = self.coap.accept(now.since, ticket);
            }
            Op::Rest { ticket, path } => self.rest_failed(now, device, ticket, path, &format!("{cause:?}")),
            Op::Observe(_) | Op::Cancel(_) | Op::Read(_) | Op::Learn(_) | Op::Again(_) if given_up => {}
            op if silent => self.later(device, op),
            op => {
                // What is too long was told when it could not be sent.
                if cause != Failure::TooLong {
                    self.note_device(device, "lwm2m.request", "failed", format!("{op:?}: {cause:?}"));
                }
                match op {
                    Op::Learn(_) => self.not_learned(device),
                    Op::Observe(path) => self.not_begun(now, device, &path),
                    _ => {}
                }
                self.pump(now, device);
            }
        }
    }

    /// Tries again what was not answered when the device is heard.
    fn later(&mut self, device: DeviceId, op: Op) {
        let Some(client) = self.clients.get_mut(&device) else { return };
        let learns = matches!(op, Op::Learn(_));
        client.busy().ops.push_front(op);
        if learns {
            self.not_learned(device);
        }
    }
}

/// The format that a value of unknown form is asked in; a single value comes as the client likes.
pub(super) fn accept(plan: &Plan, path: &Path) -> Option<ContentFormat> {
    (path.depth() < 3).then(|| plan.formats().many())
}

fn execution(arguments: &[String]) -> std::result::Result<Vec<Argument>, String> {
    let argument = |(digit, json): (usize, &String)| {
        let value: serde_json::Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let text = value.as_str().map_or_else(|| json.clone(), str::to_owned);
        Ok(Argument { digit: u8::try_from(digit).map_err(|error| error.to_string())?, value: Some(text) })
    };
    arguments.iter().enumerate().map(argument).collect()
}

fn result(name: &str, value: &str) -> String {
    serde_json::json!({ name: value }).to_string()
}
