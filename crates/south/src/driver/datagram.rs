//! A machine for all peers of its sockets: one task, which feeds it datagrams and answers and does what it wants.

use super::{Clock, LAST_ANSWERS, Moment, SOCKET_PAUSE, stopped};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use landfall_core::World;
use std::{future::pending, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::UdpSocket, sync::watch};

/// Longest datagram of UDP.
const DATAGRAM_BYTES: usize = 65_535;
/// Datagrams taken from one socket before the other and the answers have their turn.
const BURST: usize = 64;
/// Questions under way; above it no datagram is taken.
const ASKS: usize = 20_000;

/// The sockets of a protocol.
pub(crate) struct Datagrams {
    /// For datagrams as they are.
    pub(crate) plain: Option<UdpSocket>,
    /// For those of DTLS.
    pub(crate) secure: Option<UdpSocket>,
}

/// A machine of a datagram protocol, without socket and clock. Its driver feeds it one thing, drains it with [`DatagramMachine::poll`], and waits.
pub(crate) trait DatagramMachine: Send + 'static {
    /// What it asks the rest of the program.
    type Ask: Send;
    /// The answer.
    type Answer: Send + 'static;

    /// Takes in a datagram; `secure`: of which socket.
    fn datagram(&mut self, now: Moment, secure: bool, from: SocketAddr, datagram: &[u8]);
    /// The time has come.
    fn timeout(&mut self, now: Moment);
    /// Ready when the rest of the program left word.
    fn rung(&self) -> impl Future<Output = ()> + Send;
    /// Looks at that word.
    fn word(&mut self, now: Moment);
    /// Asks.
    fn consult(&self, ask: Self::Ask) -> BoxFuture<'static, Self::Answer>;
    /// Takes in an answer.
    fn answered(&mut self, now: Moment, answer: Self::Answer);
    /// The next thing that it wants done.
    fn poll(&mut self) -> Option<Effect<Self::Ask>>;
    /// When it wants [`DatagramMachine::timeout`].
    fn poll_timeout(&self) -> Option<Duration>;
    /// The server stops: keeps what a new run needs. The answers that are due still come.
    fn stop(&mut self);
}

/// What a machine wants done.
pub(crate) enum Effect<A> {
    /// A datagram is sent. One that the system does not take is lost like any other: its protocol sends it again.
    Send { secure: bool, to: SocketAddr, datagram: bytes::Bytes },
    /// The rest of the program is asked.
    Ask(A),
}

/// Serves a machine until `stop` is true (or its sender is gone), then until it has its answers, or five seconds.
pub(crate) fn serve<M: DatagramMachine>(
    machine: M,
    world: Arc<dyn World>,
    sockets: Datagrams,
    stop: watch::Receiver<bool>,
) -> impl Future<Output = ()> + Send {
    Shell { clock: Clock::start(), world, sockets, machine, asks: FuturesUnordered::new() }.run(stop)
}

struct Shell<M: DatagramMachine> {
    clock: Clock,
    world: Arc<dyn World>,
    sockets: Datagrams,
    machine: M,
    asks: FuturesUnordered<BoxFuture<'static, M::Answer>>,
}

impl<M: DatagramMachine> Shell<M> {
    async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut buffer = vec![0; DATAGRAM_BYTES];
        loop {
            self.drain();
            let deadline = self.machine.poll_timeout().map(|due| self.clock.at(due));
            let room = self.asks.len() < ASKS;
            tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                Some(answer) = self.asks.next(), if !self.asks.is_empty() => self.answered(answer),
                () = self.machine.rung() => self.machine.word(self.now()),
                () = sleep(deadline) => self.machine.timeout(self.now()),
                secure = readable(&self.sockets), if room => self.receive(&mut buffer, secure).await,
            }
        }
        self.machine.stop();
        let rest = async {
            loop {
                self.drain();
                match self.asks.next().await {
                    Some(answer) => self.answered(answer),
                    None => return,
                }
            }
        };
        if tokio::time::timeout(LAST_ANSWERS, rest).await.is_err() {
            tracing::warn!("some questions of a stopping protocol were not answered in time");
        }
    }

    fn now(&self) -> Moment {
        Moment { since: self.clock.now(), at: self.world.now() }
    }

    /// Takes this answer and those that are there already: they share the sends.
    fn answered(&mut self, first: M::Answer) {
        let now = self.now();
        self.machine.answered(now, first);
        for _ in 0..BURST {
            match self.asks.next().now_or_never() {
                Some(Some(answer)) => self.machine.answered(now, answer),
                _ => return,
            }
        }
    }

    async fn receive(&mut self, buffer: &mut [u8], secure: io::Result<bool>) {
        let Ok(secure) = secure else {
            tokio::time::sleep(SOCKET_PAUSE).await;
            return;
        };
        for _ in 0..BURST {
            let Some(socket) = self.socket(secure) else { return };
            match socket.try_recv_from(buffer) {
                Ok((bytes, from)) => {
                    let now = self.now();
                    if let Some(datagram) = buffer.get(..bytes) {
                        self.machine.datagram(now, secure, from, datagram);
                    }
                    self.drain();
                }
                // Such as the unreachable port of somebody who was answered before.
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => continue,
                Err(_) => return,
            }
        }
    }

    fn socket(&self, secure: bool) -> Option<&UdpSocket> {
        if secure { self.sockets.secure.as_ref() } else { self.sockets.plain.as_ref() }
    }

    fn drain(&mut self) {
        while let Some(effect) = self.machine.poll() {
            match effect {
                Effect::Send { secure, to, datagram } => self.send(secure, to, &datagram),
                Effect::Ask(ask) => self.asks.push(self.machine.consult(ask)),
            }
        }
    }

    fn send(&self, secure: bool, to: SocketAddr, datagram: &[u8]) {
        if let Some(socket) = self.socket(secure)
            && let Err(error) = socket.try_send_to(datagram, to)
        {
            tracing::debug!(%error, %to, "a datagram was not sent");
        }
    }
}

async fn sleep(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => pending().await,
    }
}

/// Waits for a datagram; tells whether it is for DTLS.
async fn readable(sockets: &Datagrams) -> io::Result<bool> {
    tokio::select! {
        ready = wait(&sockets.secure) => ready.map(|()| true),
        ready = wait(&sockets.plain) => ready.map(|()| false),
    }
}

async fn wait(socket: &Option<UdpSocket>) -> io::Result<()> {
    match socket {
        Some(socket) => socket.readable().await,
        None => pending().await,
    }
}
