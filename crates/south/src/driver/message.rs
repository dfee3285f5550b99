//! Machines of protocols that are messages, text or binary, over a WebSocket. Absent: what is in them.

use super::{
    Admission, Clock, Machine, Step,
    connection::{self, Carrier},
    listener::{Start, accept},
};
use crate::transport::{self, Fault, Request, Stream, Transport, TurnedAway, WebSocket};
use bytes::Bytes;
use landfall_ingress::Proxies;
use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_tungstenite::tungstenite;

/// Bytes for a client that wait in memory before nothing more is taken from it or for it.
const OUT_BYTES: usize = 65_536;
/// Longest reason of a close, bytes (RFC 6455 5.5).
const REASON_BYTES: usize = 123;

/// A machine that is fed messages and gives messages.
pub(crate) trait MessageMachine: Machine {
    /// Takes in a message.
    fn message(&mut self, now: Duration, message: Message<'_>);
    /// Does what followed from what it was fed, and puts the messages for its client into `out`.
    fn poll(&mut self, now: Duration, out: &mut Outbox) -> Step<Self::Ask>;
}

/// A protocol of such machines.
pub(crate) trait Protocol: Send + Sync + 'static {
    type Machine: MessageMachine;

    fn admission(&self) -> &Arc<Admission>;
    /// A machine for a client that asks so: path and headers are those of its upgrade. Or why it gets none.
    fn machine(self: &Arc<Self>, peer: SocketAddr, request: &Request, now: Duration) -> Result<Self::Machine, TurnedAway>;
}

/// A message of a client.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Message<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}

/// The messages for a client that are not written yet, and how its connection is to be closed.
#[derive(Default)]
pub(crate) struct Outbox {
    messages: VecDeque<tungstenite::Message>,
    bytes: usize,
    close: Option<(u16, String)>,
}

impl Outbox {
    /// Sends a text.
    pub(crate) fn text(&mut self, text: String) {
        self.push(tungstenite::Message::Text(text.into()));
    }

    /// Sends bytes.
    pub(crate) fn binary(&mut self, bytes: Bytes) {
        self.push(tungstenite::Message::Binary(bytes));
    }

    /// Says why the connection is closed, once it is: a code (RFC 6455 7.4) and a reason of at most 123 bytes. The first one counts.
    pub(crate) fn close(&mut self, code: u16, reason: &str) {
        let reason = reason.get(..reason.floor_char_boundary(REASON_BYTES)).unwrap_or_default();
        self.close.get_or_insert_with(|| (code, reason.to_owned()));
    }

    /// Code and reason.
    pub(super) fn closing(&self) -> Option<&(u16, String)> {
        self.close.as_ref()
    }

    fn push(&mut self, message: tungstenite::Message) {
        self.bytes += message.len();
        self.messages.push_back(message);
    }

    fn pop(&mut self) -> Option<tungstenite::Message> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.len();
        Some(message)
    }
}

/// Serves a listener as `stream::listen` does; over TLS where there is a configuration for it.
pub(crate) async fn listen<P: Protocol>(
    protocol: Arc<P>,
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    proxies: Arc<Proxies>,
    stop: watch::Receiver<bool>,
) {
    let admission = Arc::clone(protocol.admission());
    let transport = tls.clone().map_or(Transport::WebSocket, Transport::WebSocketTls);
    let begin = move |start, stream| begin(&protocol, start, stream, tls.clone());
    accept(admission, listener, &transport, proxies, stop, begin).await;
}

#[allow(clippy::disallowed_methods, reason = "this is the driver: a task is a connection")]
fn begin<P: Protocol>(protocol: &Arc<P>, start: Start, stream: TcpStream, tls: Option<Arc<rustls::ServerConfig>>) {
    let protocol = Arc::clone(protocol);
    match tls {
        None => tokio::spawn(run(protocol, start, async move { Ok(stream) })),
        Some(config) => tokio::spawn(run(protocol, start, transport::tls(stream, config))),
    };
}

/// Upgrades a connection and runs it to its end.
async fn run<P: Protocol, S: Stream>(protocol: Arc<P>, mut start: Start, stream: impl Future<Output = io::Result<S>> + Send) {
    let (clock, peer, proxies) = (Clock::start(), start.peer, Arc::clone(&start.proxies));
    let handshake = async move {
        let open = |peer, request: &Request| protocol.machine(peer, request, clock.now());
        transport::web_socket(stream.await?, protocol.admission().upgrade, &proxies, peer, open).await
    };
    if let Some((socket, machine)) = start.shake_hands(handshake).await {
        let Start { stop, open, .. } = start;
        let messages = Messages { socket, out: Outbox::default(), flushing: false };
        connection::serve(machine, messages, clock, stop, open).await;
    }
}

/// A WebSocket and the messages that wait to be written to it.
struct Messages<S> {
    socket: WebSocket<S>,
    out: Outbox,
    /// Whether messages sent may still wait inside the socket.
    flushing: bool,
}

impl<S: Stream> Messages<S> {
    fn write(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.messages.is_empty() {
            ready!(self.socket.poll_ready(cx))?;
            if let Some(message) = self.out.pop() {
                self.socket.send(cx, message)?;
                self.flushing = true;
            }
        }
        if self.flushing {
            ready!(self.socket.poll_flush(cx))?;
            self.flushing = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl<M: MessageMachine, S: Stream> Carrier<M> for Messages<S> {
    fn drain(&mut self, machine: &mut M, now: Duration) -> Step<M::Ask> {
        machine.poll(now, &mut self.out)
    }

    fn has_room(&self) -> bool {
        self.out.bytes < OUT_BYTES
    }

    fn has_output(&self) -> bool {
        self.flushing || !self.out.messages.is_empty()
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, moved: &mut bool) -> Poll<io::Result<()>> {
        let written = self.write(cx);
        *moved |= self.socket.moved();
        written
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, machine: &mut M, now: Duration) -> Poll<io::Result<bool>> {
        match ready!(self.socket.poll_next(cx))? {
            Some(tungstenite::Message::Text(text)) => machine.message(now, Message::Text(&text)),
            Some(message) => machine.message(now, Message::Binary(&message.into_data())),
            None => {
                // Nothing may be sent to a client that has closed.
                self.out = Outbox::default();
                return Poll::Ready(Ok(false));
            }
        }
        Poll::Ready(Ok(true))
    }

    fn opened(&mut self) {
        self.socket.opened();
    }

    fn half_closes(&self) -> bool {
        false
    }

    fn broken(&mut self, fault: &Fault) {
        self.out.close(transport::close_code(fault), "");
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_close(cx, self.out.closing())
    }
}
