//! Permits and observed calls in JSON, and what was seen of a target's calls.

use serde::Serialize;
use utoipa::ToSchema;

use super::words::{BreakerState, Time};
use crate::metrics::{SeenError, Traffic, TrafficSample};

/// A call that may be made.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Permit {
    /// To be named in the observation of the call.
    #[schema(example = "018fd2f4-8e7b-7c3a-9d3e-2f1a5b6c7d8e")]
    pub(crate) permit_id: String,
    pub(crate) target: String,
    /// The breaker's state.
    pub(crate) state: BreakerState,
    /// Whether it is one of half-open's trials.
    pub(crate) trial: bool,
    /// A call that is not reported until then was cancelled.
    pub(crate) expires_at: Time,
    #[schema(example = 30000)]
    pub(crate) expires_in_ms: f64,
}

/// A call that was made. Read in `callers`; this only describes it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", as = CallObservation)]
#[expect(dead_code, reason = "a description")]
pub(crate) struct Observation {
    /// What was called.
    #[schema(required = false, min_length = 1, max_length = 64, example = "approve")]
    operation: String,
    outcome: CallOutcome,
    /// How long it took, at most a day; a fraction is taken.
    #[schema(minimum = 0, maximum = 86_400_000)]
    duration_ms: f64,
    /// When it ended, at most 5 minutes ahead of this node's clock; now where it is missing.
    #[schema(required = false)]
    at: Time,
    /// What the error was called: shown to people, never a label of a metric.
    #[schema(required = false, min_length = 1, max_length = 128, example = "GATEWAY_TIMEOUT")]
    error_code: String,
    /// The permit it was made under.
    #[schema(required = false)]
    permit_id: String,
}

/// How a call ended, as far as the breaker cares: `success` where the target answered (a declined card is an answer),
/// `ignored` where it says nothing about the target, `unknown` where nobody knows whether the target did it, which
/// counts as a failure.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "a description")]
pub(crate) enum CallOutcome {
    Success,
    Failure,
    Ignored,
    Unknown,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Received {
    /// How many were counted: all of them.
    pub(crate) accepted: usize,
    /// Permits that are not known: taken back or reported before, another target's, or lent before a restart. Their
    /// calls were counted as those without a permit.
    pub(crate) unknown_permits: Vec<String>,
}

/// The real calls to a target since this node started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CallsSeen {
    /// Calls that ended.
    pub(crate) calls: u64,
    /// Those that failed, also those of which nobody knows how they ended.
    pub(crate) failed: u64,
    /// Reported calls that took as long as the breaker calls slow.
    pub(crate) slow: u64,
    /// The error codes that callers told of last, the latest first; at most 5.
    pub(crate) last_errors: Vec<LastError>,
}

/// An error code that callers told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LastError {
    #[schema(example = "GATEWAY_TIMEOUT")]
    pub(crate) error_code: String,
    /// Of which operation, the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) operation: Option<String>,
    /// How often, since it is among the last.
    pub(crate) count: u64,
    /// The last time.
    pub(crate) at: Time,
}

impl CallsSeen {
    /// `None` before the first call, or the first question for one.
    pub(crate) fn of(traffic: &Traffic) -> Option<Self> {
        let TrafficSample { calls, slow, .. } = traffic.sample()?;
        Some(Self {
            calls: calls.all(),
            failed: calls.failure + calls.unknown,
            slow,
            last_errors: traffic.last_errors().into_iter().map(Into::into).collect(),
        })
    }
}

impl From<SeenError> for LastError {
    fn from(seen: SeenError) -> Self {
        let SeenError { code, operation, count, at } = seen;
        Self { error_code: code.into(), operation: operation.map(Into::into), count, at: Time(at) }
    }
}
