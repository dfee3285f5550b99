//! How device connections travel: TCP and TLS as streams of bytes, WebSocket over either as messages, and those again as one stream of bytes.
//!
//! Absent: listeners and tasks (`driver/`), and what the bytes and messages mean.

mod frames;
mod web_socket;

pub(crate) use frames::Frames;
pub(crate) use web_socket::{Request, TurnedAway, Upgrade, WebSocket, close_code, web_socket};

use landfall_ingress::{Step, header};
use std::{io, net::SocketAddr, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// What a listener speaks below its protocol.
#[derive(Clone)]
pub enum Transport {
    /// Plain TCP.
    Tcp,
    /// TLS.
    Tls(Arc<rustls::ServerConfig>),
    /// WebSocket, at any path, with the subprotocol that the protocol asks for.
    WebSocket,
    /// The same over TLS.
    WebSocketTls(Arc<rustls::ServerConfig>),
}

impl Transport {
    /// Its place where connections are counted and steps of refusals are named.
    pub(crate) fn index(&self) -> usize {
        match self {
            Self::Tcp => 0,
            Self::Tls(_) => 1,
            Self::WebSocket => 2,
            Self::WebSocketTls(_) => 3,
        }
    }
}

/// A connection's stream.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Its peer was admitted: messages may be as large as they may ever be.
    fn opened(&mut self) {}

    /// Whether a client that has ended its side may still be written to.
    fn half_closes(&self) -> bool {
        true
    }
}

impl Stream for TcpStream {}
impl Stream for TlsStream<TcpStream> {}

/// Reads the PROXY protocol header that a connection begins with, and nothing after it.
pub(crate) async fn announced(stream: &mut TcpStream) -> io::Result<Option<SocketAddr>> {
    let mut bytes = Vec::new();
    loop {
        match header(&bytes).map_err(|why| Fault::error("proxy.header", why))? {
            Step::Whole(client) => return Ok(client),
            Step::More(count) => {
                let have = bytes.len();
                bytes.resize(have + count, 0);
                stream.read_exact(bytes.get_mut(have..).unwrap_or_default()).await?;
            }
        }
    }
}

/// TLS as a server.
pub(crate) async fn tls(stream: TcpStream, config: Arc<rustls::ServerConfig>) -> io::Result<TlsStream<TcpStream>> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        // Such as the probe of a load balancer: nobody was refused.
        return Err(io::ErrorKind::NotConnected.into());
    }
    if let Some(refused) = landfall_ingress::first_byte(first[0]) {
        return Err(Fault::error(refused.check, refused.detail));
    }
    TlsAcceptor::from(config).accept(stream).await
}

/// What a peer did that ends its connection: the check that it failed, and what was wrong.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) check: &'static str,
    pub(crate) detail: String,
}

impl Fault {
    fn error(check: &'static str, detail: impl Into<String>) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, Self { check, detail: detail.into() })
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.check, self.detail)
    }
}

impl std::error::Error for Fault {}

/// What a stream broke at; `None` where it was only lost.
pub(crate) fn fault(error: &io::Error) -> Option<Fault> {
    let inner = error.get_ref()?;
    if let Some(fault) = inner.downcast_ref::<Fault>() {
        return Some(fault.clone());
    }
    let error = inner.downcast_ref::<rustls::Error>()?;
    let refused = landfall_ingress::refused(error);
    Some(Fault { check: refused.check, detail: format!("{} ({error})", refused.detail) })
}

/// The same for a handshake, whose loss is worth a word: many clients hang up instead of telling what they do not like.
pub(crate) fn handshake_fault(error: &io::Error) -> Option<Fault> {
    fault(error).or_else(|| match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Some(Fault {
            check: "handshake.broken-off",
            detail: "the client closed the connection during the handshake".to_owned(),
        }),
        _ => None,
    })
}
