//! WebSocket as a server: its upgrade, and its messages. Absent: TLS below it.

use super::{Fault, Stream};
use landfall_ingress::{Proxies, unhosted};
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
        self, Message,
        error::{CapacityError, ProtocolError},
        handshake::server::{ErrorResponse, Response},
        http::{HeaderValue, StatusCode},
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

/// The request of an upgrade: path and headers.
pub(crate) use tokio_tungstenite::tungstenite::handshake::server::Request;

/// Bytes of a frame buffer that every WebSocket connection keeps.
const FRAME_BUFFER_BYTES: usize = 2_048;

/// What a protocol asks of an upgrade and of what follows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Upgrade {
    /// What the client must offer, and gets; absent: none is agreed on.
    pub(crate) subprotocol: Option<&'static str>,
    /// The largest frame or message of a client before it is admitted, bytes.
    pub(crate) first_bytes: usize,
    /// The same after it.
    pub(crate) message_bytes: usize,
}

/// Why an upgrade is refused, and the HTTP status of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TurnedAway {
    pub(crate) status: u16,
    pub(crate) check: &'static str,
    pub(crate) detail: String,
}

/// WebSocket as a server; with it what `open` made of the client's address, as the proxies in front of it forwarded it, and of the request.
pub(crate) async fn web_socket<S: Stream, T>(
    stream: S,
    upgrade: Upgrade,
    proxies: &Proxies,
    peer: SocketAddr,
    open: impl FnOnce(SocketAddr, &Request) -> Result<T, TurnedAway> + Unpin,
) -> io::Result<(WebSocket<S>, T)> {
    let config = WebSocketConfig::default()
        .read_buffer_size(FRAME_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(upgrade.first_bytes))
        .max_frame_size(Some(upgrade.first_bytes));
    let mut opened = None;
    #[allow(clippy::result_large_err, reason = "the signature is that of the WebSocket library's callback")]
    let answer = |request: &Request, mut response: Response| {
        let values = request.headers().get_all("x-forwarded-for").iter().map(|value| value.to_str().unwrap_or_default());
        let client = proxies.client(peer, values);
        let outcome = judge(request, &mut response, upgrade).and_then(|()| open(client, request));
        let answer = match &outcome {
            Ok(_) => Ok(response),
            Err(why) => {
                let mut answer = ErrorResponse::new(Some(why.detail.clone()));
                *answer.status_mut() = StatusCode::from_u16(why.status).unwrap_or(StatusCode::BAD_REQUEST);
                Err(answer)
            }
        };
        opened = Some(outcome);
        answer
    };
    let shaken = accept_hdr_async_with_config(stream, answer, Some(config)).await;
    match (shaken, opened) {
        (Ok(shaken), Some(Ok(opened))) => {
            // Nothing of the first frame is lost: the library refuses bytes that come before its answer.
            let polled = Polled { stream: shaken.into_inner(), waker: Waker::noop().clone(), moved: false };
            let socket = tungstenite::WebSocket::from_raw_socket(polled, Role::Server, Some(config));
            Ok((WebSocket { socket, blocked: false, larger: Some(upgrade.message_bytes) }, opened))
        }
        (_, Some(Err(why))) => Err(Fault::error(why.check, why.detail)),
        (Err(error), _) => Err(not_upgraded(error)),
        (Ok(_), None) => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// The client must name the host, which the library does not look at, offer the subprotocol, and gets it ([MQTT-6.0.0-3], [MQTT-6.0.0-4]).
fn judge(request: &Request, response: &mut Response, upgrade: Upgrade) -> Result<(), TurnedAway> {
    let refused = |check, detail: String| TurnedAway { status: StatusCode::BAD_REQUEST.as_u16(), check, detail };
    if let Some(why) = unhosted(request.version(), request.headers()) {
        return Err(refused(why.check, why.detail.to_owned()));
    }
    let Some(subprotocol) = upgrade.subprotocol else { return Ok(()) };
    let offers = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.split(',').any(|name| name.trim() == subprotocol));
    if !request.headers().get_all("sec-websocket-protocol").iter().any(offers) {
        return Err(refused("ws.subprotocol", format!("the WebSocket subprotocol must be {subprotocol}")));
    }
    response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(subprotocol));
    Ok(())
}

/// A stream for a library that does not wait: it is told to come back, and the task is woken.
struct Polled<S> {
    stream: S,
    waker: Waker,
    /// Whether the stream took bytes since this was last asked.
    moved: bool,
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
        let written = at_once(Pin::new(&mut self.stream).poll_write(&mut Context::from_waker(&self.waker), bytes));
        self.moved |= written.as_ref().is_ok_and(|count| *count > 0);
        written
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

/// An upgraded connection.
pub(crate) struct WebSocket<S> {
    socket: tungstenite::WebSocket<Polled<S>>,
    /// Whether the newest outgoing message waits in the library.
    blocked: bool,
    /// The limit of messages once the client is admitted, until then.
    larger: Option<usize>,
}

impl<S: Stream> WebSocket<S> {
    /// Messages may be as large as they may ever be.
    pub(crate) fn opened(&mut self) {
        if let Some(bytes) = self.larger.take() {
            self.socket.set_config(|config| (config.max_message_size, config.max_frame_size) = (Some(bytes), Some(bytes)));
        }
    }

    /// Whether the stream took bytes since this was last asked.
    pub(crate) fn moved(&mut self) -> bool {
        std::mem::take(&mut self.socket.get_mut().moved)
    }

    /// The next message, text or binary; `None` at the end.
    pub(crate) fn poll_next(&mut self, cx: &Context<'_>) -> Poll<io::Result<Option<Message>>> {
        self.wake_by(cx);
        loop {
            match self.socket.read() {
                Ok(message @ (Message::Binary(_) | Message::Text(_))) => return Poll::Ready(Ok(Some(message))),
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Ok(Message::Close(_)) => return Poll::Ready(Ok(None)),
                Err(error) => return polled(Err(error)).map_ok(|()| None),
            }
        }
    }

    /// Ready once a message may be sent.
    pub(crate) fn poll_ready(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        if self.blocked { self.poll_flush(cx) } else { Poll::Ready(Ok(())) }
    }

    /// Sends a message, after [`WebSocket::poll_ready`]. One that cannot be written now is kept by the library.
    pub(crate) fn send(&mut self, cx: &Context<'_>, message: Message) -> io::Result<()> {
        self.wake_by(cx);
        self.blocked = match polled(self.socket.write(message)) {
            Poll::Ready(result) => result.map(|()| false)?,
            Poll::Pending => true,
        };
        Ok(())
    }

    /// Ready once all that was sent is written.
    pub(crate) fn poll_flush(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.wake_by(cx);
        ready!(polled(self.socket.flush()))?;
        self.blocked = false;
        Poll::Ready(Ok(()))
    }

    /// Closes, where the client has not; `why`: code and reason (RFC 6455 7.4).
    pub(crate) fn poll_close(&mut self, cx: &Context<'_>, why: Option<&(u16, String)>) -> Poll<io::Result<()>> {
        self.wake_by(cx);
        if self.socket.can_write() {
            let frame = why.map(|(code, reason)| CloseFrame { code: CloseCode::from(*code), reason: reason.as_str().into() });
            ready!(polled(self.socket.close(frame)))?;
        }
        polled(self.socket.flush())
    }

    fn wake_by(&mut self, cx: &Context<'_>) {
        let waker = &mut self.socket.get_mut().waker;
        if !waker.will_wake(cx.waker()) {
            waker.clone_from(cx.waker());
        }
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

fn not_upgraded(error: tungstenite::Error) -> io::Error {
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
            Fault::error(FRAME_TOO_LARGE, format!("a frame or message of {size} bytes, where {max_size} are allowed"))
        }
        tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => io::ErrorKind::ConnectionReset.into(),
        other => Fault::error("ws.protocol", other.to_string()),
    }
}

/// The check of a message that is larger than allowed.
const FRAME_TOO_LARGE: &str = "ws.frame-too-large";

/// The code that a connection is closed with that broke at a fault (RFC 6455 7.4.1).
pub(crate) fn close_code(fault: &Fault) -> u16 {
    if fault.check == FRAME_TOO_LARGE { CloseCode::Size.into() } else { CloseCode::Protocol.into() }
}
