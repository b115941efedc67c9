//! `kind = "dns"`.

use std::net::SocketAddr;
use std::time::Duration;

/// A DNS probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsProbe {
    /// The name that is looked up, in ASCII and without a dot at its end.
    pub name: Box<str>,
    /// What is asked for.
    pub record: DnsRecord,
    /// What the answer must be.
    pub expect: DnsExpect,
    /// Who is asked; the machine's own resolvers where it is `None`.
    pub resolver: Option<SocketAddr>,
    /// Slower than this is degraded.
    pub max_latency: Option<Duration>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsRecord {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// The name that it stands for.
    Cname,
    /// Mail servers.
    Mx,
    /// Texts.
    Txt,
    /// Name servers.
    Ns,
    /// Services.
    Srv,
    /// Who may issue certificates.
    Caa,
    /// The zone's start.
    Soa,
}

impl DnsRecord {
    /// Every record.
    pub const ALL: [Self; 9] =
        [Self::A, Self::Aaaa, Self::Cname, Self::Mx, Self::Txt, Self::Ns, Self::Srv, Self::Caa, Self::Soa];

    /// The word in config and in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
            Self::Mx => "MX",
            Self::Txt => "TXT",
            Self::Ns => "NS",
            Self::Srv => "SRV",
            Self::Caa => "CAA",
            Self::Soa => "SOA",
        }
    }
}

/// What an answer must be. Values are written as zone files have them, names in lower case and without a dot at their
/// end, texts without quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DnsExpect {
    /// At least one record.
    Something,
    /// All of these; more do no harm.
    All(Box<[Box<str>]>),
    /// At least one of these.
    Any(Box<[Box<str>]>),
}
