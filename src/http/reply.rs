//! Answers that are no refusals.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;

use futures_util::Stream;
use serde::Serialize;
use warp::Reply;
use warp::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, LOCATION, REFERRER_POLICY};
use warp::reply::Response;

use super::error::Success;
use super::request::Request;

/// JSON, 200.
pub(super) fn json(value: &impl Serialize) -> Response {
    with_type(encoded(value).into(), "application/json")
}

/// JSON, 202.
pub(super) fn accepted(value: &impl Serialize) -> Response {
    let mut response = json(value);
    *response.status_mut() = Success::Accepted.status();
    response
}

/// JSON of something new and where it is, 201.
pub(super) fn created(value: &impl Serialize, place: &str) -> Response {
    let mut response = json(value);
    *response.status_mut() = Success::Created.status();
    let place = HeaderValue::try_from(place).expect("our paths are visible ASCII");
    response.headers_mut().insert(LOCATION, place);
    response
}

/// No more than that it is done, 204.
pub(super) fn nothing() -> Response {
    let mut response = Response::default();
    *response.status_mut() = Success::Nothing.status();
    response
}

/// Back to where a form of the page was sent from, 303.
pub(super) fn back_to_the_page() -> Response {
    let mut response = Response::default();
    *response.status_mut() = Success::Elsewhere.status();
    response.headers_mut().insert(LOCATION, HeaderValue::from_static("/#alerts"));
    response
}

/// JSON with a tag of what it says, or 304 where the client has exactly that.
pub(super) fn tagged_json(request: &Request, value: &impl Serialize) -> Response {
    let body = encoded(value);
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    let tag = format!("W/\"{:016x}\"", hasher.finish());
    let known = request.header(&IF_NONE_MATCH).is_some_and(|tags| is_among(&tag, tags));
    let mut response = if known { Response::default() } else { with_type(body.into(), "application/json") };
    if known {
        *response.status_mut() = Success::NotModified.status();
    }
    let tag = HeaderValue::try_from(tag).expect("a tag is visible ASCII");
    response.headers_mut().insert(ETAG, tag);
    // Kept by the client, but asked for each time.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Text of a type, 200.
pub(super) fn text(body: String, content_type: &'static str) -> Response {
    with_type(body.into(), content_type)
}

/// A page whose forms are sent to this node: their browser tells us where they come from, and nobody else. Under
/// `no-referrer` the `Origin` of a form is `null`, as that of a page of another site may be.
pub(super) fn with_forms(mut response: Response) -> Response {
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// Text of a type that is written while it is read, 200.
pub(super) fn stream(
    pieces: impl Stream<Item = io::Result<Vec<u8>>> + Send + Sync + 'static,
    content_type: &'static str,
) -> Response {
    let mut response = warp::reply::stream(pieces).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Text of a type that is part of the program, 200.
pub(super) fn asset(body: &'static str, content_type: &'static str) -> Response {
    let mut response = text(body.to_owned(), content_type);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}

fn with_type(body: bytes::Bytes, content_type: &'static str) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = Success::Found.status();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn encoded(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("our shapes have string keys and finite numbers, and can always be written")
}

/// Whether the tag is among those of an `If-None-Match` header; compared weakly (RFC 9110, 13.1.2).
fn is_among(tag: &str, tags: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    tags.trim() == "*" || tags.split(',').any(|known| opaque(known) == opaque(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_among_others_strong_or_weak() {
        assert!(is_among("W/\"a\"", "\"b\", W/\"a\""));
        assert!(is_among("W/\"a\"", "\"a\""));
        assert!(is_among("W/\"a\"", "*"));
        assert!(!is_among("W/\"a\"", "W/\"b\""));
    }
}
