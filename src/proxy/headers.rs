//! Headers, in both directions: what concerns one connection stays on it, what the route says is done, who asked and
//! which way it came is told.
//!
//! Maps are edited in place, and values are made once for each connection or route.

use std::net::Ipv6Addr;

use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, HeaderMap, HeaderName,
    HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};

use crate::config::proxy as config;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");

/// What concerns one connection only, besides what `Connection` names (RFC 9110, 7.6.1, and its predecessors).
fn is_of_the_connection(name: &HeaderName) -> bool {
    [CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE]
        .contains(name)
}

/// What is known of the client's side of a connection.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    /// Its address.
    pub(super) address: HeaderValue,
    /// `http` or `https`.
    pub(super) scheme: HeaderValue,
}

/// The client's headers, for the target: without what is the connection's own, and with who asked. `host` is the
/// client's.
pub(super) fn of_request(
    headers: &mut HeaderMap,
    host: Option<HeaderValue>,
    origin: &Origin,
    via: &HeaderValue,
    trust_forwarded: bool,
) {
    let wants_trailers = headers.get(TE).is_some_and(|value| has_token(value, "trailers"));
    remove_those_of_the_connection(headers);
    for name in [EXPECT, TRAILER] {
        headers.remove(name);
    }
    if wants_trailers {
        headers.insert(TE, TRAILERS);
    }
    for (name, value) in headers.iter_mut() {
        value.set_sensitive(value.is_sensitive() || name == AUTHORIZATION);
    }
    join_cookies(headers);
    if !trust_forwarded {
        remove_claims(headers);
    }
    tell(headers, FORWARDED_FOR, origin.address.clone(), trust_forwarded);
    for (name, value) in [(FORWARDED_PROTO, Some(origin.scheme.clone())), (FORWARDED_HOST, host)] {
        let known = trust_forwarded && headers.contains_key(&name);
        match value {
            Some(value) if !known => drop(headers.insert(name, value)),
            None if !trust_forwarded => drop(headers.remove(name)),
            Some(_) | None => {}
        }
    }
    tell(headers, VIA, via.clone(), true);
}

/// What a route says of the headers for its target.
pub(super) fn of_destination(headers: &mut HeaderMap, destination: &config::Destination) {
    for name in &destination.remove_headers {
        headers.remove(name);
    }
    for (name, value) in &destination.set_headers {
        headers.insert(name, value.clone());
    }
}

/// A body that is to be looked into comes as it is.
pub(super) fn without_compression(headers: &mut HeaderMap) {
    headers.remove(ACCEPT_ENCODING);
}

/// The target's headers, for the client. `Trailer` stays: it announces what follows the body, on this connection too.
pub(super) fn of_response(headers: &mut HeaderMap, via: &HeaderValue) {
    remove_those_of_the_connection(headers);
    tell(headers, VIA, via.clone(), true);
}

/// HTTP/2 may cut a cookie into several fields, HTTP/1.1 has one (RFC 9113, 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(mut whole) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        whole.set_sensitive(true);
        headers.insert(COOKIE, whole);
    }
}

/// What a client who is not trusted says of who asks.
fn remove_claims(headers: &mut HeaderMap) {
    let is_claim = |name: &HeaderName| {
        name == FORWARDED || name.as_str() == "x-real-ip" || name.as_str().starts_with("x-forwarded-")
    };
    while let Some(name) = headers.keys().find(|name| is_claim(name)).cloned() {
        headers.remove(name);
    }
}

/// The one `Host` of a request, or the authority that HTTP/2 has instead; `Err` if there is none or several, or if it is
/// not a host with or without a port.
pub(super) fn host(request: &http::request::Parts) -> Result<Option<HeaderValue>, ()> {
    let mut hosts = request.headers.get_all(HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return Err(());
    }
    if let Some(authority) = request.uri.authority() {
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| ())?;
        return if is_host(host.as_bytes()) { Ok(Some(host)) } else { Err(()) };
    }
    if first.is_some_and(|host| !is_host(host.as_bytes())) {
        return Err(());
    }
    // HTTP/1.0 knows no Host (RFC 9112, 3.2).
    if first.is_none() && request.version == http::Version::HTTP_11 { Err(()) } else { Ok(first.cloned()) }
}

/// Whether these bytes are a host with or without a port, as every reader of HTTP takes it (RFC 9110, 7.2). Without what
/// some take for the name of a user, and without percent signs, which no name has.
fn is_host(bytes: &[u8]) -> bool {
    let (is_good, rest) = match bytes.strip_prefix(b"[") {
        Some(inner) => {
            let Some(end) = memchr::memchr(b']', inner) else { return false };
            let is_address = std::str::from_utf8(&inner[..end]).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok());
            (is_address, &inner[end + 1..])
        }
        None => {
            let (name, rest) = bytes.split_at(memchr::memchr(b':', bytes).unwrap_or(bytes.len()));
            let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(byte);
            (!name.is_empty() && name.iter().all(is_name), rest)
        }
    };
    let is_port = |port: &[u8]| {
        std::str::from_utf8(port).is_ok_and(|port| port.parse::<u16>().is_ok() && port.as_bytes()[0] != b'+')
    };
    is_good && rest.strip_prefix(b":").map_or(rest.is_empty(), is_port)
}

/// Whether a request has passed `node` before. Bytes are compared: what is beside it need not be text.
pub(super) fn has_passed(headers: &HeaderMap, node: &str) -> bool {
    headers.get_all(VIA).iter().any(|value| {
        value.as_bytes().split(|byte| *byte == b',').any(|hop| {
            let mut words = hop.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            words.nth(1).is_some_and(|by| by.eq_ignore_ascii_case(node.as_bytes()))
        })
    })
}

fn remove_those_of_the_connection(headers: &mut HeaderMap) {
    if !headers.keys().any(is_of_the_connection) {
        return;
    }
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        // Naming these would hide from the target how long the body is, for whom it is, or which way it came.
        .filter(|name| ![CONTENT_LENGTH, HOST, VIA].contains(name))
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [
        CONNECTION,
        KEEP_ALIVE,
        PROXY_CONNECTION,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        TE,
        TRANSFER_ENCODING,
        UPGRADE,
    ] {
        headers.remove(name);
    }
}

fn has_token(value: &HeaderValue, token: &str) -> bool {
    value.to_str().is_ok_and(|value| value.split(',').any(|one| one.trim().eq_ignore_ascii_case(token)))
}

/// Adds to a list in a header, or begins it. What the client sent is replaced where it is not trusted.
fn tell(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue, adds: bool) {
    let known = if adds { headers.get(&name) } else { None };
    let Some(known) = known else {
        headers.insert(name, value);
        return;
    };
    let joined = [known.as_bytes(), b", ", value.as_bytes()].concat();
    let several = headers.get_all(&name).iter().nth(1).is_some();
    if several {
        headers.append(name, value);
    } else if let Ok(joined) = HeaderValue::from_bytes(&joined) {
        headers.insert(name, joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    fn listed(headers: &HeaderMap) -> Vec<String> {
        let mut lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines
    }

    fn origin() -> Origin {
        Origin { address: HeaderValue::from_static("10.0.0.7"), scheme: HeaderValue::from_static("http") }
    }

    const NODE: HeaderValue = HeaderValue::from_static("1.1 node-1");

    #[test]
    fn what_concerns_the_connection_and_what_it_names_is_not_passed_on() {
        let mut headers = map(&[
            ("connection", "close, X-Own, content-length"),
            ("x-own", "1"),
            ("content-length", "5"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "close"),
            ("proxy-authorization", "Basic x"),
            ("te", "gzip, trailers"),
            ("trailer", "x-sum"),
            ("upgrade", "h2c"),
            ("expect", "100-continue"),
            ("accept", "*/*"),
        ]);
        of_request(&mut headers, Some(HeaderValue::from_static("shop")), &origin(), &NODE, false);
        assert_eq!(
            listed(&headers),
            [
                "accept: */*",
                "content-length: 5",
                "te: trailers",
                "via: 1.1 node-1",
                "x-forwarded-for: 10.0.0.7",
                "x-forwarded-host: shop",
                "x-forwarded-proto: http"
            ]
        );
    }

    #[test]
    fn what_a_client_says_of_its_way_counts_only_where_it_is_trusted() {
        let sent = [
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-host", "a"),
            ("x-forwarded-proto", "https"),
            ("via", "1.0 b"),
        ];
        let mut headers = map(&sent);
        of_request(&mut headers, None, &origin(), &NODE, false);
        assert_eq!(
            listed(&headers),
            ["via: 1.0 b, 1.1 node-1", "x-forwarded-for: 10.0.0.7", "x-forwarded-proto: http"]
        );
        let mut headers = map(&sent);
        of_request(&mut headers, Some(HeaderValue::from_static("shop")), &origin(), &NODE, true);
        assert_eq!(
            listed(&headers),
            [
                "via: 1.0 b, 1.1 node-1",
                "x-forwarded-for: 1.1.1.1, 10.0.0.7",
                "x-forwarded-host: a",
                "x-forwarded-proto: https"
            ]
        );
    }

    #[test]
    fn a_request_that_passed_this_node_is_known_by_its_via() {
        let passed = |via: &'static str| has_passed(&map(&[("via", via)]), "node-1");
        assert!(passed("1.1 node-1"));
        assert!(passed("1.0 a (x), 2 NODE-1 (y)"));
        assert!(!passed("1.1 node-10, 1.1 my-node-1, node-1"));
        let beside = HeaderValue::from_bytes(b"1.1 x (\xe9), 1.1\tnode-1").unwrap();
        assert!(has_passed(&HeaderMap::from_iter([(VIA, beside)]), "node-1"), "what is beside it hides nothing");
        let mut headers = map(&[("connection", "via"), ("via", "1.1 other")]);
        of_request(&mut headers, None, &origin(), &NODE, false);
        assert_eq!(headers[VIA], "1.1 other, 1.1 node-1", "nor does a client");
    }

    #[test]
    fn a_host_is_what_every_reader_takes_for_one() {
        for host in ["shop", "Shop.example:81", "10.0.0.7", "[::1]", "[2001:db8::7]:443", "a_b", "xn--5q8h"] {
            assert!(is_host(host.as_bytes()), "{host}");
            assert!(host.parse::<http::uri::Authority>().is_ok(), "{host}");
        }
        for host in [
            "", ":80", "a@b", "a b", "a/b", "a?b", "a#b", "a\\b", "a%2eb", "a:", "a:x", "a:+1", "a:65536", "a:1:2",
            "[::1", "[::1]x", "[]", "[a]", "::1", "<b>", "a,b ", "a\"b",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
        assert!(!is_host(b"\xe9"));
    }

    proptest::proptest! {
        #[test]
        fn what_is_a_host_here_can_be_sent_over_http_2(host in "[a-zA-Z0-9.~!$&'()*+,;=:@%_\\[\\]/-]{0,12}") {
            proptest::prop_assert!(!is_host(host.as_bytes()) || host.parse::<http::uri::Authority>().is_ok(), "{}", host);
        }
    }

    #[test]
    fn a_cookie_in_parts_is_one_and_credentials_are_not_shown() {
        let mut headers = map(&[("cookie", "a=1"), ("cookie", "b=2"), ("authorization", "Bearer hunter2"), ("x", "1")]);
        of_request(&mut headers, None, &origin(), &NODE, true);
        assert_eq!(headers.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2"]);
        assert!(!format!("{headers:?}").contains("hunter2"), "{headers:?}");
        assert!(!headers["x"].is_sensitive());
    }

    #[test]
    fn a_client_who_is_not_trusted_says_nothing_of_who_asks() {
        let sent = [
            ("forwarded", "for=1.1.1.1"),
            ("x-real-ip", "1.1.1.1"),
            ("x-forwarded-port", "443"),
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "2.2.2.2"),
            ("x-forwarded-prefix", "/x"),
        ];
        let mut headers = map(&sent);
        of_request(&mut headers, None, &origin(), &NODE, false);
        assert_eq!(listed(&headers), ["via: 1.1 node-1", "x-forwarded-for: 10.0.0.7", "x-forwarded-proto: http"]);
        let mut headers = map(&sent);
        of_request(&mut headers, None, &origin(), &NODE, true);
        assert_eq!(headers["forwarded"], "for=1.1.1.1");
        assert_eq!(headers["x-real-ip"], "1.1.1.1");
    }
}
