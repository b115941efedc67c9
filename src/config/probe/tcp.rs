//! `kind = "tcp"`.

use std::fmt;
use std::time::Duration;

use super::tls::Tls;

/// A TCP probe.
#[derive(Clone, PartialEq)]
pub struct TcpProbe {
    /// The name or address.
    pub host: Box<str>,
    /// The port.
    pub port: u16,
    /// Sent after connecting (and the handshake); nothing if empty.
    pub send: bytes::Bytes,
    /// What the answer's first 64 KiB must match; nothing is read if absent.
    pub expect: Option<TcpExpect>,
    /// With TLS.
    pub tls: Option<Tls>,
    /// Slower than this is degraded.
    pub max_latency: Option<Duration>,
    /// With TLS: a certificate that ends within this time is a warning.
    pub warn_before: Option<Duration>,
}

impl fmt::Debug for TcpProbe {
    /// Without what is sent, which may log in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpProbe")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("send_bytes", &self.send.len())
            .field("expect", &self.expect)
            .field("tls", &self.tls)
            .field("max_latency", &self.max_latency)
            .field("warn_before", &self.warn_before)
            .finish()
    }
}

/// What a TCP answer must be.
#[derive(Debug, Clone)]
pub enum TcpExpect {
    /// It contains these bytes.
    Contains(bytes::Bytes),
    /// It matches.
    Matches(regex::bytes::Regex),
}

impl PartialEq for TcpExpect {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Contains(a), Self::Contains(b)) => a == b,
            (Self::Matches(a), Self::Matches(b)) => a.as_str() == b.as_str(),
            (Self::Contains(_) | Self::Matches(_), _) => false,
        }
    }
}
