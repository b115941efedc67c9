//! `kind = "tls"`, and what every probe with TLS takes.

use std::sync::Arc;
use std::time::Duration;

use crate::config::Secret;

/// How long before its end a certificate is warned of where nothing is said: authorities that renew by themselves do it
/// 30 days before, so that 14 days left mean that it did not work twice.
pub const WARN_BEFORE: Duration = Duration::from_secs(14 * 86_400);

/// A TLS probe: a handshake, and nothing more.
#[derive(Debug, Clone, PartialEq)]
pub struct TlsProbe {
    /// The name or address.
    pub host: Box<str>,
    /// The port.
    pub port: u16,
    /// Whom to trust, and whom to ask for.
    pub tls: Tls,
    /// A certificate that ends within this time is a warning.
    pub warn_before: Option<Duration>,
    /// Slower than this is degraded.
    pub max_latency: Option<Duration>,
}

/// TLS beyond the machine's trust.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// PEM certificates that are trusted instead of the machine's.
    pub ca_pem: Option<Arc<[u8]>>,
    /// Our certificate chain and key, PEM.
    pub identity_pem: Option<Identity>,
    /// The name to ask for and to check, instead of the URL's host.
    pub server_name: Option<Box<str>>,
}

/// A client certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The chain.
    pub chain_pem: Arc<[u8]>,
    /// Its key.
    pub key_pem: Secret,
}
