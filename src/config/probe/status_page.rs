//! `kind = "status_page"`, and `[target.status_page]` beside a target's own probe.

use std::fmt;
use std::time::Duration;

use super::tls::Tls;

/// Reads a provider's own page (Atlassian Statuspage).
#[derive(Clone, PartialEq)]
pub struct StatusPageProbe {
    /// Where its summary is: `https://status.example.com/api/v2/summary.json`.
    pub url: http::Uri,
    /// Names or ids of the components that count; the page's own indicator where there are none.
    pub components: Box<[Box<str>]>,
    /// How often it is read: the target's own interval where it is the target's probe.
    pub interval: Duration,
    /// Its deadline: the target's own where it is the target's probe.
    pub timeout: Duration,
    /// Through this proxy (`http://host:port`).
    pub proxy: Option<http::Uri>,
    /// TLS beyond the machine's trust.
    pub tls: Tls,
}

impl fmt::Debug for StatusPageProbe {
    /// Without the URL's query, which may hold a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusPageProbe")
            .field("host", &self.url.host())
            .field("path", &self.url.path())
            .field("components", &self.components)
            .field("interval", &self.interval)
            .field("timeout", &self.timeout)
            .field("proxy", &self.proxy)
            .field("tls", &self.tls)
            .finish()
    }
}
