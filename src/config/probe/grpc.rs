//! `kind = "grpc"`.

use std::time::Duration;

use super::tls::Tls;

/// A gRPC health check (`grpc.health.v1.Health/Check`).
#[derive(Debug, Clone, PartialEq)]
pub struct GrpcProbe {
    /// The name or address.
    pub host: Box<str>,
    /// The port.
    pub port: u16,
    /// The service that is asked about; empty is the server as a whole.
    pub service: Box<str>,
    /// With TLS; without it HTTP/2 is spoken from the first byte (h2c).
    pub tls: Option<Tls>,
    /// With TLS: a certificate that ends within this time is a warning.
    pub warn_before: Option<Duration>,
    /// Slower than this is degraded.
    pub max_latency: Option<Duration>,
}
