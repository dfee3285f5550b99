//! The stream of a connection, whatever is spoken on it: it is lost when its client takes nothing, and it is closed such that the client gets to
//! read the last answer.

use super::room::Open;
use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// How long a client may take none of the bytes sent to it.
pub(super) const STALL: Duration = Duration::from_secs(60);
/// How long, and for how many bytes, what a client still sends is dropped after the last answer. Closed at once, its system would be told of a
/// broken connection and drop the answer (RFC 9112, 9.6).
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 4 * 1024 * 1024;

pub(super) struct Wire<S> {
    stream: S,
    open: Arc<Open>,
    stalled: Option<Pin<Box<Sleep>>>,
    lingering: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<S> Wire<S> {
    pub fn new(stream: S, open: Arc<Open>) -> Self {
        Self { stream, open, stalled: None, lingering: None }
    }

    fn checked<T>(&mut self, cx: &mut Context<'_>, taken: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if taken.is_ready() {
            self.stalled = None;
            return taken;
        }
        ready!(self.stalled.get_or_insert_with(|| Box::pin(sleep(STALL))).as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, into);
        if into.filled().len() > before {
            self.open.hears();
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let taken = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.checked(cx, taken)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let taken = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.checked(cx, taken)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let taken = Pin::new(&mut self.stream).poll_flush(cx);
        self.checked(cx, taken)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.lingering.is_none() {
            let closed = Pin::new(&mut this.stream).poll_shutdown(cx);
            ready!(this.checked(cx, closed))?;
            if !this.open.has_unread() {
                return Poll::Ready(Ok(()));
            }
        }
        let (patience, left) = this.lingering.get_or_insert_with(|| (Box::pin(sleep(LINGER)), LINGER_BYTES));
        let mut dropped = [0; 4096];
        while *left > 0 && patience.as_mut().poll(cx).is_pending() {
            let mut dropped = ReadBuf::new(&mut dropped);
            match ready!(Pin::new(&mut this.stream).poll_read(cx, &mut dropped)) {
                Ok(()) if !dropped.filled().is_empty() => *left = left.saturating_sub(dropped.filled().len()),
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::room::Room, *};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    async fn open() -> Arc<Open> {
        Room::new(1).enter([192, 0, 2, 1].into()).await.open.clone()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (near, mut far) = duplex(16);
        let mut wire = Wire::new(near, open().await);
        let slow = async {
            // A byte within the time each: that is slow, not stalled.
            for _ in 0..3 {
                tokio::time::sleep(STALL - Duration::from_secs(1)).await;
                far.read_u8().await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(wire.write_all(&[0; 64]), slow);
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_read_is_dropped_before_the_end_for_a_while() {
        for (unread, sends) in [(false, false), (true, true), (true, false)] {
            let (near, mut far) = duplex(16);
            let open = open().await;
            if unread {
                open.leave_unread();
            }
            let mut wire = Wire::new(near, open);
            let client = async {
                if sends {
                    far.write_all(&[0; 1000]).await.unwrap();
                    far.shutdown().await.unwrap();
                }
            };
            let (closed, ()) = tokio::join!(tokio::time::timeout(LINGER * 2, wire.shutdown()), client);
            assert!(closed.unwrap().is_ok(), "{unread} {sends}");
        }
    }
}
