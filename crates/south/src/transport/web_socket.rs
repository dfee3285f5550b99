//! WebSocket with the subprotocol `mqtt` as a stream of bytes. Absent: TLS below it.

use super::{Fault, Stream};
use bytes::{Buf, Bytes};
use landfall_ingress::{Proxies, Refused, unhosted};
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::{
    accept_hdr_async_with_config,
    tungstenite::{
        self, Message, WebSocket,
        error::{CapacityError, ProtocolError},
        handshake::server::{ErrorResponse, Request, Response},
        http::{HeaderValue, StatusCode},
        protocol::{Role, WebSocketConfig},
    },
};

/// Bytes of a frame buffer that every WebSocket connection keeps.
const FRAME_BUFFER_BYTES: usize = 2_048;
/// Bytes put into one outgoing frame.
const FRAME_OUT_BYTES: usize = 65_536;
/// The only subprotocol (MQTT 6.0, [MQTT-6.0.0-3]).
const SUBPROTOCOL: &str = "mqtt";
const NO_SUBPROTOCOL: Refused = Refused { check: "ws.subprotocol", detail: "the WebSocket subprotocol must be mqtt" };

/// WebSocket as a server, and the address of the client as the proxies in front of it forwarded it. `connect_bytes`, `frame_bytes`: the largest
/// frame or message before and after the CONNECT was accepted.
pub(crate) async fn web_socket<S: Stream>(
    stream: S,
    (connect_bytes, frame_bytes): (usize, usize),
    proxies: &Proxies,
    peer: SocketAddr,
) -> io::Result<(Frames<S>, SocketAddr)> {
    let config = WebSocketConfig::default()
        .read_buffer_size(FRAME_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * FRAME_OUT_BYTES)
        .max_message_size(Some(connect_bytes))
        .max_frame_size(Some(connect_bytes));
    let (mut client, mut refused) = (peer, None);
    #[allow(clippy::result_large_err, reason = "the signature is that of the WebSocket library's callback")]
    let answer = |request: &Request, response: Response| {
        let values = request.headers().get_all("x-forwarded-for").iter().map(|value| value.to_str().unwrap_or_default());
        client = proxies.client(peer, values);
        choose(request, response).map_err(|why| {
            let mut answer = ErrorResponse::new(Some(why.detail.to_owned()));
            *answer.status_mut() = StatusCode::BAD_REQUEST;
            refused = Some(why);
            answer
        })
    };
    let shaken = accept_hdr_async_with_config(stream, answer, Some(config)).await;
    let shaken = shaken.map_err(|error| not_upgraded(error, refused))?;
    // Nothing of the first frame is lost: the library refuses bytes that come before its answer.
    let polled = Polled { stream: shaken.into_inner(), waker: Waker::noop().clone() };
    let socket = WebSocket::from_raw_socket(polled, Role::Server, Some(config));
    Ok((Frames { socket, rest: Bytes::new(), blocked: false, larger: Some(frame_bytes) }, client))
}

/// The client must name the host, which the library does not look at, offer the subprotocol, and gets it [MQTT-6.0.0-3], [MQTT-6.0.0-4].
fn choose(request: &Request, mut response: Response) -> Result<Response, Refused> {
    if let Some(refused) = unhosted(request.version(), request.headers()) {
        return Err(refused);
    }
    let offered = request.headers().get_all("sec-websocket-protocol").iter();
    let offers = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.split(',').any(|name| name.trim() == SUBPROTOCOL));
    if offered.into_iter().any(offers) {
        response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
        return Ok(response);
    }
    Err(NO_SUBPROTOCOL)
}

/// A stream for a library that does not wait: it is told to come back, and the task is woken.
struct Polled<S> {
    stream: S,
    waker: Waker,
}

impl<S: AsyncRead + Unpin> io::Read for Polled<S> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(bytes);
        let read = Pin::new(&mut self.stream).poll_read(&mut Context::from_waker(&self.waker), &mut buffer);
        at_once(read.map_ok(|()| buffer.filled().len()))
    }
}

impl<S: AsyncWrite + Unpin> io::Write for Polled<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        at_once(Pin::new(&mut self.stream).poll_write(&mut Context::from_waker(&self.waker), bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        at_once(Pin::new(&mut self.stream).poll_flush(&mut Context::from_waker(&self.waker)))
    }
}

fn at_once<T>(outcome: Poll<io::Result<T>>) -> io::Result<T> {
    match outcome {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// A WebSocket's binary frames as one stream of bytes: MQTT packets may begin and end anywhere in them [MQTT-6.0.0-2].
pub(crate) struct Frames<S> {
    socket: WebSocket<Polled<S>>,
    /// What is left of the newest frame.
    rest: Bytes,
    /// Whether the newest outgoing frame waits in the library.
    blocked: bool,
    /// The limit of frames once the CONNECT is accepted, until then.
    larger: Option<usize>,
}

impl<S: Stream> Frames<S> {
    fn wake_by(&mut self, cx: &Context<'_>) {
        let waker = &mut self.socket.get_mut().waker;
        if !waker.will_wake(cx.waker()) {
            waker.clone_from(cx.waker());
        }
    }
}

impl<S: Stream> Stream for Frames<S> {
    fn opened(&mut self) {
        if let Some(bytes) = self.larger.take() {
            self.socket.set_config(|config| (config.max_message_size, config.max_frame_size) = (Some(bytes), Some(bytes)));
        }
    }

    fn half_closes(&self) -> bool {
        false
    }
}

impl<S: Stream> AsyncRead for Frames<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.wake_by(cx);
        while self.rest.is_empty() {
            match self.socket.read() {
                Ok(Message::Binary(bytes)) => self.rest = bytes,
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Ok(Message::Text(_)) => {
                    return Poll::Ready(Err(Fault::error(
                        "ws.text",
                        "MQTT needs binary frames, and the client sent a text frame",
                    )));
                }
                Ok(Message::Close(_)) => return Poll::Ready(Ok(())),
                Err(error) => return polled(Err(error)),
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

impl<S: Stream> AsyncWrite for Frames<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.blocked {
            ready!(self.as_mut().poll_flush(cx))?;
        }
        self.wake_by(cx);
        let taken = bytes.len().min(FRAME_OUT_BYTES);
        let frame = Bytes::copy_from_slice(bytes.get(..taken).unwrap_or_default());
        // A frame that cannot be written now is kept by the library.
        self.blocked = polled(self.socket.write(Message::Binary(frame)))?.is_pending();
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wake_by(cx);
        ready!(polled(self.socket.flush()))?;
        self.blocked = false;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wake_by(cx);
        if self.socket.can_write() {
            ready!(polled(self.socket.close(None)))?;
        }
        polled(self.socket.flush())
    }
}

/// Done, not yet, or broken. A WebSocket that is closed has nothing more to do.
fn polled(outcome: tungstenite::Result<()>) -> Poll<io::Result<()>> {
    match outcome {
        Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        Ok(()) | Err(tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed) => Poll::Ready(Ok(())),
        Err(error) => Poll::Ready(Err(broken(error))),
    }
}

fn not_upgraded(error: tungstenite::Error, refused: Option<Refused>) -> io::Error {
    if let Some(Refused { check, detail }) = refused {
        return Fault::error(check, detail);
    }
    match error {
        tungstenite::Error::Io(error) => error,
        tungstenite::Error::Protocol(ProtocolError::HandshakeIncomplete) => io::ErrorKind::UnexpectedEof.into(),
        other => Fault::error("ws.upgrade", format!("the request is no WebSocket upgrade: {other}")),
    }
}

fn broken(error: tungstenite::Error) -> io::Error {
    match error {
        tungstenite::Error::Io(error) => error,
        tungstenite::Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            Fault::error("ws.frame-too-large", format!("a frame or message of {size} bytes, where {max_size} are allowed"))
        }
        tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => io::ErrorKind::ConnectionReset.into(),
        other => Fault::error("ws.protocol", other.to_string()),
    }
}
