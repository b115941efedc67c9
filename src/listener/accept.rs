//! The loop that accepts, and that ends.
//!
//! It owns the connections' tasks. Deliberately not here: what happens on a connection.

use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::service::Service;
use hyper::{Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::answering::Answering;
use super::complaints::Complaints;
use super::connection::{Client, Connection, Draining};
use super::{Error, socket};

/// How long accepting rests when the machine has nothing to give: long enough not to spin, short enough that nobody
/// notices once a file descriptor is free.
const REST_AFTER_AN_ERROR: Duration = Duration::from_millis(50);

/// How often at most such an error, and each kind of oddness of clients, is logged, whoever causes it.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// How long a head may take, where nothing else is said.
pub const HEAD_READ: Duration = Duration::from_secs(10);

/// What a client may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the accept to the end of the first request's head, TLS handshake included, and from the first byte to the
    /// end of each later head. Then the connection is closed.
    pub head_read: Duration,
    /// How long a connection may rest between two requests of HTTP/1.1. Then it is closed. One of HTTP/2 that brought no
    /// request for as long, or up to twice as long, is told so and closed when its open ones are answered.
    pub idle: Duration,
    /// How long a client may take nothing of what is to be sent to it. Then the connection is closed: its answers hold
    /// places at targets. What counts is that the kernel takes bytes for it, so that a slow client that reads is not cut.
    /// nginx's `send_timeout` is 60 s.
    pub unread: Duration,
    /// Connections at a time, on all hands of a socket together. One more waits in the kernel's queue.
    pub max_connections: usize,
    /// How long a shutdown waits for the requests that are open. Then their connections are cut.
    pub graceful: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_read: HEAD_READ,
            idle: Duration::from_secs(75),
            unread: Duration::from_secs(30),
            max_connections: 10_000,
            graceful: Duration::from_secs(10),
        }
    }
}

/// What all hands of one socket share.
#[derive(Debug)]
struct Shared {
    /// Made by the first one that serves, with its limit.
    permits: OnceLock<Arc<Semaphore>>,
    complaints: Arc<Complaints>,
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self { permits: OnceLock::new(), complaints: Arc::new(Complaints::new(LOG_EVERY)) })
    }
}

/// A bound socket on which nothing is accepted yet, in no runtime yet.
#[derive(Debug)]
pub struct Reserved {
    socket: std::net::TcpListener,
    shared: Arc<Shared>,
    local_address: SocketAddr,
}

impl Reserved {
    /// Binds and listens. From here on clients can connect; they wait until somebody serves.
    ///
    /// # Errors
    /// The address cannot be had.
    pub fn new(address: SocketAddr) -> Result<Self, Error> {
        let socket = socket::bind(address)?;
        let local_address = socket.local_addr().map_err(|source| Error::CannotListen { address, source })?;
        Ok(Self { socket, shared: Shared::new(), local_address })
    }

    /// Where it is.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_address
    }

    /// A second hand on the same socket, for another runtime: each connection goes to one of them, and the limit on
    /// connections is for all of them together.
    ///
    /// # Errors
    /// The machine has no more file descriptors.
    pub fn another(&self) -> Result<Self, Error> {
        let address = self.local_address;
        let socket = self.socket.try_clone().map_err(|source| Error::CannotListen { address, source })?;
        Ok(Self { socket, shared: Arc::clone(&self.shared), local_address: address })
    }
}

/// A bound socket.
pub struct Listener {
    socket: TcpListener,
    shared: Arc<Shared>,
    local_address: SocketAddr,
    tls: Option<TlsAcceptor>,
}

impl Listener {
    /// Binds and listens. From here on clients can connect; they wait until [`serve`](Self::serve).
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The address cannot be had.
    pub fn bind(address: SocketAddr) -> Result<Self, Error> {
        Self::on(Reserved::new(address)?)
    }

    /// Accepts in this runtime.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The runtime cannot take it.
    pub fn on(reserved: Reserved) -> Result<Self, Error> {
        let Reserved { socket, shared, local_address } = reserved;
        let socket =
            TcpListener::from_std(socket).map_err(|source| Error::CannotListen { address: local_address, source })?;
        Ok(Self { socket, shared, local_address, tls: None })
    }

    /// Speaks TLS. Put `h2` and `http/1.1` into the config's `alpn_protocols` if clients shall choose.
    #[must_use]
    pub fn with_tls(self, config: Arc<rustls::ServerConfig>) -> Self {
        Self { tls: Some(TlsAcceptor::from(config)), ..self }
    }

    /// Where it listens; with the port that the machine chose if port 0 was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_address
    }

    /// Serves until `shutdown` is ready and the open requests are answered, or cut at the deadline.
    ///
    /// Each request carries a [`Peer`](super::Peer) and a [`ConnectionControl`](super::ConnectionControl) as
    /// extensions. A service that panics costs its client an answer of 500 and nobody else anything.
    pub async fn serve<S, B>(self, service: S, limits: Limits, shutdown: impl Future<Output = ()>)
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<Box<dyn StdError + Send + Sync>>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.serve_each(move |client| Answering::new(service.clone(), client), limits, shutdown).await;
    }

    /// As [`serve`](Self::serve), with a service for each connection that `make` makes, and nothing around it: its
    /// requests carry no extensions, and one that panics costs its client the connection.
    pub async fn serve_each<M, S, B>(self, make: M, limits: Limits, shutdown: impl Future<Output = ()>)
    where
        M: Fn(Client) -> S + Clone + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<Box<dyn StdError + Send + Sync>>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let draining = Draining::default();
        let permits = self.shared.permits.get_or_init(|| Arc::new(Semaphore::new(limits.max_connections)));
        let mut connections = JoinSet::new();
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(ended) = connections.join_next() => note_end(ended),
                (permit, stream, peer) = self.accept(permits) => {
                    let connection = Connection {
                        stream,
                        peer,
                        tls: self.tls.clone(),
                        limits,
                        draining: draining.clone(),
                        complaints: self.shared.complaints.clone(),
                    };
                    let make = make.clone();
                    connections.spawn(async move {
                        connection.serve(make).await;
                        drop(permit);
                    });
                }
            }
        }
        // Closed first, so that who comes now is refused and can go elsewhere.
        drop(self.socket);
        draining.begin();
        drain(connections, limits.graceful, self.local_address).await;
    }

    /// Safe to cancel: a connection is either returned or still in the kernel's queue.
    async fn accept(&self, permits: &Arc<Semaphore>) -> (OwnedSemaphorePermit, TcpStream, SocketAddr) {
        let permit = Arc::clone(permits).acquire_owned().await.expect("nobody closes this semaphore");
        loop {
            match self.socket.accept().await {
                Ok((stream, peer)) => return (permit, stream, peer),
                Err(error) if was_the_clients(&error) => {
                    tracing::debug!(listen = %self.local_address, %error, "a client was gone before it was accepted");
                }
                Err(error) => {
                    if self.shared.complaints.due("accept").is_some() {
                        tracing::warn!(listen = %self.local_address, %error,
                            "cannot accept connections; the limit on open files may be too low");
                    }
                    tokio::time::sleep(REST_AFTER_AN_ERROR).await;
                }
            }
        }
    }
}

fn was_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

async fn drain(mut connections: JoinSet<()>, deadline: Duration, listen: SocketAddr) {
    let all_ended = async {
        while let Some(ended) = connections.join_next().await {
            note_end(ended);
        }
    };
    if tokio::time::timeout(deadline, all_ended).await.is_err() {
        tracing::info!(%listen, connections = connections.len(), "cutting connections that are still open");
        connections.shutdown().await;
    }
}

/// A handler's panic is caught before it comes here; this one happened while a body was being made.
fn note_end(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection was lost to a panic");
    }
}
