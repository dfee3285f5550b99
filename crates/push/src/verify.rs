//! One POST to an address that is to be subscribed, to learn whether its receiver agrees (TS-0001, 10.2.10.2).
//!
//! It goes over the same network as the pushes: the same address rules, certificates and timeouts, no redirects. It is tried once, without
//! a kept connection; the answer's body means nothing.

use crate::config::Config;
use crate::connect::{Dial, Network};
use crate::delivery::{Failure, dial, drain, request, too_slow, unfit, verdict};
use crate::target::{Policy, Target, check_url};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use landfall_core::{Notification, Places};
use landfall_model::{AccountId, Cause, Error, Result};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Verifications under way: in all, so many of one account at most, and so many of it that wait for their turn. The slow receivers of one
/// account so delay nobody else.
const PLACES: usize = 64;
const PLACES_EACH: usize = 8;
const WAITING_EACH: usize = 64;
/// How long one waits for its turn.
const PATIENCE: Duration = Duration::from_secs(30);

/// Judges callback addresses and asks their receivers. Needs no running [`crate::Push`].
pub struct Verifier {
    policy: Policy,
    dial: Arc<dyn Dial>,
    turns: Places<AccountId>,
    connect_timeout: Duration,
    request_timeout: Duration,
}

impl Verifier {
    /// A verifier with the rules, certificates and timeouts of the push.
    ///
    /// `InvalidField`: a certificate file of `config.trust` cannot be read.
    pub fn new(config: &Config) -> Result<Self> {
        let network = Network::new(config.policy.clone(), &config.trust)?;
        Ok(Self::with(config, Arc::new(network)))
    }

    pub(crate) fn with(config: &Config, dial: Arc<dyn Dial>) -> Self {
        Self {
            policy: config.policy.clone(),
            dial,
            turns: Places::new(PLACES).each(PLACES_EACH).each_waiting(WAITING_EACH),
            connect_timeout: Duration::from_millis(config.connect_timeout_ms),
            request_timeout: Duration::from_millis(config.request_timeout_ms),
        }
    }

    /// Checks an address as text: `CallbackInvalid` with the reason.
    pub fn check(&self, url: &str) -> Result<()> {
        check_url(url, &self.policy)
    }

    /// Posts the body once and waits for a 2xx. Headers are sent as they are; a content type among them replaces `application/json`.
    ///
    /// `VerificationFailed` with the reason: an address that must not be called, no connection, no answer in time, another status.
    /// `Overloaded` where its account's turn does not come within 30 s, or 64 others of the account wait for theirs.
    pub async fn verify(&self, account: AccountId, url: &str, headers: &[(&'static str, String)], body: Vec<u8>) -> Result<()> {
        let target = Target::parse(url).map_err(|error| failed(format!("callback address: {}", error.detail)))?;
        let notification = headers.iter().fold(Notification::json(body), |whole, (name, value)| whole.with(*name, value));
        if let Some(name) = unfit(&notification) {
            return Err(failed(format!("{name} cannot be sent as a header")));
        }
        let request = request(&target, &notification);
        let Ok(Ok(_place)) = timeout(PATIENCE, self.turns.take(account, 1)).await else {
            return Err(Error::new(Cause::Overloaded, "too many subscriptions are being verified"));
        };
        self.exchange(&target, request).await.map(drop).map_err(|failure| failed(failure.text))
    }

    async fn exchange(&self, target: &Target, request: Request<Full<Bytes>>) -> std::result::Result<u16, Failure> {
        let stream = dial(&*self.dial, target, self.connect_timeout).await?;
        let broken = |e: hyper::Error| Failure::new(format!("HTTP: {e}"));
        let (mut sender, connection) = http1::Builder::new().handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let answer = async {
            let in_time = timeout(self.request_timeout, sender.send_request(request)).await;
            let response = in_time.map_err(|_| too_slow(self.request_timeout))?.map_err(broken)?;
            let verdict = verdict(&response);
            // Only so that the receiver does not see its answer cut off; when it is too long, that is its own fault.
            let _whole = drain(&mut response.into_body()).await;
            verdict
        };
        let driven = async {
            // What goes wrong is told to the request.
            let _ended = connection.await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            verdict = answer => verdict,
            () = driven => Err(Failure::new("the connection was closed")),
        }
    }
}

fn failed(detail: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Cause::VerificationFailed, detail)
}
