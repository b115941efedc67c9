//! `[proxy]`: the sockets' and pools' limits, and the routes as a whole.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::attachments::Attachments;
use super::proxy_route;
use crate::config::model::Target;
use crate::config::proxy::{Destination, Fallback, Match, Proxy, Route};
use crate::config::raw::field::Field;
use crate::config::raw::section::Section;

const SECOND: Duration = Duration::from_secs(1);
/// More would be a list that nobody reads, and each socket costs a task in each thread.
const MAX_ROUTES: usize = 1_000;

/// What routes refer to.
pub(crate) struct Around<'a> {
    /// Files that values name.
    pub(crate) attachments: &'a Attachments,
    /// Targets by name.
    pub(crate) targets: &'a BTreeMap<Arc<str>, Arc<Target>>,
    /// Where the API listens.
    pub(crate) http: SocketAddr,
    /// Whether a file could not be read.
    pub(crate) incomplete: bool,
}

/// Reads and finishes the table.
pub(crate) fn proxy(mut section: Section<'_>, around: &Around<'_>) -> Proxy {
    let threads = section.take("threads").and_then(|field| field.whole(1..=64));
    let max_connections = section.take("max_connections").and_then(|field| field.whole(1..=100_000));
    let idle_connections = section.take("idle_connections").and_then(|field| field.whole(0..=10_000));
    let idle_time = section.take("idle_time").and_then(|field| field.duration(SECOND..=3_600 * SECOND));
    let mut read: Vec<(Arc<Route>, Field<'_>)> = Vec::new();
    for (index, section) in section.sections("route").into_iter().enumerate() {
        if index == MAX_ROUTES {
            section.fail(&format!("more than {MAX_ROUTES} routes"), "Let another node serve the rest");
            break;
        }
        let Some((route, field)) = proxy_route::route(section, around) else { continue };
        check_match(&route, &field, &read, around);
        read.push((Arc::new(route), field));
    }
    check_loops(&read, around);
    section.not_in_this_version(&["tls", "auth"]);
    section.finish();
    Proxy {
        threads: threads.map(|threads| threads as usize),
        max_connections: max_connections.unwrap_or(1_024) as usize,
        idle_connections: idle_connections.unwrap_or(64) as usize,
        idle_time: idle_time.unwrap_or(30 * SECOND),
        routes: read.into_iter().map(|(route, _)| route).collect(),
    }
}

/// No two routes take the same requests, and none takes those of the API.
fn check_match(route: &Route, field: &Field<'_>, before: &[(Arc<Route>, Field<'_>)], around: &Around<'_>) {
    let same = before.iter().find(|(other, _)| match (&other.matches, &route.matches) {
        (Match::Listen(one), Match::Listen(two)) => one == two || overlap(*one, *two),
        (one, two) => one == two,
    });
    if let Some((_, first)) = same {
        let detail = format!("{} is already taken by `{}` ({})", field.shown(), first.path(), first.location());
        field.fail(&detail, "A request goes one way only: remove one of them");
        return;
    }
    let Match::Listen(address) = route.matches else { return };
    if overlap(address, around.http) {
        let detail = format!("{address} is where the API listens (`http.listen`)");
        field.fail(&detail, "Write another port, or use `prefix` or `host` on the API's socket");
    } else if !address.ip().is_loopback() {
        let detail =
            format!("{address} can be reached from other machines, and who reaches it calls {}", route.target.name);
        field.warn(&detail, "Listen on 127.0.0.1, or keep others out with a firewall");
    }
}

/// Whether both cannot be had at the same time. Port 0 is another one each time.
fn overlap(one: SocketAddr, two: SocketAddr) -> bool {
    let any = one.ip().is_unspecified() || two.ip().is_unspecified();
    one.port() != 0 && one.port() == two.port() && (any || one.ip() == two.ip())
}

/// A target that is this very node would be called by itself, again and again.
fn check_loops(routes: &[(Arc<Route>, Field<'_>)], around: &Around<'_>) {
    let listens = routes.iter().filter_map(|(route, _)| match route.matches {
        Match::Listen(address) => Some(address),
        Match::Host(_) | Match::Prefix(_) => None,
    });
    let ours: Vec<SocketAddr> = std::iter::once(around.http).chain(listens).collect();
    for (route, field) in routes {
        let fallback = match &route.fallback {
            Some(Fallback::Target(target)) => Some(&**target),
            Some(Fallback::Answer { .. }) | None => None,
        };
        for target in std::iter::once(&route.target).chain(fallback) {
            if let Some(listen) = ours.iter().find(|listen| leads_to(target, **listen)) {
                let detail = format!("the endpoint of {} is this node itself ({listen})", target.name);
                field.fail(&detail, "A request would go round in a circle: name another target");
            }
        }
    }
}

fn leads_to(target: &Destination, listen: SocketAddr) -> bool {
    let Some(address) = super::address::tcp_address(&target.endpoint) else { return false };
    if listen.port() == 0 || address.port != listen.port() {
        return false;
    }
    if address.host.eq_ignore_ascii_case("localhost") {
        return listen.ip().is_loopback() || listen.ip().is_unspecified();
    }
    let Ok(ip) = address.host.parse::<std::net::IpAddr>() else { return false };
    ip == listen.ip() || (listen.ip().is_unspecified() && ip.is_loopback()) || ip.is_unspecified()
}
