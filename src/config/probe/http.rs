//! `kind = "http"`.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::tls::Tls;
use crate::config::Secret;

/// An HTTP probe.
#[derive(Clone, PartialEq)]
pub struct HttpProbe {
    /// The method, in upper case.
    pub method: http::Method,
    /// The whole URL: the endpoint with the path, or the probe's own.
    pub url: http::Uri,
    /// Sent as they are, `host` and `user-agent` among them if given.
    pub headers: http::HeaderMap,
    /// Sent as it is.
    pub body: bytes::Bytes,
    /// The statuses that are good.
    pub expect_status: Vec<RangeInclusive<u16>>,
    /// Each header must be there and contain its text, without regard to case.
    pub expect_header: Vec<(http::HeaderName, Box<str>)>,
    /// What the body must be; empty when it is not looked at.
    pub expect_body: Vec<BodyCheck>,
    /// Slower than this is degraded.
    pub max_latency: Option<Duration>,
    /// How much of a body is read; a longer one fails the probe where a body check needs it, else it is cut.
    pub max_body_bytes: usize,
    /// Follow redirects (at most 10).
    pub follow_redirects: bool,
    /// HTTP versions.
    pub version: HttpVersion,
    /// Whether it dials each time.
    pub connection: Connection,
    /// Through this proxy (`http://host:port`).
    pub proxy: Option<http::Uri>,
    /// How it says who it is.
    pub auth: Auth,
    /// TLS beyond the machine's trust.
    pub tls: Tls,
    /// A certificate that ends within this time is a warning.
    pub warn_before: Option<Duration>,
}

impl fmt::Debug for HttpProbe {
    /// Without what may hold a key: the URL's query, the headers' values and the body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpProbe")
            .field("method", &self.method)
            .field("host", &self.url.host())
            .field("path", &self.url.path())
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("body_bytes", &self.body.len())
            .field("expect_status", &self.expect_status)
            .field("expect_header", &self.expect_header)
            .field("expect_body", &self.expect_body)
            .field("max_latency", &self.max_latency)
            .field("max_body_bytes", &self.max_body_bytes)
            .field("follow_redirects", &self.follow_redirects)
            .field("version", &self.version)
            .field("connection", &self.connection)
            .field("proxy", &self.proxy)
            .field("auth", &self.auth)
            .field("tls", &self.tls)
            .field("warn_before", &self.warn_before)
            .finish()
    }
}

/// What a body must be.
#[derive(Debug, Clone)]
pub enum BodyCheck {
    /// It contains this text.
    Contains(Box<str>),
    /// It matches.
    Matches(regex::bytes::Regex),
    /// The value at a JSONPath (RFC 9535) equals this.
    Json {
        /// As written.
        path: serde_json_path::JsonPath,
        /// Expected.
        equals: serde_json::Value,
    },
}

impl PartialEq for BodyCheck {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Contains(a), Self::Contains(b)) => a == b,
            (Self::Matches(a), Self::Matches(b)) => a.as_str() == b.as_str(),
            (Self::Json { path: a, equals: x }, Self::Json { path: b, equals: y }) => {
                a.to_string() == b.to_string() && x == y
            }
            (Self::Contains(_) | Self::Matches(_) | Self::Json { .. }, _) => false,
        }
    }
}

/// HTTP versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/2 where TLS offers it, else 1.1.
    Auto,
    /// Only 1.1.
    Http1,
    /// Only 2, without asking.
    Http2,
}

/// Whether a probe dials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// Each time.
    Fresh,
    /// Only when the last connection is gone.
    Kept,
    /// Every Nth time (10), so that DNS and TLS are seen too.
    Mixed,
}

/// How a probe says who it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Auth {
    /// It does not.
    None,
    /// Basic.
    Basic {
        /// User.
        user: Box<str>,
        /// Password.
        password: Secret,
    },
    /// A bearer token.
    Bearer(Secret),
    /// OAuth2 client credentials (RFC 6749, 4.4); the token is kept until shortly before it ends.
    OAuth2 {
        /// Where tokens come from.
        token_url: http::Uri,
        /// Client.
        client_id: Box<str>,
        /// Its secret.
        client_secret: Secret,
        /// Scopes, separated by spaces.
        scope: Box<str>,
    },
}
