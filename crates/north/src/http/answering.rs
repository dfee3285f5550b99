//! One request from its head to the head of its answer, in either version.

use super::{
    Peer, Shared,
    intake::Way,
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
use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
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
    /// Answers a request. A panic of a handler, which is a defect, is answered and leaves the connection usable.
    pub(super) async fn answer(
        self: Arc<Self>,
        router: TowerToHyperService<Router>,
        request: Request<Incoming>,
        open: Arc<Open>,
    ) -> Result<Response<Body>, Infallible> {
        let under_way = open.begin();
        let id = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let line = tracing::enabled!(tracing::Level::DEBUG).then(|| (request.method().clone(), request.uri().path().to_owned()));
        let mut response = match unhosted(&request) {
            Some(why) => refusal(StatusCode::BAD_REQUEST, why),
            None => self.routed(&router, request, &open, id).await,
        };
        if let Some((method, path)) = line {
            tracing::debug!(id, %method, path, status = response.status().as_u16(), "request");
        }
        response.headers_mut().insert(REQUEST_ID, HeaderValue::from(id));
        Ok(response.map(|body| Body::new(Sent { body, rest: Bytes::new(), under_way })))
    }

    async fn routed(
        &self,
        router: &TowerToHyperService<Router>,
        request: Request<Incoming>,
        open: &Arc<Open>,
        id: u64,
    ) -> Response<Body> {
        let version = request.version();
        let peer = request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
        let Some(way) = Way::begin(&self.doors, network(peer), open).await else {
            open.leave_unread();
            return refusal(StatusCode::SERVICE_UNAVAILABLE, "too many requests are under way; try again");
        };
        let mut request = request.map(|body| way.intake(body));
        request.extensions_mut().insert(way.paced());
        let routed = AssertUnwindSafe(router.call(request)).catch_unwind();
        let mut response = match routed.await {
            Ok(Ok(response)) => response,
            Err(_) => {
                tracing::error!(id, "a handler panicked");
                refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error.")
            }
        };
        // An answer without an error did not need the body.
        if let Some(why) = way.gave_up().filter(|_| response.status().is_client_error()) {
            *response.status_mut() = why.status();
        }
        if !way.end().await {
            open.leave_unread();
            if version < Version::HTTP_2 {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
        }
        response
    }
}

/// What is wrong with the `Host` of a request (RFC 9112, 3.2). HTTP/2 has the authority in its place, HTTP/1.0 need not have it.
fn unhosted<B>(request: &Request<B>) -> Option<&'static str> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version() == Version::HTTP_11 => Some("The Host header is missing."),
        (Some(_), Some(_)) => Some("There is more than one Host header."),
        (Some(host), None) if !is_authority(host) => Some("The Host header is no host."),
        _ => None,
    }
}

/// A name or address with or without a port, or nothing (RFC 9110, 7.2).
fn is_authority(host: &HeaderValue) -> bool {
    host.is_empty()
        || host.to_str().is_ok_and(|text| text.parse::<axum::http::uri::Authority>().is_ok_and(|a| !a.as_str().contains('@')))
}

/// An answer that no dialect gave.
fn refusal(status: StatusCode, why: &str) -> Response<Body> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_there_once_and_is_a_host() {
        let cases: [(Version, &[&'static str], bool); 12] = [
            (Version::HTTP_11, &["a.example"], true),
            (Version::HTTP_11, &["a.example:8743"], true),
            (Version::HTTP_11, &["[::1]:8743"], true),
            (Version::HTTP_11, &["[::1]"], true),
            (Version::HTTP_11, &[""], true),
            (Version::HTTP_11, &[], false),
            (Version::HTTP_11, &["a", "a"], false),
            (Version::HTTP_11, &["a b"], false),
            (Version::HTTP_11, &["a/b"], false),
            (Version::HTTP_11, &["u@a"], false),
            (Version::HTTP_10, &[], true),
            (Version::HTTP_2, &["a", "b"], false),
        ];
        for (version, hosts, good) in cases {
            let mut request = Request::builder().version(version);
            for host in hosts {
                request = request.header(header::HOST, *host);
            }
            assert_eq!(unhosted(&request.body(()).unwrap()).is_none(), good, "{version:?} {hosts:?}");
        }
    }
}
