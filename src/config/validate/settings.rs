//! The node, its HTTP surface, its store, and what concerns all targets.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::connectivity::connectivity;
use super::name;
use crate::config::model::{Http, Monitor, Node, Scope, Store};
use crate::config::raw::field::Field;
use crate::config::raw::section::Section;
use crate::domain::flapping::{HIGH, LOW};

const DAY: Duration = Duration::from_secs(86_400);
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
const MIB: u64 = 1 << 20;

/// The list of files; it was read before, so only its shape is looked at here.
pub(crate) fn include(main: &mut Section<'_>) {
    if let Some(patterns) = main.take("include") {
        for pattern in patterns.elements() {
            pattern.filled_text();
        }
    }
}

/// `[node]`
pub(crate) fn node(main: &mut Section<'_>) -> Node {
    let mut section = main.section("node");
    let name = section.take("name").and_then(|field| name::ascii_name(&field));
    let data_dir = section.take("data_dir").and_then(|field| field.filled_text());
    section.finish();
    Node {
        name: name.unwrap_or_else(|| "breakwater-1".into()),
        data_dir: data_dir.map_or_else(|| PathBuf::from("data"), PathBuf::from),
    }
}

/// `[http]`
pub(crate) fn http(main: &mut Section<'_>) -> Http {
    let mut section = main.section("http");
    let listen_field = section.take("listen");
    let listen = listen_field.as_ref().and_then(listen).unwrap_or(LISTEN);
    let max_connections = section.take("max_connections").and_then(|field| field.whole(1..=100_000)).unwrap_or(1_024);
    let anonymous = anonymous(&mut section, listen, listen_field.as_ref());
    section.not_in_this_version(&["auth", "tls", "cors", "rate_limit"]);
    section.finish();
    Http { listen, max_connections: max_connections as usize, anonymous }
}

fn listen(field: &Field<'_>) -> Option<SocketAddr> {
    let address = field.text()?.parse().ok();
    if address.is_none() {
        let detail = format!("{} is not an IP address with a port", field.shown());
        field.fail(&detail, "Write listen = \"127.0.0.1:8080\", or \"[::1]:8080\"");
    }
    address
}

/// Who has no token may do everything where only this machine can call, else what is said.
fn anonymous(section: &mut Section<'_>, listen: SocketAddr, listen_field: Option<&Field<'_>>) -> BTreeSet<Scope> {
    let words = Scope::ALL.map(|scope| (scope.as_str(), scope));
    let Some(field) = section.take("allow_anonymous") else {
        if let Some(field) = listen_field.filter(|_| !listen.ip().is_loopback()) {
            let detail = format!("{listen} can be reached from other machines, and nobody would need a token");
            let hint = "Listen on 127.0.0.1, or say what everybody may do: allow_anonymous = [\"read\"] \
                        (read, report, operate, admin)";
            field.fail(&detail, hint);
        }
        return Scope::ALL.into();
    };
    let scopes: BTreeSet<Scope> = field.elements().iter().filter_map(|element| element.word(&words)).collect();
    if scopes.is_empty() {
        field.warn("nobody may do anything", "Name at least \"read\"");
    }
    if !listen.ip().is_loopback() && scopes.contains(&Scope::Admin) {
        field.warn(&format!("everybody who reaches {listen} may reload the configuration"), "Leave out \"admin\"");
    }
    scopes
}

/// `[store]`
pub(crate) fn store(main: &mut Section<'_>) -> Store {
    let mut section = main.section("store");
    let cache = section.take("cache").and_then(|field| field.size(MIB..=(64 << 10) * MIB));
    let retention = section.take("retention").and_then(|field| field.duration(DAY..=3_650 * DAY));
    section.finish();
    Store { cache_bytes: cache.unwrap_or(64 * MIB), retention: retention.unwrap_or(400 * DAY) }
}

/// `[monitor]`
pub(crate) fn monitor(main: &mut Section<'_>) -> Monitor {
    let mut section = main.section("monitor");
    let passive = section.take("max_passive_targets").and_then(|field| field.whole(0..=100_000));
    let retries = section.take("max_retries").and_then(|field| field.whole(0..=1_000));
    let weather = section.take("weather_system").and_then(|field| name::name(&field));
    let connectivity = connectivity(section.section("connectivity"));
    let flapping = flapping(section.section("flapping"));
    section.finish();
    Monitor {
        max_passive_targets: passive.unwrap_or(1_000) as usize,
        max_retries: retries.unwrap_or(3),
        weather_system: weather.unwrap_or_else(|| "WEATHER_API".into()),
        connectivity,
        flapping,
    }
}

/// `[monitor.flapping]`
fn flapping(mut section: Section<'_>) -> (f64, f64) {
    let high = section.take("high").and_then(|field| field.part(0.01..=1.0)).unwrap_or(HIGH);
    let low_field = section.take("low");
    let low = low_field.as_ref().and_then(|field| field.part(0.0..=1.0)).unwrap_or(LOW.min(high));
    if let Some(field) = low_field.filter(|_| low > high) {
        field.fail("a target would begin to flap and end at once", "It must be `high` or less");
    }
    section.finish();
    (high, low)
}
