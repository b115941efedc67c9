//! `[monitor.connectivity]`: how this node finds out that it is cut off.

use std::sync::Arc;
use std::time::Duration;

use super::address::{self, Endpoint};
use crate::config::model::Connectivity;
use crate::config::raw::field::Field;
use crate::config::raw::section::Section;

const INTERVAL: Duration = Duration::from_secs(5);
const INTERVAL_MIN: Duration = Duration::from_millis(100);
const INTERVAL_MAX: Duration = Duration::from_secs(60 * 60);
const TIMEOUT: Duration = Duration::from_secs(1);
const TIMEOUT_MIN: Duration = Duration::from_millis(10);
const TIMEOUT_MAX: Duration = Duration::from_secs(60);
/// Each is connected to in every check.
const ADDRESSES_MAX: usize = 16;

/// Reads and finishes the table; nothing is checked without one.
pub(crate) fn connectivity(mut section: Section<'_>) -> Option<Connectivity> {
    let written = section.is_written();
    let hint = "Write addresses = [\"1.1.1.1:443\", \"8.8.8.8:443\"]";
    let field = if written { section.require("addresses", hint) } else { section.take("addresses") };
    let interval = section.take("interval").and_then(|field| field.duration(INTERVAL_MIN..=INTERVAL_MAX));
    let timeout = section.take("timeout").and_then(|field| field.duration(TIMEOUT_MIN..=TIMEOUT_MAX));
    section.finish();
    let addresses = addresses(&field?)?;
    Some(Connectivity { addresses, interval: interval.unwrap_or(INTERVAL), timeout: timeout.unwrap_or(TIMEOUT) })
}

fn addresses(field: &Field<'_>) -> Option<Arc<[Arc<str>]>> {
    let elements = field.elements();
    if elements.len() > ADDRESSES_MAX {
        field.fail(&format!("more than {ADDRESSES_MAX} addresses"), "A few of different owners are enough");
        return None;
    }
    let addresses: Vec<Arc<str>> = elements.iter().filter_map(address).collect();
    match elements.len() {
        0 => field.fail("it is empty", "Name an address, or remove the table"),
        1 => field.warn(
            "when this one address is down, every target is unknown",
            "Name a second one that belongs to somebody else",
        ),
        _ => {}
    }
    (!addresses.is_empty()).then(|| addresses.into())
}

fn address(field: &Field<'_>) -> Option<Arc<str>> {
    match address::endpoint_of(field)? {
        Endpoint::Tcp(address) if address.host.contains(':') => {
            Some(format!("[{}]:{}", address.host, address.port).into())
        }
        Endpoint::Tcp(address) => Some(format!("{}:{}", address.host, address.port).into()),
        Endpoint::Http(_)
        | Endpoint::Tls(_)
        | Endpoint::Grpc(_)
        | Endpoint::Grpcs(_)
        | Endpoint::Dns(_)
        | Endpoint::Icmp(_) => {
            field.fail("this is no plain address to connect to", "Write it like \"host:443\"");
            None
        }
    }
}
