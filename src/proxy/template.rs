//! A request as it is sent to a target, once or several times.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use http::uri::{Parts, PathAndQuery};
use http::{Method, Request, Uri, Version};
use hyper::body::Body;

use super::outgoing::{Arriving, Outgoing, Progress, Stage};
use super::routes::Destination;

/// What the client wants, without what concerns only its connection.
pub(super) struct Template {
    pub(super) method: Method,
    /// Behind the route's prefix, plain.
    pub(super) path: PathAndQuery,
    pub(super) headers: HeaderMap,
    /// The client's own, where the route keeps it.
    pub(super) host: Option<HeaderValue>,
    pub(super) payload: Payload,
}

/// A body that is to be sent.
pub(super) enum Payload {
    /// As often as needed.
    Kept(Bytes),
    /// Once; gone when it is under way.
    Passing { body: Option<Arriving>, limit: u64, progress: Arc<Progress> },
}

/// A template for one target.
pub(super) struct Addressed {
    /// With `Host`, as HTTP/1.1 has it.
    headers: HeaderMap,
    path: PathAndQuery,
}

impl Addressed {
    /// What is sent.
    pub(super) const fn headers(&self) -> &HeaderMap {
        &self.headers
    }
}

impl Template {
    /// The path behind what `destination` puts before it; `None` if that is longer than a URI may be here (65,534 bytes).
    pub(super) fn path_at(&self, destination: &Destination) -> Option<PathAndQuery> {
        if destination.base.is_empty() {
            return Some(self.path.clone());
        }
        let whole = [&destination.base, self.path.as_str()].concat();
        PathAndQuery::from_maybe_shared(Bytes::from(whole)).ok()
    }

    /// For `destination`, where it is `path`, with what it says of the headers. If it is the last one the headers go with it.
    pub(super) fn addressed_to(
        &mut self,
        destination: &Destination,
        path: PathAndQuery,
        looks_into_body: bool,
        is_last: bool,
    ) -> Addressed {
        let mut headers = if is_last { std::mem::take(&mut self.headers) } else { self.headers.clone() };
        super::headers::of_destination(&mut headers, &destination.spec);
        if looks_into_body {
            super::headers::without_compression(&mut headers);
        }
        headers.insert(HOST, self.host.clone().unwrap_or_else(|| destination.host.clone()));
        Addressed { headers, path }
    }

    /// The request itself. A body that is passing is under way with it.
    pub(super) fn request(&mut self, to: &Addressed, destination: &Destination, is_http2: bool) -> Request<Outgoing> {
        let body = match &mut self.payload {
            Payload::Kept(bytes) => Outgoing::Whole(bytes.clone()),
            Payload::Passing { body, limit, progress } => match body.take() {
                Some(body) => Outgoing::Streamed { body, left: *limit, progress: progress.clone() },
                None => Outgoing::Whole(Bytes::new()),
            },
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.headers_mut() = to.headers.clone();
        if is_http2 {
            *request.version_mut() = Version::HTTP_2;
            let mut parts = Parts::default();
            parts.scheme = destination.spec.endpoint.scheme().cloned();
            let host = request.headers_mut().remove(HOST);
            parts.authority = host.and_then(|host| host.to_str().ok()?.parse().ok());
            parts.path_and_query = Some(to.path.clone());
            *request.uri_mut() = Uri::from_parts(parts).unwrap_or_else(|_| Uri::from(to.path.clone()));
        } else {
            *request.uri_mut() = Uri::from(to.path.clone());
            // Left to itself, hyper sends no such body with the methods that seldom have one.
            let is_unknown = matches!(request.body(), Outgoing::Streamed { .. })
                && !request.body().is_end_stream()
                && request.body().size_hint().exact().is_none();
            if is_unknown {
                request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
        }
        request
    }

    /// A request came back unsent.
    pub(super) fn put_back(&mut self, request: Request<Outgoing>) {
        if let (Payload::Passing { body, .. }, Outgoing::Streamed { body: unsent, .. }) =
            (&mut self.payload, request.into_body())
        {
            *body = Some(unsent);
        }
    }

    /// Whether it can be sent (again).
    pub(super) fn can_be_sent(&self) -> bool {
        match &self.payload {
            Payload::Kept(_) => true,
            Payload::Passing { body, progress, .. } => body.is_some() && progress.stage() == Stage::Untouched,
        }
    }

    /// Where a passing body is.
    pub(super) fn stage(&self) -> Stage {
        match &self.payload {
            Payload::Kept(_) => Stage::Complete,
            Payload::Passing { progress, .. } => progress.stage(),
        }
    }
}
