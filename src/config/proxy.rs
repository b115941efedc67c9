//! The guarded proxy's routes, checked.

use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::probe::{HttpVersion, Tls};
use crate::domain::breaker::Outcome;

/// The proxy.
#[derive(Debug, Clone, PartialEq)]
pub struct Proxy {
    /// Threads that serve the routes with a socket of their own; `None` for a quarter of the machine's cores.
    pub threads: Option<usize>,
    /// Connections at a time on each of those sockets; one more waits in the kernel's queue.
    pub max_connections: usize,
    /// Connections to one target that are kept at rest, for each thread.
    pub idle_connections: usize,
    /// How long they are kept.
    pub idle_time: Duration,
    /// The routes, as they are written.
    pub routes: Vec<Arc<Route>>,
}

impl Proxy {
    /// The sockets of its own, in the order of the routes.
    pub fn listens(&self) -> impl Iterator<Item = SocketAddr> {
        self.routes.iter().filter_map(|route| match &route.matches {
            Match::Listen(address) => Some(*address),
            Match::Host(_) | Match::Prefix(_) => None,
        })
    }
}

/// Requests that go to one target.
#[derive(Clone, PartialEq)]
pub struct Route {
    /// Which.
    pub matches: Match,
    /// To which target.
    pub target: Destination,
    /// Send the client's own `Host`, not the endpoint's.
    pub preserve_host: bool,
    /// Add to the `X-Forwarded-*` that the client sent, do not replace them.
    pub trust_forwarded: bool,
    /// A longer request body is refused.
    pub body_limit: u64,
    /// A longer response is cut.
    pub response_limit: Option<u64>,
    /// Request bodies of this length at most are read before the call begins, and kept until it is over.
    pub retry_buffer: usize,
    /// Responses of this length at most are looked into.
    pub inspect_limit: usize,
    /// The header that makes a request idempotent.
    pub idempotency_header: http::HeaderName,
    /// What is known of single operations; the first that fits counts.
    pub operations: Vec<Operation>,
    /// What is answered where the target cannot be asked.
    pub fallback: Option<Fallback>,
}

/// Which requests a route takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Match {
    /// All that come in on a socket of its own.
    Listen(SocketAddr),
    /// Those for this host, in lower case; with a port only that one.
    Host(Box<str>),
    /// Those whose path begins with these segments, without the slash at the end. It is not passed on.
    Prefix(Box<str>),
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(address) => write!(f, "listen {address}"),
            Self::Host(host) => write!(f, "host {host}"),
            Self::Prefix(prefix) => write!(f, "prefix {prefix}"),
        }
    }
}

/// A target, and how it is spoken to.
#[derive(Clone, PartialEq)]
pub struct Destination {
    /// Its name.
    pub name: Arc<str>,
    /// Its endpoint; what is behind a route's prefix is put behind its path.
    pub endpoint: http::Uri,
    /// HTTP versions.
    pub version: HttpVersion,
    /// TLS beyond the machine's trust.
    pub tls: Tls,
    /// Headers that replace the client's.
    pub set_headers: Vec<(http::HeaderName, http::HeaderValue)>,
    /// Headers of the client that are not passed on.
    pub remove_headers: Vec<http::HeaderName>,
}

/// One operation of a target.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Its name, for logs.
    pub name: Arc<str>,
    /// With this method only.
    pub method: Option<http::Method>,
    /// Its path behind the route's prefix.
    pub path: PathPattern,
    /// How long one attempt may take; `None` for the target's own limit.
    pub attempt_timeout: Option<Duration>,
    /// Attempts of one call; `None` for the target's own number.
    pub attempts: Option<u32>,
    /// Doing it twice is the same as once, whatever its method.
    pub idempotent: bool,
    /// The header that makes a request idempotent; `None` for the route's.
    pub idempotency_header: Option<http::HeaderName>,
    /// What an answer means; the first row that fits counts, and after the last what its status says.
    pub outcomes: Vec<OutcomeRow>,
}

/// A path, segment by segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    /// The segments.
    pub segments: Vec<Segment>,
    /// Whether more segments may follow, at least one.
    pub open_ended: bool,
}

/// A part of a path between two slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// This one.
    Exactly(Box<str>),
    /// Any that is not empty.
    Any,
}

/// What one kind of answer means.
#[derive(Debug, Clone, PartialEq)]
pub struct OutcomeRow {
    /// It has one of these statuses; any if empty.
    pub status: Vec<RangeInclusive<u16>>,
    /// Its body says so.
    pub json: Option<JsonRow>,
    /// What that is.
    pub outcome: Outcome,
    /// The target has done nothing.
    pub not_processed: bool,
}

/// What a body says.
#[derive(Debug, Clone)]
pub struct JsonRow {
    /// A JSONPath (RFC 9535).
    pub path: serde_json_path::JsonPath,
    /// A value there is one of these.
    pub values: Vec<serde_json::Value>,
}

impl PartialEq for JsonRow {
    fn eq(&self, other: &Self) -> bool {
        self.path.to_string() == other.path.to_string() && self.values == other.values
    }
}

/// What is answered where the target cannot be asked.
#[derive(Clone, PartialEq)]
pub enum Fallback {
    /// Always the same.
    Answer {
        /// The status.
        status: u16,
        /// Its `Content-Type`.
        content_type: http::HeaderValue,
        /// Its body.
        body: bytes::Bytes,
    },
    /// What another target answers.
    Target(Box<Destination>),
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("matches", &self.matches)
            .field("target", &self.target)
            .field("preserve_host", &self.preserve_host)
            .field("trust_forwarded", &self.trust_forwarded)
            .field("body_limit", &self.body_limit)
            .field("response_limit", &self.response_limit)
            .field("retry_buffer", &self.retry_buffer)
            .field("inspect_limit", &self.inspect_limit)
            .field("idempotency_header", &self.idempotency_header)
            .field("operations", &self.operations)
            .field("fallback", &self.fallback)
            .finish()
    }
}

impl fmt::Debug for Destination {
    /// Without the headers' values, which may be keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Destination")
            .field("name", &self.name)
            .field("endpoint", &self.endpoint)
            .field("version", &self.version)
            .field("tls", &self.tls)
            .field("set_headers", &self.set_headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("remove_headers", &self.remove_headers)
            .finish()
    }
}

impl fmt::Debug for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer { status, content_type, body } => f
                .debug_struct("Answer")
                .field("status", status)
                .field("content_type", content_type)
                .field("body_bytes", &body.len())
                .finish(),
            Self::Target(target) => f.debug_tuple("Target").field(target).finish(),
        }
    }
}
