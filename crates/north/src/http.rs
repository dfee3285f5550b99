//! The HTTP listener: versions, TLS, limits, keep-alive, graceful shutdown.
//!
//! HTTP/1.1 and HTTP/2: over TLS as ALPN agreed, without TLS by the preface of HTTP/2. Absent: routes, authentication and flow control, which
//! are each dialect's.

mod answering;
mod front;
mod guard;
mod http2;
mod intake;
mod multipart;
mod origin;
mod preface;
mod reason;
mod rest;
mod room;
mod wire;

pub use axum::Router;
pub use front::{Front, WhyWord, Word};
pub use guard::Form;
pub(crate) use guard::guarded;
pub use intake::{Pace, Unread, whole_body};
pub(crate) use multipart::{Malformed, Multipart, Part, Piece, media_type, parameter};
pub(crate) use origin::Origin;
pub(crate) use reason::Call;
pub use reason::Reason;
pub(crate) use rest::Rest;

use axum::{extract::DefaultBodyLimit, http::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use intake::Doors;
use landfall_core::Places;
use preface::Begun;
use room::{Entry, Open, Room};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use wire::Wire;

/// Bytes that are read ahead of a connection of HTTP/1.1, and so of a request's head.
const HTTP1_BYTES: usize = 64 * 1024;

/// The address of the client, in the extensions of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Limits of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes a request body may have; a route may set its own with axum's `DefaultBodyLimit`.
    pub body_bytes: usize,
    /// Connections at a time. When there is one more, the oldest idle one goes of the address that has the most; where none is idle, it waits in
    /// the kernel's queue.
    pub connections: usize,
    /// Requests that are worked on at a time; further ones wait, and addresses take turns.
    pub requests: usize,
    /// Requests that an HTTP/2 connection may have under way.
    pub streams: u32,
    /// Bytes of all bodies that are being read or worked on; further ones wait, and addresses take turns.
    pub budget_bytes: usize,
    /// Bytes of a body that must come each second, and seconds for all of it, unless its route has its own [`Pace`].
    pub body_bytes_per_s: u32,
    /// Seconds for a whole body.
    pub body_s: u32,
    /// Bytes of the headers of an HTTP/2 request, 32 more for each (RFC 9113, 6.5.2); HTTP/1.1 has 64 KiB for the whole head.
    pub header_bytes: u32,
    /// Time for the head of a request; also the time a kept connection may be idle, with HTTP/2 up to twice that.
    pub head_timeout_ms: u64,
    /// Time for a TLS handshake.
    pub handshake_timeout_ms: u64,
    /// Time that requests under way get when the server stops.
    pub drain_timeout_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1024 * 1024,
            connections: 10_000,
            requests: 10_000,
            streams: 100,
            budget_bytes: 128 * 1024 * 1024,
            body_bytes_per_s: 500,
            body_s: 120,
            header_bytes: 16 * 1024,
            head_timeout_ms: 10_000,
            handshake_timeout_ms: 30_000,
            drain_timeout_ms: 10_000,
        }
    }
}

/// Serves `router` until `stop` holds true or its sender is gone; then requests under way are finished, up to the drain timeout.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    router: Router,
    limits: Limits,
    front: Front,
    mut stop: watch::Receiver<bool>,
) {
    let shared = Arc::new(Shared::new(router, tls, limits, front, stop.clone()));
    let room = Room::new(limits.connections);
    let mut open = JoinSet::new();
    // Kept over the rounds: a connection that was accepted and waits for room is not to be lost.
    let mut coming = Box::pin(next(&listener, &room));
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            Some(_) = open.join_next() => {}
            (stream, peer, entry) = &mut coming => {
                coming.set(next(&listener, &room));
                open.spawn(Arc::clone(&shared).connection(stream, peer, entry));
            }
        }
    }
    drop(coming);
    drop(listener);
    let drained = async { while open.join_next().await.is_some() {} };
    if timeout(Duration::from_millis(limits.drain_timeout_ms), drained).await.is_err() {
        tracing::warn!("requests were cut off at shutdown");
        open.shutdown().await;
    }
}

/// Returns once the flag is true or nobody can set it any more.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The next connection, once there is room for it.
async fn next(listener: &TcpListener, room: &Arc<Room>) -> (TcpStream, SocketAddr, Entry) {
    const ACCEPT_RETRY_MS: u64 = 50;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, room.enter(peer.ip()).await),
            Err(error) => {
                // Out of file descriptors, mostly: trying again at once would only burn the processor.
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(ACCEPT_RETRY_MS)).await;
            }
        }
    }
}

/// What all connections of a listener share.
struct Shared {
    router: Router,
    tls: Option<TlsAcceptor>,
    limits: Limits,
    front: Front,
    doors: Arc<Doors>,
    stop: watch::Receiver<bool>,
}

impl Shared {
    fn new(
        router: Router,
        tls: Option<Arc<rustls::ServerConfig>>,
        limits: Limits,
        front: Front,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let pace = Pace {
            bytes_per_s: limits.body_bytes_per_s,
            deadline_s: Some(limits.body_s),
            budget_bytes: limits.body_bytes,
            streamed: false,
        };
        let doors = Doors { work: Places::new(limits.requests), budget: Places::new(limits.budget_bytes), pace };
        Self {
            router: router.layer(DefaultBodyLimit::max(limits.body_bytes)),
            tls: tls.map(TlsAcceptor::from),
            limits,
            front,
            doors: Arc::new(doors),
            stop,
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, entry: Entry) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "connection lost");
            return;
        }
        tokio::select! {
            () = self.admitted(stream, peer, &entry.open) => {}
            () = entry.open.sent_away() => {
                let detail = "closed to make room for another: it was idle, and no address had more connections";
                self.front.turned_away(peer, "connections.limit", detail.into());
            }
        }
    }

    async fn admitted(self: &Arc<Self>, mut stream: TcpStream, peer: SocketAddr, open: &Arc<Open>) {
        let limit = Duration::from_millis(self.limits.handshake_timeout_ms);
        let mut stop = self.stop.clone();
        let admitted = tokio::select! {
            () = stopped(&mut stop) => return,
            admitted = self.front.admit(&mut stream, peer, self.tls.is_some(), limit) => admitted,
        };
        let Some(peer) = admitted else { return };
        let stream = Wire::new(stream, Arc::clone(open));
        let Some(acceptor) = &self.tls else {
            let head = timeout(Duration::from_millis(self.limits.head_timeout_ms), Begun::read(stream));
            let outcome = tokio::select! {
                () = stopped(&mut stop) => return,
                outcome = head => outcome,
            };
            return match outcome {
                Ok(Ok((true, stream))) => self.http2(stream, peer, open).await,
                Ok(Ok((false, stream))) => self.http1(stream, peer, open).await,
                Ok(Err(error)) => tracing::debug!(%peer, %error, "connection lost"),
                Err(_) => self.front.no_head(peer),
            };
        };
        let handshake = timeout(limit, acceptor.accept(stream));
        let outcome = tokio::select! {
            () = stopped(&mut stop) => return,
            outcome = handshake => outcome,
        };
        match outcome {
            Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => self.http2(stream, peer, open).await,
            Ok(Ok(stream)) => self.http1(stream, peer, open).await,
            Ok(Err(error)) => self.front.not_shaken(peer, &error),
            Err(_) => self.front.too_slow(peer),
        }
    }

    async fn http1(
        self: &Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: SocketAddr,
        open: &Arc<Open>,
    ) {
        let inner = TowerToHyperService::new(self.router.clone());
        let service =
            service_fn(|request: Request<Incoming>| Arc::clone(self).answer(inner.clone(), request, peer, Arc::clone(open)));
        let mut connection = std::pin::pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .max_buf_size(HTTP1_BYTES)
                .header_read_timeout(Duration::from_millis(self.limits.head_timeout_ms))
                .serve_connection(TokioIo::new(stream), service)
        );
        let mut stop = self.stop.clone();
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stopped(&mut stop) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        match ended {
            Ok(()) => {}
            Err(error) if error.is_timeout() && !open.is_kept() => self.front.no_head(peer),
            Err(error) if error.is_parse_too_large() => {
                let detail = format!("the head of a request may have {HTTP1_BYTES} bytes ({error})");
                self.front.turned_away(peer, "head.too-large", detail);
            }
            Err(error) if error.is_parse() => {
                self.front.turned_away(peer, "head.malformed", format!("no HTTP request: {error}"));
            }
            Err(error) => tracing::debug!(%peer, %error, "connection ended"),
        }
    }
}

#[cfg(test)]
mod tests;
