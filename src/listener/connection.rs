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
use super::alarm::Alarm;
use super::answering::ConnectionControl;
use super::complaints::Complaints;
use super::head::{HeadTimer, Received};
use super::screen::Screen;
use super::wire::{Screened, Stalled, Unread, Wire};

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
    pub(super) complaints: Arc<Complaints>,
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
        let Self { stream, peer, tls, limits, draining, complaints } = self;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "cannot turn off Nagle's algorithm");
        }
        let conversation = Conversation {
            peer,
            limits,
            draining,
            complaints,
            first_request_by: Instant::now() + limits.head_read,
            control: ConnectionControl::default(),
            received: Received::default(),
        };
        let control = conversation.control.clone();
        let service = make(Client { peer, is_secure: tls.is_some(), control: control.clone() });
        let unread = Unread::new(limits.unread);
        let wire = Wire { stream, received: conversation.received.clone(), reset: control.reset, unread };
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
    complaints: Arc<Complaints>,
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
                if !self.received.is_nothing() {
                    self.odd("slow_handshake", "a TLS handshake took too long");
                }
                None
            }
            () = self.draining.wake.cancelled() => None,
        }
    }

    /// What a client does that the many do not. Under attack there is much of it, and one line of a kind in a while says so.
    fn odd(&self, kind: &'static str, what: &'static str) {
        let peer = self.peer;
        match self.complaints.due(kind) {
            Some(unsaid) => tracing::warn!(%peer, kind, unsaid, "{what}"),
            None => tracing::debug!(%peer, kind, "{what}"),
        }
    }

    /// A connection that ended before its time.
    fn note_error(&self, error: &(dyn StdError + 'static)) {
        let of_hyper = error.downcast_ref::<hyper::Error>();
        if of_hyper.is_some_and(hyper::Error::is_parse_too_large) {
            self.odd("large_head", "a request's head was too large");
        } else if self.received.head_was_slow() {
            self.odd("slow_head", "a request's head took too long");
        } else if is_stalled(error) {
            self.odd("slow_reader", "a client did not read what it asked for, and was cut off");
        } else {
            tracing::debug!(peer = %self.peer, error, "a connection ended early");
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
        let Self { peer, limits, ref draining, ref complaints, first_request_by, ref control, ref received } = self;
        let protocol = protocol(limits, received.clone());
        let service = {
            let control = control.clone();
            service_fn(move |request| {
                control.note_request(request.version());
                service.call(request)
            })
        };
        let io = Screened { io, screen: Screen::default(), peer, complaints: complaints.clone() };
        let mut served = pin!(protocol.serve_connection(TokioIo::new(io), service));
        let (mut reset, mut drain) = (pin!(control.reset.cancelled()), pin!(draining.wake.cancelled()));
        let mut alarm = Alarm::default();
        let mut wait = Wait::FirstRequest;
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
                    self.note_error(&*error);
                }
                return Poll::Ready(());
            }
            if draining.has_begun() && !is_draining {
                is_draining = true;
                served.as_mut().graceful_shutdown();
                context.waker().wake_by_ref();
            }
            loop {
                match wait {
                    Wait::FirstRequest if control.requests() > 0 => wait = Wait::after(control, limits.idle),
                    Wait::FirstRequest if alarm.rings(first_request_by, context) => {
                        if !received.is_nothing() {
                            self.odd("slow_head", "a connection brought no request in time");
                        }
                        return Poll::Ready(());
                    }
                    // The next look is due after the same time again. How often there were requests is cheaper to know
                    // than when the last one was.
                    Wait::MoreRequests { until, seen } if alarm.rings(until, context) => {
                        if control.requests() != seen {
                            wait = Wait::after(control, limits.idle);
                            continue;
                        }
                        wait = Wait::Nothing;
                        served.as_mut().graceful_shutdown();
                        context.waker().wake_by_ref();
                    }
                    Wait::FirstRequest | Wait::MoreRequests { .. } | Wait::Nothing => return Poll::Pending,
                }
            }
        })
        .await;
    }
}

/// What a connection is cut for if it does not come.
enum Wait {
    FirstRequest,
    /// Only of HTTP/2; with HTTP/1.1, hyper itself waits for the next head.
    MoreRequests {
        until: Instant,
        /// How many there were when the wait began.
        seen: u64,
    },
    Nothing,
}

impl Wait {
    fn after(control: &ConnectionControl, idle: Duration) -> Self {
        if !control.speaks_http2() {
            return Self::Nothing;
        }
        Self::MoreRequests { until: Instant::now() + idle, seen: control.requests() }
    }
}

fn is_stalled(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let of_wire = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if of_wire.is_some_and(<dyn StdError + Send + Sync>::is::<Stalled>) {
            return true;
        }
        cause = error.source();
    }
    false
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
