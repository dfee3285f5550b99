//! The HTTP listener: versions, TLS, limits, keep-alive, graceful shutdown.
//!
//! HTTP/1.1 and HTTP/2: over TLS as ALPN agreed, without TLS by the preface of HTTP/2. Absent: routes, authentication and flow control, which
//! are each dialect's.

mod http2;
mod preface;

use axum::{
    Router,
    body::Body,
    extract::DefaultBodyLimit,
    http::{HeaderName, HeaderValue, Request, Response, StatusCode, header},
};
use futures_util::FutureExt;
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use preface::Begun;
use std::{
    convert::Infallible,
    net::SocketAddr,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The address of the client, in the extensions of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Limits of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes a request body may have; a route may set its own with axum's `DefaultBodyLimit`.
    pub body_bytes: usize,
    /// Connections at a time; more wait in the kernel's queue.
    pub connections: usize,
    /// Requests that an HTTP/2 connection may have under way; over all connections, no more are worked on than `connections`.
    pub streams: u32,
    /// Bytes of the headers of an HTTP/2 request, 32 more for each (RFC 9113, 6.5.2); HTTP/1.1 has the limits of the library.
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
            streams: 100,
            header_bytes: 16 * 1024,
            head_timeout_ms: 10_000,
            handshake_timeout_ms: 10_000,
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
    mut stop: watch::Receiver<bool>,
) {
    let shared = Arc::new(Shared {
        router: router.layer(DefaultBodyLimit::max(limits.body_bytes)),
        tls: tls.map(TlsAcceptor::from),
        limits,
        requests: AtomicU64::new(0),
        streams: Arc::new(Semaphore::new(limits.connections)),
        stop: stop.clone(),
    });
    let room = Arc::new(Semaphore::new(limits.connections));
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            Some(_) = open.join_next() => {}
            (stream, peer, permit) = next(&listener, &room) => {
                open.spawn(Arc::clone(&shared).connection(stream, peer, permit));
            }
        }
    }
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

/// The next connection, once there is room for one.
async fn next(listener: &TcpListener, room: &Arc<Semaphore>) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    const ACCEPT_RETRY_MS: u64 = 50;
    // The semaphore is never closed, so there always is a permit.
    let permit = Arc::clone(room).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, permit),
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
    requests: AtomicU64,
    /// One permit for each HTTP/2 request that is worked on.
    streams: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

impl Shared {
    async fn connection(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, _permit: Option<OwnedSemaphorePermit>) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "connection lost");
            return;
        }
        let mut stop = self.stop.clone();
        let Some(acceptor) = &self.tls else {
            let head = timeout(Duration::from_millis(self.limits.head_timeout_ms), Begun::read(stream));
            let outcome = tokio::select! {
                () = stopped(&mut stop) => return,
                outcome = head => outcome,
            };
            return match outcome {
                Ok(Ok((true, stream))) => self.http2(stream, peer).await,
                Ok(Ok((false, stream))) => self.http1(stream, peer).await,
                Ok(Err(error)) => tracing::debug!(%peer, %error, "connection lost"),
                Err(_) => tracing::debug!(%peer, "no request came"),
            };
        };
        let handshake = timeout(Duration::from_millis(self.limits.handshake_timeout_ms), acceptor.accept(stream));
        let outcome = tokio::select! {
            () = stopped(&mut stop) => return,
            outcome = handshake => outcome,
        };
        match outcome {
            Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => self.http2(stream, peer).await,
            Ok(Ok(stream)) => self.http1(stream, peer).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
            Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
        }
    }

    async fn http1(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: SocketAddr) {
        let inner = TowerToHyperService::new(self.router.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            self.answer(&inner, request)
        });
        let mut connection = std::pin::pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
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
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "connection ended");
        }
    }

    /// Routes a request. A panic of a handler, which is a defect, is answered and leaves the connection usable.
    fn answer(
        &self,
        inner: &TowerToHyperService<Router>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Body>, Infallible>> + Send + use<> {
        let id = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let line = tracing::enabled!(tracing::Level::DEBUG).then(|| (request.method().clone(), request.uri().path().to_owned()));
        let routed = AssertUnwindSafe(inner.call(request)).catch_unwind();
        async move {
            let mut response = match routed.await {
                Ok(Ok(response)) => response,
                Err(_) => {
                    tracing::error!(id, "a handler panicked");
                    broken()
                }
            };
            if let Some((method, path)) = line {
                tracing::debug!(id, %method, path, status = response.status().as_u16(), "request");
            }
            response.headers_mut().insert(REQUEST_ID, HeaderValue::from(id));
            Ok(response)
        }
    }
}

fn broken() -> Response<Body> {
    let mut response = Response::new(Body::from(r#"{"error_code":"50252","error_desc":"Internal server error."}"#));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests;
