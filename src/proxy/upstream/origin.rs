//! One scheme, host and port of a target, with the connections to it that rest.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hyper::client::conn::http2;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::dial::{self, Link};
use super::fault::Fault;
use super::http1::Http1;
use super::trust::Trust;
use crate::config::probe::{HttpVersion, Tls};
use crate::config::proxy::Destination;
use crate::proxy::outgoing::Outgoing;

/// How connections are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) struct Pooling {
    /// Runtimes, each of which has connections of its own.
    pub(in crate::proxy) lanes: usize,
    /// At rest at a time, in each of them; one more is closed.
    pub(in crate::proxy) idle_connections: usize,
    /// How long they rest.
    pub(in crate::proxy) idle_time: Duration,
}

/// Where connections lead.
pub(in crate::proxy) struct Origin {
    pub(super) host: Box<str>,
    pub(super) port: u16,
    /// Where the host is an address, so that nothing is to be resolved.
    pub(super) address: Option<SocketAddr>,
    pub(super) version: HttpVersion,
    pub(super) trust: Option<Result<Trust, Box<str>>>,
    is_secure: bool,
    tls: Tls,
    pooling: Pooling,
    lanes: Vec<Lane>,
}

/// What one runtime has of connections.
#[derive(Default)]
struct Lane {
    /// The one that rests longest is first.
    resting: Mutex<VecDeque<Box<Http1>>>,
    shared: Mutex<Option<http2::SendRequest<Outgoing>>>,
}

impl Origin {
    pub(in crate::proxy) fn new(spec: &Destination, pooling: Pooling) -> Self {
        let (host, port, is_secure) = place(spec);
        let trust = is_secure.then(|| {
            Trust::new(&spec.tls, spec.version, &host).map_err(|problem| {
                tracing::error!(target = %spec.name, %problem, "calls cannot be made: their TLS cannot be set up");
                problem.to_string().into()
            })
        });
        Self {
            address: host.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, port)),
            host,
            port,
            version: spec.version,
            trust,
            is_secure,
            tls: spec.tls.clone(),
            pooling,
            lanes: (0..pooling.lanes).map(|_| Lane::default()).collect(),
        }
    }

    /// Whether connections for `spec` are these.
    pub(in crate::proxy) fn is_for(&self, spec: &Destination, pooling: Pooling) -> bool {
        let (host, port, is_secure) = place(spec);
        self.host == host
            && (self.port, self.is_secure, self.version) == (port, is_secure, spec.version)
            && self.tls == spec.tls
            && self.pooling == pooling
    }

    /// A connection that rests and is still open.
    pub(in crate::proxy) fn take(&self, lane: usize) -> Option<Link> {
        let lane = &self.lanes[lane];
        if self.version != HttpVersion::Http1
            && let Some(sender) = &*lane.shared.lock()
            && !sender.is_closed()
        {
            return Some(Link::Http2(sender.clone()));
        }
        loop {
            let mut link = lane.resting.lock().pop_back()?;
            if link.resting_since.elapsed() < self.pooling.idle_time && link.is_open() {
                return Some(Link::Http1(link));
            }
        }
    }

    /// A new one, within `limit`.
    pub(in crate::proxy) async fn dial(&self, lane: usize, limit: Duration) -> Result<Link, Fault> {
        let link = dial::dial(self, limit).await?;
        if let Link::Http2(sender) = &link {
            *self.lanes[lane].shared.lock() = Some(sender.clone());
        }
        Ok(link)
    }

    /// One that was used, and may be again.
    pub(in crate::proxy) fn give_back(&self, lane: usize, mut link: Box<Http1>) {
        if !link.is_open() {
            return;
        }
        link.resting_since = Instant::now();
        let surplus = {
            let mut resting = self.lanes[lane].resting.lock();
            resting.push_back(link);
            if resting.len() > self.pooling.idle_connections { resting.pop_front() } else { None }
        };
        drop(surplus);
    }

    /// Closes those that rested for too long, or that the target has closed.
    pub(in crate::proxy) fn sweep(&self, lane: usize) {
        let Some(lane) = self.lanes.get(lane) else { return };
        let mut kept = std::mem::take(&mut *lane.resting.lock());
        kept.retain_mut(|link| link.resting_since.elapsed() < self.pooling.idle_time && link.is_open());
        let mut resting = lane.resting.lock();
        for link in kept.into_iter().rev() {
            resting.push_front(link);
        }
    }
}

fn place(spec: &Destination) -> (Box<str>, u16, bool) {
    let is_secure = spec.endpoint.scheme_str() == Some("https");
    let port = spec.endpoint.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
    let host = spec.endpoint.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    (host.into(), port, is_secure)
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Origin").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}
