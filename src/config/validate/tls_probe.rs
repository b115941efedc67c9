//! `[target.probe]` of the kind `tls`.

use std::time::Duration;

use super::address::{Endpoint, HostPort};
use super::attachments::Attachments;
use super::http_probe::max_latency;
use super::tls;
use crate::config::probe::{TlsProbe, WARN_BEFORE};
use crate::config::raw::section::Section;

const WARN_BEFORE_MAX: Duration = Duration::from_secs(3_650 * 86_400);

/// Reads the table without finishing it; `None` if there is no address.
pub(crate) fn tls_probe(
    section: &mut Section<'_>,
    endpoint: Option<&Endpoint>,
    timeout: Duration,
    attachments: &Attachments,
) -> Option<TlsProbe> {
    let tls = tls::of_probe(section, attachments).unwrap_or_default();
    let warn_before = warn_before(section);
    let max_latency = max_latency(section, timeout);
    let HostPort { host, port } = endpoint?.host_and_port()?;
    Some(TlsProbe { host, port, tls, warn_before, max_latency })
}

/// `warn_before`, for every kind of probe that may see a certificate.
pub(crate) fn warn_before(section: &mut Section<'_>) -> Option<Duration> {
    let Some(field) = section.take("warn_before") else { return Some(WARN_BEFORE) };
    field.duration_or_off(Duration::from_secs(1)..=WARN_BEFORE_MAX).unwrap_or(Some(WARN_BEFORE))
}
