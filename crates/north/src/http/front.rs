//! Who a connection is from, before its first request: what believed proxies say of their clients, and the word that is left of those whom the
//! listener turned away, then or later.

use super::{
    Peer,
    reason::{self, Reason},
};
use async_trait::async_trait;
use axum::http::HeaderMap;
use landfall_core::{Core, Why};
use landfall_ingress::{Proxies, Step, first_byte, header, refused};
use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};

/// What is in front of a listener. The default is nothing.
#[derive(Clone, Default)]
pub struct Front {
    /// Proxies that are believed.
    pub proxies: Arc<Proxies>,
    /// Who hears of those who are turned away or refused.
    pub word: Option<Arc<dyn Word>>,
    /// Requests so far, of all listeners that share it: their numbers.
    pub requests: Arc<AtomicU64>,
}

/// Hears of those who are turned away by the listener, or refused by an API.
#[async_trait]
pub trait Word: Send + Sync {
    /// From where somebody came whom the listener turned away, which check failed, and what was wrong.
    fn turned_away(&self, peer: SocketAddr, check: &'static str, detail: String);
    /// The same of a call that was refused, the number of its request and the status of its answer.
    async fn refused(&self, peer: SocketAddr, number: u64, status: u16, reason: Reason);
}

/// Leaves why records.
pub struct WhyWord {
    /// Where.
    pub core: Arc<Core>,
    /// The step of those that were turned away.
    pub step: &'static str,
}

#[async_trait]
impl Word for WhyWord {
    fn turned_away(&self, peer: SocketAddr, check: &'static str, detail: String) {
        let (at, step) = (self.core.now(), self.step);
        self.core.why().of_unknown(Why { at, identity: String::new(), peer: Some(peer), step, check, detail, call: None });
    }

    async fn refused(&self, peer: SocketAddr, number: u64, status: u16, reason: Reason) {
        reason::keep(&self.core, peer, number, status, reason).await;
    }
}

/// How a connection ended before its first request.
enum End {
    Refused(&'static str, String),
    Gone(io::Error),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

impl Front {
    /// Reads the PROXY header of a proxy that sends one, and looks at the first byte for TLS; nothing else is taken from the stream. Gives the
    /// client, or nothing where the connection is to be closed.
    pub(super) async fn admit(&self, stream: &mut TcpStream, peer: SocketAddr, tls: bool, limit: Duration) -> Option<SocketAddr> {
        let begun = async {
            let client = if self.proxies.announces(peer) { announced(stream).await?.unwrap_or(peer) } else { peer };
            let mut first = [0];
            // No byte at all is the probe of a load balancer, say: nobody was refused.
            if tls
                && stream.peek(&mut first).await? > 0
                && let Some(refused) = first_byte(first[0])
            {
                return Err(End::Refused(refused.check, refused.detail.to_owned()));
            }
            Ok(client)
        };
        match timeout(limit, begun).await {
            Ok(Ok(client)) => return Some(client),
            Ok(Err(End::Refused(check, detail))) => self.turned_away(peer, check, detail),
            Ok(Err(End::Gone(error))) => tracing::debug!(%peer, %error, "connection lost"),
            Err(_) => self.too_slow(peer),
        }
        None
    }

    /// The client of a request.
    pub(super) fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> Peer {
        let values = headers.get_all("x-forwarded-for").iter().map(|value| value.to_str().unwrap_or_default());
        Peer(self.proxies.client(peer, values))
    }

    /// A TLS handshake failed.
    pub(super) fn not_shaken(&self, peer: SocketAddr, error: &io::Error) {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(error) => {
                let why = refused(error);
                self.turned_away(peer, why.check, format!("{} ({error})", why.detail));
            }
            // Many clients hang up instead of telling what they do not like.
            None => {
                self.turned_away(peer, "handshake.broken-off", "the client closed the connection during the handshake".into())
            }
        }
    }

    /// The handshake, or what comes before it, took too long.
    pub(super) fn too_slow(&self, peer: SocketAddr) {
        self.turned_away(peer, "handshake.timeout", "the handshake was not done in time".into());
    }

    /// No whole head of a request came.
    pub(super) fn no_head(&self, peer: SocketAddr) {
        self.turned_away(peer, "head.timeout", "no whole request head came in time".into());
    }

    /// Leaves a why record of somebody whom the listener refused; dialects leave their own.
    pub(super) fn turned_away(&self, peer: SocketAddr, check: &'static str, detail: String) {
        tracing::debug!(%peer, check, detail, "turned away");
        if let Some(word) = &self.word {
            word.turned_away(peer, check, detail);
        }
    }

    /// Leaves a why record of a call that its API refused.
    pub(super) async fn refused(&self, peer: SocketAddr, number: u64, status: u16, reason: Reason) {
        if let Some(word) = &self.word {
            word.refused(peer, number, status, reason).await;
        }
    }
}

async fn announced(stream: &mut TcpStream) -> Result<Option<SocketAddr>, End> {
    let mut bytes = Vec::new();
    loop {
        match header(&bytes).map_err(|why| End::Refused("proxy.header", why.into()))? {
            Step::Whole(client) => return Ok(client),
            Step::More(count) => {
                let have = bytes.len();
                bytes.resize(have + count, 0);
                stream.read_exact(bytes.get_mut(have..).unwrap_or_default()).await?;
            }
        }
    }
}
