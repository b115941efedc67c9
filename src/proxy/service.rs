//! The proxy as a whole: its routes, what they need, and who asks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::header::HeaderValue;
use http::{Request, Response};
use hyper::body::Incoming;

use super::forward;
use super::headers::Origin;
use super::outgoing::Room;
use super::problem::{Problem, Why};
use super::reply::Reply;
use super::routes::{Route, Table};
use super::upstream::Fault;
use crate::actors::board::Board;
use crate::clock::Clock;
use crate::config::Config;
use crate::listener::{self, Complaints};

/// How often at most a line of one kind is logged, whoever causes them.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// The lane of the runtime that serves the API.
pub(super) const SHARED_LANE: usize = 0;

/// Why the proxy cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A socket of a route.
    #[error(transparent)]
    Listen(#[from] listener::Error),
    /// A thread.
    #[error("a thread of the proxy cannot be started")]
    Thread(#[source] std::io::Error),
}

/// The guarded proxy. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Proxy {
    shared: Arc<Shared>,
}

/// What every request needs.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) board: Arc<Board>,
    pub(super) clock: Clock,
    pub(super) node: Arc<str>,
    pub(super) via_http1: HeaderValue,
    pub(super) via_http2: HeaderValue,
    table: ArcSwap<Table>,
    lanes: usize,
    pub(super) room: Room,
    complaints: Complaints,
}

/// Who asks, for one connection.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) shared: Arc<Shared>,
    pub(super) origin: Origin,
    /// The runtime in which he is served.
    pub(super) lane: usize,
}

impl Proxy {
    /// The routes of `config`, with a lane for the API's runtime and one for each of `threads`.
    #[must_use]
    pub fn new(config: &Config, threads: usize, board: Arc<Board>, clock: Clock) -> Self {
        let lanes = threads + 1;
        let table = Table::compile(&config.proxy, lanes, &Table::default());
        let shared = Shared {
            board,
            clock,
            via_http1: forward::via("1.1", &config.node.name),
            via_http2: forward::via("2", &config.node.name),
            node: config.node.name.clone(),
            table: ArcSwap::from_pointee(table),
            lanes,
            room: Room::default(),
            complaints: Complaints::new(LOG_EVERY),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Goes by other routes from now on. Requests under way go on by the old ones, and connections that rest are used on
    /// where their target is the same. A route that has a socket of its own gets one with a restart only.
    pub fn reconfigure(&self, config: &Config) {
        let table = Table::compile(&config.proxy, self.shared.lanes, &self.shared.table.load());
        self.shared.table.store(Arc::new(table));
    }

    /// Closes connections of the API's runtime that rested for too long. To be called there, every few seconds.
    pub fn sweep(&self) {
        self.sweep_lane(SHARED_LANE);
    }

    pub(super) fn sweep_lane(&self, lane: usize) {
        self.shared.table.load().sweep(lane);
    }

    pub(super) fn caller(&self, peer: SocketAddr, is_secure: bool, lane: usize) -> Caller {
        let address = HeaderValue::from_str(&peer.ip().to_canonical().to_string()).expect("an address is ASCII");
        let scheme = HeaderValue::from_static(if is_secure { "https" } else { "http" });
        Caller { shared: self.shared.clone(), origin: Origin { address, scheme }, lane }
    }

    /// The route on the API's socket that takes this request.
    pub(super) fn find<B>(&self, request: &Request<B>) -> Option<Arc<Route>> {
        let table = self.shared.table.load();
        let authority = request.uri().authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
        let host = authority.as_ref().or_else(|| request.headers().get(http::header::HOST));
        table.find(host, request.uri().path()).cloned()
    }
}

impl Caller {
    /// What comes in on the socket that a route has for itself; `socket` is as it is configured.
    pub(super) async fn ask_listening(&self, socket: SocketAddr, request: Request<Incoming>) -> Response<Reply> {
        let route = self.shared.table.load().listening(socket).cloned();
        match route {
            Some(route) => forward::forward(self, &route, request).await,
            None => forward::problem(&Problem { why: Why::NoRoute, target: "".into() }),
        }
    }
}

impl Shared {
    /// A request that is refused for its own sake. Under attack there are many, and one line in a while says it.
    pub(super) fn note_odd(&self, target: &str, why: Why) {
        match self.complaints.due(why.reason()) {
            Some(unsaid) => tracing::warn!(target_name = target, ?why, unsaid, "a request was not passed on"),
            None => tracing::debug!(target_name = target, ?why, "a request was not passed on"),
        }
    }

    /// A call that came to nothing.
    pub(super) fn note_fault(&self, target: &str, fault: &Fault) {
        let error = fault as &dyn std::error::Error;
        match self.complaints.due(fault.why().reason()) {
            Some(unsaid) => tracing::warn!(target_name = target, error, unsaid, "a call failed"),
            None => tracing::debug!(target_name = target, error, "a call failed"),
        }
    }
}
