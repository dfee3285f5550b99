//! One request from its head to the head of its answer, in either version.

use super::{
    Shared,
    intake::Way,
    origin::Origin,
    reason::{Call, REASON, Reason, wanted},
    room::{Open, UnderWay},
};
use axum::{
    Router,
    body::Body,
    http::{HeaderName, HeaderValue, Request, Response, StatusCode, Version, header},
};
use bytes::Bytes;
use futures_util::FutureExt;
use hyper::{
    body::{Frame, Incoming, SizeHint},
    service::Service,
};
use hyper_util::service::TowerToHyperService;
use landfall_core::network;
use landfall_ingress::unhosted;
use std::{
    convert::Infallible,
    net::SocketAddr,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Bytes of a body that are handed over at once, the largest frame that every client takes (RFC 9113, 4.2): so the body goes, and the request
/// ends, not before all but what waits for the client is sent.
const PIECE_BYTES: usize = 16 * 1024;

impl Shared {
    /// Answers a request. A panic of a handler, which is a defect, is answered, by its API or here, and leaves the connection usable.
    pub(super) async fn answer(
        self: Arc<Self>,
        router: TowerToHyperService<Router>,
        mut request: Request<Incoming>,
        peer: SocketAddr,
        open: Arc<Open>,
    ) -> Result<Response<Body>, Infallible> {
        let under_way = open.begin();
        let id = self.front.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let line = tracing::enabled!(tracing::Level::DEBUG).then(|| (request.method().clone(), request.uri().path().to_owned()));
        let (client, wanted) = (self.front.client(peer, request.headers()), wanted(request.headers()));
        let origin = Origin::asked(self.tls.is_some(), client.0 != peer, request.uri(), request.headers());
        request.extensions_mut().insert(client);
        request.extensions_mut().insert(origin);
        let mut response = match unhosted(request.version(), request.headers()) {
            Some(why) => self.refuse(client.0, StatusCode::BAD_REQUEST, why.check, why.detail),
            None => self.routed(&router, request, client.0, &open, id).await,
        };
        if let Some((method, path)) = line {
            tracing::debug!(id, %method, path, status = response.status().as_u16(), "request");
        }
        if let Some(reason) = response.extensions_mut().remove::<Reason>() {
            if let Some(line) = reason.header().filter(|_| wanted) {
                response.headers_mut().insert(REASON, line);
            }
            self.front.refused(client.0, id, response.status().as_u16(), reason).await;
        }
        response.headers_mut().insert(REQUEST_ID, HeaderValue::from(id));
        Ok(response.map(|body| Body::new(Sent { body, rest: Bytes::new(), under_way })))
    }

    async fn routed(
        &self,
        router: &TowerToHyperService<Router>,
        request: Request<Incoming>,
        client: SocketAddr,
        open: &Arc<Open>,
        id: u64,
    ) -> Response<Body> {
        let version = request.version();
        let Some(way) = Way::begin(&self.doors, network(client.ip()), open).await else {
            open.leave_unread();
            let why = "too many requests are under way; try again";
            return self.refuse(client, StatusCode::SERVICE_UNAVAILABLE, "requests.limit", why);
        };
        let mut request = request.map(|body| way.intake(body));
        request.extensions_mut().insert(way.paced());
        let routed = AssertUnwindSafe(router.call(request)).catch_unwind();
        let mut response = match routed.await {
            Ok(Ok(response)) => response,
            Err(_) => {
                let mut reason = Reason::panic();
                reason.about(Call::to("http"));
                reason.on(failure(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error."))
            }
        };
        if response.extensions().get().is_some_and(Reason::is_panic) {
            tracing::error!(id, "a handler panicked");
        }
        self.judge_body(client, &way, &mut response);
        if !way.end().await {
            open.leave_unread();
            if version < Version::HTTP_2 {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
        }
        response
    }

    fn refuse(&self, client: SocketAddr, status: StatusCode, check: &'static str, why: &str) -> Response<Body> {
        self.front.turned_away(client, check, why.to_owned());
        failure(status, why)
    }

    /// Leaves word of a body that was not taken; the status of one that was given up is the listener's. An answer without an error did not
    /// need the body.
    fn judge_body(&self, client: SocketAddr, way: &Way<Incoming>, response: &mut Response<Body>) {
        let status = response.status();
        if !status.is_client_error() && !status.is_server_error() {
            return;
        }
        let (check, detail) = if let Some(why) = way.gave_up() {
            if status.is_client_error() {
                *response.status_mut() = why.status();
            }
            (why.check(), why.to_string())
        } else if way.was_too_large() || status == StatusCode::PAYLOAD_TOO_LARGE {
            ("body.too-large", "the body is larger than its route takes".to_owned())
        } else {
            return;
        };
        let reason = response.extensions_mut().get_mut::<Reason>();
        if !reason.is_some_and(|reason| reason.unread(check, detail.clone())) {
            self.front.turned_away(client, check, detail);
        }
    }
}

/// An answer that no dialect gave.
fn failure(status: StatusCode, why: &str) -> Response<Body> {
    let code = if status.is_client_error() { "100007" } else { "50252" };
    let mut response = Response::new(Body::from(format!(r#"{{"error_code":"{code}","error_desc":"{why}"}}"#)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The body of an answer, in pieces; the request is under way until it goes.
struct Sent {
    body: Body,
    rest: Bytes,
    under_way: UnderWay,
}

impl hyper::body::Body for Sent {
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
        this.under_way.moves();
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
