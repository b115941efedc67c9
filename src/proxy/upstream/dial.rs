//! A new connection: resolved, connected, shaken hands, and told which protocol it speaks.

use std::net::SocketAddr;
use std::time::Duration;

use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};

use super::fault::Fault;
use super::http1::Http1;
use super::origin::Origin;
use super::stream::Stream;
use crate::config::probe::HttpVersion;
use crate::proxy::outgoing::Outgoing;

/// How often a target of HTTP/2 is asked whether it is still there while calls are open, and how long it may take.
const HTTP2_PING: Duration = Duration::from_secs(10);

/// A connection on which a request can be sent.
pub(in crate::proxy) enum Link {
    /// This one only.
    Http1(Box<Http1>),
    /// Beside others.
    Http2(http2::SendRequest<Outgoing>),
}

/// Connects to `origin` within `limit`.
pub(super) async fn dial(origin: &Origin, limit: Duration) -> Result<Link, Fault> {
    let deadline = Instant::now() + limit;
    timeout_at(deadline, connect(origin, deadline)).await.unwrap_or(Err(Fault::ConnectTimeout))
}

async fn connect(origin: &Origin, deadline: Instant) -> Result<Link, Fault> {
    let tcp = connect_to_any(origin, deadline).await?;
    // Small requests must not wait for the acknowledgement of those before them.
    tcp.set_nodelay(true).map_err(Fault::connecting)?;
    let trust = match &origin.trust {
        None => None,
        Some(Ok(trust)) => Some(trust),
        Some(Err(problem)) => return Err(Fault::Ours(problem.to_string().into())),
    };
    let (stream, offers_http2) = match trust {
        None => (Stream::Plain(tcp), false),
        Some(trust) => {
            let tls = trust.connector.connect(trust.name.clone(), tcp).await.map_err(Fault::connecting)?;
            let offers_http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
            (Stream::Tls(Box::new(tls)), offers_http2)
        }
    };
    let is_http2 = match origin.version {
        HttpVersion::Auto => offers_http2,
        HttpVersion::Http1 => false,
        HttpVersion::Http2 => true,
    };
    if is_http2 { speak_http2(stream).await } else { speak_http1(stream).await }
}

async fn speak_http1(stream: Stream) -> Result<Link, Fault> {
    let link = Http1::new(stream).await.map_err(|error| Fault::Unreachable(error.into()))?;
    Ok(Link::Http1(Box::new(link)))
}

async fn speak_http2(stream: Stream) -> Result<Link, Fault> {
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(HTTP2_PING)
        .keep_alive_timeout(HTTP2_PING)
        .adaptive_window(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| Fault::Unreachable(error.into()))?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(error = &error as &dyn std::error::Error, "a connection of HTTP/2 to a target ended early");
        }
    });
    Ok(Link::Http2(sender))
}

/// All addresses in the resolver's order; each but the last gets its share of the time, so that one that swallows packets
/// does not hide the next.
async fn connect_to_any(origin: &Origin, deadline: Instant) -> Result<TcpStream, Fault> {
    if let Some(address) = origin.address {
        return TcpStream::connect(address).await.map_err(Fault::connecting);
    }
    let found = lookup_host((&*origin.host, origin.port)).await.map_err(Fault::connecting)?;
    let addresses: Vec<SocketAddr> = found.collect();
    let mut last = std::io::Error::other("the target's name has no address");
    for (index, address) in addresses.iter().enumerate() {
        let untried = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let share = deadline.saturating_duration_since(Instant::now()) / untried;
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = std::io::ErrorKind::TimedOut.into(),
        }
    }
    Err(Fault::connecting(last))
}
