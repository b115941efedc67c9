//! What is around a service that answers for itself: who asks, and an answer in place of a panic.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::FutureExt;
use http_body_util::{Either, Empty};
use hyper::body::{Body, Incoming};
use hyper::service::Service;
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::service::TowerToHyperService;
use tokio_util::sync::CancellationToken;

use super::connection::Client;

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
    seen: Arc<Seen>,
    pub(super) reset: CancellationToken,
}

#[derive(Debug, Default)]
struct Seen {
    requests: AtomicU64,
    speaks_http2: AtomicBool,
    asked_for_reset: AtomicBool,
}

impl ConnectionControl {
    /// Cuts the connection with a RST, so that the client sees "connection reset by peer", whatever was answered but not
    /// yet read. A handler that has called this need not answer; with HTTP/2 all requests of the connection are cut.
    pub fn reset(&self) {
        self.seen.asked_for_reset.store(true, Ordering::Release);
        self.reset.cancel();
    }

    pub(super) fn is_reset(&self) -> bool {
        self.seen.asked_for_reset.load(Ordering::Acquire)
    }

    /// Only the connection's own task notes them.
    pub(super) fn note_request(&self, version: Version) {
        let before = self.seen.requests.load(Ordering::Relaxed);
        if before == 0 {
            self.seen.speaks_http2.store(version == Version::HTTP_2, Ordering::Relaxed);
        }
        self.seen.requests.store(before + 1, Ordering::Relaxed);
    }

    pub(super) fn requests(&self) -> u64 {
        self.seen.requests.load(Ordering::Relaxed)
    }

    pub(super) fn speaks_http2(&self) -> bool {
        self.seen.speaks_http2.load(Ordering::Relaxed)
    }
}

/// A service with what is around it, for one connection.
#[derive(Debug, Clone)]
pub(super) struct Answering<S> {
    service: S,
    client: Client,
}

impl<S> Answering<S> {
    pub(super) const fn new(service: S, client: Client) -> Self {
        Self { service, client }
    }
}

type Answered<B, E> = Result<Response<Either<B, Empty<<B as Body>::Data>>>, E>;

impl<S, B> Service<Request<Incoming>> for Answering<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body + 'static,
{
    type Response = Response<Either<B, Empty<B::Data>>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Answered<B, S::Error>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        Box::pin(answer(self.service.clone(), request, self.client.clone()))
    }
}

/// The service's answer, or 500 in place of its panic.
async fn answer<S, B>(service: S, mut request: Request<Incoming>, client: Client) -> Answered<B, S::Error>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    B: Body,
{
    let Client { peer, control, .. } = client;
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
