//! The only code that owns device sockets, spawns their tasks and looks at the clock.
//!
//! One task a connection. It feeds the machine one input, drains it, and waits; an idle one holds no buffer: bytes are read into a buffer of the
//! thread, and only once there are some.

mod udp;

pub use udp::{Datagrams, serve_datagrams};

use landfall_core::{Crowded, Places, network};
use landfall_ingress::Proxies;
use landfall_mqtt::{Connection, Input};
use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncWriteExt, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    time::{Instant, timeout},
};

use crate::{
    mqtt::{Handle, Link, Mqtt, count},
    note::Note,
    transport::{self, Stream, Transport},
};

/// Bytes read at once.
const READ_BYTES: usize = 16_384;
/// Bytes for a client that wait in memory before nothing more is taken from it or for it.
const OUT_BYTES: usize = 65_536;
/// How long a connection may wait for its turn to shake hands.
const HANDSHAKE_TURN: Duration = Duration::from_secs(300);
/// How long a client may take none of the bytes sent to it.
const STALL: Duration = Duration::from_secs(30);
/// How long a connection that ended waits for its last bytes to be taken.
const LAST_BYTES: Duration = Duration::from_secs(2);
/// How long a connection that ended waits for the store's answers.
const LAST_ANSWERS: Duration = Duration::from_secs(5);
/// How long a listener that was stopped waits for its connections.
const STOP: Duration = Duration::from_secs(10);
/// How long a listener waits after the system had no socket for it.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

thread_local! {
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// Serves a listener, behind proxies if there are any, until `stop` is true (or its sender is gone). Then MQTT 5 clients are told that the
/// server shuts down, and this returns once all connections have ended, or after ten seconds. Devices are not marked as offline then: `Core::reconcile` does that for those
/// that do not come back to the next run.
pub async fn listen(
    mqtt: Arc<Mqtt>,
    listener: TcpListener,
    transport: Transport,
    proxies: Arc<Proxies>,
    mut stop: watch::Receiver<bool>,
) {
    let (alive, mut all_ended) = mpsc::channel::<()>(1);
    let handshakes = Places::new(mqtt.config.handshakes);
    loop {
        let accepted = tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Some(open) = Open::new(&mqtt, &transport, &alive) else {
                    count(&mqtt.tally.turned_away);
                    let detail = format!("there are {} connections, as many as there may be", mqtt.config.max_connections);
                    refuse(&mqtt, peer, transport.step(), "connections.limit", detail);
                    continue;
                };
                let (mqtt, proxies, handshakes) = (Arc::clone(&mqtt), Arc::clone(&proxies), handshakes.clone());
                let start = Start { mqtt, peer, stop: stop.clone(), proxies, handshakes, open };
                start.spawn(stream, transport.clone());
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop((listener, alive));
    if timeout(STOP, all_ended.recv()).await.is_err() {
        tracing::warn!("some connections did not end in time");
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// A network connection that counts, until it is dropped.
struct Open {
    mqtt: Arc<Mqtt>,
    index: usize,
    _alive: mpsc::Sender<()>,
}

impl Open {
    /// `None`: there are as many as there may be.
    fn new(mqtt: &Arc<Mqtt>, transport: &Transport, alive: &mpsc::Sender<()>) -> Option<Self> {
        let open: u64 = mqtt.tally.connections.iter().map(|n| n.load(Relaxed)).sum();
        if open >= mqtt.config.max_connections as u64 {
            return None;
        }
        count(&mqtt.tally.accepted);
        let index = transport.index();
        mqtt.tally.connections.get(index)?.fetch_add(1, Relaxed);
        Some(Self { mqtt: Arc::clone(mqtt), index, _alive: alive.clone() })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(open) = self.mqtt.tally.connections.get(self.index) {
            open.fetch_sub(1, Relaxed);
        }
    }
}

/// A connection before its first byte.
struct Start {
    mqtt: Arc<Mqtt>,
    peer: SocketAddr,
    stop: watch::Receiver<bool>,
    proxies: Arc<Proxies>,
    handshakes: Places<IpAddr>,
    open: Open,
}

/// Leaves word of somebody unknown who is turned away before the first byte of MQTT.
fn refuse(mqtt: &Mqtt, peer: SocketAddr, step: &'static str, check: &'static str, detail: String) {
    tracing::debug!(%peer, step, check, detail, "turned away");
    mqtt.note(None, Note { identity: "", peer: Some(peer), step, check, detail });
}

impl Start {
    /// Learns from a proxy who its client is, then goes on. A task of its own, so that those of other connections stay small.
    async fn behind_proxy(mut self, mut stream: TcpStream, transport: Transport) {
        let announced = timeout(self.mqtt.config.handshake_timeout, transport::announced(&mut stream));
        let announced = tokio::select! {
            () = stopped(&mut self.stop) => return,
            announced = announced => announced,
        };
        match announced {
            Ok(Ok(client)) => {
                self.peer = client.unwrap_or(self.peer);
                self.go_on(stream, transport);
            }
            Ok(Err(error)) => self.failed(transport.step(), transport::handshake_fault(&error)),
            Err(_) => self.failed(transport.step(), Some(("proxy.timeout", "the proxy sent no whole PROXY header".to_owned()))),
        }
    }

    fn failed(&self, step: &'static str, why: Option<(&'static str, String)>) {
        count(&self.mqtt.tally.handshakes_failed);
        if let Some((check, detail)) = why {
            refuse(&self.mqtt, self.peer, step, check, detail);
        }
    }

    #[allow(clippy::disallowed_methods, reason = "this is the driver: a task is a connection")]
    fn spawn(self, stream: TcpStream, transport: Transport) {
        if self.proxies.announces(self.peer) {
            tokio::spawn(self.behind_proxy(stream, transport));
        } else {
            self.go_on(stream, transport);
        }
    }

    /// A task for each kind of stream, so that those of plain TCP stay small.
    #[allow(clippy::disallowed_methods, reason = "this is the driver: a task is a connection")]
    fn go_on(self, stream: TcpStream, transport: Transport) {
        // Without it small packets wait for the acknowledgement of the one before; a socket that cannot is as good as lost anyway.
        let _ = stream.set_nodelay(true);
        let (step, peer, proxies) = (transport.step(), self.peer, Arc::clone(&self.proxies));
        let frame_bytes = (self.mqtt.limits.control_bytes, self.mqtt.limits.packet_bytes);
        match transport {
            Transport::Tcp => {
                let Self { mqtt, peer, stop, open, .. } = self;
                tokio::spawn(serve(mqtt, stream, peer, stop, open));
            }
            Transport::Tls(config) => {
                tokio::spawn(self.shake_hands(step, async move { Ok((transport::tls(stream, config).await?, peer)) }));
            }
            Transport::WebSocket => {
                tokio::spawn(
                    self.shake_hands(step, async move { transport::web_socket(stream, frame_bytes, &proxies, peer).await }),
                );
            }
            Transport::WebSocketTls(config) => {
                tokio::spawn(self.shake_hands(step, async move {
                    let stream = transport::tls(stream, config).await?;
                    transport::web_socket(stream, frame_bytes, &proxies, peer).await
                }));
            }
        }
    }

    /// The handshake gives the stream and who its client is.
    async fn shake_hands<S: Stream>(mut self, step: &'static str, handshake: impl Future<Output = io::Result<(S, SocketAddr)>>) {
        let (turn, limit) = (self.handshakes.take(network(self.peer.ip()), 1), self.mqtt.config.handshake_timeout);
        let permitted = async {
            // The wait takes none of the handshake's own time.
            match timeout(HANDSHAKE_TURN, turn).await? {
                Ok(_place) => timeout(limit, handshake).await,
                Err(Crowded) => Ok(Err(io::ErrorKind::ResourceBusy.into())),
            }
        };
        // Boxed: its state is large and gone once the hands are shaken.
        let shaken = Box::pin(permitted);
        let shaken = tokio::select! {
            () = stopped(&mut self.stop) => return,
            shaken = shaken => shaken,
        };
        match shaken {
            Ok(Ok((stream, peer))) => {
                let Self { mqtt, stop, open, .. } = self;
                serve(mqtt, stream, peer, stop, open).await;
            }
            Ok(Err(error)) => self.failed(step, transport::handshake_fault(&error)),
            Err(_) => {
                let detail = format!("the handshake was not done within {} s", limit.as_secs());
                self.failed(step, Some(("handshake.timeout", detail)));
            }
        }
    }
}

/// Runs one connection to its end, and holds `open` so long. No async function, which would keep its arguments twice.
fn serve<S: Stream>(
    mqtt: Arc<Mqtt>,
    stream: S,
    peer: SocketAddr,
    mut stop: watch::Receiver<bool>,
    open: impl Sized,
) -> impl Future<Output = ()> {
    let clock = Clock::start();
    let mut link = Link::new(mqtt, peer, clock);
    let mut wire = Wire::new(stream);
    async move {
        let sleep = tokio::time::sleep_until(clock.at(link.deadline()));
        tokio::pin!(sleep);
        while link.drain(&mut wire.out).await.is_continue() {
            if wire.is_over(&link.machine) {
                link.broken(&io::ErrorKind::UnexpectedEof.into());
                continue;
            }
            // Put off only when it fires: most deadlines move with every packet.
            let deadline = clock.at(wire.deadline(&link));
            if deadline < sleep.deadline() {
                sleep.as_mut().reset(deadline);
            }
            let handle = link.handle().cloned();
            tokio::select! {
                biased;
                () = stopped(&mut stop), if !link.is_stopping() => link.stop(),
                () = poll_fn(|cx| rung(handle.as_deref(), cx)), if wire.has_room() => link.mail(),
                done = link.flow.next(), if !link.flow.is_empty() => link.done(done).await,
                polled = poll_fn(|cx| wire.poll(cx, &mut link.machine, clock)) => {
                    if let Err(error) = polled {
                        link.broken(&error);
                    }
                }
                () = &mut sleep => {
                    wire.give_up(&mut link, clock);
                    link.timeout();
                    sleep.as_mut().reset(clock.at(wire.deadline(&link)));
                }
            }
        }
        let _ = timeout(LAST_BYTES, wire.finish()).await;
        drop(wire);
        link.leave();
        let ends = Arc::clone(link.ends());
        // Its state is large: many at once would leave holes in memory that nothing else fills.
        let place = ends.acquire().await;
        Box::pin(link.finish(LAST_ANSWERS)).await;
        drop((place, open));
    }
}

fn rung(handle: Option<&Handle>, cx: &Context<'_>) -> Poll<()> {
    handle.map_or(Poll::Pending, |handle| handle.poll_rung(cx))
}

/// Time since a connection began, as its machine counts it.
#[derive(Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    #[allow(clippy::disallowed_methods, reason = "this is the driver: it gives machines their time")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> Duration {
        self.0.elapsed()
    }

    fn at(self, since: Duration) -> Instant {
        self.0 + since
    }
}

/// A stream and the bytes that wait to be written to it.
struct Wire<S> {
    stream: S,
    out: Vec<u8>,
    written: usize,
    /// Whether bytes written may still wait inside the stream.
    flushing: bool,
    /// Since when the client takes nothing.
    stalled: Option<Duration>,
    /// Since when nothing more comes from a client that may still listen.
    ended: Option<Duration>,
}

impl<S: Stream> Wire<S> {
    fn new(stream: S) -> Self {
        Self { stream, out: Vec::new(), written: 0, flushing: false, stalled: None, ended: None }
    }

    /// Whether something more may be put into `out`.
    fn has_room(&self) -> bool {
        self.out.len() - self.written < OUT_BYTES
    }

    fn deadline(&self, link: &Link) -> Duration {
        let (stalled, ended) = (self.stalled.map(|since| since + STALL), self.ended.map(|since| since + LAST_ANSWERS));
        [stalled, ended].into_iter().flatten().fold(link.deadline(), Duration::min)
    }

    fn has_output(&self) -> bool {
        self.flushing || self.written < self.out.len()
    }

    /// Whether nothing more comes, and the client has what it was still owed.
    fn is_over(&self, machine: &Connection) -> bool {
        self.ended.is_some() && machine.outstanding() == 0 && !self.has_output()
    }

    /// Ends a connection whose client has not taken what was sent to it in time, or has ended its side long ago.
    fn give_up(&self, link: &mut Link, clock: Clock) {
        if self.stalled.is_some_and(|since| clock.now() >= since + STALL) {
            link.stalled(STALL);
        }
        if self.ended.is_some_and(|since| clock.now() >= since + LAST_ANSWERS) {
            link.broken(&io::ErrorKind::UnexpectedEof.into());
        }
    }

    /// Writes what waits and feeds the machine what came. Ready when something changed; the error is how the connection was lost.
    fn poll(&mut self, cx: &mut Context<'_>, machine: &mut Connection, clock: Clock) -> Poll<io::Result<()>> {
        let (had_room, had_output, was_stalled) = (self.has_room(), self.has_output(), self.stalled.is_some());
        match self.poll_write(cx) {
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => self.stalled = None,
            Poll::Pending => {
                self.stalled.get_or_insert_with(|| clock.now());
            }
        }
        let mut read = Poll::Pending;
        if self.ended.is_some() {
            return if had_output && !self.has_output() { Poll::Ready(Ok(())) } else { Poll::Pending };
        }
        if machine.wants_read() && self.has_room() {
            if machine.is_open() {
                self.stream.opened();
            }
            read = self.poll_read(cx, machine, clock);
        }
        // A stall that begins now has a deadline that the caller must see.
        if read.is_pending() && (had_room != self.has_room() || self.stalled.is_some() && !was_stalled) {
            return Poll::Ready(Ok(()));
        }
        read
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, machine: &mut Connection, clock: Clock) -> Poll<io::Result<()>> {
        READ.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                if !machine.is_open() || !self.stream.half_closes() {
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                self.ended = Some(clock.now());
                return Poll::Ready(Ok(()));
            }
            machine.handle(clock.now(), Input::Data(buffer.filled()));
            Poll::Ready(Ok(()))
        })
    }

    /// Ready once the client's side has taken everything.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.out.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                taken => {
                    self.written += taken;
                    self.flushing = true;
                    self.stalled = None;
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

    /// Writes the last bytes and closes.
    async fn finish(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_write(cx)).await?;
        self.stream.shutdown().await
    }
}

#[cfg(test)]
mod tests;
