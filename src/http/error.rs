//! Every refusal, as `application/problem+json` (RFC 9457), and the only place that knows status codes.
//!
//! A problem's `type` is a URN that never changes: `urn:breakwater:problem:stale-report`. Its words are ours alone:
//! nothing that a client sent is repeated in them, since it could be a card number.

use std::time::Duration;

use warp::http::StatusCode;
use warp::http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use warp::reply::Response;

use super::dto::problem::{FieldError, ProblemBody};
use super::dto::words::millis;
use crate::actors::answer::Refused;
use crate::actors::callers::NotLent;
use crate::clock::Rfc3339;
use crate::config::{Problems, Scope};
use crate::domain::breaker::{self, Rejected};
use crate::domain::id::{CorrelationId, Sequence};
use crate::domain::{failure_history, status};

mod quiet;

/// After this time a caller may ask for another passive target: they go only when an operator acts.
const PASSIVE_PAUSE: Duration = Duration::from_secs(60);
/// After this time an attempt that this node could not make may work: what it lacked is back, or is not.
const ATTEMPT_PAUSE: Duration = Duration::from_secs(5);
/// Mistakes in a body that are told; of more only the number is.
const ERRORS_MAX: usize = 100;

/// How an answer that is no refusal is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Success {
    /// Here it is.
    Found,
    /// It was made.
    Created,
    /// It was taken.
    Accepted,
    /// It is done, and there is nothing to say.
    Nothing,
    /// It is done, and there is something to look at elsewhere.
    Elsewhere,
    /// The client has it already.
    NotModified,
}

impl Success {
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::Found => StatusCode::OK,
            Self::Created => StatusCode::CREATED,
            Self::Accepted => StatusCode::ACCEPTED,
            Self::Nothing => StatusCode::NO_CONTENT,
            Self::Elsewhere => StatusCode::SEE_OTHER,
            Self::NotModified => StatusCode::NOT_MODIFIED,
        }
    }
}

/// How a health check is answered.
pub(super) const fn health_status(ok: bool) -> StatusCode {
    if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// The kinds of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    MalformedJson,
    InvalidBody,
    InvalidQuery,
    InvalidHeader,
    BodyCutShort,
    FromTheFuture,
    NotASuccess,
    AlreadyOver,
    NotAllowed,
    CrossSite,
    NoSuchPath,
    NoSuchStatus,
    NoSuchHistory,
    NoSuchTarget,
    NoSuchAlert,
    NoSuchDelivery,
    NoSuchQuiet,
    NoSuchChannel,
    MethodNotAllowed,
    BodyTooSlow,
    StaleReport,
    RetryCount,
    HistoryClosed,
    AlertOver,
    QuietConfigured,
    TooManyQuiets,
    OtherEndpoint,
    NotConfigured,
    ReportsIn,
    IsCalled,
    DuplicateEvent,
    EventsGone,
    BodyTooLarge,
    UnsupportedMediaType,
    ConfigurationRefused,
    TooManyPassiveTargets,
    Busy,
    InternalError,
    AttemptImpossible,
    CallRefused,
    TooManyPermits,
    NoAnswer,
}

impl Kind {
    /// The status, the last part of `type`, and the title.
    const fn facts(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::MalformedJson => (S::BAD_REQUEST, "malformed-json", "The body is not JSON"),
            Self::InvalidBody => (S::BAD_REQUEST, "invalid-body", "The body is not what it must be"),
            Self::InvalidQuery => (S::BAD_REQUEST, "invalid-query", "The query is not what it must be"),
            Self::InvalidHeader => (S::BAD_REQUEST, "invalid-header", "A header is not what it must be"),
            Self::BodyCutShort => (S::BAD_REQUEST, "body-cut-short", "The body ended early"),
            Self::FromTheFuture => (S::BAD_REQUEST, "from-the-future", "The report is from the future"),
            Self::NotASuccess => (S::BAD_REQUEST, "not-a-success", "A recovery must be a success"),
            Self::AlreadyOver => (S::BAD_REQUEST, "already-over", "The end is in the past"),
            Self::NotAllowed => (S::FORBIDDEN, "not-allowed", "Not allowed without a token"),
            Self::CrossSite => (S::FORBIDDEN, "cross-site", "Not from another site"),
            Self::NoSuchPath => (S::NOT_FOUND, "no-such-path", "Nothing is here"),
            Self::NoSuchStatus => (S::NOT_FOUND, "no-such-status", "No such integration status"),
            Self::NoSuchHistory => (S::NOT_FOUND, "no-such-history", "No such failure history"),
            Self::NoSuchTarget => (S::NOT_FOUND, "no-such-target", "No such integration target"),
            Self::NoSuchAlert => (S::NOT_FOUND, "no-such-alert", "No such alert"),
            Self::NoSuchDelivery => (S::NOT_FOUND, "no-such-delivery", "No such message"),
            Self::NoSuchQuiet => (S::NOT_FOUND, "no-such-silence", "No such silence or maintenance"),
            Self::NoSuchChannel => (S::NOT_FOUND, "no-such-channel", "No such channel"),
            Self::MethodNotAllowed => (S::METHOD_NOT_ALLOWED, "method-not-allowed", "Not with this method"),
            Self::BodyTooSlow => (S::REQUEST_TIMEOUT, "body-too-slow", "The body came too slowly"),
            Self::StaleReport => (S::CONFLICT, "stale-report", "The report is older than what is known"),
            Self::RetryCount => (S::CONFLICT, "retry-count", "The retry count is another"),
            Self::HistoryClosed => (S::CONFLICT, "history-closed", "The failure was recovered before"),
            Self::AlertOver => (S::CONFLICT, "alert-over", "The alert is over"),
            Self::QuietConfigured => (S::CONFLICT, "configured", "It stands in the configuration"),
            Self::OtherEndpoint => (S::CONFLICT, "other-endpoint", "The system is configured with another endpoint"),
            Self::NotConfigured => (S::CONFLICT, "not-configured", "The system is not configured"),
            Self::ReportsIn => (S::CONFLICT, "reports-in", "The target is not called"),
            Self::IsCalled => (S::CONFLICT, "is-called", "The target does not report in"),
            Self::DuplicateEvent => (S::CONFLICT, "duplicate-event", "The event was received before"),
            Self::EventsGone => (S::GONE, "events-gone", "These events are no longer kept"),
            Self::BodyTooLarge => (S::PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large"),
            Self::UnsupportedMediaType => {
                (S::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The body must be JSON")
            }
            Self::ConfigurationRefused => {
                (S::UNPROCESSABLE_ENTITY, "configuration-refused", "The configuration was refused")
            }
            Self::TooManyPassiveTargets => {
                (S::TOO_MANY_REQUESTS, "too-many-passive-targets", "Too many systems that are not configured")
            }
            Self::TooManyQuiets => (S::TOO_MANY_REQUESTS, "too-many-silences", "Too many of them"),
            Self::Busy => (S::TOO_MANY_REQUESTS, "busy", "Too much waits to be written"),
            Self::InternalError => (S::INTERNAL_SERVER_ERROR, "internal-error", "This node failed"),
            Self::AttemptImpossible => {
                (S::SERVICE_UNAVAILABLE, "attempt-impossible", "This node could not make the attempt")
            }
            Self::CallRefused => (S::SERVICE_UNAVAILABLE, "call-refused", "The target may not be called now"),
            Self::TooManyPermits => (S::SERVICE_UNAVAILABLE, "too-many-permits", "Too many permits are out"),
            Self::NoAnswer => (S::GATEWAY_TIMEOUT, "no-answer", "No answer in time"),
        }
    }
}

/// Why a request was not carried out. Nothing was stored, unless its words say otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub(super) struct Problem {
    kind: Kind,
    detail: Box<str>,
    errors: Vec<FieldError>,
    allow: Option<&'static str>,
    retry_after: Option<Duration>,
    /// Why a call was refused; with it the pause is told to the millisecond.
    reason: Option<&'static str>,
    first: Option<Sequence>,
    expected_retry_count: Option<u32>,
}

impl Problem {
    fn new(kind: Kind, detail: impl Into<Box<str>>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            allow: None,
            retry_after: None,
            reason: None,
            first: None,
            expected_retry_count: None,
        }
    }

    /// `reason` is the parser's, which names a place and no content.
    pub(super) fn malformed_json(reason: &str) -> Self {
        Self::new(Kind::MalformedJson, format!("the body is not JSON: {reason}"))
    }

    pub(super) fn invalid_body(mut errors: Vec<FieldError>) -> Self {
        let detail = sentence(errors.len(), "one member of the body is wrong", "members of the body are wrong");
        errors.truncate(ERRORS_MAX);
        Self { errors, ..Self::new(Kind::InvalidBody, detail) }
    }

    pub(super) fn invalid_query(errors: Vec<FieldError>) -> Self {
        let detail = sentence(errors.len(), "one query parameter is wrong", "query parameters are wrong");
        Self { errors, ..Self::new(Kind::InvalidQuery, detail) }
    }

    pub(super) fn invalid_header(detail: &'static str) -> Self {
        Self::new(Kind::InvalidHeader, detail)
    }

    pub(super) fn body_cut_short() -> Self {
        Self::new(Kind::BodyCutShort, "the request could not be read to its end")
    }

    pub(super) fn body_too_slow(limit: Duration) -> Self {
        Self::new(Kind::BodyTooSlow, format!("the body did not arrive within {} s", limit.as_secs()))
    }

    pub(super) fn body_too_large(limit: usize) -> Self {
        Self::new(Kind::BodyTooLarge, format!("the body is larger than {} KiB", limit / 1024))
    }

    pub(super) fn unsupported_media_type() -> Self {
        Self::new(Kind::UnsupportedMediaType, "send the body as application/json, in UTF-8")
    }

    pub(super) fn not_allowed(scope: Scope) -> Self {
        let scope = scope.as_str();
        Self::new(
            Kind::NotAllowed,
            format!("this takes the scope {scope:?}, which callers without a token do not have on this node"),
        )
    }

    pub(super) fn cross_site() -> Self {
        Self::new(Kind::CrossSite, "a page of another site may not make a browser do this")
    }

    pub(super) fn by_another_name() -> Self {
        Self::new(
            Kind::CrossSite,
            "this node listens on a loopback address and was asked by a name that is not this machine's; ask it by \
             its address, or set alerting.external_url to the name by which people reach it",
        )
    }

    pub(super) fn no_such_path() -> Self {
        Self::new(Kind::NoSuchPath, "there is nothing at this path; /openapi.json lists the paths")
    }

    pub(super) fn no_such_status() -> Self {
        Self::new(Kind::NoSuchStatus, "there is no integration status with this id")
    }

    pub(super) fn no_such_history() -> Self {
        Self::from(Refused::NoSuchHistory)
    }

    pub(super) fn no_such_target() -> Self {
        Self::new(Kind::NoSuchTarget, "there is no integration target with this name")
    }

    pub(super) fn bad_token() -> Self {
        Self::new(Kind::NotAllowed, "this link is not one that this node signed; use the one in the message")
    }

    pub(super) fn no_breaker() -> Self {
        Self::new(Kind::NotConfigured, "the system is not configured, so this node has no circuit breaker for it")
    }

    pub(super) fn no_such_channel() -> Self {
        Self::new(Kind::NoSuchChannel, "there is no channel with this name")
    }

    pub(super) fn method_not_allowed(allow: &'static str) -> Self {
        Self { allow: Some(allow), ..Self::new(Kind::MethodNotAllowed, format!("this path takes {allow}")) }
    }

    pub(super) fn events_gone(first: Sequence) -> Self {
        let before = first.0.saturating_sub(1);
        let detail = format!("events up to {before} are no longer kept; go on with after={before}");
        Self { first: Some(first), ..Self::new(Kind::EventsGone, detail) }
    }

    pub(super) fn configuration_refused(errors: Vec<FieldError>) -> Self {
        let detail = "the new configuration was refused; the old one stays in force";
        Self { errors, ..Self::new(Kind::ConfigurationRefused, detail) }
    }

    /// `tracing` has said what.
    pub(super) fn internal() -> Self {
        Self::new(Kind::InternalError, "something went wrong in this node; its log says what")
    }

    fn at(self, pointer: &'static str, detail: impl Into<String>) -> Self {
        Self { errors: vec![FieldError::in_body(pointer, detail)], ..self }
    }

    fn after(self, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..self }
    }

    /// The refusal as it leaves the node.
    pub(super) fn body(&self, correlation: &CorrelationId) -> ProblemBody {
        let (status, slug, title) = self.kind.facts();
        ProblemBody {
            kind: format!("urn:breakwater:problem:{slug}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.detail.to_string(),
            correlation_id: correlation.to_string(),
            errors: self.errors.clone(),
            first: self.first.map(|first| first.0),
            expected_retry_count: self.expected_retry_count,
            reason: self.reason,
            retry_after_ms: self.reason.and(self.retry_after).map(millis),
        }
    }

    /// The answer that says it.
    pub(super) fn response(&self, correlation: &CorrelationId) -> Response {
        let body = serde_json::to_vec(&self.body(correlation)).expect("strings and numbers can always be written");
        let mut response = Response::new(body.into());
        *response.status_mut() = self.kind.facts().0;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(pause) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(pause)));
        }
        response
    }
}

/// Rounded up, and at least 1: who comes back then is not too early.
fn whole_seconds(pause: Duration) -> u64 {
    (pause.as_secs() + u64::from(pause.subsec_nanos() > 0)).max(1)
}

fn sentence(number: usize, one: &str, many: &str) -> String {
    if number == 1 { one.to_owned() } else { format!("{number} {many}") }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let said = refused.to_string();
        match refused {
            Refused::Status(refusal) => Self::from(refusal),
            Refused::History(refusal) => Self::from(refusal),
            Refused::NoSuchHistory => Self::new(Kind::NoSuchHistory, said),
            Refused::NoSuchTarget { .. } => Self::no_such_target(),
            Refused::NoSuchAlert => Self::new(Kind::NoSuchAlert, said),
            Refused::AlertOver | Refused::IncidentOver => Self::new(Kind::AlertOver, said),
            Refused::NoSuchDelivery => Self::new(Kind::NoSuchDelivery, said),
            Refused::OtherEndpoint { .. } => Self::new(Kind::OtherEndpoint, said)
                .at("/target/endpoint", "is not the endpoint that the system is configured with"),
            Refused::NotConfigured { .. } => Self::new(
                Kind::NotConfigured,
                "the system is not configured, so this node makes no attempt of its own; report one with its time",
            ),
            Refused::ReportsIn { .. } => Self::new(
                Kind::ReportsIn,
                "this node does not call the target: it reports in by POST /heartbeats/ and its name",
            ),
            Refused::IsCalled { .. } => {
                Self::new(Kind::IsCalled, "the target does not report in: the kind of its probe is not heartbeat")
            }
            Refused::TooManyPassive { .. } => Self::new(Kind::TooManyPassiveTargets, said).after(PASSIVE_PAUSE),
            Refused::AttemptImpossible { .. } => Self::new(Kind::AttemptImpossible, said).after(ATTEMPT_PAUSE),
            Refused::Busy { retry_after } => Self::new(Kind::Busy, said).after(retry_after),
            Refused::NoAnswer => Self::new(Kind::NoAnswer, said),
            Refused::Unreadable => Self::internal(),
            Refused::Duplicate => Self::new(Kind::DuplicateEvent, said),
            Refused::AlreadyOver { .. } => {
                Self::new(Kind::AlreadyOver, "the end is not in the future").at("/until", "must be in the future")
            }
        }
    }
}

impl From<NotLent> for Problem {
    fn from(not_lent: NotLent) -> Self {
        let said = not_lent.to_string();
        match not_lent {
            NotLent::NotConfigured => Self::no_breaker(),
            NotLent::Rejected(rejected) => Self::from(rejected),
            NotLent::TooMany { retry_after, .. } => Self {
                reason: Some("too_many_permits"),
                ..Self::new(Kind::TooManyPermits, format!("{said}; come back in {} s", whole_seconds(retry_after)))
                    .after(retry_after)
            },
        }
    }
}

impl From<Rejected> for Problem {
    fn from(rejected: Rejected) -> Self {
        let Rejected { reason, retry_after } = rejected;
        let why = match reason {
            breaker::Refusal::Open => "the circuit breaker is open",
            breaker::Refusal::ForcedOpen => "an operator holds the circuit breaker open",
            breaker::Refusal::TrialsTaken => "the circuit breaker is half-open, and its trials are all taken",
            breaker::Refusal::Ramping => "the circuit breaker has closed and lets calls back little by little",
        };
        let detail = format!("{why}; come back in {} s", whole_seconds(retry_after));
        Self { reason: Some(reason.as_str()), ..Self::new(Kind::CallRefused, detail).after(retry_after) }
    }
}

impl From<status::Refusal> for Problem {
    fn from(refusal: status::Refusal) -> Self {
        match refusal {
            status::Refusal::Stale { known } => Self::new(
                Kind::StaleReport,
                format!("the report is older than what is known, which is of {}", Rfc3339(known)),
            ),
            status::Refusal::Ahead { limit } => Self::new(
                Kind::FromTheFuture,
                format!("the report is ahead of this node's clock; it takes times up to {}", Rfc3339(limit)),
            ),
            status::Refusal::RetryCount { expected } => Self::retry_count(expected),
        }
    }
}

impl From<failure_history::Refusal> for Problem {
    fn from(refusal: failure_history::Refusal) -> Self {
        match refusal {
            failure_history::Refusal::Closed { recovered_at } => {
                Self::new(Kind::HistoryClosed, format!("the failure was recovered at {}", Rfc3339(recovered_at)))
            }
            failure_history::Refusal::RetryCount { expected } => Self::retry_count(expected),
            failure_history::Refusal::NotASuccess => {
                Self::new(Kind::NotASuccess, "a failure is recovered by a success and nothing else")
                    .at("/retryResult", "must be SUCCESS")
            }
        }
    }
}

impl From<Problems> for Problem {
    fn from(problems: Problems) -> Self {
        let told = problems.as_slice().iter().map(|problem| FieldError::in_configuration(problem.to_string()));
        Self::configuration_refused(told.collect())
    }
}

impl Problem {
    fn retry_count(expected: u32) -> Self {
        let problem = Self::new(Kind::RetryCount, format!("the next retry is number {expected}"))
            .at("/retryCount", format!("must be {expected}, the stored count plus one"));
        Self { expected_retry_count: Some(expected), ..problem }
    }
}
