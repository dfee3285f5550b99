//! The connections of one subscription to its receiver: they are kept while they are used.

use super::Shared;
use super::connect::dial;
use super::request::{drain, request, too_slow, verdict};
use super::target::Target;
use crate::sink::{Failure, Link};
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use landfall_core::Notification;
use landfall_model::{Seq, SubscriptionId, Time};
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

const EVENT: HeaderName = HeaderName::from_static("x-landfall-event");
const SUBSCRIPTION: HeaderName = HeaderName::from_static("x-landfall-subscription");

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

    fn request(&self, seq: Seq, notification: &Notification) -> Request<Full<Bytes>> {
        let mut request = request(&self.target, notification);
        let headers = request.headers_mut();
        headers.insert(EVENT, HeaderValue::from(seq.0));
        headers.insert(SUBSCRIPTION, self.subscription.clone());
        request
    }

    async fn connect(&self, permit: OwnedSemaphorePermit) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let stream = dial(&*self.shared.caller.dial, &self.target, self.shared.caller.connect_timeout).await?;
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

    async fn judge(&self, sender: SendRequest<Full<Bytes>>, response: Response<Incoming>) -> Result<Option<u16>, Failure> {
        let status = response.status();
        let result = verdict(&response);
        let mut body = response.into_body();
        if drain(&mut body, |_| {}).await && !self.shared.is_scarce() && status != StatusCode::SWITCHING_PROTOCOLS {
            self.idle.lock().push(Idle { sender, since: self.shared.world.now() });
        }
        result.map(Some)
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
}

#[async_trait]
impl Link for Client {
    async fn send(&self, seq: Seq, _: usize, notification: &Notification) -> Result<Option<u16>, Failure> {
        let mut request = self.request(seq, notification);
        while let Some(mut sender) = self.take_idle() {
            let attempt = timeout(self.shared.caller.request_timeout, async {
                // Not ready: the receiver closed the kept connection meanwhile, which says nothing about its health.
                if sender.ready().await.is_err() {
                    return Err(None);
                }
                sender.try_send_request(request.clone()).await.map_err(Some)
            });
            match attempt.await.map_err(|_| too_slow(self.shared.caller.request_timeout))? {
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
        let attempt = timeout(self.shared.caller.request_timeout, async {
            let mut sender = self.connect(permit).await?;
            let response = sender.send_request(request).await.map_err(|e| Failure::new(format!("HTTP: {e}")))?;
            Ok((sender, response))
        });
        let (sender, response) = attempt.await.map_err(|_| too_slow(self.shared.caller.request_timeout))??;
        self.judge(sender, response).await
    }

    fn close_idle(&self, now: Time) -> Option<Time> {
        let mut idle = self.idle.lock();
        let limit_ms = self.shared.idle_timeout_ms;
        idle.retain(|entry| now.0.saturating_sub(entry.since.0) < limit_ms && !entry.sender.is_closed());
        idle.iter().map(|entry| Time(entry.since.0.saturating_add(limit_ms))).min()
    }
}
