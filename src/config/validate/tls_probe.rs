//! `[target.probe]` of the kind `tls`.

use std::time::Duration;

use super::address::{Endpoint, HostPort};
use super::attachments::Attachments;
use super::{probe_keys, tls};
use crate::config::probe::TlsProbe;
use crate::config::raw::section::Section;

/// Reads the table without finishing it; `None` if there is no address.
pub(crate) fn tls_probe(
    section: &mut Section<'_>,
    endpoint: Option<&Endpoint>,
    timeout: Duration,
    attachments: &Attachments,
) -> Option<TlsProbe> {
    let tls = tls::of_probe(section, attachments).unwrap_or_default();
    let warn_before = probe_keys::warn_before(section);
    let max_latency = probe_keys::max_latency(section, timeout);
    let HostPort { host, port } = endpoint?.host_and_port()?;
    Some(TlsProbe { host, port, tls, warn_before, max_latency })
}
