//! Machines of protocols that are a stream of bytes: over TCP, TLS, and the binary messages of a WebSocket.
//!
//! An idle connection holds no buffer: bytes are read into a buffer of the thread, and only once there are some.

use super::{
    Admission, Clock, Machine, Step,
    admission::Open,
    connection::{self, Carrier},
    listener::{Start, accept},
};
use crate::transport::{self, Frames, Stream, Transport};
use landfall_ingress::Proxies;
use std::{
    cell::RefCell,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::ReadBuf,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Bytes read at once.
const READ_BYTES: usize = 16_384;
/// Bytes for a client that wait in memory before nothing more is taken from it or for it.
const OUT_BYTES: usize = 65_536;

thread_local! {
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// A machine that is fed bytes and gives bytes.
pub(crate) trait ByteMachine: Machine {
    /// Takes in bytes.
    fn data(&mut self, now: Duration, bytes: &[u8]);
    /// Does what followed from what it was fed, and puts the bytes for its client into `out`.
    fn poll(&mut self, now: Duration, out: &mut Vec<u8>) -> Step<Self::Ask>;
}

/// A protocol of such machines.
pub(crate) trait Protocol: Send + Sync + 'static {
    type Machine: ByteMachine;

    fn admission(&self) -> &Arc<Admission>;
    /// A machine for a new connection.
    fn machine(self: &Arc<Self>, peer: SocketAddr, now: Duration) -> Self::Machine;
}

/// Serves a listener, behind proxies if there are any, until `stop` is true (or its sender is gone). Then machines are told that the server
/// stops, and this returns once all connections have ended, or after ten seconds.
pub(crate) async fn listen<P: Protocol>(
    protocol: Arc<P>,
    listener: TcpListener,
    transport: Transport,
    proxies: Arc<Proxies>,
    stop: watch::Receiver<bool>,
) {
    let admission = Arc::clone(protocol.admission());
    let by = transport.clone();
    let begin = move |start, stream| begin(&protocol, start, stream, by.clone());
    accept(admission, listener, &transport, proxies, stop, begin).await;
}

/// A task for each kind of stream, so that those of plain TCP stay small.
#[allow(clippy::disallowed_methods, reason = "this is the driver: a task is a connection")]
fn begin<P: Protocol>(protocol: &Arc<P>, start: Start, stream: TcpStream, transport: Transport) {
    let (protocol, peer, proxies) = (Arc::clone(protocol), start.peer, Arc::clone(&start.proxies));
    let (upgrade, name) = (protocol.admission().upgrade, protocol.admission().name);
    match transport {
        Transport::Tcp => {
            tokio::spawn(serve(protocol, stream, peer, start.stop, start.open));
        }
        Transport::Tls(config) => {
            tokio::spawn(shaken(protocol, start, async move { Ok((transport::tls(stream, config).await?, peer)) }));
        }
        Transport::WebSocket => {
            tokio::spawn(shaken(protocol, start, async move {
                let (socket, peer) = transport::web_socket(stream, upgrade, &proxies, peer, |peer, _| Ok(peer)).await?;
                Ok((Frames::new(socket, name), peer))
            }));
        }
        Transport::WebSocketTls(config) => {
            tokio::spawn(shaken(protocol, start, async move {
                let stream = transport::tls(stream, config).await?;
                let (socket, peer) = transport::web_socket(stream, upgrade, &proxies, peer, |peer, _| Ok(peer)).await?;
                Ok((Frames::new(socket, name), peer))
            }));
        }
    }
}

/// The handshake gives the stream and who its client is.
async fn shaken<P: Protocol, S: Stream>(
    protocol: Arc<P>,
    mut start: Start,
    handshake: impl Future<Output = io::Result<(S, SocketAddr)>>,
) {
    if let Some((stream, peer)) = start.shake_hands(handshake).await {
        let Start { stop, open, .. } = start;
        serve(protocol, stream, peer, stop, open).await;
    }
}

/// Runs one connection to its end.
pub(crate) fn serve<P: Protocol>(
    protocol: Arc<P>,
    stream: impl Stream,
    peer: SocketAddr,
    stop: watch::Receiver<bool>,
    open: Open,
) -> impl Future<Output = ()> + Send {
    let clock = Clock::start();
    let bytes = Bytes { stream, out: Vec::new(), written: 0, flushing: false };
    connection::serve(protocol.machine(peer, clock.now()), bytes, clock, stop, open)
}

/// A stream and the bytes that wait to be written to it.
struct Bytes<S> {
    stream: S,
    out: Vec<u8>,
    written: usize,
    /// Whether bytes written may still wait inside the stream.
    flushing: bool,
}

impl<M: ByteMachine, S: Stream> Carrier<M> for Bytes<S> {
    fn drain(&mut self, machine: &mut M, now: Duration) -> Step<M::Ask> {
        machine.poll(now, &mut self.out)
    }

    fn has_room(&self) -> bool {
        self.out.len() - self.written < OUT_BYTES
    }

    fn has_output(&self) -> bool {
        self.flushing || self.written < self.out.len()
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, moved: &mut bool) -> Poll<io::Result<()>> {
        while let Some(rest) = self.out.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                taken => {
                    self.written += taken;
                    self.flushing = true;
                    *moved = true;
                }
            }
        }
        if self.written > 0 {
            self.out = Vec::new();
            self.written = 0;
        }
        if self.flushing {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.flushing = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, machine: &mut M, now: Duration) -> Poll<io::Result<bool>> {
        READ.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(false));
            }
            machine.data(now, buffer.filled());
            Poll::Ready(Ok(true))
        })
    }

    fn opened(&mut self) {
        self.stream.opened();
    }

    fn half_closes(&self) -> bool {
        self.stream.half_closes()
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
