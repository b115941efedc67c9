//! `[target.probe]` of the kind `grpc`.

use std::time::Duration;

use super::address::{Endpoint, HostPort};
use super::attachments::Attachments;
use super::{probe_keys, tls};
use crate::config::probe::GrpcProbe;
use crate::config::raw::section::Section;

/// Longer than any name of a service that a file could be read with.
const MAX_SERVICE_BYTES: usize = 256;

/// Reads the table without finishing it; `None` if there is no address. The endpoint says whether there is TLS.
pub(crate) fn grpc_probe(
    section: &mut Section<'_>,
    endpoint: Option<&Endpoint>,
    timeout: Duration,
    attachments: &Attachments,
) -> Option<GrpcProbe> {
    let service = section.take("service").and_then(|field| {
        let text = field.text()?;
        if text.len() > MAX_SERVICE_BYTES {
            field.fail(&format!("a service's name has at most {MAX_SERVICE_BYTES} bytes"), "");
        }
        Some(text.into())
    });
    let tls = tls::of_probe(section, attachments);
    let warn_before = probe_keys::warn_before(section);
    let max_latency = probe_keys::max_latency(section, timeout);
    let endpoint = endpoint?;
    let is_secure = match endpoint {
        Endpoint::Http(url) => url.scheme_str() == Some("https"),
        Endpoint::Tls(_) | Endpoint::Grpcs(_) => true,
        Endpoint::Tcp(_) | Endpoint::Grpc(_) | Endpoint::Dns(_) | Endpoint::Icmp(_) => false,
    };
    if tls.is_some() && !is_secure && section.has_own("tls") {
        section.warn("the endpoint says that there is no TLS, so `tls` is not used", "Write grpcs:// or https://");
    }
    let HostPort { host, port } = endpoint.host_and_port()?;
    let tls = is_secure.then(|| tls.unwrap_or_default());
    Some(GrpcProbe { host, port, service: service.unwrap_or_default(), tls, warn_before, max_latency })
}
