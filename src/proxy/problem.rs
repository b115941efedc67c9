//! What the proxy itself answers, as `application/problem+json` (RFC 9457), and the only place here that knows its status
//! codes. The types are URNs as those of the API; nothing that a client or a target sent is repeated in the words.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};

use crate::domain::breaker;
use crate::domain::guard::Refusal;

/// Why there is no answer of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It was not asked: the guard says no.
    Guarded(Refusal, Duration),
    /// The call's budget was over before anything was sent.
    BudgetOver,
    /// No connection could be made.
    Unreachable,
    /// No connection could be made in time.
    ConnectTimeout,
    /// The connection broke before the answer came.
    Broken,
    /// The answer is longer than the route takes.
    AnswerTooLarge,
    /// No answer in time.
    TimedOut,
    /// This node lacks something.
    Ours,
    /// The route's target is not served by this node.
    NoTarget,
    /// This node has no such route (any more).
    NoRoute,
    /// It came from this very node.
    Loop,
    /// Another protocol is asked for.
    Upgrade,
    /// A method that is not passed on.
    Method,
    /// The path can be read in two ways, or leaves its prefix.
    Path,
    /// The path is longer than a target can be sent.
    PathTooLong,
    /// There is not one host, or what is there is none.
    Host,
    /// The body has two lengths, or one that is none.
    Length,
    /// The body is longer than the route takes.
    BodyTooLarge,
    /// The body broke off.
    BodyCutShort,
    /// The body came too slowly.
    BodyTooSlow,
    /// This node keeps as many bytes of requests as it may.
    NoRoom,
}

/// When to come back where nobody knows: the least that can be said. Who comes back later does no harm.
const SOON: Duration = Duration::from_secs(1);

/// Status, last part of `type`, title, and the word in `reason`.
type Facts = (StatusCode, &'static str, &'static str, &'static str);

impl Why {
    /// Its word, one for each kind.
    pub(super) const fn reason(self) -> &'static str {
        self.facts().3
    }

    const fn facts(self) -> Facts {
        use StatusCode as S;
        match self {
            Self::Guarded(Refusal::RateLimited, _) => {
                (S::TOO_MANY_REQUESTS, "rate-limited", "Too many calls", Refusal::RateLimited.as_str())
            }
            Self::Guarded(Refusal::BulkheadFull, _) => {
                (S::SERVICE_UNAVAILABLE, "bulkhead-full", "Too many calls at a time", Refusal::BulkheadFull.as_str())
            }
            Self::Guarded(refusal @ Refusal::Breaker(_), _) => {
                (S::SERVICE_UNAVAILABLE, "breaker-open", "The circuit breaker is open", refusal.as_str())
            }
            Self::BudgetOver => (S::GATEWAY_TIMEOUT, "budget-over", "No time is left for the call", "budget_over"),
            Self::Unreachable => (S::BAD_GATEWAY, "unreachable", "The target cannot be reached", "unreachable"),
            Self::ConnectTimeout => {
                (S::GATEWAY_TIMEOUT, "connect-timeout", "No connection to the target in time", "connect_timeout")
            }
            Self::AnswerTooLarge => (S::BAD_GATEWAY, "answer-too-large", "The answer is too large", "answer_too_large"),
            Self::Broken => (S::BAD_GATEWAY, "broken-answer", "The target broke off", "broken"),
            Self::TimedOut => (S::GATEWAY_TIMEOUT, "target-timeout", "The target did not answer in time", "timeout"),
            Self::Ours => (S::BAD_GATEWAY, "call-impossible", "This node could not make the call", "internal"),
            Self::NoTarget => (S::SERVICE_UNAVAILABLE, "no-such-target", "No such integration target", "no_target"),
            Self::NoRoute => (S::NOT_FOUND, "no-such-route", "No route leads here", "no_route"),
            Self::Loop => (S::LOOP_DETECTED, "loop", "The request went in a circle", "loop"),
            Self::Upgrade => (S::NOT_IMPLEMENTED, "no-upgrade", "Not to another protocol", "upgrade"),
            Self::Method => (S::NOT_IMPLEMENTED, "no-such-method", "Not with this method", "method"),
            Self::Path => (S::BAD_REQUEST, "ambiguous-path", "The path is not passed on", "path"),
            Self::PathTooLong => (S::URI_TOO_LONG, "path-too-long", "The path is too long", "path_too_long"),
            Self::Host => (S::BAD_REQUEST, "no-host", "The request is not for one host", "host"),
            Self::Length => (S::BAD_REQUEST, "ambiguous-length", "The body's length is not clear", "length"),
            Self::BodyTooLarge => (S::PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large", "body_too_large"),
            Self::BodyCutShort => (S::BAD_REQUEST, "body-cut-short", "The body ended early", "body_cut_short"),
            Self::BodyTooSlow => (S::REQUEST_TIMEOUT, "body-too-slow", "The body came too slowly", "body_too_slow"),
            Self::NoRoom => (S::SERVICE_UNAVAILABLE, "no-room", "Too many requests at a time", "no_room"),
        }
    }

    /// When to come back, where coming back may help.
    const fn pause(self) -> Option<Duration> {
        match self {
            Self::Guarded(_, pause) => Some(pause),
            Self::BudgetOver | Self::ConnectTimeout | Self::TimedOut | Self::NoTarget | Self::NoRoom => Some(SOON),
            Self::Unreachable
            | Self::Broken
            | Self::AnswerTooLarge
            | Self::Ours
            | Self::NoRoute
            | Self::Loop
            | Self::Upgrade
            | Self::Method
            | Self::Path
            | Self::PathTooLong
            | Self::Host
            | Self::Length
            | Self::BodyTooLarge
            | Self::BodyCutShort
            | Self::BodyTooSlow => None,
        }
    }

    fn detail(self, target: &str) -> String {
        match self {
            Self::Guarded(Refusal::RateLimited, pause) => {
                format!("{target} takes no more calls for now; come back in {} s", seconds(pause))
            }
            Self::Guarded(Refusal::BulkheadFull, pause) => {
                let seconds = seconds(pause);
                format!("as many calls to {target} as may be are under way; come back in {seconds} s")
            }
            Self::Guarded(Refusal::Breaker(why), pause) => breaker_words(target, why, seconds(pause)),
            Self::BudgetOver => format!("no time was left to call {target}; nothing was sent"),
            Self::Unreachable => format!("no connection to {target}; nothing was sent"),
            Self::ConnectTimeout => format!("no connection to {target} in time; nothing was sent"),
            Self::AnswerTooLarge => format!("the answer of {target} is longer than this route takes"),
            Self::Broken => {
                format!("{target} broke off before it had answered; whether it has done what was asked is not known")
            }
            Self::TimedOut => {
                format!("{target} did not answer in time; whether it has done what was asked is not known")
            }
            Self::Ours => format!("this node could not call {target}; its log says why"),
            Self::NoTarget => format!("{target} is not configured in this node at the moment"),
            Self::NoRoute => "the route of this socket was removed from the configuration".to_owned(),
            Self::Loop => format!("the request for {target} has passed this node before"),
            Self::Upgrade => "requests that change to another protocol are not passed on".to_owned(),
            Self::Method => "CONNECT and TRACE are not passed on".to_owned(),
            Self::Path => "the path goes up beyond its prefix, or can be read in two ways".to_owned(),
            Self::PathTooLong => format!("the path is longer than {target} can be sent"),
            Self::Host => "a request has one Host header, which is a host with or without a port".to_owned(),
            Self::Length => "a request has one Content-Length, which is a number".to_owned(),
            Self::BodyTooLarge => format!("the body is longer than this route to {target} takes"),
            Self::BodyCutShort => "the request could not be read to its end".to_owned(),
            Self::BodyTooSlow => "the body did not arrive in time".to_owned(),
            Self::NoRoom => "this node keeps as many requests as it may; nothing was sent".to_owned(),
        }
    }
}

fn breaker_words(target: &str, why: breaker::Refusal, seconds: u64) -> String {
    let state = match why.as_str() {
        "forced_open" => "its circuit breaker was opened by an operator",
        "trials_taken" => "its circuit breaker tries it with a few calls first",
        "ramping" => "its circuit breaker lets calls through little by little",
        _ => "its circuit breaker is open",
    };
    let trouble = if why.as_str() == "open" { "is not answering" } else { "takes no call now" };
    format!("{target} {trouble}; {state}; come back in {seconds} s")
}

/// Rounded up, and at least one: a client that comes back at once would be refused again.
fn seconds(pause: Duration) -> u64 {
    (pause.as_secs() + u64::from(pause.subsec_nanos() > 0)).max(1)
}

/// An answer of the proxy's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) why: Why,
    pub(super) target: Arc<str>,
}

impl Problem {
    /// It as it leaves the node.
    pub(super) fn response(&self) -> Response<Bytes> {
        let (status, slug, title, reason) = self.why.facts();
        let pause = self.why.pause();
        let body = serde_json::json!({
            "type": format!("urn:breakwater:problem:{slug}"),
            "title": title,
            "status": status.as_u16(),
            "detail": self.why.detail(&self.target),
            "target": &*self.target,
            "reason": reason,
            "retryAfterMs": pause.map(|pause| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)),
        });
        let mut response = Response::new(Bytes::from(without_null(body).to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(pause) = pause {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds(pause)));
        }
        response
    }
}

fn without_null(mut body: serde_json::Value) -> serde_json::Value {
    if let Some(members) = body.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_who_why_and_until_when() {
        let why = Why::Guarded(Refusal::Breaker(breaker::Refusal::Open), Duration::from_millis(11_200));
        let response = Problem { why, target: "PG_KCP".into() }.response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[RETRY_AFTER], "12");
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        insta::assert_json_snapshot!(body, @r#"
        {
          "detail": "PG_KCP is not answering; its circuit breaker is open; come back in 12 s",
          "reason": "open",
          "retryAfterMs": 11200,
          "status": 503,
          "target": "PG_KCP",
          "title": "The circuit breaker is open",
          "type": "urn:breakwater:problem:breaker-open"
        }
        "#);
    }

    #[test]
    fn nobody_is_told_to_come_back_at_once() {
        for (pause, header) in [(0, "1"), (1, "1"), (1_000, "1"), (1_001, "2")] {
            let why = Why::Guarded(Refusal::RateLimited, Duration::from_millis(pause));
            let response = Problem { why, target: "A".into() }.response();
            assert_eq!(
                (response.status(), &response.headers()[RETRY_AFTER]),
                (StatusCode::TOO_MANY_REQUESTS, &HeaderValue::from_static(header))
            );
        }
    }

    #[test]
    fn who_may_come_back_is_told_when() {
        for why in [Why::NoTarget, Why::NoRoom, Why::BudgetOver, Why::ConnectTimeout, Why::TimedOut] {
            let response = Problem { why, target: "A".into() }.response();
            assert!(response.status() == 503 || response.status() == 504, "{why:?}");
            assert_eq!(response.headers()[RETRY_AFTER], "1", "{why:?}");
        }
    }
}
