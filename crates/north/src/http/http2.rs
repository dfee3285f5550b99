//! HTTP/2 (RFC 9113) on a connection that is known to speak it: what is limited there, and when it ends.
//!
//! Requests look to the dialects as they do over HTTP/1.1. Limits beside those of [`super::Limits`] are hyper's own: resets of streams that
//! were not served yet (20) and of streams in error (1,024) before the connection is ended, 1 MiB of bodies that nobody has read.

use super::{Peer, Shared, stopped};
use axum::{
    body::Body,
    http::{HeaderValue, Request, Uri, header},
};
use bytes::Bytes;
use hyper::{
    body::{Frame, Incoming, SizeHint},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::OwnedSemaphorePermit,
};

/// How long a client without a request under way may at least take to answer a GOAWAY; when the server stops, at most twice that.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long a client may take to answer a PING.
const PONG: Duration = Duration::from_secs(10);
/// Bytes of an answer that wait for the client of a stream in memory, beside its body.
const SEND_BYTES: usize = 64 * 1024;
/// Bytes of a body that are handed over at once, the largest frame that every client takes (RFC 9113, 4.2): so the body goes, and the request
/// ends, not before all but `SEND_BYTES` of it is sent.
const PIECE_BYTES: usize = 16 * 1024;

impl Shared {
    pub(super) async fn http2(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: SocketAddr) {
        let inner = TowerToHyperService::new(self.router.clone());
        let load = Arc::new(Load::default());
        let service = service_fn(|mut request: Request<Incoming>| {
            like_http1(&mut request);
            request.extensions_mut().insert(Peer(peer));
            let (answer, under_way) = (self.answer(&inner, request), load.begin());
            let room = Arc::clone(&self.streams);
            async move {
                // The semaphore is never closed, so there always is a permit.
                let permit = room.acquire_owned().await.ok();
                Ok::<_, Infallible>(answer.await?.map(|body| Counted {
                    body,
                    rest: Bytes::new(),
                    _under_way: under_way,
                    _permit: permit,
                }))
            }
        });
        let idle = Duration::from_millis(self.limits.head_timeout_ms);
        let mut connection = std::pin::pin!(
            http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .max_concurrent_streams(self.limits.streams)
                .max_header_list_size(self.limits.header_bytes)
                .max_send_buf_size(SEND_BYTES)
                .keep_alive_interval(idle)
                .keep_alive_timeout(PONG)
                .serve_connection(TokioIo::new(stream), service)
        );
        let mut stop = self.stop.clone();
        let (mut stopping, mut leaving) = (false, false);
        let ended = loop {
            let patience = match (stopping, leaving) {
                (true, _) => FAREWELL,
                (false, true) => idle.max(FAREWELL),
                (false, false) => idle,
            };
            tokio::select! {
                ended = connection.as_mut() => break ended,
                () = stopped(&mut stop), if !stopping => stopping = true,
                () = load.quiet(patience) => {
                    if leaving {
                        tracing::debug!(%peer, "connection cut off");
                        return;
                    }
                }
            }
            leaving = true;
            connection.as_mut().graceful_shutdown();
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "connection ended");
        }
    }
}

/// The authority as `Host` (RFC 9113, 8.3.1) and the path alone as target.
fn like_http1(request: &mut Request<Incoming>) {
    let authority = request.uri().authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(authority) = authority {
        request.headers_mut().insert(header::HOST, authority);
    }
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map(Uri::from).unwrap_or_default();
}

/// Requests of a connection.
#[derive(Default)]
struct Load {
    under_way: AtomicUsize,
    begun: AtomicU64,
}

impl Load {
    fn begin(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::SeqCst);
        self.begun.fetch_add(1, Ordering::SeqCst);
        UnderWay(Arc::clone(self))
    }

    /// Returns once no request was under way for at least `time` and less than twice that.
    async fn quiet(&self, time: Duration) {
        let idle_since = || (self.under_way.load(Ordering::SeqCst) == 0).then(|| self.begun.load(Ordering::SeqCst));
        let mut before = idle_since();
        loop {
            tokio::time::sleep(time).await;
            let now = idle_since();
            if now.is_some() && now == before {
                return;
            }
            before = now;
        }
    }
}

/// A request whose answer is not wholly sent.
struct UnderWay(Arc<Load>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The body of an answer, in pieces; the request is under way until it goes.
struct Counted {
    body: Body,
    rest: Bytes,
    _under_way: UnderWay,
    _permit: Option<OwnedSemaphorePermit>,
}

impl hyper::body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if this.rest.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                end => return Poll::Ready(end),
            }
        }
        let piece = this.rest.split_to(this.rest.len().min(PIECE_BYTES));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}
