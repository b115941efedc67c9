//! `kind = "icmp"`.

use std::time::Duration;

/// An ICMP echo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IcmpProbe {
    /// The name or address; of a name the first address that the resolver gives.
    pub host: Box<str>,
    /// Bytes that are sent along and must come back.
    pub payload_bytes: usize,
    /// Slower than this is degraded.
    pub max_latency: Option<Duration>,
}
