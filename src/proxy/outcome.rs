//! What an answer means for the guard: by the operation's own table, else by its status.

use std::time::Duration;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::clock::{Clock, parse_http_date};
use crate::config::proxy::{Operation, OutcomeRow, Segment};
use crate::domain::breaker::Outcome;
use crate::domain::guard::{Ended, Safety, status};

/// A longer pause than this is not waited for in any call, and would only be a number to overflow with.
const LONGEST_PAUSE: Duration = Duration::from_secs(86_400);

/// The operation that a request is one of: the first that fits. `path` is without prefix and query, as it is sent.
pub(super) fn operation<'o>(operations: &'o [Operation], method: &Method, path: &str) -> Option<&'o Operation> {
    operations.iter().find(|operation| {
        let method_fits = operation.method.as_ref().is_none_or(|known| known == method);
        method_fits && path_fits(operation, path)
    })
}

fn path_fits(operation: &Operation, path: &str) -> bool {
    // Many a target takes several slashes for one; a path with a few more must not get round its operation.
    let named = path.split('/').filter(|segment| !segment.is_empty());
    let mut segments = named.chain(path.ends_with('/').then_some(""));
    let begins = operation.path.segments.iter().all(|pattern| match (pattern, segments.next()) {
        (Segment::Exactly(known), Some(segment)) => is_same(known, segment),
        (Segment::Any, Some(segment)) => !segment.is_empty(),
        (Segment::Exactly(_) | Segment::Any, None) => false,
    });
    begins && (segments.next().is_some() == operation.path.open_ended)
}

/// Encoded or not: where it makes a difference to the target, the table of its neighbour is better than none.
fn is_same(known: &str, segment: &str) -> bool {
    known == segment || percent_decode_str(known).eq(percent_decode_str(segment))
}

/// Whether the operation's table asks for the body of an answer like this.
pub(super) fn looks_into_body(operation: Option<&Operation>, code: StatusCode, headers: &HeaderMap) -> bool {
    let rows = operation.map_or(&[][..], |operation| &operation.outcomes);
    let concerned = rows.iter().any(|row| row.json.is_some() && status_fits(row, code));
    let is_json = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/json") || kind.to_ascii_lowercase().ends_with("+json")
    });
    concerned && is_json && !headers.contains_key(CONTENT_ENCODING)
}

/// What the table, or else the status, says of an answer. `request` is the safety of repeating the request in any case;
/// `body` is there if it was asked for and is JSON.
pub(super) fn of_answer(
    operation: Option<&Operation>,
    request: Safety,
    code: StatusCode,
    headers: &HeaderMap,
    body: Option<&Value>,
    clock: Clock,
) -> Ended {
    let rows = operation.map_or(&[][..], |operation| &operation.outcomes);
    let ended = match rows.iter().find(|row| status_fits(row, code) && body_fits(row, body)) {
        Some(row) => {
            let safety = if row.not_processed { Safety::NotProcessed } else { request };
            Ended::new(row.outcome).with_safety(safety)
        }
        None => status::ended(code.as_u16(), request, false),
    };
    if ended.outcome == Outcome::Success { ended } else { ended.with_retry_after(retry_after(headers, clock)) }
}

fn status_fits(row: &OutcomeRow, code: StatusCode) -> bool {
    row.status.is_empty() || row.status.iter().any(|range| range.contains(&code.as_u16()))
}

fn body_fits(row: &OutcomeRow, body: Option<&Value>) -> bool {
    let Some(json) = &row.json else { return true };
    let Some(body) = body else { return false };
    json.path.query(body).iter().any(|value| json.values.contains(value))
}

/// Seconds, or a date.
fn retry_after(headers: &HeaderMap, clock: Clock) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let wait = parse_http_date(text).ok()?.as_nanos().saturating_sub(clock.now().as_nanos());
            Duration::from_nanos(u64::try_from(wait).unwrap_or(0))
        }
    };
    Some(pause.min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn operations() -> Vec<Operation> {
        let text = r#"
            [[target]]
            name = "PG"
            endpoint = "http://pg.example"
            [[proxy.route]]
            prefix = "/gw/pg"
            target = "PG"
            [[proxy.route.operation]]
            name = "authorize"
            method = "POST"
            path = "/v1/payments"
            outcome = [
                { status = ["200-299"], json = "$.resultCode", in = ["2159", 2159], outcome = "failure", not_processed = true },
                { status = [503], outcome = "ignored" },
            ]
            [[proxy.route.operation]]
            name = "find"
            path = "/v1/payments/{id}"
            [[proxy.route.operation]]
            name = "rest"
            path = "/v1/*"
        "#;
        let loaded = Config::parse(text, "t.toml", std::path::Path::new(""), &std::collections::BTreeMap::new());
        loaded.unwrap_or_else(|problems| panic!("{problems}")).config.proxy.routes[0].operations.clone()
    }

    #[test]
    fn the_first_operation_that_fits_is_the_one() {
        let operations = operations();
        let found = |method: Method, path| operation(&operations, &method, path).map(|operation| &*operation.name);
        assert_eq!(found(Method::POST, "/v1/payments"), Some("authorize"));
        assert_eq!(found(Method::GET, "/v1/payments"), Some("rest"));
        assert_eq!(found(Method::GET, "/v1/payments/7"), Some("find"));
        assert_eq!(found(Method::GET, "/v1/payments/"), Some("rest"));
        assert_eq!(found(Method::GET, "/v1/payments/7/cancel"), Some("rest"));
        assert_eq!(found(Method::GET, "/v1"), None);
        assert_eq!(found(Method::POST, "//v1///payments"), Some("authorize"));
        assert_eq!(found(Method::GET, "/v1//payments//7"), Some("find"));
        assert_eq!(found(Method::GET, "/v1//"), Some("rest"));
        assert_eq!(found(Method::POST, "/v1/p%61yments"), Some("authorize"));
        assert_eq!(found(Method::GET, "/v2/payments"), None);
    }

    #[test]
    fn a_result_code_in_a_200_says_what_the_status_does_not() {
        let operations = operations();
        let clock = Clock::system();
        let judged = |code: u16, body: Value| {
            let code = StatusCode::from_u16(code).unwrap();
            of_answer(Some(&operations[0]), Safety::Unsafe, code, &HeaderMap::new(), Some(&body), clock)
        };
        let failed = Ended::new(Outcome::Failure).with_safety(Safety::NotProcessed);
        assert_eq!(judged(200, serde_json::json!({"resultCode": "2159"})), failed);
        assert_eq!(judged(201, serde_json::json!({"resultCode": 2159})), failed);
        assert_eq!(judged(200, serde_json::json!({"resultCode": "3011"})), Ended::new(Outcome::Success));
        assert_eq!(judged(503, serde_json::json!({"resultCode": "2159"})), Ended::new(Outcome::Ignored));
        assert_eq!(judged(500, Value::Null), Ended::new(Outcome::Failure));
    }

    #[test]
    fn only_json_that_is_not_compressed_is_looked_into() {
        let operations = operations();
        let looks = |operation: usize, code: u16, headers: &[(http::HeaderName, &'static str)]| {
            let headers =
                headers.iter().map(|(name, value)| (name.clone(), http::HeaderValue::from_static(value))).collect();
            looks_into_body(Some(&operations[operation]), StatusCode::from_u16(code).unwrap(), &headers)
        };
        assert!(looks(0, 200, &[(CONTENT_TYPE, "application/json; charset=utf-8")]));
        assert!(looks(0, 200, &[(CONTENT_TYPE, "application/Problem+JSON")]));
        assert!(!looks(0, 503, &[(CONTENT_TYPE, "application/json")]), "no row asks");
        assert!(!looks(0, 200, &[(CONTENT_TYPE, "text/html")]));
        assert!(!looks(0, 200, &[(CONTENT_TYPE, "application/json"), (CONTENT_ENCODING, "gzip")]));
        assert!(!looks(1, 200, &[(CONTENT_TYPE, "application/json")]));
    }

    #[test]
    fn the_pause_that_a_target_asks_for_is_seconds_or_a_date() {
        let asked = |text: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            retry_after(&headers, Clock::system())
        };
        assert_eq!(asked("7"), Some(Duration::from_secs(7)));
        assert_eq!(asked("99999999999"), Some(LONGEST_PAUSE));
        assert_eq!(asked("Sat, 01 Jun 2024 10:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(asked("soon"), None);
    }
}
