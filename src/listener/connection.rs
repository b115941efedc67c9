//! One connection, from the accept to its end.
//!
//! It owns the socket. Deliberately not here: how many connections there are.

use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use http_body_util::{Either, Empty};
use hyper::body::{Body, Incoming};
use hyper::service::{Service, service_fn};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::Limits;
use super::head::{HeadTimer, Received};

/// How often a resting HTTP/2 client is asked whether it is still there, and how long it may take to answer.
const HTTP2_PING: Duration = Duration::from_secs(20);

/// Makes a tower service, such as `warp::service(filter)`, one that [`Listener::serve`](super::Listener::serve) takes.
pub fn from_tower<S>(service: S) -> TowerToHyperService<S> {
    TowerToHyperService::new(service)
}

/// Who sent a request: an extension of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// The connection that a request came on: an extension of each.
#[derive(Debug, Clone, Default)]
pub struct ConnectionControl {
    had_a_request: Arc<AtomicBool>,
    reset: CancellationToken,
}

impl ConnectionControl {
    /// Cuts the connection with a RST, so that the client sees "connection reset by peer", whatever was answered but not
    /// yet read. A handler that has called this need not answer; with HTTP/2 all requests of the connection are cut.
    pub fn reset(&self) {
        self.reset.cancel();
    }

    fn note_request(&self) {
        self.had_a_request.store(true, Ordering::Relaxed);
    }

    fn had_a_request(&self) -> bool {
        self.had_a_request.load(Ordering::Relaxed)
    }
}

/// An accepted connection on which nothing has been read.
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) limits: Limits,
    pub(super) draining: CancellationToken,
}

impl Connection {
    pub(super) async fn serve<S, B>(self, service: S)
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<Box<dyn StdError + Send + Sync>>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let Self { stream, peer, tls, limits, draining } = self;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "cannot turn off Nagle's algorithm");
        }
        let conversation = Conversation {
            peer,
            limits,
            draining,
            first_request_by: Instant::now() + limits.head_read,
            control: ConnectionControl::default(),
            received: Received::default(),
        };
        let wire = Wire { stream, received: conversation.received.clone(), reset: conversation.control.reset.clone() };
        match tls {
            None => conversation.hold(wire, service).await,
            Some(acceptor) => {
                if let Some(wire) = conversation.shake_hands(&acceptor, wire).await {
                    conversation.hold(wire, service).await;
                }
            }
        }
    }
}

struct Conversation {
    peer: SocketAddr,
    limits: Limits,
    draining: CancellationToken,
    first_request_by: Instant,
    control: ConnectionControl,
    received: Received,
}

impl Conversation {
    async fn shake_hands(&self, acceptor: &TlsAcceptor, wire: Wire) -> Option<tokio_rustls::server::TlsStream<Wire>> {
        let peer = self.peer;
        tokio::select! {
            shaken = acceptor.accept(wire) => shaken
                .inspect_err(|error| tracing::debug!(%peer, %error, "a TLS handshake failed"))
                .ok(),
            () = tokio::time::sleep_until(self.first_request_by) => {
                tracing::debug!(%peer, "a TLS handshake took too long");
                None
            }
            () = self.draining.cancelled() => None,
        }
    }

    async fn hold<IO, S, B>(self, io: IO, service: S)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<Box<dyn StdError + Send + Sync>>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let Self { peer, limits, draining, first_request_by, control, received } = self;
        let protocol = protocol(limits, received);
        let service = {
            let control = control.clone();
            service_fn(move |request| answer(service.clone(), request, peer, control.clone()))
        };
        let mut served = pin!(protocol.serve_connection(TokioIo::new(io), service));
        let mut is_draining = false;
        let mut is_first_request_due = true;
        loop {
            tokio::select! {
                biased;
                () = control.reset.cancelled() => return,
                ended = served.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%peer, error, "a connection ended early");
                    }
                    return;
                }
                () = draining.cancelled(), if !is_draining => {
                    is_draining = true;
                    served.as_mut().graceful_shutdown();
                }
                () = tokio::time::sleep_until(first_request_by), if is_first_request_due => {
                    if !control.had_a_request() {
                        tracing::debug!(%peer, "a connection brought no request in time");
                        return;
                    }
                    is_first_request_due = false;
                }
            }
        }
    }
}

fn protocol(limits: Limits, received: Received) -> auto::Builder<TokioExecutor> {
    let mut protocol = auto::Builder::new(TokioExecutor::new());
    protocol
        .http1()
        .timer(HeadTimer { received, head_read: limits.head_read })
        .header_read_timeout(limits.idle.max(limits.head_read));
    protocol.http2().timer(TokioTimer::new()).keep_alive_interval(HTTP2_PING).keep_alive_timeout(HTTP2_PING);
    protocol
}

/// The service's answer, or 500 in place of its panic.
async fn answer<S, B>(
    service: S,
    mut request: Request<Incoming>,
    peer: SocketAddr,
    control: ConnectionControl,
) -> Result<Response<Either<B, Empty<B::Data>>>, S::Error>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    B: Body,
{
    control.note_request();
    request.extensions_mut().insert(Peer(peer));
    request.extensions_mut().insert(control);
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let call = AssertUnwindSafe(async move { service.call(request).await });
    let Ok(answered) = call.catch_unwind().await else {
        tracing::error!(%peer, %method, path, "a handler panicked; its client was answered 500");
        let mut response = Response::new(Either::Right(Empty::new()));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return Ok(response);
    };
    answered.map(|response| response.map(Either::Left))
}

/// The socket: counts what it reads, and is closed with a RST where that was asked for.
struct Wire {
    stream: TcpStream,
    received: Received,
    reset: CancellationToken,
}

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
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
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
