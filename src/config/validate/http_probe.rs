//! `[target.probe]` of the kind `http`.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Uri};

use super::address::{self, Endpoint};
use super::attachments::Attachments;
use super::{auth, http_checks, probe_keys, tls};
use crate::config::probe::{Auth, Connection, HttpProbe, HttpVersion, Tls};
use crate::config::raw::field::Field;
use crate::config::raw::section::Section;
use crate::config::raw::suggest;

const MAX_HEADERS: usize = 64;
const MAX_SENT_BYTES: usize = 64 << 10;
const MIB: u64 = 1 << 20;
/// Told by the request itself; another value would make it another request than the one that is sent.
pub(crate) const HEADERS_OF_THE_CONNECTION: [&str; 5] =
    ["connection", "content-length", "transfer-encoding", "upgrade", "te"];

/// Reads the table without finishing it; `None` if there is no URL.
pub(crate) fn http_probe(
    section: &mut Section<'_>,
    endpoint: Option<&Endpoint>,
    timeout: Duration,
    attachments: &Attachments,
) -> Option<HttpProbe> {
    let method = section.take("method").and_then(|field| method(&field)).unwrap_or(Method::GET);
    let url = url(section, endpoint);
    let headers = headers(section);
    let body = section.take("body").and_then(|field| body(&field)).unwrap_or_default();
    let expect_status = http_checks::statuses(section);
    let expect_header = http_checks::headers(section);
    let expect_body = http_checks::body(section);
    if method == Method::HEAD && !expect_body.is_empty() {
        section.fail("an answer to HEAD has no body that could be checked", "Use method = \"GET\"");
    }
    let versions = [("auto", HttpVersion::Auto), ("1.1", HttpVersion::Http1), ("2", HttpVersion::Http2)];
    let connections = [("fresh", Connection::Fresh), ("kept", Connection::Kept), ("mixed", Connection::Mixed)];
    let max_body = section.take("max_body").and_then(|field| field.size(1..=16 * MIB)).unwrap_or(MIB);
    let auth = auth::auth(section.section("auth"), attachments);
    if auth != Auth::None && headers.contains_key(http::header::AUTHORIZATION) {
        section.fail("both `auth` and an `authorization` header are given", "Remove one of them");
    }
    let probe = HttpProbe {
        method,
        url: url.clone().unwrap_or_default(),
        headers,
        body,
        expect_status,
        expect_header,
        expect_body,
        max_latency: probe_keys::max_latency(section, timeout),
        max_body_bytes: usize::try_from(max_body).unwrap_or(usize::MAX),
        follow_redirects: section.take("follow_redirects").and_then(|field| field.boolean()).unwrap_or(false),
        version: section.take("version").and_then(|field| field.word(&versions)).unwrap_or(HttpVersion::Auto),
        connection: section.take("connection").and_then(|field| field.word(&connections)).unwrap_or(Connection::Mixed),
        proxy: section.take("proxy").and_then(|field| proxy(&field)),
        auth,
        tls: with_tls(section, url.as_ref(), attachments),
        warn_before: probe_keys::warn_before(section),
    };
    url.map(|_| probe)
}

/// Also in lower case. CONNECT and TRACE are no questions that a service answers.
pub(crate) fn method(field: &Field<'_>) -> Option<Method> {
    const METHODS: [Method; 7] =
        [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    let text = field.filled_text()?;
    let known = METHODS.into_iter().find(|method| method.as_str().eq_ignore_ascii_case(text));
    if known.is_none() {
        let words = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        let hint = match suggest::nearest(text, words) {
            Some(near) => format!("Did you mean \"{near}\"?"),
            None => format!("It is one of: {}", words.join(", ")),
        };
        field.fail(&format!("{} is not a method", field.shown()), &hint);
    }
    known
}

/// `url`, or the endpoint with `path`. What a target says itself goes before what it inherits.
fn url(section: &mut Section<'_>, endpoint: Option<&Endpoint>) -> Option<Uri> {
    let (own_url, own_path) = (section.has_own("url"), section.has_own("path"));
    let (url, path) = (section.take("url"), section.take("path"));
    if let (Some(url), true, true) = (&url, own_url, own_path) {
        url.fail("both `url` and `path` are given", "Remove one of them");
    }
    if let Some(url) = url.filter(|_| own_url || !own_path) {
        return address::url_of(&url);
    }
    let Some(field) = path else { return http_endpoint(endpoint).cloned() };
    let path = field.text()?;
    if !path.starts_with('/') && !path.starts_with('?') {
        field.fail("a path begins with `/`", "Write path = \"/health\"");
        return None;
    }
    address::join(http_endpoint(endpoint)?, path).map_err(|error| error.tell(&field, "a path")).ok()
}

/// The endpoint's URL, if it is one.
pub(crate) fn http_endpoint(endpoint: Option<&Endpoint>) -> Option<&Uri> {
    match endpoint? {
        Endpoint::Http(url) => Some(url),
        Endpoint::Tcp(_)
        | Endpoint::Tls(_)
        | Endpoint::Grpc(_)
        | Endpoint::Grpcs(_)
        | Endpoint::Dns(_)
        | Endpoint::Icmp(_) => None,
    }
}

/// `headers`: a text each, or a list of texts for one that is sent several times.
fn headers(section: &mut Section<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, field) in section.section("headers").entries() {
        let Some(name) = http_checks::header_name(name, &field) else { continue };
        if HEADERS_OF_THE_CONNECTION.contains(&name.as_str()) {
            field.fail(&format!("`{name}` is set by the probe itself"), "Remove it");
            continue;
        }
        for value in field.one_or_more() {
            if let Some(value) = header_value(&value) {
                headers.append(name.clone(), value);
            }
        }
        if headers.len() > MAX_HEADERS {
            field.fail(&format!("more than {MAX_HEADERS} headers"), "Remove some");
            break;
        }
    }
    headers
}

/// Marked as sensitive, since any header may hold a key.
pub(crate) fn header_value(field: &Field<'_>) -> Option<HeaderValue> {
    let text = field.text()?;
    let Ok(mut value) = HeaderValue::from_bytes(text.as_bytes()) else {
        field.fail("this has a control character, which no header may have", "Write it in one line");
        return None;
    };
    value.set_sensitive(true);
    Some(value)
}

fn body(field: &Field<'_>) -> Option<bytes::Bytes> {
    let text = field.text()?;
    if text.len() > MAX_SENT_BYTES {
        field.fail("more than 64KiB would be sent", "");
        return None;
    }
    Some(bytes::Bytes::copy_from_slice(text.as_bytes()))
}

/// `proxy`, or `"off"`.
pub(crate) fn proxy(field: &Field<'_>) -> Option<Uri> {
    if field.value().as_text() == Some("off") {
        return None;
    }
    let url = address::url_of(field)?;
    if url.scheme_str() != Some("http") || url.path_and_query().is_some_and(|path| path.as_str() != "/") {
        field.fail(
            "a proxy is reached over plain http, without a path",
            "Write proxy = \"http://host:port\", or \"off\"",
        );
        return None;
    }
    Some(url)
}

/// Where the URL is plain HTTP there is nothing to trust, which is said if the target itself asks for it.
fn with_tls(section: &mut Section<'_>, url: Option<&Uri>, attachments: &Attachments) -> Tls {
    let own = section.has_own("tls");
    let table = section.section("tls");
    if own && url.is_some_and(|url| url.scheme_str() == Some("http")) {
        table.warn("the probe's URL is http://, so this is not used", "Write https://");
    }
    tls::tls(table, attachments)
}
