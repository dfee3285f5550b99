//! HTTP/2 (RFC 9113) on a connection that is known to speak it: what is limited there, and when it ends.
//!
//! Requests look to the dialects as they do over HTTP/1.1. Limits beside those of [`super::Limits`] are hyper's own: resets of streams that
//! were not served yet (20) and of streams in error (1,024) before the connection is ended.

use super::{Shared, room::Open, stopped, wire::STALL};
use axum::http::{HeaderValue, Request, Uri, header};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::io::{AsyncRead, AsyncWrite};

/// How long a client without a request under way may at least take to answer a GOAWAY; when the server stops, at most twice that.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long a client may take to answer a PING.
const PONG: Duration = Duration::from_secs(10);
/// Bytes of an answer that wait for the client of a stream in memory, beside its body.
const SEND_BYTES: usize = 64 * 1024;
/// Bytes of bodies that a client may send before anybody reads them, on a stream and on the connection.
const STREAM_WINDOW_BYTES: u32 = 128 * 1024;
const WINDOW_BYTES: u32 = 256 * 1024;

impl Shared {
    pub(super) async fn http2(
        self: &Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: SocketAddr,
        open: &Arc<Open>,
    ) {
        let inner = TowerToHyperService::new(self.router.clone());
        let service = service_fn(|mut request: Request<Incoming>| {
            like_http1(&mut request);
            Arc::clone(self).answer(inner.clone(), request, peer, Arc::clone(open))
        });
        let idle = Duration::from_millis(self.limits.head_timeout_ms);
        let mut connection = std::pin::pin!(
            http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .max_concurrent_streams(self.limits.streams)
                .max_header_list_size(self.limits.header_bytes)
                .max_send_buf_size(SEND_BYTES)
                .initial_stream_window_size(STREAM_WINDOW_BYTES)
                .initial_connection_window_size(WINDOW_BYTES)
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
                () = open.quiet(patience, STALL) => {
                    if !leaving && !open.was_asked() {
                        self.front.no_head(peer);
                    }
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
