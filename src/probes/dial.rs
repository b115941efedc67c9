//! Resolving and connecting.
//!
//! All addresses of a name are tried in the resolver's order; each but the last gets its share of what is left of the
//! deadline, so that one that swallows packets does not hide the next. A connection is closed as soon as the answer is
//! whole, without waiting for the target to close first: measured, that costs the same, and the local ports it holds are
//! counted for each address and port of a target (28,000 in 60 s on Linux), where a target takes one a probe.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::domain::observation::{Failure, Reason};

use super::failure;
use super::trace::{Stage, Trace};

/// A host and a port, as `host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    host: Box<str>,
    port: u16,
    /// Where the host is an address, so that nothing is to be resolved.
    address: Option<SocketAddr>,
    /// What people call it, in front of host and port.
    title: &'static str,
}

impl Endpoint {
    /// `host` is a name or an address, IPv6 with or without brackets.
    pub(super) fn new(host: &str, port: u16) -> Self {
        Self::titled("", host, port)
    }

    /// A proxy on the way to the target.
    pub(super) fn proxy(host: &str, port: u16) -> Self {
        Self::titled("the proxy ", host, port)
    }

    fn titled(title: &'static str, host: &str, port: u16) -> Self {
        let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let address = host.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, port));
        Self { host: host.into(), port, address, title }
    }

    /// Without brackets.
    pub(super) fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title)?;
        match self.address {
            Some(address) => write!(f, "{address}"),
            None => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Dials `endpoint`.
pub(super) async fn connect(endpoint: &Endpoint, trace: &mut Trace) -> Result<TcpStream, Failure> {
    let Some(address) = endpoint.address else {
        // Boxed: most probes of a large installation are to addresses or behind one name, and this is the larger part.
        return Box::pin(connect_by_name(endpoint, trace)).await;
    };
    trace.enter(Stage::Connecting);
    let connected = TcpStream::connect(address).await;
    trace.enter(Stage::Between);
    connected.map_err(|error| failure::connecting(&error, endpoint))
}

/// The first address of `endpoint`, in the resolver's order.
pub(super) async fn resolve(endpoint: &Endpoint, trace: &mut Trace) -> Result<SocketAddr, Failure> {
    if let Some(address) = endpoint.address {
        return Ok(address);
    }
    let addresses = addresses(endpoint, trace).await?;
    trace.enter(Stage::Between);
    addresses.first().copied().ok_or_else(|| no_address(endpoint))
}

async fn connect_by_name(endpoint: &Endpoint, trace: &mut Trace) -> Result<TcpStream, Failure> {
    let addresses = addresses(endpoint, trace).await?;
    trace.enter(Stage::Connecting);
    let connected = connect_to_first(&addresses, trace).await;
    trace.enter(Stage::Between);
    connected.map_err(|(tried, error)| match tried {
        Some(address) => failure::connecting(&error, &format_args!("{endpoint} ({address})")),
        None => no_address(endpoint),
    })
}

async fn addresses(endpoint: &Endpoint, trace: &mut Trace) -> Result<Vec<SocketAddr>, Failure> {
    trace.enter(Stage::Resolving);
    let found = lookup_host((&*endpoint.host, endpoint.port)).await;
    found.map(Iterator::collect).map_err(|error| unresolved(&error, endpoint))
}

fn no_address(endpoint: &Endpoint) -> Failure {
    failure::plain(Reason::Dns, format!("the name {} has no address", endpoint.host))
}

async fn connect_to_first(
    addresses: &[SocketAddr],
    trace: &Trace,
) -> Result<TcpStream, (Option<SocketAddr>, io::Error)> {
    let mut last = (None, io::Error::from(io::ErrorKind::NotFound));
    for (index, address) in addresses.iter().enumerate() {
        let untried = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let share = trace.left() / untried;
        let connected = if untried == 1 {
            TcpStream::connect(address).await
        } else {
            timeout(share, TcpStream::connect(address))
                .await
                .unwrap_or_else(|_| Err(io::Error::from_raw_os_error(libc::ETIMEDOUT)))
        };
        match connected {
            Ok(stream) => return Ok(stream),
            Err(error) => last = (Some(*address), error),
        }
    }
    Err(last)
}

fn unresolved(error: &io::Error, endpoint: &Endpoint) -> Failure {
    let words = error.to_string();
    let words = words.strip_prefix("failed to lookup address information: ").unwrap_or(&words);
    // The resolver opens sockets and files too.
    let reason = if failure::is_ours(error) { Reason::Internal } else { Reason::Dns };
    failure::coded(reason, failure::code(error), format!("the name {} was not resolved: {words}", endpoint.host))
}
