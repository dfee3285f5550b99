//! A WebSocket's binary messages as one stream of bytes, which may begin and end anywhere in them [MQTT-6.0.0-2].

use super::{Fault, Stream, WebSocket};
use bytes::{Buf, Bytes};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::Message;

/// Bytes put into one outgoing frame.
const FRAME_OUT_BYTES: usize = 65_536;

/// The stream.
pub(crate) struct Frames<S> {
    socket: WebSocket<S>,
    /// What is left of the newest message.
    rest: Bytes,
    /// The protocol, for people.
    name: &'static str,
}

impl<S: Stream> Frames<S> {
    pub(crate) fn new(socket: WebSocket<S>, name: &'static str) -> Self {
        Self { socket, rest: Bytes::new(), name }
    }
}

impl<S: Stream> Stream for Frames<S> {
    fn opened(&mut self) {
        self.socket.opened();
    }

    fn half_closes(&self) -> bool {
        false
    }
}

impl<S: Stream> AsyncRead for Frames<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(self.socket.poll_next(cx))? {
                Some(Message::Binary(bytes)) => self.rest = bytes,
                Some(_) => {
                    let detail = format!("{} needs binary frames, and the client sent a text frame", self.name);
                    return Poll::Ready(Err(Fault::error("ws.text", detail)));
                }
                None => return Poll::Ready(Ok(())),
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
        ready!(self.socket.poll_ready(cx))?;
        let taken = bytes.len().min(FRAME_OUT_BYTES);
        let frame = Bytes::copy_from_slice(bytes.get(..taken).unwrap_or_default());
        self.socket.send(cx, Message::Binary(frame))?;
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_close(cx, None)
    }
}
