//! Which version a client speaks on a connection without TLS: HTTP/2 begins with a preface (RFC 9113, 3.3 and 3.4).
//!
//! Absent: the `Upgrade` to HTTP/2, which RFC 9113 no longer has; such a request is answered over HTTP/1.1.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

const PREFACE: [u8; 24] = *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream whose first bytes were looked at; it gives them again.
pub(super) struct Begun<S> {
    head: [u8; PREFACE.len()],
    given: usize,
    filled: usize,
    stream: S,
}

impl<S: AsyncRead + Unpin> Begun<S> {
    /// Reads no more than tells the versions apart; true for HTTP/2. The caller bounds the time.
    pub async fn read(mut stream: S) -> io::Result<(bool, Self)> {
        let (mut head, mut filled) = ([0; PREFACE.len()], 0);
        while filled < head.len() && head.get(..filled) == PREFACE.get(..filled) {
            match stream.read(head.get_mut(filled..).unwrap_or_default()).await? {
                0 => break,
                read => filled += read,
            }
        }
        Ok((head == PREFACE, Self { head, given: 0, filled, stream }))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Begun<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(left) = this.head.get(this.given..this.filled)
            && !left.is_empty()
        {
            let fits = left.len().min(into.remaining());
            into.put_slice(left.get(..fits).unwrap_or_default());
            this.given += fits;
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.stream).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Begun<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    /// A stream that gives its bytes in pieces.
    struct Pieces(Vec<Vec<u8>>);

    fn pieces(bytes: &[u8], size: usize) -> Pieces {
        Pieces(bytes.chunks(size).rev().map(<[u8]>::to_vec).collect())
    }

    impl AsyncRead for Pieces {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            if let Some(mut piece) = self.0.pop() {
                let rest = piece.split_off(piece.len().min(into.remaining()));
                into.put_slice(&piece);
                self.0.extend(Some(rest).filter(|rest| !rest.is_empty()));
            }
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn the_preface_tells_the_version_and_nothing_is_lost() {
        let settings = [&PREFACE[..], b"\0\0\0\x04"].concat();
        let cases: [(&[u8], bool); 8] = [
            (&settings, true),
            (&PREFACE, true),
            (b"GET / HTTP/1.1\r\n\r\n", false),
            (b"PRI * HTTP/1.1\r\nHost: a\r\n\r\nlonger than the preface", false),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", false),
            (b"PUT /long/enough/to/be/more/than/the/preface HTTP/1.1\r\n\r\n", false),
            (b"P", false),
            (b"", false),
        ];
        for (bytes, expected) in cases {
            for size in [1, 3, 24, 100] {
                let (http2, mut begun) = Begun::read(pieces(bytes, size)).await.unwrap();
                assert_eq!(http2, expected, "{bytes:?} by {size}");
                let mut all = vec![];
                begun.read_to_end(&mut all).await.unwrap();
                assert_eq!(all, bytes, "by {size}");
            }
        }
    }
}
