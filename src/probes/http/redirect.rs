//! Where a redirect leads, and what is sent there.

use http::{Method, Uri, header};

use crate::config::probe::HttpProbe;

/// How many are followed.
pub(super) const REDIRECTS_MAX: usize = 10;

/// What is sent to another origin: nothing that could be a key.
const HARMLESS: [header::HeaderName; 5] =
    [header::ACCEPT, header::ACCEPT_LANGUAGE, header::ACCEPT_ENCODING, header::CONTENT_TYPE, header::USER_AGENT];

/// A redirect that is not followed; says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotFollowed(pub(super) &'static str);

/// The URL that `location` means when it came from `from`.
pub(super) fn target(from: &Uri, location: &str) -> Result<Uri, NotFollowed> {
    const UNREADABLE: NotFollowed = NotFollowed("a location that is no URL");
    let base = reqwest::Url::parse(&from.to_string()).map_err(|_| UNREADABLE)?;
    let mut joined = base.join(location).map_err(|_| UNREADABLE)?;
    joined.set_fragment(None);
    match (base.scheme(), joined.scheme()) {
        ("https", "http") => return Err(NotFollowed("http, which would give away what https hides")),
        (_, "http" | "https") => {}
        (..) => return Err(NotFollowed("something that is not http")),
    }
    joined.as_str().parse().map_err(|_| UNREADABLE)
}

/// The request to `url`, after `status` was the answer to `probe`.
pub(super) fn request(probe: &HttpProbe, status: u16, url: Uri) -> Result<HttpProbe, NotFollowed> {
    let becomes_get = match status {
        303 => probe.method != Method::HEAD,
        301 | 302 => probe.method == Method::POST,
        _ => false,
    };
    let mut next = HttpProbe { url, ..probe.clone() };
    if becomes_get {
        next.method = Method::GET;
        next.body = bytes::Bytes::new();
        next.headers.remove(header::CONTENT_TYPE);
    }
    if same_origin(&probe.url, &next.url) {
        return Ok(next);
    }
    if !next.body.is_empty() {
        return Err(NotFollowed("another origin, which does not get the request's body"));
    }
    next.headers = next.headers.iter().filter(|(name, _)| HARMLESS.contains(name)).map(clone_pair).collect();
    next.auth = crate::config::probe::Auth::None;
    next.tls.identity_pem = None;
    next.tls.server_name = None;
    Ok(next)
}

/// Scheme, host and port.
pub(super) fn same_origin(a: &Uri, b: &Uri) -> bool {
    let port = |uri: &Uri| uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    let host = |uri: &Uri| uri.host().map(str::to_ascii_lowercase);
    a.scheme_str() == b.scheme_str() && host(a) == host(b) && port(a) == port(b)
}

fn clone_pair((name, value): (&header::HeaderName, &header::HeaderValue)) -> (header::HeaderName, header::HeaderValue) {
    (name.clone(), value.clone())
}
