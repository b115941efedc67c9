//! The socket as hyper sees it: counted, reset where that was asked for, given up where nobody reads, and screened.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::alarm::Alarm;
use super::complaints::Complaints;
use super::head::Received;
use super::screen::Screen;

/// The socket: counts what it reads, and is closed with a RST where that was asked for.
pub(super) struct Wire {
    pub(super) stream: TcpStream,
    pub(super) received: Received,
    pub(super) reset: CancellationToken,
    pub(super) unread: Unread,
}

/// The clock on a client that does not read. It runs only while something is to be written and cannot be.
pub(super) struct Unread {
    limit: Duration,
    until: Option<Instant>,
    alarm: Alarm,
}

impl Unread {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, until: None, alarm: Alarm::default() }
    }

    /// What came of trying to write: an error if nothing could be written for too long.
    fn judge<T>(&mut self, tried: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if tried.is_ready() {
            self.until = None;
            return tried;
        }
        let until = *self.until.get_or_insert_with(|| Instant::now() + self.limit);
        if self.alarm.rings(until, context) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, Stalled)));
        }
        Poll::Pending
    }
}

/// The client read nothing for too long.
#[derive(Debug, thiserror::Error)]
#[error("the client does not read what it asked for")]
pub(super) struct Stalled;

impl Drop for Wire {
    fn drop(&mut self) {
        if !self.reset.is_cancelled() {
            return;
        }
        // Closing with a linger of zero throws away what is unsent and tells the client so (RFC 9293, 3.10.4).
        if let Err(error) = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)) {
            tracing::debug!(%error, "a connection that should have been reset was closed instead");
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled_before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.received.add(buffer.filled().len() - filled_before);
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let tried = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.unread.judge(tried, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let tried = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.unread.judge(tried, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// What a client sends in the clear, after TLS if there is any: looked at before hyper parses it.
pub(super) struct Screened<IO> {
    pub(super) io: IO,
    pub(super) screen: Screen,
    pub(super) peer: SocketAddr,
    pub(super) complaints: Arc<Complaints>,
}

impl<IO: AsyncRead + Unpin> AsyncRead for Screened<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.screen.has_refused() {
            return Poll::Ready(Ok(()));
        }
        let filled_before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        if let Some(ambiguity) = self.screen.look(&mut buffer.filled_mut()[filled_before..]) {
            let peer = self.peer;
            match self.complaints.due("ambiguous") {
                Some(unsaid) => tracing::warn!(%peer, %ambiguity, unsaid,
                    "a request was refused that could be read in two ways, as request smuggling needs"),
                None => tracing::debug!(%peer, %ambiguity, "a request was refused that could be read in two ways"),
            }
        }
        read
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Screened<IO> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
