//! What one probe found: good or not, why not, and how long each part took.

use std::time::Duration;

use super::time::Timestamp;

/// Why a probe was not good. Closed: it is a metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The name could not be resolved.
    Dns,
    /// No connection could be made.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// The deadline passed.
    Timeout,
    /// The answer's status was not an expected one.
    HttpStatus,
    /// The answer was not what the target's checks ask for.
    Assertion,
    /// The target refused our credentials (401, 403), or the token endpoint did.
    Auth,
    /// The target asked us to come less often (429).
    RateLimited,
    /// What came back was not the protocol.
    Protocol,
    /// This node could not run the probe; it says nothing about the target.
    Internal,
}

impl Reason {
    /// Every reason, in the order of the metric's documentation.
    pub const ALL: [Self; 10] = [
        Self::Dns,
        Self::Connect,
        Self::Tls,
        Self::Timeout,
        Self::HttpStatus,
        Self::Assertion,
        Self::Auth,
        Self::RateLimited,
        Self::Protocol,
        Self::Internal,
    ];

    /// The word in metrics, JSON and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::HttpStatus => "http_status",
            Self::Assertion => "assertion",
            Self::Auth => "auth",
            Self::RateLimited => "rate_limited",
            Self::Protocol => "protocol",
            Self::Internal => "internal",
        }
    }
}

/// Why a probe was not good, for machines and in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The class.
    pub reason: Reason,
    /// One sentence for people, at most 300 characters, without secrets: "503 Service Unavailable, expected 200-299".
    pub message: Box<str>,
    /// A code for people who look it up: "503", "ECONNREFUSED"; "N/A" where there is none.
    pub code: Box<str>,
}

/// How long each part of a probe took; a part that did not happen is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Phases {
    /// Resolving the name.
    pub resolve: Option<Duration>,
    /// Connecting.
    pub connect: Option<Duration>,
    /// The TLS handshake.
    pub tls: Option<Duration>,
    /// From the request's last byte to the answer's first.
    pub processing: Option<Duration>,
    /// From the answer's first byte to its last.
    pub transfer: Option<Duration>,
}

/// What one probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// When it began.
    pub at: Timestamp,
    /// How long it took, all phases and what lay between them.
    pub took: Duration,
    /// `None` is good.
    pub failure: Option<Failure>,
    /// Good, but slower than the target's `max_latency`, or not wholly well by its provider's own page.
    pub degraded: bool,
    /// Its parts.
    pub phases: Phases,
    /// The HTTP status, where there was one.
    pub status_code: Option<u16>,
    /// Bytes of the body that were read.
    pub bytes: u64,
    /// When the first certificate of the chain ends.
    pub certificate_expires_at: Option<Timestamp>,
    /// The target asked not to be called before this much time has passed (`Retry-After`).
    pub retry_after: Option<Duration>,
    /// What somebody should look at before it fails, one sentence: the certificate ends soon, the provider reports a
    /// partial outage. Never a failure by itself.
    pub warning: Option<Box<str>>,
    /// What the provider says of itself, where its page was read.
    pub provider: Option<ProviderStatus>,
}

/// What a provider's own page says of what we use of it; the words are those of Atlassian Statuspage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProviderStatus {
    /// It works.
    Operational,
    /// It works, slowly or not quite as it should.
    DegradedPerformance,
    /// It works for some, or in part.
    PartialOutage,
    /// It does not work.
    MajorOutage,
    /// It is being worked on, as planned.
    Maintenance,
}

impl ProviderStatus {
    /// Every status.
    pub const ALL: [Self; 5] =
        [Self::Operational, Self::DegradedPerformance, Self::PartialOutage, Self::MajorOutage, Self::Maintenance];

    /// The word in metrics, JSON and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operational => "operational",
            Self::DegradedPerformance => "degraded_performance",
            Self::PartialOutage => "partial_outage",
            Self::MajorOutage => "major_outage",
            Self::Maintenance => "maintenance",
        }
    }

    /// In a sentence after "the provider reports": "a partial outage".
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Operational => "that all is well",
            Self::DegradedPerformance => "degraded performance",
            Self::PartialOutage => "a partial outage",
            Self::MajorOutage => "a major outage",
            Self::Maintenance => "maintenance",
        }
    }
}

impl Observation {
    /// Whether the target is well.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        self.failure.is_none()
    }
}
