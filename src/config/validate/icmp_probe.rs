//! `[target.probe]` of the kind `icmp`.

use std::time::Duration;

use super::address::Endpoint;
use super::probe_keys;
use crate::config::probe::IcmpProbe;
use crate::config::raw::section::Section;

/// What `ping` sends.
const PAYLOAD_BYTES: u64 = 56;
/// What fits into one Ethernet frame with the headers of IPv4 and ICMP; fragments are another question.
const PAYLOAD_BYTES_MAX: u64 = 1_472;

/// Reads the table without finishing it; `None` if there is no host.
pub(crate) fn icmp_probe(
    section: &mut Section<'_>,
    endpoint: Option<&Endpoint>,
    timeout: Duration,
) -> Option<IcmpProbe> {
    let payload = section.take("payload").and_then(|field| field.size(0..=PAYLOAD_BYTES_MAX));
    let max_latency = probe_keys::max_latency(section, timeout);
    let payload_bytes = usize::try_from(payload.unwrap_or(PAYLOAD_BYTES)).unwrap_or_default();
    Some(IcmpProbe { host: endpoint?.host()?, payload_bytes, max_latency })
}
