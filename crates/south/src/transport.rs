//! How device connections travel: TCP, TLS, WebSocket and WebSocket over TLS, each as one stream of bytes.
//!
//! Absent: listeners and tasks (`driver.rs`), and what the bytes mean.

use bytes::{Buf, Bytes};
use futures_util::{Sink, Stream};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async_with_config,
    tungstenite::{
        self, Message,
        handshake::server::{ErrorResponse, Request, Response},
        http::{HeaderValue, StatusCode},
        protocol::WebSocketConfig,
    },
};

/// What a listener speaks below MQTT.
#[derive(Clone)]
pub enum Transport {
    /// Plain TCP.
    Tcp,
    /// TLS.
    Tls(Arc<rustls::ServerConfig>),
    /// WebSocket with the subprotocol `mqtt`, at any path.
    WebSocket,
    /// The same over TLS.
    WebSocketTls(Arc<rustls::ServerConfig>),
}

impl Transport {
    /// Its place in `Counters::connections`.
    pub(crate) fn index(&self) -> usize {
        match self {
            Self::Tcp => 0,
            Self::Tls(_) => 1,
            Self::WebSocket => 2,
            Self::WebSocketTls(_) => 3,
        }
    }
}

/// Bytes of a frame buffer that every WebSocket connection keeps.
const FRAME_BUFFER_BYTES: usize = 2_048;
/// Bytes put into one outgoing frame.
const FRAME_OUT_BYTES: usize = 65_536;
/// The only subprotocol (MQTT 6.0, [MQTT-6.0.0-3]).
const SUBPROTOCOL: &str = "mqtt";

/// TLS as a server.
pub(crate) async fn tls(stream: TcpStream, config: Arc<rustls::ServerConfig>) -> io::Result<TlsStream<TcpStream>> {
    TlsAcceptor::from(config).accept(stream).await
}

/// WebSocket as a server. `frame_bytes`: the largest frame or message.
pub(crate) async fn web_socket<S: AsyncRead + AsyncWrite + Unpin>(stream: S, frame_bytes: usize) -> io::Result<Frames<S>> {
    let config = WebSocketConfig::default()
        .read_buffer_size(FRAME_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * FRAME_OUT_BYTES)
        .max_message_size(Some(frame_bytes))
        .max_frame_size(Some(frame_bytes));
    let stream = accept_hdr_async_with_config(stream, choose, Some(config)).await.map_err(broken)?;
    Ok(Frames { stream, rest: Bytes::new() })
}

/// The client must offer the subprotocol, and gets it [MQTT-6.0.0-3], [MQTT-6.0.0-4].
#[allow(clippy::result_large_err, reason = "the signature is that of the WebSocket library's callback")]
fn choose(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let offered = request.headers().get_all("sec-websocket-protocol").iter();
    let offers = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.split(',').any(|name| name.trim() == SUBPROTOCOL));
    if offered.into_iter().any(offers) {
        response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
        return Ok(response);
    }
    let mut refusal = ErrorResponse::new(Some("the WebSocket subprotocol must be mqtt".to_owned()));
    *refusal.status_mut() = StatusCode::BAD_REQUEST;
    Err(refusal)
}

/// A WebSocket's binary frames as one stream of bytes: MQTT packets may begin and end anywhere in them [MQTT-6.0.0-2].
pub(crate) struct Frames<S> {
    stream: WebSocketStream<S>,
    /// What is left of the newest frame.
    rest: Bytes,
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Frames<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
                Some(Ok(Message::Binary(bytes))) => self.rest = bytes,
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Text(_))) => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                Some(Err(error)) => return Poll::Ready(Err(broken(error))),
            }
        }
        let taken = self.rest.len().min(buf.remaining());
        buf.put_slice(self.rest.get(..taken).unwrap_or_default());
        self.rest.advance(taken);
        if self.rest.is_empty() {
            self.rest = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Frames<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let taken = bytes.len().min(FRAME_OUT_BYTES);
        ready!(Pin::new(&mut self.stream).poll_ready(cx)).map_err(broken)?;
        let frame = Bytes::copy_from_slice(bytes.get(..taken).unwrap_or_default());
        Pin::new(&mut self.stream).start_send(Message::Binary(frame)).map_err(broken)?;
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx).map_err(broken)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx).map_err(broken)
    }
}

fn broken(error: tungstenite::Error) -> io::Error {
    match error {
        tungstenite::Error::Io(error) => error,
        other => io::Error::other(other),
    }
}
