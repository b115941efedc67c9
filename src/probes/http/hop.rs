//! One request's way: where to dial, through what, and what to send.

use std::sync::Arc;

use http::{HeaderValue, Uri, header};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::config::probe::{HttpProbe, HttpVersion};
use crate::domain::observation::{Failure, Reason};
use crate::domain::time::Timestamp;
use crate::probes::dial::{self, Endpoint};
use crate::probes::error::Error;
use crate::probes::failure::{self, coded, plain};
use crate::probes::stream::Stream;
use crate::probes::tls::{self, Handshake, Protocols};
use crate::probes::trace::{Stage, Trace};

use super::answer::told;
use super::credentials;
use super::decoder::{Decoder, Flow, Part, Progress};
use super::http2;
use super::request::{Form, Prepared, host_and_port, write_header};
use super::shared::Shared;

/// One request's way.
#[derive(Debug)]
pub(super) struct Hop {
    pub(super) probe: Arc<HttpProbe>,
    pub(super) target: Endpoint,
    pub(super) request: Prepared,
    /// The proxy to dial instead of the target.
    proxy: Option<Endpoint>,
    /// What to ask the proxy first.
    tunnel: Option<Box<[u8]>>,
    handshake: Option<Handshake>,
}

/// A connection on which a request can be made.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) protocol: Protocol,
    /// Of the certificates that it showed when it was made.
    pub(super) certificate_expires_at: Option<Timestamp>,
}

/// What is spoken on a connection.
#[derive(Debug)]
pub(super) enum Protocol {
    Http1(Stream),
    Http2(http2::Connection),
}

impl Hop {
    pub(super) fn prepare(shared: &Shared, probe: &Arc<HttpProbe>) -> Result<Self, Error> {
        let is_https = is_https(&probe.url)?;
        let target = endpoint(&probe.url, "probe", Endpoint::new)?;
        let handshake = if is_https {
            Some(Handshake::new(&shared.trust, &probe.tls, offered(probe.version), target.host())?)
        } else {
            None
        };
        let (proxy, form, tunnel) = match &probe.proxy {
            None => (None, Form::Origin, None),
            Some(url) => {
                let allowed = credentials::user_in_url(url)?;
                let proxy = endpoint(url, "proxy", Endpoint::proxy)?;
                if is_https || probe.version == HttpVersion::Http2 {
                    (Some(proxy), Form::Origin, Some(connect_request(&probe.url, &target, allowed)))
                } else {
                    (Some(proxy), Form::Absolute(allowed), None)
                }
            }
        };
        let request = Prepared::new(probe, form, credentials::authorization(probe)?, &shared.user_agent)?;
        Ok(Self { probe: Arc::clone(probe), target, request, proxy, tunnel, handshake })
    }

    /// A new connection.
    pub(super) async fn dial(&self, trace: &mut Trace) -> Result<Link, Failure> {
        let mut tcp = dial::connect(self.proxy.as_ref().unwrap_or(&self.target), trace).await?;
        if let (Some(proxy), Some(request)) = (&self.proxy, &self.tunnel) {
            Box::pin(open_tunnel(&mut tcp, proxy, request, trace)).await?;
        }
        let Some(how) = &self.handshake else {
            let protocol = match self.probe.version {
                HttpVersion::Http2 => {
                    Protocol::Http2(Box::pin(http2::Connection::open(Stream::Plain(tcp), &self.target)).await?)
                }
                HttpVersion::Auto | HttpVersion::Http1 => Protocol::Http1(Stream::Plain(tcp)),
            };
            return Ok(Link { protocol, certificate_expires_at: None });
        };
        let stream = tls::handshake(tcp, how, &self.target, trace).await?;
        let speaks_http2 =
            stream.get_ref().1.alpn_protocol() == Some(b"h2") || self.probe.version == HttpVersion::Http2;
        let stream = Stream::Tls(stream);
        let protocol = if speaks_http2 {
            Protocol::Http2(Box::pin(http2::Connection::open(stream, &self.target)).await?)
        } else {
            Protocol::Http1(stream)
        };
        Ok(Link { protocol, certificate_expires_at: trace.certificate_expires_at })
    }
}

fn is_https(url: &Uri) -> Result<bool, Error> {
    match url.scheme_str() {
        Some("https") => Ok(true),
        Some("http") => Ok(false),
        _ => Err(Error::Url { whose: "probe", problem: "it must begin with http:// or https://" }),
    }
}

fn endpoint(url: &Uri, whose: &'static str, make: fn(&str, u16) -> Endpoint) -> Result<Endpoint, Error> {
    let port = match url.scheme_str() {
        Some("http") => 80,
        Some("https") if whose != "proxy" => 443,
        _ => return Err(Error::Url { whose, problem: "it must begin with http://" }),
    };
    let host = url.host().filter(|host| !host.is_empty()).ok_or(Error::Url { whose, problem: "it has no host" })?;
    Ok(make(host, url.port_u16().unwrap_or(port)))
}

const fn offered(version: HttpVersion) -> Protocols {
    match version {
        HttpVersion::Auto => Protocols::Http2Or1,
        HttpVersion::Http1 => Protocols::Http1,
        HttpVersion::Http2 => Protocols::Http2,
    }
}

/// RFC 9110, 9.3.6.
fn connect_request(url: &Uri, target: &Endpoint, allowed: Option<HeaderValue>) -> Box<[u8]> {
    let named = if url.port().is_some() { host_and_port(url) } else { None };
    let authority = named.unwrap_or_else(|| target.to_string());
    let mut wire = format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n").into_bytes();
    if let Some(allowed) = allowed {
        write_header(&mut wire, &header::PROXY_AUTHORIZATION, &allowed);
    }
    wire.extend_from_slice(b"\r\n");
    wire.into()
}

async fn open_tunnel(tcp: &mut TcpStream, proxy: &Endpoint, request: &[u8], trace: &mut Trace) -> Result<(), Failure> {
    trace.enter(Stage::Tunnelling);
    tcp.write_all(request).await.map_err(|error| failure::talking(&error, proxy))?;
    // What follows the head of a success is the tunnel's, and a refusal's body is not read.
    let mut decoder = Decoder::new(true);
    let mut status = 0;
    let mut space = [0; 1024];
    while status == 0 {
        let count = tcp.read(&mut space).await.map_err(|error| failure::talking(&error, proxy))?;
        let progress = if count == 0 {
            decoder.end()
        } else {
            decoder.feed(&space[..count], &mut |part| {
                if let Part::Head(head) = part {
                    status = head.status;
                }
                Flow::Stop
            })
        };
        let problem = match progress {
            Ok(Progress::More | Progress::Stopped | Progress::Whole { .. }) => continue,
            Err(problem) => problem.0,
        };
        return Err(plain(Reason::Protocol, format!("{proxy} did not open a tunnel: {problem}")));
    }
    trace.enter(Stage::Between);
    if (200..300).contains(&status) { Ok(()) } else { Err(no_tunnel(status, proxy)) }
}

/// A gateway's statuses speak of the target, all others of what this node may do.
fn no_tunnel(status: u16, proxy: &Endpoint) -> Failure {
    let reason = if matches!(status, 502..=504) { Reason::Connect } else { Reason::Internal };
    coded(reason, status.to_string(), format!("{proxy} opened no tunnel to the target: {}", told(status)))
}
