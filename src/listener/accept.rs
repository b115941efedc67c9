//! The loop that accepts, and that ends.
//!
//! It owns the connections' tasks. Deliberately not here: what happens on a connection.

use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::service::Service;
use hyper::{Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::{Error, socket};

/// How long accepting rests when the machine has nothing to give: long enough not to spin, short enough that nobody
/// notices once a file descriptor is free.
const REST_AFTER_AN_ERROR: Duration = Duration::from_millis(50);

/// How often at most such an error is logged.
const LOG_EVERY: Duration = Duration::from_secs(1);

/// What a client may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the accept to the end of the first request's head, TLS handshake included, and from the first byte to the
    /// end of each later head. Then the connection is closed.
    pub head_read: Duration,
    /// How long a connection may rest between two requests of HTTP/1.1. Then it is closed.
    pub idle: Duration,
    /// Connections at a time. One more waits in the kernel's queue.
    pub max_connections: usize,
    /// How long a shutdown waits for the requests that are open. Then their connections are cut.
    pub graceful: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_read: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            max_connections: 10_000,
            graceful: Duration::from_secs(10),
        }
    }
}

/// A bound socket.
pub struct Listener {
    socket: TcpListener,
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
        let socket = socket::bind(address)?;
        let local_address = socket.local_addr().map_err(|source| Error::CannotListen { address, source })?;
        Ok(Self { socket, local_address, tls: None })
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
        let draining = CancellationToken::new();
        let permits = Arc::new(Semaphore::new(limits.max_connections));
        let mut connections = JoinSet::new();
        let mut complaints = Complaints::default();
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(ended) = connections.join_next() => note_end(ended),
                (permit, stream, peer) = self.accept(&permits, &mut complaints) => {
                    let connection =
                        Connection { stream, peer, tls: self.tls.clone(), limits, draining: draining.clone() };
                    let service = service.clone();
                    connections.spawn(async move {
                        connection.serve(service).await;
                        drop(permit);
                    });
                }
            }
        }
        // Closed first, so that who comes now is refused and can go elsewhere.
        drop(self.socket);
        draining.cancel();
        drain(connections, limits.graceful, self.local_address).await;
    }

    /// Safe to cancel: a connection is either returned or still in the kernel's queue.
    async fn accept(
        &self,
        permits: &Arc<Semaphore>,
        complaints: &mut Complaints,
    ) -> (OwnedSemaphorePermit, TcpStream, SocketAddr) {
        let permit = Arc::clone(permits).acquire_owned().await.expect("nobody closes this semaphore");
        loop {
            match self.socket.accept().await {
                Ok((stream, peer)) => return (permit, stream, peer),
                Err(error) if was_the_clients(&error) => {
                    tracing::debug!(listen = %self.local_address, %error, "a client was gone before it was accepted");
                }
                Err(error) => {
                    if complaints.is_due(Instant::now()) {
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

/// Remembers when it was last complained about accept errors.
#[derive(Debug, Default)]
struct Complaints {
    last: Option<Instant>,
}

impl Complaints {
    fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.last.is_none_or(|last| now.duration_since(last) >= LOG_EVERY);
        if is_due {
            self.last = Some(now);
        }
        is_due
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn accept_errors_are_logged_once_a_second() {
        let mut complaints = Complaints::default();
        let start = Instant::now();
        let logged: Vec<bool> =
            [0, 50, 950, 1000, 1050].map(|ms| complaints.is_due(start + Duration::from_millis(ms))).into();
        assert_eq!(logged, [true, false, false, true, false]);
    }
}
