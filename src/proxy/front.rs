//! The proxy in front of another service on one socket: what no route takes is that one's.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;

use http::{Request, Response};
use http_body_util::Either;
use hyper::body::{Body, Incoming};
use hyper::service::Service;

use super::forward;
use super::reply::Reply;
use super::service::{Proxy, SHARED_LANE};
use crate::listener::Peer;

/// A service with the proxy before it.
#[derive(Debug, Clone)]
pub struct Front<S> {
    proxy: Proxy,
    behind: S,
}

impl Proxy {
    /// Takes what is for a route by prefix or host, and leaves the rest to `behind`.
    #[must_use]
    pub const fn before<S>(self, behind: S) -> Front<S> {
        Front { proxy: self, behind }
    }
}

type Answered<B, E> = Result<Response<Either<Reply, B>>, E>;

impl<S, B> Service<Request<Incoming>> for Front<S>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Future: Send + 'static,
    B: Body + 'static,
{
    type Response = Response<Either<Reply, B>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Answered<B, S::Error>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let Some(route) = self.proxy.find(&request) else {
            let answer = self.behind.call(request);
            return Box::pin(async move { answer.await.map(|response| response.map(Either::Right)) });
        };
        let unknown = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let peer = request.extensions().get::<Peer>().map_or(unknown, |peer| peer.0);
        let caller = self.proxy.caller(peer, false, SHARED_LANE);
        Box::pin(async move { Ok(forward::forward(&caller, &route, request).await.map(Either::Left)) })
    }
}
