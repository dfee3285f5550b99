//! The datagram half of the driver: the sockets of CoAP and DTLS, one task for the one machine that serves both.

use super::{ACCEPT_PAUSE, Clock, LAST_ANSWERS, stopped};
use crate::lwm2m::{Answer, Effect, Hub, Lwm2m, Moment, answer};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use landfall_model::Result;
use std::{future::pending, io, net::SocketAddr, sync::Arc};
use tokio::{net::UdpSocket, sync::watch};

/// Longest datagram of UDP.
const DATAGRAM_BYTES: usize = 65_535;
/// Datagrams taken from one socket before the other and the answers have their turn.
const BURST: usize = 64;
/// Records read at once when the last run's are taken back.
const PAGE: u32 = 10_000;
/// Questions to the core under way; above it no datagram is taken.
const ASKS: usize = 20_000;

/// The sockets of LwM2M.
pub struct Datagrams {
    /// CoAP.
    pub plain: Option<UdpSocket>,
    /// CoAP over DTLS.
    pub secure: Option<UdpSocket>,
}

/// Takes back the sessions and registrations of the last run, and returns what serves LwM2M until `stop` is true (or its sender is gone).
///
/// # Errors
/// When those cannot be read.
pub async fn serve_datagrams(
    lwm2m: Arc<Lwm2m>,
    sockets: Datagrams,
    stop: watch::Receiver<bool>,
) -> Result<impl Future<Output = ()> + Send> {
    let mut hub = Hub::new(Arc::clone(&lwm2m));
    restore(&lwm2m, &mut hub).await?;
    Ok(Shell { clock: Clock::start(), lwm2m, sockets, hub, asks: FuturesUnordered::new() }.run(stop))
}

async fn restore(lwm2m: &Lwm2m, hub: &mut Hub) -> Result<()> {
    let store = lwm2m.core.store();
    let mut after = None;
    loop {
        let sessions = store.secure_sessions(after, PAGE).await?;
        let Some(last) = sessions.last() else { break };
        after = Some(last.id);
        hub.restore(sessions, vec![]);
    }
    let mut after = None;
    loop {
        let registrations = store.registrations(after, PAGE).await?;
        let Some(last) = registrations.last() else { return Ok(()) };
        after = Some(last.device);
        hub.restore(vec![], registrations);
    }
}

struct Shell {
    clock: Clock,
    lwm2m: Arc<Lwm2m>,
    sockets: Datagrams,
    hub: Hub,
    asks: FuturesUnordered<BoxFuture<'static, Answer>>,
}

impl Shell {
    async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut buffer = vec![0; DATAGRAM_BYTES];
        loop {
            self.drain();
            let deadline = self.hub.poll_timeout().map(|due| self.clock.at(due));
            let room = self.asks.len() < ASKS;
            tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                Some(answer) = self.asks.next(), if !self.asks.is_empty() => self.answered(answer),
                () = self.lwm2m.desk.rung() => self.hub.word(self.now()),
                () = sleep(deadline) => self.hub.timeout(self.now()),
                secure = readable(&self.sockets), if room => self.receive(&mut buffer, secure).await,
            }
        }
        self.finish().await;
    }

    fn now(&self) -> Moment {
        Moment { since: self.clock.now(), at: self.lwm2m.core.now() }
    }

    /// Takes this answer and those that are there already: they share the sends.
    fn answered(&mut self, first: Answer) {
        use futures_util::FutureExt;
        let now = self.now();
        self.hub.answered(now, first);
        for _ in 0..BURST {
            match self.asks.next().now_or_never() {
                Some(Some(answer)) => self.hub.answered(now, answer),
                _ => return,
            }
        }
    }

    async fn receive(&mut self, buffer: &mut [u8], secure: io::Result<bool>) {
        let Ok(secure) = secure else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            return;
        };
        for _ in 0..BURST {
            let Some(socket) = self.socket(secure) else { return };
            match socket.try_recv_from(buffer) {
                Ok((bytes, from)) => {
                    let now = self.now();
                    if let Some(datagram) = buffer.get(..bytes) {
                        self.hub.datagram(now, secure, from, datagram);
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

    /// Does what the hub wants. A datagram that the system does not take is lost like any other: its protocol sends it again.
    fn drain(&mut self) {
        while let Some(effect) = self.hub.poll() {
            match effect {
                Effect::Send { secure, to, datagram } => self.send(secure, to, &datagram),
                Effect::Ask(ask) => self.asks.push(Box::pin(answer(Arc::clone(&self.lwm2m), ask))),
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

    /// Keeps what a new run needs, and waits for what the core has been asked.
    async fn finish(mut self) {
        self.hub.save_all();
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
            tracing::warn!("some questions of LwM2M were not answered in time");
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
