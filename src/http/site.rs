//! Who may have made a browser send a request: a node on a loopback address trusts whoever can reach it, and every page
//! in a browser on that machine can.

use std::net::{IpAddr, Ipv6Addr};

use warp::http::Uri;
use warp::http::header::{HOST, HeaderMap, ORIGIN};
use warp::http::uri::Authority;

use crate::config::Config;

/// Whether a browser says that the page of another site sent it. What changes anything is refused to pages that are not
/// our own.
pub(super) fn is_cross_site(headers: &HeaderMap, config: &Config) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    // No page can set this one, and it is right behind a proxy that calls us by another name. Browsers send it to this
    // machine and over TLS, and not over plain HTTP to another one.
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(ORIGIN.as_str()) else { return false };
    let host = origin.split_once("://").map(|(_, host)| host);
    let is_ours = host.is_some() && host == text(HOST.as_str());
    let external_url = config.alerting.external_url.as_deref();
    let is_outside = || origin_of(origin).is_some_and(|origin| external_url.and_then(origin_of) == Some(origin));
    !is_ours && !is_outside()
}

/// Scheme, host and port of an address, as browsers compare them (RFC 6454).
fn origin_of(address: &str) -> Option<(String, String, u16)> {
    let uri: Uri = address.parse().ok()?;
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let usual = if scheme == "https" { 443 } else { 80 };
    let port = uri.port_u16().unwrap_or(usual);
    Some((scheme, uri.host()?.to_ascii_lowercase(), port))
}

/// Whether a node that only this machine reaches is asked by a name that is not this machine's: whose name it is may have
/// it point here (DNS rebinding), and then a page of theirs passes for ours. An address is nobody's to point elsewhere.
pub(super) fn is_by_another_name(headers: &HeaderMap, config: &Config) -> bool {
    if !config.http.listen.ip().is_loopback() {
        return false;
    }
    // Browsers always send it.
    let Some(host) = headers.get(HOST) else { return false };
    let Some(host) = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()) else { return true };
    let name = host.host().to_ascii_lowercase();
    let is_external = || {
        let external_url = config.alerting.external_url.as_deref();
        external_url.and_then(origin_of).is_some_and(|(_, external, _)| external == name)
    };
    !is_this_machine(&name) && !is_external()
}

fn is_this_machine(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_address = || name.parse::<IpAddr>().is_ok();
    let bracketed = || name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let is_v6 = || bracketed().is_some_and(|name| name.parse::<Ipv6Addr>().is_ok());
    // RFC 6761: browsers never ask anybody where these are.
    name == "localhost" || name.ends_with(".localhost") || is_address() || is_v6()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use warp::http::header::{HeaderName, HeaderValue};

    use super::*;

    const LOOPBACK: &str = "127.0.0.1:8080";

    fn config(listen: &str, external_url: Option<&str>) -> Config {
        let alerting = external_url.map(|url| format!("[alerting]\nexternal_url = {url:?}\n")).unwrap_or_default();
        let text = format!("[http]\nlisten = {listen:?}\nallow_anonymous = [\"read\"]\n{alerting}");
        Config::parse(&text, "test.toml", Path::new(""), &BTreeMap::new()).unwrap().config
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn programs_and_our_own_pages_may_act_and_other_sites_pages_may_not() {
        let refused = |pairs: &[(&'static str, &'static str)]| is_cross_site(&headers(pairs), &config(LOOPBACK, None));
        assert!(!refused(&[("host", "node:8080")]));
        assert!(!refused(&[("host", "node:8080"), ("origin", "http://node:8080")]));
        assert!(!refused(&[("sec-fetch-site", "same-origin")]));
        assert!(refused(&[("host", "node:8080"), ("origin", "http://evil.example")]));
        assert!(refused(&[("host", "node:8080"), ("origin", "null")]));
        for site in ["cross-site", "same-site", "?"].map(|site| ("sec-fetch-site", site)) {
            assert!(refused(&[site]));
            assert!(refused(&[site, ("host", "node"), ("origin", "http://node")]), "it decides");
        }
    }

    #[test]
    fn our_own_pages_may_act_also_behind_a_proxy_that_calls_us_by_another_name() {
        let behind = |more: &[(&'static str, &'static str)], external_url| {
            let headers = headers(&[&[("host", "10.0.0.7:8080")], more].concat());
            is_cross_site(&headers, &config(LOOPBACK, external_url))
        };
        let ours = ("origin", "https://node.example");
        for site in ["same-origin", "none"] {
            assert!(!behind(&[ours, ("sec-fetch-site", site)], None));
        }
        assert!(behind(&[ours], None), "nobody says that it is ours");
        for external_url in ["https://node.example", "https://Node.example:443/breakwater/"] {
            assert!(!behind(&[ours], Some(external_url)), "{external_url}");
        }
        for external_url in ["http://node.example", "https://node.example:8443", "https://example"] {
            assert!(behind(&[ours], Some(external_url)), "{external_url}");
        }
        assert!(behind(&[("origin", "null")], Some("https://node.example")));
    }

    #[test]
    fn a_node_on_loopback_is_asked_by_an_address_or_by_this_machines_name() {
        let refused = |host: &'static str, listen: &str, external_url: Option<&str>| {
            is_by_another_name(&headers(&[("host", host)]), &config(listen, external_url))
        };
        for host in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST.", "a.localhost", "[::1]:8080", "10.0.0.7"] {
            assert!(!refused(host, LOOPBACK, None), "{host}");
        }
        for host in ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "", "@"] {
            assert!(refused(host, LOOPBACK, None), "{host}");
            assert!(refused(host, "[::1]:8080", Some("https://node.example")), "{host}");
        }
        assert!(!refused("Node.example:8443", LOOPBACK, Some("https://node.example/breakwater")));
        assert!(!refused("evil.example", "10.0.0.7:8080", None), "its name is its owner's to choose");
        assert!(!is_by_another_name(&headers(&[]), &config(LOOPBACK, None)));
    }
}
