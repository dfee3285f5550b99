//! One connection: the machine of its packets, what it may do, and its messages on their way into the store.
//!
//! Whoever owns the stream feeds one thing (`machine` with bytes, [`Link::done`], [`Link::mail`], [`Link::stop`], [`Link::lost`], [`Link::timeout`]), then
//! calls [`Link::drain`], and [`Link::finish`] once that says that it is over.

use futures_util::FutureExt;
use landfall_mqtt::{CloseReason, Connection, DisconnectReason, Input, Output, Publish, Qos, Subscribe, Unsubscribe};
use std::{io, net::SocketAddr, ops::ControlFlow, sync::Arc, time::Duration};
use tokio::sync::Semaphore;

use super::{
    Handle, Mqtt, Note,
    access::{Role, connect},
    publishing::{Done, Failure, Flow},
    session::never_connected,
};
use crate::{driver::Clock, transport};

/// Ends that are handled before their acknowledgements are written, in one write.
const DONE_AT_ONCE: usize = 256;

/// One connection.
pub(crate) struct Link {
    mqtt: Arc<Mqtt>,
    peer: SocketAddr,
    clock: Clock,
    pub(crate) machine: Connection,
    /// Absent until its CONNECT is accepted.
    role: Option<Box<Role>>,
    pub(crate) flow: Flow,
    stopping: bool,
    closed: Option<CloseReason>,
}

impl Link {
    /// A connection without a CONNECT.
    pub(crate) fn new(mqtt: Arc<Mqtt>, peer: SocketAddr, clock: Clock) -> Self {
        let machine = Connection::new(Arc::clone(&mqtt.limits), clock.now());
        Self { mqtt, peer, clock, machine, role: None, flow: Flow::default(), stopping: false, closed: None }
    }

    /// Where calls for it arrive.
    pub(crate) fn handle(&self) -> Option<&Arc<Handle>> {
        self.role.as_ref().and_then(|role| role.handle())
    }

    /// When to call [`Link::timeout`].
    pub(crate) fn deadline(&self) -> Duration {
        self.machine.poll_timeout().unwrap_or(Duration::ZERO)
    }

    /// Places for connections that end.
    pub(crate) fn ends(&self) -> &Arc<Semaphore> {
        &self.mqtt.ends
    }

    /// Whether the server is stopping.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// The server stops.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
        self.feed(Input::Disconnect(DisconnectReason::ServerShuttingDown));
    }

    /// The stream is gone; where the client broke a rule of it, there is a why record.
    pub(crate) fn broken(&mut self, error: &io::Error) {
        if let Some((check, detail)) = transport::fault(error) {
            self.note("mqtt.connection", check, detail);
        }
        self.feed(Input::Closed);
    }

    /// The client takes none of its bytes: as good as gone.
    pub(crate) fn stalled(&mut self, patience: Duration) {
        let detail = format!("the client took none of the bytes sent to it for {} s", patience.as_secs());
        self.note("mqtt.connection", "client.stalled", detail);
        self.feed(Input::Closed);
    }

    fn note(&self, step: &'static str, check: &'static str, detail: String) {
        match &self.role {
            Some(role) => role.note(&self.mqtt, step, check, detail),
            None => self.mqtt.note(None, Note { identity: "", peer: Some(self.peer), step, check, detail }),
        }
    }

    /// The time has come.
    pub(crate) fn timeout(&mut self) {
        self.feed(Input::Timeout);
    }

    /// The bell of the handle rang.
    pub(crate) fn mail(&mut self) {
        let Some(mail) = self.handle().map(|handle| handle.take()) else { return };
        for message in mail.calls {
            let delivery = self.role.as_mut().and_then(|role| role.command(&self.mqtt, &self.machine, *message));
            if let Some(delivery) = delivery {
                self.feed(Input::Deliver(delivery));
            }
        }
        if let Some(reason) = mail.close {
            self.feed(Input::Disconnect(reason));
        }
    }

    /// A message is in the store, or refused; takes those that ended with it too.
    pub(crate) async fn done(&mut self, first: Done) {
        let mut exactly_once = Vec::new();
        let mut next = Some(first);
        let mut left = DONE_AT_ONCE;
        while let Some(done) = next {
            match (done.message, done.result) {
                (_, Err(Failure::Disconnect(reason))) => self.feed(Input::Disconnect(reason)),
                (Some((ticket, Qos::ExactlyOnce, Some(id))), Ok(())) => exactly_once.push((ticket, id)),
                (Some((ticket, ..)), Ok(())) => self.feed(Input::PublishDone { ticket, result: Ok(()) }),
                (Some((ticket, ..)), Err(Failure::Refused(refusal))) => {
                    self.feed(Input::PublishDone { ticket, result: Err(refusal) });
                }
                (None, _) => {}
            }
            left -= 1;
            next = if left > 0 { self.flow.next().now_or_never() } else { None };
        }
        if !exactly_once.is_empty() {
            Box::pin(self.done_exactly_once(exactly_once)).await;
        }
    }

    async fn done_exactly_once(&mut self, done: Vec<(landfall_mqtt::Ticket, u16)>) {
        let ids: Vec<u16> = done.iter().map(|(_, id)| *id).collect();
        let Some(role) = &mut self.role else { return };
        match role.keep_qos2(&self.mqtt, &self.machine, &ids).await {
            Ok(()) => {
                for (ticket, _) in done {
                    self.feed(Input::PublishDone { ticket, result: Ok(()) });
                }
            }
            Err(reason) => self.feed(Input::Disconnect(reason)),
        }
    }

    /// Does what the machine asks for, and puts the bytes for the client into `out`. Breaks when the connection is over.
    pub(crate) async fn drain(&mut self, out: &mut Vec<u8>) -> ControlFlow<()> {
        while let Some(output) = self.machine.poll() {
            match output {
                Output::Send(bytes) => {
                    if self.role.as_ref().is_some_and(|role| role.released_qos2(&self.machine)) {
                        Box::pin(self.keep_released()).await;
                    }
                    if out.is_empty() {
                        *out = bytes;
                    } else {
                        out.extend_from_slice(&bytes);
                    }
                }
                Output::Publish(publish) => self.publish(publish),
                Output::Connect(request) => Box::pin(self.connect(&request)).await,
                Output::Subscribe(subscribe) => Box::pin(self.subscribe(subscribe)).await,
                Output::SubscribeRefused { filter, check, further } => {
                    self.note("mqtt.subscribe", check, format!("{filter}: refused, and {further} more of the packet"));
                }
                Output::Unsubscribe(unsubscribe) => Box::pin(self.unsubscribe(unsubscribe)).await,
                Output::Delivered { token, code } => {
                    let job = self.role.as_mut().and_then(|role| role.delivered(&self.mqtt, token, code));
                    job.into_iter().for_each(|job| self.flow.push(job));
                }
                Output::Dropped { token, reason } => {
                    if let Some(role) = &mut self.role {
                        role.dropped(&self.mqtt, token, reason);
                    }
                }
                Output::Will(will) => {
                    // A device that a stopping server sends away is not lost.
                    let role = self.role.as_ref().filter(|_| !self.stopping);
                    let job = role.and_then(|role| role.will(&self.mqtt, *will));
                    job.into_iter().for_each(|job| self.flow.push(job));
                }
                Output::Close { why } => {
                    self.closed = Some(why);
                    return ControlFlow::Break(());
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// The connection is over: no more calls are taken for it.
    pub(crate) fn leave(&self) {
        self.role.iter().for_each(|role| role.leave(&self.mqtt));
    }

    /// Waits for the store's answers, which belong into the session, and ends it.
    pub(crate) async fn finish(mut self, patience: Duration) {
        let answers = async {
            while !self.flow.is_empty() {
                let done = self.flow.next().await;
                if let (Some((ticket, ..)), Ok(())) = (done.message, done.result) {
                    self.machine.handle(self.clock.now(), Input::PublishDone { ticket, result: Ok(()) });
                }
            }
        };
        if tokio::time::timeout(patience, answers).await.is_err() {
            tracing::warn!(peer = %self.peer, "a connection ended before all its messages were stored");
        }
        match (self.role, &self.closed) {
            (Some(role), why) => {
                why.iter().for_each(|why| role.closed(&self.mqtt, why));
                role.end(&self.mqtt, self.machine, self.stopping).await;
            }
            (None, Some(why)) => never_connected(&self.mqtt, self.peer, why),
            (None, None) => {}
        }
    }

    async fn connect(&mut self, request: &landfall_mqtt::ConnectRequest) {
        match connect(&self.mqtt, self.peer, request).await {
            Ok((role, accept)) => {
                self.role = Some(Box::new(role));
                self.feed(Input::Accept(accept));
            }
            Err(refusal) => self.feed(Input::Refuse(refusal)),
        }
    }

    fn publish(&mut self, publish: Publish) {
        let ticket = publish.ticket;
        let Some(role) = &self.role else { return };
        match role.publish(&self.mqtt, publish) {
            Ok(job) => self.flow.push(job),
            Err(result) => self.feed(Input::PublishDone { ticket, result }),
        }
    }

    async fn subscribe(&mut self, subscribe: Subscribe) {
        let Some(role) = &mut self.role else { return };
        match role.subscribe(&self.mqtt, &self.machine, &subscribe.filters).await {
            Ok(grants) => {
                self.feed(Input::SubscribeDone { ticket: subscribe.ticket, grants });
                let delivery = self.role.as_mut().and_then(|role| role.subscribed());
                delivery.into_iter().for_each(|delivery| self.feed(Input::Deliver(delivery)));
            }
            Err(reason) => self.feed(Input::Disconnect(reason)),
        }
    }

    async fn unsubscribe(&mut self, unsubscribe: Unsubscribe) {
        let Some(role) = &mut self.role else { return };
        match role.unsubscribe(&self.mqtt, &self.machine, &unsubscribe.filters).await {
            Ok(()) => {
                self.feed(Input::UnsubscribeDone { ticket: unsubscribe.ticket });
                self.role.iter().for_each(|role| role.unsubscribed(&self.machine));
            }
            Err(reason) => self.feed(Input::Disconnect(reason)),
        }
    }

    async fn keep_released(&mut self) {
        let Some(role) = &mut self.role else { return };
        if let Err(reason) = role.keep_qos2(&self.mqtt, &self.machine, &[]).await {
            self.feed(Input::Disconnect(reason));
        }
    }

    fn feed(&mut self, input: Input<'_>) {
        self.machine.handle(self.clock.now(), input);
    }
}
