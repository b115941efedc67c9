//! `[target.probe]`: which kind it is, and who reads it.

use std::sync::Arc;
use std::time::Duration;

use super::address::Endpoint;
use super::attachments::Attachments;
use super::probe_keys::Pace;
use super::{dns_probe, grpc_probe, http_probe, icmp_probe, status_page, tcp_probe, tls_probe};
use crate::config::probe::{HeartbeatProbe, Probe};
use crate::config::raw::section::Section;

/// A beat may be this much late where nothing is said: what a job that is started by a clock differs from day to day.
const GRACE: Duration = Duration::from_secs(30);
const GRACE_MAX: Duration = Duration::from_secs(7 * 86_400);

/// The kinds that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Http,
    Tcp,
    Tls,
    Dns,
    Grpc,
    Icmp,
    Heartbeat,
    StatusPage,
}

const KINDS: [(&str, Option<Kind>); 9] = [
    ("http", Some(Kind::Http)),
    ("tcp", Some(Kind::Tcp)),
    ("tls", Some(Kind::Tls)),
    ("dns", Some(Kind::Dns)),
    ("grpc", Some(Kind::Grpc)),
    ("icmp", Some(Kind::Icmp)),
    ("heartbeat", Some(Kind::Heartbeat)),
    ("status_page", Some(Kind::StatusPage)),
    ("payment", None),
];

/// The kind: what is said, or what the endpoint is. `None` after a problem, or where there is neither.
pub(crate) fn kind(section: &mut Section<'_>, endpoint: Option<&Endpoint>) -> Option<Kind> {
    let Some(field) = section.take("kind") else { return endpoint.map(kind_of) };
    let kind = field.word(&KINDS)?;
    if kind.is_none() {
        let known: Vec<&str> = KINDS.iter().filter(|(_, kind)| kind.is_some()).map(|(word, _)| *word).collect();
        let hint = format!("It is one of: {}", known.join(", "));
        field.fail(&format!("a probe of the kind {} is not in this version", field.shown()), &hint);
    }
    kind
}

const fn kind_of(endpoint: &Endpoint) -> Kind {
    match endpoint {
        Endpoint::Http(_) => Kind::Http,
        Endpoint::Tcp(_) => Kind::Tcp,
        Endpoint::Tls(_) => Kind::Tls,
        Endpoint::Grpc(_) | Endpoint::Grpcs(_) => Kind::Grpc,
        Endpoint::Dns(_) => Kind::Dns,
        Endpoint::Icmp(_) => Kind::Icmp,
    }
}

/// The table of a target's probe, finished. Where the kind is not known, neither is which keys would be right.
pub(crate) fn probe(
    mut section: Section<'_>,
    kind: Option<Kind>,
    endpoint: Option<&Endpoint>,
    pace: Pace,
    attachments: &Attachments,
) -> Option<Probe> {
    let kind = kind?;
    fits(&mut section, kind, endpoint);
    let probe = read(&mut section, kind, endpoint, pace, attachments);
    section.finish();
    probe
}

/// The keys of the defaults: those of the kind that they name, else those of every kind.
pub(crate) fn check_defaults(mut section: Section<'_>, pace: Pace, attachments: &Attachments) {
    let named = section.take_own("kind").is_some();
    let kind = kind(&mut section, None);
    if named && kind.is_none() {
        return;
    }
    for (_, one) in KINDS {
        if let Some(one) = one.filter(|one| kind.is_none_or(|kind| kind == *one)) {
            read(&mut section, one, None, pace, attachments);
        }
    }
    section.finish();
}

fn read(
    section: &mut Section<'_>,
    kind: Kind,
    endpoint: Option<&Endpoint>,
    pace: Pace,
    attachments: &Attachments,
) -> Option<Probe> {
    let timeout = pace.timeout;
    match kind {
        Kind::Http => http_probe::http_probe(section, endpoint, timeout, attachments).map(Arc::new).map(Probe::Http),
        Kind::Tcp => tcp_probe::tcp_probe(section, endpoint, timeout, attachments).map(Arc::new).map(Probe::Tcp),
        Kind::Tls => tls_probe::tls_probe(section, endpoint, timeout, attachments).map(Arc::new).map(Probe::Tls),
        Kind::Dns => dns_probe::dns_probe(section, endpoint, timeout).map(Arc::new).map(Probe::Dns),
        Kind::Grpc => grpc_probe::grpc_probe(section, endpoint, timeout, attachments).map(Arc::new).map(Probe::Grpc),
        Kind::Icmp => icmp_probe::icmp_probe(section, endpoint, timeout).map(Arc::new).map(Probe::Icmp),
        Kind::Heartbeat => Some(Probe::Heartbeat(heartbeat(section))),
        Kind::StatusPage => {
            status_page::status_page(section, endpoint, pace, attachments).map(Arc::new).map(Probe::StatusPage)
        }
    }
}

fn heartbeat(section: &mut Section<'_>) -> HeartbeatProbe {
    let grace = section.take("grace").and_then(|field| field.duration(Duration::ZERO..=GRACE_MAX));
    HeartbeatProbe { grace: grace.unwrap_or(GRACE) }
}

/// Tells of an endpoint that the kind can do nothing with.
fn fits(section: &mut Section<'_>, kind: Kind, endpoint: Option<&Endpoint>) {
    let Some(endpoint) = endpoint else { return };
    let has_port = endpoint.host_and_port().is_some();
    let is_http = matches!(endpoint, Endpoint::Http(_));
    let is_plain = matches!(endpoint, Endpoint::Http(url) if url.scheme_str() == Some("http"));
    let (good, detail, hint) = match kind {
        Kind::Http => (
            is_http || section.has_own("url"),
            "an HTTP probe needs an endpoint with http:// or https://",
            "Change the endpoint, write probe.url, or probe.kind = \"tcp\"",
        ),
        Kind::Tcp => (has_port, "a TCP probe needs an endpoint with a port", "Write it like \"host:443\""),
        Kind::Tls => (
            has_port && !is_plain,
            "a TLS probe needs an endpoint with https:// or with a port",
            "Write it like \"https://shop.example.com\", \"tls://host:port\" or \"host:port\"",
        ),
        Kind::Grpc => (
            has_port,
            "a gRPC probe needs an endpoint with a port",
            "Write it like \"grpc://host:port\", or \"grpcs://host:port\" for TLS",
        ),
        Kind::StatusPage => (
            is_http || section.has_own("url"),
            "a status page needs an endpoint with http:// or https://",
            "Write it like \"https://status.example.com\", or write probe.url",
        ),
        Kind::Dns | Kind::Icmp | Kind::Heartbeat => return,
    };
    match section.take("kind") {
        _ if good => {}
        Some(field) => field.fail(detail, hint),
        None => section.fail(detail, hint),
    }
}
