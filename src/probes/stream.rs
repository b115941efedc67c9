//! A connection, with or without TLS.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// How much is read at once: on the stack and only while there is something to read, so that a probe that waits costs
/// no buffer. One page of answer head and small body fits many times.
const READ_BYTES: usize = 8 * 1024;

/// A connection.
#[derive(Debug)]
pub(super) enum Stream {
    /// As it is.
    Plain(TcpStream),
    /// With TLS; boxed since it is large and the other one is the common one.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Hands what has arrived to `take`: nothing means that the peer is done.
    pub(super) fn poll_take<T>(&mut self, cx: &mut Context<'_>, take: impl FnOnce(io::Result<&[u8]>) -> T) -> Poll<T> {
        let mut space = [const { MaybeUninit::<u8>::uninit() }; READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space);
        Poll::Ready(match ready!(Pin::new(self).poll_read(cx, &mut buffer)) {
            Ok(()) => take(Ok(buffer.filled())),
            Err(error) => take(Err(error)),
        })
    }

    /// Whether nothing has arrived, not even the end: all that a kept connection may say between two requests.
    pub(super) async fn is_quiet(&mut self) -> bool {
        std::future::poll_fn(|cx| Poll::Ready(self.poll_take(cx, |_| ()).is_pending())).await
    }

    /// Says goodbye as TLS wants it, if that can be done at once.
    pub(super) async fn close(mut self) {
        if let Self::Tls(_) = self {
            std::future::poll_fn(|cx| {
                // Whether the peer hears it is its own matter.
                let _ = Pin::new(&mut self).poll_shutdown(cx);
                Poll::Ready(())
            })
            .await;
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
