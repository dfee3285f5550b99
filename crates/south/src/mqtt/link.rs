//! One connection: the machine of its packets, what its client may do, and its messages on their way into the store.

use landfall_mqtt::{
    CloseReason, ConnectRefusal, ConnectRequest, Connection, DisconnectReason, Input, Output, Publish, Qos, Subscribe,
    SubscribeGrant, Ticket, Unsubscribe,
};
use std::{
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use super::{
    Mqtt, Peer,
    admission::connect,
    flow::{Done, Failure, Flow},
    session::{Role, never_connected},
};
use crate::driver::{Event, Machine, Step, stream::ByteMachine};

/// How long a deleted device may take to confirm that it knows, before its connection ends all the same.
const FAREWELL: Duration = Duration::from_secs(10);
/// Ends that are handled before their acknowledgements are written, in one write.
const DONE_AT_ONCE: usize = 256;

/// One connection.
pub(crate) struct Link {
    peer: Peer,
    machine: Connection,
    /// Absent until its CONNECT is accepted.
    role: Option<Box<Role>>,
    flow: Flow,
    stopping: bool,
    farewell: Option<Box<Farewell>>,
    closed: Option<Box<CloseReason>>,
}

/// The last message to a device that was deleted.
struct Farewell {
    token: u64,
    until: Duration,
}

/// What must be decided or durable before anything else of the connection.
pub(crate) enum Ask {
    Connect(Box<ConnectRequest>),
    Subscribe(Subscribe),
    Unsubscribe(Unsubscribe),
    /// Identifiers of QoS 2: these messages are stored, and others may have been released.
    Keep(Vec<(Ticket, u16)>),
}

/// What came of it.
pub(crate) enum Answer {
    Connected(Result<(Box<Role>, landfall_mqtt::Accept), ConnectRefusal>),
    Subscribed(Ticket, Result<Vec<SubscribeGrant>, DisconnectReason>),
    Unsubscribed(Ticket, Result<(), DisconnectReason>),
    Kept(Vec<(Ticket, u16)>, Result<(), DisconnectReason>),
    /// There is nobody to ask for.
    Nothing,
}

impl Machine for Link {
    type Ask = Ask;
    type Answer = Answer;

    fn happened(&mut self, now: Duration, event: Event) {
        let input = match event {
            Event::Timeout if self.farewell.as_ref().is_some_and(|last| now >= last.until) => self.part(),
            Event::Timeout => Input::Timeout,
            Event::Stop => {
                self.stopping = true;
                Input::Disconnect(DisconnectReason::ServerShuttingDown)
            }
            Event::Lost(fault) => {
                if let Some(fault) = fault {
                    self.note("mqtt.connection", fault.check, fault.detail);
                }
                Input::Closed
            }
            Event::Stalled(patience) => {
                let detail = format!("the client took none of the bytes sent to it for {} s", patience.as_secs());
                self.note("mqtt.connection", "client.stalled", detail);
                Input::Closed
            }
        };
        self.machine.handle(now, input);
    }

    async fn ask(&mut self, ask: Ask) -> Answer {
        let (peer, machine) = (&self.peer, &self.machine);
        match (ask, &mut self.role) {
            (Ask::Connect(request), _) => {
                let outcome = connect(peer, &request).await;
                Answer::Connected(outcome.map(|(role, accept)| (Box::new(role), accept)))
            }
            (Ask::Subscribe(Subscribe { ticket, filters }), Some(role)) => {
                Answer::Subscribed(ticket, role.subscribe(peer, machine, &filters).await)
            }
            (Ask::Unsubscribe(Unsubscribe { ticket, filters }), Some(role)) => {
                Answer::Unsubscribed(ticket, role.unsubscribe(peer, machine, &filters).await)
            }
            (Ask::Keep(done), Some(role)) => {
                let new: Vec<u16> = done.iter().map(|(_, id)| *id).collect();
                let kept = role.keep_qos2(peer, machine, &new).await;
                Answer::Kept(done, kept)
            }
            (_, None) => Answer::Nothing,
        }
    }

    fn answered(&mut self, now: Duration, answer: Answer) {
        match answer {
            Answer::Connected(Ok((role, accept))) => {
                self.machine.handle(now, Input::Accept(accept));
                role.listen(&self.peer, &self.machine);
                self.role = Some(role);
            }
            Answer::Connected(Err(refusal)) => self.machine.handle(now, Input::Refuse(refusal)),
            Answer::Subscribed(ticket, Ok(grants)) => {
                self.machine.handle(now, Input::SubscribeDone { ticket, grants });
                if let Some(delivery) = self.role.as_mut().and_then(|role| role.subscribed(&self.peer, &self.machine)) {
                    self.machine.handle(now, Input::Deliver(delivery));
                }
            }
            Answer::Unsubscribed(ticket, Ok(())) => {
                self.machine.handle(now, Input::UnsubscribeDone { ticket });
                self.role.iter().for_each(|role| role.unsubscribed(&self.peer, &self.machine));
            }
            Answer::Kept(done, Ok(())) => {
                for (ticket, _) in done {
                    self.machine.handle(now, Input::PublishDone { ticket, result: Ok(()) });
                }
            }
            Answer::Subscribed(_, Err(reason)) | Answer::Unsubscribed(_, Err(reason)) | Answer::Kept(_, Err(reason)) => {
                self.machine.handle(now, Input::Disconnect(reason));
            }
            Answer::Nothing => {}
        }
    }

    fn poll_work(&mut self, now: Duration, cx: &mut Context<'_>, room: bool) -> Poll<Option<Ask>> {
        if room && self.role.as_ref().is_some_and(|role| role.poll_rung(cx, &self.machine).is_ready()) {
            self.mail(now);
            return Poll::Ready(None);
        }
        let (mut ended, mut exactly_once) = (0, vec![]);
        while ended < DONE_AT_ONCE
            && let Poll::Ready(done) = self.flow.poll_next(cx)
        {
            exactly_once.extend(self.done(now, &done));
            ended += 1;
        }
        match ended {
            0 => Poll::Pending,
            _ => Poll::Ready((!exactly_once.is_empty()).then_some(Ask::Keep(exactly_once))),
        }
    }

    fn deadline(&self) -> Duration {
        let next = self.machine.poll_timeout().unwrap_or(Duration::ZERO);
        self.farewell.as_ref().map_or(next, |last| next.min(last.until))
    }

    fn wants_read(&self) -> bool {
        self.machine.wants_read()
    }

    fn is_open(&self) -> bool {
        self.machine.is_open()
    }

    fn owes(&self) -> bool {
        self.machine.outstanding() > 0
    }

    fn leave(&self) {
        self.role.iter().for_each(|role| role.leave(&self.peer));
    }

    fn is_working(&self) -> bool {
        !self.flow.is_empty()
    }

    async fn end(self) {
        match (self.role, &self.closed) {
            (Some(role), why) => {
                why.iter().for_each(|why| role.closed(&self.peer, why));
                role.end(&self.peer.mqtt, self.machine, self.stopping).await;
            }
            (None, Some(why)) => never_connected(&self.peer, why),
            (None, None) => {}
        }
    }
}

impl ByteMachine for Link {
    fn data(&mut self, now: Duration, bytes: &[u8]) {
        self.machine.handle(now, Input::Data(bytes));
    }

    fn poll(&mut self, now: Duration, out: &mut Vec<u8>) -> Step<Ask> {
        while let Some(output) = self.machine.poll() {
            match output {
                Output::Send(bytes) => {
                    if out.is_empty() {
                        *out = bytes;
                    } else {
                        out.extend_from_slice(&bytes);
                    }
                    // Before these bytes are written: there may be a PUBCOMP among them.
                    if self.role.as_ref().is_some_and(|role| role.released_qos2(&self.machine)) {
                        return Step::Ask(Ask::Keep(vec![]));
                    }
                }
                Output::Publish(publish) => self.publish(now, publish),
                Output::Connect(request) => return Step::Ask(Ask::Connect(request)),
                Output::Subscribe(subscribe) => return Step::Ask(Ask::Subscribe(subscribe)),
                Output::Unsubscribe(unsubscribe) => return Step::Ask(Ask::Unsubscribe(unsubscribe)),
                Output::SubscribeRefused { filter, check, further } => {
                    self.note("mqtt.subscribe", check, format!("{filter}: refused, and {further} more of the packet"));
                }
                Output::Delivered { token, code } => {
                    let job = self.role.as_mut().and_then(|role| role.delivered(&self.peer, token, code));
                    job.into_iter().for_each(|job| self.flow.push(job));
                    self.left(now, token);
                }
                Output::Completed { token } => self.role.iter_mut().for_each(|role| role.completed(&self.peer, token)),
                Output::Dropped { token, reason } => {
                    if let Some(role) = &mut self.role {
                        role.dropped(&self.peer, token, reason);
                    }
                    self.left(now, token);
                }
                Output::Will(will) => {
                    // A device that a stopping server sends away is not lost.
                    let role = self.role.as_ref().filter(|_| !self.stopping);
                    let job = role.and_then(|role| role.will(&self.peer, *will));
                    job.into_iter().for_each(|job| self.flow.push(job));
                }
                Output::Close { why } => {
                    self.closed = Some(Box::new(why));
                    return Step::End;
                }
            }
        }
        Step::Wait
    }
}

impl Link {
    /// A connection without a CONNECT.
    pub(super) fn new(mqtt: Arc<Mqtt>, peer: SocketAddr, now: Duration) -> Self {
        let machine = Connection::new(Arc::clone(&mqtt.limits), now);
        let peer = Peer { mqtt, address: peer };
        Self { peer, machine, role: None, flow: Flow::default(), stopping: false, farewell: None, closed: None }
    }

    fn note(&self, step: &'static str, check: &'static str, detail: String) {
        match &self.role {
            Some(role) => role.note(&self.peer, step, check, detail),
            None => self.peer.note(None, "", step, check, detail),
        }
    }

    /// Takes the word that waits for the client.
    fn mail(&mut self, now: Duration) {
        let Some(role) = &mut self.role else { return };
        for message in role.notifications(&self.peer, &self.machine) {
            self.machine.handle(now, Input::Deliver(message));
        }
        let mail = role.take_mail();
        for message in mail.calls {
            let delivery = role.command(&self.peer, &self.machine, &message);
            let is_last = role.is_dismissed_by(&message);
            if is_last && let Some(token) = delivery.as_ref().map(|delivery| delivery.token) {
                self.farewell = Some(Box::new(Farewell { token, until: now + FAREWELL }));
            }
            match delivery {
                Some(delivery) => self.machine.handle(now, Input::Deliver(delivery)),
                None if is_last => self.machine.handle(now, Input::Disconnect(DisconnectReason::NotAuthorized)),
                None => {}
            }
        }
        if let Some(errand) = role.errand(&self.peer) {
            self.flow.push(errand);
        }
        if let Some(reason) = mail.close {
            self.machine.handle(now, Input::Disconnect(reason));
        }
    }

    /// A message has reached the device, or will not: the last one to it ends the connection.
    fn left(&mut self, now: Duration, token: u64) {
        if self.farewell.as_ref().is_some_and(|last| last.token == token) {
            let part = self.part();
            self.machine.handle(now, part);
        }
    }

    /// The end of the connection of a device that was deleted.
    fn part(&mut self) -> Input<'static> {
        self.farewell = None;
        Input::Disconnect(DisconnectReason::NotAuthorized)
    }

    /// A message is in the store, or refused. Gives that of QoS 2 whose identifier must be kept first; after the end all is kept with the session.
    fn done(&mut self, now: Duration, done: &Done) -> Option<(Ticket, u16)> {
        let input = match (done.message, done.result) {
            (Some((ticket, Qos::ExactlyOnce, Some(id))), Ok(())) if self.closed.is_none() => return Some((ticket, id)),
            (Some((ticket, ..)), Ok(())) => Input::PublishDone { ticket, result: Ok(()) },
            (_, Err(_)) if self.closed.is_some() => return None,
            (_, Err(Failure::Disconnect(reason))) => Input::Disconnect(reason),
            (Some((ticket, ..)), Err(Failure::Refused(refusal))) => Input::PublishDone { ticket, result: Err(refusal) },
            (None, _) => return None,
        };
        self.machine.handle(now, input);
        None
    }

    fn publish(&mut self, now: Duration, publish: Publish) {
        let ticket = publish.ticket;
        let Some(role) = &self.role else { return };
        match role.publish(&self.peer, publish) {
            Ok(job) => self.flow.push(job),
            Err(result) => self.machine.handle(now, Input::PublishDone { ticket, result }),
        }
    }
}
