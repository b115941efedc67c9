//! One connection, from the accept to its end.
//!
//! It owns the socket. Deliberately not here: how many connections there are.

use std::error::Error as StdError;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::Limits;
use super::answering::ConnectionControl;
use super::complaints::Complaints;
use super::head::{HeadTimer, Received};
use super::screen::Screen;
use super::wire::{Screened, Wire};

/// How often a resting HTTP/2 client is asked whether it is still there, and how long it may take to answer.
const HTTP2_PING: Duration = Duration::from_secs(20);
/// Headers of a request; one with more is answered 431, and its connection closed. hyper's own default, and nginx
/// allows about as many.
const MAX_HEADERS: usize = 100;
/// Bytes of a request's head; one with more is answered 431 (or 414), and its connection closed. Twice what nginx takes
/// by default (4 buffers of 8 KiB), since tokens grow.
pub(super) const MAX_HEAD_BYTES: usize = 64 << 10;

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its address.
    pub peer: SocketAddr,
    /// Whether it speaks TLS with us.
    pub is_secure: bool,
    /// For the one who must cut the connection.
    pub control: ConnectionControl,
}

/// Tells every connection of a socket that the end has begun.
#[derive(Debug, Clone, Default)]
pub(super) struct Draining {
    has_begun: Arc<AtomicBool>,
    wake: CancellationToken,
}

impl Draining {
    pub(super) fn begin(&self) {
        self.has_begun.store(true, Ordering::Release);
        self.wake.cancel();
    }

    fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Acquire)
    }
}

/// An accepted connection on which nothing has been read.
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) limits: Limits,
    pub(super) draining: Draining,
    pub(super) refused: Arc<Complaints>,
}

impl Connection {
    pub(super) async fn serve<M, S, B>(self, make: M)
    where
        M: Fn(Client) -> S,
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<Box<dyn StdError + Send + Sync>>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let Self { stream, peer, tls, limits, draining, refused } = self;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "cannot turn off Nagle's algorithm");
        }
        let conversation = Conversation {
            peer,
            limits,
            draining,
            refused,
            first_request_by: Instant::now() + limits.head_read,
            control: ConnectionControl::default(),
            received: Received::default(),
        };
        let control = conversation.control.clone();
        let service = make(Client { peer, is_secure: tls.is_some(), control: control.clone() });
        let wire = Wire { stream, received: conversation.received.clone(), reset: control.reset };
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
    draining: Draining,
    refused: Arc<Complaints>,
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
            () = self.draining.wake.cancelled() => None,
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
        let Self { peer, limits, draining, refused, first_request_by, control, received } = self;
        let protocol = protocol(limits, received);
        let service = {
            let control = control.clone();
            service_fn(move |request| {
                control.note_request();
                service.call(request)
            })
        };
        let io = Screened { io, screen: Screen::default(), peer, refused };
        let mut served = pin!(protocol.serve_connection(TokioIo::new(io), service));
        let (mut reset, mut drain) = (pin!(control.reset.cancelled()), pin!(draining.wake.cancelled()));
        let mut first_request = pin!(Some(tokio::time::sleep_until(first_request_by)));
        let (mut is_draining, mut is_watching) = (false, false);
        poll_fn(|context| {
            // This task is woken for every packet: the two that wait for the end are asked once, so that they wake it,
            // and after that only looked at.
            if !is_watching {
                is_watching = true;
                let (_, _) = (reset.as_mut().poll(context), drain.as_mut().poll(context));
            }
            if control.is_reset() {
                return Poll::Ready(());
            }
            if let Poll::Ready(ended) = served.as_mut().poll(context) {
                if let Err(error) = ended {
                    note_error(peer, &*error);
                }
                return Poll::Ready(());
            }
            if draining.has_begun() && !is_draining {
                is_draining = true;
                served.as_mut().graceful_shutdown();
                context.waker().wake_by_ref();
            }
            if first_request.is_some() && control.had_a_request() {
                first_request.set(None);
            }
            if let Some(due) = first_request.as_mut().as_pin_mut()
                && due.poll(context).is_ready()
            {
                tracing::debug!(%peer, "a connection brought no request in time");
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }
}

fn note_error(peer: SocketAddr, error: &(dyn StdError + 'static)) {
    let of_hyper = error.downcast_ref::<hyper::Error>();
    if of_hyper.is_some_and(hyper::Error::is_parse_too_large) {
        tracing::debug!(%peer, max_bytes = MAX_HEAD_BYTES, max_headers = MAX_HEADERS, "a request's head was too large");
    } else {
        tracing::debug!(%peer, error, "a connection ended early");
    }
}

fn protocol(limits: Limits, received: Received) -> auto::Builder<TokioExecutor> {
    let mut protocol = auto::Builder::new(TokioExecutor::new());
    protocol
        .http1()
        .timer(HeadTimer::new(received, limits.head_read))
        .header_read_timeout(limits.idle.max(limits.head_read))
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES);
    protocol
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HTTP2_PING)
        .keep_alive_timeout(HTTP2_PING)
        .max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX));
    protocol
}
