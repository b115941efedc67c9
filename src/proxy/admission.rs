//! What is refused before anybody is asked, and what is left of a request then.

use std::borrow::Cow;

use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_LENGTH, HeaderValue, UPGRADE};
use http::request::Parts;
use http::uri::PathAndQuery;

use super::problem::Why;
use super::routes::Route;
use super::{headers, path};

/// What was found out about a request on the way.
pub(super) struct Admitted {
    /// The client's `Host`.
    pub(super) host: Option<HeaderValue>,
    /// Behind the route's prefix, plain.
    pub(super) path: PathAndQuery,
    /// How long its body is, as it says.
    pub(super) length: Option<u64>,
}

/// Looks at a request's head.
pub(super) fn admit(route: &Route, request: &Parts, node: &str) -> Result<Admitted, Why> {
    if request.method == Method::CONNECT || request.method == Method::TRACE {
        return Err(Why::Method);
    }
    // A client that would like HTTP/2 goes on with 1.1 where nobody answers that (RFC 9110, 7.8).
    if request.headers.get(UPGRADE).is_some_and(|protocol| !protocol.as_bytes().eq_ignore_ascii_case(b"h2c")) {
        return Err(Why::Upgrade);
    }
    if headers::has_passed(&request.headers, node) {
        return Err(Why::Loop);
    }
    let host = headers::host(request).map_err(|()| Why::Host)?;
    let length = length(request)?;
    if length.is_some_and(|length| length > route.spec.body_limit) {
        return Err(Why::BodyTooLarge);
    }
    Ok(Admitted { host, path: behind_prefix(route, request)?, length })
}

/// As the body's length is said, once. HTTP/1.1 never gets here with another one; over HTTP/2 nobody has looked.
fn length(request: &Parts) -> Result<Option<u64>, Why> {
    let mut said = request.headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = said.next() else { return Ok(None) };
    if said.any(|other| other != first) {
        return Err(Why::Length);
    }
    first.to_str().ok().and_then(|text| text.parse().ok()).map(Some).ok_or(Why::Length)
}

fn behind_prefix(route: &Route, request: &Parts) -> Result<PathAndQuery, Why> {
    let whole = request.uri.path_and_query().ok_or(Why::Path)?;
    let rest = whole.path().get(route.prefix..).ok_or(Why::Path)?;
    if !rest.is_empty() && !rest.starts_with('/') {
        // `OPTIONS *` is for no route.
        return Err(Why::Path);
    }
    let plain = path::plain(rest).map_err(|_| Why::Path)?;
    if let (Cow::Borrowed(_), 0, false) = (&plain, route.prefix, rest.is_empty()) {
        return Ok(whole.clone());
    }
    let text = match whole.query() {
        Some(query) => [&plain, "?", query].concat(),
        None => plain.into_owned(),
    };
    PathAndQuery::from_maybe_shared(Bytes::from(text)).map_err(|_| Why::Path)
}
