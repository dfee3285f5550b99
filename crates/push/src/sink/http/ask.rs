//! A POST whose answer is wanted, over a connection of its own.

use super::connect::{Dial, Network, dial};
use super::request::{drain, request, too_slow, unfit, verdict};
use super::target::Target;
use crate::config::Config;
use crate::sink::{Answer, Ask, Failure};
use bytes::{Bytes, BytesMut};
use futures_util::future::{BoxFuture, FutureExt};
use http::Request;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use landfall_core::Notification;
use landfall_model::Result;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How receivers are called.
pub(crate) struct Caller {
    /// Opens connections.
    pub dial: Arc<dyn Dial>,
    /// From `Config`.
    pub connect_timeout: Duration,
    /// From `Config`.
    pub request_timeout: Duration,
}

impl Caller {
    /// Over the network. `InvalidField`: a certificate file of `config.trust` cannot be read.
    pub fn new(config: &Config) -> Result<Self> {
        let network = Network::new(config.policy.clone(), &config.trust)?;
        Ok(Self::over(Arc::new(network), config))
    }

    /// Over anything.
    pub fn over(dial: Arc<dyn Dial>, config: &Config) -> Self {
        Self {
            dial,
            connect_timeout: Duration::from_millis(config.connect_timeout_ms),
            request_timeout: Duration::from_millis(config.request_timeout_ms),
        }
    }

    async fn exchange(&self, target: Target, request: Request<Full<Bytes>>) -> std::result::Result<Answer, Failure> {
        let stream = dial(&*self.dial, &target, self.connect_timeout).await?;
        let broken = |e: hyper::Error| Failure::new(format!("HTTP: {e}"));
        let (mut sender, connection) = http1::Builder::new().handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let answer = async {
            let in_time = timeout(self.request_timeout, sender.send_request(request)).await;
            let response = in_time.map_err(|_| too_slow(self.request_timeout))?.map_err(broken)?;
            let verdict = verdict(&response);
            // Read even where it means nothing, so that the receiver does not see its answer cut off.
            let mut body = BytesMut::new();
            let whole = drain(&mut response.into_body(), |piece| body.extend_from_slice(piece)).await;
            Ok(Answer { status: verdict?, body: whole.then(|| body.freeze()) })
        };
        let driven = async {
            // What goes wrong is told to the request.
            let _ended = connection.await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            answer = answer => answer,
            () = driven => Err(Failure::new("the connection was closed")),
        }
    }
}

impl Ask for Caller {
    fn ask<'a>(
        &'a self,
        address: &str,
        question: &Notification,
    ) -> std::result::Result<BoxFuture<'a, std::result::Result<Answer, Failure>>, Failure> {
        let target = Target::try_from(address)?;
        if let Some(name) = unfit(question) {
            return Err(Failure::new(format!("{name} cannot be sent as a header")));
        }
        let request = request(&target, question);
        Ok(self.exchange(target, request).boxed())
    }
}
