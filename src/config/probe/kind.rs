//! The kinds of probes.

use std::sync::Arc;

use super::dns::DnsProbe;
use super::grpc::GrpcProbe;
use super::heartbeat::HeartbeatProbe;
use super::http::HttpProbe;
use super::icmp::IcmpProbe;
use super::status_page::StatusPageProbe;
use super::tcp::TcpProbe;
use super::tls::TlsProbe;

/// A probe by its protocol.
#[derive(Debug, Clone, PartialEq)]
pub enum Probe {
    /// An HTTP request.
    Http(Arc<HttpProbe>),
    /// A TCP connection.
    Tcp(Arc<TcpProbe>),
    /// A TLS handshake.
    Tls(Arc<TlsProbe>),
    /// A DNS lookup.
    Dns(Arc<DnsProbe>),
    /// A gRPC health check.
    Grpc(Arc<GrpcProbe>),
    /// An ICMP echo.
    Icmp(Arc<IcmpProbe>),
    /// No call: the other side reports in.
    Heartbeat(HeartbeatProbe),
    /// The provider's own page.
    StatusPage(Arc<StatusPageProbe>),
}

impl Probe {
    /// The word in config and metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Tcp(_) => "tcp",
            Self::Tls(_) => "tls",
            Self::Dns(_) => "dns",
            Self::Grpc(_) => "grpc",
            Self::Icmp(_) => "icmp",
            Self::Heartbeat(_) => "heartbeat",
            Self::StatusPage(_) => "status_page",
        }
    }

    /// How it waits for beats, if that is all it does.
    #[must_use]
    pub const fn heartbeat(&self) -> Option<HeartbeatProbe> {
        match self {
            Self::Heartbeat(heartbeat) => Some(*heartbeat),
            Self::Http(_)
            | Self::Tcp(_)
            | Self::Tls(_)
            | Self::Dns(_)
            | Self::Grpc(_)
            | Self::Icmp(_)
            | Self::StatusPage(_) => None,
        }
    }
}
