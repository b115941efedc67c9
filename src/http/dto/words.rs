//! Times, durations and the closed sets of words, as they are written.

use std::time::Duration;

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::clock::Rfc3339;
use crate::domain::time::Timestamp;
use crate::domain::{breaker, failure_history, status, verdict};

/// A time by RFC 3339 in UTC, with a fraction only where it is not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2024-06-01T10:00:00Z")]
pub(crate) struct Time(pub(crate) Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Rfc3339(self.0))
    }
}

/// Milliseconds, to the microsecond.
pub(crate) fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

/// How a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum IntegrationState {
    Unknown,
    Connected,
    Retrying,
    Failed,
}

impl From<status::IntegrationState> for IntegrationState {
    fn from(state: status::IntegrationState) -> Self {
        match state {
            status::IntegrationState::Unknown => Self::Unknown,
            status::IntegrationState::Connected => Self::Connected,
            status::IntegrationState::Retrying => Self::Retrying,
            status::IntegrationState::Failed => Self::Failed,
        }
    }
}

/// What kind of system failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum FailureType {
    PaymentGateway,
    LocationWeatherApi,
    Other,
}

impl From<failure_history::FailureType> for FailureType {
    fn from(kind: failure_history::FailureType) -> Self {
        match kind {
            failure_history::FailureType::PaymentGateway => Self::PaymentGateway,
            failure_history::FailureType::LocationWeatherApi => Self::LocationWeatherApi,
            failure_history::FailureType::Other => Self::Other,
        }
    }
}

/// What came of a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum RetryResult {
    Success,
    Failure,
    NotApplicable,
}

impl From<failure_history::RetryResult> for RetryResult {
    fn from(result: failure_history::RetryResult) -> Self {
        match result {
            failure_history::RetryResult::Success => Self::Success,
            failure_history::RetryResult::Failure => Self::Failure,
            failure_history::RetryResult::NotApplicable => Self::NotApplicable,
        }
    }
}

/// How well a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Health {
    Healthy,
    Degraded,
    Down,
    Unknown,
    Maintenance,
}

impl From<verdict::Health> for Health {
    fn from(health: verdict::Health) -> Self {
        match health {
            verdict::Health::Healthy => Self::Healthy,
            verdict::Health::Degraded => Self::Degraded,
            verdict::Health::Down => Self::Down,
            verdict::Health::Unknown => Self::Unknown,
            verdict::Health::Maintenance => Self::Maintenance,
        }
    }
}

/// Whether calls pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BreakerState {
    Closed,
    Open,
    HalfOpen,
}

impl From<breaker::State> for BreakerState {
    fn from(state: breaker::State) -> Self {
        match state {
            breaker::State::Closed => Self::Closed,
            breaker::State::Open => Self::Open,
            breaker::State::HalfOpen => Self::HalfOpen,
        }
    }
}

/// How much a breaker may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BreakerMode {
    Enforce,
    DryRun,
    Disabled,
    ForcedOpen,
    ForcedClosed,
}

impl From<breaker::Mode> for BreakerMode {
    fn from(mode: breaker::Mode) -> Self {
        match mode {
            breaker::Mode::Enforce => Self::Enforce,
            breaker::Mode::DryRun => Self::DryRun,
            breaker::Mode::Disabled => Self::Disabled,
            breaker::Mode::ForcedOpen => Self::ForcedOpen,
            breaker::Mode::ForcedClosed => Self::ForcedClosed,
        }
    }
}

/// Why a breaker changed its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BreakerCause {
    FailureRate,
    SlowRate,
    BadRate,
    Consecutive,
    Probe,
    Report,
    TrialFailed,
    TrialsTimedOut,
    OpenTimeOver,
    ProbePassed,
    TrialsPassed,
    Operator,
}

impl From<breaker::Cause> for BreakerCause {
    fn from(cause: breaker::Cause) -> Self {
        match cause {
            breaker::Cause::FailureRate => Self::FailureRate,
            breaker::Cause::SlowRate => Self::SlowRate,
            breaker::Cause::BadRate => Self::BadRate,
            breaker::Cause::Consecutive => Self::Consecutive,
            breaker::Cause::Probe => Self::Probe,
            breaker::Cause::Report => Self::Report,
            breaker::Cause::TrialFailed => Self::TrialFailed,
            breaker::Cause::TrialsTimedOut => Self::TrialsTimedOut,
            breaker::Cause::OpenTimeOver => Self::OpenTimeOver,
            breaker::Cause::ProbePassed => Self::ProbePassed,
            breaker::Cause::TrialsPassed => Self::TrialsPassed,
            breaker::Cause::Operator => Self::Operator,
        }
    }
}
