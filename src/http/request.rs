//! What happens to every request before and after its handler.
//!
//! In this order: its correlation id is taken or made, its method checked, pages of other sites kept out, its scope
//! checked, and by what name it came. The handler runs under a guard, so that its panic costs one answer of 500 and no
//! connection. Whatever it answers gets the correlation id and the headers that keep browsers from guessing.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::{FutureExt, Stream};
use percent_encoding::percent_decode_str;
use warp::Buf;
use warp::http::header::{HeaderMap, HeaderName, HeaderValue};
use warp::http::{Method, header};
use warp::reply::Response;

use super::body::Body;
use super::error::Problem;
use super::query::Query;
use super::site;
use super::state::Http;
use crate::actors::correlation;
use crate::config::{Config, Scope};
use crate::domain::id::CorrelationId;
use crate::listener::Peer;
use crate::store::{self, Reader};

/// Names what one request caused, in and out.
pub(super) static CORRELATION: HeaderName = HeaderName::from_static("x-correlation-id");

/// Characters of a correlation id; a longer one is refused.
const CORRELATION_MAX: usize = 128;

/// Which methods a path takes, and what a caller must be allowed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub(super) allow: &'static str,
    pub(super) scope: Option<Scope>,
}

/// A request whose path was found.
pub(super) struct Asked {
    http: Arc<Http>,
    method: Method,
    headers: HeaderMap,
    query: String,
    peer: Option<Peer>,
    body: Body,
}

/// A request that may be handled.
pub(super) struct Request {
    pub(super) http: Arc<Http>,
    pub(super) correlation: CorrelationId,
    pub(super) headers: HeaderMap,
    pub(super) query: Query,
    pub(super) body: Body,
    peer: Option<Peer>,
}

impl Asked {
    pub(super) fn new<S, B>(
        http: Arc<Http>,
        method: Method,
        headers: HeaderMap,
        query: String,
        peer: Option<Peer>,
        body: S,
    ) -> Self
    where
        S: Stream<Item = Result<B, warp::Error>> + Send + 'static,
        B: Buf + Send,
    {
        let body = Body::new(&headers, body);
        Self { http, method, headers, query, peer, body }
    }

    pub(super) fn method_is(&self, method: &Method) -> bool {
        self.method == method
    }

    /// Whether a parameter is given.
    pub(super) fn asks_with(&self, name: &str) -> bool {
        Query::parse(&self.query).has(name)
    }

    /// Answers whatever was asked of a path that there is not.
    pub(super) fn nothing_here(self) -> Response {
        let (http, correlation) = (self.http.clone(), correlation_of(&self.headers));
        let (correlation, problem) = match correlation {
            Ok(given) => (given, Problem::no_such_path()),
            Err(problem) => (correlation::fresh(), problem),
        };
        finish(&http, problem.response(&correlation), &correlation)
    }

    /// Has it handled, if the rule allows it.
    pub(super) async fn answer<H, F>(self, rule: Rule, handle: H) -> Response
    where
        H: FnOnce(Request) -> F,
        F: Future<Output = Result<Response, Problem>>,
    {
        let http = self.http.clone();
        let (correlation, known) = match correlation_of(&self.headers) {
            Ok(given) => (given, Ok(())),
            Err(problem) => (correlation::fresh(), Err(problem)),
        };
        let handled = async {
            known?;
            self.check(rule)?;
            let Self { http, headers, query, peer, body, .. } = self;
            let request =
                Request { http, correlation: correlation.clone(), headers, query: Query::parse(&query), body, peer };
            handle(request).await
        };
        let handled = AssertUnwindSafe(handled).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!(%correlation, "a handler panicked; its client was answered 500");
            Err(Problem::internal())
        });
        let response = handled.unwrap_or_else(|problem| problem.response(&correlation));
        finish(&http, response, &correlation)
    }

    fn check(&self, rule: Rule) -> Result<(), Problem> {
        if !rule.allow.split(", ").any(|method| method == self.method) {
            return Err(Problem::method_not_allowed(rule.allow));
        }
        let looks = matches!(self.method, Method::GET | Method::HEAD);
        let config = self.http.config.load();
        if !looks && site::is_cross_site(&self.headers, &config) {
            return Err(Problem::cross_site());
        }
        let Some(scope) = rule.scope else { return Ok(()) };
        if !config.http.anonymous.contains(&scope) {
            return Err(Problem::not_allowed(scope));
        }
        if site::is_by_another_name(&self.headers, &config) {
            return Err(Problem::by_another_name());
        }
        Ok(())
    }
}

impl Request {
    pub(super) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// For a `GET` that changes something; other methods are checked before they are handled.
    ///
    /// # Errors
    /// 403 where a page of another site sent it.
    pub(super) fn must_not_be_cross_site(&self) -> Result<(), Problem> {
        if site::is_cross_site(&self.headers, &self.http.config.load()) { Err(Problem::cross_site()) } else { Ok(()) }
    }

    /// The configuration in force.
    pub(super) fn config(&self) -> Arc<Config> {
        self.http.config.load_full()
    }

    /// Who acts, for the log of events.
    pub(super) fn who(&self) -> Box<str> {
        match self.peer {
            Some(Peer(address)) => format!("anonymous at {}", address.ip()).into(),
            None => "anonymous".into(),
        }
    }
}

/// Reads the store without holding up other requests.
///
/// # Errors
/// It could not be read, or what was asked for is no longer kept.
pub(super) async fn stored<R: Send + 'static>(
    reader: &Reader,
    read: impl FnOnce(&Reader) -> Result<R, store::Error> + Send + 'static,
) -> Result<R, Problem> {
    let reader = reader.clone();
    match tokio::task::spawn_blocking(move || read(&reader)).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(store::Error::Gone { first })) => Err(Problem::events_gone(first)),
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the store could not be read");
            Err(Problem::internal())
        }
        Err(error) => {
            tracing::error!(%error, "reading the store was interrupted");
            Err(Problem::internal())
        }
    }
}

/// A part of a path as it was meant.
pub(super) fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

fn correlation_of(headers: &HeaderMap) -> Result<CorrelationId, Problem> {
    let Some(value) = headers.get(&CORRELATION) else { return Ok(correlation::fresh()) };
    let text = value.to_str().ok().filter(|text| is_correlation_id(text));
    let text =
        text.ok_or_else(|| Problem::invalid_header("X-Correlation-Id takes 1 to 128 visible ASCII characters"))?;
    Ok(CorrelationId::new(text))
}

pub(super) fn is_correlation_id(text: &str) -> bool {
    (1..=CORRELATION_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn finish(http: &Http, mut response: Response, correlation: &CorrelationId) -> Response {
    http.metrics.http_request(response.status().as_u16());
    let headers = response.headers_mut();
    let text = HeaderValue::from_str(&correlation.0).expect("visible ASCII is a header's value");
    headers.insert(CORRELATION.clone(), text);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correlation_id_is_visible_and_not_too_long() {
        assert!(is_correlation_id("a"));
        assert!(is_correlation_id(&"x".repeat(128)));
        for text in ["", "a b", "a\tb", "한글"] {
            assert!(!is_correlation_id(text), "{text}");
        }
        assert!(!is_correlation_id(&"x".repeat(129)));
    }

    #[test]
    fn a_part_of_a_path_is_decoded() {
        assert_eq!(decoded("PG%20KCP%2F1"), "PG KCP/1");
    }
}
