//! One request: a body of an event, POSTed over a kept connection.
//!
//! No redirect is followed: a callback address is checked when it is subscribed, and what a receiver answers must not lead elsewhere.

use crate::connect::{Dial, Stream};
use crate::retry::retry_after_ms;
use crate::target::Target;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use landfall_core::{Notification, World};
use landfall_model::{Seq, SubscriptionId, Time};
use parking_lot::Mutex;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Bytes of an answer's body that are read, so that its connection can be used again.
const BODY_LIMIT: usize = 64 * 1024;

/// How long an answer's body may take after its head confirmed the event.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// `User-Agent` of every request.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("landfall/", env!("CARGO_PKG_VERSION")));

const EVENT: HeaderName = HeaderName::from_static("x-landfall-event");
const SUBSCRIPTION: HeaderName = HeaderName::from_static("x-landfall-subscription");

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// For operators.
    pub text: Cow<'static, str>,
    /// The answer's status, if there was one.
    pub status: Option<u16>,
    /// The delay the receiver asked for.
    pub retry_after_ms: Option<i64>,
}

impl Failure {
    /// A failure without an answer.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), status: None, retry_after_ms: None }
    }
}

/// What the clients of all subscriptions share.
pub(crate) struct Shared {
    /// Opens connections.
    pub dial: Arc<dyn Dial>,
    /// One permit for each open connection.
    pub sockets: Arc<Semaphore>,
    /// All permits.
    pub sockets_total: usize,
    /// The clock.
    pub world: Arc<dyn World>,
    /// From `Config`.
    pub connect_timeout: Duration,
    /// From `Config`.
    pub request_timeout: Duration,
    /// From `Config`.
    pub idle_timeout_ms: i64,
}

impl Shared {
    /// Whether only the reserve for subscriptions without a connection is left.
    pub fn is_scarce(&self) -> bool {
        self.sockets.available_permits() <= self.sockets_total / 4
    }
}

/// The connections of one subscription to one target.
pub(crate) struct Client {
    target: Target,
    subscription: HeaderValue,
    shared: Arc<Shared>,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    sender: SendRequest<Full<Bytes>>,
    since: Time,
}

impl Client {
    /// A client without connections.
    pub fn new(id: SubscriptionId, target: Target, shared: Arc<Shared>) -> Self {
        let subscription = HeaderValue::from_str(&id.to_string()).unwrap_or(HeaderValue::from_static("-"));
        Self { target, subscription, shared, idle: Mutex::new(Vec::new()) }
    }

    /// Sends a notification of an event; it is confirmed, by the status that is returned, when this returns.
    pub async fn post(&self, seq: Seq, notification: &Notification) -> Result<u16, Failure> {
        let mut request = self.request(seq, notification);
        while let Some(mut sender) = self.take_idle() {
            let attempt = timeout(self.shared.request_timeout, async {
                // Not ready: the receiver closed the kept connection meanwhile, which says nothing about its health.
                if sender.ready().await.is_err() {
                    return Err(None);
                }
                sender.try_send_request(request.clone()).await.map_err(Some)
            });
            match attempt.await.map_err(|_| too_slow(self.shared.request_timeout))? {
                Ok(response) => return self.judge(sender, response).await,
                Err(None) => {}
                Err(Some(mut e)) => match e.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(Failure::new(format!("HTTP: {}", e.into_error()))),
                },
            }
        }
        // Waiting for a socket of our own is not the receiver's fault and counts against no timeout; permits come back within one.
        let permit = Arc::clone(&self.shared.sockets).acquire_owned().await.map_err(|_| Failure::new("stopping"))?;
        let attempt = timeout(self.shared.request_timeout, async {
            let mut sender = self.connect(permit).await?;
            let response = sender.send_request(request).await.map_err(|e| Failure::new(format!("HTTP: {e}")))?;
            Ok((sender, response))
        });
        let (sender, response) = attempt.await.map_err(|_| too_slow(self.shared.request_timeout))??;
        self.judge(sender, response).await
    }

    fn request(&self, seq: Seq, notification: &Notification) -> Request<Full<Bytes>> {
        let mut request = request(&self.target, notification);
        let headers = request.headers_mut();
        headers.insert(EVENT, HeaderValue::from(seq.0));
        headers.insert(SUBSCRIPTION, self.subscription.clone());
        request
    }

    async fn connect(&self, permit: OwnedSemaphorePermit) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let stream = dial(&*self.shared.dial, &self.target, self.shared.connect_timeout).await?;
        let handshake = http1::Builder::new().handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|e| Failure::new(format!("HTTP: {e}")))?;
        #[allow(
            clippy::disallowed_methods,
            reason = "the push is one of the shells that spawn; the task ends with its connection"
        )]
        tokio::spawn(async move {
            // What goes wrong is told to the request that uses the connection.
            let _ended = connection.await;
            drop(permit);
        });
        Ok(sender)
    }

    async fn judge(&self, sender: SendRequest<Full<Bytes>>, response: Response<Incoming>) -> Result<u16, Failure> {
        let status = response.status();
        let result = verdict(&response);
        let mut body = response.into_body();
        if drain(&mut body).await && !self.shared.is_scarce() && status != StatusCode::SWITCHING_PROTOCOLS {
            self.idle.lock().push(Idle { sender, since: self.shared.world.now() });
        }
        result
    }

    fn take_idle(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle.lock();
        while let Some(entry) = idle.pop() {
            // A connection that is not ready yet may just be finishing its last answer; only a closed one is useless.
            if !entry.sender.is_closed() {
                return Some(entry.sender);
            }
        }
        None
    }

    /// Closes connections that were not used lately; returns when the next one is due.
    pub fn close_idle(&self, now: Time) -> Option<Time> {
        let mut idle = self.idle.lock();
        let limit_ms = self.shared.idle_timeout_ms;
        idle.retain(|entry| now.0.saturating_sub(entry.since.0) < limit_ms && !entry.sender.is_closed());
        idle.iter().map(|entry| Time(entry.since.0.saturating_add(limit_ms))).min()
    }
}

/// A POST to the target. The headers of the notification override the agent, nothing else; an [`unfit`] one is left out.
pub(crate) fn request(target: &Target, notification: &Notification) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(notification.body.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = target.path.clone();
    let headers = request.headers_mut();
    if let Ok(content_type) = HeaderValue::from_str(&notification.content_type) {
        headers.insert(CONTENT_TYPE, content_type);
    }
    headers.insert(USER_AGENT, AGENT);
    for (name, value) in notification.headers.iter().filter_map(|(name, value)| header(name, value)) {
        headers.insert(name, value);
    }
    headers.insert(HOST, target.authority.clone());
    request
}

/// The name of a header that HTTP cannot carry.
pub(crate) fn unfit(notification: &Notification) -> Option<&str> {
    notification.headers.iter().find(|(name, value)| header(name, value).is_none()).map(|(name, _)| &**name)
}

fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
}

/// A stream to the target, in time.
pub(crate) async fn dial(dial: &dyn Dial, target: &Target, limit: Duration) -> Result<Box<dyn Stream>, Failure> {
    let in_time = timeout(limit, dial.dial(target)).await;
    in_time.map_err(|_| Failure::new(format!("no connection within {} ms", limit.as_millis())))?
}

/// The failure of an answer that did not come.
pub(crate) fn too_slow(limit: Duration) -> Failure {
    Failure::new(format!("no answer within {} ms", limit.as_millis()))
}

/// What the head of an answer says: the status that confirms.
pub(crate) fn verdict(response: &Response<Incoming>) -> Result<u16, Failure> {
    let status = response.status();
    if status.is_success() {
        return Ok(status.as_u16());
    }
    let asks = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let header = response.headers().get(RETRY_AFTER).filter(|_| asks).and_then(|value| value.to_str().ok());
    let text = if status.is_redirection() {
        format!("HTTP {}: redirects are not followed; subscribe with the final address", status.as_u16())
    } else {
        format!("HTTP {}", status.as_u16())
    };
    Err(Failure { text: text.into(), status: Some(status.as_u16()), retry_after_ms: header.and_then(retry_after_ms) })
}

/// Reads the body to its end; false when it is too long, takes too long or breaks off.
pub(crate) async fn drain(body: &mut Incoming) -> bool {
    let to_end = async {
        let mut left = BODY_LIMIT;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            let length = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(length) {
                Some(rest) => left = rest,
                None => return false,
            }
        }
        true
    };
    timeout(BODY_TIMEOUT, to_end).await.unwrap_or(false)
}
