//! `[target.probe]` of the kind `tcp`.

use std::time::Duration;

use super::address::{Endpoint, HostPort};
use super::attachments::Attachments;
use super::{probe_keys, tls};
use crate::config::probe::{TcpExpect, TcpProbe, Tls};
use crate::config::raw::section::Section;
use crate::config::raw::tree::Kind;

const MAX_SENT_BYTES: usize = 64 << 10;

/// Reads the table without finishing it; `None` if there is no address.
pub(crate) fn tcp_probe(
    section: &mut Section<'_>,
    endpoint: Option<&Endpoint>,
    timeout: Duration,
    attachments: &Attachments,
) -> Option<TcpProbe> {
    let send = section.take("send").and_then(|field| {
        let text = field.text()?;
        if text.len() > MAX_SENT_BYTES {
            field.fail("more than 64KiB would be sent", "");
        }
        Some(bytes::Bytes::copy_from_slice(text.as_bytes()))
    });
    let expect = expect(section);
    let tls = with_tls(section, attachments);
    let max_latency = probe_keys::max_latency(section, timeout);
    let warn_before = probe_keys::warn_before(section);
    let HostPort { host, port } = endpoint?.host_and_port()?;
    Some(TcpProbe { host, port, send: send.unwrap_or_default(), expect, tls, max_latency, warn_before })
}

fn expect(section: &mut Section<'_>) -> Option<TcpExpect> {
    let contains = section.take("expect");
    let matches = section.take("expect_regex");
    if let (Some(_), Some(matches)) = (&contains, &matches) {
        matches.fail("an answer is checked by one of `expect` and `expect_regex`", "Remove one of them");
    }
    if let Some(field) = contains {
        let text = field.filled_text()?;
        return Some(TcpExpect::Contains(bytes::Bytes::copy_from_slice(text.as_bytes())));
    }
    matches?.regex().map(TcpExpect::Matches)
}

/// `tls = true`, or a table. A table in the defaults, which HTTP probes may have asked for, turns nothing on.
fn with_tls(section: &mut Section<'_>, attachments: &Attachments) -> Option<Tls> {
    let field = section.take("tls")?;
    if let Kind::Boolean(_) | Kind::Text(_) = field.value().kind {
        return field.boolean()?.then(Tls::default);
    }
    let own = section.has_own("tls");
    let tls = tls::tls(section.section("tls"), attachments);
    own.then_some(tls)
}
