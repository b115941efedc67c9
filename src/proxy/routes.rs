//! The routes, compiled: which one takes a request, and everything about it that can be made once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use http::header::HeaderValue;

use super::targets::Target;
use super::upstream::{Origin, Pooling};
use crate::config::proxy as config;

/// All routes. Replaced as a whole by a reload; requests under way keep the one they began with.
#[derive(Debug, Default)]
pub(super) struct Table {
    listens: BTreeMap<SocketAddr, Arc<Route>>,
    hosts: BTreeMap<Box<str>, Arc<Route>>,
    /// The longest first.
    prefixes: Vec<(Box<str>, Arc<Route>)>,
    targets: BTreeMap<Arc<str>, Arc<Target>>,
    origins: Vec<Arc<Origin>>,
}

/// One route.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) spec: Arc<config::Route>,
    /// How much of a path is not passed on.
    pub(super) prefix: usize,
    pub(super) main: Destination,
    pub(super) fallback: Option<Fallback>,
}

/// Where a request may go.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) spec: config::Destination,
    pub(super) target: Arc<Target>,
    pub(super) origin: Arc<Origin>,
    /// What is put before a path: the endpoint's, without a slash at its end.
    pub(super) base: Box<str>,
    /// The endpoint's authority.
    pub(super) host: HeaderValue,
}

#[derive(Debug)]
pub(super) enum Fallback {
    Answer { status: http::StatusCode, content_type: HeaderValue, body: bytes::Bytes },
    Target(Box<Destination>),
}

impl Table {
    /// Compiles `config`. What `before` has of targets and connections is used on where it is the same.
    pub(super) fn compile(config: &config::Proxy, lanes: usize, before: &Self) -> Self {
        let pooling = Pooling { lanes, idle_connections: config.idle_connections, idle_time: config.idle_time };
        let mut table = Self::default();
        for spec in &config.routes {
            let main = table.destination(&spec.target, pooling, before);
            let fallback = spec.fallback.as_ref().map(|fallback| match fallback {
                config::Fallback::Answer { status, content_type, body } => Fallback::Answer {
                    status: http::StatusCode::from_u16(*status).unwrap_or_default(),
                    content_type: content_type.clone(),
                    body: body.clone(),
                },
                config::Fallback::Target(target) => {
                    Fallback::Target(Box::new(table.destination(target, pooling, before)))
                }
            });
            let prefix = match &spec.matches {
                config::Match::Prefix(prefix) => prefix.len(),
                config::Match::Listen(_) | config::Match::Host(_) => 0,
            };
            let route = Arc::new(Route { spec: spec.clone(), prefix, main, fallback });
            match &spec.matches {
                config::Match::Listen(address) => drop(table.listens.insert(*address, route)),
                config::Match::Host(host) => drop(table.hosts.insert(host.clone(), route)),
                config::Match::Prefix(prefix) => table.prefixes.push((prefix.clone(), route)),
            }
        }
        table.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        table
    }

    fn destination(&mut self, spec: &config::Destination, pooling: Pooling, before: &Self) -> Destination {
        let target = self.targets.get(&spec.name).or_else(|| before.targets.get(&spec.name)).cloned();
        let target = target.unwrap_or_else(|| Arc::new(Target::new(spec.name.clone())));
        self.targets.insert(spec.name.clone(), target.clone());
        let known = self.origins.iter().chain(&before.origins).find(|origin| origin.is_for(spec, pooling)).cloned();
        let origin = known.unwrap_or_else(|| Arc::new(Origin::new(spec, pooling)));
        if !self.origins.iter().any(|known| Arc::ptr_eq(known, &origin)) {
            self.origins.push(origin.clone());
        }
        let authority = spec.endpoint.authority().map_or("", http::uri::Authority::as_str);
        Destination {
            target,
            origin,
            base: spec.endpoint.path().trim_end_matches('/').into(),
            host: HeaderValue::from_str(authority).expect("an authority has the signs that a header may have"),
            spec: spec.clone(),
        }
    }

    /// The route that has this socket for itself.
    pub(super) fn listening(&self, address: SocketAddr) -> Option<&Arc<Route>> {
        self.listens.get(&address)
    }

    /// The route on the API's socket that takes a request, if one does: one for its host, else the longest prefix.
    pub(super) fn find(&self, host: Option<&HeaderValue>, path: &str) -> Option<&Arc<Route>> {
        if !self.hosts.is_empty()
            && let Some(host) = host.and_then(|host| host.to_str().ok()).map(str::to_ascii_lowercase)
            && let Some(route) = self.hosts.get(&*host).or_else(|| self.hosts.get(without_port(&host)))
        {
            return Some(route);
        }
        self.prefixes.iter().find(|(prefix, _)| begins_with(path, prefix)).map(|(_, route)| route)
    }

    /// Closes connections that rested for too long.
    pub(super) fn sweep(&self, lane: usize) {
        for origin in &self.origins {
            origin.sweep(lane);
        }
    }
}

/// A prefix ends where a segment ends.
fn begins_with(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn table(routes: &str) -> Table {
        let text = format!("[[target]]\nname = \"PG\"\nendpoint = \"http://pg.example/v1/\"\n{routes}");
        let loaded = Config::parse(&text, "t.toml", std::path::Path::new(""), &BTreeMap::new());
        let config = loaded.unwrap_or_else(|problems| panic!("{problems}")).config;
        Table::compile(&config.proxy, 1, &Table::default())
    }

    fn route(matches: &str) -> String {
        format!("[[proxy.route]]\ntarget = \"PG\"\n{matches}\n")
    }

    #[test]
    fn the_host_goes_before_the_prefix_and_the_longest_prefix_before_the_others() {
        let table = table(
            &[
                route("prefix = \"/gw\""),
                route("prefix = \"/gw/pg/\""),
                route("host = \"PG.shop\""),
                route("host = \"pg.shop:81\""),
            ]
            .concat(),
        );
        let found = |host: &'static str, path| {
            table.find(Some(&HeaderValue::from_static(host)), path).map(|route| route.spec.matches.to_string())
        };
        assert_eq!(found("x", "/gw/pg/1").as_deref(), Some("prefix /gw/pg"));
        assert_eq!(found("x", "/gw/pg").as_deref(), Some("prefix /gw/pg"));
        assert_eq!(found("x", "/gw/pgx").as_deref(), Some("prefix /gw"));
        assert_eq!(found("x", "/gwx"), None);
        assert_eq!(found("x", "/g%77/pg"), None, "a prefix is written as it is");
        assert_eq!(found("pg.SHOP", "/gw").as_deref(), Some("host pg.shop"));
        assert_eq!(found("pg.shop:80", "/gw").as_deref(), Some("host pg.shop"));
        assert_eq!(found("pg.shop:81", "/gw").as_deref(), Some("host pg.shop:81"));
        assert_eq!(table.prefixes[0].1.main.base.as_ref(), "/v1");
    }

    #[test]
    fn a_reload_keeps_the_connections_of_what_is_the_same() {
        let before = table(&route("prefix = \"/gw\""));
        let text = "[[target]]\nname = \"PG\"\nendpoint = \"http://pg.example/v1/\"\n[[target]]\nname = \"B\"\n\
                    endpoint = \"http://pg.example/v2\"\n[[proxy.route]]\nprefix = \"/a\"\ntarget = \"PG\"\n\
                    [[proxy.route]]\nprefix = \"/b\"\ntarget = \"B\"\n[[proxy.route]]\nprefix = \"/c\"\ntarget = \"B\"\nversion = \"2\"\n";
        let config = Config::parse(text, "t.toml", std::path::Path::new(""), &BTreeMap::new()).unwrap().config;
        let after = Table::compile(&config.proxy, 1, &before);
        let origin = |path| &after.find(None, path).unwrap().main.origin;
        assert!(Arc::ptr_eq(origin("/a"), &before.prefixes[0].1.main.origin));
        assert!(Arc::ptr_eq(origin("/a"), origin("/b")), "one host has one pool, whatever the path");
        assert!(!Arc::ptr_eq(origin("/a"), origin("/c")));
        assert!(Arc::ptr_eq(&after.targets["PG"], &before.targets["PG"]));
    }
}
